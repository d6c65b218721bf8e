#include "catalog/conformance.h"
#include "catalog/overview.h"

namespace weir::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> ids(const Result<std::vector<FlowRun>>& runs) {
  std::vector<std::string> result;
  if (!runs) ADD_FAILURE() << to_line(runs.error());
  for (const auto& run : *runs) result.push_back(run.run_id);
  return result;
}

FlowRun run_of(const std::string& flow_id, int number, int64_t created_at_us) {
  FlowRun run = monday_run("key " + std::to_string(number));
  run.flow_id = flow_id;
  run.run_id = fmt::format("run-{}", number);
  run.created_at_us = created_at_us;
  return run;
}

TEST(FlowScope, HasWhatAPatternSays) {
  const FlowScope scope{{"sales_*", "shop"}};
  EXPECT_TRUE(scope.has("sales_eu"));
  EXPECT_TRUE(scope.has("sales_"));
  EXPECT_TRUE(scope.has("shop"));
  EXPECT_FALSE(scope.has("sales"));
  EXPECT_FALSE(scope.has("shop2"));
  EXPECT_FALSE(scope.has("Sales_eu"));
  EXPECT_FALSE(FlowScope{}.has("shop"));
  EXPECT_FALSE(scope.has_all());
  EXPECT_TRUE(FlowScope::all().has_all());
  for (const char* good : {"*", "a", "a*", "größe*"}) EXPECT_TRUE(is_flow_pattern(good)) << good;
  for (const char* bad : {"", "**", "a*b", "*a", "a/b", "\xff"}) EXPECT_FALSE(is_flow_pattern(bad));
}

TEST_P(Conformance, RunsOfAScopeAreThoseThatItHas) {
  const std::vector<std::string> flows = {"sales_eu", "sales_us", "salesX", "SALES_EU",
                                          "größe_1",  "gr_e_2",   "shop",   "sales%"};
  for (size_t i = 0; i < flows.size(); ++i)
    ASSERT_OK(catalog_->start_run(
        run_of(flows[i], static_cast<int>(i), 100 + static_cast<int64_t>(i)), {}));
  for (const FlowScope& scope :
       {FlowScope{{"sales_*"}}, FlowScope{{"größe*"}}, FlowScope{{"shop"}}, FlowScope{{"sales%*"}},
        FlowScope{{"shop", "gr_*"}}, FlowScope::all(), FlowScope{}, FlowScope{{"'; --"}}}) {
    std::vector<std::string> expected;
    for (size_t i = flows.size(); i-- > 0;)
      if (scope.has(flows[i])) expected.push_back(fmt::format("run-{}", i));
    EXPECT_THAT(ids(catalog_->overview().run_page({.scope = scope})),
                ::testing::ElementsAreArray(expected));
  }
}

TEST_P(Conformance, PagesOfRunsMeetWithoutAGap) {
  for (int i = 0; i < 9; ++i) ASSERT_OK(catalog_->start_run(run_of("shop", i, 100 + i / 3), {}));
  std::vector<std::string> all;
  RunFilter filter{.scope = FlowScope::all(), .limit = 4};
  while (true) {
    const auto page = catalog_->overview().run_page(filter);
    ASSERT_OK(page);
    for (const auto& run : *page) all.push_back(run.run_id);
    if (page->size() < 4) break;
    filter.before = RunPlace{page->back().created_at_us, page->back().run_id};
  }
  EXPECT_THAT(all, ElementsAre("run-8", "run-7", "run-6", "run-5", "run-4", "run-3", "run-2",
                               "run-1", "run-0"));
  filter = {.scope = FlowScope::all(), .flow_id = "other"};
  EXPECT_THAT(ids(catalog_->overview().run_page(filter)), IsEmpty());
  filter = {.scope = FlowScope::all(), .state = RunState::kFailed};
  EXPECT_THAT(ids(catalog_->overview().run_page(filter)), IsEmpty());
}

