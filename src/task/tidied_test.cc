#include "task/tidied.h"

#include <gtest/gtest.h>

#include "storage/leftovers.h"
#include "storage/object_name.h"

namespace weir::task {
namespace {

using storage::Put;
using storage::Storage;

/// Bytes in memory, whose writers leave `left`, until it is removed.
class Partner final : public Storage, public storage::Leftovers {
 public:
  storage::Capabilities capabilities() const override { return inner_->capabilities(); }
  Result<std::string> read(std::string_view name, storage::Range range) override {
    return inner_->read(name, range);
  }
  Result<storage::Entry> stat(std::string_view name) override { return inner_->stat(name); }
  Result<std::unique_ptr<storage::Writer>> create(std::string_view name) override {
    left = ".weir-tmp-1";
    return inner_->create(name);
  }
  Result<storage::Page> list(std::string_view prefix, std::string_view after) override {
    return inner_->list(prefix, after);
  }
  Status remove(std::string_view name) override { return inner_->remove(name); }
  Result<std::string> engine_uri(std::string_view name) const override {
    return inner_->engine_uri(name);
  }
  const std::string& uri() const override { return inner_->uri(); }
  std::string left_by(const storage::Writer& /*writer*/) const override { return left; }
  Status remove_left(const std::string& name) override {
    removed.push_back(name);
    if (refusal) return fail(*refusal, "no");
    left.clear();
    return {};
  }

  std::string left;
  std::vector<std::string> removed;
  std::optional<ErrorCode> refusal;

 private:
  const std::unique_ptr<Storage> inner_ = storage::make_memory_storage();
};

class TidiedStore : public ::testing::Test {
 protected:
  Tidied opened() {
    auto tidied = Tidied::open(partner, *layer, "who", "a", "b");
    EXPECT_TRUE(tidied) << to_line(tidied.error());
    return std::move(*tidied);
  }
  size_t written_down() const { return storage::list_all(*layer, "")->size(); }

  Partner partner;
  const std::unique_ptr<Storage> layer = storage::make_memory_storage();
};

TEST_F(TidiedStore, StoreThatTidiesUpItselfIsGivenAsItIs) {
  const auto plain = storage::make_memory_storage();
  auto tidied = Tidied::open(*plain, *layer, "who", "a", "b");
  ASSERT_TRUE(tidied);
  EXPECT_EQ(&tidied->store(), plain.get());
}

TEST_F(TidiedStore, WhatIsLeftIsWrittenDownBeforeAndTakenAwayBehindTheCommit) {
  auto tidied = opened();
  auto writer = tidied.store().create("x");
  ASSERT_TRUE(writer);
  EXPECT_EQ(written_down(), 1);
  ASSERT_TRUE((*writer)->commit(Put::kReplace));
  EXPECT_EQ(partner.removed, std::vector<std::string>{".weir-tmp-1"});
  EXPECT_EQ(written_down(), 0);
  EXPECT_TRUE(tidied.warnings().empty());
}

TEST_F(TidiedStore, NextRunTakesAwayWhatThisOneLeft) {
  {
    auto tidied = opened();
    ASSERT_TRUE(tidied.store().create("x"));  // and gives it up, with the line broken
  }
  EXPECT_EQ(written_down(), 1);
  EXPECT_TRUE(partner.removed.empty());
  opened();
  EXPECT_EQ(partner.removed, std::vector<std::string>{".weir-tmp-1"});
  EXPECT_EQ(written_down(), 0);
}

TEST_F(TidiedStore, WhatCannotBeTakenAwayIsToldAndTriedAgainUnlessItMayNot) {
  for (const auto& [code, kept] :
       {std::pair{ErrorCode::kUnavailable, size_t{1}}, std::pair{ErrorCode::kDenied, size_t{0}}}) {
    partner.refusal = code;
    auto tidied = opened();
    ASSERT_TRUE(storage::put(tidied.store(), "x", "bytes", Put::kReplace));
    EXPECT_FALSE(tidied.warnings().empty());
    EXPECT_EQ(written_down(), kept);
    EXPECT_EQ(partner.read("x", storage::Range::all()).value_or(""), "bytes");
  }
}

}  // namespace
}  // namespace weir::task
