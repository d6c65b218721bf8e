#pragma once

/// SCD2 history in a Hudi table, snapshot mode: one picture of all keys comes in, versions open,
/// close or stay. Two phases: DuckDB finds what changed by keys and hashes, then only the file
/// groups that are touched are rewritten. docs/format/hudi.md names the columns.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "model/control_sums.h"
#include "model/operation.h"
#include "model/outcome.h"
#include "sql/session.h"
#include "table/hudi.h"

namespace weir::table {

/// Names of the columns that history adds behind the business columns, in this order.
struct HistoryColumns {
  std::string version_id = "_version_id";
  std::string valid_from = "valid_from";
  std::string valid_to = "valid_to";
  std::string is_current = "is_current";
  std::string is_deleted = "is_deleted";
  std::string row_hash = "row_hash";
  std::string run_id = "_run_id";
  std::string source_file = "_source_file";
  std::string source_row = "_source_row";
  std::string loaded_at = "_loaded_at";
};

enum class Deletes { kIgnore, kByAbsence };

struct HistoryOptions {
  std::vector<std::string> key;        ///< Business key columns.
  std::vector<std::string> untracked;  ///< Columns whose change updates in place (type 1).
  Deletes deletes = Deletes::kIgnore;
  double max_deleted_percent = 20.0;  ///< Of the open keys; more is held.
  std::optional<double> max_changed_percent;
  HistoryColumns columns;
  int64_t target_file_bytes = int64_t{120} << 20;
  std::vector<std::string> control;  ///< Columns whose sums, with a digest over keys, must close.
  /// Once: the delete guard does not hold this merge (a person approved it). A stale snapshot is
  /// held all the same: only a rebuild can take it in.
  bool is_approved = false;
  /// Where rows go that cannot be merged (NULL in the key, one key with different rows). Without it
  /// such a row is kInvalidConfig.
  storage::Storage* rejected_store = nullptr;
};

/// One snapshot to merge.
struct HistorySource {
  std::vector<std::string> files;  ///< ObjectFiles::path_of raw Parquet objects; may be empty
  /// Files of quarantined rows of the same snapshot: their keys are present, not absent.
  std::vector<std::string> rejected_files;
  std::shared_ptr<sql::ObjectFiles> objects = {};  ///< Where they were named, if not by paths.
  model::Schema schema;  ///< Business columns of the snapshot, without load columns.
  int64_t as_of_us = 0;
  int64_t rows = 0;  ///< From the footers: what custody must account for.
  std::vector<std::string> input_identities;
  /// Of the control columns that the snapshot has, counted by another reader than the engine.
  std::map<std::string, model::ExactSum> control_sums;
};

/// Merges one snapshot in one commit, or holds it, or finds its token and does nothing.
/// The table is created where it is missing; `table.schema` may be left empty. Nothing is written
/// where it is held (`too_many_deletes`, `too_many_changes`, `empty_snapshot`, `stale_snapshot`).
/// kCheckFailed where the counts do not close: nothing is visible then. kSchemaDrift where a
/// column's type does not widen the table's; kInvalidConfig where key or untracked columns are not
/// those that the table's history was made with.
Result<model::Outcome> merge_snapshot(const TableContext& context, const TableOptions& table,
                                      const HistoryOptions& options, const HistorySource& source,
                                      const model::Operation& operation, const Cancel& cancel);

/// The outcome of the operation's token where the table has it: whatever became of its inputs
/// since.
Result<std::optional<model::Outcome>> find_merge(const TableContext& context,
                                                 const model::Operation& operation);

/// SHA-256 over the sorted canonical hashes of business columns and valid_from, valid_to,
/// is_current, is_deleted: what "equal" means between engines, runs and restarts. For a table
/// without history columns: over all data columns but those that start with '_'. 64 hex digits.
Result<std::string> table_digest(HudiTable& table, const Snapshot& snapshot, const Cancel& cancel);

}  // namespace weir::table
