#include "orchestrate/task_order.h"

#include <gmock/gmock.h>

namespace weir::orchestrate {
namespace {

using ::testing::ElementsAre;

model::Flow flow_of(const std::vector<std::pair<std::string, std::vector<std::string>>>& tasks) {
  model::Flow flow;
  for (const auto& [name, needs] : tasks) {
    model::Task task;
    task.task_id = name;
    task.needs = needs;
    flow.tasks.push_back(std::move(task));
  }
  return flow;
}

std::vector<std::string> order_of(const model::Flow& flow) {
  std::vector<std::string> names;
  for (const auto* task : in_order_of_needs(flow)) names.push_back(task->task_id);
  return names;
}

TEST(TaskOrder, ATaskComesAfterAllItNeeds) {
  EXPECT_THAT(order_of(flow_of({{"by_country", {"history"}},
                                {"history", {"ingest"}},
                                {"ingest", {}},
                                {"load", {"rules"}},
                                {"rules", {"by_country"}}})),
              ElementsAre("ingest", "history", "by_country", "rules", "load"));
  EXPECT_THAT(order_of(flow_of({{"a", {"z", "y"}}, {"y", {}}, {"z", {"y"}}})),
              ElementsAre("y", "z", "a"));
}

TEST(TaskOrder, OfThoseThatCouldComeNextTheFirstByName) {
  EXPECT_THAT(order_of(flow_of({{"c", {}}, {"b", {}}, {"a", {"c"}}})), ElementsAre("b", "c", "a"));
}

TEST(TaskOrder, ACycleEndsAndLosesNothing) {
  EXPECT_THAT(order_of(flow_of({{"a", {"b"}}, {"b", {"a"}}, {"c", {}}})),
              ElementsAre("c", "a", "b"));
}

}  // namespace
}  // namespace weir::orchestrate
