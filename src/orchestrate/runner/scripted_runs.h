#pragma once

/// For tests: a runner over a catalog of its own, whose tasks do what a script says.

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
#include "orchestrate/runner.h"

namespace weir::orchestrate {

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
    if (asks_left_ > 0) {
      --asks_left_;
      if (asks_left_ == 0) advance_ms(pass_ms_);
    }
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

inline Act succeed() {
  return [](const task::Context&) -> Result<model::Outcome> { return model::Outcome{}; };
}
inline Act fail_as(ErrorCode code) {
  return [code](const task::Context&) -> Result<model::Outcome> {
    return fail(code, "as the test says");
  };
}
/// Until it is told to stop; `started` is set once it waits.
inline Act wait_for_cancel(Signal& started) {
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

class ScriptedRuns : public ::testing::Test {
 protected:
  ScriptedRuns() {
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
  ~ScriptedRuns() override { std::filesystem::remove_all(folder_); }

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
    auto report = retry_run(services_, pinned_, retry_of(run_id), cancel);
    EXPECT_TRUE(report) << to_line(report.error());
    return report.value_or(RunReport{});
  }
  static RetryRequest retry_of(const std::string& run_id) {
    RetryRequest made;
    made.run_id = run_id;
    return made;
  }
  Result<TaskRun> run_alone(const std::string& task_id) {
    Cancel cancel;
    return run_task(
        services_, [this](const std::string&) { return pinned_; },
        {.flow_id = "shop",
         .task_id = task_id,
         .run_key = "airflow-1",
         .attempt = 1,
         .params = Json::object(),
         .driver_epoch = {}},
        cancel);
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

}  // namespace weir::orchestrate
