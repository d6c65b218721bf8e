#include "schedule/cron.h"

#include <bit>
#include <chrono>

// A match is looked for in two steps: a day that is named, month by month; then a minute of that
// day. All minutes of a named day are alike, so the two do not depend on each other.

namespace weir::schedule {
namespace {

using std::chrono::days;
using std::chrono::months;
using std::chrono::sys_days;
using std::chrono::year_month;
using std::chrono::year_month_day;

constexpr int64_t kDay = 86'400;

int64_t floor_div(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

/// The lowest set bit from `from` on, or -1.
template <typename Bits>
int first_bit(Bits bits, unsigned from) {
  if (from >= sizeof(Bits) * 8) return -1;
  const Bits rest = bits >> from;
  return rest == 0 ? -1 : static_cast<int>(from) + std::countr_zero(rest);
}

/// The highest set bit up to `to`, or -1.
template <typename Bits>
int last_bit(Bits bits, unsigned to) {
  constexpr unsigned kTop = sizeof(Bits) * 8 - 1;
  const Bits rest = bits << (kTop - to);
  return rest == 0 ? -1 : static_cast<int>(to) - std::countl_zero(rest);
}

unsigned month_bits_of(sys_days day) { return static_cast<unsigned>(year_month_day(day).month()); }

sys_days month_start(sys_days day) {
  const year_month_day date(day);
  return date.year() / date.month() / std::chrono::day(1);
}

}  // namespace

bool Cron::names_weekday(unsigned weekday, unsigned day_of_month, unsigned days_of_month) const {
  const uint8_t weeks = weekdays_.at(weekday);
  if (weeks == kEveryWeek) return true;
  const unsigned week = (day_of_month - 1) / 7 + 1;
  const bool is_last = day_of_month + 7 > days_of_month;
  return ((weeks >> week) & 1U) != 0 || (is_last && (weeks & 1U) != 0);
}

bool Cron::names_day(int64_t day) const {
  const sys_days date{days{day}};
  const year_month_day parts(date);
  const auto month = static_cast<unsigned>(parts.month());
  if (((months_ >> month) & 1U) == 0) return false;
  const auto day_of_month = static_cast<unsigned>(parts.day());
  const auto days_of_month =
      static_cast<unsigned>(year_month_day(parts.year() / parts.month() / std::chrono::last).day());
  const unsigned weekday = std::chrono::weekday(date).c_encoding();
  const bool day_fits =
      ((days_ >> day_of_month) & 1U) != 0 || (day_of_month == days_of_month && (days_ & 1U) != 0);
  const bool weekday_fits = names_weekday(weekday, day_of_month, days_of_month);
  if (days_are_restricted_ && weekdays_are_restricted_) return day_fits || weekday_fits;
  return day_fits && weekday_fits;
}

std::optional<int64_t> Cron::first_day(int64_t from, int64_t to) const {
  for (int64_t day = from; day < to;) {
    if (names_day(day)) return day;
    const sys_days date{days{day}};
    // Months that are not named are passed as a whole.
    const bool in_month = ((months_ >> month_bits_of(date)) & 1U) != 0;
    day = in_month
              ? day + 1
              : sys_days(year_month_day(month_start(date)) + months(1)).time_since_epoch().count();
  }
  return std::nullopt;
}

std::optional<int64_t> Cron::last_day(int64_t from, int64_t to) const {
  for (int64_t day = to - 1; day >= from;) {
    if (names_day(day)) return day;
    const sys_days date{days{day}};
    const bool in_month = ((months_ >> month_bits_of(date)) & 1U) != 0;
    day = in_month ? day - 1 : month_start(date).time_since_epoch().count() - 1;
  }
  return std::nullopt;
}

std::optional<WallSeconds> Cron::first_match(WallSeconds from, WallSeconds to) const {
  if (from >= to) return std::nullopt;
  // Readings are named by the minute: the first whole one.
  const int64_t minute = floor_div(from + 59, 60);
  int64_t day = floor_div(minute, 1440);
  auto hour = static_cast<unsigned>((minute - day * 1440) / 60);
  auto minute_of_hour = static_cast<unsigned>(minute - day * 1440 - int64_t{hour} * 60);
  const int64_t end_day = floor_div(to - 1, kDay) + 1;
  while (true) {
    const auto named = first_day(day, end_day);
    if (!named) return std::nullopt;
    if (*named != day) hour = minute_of_hour = 0;
    day = *named;
    int found_minute = -1;
    int found_hour = first_bit(hours_, hour);
    if (found_hour == static_cast<int>(hour)) {
      found_minute = first_bit(minutes_, minute_of_hour);
      if (found_minute < 0) found_hour = first_bit(hours_, hour + 1);
    }
    if (found_hour >= 0) {
      if (found_minute < 0) found_minute = first_bit(minutes_, 0);
      const WallSeconds at = day * kDay + int64_t{found_hour} * 3600 + int64_t{found_minute} * 60;
      return at < to ? std::optional(at) : std::nullopt;
    }
    ++day;
    hour = minute_of_hour = 0;
  }
}

std::optional<WallSeconds> Cron::last_match(WallSeconds from, WallSeconds to) const {
  if (from >= to) return std::nullopt;
  const int64_t minute = floor_div(to - 1, 60);
  int64_t day = floor_div(minute, 1440);
  auto hour = static_cast<unsigned>((minute - day * 1440) / 60);
  auto minute_of_hour = static_cast<unsigned>(minute - day * 1440 - int64_t{hour} * 60);
  const int64_t first = floor_div(from, kDay);
  while (true) {
    const auto named = last_day(first, day + 1);
    if (!named) return std::nullopt;
    if (*named != day) {
      hour = 23;
      minute_of_hour = 59;
    }
    day = *named;
    int found_minute = -1;
    int found_hour = last_bit(hours_, hour);
    if (found_hour == static_cast<int>(hour)) {
      found_minute = last_bit(minutes_, minute_of_hour);
      if (found_minute < 0) found_hour = hour == 0 ? -1 : last_bit(hours_, hour - 1);
    }
    if (found_hour >= 0) {
      if (found_minute < 0) found_minute = last_bit(minutes_, 59);
      const WallSeconds at = day * kDay + int64_t{found_hour} * 3600 + int64_t{found_minute} * 60;
      return at >= from ? std::optional(at) : std::nullopt;
    }
    --day;
    hour = 23;
    minute_of_hour = 59;
  }
}

}  // namespace weir::schedule
