#pragma once

/// SQLite files of others: settings of a connection of kind `sqlite`, their tables and queries as a
/// Source, and a look at them. A file is opened for reading alone and never made.

#include <cstdint>
#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "database/look.h"
#include "database/source.h"

namespace weir::database {

/// docs/guide/sqlite-source.md.
struct SqliteSettings {
  std::string path;
  int64_t lock_timeout_ms = 30'000;  ///< While somebody writes.
};

/// kInvalidConfig names what is missing, unknown or of no use.
Result<SqliteSettings> read_sqlite_settings(const Json& options);

struct SqliteOptions {
  SqliteSettings settings;
  std::string application_name = "weir";  ///< Nobody is told.
  Clock* clock = nullptr;
  const Cancel* cancel = nullptr;
};

/// Errors as open_source() says them; kNotFound for a file that is not there, kDenied for one that
/// may not be read, kCorrupt for what is no database, kConflict where a writer holds it too long.
Result<std::unique_ptr<Source>> open_sqlite_source(const SqliteOptions& options,
                                                   SourceRequest request);
Result<std::unique_ptr<Look>> open_sqlite_look(const SqliteOptions& options);

}  // namespace weir::database
