#pragma once

/// The outbox, for the files that write it within a larger transaction.

#include "catalog/catalog.h"
#include "catalog/database/database.h"

namespace weir::catalog {

/// Rows of the outbox: waiting, or suppressed where the notice's limits say so.
Status write_notices(Session& session, const Notices& notices, int64_t at_us);

}  // namespace weir::catalog
