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

/// Removes data files named by markers, then inflight, then requested, then the markers.
Status undo_instant(storage::Storage& store, const Instant& pending);

/// Removes every marker of an instant.
Status remove_markers(storage::Storage& store, std::string_view time);

/// Undoes all unfinished commits that weir began: those whose inflight file carries weir's token,
/// and, in a table that is weir's own, those that did not get so far. Markers that outlived their
/// instant go too, and in a table of weir's own the data files of instants that are unknown. How
/// many instants were undone.
Result<int64_t> roll_back_all(storage::Storage& store, bool is_own_table);

}  // namespace weir::table
