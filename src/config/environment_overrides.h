#pragma once

/// `environments:` of weir.yaml: what one environment changes, laid over the documents before they
/// are read, so that a fault in it is shown where it stands.

#include <vector>

#include "config/yaml.h"

namespace weir::config {

/// Lays `overrides` over the project's document and the flows. Lists of named things (layers,
/// datasets, tasks, …) go by name: what has a name that is there is merged key by key, what has a
/// new one is added. Maps are merged; `null` takes a key away; anything else replaces. A flow that
/// nobody declared is a fault.
void apply_environment(const Node& overrides, Node& project, std::vector<Node>& flows,
                       Faults& faults);

}  // namespace weir::config
