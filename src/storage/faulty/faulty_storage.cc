#include "storage/faulty.h"

#include <map>

namespace weir::storage {
namespace {

bool is_due(int64_t at, Repeat repeat, int64_t now) {
  return at > 0 && (now == at || (repeat == Repeat::kSticky && now > at));
}

std::unexpected<Error> crashed(std::string_view call, std::string_view name) {
  return fail(ErrorCode::kInternal, "injected crash: {} of '{}'", call, name);
}

/// Runs one mutating call under the plan.
template <typename T, typename Call>
Result<T> mutate(FaultPlan& plan, std::string_view what, std::string_view name, const Call& call) {
  const auto fault = plan.next_mutating_call();
  if (!fault) return call();
  switch (fault->kind) {
    case FaultKind::kBeforeEffect:
      return fail(fault->code, "injected fault: {} of '{}'", what, name);
    case FaultKind::kAfterEffect:
      WEIR_TRY(call());
      return fail(ErrorCode::kOutcomeUnknown, "injected fault after {} of '{}'", what, name);
    case FaultKind::kCrashAfter:
      if (const Result<T> done = call(); !done) return std::unexpected(done.error());
      break;
    case FaultKind::kCrashBefore: break;
  }
  return crashed(what, name);
}

class FaultyWriter final : public Writer {
 public:
  FaultyWriter(std::unique_ptr<Writer> inner, FaultPlan& plan, std::string_view name)
      : inner_(std::move(inner)), plan_(plan), name_(name) {}

  Status append(std::string_view bytes) override {
    return mutate<void>(plan_, "append", name_, [&] { return inner_->append(bytes); });
  }
  Result<Written> commit(Put mode) override {
    return mutate<Written>(plan_, "commit", name_, [&] { return inner_->commit(mode); });
  }
  Result<Written> commit_if_version(const std::string& version) override {
    return mutate<Written>(plan_, "commit", name_,
                           [&] { return inner_->commit_if_version(version); });
  }
  void abort() noexcept override { inner_->abort(); }

 private:
  std::unique_ptr<Writer> inner_;
  FaultPlan& plan_;
  std::string name_;
};

class FaultyStorage final : public Storage {
 public:
  FaultyStorage(Storage& inner, FaultPlan& plan) : inner_(inner), plan_(plan) {}

  Capabilities capabilities() const override { return inner_.capabilities(); }

  Result<std::string> read(std::string_view name, Range range) override {
    if (plan_.has_crashed()) return crashed("read", name);
    const auto fault = plan_.next_read();
    if (fault && fault->kind == ReadFaultKind::kError)
      return fail(fault->code, "injected fault: read of '{}'", name);
    WEIR_ASSIGN(std::string bytes, inner_.read(name, range));
    if (fault && fault->kind == ReadFaultKind::kShort) bytes.resize(bytes.size() / 2);
    if (fault && fault->kind == ReadFaultKind::kCorrupt && !bytes.empty())
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    return bytes;
  }
  Result<Entry> stat(std::string_view name) override {
    if (plan_.has_crashed()) return crashed("stat", name);
    return inner_.stat(name);
  }
  Result<std::unique_ptr<Writer>> create(std::string_view name) override {
    return mutate<std::unique_ptr<Writer>>(
        plan_, "create", name, [&]() -> Result<std::unique_ptr<Writer>> {
          WEIR_ASSIGN(auto writer, inner_.create(name));
          return std::make_unique<FaultyWriter>(std::move(writer), plan_, name);
        });
  }
  Result<Page> list(std::string_view prefix, std::string_view after) override {
    if (plan_.has_crashed()) return crashed("list", prefix);
    return inner_.list(prefix, after);
  }
  Status remove(std::string_view name) override {
    return mutate<void>(plan_, "remove", name, [&] { return inner_.remove(name); });
  }
  Result<std::string> engine_uri(std::string_view name) const override {
    if (plan_.has_crashed()) return crashed("engine_uri", name);
    return inner_.engine_uri(name);
  }
  const std::string& uri() const override { return inner_.uri(); }

 private:
  Storage& inner_;
  FaultPlan& plan_;
};

class FaultyStores final : public Stores {
 public:
  FaultyStores(Stores& inner, FaultPlan& plan) : inner_(inner), plan_(plan) {}

  Result<Storage*> open(const std::string& uri) override {
    WEIR_ASSIGN(Storage* const inner, inner_.open(uri));
    const std::lock_guard lock(mutex_);
    auto& store = stores_[inner];
    if (store == nullptr) store = make_faulty_storage(*inner, plan_);
    return store.get();
  }

 private:
  Stores& inner_;
  FaultPlan& plan_;
  std::mutex mutex_;
  std::map<Storage*, std::unique_ptr<Storage>> stores_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace

int64_t FaultPlan::mutating_calls() const {
  const std::lock_guard lock(mutex_);
  return mutating_calls_;
}

int64_t FaultPlan::reads() const {
  const std::lock_guard lock(mutex_);
  return reads_;
}

bool FaultPlan::has_crashed() const {
  const std::lock_guard lock(mutex_);
  return has_crashed_;
}

std::optional<Fault> FaultPlan::next_mutating_call() {
  const std::lock_guard lock(mutex_);
  ++mutating_calls_;
  if (has_crashed_) return Fault{.kind = FaultKind::kCrashBefore};
  if (!is_due(fault_.at_call, fault_.repeat, mutating_calls_)) return std::nullopt;
  has_crashed_ = fault_.kind == FaultKind::kCrashBefore || fault_.kind == FaultKind::kCrashAfter;
  return fault_;
}

std::optional<ReadFault> FaultPlan::next_read() {
  const std::lock_guard lock(mutex_);
  ++reads_;
  if (!is_due(read_fault_.at_read, read_fault_.repeat, reads_)) return std::nullopt;
  return read_fault_;
}

std::unique_ptr<Storage> make_faulty_storage(Storage& inner, FaultPlan& plan) {
  return std::make_unique<FaultyStorage>(inner, plan);
}

std::unique_ptr<Stores> make_faulty_stores(Stores& inner, FaultPlan& plan) {
  return std::make_unique<FaultyStores>(inner, plan);
}

}  // namespace weir::storage
