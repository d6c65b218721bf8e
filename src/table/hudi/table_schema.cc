#include "table/hudi/table_schema.h"

#include <algorithm>
#include <ranges>

#include "table/hudi/avro_schema.h"
#include "table/hudi/partition_values.h"

namespace weir::table {
namespace {

/// Where Hudi's evolution by column ids is on, which alone can rename.
constexpr const char* kIdsKey = "latest_schema";
constexpr const char* kFooterKey = "parquet.avro.schema";

Result<model::Schema> created_schema(const TableProperties& properties) {
  const std::string created = property_or(properties, "hoodie.table.create.schema", "");
  if (created.empty()) return model::Schema();
  return while_doing(schema_from_avro(created), "reading hoodie.table.create.schema");
}

Result<model::Schema> schema_of_file(CommitLog& log, const std::string& name) {
  WEIR_ASSIGN(const parquet::FileInfo info, parquet::read_info(log.store(), name));
  const auto avro = info.footer.find(kFooterKey);
  if (avro != info.footer.end())
    return while_doing(schema_from_avro(avro->second), "reading the footer of " + name);
  WEIR_ASSIGN(const model::Schema all, parquet::from_arrow(*info.schema));
  model::Schema columns;
  for (const auto& column : all) {
    if (std::ranges::find(kMetaColumns, column.name) == std::end(kMetaColumns))
      columns.push_back(column);
  }
  return columns;
}

Status check_not_renamed(CommitLog& log, const std::vector<Instant>& commits) {
  if (commits.empty()) return {};
  WEIR_ASSIGN(const auto metadata, log.read(commits.back()));
  const auto ids = metadata->extra.find(kIdsKey);
  if (ids == metadata->extra.end() || ids->second.empty()) return {};
  return fail_with_hint(
      ErrorCode::kUnsupported,
      fmt::format("{} says in '{}' that columns are told by ids, not by names", commits.back().file,
                  kIdsKey),
      "weir finds columns by name, and one may have been renamed: read the table with Spark "
      "(hoodie.schema.on.read.enable) and write it out anew");
}

}  // namespace

Result<model::Schema> schema_at(const TableProperties& properties, CommitLog& log,
                                const std::vector<Instant>& commits) {
  for (const auto& commit : commits | std::views::reverse) {
    WEIR_ASSIGN(const auto metadata, log.read(commit));
    const auto schema = metadata->extra.find(kSchemaKey);
    if (schema != metadata->extra.end() && !schema->second.empty())
      return while_doing(schema_from_avro(schema->second),
                         fmt::format("reading the schema of commit {}", commit.time));
  }
  return created_schema(properties);
}

Result<model::Schema> schema_of(const TableProperties& properties, CommitLog& log,
                                const std::vector<Instant>& commits,
                                const std::map<GroupKey, DataFile>& live) {
  WEIR_TRY(check_not_renamed(log, commits));
  WEIR_ASSIGN(model::Schema schema, schema_at(properties, log, commits));
  if (schema.empty() && !live.empty()) {
    const auto newest =
        std::ranges::max_element(live, {}, [](const auto& entry) { return entry.second.instant; });
    WEIR_ASSIGN(schema, schema_of_file(log, newest->second.name));
  }
  const std::vector<std::string> in_path = path_columns(properties);
  if (in_path.empty()) return schema;
  WEIR_ASSIGN(const model::Schema created, created_schema(properties));
  for (const auto& name : in_path) {
    if (model::find_column(schema, name) != nullptr) continue;
    const model::Column* known = model::find_column(created, name);
    // Hudi itself gives such a column as text where nothing tells its type.
    schema.push_back(known != nullptr ? *known : model::Column{name, {}, true});
  }
  return schema;
}

}  // namespace weir::table
