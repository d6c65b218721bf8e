#include <thread>

#include "catalog/conformance.h"

// What servers and their tasks do to runs: each step fenced by what it expects.

namespace weir::catalog {
namespace {

using ::testing::SizeIs;

FlowRun start_served(Catalog& catalog, const std::string& run_key, const std::string& pool = "") {
  FlowRun run = monday_run(run_key);
  run.is_served = true;
  TaskRun task = waiting_task(run);
  task.pool = pool;
  task.state = TaskState::kReady;
  const auto started = catalog.start_run(run, {task});
  EXPECT_OK(started);
  return started->run;
}

Catalog::Begin begin_of(Catalog& catalog, const FlowRun& run) {
  Catalog::Begin begin;
  begin.run = key_of(run);
  begin.move.next = *catalog.task_run(run.run_id, "ingest");
  begin.move.expected = key_of(begin.move.next);
  begin.move.next.state = TaskState::kRunning;
  begin.move.next.attempt += 1;
  begin.holder = "a server";
  begin.lease_ms = 30'000;
  begin.pool_slots = 1;
  return begin;
}

TEST_P(Conformance, WhoClaimsARunRaisesItsEpochAndShutsOutWhoDroveIt) {
  const FlowRun run = start_served(*catalog_, "monday");
  const auto mine = catalog_->claim_run(key_of(run), "first");
  ASSERT_OK(mine);
  EXPECT_EQ(mine->epoch, run.epoch + 1);
  EXPECT_EQ(mine->server_id, "first");
  const auto theirs = catalog_->claim_run(key_of(*mine), "second");
  ASSERT_OK(theirs);
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->claim_run(key_of(*mine), "first"));
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->admit_run(key_of(*mine), 1));
  EXPECT_FAILS(ErrorCode::kConflict,
               catalog_->move_run(key_of(*mine), RunState::kFailed, "internal", "x"));
  TaskRun next = *catalog_->task_run(run.run_id, "ingest");
  const TaskKey before = key_of(next);
  next.state = TaskState::kSkipped;
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->move_tasks(key_of(*mine), {{next, before}}));
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->begin_task(begin_of(*catalog_, *mine)));
  EXPECT_OK(catalog_->move_tasks(key_of(*theirs), {{next, before}}));
}

TEST_P(Conformance, ServedRunsSayWhetherALivingServerDrivesThem) {
  const FlowRun run = start_served(*catalog_, "monday");
  auto served = catalog_->served_runs();
  ASSERT_OK(served);
  ASSERT_THAT(*served, SizeIs(1));
  EXPECT_FALSE(served->front().is_driven);
  const auto lease = catalog_->take_lease("server:first", "a server", 30'000, 0);
  ASSERT_OK(lease);
  ASSERT_TRUE(lease->has_value());
  ASSERT_OK(catalog_->claim_run(key_of(run), "first"));
  EXPECT_TRUE(catalog_->served_runs()->front().is_driven);
  ASSERT_OK(catalog_->release_lease(**lease));
  EXPECT_FALSE(catalog_->served_runs()->front().is_driven);
}

TEST_P(Conformance, TaskBeginsUnderALeaseThatGoesWithItsEnd) {
  const FlowRun run = start_served(*catalog_, "monday");
  const auto begun = catalog_->begin_task(begin_of(*catalog_, run));
  ASSERT_OK(begun);
  ASSERT_TRUE(begun->lease);
  EXPECT_EQ(begun->row.epoch, begun->lease->epoch);
  EXPECT_TRUE(catalog_->is_lease_alive(task_lease(run.run_id, "ingest")).value());
  TaskRun ended = begun->row;
  ended.state = TaskState::kSucceeded;
  TaskKey wrong = key_of(begun->row);
  wrong.epoch += 1;
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->end_task({ended, wrong}, *begun->lease));
  ASSERT_OK(catalog_->end_task({ended, key_of(begun->row)}, *begun->lease));
  EXPECT_FALSE(catalog_->is_lease_alive(task_lease(run.run_id, "ingest")).value());
  EXPECT_EQ(place_->query("SELECT count(*) AS value FROM lease"), "0");
  EXPECT_EQ(catalog_->task_run(run.run_id, "ingest")->state, TaskState::kSucceeded);
}

