#include <algorithm>

#include <fmt/ranges.h>

#include "base/nearest.h"
#include "model/task_id.h"
#include "orchestrate/courier.h"
#include "orchestrate/notices.h"
#include "orchestrate/runner.h"
#include "orchestrate/runner/dead_runs.h"
#include "orchestrate/runner/deadline.h"
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
Status end_run_if_done(const Services& services, const model::Configuration& configuration,
                       const std::string& run_id) {
  WEIR_ASSIGN(const auto run, services.catalog->flow_run(run_id));
  if (run.cancel_requested) return end_if_dead(services, configuration, run);
  WEIR_ASSIGN(const auto rows, services.catalog->task_runs(run_id));
  const bool is_done =
      std::ranges::all_of(rows, [](const TaskRun& row) { return is_final(row.state); });
  if (!is_done) return {};
  const auto moved = end_run(services, configuration, run_id, rows);
  if (!moved && moved.error().code != ErrorCode::kConflict) return moved;
  return {};
}

/// The run says running, whatever it said before. kCancelled where it was asked to stop.
Status open_run(const Services& services, const std::string& run_id) {
  WEIR_ASSIGN(const auto run, services.catalog->flow_run(run_id));
  if (run.cancel_requested) {
    return fail_with_hint(ErrorCode::kCancelled,
                          fmt::format("run {} of flow '{}' was cancelled", run_id, run.flow_id),
                          fmt::format("`weir retry {}` goes on with it", run_id));
  }
  if (run.state == RunState::kRunning) return {};
  const auto moved = services.catalog->move_run(run_id, run.state, RunState::kRunning, "", "");
  if (!moved && moved.error().code != ErrorCode::kConflict) return moved;
  return {};
}

/// The run of the request, made where it is not there yet, and its configuration.
struct TaskOfRun {
  FlowRun run;
  Pinned pinned;
  const model::Flow* flow = nullptr;
  const model::Task* task = nullptr;
};

using Pin = std::function<Result<Pinned>(const std::string& hash)>;

Status find_task(const TaskRequest& request, TaskOfRun& of) {
  WEIR_ASSIGN(of.flow, find_flow(of.pinned, request.flow_id));
  const auto task = std::ranges::find(of.flow->tasks, request.task_id, &model::Task::task_id);
  if (task == of.flow->tasks.end()) {
    std::vector<std::string> names;
    std::vector<std::string> of_list;
    for (const auto& each : of.flow->tasks) {
      names.push_back(each.task_id);
      if (model::without_value(each.task_id) == request.task_id) of_list.push_back(each.task_id);
    }
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("flow '{}' has no task '{}'", request.flow_id, request.task_id),
        of_list.empty()
            ? did_you_mean(request.task_id, names)
            : fmt::format("it is one task for each value: {}", fmt::join(of_list, ", ")));
  }
  of.task = &*task;
  return {};
}

Status find_or_start(const Services& services, const Pin& pin, const TaskRequest& request,
                     TaskOfRun& of) {
  WEIR_ASSIGN(const auto known, services.catalog->find_run(request.flow_id, request.run_key));
  WEIR_ASSIGN(of.pinned, pin(known ? known->config_hash : ""));
  WEIR_TRY(find_task(request, of));
  if (known) {
    of.run = *known;
    return {};
  }
  FlowRun run =
      new_run(services, of.pinned, request.flow_id, request.run_key, std::string(kTaskTrigger));
  run.params = request.params;
  WEIR_ASSIGN(const auto started, services.catalog->start_run(run, new_rows(*of.flow, run.run_id)));
  of.run = started.run;
  if (started.is_new) {
    WEIR_TRY(tell_warnings(services, of.pinned, of.run.run_id));
  }
  // Somebody else was faster, with another configuration: that one holds.
  if (of.run.config_hash == of.pinned.hash) return {};
  WEIR_ASSIGN(of.pinned, pin(of.run.config_hash));
  return find_task(request, of);
}

/// The row says running, as one attempt more.
Status begin(const Services& services, const RunLease& lease, int64_t attempt, TaskRun& row) {
  const catalog::Catalog::TaskKey expected{row.state, row.attempt, row.epoch};
  row.state = TaskState::kRunning;
  row.attempt = std::max(row.attempt + 1, attempt);
  row.epoch = lease.epoch();
  row.started_at_us = services.clock->now_us();
  row.finished_at_us = 0;
  row.counts = {};
  row.operations = Json::array();
  clear_error(row);
  return services.catalog->move_task(row, expected);
}

}  // namespace

Result<TaskRun> run_task(const Services& services, const Pin& pin, const TaskRequest& request,
                         Cancel& cancel) {
  TaskOfRun of;
  WEIR_TRY(find_or_start(services, pin, request, of));
  const std::string& run_id = of.run.run_id;
  // One process a task; a dead one's lease is free at once.
  WEIR_ASSIGN(auto lease, RunLease::take_task(services, run_id, request.task_id, cancel));
  WEIR_ASSIGN(const auto rows, services.catalog->task_runs(run_id));
  TaskRun row = *std::ranges::find(rows, request.task_id, &TaskRun::task_id);
  if (row.state == TaskState::kSucceeded) return row;
  WEIR_TRY(check_needs(*of.task, rows));
  WEIR_ASSIGN(const TaskSettings settings,
              task_settings(of.pinned.configuration, *of.flow, *of.task));
  const Courier courier(services, of.pinned.configuration, run_id);
  WEIR_TRY(open_run(services, run_id));
  WEIR_TRY(begin(services, *lease, request.attempt, row));
  auto end =
      run_within_timeout({&services, &of.pinned, &of.run, of.flow, of.task, settings}, row, cancel);
  row.state = end                                         ? *end
              : end.error().code == ErrorCode::kCancelled ? TaskState::kCancelled
                                                          : TaskState::kFailed;
  if (!end) {
    note_error(row, end.error());
    static_cast<void>(services.catalog->add_log(row.run_id, row.task_id, row.attempt, "error",
                                                to_line(end.error())));
  }
  row.finished_at_us = services.clock->now_us();
  catalog::Notices notices;
  if (row.state == TaskState::kHeld)
    notices = notices_of_hold(services, of.pinned.configuration, of.run, row);
  WEIR_TRY(
      services.catalog->move_task(row, {TaskState::kRunning, row.attempt, row.epoch}, notices));
  lease.reset();
  WEIR_TRY(end_run_if_done(services, of.pinned.configuration, run_id));
  if (!end) return std::unexpected(std::move(end).error());
  return row;
}

}  // namespace weir::orchestrate
