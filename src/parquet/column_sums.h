#pragma once

/// Sums of columns as Arrow reads them: the side of custody that owes nothing to the SQL engine.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/array.h>

#include "base/cancel.h"
#include "base/result.h"
#include "model/control_sums.h"
#include "storage/storage.h"

namespace weir::parquet {

using ColumnSums = std::map<std::string, model::ExactSum>;

/// Adds the values of an array of whole numbers or decimals. With `only`, a boolean array of the
/// same length, those where it is true. kInternal for another type.
Status add_values(const arrow::Array& values, const arrow::BooleanArray* only,
                  model::ExactSum& sum);

/// Adds what a file holds in these columns; a column that it lacks adds nothing. With `only`, the
/// rows where that boolean column is true.
Status add_columns(storage::Storage& store, std::string_view name,
                   const std::vector<std::string>& columns, const std::string& only,
                   const Cancel& cancel, ColumnSums& sums);

}  // namespace weir::parquet
