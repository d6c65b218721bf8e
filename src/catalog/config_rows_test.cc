#include "catalog/config_rows.h"

#include <algorithm>

#include "catalog/conformance.h"

namespace weir::catalog {
namespace {

using ::testing::HasSubstr;

ConfigRow row(std::string table, std::vector<std::string> key, std::map<std::string, Json> values) {
  return {std::move(table), std::move(key), std::move(values), ""};
}

TEST(ConfigRows, ConfigurationSurvivesTheWayThroughRows) {
  auto rows = rows_of(airports(), "yaml:airports");
  std::ranges::reverse(rows);
  const auto back = configuration_of(rows);
  ASSERT_OK(back);
  EXPECT_EQ(dump_json(model::to_json(*back)), dump_json(model::to_json(airports())));
}

TEST(ConfigRows, EqualRowsAreEqualHoweverTheyAreWritten) {
  const auto terse = normal_form(row("dataset", {"raw", "a"},
                                     {{"columns", " icao VARCHAR , price numeric(10, 2) not null"},
                                      {"key_columns", "icao,price"}}));
  const auto object =
      normal_form(row("dataset", {"raw", "a"},
                      {{"columns", R"j({"icao": "text", "price": "decimal(10,2) not null"})j"},
                       {"key_columns", R"(["icao", "price"])"}}));
  const auto list = normal_form(row(
      "dataset", {"raw", "a"},
      {{"columns",
        Json::parse(
            R"j([{"name": "icao", "type": "varchar"}, {"name": "price", "type": "decimal(10,2)", "nullable": false}])j")},
       {"key_columns", Json::array({"icao", "price"})}}));
  ASSERT_OK(terse);
  ASSERT_OK(object);
  ASSERT_OK(list);
  EXPECT_EQ(Json(terse->values), Json(list->values));
  EXPECT_EQ(Json(object->values), Json(list->values));
  const auto slow =
      normal_form(row("task", {"f", "t"}, {{"template_id", "x"}, {"timeout", "60m"}}));
  ASSERT_OK(slow);
  EXPECT_EQ(slow->values.at("timeout"), "1h");
}

TEST(ConfigRows, QuotedAndNestedColumnsAreRead) {
  const auto normal = normal_form(
      row("dataset", {"raw", "a"},
          {{"columns", R"j("first name" varchar, spot struct(lat double, lon double))j"}}));
  ASSERT_OK(normal);
  EXPECT_EQ(normal->values.at("columns")[0]["name"], "first name");
  EXPECT_EQ(normal->values.at("columns")[1]["name"], "spot");
}

TEST(ConfigRows, FaultsNameTableRowAndColumn) {
  struct Case {
    ConfigRow bad;
    std::string named;
  };
  const Case cases[] = {
      {row("layer", {"raw"}, {}), "table 'layer', row 'raw', column 'uri': has no value"},
      {row("layer", {"raw"}, {{"uri", 5}}), "column 'uri': 5 is not text"},
      {row("pool", {"p"}, {{"slots", "many"}}), "column 'slots': \"many\" is not a whole number"},
      {row("flow", {"f"}, {{"is_enabled", 1}}), "column 'is_enabled': 1 is not true or false"},
      {row("dataset", {"raw", "a"}, {{"columns", "icao"}}), "column 'icao' has no type"},
      {row("dataset", {"raw", "a"}, {{"columns", "{broken"}}), "is no valid JSON"},
      {row("dataset", {"raw", "a"}, {{"columns", "[broken"}}), "no valid JSON"},
      {row("dataset", {"raw", "a"}, {{"key_columns", Json::array({1})}}), "1 is no name"},
      {row("flow", {"f"}, {{"params", Json::array({1})}}),
       "column 'params': [1] is no JSON object"},
      {row("connection", {"w"}, {{"kind", "duckdb"}, {"options", "x"}}), "\"x\" is no JSON object"},
      {row("notification_rule", {"n"}, {{"channel", "log"}, {"events", Json::object()}}),
       "column 'events': {} is no JSON list"},
      {row("dataset", {"raw"}, {}), "has 1 key values, its table 2"},
      {row("task", {"f", "t"}, {{"template_id", "x"}, {"timeout", "soon"}}), "column 'timeout'"},
  };
  for (const Case& one : cases) {
    const auto normal = normal_form(one.bad);
    EXPECT_FAILS(ErrorCode::kInvalidConfig, normal);
    EXPECT_THAT(normal.error().message, HasSubstr(one.named));
  }
}

TEST(ConfigRows, ReferencesToNothingAreNamed) {
  struct Case {
    ConfigRow bad;
    std::string named;
  };
  const Case cases[] = {
      {row("dataset", {"gone", "a"}, {}), "column 'layer': there is no layer 'gone'"},
      {row("task", {"gone", "t"}, {{"template_id", "x"}}),
       "column 'flow_id': there is no flow 'gone'"},
      {row("task", {"airports", "t"}, {{"template_id", "x"}, {"pool", "gone"}}),
       "column 'pool': there is no pool 'gone'"},
      {row("task_dependency", {"airports", "gone", "load"}, {}),
       "column 'task_id': there is no task 'gone'"},
      {row("task_dependency", {"airports", "load", "gone"}, {}),
       "column 'needs_task_id': there is no task 'gone'"},
      {row("task", {"airports", "t"}, {{"template_id", "x"}, {"run_if", "failed"}}),
       "column 'run_if': run_if 'failed' is not known"},
      {row("schedule", {"gone"}, {{"cron", "x"}}), "column 'flow_id': there is no flow 'gone'"},
      {row("file_trigger", {"gone"}, {{"pattern", "x"}}),
       "column 'flow_id': there is no flow 'gone'"},
      {row("notification_rule", {"n"}, {{"flow_id", "gone"}, {"channel", "log"}}),
       "column 'flow_id': there is no flow 'gone'"},
      {row("notification_rule", {"n"}, {{"channel", "smtp"}, {"target", "gone"}}),
       "column 'target': there is no connection 'gone'"},
      {row("notification_rule", {"n"}, {{"channel", "log"}, {"target", "warehouse"}}),
       "column 'channel': connection 'warehouse' is of kind 'duckdb', not 'log'"},
      {row("notification_rule", {"n"}, {{"channel", "log"}, {"options", {{"evry", "1h"}}}}),
       "column 'options': field 'evry': it is not known"},
      {row("notification_rule", {"n"}, {{"channel", "log"}, {"secret_id", "x"}}),
       "column 'secret_id': a rule has no secret"},
  };
  for (const Case& one : cases) {
    auto rows = rows_of(airports(), "");
    const auto normal = normal_form(one.bad);
    ASSERT_OK(normal);
    rows.push_back(*normal);
    const auto configuration = configuration_of(rows);
    EXPECT_FAILS(ErrorCode::kInvalidConfig, configuration);
    EXPECT_THAT(configuration.error().message, HasSubstr(one.named));
  }
}

TEST(ConfigRows, RowThatIsNotInNormalFormIsRefusedNotBelieved) {
  const auto configuration =
      configuration_of({row("layer", {"raw"}, {{"uri", "x"}, {"position", "first"}})});
  EXPECT_FAILS(ErrorCode::kInvalidConfig, configuration);
  EXPECT_THAT(configuration.error().message, HasSubstr("column 'position'"));
}

TEST(ConfigRows, ScheduleThatIsATextIsItsCron) {
  auto configuration = airports();
  configuration.flows[0].schedule = "0 6 * * *";
  const auto back = configuration_of(rows_of(configuration, ""));
  ASSERT_OK(back);
  EXPECT_EQ(back->flows[0].schedule, Json({{"cron", "0 6 * * *"}}));
}

TEST(ConfigRows, RulesOfNotificationComeBack) {
  auto configuration = airports();
  model::Connection mail;
  mail.connection_id = "mail";
  mail.kind = "smtp";
  configuration.connections.insert(configuration.connections.begin(), mail);
  model::NotificationRule rule;
  rule.rule_id = "a";
  rule.channel = "mail";
  rule.flows = {"airports"};
  rule.every = "5 per 1h";
  model::NotificationRule other;
  other.rule_id = "b";
  other.channel = "log";
  other.flows = {"air*"};
  other.severities = {"warning"};
  other.slow_after_ms = 1000;
  configuration.notifications = {rule, other};
  const auto rows = rows_of(configuration, "");
  const auto back = configuration_of(rows);
  ASSERT_OK(back);
  EXPECT_EQ(back->notifications, configuration.notifications);
  const auto made = std::ranges::find(rows, "notification_rule", &ConfigRow::table);
  EXPECT_EQ(made->values.at("flow_id"), "airports") << "one flow is a reference";
  EXPECT_EQ(made->values.at("channel"), "smtp");
  EXPECT_EQ(made->values.at("target"), "mail");
}

TEST(States, TextsAndStatesAreOneToOne) {
  for (int i = 0; i <= static_cast<int>(RunState::kSkipped); ++i) {
    const auto state = static_cast<RunState>(i);
    EXPECT_EQ(run_state_from_text(to_text(state)).value(), state);
    EXPECT_EQ(is_final(state), state != RunState::kQueued && state != RunState::kRunning);
  }
  for (int i = 0; i <= static_cast<int>(TaskState::kCancelled); ++i) {
    const auto state = static_cast<TaskState>(i);
    EXPECT_EQ(task_state_from_text(to_text(state)).value(), state);
  }
  EXPECT_EQ(to_text(TaskState::kHeld), "held");
  EXPECT_EQ(to_text(RunState::kHeld), "held");
  EXPECT_EQ(to_text(RunState::kSkipped), "skipped");
  EXPECT_FAILS(ErrorCode::kInvalidData, run_state_from_text("gone"));
  EXPECT_FAILS(ErrorCode::kInvalidData, task_state_from_text("queued"));
}

}  // namespace
}  // namespace weir::catalog
