#include "config/project.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/sample_test_project.h"

namespace weir::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Files = std::map<std::string, std::string>;

Faults faults_of(const Files& files, const LoadOptions& options = {}) {
  const auto project = read_project(files, options);
  return project ? Faults{} : project.error();
}

/// `message | file:line:column | hint` of the only fault.
std::string only_fault(const Files& files, const LoadOptions& options = {}) {
  const Faults faults = faults_of(files, options);
  if (faults.size() != 1) {
    std::string all = fmt::format("{} faults", faults.size());
    for (const auto& fault : faults) all += "\n" + to_line(fault);
    return all;
  }
  const Error& fault = faults.front();
  EXPECT_EQ(fault.code, ErrorCode::kInvalidConfig);
  if (!fault.place) return fault.message + " | nowhere | " + fault.hint;
  return fmt::format("{} | {}:{}:{} | {}", fault.message, fault.place->file, fault.place->line,
                     fault.place->column, fault.hint);
}

Files with_main(const std::string& more) { return {{"weir.yaml", "project: p\n" + more}}; }
Files with_flow(const std::string& flow) {
  return {{"weir.yaml", "project: p\n"}, {"flows/f.yaml", flow}};
}

TEST(Project, ReadsTheDesignsExample) {
  const auto project = read_project(sample::files());
  ASSERT_TRUE(project) << to_terminal(project.error().front());
  const auto& c = project->configuration;
  EXPECT_EQ(c.project, "airports");
  EXPECT_EQ(project->catalog, "${WEIR_CATALOG:-sqlite:weir.db}");
  EXPECT_THAT(project->environments, ElementsAre("s3"));
  ASSERT_EQ(c.layers.size(), 4U);
  EXPECT_EQ(c.layers[1].name, "raw");
  EXPECT_EQ(c.layers[1].uri, "data/raw");
  EXPECT_EQ(c.layers[3].position, 3);
  EXPECT_EQ(c.connections[0].options, Json({{"path", "data/warehouse.duckdb"}}));
  const auto* raw = c.find_dataset({"raw", "airports"});
  ASSERT_NE(raw, nullptr);
  EXPECT_EQ(raw->identity, model::Identity::kAsOfAndContent);
  EXPECT_EQ(raw->columns.size(), 10U);
  EXPECT_EQ(raw->columns[6].name, "elevation");
  EXPECT_EQ(raw->columns[6].type.kind, model::TypeKind::kDouble);
  EXPECT_THAT(c.find_dataset({"stage", "airports"})->key, ElementsAre("icao"));
  EXPECT_EQ(c.defaults, Json::parse(R"({"retries":2,"retry_delay":"10s","timeout":"1h"})"));
  const auto* flow = c.find_flow("airports");
  ASSERT_NE(flow, nullptr);
  EXPECT_EQ(flow->schedule, Json::parse(R"({"cron":"0 6 * * *","timezone":"UTC"})"));
  ASSERT_EQ(flow->tasks.size(), 4U);
  EXPECT_EQ(flow->tasks[0].task_id, "by_country") << "tasks are in order of their names";
  EXPECT_THAT(flow->tasks[0].needs, ElementsAre("history"));
  EXPECT_EQ(flow->tasks[2].flow_id, "airports");
  EXPECT_EQ(flow->tasks[2].params["as_of"], R"(airports-(?<as_of>\d{8}))");
  EXPECT_EQ(flow->tasks[2].params["format"], Json::parse(R"({"csv":{"header":true}})"));
}

TEST(Project, SeveralDocumentsInOneFileAreAsGoodAsSeveralFiles) {
  const auto together = read_project({{"weir.yaml", sample::kProject + "---\n" + sample::kFlow}});
  const auto apart = read_project(sample::files());
  ASSERT_TRUE(together && apart);
  EXPECT_EQ(model::configuration_hash(together->configuration),
            model::configuration_hash(apart->configuration));
}

