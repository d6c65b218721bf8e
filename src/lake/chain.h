#pragma once

/// Is every row still where it was published? Collects the facts of each hop from the lake and the
/// catalog and has them judged (reconcile/); and rebuilds from the lake what a catalog forgot.

#include <vector>

#include "catalog/catalog.h"
#include "lake/tables.h"
#include "reconcile/reconcile.h"

namespace weir::lake {

/// Every hop of the known datasets: objects read whole and hashed, footers counted, against what
/// the footers, the commits and the catalog recorded.
Result<std::vector<reconcile::Hop>> collect_chain(const Lake& lake, catalog::Catalog& catalog);

/// Publications, ledger and watermarks as the lake tells them, written to the catalog. Gives how
/// many publications there were.
Result<int64_t> heal_catalog(const Lake& lake, catalog::Catalog& catalog);

}  // namespace weir::lake
