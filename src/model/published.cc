#include "model/published.h"

#include "base/instant.h"

namespace weir::model {
namespace {

/// Reads the values of one object or commit; `what` names it in errors.
class Values {
 public:
  Values(const FooterValues& values, std::string what) : values_(values), what_(std::move(what)) {}

  bool has(const std::string& key) const { return values_.contains(key); }

  std::string text(const std::string& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? std::string() : found->second;
  }

  Result<Json> json(const std::string& key, Json otherwise) const {
    const std::string value = text(key);
    if (value.empty()) return otherwise;
    auto json = parse_json(value);
    if (json) return json;
    return fail(ErrorCode::kCorrupt, "{}: '{}' is no JSON: {}", what_, key, json.error().message);
  }

  Result<std::optional<int64_t>> instant(const std::string& key) const {
    const std::string value = text(key);
    if (value.empty()) return std::nullopt;
    const auto at_us = parse_instant(value);
    if (at_us) return *at_us;
    return fail(ErrorCode::kCorrupt, "{}: '{}' is no instant: {}", what_, key,
                at_us.error().message);
  }

 private:
  const FooterValues& values_;
  std::string what_;
};

Status read_common(const Values& values, Published& published) {
  Publication& main = published.main;
  main.token = values.text("weir.token");
  main.run_id = values.text("weir.run");
  published.kind = values.text("weir.op");
  WEIR_ASSIGN(main.as_of_us, values.instant("weir.as_of"));
  published.has_counts = values.has("weir.counts");
  WEIR_ASSIGN(const Json counts, values.json("weir.counts", Json::object()));
  WEIR_ASSIGN(main.counts, counts_from_json(counts));
  WEIR_ASSIGN(main.schema, values.json("weir.schema", Json::array()));
  WEIR_ASSIGN(published.details, values.json("weir.details", Json::object()));
  if (published.details.is_object()) main.sums = published.details.value("sums", Json::object());
  WEIR_ASSIGN(const Json rejected, values.json("weir.rejected", Json()));
  if (!rejected.is_object()) return {};
  published.rejected = main;
  Publication& beside = *published.rejected;
  beside.dataset = main.dataset.rejected();
  beside.instant.clear();
  WEIR_ASSIGN(beside.object_name, json_field<std::string>(rejected, "name"));
  WEIR_ASSIGN(beside.rows, json_field<int64_t>(rejected, "rows"));
  WEIR_ASSIGN(beside.size_bytes, json_field_or<int64_t>(rejected, "size_bytes", -1));
  WEIR_ASSIGN(beside.sha256, json_field_or<std::string>(rejected, "sha256", ""));
  beside.schema = to_json(rejected_schema());
  beside.sums = Json::object();
  return {};
}

}  // namespace

Result<std::optional<Published>> published_object(const DatasetName& dataset,
                                                  const std::string& object_name,
                                                  const FooterValues& footer) {
  const Values values(footer, fmt::format("object '{}' of {}", object_name, dataset.text()));
  if (values.text("weir.token").empty()) return std::nullopt;
  Published published;
  Publication& main = published.main;
  main.dataset = dataset;
  main.object_name = object_name;
  main.input_identities = {values.text("weir.identity")};
  main.source_name = values.text("weir.source_name");
  main.source_sha256 = values.text("weir.source_sha256");
  WEIR_ASSIGN(const Json size, values.json("weir.source_size_bytes", 0));
  if (size.is_number_integer()) main.source_size_bytes = size.get<int64_t>();
  WEIR_TRY(read_common(values, published));

  PinnedInput landing;
  landing.format = published.kind == to_text(OperationKind::kIngestDatabase) ? "database" : "file";
  landing.as_of_us = main.as_of_us;
  PinnedObject file;
  file.name = main.source_name;
  file.sha256 = main.source_sha256;
  file.size_bytes = main.source_size_bytes;
  file.as_of_us = main.as_of_us;
  landing.objects = {std::move(file)};
  published.inputs = {std::move(landing)};
  return published;
}

Result<Published> published_commit(const DatasetName& dataset, const std::string& instant,
                                   int64_t bytes_written, const FooterValues& extra) {
  const Values values(extra, fmt::format("commit {} of {}", instant, dataset.text()));
  Published published;
  Publication& main = published.main;
  main.dataset = dataset;
  main.instant = instant;
  main.size_bytes = bytes_written;
  WEIR_ASSIGN(const Json identities, values.json("weir.identities", Json::array()));
  for (const auto& identity : identities) {
    if (identity.is_string()) main.input_identities.push_back(identity.get<std::string>());
  }
  WEIR_TRY(read_common(values, published));
  main.rows = main.counts.out;
  WEIR_ASSIGN(const Json lineage, values.json("weir.inputs", Json::array()));
  WEIR_ASSIGN(published.inputs, inputs_from_lineage(lineage));
  return published;
}

Outcome outcome_of(const Published& published) {
  Outcome outcome;
  outcome.counts = published.main.counts;
  if (published.details.is_object()) outcome.details = published.details;
  for (const Json& item : outcome.details.value("rejects", Json::array()))
    outcome.rejects.push_back(
        {item.value("reason", ""), item.value("column", ""), item.value("rows", int64_t{0})});
  for (const Json& warning : outcome.details.value("warnings", Json::array()))
    if (warning.is_string()) outcome.warnings.push_back(warning.get<std::string>());
  outcome.details.erase("rejects");
  outcome.details.erase("warnings");
  if (published.rejected) outcome.publications.push_back(*published.rejected);
  outcome.publications.push_back(published.main);
  return outcome;
}

Operation operation_of(const Published& published) {
  Operation operation;
  // Any kind that moves data serves: ledger and watermark tell no two of them apart.
  operation.kind =
      published.main.instant.empty() ? OperationKind::kIngestFiles : OperationKind::kTransform;
  operation.target.dataset = published.main.dataset;
  operation.token = published.main.token;
  operation.as_of_us = published.main.as_of_us;
  operation.inputs = published.inputs;
  return operation;
}

}  // namespace weir::model
