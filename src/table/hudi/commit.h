#pragma once

/// One commit from its instant to its completed file. The order of the steps is what makes a crash
/// between any two of them harmless; hudi/commit.cc begins with it.

#include <memory>
#include <string>

#include "base/result.h"
#include "table/hudi.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/properties.h"

namespace weir::table {

/// HudiTable::begin. `log` and what `context` points to outlive the commit.
Result<std::unique_ptr<Commit>> begin_commit(const TableContext& context, CommitLog& log,
                                             const TableProperties& properties,
                                             const BeginOptions& options);

}  // namespace weir::table
