#include "orchestrate/runner/execute_task.h"

#include <algorithm>
#include <optional>

#include "base/usage_meter.h"
#include "orchestrate/lineage.h"
#include "orchestrate/machine/run_machine.h"
#include "orchestrate/machine/transitions.h"
#include "orchestrate/notices.h"
#include "orchestrate/runner/deadline.h"
#include "orchestrate/runner/run_lease.h"
#include "orchestrate/runner/run_rows.h"

namespace weir::orchestrate {
namespace {

using catalog::TaskRun;
using catalog::TaskState;

Result<catalog::Catalog::Begun> begin(const Services& services, const TaskToRun& what) {
  catalog::Catalog::Begin begin;
  begin.run = key_of(*what.run);
  begin.move = {what.row, key_of(what.row)};
  TaskRun& next = begin.move.next;
  WEIR_ASSIGN(next.state, next_state(next.state, TaskEvent::kBegin));
  next.attempt = std::max(next.attempt + 1, what.attempt);
  next.started_at_us = services.clock->now_us();
  next.finished_at_us = 0;
  next.not_before_us = 0;
  next.counts = {};
  next.operations = Json::array();
  next.cpu_ms = 0;
  next.peak_memory_bytes = 0;
  clear_error(next);
  begin.holder = services.holder;
  begin.lease_ms = services.lease_ms;
  for (const auto& pool : what.pinned->configuration.pools)
    if (pool.name == next.pool) begin.pool_slots = pool.slots;
  begin.notices = lineage_of_begin(services, what.pinned->configuration, *what.run, next);
  return services.catalog->begin_task(begin);
}

/// Under a watch of its lease and of the run, within its timeout.
Result<TaskState> make(const Services& services, const TaskToRun& what,
                       const TaskSettings& settings, const catalog::Lease& lease, TaskRun& row,
                       Cancel& cancel) {
  if (services.make_attempt) return services.make_attempt(row, lease, cancel);
  const LeaseWatch watch(services, lease, row.run_id, cancel);
  return run_within_timeout({&services, what.pinned, what.run, what.flow, what.task, settings}, row,
                            cancel);
}

/// To who watches this process.
void tell_end(const Services& services, const TaskEnd& end) {
  const TaskRun& row = end.row;
  services.tell({"task_finished",
                 row.run_id,
                 row.task_id,
                 {{"state", to_text(row.state)},
                  {"attempt", row.attempt},
                  {"counts", model::to_json(row.counts)},
                  {"held", row.held_reason},
                  {"message", row.error_text},
                  {"error", end.error ? Json{{"code", row.error_code},
                                             {"message", end.error->message},
                                             {"hint", row.error_hint}}
                                      : Json()}}});
}

}  // namespace

Result<TaskEnd> execute_task(const Services& services, const TaskToRun& what, Cancel& cancel) {
  auto settings = task_settings(what.pinned->configuration, *what.flow, *what.task);
  std::optional<UsageMeter> meter;
  if (services.is_for_one_task) meter.emplace();
  WEIR_ASSIGN(auto begun, begin(services, what));
  TaskEnd end;
  if (!begun.lease) {
    end.how = begun.has_no_slot ? TaskEnd::How::kNoSlot : TaskEnd::How::kTaken;
    return end;
  }
  end.row = std::move(begun.row);
  TaskRun& row = end.row;
  services.tell({"task_started",
                 row.run_id,
                 row.task_id,
                 {{"attempt", row.attempt}, {"template", row.template_id}}});
  const Result<TaskState> made = settings
                                     ? make(services, what, *settings, *begun.lease, row, cancel)
                                     : std::unexpected(settings.error());
  if (meter) {
    const Usage usage = meter->finish();
    row.cpu_ms = usage.cpu_ms;
    row.peak_memory_bytes = usage.peak_memory_bytes;
  }
  const catalog::TaskKey running = key_of(row);
  const TaskSettings none;
  WEIR_TRY(end_attempt(row, made,
                       {.settings = settings ? &*settings : &none,
                        .is_stopping = cancel.is_cancelled(),
                        .is_last = what.is_last,
                        .now_us = services.clock->now_us()},
                       *services.random));
  if (!made) {
    end.error = made.error();
    static_cast<void>(services.catalog->add_log(
        row.run_id, row.task_id, row.attempt, row.state == TaskState::kReady ? "warning" : "error",
        to_line(made.error())));
  }
  const model::Configuration& configuration = what.pinned->configuration;
  catalog::Notices notices = lineage_of_end(services, configuration, *what.run, row, running);
  if (row.state == TaskState::kHeld)
    std::ranges::move(notices_of_hold(services, configuration, *what.run, row),
                      std::back_inserter(notices));
  WEIR_TRY(services.catalog->end_task({row, running}, *begun.lease, notices));
  tell_end(services, end);
  return end;
}

}  // namespace weir::orchestrate
