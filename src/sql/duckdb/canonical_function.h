#pragma once

/// `canonical_hash(struct)` in SQL: the hash of docs/format/canonical.md over a struct's fields.

#include "sql/duckdb/handles.h"

namespace weir::sql {

/// Makes the function known to the connection's instance. A NULL struct gives NULL; NULL fields are
/// left out. Types that the canonical form refuses do not bind, values that do not fit (infinite
/// timestamps) fail the statement.
Status register_canonical_hash(duckdb_connection connection);

}  // namespace weir::sql
