#pragma once

/// Rows of task_run, for the files that write them within a larger transaction.

#include "catalog/catalog.h"
#include "catalog/database/database.h"

namespace weir::catalog {

/// All columns of a task's row but its key.
Binds task_values(const TaskRun& task);

}  // namespace weir::catalog
