#include "orchestrate/runner/task_driver.h"

#include <algorithm>
#include <chrono>

#include "orchestrate/notices.h"
#include "orchestrate/runner/deadline.h"
#include "orchestrate/runner/run_rows.h"

namespace weir::orchestrate {
namespace {

using catalog::TaskRun;
using catalog::TaskState;

constexpr auto kPoll = std::chrono::milliseconds(100);

/// Doubles with each try, up to an hour or what the first wait is.
int64_t delay_ms(const TaskSettings& settings, int64_t tries) {
  const int64_t longest_ms = std::max<int64_t>(3'600'000, settings.retry_delay_ms);
  int64_t delay_ms = settings.retry_delay_ms;
  for (int64_t i = 1; i < tries && delay_ms < longest_ms; ++i) delay_ms *= 2;
  return std::min(delay_ms, longest_ms);
}

}  // namespace

Status TaskDriver::drive(int64_t max_parallel, Cancel& cancel) {
  WEIR_ASSIGN(rows_, services_.catalog->task_runs(run_.run_id));
  for (const auto& row : rows_) attempts_before_[row.task_id] = row.attempt;
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

Status TaskDriver::step(int64_t max_parallel, std::vector<std::jthread>& workers, Cancel& cancel) {
  const bool is_stopping = cancel.is_cancelled();
  WEIR_TRY(settle_waiting(is_stopping));
  for (auto& row : rows_) {
    if (row.state != TaskState::kReady || is_stopping || running_ >= max_parallel) continue;
    if (row.not_before_us > services_.clock->now_us()) continue;
    WEIR_TRY(start(row, workers, cancel));
  }
  return {};
}

TaskRun* TaskDriver::find(const std::string& task_id) {
  const auto found = std::ranges::find(rows_, task_id, &TaskRun::task_id);
  return found == rows_.end() ? nullptr : &*found;
}

const model::Task& TaskDriver::task_of(const TaskRun& row) const {
  return *std::ranges::find(flow_.tasks, row.task_id, &model::Task::task_id);
}

Status TaskDriver::move(TaskRun& row, TaskState to) {
  const catalog::Catalog::TaskKey expected{row.state, row.attempt, row.epoch};
  TaskRun next = row;
  next.state = to;
  if (is_final(to)) next.finished_at_us = services_.clock->now_us();
  catalog::Notices notices;
  if (to == TaskState::kHeld)
    notices = notices_of_hold(services_, pinned_.configuration, run_, next);
  WEIR_TRY(services_.catalog->move_task(next, expected, notices));
  row = std::move(next);
  return {};
}

Status TaskDriver::settle_waiting(bool is_stopping) {
  // A task that is skipped settles those that need it: until nothing moves.
  bool has_changed = true;
  while (has_changed) {
    has_changed = false;
    for (auto& row : rows_) {
      const TaskState before = row.state;
      WEIR_TRY(settle(row, is_stopping));
      has_changed = has_changed || row.state != before;
    }
  }
  return {};
}

Status TaskDriver::settle(TaskRun& row, bool is_stopping) {
  if (row.state != TaskState::kWaiting && row.state != TaskState::kReady) return {};
  if (is_stopping) return move(row, TaskState::kCancelled);
  if (row.state == TaskState::kReady) return {};
  bool is_ready = true;
  std::string blocked_by;
  for (const auto& need : task_of(row).needs) {
    const TaskRun* upstream = find(need);
    if (upstream == nullptr || upstream->state == TaskState::kSucceeded) continue;
    is_ready = false;
    if (is_final(upstream->state)) blocked_by = need;
  }
  if (!blocked_by.empty()) {
    row.error_text = fmt::format("task '{}' did not succeed", blocked_by);
    return move(row, TaskState::kSkipped);
  }
  if (is_ready) return move(row, TaskState::kReady);
  return {};
}

Status TaskDriver::start(TaskRun& row, std::vector<std::jthread>& workers, Cancel& cancel) {
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

void TaskDriver::work(TaskRun row, Cancel& cancel) {
  const model::Task& task = task_of(row);
  auto settings = task_settings(pinned_.configuration, flow_, task);
  if (!settings) {
    finish(std::move(row), std::unexpected(settings.error()), {}, cancel);
    return;
  }
  auto end =
      run_within_timeout({&services_, &pinned_, &run_, &flow_, &task, *settings}, row, cancel);
  finish(std::move(row), std::move(end), *settings, cancel);
}

int64_t TaskDriver::tries(const TaskRun& row) const {
  return row.attempt - attempts_before_.at(row.task_id);
}

void TaskDriver::finish(TaskRun row, Result<TaskState> end, const TaskSettings& settings,
                        const Cancel& cancel) {
  const std::lock_guard lock(mutex_);
  TaskState to = TaskState::kFailed;
  if (end) {
    to = *end;
  } else {
    note_error(row, end.error());
    const bool is_tried_again =
        is_retried(end.error().code) && tries(row) <= settings.retries && !cancel.is_cancelled();
    if (end.error().code == ErrorCode::kCancelled) to = TaskState::kCancelled;
    if (is_tried_again) {
      to = TaskState::kReady;
      row.not_before_us = services_.clock->now_us() + delay_ms(settings, tries(row)) * 1000;
    }
    static_cast<void>(services_.catalog->add_log(row.run_id, row.task_id, row.attempt,
                                                 is_tried_again ? "warning" : "error",
                                                 to_line(end.error())));
  }
  // The stored row is in state running with this attempt.
  row.state = TaskState::kRunning;
  const auto moved = move(row, to);
  if (!moved) fault_ = moved.error();
  *find(row.task_id) = row;
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

}  // namespace weir::orchestrate
