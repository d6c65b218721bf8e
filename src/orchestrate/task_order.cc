#include "orchestrate/task_order.h"

#include <algorithm>
#include <set>

namespace weir::orchestrate {

std::vector<const model::Task*> in_order_of_needs(const model::Flow& flow) {
  std::vector<const model::Task*> waiting;
  for (const auto& task : flow.tasks) waiting.push_back(&task);
  std::ranges::sort(waiting, {}, &model::Task::task_id);
  std::vector<const model::Task*> ordered;
  std::set<std::string> placed;
  while (!waiting.empty()) {
    auto next = std::ranges::find_if(waiting, [&](const model::Task* task) {
      return std::ranges::all_of(task->needs,
                                 [&](const auto& need) { return placed.contains(need); });
    });
    if (next == waiting.end()) next = waiting.begin();
    placed.insert((*next)->task_id);
    ordered.push_back(*next);
    waiting.erase(next);
  }
  return ordered;
}

}  // namespace weir::orchestrate
