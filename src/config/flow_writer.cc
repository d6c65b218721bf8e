#include "config/flow_writer.h"

#include <algorithm>
#include <array>
#include <set>

#include "config/declarations.h"

namespace weir::config {
namespace {

/// Tasks as they run: each behind those it needs, else by name. A cycle keeps its names' order.
std::vector<model::Task> in_running_order(std::vector<model::Task> waiting) {
  std::ranges::sort(waiting, {}, &model::Task::task_id);
  std::vector<model::Task> ordered;
  std::set<std::string> done;
  while (!waiting.empty()) {
    auto next = std::ranges::find_if(waiting, [&](const model::Task& task) {
      return std::ranges::all_of(task.needs, [&](const auto& need) { return done.contains(need); });
    });
    if (next == waiting.end()) next = waiting.begin();
    done.insert(next->task_id);
    ordered.push_back(std::move(*next));
    waiting.erase(next);
  }
  return ordered;
}

/// From where to where first; what is not named here follows by name.
void order_params(Node& with) {
  static constexpr std::array kUsual = {"from", "as_of",      "to",    "dataset", "sql",  "key",
                                        "mode", "connection", "table", "format",  "rules"};
  const auto rank = [](const Node::Entry& entry) {
    return std::ranges::find(kUsual, entry.key.text) - kUsual.begin();
  };
  std::ranges::stable_sort(with.entries, {}, rank);
}

}  // namespace

Node flow_node(model::Flow flow) {
  flow.tasks = in_running_order(std::move(flow.tasks));
  Node node = flow_keys().write(flow);
  if (Node* tasks = node.find("tasks"))
    for (auto& task : tasks->items)
      if (Node* with = task.find("with")) order_params(*with);
  return node;
}

}  // namespace weir::config
