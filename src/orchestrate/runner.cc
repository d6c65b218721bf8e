#include "orchestrate/runner.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "base/check.h"
#include "base/nearest.h"
#include "orchestrate/attempt.h"
#include "orchestrate/task_order.h"

namespace weir::orchestrate {
namespace {

using catalog::FlowRun;
using catalog::RunState;
using catalog::TaskRun;
using catalog::TaskState;

constexpr auto kPoll = std::chrono::milliseconds(100);

Result<const model::Flow*> find_flow(const Pinned& pinned, const std::string& flow_id) {
  const model::Flow* flow = pinned.configuration.find_flow(flow_id);
  if (flow == nullptr) {
    std::vector<std::string> names;
    for (const auto& each : pinned.configuration.flows) names.push_back(each.flow_id);
    const std::string guess = did_you_mean(flow_id, names);
    return fail_with_hint(
        ErrorCode::kInvalidConfig, fmt::format("there is no flow '{}'", flow_id),
        guess.empty() ? fmt::format("flows are: {}", fmt::join(names, ", ")) : guess);
  }
  return flow;
}

/// Told on every failure of a task before its row says so.
void note_error(TaskRun& row, const Error& error) {
  row.error_code = std::string(to_text(error.code));
  row.error_text = to_line(error);
  row.error_hint = error.hint;
}

void clear_error(TaskRun& row) {
  row.error_code.clear();
  row.error_text.clear();
  row.error_hint.clear();
  row.held_reason.clear();
}

/// The lease of a run, kept alive by a thread that also looks for a wish to cancel.
class RunLease {
 public:
  static Result<std::unique_ptr<RunLease>> take(const Services& services, const std::string& run_id,
                                                Cancel& cancel) {
    WEIR_ASSIGN(auto lease, services.catalog->take_lease("flow_run:" + run_id, services.holder,
                                                         services.lease_ms, 0));
    if (!lease) {
      auto holder = services.catalog->lease_holder("flow_run:" + run_id);
      return fail_with_hint(ErrorCode::kConflict,
                            fmt::format("run {} is being worked on by {}", run_id,
                                        holder ? *holder : std::string("another process")),
                            "`weir status` shows it; `weir cancel` ends it");
    }
    return std::unique_ptr<RunLease>(new RunLease(services, run_id, *lease, cancel));
  }
  RunLease(const RunLease&) = delete;
  RunLease& operator=(const RunLease&) = delete;
  ~RunLease() {
    thread_.request_stop();
    thread_.join();
    static_cast<void>(services_.catalog->release_lease(lease_));
  }
  int64_t epoch() const { return lease_.epoch; }

 private:
  RunLease(const Services& services, std::string run_id, catalog::Lease lease, Cancel& cancel)
      : services_(services),
        lease_(std::move(lease)),
        thread_([this, run_id = std::move(run_id), &cancel](const std::stop_token& stop) {
          watch(stop, run_id, cancel);
        }) {}

  void watch(const std::stop_token& stop, const std::string& run_id, Cancel& cancel) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    constexpr auto kLook = std::chrono::milliseconds(500);
    int64_t next_renewal_us = services_.clock->monotonic_us() + services_.lease_ms * 300;
    while (!stop.stop_requested()) {
      static_cast<void>(wake.wait_for(lock, stop, kLook, [] { return false; }));
      if (stop.stop_requested()) return;
      auto run = services_.catalog->flow_run(run_id);
      if (run && run->cancel_requested) cancel.cancel("cancelled by request");
      if (services_.clock->monotonic_us() < next_renewal_us) continue;
      next_renewal_us = services_.clock->monotonic_us() + services_.lease_ms * 300;
      const auto renewed = services_.catalog->renew_lease(lease_, services_.lease_ms);
      if (!renewed && renewed.error().code == ErrorCode::kConflict)
        cancel.cancel("the lease of the run was lost to another process");
    }
  }

