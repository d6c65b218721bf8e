#include "table/hudi/bucket_hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::table {
namespace {

using ::testing::ElementsAre;

// What Java says, and BucketIdentifier of Hudi 1.2.0 and 0.15.0; tests/interop/bucket_hash_test.py
// asks them of many more.

TEST(BucketHash, OfATextIsThatOfJava) {
  EXPECT_EQ(java_hash(""), 0);
  EXPECT_EQ(java_hash("a"), 97);
  EXPECT_EQ(java_hash("42"), 1662);
  EXPECT_EQ(java_hash("næme"), 3501520);
  EXPECT_EQ(java_hash("日本"), 835047);
  EXPECT_EQ(java_hash("😀"), 1772899) << "two UTF-16 units";
  EXPECT_EQ(java_hash("a😀b\U0010FFFFc"), 1174248549);
  EXPECT_EQ(java_hash("polygenelubricants"), INT32_MIN);
  EXPECT_EQ(java_hash(std::string(300, 'x')), -1757771264);
}

TEST(BucketHash, OfBytesThatAreNoTextTakesEachForTheReplacementCharacter) {
  constexpr int32_t kOne = 0xFFFD;
  EXPECT_EQ(java_hash("\xff"), kOne);
  EXPECT_EQ(java_hash("\xc3"), kOne) << "cut off";
  EXPECT_EQ(java_hash("\xed\xa0\x80"), (31 * kOne + kOne) * 31 + kOne) << "a lone surrogate";
  EXPECT_EQ(java_hash("\xc0\x80"), 31 * kOne + kOne) << "longer than it need be";
}

TEST(BucketHash, OfAKeyIsThatOfItsFields) {
  EXPECT_EQ(java_hash(KeyFields{"42"}), 1693);
  EXPECT_EQ(java_hash(KeyFields{"1", "2"}), 2530);
  EXPECT_EQ(java_hash(KeyFields{std::nullopt, "2"}), 1011);
  EXPECT_EQ(java_hash(KeyFields{"", std::nullopt}), 961);
  EXPECT_EQ(java_hash(KeyFields{""}), 31);
  EXPECT_EQ(java_hash(KeyFields{}), 1);
}

TEST(BucketHash, MakesABucketOfNegativeOnesToo) {
  EXPECT_EQ(bucket_of(java_hash(KeyFields{"42"}), 4), 1);
  EXPECT_EQ(bucket_of(INT32_MIN, 7), 0);
  EXPECT_EQ(bucket_of(-1, 8), 7);
}

TEST(BucketHash, TakesTheFieldsOutOfARecordKey) {
  const std::vector<std::string> both = {"a", "b"};
  for (const auto take : {hashed_fields, hashed_fields_of_0_15}) {
    EXPECT_THAT(take("42", {"id"}), ElementsAre("42"));
    EXPECT_THAT(take("a,b", {"id"}), ElementsAre("a,b"));
    EXPECT_THAT(take("a:1,b:2", both), ElementsAre("1", "2"));
    EXPECT_THAT(take("a:1,b:2", {"b"}), ElementsAre("2"));
    EXPECT_THAT(take("a:__null__,b:__empty__", both), ElementsAre(std::nullopt, ""));
    EXPECT_THAT(take("a:12:30:00,b:2", both), ElementsAre("12:30:00", "2"));
    EXPECT_THAT(take("a:12:30:00,b:2", {"b"}), ElementsAre("2"));
    EXPECT_THAT(take("a:1,b:", both), ElementsAre("1", ""));
  }
}

TEST(BucketHash, FollowsEachHudiWhereTheyDiffer) {
  EXPECT_THAT(hashed_fields("12:30", {"id"}), ElementsAre("12:30"));
  EXPECT_THAT(hashed_fields_of_0_15("12:30", {"id"}), ElementsAre());
  EXPECT_THAT(hashed_fields("a:x,y,b:12:30:00", {"a", "b"}), ElementsAre("x,y", "12:30:00"));
  EXPECT_THAT(hashed_fields_of_0_15("a:x,y,b:12:30:00", {"a", "b"}),
              ElementsAre("x", "y", "12:30:00"));
  EXPECT_THAT(hashed_fields("a:1,b:2", {"c"}), ElementsAre("a:1,b:2"));
  EXPECT_THAT(hashed_fields_of_0_15("a:1,b:2", {"c"}), ElementsAre());
}

}  // namespace
}  // namespace weir::table
