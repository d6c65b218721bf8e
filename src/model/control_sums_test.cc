#include "model/control_sums.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::model {
namespace {

using ::testing::HasSubstr;

ExactSum sum_of(const std::vector<std::string>& texts) {
  ExactSum sum;
  for (const auto& text : texts) EXPECT_TRUE(sum.add_text(text).value()) << text;
  return sum;
}

TEST(ExactSum, AddsDecimalsToTheLastDigit) {
  EXPECT_EQ(sum_of({"0.1", "0.2"}).text(), "0.3");
  EXPECT_EQ(sum_of({"10.50", "-0.50", " 7 "}).text(), "17");
  EXPECT_EQ(sum_of({"1e3", "2.5E-1", "+.25"}).text(), "1000.5");
  EXPECT_EQ(sum_of({"-0.01"}).text(), "-0.01");
  EXPECT_EQ(sum_of({}).text(), "0");
  EXPECT_EQ(sum_of({"99999999999999999999999999999999999999"}).text(),
            "99999999999999999999999999999999999999");
}

TEST(ExactSum, TextThatIsNoNumberAddsNothing) {
  for (const char* text : {"", "ten", "1,5", "1.2.3", "1e", "e5", "--1", "0x1F", "1 2", "1e99999",
                           "999999999999999999999999999999999999999"}) {
    ExactSum sum;
    EXPECT_FALSE(sum.add_text(text).value()) << text;
    EXPECT_TRUE(sum.is_zero()) << text;
  }
}

TEST(ExactSum, EqualSumsMayComeFromOtherScalesButNotFromOtherCounts) {
  EXPECT_EQ(sum_of({"1.50", "1.50"}), sum_of({"2", "1"}));
  EXPECT_FALSE(sum_of({"3"}) == sum_of({"2", "1"}));
  EXPECT_FALSE(sum_of({"0"}) == ExactSum());
  auto difference = sum_of({"1.5", "2"});
  ASSERT_TRUE(difference.subtract(sum_of({"2.00"})));
  EXPECT_EQ(difference, sum_of({"1.5"}));
}

TEST(ExactSum, MoreThan38DigitsAreRefusedNotRounded) {
  auto sum = sum_of({"99999999999999999999999999999999999999"});
  const auto status = sum.add(1, 0);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
  EXPECT_FALSE(sum.add(1, 20)) << "neither may it be scaled beyond";
  EXPECT_EQ(sum.text(), "99999999999999999999999999999999999999");
}

TEST(HopSums, CloseAsRowsDo) {
  HopSums sums;
  auto& amount = sums.columns["amount"];
  amount.in = sum_of({"10.5", "3", "4"});
  amount.inserted = sum_of({"10.50"});
  amount.rejected = sum_of({"3"});
  amount.unchanged = sum_of({"4.0"});
  EXPECT_TRUE(check_closed(sums));
  EXPECT_EQ(to_text(sums), "amount 17.5 = 10.5 inserted + 3 rejected + 4 unchanged");

  amount.unchanged = sum_of({"4.01"});
  const auto status = check_closed(sums);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kCheckFailed);
  EXPECT_THAT(status.error().message, HasSubstr("'amount'"));
  EXPECT_THAT(status.error().message, HasSubstr("17.5"));

  amount.unchanged = sum_of({"4.0", "0"});
  EXPECT_FALSE(check_closed(sums)) << "a NULL that became 0 changes no sum, but the count";
}

TEST(HopSums, KeysThatDifferAreTold) {
  HopSums sums{.columns = {}, .keys_in = "aaaa", .keys_out = "aaaa"};
  EXPECT_TRUE(check_closed(sums));
  sums.keys_out = "bbbb";
  EXPECT_EQ(check_closed(sums).error().code, ErrorCode::kCheckFailed);
}

TEST(HopSums, GoThroughJsonAndBack) {
  HopSums sums{.columns = {}, .keys_in = "aa", .keys_out = "bb"};
  sums.columns["a b"].in = sum_of({"1.50", "2"});
  sums.columns["a b"].rejected = sum_of({"-2"});
  const auto back = hop_sums_from_json(to_json(sums));
  ASSERT_TRUE(back) << to_line(back.error());
  EXPECT_EQ(to_json(*back), to_json(sums));
  EXPECT_EQ(to_json(*back)["columns"]["a b"]["in"], Json({{"sum", "3.5"}, {"values", 2}}));
  EXPECT_EQ(to_json(HopSums{}), Json::object());
}

TEST(ControlColumns, AreWholeNumbersOrDecimalsOfTheDataset) {
  const Schema schema = {{"id", *parse_type("bigint"), true},
                         {"amount", *parse_type("decimal(10,2)"), true},
                         {"rate", *parse_type("double"), true}};
  EXPECT_EQ(control_columns({{"control_columns", {"id"}}})->size(), 1U);
  EXPECT_TRUE(control_columns(Json::object())->empty());
  EXPECT_FALSE(control_columns({{"control_columns", "amount"}}));
  EXPECT_TRUE(check_control_columns(schema, {"id", "amount"}, "raw.x"));
  EXPECT_THAT(check_control_columns(schema, {"rate"}, "raw.x").error().message,
              HasSubstr("'rate' of raw.x is double"));
  EXPECT_THAT(check_control_columns(schema, {"gone"}, "raw.x").error().message,
              HasSubstr("'gone'"));
}

}  // namespace
}  // namespace weir::model
