#include "task/receipts.h"

#include <gtest/gtest.h>

namespace weir::task {
namespace {

constexpr int64_t kMonday = 1'000'000'000;

Receipts opened(storage::Storage& store, std::string_view to = "b") {
  auto receipts = Receipts::open(store, "who", "a", to);
  EXPECT_TRUE(receipts) << to_line(receipts.error());
  return std::move(*receipts);
}

TEST(Receipts, WhatWasWrittenIsKnownToTheSameHopAlone) {
  const auto store = storage::make_memory_storage();
  auto first = opened(*store);
  EXPECT_FALSE(first.has("x", "1"));
  ASSERT_TRUE(first.write("x", "1", {{"name", "x"}}));
  EXPECT_TRUE(first.has("x", "1"));
  EXPECT_TRUE(opened(*store).has("x", "1"));
  EXPECT_FALSE(opened(*store).has("x", "2"));
  EXPECT_FALSE(opened(*store).has("y", "1"));
  EXPECT_FALSE(opened(*store, "c").has("x", "1"));
}

TEST(Receipts, AllOfAHopCanBeRead) {
  const auto store = storage::make_memory_storage();
  auto receipts = opened(*store);
  ASSERT_TRUE(receipts.write("x", "1", {{"name", "x"}}));
  ASSERT_TRUE(opened(*store, "c").write("y", "1", {{"name", "y"}}));
  EXPECT_EQ(opened(*store).read_all().value(), std::vector<Json>({{{"name", "x"}}}));
}

TEST(Receipts, WithoutProofNothingIsKnown) {
  const auto store = storage::make_memory_storage();
  auto receipts = opened(*store);
  ASSERT_TRUE(receipts.write("x", "", {}));
  EXPECT_FALSE(receipts.has("x", ""));
  EXPECT_TRUE(storage::list_all(*store, "")->empty());
}

TEST(Receipts, WhatIsForgottenIsUnknown) {
  const auto store = storage::make_memory_storage();
  auto receipts = opened(*store);
  ASSERT_TRUE(receipts.write("x", "1", {}));
  ASSERT_TRUE(receipts.forget("x", "1"));
  ASSERT_TRUE(receipts.forget("x", "1"));
  EXPECT_FALSE(receipts.has("x", "1"));
  EXPECT_FALSE(opened(*store).has("x", "1"));
}

TEST(Receipts, AVersionProvesNothingWithinTheTickOfAClock) {
  const storage::Entry entry{"x", 3, kMonday, "v"};
  EXPECT_EQ(Receipts::proof_of(entry, kMonday + 1), "");
  EXPECT_NE(Receipts::proof_of(entry, kMonday + 3'000'000), "");
  EXPECT_EQ(Receipts::proof_of({"x", 3, kMonday, ""}, kMonday + 3'000'000), "");
}

}  // namespace
}  // namespace weir::task
