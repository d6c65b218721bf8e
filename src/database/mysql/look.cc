#include <charconv>
#include <map>

#include "base/json.h"
#include "database/mysql/connection.h"

namespace weir::database {
namespace {

using mysql::Connection;

constexpr std::string_view kTables =
    " FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA NOT IN ('information_schema', "
    "'performance_schema', 'mysql', 'sys') AND t.TABLE_TYPE IN ('BASE TABLE', 'VIEW', 'SYSTEM "
    "VERSIONED')";

int64_t number_of(const std::optional<std::string>& text) {
  int64_t value = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

/// Names that were joined by newlines, which no name of a column has.
std::vector<std::string> names_of(const std::optional<std::string>& text) {
  std::vector<std::string> names;
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    names.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return names;
}

class MysqlLook final : public Look {
 public:
  explicit MysqlLook(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

  Result<ServerLook> server() override {
    WEIR_ASSIGN(const auto answer,
                connection_->query("SELECT CURRENT_USER(), DATABASE(), @@global.read_only"));
    const auto& row = answer.rows.at(0);
    ServerLook look;
    look.version = connection_->server_text();
    look.user = row.at(0).value_or("");
    look.database = row.at(1).value_or("");
    look.is_standby = number_of(row.at(2)) != 0;
    look.tls = connection_->tls();
    WEIR_ASSIGN(const auto found, tables());
    for (const auto& table : found)
      ++(table.is_readable ? look.readable_tables : look.denied_tables);
    return look;
  }

  Result<std::vector<TableLook>> tables() override {
    WEIR_TRY(connection_->run("SET SESSION group_concat_max_len = 1048576"));
    // A cursor has an order and is found by an index, or is called as such columns are.
    constexpr std::string_view kCursors =
        "(SELECT GROUP_CONCAT(c.COLUMN_NAME ORDER BY c.DATA_TYPE LIKE '%int', LOWER(c.COLUMN_NAME) "
        "NOT REGEXP 'updat|modif|chang', c.IS_NULLABLE, c.ORDINAL_POSITION SEPARATOR '\\n') FROM "
        "information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = "
        "t.TABLE_NAME AND ((c.DATA_TYPE IN ('tinyint', 'smallint', 'mediumint', 'int', 'bigint', "
        "'date', 'datetime', 'timestamp') AND EXISTS (SELECT 1 FROM information_schema.STATISTICS "
        "s WHERE s.TABLE_SCHEMA = c.TABLE_SCHEMA AND s.TABLE_NAME = c.TABLE_NAME AND "
        "s.COLUMN_NAME = c.COLUMN_NAME AND s.SEQ_IN_INDEX = 1)) OR (c.DATA_TYPE IN ('datetime', "
        "'timestamp') AND LOWER(c.COLUMN_NAME) REGEXP 'updat|modif|chang|creat')))";
    constexpr std::string_view kKey =
        "(SELECT GROUP_CONCAT(s.COLUMN_NAME ORDER BY s.SEQ_IN_INDEX SEPARATOR '\\n') FROM "
        "information_schema.STATISTICS s WHERE s.TABLE_SCHEMA = t.TABLE_SCHEMA AND s.TABLE_NAME = "
        "t.TABLE_NAME AND s.INDEX_NAME = 'PRIMARY')";
    // Of a table without a right to read there are still the name and what is not told.
    constexpr std::string_view kReadable =
        "EXISTS (SELECT 1 FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA "
        "AND c.TABLE_NAME = t.TABLE_NAME AND FIND_IN_SET('select', c.PRIVILEGES) > 0)";
    WEIR_ASSIGN(const auto answer,
                connection_->query(fmt::format(
                    "SELECT CONCAT(t.TABLE_SCHEMA, '.', t.TABLE_NAME), t.TABLE_TYPE, t.TABLE_ROWS, "
                    "{}, {}, {}{} ORDER BY 1",
                    kReadable, kKey, kCursors, kTables)));
    WEIR_ASSIGN(auto columns, columns_by_table());
    std::vector<TableLook> tables;
    for (const auto& row : answer.rows) {
      TableLook& table = tables.emplace_back();
      table.table = row.at(0).value_or("");
      table.kind = row.at(1) == "VIEW" ? "view" : "table";
      if (row.at(2) && table.kind == "table") table.rows = number_of(row.at(2));
      table.is_readable = row.at(3) == "1";
      table.key = names_of(row.at(4));
      table.cursors = names_of(row.at(5));
      table.columns = std::move(columns[table.table]);
    }
    return tables;
  }

 private:
  Result<std::map<std::string, std::vector<ColumnLook>>> columns_by_table() {
    WEIR_ASSIGN(const auto answer,
                connection_->query(
                    "SELECT CONCAT(c.TABLE_SCHEMA, '.', c.TABLE_NAME), c.COLUMN_NAME, c.DATA_TYPE, "
                    "c.IS_NULLABLE FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA NOT IN "
                    "('information_schema', 'mysql', 'performance_schema', 'sys') "
                    "ORDER BY c.TABLE_SCHEMA, c.TABLE_NAME, c.ORDINAL_POSITION"));
    std::map<std::string, std::vector<ColumnLook>> columns;
    for (const auto& row : answer.rows)
      columns[row.at(0).value_or("")].push_back(
          {row.at(1).value_or(""), row.at(2).value_or(""), row.at(3) == "YES"});
    return columns;
  }

  const std::unique_ptr<Connection> connection_;
};

}  // namespace

Result<std::unique_ptr<Look>> open_mysql_look(const MysqlOptions& options) {
  WEIR_ASSIGN(auto connection, Connection::open(options));
  return std::make_unique<MysqlLook>(std::move(connection));
}

}  // namespace weir::database
