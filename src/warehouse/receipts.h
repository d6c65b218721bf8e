#pragma once

/// A receipt as a row of `_weir_load`: eight columns in every warehouse, `token, table_name,
/// loaded_at, run_id, rows, digest, counts, details`, the last two JSON.

#include "warehouse/warehouse.h"

namespace weir::warehouse {

/// Reads those columns, `loaded_at` as microseconds of 1970 UTC. kCorrupt, kInvalidData.
Result<Receipt> receipt_from(const sql::Row& row);

/// What the column `details` holds.
Json details_of(const Receipt& receipt);

/// Rows and both sums, as `sums_of_hashes` gives them.
Result<TableState> state_from(const sql::Row& row);

}  // namespace weir::warehouse
