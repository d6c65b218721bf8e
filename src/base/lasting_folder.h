#pragma once

/// Folders, and names in them, that are still there when the power came back. A new file, a rename
/// and a new folder are on the disk only once the folder that names them was synced; to sync the
/// file itself keeps its bytes and not its name. For files that other libraries write (SQLite,
/// DuckDB); objects go through storage/, which does this itself.

#include <string>

#include "base/result.h"

namespace weir {

/// Syncs the folder that holds `path`, so that the name lasts. kUnavailable where that fails.
Status keep_name(const std::string& path);

/// Makes the folder and those above it that are missing; each of them lasts. kDenied where this
/// user may not, kResourceExhausted where there is no room, else kUnavailable.
Status make_lasting_folder(const std::string& path);

}  // namespace weir
