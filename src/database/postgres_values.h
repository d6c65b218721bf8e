#pragma once

/// Single values of PostgreSQL's binary format: read exactly, or with the reason why not, and
/// written as PostgreSQL writes them. It knows no Arrow.

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "database/postgres_copy.h"
#include "model/canonical.h"

namespace weir::database::postgres {

/// Why a value has no place in a column's type.
enum class Fault {
  kNone,
  kOutOfRange,
  kScaleOverflow,
  kNotANumber,
  kInfinite,
  kNestedArray,
  kInvalidUtf8,
  kMalformed,  ///< The stream is broken: not a matter of this row alone.
  kMemory,
};
/// The stored reason of a rejected row.
std::string reason_of(Fault fault);

/// The big-endian integer at that place; `bytes` reach so far.
template <typename T>
T read_integer(std::string_view bytes, size_t at = 0) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  if constexpr (sizeof(T) == 2)
    return static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(value)));
  if constexpr (sizeof(T) == 4)
    return static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(value)));
  if constexpr (sizeof(T) == 8)
    return static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(value)));
}

struct Decimal {
  model::Int128 unscaled = 0;
};

/// A numeric as a decimal of that precision and scale, exactly: kOutOfRange, kScaleOverflow (it has
/// other digits than 0 behind those that the scale keeps), kNotANumber, kInfinite, kMalformed.
Fault read_numeric(std::string_view bytes, int precision, int scale, Decimal& decimal);
/// The same of a whole number.
Fault scaled(int64_t value, int precision, int scale, Decimal& decimal);

/// Days since 1970, microseconds of the day, or microseconds since 1970: kInfinite, kOutOfRange
/// (24:00:00, and timestamps beyond what 64 bits count from 1970), kMalformed.
Fault read_time(CopyWire wire, std::string_view bytes, int64_t& value);

/// As PostgreSQL writes it, with ISO dates in UTC; nothing for what is malformed.
std::optional<std::string> text_of(CopyWire wire, std::string_view bytes);
/// `{a,NULL,c}`, for people: elements are not quoted.
std::optional<std::string> array_text(CopyWire wire, std::string_view bytes);
/// `\x68690a`
std::string hex_of(std::string_view bytes);

/// Goes through the elements of an array, row by row where it has several dimensions.
class ArrayReader {
 public:
  explicit ArrayReader(std::string_view bytes);
  int dimensions() const { return dimensions_; }
  /// The next element, or NULL in it; nothing at the end.
  std::optional<std::optional<std::string_view>> next();
  /// After the end: every byte was an element's.
  bool is_whole() const { return is_good_ && left_ == 0 && bytes_.empty(); }

 private:
  std::string_view bytes_;
  int dimensions_ = 0;
  int64_t left_ = 0;
  bool is_good_ = false;
};

}  // namespace weir::database::postgres
