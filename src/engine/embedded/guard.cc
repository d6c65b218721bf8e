#include "engine/embedded/guard.h"

#include <algorithm>

#include "engine/lock_object.h"

namespace weir::engine::embedded {
Result<TargetTable> target_table(const model::Operation& operation, const Context& context) {
  TargetTable target;
  WEIR_ASSIGN(target.context.store, context.stores->open(operation.target.uri));
  target.guard = make_guard(operation.guard, *context.stores);
  target.context.clock = context.clock;
  target.context.random = context.random;
  target.context.guard = target.guard.get();
  WEIR_ASSIGN(target.context.readers, model::readers_of(operation.target.options));
  target.context.threads = std::max<int64_t>(operation.limits.threads, 1);
  return target;
}

}  // namespace weir::engine::embedded
