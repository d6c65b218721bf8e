#include "config/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog/config_rows.h"
#include "config/random_test_configuration.h"
#include "config/sample_test_project.h"

namespace weir::config {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

model::Configuration sample_configuration() { return read_project(sample::files())->configuration; }

std::vector<catalog::ConfigRow> rows_of_project(const model::Configuration& configuration) {
  return catalog::rows_of(configuration, managed_by(configuration.project));
}

/// What the tables hold once the changes are made.
std::vector<catalog::ConfigRow> applied(std::vector<catalog::ConfigRow> rows, const Plan& plan) {
  for (const auto& change : plan.changes()) {
    std::erase_if(rows, [&](const auto& row) {
      return row.table == change.row.table && row.key == change.row.key;
    });
    if (change.kind != catalog::RowChange::Kind::kDelete) rows.push_back(change.row);
  }
  return rows;
}

TEST(Plan, OfAnEmptyCatalogAddsParentsBeforeChildren) {
  const auto plan = make_plan({}, sample_configuration());
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->diffs.front().change.row.table, "project");
  std::string tables;
  for (const auto& diff : plan->diffs)
    if (!tables.ends_with(diff.change.row.table + " ")) tables += diff.change.row.table + " ";
  EXPECT_EQ(tables, "project layer dataset connection flow task task_dependency schedule ");
  EXPECT_THAT(to_text(*plan), HasSubstr("  + layer raw\n      uri: \"data/raw\"\n"));
  EXPECT_THAT(to_text(*plan), HasSubstr("  + task airports.history needs ingest\n"));
}

TEST(Plan, OfWhatWasAppliedIsEmpty) {
  const auto c = sample_configuration();
  const auto plan = make_plan(rows_of_project(c), c);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->is_empty());
  EXPECT_EQ(to_text(*plan), "plan: nothing to change\n");
}

TEST(Plan, ShowsEachFieldThatChanges) {
  const auto before = sample_configuration();
  auto after = before;
  after.layers[1].uri = "s3://b/raw";
  after.flows[0].tasks[2].params["format"]["csv"]["delimiter"] = ";";
  after.flows[0].tasks[2].params.erase("as_of");
  after.flows[0].tasks.erase(after.flows[0].tasks.begin() + 3);
  const auto plan = make_plan(rows_of_project(before), after);
  ASSERT_TRUE(plan);
  EXPECT_EQ(to_text(*plan),
            "  ~ layer raw\n"
            "      uri: \"data/raw\" → \"s3://b/raw\"\n"
            "  ~ task airports.ingest\n"
            "      params.as_of: \"airports-(?<as_of>\\\\d{8})\" → nothing\n"
            "      params.format.csv.delimiter: nothing → \";\"\n"
            "  - task airports.load needs by_country\n"
            "  - task airports.load\n"
            "plan: 0 to add, 2 to change, 2 to remove\n");
  EXPECT_EQ(to_json(*plan)["changes"][0]["fields"][0],
            Json::parse(R"({"field":"uri","before":"data/raw","after":"s3://b/raw"})"));
}

TEST(Plan, LeavesRowsOfOthersAlone) {
  const auto c = sample_configuration();
  auto rows = rows_of_project(c);
  rows.push_back({"layer", {"archive"}, {{"uri", "a"}}, ""});
  rows.push_back({"notification_rule", {"n"}, {{"channel", "log"}}, ""});
  for (auto& row : rows)
    if (row.table == "layer" && row.key[0] == "raw") row.managed_by = "";
  auto plan = make_plan(rows, c);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->is_empty()) << "an equal row of somebody else is no change";
  EXPECT_EQ(plan->others.size(), 2U);
  EXPECT_EQ(to_text(*plan), "plan: nothing to change; 2 rows of others stay\n");

  auto changed = c;
  changed.layers[1].uri = "elsewhere";
  plan = make_plan(rows, changed);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->diffs, IsEmpty());
  ASSERT_EQ(plan->blocked.size(), 1U);
  EXPECT_THAT(to_text(*plan), HasSubstr("--prune takes them over"));

  plan = make_plan(rows, changed, {.prune = true});
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->blocked, IsEmpty());
  EXPECT_EQ(plan->diffs.size(), 3U) << "raw is taken over, archive and the notification rule go";
}

TEST(Plan, OneAndOnePointZeroDiffer) {
  auto c = sample_configuration();
  auto rows = rows_of_project(c);
  c.flows[0].params["x"] = 1;
  const auto before = rows_of_project(c);
  c.flows[0].params["x"] = 1.0;
  EXPECT_FALSE(make_plan(before, c)->is_empty());
}

