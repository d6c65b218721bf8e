#pragma once

/// What objects and commits of the lake say of themselves: the keys `weir.*` of a footer or of a
/// commit's extra metadata (docs/format/hudi.md, docs/format/operation.md), read in one place, so
/// that whoever makes a hop, finds it, or rebuilds a catalog from it tells the same of it.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/operation.h"
#include "model/outcome.h"

namespace weir::model {

using FooterValues = std::map<std::string, std::string>;

struct Published {
  Publication main;
  std::optional<Publication> rejected;  ///< Its rows in `<dataset>__rejected`.
  std::vector<PinnedInput> inputs;      ///< What it was made from, without places and schemas.
  Json details = Json::object();
  std::string kind;  ///< Of the operation; empty where nobody said.
  bool has_counts = false;
};

/// Of an object of a raw or quarantine dataset; nothing where weir did not write it. What only the
/// object's bytes say (rows, size, hash) is left to the caller. kCorrupt names the key that does
/// not read.
Result<std::optional<Published>> published_object(const DatasetName& dataset,
                                                  const std::string& object_name,
                                                  const FooterValues& footer);

/// Of a completed commit of a Hudi table. Without weir's keys it has no token and no counts.
Result<Published> published_commit(const DatasetName& dataset, const std::string& instant,
                                   int64_t bytes_written, const FooterValues& extra);

/// The outcome of then, as the lake itself tells it: the same for whoever made it and whoever finds
/// it. Rejected rows come before the main publication, as they were written.
Outcome outcome_of(const Published& published);

/// The operation that made it, as far as what is published says: enough for its ledger and
/// watermarks.
Operation operation_of(const Published& published);

}  // namespace weir::model