TEST(Project, OtherDocumentsBringMoreRows) {
  const auto project = read_project(
      {{"weir.yaml", "project: p\nlayers: [{name: raw, uri: a}]\n"},
       {"flows/more.yaml", "layers: [{name: stage, uri: b}]\npools: [{name: db, slots: 2}]\n"}});
  ASSERT_TRUE(project) << to_terminal(project.error().front());
  ASSERT_EQ(project->configuration.layers.size(), 2U);
  EXPECT_EQ(project->configuration.layers[1].position, 1);
  EXPECT_EQ(project->configuration.pools[0].slots, 2);
}

TEST(Project, LoadsAFolderWithItsFlowsInOrder) {
  auto files = sample::files();
  files["flows/sub/b.yml"] = "flow: b\n";
  files["flows/notes.txt"] = "flow: not read\n";
  files["elsewhere/c.yaml"] = "flow: not read\n";
  const auto folder = sample::folder(files);
  const auto project = load_project(*folder);
  ASSERT_TRUE(project) << to_terminal(project.error().front());
  ASSERT_EQ(project->configuration.flows.size(), 2U);
  EXPECT_EQ(project->configuration.flows[1].flow_id, "b");
}

TEST(Project, AFolderWithoutWeirYamlIsNotFound) {
  const auto folder = storage::make_memory_storage();
  const auto project = load_project(*folder);
  ASSERT_FALSE(project);
  EXPECT_EQ(project.error().front().code, ErrorCode::kNotFound);
  EXPECT_THAT(project.error().front().hint, HasSubstr("weir init"));
}

// ---- faults: message, place, hint ----------------------------------------------------------

TEST(ProjectFault, UnknownKeyIsShownWithTheNearest) {
  EXPECT_EQ(
      only_fault(with_main("layers:\n  - {name: raw, urii: data}\n")),
      "2 faults\n"
      "invalid_config: layer 'raw': unknown key 'urii' at weir.yaml:3:17 | hint: did you mean "
      "'uri'?\n"
      "invalid_config: layer 'raw': 'uri' is missing at weir.yaml:3:5 | hint: Folder (from the "
      "project's).");
  EXPECT_EQ(only_fault(with_main("wharehouses: 1\n")),
            "unknown key 'wharehouses' | weir.yaml:2:1 | keys: project, catalog, layers, "
            "connections, datasets, templates, pools, calendars, notifications, defaults, lineage, "
            "environments");
  EXPECT_EQ(
      only_fault(with_flow("flow: f\ntasks:\n  - id: a\n    template: t\n    wiht: {x: 1}\n")),
      "task 'a' of flow 'f': unknown key 'wiht' | flows/f.yaml:5:5 | did you mean 'with'?");
}

TEST(ProjectFault, WrongTypesSayWhatIsTaken) {
  EXPECT_EQ(only_fault(with_main("layers: [{name: raw, uri: [a]}]\n")),
            "layer 'raw': 'uri' takes a text, not a list | weir.yaml:2:27 | ");
  EXPECT_EQ(only_fault(with_main("layers: raw\n")),
            "'layers' takes a list, not 'raw' | weir.yaml:2:9 | ");
  EXPECT_EQ(only_fault(with_main("layers: [raw]\n")),
            "layer takes a map of keys and values, not 'raw' | weir.yaml:2:10 | ");
  EXPECT_EQ(
      only_fault(with_main("pools: [{name: db, slots: 0}]\n")),
      "pool 'db': 'slots' takes a whole number from 1 to 1000000, not '0' | weir.yaml:2:27 | ");
  EXPECT_EQ(only_fault(with_flow("flow: f\nis_enabled: yes\n")),
            "flow 'f': 'is_enabled' takes true or false, not 'yes' | flows/f.yaml:2:13 | ");
  EXPECT_EQ(
      only_fault(with_flow("flow: f\noverlap: skp\n")),
      "flow 'f': 'overlap' takes queue | cancel | fail | skip, not 'skp' | flows/f.yaml:2:10 | "
      "did you mean 'skip'?");
  EXPECT_EQ(only_fault(with_main("datasets: [{name: raw.a, identity: contents}]\n")),
            "dataset 'raw.a': 'identity' takes content | as_of + content, not 'contents' | "
            "weir.yaml:2:36 | did you mean 'content'?");
  EXPECT_EQ(only_fault(with_main("datasets: [{name: raw.a, contract: {rows: drop}}]\n")),
            "contract of dataset 'raw.a': 'rows' takes quarantine | fail, not 'drop' | "
            "weir.yaml:2:43 | ");
}

