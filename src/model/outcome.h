#pragma once

/// What an operation did: counts that must close, what it published, and whether it waits for a
/// person. Also its JSON (docs/format/operation.md).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/names.h"

namespace weir::model {

/// The custody equation of a hop:
///   in = inserted + updated_in_place + rejected + deduplicated + unchanged + filtered
/// `in` comes from an independent count, the others from what was delivered and read back.
struct Counts {
  int64_t in = 0;
  int64_t inserted = 0;
  int64_t updated_in_place = 0;
  int64_t rejected = 0;
  int64_t deduplicated = 0;
  int64_t unchanged = 0;
  int64_t filtered = 0;
  // Beside the equation:
  int64_t closed_by_change = 0;
  int64_t closed_by_absence = 0;
  int64_t out = 0;  ///< Rows of the target after the hop, read back.

  bool is_closed() const {
    return in == inserted + updated_in_place + rejected + deduplicated + unchanged + filtered;
  }
  bool operator==(const Counts&) const = default;
};
Json to_json(const Counts& counts);
Result<Counts> counts_from_json(const Json& json);

/// One object or commit that is now part of a dataset.
struct Publication {
  DatasetName dataset;
  std::string token;
  std::string object_name;  ///< raw and quarantine: the object; hudi: empty
  std::string instant;      ///< hudi: the completed instant
  int64_t rows = 0;         ///< raw: rows of the object; hudi: rows of the table
  int64_t size_bytes = 0;
  std::string sha256;
  std::optional<int64_t> as_of_us;
  std::vector<std::string> input_identities;  ///< 64 hex digits each
  std::string source_name;                    ///< raw: name of the landing file
  std::string source_sha256;
  int64_t source_size_bytes = 0;
  Counts counts;
  Json schema = Json::array();  ///< Schema of the dataset after it.
  std::string run_id;           ///< Of the run that made it.
  Json sums = Json::object();   ///< Of control columns; see docs/format/operation.md.
};
Json to_json(const Publication& publication);
Result<Publication> publication_from_json(const Json& json);

/// Why a load waits for `approve` or `reject`.
struct Held {
  std::string reason;  ///< `too_many_deletes`, `empty_snapshot`, `stale_snapshot`
  std::string message;
  Json facts = Json::object();
};

struct RejectSummary {
  std::string reason;
  std::string column;
  int64_t rows = 0;
};

struct Outcome {
  bool was_already_done = false;  ///< The token was found: nothing was written.
  std::vector<Publication> publications;
  Counts counts;
  std::vector<RejectSummary> rejects;
  std::optional<Held> held;
  Json details =
      Json::object();  ///< Kind's own: results of checks, lineage, digests, control sums.
  std::vector<std::string> warnings;
};
Json to_json(const Outcome& outcome);
Result<Outcome> outcome_from_json(const Json& json);

}  // namespace weir::model
