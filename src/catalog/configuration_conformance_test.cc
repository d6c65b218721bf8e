#include <algorithm>

#include "catalog/config_rows.h"
#include "catalog/conformance.h"

namespace weir::catalog {
namespace {

using ::testing::HasSubstr;

std::vector<RowChange> inserts(const std::vector<ConfigRow>& rows) {
  std::vector<RowChange> changes;
  for (const ConfigRow& row : rows) changes.push_back({RowChange::Kind::kInsert, row});
  return changes;
}

TEST_P(Conformance, ConfigurationComesBackAsItWasApplied) {
  const auto rows = rows_of(airports(), "yaml:airports");
  ASSERT_OK(catalog_->apply_changes(inserts(rows), "ann"));

  const auto loaded = catalog_->load_configuration();
  ASSERT_OK(loaded);
  EXPECT_EQ(dump_json(model::to_json(*loaded)), dump_json(model::to_json(airports())));

  const auto there = catalog_->config_rows();
  ASSERT_OK(there);
  ASSERT_EQ(there->size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE(describe(rows[i]));
    EXPECT_EQ((*there)[i].table, rows[i].table);
    EXPECT_EQ((*there)[i].key, rows[i].key);
    EXPECT_EQ(Json((*there)[i].values), Json(rows[i].values));
    EXPECT_EQ((*there)[i].managed_by, "yaml:airports");
  }
}

TEST_P(Conformance, ProjectMadeBySqlAloneIsAConfiguration) {
  for (const char* sql : {
           "INSERT INTO project (key, value) VALUES ('name', 'airports')",
           "INSERT INTO layer (name, uri) VALUES ('raw', 'data/raw')",
           "INSERT INTO dataset (layer, name, columns, key_columns) VALUES "
           "('raw', 'airports', 'icao varchar not null, price decimal(10,2), tags varchar[]', "
           "'icao')",
           "INSERT INTO dataset (layer, name, columns) VALUES "
           "('raw', 'cities', '{\"name\": \"varchar\", \"area\": \"double\"}')",
           "INSERT INTO flow (flow_id) VALUES ('airports')",
           "INSERT INTO task (flow_id, task_id, template_id, params) VALUES "
           "('airports', 'ingest', 'ingest_files', '{\"to\": \"raw.airports\"}')",
           "INSERT INTO task (flow_id, task_id, template_id, retry_delay) VALUES "
           "('airports', 'rules', 'check', '90s')",
           "INSERT INTO task_dependency (flow_id, task_id, needs_task_id) VALUES "
           "('airports', 'rules', 'ingest')",
           "INSERT INTO schedule (flow_id, cron) VALUES ('airports', '0 6 * * *')",
       })
    ASSERT_OK(place_->run_sql(sql));
  const auto loaded = catalog_->load_configuration();
  ASSERT_OK(loaded);
  EXPECT_EQ(loaded->project, "airports");
  const auto* dataset = loaded->find_dataset({"raw", "airports"});
  ASSERT_NE(dataset, nullptr);
  ASSERT_EQ(dataset->columns.size(), 3u);
  EXPECT_FALSE(dataset->columns[0].is_nullable);
  EXPECT_EQ(model::to_text(dataset->columns[1].type), "decimal(10,2)");
  EXPECT_EQ(dataset->key, std::vector<std::string>{"icao"});
  EXPECT_EQ(loaded->find_dataset({"raw", "cities"})->columns[0].name, "name")
      << "in the order written";
  const auto* flow = loaded->find_flow("airports");
  ASSERT_EQ(flow->tasks.size(), 2u);
  EXPECT_EQ(flow->tasks[1].needs, std::vector<std::string>{"ingest"});
  EXPECT_EQ(flow->tasks[1].retry_delay_ms, 90'000);
  EXPECT_EQ(dump_json(flow->schedule), R"({"cron":"0 6 * * *"})");
  EXPECT_EQ(flow->max_active_runs, 1);
  EXPECT_TRUE(flow->is_enabled);
}

struct BadRow {
  std::string sql;
  std::string named;  ///< What the refusal must say.
};

TEST_P(Conformance, DatabaseRefusesABadRowAndSaysWhatIsWrong) {
  ASSERT_OK(place_->run_sql("INSERT INTO flow (flow_id) VALUES ('airports')"));
  const BadRow bad_rows[] = {
      {"INSERT INTO layer (name, uri) VALUES ('a.b', 'x')", "layer.name is a word"},
      {"INSERT INTO layer (name, uri) VALUES ('raw', '')", "layer.uri is not empty"},
      {"INSERT INTO flow (flow_id, overlap) VALUES ('f', 'wait')", "flow.overlap is queue"},
      {"INSERT INTO flow (flow_id, max_active_runs) VALUES ('f', 0)",
       "flow.max_active_runs is a whole number from 1"},
      {"INSERT INTO flow (flow_id, params) VALUES ('f', '{a: 1}')",
       place_->is_postgres() ? "json" : "flow.params is JSON"},
      {"INSERT INTO template (template_id, kind) VALUES ('t', 'java')", "template.kind is builtin"},
      {"INSERT INTO pool (name, slots) VALUES ('p', 0)", "pool.slots is a whole number from 1"},
      {"INSERT INTO task (flow_id, task_id, template_id, timeout) VALUES ('airports', 't', 'x', "
       "'soon')",
       "task.timeout is a duration"},
      {"INSERT INTO task (flow_id, task_id, template_id, retries) VALUES ('airports', 't', 'x', "
       "-1)",
       "task.retries is a whole number from 0"},
      {"INSERT INTO schedule (flow_id) VALUES ('airports')",
       "schedule.cron, every or options says when"},
      {"INSERT INTO dataset (layer, name) VALUES ('nowhere', 'x')",
       place_->is_postgres() ? "dataset.layer is the name of a layer" : "FOREIGN KEY"},
  };
  for (const BadRow& bad : bad_rows) {
    const Status status = place_->run_sql(bad.sql);
    ASSERT_FALSE(status.has_value()) << bad.sql;
    EXPECT_THAT(status.error().message, HasSubstr(bad.named)) << bad.sql;
  }
}

TEST_P(Conformance, RowThatOnlyWeirCanJudgeIsNamedByTableKeyAndColumn) {
  ASSERT_OK(place_->run_sql("INSERT INTO layer (name, uri) VALUES ('raw', 'data/raw')"));
  ASSERT_OK(place_->run_sql("INSERT INTO flow (flow_id) VALUES ('airports')"));
  struct Case {
    std::string insert;
    std::string remove;
    std::string named;
  };
  const Case cases[] = {
      {"INSERT INTO dataset (layer, name, columns) VALUES ('raw', 'x', 'icao varchr')",
       "DELETE FROM dataset WHERE name = 'x'", "table 'dataset', row 'raw/x', column 'columns'"},
      {"INSERT INTO dataset (layer, name, contract) VALUES ('raw', 'x', '{\"rows\": \"drop\"}')",
       "DELETE FROM dataset WHERE name = 'x'", "table 'dataset', row 'raw/x', column 'contract'"},
      {"INSERT INTO task (flow_id, task_id, template_id, retry_delay) VALUES ('airports', 't', "
       "'x', '1x2s')",
       "DELETE FROM task WHERE task_id = 't'",
       "table 'task', row 'airports/t', column 'retry_delay'"},
      {"INSERT INTO dataset (layer, name, key_columns) VALUES ('raw', 'x', '[1]')",
       "DELETE FROM dataset WHERE name = 'x'",
       "table 'dataset', row 'raw/x', column 'key_columns'"},
  };
  for (const Case& one : cases) {
    ASSERT_OK(place_->run_sql(one.insert));
    const auto loaded = catalog_->load_configuration();
    ASSERT_FALSE(loaded.has_value()) << one.insert;
    EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidConfig);
    EXPECT_THAT(loaded.error().message, HasSubstr(one.named));
    ASSERT_OK(place_->run_sql(one.remove));
  }
  EXPECT_OK(catalog_->load_configuration());
}

TEST_P(Conformance, ChangesAreAppliedWholeOrNotAtAll) {
  auto changes = inserts(rows_of(airports(), "yaml:airports"));
  changes.push_back({RowChange::Kind::kUpdate, {"layer", {"nowhere"}, {{"uri", "x"}}, ""}});
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->apply_changes(changes, "ann"));
  EXPECT_EQ(catalog_->config_rows()->size(), 0u);
  EXPECT_EQ(place_->query("SELECT count(*) AS value FROM audit_log"), "0");
}

TEST_P(Conformance, UpdateSetsTheWholeRowAndAuditsIt) {
  ASSERT_OK(catalog_->apply_changes(inserts(rows_of(airports(), "yaml:airports")), "ann"));
  ASSERT_OK(catalog_->apply_changes(
      {{RowChange::Kind::kUpdate, {"flow", {"airports"}, {{"owner", "bob"}}, "sql"}}}, "bob"));
  const auto loaded = catalog_->load_configuration();
  ASSERT_OK(loaded);
  EXPECT_EQ(loaded->find_flow("airports")->owner, "bob");
  EXPECT_EQ(loaded->find_flow("airports")->overlap, model::Overlap::kQueue)
      << "back to its default";
  EXPECT_EQ(place_->query("SELECT action AS value FROM audit_log WHERE author = 'bob'"),
            "config.update");
}

TEST_P(Conformance, RowsCanBeTakenAwayInAnyOrder) {
  const auto rows = rows_of(airports(), "yaml:airports");
  ASSERT_OK(catalog_->apply_changes(inserts(rows), "ann"));
  std::vector<RowChange> deletes;
  for (const ConfigRow& row : rows) deletes.push_back({RowChange::Kind::kDelete, row});
  ASSERT_OK(catalog_->apply_changes(deletes, "ann"));
  EXPECT_EQ(catalog_->config_rows()->size(), 0u);
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->apply_changes({deletes.front()}, "ann"));
}