  const Services& services_;
  catalog::Lease lease_;
  std::jthread thread_;
};

/// Runs of this flow that say running or queued while their process is gone: they end here, so that
/// nothing waits for them.
Status bury_the_dead(const Services& services, const std::string& flow_id, const std::string& own) {
  WEIR_ASSIGN(const auto runs, services.catalog->active_runs(flow_id));
  for (const auto& run : runs) {
    if (catalog::is_final(run.state) || run.run_id == own || run.trigger == "task") continue;
    WEIR_ASSIGN(const bool is_alive, services.catalog->is_lease_alive("flow_run:" + run.run_id));
    if (is_alive) continue;
    services.log->warning("run {} of flow '{}' says {}, but its process is gone", run.run_id,
                          flow_id, to_text(run.state));
    const auto moved = services.catalog->move_run(
        run.run_id, run.state, RunState::kFailed, "unavailable",
        fmt::format("the process that ran it is gone; `weir retry {}` goes on", run.run_id));
    if (!moved && moved.error().code != ErrorCode::kConflict) return moved;
  }
  return {};
}

/// Drives the tasks of one admitted run to their ends.
class Driver {
 public:
  Driver(const Services& services, const Pinned& pinned, const model::Flow& flow, FlowRun run,
         int64_t epoch)
      : services_(services), pinned_(pinned), flow_(flow), run_(std::move(run)), epoch_(epoch) {}

  Status drive(int64_t max_parallel, Cancel& cancel) {
    WEIR_ASSIGN(rows_, services_.catalog->task_runs(run_.run_id));
    std::unique_lock lock(mutex_);
    std::vector<std::jthread> workers;
    while (true) {
      if (!fault_) {
        // A fault must not leave while threads run: they need the mutex that is held here.
        const auto stepped = step(max_parallel, workers, cancel);
        if (!stepped) fault_ = stepped.error();
      }
      if (fault_) cancel.cancel("the catalog failed: " + fault_->message);
      const bool is_done =
          std::ranges::all_of(rows_, [](const TaskRun& row) { return is_final(row.state); });
      if (running_ == 0 && (is_done || fault_)) break;
      changed_.wait_for(lock, kPoll);
    }
    lock.unlock();
    workers.clear();  // joins
    if (fault_) return std::unexpected(*fault_);
    return {};
  }

  const std::vector<TaskRun>& rows() const { return rows_; }

 private:
  /// Settles what can be settled and starts what may run.
  Status step(int64_t max_parallel, std::vector<std::jthread>& workers, Cancel& cancel) {
    const bool is_stopping = cancel.is_cancelled();
    WEIR_TRY(settle_waiting(is_stopping));
    for (auto& row : rows_) {
      if (row.state != TaskState::kReady || is_stopping || running_ >= max_parallel) continue;
      if (row.not_before_us > services_.clock->now_us()) continue;
      WEIR_TRY(start(row, workers, cancel));
    }
    return {};
  }

  const TaskRun* find(const std::string& task_id) const {
    const auto found = std::ranges::find(rows_, task_id, &TaskRun::task_id);
    return found == rows_.end() ? nullptr : &*found;
  }
  const model::Task& task_of(const TaskRun& row) const {
    return *std::ranges::find(flow_.tasks, row.task_id, &model::Task::task_id);
  }

  Status move(TaskRun& row, TaskState to) {
    const catalog::Catalog::TaskKey expected{row.state, row.attempt, row.epoch};
    TaskRun next = row;
    next.state = to;
    if (is_final(to)) next.finished_at_us = services_.clock->now_us();
    WEIR_TRY(services_.catalog->move_task(next, expected));
    row = std::move(next);
    return {};
  }