TEST_P(Conformance, FlowsCarryTheirNewestRunAndSuccess) {
  ASSERT_OK(place_->run_sql("INSERT INTO flow (flow_id, owner) VALUES ('b', 'ann')"));
  ASSERT_OK(place_->run_sql("INSERT INTO flow (flow_id, is_enabled) VALUES ('B', FALSE)"));
  ASSERT_OK(place_->run_sql("INSERT INTO flow (flow_id) VALUES ('a_b')"));
  ASSERT_OK(place_->run_sql("INSERT INTO schedule (flow_id, cron) VALUES ('b', '0 6 * * *')"));
  const FlowRun old = run_of("b", 1, 100);
  ASSERT_OK(catalog_->start_run(old, {}));
  ASSERT_OK(catalog_->move_run({old.run_id, RunState::kQueued}, RunState::kRunning, "", ""));
  ASSERT_OK(catalog_->move_run({old.run_id, RunState::kRunning}, RunState::kSucceeded, "", ""));
  ASSERT_OK(catalog_->start_run(run_of("b", 2, 200), {}));
  const auto lines = catalog_->overview().flow_lines(FlowScope::all(), "", 10);
  ASSERT_OK(lines);
  ASSERT_EQ(lines->size(), 3u);
  EXPECT_EQ((*lines)[0].flow_id, "B") << "by bytes, on both databases";
  EXPECT_FALSE((*lines)[0].is_enabled);
  EXPECT_EQ((*lines)[1].flow_id, "a_b");
  EXPECT_FALSE((*lines)[1].last_run.has_value());
  EXPECT_EQ((*lines)[2].last_run->run_id, "run-2");
  EXPECT_EQ((*lines)[2].last_success, clock_.now_us());
  EXPECT_EQ((*lines)[2].schedule["cron"], "0 6 * * *");
  const auto rest = catalog_->overview().flow_lines(FlowScope::all(), "a_b", 10);
  ASSERT_OK(rest);
  EXPECT_EQ(rest->size(), 1u);
  const auto few = catalog_->overview().flow_lines(FlowScope{{"a*"}}, "", 10);
  ASSERT_OK(few);
  EXPECT_EQ(few->size(), 1u);
  const auto numbers = catalog_->overview().numbers();
  ASSERT_OK(numbers);
  EXPECT_EQ(numbers->runs, (std::map<std::string, int64_t>{{"queued", 1}, {"succeeded", 1}}));
  EXPECT_EQ(numbers->last_success_us.at("b"), clock_.now_us());
}

TEST_P(Conformance, LogLinesGoOnBehindTheirNumber) {
  const FlowRun run = monday_run();
  ASSERT_OK(catalog_->start_run(run, {}));
  for (int i = 0; i < 5; ++i)
    ASSERT_OK(
        catalog_->add_log(run.run_id, i % 2 == 0 ? "even" : "odd", 1, "info", std::to_string(i)));
  const auto first = catalog_->overview().log_page({.run_id = run.run_id, .limit = 2});
  ASSERT_OK(first);
  ASSERT_EQ(first->size(), 2u);
  const auto rest =
      catalog_->overview().log_page({.run_id = run.run_id, .after_id = first->back().task_log_id});
  ASSERT_OK(rest);
  ASSERT_EQ(rest->size(), 3u);
  EXPECT_EQ(rest->front().message, "2");
  const auto odd = catalog_->overview().log_page({.run_id = run.run_id, .task_id = "odd"});
  ASSERT_OK(odd);
  EXPECT_EQ(odd->size(), 2u);
}

TEST_P(Conformance, DatasetsOfAScopeAreThoseThatItsTasksName) {
  ASSERT_OK(place_->run_sql("INSERT INTO layer (name, uri) VALUES ('raw', 'x')"));
  ASSERT_OK(place_->run_sql(
      "INSERT INTO dataset (layer, name) VALUES ('raw', 'sales'), ('raw', 'shop')"));
  ASSERT_OK(place_->run_sql("INSERT INTO flow (flow_id) VALUES ('sales'), ('shop')"));
  ASSERT_OK(place_->run_sql(
      "INSERT INTO task (flow_id, task_id, template_id, params) VALUES "
      "('sales', 'a', 't', '{\"to\": \"raw.sales\"}'), ('shop', 'a', 't', '{\"rules\": [{\"x\": "
      "\"raw.shop\"}]}')"));
  const auto names = [&](const FlowScope& scope) {
    std::vector<std::string> result;
    const auto lines = catalog_->overview().dataset_lines(scope, "", 10);
    if (!lines) ADD_FAILURE() << to_line(lines.error());
    for (const auto& line : *lines) result.push_back(line.dataset);
    return result;
  };
  EXPECT_THAT(names(FlowScope::all()), ElementsAre("raw.sales", "raw.shop"));
  EXPECT_THAT(names(FlowScope{{"sales"}}), ElementsAre("raw.sales"));
  EXPECT_THAT(names(FlowScope{{"shop"}}), ElementsAre("raw.shop"));
  EXPECT_THAT(names(FlowScope{}), IsEmpty());
  EXPECT_TRUE(*catalog_->overview().knows_dataset(FlowScope{{"sales"}}, "raw.sales__rejected"));
  EXPECT_FALSE(*catalog_->overview().knows_dataset(FlowScope{{"sales"}}, "raw.shop"));
  EXPECT_FALSE(*catalog_->overview().knows_dataset(FlowScope{{"sales"}}, "sales"));
}

}  // namespace
}  // namespace weir::catalog
