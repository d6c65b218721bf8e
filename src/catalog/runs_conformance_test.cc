#include <thread>

#include "catalog/conformance.h"

namespace weir::catalog {
namespace {

using ::testing::HasSubstr;
using namespace std::string_literals;

/// Starts a run and fails the test where that does not work.
FlowRun start(Catalog& catalog, const std::string& run_key, int64_t created_at_us = 0) {
  FlowRun run = monday_run(run_key);
  run.created_at_us = created_at_us;
  const auto started = catalog.start_run(run, {waiting_task(run)});
  EXPECT_OK(started);
  EXPECT_TRUE(started->is_new);
  return started->run;
}

TEST_P(Conformance, RunComesBackAsItWasStarted) {
  FlowRun run = monday_run();
  run.rerun_of = "run-sunday";
  TaskRun task = waiting_task(run);
  task.pinned = {{"inputs", {1, 2}}};
  task.operations = Json::array({"token"});
  task.counts = {.in = 1,
                 .inserted = 2,
                 .updated_in_place = 3,
                 .rejected = 4,
                 .deduplicated = 5,
                 .unchanged = 6,
                 .filtered = 7,
                 .closed_by_change = 8,
                 .closed_by_absence = 9,
                 .out = 10};
  task.not_before_us = 77;
  task.cpu_ms = 5;
  task.peak_memory_bytes = int64_t{1} << 40;
  ASSERT_OK(catalog_->start_run(run, {task, waiting_task(run, "load")}));

  const auto other = open();
  const auto back = other->flow_run(run.run_id);
  ASSERT_OK(back);
  EXPECT_EQ(back->flow_id, "airports");
  EXPECT_EQ(back->run_key, "monday");
  EXPECT_EQ(back->state, RunState::kQueued);
  EXPECT_EQ(back->config_hash, run.config_hash);
  EXPECT_EQ(back->params, run.params);
  EXPECT_EQ(back->trigger, "manual");
  EXPECT_EQ(back->rerun_of, "run-sunday");
  EXPECT_EQ(back->logical_time_us, kMonday);
  EXPECT_EQ(back->created_at_us, clock_.now_us());
  EXPECT_EQ(back->started_at_us, 0);
  EXPECT_FALSE(back->cancel_requested);
  const auto tasks = other->task_runs(run.run_id);
  ASSERT_OK(tasks);
  ASSERT_EQ(tasks->size(), 2u);
  EXPECT_EQ((*tasks)[0].task_id, "ingest");
  EXPECT_EQ((*tasks)[0].pinned, task.pinned);
  EXPECT_EQ((*tasks)[0].operations, task.operations);
  EXPECT_EQ((*tasks)[0].counts, task.counts);
  EXPECT_EQ((*tasks)[0].not_before_us, 77);
  EXPECT_EQ((*tasks)[0].peak_memory_bytes, int64_t{1} << 40);
  EXPECT_TRUE((*tasks)[1].pinned.is_null());
}

TEST_P(Conformance, SecondStartWithTheSameKeyFindsTheFirstRun) {
  const FlowRun first = start(*catalog_, "monday");
  FlowRun second = monday_run("monday");
  second.run_id = "another";
  const auto started = open()->start_run(second, {waiting_task(second)});
  ASSERT_OK(started);
  EXPECT_FALSE(started->is_new);
  EXPECT_EQ(started->run.run_id, first.run_id);
  EXPECT_EQ(place_->query("SELECT count(*) AS value FROM task_run"), "1");
  EXPECT_EQ(catalog_->find_run("airports", "monday")->value().run_id, first.run_id);
  EXPECT_FALSE(catalog_->find_run("airports", "tuesday")->has_value());
  EXPECT_FAILS(ErrorCode::kNotFound, catalog_->flow_run("another"));
}

TEST_P(Conformance, RunsAreListedNewestFirstAndActiveOnesOldestFirst) {
  start(*catalog_, "monday", 10);
  start(*catalog_, "tuesday", 20);
  const FlowRun wednesday = start(*catalog_, "wednesday", 30);
  ASSERT_OK(catalog_->move_run({wednesday.run_id, RunState::kQueued}, RunState::kCancelled,
                               "cancelled", "by ann"));
  const auto two = catalog_->flow_runs("airports", 2);
  ASSERT_OK(two);
  ASSERT_EQ(two->size(), 2u);
  EXPECT_EQ((*two)[0].run_key, "wednesday");
  EXPECT_EQ((*two)[1].run_key, "tuesday");
  EXPECT_EQ(catalog_->flow_runs("", 10)->size(), 3u);
  EXPECT_EQ(catalog_->flow_runs("other", 10)->size(), 0u);
  const auto active = catalog_->active_runs("airports");
  ASSERT_OK(active);
  ASSERT_EQ(active->size(), 2u);
  EXPECT_EQ((*active)[0].run_key, "monday");
  EXPECT_EQ(catalog_->active_runs("")->size(), 2u);
}

TEST_P(Conformance, RunWaitsForARunningAndForAnOlderOne) {
  const FlowRun monday = start(*catalog_, "monday", 10);
  const FlowRun tuesday = start(*catalog_, "tuesday", 20);
  EXPECT_FALSE(catalog_->admit_run({tuesday.run_id}, 2).value()) << "monday stands before it";
  EXPECT_TRUE(catalog_->admit_run({monday.run_id}, 1).value());
  EXPECT_TRUE(catalog_->admit_run({monday.run_id}, 1).value()) << "running already";
  EXPECT_FALSE(catalog_->admit_run({tuesday.run_id}, 1).value()) << "monday runs";
  EXPECT_EQ(catalog_->flow_run(monday.run_id)->started_at_us, clock_.now_us());
  ASSERT_OK(catalog_->move_run({monday.run_id, RunState::kRunning}, RunState::kSucceeded, "", ""));
  EXPECT_TRUE(catalog_->admit_run({tuesday.run_id}, 1).value());
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->admit_run({monday.run_id}, 1));
  EXPECT_FAILS(ErrorCode::kNotFound, catalog_->admit_run({"nothing"}, 1));
}

TEST_P(Conformance, ThreadsAdmitNoMoreRunsThanAllowed) {
  constexpr int kRuns = 8;
  std::vector<std::string> ids;
  for (int i = 0; i < kRuns; ++i)
    ids.push_back(start(*catalog_, "key" + std::to_string(i), 10).run_id);
  const auto second = open();
  std::atomic<int> admitted = 0;
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kRuns; ++i) {
      threads.emplace_back([&, i] {
        Catalog& mine = i % 2 == 0 ? *catalog_ : *second;
        for (int round = 0; round < 5; ++round) {
          const auto result = mine.admit_run({ids[static_cast<size_t>(i)]}, 3);
          if (!result) ++failed;
          if (result && *result) {
            ++admitted;
            break;
          }
        }
      });
    }
  }
  EXPECT_EQ(failed, 0);
  EXPECT_LE(admitted, 3);
  EXPECT_GE(admitted, 1);
  EXPECT_EQ(place_->query("SELECT count(*) AS value FROM flow_run WHERE state = 'running'"),
            std::to_string(admitted));
}

