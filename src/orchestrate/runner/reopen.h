#pragma once

/// A run that has ended, taken up again.

#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/runner.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

/// It says queued, what is to run again waiting, all in one transaction under a new epoch.
/// `is_served`: servers drive it from now on. kConflict where somebody moved it meanwhile, and
/// where `pinned` is not its configuration and may not become it.
Result<catalog::FlowRun> reopen(const Services& services, const Pinned& pinned,
                                const model::Flow& flow, const RetryRequest& request,
                                bool is_served);

/// kConflict where a living server drives the run.
Status check_no_server(const Services& services, const catalog::FlowRun& run);

}  // namespace weir::orchestrate
