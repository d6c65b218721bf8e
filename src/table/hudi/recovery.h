#pragma once

/// Undoing what a commit left behind that never completed. Every step may be cut off and done
/// again: what says that there is something to undo goes last.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "storage/storage.h"
#include "table/hudi/timeline.h"

namespace weir::table {

/// Object name of a data file's marker.
std::string marker_file(std::string_view instant, std::string_view data_file, bool is_new_group);

/// Says that weir requested the instant, in a table that is not its own: the requested file is
/// empty, for Hudi takes nothing else, and tells nobody. Beside the markers, with which it goes.
std::string claim_file(std::string_view instant);

/// Removes data files named by markers, the markers, then inflight, then requested: once nothing
/// says that the instant is pending nothing more is done to it, for it may be another's then.
Status undo_instant(storage::Storage& store, const Instant& pending);

/// The same of one attempt alone, by the write token in the names of its files: a writer that slept
/// may find its instant given to another.
Status undo_attempt(storage::Storage& store, const Instant& pending, std::string_view write_token);

/// Removes every marker of an instant.
Status remove_markers(storage::Storage& store, std::string_view time);

struct RolledBack {
  int64_t undone = 0;
  bool has_commits = false;  ///< Whether the table has one now.
};

/// Ends all unfinished commits older than `before` that weir began: those whose inflight file
/// carries weir's token, and those that did not get so far where the table is weir's own or weir
/// has claimed them. Undone are those that were not decided before (decision.h), the others are
/// completed. Markers that outlived their instant go too, and in a table of weir's own the data
/// files of instants that are unknown.
Result<RolledBack> roll_back_all(storage::Storage& store, bool is_own_table,
                                 std::string_view before);

}  // namespace weir::table
