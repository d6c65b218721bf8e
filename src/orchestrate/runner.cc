#include "orchestrate/runner.h"

#include <algorithm>
#include <array>

#include "orchestrate/courier.h"
#include "orchestrate/executor.h"
#include "orchestrate/run_values.h"
#include "orchestrate/runner/admission.h"
#include "orchestrate/runner/reopen.h"
#include "orchestrate/runner/run_driver.h"
#include "orchestrate/runner/run_lease.h"
#include "orchestrate/runner/run_rows.h"

namespace weir::orchestrate {
namespace {

using catalog::FlowRun;
using catalog::RunState;
using catalog::TaskState;

/// A run that is ours to work on.
struct OwnRun {
  const model::Flow* flow = nullptr;
  FlowRun run;
  std::unique_ptr<RunLease> lease;
  int64_t max_parallel_tasks = 1;
};

constexpr int64_t kPollMs = 100;

std::string reason_of(const Cancel& cancel) {
  const Status cancelled = cancel.check();
  return cancelled ? std::string() : cancelled.error().message;
}

/// Until the run has ended and no task of it is under way.
Status drive(const Services& services, const Pinned& pinned, const OwnRun& own, FlowRun run,
             Cancel& cancel) {
  // It outlives the run: who calls waits for us.
  const std::shared_ptr<const Pinned> borrowed(&pinned, [](const Pinned*) {});
  WEIR_ASSIGN(const auto driver, RunDriver::open(services, borrowed, std::move(run)));
  const auto executor = make_thread_executor(services, own.max_parallel_tasks);
  const int listener = cancel.add_listener([&] { executor->wake(); });
  std::optional<Error> fault;
  while (true) {
    RunDriver::Wish wish;
    wish.stopping = fault ? "the catalog failed: " + fault->message : reason_of(cancel);
    const auto now = driver->step(*executor, wish);
    if (!now && !fault) {
      fault = now.error();
      executor->cancel(own.run.run_id, "the catalog failed: " + fault->message);
    }
    if (now == RunDriver::Now::kLost && !fault)
      fault = fail(ErrorCode::kConflict, "run {} was taken over by another process", own.run.run_id)
                  .error();
    if ((now == RunDriver::Now::kEnded || fault) && executor->count() == 0) break;
    const int64_t until_ms = (driver->next_us() - services.clock->now_us()) / 1000;
    executor->wait_ms(std::clamp<int64_t>(until_ms, 1, kPollMs));
    for (const TaskExit& exit : executor->finished()) {
      const Status taken = driver->take(exit);
      if (!taken && !fault) fault = taken.error();
    }
  }
  cancel.remove_listener(listener);
  if (fault) return std::unexpected(*std::move(fault));
  return {};
}

/// Once it is admitted, the run is driven to its end; how it stands after that.
Result<RunReport> bring_to_end(const Services& services, const Pinned& pinned, const OwnRun& own,
                               Cancel& cancel) {
  const std::string& run_id = own.run.run_id;
  const Courier courier(services, pinned.configuration, run_id);
  WEIR_ASSIGN(const bool is_admitted,
              admit(services, pinned.configuration, *own.flow, own.run, cancel));
  if (!is_admitted) return report(services, run_id);
  WEIR_ASSIGN(FlowRun run, services.catalog->flow_run(run_id));
  services.tell({"run_started", run_id, "", {{"flow", run.flow_id}, {"run_key", run.run_key}}});
  WEIR_TRY(tell_warnings(services, pinned, run_id));
  WEIR_TRY(drive(services, pinned, own, std::move(run), cancel));
  WEIR_ASSIGN(RunReport made, report(services, run_id));
  services.tell({"run_finished",
                 run_id,
                 "",
                 {{"flow", made.run.flow_id},
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
                          "set `is_enabled: true` on it");
  FlowRun run = new_run(services, pinned, flow->flow_id, request.run_key, request.trigger);
  if (request.logical_time_us != 0) run.logical_time_us = request.logical_time_us;
  run.interval_start_us = request.interval_start_us;
  run.interval_end_us = request.interval_end_us;
  WEIR_TRY(give_values(*flow, request.params, run));
  run.rerun_of = request.rerun_of;
  run.backfill_id = request.backfill_id;
  WEIR_ASSIGN(auto lease, RunLease::take(services, run.run_id, cancel));
  WEIR_ASSIGN(const auto started, services.catalog->start_run(run, new_rows(*flow, run.run_id)));
  if (!started.is_new) {
    lease.reset();
    if (is_final(started.run.state)) return report(services, started.run.run_id);
    return retry_run(services, pinned,
                     {.run_id = started.run.run_id,
                      .from_task = "",
                      .may_change_configuration = false,
                      .max_parallel_tasks = request.max_parallel_tasks},
                     cancel);
  }
  return bring_to_end(services, pinned,
                      {flow, std::move(run), std::move(lease), request.max_parallel_tasks}, cancel);
}

Result<RunReport> retry_run(const Services& services, const Pinned& pinned,
                            const RetryRequest& request, Cancel& cancel) {
  WEIR_ASSIGN(const FlowRun found, services.catalog->flow_run(request.run_id));
  if (found.state == RunState::kSucceeded && request.from_task.empty())
    return fail_with_hint(
        ErrorCode::kInvalidConfig, fmt::format("run {} succeeded already", request.run_id),
        "`weir rerun` starts a new run with the same parameters; --from goes on from a task");
  WEIR_ASSIGN(const model::Flow* flow, find_flow(pinned, found.flow_id));
  WEIR_TRY(check_no_server(services, found));
  WEIR_ASSIGN(auto lease, RunLease::take(services, request.run_id, cancel));
  WEIR_ASSIGN(FlowRun run, reopen(services, pinned, *flow, request, false));
  return bring_to_end(services, pinned,
                      {flow, std::move(run), std::move(lease), request.max_parallel_tasks}, cancel);
}

}  // namespace weir::orchestrate
