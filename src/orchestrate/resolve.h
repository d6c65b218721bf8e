#pragma once

/// What a task has to do now: finds its new inputs (from publications, the consumer's own commits,
/// and by listing where the catalog is behind) and pins them. Templates only ever see the result.

#include "base/cancel.h"
#include "base/result.h"
#include "orchestrate/services.h"
#include "task/template.h"

namespace weir::orchestrate {

struct Resolution {
  task::Inputs inputs;
  std::vector<std::string> warnings;  ///< For people: a pattern that no file fits.
};

/// Resolves and pins the inputs of a task. kCorrupt, naming the hop, where something published
/// before is gone or changed; kNotFound where a dataset that is read has nothing yet, or a landing
/// file that is named without a wildcard is not there.
Result<Resolution> resolve_inputs(const Services& services, const Pinned& pinned,
                                  const model::Flow& flow, const task::Template& made,
                                  const Json& params, const Cancel& cancel);

/// Pinned inputs as they stand in `task_run.pinned`, and back.
Json to_json(const task::Inputs& inputs);
Result<task::Inputs> inputs_from_json(const Json& json);

/// Says of pinned inputs and their target where they are now: what was pinned is what, not where,
/// so a project that was moved in between is read and written at its new place.
Status put_in_place(const Services& services, const Pinned& pinned, const model::Flow& flow,
                    const task::Template& made, const Json& params, const Cancel& cancel,
                    task::Inputs& inputs);

/// The dataset that a task writes; empty where it writes none.
Result<model::DatasetName> produced_dataset(const task::Template& made, const Json& params);

}  // namespace weir::orchestrate
