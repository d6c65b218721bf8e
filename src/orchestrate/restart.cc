#include "orchestrate/restart.h"

#include "base/cancel.h"
#include "base/instant.h"
#include "orchestrate/machine/transitions.h"
#include "orchestrate/runner/reopen.h"
#include "orchestrate/runner/run_lease.h"
#include "orchestrate/runner/run_rows.h"

namespace weir::orchestrate {

using catalog::FlowRun;
using catalog::TaskRun;
using catalog::TaskState;

Result<FlowRun> enqueue_retry(const Services& services, const Pinned& pinned,
                              const RetryRequest& request) {
  WEIR_ASSIGN(const FlowRun run, services.catalog->flow_run(request.run_id));
  if (run.state == catalog::RunState::kSucceeded && request.from_task.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("run {} succeeded already", run.run_id),
                          "a new run has the same parameters; or name a task to go on from");
  WEIR_ASSIGN(const model::Flow* flow, find_flow(pinned, run.flow_id));
  WEIR_ASSIGN(const bool is_alive, is_run_alive(services, run));
  if (!is_final(run.state) && is_alive)
    return fail_with_hint(ErrorCode::kConflict, fmt::format("run {} goes on", run.run_id),
                          "cancel it first, or wait for its end");
  return reopen(services, pinned, *flow, request, true);
}

Result<TaskRun> mark_task(const Services& services, const std::string& run_id,
                          const std::string& task_id, TaskState state, const std::string& author,
                          const std::string& reason) {
  if (state != TaskState::kSucceeded && state != TaskState::kFailed)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("a task is not marked as {}", to_text(state)),
                          "succeeded, or failed");
  WEIR_ASSIGN(const FlowRun run, services.catalog->flow_run(run_id));
  if (!is_final(run.state))
    return fail_with_hint(ErrorCode::kConflict,
                          fmt::format("run {} is {}", run_id, to_text(run.state)),
                          "wait for its end, or cancel it");
  WEIR_ASSIGN(TaskRun row, services.catalog->task_run(run_id, task_id));
  const catalog::TaskKey before = key_of(row);
  const auto event =
      state == TaskState::kSucceeded ? TaskEvent::kMarkSucceeded : TaskEvent::kMarkFailed;
  auto next = next_state(row.state, event);
  if (!next)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("task '{}' is {}", task_id, to_text(row.state)),
                          "only what did not succeed is marked succeeded, what did as failed");
  row.state = *next;
  clear_error(row);
  if (state == TaskState::kFailed) {
    row.error_code = std::string(to_text(ErrorCode::kInvalidData));
    row.error_text = fmt::format("marked as failed by {}: {}", author, reason);
  }
  row.details["marked"] = {{"by", author}, {"reason", reason}};
  WEIR_TRY(services.catalog->move_tasks(key_of(run), {{row, before}}));
  WEIR_TRY(services.catalog->audit(
      author, "mark task",
      {{"run_id", run_id}, {"task_id", task_id}, {"state", to_text(state)}, {"reason", reason}}));
  return row;
}

Result<std::vector<RunWish>> backfill_wishes(const model::Flow& flow, schedule::Zones& zones,
                                             const BackfillRequest& request,
                                             const std::string& backfill_id) {
  constexpr size_t kMostRuns = 10'000;
  if (flow.schedule.is_null())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("flow '{}' has no schedule", flow.flow_id),
                          "its times come from there; `weir run` starts it once");
  WEIR_ASSIGN(const auto schedule, schedule::read_schedule(flow.schedule, zones));
  std::vector<RunWish> wishes;
  schedule::Times times(schedule, request.from_us - 1, request.to_us - 1);
  for (auto time = times.next(); time; time = times.next()) {
    if (wishes.size() == kMostRuns)
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("flow '{}' has more than {} times there", flow.flow_id, kMostRuns),
          "make up for a shorter stretch first");
    const auto run = schedule::run_at(schedule, *time);
    RunWish wish;
    wish.flow_id = flow.flow_id;
    wish.run_key = request.runs_again
                       ? fmt::format("backfill:{}:{}", backfill_id, format_instant(*time))
                       : run.run_key();
    wish.trigger = "backfill";
    wish.params = schedule.params();
    wish.params.update(request.params);
    wish.logical_time_us = *time;
    wish.interval_start_us = run.interval.start_us;
    wish.interval_end_us = run.interval.end_us;
    wish.backfill_id = backfill_id;
    wishes.push_back(std::move(wish));
  }
  if (wishes.empty())
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("no time of {} falls between {} and {}", schedule.text(),
                    format_instant(request.from_us), format_instant(request.to_us)),
        fmt::format("`weir next {} --from …` shows them", flow.flow_id));
  return wishes;
}

}  // namespace weir::orchestrate
