#include "config/lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/sample_test_project.h"
#include "config/template_files.h"

namespace weir::config {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// `message | file:line:column | hint` of each fault.
std::vector<std::string> lint_of(const std::map<std::string, std::string>& files) {
  const auto folder = sample::folder(files);
  const auto project = load_project(*folder);
  std::vector<std::string> lines;
  const auto add = [&](const Faults& faults) {
    for (const auto& fault : faults)
      lines.push_back(fmt::format("{} | {}:{}:{} | {}", fault.message, fault.place->file,
                                  fault.place->line, fault.place->column, fault.hint));
  };
  if (!project) {
    add(project.error());
    return lines;
  }
  const auto whole = read_templates(project->configuration, *folder, project->places);
  if (!whole)
    add(whole.error());
  else
    add(lint(*whole, {sample::builtin(), folder.get()}, project->places));
  return lines;
}

std::vector<std::string> lint_flow(const std::string& flow) {
  return lint_of({{"weir.yaml", sample::kProject}, {"flows/f.yaml", flow}});
}

constexpr std::string_view kSee = "`weir template show ingest_files` lists the parameters";

TEST(Lint, TheDesignsExampleIsGood) { EXPECT_THAT(lint_of(sample::files()), IsEmpty()); }

TEST(Lint, UnknownParameterMeansAnother) {
  EXPECT_THAT(
      lint_flow("flow: f\ntasks:\n  - id: a\n    template: ingest_files\n"
                "    with:\n      form: landing/x\n      from: landing/x\n      to: raw.x\n"),
      ElementsAre(fmt::format("task 'a' of flow 'f': unknown parameter 'form' | flows/f.yaml:6:7 | "
                              "did you mean 'from'? {}",
                              kSee)));
}

TEST(Lint, ALayerIsNoSchemaOfTheEngineAndNoOtherLayerInOtherLetters) {
  EXPECT_THAT(
      lint_of({{"weir.yaml",
                "project: p\nlayers:\n  - {name: Main, uri: a}\n  - {name: raw, uri: b}\n"
                "  - {name: RAW, uri: c}\n"}}),
      ElementsAre("layer 'Main': the SQL engine has a schema of that name | weir.yaml:3:12 | give "
                  "the layer another name, such as Main_data",
                  AllOf(HasSubstr("differs from"), HasSubstr("only in the case of letters"))));
}

TEST(Lint, AConnectionIsOfAKindThatTheTemplateTakes) {
  auto files = sample::files();
  files["weir.yaml"].replace(files["weir.yaml"].find("kind: duckdb"), 12, "kind: mysql");
  EXPECT_THAT(lint_of(files),
              Contains("task 'load' of flow 'airports': connection 'warehouse' is of kind "
                       "'mysql', which 'connection' does not take | flows/airports.yaml:18:64"
                       " | kinds: duckdb, postgres"));
  files = sample::files();
  const std::string path = ", path: data/warehouse.duckdb";
  files["weir.yaml"].erase(files["weir.yaml"].find(path), path.size());
  EXPECT_THAT(lint_of(files), ElementsAre(HasSubstr("a connection of kind 'duckdb' needs a path")));
}

TEST(Lint, APostgresConnectionIsReadBeforeItIsOpened) {
  const std::string duckdb = "kind: duckdb, path: data/warehouse.duckdb";
  const auto lint = [&](const std::string& options) {
    auto files = sample::files();
    files["weir.yaml"].replace(files["weir.yaml"].find(duckdb), duckdb.size(),
                               "kind: postgres, " + options);
    return lint_of(files);
  };
  const std::string whole = "host: db, database: house, user: weir";
  EXPECT_THAT(lint(whole + ", port: secret://db#port, password: secret://db#password"),
              ElementsAre());
  EXPECT_THAT(lint("host: db, database: house"), ElementsAre(HasSubstr("needs a user")));
  EXPECT_THAT(lint(whole + ", sslmode: allow"), ElementsAre(HasSubstr("without encryption")));
  EXPECT_THAT(lint(whole + ", secret_id: db"),
              ElementsAre(HasSubstr("write password: secret://db#password")));
}

TEST(Lint, MissingParametersAreAllNamed) {
  EXPECT_THAT(
      lint_flow("flow: f\ntasks:\n  - {id: a, template: ingest_files, with: {}}\n"
                "  - {id: b, template: ingest_files}\n"),
      ElementsAre(
          HasSubstr("task 'a' of flow 'f': parameter 'from' is missing | flows/f.yaml:3:43"),
          HasSubstr("task 'a' of flow 'f': parameter 'to' is missing"),
          HasSubstr("task 'b' of flow 'f': parameter 'from' is missing | flows/f.yaml:4:5"),
          HasSubstr("task 'b' of flow 'f': parameter 'to' is missing")));
}

TEST(Lint, UnknownTemplateMeansAnother) {
  EXPECT_THAT(
      lint_flow("flow: f\ntasks:\n  - {id: a, template: merge_histroy}\n"),
      ElementsAre("task 'a' of flow 'f': unknown template 'merge_histroy' | flows/f.yaml:3:23 | "
                  "did you mean 'merge_history'? `weir template list` names all"));
}

TEST(Lint, UnknownLayersOfDatasetsAndParametersMeanOthers) {
  auto files = sample::files();
  files["weir.yaml"] += "---\ndatasets: [{name: stag.x}]\n";
  files["flows/f.yaml"] =
      "flow: f\ntasks:\n  - {id: a, template: ingest_files, with: {from: lading/x, to: rw.x}}\n";
  EXPECT_THAT(
      lint_of(files),
      ElementsAre(
          "dataset 'stag.x': unknown layer 'stag' | weir.yaml:21:19 | did you mean 'stage'?",
          "task 'a' of flow 'f': unknown layer 'lading' | flows/f.yaml:3:50 | did you mean "
          "'landing'?",
          "task 'a' of flow 'f': unknown layer 'rw' | flows/f.yaml:3:64 | did you mean 'raw'?"));
}

TEST(Lint, UnknownConnectionsPoolsAndFilesAreNamed) {
  EXPECT_THAT(
      lint_flow("flow: f\ntasks:\n"
                "  - {id: a, template: load_warehouse, pool: db, with: {from: raw.x, connection: "
                "werehouse, table: t}}\n"
                "  - {id: b, template: transform, with: {to: stage.x, sql: sql/none.sql}}\n"),
      ElementsAre(
          "task 'a' of flow 'f': unknown pool 'db' | flows/f.yaml:3:45 | there are no pools",
          "task 'a' of flow 'f': unknown connection 'werehouse' | flows/f.yaml:3:81 | did you mean "
          "'warehouse'?",
          "task 'b' of flow 'f': no file 'sql/none.sql' | flows/f.yaml:4:59 | paths count from the "
          "project folder"));
}

TEST(Lint, ValuesMustFitTheirParameters) {
  EXPECT_THAT(
      lint_flow("flow: f\ntasks:\n"
                "  - {id: a, template: merge_history, with: {from: raw.x, to: stage.x, mode: "
                "snapshots, max_deleted_percent: 120}}\n"),
      ElementsAre(
          HasSubstr("parameter 'max_deleted_percent' is 120, out of range | flows/f.yaml:3:109"),
          HasSubstr(
              "parameter 'mode' is 'snapshots' | flows/f.yaml:3:77 | did you mean 'snapshot'?")));
}

TEST(Lint, ValuesThatAreNotKnownYetPass) {
  EXPECT_THAT(lint_flow("flow: f\ntasks:\n"
                        "  - {id: a, template: merge_history, with: {from: 'raw.${X}', to: '{{ "
                        "trigger.to }}', max_deleted_percent: '${MAX}'}}\n"),
              IsEmpty());
}

TEST(Lint, NeedsMustBeThere) {
  EXPECT_THAT(lint_flow("flow: f\ntasks:\n"
                        "  - {id: ingest, template: ingest_files, with: {from: landing/x, to: "
                        "raw.x}, needs: [ingst2]}\n"
                        "  - {id: ingest2, template: ingest_files, with: {from: landing/x, to: "
                        "raw.x}, needs: ingest2}\n"),
              ElementsAre("task 'ingest' of flow 'f': it needs task 'ingst2', which is not there | "
                          "flows/f.yaml:3:85 | did you mean 'ingest2'?",
                          "task 'ingest2' of flow 'f': it needs itself | flows/f.yaml:4:86 | "));
}

TEST(Lint, ACycleIsNamedOnce) {
  const std::string with = "template: ingest_files, with: {from: landing/x, to: raw.x}";
  EXPECT_THAT(
      lint_flow("flow: f\ntasks:\n  - {id: a, " + with + ", needs: [c]}\n  - {id: b, " + with +
                ", needs: [a]}\n  - {id: c, " + with + ", needs: [b]}\n  - {id: d, " + with +
                ", needs: [c]}\n"),
      ElementsAre(
          "task 'a' of flow 'f': tasks need each other: a → c → b → a | flows/f.yaml:3:80 | "
          "take one of these needs away"));
}

TEST(Lint, ASchedulesTimeIsSaidOnce) {
  EXPECT_THAT(lint_flow("flow: f\nschedule: {timezone: UTC}\n"),
              ElementsAre("flow 'f': a schedule says neither 'cron' nor 'every' | "
                          "flows/f.yaml:2:11 | write one of them"));
  EXPECT_THAT(lint_flow("flow: f\nschedule: {cron: '* * * * *', every: 1h}\n"),
              ElementsAre(HasSubstr("a schedule says 'cron' and 'every'")));
  EXPECT_THAT(lint_flow("flow: f\nschedule: ${CRON}\n"), IsEmpty());
  EXPECT_THAT(lint_flow("flow: f\nfile_trigger: lnding/*.csv\n"),
              ElementsAre(HasSubstr("unknown layer 'lnding' | flows/f.yaml:2:1")));
}

TEST(Lint, AScheduleNamesTimesThatThereAre) {
  const auto lint_schedule = [](const std::string& text) {
    return lint_flow("flow: f\nschedule: " + text + "\n");
  };
  EXPECT_THAT(
      lint_schedule("0 25 * * *"),
      ElementsAre("flow 'f': the hour 25 is out of range | flows/f.yaml:2:13 | hours are 0 to 23"));
  EXPECT_THAT(lint_schedule("{timezone: UTC, cron: '0 6 * * MUN'}"),
              ElementsAre(HasSubstr("the day of week 'MUN' does not read | flows/f.yaml:2:42 | did "
                                    "you mean 'SUN'?")));
  // Where a text is written with escapes, the place is that of the whole.
  EXPECT_THAT(lint_schedule("{cron: \"0 \\x36 * * MUN\"}"),
              ElementsAre(HasSubstr("'MUN' does not read | flows/f.yaml:2:18")));
  EXPECT_THAT(lint_schedule("{cron: 0 0 30 2 *}"), ElementsAre(HasSubstr("never comes")));
  EXPECT_THAT(
      lint_schedule("{cron: '@daily', timezone: Europe/Berln}"),
      ElementsAre(HasSubstr("there is no time zone 'Europe/Berln' | flows/f.yaml:2:38 | did "
                            "you mean 'Europe/Berlin'?")));
  EXPECT_THAT(lint_schedule("{every: 1s, start: tomorrow, end: 2026-02-30}"),
              ElementsAre(HasSubstr("'tomorrow' is no instant | flows/f.yaml:2:30"),
                          HasSubstr("'2026-02-30' is no instant | flows/f.yaml:2:45")));
  EXPECT_THAT(
      lint_schedule("{every: 1h, start: 2026-02-02, end: 2026-02-01}"),
      ElementsAre(HasSubstr("is before the start 2026-02-02T00:00:00Z | flows/f.yaml:2:47")));
}

TEST(Lint, KeysAndColumnsOfDatasetsMustAgree) {
  EXPECT_THAT(
      lint_of(
          {{"weir.yaml",
            "project: p\nlayers: [{name: raw, uri: a}]\n"
            "datasets: [{name: raw.a, key: [icoa], columns: {icao: varchar, Icao: varchar}}]\n"}}),
      ElementsAre("dataset 'raw.a': key column 'icoa' is not declared | weir.yaml:3:31 | did you "
                  "mean 'icao'?",
                  "dataset 'raw.a': column 'Icao' stands twice but for the case of its letters | "
                  "weir.yaml:3:70 | "
                  "engines fold case: give it another name"));
}

TEST(Lint, LayersHaveNoDots) {
  EXPECT_THAT(lint_of({{"weir.yaml", "project: p\nlayers: [{name: a.b, uri: a}]\n"}}),
              ElementsAre("layer 'a.b': a layer's name has no dot | weir.yaml:2:17 | "));
}

// ---- templates of users --------------------------------------------------------------------

const std::string kTemplates = R"(---
templates:
  - template_id: top
    kind: sql
    location: templates/top.sql
    params: {n: {type: integer, default: 10}, country: {type: text}}
  - template_id: whole_source
    kind: composite
    params: {name: {type: text}, max: {type: number, default: 20}}
    tasks:
      - id: ingest
        template: ingest_files
        with: {from: 'landing/{{ name }}-*.csv', to: 'raw.{{ name }}'}
      - id: history
        template: merge_history
        needs: [ingest]
        with: {from: 'raw.{{ name }}', to: 'stage.{{ name }}', max_deleted_percent: '{{ max }}'}
)";

