#include "storage/sftp/packet.h"

#include <sys/stat.h>

namespace weir::storage::sftp {
namespace {

constexpr uint32_t kHasSize = 1;
constexpr uint32_t kHasOwner = 2;
constexpr uint32_t kHasMode = 4;
constexpr uint32_t kHasTimes = 8;
constexpr uint32_t kHasExtended = 0x80000000;
constexpr int kBitsOfByte = 8;

template <typename Integer>
void put(std::string& to, Integer value) {
  for (int shift = static_cast<int>(sizeof value - 1) * kBitsOfByte; shift >= 0;
       shift -= kBitsOfByte)
    to += static_cast<char>(static_cast<uint8_t>(value >> shift));
}

template <typename Integer>
Result<Integer> take(std::string_view& from) {
  if (from.size() < sizeof(Integer))
    return fail(ErrorCode::kCorrupt, "the server's packet is cut short");
  Integer value = 0;
  for (size_t i = 0; i < sizeof value; ++i)
    value = static_cast<Integer>((value << (sizeof value > 1 ? kBitsOfByte : 0)) |
                                 static_cast<uint8_t>(from[i]));
  from.remove_prefix(sizeof value);
  return value;
}

}  // namespace

bool Attributes::is_file() const { return mode && S_ISREG(*mode); }
bool Attributes::is_folder() const { return mode && S_ISDIR(*mode); }
bool Attributes::is_link() const { return mode && S_ISLNK(*mode); }

PacketWriter::PacketWriter(Type type) {
  put<uint32_t>(bytes_, 0);
  bytes_ += static_cast<char>(type);
}

PacketWriter& PacketWriter::u32(uint32_t value) {
  put(bytes_, value);
  return *this;
}

PacketWriter& PacketWriter::u64(uint64_t value) {
  put(bytes_, value);
  return *this;
}

PacketWriter& PacketWriter::text(std::string_view value) {
  put(bytes_, static_cast<uint32_t>(value.size()));
  bytes_ += value;
  return *this;
}

PacketWriter& PacketWriter::attributes(const Attributes& value) {
  const bool has_times = value.accessed_at_s && value.modified_at_s;
  u32((value.size_bytes ? kHasSize : 0) | (value.mode ? kHasMode : 0) |
      (has_times ? kHasTimes : 0));
  if (value.size_bytes) u64(*value.size_bytes);
  if (value.mode) u32(*value.mode);
  if (has_times) u32(*value.accessed_at_s).u32(*value.modified_at_s);
  return *this;
}

std::string PacketWriter::finish() && {
  std::string length;
  put(length, static_cast<uint32_t>(bytes_.size() - sizeof(uint32_t)));
  bytes_.replace(0, length.size(), length);
  return std::move(bytes_);
}

Result<uint8_t> PacketReader::u8() { return take<uint8_t>(rest_); }
Result<uint32_t> PacketReader::u32() { return take<uint32_t>(rest_); }
Result<uint64_t> PacketReader::u64() { return take<uint64_t>(rest_); }

Result<std::string_view> PacketReader::text() {
  WEIR_ASSIGN(const uint32_t size, u32());
  if (size > rest_.size()) return fail(ErrorCode::kCorrupt, "the server's packet is cut short");
  const auto found = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return found;
}

Result<Attributes> PacketReader::attributes() {
  Attributes found;
  WEIR_ASSIGN(const uint32_t flags, u32());
  if ((flags & kHasSize) != 0) {
    WEIR_ASSIGN(found.size_bytes, u64());
  }
  if ((flags & kHasOwner) != 0) WEIR_TRY(u64());
  if ((flags & kHasMode) != 0) {
    WEIR_ASSIGN(found.mode, u32());
  }
  if ((flags & kHasTimes) != 0) {
    WEIR_ASSIGN(found.accessed_at_s, u32());
    WEIR_ASSIGN(found.modified_at_s, u32());
  }
  if ((flags & kHasExtended) != 0) {
    WEIR_ASSIGN(const uint32_t count, u32());
    for (uint32_t i = 0; i < count; ++i) {
      WEIR_TRY(text());
      WEIR_TRY(text());
    }
  }
  return found;
}

}  // namespace weir::storage::sftp
