#pragma once

/// The commit guard of an operation: its lock object still carries our epoch; and what it guards.

#include <memory>

#include "engine/engine.h"
#include "model/operation.h"
#include "storage/storage.h"
#include "table/hudi.h"

namespace weir::engine::embedded {

/// nullptr where the operation has no guard. `stores` outlives it.
std::unique_ptr<table::CommitGuard> make_guard(const model::GuardRef& guard,
                                               storage::Stores& stores);

/// The table that an operation writes, as the table module takes it.
struct TargetTable {
  std::unique_ptr<table::CommitGuard> guard;
  table::TableContext context;
};
Result<TargetTable> target_table(const model::Operation& operation, const Context& context);

}  // namespace weir::engine::embedded
