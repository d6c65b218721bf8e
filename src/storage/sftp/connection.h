#pragma once

/// One session at a time, made anew where it breaks; and what of a server's tree is the store's.

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/check.h"
#include "storage/sftp.h"
#include "storage/sftp/address.h"
#include "storage/sftp/session.h"

namespace weir::storage::sftp {

/// A session, and what is known of the tree through it. For one thread at a time.
class Tree {
 public:
  /// `root` as Address has it.
  Tree(std::unique_ptr<Session> session, const std::string& root, int64_t number)
      : session_(std::move(session)), root_(root), number_(number) {}

  Session& session() { return *session_; }
  /// Another one for each session: handles are of one only.
  int64_t number() const { return number_; }

  struct Found {
    std::string path;  ///< Without links.
    Attributes attributes;
  };
  /// The file of that name. kNotFound where there is none; kDenied where a link leads out.
  Result<Found> find(std::string_view name);
  /// The same of a folder, by its name in the store (empty: the root), without a '/' at its end.
  Result<std::string> find_folder(const std::string& folder);
  /// Makes it with what is above it.
  Result<std::string> make_folder(const std::string& folder);
  void forget_folders() { known_.clear(); }
  /// Of a link: what it leads to; nothing where that is not there or no file. kDenied where it
  /// leads out.
  Result<std::optional<Found>> follow(const std::string& path);

 private:
  Result<std::string> root_path();
  bool has_file_in_its_way(const std::string& path);
  /// The same of a folder by its name in the store.
  bool is_beneath_a_file(const std::string& folder);

  std::unique_ptr<Session> session_;
  const std::string& root_;
  const int64_t number_;
  std::string real_root_;
  std::map<std::string, std::string> known_;  ///< Folders that are there, and where.
};

/// Safe to use from many threads at once: they take turns.
class Connection {
 public:
  Connection(Dial dial, std::string root, const SftpOptions& options, const SftpGround& ground)
      : dial_(std::move(dial)), root_(std::move(root)), options_(options), ground_(ground) {}

  /// Does `work`; where the connection breaks in it, dials and does it again, so that `work` must
  /// be one that may be done twice.
  Status with_tree(const std::function<Status(Tree&)>& work);

  /// Once, without minding a cancel, and only where there is a connection already: to tidy up.
  void tidy_up(const std::function<Status(Tree&)>& work) noexcept;

 private:
  Status once(const std::function<Status(Tree&)>& work);
  Status dial();

  const Dial dial_;
  const std::string root_;
  const SftpOptions& options_;
  const SftpGround& ground_;
  std::mutex mutex_;
  std::unique_ptr<Tree> tree_ WEIR_GUARDED_BY(mutex_);
  int64_t dialled_ WEIR_GUARDED_BY(mutex_) = 0;
};

/// The error with what was done and to what; the server's vague "Failure" as `otherwise`.
std::unexpected<Error> failure_of(Error error, std::string_view action, std::string_view path,
                                  ErrorCode otherwise);

}  // namespace weir::storage::sftp
