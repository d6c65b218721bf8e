#pragma once

/// Owners of what DuckDB's C API hands out, and its errors as ours.

#include <string>
#include <string_view>
#include <utility>

#include <duckdb.h>

#include "base/cancel.h"
#include "base/result.h"

namespace weir::sql {

/// Owns one handle of the C API. `out()` is for the call that fills it.
template <typename T, void (*destroy)(T*)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T value) : value_(value) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : value_(std::exchange(other.value_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  T get() const { return value_; }
  T* out() {
    reset();
    return &value_;
  }
  void reset() {
    if (value_ != nullptr) destroy(&value_);
    value_ = nullptr;
  }
  explicit operator bool() const { return value_ != nullptr; }

 private:
  T value_ = nullptr;
};

using Database = Handle<duckdb_database, duckdb_close>;
using Connection = Handle<duckdb_connection, duckdb_disconnect>;
using Config = Handle<duckdb_config, duckdb_destroy_config>;
using Prepared = Handle<duckdb_prepared_statement, duckdb_destroy_prepare>;
using Extracted = Handle<duckdb_extracted_statements, duckdb_destroy_extracted>;
using Pending = Handle<duckdb_pending_result, duckdb_destroy_pending>;
using Chunk = Handle<duckdb_data_chunk, duckdb_destroy_data_chunk>;
using LogicalType = Handle<duckdb_logical_type, duckdb_destroy_logical_type>;
using ErrorData = Handle<duckdb_error_data, duckdb_destroy_error_data>;
using Expression = Handle<duckdb_expression, duckdb_destroy_expression>;
using ScalarFunction = Handle<duckdb_scalar_function, duckdb_destroy_scalar_function>;
using ConvertedSchema =
    Handle<duckdb_arrow_converted_schema, duckdb_destroy_arrow_converted_schema>;

/// A result, which is a struct and not a pointer.
class QueryResult {
 public:
  QueryResult() = default;
  ~QueryResult() { duckdb_destroy_result(&result_); }
  QueryResult(const QueryResult&) = delete;
  QueryResult& operator=(const QueryResult&) = delete;
  duckdb_result* get() { return &result_; }

 private:
  duckdb_result result_ = {};
};

/// Text that DuckDB allocated, taken over and freed.
std::string take_text(char* text);

/// The file of a place in a statement.
inline constexpr std::string_view kStatement = "statement";

/// What DuckDB says, as an Error: `type` where the API told it, else the message's first words
/// decide. Its place is in the statement, its advice the hint.
Error engine_error(duckdb_error_type type, const char* message);
inline Error engine_error(const char* message) {
  return engine_error(DUCKDB_ERROR_INVALID, message);
}
/// The same where the statement may have failed because it was interrupted.
Error engine_error(const Cancel& cancel, duckdb_error_type type, const char* message);

}  // namespace weir::sql
