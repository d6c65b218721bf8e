#pragma once

/// The canonical form of a row, version 1: the bytes that are hashed for row hashes, record keys
/// and key digests in C++, DuckDB, Python and Spark alike. docs/format/canonical.md is its
/// specification, with test vectors; it is for ever.
///
///   row    := 0x01 field*            fields sorted by name as UTF-8 bytes, NULLs left out
///   field  := length(name) name value
///   value  := tag payload            see Tag
///   length := unsigned LEB128
///
/// The hash is the first 128 bits of SHA-256, as 32 lower-case hex digits.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::model {

__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

enum class Tag : uint8_t {
  kNull = 'n',       ///< inside lists, structs and maps only; no payload
  kBoolean = 'b',    ///< one byte, 0 or 1
  kNumber = 'i',     ///< integer or decimal: scale (LEB128, minimal), then length-prefixed minimal
                     ///< two's complement big-endian unscaled value; zero is scale 0, one byte 0
  kFloat = 'f',      ///< any float as IEEE 754 double, big-endian; −0 is 0, NaN is 7ff8000000000000
  kText = 't',       ///< length, UTF-8
  kBlob = 'x',       ///< length, bytes
  kDate = 'd',       ///< days since 1970-01-01, zig-zag LEB128
  kTime = 'h',       ///< microseconds of the day, LEB128
  kTimestamp = 's',  ///< UTC microseconds since 1970, zig-zag LEB128
  kUuid = 'u',       ///< 16 bytes
  kList = 'l',       ///< count, values (kNull allowed)
  kStruct = 'r',     ///< count of non-NULL fields, fields sorted by name
  kMap = 'm',        ///< count, key and value pairs sorted by the encoded key
};

/// Builds one value after another into a buffer. Not for use from several threads at once.
class CanonicalWriter {
 public:
  void null() { tag(Tag::kNull); }
  void boolean(bool value);
  void integer(int64_t value);
  /// `unscaled` × 10^−scale; the form is minimal, so 1.50 and 1.5 are one value.
  void decimal(Int128 unscaled, int scale);
  void floating(double value);
  void text(std::string_view value);
  void blob(std::string_view value);
  void date(int32_t days);
  void time(int64_t us_of_day);
  void timestamp(int64_t at_us);
  void uuid(std::string_view bytes16);
  void list(uint64_t count);
  void structure(uint64_t count);
  void map(uint64_t count);
  /// Length and bytes of a field's name.
  void name(std::string_view name);
  /// The version byte that starts a row.
  void row() { bytes_.push_back('\x01'); }
  void raw(std::string_view bytes) { bytes_.append(bytes); }

  const std::string& bytes() const { return bytes_; }
  void clear() { bytes_.clear(); }

 private:
  void tag(Tag value) { bytes_.push_back(static_cast<char>(value)); }
  void short_decimal(int64_t unscaled, int scale);
  void unsigned_number(uint64_t value);
  void signed_number(int64_t value);

  std::string bytes_;
};

/// 32 hex digits: the first 128 bits of SHA-256 over the bytes of a row.
std::string canonical_hash(std::string_view row_bytes);

}  // namespace weir::model
