#pragma once

/// One object on its way to a server: a temporary file beside the target, written piece by piece
/// so that a broken connection costs one piece, then linked or renamed.

#include <string>

#include "base/digest.h"
#include "storage/sftp/connection.h"

namespace weir::storage::sftp {

/// Not for use from several threads at once.
class SftpWriter final : public Writer {
 public:
  /// `temporary_leaf` is a name that nobody else uses.
  SftpWriter(Connection& connection, std::string name, std::string temporary_leaf);
  ~SftpWriter() override { abort(); }
  SftpWriter(const SftpWriter&) = delete;
  SftpWriter& operator=(const SftpWriter&) = delete;

  Status append(std::string_view bytes) override;
  Result<Written> commit(Put mode) override;
  Result<Written> commit_if_version(const std::string& version) override;
  void abort() noexcept override;

  /// The temporary file's name in the store; empty once it is gone, or was never made.
  std::string left() const;

 private:
  Status write_out();
  /// The handle in this session, opened where it is another one than before.
  Status open(Tree& tree);
  Status make_lasting();
  Status make_lasting_in(Tree& tree);
  Status publish(Tree& tree, Put mode);
  Status link(Tree& tree);
  Status rename_if_absent(Tree& tree);
  Status replace(Tree& tree);
  Status differ_from_what_is_there(Tree& tree);
  Result<bool> is_there(Tree& tree);
  Result<bool> is_same_file(Tree& tree);
  std::unexpected<Error> taken(Tree& tree);

  Connection& connection_;
  const std::string name_;
  const std::string folder_;
  const std::string leaf_;
  const std::string temporary_leaf_;
  std::string temporary_;  ///< Whole paths, once the folder is known.
  std::string target_;
  std::string handle_;
  int64_t session_ = 0;      ///< Of the handle.
  bool was_opened_ = false;  ///< In any session, or it was asked for.
  bool was_asked_ = false;   ///< To publish; the answer may have been lost.
  std::string buffer_;
  int64_t buffer_at_bytes_ = 0;
  Sha256 digest_;
  std::optional<Error> failure_;  ///< The first one stays.
  bool is_finished_ = false;
  bool is_tidy_ = false;  ///< Nothing temporary is there any more.
};

}  // namespace weir::storage::sftp
