#include "config/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/digest.h"
#include "config/plan.h"
#include "config/random_test_configuration.h"
#include "config/sample_test_project.h"

namespace weir::config {
namespace {

using ::testing::HasSubstr;

class FixedClock final : public Clock {
 public:
  int64_t now_us() override { return 1'700'000'000'000'000; }
  int64_t monotonic_us() override { return 0; }
};

/// A catalog in a folder of its own, gone with the test.
class Versions : public ::testing::Test {
 protected:
  Versions() {
    std::string folder = (std::filesystem::temp_directory_path() / "weir-config-XXXXXX").string();
    base_ = mkdtemp(folder.data());
    auto catalog =
        catalog::open_catalog({.url = "sqlite:weir.db", .base_folder = base_}, clock_, *random_);
    EXPECT_TRUE(catalog) << (catalog ? "" : to_line(catalog.error()));
    if (catalog) catalog_ = *std::move(catalog);
  }
  ~Versions() override {
    catalog_.reset();
    std::filesystem::remove_all(base_);
  }
  VersionInputs inputs(storage::Storage& folder,
                       std::map<std::string, std::string> vars = {}) const {
    return {&folder, {nullptr, std::move(vars)}, sample::builtin(), nullptr};
  }

  FixedClock clock_;
  std::unique_ptr<Random> random_ = make_system_random();
  std::string base_;
  std::unique_ptr<catalog::Catalog> catalog_;
};

const std::string kTemplates = R"(---
templates: [{template_id: top, kind: sql, location: templates/top.sql, params: {n: {type: integer}}}]
---
flow: more
tasks: [{id: top, template: top, with: {to: stage.top, n: 5}}]
)";

std::map<std::string, std::string> files_with_template() {
  auto files = sample::files();
  files["weir.yaml"] += kTemplates;
  files["templates/top.sql"] = "SELECT 1 LIMIT {{ n }}";
  return files;
}

TEST_F(Versions, HoldFilesByContentAndTheirDigests) {
  const auto folder = sample::folder(files_with_template());
  const auto project = load_project(*folder);
  ASSERT_TRUE(project) << to_terminal(project.error().front());
  const auto version = sample::version_of(project->configuration, "airports", inputs(*folder));
  ASSERT_TRUE(version) << to_terminal(version.error().front());
  EXPECT_EQ(version->hash.size(), 64U);
  EXPECT_EQ(version->flow_id, "airports");
  EXPECT_EQ(version->files,
            (std::map<std::string, std::string>{
                {"sql/airports_by_country.sql", "SELECT country FROM stage.airports\n"}}));
  const auto more = sample::version_of(project->configuration, "more", inputs(*folder));
  ASSERT_TRUE(more) << to_terminal(more.error().front());
  EXPECT_EQ(more->files.at("templates/top.sql#more.top"), "SELECT 1 LIMIT 5");
  EXPECT_EQ(more->files.at("templates/top.sql"), "SELECT 1 LIMIT {{ n }}");
  EXPECT_EQ(version->content["files"]["sql/airports_by_country.sql"]["sha256"],
            sha256_hex("SELECT country FROM stage.airports\n"));
  EXPECT_EQ(more->configuration.find_flow("more")->tasks[0].template_id, "transform");
}

/// What a run sees of datasets, by name.
std::vector<std::string> datasets_of(const Version& version) {
  std::vector<std::string> names;
  for (const auto& dataset : version.configuration.datasets) names.push_back(dataset.name.text());
  return names;
}

std::map<std::string, std::string> files_with_others() {
  auto files = files_with_template();
  files["weir.yaml"] += R"(---
datasets:
  - {name: raw.other, columns: {a: varchar}}
  - {name: stage.top, key: [n]}
---
flow: other
tasks: [{id: load, template: ingest_files, with: {from: "landing/o-*.csv", to: raw.other}}]
)";
  return files;
}

TEST_F(Versions, AChangeElsewhereLeavesAFlowsVersionAsItIs) {
  auto files = files_with_others();
  const auto hash_after = [&](const std::map<std::string, std::string>& changed) {
    const auto folder = sample::folder(changed);
    const auto project = load_project(*folder);
    EXPECT_TRUE(project) << to_terminal(project.error().front());
    const auto version = sample::version_of(project->configuration, "airports", inputs(*folder));
    EXPECT_TRUE(version) << to_terminal(version.error().front());
    return version->hash;
  };
  const std::string before = hash_after(files);
  for (const std::string elsewhere :
       {"flow: new\ntasks: [{id: t, template: ingest_files, with: {from: landing/x, to: raw.x}}]",
        "flow: wrong\ntasks: [{id: t, template: nothing_of_that_name}]",
        "datasets: [{name: raw.nobody_names_it, columns: {a: varchar}}]",
        "templates: [{template_id: bottom, kind: sql, location: templates/top.sql}]",
        "notifications: [{rule_id: r, channel: log, flows: [other], tasks: [load]}]"}) {
    auto changed = files;
    changed["weir.yaml"] += "---\n" + elsewhere + "\n";
    EXPECT_EQ(hash_after(changed), before) << elsewhere;
  }
  for (const std::string its_own :
       {"connections: [{connection_id: second, kind: duckdb, path: x}]",
        "notifications: [{rule_id: r, channel: log, flows: [\"air*\"]}]",
        "notifications: [{rule_id: r, channel: log, flows: [airports, other]}]",
        "notifications: [{rule_id: r, channel: log, tasks: [load, top]}]"}) {
    auto changed = files;
    changed["weir.yaml"] += "---\n" + its_own + "\n";
    EXPECT_NE(hash_after(changed), before) << its_own;
  }
}

TEST_F(Versions, ADatasetIsSeenWhereverTheFlowNamesIt) {
  auto files = files_with_others();
  files["flows/seeing.yaml"] = R"(flow: seeing
tasks:
  - {id: each, template: ingest_files, for_each: [one, Two], with: {from: "landing/${each}.csv", to: "raw.${each}_v${N}"}}
  - {id: sql, template: transform, with: {to: stage.made, sql: sql/seeing.sql}}
  - {id: composite, template: pair, with: {from: raw.given}}
)";
  files["sql/seeing.sql"] =
      "SELECT * FROM RAW.\"or der\" JOIN stage.it__rejected USING (a) -- rest";
  files["templates/pair.yaml"] = R"(
tasks:
  - {id: a, template: merge_history, with: {from: "{{ from }}", to: stage.inside}}
  - {id: b, template: top, needs: [a], with: {to: stage.top, n: 5}}
)";
  files["weir.yaml"] += R"(---
