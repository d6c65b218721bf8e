#include "engine/raw_columns.h"

#include <algorithm>
#include <set>

#include "table/history.h"

namespace weir::engine {

using model::Schema;

Result<Schema> raw_columns(const parquet::FileInfo& info) {
  if (const auto found = info.footer.find("weir.schema"); found != info.footer.end()) {
    WEIR_ASSIGN(const Json json, parse_json(found->second));
    return model::schema_from_json(json);
  }
  WEIR_ASSIGN(const Schema all, parquet::from_arrow(*info.schema));
  const table::HistoryColumns load;
  const std::set<std::string> own = {load.run_id, load.source_file, load.source_row,
                                     load.loaded_at};
  Schema columns;
  for (const model::Column& column : all) {
    if (!own.contains(column.name) && !column.name.starts_with("_hoodie_"))
      columns.push_back(column);
  }
  return columns;
}

Status add_raw_columns(Schema& schema, const Schema& found, const Schema& declared) {
  for (model::Column column : found) {
    if (const model::Column* known = model::find_column(declared, column.name);
        known != nullptr && model::widens(column.type, known->type))
      column.type = known->type;
    const auto same = std::ranges::find(schema, column.name, &model::Column::name);
    if (same == schema.end()) {
      schema.push_back(column);
    } else if (model::widens(same->type, column.type)) {
      same->type = column.type;
    } else if (!model::widens(column.type, same->type)) {
      return fail(ErrorCode::kSchemaDrift,
                  "column '{}' is {} in one object of the snapshot and {} in another", column.name,
                  model::to_text(same->type), model::to_text(column.type));
    }
  }
  return {};
}

}  // namespace weir::engine
