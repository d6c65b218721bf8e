#pragma once

/// Plans of cleans that were cut off. The files that one had removed are gone, and no reader counts
/// on them; the next clean plans anew.

#include "base/result.h"
#include "storage/storage.h"
#include "table/hudi/timeline.h"

namespace weir::table {

/// Takes them off the timeline. For tables of weir's own: another engine goes on with its plan.
Status drop_clean_plans(storage::Storage& store, const Timeline& timeline);

}  // namespace weir::table