templates: [{template_id: pair, kind: composite, location: templates/pair.yaml, params: {from: {type: dataset}}}]
datasets:
  - {name: raw.one_v2}
  - {name: raw.Two_v2}
  - {name: raw.Or Der}
  - {name: raw.or}
  - {name: stage.it}
  - {name: stage.it__rejected}
  - {name: raw.given}
  - {name: raw.given zz}
  - {name: stage.inside}
  - {name: stage.inside_not}
  - {name: stage.made}
  - {name: raw.größe}
  - {name: raw.дата}
)";
  const auto folder = sample::folder(files);
  const auto project = load_project(*folder);
  ASSERT_TRUE(project) << to_terminal(project.error().front());
  const auto version =
      sample::version_of(project->configuration, "seeing", inputs(*folder, {{"N", "2"}}));
  ASSERT_TRUE(version) << to_terminal(version.error().front());
  EXPECT_THAT(datasets_of(*version),
              ::testing::ElementsAre("raw.Or Der", "raw.Two_v2", "raw.given", "raw.one_v2",
                                     "raw.or", "raw.дата", "stage.inside", "stage.it",
                                     "stage.it__rejected", "stage.made", "stage.top"))
      << "one too many does no harm: raw.or is a word of another name, and raw.дата has no word";
  EXPECT_EQ(version->files.count("templates/top.sql#seeing.composite.b"), 1U)
      << "a template that only a composite names";
}

TEST_F(Versions, OfAProjectFromAnOlderReleaseReadBack) {
  const auto folder = sample::folder(files_with_template());
  const auto project = load_project(*folder);
  ASSERT_TRUE(project);
  auto whole = check_configuration(project->configuration, inputs(*folder));
  ASSERT_TRUE(whole);
  catalog::ConfigVersion row;
  row.author = "ann";
  row.reason = "apply";
  row.content = {
      {"format", 1}, {"configuration", model::to_json(*whole)}, {"files", Json::object()}};
  row.hash = sha256_hex(dump_json(row.content));
  ASSERT_TRUE(catalog_->add_config_version(row));
  const auto back = read_version(*catalog_, row.hash, {});
  ASSERT_TRUE(back) << to_line(back.error());
  EXPECT_NE(back->configuration.find_flow("more"), nullptr);
  EXPECT_NE(back->configuration.find_flow("airports"), nullptr);
  EXPECT_EQ(catalog_->config_versions("airports", 10)->size(), 1U) << "a run of it may pin it";
}

