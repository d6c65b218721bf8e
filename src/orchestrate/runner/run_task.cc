#include <algorithm>

#include "base/nearest.h"
#include "orchestrate/attempt.h"
#include "orchestrate/runner.h"
#include "orchestrate/runner/run_lease.h"
#include "orchestrate/runner/run_rows.h"

namespace weir::orchestrate {
namespace {

using catalog::FlowRun;
using catalog::RunState;
using catalog::TaskRun;
using catalog::TaskState;

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
