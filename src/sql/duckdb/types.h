#pragma once

/// DuckDB's logical types as weir's.

#include <string>

#include "model/schema.h"
#include "sql/duckdb/handles.h"

namespace weir::sql {

/// The type of weir that keeps every value of `type`: narrow integers and enums are widened, every
/// timestamp is one of microseconds. kUnsupported, naming the type, for what weir does not keep
/// (interval, bit, union, time with a zone, nanoseconds).
Result<model::DataType> type_of(duckdb_logical_type type);

/// DuckDB's own name for messages: `TIMESTAMP_NS`.
std::string name_of(duckdb_type type);

/// The strings of an enum, by index.
std::vector<std::string> enum_values(duckdb_logical_type type);

}  // namespace weir::sql
