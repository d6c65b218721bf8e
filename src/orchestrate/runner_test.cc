#include "orchestrate/runner.h"

#include "orchestrate/runner/scripted_runs.h"

namespace weir::orchestrate {
namespace {

using Runner = ScriptedRuns;

// ---- order ---------------------------------------------------------------------------------

TEST_F(Runner, StartsATaskOnceAllThatItNeedsHasSucceeded) {
  add_task("a_last", {"b_left", "c_right"});
  add_task("b_left", {"d_first"});
  add_task("c_right", {"d_first"});
  add_task("d_first");
  const auto report = run();
  EXPECT_EQ(report.run.state, RunState::kSucceeded);
  const auto order = started();
  ASSERT_EQ(order.size(), 4);
  EXPECT_EQ(order.front(), "d_first");
  EXPECT_EQ(order.back(), "a_last");
  EXPECT_EQ(exit_status(report), 0);
}

TEST_F(Runner, RunsAsManyTasksAtOnceAsItMay) {
  for (const std::string task_id : {"a", "b", "c", "d", "e"}) add_task(task_id);
  // The first two are under way at once, however slow the machine is.
  Signal a_runs;
  Signal b_runs;
  const auto meet = [](Signal& mine, Signal& other) -> Act {
    return [&](const task::Context&) -> Result<model::Outcome> {
      mine.set();
      other.wait();
      return model::Outcome{};
    };
  };
  script("a", {meet(a_runs, b_runs)});
  script("b", {meet(b_runs, a_runs)});
  Cancel cancel;
  RunRequest two = request("");
  two.max_parallel_tasks = 2;
  const auto report = run_flow(services_, pinned_, two, cancel);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->run.state, RunState::kSucceeded);
  EXPECT_EQ(started().size(), 5);
  EXPECT_EQ(most_at_once(), 2);
}

TEST_F(Runner, SkipsWhatNeedsAFailedTaskAndRunsTheRest) {
  add_task("a_fails");
  add_task("b_needs_it", {"a_fails"});
  add_task("c_needs_that", {"b_needs_it"});
  add_task("d_alone");
  script("a_fails", {fail_as(ErrorCode::kInvalidData)});
  const auto report = run();
  EXPECT_THAT(states(report),
              UnorderedElementsAre(Pair("a_fails", "failed"), Pair("b_needs_it", "skipped"),
                                   Pair("c_needs_that", "skipped"), Pair("d_alone", "succeeded")));
  EXPECT_EQ(task_of(report, "b_needs_it").error_text, "task 'a_fails' did not succeed");
  EXPECT_EQ(task_of(report, "b_needs_it").attempt, 0);
  EXPECT_EQ(report.run.state, RunState::kFailed);
  EXPECT_THAT(report.run.error_text, AllOf(HasSubstr("a_fails"), HasSubstr("as the test says")));
  EXPECT_EQ(exit_status(report), weir::exit_status(ErrorCode::kInvalidData));
}

TEST_F(Runner, HoldsTheRunOfATaskThatIsHeld) {
  add_task("a_held").template_id = "held";
  add_task("b_needs_it", {"a_held"});
  const auto report = run();
  EXPECT_THAT(states(report),
              UnorderedElementsAre(Pair("a_held", "held"), Pair("b_needs_it", "skipped")));
  EXPECT_EQ(report.run.state, RunState::kHeld);
  EXPECT_EQ(task_of(report, "a_held").held_reason, "too_many_deletes");
  const auto holds = catalog_->holds("open");
  ASSERT_TRUE(holds);
  EXPECT_EQ(holds->size(), 1);
  EXPECT_EQ(exit_status(report), 5);
}

// ---- retries -------------------------------------------------------------------------------

TEST_F(Runner, TriesAgainWhatMayPassAndWaitsTwiceAsLongEachTime) {
  auto& task = add_task("load");
  task.retries = 2;
  task.retry_delay_ms = 10'000;
  script("load", {fail_as(ErrorCode::kUnavailable), fail_as(ErrorCode::kUnavailable), succeed()});
  const auto report = run();
  EXPECT_EQ(report.run.state, RunState::kSucceeded);
  EXPECT_EQ(task_of(report, "load").attempt, 3);
  EXPECT_THAT(task_of(report, "load").error_text, IsEmpty());
  EXPECT_THAT(waits_ms(), ElementsAre(10'000, 20'000));
}

TEST_F(Runner, GivesUpAfterItsRetries) {
  auto& task = add_task("load");
  task.retries = 2;
  task.retry_delay_ms = 10'000;
  script("load", {fail_as(ErrorCode::kUnavailable)});
  const auto report = run();
  EXPECT_EQ(task_of(report, "load").state, TaskState::kFailed);
  EXPECT_EQ(task_of(report, "load").attempt, 3);
  EXPECT_EQ(task_of(report, "load").error_code, "unavailable");
}

TEST_F(Runner, DoesNotTryAgainWhatStaysWrong) {
  auto& task = add_task("load");
  task.retries = 5;
  task.retry_delay_ms = 10'000;
  script("load", {fail_as(ErrorCode::kInvalidConfig)});
  EXPECT_EQ(task_of(run(), "load").attempt, 1);
}

TEST_F(Runner, CountsRetriesAfreshOnceAPersonRetriesTheRun) {
  auto& task = add_task("load");
  task.retries = 2;
  task.retry_delay_ms = 10'000;
  script("load", {fail_as(ErrorCode::kUnavailable)});
  const auto failed = run();
  ASSERT_EQ(task_of(failed, "load").attempt, 3);
  script("load", {fail_as(ErrorCode::kUnavailable), fail_as(ErrorCode::kUnavailable), succeed()});
  const auto retried = retry(failed.run.run_id);
  EXPECT_EQ(retried.run.state, RunState::kSucceeded);
  EXPECT_EQ(task_of(retried, "load").attempt, 6);
}

TEST_F(Runner, RetryRunsWhatDidNotSucceedAlone) {
  add_task("a_good");
  add_task("b_bad", {"a_good"});
  add_task("c_last", {"b_bad"});
  script("b_bad", {fail_as(ErrorCode::kInvalidData), succeed()});
  const auto failed = run();
  ASSERT_EQ(failed.run.state, RunState::kFailed);
  const auto retried = retry(failed.run.run_id);
  EXPECT_EQ(retried.run.state, RunState::kSucceeded);
  EXPECT_THAT(started(), ElementsAre("a_good", "b_bad", "b_bad", "c_last"));
  EXPECT_THAT(retried.run.error_text, IsEmpty());
  EXPECT_THAT(task_of(retried, "c_last").error_text, IsEmpty());
  Cancel cancel;
  const auto again = retry_run(services_, pinned_, retry_of(failed.run.run_id), cancel);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kInvalidConfig);
}