TEST(PlanProperty, ExportAndLoadGiveAnEqualConfigurationAndAnEmptyPlan) {
  EXPECT_TRUE(rc::check([] {
    const auto c = sample::random_configuration();
    const auto files = export_project(c, "sqlite:weir.db");
    const auto project = read_project(files);
    std::string all;
    for (const auto& [name, text] : files) all += "# " + name + "\n" + text;
    if (!project) RC_FAIL(to_terminal(project.error().front()) + all);
    const std::string before = dump_json_pretty(model::to_json(c));
    const std::string after = dump_json_pretty(model::to_json(project->configuration));
    if (before != after) RC_FAIL(before + "\n---\n" + after + "\n---\n" + all);
    RC_ASSERT(project->catalog == "sqlite:weir.db");
    const auto plan = make_plan(rows_of_project(c), project->configuration);
    if (!plan) RC_FAIL(to_line(plan.error()));
    if (!plan->is_empty()) RC_FAIL(to_text(*plan) + all);
  }));
}

TEST(PlanProperty, AppliedItLeadsFromAnyHeadToWhatIsWanted) {
  EXPECT_TRUE(rc::check([] {
    const auto head = sample::random_configuration();
    auto wanted = sample::random_configuration();
    wanted.project = head.project;
    const auto rows = rows_of_project(head);
    const auto plan = make_plan(rows, wanted);
    RC_ASSERT(plan.has_value());
    const auto again = make_plan(applied(rows, *plan), wanted);
    RC_ASSERT(again.has_value());
    if (!again->is_empty()) RC_FAIL(to_text(*again));
  }));
}

TEST(Export, IsWrittenForPeople) {
  const auto files = export_project(sample_configuration(), "${WEIR_CATALOG:-sqlite:weir.db}");
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files.at("weir.yaml"), R"(# The project: where data lives, and what is known of it.
# `weir validate` checks it, `weir plan` shows what `weir apply` would change.
project: airports
# Configuration and runs.
catalog: '${WEIR_CATALOG:-sqlite:weir.db}'
# From source files to what analysts see.
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: data/raw}
  - {name: stage, uri: data/stage}
  - {name: presentation, uri: data/presentation}
# Warehouses and other systems. Secrets stay outside: secret_id.
connections:
  - {connection_id: warehouse, kind: duckdb, path: data/warehouse.duckdb}
# Keys, types and contracts. What is not said is inferred once.
datasets:
  - name: raw.airports
    identity: as_of + content
    columns:
      icao: varchar
      iata: varchar
      name: varchar
      city: varchar
      subd: varchar
      country: varchar
      elevation: double
      lat: double
      lon: double
      tz: varchar
  - {name: stage.airports, key: [icao]}
# For every task that says nothing else.
defaults: {retries: 2, retry_delay: 10s, timeout: 1h}
)");
  EXPECT_EQ(files.at("flows/airports.yaml"), R"(flow: airports
schedule: {cron: '0 6 * * *', timezone: UTC}
tasks:
  - id: ingest
    template: ingest_files
    with:
      from: 'landing/airports-*.csv'
      as_of: 'airports-(?<as_of>\d{8})'
      to: raw.airports
      format: {csv: {header: true}}
  - id: history
    template: merge_history
    needs: [ingest]
    with: {from: raw.airports, to: stage.airports, mode: snapshot, deletes: by_absence}
  - id: by_country
    template: transform
    needs: [history]
    with: {to: presentation.airports_by_country, sql: sql/airports_by_country.sql}
  - id: load
    template: load_warehouse
    needs: [by_country]
    with:
      from: presentation.airports_by_country
      mode: replace
      connection: warehouse
      table: airports_by_country
)");
}

TEST(Export, FlowsWhoseNamesMakeOneFileNameGetTwo) {
  model::Configuration c;
  c.project = "p";
  for (const char* id : {"A b", "a/b", "a_b"}) {
    model::Flow flow;
    flow.flow_id = id;
    c.flows.push_back(flow);
  }
  const auto files = export_project(c, "");
  EXPECT_TRUE(files.contains("flows/A_b.yaml"));
  EXPECT_TRUE(files.contains("flows/a_b_2.yaml"));
  EXPECT_TRUE(files.contains("flows/a_b_3.yaml"));
}

}  // namespace
}  // namespace weir::config
