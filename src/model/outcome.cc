#include "model/outcome.h"

#include "base/instant.h"

namespace weir::model {

Json to_json(const Counts& counts) {
  return {{"in", counts.in},
          {"inserted", counts.inserted},
          {"updated_in_place", counts.updated_in_place},
          {"rejected", counts.rejected},
          {"deduplicated", counts.deduplicated},
          {"unchanged", counts.unchanged},
          {"filtered", counts.filtered},
          {"closed_by_change", counts.closed_by_change},
          {"closed_by_absence", counts.closed_by_absence},
          {"out", counts.out}};
}

Result<Counts> counts_from_json(const Json& json) {
  Counts counts;
  WEIR_ASSIGN(counts.in, json_field_or<int64_t>(json, "in", 0));
  WEIR_ASSIGN(counts.inserted, json_field_or<int64_t>(json, "inserted", 0));
  WEIR_ASSIGN(counts.updated_in_place, json_field_or<int64_t>(json, "updated_in_place", 0));
  WEIR_ASSIGN(counts.rejected, json_field_or<int64_t>(json, "rejected", 0));
  WEIR_ASSIGN(counts.deduplicated, json_field_or<int64_t>(json, "deduplicated", 0));
  WEIR_ASSIGN(counts.unchanged, json_field_or<int64_t>(json, "unchanged", 0));
  WEIR_ASSIGN(counts.filtered, json_field_or<int64_t>(json, "filtered", 0));
  WEIR_ASSIGN(counts.closed_by_change, json_field_or<int64_t>(json, "closed_by_change", 0));
  WEIR_ASSIGN(counts.closed_by_absence, json_field_or<int64_t>(json, "closed_by_absence", 0));
  WEIR_ASSIGN(counts.out, json_field_or<int64_t>(json, "out", 0));
  return counts;
}

Json to_json(const Publication& publication) {
  return {{"dataset", publication.dataset.text()},
          {"token", publication.token},
          {"object_name", publication.object_name},
          {"instant", publication.instant},
          {"rows", publication.rows},
          {"size_bytes", publication.size_bytes},
          {"sha256", publication.sha256},
          {"as_of", publication.as_of_us ? Json(format_instant(*publication.as_of_us)) : Json()},
          {"input_identities", publication.input_identities},
          {"source_name", publication.source_name},
          {"source_sha256", publication.source_sha256},
          {"source_size_bytes", publication.source_size_bytes},
          {"counts", to_json(publication.counts)},
          {"schema", publication.schema},
          {"run_id", publication.run_id},
          {"sums", publication.sums}};
}

Result<Publication> publication_from_json(const Json& json) {
  Publication publication;
  WEIR_ASSIGN(const std::string dataset, json_field<std::string>(json, "dataset"));
  WEIR_ASSIGN(publication.dataset, parse_dataset_name(dataset));
  WEIR_ASSIGN(publication.token, json_field<std::string>(json, "token"));
  WEIR_ASSIGN(publication.object_name, json_field_or<std::string>(json, "object_name", ""));
  WEIR_ASSIGN(publication.instant, json_field_or<std::string>(json, "instant", ""));
  WEIR_ASSIGN(publication.rows, json_field_or<int64_t>(json, "rows", 0));
  WEIR_ASSIGN(publication.size_bytes, json_field_or<int64_t>(json, "size_bytes", 0));
  WEIR_ASSIGN(publication.sha256, json_field_or<std::string>(json, "sha256", ""));
  WEIR_ASSIGN(const std::string as_of, json_field_or<std::string>(json, "as_of", ""));
  if (!as_of.empty()) {
    WEIR_ASSIGN(publication.as_of_us, parse_instant(as_of));
  }
  WEIR_ASSIGN(const Json identities, json_field_or<Json>(json, "input_identities", Json::array()));
  for (const auto& identity : identities) {
    if (identity.is_string()) publication.input_identities.push_back(identity.get<std::string>());
  }
  WEIR_ASSIGN(publication.source_name, json_field_or<std::string>(json, "source_name", ""));
  WEIR_ASSIGN(publication.source_sha256, json_field_or<std::string>(json, "source_sha256", ""));
  WEIR_ASSIGN(publication.source_size_bytes, json_field_or<int64_t>(json, "source_size_bytes", 0));
  WEIR_ASSIGN(const Json counts, json_field_or<Json>(json, "counts", Json::object()));
  WEIR_ASSIGN(publication.counts, counts_from_json(counts));
  WEIR_ASSIGN(publication.run_id, json_field_or<std::string>(json, "run_id", ""));
  WEIR_ASSIGN(publication.sums, json_field_or<Json>(json, "sums", Json::object()));
  WEIR_ASSIGN(publication.schema, json_field_or<Json>(json, "schema", Json::array()));
  return publication;
}

Json to_json(const Outcome& outcome) {
  Json publications = Json::array();
  for (const auto& publication : outcome.publications) publications.push_back(to_json(publication));
  Json rejects = Json::array();
  for (const auto& reject : outcome.rejects)
    rejects.push_back(
        {{"reason", reject.reason}, {"column", reject.column}, {"rows", reject.rows}});
  Json held;
  if (outcome.held)
    held = {{"reason", outcome.held->reason},
            {"message", outcome.held->message},
            {"facts", outcome.held->facts}};
  return {{"format", 1},
          {"was_already_done", outcome.was_already_done},
          {"publications", std::move(publications)},
          {"counts", to_json(outcome.counts)},
          {"rejects", std::move(rejects)},
          {"held", std::move(held)},
          {"details", outcome.details},
          {"warnings", outcome.warnings}};
}

Result<Outcome> outcome_from_json(const Json& json) {
  Outcome outcome;
  WEIR_ASSIGN(const int64_t format, json_field<int64_t>(json, "format"));
  if (format != 1) return fail(ErrorCode::kUnsupported, "outcome format {} is not known", format);
  WEIR_ASSIGN(outcome.was_already_done, json_field_or<bool>(json, "was_already_done", false));
  WEIR_ASSIGN(const Json publications, json_field_or<Json>(json, "publications", Json::array()));
  for (const auto& item : publications) {
    WEIR_ASSIGN(Publication publication, publication_from_json(item));
    outcome.publications.push_back(std::move(publication));
  }
  WEIR_ASSIGN(const Json counts, json_field_or<Json>(json, "counts", Json::object()));
  WEIR_ASSIGN(outcome.counts, counts_from_json(counts));
  WEIR_ASSIGN(const Json rejects, json_field_or<Json>(json, "rejects", Json::array()));
  for (const auto& item : rejects) {
    RejectSummary reject;
    WEIR_ASSIGN(reject.reason, json_field<std::string>(item, "reason"));
    WEIR_ASSIGN(reject.column, json_field_or<std::string>(item, "column", ""));
    WEIR_ASSIGN(reject.rows, json_field<int64_t>(item, "rows"));
    outcome.rejects.push_back(std::move(reject));
  }
  WEIR_ASSIGN(const Json held, json_field_or<Json>(json, "held", Json()));
  if (held.is_object()) {
    outcome.held.emplace();
    WEIR_ASSIGN(outcome.held->reason, json_field<std::string>(held, "reason"));
    WEIR_ASSIGN(outcome.held->message, json_field_or<std::string>(held, "message", ""));
    WEIR_ASSIGN(outcome.held->facts, json_field_or<Json>(held, "facts", Json::object()));
  }
  WEIR_ASSIGN(outcome.details, json_field_or<Json>(json, "details", Json::object()));
  WEIR_ASSIGN(const Json warnings, json_field_or<Json>(json, "warnings", Json::array()));
  for (const auto& warning : warnings) {
    if (warning.is_string()) outcome.warnings.push_back(warning.get<std::string>());
  }
  return outcome;
}

}  // namespace weir::model