TEST_P(Conformance, ProcessesMoveARunOnceBetweenThem) {
  const FlowRun run = start(*catalog_, "monday");
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(in_child([&](Catalog& mine) {
      const auto moved = mine.move_run({run.run_id, RunState::kQueued}, RunState::kRunning, "", "");
      if (moved) return 1;
      return moved.error().code == ErrorCode::kConflict ? 0 : 50;
    }));
  }
  int winners = 0;
  for (const pid_t child : children) winners += wait_for(child);
  EXPECT_EQ(winners, 1);
}

TEST_P(Conformance, RunAdmittedBetweenTwoLooksIsNotOverlooked) {
  // Tuesday counts the running ones; then monday is admitted; then tuesday looks for older queued
  // ones. Without the flow's lock it would find neither, and both would run.
  const FlowRun monday = start(*catalog_, "monday", 10);
  const FlowRun tuesday = start(*catalog_, "tuesday", 20);
  const auto other = open_catalog_with(
      {.url = place_->url(), .base_folder = "", .busy_timeout_ms = 100}, clock_, nullptr);
  ASSERT_OK(other);
  int counted = 0;
  const auto mine = open([&](std::string_view sql) {
    if (sql.starts_with("SELECT count(*)") && ++counted == 2) {
      const auto admitted = (*other)->admit_run({monday.run_id}, 1);
      EXPECT_FALSE(admitted.has_value());
      EXPECT_EQ(admitted.error().code, ErrorCode::kUnavailable);
    }
  });
  counted = 0;  // Opening counts tables.
  const auto admitted = mine->admit_run({tuesday.run_id}, 1);
  ASSERT_OK(admitted);
  EXPECT_EQ(counted, 2);
  EXPECT_FALSE(*admitted);
  EXPECT_TRUE((*other)->admit_run({monday.run_id}, 1).value());
}

