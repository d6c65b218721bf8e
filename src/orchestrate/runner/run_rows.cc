#include "orchestrate/runner/run_rows.h"

#include <algorithm>
#include <set>

#include "base/nearest.h"
#include "base/redact.h"
#include "model/task_id.h"
#include "orchestrate/machine/transitions.h"
#include "orchestrate/notices.h"
#include "orchestrate/task_order.h"

namespace weir::orchestrate {

using catalog::FlowRun;
using catalog::RunState;
using catalog::TaskRun;
using catalog::TaskState;

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

std::vector<TaskRun> new_rows(const model::Flow& flow, const std::string& run_id) {
  std::vector<TaskRun> rows;
  for (const model::Task* task : in_order_of_needs(flow)) {
    TaskRun row;
    row.run_id = run_id;
    row.task_id = task->task_id;
    row.template_id = task->template_id;
    row.position = std::ssize(rows);
    row.engine = task->engine;
    row.pool = task->pool;
    rows.push_back(std::move(row));
  }
  return rows;
}

Status tell_warnings(const Services& services, const Pinned& pinned, const std::string& run_id) {
  for (const auto& [task_id, message] : pinned.warnings) {
    services.tell({"warning", run_id, task_id, {{"message", message}}});
    WEIR_TRY(services.catalog->add_log(run_id, task_id, 0, "warning", message));
  }
  return {};
}

void note_error(TaskRun& row, const Error& error) {
  row.error_code = std::string(to_text(error.code));
  Error told = without_secrets(error);
  row.error_hint = std::move(told.hint);  // it has a column of its own
  told.hint.clear();
  row.error_text = to_line(told);
}

void clear_error(TaskRun& row) {
  row.error_code.clear();
  row.error_text.clear();
  row.error_hint.clear();
  row.held_reason.clear();
}

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

Status end_run(const Services& services, const model::Configuration& configuration,
               const std::string& run_id, const std::vector<TaskRun>& rows) {
  WEIR_ASSIGN(FlowRun run, services.catalog->flow_run(run_id));
  const Verdict verdict = judge(rows);
  run.error_code = verdict.error_code;
  run.error_text = verdict.error_text;
  return services.catalog->move_run(
      {run_id, RunState::kRunning, run.epoch}, verdict.state, verdict.error_code,
      verdict.error_text, notices_of_end(services, configuration, run, verdict.state, rows));
}

Result<RunReport> report(const Services& services, const std::string& run_id) {
  RunReport made;
  WEIR_ASSIGN(made.run, services.catalog->flow_run(run_id));
  WEIR_ASSIGN(made.tasks, services.catalog->task_runs(run_id));
  return made;
}

namespace {

/// What needs one of them, and what needs that.
std::set<std::string> with_what_needs_it(const model::Flow& flow, std::set<std::string> found) {
  for (const model::Task* task : in_order_of_needs(flow))
    if (std::ranges::any_of(task->needs, [&](const auto& need) { return found.contains(need); }))
      found.insert(task->task_id);
  return found;
}

}  // namespace

Result<std::vector<catalog::TaskMove>> reset_moves(const model::Flow& flow,
                                                   const std::vector<TaskRun>& rows,
                                                   const Reset& reset) {
  std::set<std::string> again;
  if (!reset.from_task.empty()) {
    std::vector<std::string> names;
    for (const auto& task : flow.tasks) names.push_back(task.task_id);
    // The name of a task with for_each stands for those of all its values.
    std::set<std::string> meant;
    for (const auto& name : names)
      if (name == reset.from_task || model::without_value(name) == reset.from_task)
        meant.insert(name);
    if (meant.empty())
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("flow '{}' has no task '{}'", flow.flow_id, reset.from_task),
          did_you_mean(reset.from_task, names));
    again = with_what_needs_it(flow, std::move(meant));
  }
  std::vector<catalog::TaskMove> moves;
  for (const TaskRun& row : rows) {
    const bool stays = row.state == TaskState::kSucceeded && !again.contains(row.task_id);
    if (stays) continue;
    TaskRun next = row;
    if (row.state != TaskState::kWaiting) {
      WEIR_ASSIGN(next.state, next_state(row.state, TaskEvent::kReset));
    }
    next.not_before_us = 0;
    next.finished_at_us = 0;
    next.counts = {};
    next.operations = Json::array();
    next.tries_before = row.attempt;
    if (reset.is_other_configuration) next.pinned = Json();
    clear_error(next);
    moves.push_back({std::move(next), key_of(row)});
  }
  return moves;
}

}  // namespace weir::orchestrate
