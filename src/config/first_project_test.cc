#include "config/first_project.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/lint.h"
#include "config/sample_test_project.h"

namespace weir::config {
namespace {

FirstProject airports() {
  FirstProject first;
  first.name = "my lake";
  FoundSource snapshots;
  snapshots.name = "airports";
  snapshots.pattern = "airports-*.csv";
  snapshots.as_of = R"(airports-(?<as_of>\d{8}))";
  snapshots.columns = {{"icao", *model::parse_type("varchar"), true},
                       {"lat", *model::parse_type("double"), true}};
  snapshots.key = {"icao"};
  snapshots.format = Json::parse(R"({"csv": {"header": true}})");
  FoundSource deltas;
  deltas.name = "sales";
  deltas.pattern = "sales*.csv";
  first.sources = {snapshots, deltas};
  return first;
}

TEST(FirstProject, LoadsAndLintsWithoutFaults) {
  for (const auto& first :
       {airports(), FirstProject{.name = "empty", .landing = "in", .sources = {}}}) {
    const auto folder = sample::folder(write_first_project(first));
    const auto project = load_project(*folder);
    ASSERT_TRUE(project) << to_terminal(project.error().front());
    EXPECT_EQ(project->configuration.project, first.name);
    EXPECT_EQ(project->configuration.layers[0].uri, first.landing);
    const Faults faults =
        lint(project->configuration, {sample::builtin(), folder.get()}, project->places);
    for (const auto& fault : faults) ADD_FAILURE() << to_terminal(fault);
  }
}

TEST(FirstProject, SaysWhatWasFound) {
  const auto files = write_first_project(airports());
  const auto project = read_project(files);
  ASSERT_TRUE(project);
  const auto* raw = project->configuration.find_dataset({"raw", "airports"});
  ASSERT_NE(raw, nullptr);
  EXPECT_EQ(raw->identity, model::Identity::kAsOfAndContent);
  EXPECT_EQ(raw->columns, airports().sources[0].columns);
  EXPECT_EQ(project->configuration.find_dataset({"raw", "sales"})->identity,
            model::Identity::kContent);
  EXPECT_EQ(project->configuration.find_flow("airports")->tasks.size(), 2U);
  EXPECT_EQ(project->configuration.find_flow("sales")->tasks.size(), 1U);
  EXPECT_EQ(files.at("flows/airports.yaml"),
            R"(# `weir run airports` brings new files in; a run without new files does nothing.
flow: airports
tasks:
  # Every file once: what cannot be read goes to the dataset's __rejected.
  - id: ingest
    template: ingest_files
    with:
      from: 'landing/airports-*.csv'
      as_of: 'airports-(?<as_of>\d{8})'
      to: raw.airports
      format: {csv: {header: true}}
  # Each snapshot by its date; a key that is gone from one is closed.
  - id: history
    template: merge_history
    needs: [ingest]
    with: {from: raw.airports, to: stage.airports, mode: snapshot, deletes: by_absence}
)");
}

}  // namespace
}  // namespace weir::config
