#include "database/postgres_values.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace weir::database::postgres {
namespace {

using model::Int128;

// PostgreSQL counts from 2000-01-01.
constexpr int64_t kDaysTo2000 = 10'957;
constexpr int64_t kMicrosecondsOfDay = 86'400'000'000;
constexpr int64_t kMicrosecondsTo2000 = kDaysTo2000 * kMicrosecondsOfDay;

// Of the sign field of a numeric.
constexpr uint16_t kPositive = 0x0000;
constexpr uint16_t kNegative = 0x4000;
constexpr uint16_t kNaN = 0xC000;
constexpr uint16_t kPlusInfinity = 0xD000;
constexpr uint16_t kMinusInfinity = 0xF000;

constexpr int kDigitsOfGroup = 4;
constexpr int kGroup = 10'000;
constexpr int kMostDigits = 38;

constexpr auto kPowers = [] {
  std::array<Int128, kMostDigits + 1> powers{};
  powers[0] = 1;
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

Int128 power_of_ten(int exponent) { return kPowers[static_cast<size_t>(exponent)]; }

/// The parts of a numeric: groups of four digits, the first of which counts 10000^weight.
struct Numeric {
  int count = 0;
  int weight = 0;
  uint16_t sign = 0;
  int shown_scale = 0;
  std::string_view groups;

  int group(int i) const { return read_integer<int16_t>(groups, 2 * static_cast<size_t>(i)); }
};

std::optional<Numeric> parse_numeric(std::string_view bytes) {
  constexpr size_t kHead = 8;
  if (bytes.size() < kHead) return std::nullopt;
  Numeric numeric;
  numeric.count = read_integer<int16_t>(bytes);
  numeric.weight = read_integer<int16_t>(bytes, 2);
  numeric.sign = read_integer<uint16_t>(bytes, 4);
  numeric.shown_scale = read_integer<int16_t>(bytes, 6);
  numeric.groups = bytes.substr(kHead);
  if (numeric.count < 0 || numeric.shown_scale < 0) return std::nullopt;
  if (bytes.size() != kHead + 2 * static_cast<size_t>(numeric.count)) return std::nullopt;
  for (int i = 0; i < numeric.count; ++i)
    if (numeric.group(i) < 0 || numeric.group(i) >= kGroup) return std::nullopt;
  switch (numeric.sign) {
    case kPositive:
    case kNegative:
    case kNaN:
    case kPlusInfinity:
    case kMinusInfinity: return numeric;
    default: return std::nullopt;
  }
}

Fault add_group(int group, int exponent, Int128& sum) {
  if (group == 0) return Fault::kNone;
  Int128 part = group;
  if (exponent < 0) {
    if (exponent <= -kDigitsOfGroup) return Fault::kScaleOverflow;
    const Int128 divisor = power_of_ten(-exponent);
    if (part % divisor != 0) return Fault::kScaleOverflow;
    part /= divisor;
  } else {
    if (exponent > kMostDigits) return Fault::kOutOfRange;
    if (__builtin_mul_overflow(part, power_of_ten(exponent), &part)) return Fault::kOutOfRange;
  }
  return __builtin_add_overflow(sum, part, &sum) ? Fault::kOutOfRange : Fault::kNone;
}

std::string numeric_text(const Numeric& numeric) {
  if (numeric.sign == kNaN) return "NaN";
  if (numeric.sign == kPlusInfinity) return "Infinity";
  if (numeric.sign == kMinusInfinity) return "-Infinity";
  std::string whole;
  for (int i = 0; i <= numeric.weight; ++i)
    whole += fmt::format("{:04}", i < numeric.count ? numeric.group(i) : 0);
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  if (whole.empty()) whole = "0";
  std::string fraction;
  // The groups behind the point begin at weight −1.
  for (int place = -1; std::ssize(fraction) < numeric.shown_scale; --place) {
    const int i = numeric.weight - place;
    fraction += fmt::format("{:04}", i >= 0 && i < numeric.count ? numeric.group(i) : 0);
  }
  fraction.resize(static_cast<size_t>(numeric.shown_scale));
  const std::string sign = numeric.sign == kNegative ? "-" : "";
  return fraction.empty() ? sign + whole : sign + whole + "." + fraction;
}

/// Howard Hinnant's days_from_civil turned round: any day that 32 bits count.
std::string date_text(int64_t days, bool& is_before_christ) {
  const int64_t shifted = days + 719'468;
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const int64_t day_of_era = shifted - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  const int64_t month = shifted_month + (shifted_month < 10 ? 3 : -9);
  int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  is_before_christ = year <= 0;
  if (is_before_christ) year = 1 - year;
  return fmt::format("{:04}-{:02}-{:02}", year, month, day);
}

std::string time_text(int64_t microseconds) {
  const int64_t seconds = microseconds / 1'000'000;
  std::string text =
      fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (const int64_t rest = microseconds % 1'000'000; rest != 0) {
    text += fmt::format(".{:06}", rest);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text;
}

std::optional<std::string> time_value_text(CopyWire wire, std::string_view bytes) {
  int64_t value = 0;
  const Fault fault = read_time(wire, bytes, value);
  if (fault == Fault::kMalformed) return std::nullopt;
  if (fault == Fault::kInfinite) return bytes[0] < 0 ? "-infinity" : "infinity";
  if (wire == CopyWire::kTime) return time_text(read_integer<int64_t>(bytes));
  bool is_before_christ = false;
  std::string text;
  if (wire == CopyWire::kDate) {
    text = date_text(value, is_before_christ);
  } else {
    // From 2000 on, since not all of them can be told from 1970 on.
    const auto since_2000 = read_integer<int64_t>(bytes);
    int64_t days = since_2000 / kMicrosecondsOfDay;
    int64_t rest = since_2000 % kMicrosecondsOfDay;
    if (rest < 0) {
      rest += kMicrosecondsOfDay;
      --days;
    }
    text = date_text(days + kDaysTo2000, is_before_christ) + " " + time_text(rest) + "+00";
  }
  return is_before_christ ? text + " BC" : text;
}

template <typename Float>
std::string float_text(Float value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return fmt::format("{}", value);
}

std::string uuid_text(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<uint8_t>(bytes[i]));
  }
  return text;
}

}  // namespace

