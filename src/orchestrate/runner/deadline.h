#pragma once

/// The timeout of a task.

#include "base/cancel.h"
#include "base/result.h"
#include "orchestrate/attempt.h"

namespace weir::orchestrate {

/// run_attempt, which is told to stop once the task's timeout has passed (kCancelled says so) or
/// `cancel` is cancelled; `cancel` itself is left as it is.
Result<catalog::TaskState> run_within_timeout(const Attempt& attempt, catalog::TaskRun& row,
                                              Cancel& cancel);

}  // namespace weir::orchestrate
