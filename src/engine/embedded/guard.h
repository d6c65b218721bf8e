#pragma once

/// The commit guard of an operation: its lock object still carries our epoch.

#include <memory>

#include "model/operation.h"
#include "storage/storage.h"
#include "table/hudi.h"

namespace weir::engine::embedded {

/// nullptr where the operation has no guard. `stores` outlives it.
std::unique_ptr<table::CommitGuard> make_guard(const model::GuardRef& guard,
                                               storage::Stores& stores);

}  // namespace weir::engine::embedded
