#pragma once

/// One function per operation kind; each finds its own token first and commits once.

#include "engine/engine.h"

namespace weir::engine::embedded {

using model::Operation;
using model::Outcome;

Result<Outcome> ingest_files(const Operation& operation, const Context& context);
Result<Outcome> ingest_database(const Operation& operation, const Context& context);
Result<Outcome> merge_history(const Operation& operation, const Context& context);
Result<Outcome> merge_latest(const Operation& operation, const Context& context);
Result<Outcome> transform(const Operation& operation, const Context& context);
Result<Outcome> check(const Operation& operation, const Context& context);
Result<Outcome> load_warehouse(const Operation& operation, const Context& context);
Result<Outcome> reconcile(const Operation& operation, const Context& context);

}  // namespace weir::engine::embedded
