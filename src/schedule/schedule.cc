#include "schedule/schedule.h"

#include <algorithm>
#include <limits>

#include "base/instant.h"

// Cron over spans. In a span of a zone (clocks are not changed within) the clock shows the readings
// [begin + offset, end + offset), each once. Let `shown` be the farthest reading before the span.
//   - Where the span begins with an earlier one, readings up to `shown` come again: only what beats
//     with time runs again.
//   - Where it begins with a later one, [shown, begin + offset) was never shown: the gap.
// So the runs of a span are: maybe one at its begin (for the gap), and one for each match of what
// it shows. They are in order, and so are the spans.

namespace weir::schedule {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kHour = 3600;
constexpr int64_t kBeginningUs = Zone::kBeginning * kSecondUs;
constexpr int64_t kEndUs = Zone::kEnd * kSecondUs;

int64_t floor_div(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

}  // namespace

std::string Schedule::text() const {
  if (const auto* every = std::get_if<Every>(&beat_))
    return "every " + format_duration_ms(every->period_us / 1000);
  const std::string zone = days_ == nullptr || days_->name().empty()
                               ? zone_->name()
                               : fmt::format("{}, calendar {}", zone_->name(), days_->name());
  return fmt::format("cron \"{}\" ({})", std::get<Cron>(beat_).text(), zone);
}

/// The farthest reading that clocks showed before a span; its own begin for the first.
int64_t Schedule::shown_before(size_t span) const {
  constexpr int64_t kFarthest = 2 * 86'400;  // no change goes back by more
  const auto& spans = zone_->spans();
  int64_t shown = std::numeric_limits<int64_t>::min();
  for (size_t i = span; i-- > 0 && spans[i].end_s > spans[span].begin_s - kFarthest;)
    shown = std::max(shown, spans[i].end_s + spans[i].offset_s);
  return span == 0 ? spans[0].begin_s + spans[0].offset_s : shown;
}

bool Schedule::runs_at_change(const Cron& cron, size_t span) const {
  if (span == 0) return false;
  const auto& at = zone_->spans()[span];
  const int64_t from = shown_before(span);
  const int64_t to = at.begin_s + at.offset_s;
  if (to <= from) return false;
  if (cron.is_every_hour() && (to - from) % kHour == 0) return false;
  return cron.first_match(from, to).has_value();
}

std::optional<int64_t> Schedule::cron_after(const Cron& cron, int64_t at_s) const {
  const auto& spans = zone_->spans();
  const int64_t from_s = std::max(at_s + 1, Zone::kBeginning);
  for (size_t i = zone_->index_at(from_s); i < spans.size(); ++i) {
    const Span& span = spans[i];
    if (from_s <= span.begin_s && runs_at_change(cron, i)) return span.begin_s;
    int64_t from = std::max(from_s, span.begin_s) + span.offset_s;
    if (!cron.is_interval()) from = std::max(from, shown_before(i));
    const auto match = cron.first_match(from, span.end_s + span.offset_s);
    if (match) return *match - span.offset_s;
  }
  return std::nullopt;
}

std::optional<int64_t> Schedule::cron_until(const Cron& cron, int64_t at_s) const {
  const auto& spans = zone_->spans();
  if (at_s < Zone::kBeginning) return std::nullopt;
  for (size_t i = zone_->index_at(at_s) + 1; i-- > 0;) {
    const Span& span = spans[i];
    int64_t from = span.begin_s + span.offset_s;
    if (!cron.is_interval()) from = std::max(from, shown_before(i));
    const auto match = cron.last_match(from, std::min(at_s + 1, span.end_s) + span.offset_s);
    if (match) return *match - span.offset_s;
    if (runs_at_change(cron, i)) return span.begin_s;
  }
  return std::nullopt;
}

std::optional<int64_t> Schedule::beat_after(int64_t at_us) const {
  const int64_t after_us = std::max(at_us, kBeginningUs - 1);
  if (after_us >= kEndUs) return std::nullopt;
  std::optional<int64_t> next_us;
  if (const auto* every = std::get_if<Every>(&beat_)) {
    const int64_t periods = floor_div(after_us - every->anchor_us, every->period_us) + 1;
    next_us = every->anchor_us + periods * every->period_us;
  } else if (const auto at_s = cron_after(std::get<Cron>(beat_), floor_div(after_us, kSecondUs))) {
    next_us = *at_s * kSecondUs;
  }
  return next_us && *next_us < kEndUs ? next_us : std::nullopt;
}

std::optional<int64_t> Schedule::beat_until(int64_t at_us) const {
  const int64_t until_us = std::min(at_us, kEndUs - 1);
  if (until_us < kBeginningUs) return std::nullopt;
  std::optional<int64_t> last_us;
  if (const auto* every = std::get_if<Every>(&beat_)) {
    const int64_t periods = floor_div(until_us - every->anchor_us, every->period_us);
    last_us = every->anchor_us + periods * every->period_us;
  } else if (const auto at_s = cron_until(std::get<Cron>(beat_), floor_div(until_us, kSecondUs))) {
    last_us = *at_s * kSecondUs;
  }
  return last_us && *last_us >= kBeginningUs ? last_us : std::nullopt;
}

std::optional<int64_t> Schedule::next_after(int64_t at_us) const {
  const auto next = time_after(start_us_ ? std::max(at_us, *start_us_ - 1) : at_us);
  if (!next || (end_us_ && *next > *end_us_)) return std::nullopt;
  return next;
}

std::optional<int64_t> Schedule::last_until(int64_t at_us) const {
  const auto last = time_until(end_us_ ? std::min(at_us, *end_us_) : at_us);
  if (!last || (start_us_ && *last < *start_us_)) return std::nullopt;
  return last;
}

Interval Schedule::interval_of(int64_t logical_time_us) const {
  const int64_t end_us = time_until(logical_time_us).value_or(kBeginningUs);
  return {time_until(end_us - 1).value_or(kBeginningUs), end_us};
}

Due Schedule::due(int64_t after_us, int64_t now_us, size_t most) const {
  Due due;
  const auto newest = last_until(now_us);
  if (!newest || *newest <= after_us) return due;
  due.until_us = newest;
  if (catchup_ != Catchup::kAll) {
    if (catchup_ == Catchup::kLatest || *newest >= now_us - kOnTimeUs)
      due.logical_times_us.push_back(*newest);
    return due;
  }
  Times times(*this, after_us, now_us);
  for (auto time = times.next(); time; time = times.next()) {
    if (due.logical_times_us.size() == most) {
      due.has_more = true;
      due.until_us = due.logical_times_us.empty() ? after_us : due.logical_times_us.back();
      break;
    }
    due.logical_times_us.push_back(*time);
  }
  return due;
}

int64_t Schedule::before_first(int64_t known_since_us) const {
  if (catchup_ == Catchup::kAll && start_us_) return std::min(known_since_us, *start_us_ - 1);
  return known_since_us;
}

std::optional<int64_t> Times::next() {
  const auto next = schedule_.next_after(at_us_);
  if (!next || *next > until_us_) {
    at_us_ = until_us_;
    return std::nullopt;
  }
  at_us_ = *next;
  return next;
}

std::string ScheduledRun::run_key() const { return "scheduled:" + format_instant(logical_time_us); }

Json ScheduledRun::parameters() const {
  return {{"logical_time", format_instant(logical_time_us)},
          {"interval_start", format_instant(interval.start_us)},
          {"interval_end", format_instant(interval.end_us)}};
}

ScheduledRun run_at(const Schedule& schedule, int64_t logical_time_us) {
  return {logical_time_us, schedule.interval_of(logical_time_us)};
}

}  // namespace weir::schedule
