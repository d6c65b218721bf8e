#pragma once

/// An executor whose launches are functions, each on a thread of its own.

#include <functional>
#include <memory>

#include "base/cancel.h"
#include "orchestrate/executor.h"

namespace weir::orchestrate {

/// Makes the attempt and says what became of it; called from many threads at once. The names of run
/// and task need not be set.
using Work = std::function<TaskExit(const TaskLaunch& launch, Cancel& cancel)>;

std::unique_ptr<Executor> make_pool_executor(int64_t slots, Work work);

}  // namespace weir::orchestrate
