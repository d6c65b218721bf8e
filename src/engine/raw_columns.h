#pragma once

/// The business columns of raw objects, put together from what each of them says of itself.

#include "model/schema.h"
#include "parquet/parquet.h"

namespace weir::engine {

/// The business columns of one raw object, by its footer; of one that others made, all but the load
/// columns.
Result<model::Schema> raw_columns(const parquet::FileInfo& info);

/// Takes an object's columns in. What the snapshot itself has: a column that the dataset got later
/// is not in it. Types are the dataset's (`declared`) where they hold the object's. kSchemaDrift
/// where objects disagree about a column.
Status add_raw_columns(model::Schema& schema, const model::Schema& found,
                       const model::Schema& declared);

}  // namespace weir::engine
