#include "database/cell.h"

#include <charconv>
#include <chrono>
#include <cmath>

#include <arrow/util/utf8.h>
#include <fmt/format.h>

namespace weir::database {
namespace {

using model::TypeKind;

constexpr int64_t kDayUs = 86'400'000'000;

std::string fraction_of(const CivilTime& time, int digits) {
  if (digits <= 0) return "";
  const std::string all = fmt::format("{:06}", time.microsecond);
  return "." + all.substr(0, static_cast<size_t>(std::min(digits, 6)));
}

std::string date_text(const CivilTime& time) {
  return fmt::format("{:04}-{:02}-{:02}", time.year, time.month, time.day);
}

std::string clock_text(const CivilTime& time, int digits) {
  return fmt::format("{}{:02}:{:02}:{:02}{}", time.is_negative ? "-" : "", time.hour, time.minute,
                     time.second, fraction_of(time, digits));
}

std::string hex_text(std::string_view bytes) {
  std::string text = "0x";
  for (const char byte : bytes) text += fmt::format("{:02X}", static_cast<uint8_t>(byte));
  return text;
}

bool is_utf8(std::string_view text) {
  return arrow::util::ValidateUTF8(reinterpret_cast<const uint8_t*>(text.data()),
                                   static_cast<int64_t>(text.size()));
}

}  // namespace

std::string text_of(const Cell& cell) {
  switch (cell.kind) {
    case CellKind::kNull: return "NULL";
    case CellKind::kInteger: return fmt::format("{}", cell.integer);
    case CellKind::kUnsigned: return fmt::format("{}", cell.natural);
    case CellKind::kFloat: return fmt::format("{}", static_cast<float>(cell.floating));
    case CellKind::kDouble: return fmt::format("{}", cell.floating);
    case CellKind::kDate: return date_text(cell.time);
    case CellKind::kDateTime:
      return date_text(cell.time) + " " + clock_text(cell.time, cell.fraction_digits);
    case CellKind::kInstant: {
      const CivilTime time = civil_of(cell.integer);
      return date_text(time) + " " + clock_text(time, cell.fraction_digits) + "Z";
    }
    case CellKind::kTime: return clock_text(cell.time, cell.fraction_digits);
    case CellKind::kNumeric:
    case CellKind::kText:
    case CellKind::kMisfit:
    case CellKind::kBytes: break;
  }
  // JSON holds text only: what is none is shown in hex.
  return is_utf8(cell.text) ? std::string(cell.text) : hex_text(cell.text);
}

std::optional<int64_t> microseconds_of(const CivilTime& time) {
  const std::chrono::year_month_day day(std::chrono::year(static_cast<int>(time.year)),
                                        std::chrono::month(time.month), std::chrono::day(time.day));
  if (!day.ok() || time.hour > 23 || time.minute > 59 || time.second > 59) return std::nullopt;
  const int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
  const int64_t seconds = (time.hour * 60 + time.minute) * 60 + time.second;
  return days * kDayUs + seconds * 1'000'000 + time.microsecond;
}

CivilTime civil_of(int64_t microseconds) {
  int64_t days = microseconds / kDayUs;
  int64_t rest = microseconds % kDayUs;
  if (rest < 0) {
    rest += kDayUs;
    --days;
  }
  const std::chrono::year_month_day day{std::chrono::sys_days{std::chrono::days{days}}};
  CivilTime time;
  time.year = static_cast<int>(day.year());
  time.month = static_cast<unsigned>(day.month());
  time.day = static_cast<unsigned>(day.day());
  time.microsecond = static_cast<uint32_t>(rest % 1'000'000);
  rest /= 1'000'000;
  time.second = static_cast<uint32_t>(rest % 60);
  time.minute = static_cast<uint32_t>(rest / 60 % 60);
  time.hour = rest / 3600;
  return time;
}

bool can_become(CellKind kind, const model::DataType& type) {
  const bool is_whole = kind == CellKind::kInteger || kind == CellKind::kUnsigned;
  switch (type.kind) {
    case TypeKind::kVarchar: return true;
    case TypeKind::kBoolean: return is_whole;
    case TypeKind::kInteger:
    case TypeKind::kBigint:
    case TypeKind::kDecimal: return is_whole || kind == CellKind::kNumeric;
    case TypeKind::kFloat: return kind == CellKind::kFloat;
    case TypeKind::kDouble:
      return is_whole || kind == CellKind::kFloat || kind == CellKind::kDouble;
    case TypeKind::kBlob: return kind == CellKind::kBytes;
    case TypeKind::kDate: return kind == CellKind::kDate;
    case TypeKind::kTime: return kind == CellKind::kTime;
    case TypeKind::kTimestamp: return kind == CellKind::kDateTime || kind == CellKind::kInstant;
    case TypeKind::kUuid: return kind == CellKind::kText;
    default: return false;
  }
}

}  // namespace weir::database
