#pragma once

/// The lock object of a dataset: who may commit, as the lake itself says it. The holder of the
/// catalog's lease writes its epoch here; whoever commits reads it again just before the commit
/// becomes visible. So an engine in another process, without a catalog, is fenced too.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "model/operation.h"
#include "storage/storage.h"
#include "table/hudi.h"

namespace weir::engine {

/// Name of the lock object under a dataset's root.
inline constexpr std::string_view kLockName = "_weir/lock.json";

/// The epoch that the lake remembers; 0 where nobody ever locked. kCorrupt where it does not read.
Result<int64_t> recorded_epoch(storage::Stores& stores, const model::GuardRef& guard);

/// Who takes a lock.
struct LockHolder {
  std::string name;         ///< For people.
  int64_t lease_epoch = 0;  ///< Of the catalog's lease; 0 without a catalog.
  Random* random = nullptr;
};

/// Says that the holder of the catalog's lease holds the dataset from now on, and gives the epoch
/// by which guards know it: the lease's, or the next after what the lake remembers of other
/// catalogs. The object is compared and set, so an epoch has one holder, whatever catalogs there
/// are. `renew_lease` is asked once it is written, and its error given back: who had lost the lease
/// before that has fenced its successor, and must go no further itself. kConflict where others take
/// the lock again and again; kUnsupported where the store replaces nothing on condition.
Result<int64_t> take_lock(storage::Stores& stores, const model::GuardRef& guard,
                          const LockHolder& holder, const std::function<Status()>& renew_lease);

/// Asks whether the lock object still carries the guard's epoch. nullptr where there is nothing to
/// guard. `stores` outlives it.
std::unique_ptr<table::CommitGuard> make_guard(const model::GuardRef& guard,
                                               storage::Stores& stores);

}  // namespace weir::engine
