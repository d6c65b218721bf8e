#include "database/postgres_look.h"

#include "base/json.h"

namespace weir::database {
namespace {

constexpr std::string_view kTables =
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', "
    "'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT "
    "LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%' AND NOT c.relispartition";

// A cursor has an order and is found by an index, or is called as such columns are.
constexpr std::string_view kCursors =
    "coalesce((SELECT json_agg(a.attname ORDER BY a.atttypid IN (20, 21, 23), a.attname !~* "
    "'(updat|modif|chang)', a.attnotnull DESC, a.attnum) FROM pg_attribute a WHERE a.attrelid = "
    "c.oid AND a.attnum > 0 AND NOT a.attisdropped AND ((a.atttypid IN (20, 21, 23, 1082, 1114, "
    "1184) AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = "
    "a.attnum)) OR (a.atttypid IN (1114, 1184) AND a.attname ~* '(updat|modif|chang|creat)'))), "
    "'[]')";

constexpr std::string_view kKey =
    "coalesce((SELECT json_agg(a.attname ORDER BY k.place) FROM pg_index i CROSS JOIN LATERAL "
    "unnest(i.indkey) WITH ORDINALITY AS k(number, place) JOIN pg_attribute a ON a.attrelid = "
    "c.oid AND a.attnum = k.number WHERE i.indrelid = c.oid AND i.indisprimary), '[]')";

constexpr std::string_view kColumns =
    "coalesce((SELECT json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod), "
    "NOT a.attnotnull) ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND "
    "a.attnum > 0 AND NOT a.attisdropped), '[]')";

int64_t number_of(const std::optional<std::string>& text) {
  const auto json = parse_json(text.value_or(""));
  return json && json->is_number_integer() ? json->get<int64_t>() : 0;
}

std::vector<std::string> names_of(const std::optional<std::string>& text) {
  const auto json = parse_json(text.value_or(""));
  std::vector<std::string> names;
  if (json && json->is_array())
    for (const auto& each : *json) names.push_back(each.get<std::string>());
  return names;
}

std::vector<ColumnLook> columns_of(const std::optional<std::string>& text) {
  const auto json = parse_json(text.value_or(""));
  std::vector<ColumnLook> columns;
  if (json && json->is_array())
    for (const auto& each : *json)
      columns.push_back(
          {each[0].get<std::string>(), each[1].get<std::string>(), each[2].get<bool>()});
  return columns;
}

std::string kind_of(const std::optional<std::string>& kind) {
  if (kind == "p") return "partitioned table";
  if (kind == "v") return "view";
  if (kind == "m") return "materialized view";
  return kind == "f" ? "foreign table" : "table";
}

}  // namespace

Result<ServerLook> look_at_server(Postgres& connection) {
  WEIR_ASSIGN(
      const auto answer,
      connection.query(fmt::format(
          "SELECT 'PostgreSQL ' || current_setting('server_version'), current_user::text, "
          "current_database()::text, (SELECT version FROM pg_stat_ssl WHERE pid = "
          "pg_backend_pid() AND ssl), pg_is_in_recovery()::int::text, (SELECT count(*) FILTER "
          "(WHERE has_table_privilege(c.oid, 'SELECT')){0})::text, (SELECT count(*) FILTER "
          "(WHERE NOT has_table_privilege(c.oid, 'SELECT')){0})::text",
          kTables)));
  const auto& row = answer.rows.at(0);
  return ServerLook{.version = row.at(0).value_or(""),
                    .user = row.at(1).value_or(""),
                    .database = row.at(2).value_or(""),
                    .tls = row.at(3).value_or(""),
                    .is_standby = row.at(4) == "1",
                    .readable_tables = number_of(row.at(5)),
                    .denied_tables = number_of(row.at(6))};
}

Result<std::vector<TableLook>> discover_tables(Postgres& connection) {
  WEIR_ASSIGN(const auto answer,
              connection.query(fmt::format(
                  "SELECT n.nspname || '.' || c.relname, c.relkind::text, CASE WHEN c.relkind IN "
                  "('r', 'p', 'm') AND c.reltuples >= 0 THEN c.reltuples::bigint END, "
                  "has_table_privilege(c.oid, 'SELECT')::int::text, {}::text, {}::text, {}::text{} "
                  "ORDER BY "
                  "1",
                  kKey, kCursors, kColumns, kTables)));
  std::vector<TableLook> tables;
  for (const auto& row : answer.rows) {
    TableLook& table = tables.emplace_back();
    table.table = row.at(0).value_or("");
    table.kind = kind_of(row.at(1));
    if (row.at(2)) table.rows = number_of(row.at(2));
    table.is_readable = row.at(3) == "1";
    table.key = names_of(row.at(4));
    table.cursors = names_of(row.at(5));
    table.columns = columns_of(row.at(6));
  }
  return tables;
}

}  // namespace weir::database
