#pragma once

/// Which column plays which part in one merge: what is compared, what is filled in place, what is
/// carried forward, and the table's columns afterwards. Pure: schemas in, names out.

#include <string>
#include <vector>

#include "model/schema.h"
#include "table/history.h"

namespace weir::table::history {

/// Every list is in the order of `data`.
struct Layout {
  model::Schema business;  ///< After the merge: the table's columns, then the added ones.
  model::Schema data;      ///< All data columns of the table after the merge.
  model::Schema source;    ///< Business columns that the snapshot has, as they are stored.
  std::vector<std::string> key;
  std::vector<std::string> tracked;    ///< Business columns without key and untracked ones.
  std::vector<std::string> added;      ///< In the snapshot, not yet in the table.
  std::vector<std::string> missing;    ///< In the table, not in the snapshot: carried forward.
  std::vector<std::string> compared;   ///< Tracked columns that both sides have.
  std::vector<std::string> refreshed;  ///< Untracked columns that both sides have.
};

/// `table` is empty where there is no table yet. kSchemaDrift where a type does not widen the
/// table's or a key column is missing; kInvalidConfig where the options name columns that are not
/// there or that history needs for itself.
Result<Layout> plan_layout(const model::Schema& table, const HistoryOptions& options,
                           const model::Schema& source);

/// The columns that history adds, in order, with their types.
model::Schema history_columns(const HistoryColumns& names);

/// Whether a table has all of them: it then is one that this module made.
bool has_history(const model::Schema& table, const HistoryColumns& names);

/// Columns of a history table without those that history adds.
model::Schema business_columns(const model::Schema& table, const HistoryColumns& names);

bool contains(const std::vector<std::string>& names, std::string_view name);

}  // namespace weir::table::history
