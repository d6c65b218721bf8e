#pragma once

/// Parameters of a flow from the command line.

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::cli {

/// `name=value` each, as texts: orchestrate::checked_params gives them the types that the flow
/// declares. kInvalidConfig for a word without `=`.
Result<Json> read_parameters(const std::vector<std::string>& words);

}  // namespace weir::cli
