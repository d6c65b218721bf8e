#pragma once

/// Leases, for the files that take and give them back within a larger transaction.

#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/database/database.h"

namespace weir::catalog {

/// Catalog::take_lease and Catalog::release_lease in a transaction of the caller's.
Result<std::optional<Lease>> take_lease_in(Session& session, Clock& clock, const std::string& name,
                                           const std::string& holder, int64_t duration_ms,
                                           int64_t least_epoch);
Status release_lease_in(Session& session, const Lease& lease);
/// Gives it back and forgets its name: who takes it next says the least epoch himself.
Status drop_lease_in(Session& session, const Lease& lease);

/// The names that begin so (in ASCII) and that a living process holds.
Result<std::vector<std::string>> living_leases_in(Session& session, Clock& clock,
                                                  const std::string& prefix);

}  // namespace weir::catalog
