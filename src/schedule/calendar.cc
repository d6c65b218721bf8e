#include "schedule/calendar.h"

namespace weir::schedule {

void Calendar::arrange(const std::string& flow_id, Kept& kept, int64_t after_us) {
  if (kept.next_us) by_time_.erase({*kept.next_us, flow_id});
  kept.next_us = kept.schedule.next_after(after_us);
  if (kept.next_us) by_time_.emplace(*kept.next_us, flow_id);
}

void Calendar::put(const std::string& flow_id, Schedule schedule, int64_t after_us) {
  remove(flow_id);
  const auto [at, is_new] = flows_.emplace(flow_id, Kept{std::move(schedule), std::nullopt});
  arrange(flow_id, at->second, after_us);
}

void Calendar::remove(const std::string& flow_id) {
  const auto found = flows_.find(flow_id);
  if (found == flows_.end()) return;
  if (found->second.next_us) by_time_.erase({*found->second.next_us, flow_id});
  flows_.erase(found);
}

void Calendar::advance(const std::string& flow_id, int64_t after_us) {
  const auto found = flows_.find(flow_id);
  if (found != flows_.end()) arrange(flow_id, found->second, after_us);
}

const Schedule* Calendar::find(const std::string& flow_id) const {
  const auto found = flows_.find(flow_id);
  return found == flows_.end() ? nullptr : &found->second.schedule;
}

std::optional<Calendar::Entry> Calendar::next() const {
  if (by_time_.empty()) return std::nullopt;
  const auto& [next_us, flow_id] = *by_time_.begin();
  return Entry{flow_id, next_us};
}

std::vector<Calendar::Entry> Calendar::due(int64_t now_us, size_t most) const {
  std::vector<Entry> entries;
  for (const auto& [next_us, flow_id] : by_time_) {
    if (next_us > now_us || entries.size() == most) break;
    entries.push_back({flow_id, next_us});
  }
  return entries;
}

}  // namespace weir::schedule
