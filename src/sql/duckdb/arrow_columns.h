#pragma once

/// Vectors of DuckDB become columns of Arrow, in weir's types (`sql/duckdb/types.h`). Own code and
/// not DuckDB's export, because that one follows settings, hands out one chunk of 2 048 rows at a
/// time and leaves narrow integers, enums and zone-less timestamps as they are.

#include <memory>

#include <arrow/array.h>

#include "model/schema.h"
#include "sql/duckdb/handles.h"

namespace weir::sql {

/// Gathers vectors of one column. Not for use from several threads at once.
class ColumnGatherer {
 public:
  virtual ~ColumnGatherer() = default;
  /// Adds rows [from, from + count) of a flat vector. kInvalidData for values that weir's type does
  /// not hold (an infinite date, a hugeint of more than 38 digits); kResourceExhausted beyond 2 GiB
  /// of text in one batch.
  virtual Status append(duckdb_vector vector, idx_t from, idx_t count) = 0;
  /// The column so far; the gatherer is then empty.
  virtual Result<std::shared_ptr<arrow::Array>> finish() = 0;
  /// Bytes of values gathered.
  virtual int64_t bytes() const = 0;
};

/// `arrow_type` is what parquet::to_arrow makes of type_of(type).
Result<std::unique_ptr<ColumnGatherer>> make_gatherer(duckdb_logical_type type,
                                                      std::shared_ptr<arrow::DataType> arrow_type);

}  // namespace weir::sql
