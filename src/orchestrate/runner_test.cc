#include "orchestrate/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "catalog/conformance.h"

namespace weir::orchestrate {
namespace {

using catalog::FakeClock;
using catalog::FlowRun;
using catalog::RunState;
using catalog::TaskRun;
using catalog::TaskState;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

/// Time passes only for who asks what the time is again and again.
class WaitedForClock final : public FakeClock {
 public:
  int64_t now_us() override {
    if (asks_left_ > 0 && --asks_left_ == 0) advance_ms(pass_ms_);
    return FakeClock::now_us();
  }
  void pass_once_asked_twice(int64_t duration_ms) {
    pass_ms_ = duration_ms;
    asks_left_ = 2;
  }

 private:
  std::atomic<int64_t> pass_ms_ = 0;
  std::atomic<int> asks_left_ = 0;
};

class CountingRandom final : public Random {
 public:
  std::array<uint8_t, 16> bytes16() override {
    std::array<uint8_t, 16> bytes = {};
    int64_t number = ++drawn_;
    for (size_t at = bytes.size(); at-- > 0; number /= 256)
      bytes[at] = static_cast<uint8_t>(number % 256);
    return bytes;
  }

 private:
  std::atomic<int64_t> drawn_ = 0;
};

/// Something that one thread waits for and another says.
class Signal {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    is_set_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_set_ = false;
};

/// Holds every operation, as a delete guard would.
class HoldingEngine final : public engine::Engine {
 public:
  const std::string& name() const override { return name_; }
  const engine::Capabilities& capabilities() const override { return capabilities_; }
  Result<model::Outcome> execute(const model::Operation& /*operation*/,
                                 const engine::Context& /*context*/) override {
    model::Outcome outcome;
    outcome.held = model::Held{"too_many_deletes", "half of the rows are gone", {}};
    return outcome;
  }

 private:
  std::string name_ = "holding";
  engine::Capabilities capabilities_ = {{model::OperationKind::kCheck}, {}};
};

/// What one attempt of one task does.
using Act = std::function<Result<model::Outcome>(const task::Context&)>;

Act succeed() {
  return [](const task::Context&) -> Result<model::Outcome> { return model::Outcome{}; };
}
Act fail_as(ErrorCode code) {
  return [code](const task::Context&) -> Result<model::Outcome> {
    return fail(code, "as the test says");
  };
}
/// Until it is told to stop; `started` is set once it waits.
Act wait_for_cancel(Signal& started) {
  return [&started](const task::Context& context) -> Result<model::Outcome> {
    auto& cancel = const_cast<Cancel&>(*context.engine.cancel);
    Signal stopped;
    const int handle = cancel.add_listener([&stopped] { stopped.set(); });
    started.set();
    stopped.wait();
    cancel.remove_listener(handle);
    return std::unexpected(cancel.check().error());
  };
}

class Runner : public ::testing::Test {
 protected:
  Runner() {
    char folder[] = "/tmp/weir-runner-XXXXXX";
    folder_ = mkdtemp(folder);
    auto opened =
        catalog::open_catalog({.url = "sqlite:weir.db", .base_folder = folder_}, clock_, random_);
    EXPECT_TRUE(opened) << to_line(opened.error());
    catalog_ = *std::move(opened);
    services_.catalog = catalog_.get();
    services_.clock = &clock_;
    services_.random = &random_;
    services_.log = log_.get();
    services_.templates = templates_;
    services_.engine = [this](const std::string&) { return &engine_; };
    services_.on_event = [this](const Event& event) { note(event); };
    services_.holder = "the test";
    services_.lease_ms = 3'600'000;
    pinned_.hash = "configuration";
    pinned_.configuration.flows.emplace_back().flow_id = "shop";
  }
  ~Runner() override { std::filesystem::remove_all(folder_); }

  model::Flow& flow() { return pinned_.configuration.flows.front(); }
  model::Task& add_task(const std::string& task_id, std::vector<std::string> needs = {}) {
    model::Task& task = flow().tasks.emplace_back();
    task.flow_id = "shop";
    task.task_id = task_id;
    task.template_id = "scripted";
    task.needs = std::move(needs);
    return task;
  }
  /// What the attempts of a task do, one after the other; those behind the last do as the last.
  void script(const std::string& task_id, std::vector<Act> acts) {
    const std::lock_guard lock(mutex_);
    scripts_[task_id] = std::move(acts);
  }

  RunReport run(const std::string& run_key = "") {
    clock_.advance_ms(1);  // ids of runs sort by time
    Cancel cancel;
    return run(run_key, cancel);
  }
  RunReport run(const std::string& run_key, Cancel& cancel) {
    auto report = run_flow(services_, pinned_, request(run_key), cancel);
    EXPECT_TRUE(report) << to_line(report.error());
    return report.value_or(RunReport{});
  }
  RunReport retry(const std::string& run_id) {
    Cancel cancel;
    auto report = retry_run(services_, pinned_, run_id, 4, cancel);
    EXPECT_TRUE(report) << to_line(report.error());
    return report.value_or(RunReport{});
  }
  Result<TaskRun> run_alone(const std::string& task_id) {
    Cancel cancel;
    return run_task(
        services_, [this](const std::string&) { return pinned_; },
        {.flow_id = "shop", .task_id = task_id, .run_key = "airflow-1"}, cancel);
  }
  static RunRequest request(const std::string& run_key) {
    RunRequest made;
    made.flow_id = "shop";
    made.run_key = run_key;
    return made;
  }

