#include "cli/run_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::cli {
namespace {

using catalog::TaskState;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

orchestrate::RunReport failed_run() {
  orchestrate::RunReport report;
  report.run.run_id = "run-1";
  report.run.flow_id = "shop";
  report.run.state = catalog::RunState::kFailed;
  catalog::TaskRun load;
  load.task_id = "load";
  load.state = TaskState::kFailed;
  load.attempt = 3;
  load.started_at_us = 1'000'000;
  load.finished_at_us = 2'042'000;
  load.error_code = "unavailable";
  load.error_text = "the file is locked";
  load.error_hint = "close it";
  catalog::TaskRun publish;
  publish.task_id = "publish";
  publish.state = TaskState::kSkipped;
  publish.finished_at_us = 2'042'000;
  publish.error_text = "task 'load' did not succeed";
  report.tasks = {load, publish};
  return report;
}

TEST(EndOfARun, ShowsEachTaskWithItsTryAndTime) {
  const std::string text = end_text(failed_run());
  EXPECT_THAT(text, ContainsRegex("load +failed +3 +1\\.042 s +the file is locked"));
  EXPECT_THAT(text, HasSubstr("help: close it"));
  EXPECT_THAT(text, HasSubstr("`weir retry run-1`"));
}

TEST(EndOfARun, ShowsNoTryOfATaskThatWasNeverTried) {
  EXPECT_THAT(end_text(failed_run()), ContainsRegex("publish +skipped +task 'load' did not"));
}

TEST(EndOfARun, ShowsWhatProcessesOfTheirOwnTook) {
  orchestrate::RunReport report = failed_run();
  EXPECT_THAT(end_text(report), ContainsRegex("task +state +try +took *\n"));
  report.tasks[0].cpu_ms = 61'005;
  report.tasks[0].peak_memory_bytes = 1'234'500'001;
  const std::string text = end_text(report);
  EXPECT_THAT(text, ContainsRegex("task +state +try +took +cpu +memory *\n"));
  EXPECT_THAT(text, ContainsRegex("load +failed +3 +1\\.042 s +61\\.005 s +1,235 MB +the file"));
  EXPECT_THAT(text, ContainsRegex("publish +skipped +task 'load' did not"));
  const Json json = to_json(report.tasks[0]);
  EXPECT_EQ(json.at("cpu_ms"), 61'005);
  EXPECT_EQ(json.at("peak_memory_bytes"), 1'234'500'001);
}

}  // namespace
}  // namespace weir::cli