  /// Waiting tasks become ready once all they need succeeded, skipped once one of those cannot.
  Status settle_waiting(bool is_stopping) {
    bool has_changed = true;
    while (has_changed) {
      has_changed = false;
      for (auto& row : rows_) {
        if (row.state == TaskState::kReady && is_stopping) {
          WEIR_TRY(move(row, TaskState::kCancelled));
          continue;
        }
        if (row.state != TaskState::kWaiting) continue;
        bool is_ready = true;
        std::string blocked_by;
        for (const auto& need : task_of(row).needs) {
          const TaskRun* upstream = find(need);
          if (upstream == nullptr || upstream->state == TaskState::kSucceeded) continue;
          is_ready = false;
          if (is_final(upstream->state)) blocked_by = need;
        }
        if (is_stopping) {
          WEIR_TRY(move(row, TaskState::kCancelled));
        } else if (!blocked_by.empty()) {
          row.error_text = fmt::format("task '{}' did not succeed", blocked_by);
          WEIR_TRY(move(row, TaskState::kSkipped));
        } else if (is_ready) {
          WEIR_TRY(move(row, TaskState::kReady));
        } else {
          continue;
        }
        has_changed = true;
      }
    }
    return {};
  }

  Status start(TaskRun& row, std::vector<std::jthread>& workers, Cancel& cancel) {
    TaskRun next = row;
    next.state = TaskState::kRunning;
    next.attempt += 1;
    next.epoch = epoch_;
    next.started_at_us = services_.clock->now_us();
    next.finished_at_us = 0;
    clear_error(next);
    WEIR_TRY(services_.catalog->move_task(next, {row.state, row.attempt, row.epoch}));
    row = next;
    ++running_;
    services_.tell({"task_started",
                    row.run_id,
                    row.task_id,
                    {{"attempt", row.attempt}, {"template", row.template_id}}});
    // One thread a running task: the engine blocks until the operation has ended.
    workers.emplace_back([this, next, &cancel]() mutable { work(std::move(next), cancel); });
    return {};
  }

  void work(TaskRun row, Cancel& cancel) {
    const model::Task& task = task_of(row);
    auto settings = task_settings(pinned_.configuration, flow_, task);
    Result<TaskState> end = settings ? Result<TaskState>(TaskState::kSucceeded)
                                     : Result<TaskState>(std::unexpected(settings.error()));
    if (settings) {
      // A deadline of its own below the run's wish to stop.
      const int64_t no_deadline = services_.clock->monotonic_us() + int64_t{365} * 86'400'000'000;
      Cancel limit(*services_.clock, settings->timeout_ms > 0 ? services_.clock->monotonic_us() +
                                                                    settings->timeout_ms * 1000
                                                              : no_deadline);
      const int handle = cancel.add_listener([&] { limit.cancel("the run was cancelled"); });
      DeadlineWatch watch(*services_.clock, limit, settings->timeout_ms);
      end = run_attempt({&services_, &pinned_, &run_, &flow_, &task, *settings}, row, limit);
      cancel.remove_listener(handle);
    }
    finish(std::move(row), std::move(end), settings ? *settings : TaskSettings{}, cancel);
  }

  /// Wakes the listeners of a Cancel when its deadline passes: a running query does not ask.
  class DeadlineWatch {
   public:
    DeadlineWatch(Clock& clock, Cancel& limit, int64_t timeout_ms) {
      if (timeout_ms <= 0) return;
      thread_ = std::jthread([&clock, &limit, timeout_ms](const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any wake;
        std::unique_lock lock(mutex);
        const int64_t until_us = clock.monotonic_us() + timeout_ms * 1000;
        while (!stop.stop_requested() && clock.monotonic_us() < until_us)
          static_cast<void>(wake.wait_for(lock, stop, kPoll, [] { return false; }));
        if (!stop.stop_requested())
          limit.cancel(fmt::format("the task's timeout of {} ms has passed", timeout_ms));
      });
    }

   private:
    std::jthread thread_;
  };

