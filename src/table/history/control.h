#pragma once

/// Custody: sums of control columns and a digest over keys, of what a snapshot brought against what
/// the table's files hold after the merge. Computed only where columns are declared.

#include <string>
#include <vector>

#include "model/control_sums.h"
#include "table/history/diff.h"
#include "table/history/rewrite.h"

namespace weir::table::history {

struct ControlInput {
  const DiffInput& diff;
  const DiffCounts& counts;
  const HistorySource& source;
  const Rewritten& written;
  std::vector<FileSlice> before;  ///< The table's slices before the merge.
  std::string instant;            ///< Of the commit.
};

/// Columns that the snapshot lacks are carried forward and left out. kCheckFailed where a sum, or
/// the keys, do not close; kInvalidConfig where a column does not add up exactly.
Result<model::HopSums> control_sums(sql::Session& session, storage::Storage& store,
                                    const ControlInput& input);

}  // namespace weir::table::history
