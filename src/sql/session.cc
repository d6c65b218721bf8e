#include "sql/session.h"

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

#include <arrow/api.h>
#include <arrow/c/bridge.h>
#include <stdlib.h>

#include "base/check.h"
#include "parquet/parquet.h"
#include "sql/duckdb/arrow_columns.h"
#include "sql/duckdb/canonical_function.h"
#include "sql/duckdb/object_file_system.h"
#include "sql/duckdb/statement.h"
#include "sql/duckdb/values.h"

namespace weir::sql {
namespace {

// A batch is large enough that the work per batch does not count, small enough for caches.
constexpr int64_t kBatchRows = int64_t{16} * 2'048;
constexpr int64_t kBatchBytes = 32LL * 1024 * 1024;
// DuckDB's vectors: what an appender takes at once.
constexpr int64_t kVectorRows = 2'048;

/// Interrupts the connection while it lives; the listener must go before the connection does.
class InterruptOnCancel {
 public:
  InterruptOnCancel(const Cancel& cancel, duckdb_connection connection)
      // Listening changes nothing that a caller of a const Cancel could see.
      : cancel_(const_cast<Cancel&>(cancel)),
        handle_(cancel_.add_listener([connection] { duckdb_interrupt(connection); })) {}
  ~InterruptOnCancel() { cancel_.remove_listener(handle_); }
  InterruptOnCancel(const InterruptOnCancel&) = delete;
  InterruptOnCancel& operator=(const InterruptOnCancel&) = delete;

 private:
  Cancel& cancel_;
  int handle_;
};

/// A stream in Arrow's C form, as long as DuckDB may pull from it.
struct ArrowStream {
  ArrowArrayStream stream = {};
  ArrowStream() = default;
  ~ArrowStream() {
    if (stream.release != nullptr) stream.release(&stream);
  }
  ArrowStream(const ArrowStream&) = delete;
  ArrowStream& operator=(const ArrowStream&) = delete;
};

class StreamReader final : public BatchReader {
 public:
  explicit StreamReader(const Cancel& cancel) : cancel_(cancel) {}

  Status open(duckdb_connection connection, const std::string& text) {
    WEIR_ASSIGN(statement_, prepare(connection, text));
    WEIR_ASSIGN(columns_, columns_of(statement_));
    WEIR_ASSIGN(schema_, parquet::to_arrow(columns_));
    for (size_t i = 0; i < columns_.size(); ++i) {
      WEIR_ASSIGN(auto gatherer, make_gatherer(statement_.types[i].get(),
                                               schema_->field(static_cast<int>(i))->type()));
      gatherers_.push_back(std::move(gatherer));
    }
    return execute(statement_, Fetch::kStreaming, cancel_, result_);
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  const model::Schema& columns() const override { return columns_; }

  Result<std::shared_ptr<arrow::RecordBatch>> next() override {
    int64_t rows = 0;
    int64_t bytes = 0;
    while (!is_done_ && rows < kBatchRows && bytes < kBatchBytes) {
      WEIR_ASSIGN(const Chunk chunk, fetch_chunk(result_, cancel_));
      if (!chunk) {
        is_done_ = true;
        break;
      }
      const idx_t count = duckdb_data_chunk_get_size(chunk.get());
      bytes = 0;
      for (size_t i = 0; i < gatherers_.size(); ++i) {
        WEIR_TRY(while_doing(
            gatherers_[i]->append(duckdb_data_chunk_get_vector(chunk.get(), i), 0, count),
            fmt::format("reading column '{}'", columns_[i].name)));
        bytes += gatherers_[i]->bytes();
      }
      rows += static_cast<int64_t>(count);
    }
    if (rows == 0) return nullptr;
    arrow::ArrayVector arrays;
    for (auto& gatherer : gatherers_) {
      WEIR_ASSIGN(auto array, gatherer->finish());
      arrays.push_back(std::move(array));
    }
    return arrow::RecordBatch::Make(schema_, rows, std::move(arrays));
  }

 private:
  const Cancel& cancel_;
  Statement statement_;
  model::Schema columns_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::unique_ptr<ColumnGatherer>> gatherers_;
  QueryResult result_;
  bool is_done_ = false;
};

/// A statement as a table expression; a comment at its end must not swallow the bracket.
std::string as_subquery(std::string_view statement) {
  while (!statement.empty() && (statement.back() == ';' || statement.back() == ' ' ||
                                statement.back() == '\n' || statement.back() == '\t'))
    statement.remove_suffix(1);
  return fmt::format("({}\n)", statement);
}

class DuckSession final : public Session {
 public:
  explicit DuckSession(const Cancel& cancel) : cancel_(cancel) {}
  ~DuckSession() override {
    interrupt_.reset();
    connection_.reset();
    database_.reset();
    if (!temp_folder_.empty()) {
      std::error_code ignored;  // nobody to tell; the folder is private and empty by now
      std::filesystem::remove_all(temp_folder_, ignored);
    }
  }

