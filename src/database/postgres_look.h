#pragma once

/// look.h for PostgreSQL.

#include <vector>

#include "base/result.h"
#include "database/look.h"
#include "database/postgres.h"

namespace weir::database {

Result<ServerLook> look_at_server(Postgres& connection);

/// Tables and views outside of the server's own schemas, by name. Partitions are no tables of their
/// own: the table that they are of has their rows.
Result<std::vector<TableLook>> discover_tables(Postgres& connection);

}  // namespace weir::database
