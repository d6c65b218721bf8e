#pragma once

/// A run as JSON, the same for who asks the program and who asks its API.

#include "base/json.h"
#include "catalog/catalog.h"

namespace weir::catalog {

/// Instants are RFC 3339 in UTC, null where there is none yet.
Json to_json(const FlowRun& run);

}  // namespace weir::catalog
