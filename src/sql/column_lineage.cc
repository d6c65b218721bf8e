#include "sql/column_lineage.h"

#include "sql/lineage/expression.h"
#include "sql/lineage/plan.h"

namespace weir::sql {
namespace {

constexpr const char* kQuery = "_weir_lineage";
constexpr size_t kMostSources = 50'000;  // some MB of JSON, which a commit carries along

Status add_empty_tables(Session& session, const std::vector<ViewSource>& sources) {
  for (const ViewSource& source : sources) {
    std::vector<std::string> columns;
    for (const auto& column : source.schema)
      columns.push_back(
          fmt::format("{} {}", model::quote_name(column.name), model::to_duckdb(column.type)));
    WEIR_TRY(
        session.run(fmt::format("CREATE SCHEMA IF NOT EXISTS {0}; CREATE TABLE {0}.{1} ({2})",
                                model::quote_name(source.dataset.layer),
                                model::quote_name(source.dataset.name), fmt::join(columns, ", "))));
  }
  return {};
}

Result<Json> plan_of(Session& session, const std::string& statement) {
  WEIR_ASSIGN(const TextResult result,
              session.query(fmt::format("SELECT json_serialize_plan({}, optimize := false)",
                                        model::quote_text(statement))));
  if (result.rows.size() != 1 || !result.rows[0][0])
    return fail(ErrorCode::kInternal, "DuckDB made no plan of the query");
  const Json plan = Json::parse(*result.rows[0][0], nullptr, false);  // its own text
  if (plan.is_discarded()) return fail(ErrorCode::kInternal, "DuckDB's plan is no JSON");
  if (lineage::part_of(plan, "error") != false)
    return fail(ErrorCode::kUnsupported, "DuckDB does not write down the plan of the query: {}",
                lineage::text_of(plan, "error_message"));
  const Json& plans = lineage::list_of(plan, "plans");
  if (plans.size() != 1)
    return fail(ErrorCode::kInternal, "DuckDB made {} plans of one query", plans.size());
  return plans[0];
}

}  // namespace

Result<model::ColumnLineage> column_lineage(const std::string& text,
                                            const std::vector<ViewSource>& sources,
                                            const model::Schema& columns, const Cancel& cancel) {
  WEIR_ASSIGN(const auto session, open_session({.threads = 1}, cancel));
  WEIR_TRY(add_empty_tables(*session, sources));
  // As a view, so that whatever stands around the SELECT ends with it.
  WEIR_TRY(session->run(fmt::format("CREATE TEMP VIEW {} AS\n{}", kQuery, text)));
  std::vector<std::string> parts;
  for (const auto& column : columns)
    parts.push_back(fmt::format("CAST({} AS {})", model::quote_name(column.name),
                                model::to_duckdb(column.type)));
  WEIR_ASSIGN(const Json plan,
              plan_of(*session, fmt::format("SELECT {} FROM {}", fmt::join(parts, ", "), kQuery)));
  WEIR_ASSIGN(const lineage::Traced traced, lineage::trace(plan));
  if (traced.result.columns.size() != columns.size())
    return fail(ErrorCode::kUnsupported, "DuckDB's plan gives {} columns, not {}",
                traced.result.columns.size(), columns.size());
  model::ColumnLineage result;
  size_t count = 0;
  const auto add = [&](const lineage::Edges& edges, std::set<model::ColumnSource>& to) {
    for (const auto& [number, use] : edges) {
      const auto& field = traced.fields[static_cast<size_t>(number)];
      to.insert({field.dataset, field.column, use});
    }
    count += edges.size();
  };
  for (size_t i = 0; i < columns.size() && count <= kMostSources; ++i) {
    const lineage::Value& value = traced.result.columns[i].value;
    if (value.is_known && !value.from.empty()) add(value.from, result.columns[columns[i].name]);
  }
  add(traced.result.rows, result.rows);
  if (count > kMostSources)
    return fail(ErrorCode::kResourceExhausted, "columns come from more than {} places",
                kMostSources);
  return result;
}

}  // namespace weir::sql
