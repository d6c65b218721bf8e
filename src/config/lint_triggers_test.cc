#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/lint.h"
#include "config/sample_test_project.h"
#include "config/template_files.h"

namespace weir::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// `message | file:line:column | hint` of each fault of a flow with that trigger.
std::vector<std::string> faults_of(const std::string& trigger, const std::string& connection = "") {
  const std::string project = "project: p\nlayers: [{name: landing, uri: landing}]\n" + connection;
  const auto folder = sample::folder(
      {{"weir.yaml", project}, {"flows/f.yaml", "flow: f\nfile_trigger: " + trigger + "\n"}});
  const auto loaded = load_project(*folder);
  std::vector<std::string> lines;
  const auto add = [&](const Faults& faults) {
    for (const auto& fault : faults)
      lines.push_back(fmt::format("{} | {}:{}:{} | {}", fault.message, fault.place->file,
                                  fault.place->line, fault.place->column, fault.hint));
  };
  if (!loaded) {
    add(loaded.error());
    return lines;
  }
  add(lint(loaded->configuration, {sample::builtin(), folder.get()}, loaded->places));
  return lines;
}

TEST(LintTriggers, GoodOnesPass) {
  EXPECT_THAT(faults_of("landing/*.csv"), IsEmpty());
  EXPECT_THAT(faults_of("{pattern: landing/*.csv, batch: all, max_files: 5, settle: 1m}"),
              IsEmpty());
  EXPECT_THAT(faults_of("{set: {a: landing/a-*, b: landing/b-*}, key: '(?<day>\\d{8})'}"),
              IsEmpty());
  EXPECT_THAT(faults_of("{pattern: 'landing/${GLOB}', events: '${QUEUE}'}"), IsEmpty());
}

TEST(LintTriggers, FaultsAreShownAtTheirWords) {
  EXPECT_THAT(faults_of("{pattern: landing/*.csv, markr: x}"),
              ElementsAre(HasSubstr("unknown key 'markr' | flows/f.yaml:2:40 | did you mean "
                                    "'marker'?")));
  EXPECT_THAT(faults_of("{pattern: landing/*, marker: '{name}.done'}"),
              ElementsAre(HasSubstr("takes markers, too: 'x.done' would wait for one of its own | "
                                    "flows/f.yaml:2:44")));
  EXPECT_THAT(faults_of("{set: {a: landing/a-*, b: lnding/b-*}, key: '(?<day>x)'}"),
              ElementsAre(HasSubstr("flow 'f': unknown layer 'lnding' | flows/f.yaml:2:41 | did "
                                    "you mean 'landing'?")));
  EXPECT_THAT(faults_of("{batch: all}"),
              ElementsAre(HasSubstr("a file_trigger says neither 'pattern' nor 'set'")));
}

TEST(LintTriggers, EventsComeFromAQueue) {
  const std::string queue =
      "connections:\n  - {connection_id: arrivals, kind: sqs, queue_url: "
      "'https://sqs.eu-west-1.amazonaws.com/1/a'}\n"
      "  - {connection_id: warehouse, kind: duckdb, path: w.duckdb}\n";
  EXPECT_THAT(faults_of("{pattern: landing/*, events: arrivals}", queue), IsEmpty());
  EXPECT_THAT(faults_of("{pattern: landing/*, events: arivals}", queue),
              ElementsAre(HasSubstr("unknown connection 'arivals' | flows/f.yaml:2:44 | did you "
                                    "mean 'arrivals'?")));
  EXPECT_THAT(faults_of("{pattern: landing/*, events: warehouse}", queue),
              ElementsAre(HasSubstr("is of kind 'duckdb', which tells of no files")));
  EXPECT_THAT(faults_of("landing/*", "connections: [{connection_id: q, kind: sqs}]\n"),
              ElementsAre(HasSubstr("connection 'q': a connection of kind 'sqs' needs the option "
                                    "'queue_url'")));
}

}  // namespace
}  // namespace weir::config
