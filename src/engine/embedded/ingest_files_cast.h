#pragma once

/// The second half of reading a landing file: DuckDB casts the text of a chunk to the declared
/// types. What it cannot cast becomes a reject, with its bytes read again from the file; texts pass
/// as they are. Rows keep their order, and this checks that they did.

#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "files/record_reader.h"
#include "sql/session.h"

namespace weir::engine::embedded {

/// Rows that are good, side by side with their record numbers.
struct TypedRows {
  std::vector<std::shared_ptr<arrow::Array>> columns;  ///< In the plan's order and types.
  std::shared_ptr<arrow::Array> record_numbers;        ///< int64
};

struct CastChunk {
  std::vector<TypedRows> rows;
  std::vector<files::Reject> rejects;  ///< Of the cast only.
};

/// Not for use from several threads at once; the session is its own.
class ChunkCaster {
 public:
  /// `reader` and `store` outlive it. kInvalidConfig for a time zone that DuckDB does not know.
  static Result<std::unique_ptr<ChunkCaster>> open(std::unique_ptr<sql::Session> session,
                                                   const files::RecordReader& reader,
                                                   storage::Storage& store, std::string file);

  /// kInternal where DuckDB gives back other rows than it got.
  Result<CastChunk> cast(const files::Chunk& chunk);

 private:
  ChunkCaster(std::unique_ptr<sql::Session> session, const files::RecordReader& reader,
              storage::Storage& store, std::string file);
  std::string select() const;
  Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> run(const files::Chunk& chunk);
  Status split(const files::Chunk& chunk, const arrow::RecordBatch& text,
               const arrow::RecordBatch* typed, int64_t first_row, CastChunk& out);
  int64_t column_at_fault(const arrow::RecordBatch& text, const arrow::RecordBatch& typed,
                          int64_t row) const;
  Result<files::Reject> reject_of(const files::RecordPlace& place, std::string_view raw,
                                  size_t column, const arrow::RecordBatch& text,
                                  const arrow::RecordBatch& typed, int64_t row) const;

  std::unique_ptr<sql::Session> session_;
  const files::RecordReader& reader_;
  const files::ColumnPlan& plan_;
  storage::Storage& store_;
  std::string file_;
  std::shared_ptr<arrow::Schema> target_;  ///< Types of the plan's columns.
  std::vector<int> typed_;                 ///< Columns that DuckDB casts, as places in the plan.
  std::vector<int> place_of_column_;  ///< For each column: its place in the query, −1 for texts.
  std::vector<int> clock_of_column_;  ///< Where the query says whether the local time reads at all.
};

}  // namespace weir::engine::embedded
