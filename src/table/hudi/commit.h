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

/// Puts `.requested` of the next instant that nobody has, claims it where the table is not weir's
/// own, and asks the guard. kConflict where the guard is lost or others are always faster.
Result<std::string> take_instant(const TableContext& context, Action action, bool is_own_table);

/// Gives an instant back of which nothing but that is there.
Status give_instant_back(storage::Storage& store, std::string_view instant, Action action);

/// HudiTable::begin with an instant that was taken. `log` and what `context` points to outlive the
/// commit.
Result<std::unique_ptr<Commit>> begin_commit(const TableContext& context, CommitLog& log,
                                             const TableProperties& properties,
                                             const BeginOptions& options, std::string instant);

}  // namespace weir::table
