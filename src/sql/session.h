#pragma once

/// DuckDB in process, one instance a session: its lock-down and limits are global to an instance.
/// Two ways in: `Session` for weir's own statements, and `sql/user_query.h` for what users write.
/// `canonical_hash(struct)` is registered in every session.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/cancel.h"
#include "base/result.h"
#include "model/schema.h"
#include "sql/object_files.h"

namespace weir::sql {

struct SessionOptions {
  int64_t memory_bytes = 0;  ///< DuckDB's share (not the process's); 0: DuckDB's default.
  /// 0: all. Fewer where memory is short: below 125 MB a thread DuckDB cannot sort (its performance
  /// guide, "Environment").
  int64_t threads = 0;
  std::string temp_folder =
      {};                     ///< A private 0700 folder is made in it and removed with the session.
  std::string database = {};  ///< A database file to open; empty: in memory.
  bool is_read_only = false;
  bool preserves_order = true;
  std::optional<int64_t> now_us = {};  ///< What now() gives users' SQL; nothing: the clock.
  /// Where files that the session reads were named; empty: it has some of its own.
  std::shared_ptr<ObjectFiles> objects = {};
};

using Row = std::vector<std::optional<std::string>>;  ///< Values as DuckDB casts them to text.

struct TextResult {
  std::vector<std::string> names;
  std::vector<model::DataType> types;
  std::vector<Row> rows;
};

/// Batches of a running query. Not for several threads at once.
class BatchReader {
 public:
  virtual ~BatchReader() = default;
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  virtual const model::Schema& columns() const = 0;
  /// The next batch; nullptr at the end.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> next() = 0;
};

/// One connection to one DuckDB instance. Not for several threads at once.
class Session {
 public:
  virtual ~Session() = default;

  /// Runs statements that weir wrote; results are thrown away.
  virtual Status run(const std::string& statements) = 0;
  /// A small result as text. kResourceExhausted beyond `max_rows`.
  virtual Result<TextResult> query(const std::string& statement, int64_t max_rows = 100'000) = 0;
  /// One integer from one row (COUNT and the like).
  virtual Result<int64_t> query_number(const std::string& statement) = 0;
  /// Streams a result. Types come out as parquet::to_arrow writes them (decimals 128, timestamps
  /// UTC µs); hugeint as decimal(38,0) (kInvalidData on overflow). The session must not be used
  /// for anything else until the reader is gone.
  virtual Result<std::unique_ptr<BatchReader>> stream(const std::string& statement) = 0;
  /// Names and types of a query without running it.
  virtual Result<model::Schema> describe(const std::string& statement) = 0;

  /// Makes `name` a view over Arrow batches that `pull` hands out (nullptr ends); scanned once.
  virtual Status add_arrow_table(const std::string& name, std::shared_ptr<arrow::Schema> schema,
                                 std::vector<std::shared_ptr<arrow::RecordBatch>> batches) = 0;

  /// The same as a view, without a copy: the batches are scanned in place, by one query, once. They
  /// live until the name is given again or the session ends. Schema of text, numbers and the like.
  virtual Status scan_arrow_once(const std::string& name, std::shared_ptr<arrow::Schema> schema,
                                 std::vector<std::shared_ptr<arrow::RecordBatch>> batches) = 0;

  /// Names objects of stores as files that this session reads.
  virtual ObjectFiles& objects() = 0;

  /// From now on only these files can be opened by anybody, and no setting can be changed.
  virtual Status lock(const std::vector<std::string>& allowed_paths) = 0;
};

/// Errors of statements: kInvalidData for casts and constraints, kResourceExhausted for memory and
/// disk, kUnavailable for I/O, kConflict for a database file that another process holds, kCancelled
/// where `cancel` was set (the query is interrupted), kInvalidConfig for what does not bind.
Result<std::unique_ptr<Session>> open_session(const SessionOptions& options, const Cancel& cancel);

/// DuckDB's version: `v1.5.5`.
std::string engine_version();

}  // namespace weir::sql
