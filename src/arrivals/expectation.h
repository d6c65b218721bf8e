#pragma once

/// By when files are due (`expected`): times of a schedule, without the days on which nothing is
/// due. Pure; whether they came is looked up elsewhere.

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "schedule/schedule.h"

namespace weir::arrivals {

/// Immutable.
class Expectation {
 public:
  /// `{cron, timezone, calendar, on_holiday, except: [2026-12-25], key: "%Y%m%d", of: start|end}`.
  /// kInvalidConfig names what is wrong.
  static Result<Expectation> read(const Json& written, schedule::Zones& zones);

  /// The newest time until `now_us` by which something is due, and since when it may have come;
  /// nothing where there is none.
  std::optional<schedule::Interval> newest(int64_t now_us) const;
  std::optional<int64_t> next_after(int64_t at_us) const;

  bool has_key() const { return !key_.empty(); }
  /// The key (Key::text) of the files that are due then; empty where any will do.
  std::string key_of(const schedule::Interval& interval) const;
  /// `2026-11-27T06:00:00+01:00`
  std::string local_text(int64_t at_us) const { return schedule_.zone().local_text(at_us); }

 private:
  explicit Expectation(schedule::Schedule schedule) : schedule_(std::move(schedule)) {}
  std::optional<int64_t> due_until(int64_t at_us) const;
  bool is_free(int64_t at_us) const;

  schedule::Schedule schedule_;
  std::set<std::string>
      except_;                ///< Dates on which nothing is due, as the zone's clocks show them.
  std::string key_;           ///< Format of a time (base/time_format.h).
  bool is_of_start_ = false;  ///< The key is of the time before, not of that by which it is due.
};

}  // namespace weir::arrivals
