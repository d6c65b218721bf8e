#pragma once

/// The table that an operation writes, under its commit guard.

#include <memory>

#include "engine/engine.h"
#include "model/operation.h"
#include "storage/storage.h"
#include "table/hudi.h"

namespace weir::engine::embedded {

/// The table that an operation writes, as the table module takes it.
struct TargetTable {
  std::unique_ptr<table::CommitGuard> guard;
  table::TableContext context;
};
Result<TargetTable> target_table(const model::Operation& operation, const Context& context);

}  // namespace weir::engine::embedded