TEST(ProjectFault, MissingFieldsAreShownWhereTheyBelong) {
  EXPECT_EQ(only_fault(with_flow("flow: f\ntasks:\n  - id: a\n")),
            "task 'a' of flow 'f': 'template' is missing | flows/f.yaml:3:5 | What it does: "
            "`weir template list`.");
  EXPECT_EQ(only_fault({{"weir.yaml", "layers: []\n"}}),
            "'project' is missing | weir.yaml:1:1 | Name of the project.");
  EXPECT_EQ(only_fault({{"weir.yaml", "# nothing\n"}}),
            "weir.yaml is empty | weir.yaml:1:1 | start with `project: <name>`");
}

TEST(ProjectFault, TwoFlowsWithOneIdNameBothPlaces) {
  EXPECT_EQ(only_fault({{"weir.yaml", "project: p\n"},
                        {"flows/a.yaml", "flow: sales\n"},
                        {"flows/b.yaml", "# again\nflow: sales\n"}}),
            "flow 'sales' stands twice | flows/b.yaml:2:7 | the first stands in flows/a.yaml:1");
}

TEST(ProjectFault, TwoTasksWithOneIdNameBothPlaces) {
  EXPECT_EQ(
      only_fault(
          with_flow("flow: f\ntasks:\n  - {id: a, template: t}\n  - {id: a, template: u}\n")),
      "task 'a' of flow 'f' stands twice | flows/f.yaml:4:10 | the first stands in flows/f.yaml:3");
}

TEST(ProjectFault, TwoRowsOfOneNameAreRefusedAcrossFiles) {
  EXPECT_EQ(
      only_fault({{"weir.yaml", "project: p\ndatasets: [{name: raw.a}]\n"},
                  {"flows/more.yaml", "datasets: [{name: raw.a}]\n"}}),
      "dataset 'raw.a' stands twice | flows/more.yaml:1:19 | the first stands in weir.yaml:2");
}

TEST(ProjectFault, BadDurationsTypesAndNamesAreShown) {
  EXPECT_EQ(
      only_fault(with_main("defaults: {timeout: 1 hour}\n")),
      "'defaults': 'timeout': '1 hour' is no duration | weir.yaml:2:21 | write 250ms, 10s, 5m, "
      "1h30m or 2d");
  EXPECT_THAT(only_fault(with_main("datasets: [{name: raw.a, columns: {x: varchr}}]\n")),
              ::testing::AllOf(HasSubstr("column 'x' of dataset 'raw.a': "),
                               HasSubstr("weir.yaml:2:39"), HasSubstr("varchar")));
  EXPECT_EQ(
      only_fault(with_main("datasets: [{name: airports}]\n")),
      "dataset 'airports' has no layer | weir.yaml:2:19 | write layer.name, such as raw.airports");
  EXPECT_EQ(
      only_fault(with_flow("flow: a/b\n")),
      "flow 'a/b': 'flow': flow 'a/b' has a slash | flows/f.yaml:1:7 | use letters, digits and "
      "'_', at most 200 bytes");
}

TEST(ProjectFault, BadSyntaxOfOneFileDoesNotHideTheOthers) {
  const Faults faults = faults_of({{"weir.yaml", "project: p\nlayers: [{name: raw, uri: a}\n"},
                                   {"flows/a.yaml", "flow: a\ntasks: 1\n"},
                                   {"flows/b.yaml", "flow: b\nflow: c\n"}});
  ASSERT_EQ(faults.size(), 3U);
  EXPECT_THAT(to_line(faults[0]), HasSubstr("no valid YAML"));
  EXPECT_THAT(to_line(faults[0]), HasSubstr("weir.yaml:"));
  EXPECT_THAT(to_line(faults[1]), HasSubstr("key 'flow' stands twice at flows/b.yaml:2:1"));
  EXPECT_THAT(to_line(faults[2]),
              HasSubstr("flow 'a': 'tasks' takes a list, not '1' at flows/a.yaml:2:8"));
}