TEST_P(Conformance, RowThatIsThereCannotBeInsertedAgain) {
  const std::vector<RowChange> change = {{RowChange::Kind::kInsert, {"pool", {"p"}, {}, ""}}};
  ASSERT_OK(catalog_->apply_changes(change, "ann"));
  EXPECT_FAILS(ErrorCode::kAlreadyExists, catalog_->apply_changes(change, "ann"));
}

TEST_P(Conformance, UnknownTableAndColumnAreRefusedWithASuggestion) {
  const auto table =
      catalog_->apply_changes({{RowChange::Kind::kInsert, {"flows", {"f"}, {}, ""}}}, "ann");
  EXPECT_FAILS(ErrorCode::kInvalidConfig, table);
  EXPECT_THAT(table.error().hint, HasSubstr("'flow'"));
  const auto column = catalog_->apply_changes(
      {{RowChange::Kind::kInsert, {"flow", {"f"}, {{"ownr", "x"}}, ""}}}, "ann");
  EXPECT_FAILS(ErrorCode::kInvalidConfig, column);
  EXPECT_THAT(column.error().hint, HasSubstr("'owner'"));
}

TEST_P(Conformance, NamesFullOfQuotesAreValuesAndNothingElse) {
  const std::string nasty = "x'); DROP TABLE flow; -- \" :name $1 %s ü 🛫";
  ASSERT_OK(catalog_->apply_changes(
      {{RowChange::Kind::kInsert, {"flow", {nasty}, {{"description", nasty + "\\ /"}}, nasty}}},
      nasty));
  const auto loaded = catalog_->load_configuration();
  ASSERT_OK(loaded);
  ASSERT_EQ(loaded->flows.size(), 1u);
  EXPECT_EQ(loaded->flows[0].flow_id, nasty);
  EXPECT_EQ(loaded->flows[0].description, nasty + "\\ /");
}

