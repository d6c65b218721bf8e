#include "sql/duckdb/statement.h"

#include <chrono>
#include <thread>

#include "sql/duckdb/types.h"

namespace weir::sql {
namespace {

// How long other threads may work on a query before we look at `cancel` again.
constexpr std::chrono::microseconds kPatience{200};

Result<Statement> describe(Prepared prepared) {
  Statement statement;
  const idx_t count = duckdb_prepared_statement_column_count(prepared.get());
  for (idx_t i = 0; i < count; ++i) {
    statement.names.push_back(
        take_text(const_cast<char*>(duckdb_prepared_statement_column_name(prepared.get(), i))));
    statement.types.emplace_back(duckdb_prepared_statement_column_logical_type(prepared.get(), i));
  }
  statement.is_select =
      duckdb_prepared_statement_type(prepared.get()) == DUCKDB_STATEMENT_TYPE_SELECT;
  statement.prepared = std::move(prepared);
  return statement;
}

}  // namespace

Result<Statement> prepare(duckdb_connection connection, const std::string& text) {
  Prepared prepared;
  if (duckdb_prepare(connection, text.c_str(), prepared.out()) == DuckDBError)
    return std::unexpected(engine_error(duckdb_prepare_error(prepared.get())));
  return describe(std::move(prepared));
}

Result<Statement> prepare_nth(duckdb_connection connection, duckdb_extracted_statements extracted,
                              idx_t index) {
  Prepared prepared;
  if (duckdb_prepare_extracted_statement(connection, extracted, index, prepared.out()) ==
      DuckDBError)
    return std::unexpected(engine_error(duckdb_prepare_error(prepared.get())));
  return describe(std::move(prepared));
}

Result<model::Schema> columns_of(const Statement& statement) {
  model::Schema schema;
  for (size_t i = 0; i < statement.names.size(); ++i) {
    auto type = type_of(statement.types[i].get());
    if (!type) {
      Error error = std::move(type).error();
      error.message = fmt::format("column '{}': {}", statement.names[i], error.message);
      return std::unexpected(std::move(error));
    }
    schema.push_back({statement.names[i], *std::move(type), true});
  }
  return schema;
}

Status execute(const Statement& statement, Fetch fetch, const Cancel& cancel, QueryResult& result) {
  WEIR_TRY(cancel.check());
  Pending pending;
  const auto start =
      fetch == Fetch::kStreaming ? duckdb_pending_prepared_streaming : duckdb_pending_prepared;
  if (start(statement.prepared.get(), pending.out()) == DuckDBError)
    return std::unexpected(
        engine_error(cancel, DUCKDB_ERROR_INVALID, duckdb_pending_error(pending.get())));
  for (bool is_ready = false; !is_ready;) {
    WEIR_TRY(cancel.check());
    switch (duckdb_pending_execute_task(pending.get())) {
      case DUCKDB_PENDING_RESULT_READY: is_ready = true; break;
      case DUCKDB_PENDING_RESULT_NOT_READY: break;
      case DUCKDB_PENDING_NO_TASKS_AVAILABLE: std::this_thread::sleep_for(kPatience); break;
      case DUCKDB_PENDING_ERROR:
        return std::unexpected(
            engine_error(cancel, DUCKDB_ERROR_INVALID, duckdb_pending_error(pending.get())));
    }
  }
  if (duckdb_execute_pending(pending.get(), result.get()) == DuckDBError)
    return std::unexpected(engine_error(cancel, duckdb_result_error_type(result.get()),
                                        duckdb_result_error(result.get())));
  return {};
}

Result<Chunk> fetch_chunk(QueryResult& result, const Cancel& cancel) {
  WEIR_TRY(cancel.check());
  Chunk chunk(duckdb_fetch_chunk(*result.get()));
  if (chunk && duckdb_data_chunk_get_size(chunk.get()) > 0) return chunk;
  // The end and a failure look alike but for the message.
  if (const char* message = duckdb_result_error(result.get());
      message != nullptr && *message != '\0')
    return std::unexpected(engine_error(cancel, duckdb_result_error_type(result.get()), message));
  return Chunk();
}

}  // namespace weir::sql
