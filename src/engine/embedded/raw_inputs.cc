#include "engine/embedded/raw_inputs.h"

#include "engine/raw_columns.h"
#include "parquet/parquet.h"

namespace weir::engine::embedded {
namespace {

using model::Operation;
using model::PinnedInput;
using model::PinnedObject;

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

Result<std::string> engine_path(const PinnedObject& object, const Context& context,
                                RawInputs& inputs) {
  WEIR_ASSIGN(storage::Storage* const store, context.stores->open(object.uri));
  WEIR_TRY(verify_pinned(*store, object));
  return inputs.objects->path_of(*store, object.name);
}

}  // namespace

Status read_raw_inputs(const Operation& operation, const Context& context, RawInputs& inputs) {
  const PinnedInput& input = operation.inputs.at(0);
  for (const PinnedObject& object : input.objects) {
    WEIR_TRY(context.cancel->check());
    WEIR_ASSIGN(std::string path, engine_path(object, context, inputs));
    inputs.files.push_back(std::move(path));
    WEIR_ASSIGN(storage::Storage* const store, context.stores->open(object.uri));
    WEIR_ASSIGN(const parquet::FileInfo info, parquet::read_info(*store, object.name));
    inputs.rows += info.rows;
    WEIR_ASSIGN(inputs.columns.emplace_back(), raw_columns(info));
    WEIR_TRY(add_raw_columns(inputs.schema, inputs.columns.back(), input.schema));
    const auto identity = info.footer.find("weir.identity");
    inputs.identities.push_back(identity != info.footer.end() ? identity->second : object.sha256);
  }
  // No objects are an empty picture of the dataset.
  if (input.objects.empty()) inputs.schema = input.schema;
  for (size_t i = 1; i < operation.inputs.size(); ++i) {
    for (const PinnedObject& object : operation.inputs[i].objects) {
      WEIR_ASSIGN(std::string path, engine_path(object, context, inputs));
      inputs.rejected_files.push_back(std::move(path));
    }
  }
  return {};
}

Result<parquet::ColumnSums> control_sums_of(const Operation& operation, const Context& context,
                                            const std::vector<std::string>& columns,
                                            const RawInputs& inputs) {
  parquet::ColumnSums sums;
  const PinnedInput& input = operation.inputs.at(0);
  for (size_t i = 0; i < input.objects.size(); ++i) {
    const PinnedObject& object = input.objects[i];
    WEIR_ASSIGN(storage::Storage* const store, context.stores->open(object.uri));
    std::vector<std::string> there;
    for (const auto& name : columns)
      if (model::find_column(inputs.columns[i], name) != nullptr) there.push_back(name);
    WEIR_TRY(model::check_control_columns(inputs.columns[i], there, input.dataset.text()));
    WEIR_TRY(parquet::add_columns(*store, object.name, there, "", *context.cancel, sums));
  }
  return sums;
}

}  // namespace weir::engine::embedded
