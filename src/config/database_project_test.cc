#include "config/database_project.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/lint.h"
#include "config/random_test_configuration.h"
#include "config/resolve.h"
#include "config/sample_test_project.h"

namespace weir::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Read {
  std::string connection;
  std::string table;
  std::string query;
  model::DatasetName to;
  std::string mode = "full";
  std::vector<std::string> cursor;
  std::string lag;
  std::string timezone;
};
struct Merge {
  model::DatasetName from;
  model::DatasetName to;
  std::vector<std::string> key;
  std::string deletes = "ignore";
};
struct Prove {
  std::vector<std::string> datasets;
};

/// The builtin templates that a flow of a database uses, as far as it uses them.
std::span<const task::Template> builtin() {
  using Kind = model::OperationKind;
  static const std::array kAll = {
      task::Define<Read>("ingest_database", "Reads.")
          .required("connection", &Read::connection, "The database.",
                    task::connection({"postgres"}))
          .optional("table", &Read::table, "Table.")
          .optional("query", &Read::query, "Query.")
          .produces("to", &Read::to, "Raw dataset.")
          .optional("mode", &Read::mode, "How.", task::choice({"full", "incremental"}))
          .optional("cursor", &Read::cursor, "Cursor.")
          .optional("lag", &Read::lag, "Lag.")
          .optional("timezone", &Read::timezone, "Zone.")
          .plan(Kind::kIngestDatabase, task::Batching::kSource,
                sample::internal::plans_nothing<Read>),
      task::Define<Merge>("merge_history", "Merges.")
          .consumes("from", &Merge::from, "Raw.")
          .produces("to", &Merge::to, "Table.")
          .optional("key", &Merge::key, "Key.")
          .optional("deletes", &Merge::deletes, "Deletes.", task::choice({"ignore", "by_absence"}))
          .plan(Kind::kMergeHistory, task::Batching::kEachAsOf,
                sample::internal::plans_nothing<Merge>),
      task::Define<Prove>("reconcile", "Proves.")
          .reconciles("datasets", &Prove::datasets, "Datasets.")
          .plan(Kind::kReconcile, task::Batching::kChain, sample::internal::plans_nothing<Prove>),
  };
  return kAll;
}

database::TableLook table(std::string name, std::vector<std::string> key = {"id"}) {
  database::TableLook look;
  look.table = std::move(name);
  look.kind = "table";
  look.is_readable = true;
  look.key = key;
  for (auto& column : key) look.columns.push_back({column, "integer", false});
  return look;
}

DatabaseProject shop(std::vector<ChosenTable> tables) {
  DatabaseProject project;
  project.name = "lake";
  project.connection = {"shop", "postgres",
                        Json{{"host", "db"}, {"database", "shop"}, {"user", "reader"}}, ""};
  project.tables = std::move(tables);
  return project;
}

/// The tasks that it becomes, by id; faults are test failures.
std::map<std::string, model::Task> tasks_of(const DatabaseProject& project) {
  std::map<std::string, model::Task> tasks;
  const auto files = write_database_project(project);
  EXPECT_TRUE(files);
  if (!files) return tasks;
  const auto read = read_project(*files);
  if (!read) {
    for (const auto& fault : read.error()) ADD_FAILURE() << to_terminal(fault);
    return tasks;
  }
  auto faults = lint(read->configuration, {builtin(), nullptr}, read->places);
  const auto resolved = resolve(read->configuration, {}, read->places, builtin());
  if (!resolved) faults.insert(faults.end(), resolved.error().begin(), resolved.error().end());
  if (faults.empty()) faults = lint(*resolved, {builtin(), nullptr}, read->places);
  for (const auto& fault : faults) ADD_FAILURE() << to_terminal(fault);
  if (!faults.empty()) return tasks;
  for (const auto& task : resolved->flows.front().tasks) tasks[task.task_id] = task;
  return tasks;
}

