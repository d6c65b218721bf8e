#include "schedule/cron.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/instant.h"

namespace weir::schedule {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

WallSeconds wall(const char* text) { return *parse_instant(text) / 1'000'000; }

std::string shown(WallSeconds at) { return format_instant(at * 1'000'000).substr(0, 16); }

std::vector<std::string> matches(const char* text, const char* from, size_t count) {
  const auto cron = parse_cron(text);
  if (!cron) return {cron.error().message};
  std::vector<std::string> all;
  WallSeconds at = wall(from);
  while (all.size() < count) {
    const auto match = cron->first_match(at, at + int64_t{50} * 366 * 86'400);
    if (!match) break;
    all.push_back(shown(*match));
    at = *match + 1;
  }
  return all;
}

/// `message @ words at fault | hint`
std::string refused(const char* text) {
  const auto cron = parse_cron(text);
  if (cron) return "taken";
  const Place& place = *cron.error().place;
  return fmt::format("{} @ {} | {}", cron.error().message,
                     std::string_view(text).substr(static_cast<size_t>(place.column) - 1,
                                                   static_cast<size_t>(place.length)),
                     cron.error().hint);
}

TEST(Cron, ReadsFieldsListsRangesStepsAndNames) {
  EXPECT_THAT(matches("5,35 9-17/4 * * MON-FRI", "2026-11-27T13:06", 3),
              ElementsAre("2026-11-27T13:35", "2026-11-27T17:05", "2026-11-27T17:35"));
  EXPECT_THAT(matches("0 0 1 jan,JUL *", "2026-01-01T00:01", 2),
              ElementsAre("2026-07-01T00:00", "2027-01-01T00:00"));
  EXPECT_THAT(matches("50/5 23 31 12 *", "2026-01-01", 3),
              ElementsAre("2026-12-31T23:50", "2026-12-31T23:55", "2027-12-31T23:50"));
  EXPECT_THAT(matches(" 0\t0 * * 7 ", "2026-11-23", 1), ElementsAre("2026-11-29T00:00"));
  EXPECT_THAT(
      matches("0 0 * * SAT-MON", "2026-11-24", 4),
      ElementsAre("2026-11-28T00:00", "2026-11-29T00:00", "2026-11-30T00:00", "2026-12-05T00:00"));
}

TEST(Cron, WordsStandForFiveFields) {
  EXPECT_THAT(matches("@hourly", "2026-11-27T13:06", 1), ElementsAre("2026-11-27T14:00"));
  EXPECT_THAT(matches("@daily", "2026-11-27T13:06", 1), ElementsAre("2026-11-28T00:00"));
  EXPECT_THAT(matches("@midnight", "2026-11-27T13:06", 1), ElementsAre("2026-11-28T00:00"));
  EXPECT_THAT(matches("@weekly", "2026-11-27T13:06", 1), ElementsAre("2026-11-29T00:00"));
  EXPECT_THAT(matches("@monthly", "2026-11-27T13:06", 1), ElementsAre("2026-12-01T00:00"));
  EXPECT_THAT(matches("@yearly", "2026-11-27T13:06", 1), ElementsAre("2027-01-01T00:00"));
  EXPECT_EQ(parse_cron("@annually")->text(), "@annually");
}

TEST(Cron, EitherOfTwoRestrictedDaysIsEnough) {
  EXPECT_THAT(matches("0 0 1 * MON", "2026-11-27", 3),
              ElementsAre("2026-11-30T00:00", "2026-12-01T00:00", "2026-12-07T00:00"));
  // A field that starts with '*' does not restrict: both must fit.
  EXPECT_THAT(matches("0 0 */2 * MON", "2026-11-27", 2),
              ElementsAre("2026-12-07T00:00", "2026-12-21T00:00"));
}

TEST(Cron, LastDaysAndWeeksOfAMonth) {
  EXPECT_THAT(
      matches("0 0 15,L 2 *", "2027-01-01", 4),
      ElementsAre("2027-02-15T00:00", "2027-02-28T00:00", "2028-02-15T00:00", "2028-02-29T00:00"));
  EXPECT_THAT(matches("0 0 * * FRI#2", "2026-11-27", 2),
              ElementsAre("2026-12-11T00:00", "2027-01-08T00:00"));
  EXPECT_THAT(matches("0 0 * * 5#l", "2026-11-28", 2),
              ElementsAre("2026-12-25T00:00", "2027-01-29T00:00"));
  // The last day of July 2026 is a Friday.
  EXPECT_THAT(matches("0 0 * * FRI#L", "2026-07-01", 2),
              ElementsAre("2026-07-31T00:00", "2026-08-28T00:00"));
  EXPECT_THAT(matches("0 0 * * SUN#5", "2026-11-28", 2),
              ElementsAre("2026-11-29T00:00", "2027-01-31T00:00"));
}

TEST(Cron, FaultsNameTheFieldTheWordsAndTheWayOut) {
  EXPECT_EQ(refused("61 6 * * *"), "the minute 61 is out of range @ 61 | minutes are 0 to 59");
  EXPECT_EQ(refused("0 6,24 * * *"), "the hour 24 is out of range @ 24 | hours are 0 to 23");
  EXPECT_EQ(
      refused("0 6 0 * *"),
      "the day of month 0 is out of range @ 0 | days of a month are 1 to 31, and L for the last");
  EXPECT_EQ(refused("0 6 * 1-JNU *"), "the month 'JNU' does not read @ JNU | did you mean 'JUN'?");
  EXPECT_EQ(
      refused("0 6 * * 8"),
      "the day of week 8 is out of range @ 8 | days of a week are 0 to 7 (0 and 7 are Sunday), "
      "or SUN to SAT");
  EXPECT_EQ(refused("0 6 * * MON#6"),
            "the day of week 'MON#6' does not read @ MON#6 | FRI#1 to FRI#5 are the first to fifth "
            "Friday of a month, FRI#L is its last");
  EXPECT_EQ(refused("*/0 6 * * *"),
            "the minute '*/0' has the step '0' @ */0 | a step is a whole number from 1 to 59");
  EXPECT_THAT(refused("*/ 6 * * *"), HasSubstr("has the step ''"));
  EXPECT_EQ(refused("50-10 6 * * *"),
            "the minute '50-10' goes backwards @ 50-10 | write two ranges: 50-59,0-10");
  EXPECT_EQ(refused("0 6,,7 * * *"),
            "the hour '6,,7' has an empty place in its list @ 6,,7 | hours are 0 to 23");
  EXPECT_EQ(refused("0 6 ? * MON"), "the day of month says '?' @ ? | write * for every one");
  EXPECT_THAT(refused("-1 6 * * *"), HasSubstr("the minute '' does not read"));
  EXPECT_THAT(refused("+1 6 * * *"), HasSubstr("the minute '+1' does not read"));
  EXPECT_THAT(refused("99999999999999999999 6 * * *"), HasSubstr("is out of range"));
  EXPECT_THAT(refused("0 6 * *"), HasSubstr("has 5 fields, and '0 6 * *' has 4"));
  EXPECT_THAT(refused("0 0 6 * * *"), HasSubstr("no fields for seconds and years"));
  EXPECT_THAT(refused(""), HasSubstr("a cron expression is empty"));
  EXPECT_EQ(refused("@dialy"), "there is no '@dialy' @ @dialy | did you mean '@daily'?");
  EXPECT_THAT(refused("@reboot"), HasSubstr("write one of: @yearly"));
}

TEST(Cron, DaysThatNoYearHasAreRefused) {
  EXPECT_THAT(refused("0 0 30 2 *"), HasSubstr("never comes"));
  EXPECT_THAT(refused("0 0 31 4,6,9,11 *"), HasSubstr("never comes"));
  EXPECT_EQ(refused("0 0 30 2 MON"), "taken");  // either is enough
  EXPECT_EQ(refused("0 0 29 2 */7"), "taken");  // a leap day that is a Sunday: each 28 years
  EXPECT_THAT(matches("0 0 29 2 */7", "2026-01-01", 2),
              ElementsAre("2032-02-29T00:00", "2060-02-29T00:00"));
}

TEST(Cron, TheLastMatchIsTheFirstAskedBackwards) {
  for (const char* text :
       {"*/7 3-22/5 * * *", "0 0 31 * *", "59 23 29 2 *", "30 12 * 3 TUE#L", "0 0 1 1 *"}) {
    const auto cron = parse_cron(text);
    ASSERT_TRUE(cron) << text;
    const WallSeconds from = wall("1967-02-01");
    const WallSeconds to = wall("1990-02-01");
    std::vector<WallSeconds> forward;
    for (auto at = cron->first_match(from, to); at; at = cron->first_match(*at + 1, to)) {
      ASSERT_TRUE(forward.empty() || *at > forward.back()) << text;
      forward.push_back(*at);
    }
    std::vector<WallSeconds> backward;
    for (auto at = cron->last_match(from, to); at; at = cron->last_match(from, *at)) {
      ASSERT_TRUE(backward.empty() || *at < backward.back()) << text;
      backward.push_back(*at);
    }
    std::ranges::reverse(backward);
    EXPECT_GT(forward.size(), 4U);
    EXPECT_EQ(forward, backward) << text;
  }
}

TEST(Cron, BoundsAreHalfOpenAndSecondsCount) {
  const auto cron = parse_cron("30 6 * * *");
  const WallSeconds at = wall("2026-11-27T06:30");
  EXPECT_EQ(cron->first_match(at, at + 1), at);
  EXPECT_EQ(cron->first_match(at, at), std::nullopt);
  EXPECT_EQ(cron->first_match(at + 1, at + 86'400), std::nullopt);
  EXPECT_EQ(cron->last_match(at, at + 1), at);
  EXPECT_EQ(cron->last_match(at + 1, at + 60), std::nullopt);
  EXPECT_EQ(cron->last_match(at - 10, at), std::nullopt);
}

TEST(Cron, TheHourFieldTellsTimesOfADayFromABeat) {
  for (const char* text :
       {"0 * * * *", "*/15 * * * *", "0 */2 * * *", "0 8-18/2 * * *", "0 0-23 * * *"})
    EXPECT_TRUE(parse_cron(text)->is_interval()) << text;
  for (const char* text : {"0 6 * * *", "* 2 * * *", "*/15 2 * * *", "0 8-18 * * *", "@daily"})
    EXPECT_FALSE(parse_cron(text)->is_interval()) << text;
  EXPECT_TRUE(parse_cron("0 0-11,12-23 * * *")->is_every_hour());
  EXPECT_FALSE(parse_cron("0 */2 * * *")->is_every_hour());
}

}  // namespace
}  // namespace weir::schedule
