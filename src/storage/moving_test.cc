#include "storage/moving.h"

#include <gmock/gmock.h>

namespace weir::storage {
namespace {

class CopyObject : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(put(*source, "a", "monday", Put::kReplace)); }

  Status copy(const Entry& entry) {
    const Cancel never;
    WEIR_TRY(copy_object(*source, entry, *target, "b", Put::kIfAbsent, never));
    return {};
  }

  const std::unique_ptr<Storage> source = make_memory_storage();
  const std::unique_ptr<Storage> target = make_memory_storage();
};

TEST_F(CopyObject, AppendsAllBytes) { EXPECT_TRUE(copy(*source->stat("a"))); }

TEST_F(CopyObject, WhatEndsTooEarlyIsNoCopy) {
  Entry entry = *source->stat("a");
  entry.size_bytes += 3;
  const auto copied = copy(entry);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(copied.error().message, ::testing::HasSubstr("ends after 6 of 9 bytes"));
}

TEST_F(CopyObject, WhatWasTakenAwayMayBeLookedForAgain) {
  const Entry entry = *source->stat("a");
  ASSERT_TRUE(source->remove("a"));
  const auto copied = copy(entry);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(copied.error().message, ::testing::HasSubstr("was taken away while it was read"));
}

}  // namespace
}  // namespace weir::storage
