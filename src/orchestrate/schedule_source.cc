#include "orchestrate/schedule_source.h"

#include <algorithm>
#include <limits>
#include <set>

namespace weir::orchestrate {
namespace {

constexpr size_t kMostFlows = 1000;  ///< Of one look; the others come with the next.
constexpr size_t kMostOfFlow = 10;   ///< Made up for at once: others have their turn in between.

}  // namespace

Status ScheduleSource::take(const model::Configuration& configuration) {
  WEIR_ASSIGN(const auto states, catalog_.flow_states());
  std::set<std::string> paused;
  for (const auto& state : states) {
    if (state.is_paused) paused.insert(state.flow_id);
    auto& until_us = until_us_[state.flow_id];
    until_us = std::max(until_us, state.scheduled_until_us);
  }
  std::map<std::string, Json> written;
  std::map<std::string, schedule::Schedule> read;
  std::map<std::string, int64_t> first_us;
  for (const auto& flow : configuration.flows) {
    if (!flow.is_enabled || flow.schedule.is_null() || paused.contains(flow.flow_id)) continue;
    const auto known = written_.find(flow.flow_id);
    const bool is_known = known != written_.end() && known->second == flow.schedule;
    if (!is_known) {
      auto schedule = schedule::read_schedule(flow.schedule, zones_);
      if (!schedule) {
        log_.warning("flow '{}' has no schedule that can be read: {}", flow.flow_id,
                     to_line(schedule.error()));
        continue;
      }
      if (!until_us_.contains(flow.flow_id) || until_us_[flow.flow_id] == 0)
        first_us[flow.flow_id] = schedule->before_first(clock_.now_us());
      read.emplace(flow.flow_id, *std::move(schedule));
    }
    written[flow.flow_id] = flow.schedule;
  }
  // Those are known from now on; kept, so that a server that is down later misses nothing.
  if (!first_us.empty()) WEIR_TRY(catalog_.note_scheduled(first_us));
  for (const auto& [flow_id, until_us] : first_us) until_us_[flow_id] = until_us;
  for (auto& [flow_id, schedule] : read)
    calendar_.put(flow_id, std::move(schedule), until_us_[flow_id]);
  for (const auto& [flow_id, schedule] : written_)
    if (!written.contains(flow_id)) calendar_.remove(flow_id);
  written_ = std::move(written);
  return {};
}

Result<std::vector<RunWish>> ScheduleSource::due(int64_t now_us) {
  std::vector<RunWish> wishes;
  std::map<std::string, int64_t> left_out_us;
  std::vector<std::string> further;
  for (const auto& entry : calendar_.due(now_us, kMostFlows)) {
    const schedule::Schedule* schedule = calendar_.find(entry.flow_id);
    const schedule::Due due = schedule->due(until_us_[entry.flow_id], now_us, kMostOfFlow);
    for (const int64_t logical_time_us : due.logical_times_us) {
      const schedule::ScheduledRun run = schedule::run_at(*schedule, logical_time_us);
      RunWish wish;
      wish.flow_id = entry.flow_id;
      wish.run_key = run.run_key();
      wish.trigger = "scheduled";
      wish.params = schedule->params();
      wish.logical_time_us = logical_time_us;
      wish.interval_start_us = run.interval.start_us;
      wish.interval_end_us = run.interval.end_us;
      wishes.push_back(std::move(wish));
    }
    if (!due.logical_times_us.empty()) continue;
    // Times that are left out; or another server has come further than this calendar.
    if (due.until_us) left_out_us[entry.flow_id] = *due.until_us;
    further.push_back(entry.flow_id);
  }
  if (!left_out_us.empty()) WEIR_TRY(catalog_.note_scheduled(left_out_us));
  for (const auto& [flow_id, until_us] : left_out_us) until_us_[flow_id] = until_us;
  for (const auto& flow_id : further) calendar_.advance(flow_id, until_us_[flow_id]);
  return wishes;
}

Status ScheduleSource::started(const RunWish& wish, const catalog::FlowRun& /*run*/) {
  int64_t& until_us = until_us_[wish.flow_id];
  until_us = std::max(until_us, wish.logical_time_us);
  calendar_.advance(wish.flow_id, until_us);
  return {};
}

int64_t ScheduleSource::next_us() const {
  const auto next = calendar_.next();
  return next ? next->next_us : std::numeric_limits<int64_t>::max();
}

int64_t ScheduleSource::lag_us(int64_t now_us) const {
  const auto next = calendar_.next();
  return next ? std::max<int64_t>(now_us - next->next_us, 0) : 0;
}

}  // namespace weir::orchestrate
