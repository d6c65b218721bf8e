#include <algorithm>
#include <optional>

#include <fmt/ranges.h>

#include "base/nearest.h"
#include "model/task_id.h"
#include "orchestrate/courier.h"
#include "orchestrate/lineage.h"
#include "orchestrate/machine/run_machine.h"
#include "orchestrate/run_values.h"
#include "orchestrate/runner.h"
#include "orchestrate/runner/dead_runs.h"
#include "orchestrate/runner/execute_task.h"
#include "orchestrate/runner/run_lease.h"
#include "orchestrate/runner/run_rows.h"

namespace weir::orchestrate {
namespace {

using catalog::FlowRun;
using catalog::RunState;
using catalog::TaskRun;
using catalog::TaskState;

/// What a task needs has ended in this run as its run_if asks. kConflict names what has not.
Status check_needs(const model::Task& task, const std::vector<TaskRun>& rows) {
  std::vector<Need> needs;
  for (const auto& need : task.needs) {
    const auto upstream = std::ranges::find(rows, need, &TaskRun::task_id);
    if (upstream != rows.end()) needs.push_back({&upstream->task_id, upstream->state});
  }
  const NeedsNow look = look_at_needs(task.run_if, needs);
  if (look.now == Needs::kMet) return {};
  std::string because = look.because;
  for (const Need& need : needs) {
    const bool is_open = task.run_if == model::RunIf::kAllSucceeded
                             ? need.state != TaskState::kSucceeded
                             : !is_final(need.state);
    if (!is_open) continue;
    because = fmt::format("task '{}' needs '{}', which is {}", task.task_id, *need.task_id,
                          to_text(need.state));
    break;
  }
  return fail_with_hint(ErrorCode::kConflict, because, "run that one first, with the same run key");
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

/// kConflict where a living process drives the whole run.
Status check_driver(const Services& services, const FlowRun& run) {
  std::string driver = catalog::run_lease(run.run_id);
  if (run.is_served) driver = std::string(catalog::kServerLease) + run.server_id;
  WEIR_ASSIGN(const bool is_driven, services.catalog->is_lease_alive(driver));
  if (is_driven) return is_taken(services, run.run_id, driver);
  return {};
}

/// The run says running, whatever it said before; as it stands then. kCancelled where it was asked
/// to stop.
Result<FlowRun> open_run(const Services& services, const model::Configuration& configuration,
                         const FlowRun& run) {
  if (run.cancel_requested) {
    return fail_with_hint(ErrorCode::kCancelled,
                          fmt::format("run {} of flow '{}' was cancelled", run.run_id, run.flow_id),
                          fmt::format("`weir retry {}` goes on with it", run.run_id));
  }
  if (run.state == RunState::kRunning) return run;
  FlowRun started = run;
  started.started_at_us = services.clock->now_us();
  const auto moved = services.catalog->move_run(key_of(run), RunState::kRunning, "", "",
                                                lineage_of_start(services, configuration, started),
                                                started.started_at_us);
  if (!moved && moved.error().code != ErrorCode::kConflict) return std::unexpected(moved.error());
  WEIR_ASSIGN(FlowRun now, services.catalog->flow_run(run.run_id));
  // Another of its tasks may have opened it at the same time; who drives the whole has a new epoch.
  now.epoch = run.epoch;
  return now;
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
  WEIR_TRY(give_values(*of.flow, request.params, run));
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

}  // namespace

Result<TaskRun> run_task(const Services& services, const Pin& pin, const TaskRequest& request,
                         Cancel& cancel) {
  TaskOfRun of;
  WEIR_TRY(find_or_start(services, pin, request, of));
  const std::string& run_id = of.run.run_id;
  // Of a run that a server drives the server tells.
  std::optional<Courier> courier;
  if (!request.driver_epoch) courier.emplace(services, of.pinned.configuration, run_id);
  if (request.driver_epoch) {
    if (of.run.epoch != *request.driver_epoch)
      return fail(ErrorCode::kConflict, "run {} is driven by another (epoch {}, not {})", run_id,
                  of.run.epoch, *request.driver_epoch);
  } else {
    // Before the look at its driver: whoever comes to drive it later raises the epoch.
    WEIR_ASSIGN(of.run, services.catalog->flow_run(run_id));
    WEIR_TRY(check_driver(services, of.run));
  }
  WEIR_ASSIGN(TaskRun row, services.catalog->task_run(run_id, request.task_id));
  if (row.state == TaskState::kSucceeded) return row;
  if (request.driver_epoch && row.state != TaskState::kReady)
    return fail(ErrorCode::kConflict, "task '{}' of run {} is {}, not ready any more",
                request.task_id, run_id, to_text(row.state));
  if (request.driver_epoch && row.not_before_us > services.clock->now_us())
    return fail(ErrorCode::kConflict, "the time of task '{}' of run {} has not come",
                request.task_id, run_id);
  if (!request.driver_epoch) {
    WEIR_ASSIGN(const auto rows, services.catalog->task_runs(run_id));
    WEIR_TRY(check_needs(*of.task, rows));
    // What is wrong with them leaves the row as it is.
    WEIR_TRY(task_settings(of.pinned.configuration, *of.flow, *of.task));
    WEIR_ASSIGN(of.run, open_run(services, of.pinned.configuration, of.run));
  }
  TaskToRun what{.pinned = &of.pinned,
                 .run = &of.run,
                 .flow = of.flow,
                 .task = of.task,
                 .row = std::move(row),
                 .attempt = request.attempt,
                 .is_last = !request.driver_epoch};
  WEIR_ASSIGN(auto end, execute_task(services, what, cancel));
  if (end.how == TaskEnd::How::kTaken)
    return is_taken(services, run_id, catalog::task_lease(run_id, request.task_id));
  if (end.how == TaskEnd::How::kNoSlot)
    return fail_with_hint(ErrorCode::kResourceExhausted,
                          fmt::format("pool '{}' has no slot left", of.task->pool),
                          "a later attempt finds one");
  if (!request.driver_epoch) WEIR_TRY(end_run_if_done(services, of.pinned.configuration, run_id));
  if (end.error) return std::unexpected(std::move(*end.error));
  return std::move(end.row);
}

}  // namespace weir::orchestrate
