#pragma once

/// A calendar of business as a set of days (model::Calendar, as JSON). Pure: it knows no clock and
/// no zone. Days are those that a wall clock shows, counted from 1970-01-01.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::schedule {

/// Immutable; safe to use from many threads at once.
class WorkingDays {
 public:
  /// The key at fault, and what is wrong with it.
  struct Fault {
    std::string key;  ///< `weekdays`, `holidays` or `workdays`; empty: the calendar as a whole.
    Error error;
  };

  /// `{weekdays: "mon-fri", holidays: ["2026-12-24", "12-25", "easter+1"], workdays: [...]}`.
  /// kInvalidConfig with the first of its faults.
  static Result<WorkingDays> read(const Json& calendar);
  static std::vector<Fault> check(const Json& calendar);

  const std::string& name() const { return name_; }
  bool has(int64_t day) const;
  /// The first one not before the day, and the last one not after it; nothing where there is none
  /// within ten years.
  std::optional<int64_t> first_from(int64_t day) const;
  std::optional<int64_t> last_until(int64_t day) const;

 private:
  friend class WorkingDaysReader;
  bool is_holiday(int64_t day) const;

  std::string name_;
  uint8_t weekdays_ = 0x7f;  ///< Bit 0 is Sunday.
  std::set<int64_t> holidays_;
  std::set<std::pair<unsigned, unsigned>> yearly_;  ///< Month and day.
  std::set<int64_t> easter_;                        ///< Days from Easter Sunday.
  std::set<int64_t> workdays_;
};

/// Easter Sunday of the western churches, as a day.
int64_t easter_day(int year);

}  // namespace weir::schedule
