#include "cli/database_tables.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "config/for_each.h"

namespace weir::cli {
namespace {

bool is_instant(std::string_view type) {
  return type.starts_with("timestamp") || type.starts_with("datetime");
}

bool is_called_as_changed(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  static constexpr std::array kWords = {"updat", "modif", "chang"};
  return std::ranges::any_of(kWords, [&](const char* word) { return name.contains(word); });
}

}  // namespace

Result<std::unique_ptr<database::Look>> open_look(Session& session, const Json& connection) {
  const auto open = [&session](const Json& given) {
    return database::open_look({given, "weir", session.wiring().clock, session.wiring().cancel});
  };
  return open_with_secrets(session.resolve_secrets(), connection, *session.wiring().cancel, open);
}

Result<std::vector<database::TableLook>> tables_of_database(Session& session,
                                                            const Json& connection) {
  WEIR_ASSIGN(const auto look, open_look(session, connection));
  return look->tables();
}

std::string change_column(const database::TableLook& table) {
  for (const auto& name : table.cursors) {
    const auto column = std::ranges::find(table.columns, name, &database::ColumnLook::name);
    if (column != table.columns.end() && is_instant(column->type) && !column->is_nullable &&
        is_called_as_changed(name))
      return name;
  }
  return {};
}

Json each_of_table(const database::TableLook& table) {
  const auto dot = table.table.find('.');
  const std::string cursor = change_column(table);
  Json each = {{"id", config::label_of_text(table.table)},
               {"name", table.table},
               {"schema", dot == std::string::npos ? "" : table.table.substr(0, dot)},
               {"table", dot == std::string::npos ? table.table : table.table.substr(dot + 1)},
               {"kind", table.kind},
               {"key", table.key},
               {"mode", cursor.empty() ? "full" : "incremental"}};
  if (table.key.empty()) each["key"] = nullptr;
  if (!cursor.empty()) each["cursor"] = cursor;
  return each;
}

}  // namespace weir::cli