TEST(ProjectFault, AllFaultsComeAtOnce) {
  const Faults faults =
      faults_of(with_main("layers: [{name: raw}]\npools: [{slots: x}]\ncatalogue: 1\n"));
  EXPECT_EQ(faults.size(), 4U);
}

TEST(ProjectFault, IsShownAsAPersonReadsIt) {
  const Faults faults =
      faults_of(with_flow("flow: f\ntasks:\n  - id: a\n    templte: t\n    template: t\n"));
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(to_terminal(faults.front()),
            "error: task 'a' of flow 'f': unknown key 'templte'\n"
            "  flows/f.yaml:4:5:      templte: t\n"
            "                         ^^^^^^^\n"
            "  help: did you mean 'template'?\n");
}

// ---- environments --------------------------------------------------------------------------

TEST(Environments, OverrideByName) {
  const auto plain = read_project(sample::files());
  const auto s3 = read_project(sample::files(), {.environment = "s3"});
  ASSERT_TRUE(plain && s3);
  EXPECT_EQ(plain->configuration.find_layer("raw")->uri, "data/raw");
  EXPECT_EQ(s3->configuration.find_layer("raw")->uri, "s3://${BUCKET}/raw");
  EXPECT_EQ(s3->configuration.find_layer("stage")->uri, "data/stage");
  EXPECT_EQ(s3->configuration.layers.size(), 4U);
}

TEST(Environments, ReachIntoFlowsAndTasksAndCanTakeAway) {
  auto files = sample::files();
  files["weir.yaml"] += R"(  prod:
    catalog: postgresql://db/weir
    defaults: {timeout: 2h, retries: null}
    layers: [{name: archive, uri: s3://b/archive}]
    flows:
      - flow: airports
        schedule: null
        tasks:
          - {id: load, engine: glue, with: {table: airports}}
)";
  const auto project = read_project(files, {.environment = "prod"});
  ASSERT_TRUE(project) << to_terminal(project.error().front());
  EXPECT_EQ(project->catalog, "postgresql://db/weir");
  EXPECT_EQ(project->configuration.defaults,
            Json::parse(R"({"retry_delay":"10s","timeout":"2h"})"));
  EXPECT_EQ(project->configuration.layers.back().name, "archive");
  const auto* flow = project->configuration.find_flow("airports");
  EXPECT_TRUE(flow->schedule.is_null());
  EXPECT_EQ(flow->tasks[3].engine, "glue");
  EXPECT_EQ(flow->tasks[3].params["table"], "airports");
  EXPECT_EQ(flow->tasks[3].params["mode"], "replace") << "what is not said stays";
}

TEST(Environments, AnUnknownOneIsRefused) {
  EXPECT_EQ(only_fault(sample::files(), {.environment = "s4"}),
            "no environment 's4' in weir.yaml | weir.yaml:19:3 | did you mean 's3'?");
}

TEST(Environments, AreCheckedEvenWhereTheyAreNotChosen) {
  auto files = sample::files();
  files["weir.yaml"] += "  dev: {layers: [{name: raw, url: x}]}\n";
  EXPECT_EQ(only_fault(files),
            "layer 'raw' of environment 'dev': unknown key 'url' | weir.yaml:20:30 | "
            "did you mean 'uri'?");
}

TEST(Environments, AFlowThatIsNotThereIsAFault) {
  auto files = sample::files();
  files["weir.yaml"] += "  dev: {flows: [{flow: airport}]}\n";
  EXPECT_EQ(
      only_fault(files, {.environment = "dev"}),
      "environment changes flow 'airport', which is not there | weir.yaml:20:24 | did you mean "
      "'airports'?");
}

}  // namespace
}  // namespace weir::config