  Status open(const SessionOptions& options);

  Status run(const std::string& statements) override;
  Result<TextResult> query(const std::string& statement, int64_t max_rows) override;
  Result<int64_t> query_number(const std::string& statement) override;
  Result<std::unique_ptr<BatchReader>> stream(const std::string& statement) override;
  Result<model::Schema> describe(const std::string& statement) override;
  Status add_arrow_table(const std::string& name, std::shared_ptr<arrow::Schema> schema,
                         std::vector<std::shared_ptr<arrow::RecordBatch>> batches) override;
  Status scan_arrow_once(const std::string& name, std::shared_ptr<arrow::Schema> schema,
                         std::vector<std::shared_ptr<arrow::RecordBatch>> batches) override;
  ObjectFiles& objects() override { return *objects_; }
  Status lock(const std::vector<std::string>& allowed_paths) override;

 private:
  Status make_temp_folder(const std::string& inside);
  Result<Config> make_config(const SessionOptions& options);
  Status append_batches(duckdb_appender appender, const arrow::Schema& schema,
                        const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches);

  const Cancel& cancel_;
  std::map<std::string, std::unique_ptr<ArrowStream>> scans_;  // outlives the connection
  std::string temp_folder_;
  std::shared_ptr<ObjectFiles> objects_;  // outlives the database
  Database database_;
  Connection connection_;
  std::unique_ptr<InterruptOnCancel> interrupt_;
};

Status DuckSession::make_temp_folder(const std::string& inside) {
  std::error_code code;
  std::filesystem::create_directories(inside, code);
  std::string path = (std::filesystem::path(inside) / "weir-sql-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) {  // makes it with mode 0700
    const std::error_code why(errno, std::generic_category());
    const bool is_denied =
        why == std::errc::permission_denied || why == std::errc::read_only_file_system;
    const bool is_full = why == std::errc::no_space_on_device;
    return fail_with_hint(
        is_denied ? ErrorCode::kDenied
        : is_full ? ErrorCode::kResourceExhausted
                  : ErrorCode::kUnavailable,
        fmt::format("cannot make a temporary folder in '{}': {}", inside, why.message()),
        "the environment's TMPDIR says where: name a folder that can be written and has room");
  }
  temp_folder_ = std::move(path);
  return {};
}

Result<Config> DuckSession::make_config(const SessionOptions& options) {
  Config config;
  if (duckdb_create_config(config.out()) == DuckDBError)
    return fail(ErrorCode::kInternal, "DuckDB made no configuration");
  std::map<std::string, std::string> settings = {
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"},
      {"allow_persistent_secrets", "false"},
      {"temp_directory", temp_folder_},
      {"preserve_insertion_order", options.preserves_order ? "true" : "false"},
  };
  if (options.memory_bytes > 0) {
    settings["memory_limit"] = fmt::format("{}B", options.memory_bytes);
    // What was read of files would fill all of it until the session ends; most is read once.
    settings["enable_external_file_cache"] = "false";
  }
  if (options.threads > 0) settings["threads"] = std::to_string(options.threads);
  if (options.is_read_only) settings["access_mode"] = "READ_ONLY";
  for (const auto& [name, value] : settings) {
    if (duckdb_set_config(config.get(), name.c_str(), value.c_str()) == DuckDBError)
      return fail(ErrorCode::kInvalidConfig, "DuckDB refuses '{}' as {}", value, name);
  }
  return config;
}

Status DuckSession::open(const SessionOptions& options) {
  if (!options.temp_folder.empty()) WEIR_TRY(make_temp_folder(options.temp_folder));
  WEIR_ASSIGN(const Config config, make_config(options));
  const std::string path = options.database.empty() ? ":memory:" : options.database;
  char* message = nullptr;
  if (duckdb_open_ext(path.c_str(), database_.out(), config.get(), &message) == DuckDBError) {
    Error error = engine_error(take_text(message).c_str());
    return std::unexpected(std::move(error).while_doing(fmt::format("opening '{}'", path)));
  }
  if (duckdb_connect(database_.get(), connection_.out()) == DuckDBError)
    return fail(ErrorCode::kInternal, "DuckDB made no connection to '{}'", path);
  interrupt_ = std::make_unique<InterruptOnCancel>(cancel_, connection_.get());
  // DuckDB knows how many there are (its container may have fewer than the machine); not how many
  // its memory is for.
  constexpr int64_t kBytesPerThread = 125'000'000;
  const int64_t enough = std::max<int64_t>(options.memory_bytes / kBytesPerThread, 1);
  if (options.memory_bytes > 0) {
    WEIR_ASSIGN(const int64_t threads, query_number("SELECT current_setting('threads')"));
    if (threads > enough) WEIR_TRY(run(fmt::format("SET threads = {}", enough)));
  }
  WEIR_TRY(run("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL Calendar = 'gregorian'"));
  objects_ = options.objects != nullptr ? options.objects : std::make_shared<ObjectFiles>();
  WEIR_TRY(register_object_files(connection_.get(), *objects_));
  return register_canonical_hash(connection_.get());
}

Status DuckSession::run(const std::string& statements) {
  Extracted extracted;
  const idx_t count =
      duckdb_extract_statements(connection_.get(), statements.c_str(), extracted.out());
  if (count == 0) {
    const char* message = duckdb_extract_statements_error(extracted.get());
    if (message == nullptr) return {};  // nothing but comments
    return std::unexpected(engine_error(message));
  }
  for (idx_t i = 0; i < count; ++i) {
    WEIR_TRY(cancel_.check());
    WEIR_ASSIGN(const Statement statement, prepare_nth(connection_.get(), extracted.get(), i));
    QueryResult result;
    WEIR_TRY(execute(statement, Fetch::kWhole, cancel_, result));
  }
  return {};
}

Result<TextResult> DuckSession::query(const std::string& statement, int64_t max_rows) {
  WEIR_ASSIGN(Statement original, prepare(connection_.get(), statement));
  TextResult out;
  out.names = original.names;
  WEIR_ASSIGN(const model::Schema columns, columns_of(original));
  for (const auto& column : columns) out.types.push_back(column.type);
  if (original.is_select) {
    WEIR_ASSIGN(original,
                prepare(connection_.get(), fmt::format("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {}",
                                                       as_subquery(statement))));
  }
  QueryResult result;
  WEIR_TRY(
      execute(original, original.is_select ? Fetch::kStreaming : Fetch::kWhole, cancel_, result));
  if (!original.is_select) return out;  // INSERT and the like have nothing to show
  while (true) {
    WEIR_ASSIGN(const Chunk chunk, fetch_chunk(result, cancel_));
    if (!chunk) return out;
    const idx_t rows = duckdb_data_chunk_get_size(chunk.get());
    if (static_cast<int64_t>(out.rows.size() + rows) > max_rows)
      return fail_with_hint(ErrorCode::kResourceExhausted,
                            fmt::format("the result has more than {} rows", max_rows),
                            "add a LIMIT, or load it into a table");
    const size_t first = out.rows.size();
    out.rows.resize(first + rows, Row(out.names.size()));
    for (idx_t i = 0; i < out.names.size(); ++i) {
      duckdb_vector vector = duckdb_data_chunk_get_vector(chunk.get(), i);
      const auto* values = static_cast<const duckdb_string_t*>(duckdb_vector_get_data(vector));
      const uint64_t* validity = duckdb_vector_get_validity(vector);
      for (idx_t row = 0; row < rows; ++row)
        if (is_valid(validity, row)) out.rows[first + row][i] = to_view(values[row]);
    }
  }
}

Result<int64_t> DuckSession::query_number(const std::string& statement) {
  WEIR_ASSIGN(const TextResult result, query(statement, 1));
  if (result.rows.size() != 1 || result.names.size() != 1 || !result.rows[0][0])
    return fail(ErrorCode::kInvalidData, "no single number but {} rows of {} columns",
                result.rows.size(), result.names.size());
  const std::string& text = *result.rows[0][0];
  int64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size())
    return fail(ErrorCode::kInvalidData, "'{}' is no integer of 64 bits", text);
  return number;
}

Result<std::unique_ptr<BatchReader>> DuckSession::stream(const std::string& statement) {
  auto reader = std::make_unique<StreamReader>(cancel_);
  WEIR_TRY(reader->open(connection_.get(), statement));
  return reader;
}

Result<model::Schema> DuckSession::describe(const std::string& statement) {
  WEIR_ASSIGN(const Statement prepared, prepare(connection_.get(), statement));
  return columns_of(prepared);
}

Status DuckSession::append_batches(
    duckdb_appender appender, const arrow::Schema& schema,
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  ArrowSchema exported = {};
  if (const auto status = arrow::ExportSchema(schema, &exported); !status.ok())
    return std::unexpected(parquet::to_error(status));
  ConvertedSchema converted;
  const ErrorData refused(duckdb_schema_from_arrow(connection_.get(), &exported, converted.out()));
  if (exported.release != nullptr) exported.release(&exported);
  if (refused && duckdb_error_data_has_error(refused.get()))
    return std::unexpected(engine_error(duckdb_error_data_error_type(refused.get()),
                                        duckdb_error_data_message(refused.get())));
  for (const auto& batch : batches) {
    for (int64_t from = 0; from < batch->num_rows(); from += kVectorRows) {
      WEIR_TRY(cancel_.check());
      ArrowArray array = {};
      const auto status = arrow::ExportRecordBatch(*batch->Slice(from, kVectorRows), &array);
      if (!status.ok()) return std::unexpected(parquet::to_error(status));
      Chunk chunk;
      const ErrorData failed(
          duckdb_data_chunk_from_arrow(connection_.get(), &array, converted.get(), chunk.out()));
      if (array.release != nullptr) array.release(&array);
      if (failed && duckdb_error_data_has_error(failed.get()))
        return std::unexpected(engine_error(duckdb_error_data_error_type(failed.get()),
                                            duckdb_error_data_message(failed.get())));
      if (duckdb_append_data_chunk(appender, chunk.get()) == DuckDBError) {
        const ErrorData why(duckdb_appender_error_data(appender));
        return std::unexpected(engine_error(duckdb_error_data_error_type(why.get()),
                                            duckdb_error_data_message(why.get())));
      }
    }
  }
  return {};
}

Status DuckSession::add_arrow_table(const std::string& name, std::shared_ptr<arrow::Schema> schema,
                                    std::vector<std::shared_ptr<arrow::RecordBatch>> batches) {
  WEIR_ASSIGN(const model::Schema columns, parquet::from_arrow(*schema));
  std::string list;
  for (const model::Column& column : columns)
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", model::quote_name(column.name),
                        model::to_duckdb(column.type));
  WEIR_TRY(run(fmt::format("CREATE TEMP TABLE {} ({})", model::quote_name(name), list)));
  duckdb_appender appender = nullptr;
  const bool is_open = duckdb_appender_create_ext(connection_.get(), "temp", "main", name.c_str(),
                                                  &appender) == DuckDBSuccess;
  Status status;
  if (is_open) status = append_batches(appender, *schema, batches);
  if (!is_open || (status && duckdb_appender_flush(appender) == DuckDBError)) {
    const ErrorData why(duckdb_appender_error_data(appender));
    status = std::unexpected(engine_error(duckdb_error_data_error_type(why.get()),
                                          duckdb_error_data_message(why.get())));
  }
  duckdb_appender_destroy(&appender);
  return while_doing(std::move(status), fmt::format("filling the table '{}'", name));
}

Status DuckSession::scan_arrow_once(const std::string& name, std::shared_ptr<arrow::Schema> schema,
                                    std::vector<std::shared_ptr<arrow::RecordBatch>> batches) {
  auto scan = std::make_unique<ArrowStream>();
  auto reader = arrow::RecordBatchReader::Make(std::move(batches), std::move(schema));
  if (!reader.ok()) return std::unexpected(parquet::to_error(reader.status()));
  const auto exported = arrow::ExportRecordBatchReader(*std::move(reader), &scan->stream);
  if (!exported.ok()) return std::unexpected(parquet::to_error(exported));
  if (duckdb_arrow_scan(connection_.get(), name.c_str(),
                        reinterpret_cast<duckdb_arrow_stream>(&scan->stream)) == DuckDBError)
    return fail(ErrorCode::kInternal, "DuckDB takes no Arrow stream as '{}'", name);
  scans_[name] = std::move(scan);
  return {};
}

Status DuckSession::lock(const std::vector<std::string>& allowed_paths) {
  std::string list;
  for (const std::string& path : allowed_paths)
    list += fmt::format("{}{}", list.empty() ? "" : ", ", model::quote_text(path));
  return run(
      fmt::format("SET allowed_paths = [{}]; SET enable_external_access = false; "
                  "SET lock_configuration = true",
                  list));
}

}  // namespace

Result<std::unique_ptr<Session>> open_session(const SessionOptions& options, const Cancel& cancel) {
  auto session = std::make_unique<DuckSession>(cancel);
  WEIR_TRY(session->open(options));
  return session;
}

std::string engine_version() { return duckdb_library_version(); }

}  // namespace weir::sql
