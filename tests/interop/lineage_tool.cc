// Tells the lineage of columns of queries, for judges in other languages. On standard input
// {"datasets": {"layer.name": {"column": "type"}}, "queries": ["SELECT …"]}; on standard output a
// line a query: the names of its columns with their lineage, or {"error": …}.

#include <iostream>
#include <iterator>

#include "sql/column_lineage.h"

namespace weir {
namespace {

Result<std::vector<sql::ViewSource>> sources_of(const Json& datasets) {
  std::vector<sql::ViewSource> sources;
  for (const auto& [name, columns] : datasets.items()) {
    sql::ViewSource source;
    WEIR_ASSIGN(source.dataset, model::parse_dataset_name(name));
    for (const auto& [column, type] : columns.items()) {
      model::Column made{.name = column, .type = {}, .is_nullable = true};
      WEIR_ASSIGN(made.type, model::parse_type(type.get<std::string>()));
      source.schema.push_back(std::move(made));
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

Result<Json> answer(const std::string& text, const std::vector<sql::ViewSource>& sources) {
  const Cancel never;
  WEIR_ASSIGN(const auto session, sql::open_user_session({.threads = 1}, sources, never));
  WEIR_TRY(session->run("CREATE TEMP VIEW asked AS\n" + text));
  WEIR_ASSIGN(const auto columns, session->describe("SELECT * FROM asked"));
  WEIR_ASSIGN(const auto lineage, sql::column_lineage(text, sources, columns, never));
  Json names = Json::array();
  for (const auto& column : columns) names.push_back(column.name);
  return Json{{"names", names}, {"lineage", model::to_json(lineage)}};
}

Status tell() {
  const std::string text(std::istreambuf_iterator<char>(std::cin), {});
  WEIR_ASSIGN(const Json asked, parse_json(text));
  WEIR_ASSIGN(const auto datasets, json_field<Json>(asked, "datasets"));
  WEIR_ASSIGN(const auto queries, json_field<std::vector<std::string>>(asked, "queries"));
  WEIR_ASSIGN(const auto sources, sources_of(datasets));
  for (const auto& query : queries) {
    const auto said = answer(query, sources);
    std::cout << dump_json(said ? *said : Json{{"error", to_line(said.error())}}) << "\n";
  }
  return {};
}

}  // namespace
}  // namespace weir

int main() {
  const auto told = weir::tell();
  if (told) return 0;
  std::cerr << weir::to_line(told.error()) << "\n";
  return 1;
}
