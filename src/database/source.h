#pragma once

/// A table or a query of a database as something to read once, whole or from a watermark on: its
/// columns with the types that they become, one snapshot for all that is asked of it, the count
/// under that snapshot, and its rows as Arrow. Values are exact or their row is refused with a
/// reason. It knows no dataset; which database it is only those who make one know.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/array.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "model/schema.h"

namespace weir::database {

/// What is read. One of `table` and `query` is given.
struct SourceRequest {
  std::string table;  ///< `schema.table`, or a table where the connection looks by itself.
  std::string query;
  std::vector<std::string> columns;  ///< Those alone; empty: all.
  std::string where;                 ///< A condition in the database's own SQL.
  std::string timezone;              ///< In which timestamps without a zone are; empty: not said.
  std::vector<std::string> cursor;
  std::vector<std::string> from;  ///< The watermark, a value for each cursor column; or empty.
  std::string lag;                ///< `10m`, or a whole number: read again before the watermark.
  bool is_inclusive = true;       ///< Rows at the very watermark are read again.
};

struct SourceColumn {
  std::string name;
  std::string type_name;     ///< As the database calls it: `numeric(10,2)`, `int(10) unsigned`.
  model::DataType type;      ///< What it becomes where nobody says otherwise.
  bool is_free = false;      ///< Its type says not what its values are: varchar, or as told.
  bool is_zoneless = false;  ///< Timestamps without a zone.
};

/// Control columns: the sum of one, and how many values went into it. `NaN` and infinity, which
/// add up to nothing, are left out.
struct SourceSum {
  std::string sum;
  int64_t values = 0;
};
struct SourceTotals {
  int64_t rows = 0;
  std::vector<SourceSum> sums;
};

struct SourceWatermark {
  std::vector<std::string> types;
  std::vector<std::string> to;  ///< As far as was read; empty: nothing was ever.
  bool has_nulls = false;       ///< Rows whose cursor is NULL: an increment does not see them.
};

/// What becomes of a value that is none: its row is refused, or it is read as NULL.
enum class NoValue { kReject, kNull };

struct ReadOptions {
  NoValue infinity = NoValue::kReject;    ///< Dates and timestamps `infinity`.
  NoValue zero_dates = NoValue::kReject;  ///< `0000-00-00`, and dates without a month or a day.
  int64_t batch_rows = int64_t{32} * 1024;
  int64_t batch_bytes = int64_t{8} << 20;  ///< As the database sent them.
};

/// A row that has no exact value in the columns' types. Reasons are stored: `out_of_range`,
/// `scale_overflow`, `wrong_type`, `infinite`, `nested_array`, `invalid_utf8`, `zero_date`,
/// `nonexistent_time`.
struct SourceReject {
  int64_t row = 0;  ///< Within the batch, from 0.
  std::string reason;
  std::string column;
  std::string text;    ///< Of the value at fault, as the database writes it.
  std::string raw;     ///< The row's own bytes, or what comes closest to them.
  std::string values;  ///< JSON object: column to text; NULLs left out.
};

/// Rows that follow one another.
struct SourceRows {
  int64_t first_row = 0;  ///< Within the batch, from 0.
  std::vector<std::shared_ptr<arrow::Array>> columns;
};

struct SourceBatch {
  int64_t row_count = 0;  ///< Good and refused ones.
  int64_t bytes = 0;
  std::vector<SourceRows> rows;  ///< Without the refused ones.
  std::vector<SourceReject> rejects;
};

/// Holds a snapshot as long as it lives. totals() may run while others read().
class Source {
 public:
  virtual ~Source() = default;

  virtual const std::vector<SourceColumn>& columns() const = 0;
  virtual const std::string& name() const = 0;  ///< `public.orders`, or `query`
  virtual int64_t snapshot_at_us() const = 0;   ///< By the server's clock.
  virtual int server_version() const = 0;
  /// What a person should know of the source before he trusts the read.
  virtual std::vector<std::string> warnings() const { return {}; }

  /// The column read as another type: exactly, or row by row exactly where `is_free`. Nothing where
  /// that cannot be.
  virtual std::optional<SourceColumn> read_as(const SourceColumn& column,
                                              const model::DataType& type) const = 0;

  /// The watermark after this read. Not while totals() or read() runs.
  virtual Result<SourceWatermark> watermark() = 0;
  /// Rows of the whole read by the database's own count; sums of the named columns.
  virtual Result<SourceTotals> totals(const std::vector<std::string>& control_columns) = 0;

  /// Into how many pieces the read falls: more than one only where many connections can share a
  /// snapshot.
  virtual Result<int64_t> split(int64_t most) = 0;
  using Sink = std::function<Status(SourceBatch batch)>;
  /// One piece of these columns (of columns() or read_as()) under the snapshot, in batches of at
  /// least a row. Safe to call from many threads at once, between split() and the end.
  virtual Status read(int64_t piece, const std::vector<SourceColumn>& columns,
                      const ReadOptions& options, const Cancel& cancel, const Sink& sink) const = 0;
};

/// How a database is reached: the options of a connection with its kind, secrets resolved and paths
/// absolute.
struct DatabaseOptions {
  Json connection;
  std::string application_name = "weir";  ///< As others see us in the server's lists.
  Clock* clock = nullptr;
  const Cancel* cancel = nullptr;
};

/// The kinds of connections that open_source() takes.
const std::vector<std::string>& source_kinds();
bool is_source_kind(std::string_view kind);
/// Whether the options of such a connection can be read. kInvalidConfig says what is wrong.
Status check_source_options(std::string_view kind, const Json& options);

/// Connects and takes the snapshot. kNotFound with did-you-mean for a table or column that is not
/// there; kInvalidConfig for a cursor or lag of no use; kUnsupported for a kind that is no such
/// database; errors of connecting.
Result<std::unique_ptr<Source>> open_source(const DatabaseOptions& options, SourceRequest request);

}  // namespace weir::database
