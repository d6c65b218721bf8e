#include "storage/conformance.h"

#include <cstdlib>
#include <filesystem>

#include "storage/faulty.h"

namespace weir::storage {
namespace {

/// A store together with what it stands on.
template <typename Ground>
class Standing final : public Storage {
 public:
  Standing(std::unique_ptr<Ground> ground, std::unique_ptr<Storage> store)
      : ground_(std::move(ground)), store_(std::move(store)) {}

  Capabilities capabilities() const override { return store_->capabilities(); }
  Result<std::string> read(std::string_view name, Range range) override {
    return store_->read(name, range);
  }
  Result<Entry> stat(std::string_view name) override { return store_->stat(name); }
  Result<std::unique_ptr<Writer>> create(std::string_view name) override {
    return store_->create(name);
  }
  Result<Page> list(std::string_view prefix, std::string_view after) override {
    return store_->list(prefix, after);
  }
  Status remove(std::string_view name) override { return store_->remove(name); }
  Status remove_all(std::span<const std::string> names) override {
    return store_->remove_all(names);
  }
  Result<std::string> engine_uri(std::string_view name) const override {
    return store_->engine_uri(name);
  }
  const std::string& uri() const override { return store_->uri(); }

 private:
  std::unique_ptr<Ground> ground_;
  std::unique_ptr<Storage> store_;
};

struct TemporaryFolder {
  std::string path = (std::filesystem::temp_directory_path() / "weir-test-XXXXXX").string();
  TemporaryFolder() { EXPECT_NE(mkdtemp(path.data()), nullptr); }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
};

struct Faultless {
  std::unique_ptr<Storage> inner = make_memory_storage();
  FaultPlan plan;
};

std::unique_ptr<Storage> memory_store() { return make_memory_storage(); }

std::unique_ptr<Storage> local_store() {
  auto folder = std::make_unique<TemporaryFolder>();
  auto store = make_local_storage(folder->path + "/lake/root", "lake/root");
  return std::make_unique<Standing<TemporaryFolder>>(std::move(folder), std::move(store));
}

std::unique_ptr<Storage> faultless_store() {
  auto ground = std::make_unique<Faultless>();
  auto store = make_faulty_storage(*ground->inner, ground->plan);
  return std::make_unique<Standing<Faultless>>(std::move(ground), std::move(store));
}

INSTANTIATE_TEST_SUITE_P(Memory, Conformance, ::testing::Values(memory_store));
INSTANTIATE_TEST_SUITE_P(Local, Conformance, ::testing::Values(local_store));
INSTANTIATE_TEST_SUITE_P(FaultyWithoutFaults, Conformance, ::testing::Values(faultless_store));

}  // namespace
}  // namespace weir::storage
