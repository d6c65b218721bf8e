#include "base/byte_size.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(ByteSize, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(*parse_bytes("1500000"), 1'500'000);
  EXPECT_EQ(*parse_bytes("512MB"), 512'000'000);
  EXPECT_EQ(*parse_bytes("512 mib"), int64_t{512} << 20);
  EXPECT_EQ(*parse_bytes("2GiB"), int64_t{2} << 30);
  EXPECT_EQ(*parse_bytes("0"), 0);
  EXPECT_EQ(*parse_bytes("1048576GiB"), int64_t{1} << 50) << "the largest";
}

TEST(ByteSize, WhatIsNoneIsRefused) {
  for (const std::string_view text : {"", "MB", "-1", "1.5GB", "1e9", "12 parsecs", "1048577GiB",
                                      "9999999999999999GB", "99999999999999999999", "1 2MB"}) {
    const auto size = parse_bytes(text);
    ASSERT_FALSE(size) << text << " is " << *size;
    EXPECT_EQ(size.error().code, ErrorCode::kInvalidConfig);
    EXPECT_THAT(size.error().message, ::testing::HasSubstr(text));
  }
}

}  // namespace
}  // namespace weir
