#pragma once

/// A table or a query of PostgreSQL as something to read once, whole or from a watermark on: its
/// columns with the types that they become, one snapshot for every connection that reads, the
/// count under that snapshot, and pieces that are read in parallel. It knows no dataset.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/result.h"
#include "database/postgres.h"
#include "database/postgres_copy.h"
#include "model/schema.h"

namespace weir::database {

/// What is read. One of `table` and `query` is given.
struct SourceRequest {
  std::string table;  ///< `schema.table`, or a table of the connection's schema (`public`).
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
  std::string type_name;  ///< As PostgreSQL calls it: `numeric(10,2)`, `character varying(20)[]`
  CopyColumn copy;        ///< What it becomes where nobody says otherwise.
  std::string expression;
  bool is_free_numeric = false;  ///< numeric that says nothing of its digits: varchar, or as told.
  bool is_zoneless = false;      ///< Timestamps without a zone.
};

/// The column read as another type: exactly, or row by row exactly where `is_free_numeric`. Nothing
/// where that cannot be.
std::optional<SourceColumn> read_as(const SourceColumn& column, const model::DataType& type);

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

/// Holds a snapshot as long as it lives. totals() may run while others read().
class PostgresSource {
 public:
  virtual ~PostgresSource() = default;

  virtual const std::vector<SourceColumn>& columns() const = 0;
  virtual const std::string& name() const = 0;  ///< `public.orders`, or `query`
  virtual int64_t snapshot_at_us() const = 0;   ///< By the server's clock.
  virtual int server_version() const = 0;
  virtual bool checks_utf8() const = 0;  ///< The server does not.

  /// The watermark after this read. Not while totals() runs.
  virtual Result<SourceWatermark> watermark() = 0;
  /// Rows of the whole read by the server's own count; sums of the named columns.
  virtual Result<SourceTotals> totals(const std::vector<std::string>& control_columns) = 0;

  /// Into how many pieces the read falls: more than one only for a whole table.
  virtual Result<int64_t> split(int64_t most) = 0;
  using Sink = std::function<Status(std::string_view bytes)>;
  /// One piece as a binary COPY of these columns, through a connection of its own under the same
  /// snapshot. Safe to call from many threads at once, between split() and the end.
  virtual Status read(int64_t piece, const std::vector<SourceColumn>& columns, const Cancel& cancel,
                      const Sink& sink) const = 0;
};

/// Connects and takes the snapshot. kNotFound with did-you-mean for a table or column that is not
/// there; kInvalidConfig for a timestamp without a zone where none is said, for a cursor or lag of
/// no use; errors of open_postgres().
Result<std::unique_ptr<PostgresSource>> open_postgres_source(const PostgresOptions& options,
                                                             SourceRequest request);

}  // namespace weir::database
