#include "table/history/timeline_of_key.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::table {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kMonday = 1'000;
constexpr int64_t kTuesday = 2'000;
constexpr int64_t kFriday = 5'000;

Observation seen(int64_t at_us, std::string row_hash) {
  return {at_us, false, std::move(row_hash)};
}
Observation gone(int64_t at_us) { return {at_us, true, ""}; }
Version changed(int64_t from_us, int64_t to_us, std::string row_hash) {
  return {from_us, to_us, std::move(row_hash), Closed::kByChange};
}
Version deleted(int64_t from_us, int64_t to_us, std::string row_hash) {
  return {from_us, to_us, std::move(row_hash), Closed::kByDelete};
}
Version open_from(int64_t from_us, std::string row_hash) {
  return {from_us, std::nullopt, std::move(row_hash), Closed::kNot};
}

TEST(TimelineOfKey, NothingSeenIsNoHistory) {
  EXPECT_THAT(*timeline_of_key({}), IsEmpty());
  EXPECT_THAT(*timeline_of_key({gone(kMonday)}), IsEmpty());
}

TEST(TimelineOfKey, ValueThatComesBackIsAThirdVersion) {
  const auto versions =
      timeline_of_key({seen(kMonday, "A"), seen(kTuesday, "B"), seen(kFriday, "A")});
  ASSERT_TRUE(versions);
  EXPECT_THAT(*versions, ElementsAre(changed(kMonday, kTuesday, "A"),
                                     changed(kTuesday, kFriday, "B"), open_from(kFriday, "A")));
}

TEST(TimelineOfKey, SameValueGoesOn) {
  EXPECT_THAT(*timeline_of_key({seen(kMonday, "A"), seen(kTuesday, "A")}),
              ElementsAre(open_from(kMonday, "A")));
}

TEST(TimelineOfKey, ReturnAfterDeleteLeavesAGap) {
  EXPECT_THAT(*timeline_of_key({seen(kMonday, "A"), gone(kTuesday), seen(kFriday, "A")}),
              ElementsAre(deleted(kMonday, kTuesday, "A"), open_from(kFriday, "A")));
}

TEST(TimelineOfKey, DeleteWinsAtTheSameInstant) {
  EXPECT_THAT(*timeline_of_key({seen(kMonday, "A"), gone(kTuesday), seen(kTuesday, "B")}),
              ElementsAre(deleted(kMonday, kTuesday, "A")));
}

TEST(TimelineOfKey, OrderAndRepetitionDoNotMatter) {
  std::vector<Observation> days = {seen(kMonday, "A"), seen(kMonday, "A"), gone(kTuesday),
                                   seen(kFriday, "B")};
  const auto versions = timeline_of_key(days);
  const auto by_time = [](const Observation& a, const Observation& b) {
    return std::pair(a.at_us, a.is_delete) < std::pair(b.at_us, b.is_delete);
  };
  std::ranges::sort(days, by_time);
  do {
    EXPECT_EQ(*timeline_of_key(days), *versions);
  } while (std::ranges::next_permutation(days, by_time).found);
}

TEST(TimelineOfKey, DifferentRowsAtOneInstantAreRefused) {
  const auto versions = timeline_of_key({seen(kMonday, "A"), seen(kMonday, "B")});
  ASSERT_FALSE(versions);
  EXPECT_EQ(versions.error().code, ErrorCode::kInvalidData);
}

}  // namespace
}  // namespace weir::table
