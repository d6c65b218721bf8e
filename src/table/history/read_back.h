#pragma once

/// Custody: the counts of a merge, taken from the files that it wrote and not from what it meant to
/// write, and whether they close.

#include <string>
#include <vector>

#include "model/outcome.h"
#include "table/history/rewrite.h"

namespace weir::table::history {

struct ReadBackInput {
  const HistoryColumns& columns;
  const DiffCounts& counts;
  const Rewritten& written;
  std::vector<FileSlice> before;  ///< The table's slices before the merge.
  std::string instant;            ///< Of the commit.
  int64_t as_of_us = 0;
  int64_t rows_in = 0;   ///< From the footers of the snapshot's files.
  int64_t rejected = 0;  ///< From the footer of the rejected object.
};

/// Reads the written files again. kCheckFailed where they do not hold what phase one found, where
/// rows of the table were lost, or where the equation does not close.
Result<model::Counts> read_back(sql::Session& session, HudiTable& table,
                                const ReadBackInput& input);

}  // namespace weir::table::history
