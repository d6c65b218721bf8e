#include "orchestrate/machine/run_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "orchestrate/machine/transitions.h"

namespace weir::orchestrate {
namespace {

using catalog::TaskRun;
using catalog::TaskState;
using model::RunIf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class NoRandom final : public Random {
 public:
  std::array<uint8_t, 16> bytes16() override { return {}; }
};

model::Flow flow_of(const std::vector<std::pair<std::string, std::vector<std::string>>>& tasks,
                    RunIf last = RunIf::kAllSucceeded) {
  model::Flow flow;
  flow.flow_id = "shop";
  for (const auto& [task_id, needs] : tasks) {
    model::Task& task = flow.tasks.emplace_back();
    task.task_id = task_id;
    task.needs = needs;
  }
  flow.tasks.back().run_if = last;
  return flow;
}

RunMachine machine_of(const model::Flow& flow, const std::map<std::string, TaskState>& states) {
  std::vector<TaskRun> rows;
  for (const auto& task : flow.tasks) {
    TaskRun& row = rows.emplace_back();
    row.task_id = task.task_id;
    const auto state = states.find(task.task_id);
    if (state != states.end()) row.state = state->second;
  }
  return {flow, rows};
}

std::map<std::string, std::string> settled(const RunMachine& machine, bool is_stopping = false) {
  const auto moves = machine.settle(is_stopping, 7);
  EXPECT_TRUE(moves) << to_line(moves.error());
  std::map<std::string, std::string> states;
  for (const auto& move : *moves) states[move.next.task_id] = std::string(to_text(move.next.state));
  return states;
}

TEST(RunMachine, StartsWhatNeedsNothingAndWhatHasAllItNeeds) {
  const auto flow = flow_of({{"a", {}}, {"b", {"a"}}, {"c", {"a", "b"}}});
  EXPECT_THAT(settled(machine_of(flow, {})), UnorderedElementsAre(Pair("a", "ready")));
  EXPECT_THAT(settled(machine_of(flow, {{"a", TaskState::kSucceeded}})),
              UnorderedElementsAre(Pair("b", "ready")));
  EXPECT_THAT(settled(machine_of(flow, {{"a", TaskState::kRunning}})), IsEmpty());
}

TEST(RunMachine, SkipsAllThatHangsOnWhatDidNotSucceed) {
  const auto flow = flow_of({{"a", {}}, {"b", {"a"}}, {"c", {"b"}}});
  for (const auto state : {TaskState::kFailed, TaskState::kHeld, TaskState::kCancelled}) {
    const auto machine = machine_of(flow, {{"a", state}});
    EXPECT_THAT(settled(machine), UnorderedElementsAre(Pair("b", "skipped"), Pair("c", "skipped")));
    EXPECT_THAT(machine.settle(false, 7)->front().next.error_text, HasSubstr("'a'"));
  }
}

TEST(RunMachine, ATaskThatWillBeTriedAgainHasNotEnded) {
  const auto flow = flow_of({{"a", {}}, {"b", {"a"}}}, RunIf::kAllDone);
  EXPECT_THAT(settled(machine_of(flow, {{"a", TaskState::kReady}})), IsEmpty());
}

TEST(RunMachine, StopsWhatHasNotBegun) {
  const auto flow = flow_of({{"a", {}}, {"b", {"a"}}, {"c", {}}});
  const auto machine = machine_of(flow, {{"a", TaskState::kRunning}, {"c", TaskState::kReady}});
  EXPECT_THAT(settled(machine, true),
              UnorderedElementsAre(Pair("b", "cancelled"), Pair("c", "cancelled")));
}

struct Rule {
  RunIf run_if;
  TaskState first;
  TaskState second;
  std::string becomes;  ///< Empty: it waits.
};

TEST(RunMachine, RunIfSaysHowWhatItNeedsMustHaveEnded) {
  using enum TaskState;
  const std::vector<Rule> rules = {
      {RunIf::kAllSucceeded, kSucceeded, kSucceeded, "ready"},
      {RunIf::kAllSucceeded, kSucceeded, kRunning, ""},
      {RunIf::kAllSucceeded, kSkipped, kRunning, "skipped"},
      {RunIf::kAllDone, kFailed, kSkipped, "ready"},
      {RunIf::kAllDone, kFailed, kRunning, ""},
      {RunIf::kNoneFailed, kSucceeded, kSkipped, "ready"},
      {RunIf::kNoneFailed, kSkipped, kRunning, ""},
      {RunIf::kNoneFailed, kFailed, kRunning, "skipped"},
      {RunIf::kNoneFailed, kHeld, kSucceeded, "skipped"},
      {RunIf::kAnySucceeded, kSucceeded, kRunning, "ready"},
      {RunIf::kAnySucceeded, kFailed, kRunning, ""},
      {RunIf::kAnySucceeded, kFailed, kSkipped, "skipped"},
      {RunIf::kAnyFailed, kFailed, kRunning, "ready"},
      {RunIf::kAnyFailed, kSucceeded, kRunning, ""},
      {RunIf::kAnyFailed, kSucceeded, kSkipped, "skipped"},
      {RunIf::kAnyFailed, kCancelled, kSucceeded, "skipped"},
  };
  for (const Rule& rule : rules) {
    const auto flow = flow_of({{"a", {}}, {"b", {}}, {"last", {"a", "b"}}}, rule.run_if);
    const auto states = settled(machine_of(flow, {{"a", rule.first}, {"b", rule.second}}));
    const auto last = states.find("last");
    EXPECT_EQ(last == states.end() ? "" : last->second, rule.becomes)
        << to_text(rule.run_if) << " of " << to_text(rule.first) << " and " << to_text(rule.second);
  }
}

TEST(RunMachine, ARetryWaitsAndCountsFromWhenAPersonRetried) {
  NoRandom random;
  TaskSettings settings;
  settings.retries = 1;
  settings.retry_delay_ms = 10;
  TaskRun row;
  row.state = TaskState::kRunning;
  row.attempt = 4;
  row.tries_before = 3;
  const Result<TaskState> gone = fail(ErrorCode::kUnavailable, "no answer");
  const AttemptEnd how{.settings = &settings, .is_stopping = false, .is_last = false, .now_us = 5};
  TaskRun first = row;
  ASSERT_TRUE(end_attempt(first, gone, how, random));
  EXPECT_EQ(first.state, TaskState::kReady);
  EXPECT_EQ(first.not_before_us, 5 + 10'000);
  TaskRun second = row;
  second.attempt = 5;
  ASSERT_TRUE(end_attempt(second, gone, how, random));
  EXPECT_EQ(second.state, TaskState::kFailed);
  TaskRun wrong = row;
  const Result<TaskState> bad = fail(ErrorCode::kInvalidData, "no number");
  ASSERT_TRUE(end_attempt(wrong, bad, how, random));
  EXPECT_EQ(wrong.state, TaskState::kFailed);
  EXPECT_EQ(wrong.error_code, "invalid_data");
  TaskRun stopped = row;
  AttemptEnd stopping = how;
  stopping.is_stopping = true;
  ASSERT_TRUE(end_attempt(stopped, gone, stopping, random));
  EXPECT_EQ(stopped.state, TaskState::kFailed);
}

TEST(Transitions, OfOneStateAndEventThereIsOne) {
  std::set<std::pair<TaskState, TaskEvent>> tasks;
  for (const auto& each : task_transitions())
    EXPECT_TRUE(tasks.insert({each.from, each.event}).second)
        << to_text(each.from) << " " << to_text(each.event);
  std::set<std::pair<catalog::RunState, RunEvent>> runs;
  for (const auto& each : run_transitions())
    EXPECT_TRUE(runs.insert({each.from, each.event}).second)
        << to_text(each.from) << " " << to_text(each.event);
}

TEST(Transitions, WhatSucceededIsNotBegunAgainUnlessAPersonSaysSo) {
  for (const auto& each : task_transitions()) {
    const bool is_by_a_person =
        each.event == TaskEvent::kReset || each.event == TaskEvent::kMarkFailed;
    EXPECT_TRUE(each.from != TaskState::kSucceeded || is_by_a_person) << to_text(each.event);
  }
  EXPECT_FALSE(next_state(TaskState::kSucceeded, TaskEvent::kBegin));
}

}  // namespace
}  // namespace weir::orchestrate
