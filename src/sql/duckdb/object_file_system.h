#pragma once

/// A file system of DuckDB's that reads objects through their stores. DuckDB takes one through its
/// C++ interface only, which is that of the pinned version and no other: all that knows of it is in
/// the .cc.

#include <duckdb.h>

#include "base/result.h"
#include "sql/object_files.h"

namespace weir::sql {

/// From now on the connection's instance opens the URIs of `files`, which outlive it, for reading.
/// kInternal where libduckdb is of another version than its headers.
Status register_object_files(duckdb_connection connection, const ObjectFiles& files);

/// How a failure of a store goes through DuckDB, which passes texts on and nothing else.
std::string wrap_store_error(const Error& error);
/// The failure out of what DuckDB says; nothing out of any other message.
std::optional<Error> unwrap_store_error(std::string_view message);

}  // namespace weir::sql
