#pragma once

/// What a change of state is as an event of OpenLineage: notices for the connection that
/// `lineage.to` names, to be written in the same transaction; none where it names none. It decides
/// nothing and never fails a run: what cannot be said is left out.

#include "catalog/catalog.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

/// START of a run; `run` with the time at which it starts.
catalog::Notices lineage_of_start(const Services& services,
                                  const model::Configuration& configuration,
                                  const catalog::FlowRun& run);
/// COMPLETE, FAIL, or ABORT (cancelled, held) of a run; `run` as it was before, with the error of
/// its end. Nothing for one that never started.
catalog::Notices lineage_of_end(const Services& services, const model::Configuration& configuration,
                                const catalog::FlowRun& run, catalog::RunState to);

/// START of an attempt: `row` as it will be stored.
catalog::Notices lineage_of_begin(const Services& services,
                                  const model::Configuration& configuration,
                                  const catalog::FlowRun& run, const catalog::TaskRun& row);
/// The same for its end, whatever ended it: `row` as it will be stored, also where it is to be
/// tried again. Nothing for a task that was not running.
catalog::Notices lineage_of_end(const Services& services, const model::Configuration& configuration,
                                const catalog::FlowRun& run, const catalog::TaskRun& row,
                                const catalog::TaskKey& before);

}  // namespace weir::orchestrate
