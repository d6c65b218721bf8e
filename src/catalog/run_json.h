#pragma once

/// A run as JSON, and one that cannot begin, the same for who asks the program and who asks its
/// API.

#include "base/json.h"
#include "catalog/catalog.h"
#include "catalog/waiting_starts.h"

namespace weir::catalog {

/// Instants are RFC 3339 in UTC, null where there is none yet.
Json to_json(const FlowRun& run);
Json to_json(const WaitingStart& start);

}  // namespace weir::catalog
