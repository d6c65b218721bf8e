#pragma once

/// Where curated data is queried by analysts: rows are staged, then published in one transaction
/// together with a receipt in `_weir_load`, so a load is there whole or not at all and a second
/// attempt finds it. DuckDB files and PostgreSQL; Redshift comes over the same seam.
///
/// It knows nothing of the lake: Parquet files and their columns come in, whoever wrote them.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/resolve_secrets.h"
#include "base/result.h"
#include "model/control_sums.h"
#include "model/operation.h"
#include "model/outcome.h"
#include "model/schema.h"
#include "sql/session.h"

namespace weir::warehouse {

/// `schema.table` or `table` as users write it.
struct TableName {
  std::string schema;  ///< Empty: the warehouse's default.
  std::string table;

  std::string text() const { return schema.empty() ? table : schema + "." + table; }
  /// For SQL, each part in double quotes.
  std::string quoted() const;
  bool operator==(const TableName&) const = default;
};

/// Splits at the first '.'. kInvalidConfig for a broken name and for `_weir_…`, which is ours.
Result<TableName> parse_table_name(std::string_view text);

/// One load, fully said.
struct Load {
  std::string token;
  TableName table;
  model::WriteMode mode = model::WriteMode::kReplace;
  std::vector<std::string> key;    ///< For kMerge: names a row. Never empty there.
  std::vector<std::string> files;  ///< Parquet, each as DuckDB opens it.
  model::Schema columns;           ///< What the table gets from them, in order.
  int64_t rows = 0;                ///< That must arrive: counted from the files by another reader.
  std::string run_id;
  int64_t attempt = 1;
  int64_t loaded_at_us = 0;     ///< The run's logical time.
  Json inputs = Json::array();  ///< What the files are versions of; kept in the receipt.
  /// Sums of control columns over the files, by another reader than the warehouse.
  std::map<std::string, model::ExactSum> control = {};
};

/// What a table holds, in whatever order: rows, and two sums over the halves of their canonical
/// hashes. It adds up: appended rows are the difference between after and before.
struct TableState {
  int64_t rows = 0;
  std::string high = "0";  ///< Whole numbers in decimal digits.
  std::string low = "0";

  std::string digest() const;  ///< 64 hex digits.
  bool operator==(const TableState&) const = default;
};
/// The state after rows of that state were added.
Result<TableState> sum_of(const TableState& a, const TableState& b);

/// A row of `_weir_load`: what a load did, kept beside the data it loaded.
struct Receipt {
  std::string token;
  std::string table_name;
  int64_t loaded_at_us = 0;
  std::string run_id;
  int64_t rows = 0;           ///< Of the table after the load, read back.
  std::string digest;         ///< Over the key (all columns without one) of the rows delivered.
  model::Counts counts = {};  ///< Read back from the table, not told by the statement that wrote.
  int64_t number = 0;     ///< Counts the loads of the table: a retry may come later than it says.
  TableState state = {};  ///< Of the table after the load, over `columns`.
  std::vector<std::string> columns = {};  ///< Loaded up to now: others may be the analysts' own.
  Json inputs = Json::array();
  Json sums = Json::object();  ///< Of control columns, model::HopSums.
};

/// Rows in the warehouse that nobody sees yet.
struct Staged {
  TableName table;
  int64_t rows = 0;
  std::string digest = {};
  TableState state = {};  ///< Over all columns.
};

/// An open warehouse. Not for several threads at once.
class Warehouse {
 public:
  virtual ~Warehouse() = default;

  /// The receipt of that token, where the table it speaks of is still there.
  virtual Result<std::optional<Receipt>> find(const std::string& token) = 0;

  /// Copies the files' rows into a staging table of this attempt; from now on no other attempt
  /// loads that table. kInvalidData where a value does not fit its column, kConflict where another
  /// attempt is at it for too long.
  virtual Result<Staged> stage(const Load& load) = 0;

  /// One transaction: swap, append or merge, the counts, the receipt. kCheckFailed, and nothing
  /// happened, where the counts or the sums of control columns do not close; kSchemaDrift where the
  /// table's columns do not take the rows; kInvalidData for a NULL or a double key.
  virtual Result<Receipt> publish(const Load& load, const Staged& staged) = 0;

  /// Drops what attempts staged and did not publish, and lets others load.
  virtual Status drop_staged() = 0;

  /// What a table holds now in those columns (in one that it lacks: NULLs); nothing where it is not
  /// there.
  virtual Result<std::optional<TableState>> state(const TableName& table,
                                                  const std::vector<std::string>& columns) = 0;

  /// Rows of a table now. kNotFound.
  virtual Result<int64_t> count_rows(const TableName& table) = 0;

  /// The receipts of a table in the order of its loads, or of all where the name is empty.
  virtual Result<std::vector<Receipt>> receipts(const TableName& table) = 0;
};

struct Loaded {
  Receipt receipt;
  bool was_already_done = false;
};

/// Finds the token or stages and publishes. Staged rows must be as many as `load.rows`
/// (kCheckFailed), before anything is published. kCorrupt where the table is not as its newest load
/// left it and this one would leave it so (it finds its token, or adds to what is there). A load
/// that fails leaves nothing staged.
Result<Loaded> run_load(Warehouse& warehouse, const Load& load);

struct OpenOptions {
  Json connection = Json::object();  ///< `kind` (default `duckdb`) and the kind's own.
  sql::SessionOptions session;       ///< Memory, threads, temp folder.
  std::string holder;                ///< Who we are, for others that wait: a run's id.
  Clock* clock = nullptr;
  const Cancel* cancel = nullptr;
  ResolveSecrets resolve_secrets = {};  ///< For references in `connection`.
};

/// Whether a connection of that kind is a warehouse.
bool is_warehouse(std::string_view kind);

/// Whether there is anything to open: false where the first load makes it.
Result<bool> warehouse_exists(const Json& connection);

/// kInvalidConfig for what the connection lacks, kUnsupported for a kind that nobody serves.
Result<std::unique_ptr<Warehouse>> open_warehouse(const OpenOptions& options);

/// A DuckDB file: `{"path": …, "lock_timeout": "30s"}`. One process (and one holder in it) at a
/// time, so it waits up to lock_timeout; then kConflict, naming the holder as far as it is known.
Result<std::unique_ptr<Warehouse>> open_duckdb_warehouse(const OpenOptions& options);

/// A schema of a PostgreSQL database; options as database::read_postgres_settings reads them. Loads
/// of one table wait for each other up to `lock_timeout`; then kConflict, naming the holder.
Result<std::unique_ptr<Warehouse>> open_postgres_warehouse(const OpenOptions& options);

}  // namespace weir::warehouse
