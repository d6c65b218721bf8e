#include "config/user_templates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/sample_test_project.h"

namespace weir::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::map<std::string, Json> kValues = {
    {"name", "airports"}, {"max", 20}, {"list", Json::array({1, 2})}, {"odd", "{{ name }} ${X}"}};

Json substituted(const std::string& text) {
  auto value = substitute(Json::parse(text), kValues);
  return value ? *value : Json(to_line(value.error()));
}

TEST(Substitute, AloneAValueKeepsItsType) {
  EXPECT_EQ(substituted(R"(["{{ max }}", "{{list}}", "{{ name }}"])"),
            Json::parse(R"([20, [1, 2], "airports"])"));
}

TEST(Substitute, InsideATextItIsWords) {
  EXPECT_EQ(substituted(R"({"a": "raw.{{ name }}-{{max}}"})"),
            Json::parse(R"({"a": "raw.airports-20"})"));
}

TEST(Substitute, WhatWasPutInIsNotLookedThroughAgain) {
  EXPECT_EQ(substituted(R"("{{ odd }}")"), "{{ name }} ${X}");
  EXPECT_EQ(substituted(R"("x {{ odd }}")"), "x {{ name }} ${X}");
}

TEST(Substitute, OtherBracesAndNamesOfTheRunStay) {
  EXPECT_EQ(substituted(R"("\\d{{2}} {{ }} {{ a b }} {{ trigger.file }} {{name")"),
            R"(\d{{2}} {{ }} {{ a b }} {{ trigger.file }} {{name)");
}

TEST(Substitute, UnknownNamesMeanOthers) {
  const auto fault = substitute(Json("{{ nam }}"), kValues);
  ASSERT_FALSE(fault);
  EXPECT_EQ(to_line(fault.error()),
            "invalid_config: '{{ nam }}' is no parameter | hint: did you mean 'name'?");
}

std::vector<task::Param> params(const std::string& declared) {
  model::TemplateRow row;
  row.kind = "composite";
  row.params_schema = Json::parse(declared);
  return *declared_params(row);
}

TEST(SubstituteSql, ValuesAreLiteralsOfTheirTypes) {
  const auto declared =
      params(R"({"t": {"type": "text"}, "n": {"type": "integer"}, "b": {"type": "boolean"},
      "d": {"type": "dataset"}, "c": {"type": "names"}, "l": {"type": "structure"}, "o": {"default": null}})");
  const Json values = {{"t", "O'Hare; --"},
                       {"n", 5},
                       {"b", true},
                       {"d", "raw.my \"set\""},
                       {"c", Json::array({"a", "b c"})},
                       {"l", Json::array({"x", 2})},
                       {"o", nullptr}};
  const auto sql = substitute_sql(
      "SELECT {{c}} FROM {{ d }} WHERE x = {{ t }} AND n < {{ n }} AND {{b}} AND y IN ({{l}}) -- "
      "{{ none }}\n"
      "/* {{ none }} */ AND z = 'it''s' AND \"q\" = {{ o }}",
      declared, values);
  ASSERT_TRUE(sql) << to_line(sql.error());
  EXPECT_EQ(*sql,
            "SELECT \"a\", \"b c\" FROM \"raw\".\"my \"\"set\"\"\" WHERE x = 'O''Hare; --' AND n < "
            "5 AND true "
            "AND y IN ('x', 2) -- {{ none }}\n/* {{ none }} */ AND z = 'it''s' AND \"q\" = NULL");
}

TEST(SubstituteSql, ASlotInsideQuotesIsRefused) {
  for (const char* sql :
       {"SELECT '{{ t }}'", "SELECT 'it''s {{ t }}'", "SELECT \"{{t}}\"", "SELECT '{{ t }}"}) {
    const auto done = substitute_sql(sql, params(R"({"t": {}})"), Json{{"t", "x"}});
    ASSERT_FALSE(done) << sql;
    EXPECT_EQ(done.error().message, "'{{ t }}' stands inside quotes");
  }
}

// ---- expansion -----------------------------------------------------------------------------

const std::string kProject = R"(project: p
layers: [{name: landing, uri: a}, {name: raw, uri: b}, {name: stage, uri: c}]
templates:
  - {template_id: top, kind: sql, location: t/top.sql, params: {n: {type: integer, default: 10}}}
  - template_id: source
    kind: composite
    params: {name: {type: text}, max: {type: number, default: 20}}
    tasks:
      - {id: ingest, template: ingest_files, with: {from: 'landing/{{ name }}*', to: 'raw.{{ name }}'}}
      - {id: history, template: merge_history, needs: [ingest], engine: glue,
         with: {from: 'raw.{{ name }}', to: 'stage.{{ name }}', max_deleted_percent: '{{ max }}'}}
      - {id: best, template: top, needs: [ingest], with: {to: 'stage.best_{{ name }}'}}
---
flow: f
tasks:
  - {id: before, template: ingest_files, with: {from: landing/b, to: raw.b}}
  - {id: airports, template: source, needs: [before], with: {name: airports}, retries: 3, engine: embedded}
  - {id: after, template: top, needs: [airports], with: {to: stage.after, n: 3}}
)";

