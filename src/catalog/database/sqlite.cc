#include <filesystem>

#include <soci/sqlite3/soci-sqlite3.h>

#include "base/lasting_folder.h"
#include "catalog/database/dialect.h"

// SQLite in WAL mode: readers never wait, one writer at a time. A writer says so when it begins
// (BEGIN IMMEDIATE), so a transaction is never refused in its middle because another came first.

namespace weir::catalog {
namespace {

namespace api = ::sqlite_api;

constexpr Words kWords = {
    .begin_write = "BEGIN IMMEDIATE",
    .begin_read = "BEGIN",
    .for_update = "",
    .lock = "",
    .now_us = "",
    .transaction = "",
    .outcome = "",
    .table_names = "FROM sqlite_master WHERE type = 'table'",
    .json_rows = "json_each(:rows)",
};

api::sqlite3* handle(soci::session& session) {
  return static_cast<soci::sqlite3_session_backend*>(session.get_backend())->conn_;
}

class SqliteDialect : public Dialect {
 public:
  SqliteDialect(const std::string& path, bool may_create, int64_t busy_timeout_ms)
      : path_(path),
        url_("sqlite:" + path),
        may_create_(may_create),
        busy_timeout_ms_(busy_timeout_ms) {}

  const std::string& url() const override { return url_; }
  const Words& words() const override { return kWords; }
  bool has_one_writer() const override { return true; }
  bool has_boolean() const override { return false; }
  bool is_lost(soci::session& /*session*/) const override { return false; }

  Result<std::unique_ptr<soci::session>> connect() const override {
    WEIR_TRY(check_path());
    std::unique_ptr<soci::session> session;
    try {
      session = std::make_unique<soci::session>(soci::sqlite3, "dbname=\"" + path_ + "\"");
      api::sqlite3_busy_timeout(handle(*session), static_cast<int>(busy_timeout_ms_));
      prepare(*session);
      return session;
    } catch (const std::exception& problem) {
      return std::unexpected(explain(problem, session.get()));
    }
  }

  Error explain(const std::exception& problem, soci::session* /*session*/) const override {
    const auto* fault = dynamic_cast<const soci::sqlite3_soci_error*>(&problem);
    const std::string text = brief(problem);
    if (fault == nullptr) return say(ErrorCode::kInternal, text, "");
    switch (fault->result() & 0xff) {  // The low byte is the primary code.
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        return say(ErrorCode::kUnavailable,
                   fmt::format("is locked by another process for more than {} s",
                               static_cast<double>(busy_timeout_ms_) / 1000.0),
                   "end the program that holds a transaction open on it (an sqlite3 shell after "
                   "BEGIN, a backup), then try again");
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        return say(ErrorCode::kCorrupt, text,
                   "restore the file from a backup, or move it away: `weir apply` and `weir doctor "
                   "--heal` rebuild it from the configuration files and the lake");
      case SQLITE_CONSTRAINT: {
        const bool is_taken = text.find("UNIQUE") != std::string::npos;
        return say(is_taken ? ErrorCode::kAlreadyExists : ErrorCode::kInvalidConfig, text, "");
      }
      case SQLITE_READONLY:
      case SQLITE_PERM:
      case SQLITE_AUTH:
        return say(
            ErrorCode::kDenied, text,
            "give write access to the file, its folder and the files -wal and -shm beside it");
      case SQLITE_CANTOPEN:
        return say(ErrorCode::kDenied, text, "check that its folder exists and can be written");
      case SQLITE_FULL:
        return say(ErrorCode::kResourceExhausted, text, "make room on its disk, then run again");
      case SQLITE_NOMEM: return say(ErrorCode::kResourceExhausted, text, "");
      case SQLITE_IOERR:
        return say(ErrorCode::kUnavailable, text, "look after its disk: is it full, or gone?");
      default: return say(ErrorCode::kInternal, text, "");
    }
  }

  bool is_deadlock(const std::exception& /*problem*/) const override { return false; }

