#pragma once

/// Rows of flow_state, for the files that write them within a larger transaction.

#include <string>

#include "catalog/catalog.h"
#include "catalog/database/database.h"

namespace weir::catalog {

/// Catalog::note_scheduled in a transaction of the caller's.
Status note_scheduled_in(Session& session, const std::string& flow_id, int64_t logical_time_us);

}  // namespace weir::catalog
