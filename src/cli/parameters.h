#pragma once

/// Parameters of a flow from the command line.

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/configuration.h"

namespace weir::cli {

/// `name=value` each; a value has the type of the flow's default for it. kInvalidConfig for a word
/// without `=`, a name that the flow does not declare, and a value of another type.
Result<Json> read_parameters(const model::Configuration& configuration, const std::string& flow_id,
                             const std::vector<std::string>& words);

}  // namespace weir::cli
