#pragma once

/// The table at one moment and what changed between two: which files, and which commits made it so.
/// A version that the cleaner has taken a file from is refused, never half given.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "table/hudi.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/properties.h"

namespace weir::table {

/// HudiTable::snapshot.
Result<Snapshot> take_snapshot(const TableProperties& properties, CommitLog& log,
                               std::string_view at);

/// HudiTable::changes.
Result<Changes> take_changes(const TableProperties& properties, CommitLog& log,
                             std::string_view from, std::string_view to);

/// HudiTable::missing_files.
Result<std::vector<std::string>> missing_files(CommitLog& log);

}  // namespace weir::table
