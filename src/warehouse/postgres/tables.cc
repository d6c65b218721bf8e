#include "warehouse/postgres/tables.h"

#include "warehouse/columns.h"
#include "warehouse/postgres/types.h"

namespace weir::warehouse::postgres {
namespace {

using model::quote_name;

constexpr const char* kDependsOnIt = "0A000";  ///< A view, a rule or a policy uses the column.

Status alter(database::Postgres& connection, const TableName& table, const std::string& how) {
  Status done = connection.run(fmt::format("ALTER TABLE {} {}", table.quoted(), how));
  if (done || connection.sqlstate() != kDependsOnIt) return done;
  Error error = std::move(done).error();
  error.code = ErrorCode::kSchemaDrift;
  error.hint = "drop what depends on it, load, and make it again";
  return std::unexpected(std::move(error));
}

std::unexpected<Error> drifted(const std::string& name, const std::string& there,
                               const std::string& comes) {
  return fail_with_hint(
      ErrorCode::kSchemaDrift,
      fmt::format("column '{}' is {} in the warehouse and {} in the rows", name, there, comes),
      "change the column in the warehouse, or the rows");
}

}  // namespace

Result<std::optional<char>> kind_of(database::Postgres& connection, const TableName& table) {
  WEIR_ASSIGN(const auto found,
              connection.query("SELECT c.relkind FROM pg_catalog.pg_class AS c JOIN "
                               "pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
                               "WHERE n.nspname = $1 AND c.relname = $2",
                               {table.schema, table.table}));
  if (found.rows.empty()) return std::nullopt;
  return found.rows[0][0].value_or("?").at(0);
}

Result<bool> has_table(database::Postgres& connection, const TableName& table) {
  WEIR_ASSIGN(const auto kind, kind_of(connection, table));
  if (!kind) return false;
  if (kind == 'r' || kind == 'p') return true;
  const std::string what = kind == 'v'   ? "a view"
                           : kind == 'm' ? "a materialized view"
                           : kind == 'f' ? "a foreign table"
                                         : "no table";
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("'{}' is {} in the warehouse", table.text(), what),
                        "load into a table of another name, or drop the view");
}

Result<std::vector<Column>> columns_of(database::Postgres& connection, const TableName& table) {
  WEIR_ASSIGN(const auto found,
              connection.query("SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) "
                               "FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c "
                               "ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace AS n "
                               "ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 "
                               "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
                               {table.schema, table.table}));
  std::vector<Column> columns;
  for (const auto& row : found.rows) columns.push_back({row[0].value_or(""), row[1].value_or("")});
  return columns;
}

Status fit_columns(database::Postgres& connection, const TableName& table,
                   const model::Schema& rows, bool is_emptied) {
  WEIR_ASSIGN(const auto there, columns_of(connection, table));
  model::Schema known;
  model::Schema retyped;
  for (const auto& column : there) {
    const auto* comes = find_folded(rows, column.name);
    if (comes == nullptr) continue;
    // Quoted names keep their case, so `City` would be a second column beside `city`.
    if (comes->name != column.name)
      return drifted(comes->name, fmt::format("'{}'", column.name), "spelled otherwise");
    const auto type = from_postgres(column.type, &comes->type);
    const bool fits = type && (model::widens(comes->type, *type) || !is_emptied);
    if (!fits && is_emptied) {
      retyped.push_back(*comes);
      known.push_back(*comes);
      continue;
    }
    if (!type) return drifted(column.name, column.type, model::to_text(comes->type));
    known.push_back({column.name, *type});
  }
  WEIR_ASSIGN(const auto changes, changes_for(known, rows));
  for (const auto& column : retyped)
    WEIR_TRY(alter(connection, table,
                   fmt::format("ALTER COLUMN {0} TYPE {1} USING CAST(NULL AS {1})",
                               quote_name(column.name), to_postgres(column.type))));
  for (const auto& column : changes.added)
    WEIR_TRY(
        alter(connection, table,
              fmt::format("ADD COLUMN {} {}", quote_name(column.name), to_postgres(column.type))));
  for (const auto& column : changes.widened)
    WEIR_TRY(alter(
        connection, table,
        fmt::format("ALTER COLUMN {} TYPE {}", quote_name(column.name), to_postgres(column.type))));
  return {};
}

}  // namespace weir::warehouse::postgres
