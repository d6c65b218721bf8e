#include "orchestrate/runner/reopen.h"

#include <algorithm>

#include "orchestrate/machine/transitions.h"
#include "orchestrate/runner/run_lease.h"
#include "orchestrate/runner/run_rows.h"

namespace weir::orchestrate {
namespace {

using catalog::FlowRun;
using catalog::TaskMove;
using catalog::TaskRun;
using catalog::TaskState;

/// Another configuration may have lost tasks, or got some.
struct Changed {
  std::vector<TaskRun> added;
};
Result<Changed> fit_to_flow(const model::Flow& flow, const FlowRun& run,
                            const std::vector<TaskRun>& rows, std::vector<TaskMove>& moves) {
  for (TaskMove& move : moves) {
    const auto is_there = std::ranges::find(flow.tasks, move.next.task_id, &model::Task::task_id);
    if (is_there != flow.tasks.end()) continue;
    WEIR_ASSIGN(move.next.state, next_state(TaskState::kWaiting, TaskEvent::kNeedsUnmet));
    move.next.error_text = "the flow has this task no more";
  }
  Changed changed;
  for (TaskRun& row : new_rows(flow, run.run_id))
    if (std::ranges::find(rows, row.task_id, &TaskRun::task_id) == rows.end())
      changed.added.push_back(std::move(row));
  return changed;
}

}  // namespace

Result<FlowRun> reopen(const Services& services, const Pinned& pinned, const model::Flow& flow,
                       const RetryRequest& request, bool is_served) {
  WEIR_ASSIGN(const FlowRun run, services.catalog->flow_run(request.run_id));
  const bool is_other = run.config_hash != pinned.hash;
  if (is_other && !request.may_change_configuration)
    return fail_with_hint(
        ErrorCode::kConflict,
        fmt::format("run {} has started with another configuration than this one", run.run_id),
        fmt::format("`weir retry {}` goes on with its own", run.run_id));
  WEIR_ASSIGN(const auto rows, services.catalog->task_runs(run.run_id));
  WEIR_ASSIGN(auto moves, reset_moves(flow, rows, {request.from_task, is_other}));
  FlowRun next = run;
  next.is_served = is_served;
  next.server_id.clear();
  next.config_hash = pinned.hash;
  Changed changed;
  if (is_other) {
    WEIR_ASSIGN(changed, fit_to_flow(flow, run, rows, moves));
  }
  return services.catalog->reopen_run(key_of(run), next, moves, changed.added);
}

Status check_no_server(const Services& services, const FlowRun& run) {
  if (!run.is_served || is_final(run.state) || run.server_id.empty()) return {};
  const std::string server = std::string(catalog::kServerLease) + run.server_id;
  WEIR_ASSIGN(const bool is_driven, services.catalog->is_lease_alive(server));
  if (is_driven) return is_taken(services, run.run_id, server);
  return {};
}

}  // namespace weir::orchestrate