  void finish(TaskRun row, Result<TaskState> end, const TaskSettings& settings,
              const Cancel& cancel) {
    const std::lock_guard lock(mutex_);
    TaskState to = TaskState::kFailed;
    if (end) {
      to = *end;
    } else {
      note_error(row, end.error());
      const bool may_retry =
          is_retried(end.error().code) && row.attempt <= settings.retries && !cancel.is_cancelled();
      if (end.error().code == ErrorCode::kCancelled) to = TaskState::kCancelled;
      if (may_retry) {
        to = TaskState::kReady;
        row.not_before_us = services_.clock->now_us() + settings.retry_delay_ms * 1000;
      }
      static_cast<void>(services_.catalog->add_log(row.run_id, row.task_id, row.attempt,
                                                   may_retry ? "warning" : "error",
                                                   to_line(end.error())));
    }
    // The stored row is in state running with this attempt.
    row.state = TaskState::kRunning;
    const auto moved = move(row, to);
    if (!moved) fault_ = moved.error();
    *std::ranges::find(rows_, row.task_id, &TaskRun::task_id) = row;
    --running_;
    Json error = end ? Json()
                     : Json{{"code", row.error_code},
                            {"message", end.error().message},
                            {"hint", row.error_hint}};
    services_.tell({"task_finished",
                    row.run_id,
                    row.task_id,
                    {{"state", to_text(to)},
                     {"attempt", row.attempt},
                     {"counts", model::to_json(row.counts)},
                     {"held", row.held_reason},
                     {"message", row.error_text},
                     {"error", std::move(error)}}});
    changed_.notify_all();
  }

