#pragma once

/// Rows of the configuration tables, for the files that read some of them alone.

#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/config_rows.h"
#include "catalog/database/database.h"

namespace weir::catalog {

/// In normal form, by key; `where` stands behind the table's name.
Result<std::vector<ConfigRow>> config_rows_where(Session& session, const ConfigTable& table,
                                                 const std::string& where, const Binds& binds);

}  // namespace weir::catalog