TEST_F(Versions, AnEditDuringARunHasNoEffectOnWhatWasPinned) {
  const auto folder = sample::folder(files_with_template());
  const auto project = load_project(*folder);
  ASSERT_TRUE(project);
  const auto before = sample::version_of(project->configuration, "airports", inputs(*folder));
  ASSERT_TRUE(before);
  ASSERT_TRUE(pin(*catalog_, *before, "ann", "apply"));
  ASSERT_TRUE(
      storage::put(*folder, "sql/airports_by_country.sql", "SELECT 2", storage::Put::kReplace));
  const auto back = read_version(*catalog_, before->hash, {});
  ASSERT_TRUE(back) << to_line(back.error());
  EXPECT_EQ(back->hash, before->hash);
  EXPECT_EQ(back->files, before->files);
  EXPECT_EQ(model::to_json(back->configuration), model::to_json(before->configuration));
  const auto after = sample::version_of(project->configuration, "airports", inputs(*folder));
  ASSERT_TRUE(after);
  EXPECT_NE(after->hash, before->hash) << "a new run sees the new file under a new name";
}

TEST_F(Versions, EqualConfigurationsHaveOneVersion) {
  const auto folder = sample::folder(files_with_template());
  const auto project = load_project(*folder);
  ASSERT_TRUE(project);
  const auto one = sample::version_of(project->configuration, "airports", inputs(*folder));
  auto turned = project->configuration;
  std::ranges::reverse(turned.flows);
  std::ranges::reverse(turned.layers);
  for (auto& flow : turned.flows) std::ranges::reverse(flow.tasks);
  const auto two = sample::version_of(turned, "airports", inputs(*folder));
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->hash, two->hash);
  ASSERT_TRUE(pin(*catalog_, *one, "ann", "apply"));
  ASSERT_TRUE(pin(*catalog_, *two, "bob", "sql"));
  const auto versions = catalog_->config_versions("", 10);
  ASSERT_TRUE(versions);
  ASSERT_EQ(versions->size(), 1U);
  EXPECT_EQ(versions->front().author, "ann") << "a version never changes";
}

TEST_F(Versions, VariablesArePinnedButThoseOfConnectionsAreNot) {
  auto files = sample::files();
  files["weir.yaml"] =
      "project: p\nlayers: [{name: raw, uri: '${ROOT}/raw'}]\n"
      "connections: [{connection_id: w, kind: duckdb, path: '${SECRET_PATH}'}]\n";
  files["flows/airports.yaml"] = "flow: f\ntasks: []\n";
  const auto folder = sample::folder(files);
  const auto project = load_project(*folder);
  ASSERT_TRUE(project);
  const auto version = sample::version_of(
      project->configuration, "f", inputs(*folder, {{"ROOT", "/lake"}, {"SECRET_PATH", "hush"}}));
  ASSERT_TRUE(version) << to_terminal(version.error().front());
  EXPECT_EQ(version->configuration.layers[0].uri, "/lake/raw");
  EXPECT_EQ(version->configuration.connections[0].options["path"], "hush");
  EXPECT_THAT(dump_json(version->content), ::testing::Not(HasSubstr("hush")));
  ASSERT_TRUE(pin(*catalog_, *version, "ann", "apply"));
  const auto back = read_version(*catalog_, version->hash, {nullptr, {{"SECRET_PATH", "new"}}});
  ASSERT_TRUE(back) << to_line(back.error());
  EXPECT_EQ(back->configuration.layers[0].uri, "/lake/raw")
      << "a retry sees what the first attempt saw";
  EXPECT_EQ(back->configuration.connections[0].options["path"], "new");
  const auto without = read_version(*catalog_, version->hash, {});
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().message, "connection 'w': variable 'SECRET_PATH' is not set");
}