TEST_P(Conformance, ConfigVersionIsKeptOnceAndForEver) {
  const ConfigVersion version{
      .hash = "h1", .created_at_us = 0, .author = "ann", .reason = "apply", .content = {{"a", 1}}};
  EXPECT_TRUE(catalog_->add_config_version(version).value());
  ConfigVersion other = version;
  other.author = "bob";
  EXPECT_FALSE(catalog_->add_config_version(other).value());
  const auto back = catalog_->config_version("h1");
  ASSERT_OK(back);
  EXPECT_EQ(back->author, "ann");
  EXPECT_EQ(back->content, version.content);
  EXPECT_EQ(back->created_at_us, clock_.now_us());
  clock_.advance_ms(1);
  ASSERT_OK(catalog_->add_config_version(
      {.hash = "h0", .created_at_us = 0, .author = "", .reason = "sql", .content = {}}));
  const auto all = catalog_->config_versions("", 10);
  ASSERT_OK(all);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].hash, "h0") << "newest first";
  EXPECT_EQ(catalog_->config_versions("", 1)->size(), 1u);
  clock_.advance_ms(1);
  ASSERT_OK(catalog_->add_config_version({.hash = "h3",
                                          .flow_id = "f",
                                          .created_at_us = 0,
                                          .author = "",
                                          .reason = "sql",
                                          .content = {}}));
  const auto of_other = catalog_->config_versions("g", 10);
  ASSERT_OK(of_other);
  EXPECT_EQ(of_other->size(), 2u) << "those of whole projects are everybody's";
  const auto of_flow = catalog_->config_versions("f", 10);
  ASSERT_OK(of_flow);
  ASSERT_EQ(of_flow->size(), 3u);
  EXPECT_EQ((*of_flow)[0].flow_id, "f");
  EXPECT_FAILS(ErrorCode::kNotFound, catalog_->config_version("h2"));
}

