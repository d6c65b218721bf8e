#pragma once

/// One statement on its way: prepared, run task by task with an eye on the wish to stop, fetched.

#include <memory>
#include <string>

#include "base/cancel.h"
#include "model/schema.h"
#include "sql/duckdb/handles.h"

namespace weir::sql {

/// A prepared statement and its columns.
struct Statement {
  Prepared prepared;
  std::vector<std::string> names;
  std::vector<LogicalType> types;
  bool is_select = false;
};

/// Prepares exactly one statement.
Result<Statement> prepare(duckdb_connection connection, const std::string& text);
Result<Statement> prepare_nth(duckdb_connection connection, duckdb_extracted_statements extracted,
                              idx_t index);

/// The columns in weir's types. kUnsupported names the column.
Result<model::Schema> columns_of(const Statement& statement);

enum class Fetch { kWhole, kStreaming };

/// Runs it, asking `cancel` between tasks; the result can then be fetched. A streaming result is
/// computed while it is fetched.
Status execute(const Statement& statement, Fetch fetch, const Cancel& cancel, QueryResult& result);

/// The next chunk, flat; empty at the end.
Result<Chunk> fetch_chunk(QueryResult& result, const Cancel& cancel);

}  // namespace weir::sql