TEST_P(Conformance, ProcessesAdmitNoMoreRunsThanAllowed) {
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(start(*catalog_, "key" + std::to_string(i), 10).run_id);
  std::vector<pid_t> children;
  for (const std::string& id : ids) {
    children.push_back(in_child([&](Catalog& mine) {
      const auto admitted = mine.admit_run({id}, 1);
      return admitted ? (*admitted ? 1 : 0) : 50;
    }));
  }
  int winners = 0;
  for (const pid_t child : children) winners += wait_for(child);
  EXPECT_EQ(winners, 1);
}

TEST_P(Conformance, ProcessesThatStartOneKeyMakeOneRun) {
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    children.push_back(in_child([&, i](Catalog& mine) {
      FlowRun run = monday_run("monday");
      run.run_id = "run" + std::to_string(i);
      const auto started = mine.start_run(run, {waiting_task(run), waiting_task(run, "load")});
      if (!started) return 50;
      return started->is_new ? 1 : 0;
    }));
  }
  int winners = 0;
  for (const pid_t child : children) winners += wait_for(child);
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(place_->query("SELECT count(*) AS value FROM task_run"), "2");
}

TEST_P(Conformance, RunMovesOnlyFromTheStateItIsIn) {
  const FlowRun run = start(*catalog_, "monday");
  const auto lost =
      catalog_->move_run({run.run_id, RunState::kRunning}, RunState::kFailed, "internal", "x");
  EXPECT_FAILS(ErrorCode::kConflict, lost);
  EXPECT_THAT(lost.error().message, HasSubstr("is queued (epoch 0), not running"));
  ASSERT_OK(catalog_->move_run({run.run_id, RunState::kQueued}, RunState::kRunning, "", ""));
  ASSERT_OK(catalog_->request_cancel(run.run_id));
  EXPECT_TRUE(catalog_->flow_run(run.run_id)->cancel_requested);
  clock_.advance_ms(5);
  ASSERT_OK(catalog_->move_run({run.run_id, RunState::kRunning}, RunState::kFailed, "internal",
                               "broken \xff\0 text"s));
  const auto failed = catalog_->flow_run(run.run_id);
  ASSERT_OK(failed);
  EXPECT_EQ(failed->finished_at_us, clock_.now_us());
  EXPECT_EQ(failed->error_code, "internal");
  EXPECT_THAT(failed->error_text, HasSubstr("broken \xef\xbf\xbd\xef\xbf\xbd text"));
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->request_cancel(run.run_id));
  ASSERT_OK(catalog_->move_run({run.run_id, RunState::kFailed}, RunState::kQueued, "", ""));
  const auto again = catalog_->flow_run(run.run_id);
  EXPECT_EQ(again->finished_at_us, 0);
  EXPECT_EQ(again->error_text, "");
  EXPECT_FALSE(again->cancel_requested);
}

