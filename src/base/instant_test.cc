#include "base/instant.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMay12 = int64_t{1652313600} * kSecond;  // 2022-05-12T00:00:00Z
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHalfPastSix = kMay12 + 390 * kMinute;

TEST(Instant, EveryFormOfOneInstantIsReadAlike) {
  for (const auto* text :
       {"2022-05-12T06:30:00Z", "2022-05-12T06:30:00.000000Z", "2022-05-12 06:30:00",
        "2022-05-12t06:30:00z", "2022-05-12T08:30:00+02:00", "2022-05-12T00:00:00-06:30",
        "2022-05-11T23:30:00-0700", "202205120630", "20220512063000", "20220512T063000",
        "20220512T063000Z"}) {
    const auto at = parse_instant(text);
    ASSERT_TRUE(at) << text;
    EXPECT_EQ(*at, kHalfPastSix) << text;
  }
  EXPECT_EQ(*parse_instant("2022-05-12"), kMay12);
  EXPECT_EQ(*parse_instant("20220512"), kMay12);
  EXPECT_EQ(*parse_instant("2022051206"), kMay12 + 360 * kMinute);
}

TEST(Instant, WhatIsNoInstantIsRefused) {
  for (const auto* text : {"",
                           "2022",
                           "2022-05",
                           "2022-5-12",
                           "2022-02-30",
                           "2022-13-01",
                           "0000-01-01",
                           "20220230",
                           "2022-05-12T",
                           "2022-05-12T24:00:00Z",
                           "2022-05-12T06:60:00Z",
                           "2022-05-12T06:30:61Z",
                           "2022-05-12T06:30:00.Z",
                           "2022-05-12T06:30:00.0000001Z",
                           "2022-05-12T06:30:00+2",
                           "2022-05-12T06:30:00Zx",
                           "12/05/2022",
                           " 2022-05-12",
                           "20220512 ",
                           "2022051",
                           "２０２２０５１２"}) {
    const auto at = parse_instant(text);
    EXPECT_FALSE(at) << text;
    if (!at) {
      EXPECT_EQ(at.error().code, ErrorCode::kInvalidData);
    }
  }
}

TEST(Instant, WhatIsWrittenReadsBack) {
  for (const int64_t at :
       {int64_t{0}, int64_t{-1}, kHalfPastSix, kHalfPastSix + 1, kHalfPastSix + 500'000,
        int64_t{-62135596800} * kSecond, int64_t{253402300799} * kSecond + 999'999}) {
    EXPECT_EQ(*parse_instant(format_instant(at)), at) << format_instant(at);
  }
  EXPECT_EQ(format_instant(kHalfPastSix), "2022-05-12T06:30:00Z");
  EXPECT_EQ(format_instant(kHalfPastSix + 500'000), "2022-05-12T06:30:00.5Z");
  EXPECT_EQ(format_instant(-1), "1969-12-31T23:59:59.999999Z");
}

TEST(Instant, HudiSeesMilliseconds) {
  EXPECT_EQ(format_hudi_instant(kHalfPastSix + 12'999), "20220512063000012");
}

TEST(Duration, IsReadAsUsersWriteIt) {
  EXPECT_EQ(*parse_duration_ms("250ms"), 250);
  EXPECT_EQ(*parse_duration_ms("10s"), 10'000);
  EXPECT_EQ(*parse_duration_ms("1h30m"), 5'400'000);
  EXPECT_EQ(*parse_duration_ms("2d"), 172'800'000);
  for (const auto* text : {"", "10", "s", "1.5h", "-1s", "1y", "1 s", "99999999999d", "600d600d"})
    EXPECT_FALSE(parse_duration_ms(text)) << text;
}

TEST(Duration, IsWrittenAsShortAsItReadsBack) {
  EXPECT_EQ(format_duration_ms(90'000), "1m30s");
  EXPECT_EQ(format_duration_ms(0), "0s");
  for (const int64_t duration : {int64_t{1}, int64_t{999}, int64_t{86'400'001}, int64_t{5'400'000}})
    EXPECT_EQ(*parse_duration_ms(format_duration_ms(duration)), duration);
}

}  // namespace
}  // namespace weir
