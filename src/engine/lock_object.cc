#include "engine/lock_object.h"

#include <algorithm>

#include "base/ids.h"
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

/// Writes over the object of that version, or where there is none. False where another is there.
Result<bool> write_over(storage::Storage& store, const std::string& name, const std::string& text,
                        const std::string& version) {
  const auto written = version.empty() ? storage::put(store, name, text, storage::Put::kIfAbsent)
                                       : storage::put_if_version(store, name, text, version);
  if (written) return true;
  switch (written.error().code) {
    case ErrorCode::kConflict:
    case ErrorCode::kAlreadyExists: return false;
    case ErrorCode::kOutcomeUnknown: {
      // The text is nobody else's: it carries a number of its own.
      const auto there = store.read(name, storage::Range::all());
      if (there) return *there == text;
      return std::unexpected(written.error());
    }
    default: return std::unexpected(written.error());
  }
}

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
                          const LockHolder& holder, const std::function<Status()>& renew_lease) {
  constexpr int kMostTries = 20;
  WEIR_ASSIGN(storage::Storage * store, stores.open(guard.lock_uri));
  for (int i = 0; i < kMostTries; ++i) {
    // The version first: what is written between the two is then seen by the condition.
    const auto before = store->stat(guard.lock_name);
    if (!before && before.error().code != ErrorCode::kNotFound)
      return std::unexpected(before.error());
    WEIR_ASSIGN(const int64_t recorded, recorded_epoch(stores, guard));
    const int64_t epoch = std::max(holder.lease_epoch, recorded + 1);
    const Json content = {
        {"epoch", epoch}, {"holder", holder.name}, {"write", make_uuid4(*holder.random)}};
    WEIR_ASSIGN(const bool is_ours, write_over(*store, guard.lock_name, dump_json(content),
                                               before ? before->version : std::string()));
    if (!is_ours) continue;
    WEIR_TRY(renew_lease());
    return epoch;
  }
  return fail_with_hint(ErrorCode::kConflict,
                        fmt::format("others took {}/{} {} times while we tried", guard.lock_uri,
                                    guard.lock_name, kMostTries),
                        "several catalogs write this dataset: let one of them do it");
}

std::unique_ptr<table::CommitGuard> make_guard(const model::GuardRef& guard,
                                               storage::Stores& stores) {
  if (guard.lock_uri.empty()) return nullptr;
  return std::make_unique<LockObjectGuard>(guard, stores);
}

}  // namespace weir::engine
