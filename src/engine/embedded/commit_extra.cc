#include "engine/embedded/commit_extra.h"

#include "base/instant.h"
#include "engine/embedded/pinned.h"
#include "model/published.h"

namespace weir::engine::embedded {

std::map<std::string, std::string> extra_of(const model::Operation& operation,
                                            const model::Counts& counts,
                                            const model::Schema& schema, const Json& details) {
  std::map<std::string, std::string> extra = {
      {"weir.token", operation.token},
      {"weir.op", std::string(model::to_text(operation.kind))},
      {"weir.identities", dump_json(identities_of(operation.inputs))},
      {"weir.counts", dump_json(model::to_json(counts))},
      {"weir.schema", dump_json(model::to_json(schema))},
      {"weir.run", operation.origin.run_id},
      {"weir.details", dump_json(details)},
      {"weir.inputs", dump_json(model::lineage_of(operation.inputs))},
  };
  if (operation.as_of_us) extra["weir.as_of"] = format_instant(*operation.as_of_us);
  return extra;
}

Result<model::Outcome> outcome_of(const model::DatasetName& dataset,
                                  const table::CommitInfo& commit) {
  WEIR_ASSIGN(const auto published,
              model::published_commit(dataset, commit.time, commit.bytes_written, commit.extra));
  return model::outcome_of(published);
}

}  // namespace weir::engine::embedded
