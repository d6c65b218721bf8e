#pragma once

/// Cron expressions: which readings of a wall clock they name. A Cron knows no time zone and no
/// instant; see zone.h for clocks, and schedule.h for when a flow runs.
///
/// Five fields, `minute hour day-of-month month day-of-week`, each a list of:
///   `*`, `a`, `a-b`, and with a step `*/n`, `a-b/n`, `a/n` (from a to the end).
/// Months and weekdays have English names of three letters (`JAN`, `MON`), in any case; Sunday is 0
/// and 7. A range does not go round its end, except of weekdays: `FRI-MON`.
/// `L` as a day of the month is its last day; `FRI#2` is the second Friday of a month, `FRI#L` its
/// last. `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight` and `@hourly` stand
/// for all five.
///
/// Days follow Vixie cron: where day-of-month and day-of-week are both restricted, either is
/// enough; a field that starts with `*` (also `*/2`) does not restrict, and then both must fit.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::schedule {

/// What a wall clock shows, as seconds since it showed 1970-01-01 00:00:00.
using WallSeconds = int64_t;

/// Immutable; safe to use from many threads at once.
class Cron {
 public:
  const std::string& text() const { return text_; }

  /// Whether it beats with time instead of naming times of a day: its hour field has a `*` or a
  /// step, or names all hours. (Vixie and cronie call such jobs wildcard jobs: see database.c and
  /// cron.c there, MIN_STAR and HR_STAR. They also take a `*` in the minute field for one; here
  /// `*/15 2 * * *` names four times of a day, and keeps to them when clocks change.)
  bool is_interval() const { return is_interval_; }
  /// Whether it runs in every hour of the days that it names.
  bool is_every_hour() const { return hours_ == kAllHours; }

  /// The first reading in [from, to) that it names, or nothing.
  std::optional<WallSeconds> first_match(WallSeconds from, WallSeconds to) const;
  /// The last reading in [from, to) that it names, or nothing.
  std::optional<WallSeconds> last_match(WallSeconds from, WallSeconds to) const;

 private:
  friend Result<Cron> parse_cron(std::string_view text);
  friend class CronReader;
  static constexpr uint32_t kAllHours = (1U << 24U) - 1;

  /// Days are counted from 1970-01-01.
  bool names_day(int64_t day) const;
  bool names_weekday(unsigned weekday, unsigned day_of_month, unsigned days_of_month) const;
  std::optional<int64_t> first_day(int64_t from, int64_t to) const;
  std::optional<int64_t> last_day(int64_t from, int64_t to) const;

  std::string text_;
  uint64_t minutes_ = 0;
  uint32_t hours_ = 0;
  uint32_t days_ = 0;  ///< Bits 1 to 31; bit 0 is the last day of a month.
  uint32_t months_ = 0;
  /// Of each weekday, which of a month: bits 1 to 5, bit 0 for the last; kEveryWeek for all.
  std::array<uint8_t, 7> weekdays_ = {};
  static constexpr uint8_t kEveryWeek = 0xff;
  bool days_are_restricted_ = false;
  bool weekdays_are_restricted_ = false;
  bool is_interval_ = false;
};

/// kInvalidConfig names the field at fault and what it may say; the error's place has the column
/// and length of the words within `text`. An expression that no calendar fulfils (30 February) is
/// refused.
Result<Cron> parse_cron(std::string_view text);

}  // namespace weir::schedule
