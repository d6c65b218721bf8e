#pragma once

/// Rows of the tables that cache the lake, for the files that write them within a larger
/// transaction.

#include "catalog/catalog.h"
#include "catalog/database/database.h"

namespace weir::catalog {

enum class IfThere { kKeep, kReplace };

/// Whether it made a row.
Result<bool> write_publication(Session& session, const model::Publication& publication,
                               const std::string& run_id, int64_t at_us, IfThere if_there);
Status write_ledger(Session& session, const LedgerEntry& entry, int64_t at_us, IfThere if_there);
/// kKeep: a watermark does not go back (neither its as-of nor its instant).
Status write_watermark(Session& session, const Watermark& watermark, int64_t at_us,
                       IfThere if_there);
/// Adds a version where the newest one is another.
Status write_schema(Session& session, const model::DatasetName& dataset,
                    const model::Schema& schema, const std::string& token, int64_t at_us);

}  // namespace weir::catalog
