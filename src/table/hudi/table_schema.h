#pragma once

/// The columns of a table at one moment: by its newest commit that names them, else by a file.

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/schema.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/properties.h"

namespace weir::table {

/// The data columns by the newest of these commits that names them; else the table's creation.
Result<model::Schema> schema_at(const TableProperties& properties, CommitLog& log,
                                const std::vector<Instant>& commits);

/// The same, with a live file's footer where neither says anything, and with path_columns() behind.
/// kUnsupported where columns may have been renamed: files are read by the names they have.
Result<model::Schema> schema_of(const TableProperties& properties, CommitLog& log,
                                const std::vector<Instant>& commits,
                                const std::map<GroupKey, DataFile>& live);

}  // namespace weir::table
