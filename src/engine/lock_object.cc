#include "engine/lock_object.h"

#include <algorithm>

#include "base/json.h"

namespace weir::engine {
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

Result<int64_t> recorded_epoch(storage::Stores& stores, const model::GuardRef& guard) {
  WEIR_ASSIGN(storage::Storage * store, stores.open(guard.lock_uri));
  auto bytes = store->read(guard.lock_name, storage::Range::all());
  if (!bytes && bytes.error().code == ErrorCode::kNotFound) return 0;
  if (!bytes) return std::unexpected(std::move(bytes).error());
  auto json = parse_json(*bytes);
  auto epoch =
      json ? json_field<int64_t>(*json, "epoch") : Result<int64_t>(std::unexpected(json.error()));
  if (!epoch)
    return fail_with_hint(ErrorCode::kCorrupt,
                          fmt::format("lock object {}/{} does not read: {}", guard.lock_uri,
                                      guard.lock_name, epoch.error().message),
                          "nothing runs on this dataset? remove the object");
  return *epoch;
}

Result<int64_t> take_lock(storage::Stores& stores, const model::GuardRef& guard,
                          const std::string& holder, int64_t lease_epoch,
                          const std::function<Status()>& renew_lease) {
  WEIR_ASSIGN(storage::Storage * store, stores.open(guard.lock_uri));
  WEIR_ASSIGN(const int64_t recorded, recorded_epoch(stores, guard));
  const int64_t epoch = std::max(lease_epoch, recorded + 1);
  const Json content = {{"epoch", epoch}, {"holder", holder}};
  WEIR_TRY(storage::put(*store, guard.lock_name, dump_json(content), storage::Put::kReplace));
  WEIR_TRY(renew_lease());
  return epoch;
}

std::unique_ptr<table::CommitGuard> make_guard(const model::GuardRef& guard,
                                               storage::Stores& stores) {
  if (guard.lock_uri.empty()) return nullptr;
  return std::make_unique<LockObjectGuard>(guard, stores);
}

}  // namespace weir::engine
