#include "task/tidied.h"

#include <mutex>
#include <utility>

#include "storage/leftovers.h"
#include "storage/moving.h"
#include "task/receipts.h"

namespace weir::task {
namespace {

using storage::Entry;
using storage::Put;
using storage::Storage;
using storage::Writer;
using storage::Written;

constexpr std::string_view kTemporary = "temporary";

/// Safe to use from many threads at once, as every store.
class TidiedStorage final : public Storage, public storage::Mover {
 public:
  TidiedStorage(Storage& store, storage::Leftovers& leftovers, Receipts receipts)
      : store_(store), leftovers_(leftovers), receipts_(std::move(receipts)) {}

  Status tidy_up() {
    WEIR_ASSIGN(const auto all, receipts_.read_all());
    for (const Json& about : all) {
      const std::string left = about.value("left", "");
      WEIR_TRY(take_away(left));
    }
    return {};
  }

  std::vector<std::string> warnings() const {
    const std::lock_guard lock(mutex_);
    return warnings_;
  }

  storage::Capabilities capabilities() const override { return store_.capabilities(); }
  Result<std::string> read(std::string_view name, storage::Range range) override {
    return store_.read(name, range);
  }
  Result<Entry> stat(std::string_view name) override { return store_.stat(name); }
  Result<std::unique_ptr<Writer>> create(std::string_view name) override;
  Result<storage::Page> list(std::string_view prefix, std::string_view after) override {
    return store_.list(prefix, after);
  }
  Status remove(std::string_view name) override { return store_.remove(name); }
  Status remove_all(std::span<const std::string> names) override {
    return store_.remove_all(names);
  }
  Result<std::string> engine_uri(std::string_view name) const override {
    return store_.engine_uri(name);
  }
  const std::string& uri() const override { return store_.uri(); }
  Result<bool> move(std::string_view from, std::string_view to) override {
    auto* const mover = dynamic_cast<storage::Mover*>(&store_);
    return mover != nullptr ? mover->move(from, to) : Result<bool>(false);
  }

  std::string left_by(const Writer& writer) const { return leftovers_.left_by(writer); }
  /// It is gone, or never was.
  void forget(const std::string& temporary) noexcept {
    const std::lock_guard lock(mutex_);
    // What stays written down is looked for by the next run, and not found.
    [[maybe_unused]] const Status ignored = receipts_.forget(kTemporary, temporary);
  }
  Status take_away(const std::string& left) {
    const Status removed = leftovers_.remove_left(left);
    const bool may_never = !removed && removed.error().code == ErrorCode::kDenied;
    if (removed || may_never) forget(left);
    if (removed || removed.error().code == ErrorCode::kCancelled) return removed;
    const std::lock_guard lock(mutex_);
    warnings_.push_back(
        fmt::format("'{}' is left in '{}': {}", left, uri(), removed.error().message));
    return {};
  }

 private:
  Storage& store_;
  storage::Leftovers& leftovers_;
  mutable std::mutex mutex_;
  Receipts receipts_;
  std::vector<std::string> warnings_;
};

class TidiedWriter final : public Writer {
 public:
  TidiedWriter(TidiedStorage& store, std::unique_ptr<Writer> writer, std::string temporary)
      : store_(store), writer_(std::move(writer)), temporary_(std::move(temporary)) {}
  ~TidiedWriter() override { abort(); }
  TidiedWriter(const TidiedWriter&) = delete;
  TidiedWriter& operator=(const TidiedWriter&) = delete;

  Status append(std::string_view bytes) override { return writer_->append(bytes); }
  Result<Written> commit(Put mode) override { return ended(writer_->commit(mode)); }
  Result<Written> commit_if_version(const std::string& version) override {
    return ended(writer_->commit_if_version(version));
  }
  void abort() noexcept override {
    if (std::exchange(is_finished_, true)) return;
    writer_->abort();
    if (store_.left_by(*writer_).empty()) store_.forget(temporary_);
  }

 private:
  Result<Written> ended(Result<Written> written) {
    is_finished_ = true;
    if (store_.left_by(*writer_).empty()) {
      store_.forget(temporary_);
    } else if (written) {
      // The line broke behind the commit. After a failure it is left to the next try.
      WEIR_TRY(store_.take_away(temporary_));
    }
    return written;
  }

  TidiedStorage& store_;
  const std::unique_ptr<Writer> writer_;
  const std::string temporary_;
  bool is_finished_ = false;
};

Result<std::unique_ptr<Writer>> TidiedStorage::create(std::string_view name) {
  WEIR_ASSIGN(auto writer, store_.create(name));
  std::string temporary = leftovers_.left_by(*writer);
  const std::lock_guard lock(mutex_);
  WEIR_TRY(receipts_.write(kTemporary, temporary, {{"name", name}, {"left", temporary}}));
  return std::make_unique<TidiedWriter>(*this, std::move(writer), std::move(temporary));
}

}  // namespace

Result<Tidied> Tidied::open(Storage& store, Storage& layer, std::string_view who,
                            std::string_view from, std::string_view to) {
  Tidied tidied(store);
  auto* const leftovers = dynamic_cast<storage::Leftovers*>(&store);
  if (leftovers == nullptr) return tidied;
  WEIR_ASSIGN(auto receipts, Receipts::open(layer, fmt::format("{} temporaries", who), from, to));
  auto own = std::make_unique<TidiedStorage>(store, *leftovers, std::move(receipts));
  WEIR_TRY(own->tidy_up());
  tidied.store_ = own.get();
  tidied.own_ = std::move(own);
  return tidied;
}

std::vector<std::string> Tidied::warnings() const {
  const auto* const own = dynamic_cast<const TidiedStorage*>(own_.get());
  return own == nullptr ? std::vector<std::string>() : own->warnings();
}

}  // namespace weir::task
