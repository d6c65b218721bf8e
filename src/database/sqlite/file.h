#pragma once

/// One SQLite file, open for reading, and its statements.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sqlite3.h>

#include "base/result.h"
#include "database/sqlite.h"

namespace weir::database::sqlite {

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct FinishStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinishStatement>;

/// Not for several threads at once. Waits end when the Cancel says so.
class File {
 public:
  static Result<std::unique_ptr<File>> open(const SqliteOptions& options);
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  Result<Statement> prepare(const std::string& text);
  /// Whether there is a row.
  Result<bool> step(sqlite3_stmt& statement);
  Status run(const std::string& text);
  /// A small result as text.
  Result<std::vector<std::vector<std::optional<std::string>>>> query(const std::string& text);

  const SqliteSettings& settings() const { return options_.settings; }
  sqlite3* handle() { return database_.get(); }

 private:
  explicit File(const SqliteOptions& options) : options_(options) {}
  Error explain(int code) const;
  Status check_there() const;

  const SqliteOptions options_;
  std::unique_ptr<sqlite3, CloseDatabase> database_;
  int64_t busy_since_us_ = 0;
};

}  // namespace weir::database::sqlite