std::map<std::string, std::string> with_templates(const std::string& tasks) {
  return {{"weir.yaml", sample::kProject + kTemplates},
          {"templates/top.sql",
           "SELECT * FROM stage.airports WHERE country = {{ country }} LIMIT {{ n }}"},
          {"flows/f.yaml", "flow: f\ntasks:\n" + tasks}};
}

TEST(LintTemplates, ParametersOfUsersTemplatesAreChecked) {
  EXPECT_THAT(
      lint_of(with_templates("  - {id: a, template: top, with: {to: stage.x, country: DE, n: 5}}\n"
                             "  - {id: b, template: whole_source, with: {name: airports}}\n")),
      IsEmpty());
  EXPECT_THAT(lint_of(with_templates("  - {id: a, template: top, with: {to: stag.x, n: many}}\n")),
              ElementsAre(HasSubstr("parameter 'n' is \"many\", no integer | flows/f.yaml:3:50"),
                          HasSubstr("unknown layer 'stag' | flows/f.yaml:3:39"),
                          HasSubstr("parameter 'country' is missing")));
}

TEST(LintTemplates, FaultsInsideACompositeAreShownWhereItIsUsed) {
  EXPECT_THAT(lint_of(with_templates(
                  "  - {id: b, template: whole_source, with: {name: airports, max: 120}}\n")),
              ElementsAre(HasSubstr(
                  "task 'b' of flow 'f': as 'b.history': parameter 'max_deleted_percent' is 120, "
                  "out of range | flows/f.yaml:3:23")));
}

