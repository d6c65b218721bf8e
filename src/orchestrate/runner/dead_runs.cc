#include "orchestrate/runner/dead_runs.h"

#include "orchestrate/lineage.h"
#include "orchestrate/notices.h"
#include "orchestrate/runner.h"
#include "orchestrate/runner/run_lease.h"

namespace weir::orchestrate {
namespace {

using catalog::FlowRun;
using catalog::RunState;
using catalog::TaskRun;
using catalog::TaskState;

struct End {
  RunState run = RunState::kFailed;
  TaskState task = TaskState::kFailed;
  std::string error_code = "unavailable";
  std::string error_text;
};

End end_of(const FlowRun& run) {
  if (run.cancel_requested) {
    return {RunState::kCancelled, TaskState::kCancelled, "cancelled", "cancelled by request"};
  }
  return {.error_text =
              fmt::format("the process that ran it is gone; `weir retry {}` goes on", run.run_id)};
}

// Whoever moved the row meanwhile knows better.
Status unless_moved(Status moved) {
  if (!moved && moved.error().code == ErrorCode::kConflict) return {};
  return moved;
}

/// The configuration with the flow and its tasks as the run pinned them: what began for lineage
/// ends for it, whatever the head says by now.
model::Configuration as_pinned(const Services& services, const FlowRun& run,
                               const model::Configuration& configuration) {
  const auto version = services.catalog->config_version(run.config_hash);
  if (!version || !version->content.contains("configuration")) return configuration;
  auto pinned = model::configuration_from_json(version->content["configuration"]);
  if (!pinned) return configuration;
  pinned->notifications = configuration.notifications;
  pinned->connections = configuration.connections;
  return *std::move(pinned);
}

}  // namespace

Status end_if_dead(const Services& services, const model::Configuration& configuration,
                   const FlowRun& run) {
  if (is_final(run.state)) return {};
  if (run.trigger == kTaskTrigger && !run.cancel_requested) return {};
  // Servers go on with theirs, sooner or later; but what is cancelled needs none.
  if (run.is_served && !run.cancel_requested) return {};
  WEIR_ASSIGN(bool is_alive, is_run_alive(services, run));
  if (is_alive) return {};
  const End end = end_of(run);
  const model::Configuration pinned = as_pinned(services, run, configuration);
  WEIR_ASSIGN(auto rows, services.catalog->task_runs(run.run_id));
  // A task may have begun since the first look. One that begins after this one is not moved: it is
  // not as it stands in `rows` any more.
  WEIR_ASSIGN(is_alive, is_run_alive(services, run));
  if (is_alive) return {};
  if (!run.cancel_requested) {
    services.log->warning("run {} of flow '{}' says {}, but its process is gone", run.run_id,
                          run.flow_id, to_text(run.state));
  }
  std::vector<catalog::TaskMove> moves;
  catalog::Notices lineage;
  for (TaskRun& row : rows) {
    const bool was_begun = row.state == TaskState::kRunning;
    if (is_final(row.state) || (!was_begun && !run.cancel_requested)) continue;
    const catalog::TaskKey expected = key_of(row);
    row.state = end.task;
    row.error_code = end.error_code;
    row.error_text = end.error_text;
    row.finished_at_us = services.clock->now_us();
    moves.push_back({row, expected});
    std::ranges::move(lineage_of_end(services, pinned, run, row, expected),
                      std::back_inserter(lineage));
  }
  FlowRun ended = run;
  ended.error_code = end.error_code;
  ended.error_text = end.error_text;
  const auto make_end = [&]() -> Status {
    WEIR_TRY(services.catalog->move_tasks(key_of(run), moves, lineage));
    return services.catalog->move_run(key_of(run), end.run, end.error_code, end.error_text,
                                      notices_of_end(services, pinned, ended, end.run, rows));
  };
  return unless_moved(make_end());
}

Result<FlowRun> cancel_run(const Services& services, const std::string& run_id) {
  WEIR_TRY(services.catalog->request_cancel(run_id));
  WEIR_ASSIGN(const FlowRun run, services.catalog->flow_run(run_id));
  // Who cancels knows of it: nobody else is told of what nobody was working on.
  WEIR_TRY(end_if_dead(services, model::Configuration(), run));
  return services.catalog->flow_run(run_id);
}

}  // namespace weir::orchestrate
