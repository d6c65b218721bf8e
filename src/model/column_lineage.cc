#include "model/column_lineage.h"

#include <algorithm>
#include <array>

namespace weir::model {
namespace {

constexpr std::array<std::string_view, 9> kUses = {"identity", "transformation", "aggregation",
                                                   "join",     "filter",         "group_by",
                                                   "sort",     "window",         "conditional"};

Json to_json(const std::set<ColumnSource>& sources) {
  Json list = Json::array();
  for (const auto& source : sources)
    list.push_back({{"dataset", source.dataset.text()},
                    {"column", source.column},
                    {"use", to_text(source.use)}});
  return list;
}

Result<std::set<ColumnSource>> sources_from_json(const Json& json) {
  if (!json.is_array()) return fail(ErrorCode::kInvalidData, "sources of a column are no list");
  std::set<ColumnSource> sources;
  for (const Json& each : json) {
    WEIR_ASSIGN(const auto dataset, json_field<std::string>(each, "dataset"));
    WEIR_ASSIGN(const auto word, json_field<std::string>(each, "use"));
    const auto use = std::ranges::find(kUses, word);
    if (use == kUses.end()) return fail(ErrorCode::kInvalidData, "a column has no use '{}'", word);
    ColumnSource source;
    WEIR_ASSIGN(source.dataset, parse_dataset_name(dataset));
    WEIR_ASSIGN(source.column, json_field<std::string>(each, "column"));
    source.use = static_cast<ColumnUse>(use - kUses.begin());
    sources.insert(std::move(source));
  }
  return sources;
}

}  // namespace

std::string_view to_text(ColumnUse use) { return kUses[static_cast<size_t>(use)]; }

Json to_json(const ColumnLineage& lineage) {
  Json columns = Json::object();
  for (const auto& [name, sources] : lineage.columns) columns[name] = to_json(sources);
  return {{"columns", std::move(columns)}, {"rows", to_json(lineage.rows)}};
}

Result<ColumnLineage> column_lineage_from_json(const Json& json) {
  ColumnLineage lineage;
  WEIR_ASSIGN(const auto columns, json_field<Json>(json, "columns"));
  WEIR_ASSIGN(const auto rows, json_field<Json>(json, "rows"));
  if (!columns.is_object()) return fail(ErrorCode::kInvalidData, "'columns' is no object");
  for (const auto& [name, sources] : columns.items()) {
    WEIR_ASSIGN(lineage.columns[name], sources_from_json(sources));
  }
  WEIR_ASSIGN(lineage.rows, sources_from_json(rows));
  return lineage;
}

}  // namespace weir::model
