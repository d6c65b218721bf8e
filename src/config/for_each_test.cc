#include "config/for_each.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "config/lint.h"
#include "config/random_test_configuration.h"
#include "config/resolve.h"
#include "config/sample_test_project.h"
#include "config/user_templates.h"
#include "config/version.h"

namespace weir::config {
namespace {

using ::testing::ElementsAre;

const auto kEnvironment =
    make_fixed_environment({{"BEST", "orders"}, {"TRICK", "${each} ${BEST}"}});

/// The tasks that a flow's `tasks:` become, or its faults.
Checked<std::vector<model::Task>> tasks_of(const std::string& tasks) {
  auto files = sample::files();
  files["flows/airports.yaml"] = "flow: f\ntasks:\n" + tasks;
  const auto project = read_project(files);
  if (!project) return std::unexpected(project.error());
  const auto resolved =
      resolve(project->configuration, {kEnvironment.get(), {}}, project->places, sample::builtin());
  if (!resolved) return std::unexpected(resolved.error());
  auto faults =
      lint(*resolved, {sample::builtin(), nullptr, &project->configuration}, project->places);
  if (!faults.empty()) return std::unexpected(std::move(faults));
  auto expanded = expand(*resolved, project->places);
  if (!expanded) return std::unexpected(std::move(expanded).error());
  return expanded->configuration.flows.front().tasks;
}

/// `id: parameters ← needs`, a line a task.
std::vector<std::string> lines_of(const std::string& tasks) {
  const auto made = tasks_of(tasks);
  std::vector<std::string> lines;
  if (!made) {
    for (const auto& fault : made.error())
      lines.push_back(fmt::format("{}:{} {} | {}", fault.place ? fault.place->file : "",
                                  fault.place ? fault.place->line : 0, fault.message, fault.hint));
    return lines;
  }
  for (const auto& task : *made)
    lines.push_back(fmt::format("{}: {} ← {}", task.task_id, task.params.value("to", ""),
                                fmt::join(task.needs, " ")));
  return lines;
}

TEST(ForEach, AListOfTextsIsOneTaskAText) {
  const auto made = tasks_of(R"(
  - id: load
    template: ingest_files
    for_each: [orders, "${BEST:-x}2", 7]
    retries: 3
    with: {from: "landing/${each}-*.csv", to: "raw.t_${each}", max_rejected_percent: 5}
)");
  ASSERT_TRUE(made) << to_line(made.error().front());
  ASSERT_EQ(made->size(), 3U);
  EXPECT_EQ((*made)[0].task_id, "load[7]");
  EXPECT_EQ((*made)[1].task_id, "load[orders2]");
  EXPECT_EQ((*made)[2].task_id, "load[orders]");
  EXPECT_EQ((*made)[2].params, (Json{{"from", "landing/orders-*.csv"},
                                     {"to", "raw.t_orders"},
                                     {"max_rejected_percent", 5}}));
  EXPECT_EQ((*made)[2].retries, 3);
  EXPECT_TRUE((*made)[2].for_each.is_null()) << "it is a task like any other";
}

TEST(ForEach, AFieldAloneKeepsItsTypeAndMayBeMissing) {
  const auto made = tasks_of(R"(
  - id: load
    template: ingest_files
    for_each:
      - {table: orders, most: 5, format: {csv: {header: true}}}
      - {table: customers}
    with: {from: "landing/${each.table}.csv", to: "raw.${each.table}", max_rejected_percent: "${each.most:-}",
           format: "${each.format:-}"}
)");
  ASSERT_TRUE(made) << to_line(made.error().front());
  EXPECT_EQ((*made)[0].params, (Json{{"from", "landing/customers.csv"}, {"to", "raw.customers"}}));
  EXPECT_EQ((*made)[1].params["max_rejected_percent"], 5);
  EXPECT_EQ((*made)[1].params["format"], (Json{{"csv", {{"header", true}}}}));
}

TEST(ForEach, WhatAValueBringsIsNotLookedThroughAgain) {
  const auto made = tasks_of(R"(
  - {id: load, template: ingest_files, for_each: [{id: a, path: "${TRICK}"}], with: {from: "landing/${each.path}$${each}", to: raw.a}}
)");
  ASSERT_TRUE(made) << to_line(made.error().front());
  EXPECT_EQ((*made)[0].params["from"], "landing/${each} ${BEST}${each}");
}

const std::string kLoad =
    "  - {id: load, template: ingest_files, for_each: [a, b], with: {from: \"landing/${each}\", "
    "to: "
    "\"raw.${each}\"}}\n";

TEST(ForEach, APlainTaskWaitsForAllAndAListPairsByValue) {
  EXPECT_THAT(
      lines_of(
          kLoad +
          R"(  - {id: history, template: merge_history, needs: [load], for_each: [b, a], with: {from: "raw.${each}", to: "stage.${each}"}}
  - {id: some, template: merge_history, needs: [load, history], for_each: {same_as: load}, with: {from: "raw.${each}", to: "stage.x_${each}"}}
  - {id: last, template: merge_history, needs: [history, some], with: {from: raw.a, to: stage.last}}
)"),
      ElementsAre("history[a]: stage.a ← load[a]", "history[b]: stage.b ← load[b]",
                  "last: stage.last ← history[a] history[b] some[a] some[b]", "load[a]: raw.a ← ",
                  "load[b]: raw.b ← ", "some[a]: stage.x_a ← history[a] load[a]",
                  "some[b]: stage.x_b ← history[b] load[b]"));
}

TEST(ForEach, WaitForAllIsSaid) {
  EXPECT_THAT(
      lines_of(
          kLoad +
          R"(  - {id: history, template: merge_history, needs: [load], for_each: {values: [a, z], wait_for: all}, with: {from: "raw.${each}", to: "stage.${each}"}}
)"),
      ElementsAre("history[a]: stage.a ← load[a] load[b]", "history[z]: stage.z ← load[a] load[b]",
                  "load[a]: raw.a ← ", "load[b]: raw.b ← "));
}

TEST(ForEach, AValueWithoutItsPairIsAFault) {
  EXPECT_THAT(
      lines_of(
          kLoad +
          R"(  - {id: history, template: merge_history, needs: [load], for_each: [a, z], with: {from: "raw.${each}", to: "stage.${each}"}}
)"),
      ElementsAre("flows/airports.yaml:4 task 'history[z]' of flow 'f': it needs 'load' of the "
                  "same value, and that has no 'z' | give both the same values (same_as: load), or "
                  "write wait_for: all to wait for every 'load'"));
}

/// The one fault of a task with this for_each.
std::string fault_of_list(const std::string& for_each, const std::string& to = "raw.${each}") {
  const auto lines =
      lines_of("  - id: load\n    template: ingest_files\n    for_each: " + for_each +
               "\n    with: {from: landing/x, to: \"" + to + "\"}\n");
  return fmt::format("{}", fmt::join(lines, "\n"));
}

TEST(ForEach, BadListsAreToldWithTheirPlace) {
  const std::string at = "flows/airports.yaml:5 task 'load' of flow 'f': ";
  EXPECT_EQ(fault_of_list("[]"), at + "for_each has no value | name one, or take for_each away");
  EXPECT_EQ(fault_of_list("[a, b, a]"),
            at + "value 3 of for_each: it is value 1 again | take one of them away");
  EXPECT_EQ(fault_of_list("[{id: a, x: 1}, {name: a}]", "raw.${each.id}"),
            at + "value 2 of for_each: it makes the id 'load[a]', as value 1 does | give both an "
                 "id: {id: …}");
  EXPECT_EQ(fault_of_list("[a, null]"),
            at + "value 2 of for_each: it is null | write a text, a number or a map");
  EXPECT_EQ(fault_of_list("[[a]]"),
            at + "value 1 of for_each: it is [\"a\"] | write a text, a number or a map");
  EXPECT_EQ(fault_of_list("['']"),
            at + "value 1 of for_each: it is empty | write a word, or leave it out");
  EXPECT_EQ(fault_of_list("[{cursor: x}]"),
            at + "value 1 of for_each: nothing tells what it is called | give it an id: {id: "
                 "orders, …}");
  EXPECT_EQ(fault_of_list("[{id: a b}]", "raw.${each.id}"),
            at + "value 1 of for_each: its id 'a b' cannot stand in the id of a task | an id has "
                 "letters, digits, '_', '-' and '.', at most 100");
  EXPECT_EQ(fault_of_list("orders"),
            at + "for_each is no list | write for_each: [orders, customers]");
  EXPECT_EQ(fault_of_list("{value: [a]}"), at + "for_each has no 'value' | did you mean 'values'?");
  EXPECT_EQ(fault_of_list("{wait_for: all}"),
            at + "for_each says no values | it takes one of values, tables, files and same_as");
  EXPECT_EQ(
      fault_of_list("{values: [a], same_as: b}"),
      at + "for_each says values and same_as | it takes one of values, tables, files and same_as");
  EXPECT_EQ(fault_of_list("{values: [a], wait_for: some}"),
            at + "'wait_for' is \"some\" | write same or all");
  EXPECT_EQ(fault_of_list("{same_as: history}"),
            at + "no task 'history' with a for_each | no other task has one");
  EXPECT_EQ(fault_of_list("{same_as: load}"),
            at + "same_as goes round: load → load | give one of them values");
  EXPECT_EQ(fault_of_list("{tables: {connection: shop}}"),
            at + "'tables' has no 'like' | write tables: {connection: shop, like: \"public.*\"}");
}

TEST(ForEach, BadUsesOfTheValueAreToldWithTheirPlace) {
  const std::string at = "flows/airports.yaml:6 task 'load[a]' of flow 'f': ";
  EXPECT_EQ(fault_of_list("[{id: a, tabel: b}]", "raw.${each.table}"),
            at + "'${each.table}': the value has no field 'table' | did you mean 'tabel'? "
                 "${each.table:-} leaves out what is not there");
  EXPECT_EQ(fault_of_list("[{id: a, b: c}]"),
            at + "'${each}' is a map here | write ${each.b}; fields: b, id");
  EXPECT_EQ(fault_of_list("[a]", "raw.${each.x}"),
            at + "'${each.x}': the values of for_each are no maps | write ${each}");
  EXPECT_EQ(fault_of_list("[{id: a, b: [c]}]", "raw.${each.b}"),
            at + "'${each.b}' is a list, which no text can hold | let it stand alone, as the whole "
                 "value");
  EXPECT_EQ(
      fault_of_list("[a, b]", "raw.x"),
      "flows/airports.yaml:5 task 'load' of flow 'f': nothing in the task says ${each}: every "
      "value would do the same | write ${each}, or ${each.field} where the values are maps");
  EXPECT_EQ(fault_of_list("[Orders, orders]"),
            "flows/airports.yaml:6 task 'load[orders]' of flow 'f': it writes raw.orders, as "
            "'load[Orders]' does | each value of for_each has a target of its own: write ${each} "
            "into it");
  EXPECT_THAT(
      lines_of("  - {id: a, template: ingest_files, with: {from: \"landing/${each}\", to: "
               "raw.a}}\n"),
      ElementsAre("flows/airports.yaml:3 task 'a' of flow 'f': '${each}' stands outside of "
                  "a task with for_each | it is the value of a task's for_each; no variable "
                  "can be called each"));
}

TEST(ForEach, AnIdWithBracketsIsRefusedWhereAListMakesSuch) {
  const std::string plain =
      "  - {id: \"load[c]\", template: ingest_files, with: {from: landing/x, to: raw.a}}\n"
      "  - {id: \"load[d]\", template: ingest_files, with: {from: landing/x, to: raw.a}}\n";
  EXPECT_THAT(lines_of(plain), ElementsAre("load[c]: raw.a ← ", "load[d]: raw.a ← "));
  EXPECT_THAT(
      lines_of(kLoad + plain.substr(0, plain.find('\n') + 1)),
      ElementsAre("flows/airports.yaml:4 task 'load[c]' of flow 'f': the for_each of 'load' "
                  "makes ids like this one | write another id"));
}

TEST(ForEach, TwoListsMayWriteOneDataset) {
  EXPECT_THAT(
      lines_of(
          kLoad +
          R"(  - {id: more, template: ingest_files, for_each: [a], with: {from: "landing/m_${each}", to: "raw.${each}"}}
)"),
      ElementsAre("load[a]: raw.a ← ", "load[b]: raw.b ← ", "more[a]: raw.a ← "));
}

TEST(ForEach, ACompositeIsMadeForEachValue) {
  auto files = sample::files();
  files["weir.yaml"] += R"(---
templates:
  - template_id: dimension
    kind: composite
    params: {name: {type: text}}
    tasks:
      - {id: ingest, template: ingest_files, with: {from: "landing/{{ name }}", to: "raw.{{ name }}"}}
      - {id: history, template: merge_history, needs: [ingest], with: {from: "raw.{{ name }}", to: "stage.{{ name }}"}}
)";
  files["flows/airports.yaml"] = R"(flow: f
tasks:
  - {id: load, template: dimension, for_each: [a, b.c], with: {name: "${each}"}}
  - {id: next, template: dimension, for_each: {same_as: load}, needs: [load], with: {name: "x_${each}"}}
)";
  const auto project = read_project(files);
  ASSERT_TRUE(project);
  const auto resolved = resolve(project->configuration, {}, project->places, sample::builtin());
  ASSERT_TRUE(resolved);
  EXPECT_TRUE(lint(*resolved, {sample::builtin(), nullptr}, project->places).empty());
  const auto expanded = expand(*resolved, project->places);
  ASSERT_TRUE(expanded);
  std::vector<std::string> lines;
  for (const auto& task : expanded->configuration.flows.front().tasks)
    lines.push_back(fmt::format("{} ← {}", task.task_id, fmt::join(task.needs, " ")));
  EXPECT_THAT(
      lines,
      ElementsAre("load[a].history ← load[a].ingest", "load[a].ingest ← ",
                  "load[b.c].history ← load[b.c].ingest", "load[b.c].ingest ← ",
                  "next[a].history ← next[a].ingest", "next[a].ingest ← load[a].history",
                  "next[b.c].history ← next[b.c].ingest", "next[b.c].ingest ← load[b.c].history"));
}

