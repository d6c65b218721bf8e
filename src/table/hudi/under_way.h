#pragma once

/// Commits of other writers that have begun and not ended, and why weir makes none on top of them.

#include <string_view>

#include "base/result.h"
#include "storage/storage.h"

namespace weir::table {

/// kConflict, naming the commit, where one but `own` is under way or was left by a writer that
/// died. Spark would refuse to write from then on ("Found commits after time …, please rollback
/// greater commits first", hudi-client-common: action/rollback/BaseRollbackActionExecutor.java),
/// and a clustering under way would end the groups that the commit writes. Weir's own leftovers are
/// to be undone before.
Status check_none_under_way(storage::Storage& store, std::string_view own);

}  // namespace weir::table
