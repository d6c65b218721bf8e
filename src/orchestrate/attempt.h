#pragma once

/// One attempt of one task: resolve and pin, plan, execute each operation, record each outcome.
/// The dataset's lease is held all the while, and its lock object carries our epoch.

#include "base/cancel.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/services.h"
#include "orchestrate/settings.h"

namespace weir::orchestrate {

struct Attempt {
  const Services* services = nullptr;
  const Pinned* pinned = nullptr;
  const catalog::FlowRun* run = nullptr;
  const model::Flow* flow = nullptr;
  const model::Task* task = nullptr;
  TaskSettings settings;
};

/// Runs it. `row` is the stored row in state running; it is updated and stored on the way (pins,
/// operations, counts). Gives the row's final state for this attempt: kSucceeded or kHeld. An error
/// leaves the row running: the caller decides between retry and failure.
Result<catalog::TaskState> run_attempt(const Attempt& attempt, catalog::TaskRun& row,
                                       const Cancel& cancel);

}  // namespace weir::orchestrate
