#pragma once

/// Is every row still where it was published? Collects the facts of each hop from the lake and the
/// catalog and has them judged (reconcile/); and rebuilds from the lake what a catalog forgot.

#include <vector>

#include "catalog/catalog.h"
#include "custody/chain.h"
#include "lake/tables.h"
#include "reconcile/reconcile.h"

namespace weir::lake {

/// Every hop of these datasets and warehouse tables (all of the project where none is named):
/// objects read whole and hashed, footers and tables counted, against what the footers, the
/// commits, the receipts and the catalog recorded.
Result<std::vector<reconcile::Hop>> collect_chain(const Lake& lake, catalog::Catalog& catalog,
                                                  const std::vector<std::string>& names);

struct Healed {
  int64_t publications = 0;  ///< That the lake has.
  int64_t forgotten = 0;     ///< That the catalog knew and the lake has no more.
};
/// Publications, ledger, watermarks and schemas as the lake tells them, written to the catalog in
/// place of what it knew of these datasets and tables.
Result<Healed> heal_catalog(const Lake& lake, catalog::Catalog& catalog);

}  // namespace weir::lake
