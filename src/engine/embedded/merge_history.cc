#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/instant.h"
#include "engine/embedded/executors.h"
#include "engine/embedded/guard.h"
#include "parquet/column_sums.h"
#include "parquet/parquet.h"
#include "table/engine_files.h"
#include "table/history.h"

namespace weir::engine::embedded {
namespace {

using model::PinnedInput;
using model::PinnedObject;
using model::Schema;
using table::Deletes;
using table::HistoryOptions;
using table::HistorySource;

Result<Deletes> deletes_from_text(const std::string& text) {
  if (text == "ignore") return Deletes::kIgnore;
  if (text == "by_absence") return Deletes::kByAbsence;
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("deletes '{}'", text),
                        "one of: ignore, by_absence");
}

Result<HistoryOptions> options_of(const Operation& operation) {
  const Json& params = operation.params;
  HistoryOptions options;
  WEIR_ASSIGN(const std::string mode, json_field_or<std::string>(params, "mode", "snapshot"));
  if (mode != "snapshot")
    return fail_with_hint(ErrorCode::kUnsupported, fmt::format("history in mode '{}'", mode),
                          "mode: snapshot, one full picture of all keys at a time");
  WEIR_ASSIGN(const std::string deletes, json_field_or<std::string>(params, "deletes", "ignore"));
  WEIR_ASSIGN(options.deletes, deletes_from_text(deletes));
  const auto names = [&](std::string_view field) -> Result<std::vector<std::string>> {
    WEIR_ASSIGN(const Json list, json_field_or<Json>(params, field, Json::array()));
    std::vector<std::string> out;
    for (const Json& name : list) {
      if (!list.is_array() || !name.is_string())
        return fail(ErrorCode::kInvalidData, "field '{}' is no list of columns", field);
      out.push_back(name.get<std::string>());
    }
    return out;
  };
  WEIR_ASSIGN(options.key, names("key"));
  if (options.key.empty()) options.key = operation.target.key;
  WEIR_ASSIGN(options.untracked, names("untracked"));
  WEIR_ASSIGN(options.max_deleted_percent,
              json_field_or<double>(params, "max_deleted_percent", options.max_deleted_percent));
  if (params.contains("max_changed_percent") && !params["max_changed_percent"].is_null()) {
    WEIR_ASSIGN(options.max_changed_percent, json_field<double>(params, "max_changed_percent"));
  }
  WEIR_ASSIGN(options.control, model::control_columns(operation.target.options));
  WEIR_ASSIGN(options.is_approved, json_field_or<bool>(params, "approved", false));
  return options;
}

/// Refuses bytes that are not those that were pinned.
Status verify(storage::Storage& store, const PinnedObject& object) {
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

/// Copies of objects that the engine cannot open by itself, one set for each store.
using Copies = std::map<std::string, std::unique_ptr<table::EngineFiles>>;

Result<std::string> engine_path(const PinnedObject& object, const Operation& operation,
                                const Context& context, Copies& copies) {
  WEIR_ASSIGN(storage::Storage* const store, context.stores->open(object.uri));
  WEIR_TRY(verify(*store, object));
  auto& files = copies[object.uri];
  if (files == nullptr)
    files = std::make_unique<table::EngineFiles>(*store, operation.limits.temp_folder);
  return files->path_of(object.name);
}

Result<HistorySource> source_of(const Operation& operation, const HistoryOptions& options,
                                const Context& context, Copies& copies) {
  HistorySource source;
  if (operation.inputs.empty())
    return fail(ErrorCode::kInvalidConfig, "merge_history has no input");
  const PinnedInput& input = operation.inputs[0];
  const std::optional<int64_t> as_of = operation.as_of_us ? operation.as_of_us : input.as_of_us;
  if (!as_of)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("the snapshot of '{}' has no as-of", input.dataset.text()),
                          "give the ingesting task `as_of: 'name-(?<as_of>\\d{8})'`");
  source.as_of_us = *as_of;
  for (const PinnedObject& object : input.objects) {
    WEIR_TRY(context.cancel->check());
    WEIR_ASSIGN(std::string path, engine_path(object, operation, context, copies));
    source.files.push_back(std::move(path));
    WEIR_ASSIGN(storage::Storage* const store, context.stores->open(object.uri));
    WEIR_ASSIGN(const parquet::FileInfo info, parquet::read_info(*store, object.name));
    source.rows += info.rows;
    WEIR_ASSIGN(const Schema columns, columns_of(info));
    WEIR_TRY(add_columns(source.schema, columns, input.schema));
    std::vector<std::string> control;
    for (const auto& name : options.control)
      if (model::find_column(columns, name) != nullptr) control.push_back(name);
    WEIR_TRY(model::check_control_columns(columns, control, input.dataset.text()));
    WEIR_TRY(parquet::add_columns(*store, object.name, control, "", *context.cancel,
                                  source.control_sums));
    const auto identity = info.footer.find("weir.identity");
    source.input_identities.push_back(identity != info.footer.end() ? identity->second
                                                                    : object.sha256);
  }
  // A snapshot of no objects is an empty picture of the dataset.
  if (input.objects.empty()) source.schema = input.schema;
  for (size_t i = 1; i < operation.inputs.size(); ++i) {
    for (const PinnedObject& object : operation.inputs[i].objects) {
      WEIR_ASSIGN(std::string path, engine_path(object, operation, context, copies));
      source.rejected_files.push_back(std::move(path));
    }
  }
  return source;
}

}  // namespace

Result<Outcome> merge_history(const Operation& operation, const Context& context) {
  WEIR_ASSIGN(HistoryOptions options, options_of(operation));
  WEIR_ASSIGN(storage::Storage* const store, context.stores->open(operation.target.uri));
  const auto guard = make_guard(operation.guard, *context.stores);
  table::TableContext target;
  target.store = store;
  target.clock = context.clock;
  target.random = context.random;
  target.guard = guard.get();
  target.threads = std::max<int64_t>(operation.limits.threads, 1);
  WEIR_ASSIGN(std::optional<Outcome> done, table::find_merge(target, operation));
  if (done) return *std::move(done);

  Copies copies;
  WEIR_ASSIGN(const HistorySource source, source_of(operation, options, context, copies));
  if (!operation.target.rejected_uri.empty()) {
    WEIR_ASSIGN(options.rejected_store, context.stores->open(operation.target.rejected_uri));
  }
  table::TableOptions table_options;
  table_options.name = operation.target.dataset.name;
  table_options.record_key = {options.columns.version_id};
  table_options.ordering_field = options.columns.loaded_at;
  return while_doing(
      table::merge_snapshot(target, table_options, options, source, operation, *context.cancel),
      fmt::format("keeping the history of '{}'", operation.target.dataset.text()));
}

}  // namespace weir::engine::embedded
