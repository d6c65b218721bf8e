#include "orchestrate/runner/run_driver.h"

#include <algorithm>
#include <limits>

#include "orchestrate/lineage.h"
#include "orchestrate/machine/transitions.h"
#include "orchestrate/notices.h"
#include "orchestrate/runner/run_rows.h"

namespace weir::orchestrate {
namespace {

using catalog::TaskRun;
using catalog::TaskState;

constexpr int64_t kAgainUs = 500'000;   ///< When a task that did not begin is launched again.
constexpr int64_t kLookUs = 1'000'000;  ///< How often the tasks of others are looked at.
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

}  // namespace

RunDriver::RunDriver(const Services& services, std::shared_ptr<const Pinned> pinned,
                     const model::Flow& flow, catalog::FlowRun run, std::vector<TaskRun> rows)
    : services_(services),
      pinned_(std::move(pinned)),
      flow_(&flow),
      run_(std::move(run)),
      machine_(flow, std::move(rows)) {}

Result<std::unique_ptr<RunDriver>> RunDriver::open(const Services& services,
                                                   std::shared_ptr<const Pinned> pinned,
                                                   catalog::FlowRun run) {
  WEIR_ASSIGN(const model::Flow* flow, find_flow(*pinned, run.flow_id));
  WEIR_ASSIGN(auto rows, services.catalog->task_runs(run.run_id));
  return std::unique_ptr<RunDriver>(
      new RunDriver(services, std::move(pinned), *flow, std::move(run), std::move(rows)));
}

Result<RunDriver::Now> RunDriver::step(Executor& executor, const Wish& wish) {
  const bool is_stopping = !wish.stopping.empty();
  if (is_stopping && !has_asked_to_stop_ && !launched_.empty())
    executor.cancel(run_.run_id, wish.stopping);
  has_asked_to_stop_ = is_stopping;
  const auto work = [&]() -> Status {
    WEIR_TRY(settle(is_stopping));
    WEIR_TRY(look_after_strangers());
    next_us_ = next_look_us_ == 0 ? kNever : next_look_us_;
    lacks_room_ = false;
    if (!is_stopping && wish.may_launch) WEIR_TRY(launch(executor));
    return {};
  };
  const Status worked = work();
  if (!worked && worked.error().code != ErrorCode::kConflict)
    return std::unexpected(worked.error());
  if (!worked) return read_again();
  if (machine_.is_done() && launched_.empty()) return end(is_stopping);
  return Now::kGoesOn;
}

Status RunDriver::settle(bool is_stopping) {
  WEIR_ASSIGN(const auto moves, machine_.settle(is_stopping, services_.clock->now_us()));
  if (moves.empty()) return {};
  WEIR_TRY(services_.catalog->move_tasks(key_of(run_), moves));
  for (const auto& move : moves) machine_.put(move.next);
  return {};
}

Status RunDriver::launch(Executor& executor) {
  const int64_t now_us = services_.clock->now_us();
  next_us_ = std::min(next_us_, machine_.next_due_us(now_us));
  for (const TaskRun* row : machine_.due(now_us)) {
    if (launched_.contains(row->task_id)) continue;
    if (const auto wait = not_before_us_.find(row->task_id); wait != not_before_us_.end()) {
      if (wait->second > now_us) {
        next_us_ = std::min(next_us_, wait->second);
        continue;
      }
      not_before_us_.erase(wait);
    }
    if (executor.room() <= 0) {
      lacks_room_ = true;
      break;
    }
    launched_[row->task_id] = row->attempt;
    executor.start({run_, *row, pinned_});
  }
  return {};
}

Status RunDriver::look_after_strangers() {
  const auto is_stranger = [&](const TaskRun& row) {
    return row.state == TaskState::kRunning && !launched_.contains(row.task_id);
  };
  if (std::ranges::none_of(machine_.rows(), is_stranger)) {
    next_look_us_ = 0;
    return {};
  }
  const int64_t now_us = services_.clock->now_us();
  if (next_look_us_ > now_us) return {};
  next_look_us_ = now_us + kLookUs;
  WEIR_ASSIGN(const auto stored, services_.catalog->task_runs(run_.run_id));
  for (const TaskRun& row : stored) {
    machine_.put(row);
    if (!is_stranger(row)) continue;
    WEIR_ASSIGN(const bool is_alive,
                services_.catalog->is_lease_alive(catalog::task_lease(row.run_id, row.task_id)));
    if (!is_alive) WEIR_TRY(end_lost(row, lost_[row.task_id]));
  }
  return {};
}

Status RunDriver::end_lost(const TaskRun& row, const TaskExit& exit) {
  const model::Task* task = machine_.task_of(row.task_id);
  if (task == nullptr)
    return fail(ErrorCode::kInternal, "task '{}' is not in its flow", row.task_id);
  auto settings = task_settings(pinned_->configuration, *flow_, *task);
  const TaskSettings none;
  TaskRun next = row;
  Error gone = exit.error.value_or(Error());
  if (!exit.error || exit.error->code == ErrorCode::kCancelled)
    gone = fail(ErrorCode::kUnavailable, "the process that ran it is gone").error();
  const std::string why = to_line(gone);
  if (has_asked_to_stop_)
    gone = fail(ErrorCode::kCancelled, "cancelled by request; {}", gone.message).error();
  next.cpu_ms = exit.usage.cpu_ms;
  next.peak_memory_bytes = exit.usage.peak_memory_bytes;
  WEIR_TRY(end_attempt(next, std::unexpected(gone),
                       {.settings = settings ? &*settings : &none,
                        .is_stopping = has_asked_to_stop_,
                        .is_last = false,
                        .now_us = services_.clock->now_us()},
                       *services_.random));
  WEIR_TRY(services_.catalog->move_tasks(
      key_of(run_), {{next, key_of(row)}},
      lineage_of_end(services_, pinned_->configuration, run_, next, key_of(row))));
  static_cast<void>(
      services_.catalog->add_log(row.run_id, row.task_id, row.attempt,
                                 next.state == TaskState::kReady ? "warning" : "error", why));
  machine_.put(next);
  lost_.erase(row.task_id);
  tell_end(next);
  return {};
}

void RunDriver::tell_end(const TaskRun& row) const {
  if (services_.on_attempt_end) services_.on_attempt_end(run_.flow_id, row);
}

Status RunDriver::take(const TaskExit& exit) {
  WEIR_ASSIGN(const TaskRun row, services_.catalog->task_run(exit.run_id, exit.task_id));
  machine_.put(row);
  const auto launch = launched_.find(exit.task_id);
  const int64_t attempt_before = launch == launched_.end() ? -1 : launch->second;
  if (launch != launched_.end()) launched_.erase(launch);
  switch (exit.how) {
    case TaskExit::How::kDone:
      // A process that did not begin ends like one that did: only the row tells them apart.
      if (row.state != TaskState::kReady || row.attempt != attempt_before) {
        tell_end(row);
        return {};
      }
      if (exit.error) return refuse(row, *exit.error);
      not_before_us_[exit.task_id] = services_.clock->now_us() + kAgainUs;
      return {};
    case TaskExit::How::kNoSlot:
    case TaskExit::How::kTaken:
      not_before_us_[exit.task_id] = services_.clock->now_us() + kAgainUs;
      return {};
    case TaskExit::How::kRefused: return refuse(row, *exit.error);
    case TaskExit::How::kLost: break;
  }
  if (exit.error && exit.error->code != ErrorCode::kConflict)
    services_.log->warning("task '{}' of run {}: {}", exit.task_id, exit.run_id,
                           to_line(*exit.error));
  // Nothing began: it is launched again, unless that would end in the same way. Else the lease says
  // when its process is gone.
  if (row.state == TaskState::kReady && exit.is_over_limit) return refuse(row, *exit.error);
  if (row.state == TaskState::kReady)
    not_before_us_[exit.task_id] = services_.clock->now_us() + kAgainUs;
  if (row.state == TaskState::kRunning) lost_[exit.task_id] = exit;
  next_look_us_ = 0;
  return {};
}

Status RunDriver::refuse(const TaskRun& row, const Error& error) {
  if (row.state != TaskState::kReady) return {};
  TaskRun next = row;
  note_error(next, error);
  WEIR_ASSIGN(next.state, next_state(row.state, TaskEvent::kFail));
  next.finished_at_us = services_.clock->now_us();
  const Status moved = services_.catalog->move_tasks(key_of(run_), {{next, key_of(row)}});
  if (moved) machine_.put(next);
  if (!moved && moved.error().code != ErrorCode::kConflict) return moved;
  return {};
}

Result<RunDriver::Now> RunDriver::end(bool is_stopping) {
  Verdict verdict = judge(machine_.rows());
  // A run without tasks that was asked to stop.
  if (is_stopping && verdict.state == catalog::RunState::kSucceeded && machine_.rows().empty())
    verdict.state = catalog::RunState::kCancelled;
  catalog::FlowRun ended = run_;
  ended.error_code = verdict.error_code;
  ended.error_text = verdict.error_text;
  const Status moved = services_.catalog->move_run(
      key_of(run_), verdict.state, verdict.error_code, verdict.error_text,
      notices_of_end(services_, pinned_->configuration, ended, verdict.state, machine_.rows()));
  if (!moved && moved.error().code == ErrorCode::kConflict) return read_again();
  if (!moved) return std::unexpected(moved.error());
  run_.state = verdict.state;
  return Now::kEnded;
}

Result<RunDriver::Now> RunDriver::read_again() {
  WEIR_ASSIGN(const catalog::FlowRun stored, services_.catalog->flow_run(run_.run_id));
  if (stored.epoch != run_.epoch || stored.state != run_.state) return Now::kLost;
  WEIR_ASSIGN(const auto rows, services_.catalog->task_runs(run_.run_id));
  for (const TaskRun& row : rows) machine_.put(row);
  next_us_ = services_.clock->now_us();
  return Now::kGoesOn;
}

}  // namespace weir::orchestrate