Expanded expanded() {
  auto project = read_project({{"weir.yaml", kProject}});
  EXPECT_TRUE(project) << to_terminal(project.error().front());
  auto& c = project->configuration;
  for (auto& row : c.templates)
    if (row.kind == "sql") row.body = Json{{"text", "SELECT 1 LIMIT {{ n }}"}};
  auto done = expand(c, project->places);
  EXPECT_TRUE(done) << to_terminal(done.error().front());
  return *done;
}

TEST(Expand, ACompositeBecomesItsTasksInItsPlace) {
  const auto whole = expanded();
  const auto& tasks = whole.configuration.flows[0].tasks;
  std::vector<std::string> ids;
  for (const auto& task : tasks) ids.push_back(task.task_id);
  EXPECT_THAT(
      ids, ElementsAre("after", "airports.best", "airports.history", "airports.ingest", "before"));
  EXPECT_THAT(tasks[0].needs, ElementsAre("airports.best", "airports.history"));
  EXPECT_THAT(tasks[1].needs, ElementsAre("airports.ingest"));
  EXPECT_THAT(tasks[3].needs, ElementsAre("before"));
  EXPECT_THAT(tasks[4].needs, IsEmpty());
  EXPECT_EQ(
      tasks[2].params,
      Json::parse(R"({"from":"raw.airports","to":"stage.airports","max_deleted_percent":20})"));
  EXPECT_EQ(tasks[2].engine, "glue");
  EXPECT_EQ(tasks[3].engine, "embedded");
  EXPECT_EQ(tasks[3].retries, 3);
}

TEST(Expand, AnSqlTemplateBecomesATransformOfItsText) {
  const auto whole = expanded();
  const auto& after = whole.configuration.flows[0].tasks[0];
  EXPECT_EQ(after.template_id, "transform");
  EXPECT_EQ(after.params, Json::parse(R"({"to":"stage.after","sql":"t/top.sql#f.after"})"));
  EXPECT_EQ(whole.files.at("t/top.sql#f.after"), "SELECT 1 LIMIT 3");
  EXPECT_EQ(whole.files.at("t/top.sql#f.airports.best"), "SELECT 1 LIMIT 10") << "the default";
}

TEST(Expand, IsPureAndHasNothingToDoTwice) {
  const auto once = expanded();
  const auto twice = expand(once.configuration, {});
  ASSERT_TRUE(twice);
  EXPECT_EQ(model::to_json(twice->configuration), model::to_json(once.configuration));
}

TEST(Expand, FaultsOfACompositesOwnTasksAreNamed) {
  auto project = read_project({{"weir.yaml", kProject}});
  ASSERT_TRUE(project);
  auto& c = project->configuration;
  c.templates[1].body = Json{{"text", "SELECT 1"}};
  c.templates[0].body[1]["needs"] = "ingst";
  auto done = expand(c, project->places);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().front().message,
            "task 'airports' of flow 'f': template 'source': task 'history' needs 'ingst', which "
            "is not there");
  EXPECT_EQ(done.error().front().place->line, 17);
  c.templates[0].body[1] =
      Json::parse(R"({"id": "more", "template": "source", "with": {"name": "x"}})");
  done = expand(c, project->places);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().front().message, HasSubstr("a composite inside a composite"));
}

}  // namespace
}  // namespace weir::config
