#include "orchestrate/runner.h"

#include <algorithm>
#include <array>

#include "orchestrate/courier.h"
#include "orchestrate/runner/admission.h"
#include "orchestrate/runner/run_lease.h"
#include "orchestrate/runner/run_rows.h"
#include "orchestrate/runner/task_driver.h"

namespace weir::orchestrate {
namespace {

using catalog::FlowRun;
using catalog::RunState;
using catalog::TaskRun;
using catalog::TaskState;

/// A run that is ours to work on.
struct OwnRun {
  const model::Flow* flow = nullptr;
  FlowRun run;
  std::unique_ptr<RunLease> lease;
  int64_t max_parallel_tasks = 1;
};

/// Once it is admitted, the run is driven to its end; how it stands after that.
Result<RunReport> bring_to_end(const Services& services, const Pinned& pinned, const OwnRun& own,
                               Cancel& cancel) {
  const FlowRun& run = own.run;
  const Courier courier(services, pinned.configuration, run.run_id);
  WEIR_ASSIGN(const bool is_admitted,
              admit(services, pinned.configuration, *own.flow, run, cancel));
  if (!is_admitted) return report(services, run.run_id);
  services.tell({"run_started", run.run_id, "", {{"flow", run.flow_id}, {"run_key", run.run_key}}});
  WEIR_TRY(tell_warnings(services, pinned, run.run_id));
  TaskDriver driver(services, pinned, *own.flow, run, own.lease->epoch());
  WEIR_TRY(driver.drive(own.max_parallel_tasks, cancel));
  WEIR_TRY(end_run(services, pinned.configuration, run.run_id, driver.rows()));
  WEIR_ASSIGN(RunReport made, report(services, run.run_id));
  services.tell({"run_finished",
                 run.run_id,
                 "",
                 {{"flow", run.flow_id},
                  {"state", to_text(made.run.state)},
                  {"message", made.run.error_text}}});
  return made;
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
  return bring_to_end(services, pinned,
                      {flow, std::move(run), std::move(lease), request.max_parallel_tasks}, cancel);
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
  if (run.config_hash != pinned.hash)
    return fail_with_hint(
        ErrorCode::kConflict,
        fmt::format("run {} has started with another configuration than this one", run_id),
        fmt::format("`weir retry {}` goes on with its own", run_id));
  WEIR_TRY(reset_tasks(services, run_id));
  WEIR_ASSIGN(run, services.catalog->flow_run(run_id));
  if (run.state != RunState::kQueued) {
    WEIR_TRY(services.catalog->move_run(run_id, run.state, RunState::kQueued, "", ""));
  }
  return bring_to_end(services, pinned,
                      {flow, std::move(run), std::move(lease), max_parallel_tasks}, cancel);
}

}  // namespace weir::orchestrate
