#include "engine/embedded/raw_inputs.h"

#include <algorithm>
#include <set>

#include "parquet/parquet.h"
#include "table/history.h"

namespace weir::engine::embedded {
namespace {

using model::Operation;
using model::PinnedInput;
using model::PinnedObject;
using model::Schema;

/// Refuses bytes that are not those that were pinned.
Status verify_pinned(storage::Storage& store, const PinnedObject& object) {
  if (object.sha256.empty()) {
    WEIR_ASSIGN(const storage::Entry found, store.stat(object.name));
    if (object.size_bytes == 0 || found.size_bytes == object.size_bytes) return {};
    return fail(ErrorCode::kCorrupt, "'{}' in '{}' has {} bytes, pinned were {}", object.name,
                object.uri, found.size_bytes, object.size_bytes);
  }
  WEIR_ASSIGN(const storage::Written found, storage::digest_of(store, object.name));
  if (found.sha256 == object.sha256 &&
      (object.size_bytes == 0 || found.size_bytes == object.size_bytes))
    return {};
  return fail(ErrorCode::kCorrupt,
              "'{}' in '{}' has sha256 {} and {} bytes, pinned were {} and {} bytes", object.name,
              object.uri, found.sha256, found.size_bytes, object.sha256, object.size_bytes);
}

/// The business columns of one raw object, by its footer; of one that others made, all but the load
/// columns.
Result<Schema> columns_of(const parquet::FileInfo& info) {
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

/// What the snapshot itself has: a column that the dataset got later is not in it. Types are the
/// dataset's where they hold the object's.
Status add_columns(Schema& schema, const Schema& found, const Schema& declared) {
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

Result<std::string> engine_path(const PinnedObject& object, const Operation& operation,
                                const Context& context, RawInputs& inputs) {
  WEIR_ASSIGN(storage::Storage* const store, context.stores->open(object.uri));
  WEIR_TRY(verify_pinned(*store, object));
  auto& files = inputs.copies[object.uri];
  if (files == nullptr)
    files = std::make_unique<table::EngineFiles>(*store, operation.limits.temp_folder);
  return files->path_of(object.name);
}

}  // namespace

Status read_raw_inputs(const Operation& operation, const Context& context, RawInputs& inputs) {
  const PinnedInput& input = operation.inputs.at(0);
  for (const PinnedObject& object : input.objects) {
    WEIR_TRY(context.cancel->check());
    WEIR_ASSIGN(std::string path, engine_path(object, operation, context, inputs));
    inputs.files.push_back(std::move(path));
    WEIR_ASSIGN(storage::Storage* const store, context.stores->open(object.uri));
    WEIR_ASSIGN(const parquet::FileInfo info, parquet::read_info(*store, object.name));
    inputs.rows += info.rows;
    WEIR_ASSIGN(inputs.columns.emplace_back(), columns_of(info));
    WEIR_TRY(add_columns(inputs.schema, inputs.columns.back(), input.schema));
    const auto identity = info.footer.find("weir.identity");
    inputs.identities.push_back(identity != info.footer.end() ? identity->second : object.sha256);
  }
  // No objects are an empty picture of the dataset.
  if (input.objects.empty()) inputs.schema = input.schema;
  for (size_t i = 1; i < operation.inputs.size(); ++i) {
    for (const PinnedObject& object : operation.inputs[i].objects) {
      WEIR_ASSIGN(std::string path, engine_path(object, operation, context, inputs));
      inputs.rejected_files.push_back(std::move(path));
    }
  }
  return {};
}

}  // namespace weir::engine::embedded