std::string reason_of(Fault fault) {
  switch (fault) {
    case Fault::kScaleOverflow: return "scale_overflow";
    case Fault::kInfinite: return "infinite";
    case Fault::kNestedArray: return "nested_array";
    case Fault::kInvalidUtf8: return "invalid_utf8";
    case Fault::kOutOfRange: return "out_of_range";
    default: return "wrong_type";
  }
}

Fault read_numeric(std::string_view bytes, int precision, int scale, Decimal& decimal) {
  const auto numeric = parse_numeric(bytes);
  if (!numeric) return Fault::kMalformed;
  if (numeric->sign == kNaN) return Fault::kNotANumber;
  if (numeric->sign == kPlusInfinity || numeric->sign == kMinusInfinity) return Fault::kInfinite;
  Int128 sum = 0;
  for (int i = 0; i < numeric->count; ++i) {
    const int exponent = kDigitsOfGroup * (numeric->weight - i) + scale;
    const Fault fault = add_group(numeric->group(i), exponent, sum);
    if (fault != Fault::kNone) return fault;
  }
  if (sum >= power_of_ten(precision)) return Fault::kOutOfRange;
  decimal.unscaled = numeric->sign == kNegative ? -sum : sum;
  return Fault::kNone;
}

Fault scaled(int64_t value, int precision, int scale, Decimal& decimal) {
  if (__builtin_mul_overflow(Int128{value}, power_of_ten(scale), &decimal.unscaled))
    return Fault::kOutOfRange;
  const Int128 limit = power_of_ten(precision);
  return decimal.unscaled < limit && decimal.unscaled > -limit ? Fault::kNone : Fault::kOutOfRange;
}

Fault read_time(CopyWire wire, std::string_view bytes, int64_t& value) {
  if (wire == CopyWire::kDate) {
    if (bytes.size() != 4) return Fault::kMalformed;
    const auto days = read_integer<int32_t>(bytes);
    if (days == std::numeric_limits<int32_t>::max() || days == std::numeric_limits<int32_t>::min())
      return Fault::kInfinite;
    value = days + kDaysTo2000;
    return Fault::kNone;
  }
  if (bytes.size() != 8) return Fault::kMalformed;
  const auto read = read_integer<int64_t>(bytes);
  if (wire == CopyWire::kTime) {
    value = read;
    return read >= 0 && read < kMicrosecondsOfDay ? Fault::kNone : Fault::kOutOfRange;
  }
  if (read == std::numeric_limits<int64_t>::max() || read == std::numeric_limits<int64_t>::min())
    return Fault::kInfinite;
  return __builtin_add_overflow(read, kMicrosecondsTo2000, &value) ? Fault::kOutOfRange
                                                                   : Fault::kNone;
}

