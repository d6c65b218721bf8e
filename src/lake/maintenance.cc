#include "lake/maintenance.h"

#include <filesystem>

#include "base/nearest.h"
#include "engine/lock_object.h"
#include "inputs/locations.h"

namespace weir::lake {
namespace {

// Longer than any table service takes; the lease of a process that died is free at once.
constexpr int64_t kLeaseMs = int64_t{6} * 3'600'000;
constexpr const char* kLockName = ".hoodie/.locks/weir.json";

struct Place {
  std::string uri;
  std::string lease;
};

Result<Place> place_of(const Lake& lake, const std::string& word) {
  const auto datasets = known_datasets(*lake.configuration);
  std::vector<std::string> names;
  for (const auto& name : datasets) {
    if (name.text() == word) {
      WEIR_ASSIGN(auto uri, inputs::dataset_uri(*lake.configuration, lake.base_folder, name));
      return Place{std::move(uri), "dataset:" + word};
    }
    names.push_back(name.text());
  }
  const bool is_path = word.find('/') != std::string::npos;
  if (!is_path)
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("there is no dataset '{}'", word),
                          fmt::format("{}; a table elsewhere is named by its root, with a '/'",
                                      did_you_mean(word, names)));
  if (word.find(":/") != std::string::npos) return Place{word, "table:" + word};
  const auto path = std::filesystem::absolute(word).lexically_normal().string();
  return Place{path, "table:" + path};
}

Result<table::TableContext> context_of(const Lake& lake, const Place& place) {
  table::TableContext context;
  WEIR_ASSIGN(context.store, lake.stores->open(place.uri));
  context.clock = lake.clock;
  context.random = lake.random;
  return context;
}

}  // namespace

Result<std::unique_ptr<HeldTable>> HeldTable::take(const Lake& lake, catalog::Catalog* catalog,
                                                   const std::string& word,
                                                   const std::string& holder) {
  WEIR_ASSIGN(const Place place, place_of(lake, word));
  std::unique_ptr<HeldTable> held(new HeldTable());
  WEIR_ASSIGN(held->context_, context_of(lake, place));
  // Before anything is locked: there must be a table to lock.
  WEIR_ASSIGN(held->table_, table::open_table(held->context_));
  model::GuardRef guard{.lock_uri = place.uri, .lock_name = kLockName, .epoch = 0};
  if (catalog != nullptr) {
    held->catalog_ = catalog;
    WEIR_ASSIGN(held->lease_, catalog->take_lease(place.lease, holder, kLeaseMs, 0));
    if (!held->lease_) {
      const auto other = catalog->lease_holder(place.lease);
      return fail_with_hint(ErrorCode::kConflict,
                            fmt::format("{} is being worked on by {}", word,
                                        other ? *other : std::string("another process")),
                            "try again when it is done; `weir status` shows it");
    }
  }
  const auto renew = [&]() -> Status {
    return held->lease_ ? catalog->renew_lease(*held->lease_, kLeaseMs) : Status{};
  };
  const engine::LockHolder taker{holder, held->lease_ ? held->lease_->epoch : 0, lake.random};
  WEIR_ASSIGN(guard.epoch, engine::take_lock(*lake.stores, guard, taker, renew));
  held->write_token_ = fmt::format("{}-0-0", guard.epoch);
  held->guard_ = engine::make_guard(guard, *lake.stores);
  held->context_.guard = held->guard_.get();
  WEIR_ASSIGN(held->table_, table::open_table(held->context_));
  return held;
}

HeldTable::~HeldTable() {
  if (catalog_ != nullptr && lease_) static_cast<void>(catalog_->release_lease(*lease_));
}

Result<ReadTable> open_for_reading(const Lake& lake, const std::string& word) {
  WEIR_ASSIGN(const Place place, place_of(lake, word));
  ReadTable read;
  WEIR_ASSIGN(read.context, context_of(lake, place));
  WEIR_ASSIGN(read.table, table::open_table(read.context));
  return read;
}

}  // namespace weir::lake
