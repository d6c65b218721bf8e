#pragma once

/// Rows of task_run, for the files that write them within a larger transaction.

#include "catalog/catalog.h"
#include "catalog/database/database.h"

namespace weir::catalog {

Status insert_task_in(Session& session, const TaskRun& task);

/// Catalog::move_task in a transaction of the caller's, without notices.
Status move_task_in(Session& session, const TaskMove& move);

}  // namespace weir::catalog
