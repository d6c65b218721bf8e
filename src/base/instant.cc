#include "base/instant.h"

#include <array>
#include <chrono>
#include <optional>

namespace weir {
namespace {

using std::chrono::days;
using std::chrono::microseconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kDayUs = 86'400 * kSecondUs;

struct Parts {
  int year;
  unsigned month;
  unsigned day;
  int64_t hour;
  int64_t minute;
  int64_t second;
  int64_t us;
};

Parts parts_of(int64_t at_us) {
  int64_t day = at_us / kDayUs;
  int64_t rest = at_us % kDayUs;
  if (rest < 0) {
    rest += kDayUs;
    --day;
  }
  const year_month_day date{sys_days{days{day}}};
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          rest / (3600 * kSecondUs),
          rest / (60 * kSecondUs) % 60,
          rest / kSecondUs % 60,
          rest % kSecondUs};
}

/// Takes what it reads from the front of a text.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}
  bool is_done() const { return rest_.empty(); }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::optional<int64_t> digits(size_t count) {
    if (rest_.size() < count) return std::nullopt;
    int64_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return std::nullopt;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }
  /// Digits of a fraction, scaled to µs; nothing for none, or for more than six that matter.
  std::optional<int64_t> fraction_us() {
    int64_t value = 0;
    size_t count = 0;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      if (count >= 6 && rest_.front() != '0') return std::nullopt;
      if (count < 6) value = value * 10 + (rest_.front() - '0');
      ++count;
      rest_.remove_prefix(1);
    }
    if (count == 0) return std::nullopt;
    for (size_t i = count; i < 6; ++i) value *= 10;
    return value;
  }

 private:
  std::string_view rest_;
};

std::optional<int64_t> read_offset_us(Cursor& cursor) {
  if (cursor.is_done()) return 0;
  if (cursor.take('Z') || cursor.take('z')) return 0;
  const bool is_minus = cursor.take('-');
  if (!is_minus && !cursor.take('+')) return std::nullopt;
  const auto hours = cursor.digits(2);
  cursor.take(':');
  // An offset in whole hours may stand alone, as databases print it.
  const auto minutes = cursor.is_done() ? std::optional<int64_t>(0) : cursor.digits(2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const int64_t offset = (*hours * 60 + *minutes) * 60 * kSecondUs;
  return is_minus ? -offset : offset;
}

std::optional<int64_t> read_time_us(Cursor& cursor, bool with_colons) {
  const auto hour = cursor.digits(2);
  if (!hour || *hour > 23) return std::nullopt;
  int64_t minute = 0;
  int64_t second = 0;
  int64_t us = 0;
  if (with_colons ? cursor.take(':') : !cursor.is_done()) {
    const auto read = cursor.digits(2);
    if (!read) return with_colons ? std::nullopt : std::optional<int64_t>(*hour * 3600 * kSecondUs);
    minute = *read;
    if (with_colons ? cursor.take(':') : !cursor.is_done()) {
      const auto seconds = cursor.digits(2);
      if (seconds)
        second = *seconds;
      else if (with_colons)
        return std::nullopt;
      if (cursor.take('.')) {
        const auto fraction = cursor.fraction_us();
        if (!fraction) return std::nullopt;
        us = *fraction;
      }
    }
  }
  if (minute > 59 || second > 59) return std::nullopt;
  return ((*hour * 60 + minute) * 60 + second) * kSecondUs + us;
}

std::optional<int64_t> read_instant(std::string_view text) {
  Cursor cursor(text);
  const auto year = cursor.digits(4);
  const bool with_dashes = cursor.take('-');
  const auto month = cursor.digits(2);
  if (with_dashes && !cursor.take('-')) return std::nullopt;
  const auto day = cursor.digits(2);
  if (!year || !month || !day || *year < 1) return std::nullopt;
  const year_month_day date{std::chrono::year{static_cast<int>(*year)},
                            std::chrono::month{static_cast<unsigned>(*month)},
                            std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  const int64_t midnight = sys_days{date}.time_since_epoch().count() * kDayUs;
  if (cursor.is_done()) return midnight;
  const bool has_mark = cursor.take('T') || cursor.take(' ') || cursor.take('t');
  if (with_dashes && !has_mark) return std::nullopt;
  const auto time = read_time_us(cursor, with_dashes);
  if (!time) return std::nullopt;
  const auto offset = read_offset_us(cursor);
  if (!offset || !cursor.is_done()) return std::nullopt;
  return midnight + *time - *offset;
}

}  // namespace

std::string format_instant(int64_t at_us) {
  const Parts p = parts_of(at_us);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", p.year, p.month, p.day,
                                 p.hour, p.minute, p.second);
  if (p.us != 0) {
    text += fmt::format(".{:06}", p.us);
    while (text.back() == '0') text.pop_back();
  }
  return text + "Z";
}

std::string format_hudi_instant(int64_t at_us) {
  const Parts p = parts_of(at_us);
  return fmt::format("{:04}{:02}{:02}{:02}{:02}{:02}{:03}", p.year, p.month, p.day, p.hour,
                     p.minute, p.second, p.us / 1000);
}

Result<int64_t> parse_instant(std::string_view text) {
  const auto at_us = read_instant(text);
  if (!at_us)
    return fail_with_hint(ErrorCode::kInvalidData, fmt::format("'{}' is no instant", text),
                          "write 2022-05-12, 2022-05-12T06:30:00Z or 20220512063000");
  return *at_us;
}

namespace {
struct Unit {
  std::string_view name;
  int64_t ms;
};
// Longer names first, so that `ms` is not read as `m`.
constexpr std::array kUnits = {Unit{"ms", 1}, Unit{"d", 86'400'000}, Unit{"h", 3'600'000},
                               Unit{"m", 60'000}, Unit{"s", 1'000}};
}  // namespace

Result<int64_t> parse_duration_ms(std::string_view text) {
  const auto refuse = [&] {
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' is no duration", text),
                          "write 250ms, 10s, 5m, 1h30m or 2d");
  };
  constexpr int64_t kLongest = int64_t{1000} * 86'400'000;
  int64_t total = 0;
  std::string_view rest = text;
  if (rest.empty()) return refuse();
  while (!rest.empty()) {
    int64_t number = 0;
    size_t digits = 0;
    while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9' && digits < 12) {
      number = number * 10 + (rest[digits] - '0');
      ++digits;
    }
    if (digits == 0) return refuse();
    rest.remove_prefix(digits);
    const Unit* unit = nullptr;
    for (const auto& candidate : kUnits) {
      if (rest.starts_with(candidate.name)) {
        unit = &candidate;
        break;
      }
    }
    if (unit == nullptr || number > kLongest / unit->ms) return refuse();
    rest.remove_prefix(unit->name.size());
    total += number * unit->ms;
  }
  if (total > kLongest) return refuse();
  return total;
}

std::string format_duration_ms(int64_t duration_ms) {
  if (duration_ms == 0) return "0s";
  std::string text;
  for (const std::string_view name : {"d", "h", "m", "s", "ms"}) {
    for (const auto& unit : kUnits) {
      if (unit.name != name || duration_ms < unit.ms) continue;
      text += fmt::format("{}{}", duration_ms / unit.ms, name);
      duration_ms %= unit.ms;
    }
  }
  return text;
}

}  // namespace weir
