#include "orchestrate/runner/admission.h"

#include <chrono>
#include <thread>
#include <tuple>

#include "orchestrate/lineage.h"
#include "orchestrate/machine/transitions.h"
#include "orchestrate/notices.h"
#include "orchestrate/runner/dead_runs.h"
#include "orchestrate/runner/run_lease.h"

namespace weir::orchestrate {
namespace {

using catalog::FlowRun;
using catalog::RunState;

constexpr auto kPoll = std::chrono::milliseconds(100);

/// Runs of this flow that say running or queued while their process is gone: they end here, so that
/// nothing waits for them.
Status bury_the_dead(const Services& services, const model::Configuration& configuration,
                     const std::string& flow_id, const std::string& own) {
  WEIR_ASSIGN(const auto runs, services.catalog->active_runs(flow_id));
  for (const auto& run : runs) {
    if (run.run_id != own) WEIR_TRY(end_if_dead(services, configuration, run));
  }
  return {};
}

/// The order in which the catalog admits them: by ids alone two servers whose clocks differ would
/// cancel what is to go first.
bool is_older(const FlowRun& one, const FlowRun& other) {
  return std::tie(one.created_at_us, one.run_id) < std::tie(other.created_at_us, other.run_id);
}

/// What a queued run waits for, for who watches it.
Status tell_wait(const Services& services, const FlowRun& run) {
  WEIR_ASSIGN(const auto runs, services.catalog->active_runs(run.flow_id));
  for (const auto& other : runs) {
    if (other.run_id == run.run_id) continue;
    WEIR_ASSIGN(const bool is_alive, is_run_alive(services, other));
    services.log->warning("run {} waits: run {} of flow '{}' is {}{}", run.run_id, other.run_id,
                          run.flow_id, to_text(other.state),
                          is_alive ? std::string()
                                   : fmt::format("; its tasks are started one by one, and none is "
                                                 "running: `weir cancel {}` ends it",
                                                 other.run_id));
    return {};
  }
  return {};
}

Status end_queued(const Services& services, const model::Configuration& configuration, FlowRun run,
                  RunEvent event, const std::string& error_code, const std::string& error_text) {
  run.error_code = error_code;
  run.error_text = error_text;
  WEIR_ASSIGN(const RunState to, next_state(RunState::kQueued, event));
  const auto notices = event == RunEvent::kRefuse
                           ? notices_of_end(services, configuration, run, to, {})
                           : catalog::Notices();
  return services.catalog->move_run({run.run_id, RunState::kQueued, run.epoch}, to, error_code,
                                    error_text, notices);
}

}  // namespace

Result<Admission> look_at_admission(const Services& services,
                                    const model::Configuration& configuration,
                                    const model::Flow& flow, const FlowRun& run,
                                    const std::string& stopping, bool& has_asked) {
  WEIR_TRY(bury_the_dead(services, configuration, flow.flow_id, run.run_id));
  FlowRun started = run;
  started.started_at_us = services.clock->now_us();
  WEIR_ASSIGN(const bool is_admitted,
              services.catalog->admit_run(key_of(run), flow.max_active_runs, started.started_at_us,
                                          lineage_of_start(services, configuration, started)));
  if (is_admitted) return Admission::kRuns;
  if (!stopping.empty()) {
    WEIR_TRY(end_queued(services, configuration, run, RunEvent::kStop, "cancelled", stopping));
    return Admission::kEnded;
  }
  // The word is about runs that come by themselves: who asked for each of a stretch wants them all.
  switch (run.backfill_id.empty() ? flow.overlap : model::Overlap::kQueue) {
    case model::Overlap::kSkip:
      WEIR_TRY(end_queued(services, configuration, run, RunEvent::kSkip, "",
                          "another run of the flow is active"));
      return Admission::kEnded;
    case model::Overlap::kFail:
      WEIR_TRY(end_queued(services, configuration, run, RunEvent::kRefuse, "conflict",
                          "another run of the flow is active, and its overlap is 'fail'"));
      return Admission::kEnded;
    case model::Overlap::kCancel: {
      if (has_asked) break;
      WEIR_ASSIGN(const auto runs, services.catalog->active_runs(flow.flow_id));
      for (const auto& other : runs) {
        if (!is_older(other, run) || is_final(other.state)) continue;
        const Status asked = services.catalog->request_cancel(other.run_id);
        if (!asked && asked.error().code != ErrorCode::kConflict)
          return std::unexpected(asked.error());
      }
      has_asked = true;
      break;
    }
    case model::Overlap::kQueue:
      if (!has_asked) WEIR_TRY(tell_wait(services, run));
      has_asked = true;
      break;
  }
  return Admission::kWaits;
}

Result<bool> admit(const Services& services, const model::Configuration& configuration,
                   const model::Flow& flow, const FlowRun& run, const Cancel& cancel) {
  bool has_asked = false;
  while (true) {
    const Status cancelled = cancel.check();
    const std::string stopping = cancelled ? std::string() : cancelled.error().message;
    WEIR_ASSIGN(const Admission now,
                look_at_admission(services, configuration, flow, run, stopping, has_asked));
    if (now != Admission::kWaits) return now == Admission::kRuns;
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace weir::orchestrate
