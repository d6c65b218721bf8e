#pragma once

/// Rows of a snapshot that history cannot take: NULL in the key, one key with different rows.

#include "table/history/version_queries.h"
#include "table/rejected_rows.h"

namespace weir::table::history {

/// See write_rejected.
Result<Quarantined> quarantine(sql::Session& session, storage::Storage* store,
                               const DiffInput& input, const DiffCounts& counts,
                               const VersionOrigin& origin, const model::Operation& operation);

}  // namespace weir::table::history