TEST_P(Conformance, TaskDoesNotBeginWhileAnotherProcessHoldsItsLease) {
  const FlowRun run = start_served(*catalog_, "monday");
  ASSERT_OK(catalog_->take_lease(task_lease(run.run_id, "ingest"), "another", 30'000, 0));
  const auto begun = catalog_->begin_task(begin_of(*catalog_, run));
  ASSERT_OK(begun);
  EXPECT_FALSE(begun->lease);
  EXPECT_FALSE(begun->has_no_slot);
  EXPECT_EQ(catalog_->task_run(run.run_id, "ingest")->state, TaskState::kReady);
}

TEST_P(Conformance, ThreadsTakeNoMoreSlotsThanThePoolHas) {
  constexpr int kRuns = 6;
  std::vector<Catalog::Begin> begins;
  for (int i = 0; i < kRuns; ++i) {
    const FlowRun run = start_served(*catalog_, "key" + std::to_string(i), "database");
    begins.push_back(begin_of(*catalog_, run));
    begins.back().pool_slots = 2;
  }
  const auto second = open();
  std::atomic<int> begun = 0;
  std::atomic<int> full = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kRuns; ++i) {
      threads.emplace_back([&, i] {
        Catalog& mine = i % 2 == 0 ? *catalog_ : *second;
        const auto result = mine.begin_task(begins[static_cast<size_t>(i)]);
        if (result && result->lease) ++begun;
        if (result && result->has_no_slot) ++full;
      });
    }
  }
  EXPECT_EQ(begun, 2);
  EXPECT_EQ(full, kRuns - 2);
}

TEST_P(Conformance, ReopenedRunIsQueuedWithItsTasksOrNotAtAll) {
  const FlowRun run = start_served(*catalog_, "monday");
  ASSERT_OK(catalog_->move_run(key_of(run), RunState::kFailed, "internal", "x"));
  const FlowRun failed = *catalog_->flow_run(run.run_id);
  TaskRun next = *catalog_->task_run(run.run_id, "ingest");
  TaskKey expected = key_of(next);
  next.state = TaskState::kWaiting;
  expected.attempt += 1;
  FlowRun later = failed;
  later.config_hash = "another";
  EXPECT_FAILS(ErrorCode::kConflict,
               catalog_->reopen_run(key_of(failed), later, {{next, expected}}, {}));
  EXPECT_EQ(catalog_->flow_run(run.run_id)->state, RunState::kFailed) << "all or nothing";
  expected.attempt -= 1;
  const auto queued =
      catalog_->reopen_run(key_of(failed), later, {{next, expected}}, {waiting_task(run, "added")});
  ASSERT_OK(queued);
  EXPECT_EQ(queued->state, RunState::kQueued);
  EXPECT_EQ(queued->epoch, failed.epoch + 1);
  EXPECT_EQ(queued->config_hash, "another");
  EXPECT_EQ(queued->error_text, "");
  EXPECT_TRUE(queued->has_failed);
  EXPECT_THAT(*catalog_->task_runs(run.run_id), SizeIs(2));
}

TEST_P(Conformance, ScheduleOfAFlowComesFurtherWithItsRunsAndNeverBack) {
  FlowRun run = monday_run();
  run.interval_end_us = run.logical_time_us;
  ASSERT_OK(catalog_->start_run(run, {}));
  EXPECT_EQ(catalog_->flow_states()->front().scheduled_until_us, kMonday);
  ASSERT_OK(catalog_->note_scheduled({{run.flow_id, kMonday - 1}, {"other", kMonday}}));
  EXPECT_EQ(catalog_->flow_states()->front().scheduled_until_us, kMonday);
  EXPECT_EQ(catalog_->flow_states()->back().scheduled_until_us, kMonday) << "of another flow";
  FlowRun made_up = monday_run("made up");
  made_up.run_id = "made-up";
  made_up.logical_time_us = made_up.interval_end_us = kTuesday;
  made_up.backfill_id = "b";
  ASSERT_OK(catalog_->start_run(made_up, {}));
  EXPECT_EQ(catalog_->flow_states()->front().scheduled_until_us, kMonday)
      << "a backfill is beside it";
}

TEST_P(Conformance, PausedFlowSaysByWhomAndWhy) {
  ASSERT_OK(catalog_->pause_flow("airports", true, "ann", "the source moves"));
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->pause_flow("airports", true, "bob", ""));
  const FlowState paused = catalog_->flow_states()->front();
  EXPECT_TRUE(paused.is_paused);
  EXPECT_EQ(paused.paused_by, "ann");
  EXPECT_EQ(paused.pause_reason, "the source moves");
  ASSERT_OK(catalog_->pause_flow("airports", false, "ann", ""));
  EXPECT_FALSE(catalog_->flow_states()->front().is_paused);
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->pause_flow("airports", false, "ann", ""));
}

}  // namespace
}  // namespace weir::catalog