TEST(LintTemplates, FilesMustBeThereAndTheirParametersDeclared) {
  auto files = with_templates("  - {id: a, template: top, with: {to: stage.x, country: DE}}\n");
  files["templates/top.sql"] = "SELECT {{ contry }}";
  EXPECT_THAT(lint_of(files),
              ElementsAre("template 'top': '{{ contry }}' is no parameter | weir.yaml:24:15 | "
                          "did you mean 'country'?"));
  files["templates/top.sql"] = "SELECT '{{ country }}'";
  EXPECT_THAT(lint_of(files), ElementsAre(HasSubstr("'{{ country }}' stands inside quotes")));
  files.erase("templates/top.sql");
  EXPECT_THAT(lint_of(files),
              ElementsAre("template 'top': no file 'templates/top.sql' | weir.yaml:24:15 | "
                          "locations count from the project folder"));
}

TEST(LintTemplates, BuiltinNamesAreTakenAndScriptsCannotRun) {
  EXPECT_THAT(lint_of({{"weir.yaml",
                        "project: p\ntemplates: [{template_id: transform, kind: composite, tasks: "
                        "[{id: a, template: x}]}]\n"}}),
              ElementsAre(HasSubstr("a builtin template has that name | weir.yaml:2:27")));
  EXPECT_THAT(
      lint_of({{"weir.yaml",
                "project: p\ntemplates: [{template_id: c, kind: command, location: c.sh}]\n"},
               {"c.sh", "true"},
               {"flows/f.yaml", "flow: f\ntasks: [{id: a, template: c}]\n"}}),
      ElementsAre(HasSubstr("templates of kind 'command' cannot run here | flows/f.yaml:2:27")));
}

TEST(LintTemplates, AFileThatChangedSinceApplyIsNamed) {
  const auto folder = sample::folder(with_templates(""));
  auto project = load_project(*folder);
  ASSERT_TRUE(project) << to_terminal(project.error().front());
  ASSERT_EQ(project->configuration.find_template("top")->sha256.size(), 64U);
  ASSERT_TRUE(storage::put(*folder, "templates/top.sql", "SELECT 1", storage::Put::kReplace));
  const auto again = read_templates(project->configuration, *folder, project->places);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().front().message,
            "template 'top': file 'templates/top.sql' is not the one that was applied");
}

}  // namespace
}  // namespace weir::config
