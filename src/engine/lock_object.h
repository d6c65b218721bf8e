#pragma once

/// The lock object of a dataset: who may commit, as the lake itself says it. The holder of the
/// catalog's lease writes its epoch here; whoever commits reads it again just before the commit
/// becomes visible. So an engine in another process, without a catalog, is fenced too.

#include <cstdint>

#include "base/result.h"
#include "model/operation.h"
#include "storage/storage.h"

namespace weir::engine {

/// Name of the lock object under a dataset's root.
inline constexpr std::string_view kLockName = "_weir/lock.json";

/// The epoch that the lake remembers; 0 where nobody ever locked. kCorrupt where it does not read.
Result<int64_t> recorded_epoch(storage::Stores& stores, const model::GuardRef& guard);

/// Says that `guard.epoch` holds the dataset from now on. Call it only with the lease in hand.
Status write_lock(storage::Stores& stores, const model::GuardRef& guard, const std::string& holder);

}  // namespace weir::engine
