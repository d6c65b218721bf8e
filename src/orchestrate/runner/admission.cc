#include "orchestrate/runner/admission.h"

#include <chrono>
#include <thread>

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

/// What a queued run waits for, for who watches it.
Status tell_wait(const Services& services, const FlowRun& run) {
  WEIR_ASSIGN(const auto runs, services.catalog->active_runs(run.flow_id));
  for (const auto& other : runs) {
    if (other.run_id == run.run_id) continue;
    WEIR_ASSIGN(const bool is_alive, is_run_alive(services, other.run_id));
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

Status end_as_failed(const Services& services, const model::Configuration& configuration,
                     FlowRun run) {
  run.error_code = "conflict";
  run.error_text = "another run of the flow is active, and its overlap is 'fail'";
  return services.catalog->move_run(
      run.run_id, RunState::kQueued, RunState::kFailed, run.error_code, run.error_text,
      notices_of_end(services, configuration, run, RunState::kFailed, {}));
}

}  // namespace

Result<bool> admit(const Services& services, const model::Configuration& configuration,
                   const model::Flow& flow, const FlowRun& run, const Cancel& cancel) {
  bool has_asked = false;
  while (true) {
    WEIR_TRY(bury_the_dead(services, configuration, flow.flow_id, run.run_id));
    WEIR_ASSIGN(const bool is_admitted,
                services.catalog->admit_run(run.run_id, flow.max_active_runs));
    if (is_admitted) return true;
    const auto cancelled = cancel.check();
    if (!cancelled) {
      WEIR_TRY(services.catalog->move_run(run.run_id, RunState::kQueued, RunState::kCancelled,
                                          "cancelled", cancelled.error().message));
      return false;
    }
    switch (flow.overlap) {
      case model::Overlap::kSkip:
        WEIR_TRY(services.catalog->move_run(run.run_id, RunState::kQueued, RunState::kSkipped, "",
                                            "another run of the flow is active"));
        return false;
      case model::Overlap::kFail:
        WEIR_TRY(end_as_failed(services, configuration, run));
        return false;
      case model::Overlap::kCancel: {
        if (has_asked) break;
        WEIR_ASSIGN(const auto runs, services.catalog->active_runs(flow.flow_id));
        for (const auto& other : runs) {
          if (other.run_id < run.run_id && !is_final(other.state)) {
            WEIR_TRY(services.catalog->request_cancel(other.run_id));
          }
        }
        has_asked = true;
        break;
      }
      case model::Overlap::kQueue: break;
    }
    if (!has_asked && flow.overlap == model::Overlap::kQueue) {
      WEIR_TRY(tell_wait(services, run));
      has_asked = true;
    }
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace weir::orchestrate
