#include "cli/serving/usage_totals.h"

namespace weir::cli {

void UsageTotals::note(const std::string& flow_id, const catalog::TaskRun& ended) {
  const std::lock_guard lock(mutex_);
  std::pair<std::string, std::string> key(flow_id, ended.template_id);
  // The bound counts pairs, and so templates: a name that is new then is none of its own.
  if (by_flow_.size() >= kMostPairs && !by_flow_.contains(key)) key = {kOthers, kOthers};
  auto& took = by_flow_[key];
  ++took.attempts;
  took.cpu_ms += ended.cpu_ms;
  if (ended.peak_memory_bytes == 0) return;  // a thread of the server: nobody knows
  auto& peaks = by_template_[key.second];
  ++peaks.count;
  peaks.sum_bytes += ended.peak_memory_bytes;
  for (size_t i = 0; i < peaks.buckets.size(); ++i)
    if (ended.peak_memory_bytes <= server::TaskUsage::kBounds[i]) ++peaks.buckets[i];
}

server::TaskUsage UsageTotals::now() const {
  const std::lock_guard lock(mutex_);
  return {.by_flow = by_flow_, .by_template = by_template_};
}

}  // namespace weir::cli
