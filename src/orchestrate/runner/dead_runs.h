#pragma once

/// Runs that say queued or running while nobody works on them.

#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

/// Ends it, its tasks first: as cancelled where that was asked for, else as failed (kUnavailable).
/// Nothing where somebody works on it, or moved it meanwhile. A run whose tasks an outside
/// scheduler starts one by one rests between them: that one ends only where it was cancelled.
/// Rules of the configuration are told of a failure.
Status end_if_dead(const Services& services, const model::Configuration& configuration,
                   const catalog::FlowRun& run);

}  // namespace weir::orchestrate
