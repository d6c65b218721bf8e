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

/// The rows of one flow in all tables whose key begins with it, in the order of config_tables().
Result<std::vector<ConfigRow>> rows_of_flow(Session& session, const std::string& flow_id);

}  // namespace weir::catalog
