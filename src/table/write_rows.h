#pragma once

/// Rows into a Hudi table by their keys, in one commit: what Hudi calls insert, upsert, delete,
/// insert_overwrite and insert_overwrite_table. A key is looked up in the data files themselves, so
/// it does not matter who wrote them. Memory is the session's and one row group; rows that wait are
/// DuckDB's to spill.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "model/control_sums.h"
#include "sql/session.h"
#include "table/hudi.h"

namespace weir::table {

enum class RowOperation {
  kInsert,               ///< Keys are new: kAlreadyExists, naming one, where one is there.
  kUpsert,               ///< Replaces the row of the same key, adds the others.
  kDelete,               ///< Removes the rows of these keys; other keys are passed over.
  kOverwritePartitions,  ///< The partitions of these rows hold them alone from now on.
  kOverwriteTable,       ///< The table holds these rows alone from now on.
};

/// Where a key stands for one row.
enum class KeyScope {
  kTable,      ///< A row that comes with another partition moves there.
  kPartition,  ///< As Hudi's default indexes have it: the same key may be in several partitions.
};

/// What became of the rows that came: in = deduplicated + stale + inserted + updated + flagged +
/// passed_over (of a delete: in = deduplicated + flagged + passed_over).
struct RowsWritten {
  CommitInfo commit;
  bool was_done = false;  ///< A commit with this token is there already: it, and no counts.
  int64_t rows_before = 0;
  int64_t in = 0;
  int64_t deduplicated = 0;  ///< Another row of the same key was taken.
  int64_t stale = 0;         ///< The table's row has a greater value in the ordering field.
  int64_t inserted = 0;
  int64_t updated = 0;      ///< A row of this key was there, here or in another partition.
  int64_t flagged = 0;      ///< Rows that came to delete and met one.
  int64_t passed_over = 0;  ///< Rows that came to delete and met none.
  int64_t deleted = 0;      ///< Rows that are gone from the table, not counting replaced ones.
  int64_t rows = 0;         ///< Of the table now, by the footers of its files.
  /// Of `RowWrite::control`, read back from the files: what was inserted, updated, stale or came to
  /// delete, the table's sum, and the keys that were delivered. What came in is the caller's to
  /// add.
  model::HopSums sums;
};

struct RowWrite {
  RowOperation operation = RowOperation::kUpsert;
  KeyScope scope = KeyScope::kTable;
  std::string rows;      ///< A relation of the session: a name, or a subquery in parentheses.
  model::Schema schema;  ///< Its columns. A delete needs those of key and partition only.
  /// Columns of the table from now on; empty: the table's, widened by `schema`.
  model::Schema table_schema = {};
  std::string token;                  ///< Where a commit has it, nothing is written.
  std::string write_token = "0-0-0";  ///< See BeginOptions.
  Role role = Role::kCurrent;         ///< Of groups that are new.
  int64_t target_file_bytes = int64_t{120} << 20;
  /// A boolean column of the rows, none of the table's: where it is true the row's key goes. Upsert
  /// only.
  std::string delete_flag = {};
  /// Columns whose sums shall prove the write; the whole table's values of them are read. Upsert
  /// only.
  std::vector<std::string> control = {};
  /// What goes into the commit; called once all files stand and before anything is visible, so it
  /// may still refuse. May be empty.
  std::function<Result<std::map<std::string, std::string>>(const RowsWritten&)> extra = {};
};

/// Of rows with one key the one with the greatest value in the table's ordering field is taken, and
/// it does not replace a row whose value there is greater still (Hudi's
/// DefaultHoodieRecordPayload). Nothing is visible where it fails. kInvalidData for a NULL key or
/// ordering value, for rows of one key that differ where nothing says which is newer, and for a
/// partition value that cannot be a folder; kSchemaDrift for columns that do not widen the table's;
/// kUnsupported, naming the property, for a table that weir does not write; kConflict while another
/// writer's commit is under way.
Result<RowsWritten> write_rows(sql::Session& session, HudiTable& table, const RowWrite& write,
                               const Cancel& cancel);

}  // namespace weir::table
