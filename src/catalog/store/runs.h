#pragma once

/// Rows of flow_run, for the files that read them in another order.

#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/database/database.h"

namespace weir::catalog {

/// `rest` stands behind FROM flow_run.
Result<std::vector<FlowRun>> flow_runs_where(Session& session, const std::string& rest,
                                             const Binds& binds);

}  // namespace weir::catalog
