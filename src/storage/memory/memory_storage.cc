#include <algorithm>
#include <map>
#include <mutex>

#include "base/check.h"
#include "base/digest.h"
#include "storage/object_name.h"
#include "storage/storage.h"

namespace weir::storage {
namespace {

constexpr size_t kPageEntries = 1000;

/// The objects, shared with writers that may outlive a call. Safe to use from many threads at once.
class Objects {
 public:
  // Immutable once stored, so that readers copy outside the lock.
  using Bytes = std::shared_ptr<const std::string>;
  struct Object {
    Bytes bytes;  ///< Null: there is none.
    int64_t version = 0;
    Entry entry(std::string_view name) const {
      return {std::string(name), static_cast<int64_t>(bytes->size()), 0, std::to_string(version)};
    }
  };

  Object find(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(name);
    return found == objects_.end() ? Object{} : found->second;
  }
  bool store(const std::string& name, Bytes bytes, Put mode) {
    const std::lock_guard lock(mutex_);
    const Object object{std::move(bytes), ++last_version_};
    if (mode == Put::kIfAbsent) return objects_.emplace(name, object).second;
    objects_[name] = object;
    return true;
  }
  bool store_over(const std::string& name, Bytes bytes, const std::string& version) {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(name);
    if (found == objects_.end() || std::to_string(found->second.version) != version) return false;
    found->second = {std::move(bytes), ++last_version_};
    return true;
  }
  void remove(std::string_view name) {
    const std::lock_guard lock(mutex_);
    if (const auto found = objects_.find(name); found != objects_.end()) objects_.erase(found);
  }
  Page list(std::string_view prefix, std::string_view after) const {
    const std::lock_guard lock(mutex_);
    Page page;
    auto next = after < prefix ? objects_.lower_bound(prefix) : objects_.upper_bound(after);
    for (; next != objects_.end() && next->first.starts_with(prefix); ++next) {
      if (page.entries.size() == kPageEntries) {
        page.is_last = false;
        break;
      }
      page.entries.push_back(next->second.entry(next->first));
    }
    return page;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Object, std::less<>> objects_ WEIR_GUARDED_BY(mutex_);
  int64_t last_version_ WEIR_GUARDED_BY(mutex_) = 0;
};

class MemoryWriter final : public Writer {
 public:
  MemoryWriter(Objects& objects, std::string_view name) : objects_(objects), name_(name) {}

  Status append(std::string_view bytes) override {
    WEIR_CHECK(!is_finished_);
    bytes_ += bytes;
    return {};
  }
  Result<Written> commit(Put mode) override {
    Written written = finish();
    if (!objects_.store(name_, std::make_shared<const std::string>(std::move(bytes_)), mode))
      return fail(ErrorCode::kAlreadyExists, "'{}' exists already", name_);
    return written;
  }
  Result<Written> commit_if_version(const std::string& version) override {
    Written written = finish();
    if (!objects_.store_over(name_, std::make_shared<const std::string>(std::move(bytes_)),
                             version))
      return fail(ErrorCode::kConflict, "'{}' is not of version '{}' any more", name_, version);
    return written;
  }
  void abort() noexcept override { is_finished_ = true; }

 private:
  Written finish() {
    WEIR_CHECK(!is_finished_);
    is_finished_ = true;
    return {static_cast<int64_t>(bytes_.size()), sha256_hex(bytes_)};
  }

  Objects& objects_;
  std::string name_;
  std::string bytes_;
  bool is_finished_ = false;
};

class MemoryStorage final : public Storage {
 public:
  explicit MemoryStorage(std::string uri) : uri_(std::move(uri)) {}

  Capabilities capabilities() const override { return {.readable_by_engine = false}; }

  Result<std::string> read(std::string_view name, Range range) override {
    WEIR_CHECK(range.offset_bytes >= 0 && range.size_bytes >= 0);
    WEIR_ASSIGN(const auto object, find(name));
    const auto& bytes = object.bytes;
    const auto size = static_cast<int64_t>(bytes->size());
    const int64_t from = std::min(range.offset_bytes, size);
    return bytes->substr(static_cast<size_t>(from),
                         static_cast<size_t>(std::min(range.size_bytes, size - from)));
  }
  Result<Entry> stat(std::string_view name) override {
    WEIR_ASSIGN(const auto object, find(name));
    return object.entry(name);
  }
  Result<std::unique_ptr<Writer>> create(std::string_view name) override {
    WEIR_TRY(check_object_name(name));
    return std::make_unique<MemoryWriter>(objects_, name);
  }
  Result<Page> list(std::string_view prefix, std::string_view after) override {
    WEIR_TRY(check_prefix(prefix));
    return objects_.list(prefix, after);
  }
  Status remove(std::string_view name) override {
    WEIR_TRY(check_object_name(name));
    objects_.remove(name);
    return {};
  }
  Result<std::string> engine_uri(std::string_view name) const override {
    WEIR_TRY(check_object_name(name));
    return fail(ErrorCode::kUnsupported, "the engine cannot open '{}' in '{}'", name, uri_);
  }
  const std::string& uri() const override { return uri_; }

 private:
  Result<Objects::Object> find(std::string_view name) const {
    WEIR_TRY(check_object_name(name));
    auto object = objects_.find(name);
    if (object.bytes == nullptr)
      return fail(ErrorCode::kNotFound, "no object '{}' in '{}'", name, uri_);
    return object;
  }

  std::string uri_;
  Objects objects_;
};

}  // namespace

std::unique_ptr<Storage> make_memory_storage(std::string uri) {
  return std::make_unique<MemoryStorage>(std::move(uri));
}

}  // namespace weir::storage
