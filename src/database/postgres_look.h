#pragma once

/// What stands in a PostgreSQL server, for people who set up a connection: the server itself, and
/// the tables that can be read.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "database/postgres.h"

namespace weir::database {

struct ServerLook {
  std::string version;  ///< `PostgreSQL 15.18`
  std::string user;
  std::string database;
  std::string tls;  ///< `TLSv1.3`; empty: the way to the server is not encrypted.
  bool is_standby = false;
  int64_t readable_tables = 0;  ///< Of its tables and views, those that the user may read,
  int64_t denied_tables = 0;    ///< and those that he may not.
};
Result<ServerLook> look_at_server(Postgres& connection);

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
/// Tables and views outside of the server's own schemas, by name. Partitions are no tables of their
/// own: the table that they are of has their rows.
Result<std::vector<TableLook>> discover_tables(Postgres& connection);

}  // namespace weir::database
