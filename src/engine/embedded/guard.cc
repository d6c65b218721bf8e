#include "engine/embedded/guard.h"

#include <algorithm>

#include "engine/lock_object.h"

namespace weir::engine::embedded {
namespace {

class LockObjectGuard final : public table::CommitGuard {
 public:
  LockObjectGuard(model::GuardRef guard, storage::Stores& stores)
      : guard_(std::move(guard)), stores_(stores) {}

  Status still_mine() override {
    WEIR_ASSIGN(const int64_t epoch, recorded_epoch(stores_, guard_));
    if (epoch != guard_.epoch)
      return fail(ErrorCode::kConflict, "{} was taken over: epoch {} holds it now, ours was {}",
                  guard_.lock_uri, epoch, guard_.epoch);
    return {};
  }

 private:
  model::GuardRef guard_;
  storage::Stores& stores_;
};

}  // namespace

std::unique_ptr<table::CommitGuard> make_guard(const model::GuardRef& guard,
                                               storage::Stores& stores) {
  if (guard.lock_uri.empty()) return nullptr;
  return std::make_unique<LockObjectGuard>(guard, stores);
}

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