  const Services& services_;
  const Pinned& pinned_;
  const model::Flow& flow_;
  FlowRun run_;
  int64_t epoch_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<TaskRun> rows_ WEIR_GUARDED_BY(mutex_);
  int64_t running_ WEIR_GUARDED_BY(mutex_) = 0;
  std::optional<Error> fault_ WEIR_GUARDED_BY(mutex_);
};

/// What the flow's state is, given its tasks', and the first error for its row.
struct Verdict {
  RunState state = RunState::kSucceeded;
  std::string error_code;
  std::string error_text;
};
Verdict judge(const std::vector<TaskRun>& rows) {
  Verdict verdict;
  const auto has = [&](TaskState state) { return std::ranges::find(rows, state, &TaskRun::state); };
  if (const auto failed = has(TaskState::kFailed); failed != rows.end()) {
    verdict = {RunState::kFailed, failed->error_code,
               fmt::format("task '{}': {}", failed->task_id, failed->error_text)};
  } else if (const auto cancelled = has(TaskState::kCancelled); cancelled != rows.end()) {
    verdict = {RunState::kCancelled, "cancelled",
               fmt::format("task '{}' was cancelled", cancelled->task_id)};
  } else if (const auto held = has(TaskState::kHeld); held != rows.end()) {
    verdict = {RunState::kHeld, "",
               fmt::format("task '{}' is held: {}", held->task_id, held->error_text)};
  }
  return verdict;
}

std::vector<TaskRun> new_rows(const model::Flow& flow, const std::string& run_id) {
  std::vector<TaskRun> rows;
  for (const model::Task* task : in_order_of_needs(flow)) {
    TaskRun row;
    row.run_id = run_id;
    row.task_id = task->task_id;
    row.template_id = task->template_id;
    row.position = std::ssize(rows);
    row.engine = task->engine;
    rows.push_back(std::move(row));
  }
  return rows;
}

FlowRun new_run(const Services& services, const Pinned& pinned, const std::string& flow_id,
                const std::string& run_key, const std::string& trigger) {
  FlowRun run;
  run.run_id = make_uuid7(*services.clock, *services.random);
  run.flow_id = flow_id;
  run.run_key = run_key.empty() ? "manual:" + run.run_id : run_key;
  run.config_hash = pinned.hash;
  run.trigger = trigger;
  run.created_at_us = services.clock->now_us();
  run.logical_time_us = run.created_at_us;
  return run;
}

Result<RunReport> report(const Services& services, const std::string& run_id) {
  RunReport made;
  WEIR_ASSIGN(made.run, services.catalog->flow_run(run_id));
  WEIR_ASSIGN(made.tasks, services.catalog->task_runs(run_id));
  return made;
}

/// Waits until the run may go, or ends it as the overlap word says. True: it runs now.
Result<bool> admit(const Services& services, const model::Flow& flow, const FlowRun& run,
                   const Cancel& cancel) {
  bool has_asked = false;
  while (true) {
    WEIR_TRY(bury_the_dead(services, flow.flow_id, run.run_id));
    WEIR_ASSIGN(const bool is_admitted,
                services.catalog->admit_run(run.run_id, flow.max_active_runs));
    if (is_admitted) return true;
    const auto cancelled = cancel.check();
    if (!cancelled) {
      WEIR_TRY(services.catalog->move_run(run.run_id, RunState::kQueued, RunState::kCancelled,
                                          "cancelled", cancelled.error().message));
      return false;
    }
    switch (flow.overlap) {
      case model::Overlap::kSkip:
        WEIR_TRY(services.catalog->move_run(run.run_id, RunState::kQueued, RunState::kSkipped, "",
                                            "another run of the flow is active"));
        return false;
      case model::Overlap::kFail:
        WEIR_TRY(services.catalog->move_run(
            run.run_id, RunState::kQueued, RunState::kFailed, "conflict",
            "another run of the flow is active, and its overlap is 'fail'"));
        return false;
      case model::Overlap::kCancel: {
        if (has_asked) break;
        WEIR_ASSIGN(const auto runs, services.catalog->active_runs(flow.flow_id));
        for (const auto& other : runs) {
          if (other.run_id < run.run_id && !is_final(other.state)) {
            WEIR_TRY(services.catalog->request_cancel(other.run_id));
          }
        }
        has_asked = true;
        break;
      }
      case model::Overlap::kQueue: break;
    }
    if (!has_asked && flow.overlap == model::Overlap::kQueue) {
      services.log->info("run {} waits: another run of flow '{}' is active", run.run_id,
                         flow.flow_id);
      has_asked = true;
    }
    std::this_thread::sleep_for(kPoll);
  }
}

Result<RunReport> drive_to_end(const Services& services, const Pinned& pinned,
                               const model::Flow& flow, const FlowRun& run, int64_t epoch,
                               int64_t max_parallel, Cancel& cancel) {
  services.tell({"run_started", run.run_id, "", {{"flow", run.flow_id}, {"run_key", run.run_key}}});
  Driver driver(services, pinned, flow, run, epoch);
  WEIR_TRY(driver.drive(max_parallel, cancel));
  const Verdict verdict = judge(driver.rows());
  WEIR_TRY(services.catalog->move_run(run.run_id, RunState::kRunning, verdict.state,
                                      verdict.error_code, verdict.error_text));
  WEIR_ASSIGN(RunReport made, report(services, run.run_id));
  services.tell({"run_finished",
                 run.run_id,
                 "",
                 {{"flow", run.flow_id},
                  {"state", to_text(made.run.state)},
                  {"message", made.run.error_text}}});
  return made;
}

/// Puts what did not succeed back to waiting. Rows that say running belong to a process that is
/// gone.
Status reset_tasks(const Services& services, const std::string& run_id) {
  WEIR_ASSIGN(auto rows, services.catalog->task_runs(run_id));
  for (auto& row : rows) {
    if (row.state == TaskState::kSucceeded || row.state == TaskState::kWaiting) continue;
    const catalog::Catalog::TaskKey expected{row.state, row.attempt, row.epoch};
    row.state = TaskState::kWaiting;
    row.not_before_us = 0;
    row.finished_at_us = 0;
    row.counts = {};
    row.operations = Json::array();
    clear_error(row);
    WEIR_TRY(services.catalog->move_task(row, expected));
  }
  return {};
}

}  // namespace

