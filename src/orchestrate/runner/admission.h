#pragma once

/// Whether a run may go beside the other runs of its flow: what the overlap words mean.

#include "base/cancel.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

/// Waits until the run may go, or ends it as the overlap word says. True: it runs now. Runs of the
/// flow whose process is gone end here, so that nothing waits for them.
Result<bool> admit(const Services& services, const model::Configuration& configuration,
                   const model::Flow& flow, const catalog::FlowRun& run, const Cancel& cancel);

}  // namespace weir::orchestrate
