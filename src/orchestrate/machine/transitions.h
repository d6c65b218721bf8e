#pragma once

/// The state machine of runs and of their tasks, as data: every change of a state is one of these.
/// docs/reference/states.md is drawn from them (orchestrate/states_page.h).

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "catalog/catalog.h"

namespace weir::orchestrate {

enum class TaskEvent {
  kNeedsMet,    ///< What it needs has ended as its run_if asks.
  kNeedsUnmet,  ///< That cannot come true any more.
  kBegin,       ///< An attempt begins, under the task's lease.
  kSucceed,
  kHold,
  kFail,
  kTryAgain,       ///< The attempt failed, for a reason that may pass, and the task has tries left.
  kStop,           ///< The run was asked to stop.
  kReset,          ///< A person retries the run.
  kMarkSucceeded,  ///< A person says that what it does is done.
  kMarkFailed,     ///< A person says that what it did is not good: a retry does it again.
};

enum class RunEvent {
  kAdmit,   ///< The overlap of its flow lets it go.
  kSkip,    ///< Overlap `skip`.
  kRefuse,  ///< Overlap `fail`, or a configuration that cannot be read any more.
  kStop,
  kSucceed,
  kHold,
  kFail,
  kReopen,  ///< A person retries it.
};

struct TaskTransition {
  catalog::TaskState from;
  TaskEvent event;
  catalog::TaskState to;
};
struct RunTransition {
  catalog::RunState from;
  RunEvent event;
  catalog::RunState to;
};

/// All there are. Of one state and one event there is one at most.
std::span<const TaskTransition> task_transitions();
std::span<const RunTransition> run_transitions();

std::string_view to_text(TaskEvent event);
std::string_view to_text(RunEvent event);

/// kInternal where the machine has no such transition: a fault of weir's.
Result<catalog::TaskState> next_state(catalog::TaskState from, TaskEvent event);
Result<catalog::RunState> next_state(catalog::RunState from, RunEvent event);

}  // namespace weir::orchestrate
