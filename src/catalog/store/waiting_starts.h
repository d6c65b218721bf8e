#pragma once

/// Starts that wait, for the files that change them within a larger transaction.

#include <vector>

#include "catalog/database/database.h"
#include "catalog/waiting_starts.h"

namespace weir::catalog {

/// The run begins: it waits no more. True where it did.
Result<bool> end_waiting_start_in(Session& session, const FlowRun& run);

Result<std::vector<WaitingStart>> waiting_starts_in(Session& session);

}  // namespace weir::catalog
