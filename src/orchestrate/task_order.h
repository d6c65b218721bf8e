#pragma once

/// The order in which a person reads the tasks of a flow.

#include <vector>

#include "model/configuration.h"

namespace weir::orchestrate {

/// Each task after all it needs; of those that could come next, the first by name. Tasks in a cycle
/// (which lint refuses) come last. The pointers are into `flow`.
std::vector<const model::Task*> in_order_of_needs(const model::Flow& flow);

}  // namespace weir::orchestrate