TEST(DatabaseProject, AnIncrementAWholeTableAndOneWithoutAKey) {
  auto orders = table("public.orders", {"id", "line"});
  orders.columns.push_back({"changed_at", "timestamp with time zone", false});
  auto products = table("public.products");
  products.columns.push_back({"seen", "timestamp without time zone", true});
  products.rows = 20'000'000;
  auto tasks =
      tasks_of(shop({{table("public.audit", {}), ""}, {orders, "changed_at"}, {products, ""}}));
  ASSERT_EQ(tasks.size(), 6U);
  EXPECT_EQ(tasks["load[orders]"].params, (Json{{"connection", "shop"},
                                                {"table", "public.orders"},
                                                {"to", "raw.orders"},
                                                {"mode", "incremental"},
                                                {"cursor", {"changed_at"}},
                                                {"lag", "10m"}}));
  EXPECT_EQ(tasks["history[orders]"].params, (Json{{"from", "raw.orders"},
                                                   {"to", "stage.orders"},
                                                   {"key", {"id", "line"}},
                                                   {"deletes", "ignore"}}));
  EXPECT_EQ(tasks["load[products]"].params, (Json{{"connection", "shop"},
                                                  {"table", "public.products"},
                                                  {"to", "raw.products"},
                                                  {"timezone", "UTC"}}));
  EXPECT_EQ(tasks["history[products]"].params["deletes"], "by_absence");
  EXPECT_EQ(tasks["load_without_key[audit]"].params["table"], "public.audit");
  EXPECT_THAT(tasks["prove"].needs,
              ElementsAre("history[orders]", "history[products]", "load_without_key[audit]"));
  const auto files = *write_database_project(shop({{products, ""}}));
  EXPECT_THAT(files.at("flows/shop.yaml"),
              HasSubstr("      # about 20,000,000 rows; whole each time: no timestamp tells what "
                        "changed\n      # LOOK: large to be read whole"));
}

TEST(DatabaseProject, AProjectThatIsThereGetsAFlowAlone) {
  auto project = shop({{table("public.orders"), ""}});
  project.has_project = true;
  const auto files = *write_database_project(project);
  ASSERT_EQ(files.size(), 1U);
  EXPECT_TRUE(files.contains("flows/shop.yaml"));
}

TEST(DatabaseProject, NamesThatAHistoryCannotHaveAreRenamedInAQuery) {
  auto odd = table("public.Order \"Items\"", {"Order ID"});
  odd.columns.push_back({"order id", "integer", true});
  odd.columns.push_back({"valid_from", "date", true});
  auto tasks = tasks_of(shop({{odd, ""}}));
  EXPECT_EQ(
      tasks["load[order__items_]"].params["query"],
      "SELECT \"Order ID\" AS \"order_id\", \"order id\" AS \"order_id_2\", \"valid_from\" AS "
      "\"source_valid_from\" FROM \"public\".\"Order \"\"Items\"\"\"");
  EXPECT_EQ(tasks["history[order__items_]"].params["key"], Json::array({"order_id"}));
}

TEST(DatabaseProject, MoreTablesThanOneFlowTakesAreRefused) {
  std::vector<ChosenTable> tables;
  for (int i = 0; i < 2001; ++i) tables.push_back({table(fmt::format("public.t{}", i)), ""});
  const auto files = write_database_project(shop(std::move(tables)));
  ASSERT_FALSE(files);
  EXPECT_THAT(files.error().hint, HasSubstr("--tables"));
}

TEST(DatasetNames, AreOfTheTableAndOfTheSchemaWhereTwoShareOne) {
  EXPECT_THAT(dataset_names({"a.Orders", "b.orders", "b.Order Items", "b.заказы", "b.x__rejected",
                             "main", "c.a_orders"}),
              ElementsAre("a_orders", "b_orders", "order_items", "table", "x__rejected_table",
                          "main", "a_orders_2"));
}

TEST(DatasetNames, AreShortEnoughForADataset) {
  const auto names = dataset_names({"s." + std::string(500, 'x'), "t." + std::string(501, 'x')});
  EXPECT_EQ(names[0], "s_" + std::string(60, 'x'));
  EXPECT_EQ(names[1], "t_" + std::string(60, 'x'));
}

/// Whatever tables and columns are called, the files load, lint, and make a task for each table.
TEST(DatabaseProject, RandomNamesMakeGoodProjects) {
  const auto property = [] {
    std::vector<ChosenTable> tables;
    std::set<std::string> names;
    for (int i = *rc::gen::inRange(1, 6); i > 0; --i) {
      const std::string schema = *rc::gen::element<std::string>("public", "Old Shop", "a\"b");
      const std::string name = schema + "." + sample::hard_text() + "t";
      if (!names.insert(name).second) continue;
      auto look = table(name, *rc::gen::arbitrary<bool>() ? std::vector<std::string>{"id"}
                                                          : std::vector<std::string>{});
      std::set<std::string> columns = {"id"};
      for (int c = *rc::gen::inRange(0, 5); c > 0; --c)
        if (const std::string column = sample::hard_text() + "c"; columns.insert(column).second)
          look.columns.push_back({column, "text", true});
      const bool has_cursor = !look.columns.empty() && *rc::gen::arbitrary<bool>();
      tables.push_back({look, has_cursor ? look.columns.back().name : ""});
    }
    size_t keyed = 0;
    for (const auto& chosen : tables) keyed += chosen.look.key.empty() ? 0U : 1U;
    const size_t count = tables.size();
    RC_ASSERT(tasks_of(shop(std::move(tables))).size() == count + keyed + 1);
  };
  EXPECT_TRUE(rc::check("projects", property));
}

}  // namespace
}  // namespace weir::config
