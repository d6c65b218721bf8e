#pragma once

/// Rows that a merge cannot take, put where a person finds them: one object of rejected rows for
/// each merge, written before the commit that leaves them out.

#include <string>
#include <vector>

#include "model/operation.h"
#include "model/outcome.h"
#include "storage/storage.h"
#include "table/history/version_queries.h"

namespace weir::table::history {

struct Quarantined {
  std::string name;  ///< Empty where no row was rejected.
  int64_t rows = 0;  ///< Read back from the object's footer.
  int64_t size_bytes = 0;
  std::string sha256;
  std::vector<model::RejectSummary> reasons;
};

/// Writes `merge-<16 digits of the token>.parquet`. An object of the same token is taken as it is:
/// an earlier attempt came that far. kInvalidConfig where there are rows and no store.
Result<Quarantined> quarantine(sql::Session& session, storage::Storage* store,
                               const DiffInput& input, const DiffCounts& counts,
                               const VersionOrigin& origin, const model::Operation& operation);

}  // namespace weir::table::history
