#pragma once

/// Rows that a merge cannot take, put where a person finds them: one object of rejected rows for
/// each merge, written before the commit that leaves them out.

#include <string>
#include <vector>

#include "model/operation.h"
#include "model/outcome.h"
#include "sql/session.h"
#include "storage/storage.h"

namespace weir::table {

struct Quarantined {
  std::string name;  ///< Empty where no row was rejected.
  int64_t rows = 0;  ///< Read back from the object's footer.
  int64_t size_bytes = 0;
  std::string sha256;
  std::vector<model::RejectSummary> reasons;
};

/// Writes `rows` rows that `query` gives, with the columns of model::rejected_schema(), as
/// `merge-<16 digits of the token>.parquet`. An object of the same token is taken as it is: an
/// earlier attempt came that far. kInvalidConfig where there are rows and no store.
Result<Quarantined> write_rejected(sql::Session& session, storage::Storage* store, int64_t rows,
                                   const std::string& query, const model::Operation& operation);

}  // namespace weir::table
