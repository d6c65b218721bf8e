#pragma once

/// What a hop writes into its own commit, so that the lake can tell of it without a catalog, and
/// the outcome that is read out of it again when the token is found.

#include <map>
#include <string>
#include <vector>

#include "model/operation.h"
#include "model/outcome.h"
#include "table/hudi.h"

namespace weir::engine::embedded {

/// The keys `weir.*` of a commit, as docs/format/hudi.md lists them.
std::map<std::string, std::string> extra_of(const model::Operation& operation,
                                            const model::Counts& counts,
                                            const model::Schema& schema, const Json& details);

/// The outcome of a commit: the same whether it was made now or is found by its token. kCorrupt
/// where a key does not read.
Result<model::Outcome> outcome_of(const model::DatasetName& dataset,
                                  const table::CommitInfo& commit);

}  // namespace weir::engine::embedded
