#pragma once

/// Parquet in and out through Storage; Arrow lives here. Writes what Hudi, Spark and DuckDB all
/// read right: decimals as FIXED_LEN_BYTE_ARRAY, timestamps as adjusted UTC microseconds, a footer
/// that names the calendar, every column optional. It knows nothing of Hudi's columns or of SQL.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/result.h"
#include "model/schema.h"
#include "storage/storage.h"

namespace weir::parquet {

/// Arrow's view of a schema and back. kUnsupported for a type that weir does not store (hugeint is
/// decimal(38,0)).
Result<std::shared_ptr<arrow::Schema>> to_arrow(const model::Schema& schema);
Result<model::Schema> from_arrow(const arrow::Schema& schema);
/// The message of a failed Arrow call as an Error: IOError is kUnavailable, out of memory
/// kResourceExhausted, invalid bytes kCorrupt.
Error to_error(const arrow::Status& status);

enum class Codec { kSnappy, kZstd };

struct WriteOptions {
  Codec codec = Codec::kZstd;  ///< Hudi tables use Snappy.
  /// A row group ends after that many rows, or with the batch that brings it to that many bytes of
  /// Arrow buffers: it is in memory until it is written, and again where it is read.
  int64_t row_group_rows = int64_t{122'880} * 4;
  int64_t row_group_bytes = int64_t{64} << 20;
  int64_t threads = 1;  ///< Columns of a batch are encoded in parallel beyond 1.
};

struct WrittenFile {
  int64_t rows = 0;
  int64_t size_bytes = 0;
  std::string sha256;
};

/// One file in the making. Nothing is visible before commit(). Not for several threads at once.
class FileWriter {
 public:
  virtual ~FileWriter() = default;  ///< Destroyed without commit(): nothing stays.
  /// The batch must have the writer's schema (names, order, types): kInternal otherwise.
  virtual Status write(const arrow::RecordBatch& batch) = 0;
  virtual int64_t rows() const = 0;
  virtual int64_t bytes_so_far() const = 0;  ///< Flushed plus estimated.
  /// Footer key/values may be given until the end. Errors as Storage's Writer::commit.
  virtual Result<WrittenFile> commit(const std::map<std::string, std::string>& footer,
                                     storage::Put mode) = 0;
};

Result<std::unique_ptr<FileWriter>> create_file(storage::Storage& store, std::string_view name,
                                                std::shared_ptr<arrow::Schema> schema,
                                                const WriteOptions& options);

struct FileInfo {
  int64_t rows = 0;
  int64_t row_groups = 0;
  int64_t size_bytes = 0;
  std::shared_ptr<arrow::Schema> schema;
  std::map<std::string, std::string> footer;
};

/// A file that is there. Row groups are read one at a time. Not for several threads at once.
class FileReader {
 public:
  virtual ~FileReader() = default;
  virtual const FileInfo& info() const = 0;
  /// The rows of one row group, only those columns (all where empty), in the file's order.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> read_row_group(
      int64_t row_group, const std::vector<std::string>& columns) = 0;
};

/// kNotFound; kCorrupt for what is no Parquet file.
Result<std::unique_ptr<FileReader>> open_file(storage::Storage& store, std::string_view name);
/// Footer and row count only. Same errors.
Result<FileInfo> read_info(storage::Storage& store, std::string_view name);

}  // namespace weir::parquet