int exit_status(const RunReport& report) {
  constexpr std::array kOrder = {1, 2, 4, 3, 130, 75, 5, 0};
  size_t worst = kOrder.size() - 1;
  const auto take = [&](int status) {
    const auto at = static_cast<size_t>(std::ranges::find(kOrder, status) - kOrder.begin());
    worst = std::min(worst, at);
  };
  if (!report.run.error_code.empty()) {
    const auto code = error_code_from_text(report.run.error_code);
    take(code ? weir::exit_status(*code) : 1);
  }
  for (const auto& row : report.tasks) {
    if (row.state == TaskState::kHeld) take(5);
    if (row.state == TaskState::kCancelled) take(130);
    if (row.state != TaskState::kFailed) continue;
    const auto code = error_code_from_text(row.error_code);
    take(code ? weir::exit_status(*code) : 1);
  }
  return kOrder[worst];
}

Result<RunReport> run_flow(const Services& services, const Pinned& pinned,
                           const RunRequest& request, Cancel& cancel) {
  WEIR_ASSIGN(const model::Flow* flow, find_flow(pinned, request.flow_id));
  if (!flow->is_enabled)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("flow '{}' is not enabled", flow->flow_id),
                          "set `enabled: true` on it");
  FlowRun run = new_run(services, pinned, flow->flow_id, request.run_key, request.trigger);
  run.params = request.params;
  run.rerun_of = request.rerun_of;
  WEIR_ASSIGN(auto lease, RunLease::take(services, run.run_id, cancel));
  WEIR_ASSIGN(const auto started, services.catalog->start_run(run, new_rows(*flow, run.run_id)));
  if (!started.is_new) {
    lease.reset();
    if (is_final(started.run.state)) return report(services, started.run.run_id);
    return retry_run(services, pinned, started.run.run_id, request.max_parallel_tasks, cancel);
  }
  WEIR_ASSIGN(const bool is_admitted, admit(services, *flow, run, cancel));
  if (!is_admitted) return report(services, run.run_id);
  return drive_to_end(services, pinned, *flow, run, lease->epoch(), request.max_parallel_tasks,
                      cancel);
}

Result<RunReport> retry_run(const Services& services, const Pinned& pinned,
                            const std::string& run_id, int64_t max_parallel_tasks, Cancel& cancel) {
  WEIR_ASSIGN(FlowRun run, services.catalog->flow_run(run_id));
  if (run.state == RunState::kSucceeded)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("run {} succeeded already", run_id),
                          "`weir rerun` starts a new run with the same parameters");
  WEIR_ASSIGN(const model::Flow* flow, find_flow(pinned, run.flow_id));
  WEIR_ASSIGN(auto lease, RunLease::take(services, run_id, cancel));
  WEIR_TRY(reset_tasks(services, run_id));
  WEIR_ASSIGN(run, services.catalog->flow_run(run_id));
  if (run.state != RunState::kQueued) {
    WEIR_TRY(services.catalog->move_run(run_id, run.state, RunState::kQueued, "", ""));
  }
  WEIR_ASSIGN(const bool is_admitted, admit(services, *flow, run, cancel));
  if (!is_admitted) return report(services, run_id);
  return drive_to_end(services, pinned, *flow, run, lease->epoch(), max_parallel_tasks, cancel);
}

namespace {

/// What a task needs has succeeded in this run. kConflict names what has not.
Status check_needs(const model::Task& task, const std::vector<TaskRun>& rows) {
  for (const auto& need : task.needs) {
    const auto upstream = std::ranges::find(rows, need, &TaskRun::task_id);
    if (upstream == rows.end() || upstream->state == TaskState::kSucceeded) continue;
    return fail_with_hint(ErrorCode::kConflict,
                          fmt::format("task '{}' needs '{}', which is {}", task.task_id, need,
                                      to_text(upstream->state)),
                          "run that one first, with the same run key");
  }
  return {};
}

/// Once every task has ended the run ends too; whoever ends the last task does it.
Status end_run_if_done(const Services& services, const std::string& run_id) {
  WEIR_ASSIGN(const auto rows, services.catalog->task_runs(run_id));
  const bool is_done =
      std::ranges::all_of(rows, [](const TaskRun& row) { return is_final(row.state); });
  if (!is_done) return {};
  const Verdict verdict = judge(rows);
  const auto moved = services.catalog->move_run(run_id, RunState::kRunning, verdict.state,
                                                verdict.error_code, verdict.error_text);
  if (!moved && moved.error().code != ErrorCode::kConflict) return moved;
  return {};
}

}  // namespace

