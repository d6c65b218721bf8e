#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/embedded/executors.h"
#include "engine/embedded/small_lake.h"

namespace weir::engine::embedded {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Check : public SmallLake {
 protected:
  Result<Outcome> run(const std::string& query, const std::string& rules,
                      const std::string& severity = "fail") {
    auto made = operation(model::OperationKind::kCheck, {input("presentation.countries", query)});
    made.params = {{"rules", Json::parse(rules)}, {"severity", severity}};
    return check(made, context_);
  }
  /// The message of the broken rule; empty where none is.
  std::string broken(const std::string& query, const std::string& rules) {
    const auto outcome = run(query, rules);
    if (outcome) return "";
    EXPECT_EQ(outcome.error().code, ErrorCode::kCheckFailed) << to_line(outcome.error());
    return outcome.error().message;
  }
};

constexpr auto kGood = "FROM (VALUES ('DE', 0.5), ('IT', 1.0)) t(country, share)";
constexpr auto kBad =
    "FROM (VALUES ('DE', 0.5), ('DE', 1.5), (NULL, -1), (NULL, NULL)) t(country, share)";

TEST_F(Check, RulesThatHoldAreListedWithTheirResults) {
  const auto outcome = run(kGood, R"([{"not_null": "country"}, {"unique": ["country"]},
      {"min_rows": 2}, {"max_rows": 2}, {"range": {"column": "share", "min": 0, "max": 1}},
      {"accepted_values": {"column": "country", "values": ["DE", "IT"]}},
      {"sql": "SELECT * FROM presentation.countries WHERE country = 'XX'; -- none"}])");
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  ASSERT_THAT(outcome->details["rules"], SizeIs(7));
  for (const auto& rule : outcome->details["rules"]) EXPECT_EQ(rule["broken_rows"], 0) << rule;
  EXPECT_EQ(outcome->counts, (model::Counts{.in = 2, .unchanged = 2, .out = 2}));
  EXPECT_THAT(outcome->warnings, IsEmpty());
}

TEST_F(Check, BrokenRuleNamesItselfTheDatasetTheCountAndAnExample) {
  const auto message = broken(kBad, R"([{"not_null": "country"}])");
  EXPECT_THAT(message, HasSubstr("rule not_null(country) on presentation.countries: 2 rows"));
  EXPECT_THAT(message, HasSubstr(R"("share":"-1)"));
}

TEST_F(Check, EachRuleFindsWhatBreaksItAndPassesOverNulls) {
  EXPECT_THAT(broken(kBad, R"([{"unique": "country"}])"),
              HasSubstr("unique(country) on presentation.countries: 2 rows break it"));
  EXPECT_THAT(broken(kBad, R"([{"unique": "country"}])"), HasSubstr(R"("rows":"2")"));
  EXPECT_THAT(broken(kBad, R"([{"unique": ["country", "share"]}])"), IsEmpty());
  EXPECT_THAT(broken(kBad, R"([{"min_rows": 5}])"), HasSubstr("it has 4 rows"));
  EXPECT_THAT(broken(kBad, R"([{"max_rows": 3}])"), HasSubstr("it has 4 rows"));
  EXPECT_THAT(broken(kBad, R"([{"accepted_values": {"column": "country", "values": ["IT"]}}])"),
              HasSubstr("2 rows break it"));
  EXPECT_THAT(broken(kBad, R"([{"accepted_values": {"column": "country", "values": ["DE"]}}])"),
              IsEmpty());
  EXPECT_THAT(broken(kBad, R"([{"range": {"column": "share", "min": 0}}])"),
              HasSubstr("1 row breaks it"));
  EXPECT_THAT(broken(kBad, R"([{"range": {"column": "share", "max": 1}}])"),
              HasSubstr("1 row breaks it"));
  EXPECT_THAT(broken(kBad, R"([{"range": {"column": "share", "min": 0, "max": 1}}])"),
              HasSubstr("2 rows"));
  EXPECT_THAT(broken(kBad, R"([{"sql": "SELECT * FROM presentation.countries WHERE share > 1"}])"),
              HasSubstr("1 row breaks it"));
}

TEST_F(Check, EveryBrokenRuleIsNamed) {
  const auto message = broken(kBad, R"([{"not_null": "share"}, {"min_rows": 9}])");
  EXPECT_THAT(message, HasSubstr("not_null(share)"));
  EXPECT_THAT(message, HasSubstr("min_rows(9)"));
}

TEST_F(Check, WarningsLetTheFlowGoOnWithFiveExamplesAtMost) {
  const auto outcome =
      run("SELECT NULL::INTEGER AS country FROM range(8)", R"([{"not_null": "country"}])", "warn");
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  ASSERT_THAT(outcome->warnings, SizeIs(1));
  EXPECT_THAT(outcome->warnings[0], HasSubstr("8 rows"));
  EXPECT_EQ(outcome->details["rules"][0]["passed"], false);
  EXPECT_THAT(outcome->details["rules"][0]["examples"], SizeIs(5));
}

TEST_F(Check, NamesWithQuotesAndValuesWithQuotesArePlain) {
  EXPECT_THAT(broken("SELECT 'it''s' AS \"a \"\"b\"",
                     R"([{"accepted_values": {"column": "a \"b", "values": ["it's"]}},
                         {"not_null": "a \"b"}, {"unique": "a \"b"}])"),
              IsEmpty());
}

TEST_F(Check, UnknownRulesAndColumnsAreRefusedWithTheNearestWord) {
  const auto rule = run(kGood, R"([{"not_nul": "country"}])");
  ASSERT_FALSE(rule);
  EXPECT_EQ(rule.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(rule.error().hint, HasSubstr("did you mean 'not_null'"));
  const auto column = run(kGood, R"([{"not_null": "contry"}])");
  ASSERT_FALSE(column);
  EXPECT_THAT(column.error().hint, HasSubstr("'country'"));
  for (const auto* rules :
       {"[]", "[{}]", R"([{"min_rows": "x"}])", R"([{"range": {"column": "share"}}])",
        R"([{"accepted_values": {"column": "share", "values": []}}])"}) {
    const auto outcome = run(kGood, rules);
    ASSERT_FALSE(outcome) << rules;
    EXPECT_EQ(outcome.error().code, ErrorCode::kInvalidConfig) << to_line(outcome.error());
  }
}

TEST_F(Check, SqlOfARuleGoesThroughTheLockDown) {
  for (const auto* sql : {"DROP TABLE x", "SELECT * FROM read_csv('/etc/passwd')",
                          "SELECT 1; SELECT 2", "SELECT * FROM raw.others"}) {
    const auto outcome = run(kGood, dump_json(Json::array({{{"sql", sql}}})));
    ASSERT_FALSE(outcome) << sql;
    EXPECT_EQ(outcome.error().code, ErrorCode::kInvalidConfig) << to_line(outcome.error());
  }
}

}  // namespace
}  // namespace weir::engine::embedded
