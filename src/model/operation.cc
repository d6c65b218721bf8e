#include "model/operation.h"

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "base/instant.h"

namespace weir::model {
namespace {

constexpr int64_t kFormat = 1;

struct KindName {
  OperationKind kind;
  std::string_view text;
};
constexpr std::array kKinds = {
    KindName{OperationKind::kIngestFiles, "ingest_files"},
    KindName{OperationKind::kIngestDatabase, "ingest_database"},
    KindName{OperationKind::kMergeHistory, "merge_history"},
    KindName{OperationKind::kMergeLatest, "merge_latest"},
    KindName{OperationKind::kTransform, "transform"},
    KindName{OperationKind::kCheck, "check"},
    KindName{OperationKind::kLoadWarehouse, "load_warehouse"},
    KindName{OperationKind::kReconcile, "reconcile"},
};

Json optional_instant(const std::optional<int64_t>& at_us) {
  return at_us ? Json(format_instant(*at_us)) : Json();
}

Result<std::optional<int64_t>> read_instant(const Json& object, std::string_view key) {
  WEIR_ASSIGN(const std::string text, json_field_or<std::string>(object, key, ""));
  if (text.empty()) return std::nullopt;
  WEIR_ASSIGN(const int64_t at_us, parse_instant(text));
  return at_us;
}

Json to_json(const PinnedObject& object) {
  return {{"uri", object.uri},
          {"name", object.name},
          {"size_bytes", object.size_bytes},
          {"sha256", object.sha256},
          {"as_of", optional_instant(object.as_of_us)},
          {"rows", object.rows},
          {"modified_at_us", object.modified_at_us}};
}

Result<PinnedObject> pinned_object_from_json(const Json& json) {
  PinnedObject object;
  WEIR_ASSIGN(object.uri, json_field<std::string>(json, "uri"));
  WEIR_ASSIGN(object.name, json_field<std::string>(json, "name"));
  WEIR_ASSIGN(object.size_bytes, json_field<int64_t>(json, "size_bytes"));
  WEIR_ASSIGN(object.sha256, json_field_or<std::string>(json, "sha256", ""));
  WEIR_ASSIGN(object.as_of_us, read_instant(json, "as_of"));
  WEIR_ASSIGN(object.rows, json_field_or<int64_t>(json, "rows", -1));
  WEIR_ASSIGN(object.modified_at_us, json_field_or<int64_t>(json, "modified_at_us", 0));
  return object;
}

Json to_json(const Target& target) {
  return {{"dataset", target.dataset.empty() ? "" : target.dataset.text()},
          {"uri", target.uri},
          {"rejected_uri", target.rejected_uri},
          {"format", target.format},
          {"mode", to_text(target.mode)},
          {"schema", to_json(target.schema)},
          {"key", target.key},
          {"contract", to_json(target.contract)},
          {"connection_id", target.connection_id},
          {"connection_options", target.connection_options},
          {"table", target.table},
          {"options", target.options}};
}

Result<DatasetName> dataset_field(const Json& json) {
  WEIR_ASSIGN(const std::string text, json_field_or<std::string>(json, "dataset", ""));
  if (text.empty()) return DatasetName{};
  return parse_dataset_name(text);
}

Result<Target> target_from_json(const Json& json) {
  Target target;
  WEIR_ASSIGN(target.dataset, dataset_field(json));
  WEIR_ASSIGN(target.uri, json_field_or<std::string>(json, "uri", ""));
  WEIR_ASSIGN(target.rejected_uri, json_field_or<std::string>(json, "rejected_uri", ""));
  WEIR_ASSIGN(target.format, json_field_or<std::string>(json, "format", ""));
  WEIR_ASSIGN(const std::string mode, json_field_or<std::string>(json, "mode", "append"));
  if (mode == "append")
    target.mode = WriteMode::kAppend;
  else if (mode == "replace")
    target.mode = WriteMode::kReplace;
  else if (mode == "merge")
    target.mode = WriteMode::kMerge;
  else
    return fail(ErrorCode::kInvalidData, "target mode '{}' is not append, replace or merge", mode);
  WEIR_ASSIGN(const Json schema, json_field_or<Json>(json, "schema", Json::array()));
  WEIR_ASSIGN(target.schema, schema_from_json(schema));
  WEIR_ASSIGN(const Json key, json_field_or<Json>(json, "key", Json::array()));
  for (const auto& column : key) {
    if (!column.is_string()) return fail(ErrorCode::kInvalidData, "target key is a list of names");
    target.key.push_back(column.get<std::string>());
  }
  WEIR_ASSIGN(const Json contract, json_field_or<Json>(json, "contract", Json::object()));
  WEIR_ASSIGN(target.contract, contract_from_json(contract));
  WEIR_ASSIGN(target.connection_id, json_field_or<std::string>(json, "connection_id", ""));
  WEIR_ASSIGN(target.connection_options,
              json_field_or<Json>(json, "connection_options", Json::object()));
  WEIR_ASSIGN(target.table, json_field_or<std::string>(json, "table", ""));
  WEIR_ASSIGN(target.options, json_field_or<Json>(json, "options", Json::object()));
  return target;
}

Result<Origin> origin_from_json(const Json& json) {
  Origin origin;
  WEIR_ASSIGN(origin.flow_id, json_field_or<std::string>(json, "flow_id", ""));
  WEIR_ASSIGN(origin.task_id, json_field_or<std::string>(json, "task_id", ""));
  WEIR_ASSIGN(origin.run_id, json_field_or<std::string>(json, "run_id", ""));
  WEIR_ASSIGN(origin.attempt, json_field_or<int64_t>(json, "attempt", 1));
  WEIR_ASSIGN(const auto logical_time, read_instant(json, "logical_time"));
  origin.logical_time_us = logical_time.value_or(0);
  return origin;
}

}  // namespace

std::string_view to_text(OperationKind kind) {
  return std::ranges::find(kKinds, kind, &KindName::kind)->text;
}

Result<OperationKind> operation_kind_from_text(std::string_view text) {
  const auto* found = std::ranges::find(kKinds, text, &KindName::text);
  if (found == kKinds.end())
    return fail(ErrorCode::kUnsupported, "operation kind '{}' is not known", text);
  return found->kind;
}

const std::vector<OperationKind>& all_operation_kinds() {
  static const std::vector<OperationKind> kAll = [] {
    std::vector<OperationKind> kinds;
    for (const auto& each : kKinds) kinds.push_back(each.kind);
    return kinds;
  }();
  return kAll;
}

std::string_view to_text(WriteMode mode) {
  switch (mode) {
    case WriteMode::kAppend: return "append";
    case WriteMode::kReplace: return "replace";
    case WriteMode::kMerge: break;
  }
  return "merge";
}

Json to_json(const PinnedInput& input) {
  Json objects = Json::array();
  for (const auto& object : input.objects) objects.push_back(to_json(object));
  return {{"dataset", input.dataset.empty() ? "" : input.dataset.text()},
          {"format", input.format},
          {"uri", input.uri},
          {"instant", input.instant},
          {"as_of", optional_instant(input.as_of_us)},
          {"schema", to_json(input.schema)},
          {"objects", std::move(objects)}};
}

Result<PinnedInput> pinned_input_from_json(const Json& json) {
  PinnedInput input;
  WEIR_ASSIGN(input.dataset, dataset_field(json));
  WEIR_ASSIGN(input.format, json_field<std::string>(json, "format"));
  WEIR_ASSIGN(input.uri, json_field_or<std::string>(json, "uri", ""));
  WEIR_ASSIGN(input.instant, json_field_or<std::string>(json, "instant", ""));
  WEIR_ASSIGN(input.as_of_us, read_instant(json, "as_of"));
  WEIR_ASSIGN(const Json schema, json_field_or<Json>(json, "schema", Json::array()));
  WEIR_ASSIGN(input.schema, schema_from_json(schema));
  WEIR_ASSIGN(const Json objects, json_field_or<Json>(json, "objects", Json::array()));
  for (const auto& item : objects) {
    WEIR_ASSIGN(PinnedObject object, pinned_object_from_json(item));
    input.objects.push_back(std::move(object));
  }
  return input;
}

Json lineage_of(const std::vector<PinnedInput>& inputs) {
  Json lineage = Json::array();
  for (const auto& input : inputs) {
    Json version = {{"dataset", input.dataset.empty() ? "" : input.dataset.text()}};
    if (!input.instant.empty()) version["instant"] = input.instant;
    for (const auto& object : input.objects) {
      Json entry = version;
      entry["name"] = object.name;
      entry["size_bytes"] = object.size_bytes;
      if (!object.sha256.empty()) entry["sha256"] = object.sha256;
      if (object.rows >= 0) entry["rows"] = object.rows;
      if (object.as_of_us) entry["as_of"] = format_instant(*object.as_of_us);
      lineage.push_back(std::move(entry));
    }
    if (input.objects.empty()) lineage.push_back(std::move(version));
  }
  return lineage;
}

Result<std::vector<PinnedInput>> inputs_from_lineage(const Json& json) {
  std::vector<PinnedInput> inputs;
  for (const auto& entry : json) {
    WEIR_ASSIGN(const DatasetName dataset, dataset_field(entry));
    WEIR_ASSIGN(const std::string instant, json_field_or<std::string>(entry, "instant", ""));
    const bool is_next =
        inputs.empty() || inputs.back().dataset != dataset || inputs.back().instant != instant;
    if (is_next) {
      inputs.emplace_back();
      inputs.back().dataset = dataset;
      inputs.back().instant = instant;
    }
    PinnedObject object;
    WEIR_ASSIGN(object.name, json_field_or<std::string>(entry, "name", ""));
    if (object.name.empty()) continue;
    WEIR_ASSIGN(object.size_bytes, json_field_or<int64_t>(entry, "size_bytes", 0));
    WEIR_ASSIGN(object.sha256, json_field_or<std::string>(entry, "sha256", ""));
    WEIR_ASSIGN(object.rows, json_field_or<int64_t>(entry, "rows", -1));
    WEIR_ASSIGN(object.as_of_us, read_instant(entry, "as_of"));
    inputs.back().objects.push_back(std::move(object));
  }
  return inputs;
}

Json to_json(const Operation& operation) {
  Json inputs = Json::array();
  for (const auto& input : operation.inputs) inputs.push_back(to_json(input));
  Json buckets = Json::array();
  for (const auto& bucket : operation.buckets) {
    Json item = {{"connection_id", bucket.connection_id}, {"options", bucket.options}};
    if (bucket.kind != "s3") item["kind"] = bucket.kind;
    if (!bucket.secret_id.empty()) item["secret_id"] = bucket.secret_id;
    buckets.push_back(std::move(item));
  }
  return {{"format", kFormat},
          {"op", to_text(operation.kind)},
          {"inputs", std::move(inputs)},
          {"target", to_json(operation.target)},
          {"params", operation.params},
          {"token", operation.token},
          {"as_of", optional_instant(operation.as_of_us)},
          {"guard",
           {{"lock_uri", operation.guard.lock_uri},
            {"lock_name", operation.guard.lock_name},
            {"epoch", operation.guard.epoch}}},
          {"limits",
           {{"memory_bytes", operation.limits.memory_bytes},
            {"threads", operation.limits.threads},
            {"temp_folder", operation.limits.temp_folder}}},
          {"origin",
           {{"flow_id", operation.origin.flow_id},
            {"task_id", operation.origin.task_id},
            {"run_id", operation.origin.run_id},
            {"attempt", operation.origin.attempt},
            {"logical_time", format_instant(operation.origin.logical_time_us)}}},
          {"buckets", std::move(buckets)},
          {"secrets_file", operation.secrets_file}};
}

Result<Operation> operation_from_json(const Json& json) {
  WEIR_ASSIGN(const int64_t format, json_field<int64_t>(json, "format"));
  if (format != kFormat)
    return fail(ErrorCode::kUnsupported, "operation format {} is not known; this is {}", format,
                kFormat);
  Operation operation;
  WEIR_ASSIGN(const std::string kind, json_field<std::string>(json, "op"));
  WEIR_ASSIGN(operation.kind, operation_kind_from_text(kind));
  WEIR_ASSIGN(const Json inputs, json_field<Json>(json, "inputs"));
  for (const auto& item : inputs) {
    WEIR_ASSIGN(PinnedInput input, pinned_input_from_json(item));
    operation.inputs.push_back(std::move(input));
  }
  WEIR_ASSIGN(const Json target, json_field<Json>(json, "target"));
  WEIR_ASSIGN(operation.target, target_from_json(target));
  WEIR_ASSIGN(operation.params, json_field_or<Json>(json, "params", Json::object()));
  WEIR_ASSIGN(operation.token, json_field<std::string>(json, "token"));
  WEIR_ASSIGN(operation.as_of_us, read_instant(json, "as_of"));
  WEIR_ASSIGN(const Json guard, json_field_or<Json>(json, "guard", Json::object()));
  WEIR_ASSIGN(operation.guard.lock_uri, json_field_or<std::string>(guard, "lock_uri", ""));
  WEIR_ASSIGN(operation.guard.lock_name, json_field_or<std::string>(guard, "lock_name", ""));
  WEIR_ASSIGN(operation.guard.epoch, json_field_or<int64_t>(guard, "epoch", 0));
  WEIR_ASSIGN(const Json limits, json_field_or<Json>(json, "limits", Json::object()));
  WEIR_ASSIGN(operation.limits.memory_bytes, json_field_or<int64_t>(limits, "memory_bytes", 0));
  WEIR_ASSIGN(operation.limits.threads, json_field_or<int64_t>(limits, "threads", 0));
  WEIR_ASSIGN(operation.limits.temp_folder, json_field_or<std::string>(limits, "temp_folder", ""));
  WEIR_ASSIGN(const Json origin, json_field_or<Json>(json, "origin", Json::object()));
  WEIR_ASSIGN(operation.origin, origin_from_json(origin));
  WEIR_ASSIGN(const Json buckets, json_field_or<Json>(json, "buckets", Json::array()));
  for (const auto& item : buckets) {
    Connection& bucket = operation.buckets.emplace_back();
    WEIR_ASSIGN(bucket.kind, json_field_or<std::string>(item, "kind", "s3"));
    WEIR_ASSIGN(bucket.secret_id, json_field_or<std::string>(item, "secret_id", ""));
    WEIR_ASSIGN(bucket.connection_id, json_field<std::string>(item, "connection_id"));
    WEIR_ASSIGN(bucket.options, json_field<Json>(item, "options"));
  }
  WEIR_ASSIGN(operation.secrets_file, json_field_or<std::string>(json, "secrets_file", ""));
  return operation;
}

std::string token_of(const Operation& operation) {
  // Identities, not places: the same bytes moved to another store are the same input.
  Json inputs = Json::array();
  for (const auto& input : operation.inputs) {
    std::vector<std::string> objects;
    for (const auto& object : input.objects)
      objects.push_back(object.sha256.empty() ? object.name : object.sha256);
    std::ranges::sort(objects);
    // A version of a Hudi table is named by its instant; what it holds follows from it.
    const bool is_hudi = input.format == "hudi";
    inputs.push_back({{"dataset", input.dataset.empty() ? "" : input.dataset.text()},
                      {"instant", input.instant},
                      {"as_of", optional_instant(input.as_of_us)},
                      {"objects", is_hudi ? std::vector<std::string>{} : objects}});
  }
  // A landing file is its declared identity: the same delta under another name is the same input.
  const bool has_identity = operation.params.contains("input_identity");
  if (has_identity) inputs = Json::array();
  Json target = to_json(operation.target);
  target.erase("uri");
  target.erase("rejected_uri");
  target.erase("connection_options");
  // Control columns and readers say what is proved of the output, not what it is.
  if (target["options"].is_object()) {
    target["options"].erase("control_columns");
    target["options"].erase("reader");
  }
  Json params = operation.params;
  params.erase("approved");  // a person's yes lets the same hop through; it is no other hop
  return sha256_hex(
      dump_json({{"op", to_text(operation.kind)},
                 {"inputs", std::move(inputs)},
                 {"target", std::move(target)},
                 {"params", std::move(params)},
                 {"as_of", has_identity ? Json() : optional_instant(operation.as_of_us)},
                 {"canonical", 1}}));
}

std::string identity_of(Identity identity, std::string_view content_sha256,
                        std::optional<int64_t> as_of_us) {
  if (identity == Identity::kContent) return std::string(content_sha256);
  return sha256_hex(fmt::format("{}\n{}", content_sha256,
                                as_of_us ? format_instant(*as_of_us) : std::string("-")));
}

}  // namespace weir::model