TEST(ForEach, TheOrderOfValuesIsNoPartOfAVersion) {
  const auto hash = [](const std::string& values) {
    auto files = sample::files();
    files["flows/airports.yaml"] =
        "flow: f\ntasks:\n  - {id: load, template: ingest_files, for_each: " + values +
        ", with: {from: \"landing/${each}\", to: \"raw.${each}\"}}\n";
    const auto project = read_project(files);
    const auto folder = sample::folder(files);
    const auto version = sample::version_of(
        project->configuration, "f", {folder.get(), {}, sample::builtin(), &project->places});
    return version ? version->hash : to_line(version.error().front());
  };
  EXPECT_EQ(hash("[a, b, c]").size(), 64U);
  EXPECT_EQ(hash("[a, b, c]"), hash("[c, a, b]"));
  EXPECT_EQ(hash("[a, b]"), hash("{values: [b, a]}"));
  EXPECT_NE(hash("[a, b]"), hash("[a, b, c]"));
}

TEST(ForEach, TablesStayAsWrittenUntilTheyAreLookedUp) {
  const std::string tasks = R"(
  - {id: load, template: ingest_files, for_each: {tables: {connection: warehouse, like: "public.*"}}, with: {from: "landing/${each.table}", to: "raw.${each.table}"}}
  - {id: next, template: merge_history, for_each: {same_as: load}, needs: [load], with: {from: "raw.${each.table}", to: "stage.${each.table}"}}
)";
  EXPECT_THAT(lines_of(tasks),
              ElementsAre("load: raw.${each.table} ← ", "next: stage.${each.table} ← load"));
  auto files = sample::files();
  files["flows/airports.yaml"] = "flow: f\ntasks:\n" + tasks;
  auto project = read_project(files);
  ASSERT_TRUE(project);
  const auto pattern = table_pattern(project->configuration.flows[0].tasks[0]);
  ASSERT_TRUE(pattern && *pattern);
  EXPECT_EQ((*pattern)->connection, "warehouse");
  Variables variables;
  variables.found[{"f", "load"}] = {Json{{"id", "public.a"}, {"table", "a"}},
                                    Json{{"id", "x"}, {"table", "${each} $${BEST}"}}};
  const auto resolved =
      resolve(project->configuration, variables, project->places, sample::builtin());
  ASSERT_TRUE(resolved) << to_line(resolved.error().front());
  std::vector<std::string> lines;
  for (const auto& task : resolved->flows[0].tasks)
    lines.push_back(fmt::format("{}: {} ← {}", task.task_id, task.params.value("to", ""),
                                fmt::join(task.needs, " ")));
  EXPECT_THAT(lines, ElementsAre("load[public.a]: raw.a ← ", "load[x]: raw.${each} $${BEST} ← ",
                                 "next[public.a]: stage.a ← load[public.a]",
                                 "next[x]: stage.${each} $${BEST} ← load[x]"));
}