TEST_P(Conformance, RunThatEndsInTheQueueLeavesNoTaskWaiting) {
  const auto end_of = [&](const std::string& key, RunState from, RunState to) {
    const FlowRun run = start(*catalog_, key);
    EXPECT_TRUE(from != RunState::kRunning || *catalog_->admit_run({run.run_id}, 1));
    EXPECT_OK(catalog_->move_run({run.run_id, from}, to, "", ""));
    return catalog_->task_run(run.run_id, "ingest")->state;
  };
  EXPECT_EQ(end_of("a", RunState::kQueued, RunState::kSkipped), TaskState::kSkipped);
  EXPECT_EQ(end_of("b", RunState::kQueued, RunState::kFailed), TaskState::kSkipped);
  EXPECT_EQ(end_of("c", RunState::kQueued, RunState::kCancelled), TaskState::kCancelled);
  EXPECT_EQ(end_of("d", RunState::kRunning, RunState::kFailed), TaskState::kWaiting)
      << "who runs it ends its tasks";
}

TEST_P(Conformance, TaskMovesOnlyFromTheRowThatWasExpected) {
  const FlowRun run = start(*catalog_, "monday");
  TaskRun next = waiting_task(run);
  next.state = TaskState::kRunning;
  next.attempt = 1;
  next.epoch = 4;
  next.started_at_us = 5;
  ASSERT_OK(catalog_->move_task(next, {TaskState::kWaiting, 0, 0}));
  for (const TaskKey& wrong :
       {TaskKey{TaskState::kWaiting, 0, 0}, TaskKey{TaskState::kRunning, 2, 4},
        TaskKey{TaskState::kRunning, 1, 3}}) {
    const auto lost = catalog_->move_task(next, wrong);
    EXPECT_FAILS(ErrorCode::kConflict, lost);
    EXPECT_THAT(lost.error().message, HasSubstr("is running (attempt 1, epoch 4)"));
  }
  next.state = TaskState::kFailed;
  next.error_code = "unavailable";
  next.error_hint = "try again";
  next.details = {{"rows", 1}};
  ASSERT_OK(catalog_->move_task(next, {TaskState::kRunning, 1, 4}));
  const auto back = catalog_->task_run(run.run_id, "ingest");
  ASSERT_OK(back);
  EXPECT_EQ(back->state, TaskState::kFailed);
  EXPECT_EQ(back->started_at_us, 5);
  EXPECT_EQ(back->error_hint, "try again");
  EXPECT_EQ(back->details, next.details);
  next.task_id = "nothing";
  EXPECT_FAILS(ErrorCode::kNotFound, catalog_->move_task(next, {TaskState::kRunning, 1, 4}));
  EXPECT_FAILS(ErrorCode::kNotFound, catalog_->task_run(run.run_id, "nothing"));
}

TEST_P(Conformance, ConcurrentWritersLoseNothing) {
  constexpr int kThreads = 6;
  constexpr int kLines = 20;
  const FlowRun run = start(*catalog_, "monday");
  const auto second = open();
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        Catalog& mine = i % 2 == 0 ? *catalog_ : *second;
        for (int line = 0; line < kLines; ++line) {
          if (!mine.add_log(run.run_id, "t" + std::to_string(i), 1, "info", std::to_string(line)))
            ++failed;
        }
      });
    }
  }
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(catalog_->logs(run.run_id, "")->size(), static_cast<size_t>(kThreads * kLines));
  const auto mine = catalog_->logs(run.run_id, "t3");
  ASSERT_OK(mine);
  ASSERT_EQ(mine->size(), static_cast<size_t>(kLines));
  for (int line = 0; line < kLines; ++line)
    EXPECT_EQ((*mine)[static_cast<size_t>(line)].message, std::to_string(line)) << "in order";
}

}  // namespace
}  // namespace weir::catalog