// ---- timeout and cancel --------------------------------------------------------------------

TEST_F(Runner, StopsATaskWhoseTimeIsOver) {
  add_task("slow").timeout_ms = 60'000;
  Signal started;
  script("slow", {wait_for_cancel(started)});
  std::jthread time([&] {
    started.wait();
    clock_.advance_ms(60'001);
  });
  const auto report = run();
  EXPECT_EQ(task_of(report, "slow").state, TaskState::kFailed);
  EXPECT_EQ(task_of(report, "slow").error_code, "unavailable");
  EXPECT_THAT(task_of(report, "slow").error_text, HasSubstr("timeout of 1m has passed"));
  EXPECT_EQ(report.run.state, RunState::kFailed) << "nobody wished it to end: people are told";
  EXPECT_EQ(exit_status(report), 75);
}

TEST_F(Runner, TriesATaskAgainWhoseTimeIsOver) {
  model::Task& slow = add_task("slow");
  slow.timeout_ms = 60'000;
  slow.retries = 1;
  Signal started;
  script("slow", {wait_for_cancel(started), succeed()});
  std::jthread time([&] {
    started.wait();
    clock_.advance_ms(60'001);
  });
  const auto report = run();
  EXPECT_EQ(task_of(report, "slow").state, TaskState::kSucceeded);
  EXPECT_EQ(task_of(report, "slow").attempt, 2);
}

TEST_F(Runner, CancelStopsWhatRunsAndWhatWaits) {
  add_task("a_runs");
  add_task("b_waits", {"a_runs"});
  Signal started;
  script("a_runs", {wait_for_cancel(started)});
  std::jthread person([&] {
    started.wait();
    const auto runs = catalog_->active_runs("shop");
    ASSERT_TRUE(runs && runs->size() == 1);
    EXPECT_TRUE(catalog_->request_cancel(runs->front().run_id));
  });
  const auto report = run();
  EXPECT_THAT(states(report),
              UnorderedElementsAre(Pair("a_runs", "cancelled"), Pair("b_waits", "cancelled")));
  EXPECT_EQ(report.run.state, RunState::kCancelled);
  EXPECT_EQ(exit_status(report), 130);
}

TEST_F(Runner, CancelledTaskIsNotTriedAgain) {
  auto& task = add_task("load");
  task.retries = 5;
  Cancel cancel;
  script("load", {[&cancel](const task::Context&) -> Result<model::Outcome> {
           cancel.cancel("enough");
           return fail(ErrorCode::kUnavailable, "and it broke");
         }});
  const auto report = run("", cancel);
  EXPECT_EQ(task_of(report, "load").attempt, 1);
  // It fails, or had not been told to stop yet when it did and is stopped while it waits.
  EXPECT_THAT(task_of(report, "load").state,
              ::testing::AnyOf(TaskState::kFailed, TaskState::kCancelled));
}

// ---- beside other runs ---------------------------------------------------------------------

/// A first run that is under way until it is let go or cancelled.
class TwoRuns : public Runner {
 protected:
  TwoRuns() {
    add_task("work");
    script("work", {[this](const task::Context& context) -> Result<model::Outcome> {
                      auto& cancel = const_cast<Cancel&>(*context.engine.cancel);
                      const int handle = cancel.add_listener([this] { may_end_.set(); });
                      is_under_way_.set();
                      may_end_.wait();
                      cancel.remove_listener(handle);
                      WEIR_TRY(cancel.check());
                      return model::Outcome{};
                    },
                    succeed()});
  }
  void start_first() {
    first_ = std::jthread([this] { first_report_ = run("first"); });
    is_under_way_.wait();
  }
  RunReport end_first() {
    may_end_.set();
    first_.join();
    return first_report_;
  }

  Signal is_under_way_;
  Signal may_end_;

 private:
  RunReport first_report_;
  std::jthread first_;
};

TEST_F(TwoRuns, SkipLeavesTheSecondUndone) {
  flow().overlap = model::Overlap::kSkip;
  start_first();
  const auto second = run("second");
  EXPECT_EQ(second.run.state, RunState::kSkipped);
  EXPECT_EQ(task_of(second, "work").state, TaskState::kSkipped);
  EXPECT_EQ(exit_status(second), 0);
  EXPECT_EQ(end_first().run.state, RunState::kSucceeded);
  EXPECT_THAT(started(), ElementsAre("work"));
}

TEST_F(TwoRuns, FailRefusesTheSecond) {
  flow().overlap = model::Overlap::kFail;
  start_first();
  const auto second = run("second");
  EXPECT_EQ(second.run.state, RunState::kFailed);
  EXPECT_EQ(second.run.error_code, "conflict");
  EXPECT_EQ(exit_status(second), weir::exit_status(ErrorCode::kConflict));
  EXPECT_EQ(end_first().run.state, RunState::kSucceeded);
}

TEST_F(TwoRuns, QueueLetsTheSecondWait) {
  flow().overlap = model::Overlap::kQueue;
  start_first();
  RunReport second;
  std::jthread waiting([&] { second = run("second"); });
  wait_for_runs(RunState::kQueued, 1);
  EXPECT_THAT(started(), ElementsAre("work"));
  EXPECT_EQ(end_first().run.state, RunState::kSucceeded);
  waiting.join();
  EXPECT_EQ(second.run.state, RunState::kSucceeded);
  EXPECT_THAT(started(), ElementsAre("work", "work"));
}

TEST_F(TwoRuns, QueuedRunCanBeCancelled) {
  flow().overlap = model::Overlap::kQueue;
  start_first();
  Cancel cancel;
  RunReport second;
  std::jthread waiting([&] { second = run("second", cancel); });
  wait_for_runs(RunState::kQueued, 1);
  cancel.cancel("no longer wanted");
  waiting.join();
  EXPECT_EQ(second.run.state, RunState::kCancelled);
  EXPECT_EQ(task_of(second, "work").state, TaskState::kCancelled);
  EXPECT_EQ(end_first().run.state, RunState::kSucceeded);
  EXPECT_THAT(started(), ElementsAre("work"));
}

TEST_F(TwoRuns, CancelEndsTheFirst) {
  flow().overlap = model::Overlap::kCancel;
  start_first();
  const auto second = run("second");
  EXPECT_EQ(second.run.state, RunState::kSucceeded);
  const auto first = end_first();
  EXPECT_EQ(first.run.state, RunState::kCancelled);
  EXPECT_EQ(task_of(first, "work").state, TaskState::kCancelled);
}

TEST_F(TwoRuns, RunsOfOneFlowGoTogetherWhereTheFlowSaysSo) {
  flow().overlap = model::Overlap::kFail;
  flow().max_active_runs = 2;
  start_first();
  EXPECT_EQ(run("second").run.state, RunState::kSucceeded);
  EXPECT_EQ(end_first().run.state, RunState::kSucceeded);
}

TEST_F(Runner, RunWhoseProcessIsGoneEndsAndBlocksNobody) {
  add_task("work");
  flow().overlap = model::Overlap::kFail;
  FlowRun dead;
  dead.run_id = "00000000-dead";
  dead.flow_id = "shop";
  dead.run_key = "dead";
  dead.trigger = "manual";
  ASSERT_TRUE(catalog_->start_run(dead, {}));
  ASSERT_TRUE(catalog_->admit_run({dead.run_id}, 1));
  EXPECT_EQ(run().run.state, RunState::kSucceeded);
  const auto buried = catalog_->flow_run(dead.run_id);
  ASSERT_TRUE(buried);
  EXPECT_EQ(buried->state, RunState::kFailed);
  EXPECT_EQ(buried->error_code, "unavailable");
}

TEST_F(Runner, KnownRunKeyGivesTheRunThatHasIt) {
  add_task("work");
  const auto first = run("monday");
  const auto second = run("monday");
  EXPECT_EQ(second.run.run_id, first.run.run_id);
  EXPECT_THAT(started(), ElementsAre("work"));
}

TEST_F(Runner, KnownRunKeyOfARunThatALivingProcessHasIsAConflict) {
  add_task("work");
  FlowRun other;
  other.run_id = "11111111-busy";
  other.flow_id = "shop";
  other.run_key = "monday";
  ASSERT_TRUE(catalog_->start_run(other, {}));
  const auto lease = catalog_->take_lease("flow_run:" + other.run_id, "somebody else", 60'000, 0);
  ASSERT_TRUE(lease && *lease);
  Cancel cancel;
  const auto report = run_flow(services_, pinned_, request("monday"), cancel);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kConflict);
  EXPECT_THAT(report.error().message, HasSubstr("somebody else"));
}

TEST_F(Runner, KnownRunKeyOfARunWithAnotherConfigurationIsAConflict) {
  add_task("work");
  FlowRun dead;
  dead.run_id = "11111111-dead";
  dead.flow_id = "shop";
  dead.run_key = "monday";
  dead.config_hash = "another";
  ASSERT_TRUE(catalog_->start_run(dead, {}));
  Cancel cancel;
  const auto report = run_flow(services_, pinned_, request("monday"), cancel);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kConflict);
  EXPECT_THAT(report.error().hint, HasSubstr("weir retry 11111111-dead"));
  EXPECT_THAT(started(), IsEmpty()) << "its tasks are those of its own configuration";
}

TEST_F(Runner, FlowThatIsUnknownOrNotEnabledIsRefused) {
  add_task("work");
  Cancel cancel;
  RunRequest mistyped = request("");
  mistyped.flow_id = "shoop";
  const auto unknown = run_flow(services_, pinned_, mistyped, cancel);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(unknown.error().hint, HasSubstr("shop"));
  flow().is_enabled = false;
  const auto disabled = run_flow(services_, pinned_, request(""), cancel);
  ASSERT_FALSE(disabled);
  EXPECT_EQ(disabled.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(started(), IsEmpty());
}

}  // namespace
}  // namespace weir::orchestrate