  std::string expand(std::string_view ddl) const override {
    return fill_placeholders(ddl, [](std::string_view word) -> std::string {
      if (word == "identity") return "INTEGER PRIMARY KEY AUTOINCREMENT";
      if (word == "touch") return "";
      const std::string_view column = word.substr(word.find(':') + 1);
      if (word.starts_with("touch:")) {
        std::string triggers;
        for (const std::string_view change : {"INSERT", "UPDATE", "DELETE"})
          triggers += fmt::format(
              "CREATE TRIGGER touch_{0}_{1} AFTER {1} ON {0} BEGIN UPDATE config_revision SET "
              "revision = revision + 1; END;\n",
              column, change);
        return triggers;
      }
      if (word.starts_with("int:")) return fmt::format("typeof({}) IN ('integer', 'null')", column);
      return fmt::format("({0} IS NULL OR json_valid({0}))", column);
    });
  }

 private:
  Status check_path() const {
    std::error_code ignored;
    if (path_.empty() || path_ == ":memory:" || path_.find('"') != std::string::npos)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("'{}' is no path for a catalog file", path_),
                            "write sqlite:weir.db, or the path of another file");
    if (!may_create_ && !std::filesystem::exists(path_, ignored))
      return fail_with_hint(
          ErrorCode::kNotFound, fmt::format("there is no catalog at {}", path_),
          "`weir apply` or `weir init --rows` creates it; --catalog or WEIR_CATALOG "
          "names another one");
    return make_folder();
  }

  /// The file's folder, where it may be created and is not there.
  Status make_folder() const {
    const auto folder = std::filesystem::path(path_).parent_path();
    std::error_code problem;
    if (!may_create_ || folder.empty() || std::filesystem::is_directory(folder, problem)) return {};
    // SQLite keeps the file's name, and not that of its folder.
    const Status made = make_lasting_folder(folder.string());
    if (made) return {};
    return fail_with_hint(ErrorCode::kDenied,
                          fmt::format("catalog file {}: {}", path_, made.error().message),
                          "make the folder, or name another place: --catalog, WEIR_CATALOG");
  }

  /// Switching to WAL needs the file alone for a moment and does not wait by itself, so two
  /// processes that create one catalog at once would meet here.
  void prepare(soci::session& session) const {
    constexpr int kPauseMs = 5;
    for (int64_t waited_ms = 0;; waited_ms += kPauseMs) {
      try {
        std::string mode;
        session << "PRAGMA journal_mode=WAL", soci::into(mode);
        break;
      } catch (const soci::sqlite3_soci_error& problem) {
        const int code = problem.result() & 0xff;
        if ((code != SQLITE_BUSY && code != SQLITE_LOCKED) || waited_ms >= busy_timeout_ms_) throw;
        api::sqlite3_sleep(kPauseMs);
      }
    }
    session << "PRAGMA synchronous=FULL";
    session << "PRAGMA foreign_keys=ON";
  }

  /// SQLite's own words, without the name of SOCI's function before them.
  static std::string brief(const std::exception& problem) {
    const auto* fault = dynamic_cast<const soci::soci_error*>(&problem);
    std::string text = fault != nullptr ? fault->get_error_message() : problem.what();
    if (text.starts_with("sqlite3_")) text.erase(0, std::min(text.find(": ") + 2, text.size()));
    return text;
  }

  Error say(ErrorCode code, const std::string& what, std::string hint) const {
    return Error{
        code, fmt::format("catalog file {}: {}", path_, what), {}, std::move(hint), std::nullopt};
  }

  const std::string path_;
  const std::string url_;
  const bool may_create_;
  const int64_t busy_timeout_ms_;
};

}  // namespace

std::unique_ptr<Dialect> make_sqlite_dialect(const std::string& path, bool may_create,
                                             int64_t busy_timeout_ms) {
  return std::make_unique<SqliteDialect>(path, may_create, busy_timeout_ms);
}

}  // namespace weir::catalog
