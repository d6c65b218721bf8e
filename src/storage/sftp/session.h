#pragma once

/// The requests of SFTP over one channel, many of them under way at once where that is faster. It
/// knows nothing of stores, of links that lead out, or of trying again.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sftp/channel.h"
#include "storage/sftp/packet.h"

namespace weir::storage::sftp {

/// What a server does beyond version 3.
struct Extensions {
  bool posix_rename = false;  ///< posix-rename@openssh.com: replaces atomically.
  bool hardlink = false;      ///< hardlink@openssh.com: fails where the name is taken.
  bool fsync = false;         ///< fsync@openssh.com
};

struct Named {
  std::string leaf;
  Attributes attributes;
};

enum class Open : uint32_t {
  kRead = 0x01,
  kWriteNew = 0x02 | 0x08 | 0x20,  ///< Fails where the name is taken.
  kWriteOn = 0x02 | 0x08,          ///< Made where it is not there; nothing of it is cut.
};

/// Every call gives kNotFound, kDenied, kInvalidConfig (a name that the server cannot have),
/// kUnsupported, kAlreadyExists or kResourceExhausted where the server says so; kInternal for its
/// "Failure", which may mean anything; kUnavailable or kCancelled where the session is broken. Not
/// for use from several threads at once.
class Session {
 public:
  /// Says hello.
  static Result<std::unique_ptr<Session>> start(std::unique_ptr<Channel> channel);

  /// No further request can be made: the stream ended, or stopped within a packet.
  bool is_broken() const { return is_broken_; }
  const Extensions& extensions() const { return extensions_; }
  Channel& channel() { return *channel_; }

  Result<std::string> real_path(std::string_view path);
  Result<Attributes> stat(std::string_view path);
  Result<Attributes> lstat(std::string_view path);
  Result<Attributes> stat_of(std::string_view handle);
  Status set_attributes(std::string_view path, const Attributes& attributes);
  Result<std::string> open(std::string_view path, Open how);
  Status close(std::string_view handle);
  /// Appends to `bytes` what stands from `offset_bytes` on; fewer than `size_bytes` only at the
  /// end. Where it fails, `bytes` has what came before, without a gap.
  Status read(std::string_view handle, uint64_t offset_bytes, size_t size_bytes,
              std::string& bytes);
  Status write(std::string_view handle, uint64_t offset_bytes, std::string_view bytes);
  Status sync(std::string_view handle);
  /// Without `.` and `..`.
  Result<std::vector<Named>> list(std::string_view path);
  Status make_folder(std::string_view path);
  Status remove(std::string_view path);
  /// By the protocol it fails where `to` is there; not every server keeps to that.
  Status rename(std::string_view from, std::string_view to);
  Status posix_rename(std::string_view from, std::string_view to);
  Status hardlink(std::string_view from, std::string_view to);

 private:
  struct Reply {
    Type type = Type::kStatus;
    std::string body;  ///< Behind the id.
  };
  explicit Session(std::unique_ptr<Channel> channel) : channel_(std::move(channel)) {}

  Status greet();
  PacketWriter request(Type type, uint32_t& id);
  Status send(PacketWriter&& packet);
  Result<std::string> receive_packet();
  Result<Reply> reply_to(uint32_t id);
  Result<Reply> ask(PacketWriter&& packet, uint32_t id);
  /// OK is success, everything else the error.
  Status outcome(const Reply& reply);
  Status read_one_by_one(std::string_view handle, uint64_t offset_bytes, size_t size_bytes,
                         std::string& bytes);
  std::unexpected<Error> wrong_answer();
  Status simple(Type type, std::string_view path);
  Status pair(std::string_view extension, std::string_view from, std::string_view to);
  Result<Attributes> attributes_by(Type type, std::string_view path);
  template <typename T>
  Result<T> broken(Result<T> result);

  std::unique_ptr<Channel> channel_;
  std::string inbox_;
  std::set<uint32_t> awaited_;  ///< Requests whose answers have not come.
  std::map<uint32_t, Reply> arrived_;
  uint32_t next_id_ = 1;
  Extensions extensions_;
  bool is_broken_ = false;
};

}  // namespace weir::storage::sftp