  /// Waits until the catalog has `count` runs in that state.
  void wait_for_runs(RunState state, int64_t count) const {
    while (true) {
      const auto runs = catalog_->flow_runs("shop", 100);
      ASSERT_TRUE(runs) << to_line(runs.error());
      if (std::ranges::count(*runs, state, &FlowRun::state) >= count) return;
      std::this_thread::yield();
    }
  }
  static std::map<std::string, std::string> states(const RunReport& report) {
    std::map<std::string, std::string> states;
    for (const auto& row : report.tasks) states[row.task_id] = std::string(to_text(row.state));
    return states;
  }
  static const TaskRun& task_of(const RunReport& report, const std::string& task_id) {
    return *std::ranges::find(report.tasks, task_id, &TaskRun::task_id);
  }
  std::vector<std::string> started() {
    const std::lock_guard lock(mutex_);
    return started_;
  }
  /// Between the starts of one attempt and the next.
  std::vector<int64_t> waits_ms() {
    const std::lock_guard lock(mutex_);
    std::vector<int64_t> waits;
    for (size_t i = 1; i < started_at_us_.size(); ++i)
      waits.push_back((started_at_us_[i] - started_at_us_[i - 1]) / 1000);
    return waits;
  }
  int most_at_once() {
    const std::lock_guard lock(mutex_);
    return most_at_once_;
  }

 private:
  Result<model::Outcome> act(const task::Context& context) {
    Act todo = succeed();
    {
      const std::lock_guard lock(mutex_);
      const std::string& task_id = context.origin.task_id;
      started_.push_back(task_id);
      started_at_us_.push_back(clock_.monotonic_us());
      auto& acts = scripts_[task_id];
      if (!acts.empty()) todo = acts.front();
      if (acts.size() > 1) acts.erase(acts.begin());
    }
    return todo(context);
  }
  void note(const Event& event) {
    {
      const std::lock_guard lock(mutex_);
      if (event.name == "task_started") most_at_once_ = std::max(most_at_once_, ++at_once_);
      if (event.name == "task_finished") --at_once_;
    }
    if (event.name == "task_finished" && event.details.value("state", "") == "ready") {
      const auto row = catalog_->task_run(event.run_id, event.task_id);
      ASSERT_TRUE(row) << to_line(row.error());
      clock_.pass_once_asked_twice((row->not_before_us - clock_.monotonic_us()) / 1000);
    }
  }
  std::vector<task::Template> make_templates() {
    task::Template scripted;
    scripted.name = "scripted";
    scripted.lint = [](const Json&) { return Status(); };
    scripted.run = [this](const Json&, const task::Context& context) { return act(context); };
    task::Template held;
    held.name = "held";
    held.operation = model::OperationKind::kCheck;
    held.lint = scripted.lint;
    held.plan = [](const Json&, const task::Inputs&) -> Result<std::vector<model::Operation>> {
      return std::vector<model::Operation>(1);
    };
    return {scripted, held};
  }

  std::string folder_;
  HoldingEngine engine_;
  std::vector<task::Template> templates_ = make_templates();
  std::unique_ptr<Log> log_ = make_no_log();
  std::mutex mutex_;
  std::map<std::string, std::vector<Act>> scripts_;
  std::vector<std::string> started_;
  std::vector<int64_t> started_at_us_;
  int at_once_ = 0;
  int most_at_once_ = 0;

 protected:
  WaitedForClock clock_;
  CountingRandom random_;
  std::unique_ptr<catalog::Catalog> catalog_;
  Services services_;
  Pinned pinned_;
};

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
  const auto again = retry_run(services_, pinned_, failed.run.run_id, 4, cancel);
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
  EXPECT_EQ(task_of(report, "slow").state, TaskState::kCancelled);
  EXPECT_THAT(task_of(report, "slow").error_text, HasSubstr("timeout of 60000 ms"));
  EXPECT_EQ(report.run.state, RunState::kCancelled);
  EXPECT_EQ(exit_status(report), 130);
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
  EXPECT_EQ(task_of(report, "load").state, TaskState::kFailed);
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
  EXPECT_EQ(task_of(second, "work").state, TaskState::kWaiting);
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
  ASSERT_TRUE(catalog_->admit_run(dead.run_id, 1));
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

// ---- one task by itself --------------------------------------------------------------------

TEST_F(Runner, TaskByItselfWaitsForWhatItNeedsAndTheLastEndsTheRun) {
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

TEST_F(Runner, TaskByItselfThatSucceededIsNotRunAgain) {
  add_task("work");
  script("work", {fail_as(ErrorCode::kUnavailable), succeed()});
  const auto failed = run_alone("work");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(run_alone("work")->attempt, 2);
  EXPECT_EQ(run_alone("work")->attempt, 2);
  EXPECT_THAT(started(), ElementsAre("work", "work"));
}

}  // namespace
}  // namespace weir::orchestrate
