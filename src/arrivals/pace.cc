#include "arrivals/pace.h"

#include <algorithm>

namespace weir::arrivals {
namespace {

constexpr int64_t kMomentsAPeriod = 10;

}  // namespace

int64_t Pace::next_us(int64_t now_us) const {
  const bool is_clock_set_back = last_us > now_us + every_us;
  if (every_us == 0 || last_us == 0 || is_clock_set_back) return now_us;
  return last_us + every_us;
}

int64_t Pace::decided_at_us(int64_t now_us) const {
  const int64_t turn_us = next_us(now_us);
  return now_us - turn_us <= every_us / kMomentsAPeriod ? turn_us : now_us;
}

std::vector<PacedBatch> rehearse_batches(const model::FileTrigger& settings,
                                         const std::vector<int64_t>& whole_at_us) {
  std::vector<PacedBatch> batches;
  Pace pace{settings.at_most_every_ms * 1000, 0};
  for (size_t i = 0; i < whole_at_us.size();) {
    const int64_t now_us = std::max(whole_at_us[i], pace.last_us);
    const int64_t at_us = std::max(pace.next_us(now_us), now_us);
    PacedBatch batch{at_us, 0};
    while (i < whole_at_us.size() && whole_at_us[i] <= at_us &&
           batch.files < static_cast<size_t>(settings.max_files)) {
      ++batch.files;
      ++i;
    }
    batches.push_back(batch);
    pace.last_us = at_us;
  }
  return batches;
}

}  // namespace weir::arrivals