std::optional<std::string> text_of(CopyWire wire, std::string_view bytes) {
  const auto has = [&](size_t size) { return bytes.size() == size; };
  switch (wire) {
    case CopyWire::kBool:
      return has(1) ? std::optional<std::string>(bytes[0] != 0 ? "t" : "f") : std::nullopt;
    case CopyWire::kInt2:
      return has(2) ? std::optional(fmt::format("{}", read_integer<int16_t>(bytes))) : std::nullopt;
    case CopyWire::kInt4:
      return has(4) ? std::optional(fmt::format("{}", read_integer<int32_t>(bytes))) : std::nullopt;
    case CopyWire::kInt8:
      return has(8) ? std::optional(fmt::format("{}", read_integer<int64_t>(bytes))) : std::nullopt;
    case CopyWire::kFloat4:
      if (!has(4)) return std::nullopt;
      return float_text(std::bit_cast<float>(read_integer<uint32_t>(bytes)));
    case CopyWire::kFloat8:
      if (!has(8)) return std::nullopt;
      return float_text(std::bit_cast<double>(read_integer<uint64_t>(bytes)));
    case CopyWire::kNumeric: {
      const auto numeric = parse_numeric(bytes);
      return numeric ? std::optional(numeric_text(*numeric)) : std::nullopt;
    }
    case CopyWire::kJsonb:  // its version, then the text
      if (bytes.empty() || bytes[0] != 1) return std::nullopt;
      return std::string(bytes.substr(1));
    case CopyWire::kBytes: return hex_of(bytes);
    case CopyWire::kDate:
    case CopyWire::kTime:
    case CopyWire::kTimestamp: return time_value_text(wire, bytes);
    case CopyWire::kUuid: return has(16) ? std::optional(uuid_text(bytes)) : std::nullopt;
    case CopyWire::kText: break;
  }
  return std::string(bytes);
}

std::optional<std::string> array_text(CopyWire wire, std::string_view bytes) {
  ArrayReader reader(bytes);
  std::string text = "{";
  while (const auto next = reader.next()) {
    if (text.size() > 1) text += ',';
    const auto element = *next ? text_of(wire, **next) : std::string("NULL");
    if (!element) return std::nullopt;
    text += *element;
  }
  if (!reader.is_whole()) return std::nullopt;
  return text + "}";
}

std::string hex_of(std::string_view bytes) {
  std::string text = "\\x";
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return text;
}

ArrayReader::ArrayReader(std::string_view bytes) {
  // Dimensions, whether there are NULLs, the elements' type; for each dimension length and origin.
  constexpr size_t kHead = 12;
  constexpr int kMostDimensions = 6;
  if (bytes.size() < kHead) return;
  dimensions_ = read_integer<int32_t>(bytes);
  if (dimensions_ < 0 || dimensions_ > kMostDimensions) return;
  const size_t head = kHead + 8 * static_cast<size_t>(dimensions_);
  if (bytes.size() < head) return;
  left_ = dimensions_ == 0 ? 0 : 1;
  for (int i = 0; i < dimensions_; ++i) {
    const auto length = read_integer<int32_t>(bytes, kHead + 8 * static_cast<size_t>(i));
    if (length < 0 || __builtin_mul_overflow(left_, int64_t{length}, &left_)) return;
  }
  bytes_ = bytes.substr(head);
  is_good_ = true;
}

std::optional<std::optional<std::string_view>> ArrayReader::next() {
  if (!is_good_ || left_ == 0) return std::nullopt;
  --left_;
  if (bytes_.size() < 4) {
    is_good_ = false;
    return std::nullopt;
  }
  const auto length = read_integer<int32_t>(bytes_);
  bytes_.remove_prefix(4);
  if (length == -1) return std::optional<std::string_view>();
  if (length < 0 || bytes_.size() < static_cast<size_t>(length)) {
    is_good_ = false;
    return std::nullopt;
  }
  const auto element = bytes_.substr(0, static_cast<size_t>(length));
  bytes_.remove_prefix(static_cast<size_t>(length));
  return element;
}

}  // namespace weir::database::postgres
