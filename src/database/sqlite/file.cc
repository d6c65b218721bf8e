#include "database/sqlite/file.h"

#include <poll.h>

#include <filesystem>

#include "base/option_reader.h"

namespace weir::database {

Result<SqliteSettings> read_sqlite_settings(const Json& options) {
  SqliteSettings settings;
  Json own = options;
  own.erase("kind");
  WEIR_TRY(read_options("sqlite", own,
                        {{"path", into_text(settings.path)},
                         {"lock_timeout", into_duration(settings.lock_timeout_ms)}}));
  if (settings.path.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig, "a connection of kind 'sqlite' needs a path",
                          "write path: data/shop.db");
  if (settings.path.find('\0') != std::string::npos)
    return fail(ErrorCode::kInvalidConfig, "option 'path' of kind 'sqlite' holds a NUL character");
  return settings;
}

namespace sqlite {
namespace {

constexpr int kLookMs = 50;
constexpr int kStepsBetweenLooks = 10'000;

}  // namespace

Status File::check_there() const {
  std::error_code error;
  const auto status = std::filesystem::status(settings().path, error);
  if (!std::filesystem::exists(status))
    return fail_with_hint(ErrorCode::kNotFound, fmt::format("there is no file {}", settings().path),
                          "`path` counts from the project's folder");
  if (std::filesystem::is_directory(status))
    return fail(ErrorCode::kInvalidConfig, "{} is a folder, not a SQLite file", settings().path);
  return {};
}

Result<std::unique_ptr<File>> File::open(const SqliteOptions& options) {
  std::unique_ptr<File> file(new File(options));
  WEIR_TRY(file->check_there());
  sqlite3* database = nullptr;
  const int code =
      sqlite3_open_v2(options.settings.path.c_str(), &database,
                      SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  file->database_.reset(database);
  if (code != SQLITE_OK) return std::unexpected(file->explain(code));
  // What the file itself defines must not do more than give rows.
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_progress_handler(
      database, kStepsBetweenLooks,
      [](void* cancel) { return static_cast<const Cancel*>(cancel)->is_cancelled() ? 1 : 0; },
      const_cast<Cancel*>(options.cancel));
  sqlite3_busy_handler(
      database,
      [](void* self, int times) {
        auto& own = *static_cast<File*>(self);
        const int64_t now_us = own.options_.clock->monotonic_us();
        if (times == 0) own.busy_since_us_ = now_us;
        if (own.options_.cancel->is_cancelled()) return 0;
        if (now_us - own.busy_since_us_ > own.settings().lock_timeout_ms * 1000) return 0;
        poll(nullptr, 0, kLookMs);
        return 1;
      },
      file.get());
  WEIR_TRY(file->run("PRAGMA query_only = 1"));
  return file;
}

Error File::explain(int code) const {
  if (Status wish = options_.cancel->check(); !wish) return std::move(wish).error();
  const char* words = database_ != nullptr ? sqlite3_errmsg(database_.get()) : sqlite3_errstr(code);
  const std::string message = fmt::format("{}: {}", settings().path, words);
  const auto say = [&](ErrorCode meaning, std::string hint) {
    return Error{meaning, message, {}, std::move(hint), std::nullopt};
  };
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return say(ErrorCode::kConflict, "somebody writes: raise `lock_timeout` of the connection");
    case SQLITE_PERM:
    case SQLITE_AUTH: return say(ErrorCode::kDenied, "");
    case SQLITE_CANTOPEN:
      return say(ErrorCode::kDenied,
                 "may the file be read? One with a write-ahead log needs its -wal and -shm files, "
                 "or a folder in which they may be made");
    case SQLITE_READONLY:
      return say(
          ErrorCode::kDenied,
          "a file with a write-ahead log, or one whose writer crashed, has to be opened by a "
          "writer first");
    case SQLITE_NOTADB:
      return say(ErrorCode::kCorrupt, "is it a SQLite file, and not an encrypted one?");
    case SQLITE_CORRUPT: return say(ErrorCode::kCorrupt, "");
    case SQLITE_IOERR: return say(ErrorCode::kUnavailable, "");
    case SQLITE_NOMEM:
    case SQLITE_FULL: return say(ErrorCode::kResourceExhausted, "");
    case SQLITE_SCHEMA: return say(ErrorCode::kConflict, "");
    case SQLITE_ERROR: return say(ErrorCode::kInvalidConfig, "");
    default: return say(ErrorCode::kInternal, "");
  }
}

Result<Statement> File::prepare(const std::string& text) {
  sqlite3_stmt* prepared = nullptr;
  const char* rest = nullptr;
  const int code = sqlite3_prepare_v2(database_.get(), text.data(), static_cast<int>(text.size()),
                                      &prepared, &rest);
  Statement statement(prepared);
  if (code != SQLITE_OK) return std::unexpected(explain(code));
  // A query that closes its bracket would hide what comes behind it.
  if (std::string_view(rest).find_first_not_of(" \t\r\n;") != std::string_view::npos ||
      statement == nullptr)
    return fail(ErrorCode::kInvalidConfig, "{}: it is no single statement: {}", settings().path,
                text);
  return statement;
}

Result<bool> File::step(sqlite3_stmt& statement) {
  const int code = sqlite3_step(&statement);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return std::unexpected(explain(code));
}

Status File::run(const std::string& text) {
  WEIR_ASSIGN(const auto statement, prepare(text));
  while (true) {
    WEIR_ASSIGN(const bool has_row, step(*statement));
    if (!has_row) return {};
  }
}

Result<std::vector<std::vector<std::optional<std::string>>>> File::query(const std::string& text) {
  WEIR_ASSIGN(const auto statement, prepare(text));
  std::vector<std::vector<std::optional<std::string>>> rows;
  while (true) {
    WEIR_ASSIGN(const bool has_row, step(*statement));
    if (!has_row) return rows;
    auto& row = rows.emplace_back();
    for (int i = 0; i < sqlite3_column_count(statement.get()); ++i) {
      const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), i));
      if (bytes == nullptr)
        row.emplace_back();
      else
        row.emplace_back(
            std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(statement.get(), i))));
    }
  }
}

}  // namespace sqlite
}  // namespace weir::database
