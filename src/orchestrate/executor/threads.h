#pragma once

/// What a thread of the thread executor does.

#include "base/cancel.h"
#include "orchestrate/executor.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

/// Makes the attempt in the calling thread, from its beginning to its end; says what became of it.
TaskExit make_attempt_here(const Services& services, const TaskLaunch& launch, Cancel& cancel);

}  // namespace weir::orchestrate
