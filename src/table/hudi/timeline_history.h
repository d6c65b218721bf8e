#pragma once

/// The archived part of a layout-2 timeline: Parquet files that a manifest names. weir needs one
/// thing of it: when a commit was completed that has left the timeline. (A snapshot needs nothing
/// of it, nor does anything need the archive of layout 1, whose bounds are the instants
/// themselves.)

#include <map>
#include <string>

#include "base/result.h"
#include "storage/storage.h"
#include "table/hudi/timeline.h"

namespace weir::table {

/// Completion time by instant; empty where nothing was archived. kCorrupt where the manifest or one
/// of its files is not as it should be.
Result<std::map<std::string, std::string, std::less<>>> archived_completions(
    storage::Storage& store, const TimelineLayout& layout);

}  // namespace weir::table
