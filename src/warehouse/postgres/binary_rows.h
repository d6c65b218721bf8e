#pragma once

/// Arrow batches as the binary form of COPY, and its text form as Arrow batches of texts. Writing
/// and reading back go different ways, so that a fault of one is seen by the other.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/builder.h>
#include <arrow/record_batch.h>

#include "base/result.h"
#include "model/schema.h"

namespace weir::warehouse::postgres {

/// The header before the first row and the mark after the last one.
std::string_view binary_header();
std::string_view binary_trailer();

/// Adds the batch's rows to `to`. kInvalidData names the column of what PostgreSQL does not hold: a
/// NUL in a text, a date before 4713 BC, one that never comes.
Status add_binary_rows(const arrow::RecordBatch& batch, const model::Schema& columns,
                       std::string& to);

/// Rows that COPY wrote as text, on their way into DuckDB: columns `c0`, `c1`, … of texts.
class TextRows {
 public:
  explicit TextRows(size_t columns);
  /// One row, with its end of line. kInternal where it has other columns.
  Status add(std::string_view line);
  int64_t rows() const { return rows_; }
  int64_t bytes() const { return bytes_; }
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  /// What was added since the last call.
  Result<std::shared_ptr<arrow::RecordBatch>> take();

 private:
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::unique_ptr<arrow::StringBuilder>> builders_;
  std::string value_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace weir::warehouse::postgres
