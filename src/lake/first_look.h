#pragma once

/// A first look at a folder of files that nobody described: which belong together, what their
/// columns are, what looks like a key. `weir init --from-folder` writes it down for a person to
/// mend.

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/schema.h"
#include "storage/storage.h"

namespace weir::lake {

struct SourceLook {
  std::string name;  ///< For a dataset: letters, digits and '_'.
  std::string glob;
  std::string as_of;  ///< Empty: no date in the names.
  model::Schema columns;
  std::vector<std::string> key;  ///< The first column, where no two rows of a file share a value.
  Json format = Json::object();
};

struct FolderLook {
  std::vector<SourceLook> sources;
  /// Of the groups that are left out, each with the file at fault.
  std::vector<Error> problems;
};

/// One look per group of alike CSV names, by the group's last file. Names that no table can hold
/// are renamed (`format`). kNotFound for a folder without CSV files; the first problem where no
/// group is left.
Result<FolderLook> look_at_folder(storage::Storage& folder);

}  // namespace weir::lake
