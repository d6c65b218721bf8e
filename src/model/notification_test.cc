#include "model/notification.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::model {
namespace {

using ::testing::HasSubstr;

NotificationRule night() {
  NotificationRule rule;
  rule.rule_id = "night";
  rule.channel = "ops";
  rule.flows = {"sales_*"};
  rule.events = {"failed", "slow"};
  rule.every = "5 per 1h";
  rule.dedup_ms = 1'800'000;
  rule.slow_after_ms = 7'200'000;
  rule.is_enabled = false;
  return rule;
}

TEST(NotificationRule, ReadsBackFromItsJson) {
  const auto read = notification_rule_from_json(to_json(night()));
  ASSERT_TRUE(read) << to_line(read.error());
  EXPECT_EQ(*read, night());
}

TEST(NotificationRule, RefusesAFieldItDoesNotKnow) {
  const auto read = notification_rule_from_json({{"slow_afer", "1h"}});
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("slow_afer"));
  EXPECT_THAT(read.error().hint, HasSubstr("slow_after"));
}

TEST(NotificationRule, TellsOfFailuresWhereItSaysNothing) {
  NotificationRule rule;
  EXPECT_TRUE(tells_of(rule, "failed"));
  EXPECT_FALSE(tells_of(rule, "recovered"));
  rule.severities = {"info"};
  EXPECT_FALSE(tells_of(rule, "failed")) << "severities stand in place of the usual event";
  EXPECT_TRUE(tells_of(rule, "recovered"));
  rule.is_enabled = false;
  EXPECT_FALSE(tells_of(rule, "recovered"));
}

TEST(NotificationRule, KnowsItsEvents) {
  EXPECT_TRUE(check_event("schema_drift"));
  const auto typo = check_event("recoverd");
  ASSERT_FALSE(typo);
  EXPECT_THAT(typo.error().hint, HasSubstr("recovered"));
  EXPECT_TRUE(check_event("late"));
}

TEST(Rate, IsOneOrSeveralInADuration) {
  EXPECT_EQ(parse_rate("1h")->at_most, 1);
  EXPECT_EQ(parse_rate("1h")->per_ms, 3'600'000);
  EXPECT_EQ(parse_rate("5 per 10m")->at_most, 5);
  EXPECT_EQ(parse_rate("5 per 10m")->per_ms, 600'000);
  EXPECT_EQ(parse_rate("")->at_most, 0);
  for (const char* wrong : {"0 per 1h", "x per 1h", "5 per", "5 per 0s", "often", "-1 per 1h"})
    EXPECT_FALSE(parse_rate(wrong)) << wrong;
}

}  // namespace
}  // namespace weir::model