TEST_F(Versions, FaultsOfFilesAreShownAtWhoNamesThem) {
  const auto folder = sample::folder(sample::files());
  const auto project = load_project(*folder);
  ASSERT_TRUE(project);
  ASSERT_TRUE(folder->remove("sql/airports_by_country.sql"));
  auto with_places = inputs(*folder);
  with_places.places = &project->places;
  auto version = sample::version_of(project->configuration, "airports", with_places);
  ASSERT_FALSE(version);
  EXPECT_EQ(to_terminal(version.error().front()),
            "error: task 'by_country' of flow 'airports': no file 'sql/airports_by_country.sql'\n"
            "  flows/airports.yaml:14:55:      with: {to: presentation.airports_by_country, sql: "
            "sql/airports_by_country.sql}\n"
            "                                                                                 "
            "   ^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
            "  help: paths count from the project folder\n");
  ASSERT_TRUE(storage::put(*folder, "sql/airports_by_country.sql", "SELECT '\xff'",
                           storage::Put::kReplace));
  version = sample::version_of(project->configuration, "airports", with_places);
  ASSERT_FALSE(version);
  EXPECT_THAT(version.error().front().message, HasSubstr("is no UTF-8"));
}

TEST_F(Versions, AnUnknownOneIsNotFound) {
  const auto version = read_version(*catalog_, std::string(64, 'a'), {});
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().code, ErrorCode::kNotFound);
}

TEST_F(Versions, ContentThatIsNotWhatItsHashSaysIsCorrupt) {
  catalog::ConfigVersion row;
  row.hash = std::string(64, 'b');
  row.author = "ann";
  row.reason = "apply";
  row.content = {{"format", 1}, {"configuration", Json::object()}, {"files", Json::object()}};
  ASSERT_TRUE(catalog_->add_config_version(row));
  const auto version = read_version(*catalog_, row.hash, {});
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().code, ErrorCode::kCorrupt);
}

TEST_F(Versions, ApplyPutsThePlanIntoTheTablesAndThenThereIsNothingToPlan) {
  const auto folder = sample::folder(files_with_template());
  const auto project = load_project(*folder);
  ASSERT_TRUE(project);
  const auto plan = make_plan(*catalog_->config_rows(), project->configuration);
  ASSERT_TRUE(plan);
  ASSERT_TRUE(apply(*catalog_, *plan, "ann"));
  const auto again = make_plan(*catalog_->config_rows(), project->configuration);
  ASSERT_TRUE(again);
  EXPECT_EQ(to_text(*again), "plan: nothing to change\n");
  const auto head = catalog_->load_configuration();
  ASSERT_TRUE(head);
  EXPECT_EQ(model::configuration_hash(*head), model::configuration_hash(project->configuration));
}

TEST_F(Versions, BlockedChangesAreNotMade) {
  auto c = read_project(sample::files())->configuration;
  auto plan = make_plan({}, c);
  ASSERT_TRUE(plan);
  for (auto& diff : plan->diffs) diff.change.row.managed_by = "";
  ASSERT_TRUE(apply(*catalog_, *plan, "bob"));
  c.layers[0].uri = "elsewhere";
  plan = make_plan(*catalog_->config_rows(), c);
  ASSERT_TRUE(plan);
  const Status status = apply(*catalog_, *plan, "ann");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "1 rows differ that this project does not manage, the first: layer landing");
  EXPECT_EQ(catalog_->load_configuration()->layers[0].uri, "data/landing");
}

TEST_F(Versions, TablesGiveBackWhatRandomConfigurationsSay) {
  // A database syncs its disk with each change: every seventh, each laid over the one before.
  int cases = 0;
  EXPECT_TRUE(rc::check([&] {
    if (cases++ % 7 != 0) return;
    const auto c = sample::random_configuration();
    const auto plan = make_plan(*catalog_->config_rows(), c, {.prune = true});
    RC_ASSERT(plan.has_value());
    const Status status = apply(*catalog_, *plan, "ann");
    if (!status) RC_FAIL(to_line(status.error()) + "\n" + to_text(*plan));
    const auto head = catalog_->load_configuration();
    if (!head) RC_FAIL(to_line(head.error()));
    const auto again = read_project(export_project(*head, "sqlite:weir.db"));
    if (!again) RC_FAIL(to_line(again.error().front()));
    const auto rows = catalog_->config_rows();
    if (!rows) RC_FAIL(to_line(rows.error()));
    const auto empty = make_plan(*rows, again->configuration);
    if (!empty) RC_FAIL(to_line(empty.error()));
    if (!empty->is_empty()) RC_FAIL(to_text(*empty));
    RC_ASSERT(model::configuration_hash(*head) == model::configuration_hash(c));
  }));
}

}  // namespace
}  // namespace weir::config
