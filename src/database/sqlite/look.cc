#include <charconv>
#include <map>

#include "base/json.h"
#include "database/sqlite/file.h"

namespace weir::database {
namespace {

using sqlite::File;

std::vector<std::string> names_of(const std::optional<std::string>& text) {
  const auto json = parse_json(text.value_or(""));
  std::vector<std::string> names;
  if (json && json->is_array())
    for (const auto& each : *json) names.push_back(each.get<std::string>());
  return names;
}

class SqliteLook final : public Look {
 public:
  explicit SqliteLook(std::unique_ptr<File> file) : file_(std::move(file)) {}

  Result<ServerLook> server() override {
    WEIR_ASSIGN(const auto found, tables());
    ServerLook look;
    look.version = fmt::format("SQLite {}", sqlite3_libversion());
    look.database = file_->settings().path;
    look.is_file = true;
    look.readable_tables = std::ssize(found);
    return look;
  }

  Result<std::vector<TableLook>> tables() override {
    // A cursor has an order and is found by an index, or is called as such columns are.
    constexpr std::string_view kTables =
        "SELECT t.name, t.type, (SELECT json_group_array(name) FROM (SELECT name FROM "
        "pragma_table_info(t.name) WHERE pk > 0 ORDER BY pk)), (SELECT json_group_array(name) FROM "
        "(SELECT c.name FROM pragma_table_info(t.name) c WHERE ((upper(c.type) LIKE '%INT%' OR "
        "upper(c.type) LIKE 'DATE%' OR upper(c.type) LIKE 'TIMESTAMP%') AND (c.pk = 1 OR EXISTS "
        "(SELECT 1 FROM pragma_index_list(t.name) l, pragma_index_info(l.name) i WHERE i.seqno = 0 "
        "AND i.name = c.name))) OR lower(c.name) LIKE '%updat%' OR lower(c.name) LIKE '%modif%' OR "
        "lower(c.name) LIKE '%chang%' OR (lower(c.name) LIKE '%creat%' AND upper(c.type) NOT LIKE "
        "'%INT%') ORDER BY upper(c.type) LIKE '%INT%', NOT (lower(c.name) LIKE '%updat%' OR "
        "lower(c.name) LIKE '%modif%' OR lower(c.name) LIKE '%chang%'), c.\"notnull\" DESC, "
        "c.cid)) "
        "FROM sqlite_schema t WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite\\_%' "
        "ESCAPE '\\' ORDER BY 1";
    WEIR_ASSIGN(const auto rows, file_->query(std::string(kTables)));
    WEIR_ASSIGN(const auto estimates, estimated_rows());
    WEIR_ASSIGN(auto columns, columns_by_table());
    std::vector<TableLook> tables;
    for (const auto& row : rows) {
      TableLook& table = tables.emplace_back();
      table.table = row.at(0).value_or("");
      table.kind = row.at(1).value_or("");
      table.is_readable = true;
      table.key = names_of(row.at(2));
      table.cursors = names_of(row.at(3));
      table.columns = std::move(columns[table.table]);
      const auto found = estimates.find(table.table);
      if (found != estimates.end()) table.rows = found->second;
    }
    return tables;
  }

 private:
  Result<std::map<std::string, std::vector<ColumnLook>>> columns_by_table() {
    WEIR_ASSIGN(const auto rows,
                file_->query("SELECT t.name, c.name, lower(c.type), c.\"notnull\" FROM "
                             "sqlite_schema t, pragma_table_info(t.name) c WHERE t.type IN "
                             "('table', 'view') ORDER BY t.name, c.cid"));
    std::map<std::string, std::vector<ColumnLook>> columns;
    for (const auto& row : rows)
      columns[row.at(0).value_or("")].push_back(
          {row.at(1).value_or(""), row.at(2).value_or(""), row.at(3) == "0"});
    return columns;
  }

  /// What ANALYZE left.
  Result<std::map<std::string, int64_t>> estimated_rows() {
    std::map<std::string, int64_t> estimates;
    WEIR_ASSIGN(const auto there,
                file_->query("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'"));
    if (there.empty()) return estimates;
    WEIR_ASSIGN(const auto rows, file_->query("SELECT tbl, stat FROM sqlite_stat1"));
    for (const auto& row : rows) {
      const std::string stat = row.at(1).value_or("");
      int64_t count = 0;
      std::from_chars(stat.data(), stat.data() + stat.size(), count);
      auto& estimate = estimates[row.at(0).value_or("")];
      estimate = std::max(estimate, count);
    }
    return estimates;
  }

  const std::unique_ptr<File> file_;
};

}  // namespace

Result<std::unique_ptr<Look>> open_sqlite_look(const SqliteOptions& options) {
  WEIR_ASSIGN(auto file, File::open(options));
  return std::make_unique<SqliteLook>(std::move(file));
}

}  // namespace weir::database
