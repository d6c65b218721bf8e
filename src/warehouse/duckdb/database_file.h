#pragma once

/// A DuckDB file as a warehouse opens it. Call it with the file's lock in hand.

#include <memory>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/result.h"
#include "sql/session.h"

namespace weir::warehouse::duckdb {

/// Opens `options.database`, and makes it where it is not there; then it appears whole. kConflict
/// where another program holds it.
Result<std::unique_ptr<sql::Session>> open_file(const sql::SessionOptions& options,
                                                const Cancel& cancel);

/// `/usr/bin/python3 (PID 123)` out of DuckDB's message of a conflict; empty where it says nothing
/// of it.
std::string holder_in(std::string_view message);

}  // namespace weir::warehouse::duckdb
