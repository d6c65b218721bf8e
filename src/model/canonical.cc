#include "model/canonical.h"

#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/digest.h"

namespace weir::model {

void CanonicalWriter::unsigned_number(uint64_t value) {
  while (value >= 0x80) {
    bytes_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  bytes_.push_back(static_cast<char>(value));
}

void CanonicalWriter::signed_number(int64_t value) {
  unsigned_number((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}

void CanonicalWriter::boolean(bool value) {
  tag(Tag::kBoolean);
  bytes_.push_back(value ? '\x01' : '\x00');
}

void CanonicalWriter::integer(int64_t value) { short_decimal(value, 0); }

// Nearly all numbers fit 64 bits, where division and shifts are single instructions.
void CanonicalWriter::short_decimal(int64_t unscaled, int scale) {
  while (scale > 0 && unscaled % 10 == 0) {
    unscaled /= 10;
    --scale;
  }
  const auto bits = static_cast<uint64_t>(unscaled < 0 ? ~unscaled : unscaled);
  const int size = (64 - std::countl_zero(bits)) / 8 + 1;  // one more bit for the sign
  tag(Tag::kNumber);
  unsigned_number(static_cast<uint64_t>(scale));
  char big_endian[1 + 8];
  big_endian[0] = static_cast<char>(size);
  const auto bytes = static_cast<uint64_t>(unscaled);
  for (int i = 0; i < size; ++i)
    big_endian[1 + i] = static_cast<char>(bytes >> (8 * (size - 1 - i)));
  bytes_.append(big_endian, static_cast<size_t>(1 + size));
}

void CanonicalWriter::decimal(Int128 unscaled, int scale) {
  if (unscaled == static_cast<int64_t>(unscaled))
    return short_decimal(static_cast<int64_t>(unscaled), scale);
  // Minimal: no trailing zeros behind the point, then no byte more than the sign needs.
  while (scale > 0 && unscaled % 10 == 0) {
    unscaled /= 10;
    --scale;
  }
  tag(Tag::kNumber);
  unsigned_number(static_cast<uint64_t>(scale));
  char big_endian[16];
  for (int i = 0; i < 16; ++i)
    big_endian[15 - i] = static_cast<char>(static_cast<UInt128>(unscaled) >> (8 * i));
  int first = 0;
  while (first < 15) {
    const auto byte = static_cast<unsigned char>(big_endian[first]);
    const bool next_is_negative = (static_cast<unsigned char>(big_endian[first + 1]) & 0x80) != 0;
    if (!((byte == 0x00 && !next_is_negative) || (byte == 0xff && next_is_negative))) break;
    ++first;
  }
  unsigned_number(static_cast<uint64_t>(16 - first));
  bytes_.append(big_endian + first, static_cast<size_t>(16 - first));
}

void CanonicalWriter::floating(double value) {
  tag(Tag::kFloat);
  if (value == 0) value = 0;  // −0 is 0
  uint64_t bits = std::isnan(value) ? 0x7ff8000000000000ULL : std::bit_cast<uint64_t>(value);
  if (value == 0) bits = 0;
  char big_endian[8];
  for (int i = 0; i < 8; ++i) big_endian[i] = static_cast<char>(bits >> (56 - 8 * i));
  bytes_.append(big_endian, sizeof(big_endian));
}

void CanonicalWriter::text(std::string_view value) {
  tag(Tag::kText);
  unsigned_number(value.size());
  bytes_.append(value);
}

void CanonicalWriter::blob(std::string_view value) {
  tag(Tag::kBlob);
  unsigned_number(value.size());
  bytes_.append(value);
}

void CanonicalWriter::date(int32_t days) {
  tag(Tag::kDate);
  signed_number(days);
}

void CanonicalWriter::time(int64_t us_of_day) {
  tag(Tag::kTime);
  unsigned_number(static_cast<uint64_t>(us_of_day));
}

void CanonicalWriter::timestamp(int64_t at_us) {
  tag(Tag::kTimestamp);
  signed_number(at_us);
}

void CanonicalWriter::uuid(std::string_view bytes16) {
  WEIR_CHECK(bytes16.size() == 16);
  tag(Tag::kUuid);
  bytes_.append(bytes16);
}

void CanonicalWriter::list(uint64_t count) {
  tag(Tag::kList);
  unsigned_number(count);
}

void CanonicalWriter::structure(uint64_t count) {
  tag(Tag::kStruct);
  unsigned_number(count);
}

void CanonicalWriter::map(uint64_t count) {
  tag(Tag::kMap);
  unsigned_number(count);
}

void CanonicalWriter::name(std::string_view name) {
  unsigned_number(name.size());
  bytes_.append(name);
}

std::string canonical_hash(std::string_view row_bytes) {
  Sha256 digest;
  digest.update(row_bytes);
  return to_hex(digest.finish().substr(0, 16));
}

}  // namespace weir::model