TEST_P(Conformance, HeadAndFlowAreThePartsOfTheConfiguration) {
  const auto whole = airports();
  ASSERT_OK(catalog_->apply_changes(inserts(rows_of(whole, "ann")), "ann"));
  const auto head = catalog_->load_head();
  ASSERT_OK(head);
  EXPECT_EQ(head->revision, *catalog_->configuration_revision());
  auto without_tasks = whole;
  for (auto& flow : without_tasks.flows) flow.tasks.clear();
  EXPECT_EQ(model::to_json(head->configuration), model::to_json(without_tasks));
  const auto& flow = whole.flows.front();
  ASSERT_FALSE(flow.tasks.empty());
  const auto found = catalog_->load_flow(flow.flow_id);
  ASSERT_OK(found);
  EXPECT_EQ(found->revision, head->revision);
  ASSERT_TRUE(found->flow);
  EXPECT_EQ(model::to_json(*found->flow), model::to_json(flow));
  const auto none = catalog_->load_flow("nobody");
  ASSERT_OK(none);
  EXPECT_FALSE(none->flow);
}

TEST_P(Conformance, EveryChangeOfTheConfigurationRaisesItsRevision) {
  int64_t before = *catalog_->configuration_revision();
  const auto has_grown = [&] {
    const int64_t now = *open()->configuration_revision();
    return std::exchange(before, now) < now;
  };
  for (const char* sql :
       {"INSERT INTO layer (name, uri) VALUES ('raw', 'x')", "UPDATE layer SET uri = 'y'",
        "DELETE FROM layer", "INSERT INTO flow (flow_id) VALUES ('f')",
        "INSERT INTO schedule (flow_id, cron) VALUES ('f', 'x')",
        "UPDATE schedule SET cron = 'y' WHERE flow_id = 'f'", "DELETE FROM flow"}) {
    ASSERT_OK(place_->run_sql(sql));
    EXPECT_TRUE(has_grown()) << sql;
  }
  ASSERT_OK(catalog_->start_run(monday_run(), {waiting_task(monday_run())}));
  EXPECT_FALSE(has_grown());
}

}  // namespace
}  // namespace weir::catalog