TEST(ForEach, TablesThatWereFoundArePartOfTheVersion) {
  auto files = sample::files();
  files["flows/airports.yaml"] = R"(flow: f
tasks:
  - {id: load, template: ingest_files, for_each: {tables: {connection: warehouse, like: "public.*"}}, with: {from: "landing/${each.table}", to: "raw.${each.table}"}}
  - {id: next, template: merge_history, needs: [load], with: {from: raw.x, to: stage.x}}
)";
  const auto project = read_project(files);
  ASSERT_TRUE(project);
  const auto folder = sample::folder(files);
  const auto version_with = [&](const std::vector<Json>& tables) {
    VersionInputs inputs{folder.get(), {}, sample::builtin(), &project->places};
    inputs.variables.found[{"f", "load"}] = tables;
    return *sample::version_of(project->configuration, "f", inputs);
  };
  const Json a = {{"id", "public.a"}, {"table", "a"}};
  const Version one = version_with({a});
  EXPECT_EQ(found_in(one.content), (FoundValues{{{"f", "load"}, {a}}}));
  EXPECT_EQ(one.configuration.flows[0].tasks[0].task_id, "load[public.a]");
  EXPECT_NE(one.hash, version_with({a, Json{{"id", "b"}, {"table", "b"}}}).hash);
  const Version none = version_with({});
  ASSERT_EQ(none.configuration.flows[0].tasks.size(), 1U) << "nothing is there, so nothing is done";
  EXPECT_TRUE(none.configuration.flows[0].tasks[0].needs.empty());
  EXPECT_EQ(found_in(none.content), (FoundValues{{{"f", "load"}, {}}}));
}

