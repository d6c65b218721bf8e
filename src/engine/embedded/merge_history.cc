#include <algorithm>

#include <fmt/format.h>

#include "base/instant.h"
#include "engine/embedded/executors.h"
#include "engine/embedded/guard.h"
#include "engine/embedded/raw_inputs.h"
#include "parquet/parquet.h"
#include "table/history.h"

namespace weir::engine::embedded {
namespace {

using model::PinnedInput;
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

Result<HistorySource> source_of(const Operation& operation, const HistoryOptions& options,
                                const Context& context, RawInputs& inputs) {
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
  WEIR_TRY(read_raw_inputs(operation, context, inputs));
  source.files = inputs.files;
  source.rejected_files = inputs.rejected_files;
  source.objects = inputs.objects;
  source.schema = inputs.schema;
  source.rows = inputs.rows;
  source.input_identities = inputs.identities;
  WEIR_ASSIGN(source.control_sums, control_sums_of(operation, context, options.control, inputs));
  return source;
}

}  // namespace

Result<Outcome> merge_history(const Operation& operation, const Context& context) {
  WEIR_ASSIGN(HistoryOptions options, options_of(operation));
  WEIR_ASSIGN(const TargetTable held, target_table(operation, context));
  const table::TableContext& target = held.context;
  WEIR_ASSIGN(std::optional<Outcome> done, table::find_merge(target, operation));
  if (done) return *std::move(done);

  RawInputs inputs;
  WEIR_ASSIGN(const HistorySource source, source_of(operation, options, context, inputs));
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
