#pragma once

/// What stands in a database, for people who set up a connection: the server itself, and the tables
/// that can be read.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "database/source.h"

namespace weir::database {

struct ServerLook {
  std::string version;  ///< `PostgreSQL 15.18`
  std::string user;     ///< Empty where the database knows none.
  std::string database;
  std::string tls;  ///< `TLSv1.3`; empty: the way to the server is not encrypted.
  bool is_standby = false;
  bool is_file = false;         ///< There is no way to a server.
  int64_t readable_tables = 0;  ///< Of its tables and views, those that the user may read,
  int64_t denied_tables = 0;    ///< and those that he may not.
};

struct ColumnLook {
  std::string name;
  std::string type;  ///< As the database calls it: `timestamp without time zone`
  bool is_nullable = true;
  bool operator==(const ColumnLook&) const = default;
};

struct TableLook {
  std::string table;  ///< `schema.table`
  std::string kind;  ///< `table`, `partitioned table`, `view`, `materialized view`, `foreign table`
  std::optional<int64_t> rows;  ///< As the server estimates; nothing where it does not.
  bool is_readable = false;
  std::vector<std::string> key;      ///< The primary key.
  std::vector<std::string> cursors;  ///< Columns that may tell what changed, the likeliest first.
  std::vector<ColumnLook> columns = {};
};

/// A connection to look through. Not for several threads at once.
class Look {
 public:
  virtual ~Look() = default;
  virtual Result<ServerLook> server() = 0;
  /// Tables and views outside of the server's own schemas, by name.
  virtual Result<std::vector<TableLook>> tables() = 0;
};

/// Connects. kUnsupported for a kind that is no such database; errors of connecting.
Result<std::unique_ptr<Look>> open_look(const DatabaseOptions& options);

}  // namespace weir::database