TEST(TablePattern, IsOfGlobsOverSchemaAndTable) {
  const TablePattern pattern{"shop", {"public.*", "a/b.c"}, {"public.tmp_*"}, false};
  EXPECT_TRUE(is_meant(pattern, "public.orders"));
  EXPECT_TRUE(is_meant(pattern, "public.a/b [c]")) << "a table may be called so";
  EXPECT_TRUE(is_meant(pattern, "a/b.c"));
  EXPECT_FALSE(is_meant(pattern, "public.tmp_x"));
  EXPECT_FALSE(is_meant(pattern, "private.orders"));
}

TEST(LabelOfText, IsTheTextWhereItCanBe) {
  EXPECT_EQ(label_of_text("public.Orders_2024-01"), "public.Orders_2024-01");
  EXPECT_THAT(label_of_text("Order Items"), ::testing::MatchesRegex("Order_Items-[0-9a-f]{8}"));
  EXPECT_THAT(label_of_text("größe"), ::testing::MatchesRegex("gr__e-[0-9a-f]{8}"));
  EXPECT_NE(label_of_text("a b"), label_of_text("a_b"));
  EXPECT_NE(label_of_text("a b"), label_of_text("a/b"));
  EXPECT_EQ(label_of_text(std::string(5000, 'x')).size(), 100U);
  EXPECT_NE(label_of_text(std::string(5000, 'x')), label_of_text(std::string(5001, 'x')));
}

