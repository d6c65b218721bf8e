// One task of a run by itself, as an outside scheduler starts it.

#include "orchestrate/runner/scripted_runs.h"

namespace weir::orchestrate {
namespace {

class OneTask : public ScriptedRuns {
 protected:
  FlowRun the_run() {
    const auto run = catalog_->find_run("shop", "airflow-1");
    EXPECT_TRUE(run && *run);
    return run && *run ? **run : FlowRun();
  }
  TaskState state_of(const std::string& task_id) {
    const auto row = catalog_->task_run(the_run().run_id, task_id);
    EXPECT_TRUE(row) << to_line(row.error());
    return row ? row->state : TaskState::kWaiting;
  }
};

TEST_F(OneTask, WaitsForWhatItNeedsAndTheLastEndsTheRun) {
  add_task("a_first");
  add_task("b_second", {"a_first"});
  const auto early = run_alone("b_second");
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, ErrorCode::kConflict);
  EXPECT_THAT(early.error().message, HasSubstr("a_first"));
  ASSERT_TRUE(run_alone("a_first"));
  const auto run = catalog_->find_run("shop", "airflow-1");
  ASSERT_TRUE(run && *run);
  EXPECT_EQ((*run)->state, RunState::kRunning);
  const auto last = run_alone("b_second");
  ASSERT_TRUE(last) << to_line(last.error());
  EXPECT_EQ(last->state, TaskState::kSucceeded);
  EXPECT_EQ(catalog_->flow_run((*run)->run_id)->state, RunState::kSucceeded);
}

TEST_F(OneTask, ThatSucceededIsNotRunAgain) {
  add_task("work");
  script("work", {fail_as(ErrorCode::kUnavailable), succeed()});
  const auto failed = run_alone("work");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(run_alone("work")->attempt, 2);
  EXPECT_EQ(run_alone("work")->attempt, 2);
  EXPECT_THAT(started(), ElementsAre("work", "work"));
}

TEST_F(OneTask, GoesOnInARunThatHadFailed) {
  add_task("work");
  script("work", {fail_as(ErrorCode::kUnavailable), succeed()});
  ASSERT_FALSE(run_alone("work"));
  EXPECT_EQ(the_run().state, RunState::kFailed);
  ASSERT_TRUE(run_alone("work"));
  EXPECT_EQ(the_run().state, RunState::kSucceeded);
  EXPECT_EQ(the_run().error_text, "");
}

TEST_F(OneTask, IsToldOfAWishToCancelItsRun) {
  add_task("a_first");
  add_task("b_second", {"a_first"});
  Signal started;
  script("a_first", {wait_for_cancel(started)});
  Result<TaskRun> ended = TaskRun{};
  std::jthread process([&] { ended = run_alone("a_first"); });
  started.wait();
  const auto asked = cancel_run(services_, the_run().run_id);
  ASSERT_TRUE(asked) << to_line(asked.error());
  EXPECT_EQ(asked->state, RunState::kRunning) << "somebody works on it: it is asked only";
  process.join();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(the_run().state, RunState::kCancelled);
  EXPECT_EQ(state_of("a_first"), TaskState::kCancelled);
  EXPECT_EQ(state_of("b_second"), TaskState::kCancelled);
}

TEST_F(OneTask, RunThatNobodyWorksOnIsCancelledAtOnceAndBlocksNobody) {
  add_task("a_first");
  add_task("b_second", {"a_first"});
  ASSERT_TRUE(run_alone("a_first"));
  const auto cancelled = cancel_run(services_, the_run().run_id);
  ASSERT_TRUE(cancelled) << to_line(cancelled.error());
  EXPECT_EQ(cancelled->state, RunState::kCancelled);
  EXPECT_EQ(state_of("a_first"), TaskState::kSucceeded) << "what was done stays done";
  EXPECT_EQ(state_of("b_second"), TaskState::kCancelled);
  EXPECT_EQ(run().run.state, RunState::kSucceeded) << "the next run of the flow need not wait";
}

TEST_F(OneTask, CancelledRunTakesNoTaskUntilItIsRetried) {
  add_task("a_first");
  add_task("b_second", {"a_first"});
  ASSERT_TRUE(run_alone("a_first"));
  ASSERT_TRUE(cancel_run(services_, the_run().run_id));
  const auto refused = run_alone("b_second");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCancelled);
  EXPECT_THAT(refused.error().hint, HasSubstr("weir retry"));
  EXPECT_EQ(retry(the_run().run_id).run.state, RunState::kSucceeded);
  EXPECT_THAT(started(), ElementsAre("a_first", "b_second"));
}

TEST_F(OneTask, RunBetweenTwoOfItsTasksIsNotTakenForDead) {
  add_task("a_first");
  add_task("b_second", {"a_first"});
  flow().overlap = model::Overlap::kSkip;
  ASSERT_TRUE(run_alone("a_first"));
  EXPECT_EQ(run().run.state, RunState::kSkipped);
  EXPECT_EQ(the_run().state, RunState::kRunning);
}

TEST_F(OneTask, IsKeptOutWhileAProcessWorksOnTheWholeRun) {
  add_task("a_first");
  add_task("b_second");
  ASSERT_TRUE(run_alone("a_first"));
  const auto lease =
      catalog_->take_lease("flow_run:" + the_run().run_id, "a retry", services_.lease_ms, 0);
  ASSERT_TRUE(lease && *lease);
  const auto refused = run_alone("b_second");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("a retry"));
}

TEST_F(OneTask, KeepsOutWhoWouldRetryTheWholeRun) {
  add_task("a_first");
  add_task("b_second");
  ASSERT_TRUE(run_alone("a_first"));
  catalog::Catalog::Begin begin;
  begin.holder = "a task";
  begin.lease_ms = services_.lease_ms;
  begin.move.next = *catalog_->task_run(the_run().run_id, "b_second");
  begin.move.expected = key_of(begin.move.next);
  begin.move.next.state = TaskState::kRunning;
  const auto begun = catalog_->begin_task(begin);
  ASSERT_TRUE(begun && begun->lease);
  Cancel cancel;
  const auto refused = retry_run(services_, pinned_, retry_of(the_run().run_id), cancel);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("a task"));
}

TEST_F(OneTask, StopsOnceItsTimeIsOver) {
  add_task("work").timeout_ms = 1000;
  Signal started;
  script("work", {wait_for_cancel(started)});
  Result<TaskRun> ended = TaskRun{};
  std::jthread process([&] { ended = run_alone("work"); });
  started.wait();
  clock_.advance_ms(1001);
  process.join();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kUnavailable);
}

TEST_F(OneTask, WhoseSettingsAreWrongIsNotLeftRunning) {
  add_task("work").resources = {{"threads", "many"}};
  ASSERT_FALSE(run_alone("work"));
  EXPECT_EQ(state_of("work"), TaskState::kWaiting);
}

}  // namespace
}  // namespace weir::orchestrate
