#pragma once

/// A flow as YAML that people like to read: tasks as they run, parameters in a usual order.

#include "config/yaml.h"
#include "model/configuration.h"

namespace weir::config {

Node flow_node(model::Flow flow);

}  // namespace weir::config