/// Whatever the values: ids are told apart as the values are, each is a safe word, and no id
/// depends on which other values there are.
TEST(ForEach, RandomValuesMakeSafeIdsOfTheirOwn) {
  const auto property = [] {
    std::set<std::string> texts;
    for (int i = *rc::gen::inRange(1, 12); i > 0; --i)
      texts.insert(*rc::gen::element<std::string>("", "ü", "a") + sample::hard_text() +
                   *rc::gen::element<std::string>("", "/", " ", "[", "]", "${", "x"));
    texts.erase("");
    if (texts.empty()) return;
    model::Flow flow;
    flow.flow_id = "f";
    model::Task task;
    task.flow_id = "f";
    task.task_id = "load";
    task.for_each = Json(texts);
    flow.tasks = {task};
    Faults faults;
    const auto all = read_repeats(flow, {}, Places(), faults).at("load").values;
    RC_ASSERT(faults.empty());
    RC_ASSERT(all.size() == texts.size());
    std::set<std::string> labels;
    for (const auto& value : all) {
      RC_ASSERT(labels.insert(value.label).second);
      RC_ASSERT(std::ranges::all_of(value.label, [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
      }));
      RC_ASSERT(value.label == label_of_text(value.value.get<std::string>()));
    }
  };
  EXPECT_TRUE(rc::check("labels", property));
}

}  // namespace
}  // namespace weir::config
