#include <algorithm>
#include <set>

#include "schedule/schedule.h"

// Times of a schedule on the days of a calendar.
//
// Left out: whole days are jumped over, so that a schedule of seconds costs no more than one of
// days.
//
// Moved: each day D of the calendar takes the times of a block of days, itself and the days without
// business before it (next) or after it (previous). The blocks tile time, so what comes after an
// instant is on the day of its block or on that of a later one. Within a day the times are put as
// clocks show them, and are made instants last: a time that no clock shows on D comes at the first
// instant after the gap, as cron has it.

namespace weir::schedule {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kDay = 86'400;
constexpr int64_t kLongestChange = 26 * 3600;  // clocks go back by no more

int64_t floor_div(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

}  // namespace

int64_t Schedule::day_of(int64_t at_us) const {
  const int64_t at_s = floor_div(at_us, kSecondUs);
  return floor_div(at_s + zone_->spans()[zone_->index_at(at_s)].offset_s, kDay);
}

/// The last instant at which clocks show the day: where they go back over midnight they show its
/// end twice.
int64_t Schedule::end_of_day_us(int64_t day) const {
  const int64_t midnight = (day + 1) * kDay;
  const int64_t first_s = zone_->instant_of(midnight);
  int64_t end_s = first_s;
  const auto& spans = zone_->spans();
  for (size_t i = zone_->index_at(first_s); i < spans.size(); ++i) {
    if (spans[i].begin_s > first_s + kLongestChange) break;
    if (spans[i].begin_s + spans[i].offset_s < midnight)
      end_s = std::max(end_s, std::min(spans[i].end_s, midnight - spans[i].offset_s));
  }
  return end_s * kSecondUs - 1;
}

std::optional<int64_t> Schedule::time_after(int64_t at_us) const {
  if (days_ == nullptr) return beat_after(at_us);
  if (on_holiday_ != OnHoliday::kSkip) return moved_after(at_us);
  auto time_us = beat_after(at_us);
  while (time_us && !days_->has(day_of(*time_us))) {
    const int64_t today = day_of(*time_us);
    // Clocks will go back over midnight: the day before is shown again.
    if (end_of_day_us(today - 1) > *time_us) {
      time_us = beat_after(*time_us);
      continue;
    }
    const auto day = days_->first_from(today + 1);
    if (!day) return std::nullopt;
    const int64_t begin_us = zone_->instant_of(*day * kDay) * kSecondUs;
    time_us = beat_after(std::max(begin_us - 1, *time_us));
  }
  return time_us;
}

std::optional<int64_t> Schedule::time_until(int64_t at_us) const {
  if (days_ == nullptr) return beat_until(at_us);
  if (on_holiday_ != OnHoliday::kSkip) return moved_until(at_us);
  auto time_us = beat_until(at_us);
  while (time_us && !days_->has(day_of(*time_us))) {
    const int64_t today = day_of(*time_us);
    // Clocks went back over midnight: the day behind was shown before.
    if (zone_->instant_of((today + 1) * kDay) * kSecondUs < *time_us) {
      time_us = beat_until(*time_us - 1);
      continue;
    }
    const auto day = days_->last_until(today - 1);
    if (!day) return std::nullopt;
    time_us = beat_until(std::min(end_of_day_us(*day), *time_us - 1));
  }
  return time_us;
}

/// Where a time of the day goes.
std::optional<int64_t> Schedule::moved_day(int64_t day) const {
  return on_holiday_ == OnHoliday::kNext ? days_->first_from(day) : days_->last_until(day);
}

/// The days whose times go to a day of the calendar.
Schedule::Days Schedule::days_moved_to(int64_t day) const {
  if (on_holiday_ == OnHoliday::kNext) {
    const auto before = days_->last_until(day - 1);
    return {before ? *before + 1 : day, day + 1};
  }
  const auto behind = days_->first_from(day + 1);
  return {day, behind ? *behind : day + 1};
}

/// In order, none twice.
std::vector<int64_t> Schedule::times_on(int64_t day) const {
  const Cron& cron = std::get<Cron>(beat_);
  const Days days = days_moved_to(day);
  std::set<int64_t> shown;
  for (auto match = cron.first_match(days.from * kDay, days.to * kDay); match;
       match = cron.first_match(*match + 1, days.to * kDay))
    shown.insert(day * kDay + (*match - floor_div(*match, kDay) * kDay));
  std::set<int64_t> times;
  for (const int64_t each : shown) times.insert(zone_->instant_of(each) * kSecondUs);
  return {times.begin(), times.end()};
}

std::optional<int64_t> Schedule::moved_after(int64_t at_us) const {
  const Cron& cron = std::get<Cron>(beat_);
  const int64_t from_us = std::max(at_us, Zone::kBeginning * kSecondUs);
  if (from_us >= Zone::kEnd * kSecondUs) return std::nullopt;
  auto day = days_->last_until(day_of(from_us));
  if (!day) day = days_->first_from(day_of(from_us));
  while (day) {
    for (const int64_t time_us : times_on(*day))
      if (time_us > at_us)
        return time_us < Zone::kEnd * kSecondUs ? std::optional(time_us) : std::nullopt;
    const auto next = cron.first_match(days_moved_to(*day).to * kDay, Zone::kEnd);
    if (!next) return std::nullopt;
    day = moved_day(floor_div(*next, kDay));
  }
  return std::nullopt;
}

std::optional<int64_t> Schedule::moved_until(int64_t at_us) const {
  const Cron& cron = std::get<Cron>(beat_);
  const int64_t until_us = std::min(at_us, Zone::kEnd * kSecondUs - 1);
  if (until_us < Zone::kBeginning * kSecondUs) return std::nullopt;
  // A day later: clocks that go back over midnight have shown its begin.
  auto day = days_->last_until(day_of(until_us) + 1);
  while (day) {
    const auto times = times_on(*day);
    for (auto time = times.rbegin(); time != times.rend(); ++time)
      if (*time <= until_us) return *time;
    const auto last = cron.last_match(Zone::kBeginning, days_moved_to(*day).from * kDay);
    if (!last) return std::nullopt;
    day = moved_day(floor_div(*last, kDay));
  }
  return std::nullopt;
}

}  // namespace weir::schedule