Result<TaskRun> run_task(const Services& services,
                         const std::function<Result<Pinned>(const std::string& hash)>& pin,
                         const TaskRequest& request, Cancel& cancel) {
  WEIR_ASSIGN(auto known, services.catalog->find_run(request.flow_id, request.run_key));
  WEIR_ASSIGN(Pinned pinned, pin(known ? known->config_hash : ""));
  WEIR_ASSIGN(const model::Flow* flow, find_flow(pinned, request.flow_id));
  if (!known) {
    FlowRun run = new_run(services, pinned, flow->flow_id, request.run_key, "task");
    run.params = request.params;
    WEIR_ASSIGN(const auto started, services.catalog->start_run(run, new_rows(*flow, run.run_id)));
    known = started.run;
    if (!started.is_new && known->config_hash != pinned.hash) {
      WEIR_ASSIGN(pinned, pin(known->config_hash));
      WEIR_ASSIGN(flow, find_flow(pinned, request.flow_id));
    }
  }
  if (known->state == RunState::kQueued) {
    const auto moved =
        services.catalog->move_run(known->run_id, RunState::kQueued, RunState::kRunning, "", "");
    if (!moved && moved.error().code != ErrorCode::kConflict) return std::unexpected(moved.error());
  }
  const auto task = std::ranges::find(flow->tasks, request.task_id, &model::Task::task_id);
  if (task == flow->tasks.end()) {
    std::vector<std::string> names;
    for (const auto& each : flow->tasks) names.push_back(each.task_id);
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("flow '{}' has no task '{}'", flow->flow_id, request.task_id),
                          did_you_mean(request.task_id, names));
  }
  // One process a task; a dead one's lease is free at once.
  WEIR_ASSIGN(auto lease, RunLease::take(services, known->run_id + ":" + request.task_id, cancel));
  WEIR_ASSIGN(const auto rows, services.catalog->task_runs(known->run_id));
  TaskRun row = *std::ranges::find(rows, request.task_id, &TaskRun::task_id);
  if (row.state == TaskState::kSucceeded) return row;
  WEIR_TRY(check_needs(*task, rows));
  const catalog::Catalog::TaskKey expected{row.state, row.attempt, row.epoch};
  row.state = TaskState::kRunning;
  row.attempt = std::max(row.attempt + 1, request.attempt);
  row.epoch = lease->epoch();
  row.started_at_us = services.clock->now_us();
  row.finished_at_us = 0;
  row.counts = {};
  row.operations = Json::array();
  clear_error(row);
  WEIR_TRY(services.catalog->move_task(row, expected));
  WEIR_ASSIGN(const TaskSettings settings, task_settings(pinned.configuration, *flow, *task));
  auto end = run_attempt({&services, &pinned, &*known, flow, &*task, settings}, row, cancel);
  row.state = end                                         ? *end
              : end.error().code == ErrorCode::kCancelled ? TaskState::kCancelled
                                                          : TaskState::kFailed;
  if (!end) {
    note_error(row, end.error());
    static_cast<void>(services.catalog->add_log(row.run_id, row.task_id, row.attempt, "error",
                                                to_line(end.error())));
  }
  row.finished_at_us = services.clock->now_us();
  WEIR_TRY(services.catalog->move_task(row, {TaskState::kRunning, row.attempt, row.epoch}));
  WEIR_TRY(end_run_if_done(services, known->run_id));
  if (!end) return std::unexpected(std::move(end).error());
  return row;
}

}  // namespace weir::orchestrate
