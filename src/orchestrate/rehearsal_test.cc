#include "orchestrate/rehearsal.h"

#include <gmock/gmock.h>

namespace weir::orchestrate {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kMinute = 60'000'000;

model::Task task_of(const std::string& name, std::vector<std::string> needs = {}) {
  model::Task task;
  task.task_id = name;
  task.needs = std::move(needs);
  return task;
}

/// One task of ten minutes.
RehearsedFlow flow_of(const std::string& name, model::Overlap overlap, int64_t most = 1) {
  RehearsedFlow made;
  made.flow.flow_id = name;
  made.flow.overlap = overlap;
  made.flow.max_active_runs = most;
  made.flow.tasks = {task_of("load")};
  made.duration_ms = {{"load", 600'000}};
  return made;
}

/// `due end started-ended`, in minutes.
std::vector<std::string> told(const std::vector<RehearsedRun>& runs) {
  std::vector<std::string> lines;
  for (const auto& run : runs)
    lines.push_back(fmt::format("{} {} {}-{}", run.wish.at_us / kMinute, to_text(run.end),
                                run.started_at_us / kMinute, run.ended_at_us / kMinute));
  return lines;
}

std::vector<RehearsedWish> each(const std::string& flow, const std::vector<int64_t>& minutes) {
  std::vector<RehearsedWish> wishes;
  for (const int64_t minute : minutes) wishes.push_back({flow, minute * kMinute, "schedule"});
  return wishes;
}

TEST(Rehearsal, OverlapSaysWhatBecomesOfARunThatComesTooEarly) {
  const auto go = [](model::Overlap overlap) {
    return told(rehearse({flow_of("f", overlap)}, each("f", {1, 6, 12}), {}));
  };
  EXPECT_THAT(go(model::Overlap::kQueue),
              ElementsAre("1 succeeded 1-11", "6 succeeded 11-21", "12 succeeded 21-31"));
  EXPECT_THAT(go(model::Overlap::kSkip),
              ElementsAre("1 succeeded 1-11", "6 skipped 0-6", "12 succeeded 12-22"));
  EXPECT_THAT(go(model::Overlap::kFail),
              ElementsAre("1 succeeded 1-11", "6 refused 0-6", "12 succeeded 12-22"));
  EXPECT_THAT(go(model::Overlap::kCancel),
              ElementsAre("1 cancelled 1-6", "6 cancelled 6-12", "12 succeeded 12-22"));
}

TEST(Rehearsal, ARunThatEndsAtThatInstantIsInNobodysWay) {
  EXPECT_THAT(told(rehearse({flow_of("f", model::Overlap::kSkip)}, each("f", {1, 11}), {})),
              ElementsAre("1 succeeded 1-11", "11 succeeded 11-21"));
}

TEST(Rehearsal, SoManyRunsAtOnceAsTheFlowAllows) {
  EXPECT_THAT(told(rehearse({flow_of("f", model::Overlap::kQueue, 2)}, each("f", {1, 2, 3}), {})),
              ElementsAre("1 succeeded 1-11", "2 succeeded 2-12", "3 succeeded 11-21"));
}

TEST(Rehearsal, TasksWaitForSlotsOfTheirPool) {
  auto first = flow_of("a", model::Overlap::kQueue);
  auto second = flow_of("b", model::Overlap::kQueue);
  first.flow.tasks[0].pool = second.flow.tasks[0].pool = "till";
  auto wishes = each("a", {1});
  wishes.push_back({"b", 4 * kMinute, "schedule"});
  const auto runs = rehearse({first, second}, wishes, {{{"till", 1}}, 0});
  EXPECT_THAT(told(runs), ElementsAre("1 succeeded 1-11", "4 succeeded 4-21"));
  EXPECT_EQ(runs[1].for_slots_us, 7 * kMinute);
  EXPECT_THAT(told(rehearse({first, second}, wishes, {{{"till", 2}}, 0})),
              ElementsAre("1 succeeded 1-11", "4 succeeded 4-14"));
  EXPECT_THAT(told(rehearse({first, second}, wishes, {{}, 1})),
              ElementsAre("1 succeeded 1-11", "4 succeeded 4-21"));
}

TEST(Rehearsal, TasksBeginWhenWhatTheyNeedHasEnded) {
  auto flow = flow_of("f", model::Overlap::kQueue);
  flow.flow.tasks = {task_of("alarm", {"load"}), task_of("load"), task_of("side"),
                     task_of("sum", {"load", "side"}), task_of("tidy", {"alarm", "sum"})};
  flow.flow.tasks[0].run_if = model::RunIf::kAnyFailed;  // Nothing fails here.
  flow.flow.tasks[4].run_if = model::RunIf::kAllDone;
  flow.duration_ms = {
      {"alarm", 600'000}, {"load", 600'000}, {"side", 300'000}, {"sum", 60'000}, {"tidy", 60'000}};
  EXPECT_THAT(told(rehearse({flow}, each("f", {1}), {})), ElementsAre("1 succeeded 1-13"));
}

}  // namespace
}  // namespace weir::orchestrate
