#pragma once

/// Whether a run may go beside the other runs of its flow: what the overlap words mean.

#include "base/cancel.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

enum class Admission {
  kRuns,   ///< It says running now.
  kWaits,  ///< Another run of the flow goes first.
  kEnded,  ///< As its overlap says, or as it was asked.
};

/// One look; `has_asked` is kept between looks of one run (overlap `cancel` asks the others once).
/// Runs of the flow whose process is gone end here, so that nothing waits for them. `stopping`: not
/// empty where the run was asked to stop. kConflict where another drives the run.
Result<Admission> look_at_admission(const Services& services,
                                    const model::Configuration& configuration,
                                    const model::Flow& flow, const catalog::FlowRun& run,
                                    const std::string& stopping, bool& has_asked);

/// Looks until the run may go, or has ended. True: it runs now.
Result<bool> admit(const Services& services, const model::Configuration& configuration,
                   const model::Flow& flow, const catalog::FlowRun& run, const Cancel& cancel);

}  // namespace weir::orchestrate
