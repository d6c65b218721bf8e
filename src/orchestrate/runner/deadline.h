#pragma once

/// The timeout of a task.

#include "base/cancel.h"
#include "base/result.h"
#include "orchestrate/attempt.h"

namespace weir::orchestrate {

/// run_attempt, which is told to stop once the task's timeout has passed or `cancel` is cancelled;
/// `cancel` itself is left as it is. kUnavailable for what stopped at its timeout: nobody wished it
/// to end, so people are told, and it is tried again where the task has retries.
Result<catalog::TaskState> run_within_timeout(const Attempt& attempt, catalog::TaskRun& row,
                                              Cancel& cancel);

}  // namespace weir::orchestrate
