#pragma once

/// Phase two of a merge: each touched group streams through once, row group by row group; versions
/// that close leave it for the history groups, new ones join a current group that has room or make
/// new groups. Memory is one row group for each open writer (two) and one byte for each row of the
/// group at hand.

#include <vector>

#include "base/cancel.h"
#include "table/history/version_queries.h"
#include "table/hudi.h"

namespace weir::table::history {

struct RewriteInput {
  const DiffInput& diff;
  const DiffCounts& counts;
  const VersionOrigin& origin;
  std::vector<FileSlice> open_groups;     ///< By group_no: current and mixed groups.
  std::vector<FileSlice> history_groups;  ///< Newest last.
};

/// The files that the commit now has, all finished, none visible.
struct Rewritten {
  std::vector<FileSlice> current;  ///< With open versions (mixed groups too).
  std::vector<FileSlice> history;
};

Result<Rewritten> rewrite(sql::Session& session, HudiTable& table, Commit& commit,
                          const RewriteInput& input, const Cancel& cancel);

}  // namespace weir::table::history
