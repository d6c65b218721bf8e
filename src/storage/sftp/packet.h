#pragma once

/// The words of SFTP version 3 (draft-ietf-secsh-filexfer-02) in bytes. It knows no connection.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::storage::sftp {

enum class Type : uint8_t {
  kInit = 1,
  kVersion = 2,
  kOpen = 3,
  kClose = 4,
  kRead = 5,
  kWrite = 6,
  kLstat = 7,
  kFstat = 8,
  kSetstat = 9,
  kOpendir = 11,
  kReaddir = 12,
  kRemove = 13,
  kMkdir = 14,
  kRealpath = 16,
  kStat = 17,
  kRename = 18,
  kStatus = 101,
  kHandle = 102,
  kData = 103,
  kName = 104,
  kAttributes = 105,
  kExtended = 200,
};

enum class Fx : uint32_t {
  kOk = 0,
  kEof = 1,
  kNoSuchFile = 2,
  kPermissionDenied = 3,
  kFailure = 4,
  kBadMessage = 5,
  kNoConnection = 6,
  kConnectionLost = 7,
  kUnsupported = 8,
  // Of later versions; some servers say them all the same.
  kNoSuchPath = 10,
  kFileExists = 11,
  kWriteProtected = 12,
  kNoSpace = 14,
  kQuota = 15,
};

struct Attributes {
  std::optional<uint64_t> size_bytes;
  std::optional<uint32_t> mode;  ///< Kind and permissions, as stat(2) has them.
  std::optional<uint32_t> accessed_at_s;
  std::optional<uint32_t> modified_at_s;

  bool is_file() const;
  bool is_folder() const;
  bool is_link() const;
};

/// One packet in the making.
class PacketWriter {
 public:
  explicit PacketWriter(Type type);
  PacketWriter& u32(uint32_t value);
  PacketWriter& u64(uint64_t value);
  PacketWriter& text(std::string_view value);
  PacketWriter& attributes(const Attributes& value);
  /// With its length before it.
  std::string finish() &&;

 private:
  std::string bytes_;
};

/// Reads a packet that a server sent; kCorrupt where it is shorter than what it says.
class PacketReader {
 public:
  explicit PacketReader(std::string_view bytes) : rest_(bytes) {}
  Result<uint8_t> u8();
  Result<uint32_t> u32();
  Result<uint64_t> u64();
  Result<std::string_view> text();
  Result<Attributes> attributes();
  bool is_at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace weir::storage::sftp
