#include "engine/embedded/commit_extra.h"

#include "base/instant.h"
#include "engine/embedded/pinned.h"

namespace weir::engine::embedded {
namespace {

Result<Json> json_of(const table::CommitInfo& commit, const std::string& key, Json otherwise) {
  const auto found = commit.extra.find(key);
  if (found == commit.extra.end()) return otherwise;
  auto json = parse_json(found->second);
  if (!json)
    return fail(ErrorCode::kCorrupt, "commit {}: '{}' is no JSON: {}", commit.time, key,
                json.error().message);
  return json;
}

std::string text_of(const table::CommitInfo& commit, const std::string& key) {
  const auto found = commit.extra.find(key);
  return found == commit.extra.end() ? std::string() : found->second;
}

}  // namespace

std::map<std::string, std::string> extra_of(const model::Operation& operation,
                                            const model::Counts& counts,
                                            const model::Schema& schema, const Json& details) {
  std::map<std::string, std::string> extra = {
      {"weir.token", operation.token},
      {"weir.identities", dump_json(identities_of(operation.inputs))},
      {"weir.counts", dump_json(model::to_json(counts))},
      {"weir.schema", dump_json(model::to_json(schema))},
      {"weir.run", operation.origin.run_id},
      {"weir.details", dump_json(details)},
      {"weir.inputs", dump_json(lineage_of(operation.inputs))},
  };
  if (operation.as_of_us) extra["weir.as_of"] = format_instant(*operation.as_of_us);
  return extra;
}

Result<model::Outcome> outcome_of(const model::DatasetName& dataset,
                                  const table::CommitInfo& commit) {
  model::Outcome outcome;
  WEIR_ASSIGN(const Json counts, json_of(commit, "weir.counts", Json::object()));
  WEIR_ASSIGN(outcome.counts, model::counts_from_json(counts));
  WEIR_ASSIGN(outcome.details, json_of(commit, "weir.details", Json::object()));
  WEIR_ASSIGN(const Json identities, json_of(commit, "weir.identities", Json::array()));

  model::Publication publication;
  publication.dataset = dataset;
  publication.token = text_of(commit, "weir.token");
  publication.instant = commit.time;
  publication.rows = outcome.counts.out;
  publication.size_bytes = commit.bytes_written;
  if (const auto as_of = text_of(commit, "weir.as_of"); !as_of.empty()) {
    WEIR_ASSIGN(publication.as_of_us, parse_instant(as_of));
  }
  for (const auto& identity : identities)
    if (identity.is_string()) publication.input_identities.push_back(identity.get<std::string>());
  publication.counts = outcome.counts;
  WEIR_ASSIGN(publication.schema, json_of(commit, "weir.schema", Json::array()));
  outcome.publications.push_back(std::move(publication));
  return outcome;
}

}  // namespace weir::engine::embedded
