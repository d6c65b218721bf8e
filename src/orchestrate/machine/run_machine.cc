#include "orchestrate/machine/run_machine.h"

#include <algorithm>
#include <limits>

#include "orchestrate/machine/transitions.h"
#include "orchestrate/runner/run_rows.h"

namespace weir::orchestrate {
namespace {

using catalog::TaskMove;
using catalog::TaskRun;
using catalog::TaskState;

/// Doubles with each try, up to an hour or what the first wait is; a quarter more at most, so that
/// those who failed together do not come back together.
int64_t delay_ms(const TaskSettings& settings, int64_t tries, Random& random) {
  const int64_t longest_ms = std::max<int64_t>(3'600'000, settings.retry_delay_ms);
  int64_t delay_ms = settings.retry_delay_ms;
  for (int64_t i = 1; i < tries && delay_ms < longest_ms; ++i) delay_ms *= 2;
  delay_ms = std::min(delay_ms, longest_ms);
  return delay_ms + delay_ms / 4 * random.bytes16()[0] / 255;
}

Status change(TaskRun& row, TaskEvent event, int64_t now_us) {
  WEIR_ASSIGN(row.state, next_state(row.state, event));
  if (is_final(row.state)) row.finished_at_us = now_us;
  return {};
}

}  // namespace

bool may_pass(ErrorCode code) { return is_retried(code); }

Status end_attempt(TaskRun& row, const Result<TaskState>& end, const AttemptEnd& how,
                   Random& random) {
  if (end)
    return change(row, *end == TaskState::kHeld ? TaskEvent::kHold : TaskEvent::kSucceed,
                  how.now_us);
  note_error(row, end.error());
  if (end.error().code == ErrorCode::kCancelled) return change(row, TaskEvent::kStop, how.now_us);
  const int64_t tries = row.attempt - row.tries_before;
  const bool is_tried_again = !how.is_last && !how.is_stopping && may_pass(end.error().code) &&
                              tries <= how.settings->retries;
  if (!is_tried_again) return change(row, TaskEvent::kFail, how.now_us);
  WEIR_TRY(change(row, TaskEvent::kTryAgain, how.now_us));
  row.not_before_us = how.now_us + delay_ms(*how.settings, tries, random) * 1000;
  return {};
}

NeedsNow look_at_needs(model::RunIf run_if, const std::vector<Need>& needs) {
  using model::RunIf;
  if (needs.empty() && run_if != RunIf::kNever) return {Needs::kMet, ""};
  const auto first = [&](auto&& is_so) -> const Need* {
    const auto found = std::ranges::find_if(needs, is_so);
    return found == needs.end() ? nullptr : &*found;
  };
  const Need* open = first([](const Need& need) { return !is_final(need.state); });
  const Need* succeeded =
      first([](const Need& need) { return need.state == TaskState::kSucceeded; });
  const Need* failed = first([](const Need& need) { return need.state == TaskState::kFailed; });
  const auto unless_open = [&](std::string because) -> NeedsNow {
    if (open != nullptr) return {};
    return {Needs::kUnmet, std::move(because)};
  };
  switch (run_if) {
    case RunIf::kAllSucceeded: {
      const Need* other = first([](const Need& need) {
        return is_final(need.state) && need.state != TaskState::kSucceeded;
      });
      if (other != nullptr)
        return {Needs::kUnmet, fmt::format("task '{}' did not succeed", *other->task_id)};
      break;
    }
    case RunIf::kAllDone: break;
    case RunIf::kNoneFailed: {
      const Need* bad = first([](const Need& need) {
        return is_final(need.state) && need.state != TaskState::kSucceeded &&
               need.state != TaskState::kSkipped;
      });
      if (bad != nullptr)
        return {Needs::kUnmet, fmt::format("task '{}' is {}", *bad->task_id, to_text(bad->state))};
      break;
    }
    case RunIf::kAnySucceeded:
      if (succeeded != nullptr) return {Needs::kMet, ""};
      return unless_open("none of the tasks it needs succeeded");
    case RunIf::kAnyFailed:
      if (failed != nullptr) return {Needs::kMet, ""};
      return unless_open("none of the tasks it needs failed");
    case RunIf::kNever: return unless_open("there is nothing to do for it");
  }
  return {open == nullptr ? Needs::kMet : Needs::kOpen, ""};
}

RunMachine::RunMachine(const model::Flow& flow, std::vector<TaskRun> rows)
    : rows_(std::move(rows)) {
  std::map<std::string_view, const model::Task*> tasks;
  for (const auto& task : flow.tasks) tasks[task.task_id] = &task;
  for (size_t i = 0; i < rows_.size(); ++i) places_[rows_[i].task_id] = i;
  for (const auto& row : rows_) {
    const auto found = tasks.find(row.task_id);
    const model::Task* task = found == tasks.end() ? nullptr : found->second;
    tasks_.push_back(task);
    auto& places = needs_.emplace_back();
    if (task == nullptr) continue;
    for (const auto& need : task->needs)
      if (const auto place = places_.find(need); place != places_.end())
        places.push_back(place->second);
  }
}

Result<std::vector<TaskMove>> RunMachine::settle(bool is_stopping, int64_t now_us) const {
  std::vector<TaskState> states;
  states.reserve(rows_.size());
  for (const auto& row : rows_) states.push_back(row.state);
  std::vector<TaskMove> moves;
  // A task that is skipped settles those that need it: until nothing moves.
  for (bool has_changed = true; has_changed;) {
    has_changed = false;
    for (size_t i = 0; i < rows_.size(); ++i) {
      const bool may_wait = states[i] == TaskState::kWaiting;
      if (!may_wait && !(is_stopping && states[i] == TaskState::kReady)) continue;
      TaskEvent event = TaskEvent::kStop;
      std::string because;
      if (!is_stopping) {
        if (tasks_[i] == nullptr)
          return fail(ErrorCode::kInternal, "task '{}' of run {} is not in its flow",
                      rows_[i].task_id, rows_[i].run_id);
        std::vector<Need> needs;
        for (const size_t place : needs_[i])
          needs.push_back({&rows_[place].task_id, states[place]});
        const NeedsNow look = look_at_needs(tasks_[i]->run_if, needs);
        if (look.now == Needs::kOpen) continue;
        event = look.now == Needs::kMet ? TaskEvent::kNeedsMet : TaskEvent::kNeedsUnmet;
        because = look.because;
      }
      TaskRun row = rows_[i];
      if (!because.empty()) row.error_text = because;
      WEIR_TRY(change(row, event, now_us));
      states[i] = row.state;
      moves.push_back({std::move(row), key_of(rows_[i])});
      has_changed = true;
    }
  }
  return moves;
}

std::vector<const TaskRun*> RunMachine::due(int64_t now_us) const {
  std::vector<const TaskRun*> due;
  for (const auto& row : rows_)
    if (row.state == TaskState::kReady && row.not_before_us <= now_us) due.push_back(&row);
  return due;
}

int64_t RunMachine::next_due_us(int64_t now_us) const {
  int64_t next_us = std::numeric_limits<int64_t>::max();
  for (const auto& row : rows_)
    if (row.state == TaskState::kReady && row.not_before_us > now_us)
      next_us = std::min(next_us, row.not_before_us);
  return next_us;
}

bool RunMachine::is_done() const {
  return std::ranges::all_of(rows_, [](const TaskRun& row) { return is_final(row.state); });
}

void RunMachine::put(const TaskRun& row) {
  if (const auto place = places_.find(row.task_id); place != places_.end())
    rows_[place->second] = row;
}

const TaskRun* RunMachine::find(const std::string& task_id) const {
  const auto place = places_.find(task_id);
  return place == places_.end() ? nullptr : &rows_[place->second];
}

const model::Task* RunMachine::task_of(const std::string& task_id) const {
  const auto place = places_.find(task_id);
  return place == places_.end() ? nullptr : tasks_[place->second];
}

}  // namespace weir::orchestrate
