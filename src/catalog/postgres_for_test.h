#pragma once

/// The PostgreSQL server that the tests of this module share.

#include "testing/postgres_server.h"

namespace weir::catalog {

/// One server for the whole program; each test makes a database of its own. nullptr where
/// PostgreSQL is not installed.
testing::PostgresServer* shared_postgres();

}  // namespace weir::catalog
