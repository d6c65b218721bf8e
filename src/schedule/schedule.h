#pragma once

/// When a flow runs: the logical times of its schedule, the stretch of data that each stands for,
/// and which of them are due. Pure: it reads no clock and keeps nothing of what ran.
///
/// **Two kinds of cron.** An expression either names times of a day (`30 2 * * *`) or beats with
/// time (`*/15 * * * *`: a `*` or a step in the hour field; Cron::is_interval). Vixie cron and
/// cronie make the same distinction ("wildcard jobs") for clocks that are set. Where a zone's
/// clocks are changed:
///   - They go back, and show an hour twice: a time of a day runs once, the first time that it is
///     shown; what beats with time runs both times.
///   - They go forward, and never show an hour: what would have run in it runs once, at the first
///     instant after the gap. Except for what runs in every hour, where the gap is of whole hours:
///     no time was lost, and its beat just goes on.
/// A logical time is an instant, so all that falls on the same instant is one run.
///
/// **`every`** counts time that passed, from `start` or from 1970-01-01T00:00:00Z: no zone moves
/// it, and a late start does not either.
///
/// **A calendar** says on which days business is done, as the zone's clocks show them. A time that
/// falls on another day is left out, or moves to the same time of the next or the last day before
/// on which it is (OnHoliday); where that day has the time already it is one run. Only times of a
/// day move.
///
/// **Data intervals** end at their logical time and begin at the one before, inclusive; so they
/// tile time. `start` and `end` bound which times run, not the intervals: the first run's interval
/// reaches back before `start`.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "schedule/cron.h"
#include "schedule/working_days.h"
#include "schedule/zone.h"

namespace weir::schedule {

/// What becomes of logical times that passed while nothing could start them.
enum class Catchup {
  kNone,    ///< They are left out.
  kLatest,  ///< The newest of them is made up for.
  kAll,     ///< Each is, oldest first.
};

/// What becomes of a time on a day that is none of the calendar's.
enum class OnHoliday {
  kSkip,      ///< It is left out.
  kNext,      ///< It moves to the next day that is one.
  kPrevious,  ///< It moves to the last one before.
};

/// [start, end)
struct Interval {
  int64_t start_us = 0;
  int64_t end_us = 0;
  bool operator==(const Interval&) const = default;
};

/// What is to be started.
struct Due {
  std::vector<int64_t> logical_times_us;  ///< Oldest first; none of them twice.
  bool has_more = false;                  ///< More than were asked for are due.
  /// The newest time that is due or was left out: the next question asks for what comes after it.
  /// Nothing where nothing came due.
  std::optional<int64_t> until_us;
};

/// Immutable; safe to use from many threads at once.
class Schedule {
 public:
  /// How late a time may be and still be on time for Catchup::kNone.
  static constexpr int64_t kOnTimeUs = 300'000'000;

  const Zone& zone() const { return *zone_; }
  Catchup catchup() const { return catchup_; }
  std::optional<int64_t> start_us() const { return start_us_; }
  std::optional<int64_t> end_us() const { return end_us_; }
  const Json& params() const { return params_; }
  /// `cron "0 6 * * *" (Europe/Berlin)`, `every 10s`
  std::string text() const;

  /// The first logical time after the instant; nothing where none comes before the year 2400.
  std::optional<int64_t> next_after(int64_t at_us) const;
  /// The last logical time not after the instant; nothing where there is none.
  std::optional<int64_t> last_until(int64_t at_us) const;

  /// The data that a logical time stands for. For an instant that is none (somebody ran the flow by
  /// hand): of the last logical time before it, were there no `start` and `end`.
  Interval interval_of(int64_t logical_time_us) const;

  /// What is due at `now_us` where `after_us` was the last logical time that was started (or left
  /// out), at most `most` of it. A clock that went back makes nothing due.
  Due due(int64_t after_us, int64_t now_us, size_t most) const;

  /// What to take for the last logical time of a flow that never ran on this schedule, which is
  /// known since `known_since_us`: with Catchup::kAll and a `start`, all since then are due.
  int64_t before_first(int64_t known_since_us) const;

 private:
  friend class ScheduleReader;
  struct Every {
    int64_t period_us = 0;
    int64_t anchor_us = 0;
  };
  Schedule() = default;

  // Without start and end.
  std::optional<int64_t> time_after(int64_t at_us) const;
  std::optional<int64_t> time_until(int64_t at_us) const;
  int64_t day_of(int64_t at_us) const;
  int64_t end_of_day_us(int64_t day) const;
  std::optional<int64_t> moved_after(int64_t at_us) const;
  std::optional<int64_t> moved_until(int64_t at_us) const;
  std::optional<int64_t> moved_day(int64_t day) const;
  struct Days {
    int64_t from = 0;
    int64_t to = 0;  ///< Exclusive.
  };
  Days days_moved_to(int64_t day) const;
  std::vector<int64_t> times_on(int64_t day) const;
  // Without the calendar; in seconds for cron, whose times are whole minutes of a wall clock.
  std::optional<int64_t> beat_after(int64_t at_us) const;
  std::optional<int64_t> beat_until(int64_t at_us) const;
  std::optional<int64_t> cron_after(const Cron& cron, int64_t at_s) const;
  std::optional<int64_t> cron_until(const Cron& cron, int64_t at_s) const;
  int64_t shown_before(size_t span) const;
  bool runs_at_change(const Cron& cron, size_t span) const;

  std::variant<Cron, Every> beat_;
  std::shared_ptr<const Zone> zone_;
  Catchup catchup_ = Catchup::kLatest;
  std::shared_ptr<const WorkingDays> days_;  ///< Nothing: all days.
  OnHoliday on_holiday_ = OnHoliday::kSkip;
  std::optional<int64_t> start_us_;
  std::optional<int64_t> end_us_;
  Json params_ = Json::object();
};

/// A schedule as flows write it (model::Flow::schedule, with its calendar written out:
/// model::with_calendar): a text is its cron. kInvalidConfig names
/// the key at fault as the last step of the trail, `key 'cron'`; the place of a faulty cron is
/// within its text.
Result<Schedule> read_schedule(const Json& written, Zones& zones);

/// The keys at fault, for who shows places: nothing is at fault where it is empty.
struct KeyFault {
  std::string key;  ///< Empty for the schedule as a whole.
  Error error;
};
/// All faults of a schedule. Values with a variable `${ }` in them pass until it is known.
std::vector<KeyFault> check_schedule(const Json& written, Zones& zones);

/// Logical times one by one.
class Times {
 public:
  /// Those in (after, until]. The schedule must outlive it.
  Times(const Schedule& schedule, int64_t after_us, int64_t until_us)
      : schedule_(schedule), at_us_(after_us), until_us_(until_us) {}
  /// The next one; nothing after the last.
  std::optional<int64_t> next();

 private:
  const Schedule& schedule_;
  int64_t at_us_;
  int64_t until_us_;
};

/// A run that a schedule asks for.
struct ScheduledRun {
  int64_t logical_time_us = 0;
  Interval interval;

  /// `scheduled:2026-03-29T01:00:00Z`: the same for whoever starts it.
  std::string run_key() const;
  /// {"logical_time": …, "interval_start": …, "interval_end": …} as texts in UTC, for the
  /// parameters `schedule.logical_time` and so on.
  Json parameters() const;
};
ScheduledRun run_at(const Schedule& schedule, int64_t logical_time_us);

}  // namespace weir::schedule
