#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine.h"
#include "engine/error_json.h"

namespace weir::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A child that is a script of the test's own.
class Subprocess : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "weir-child-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    context_.cancel = &cancel_;
    operation_.token = std::string(64, 'a');
    operation_.params = {{"rules", Json::array()}};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Result<model::Outcome> run(const std::string& body) {
    const auto program = folder_ + "/child";
    std::ofstream(program) << "#!/bin/sh\n" << body;
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    return make_subprocess_engine(program)->execute(operation_, context_);
  }

  std::string folder_;
  Cancel cancel_;
  Context context_;
  model::Operation operation_;
};

TEST_F(Subprocess, OperationGoesOutAndTheOutcomeComesBack) {
  const auto outcome =
      run("[ \"$1 $2\" = 'op run' ] || exit 9\ncat > \"$(dirname \"$0\")/in\"\n"
          "echo '{\"format\":1,\"counts\":{\"in\":3,\"inserted\":3}}'\n");
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_EQ(outcome->counts.inserted, 3);
  std::ifstream file(folder_ + "/in");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto read = model::operation_from_json(*parse_json(text));
  ASSERT_TRUE(read) << to_line(read.error());
  EXPECT_EQ(model::to_json(*read), model::to_json(operation_));
}

TEST_F(Subprocess, ErrorOfTheChildComesBackWhole) {
  Error error{ErrorCode::kSchemaDrift, "column 'a' is gone", {"reading 'x'"}, "ask the source", {}};
  const auto outcome = run(fmt::format(
      "echo 'a line of the log' >&2\ncat >&2 <<'E'\n{}\nE\nexit 4\n", error_line(error)));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kSchemaDrift);
  EXPECT_EQ(outcome.error().message, "column 'a' is gone");
  EXPECT_EQ(outcome.error().hint, "ask the source");
  EXPECT_EQ(outcome.error().trail.at(0), "reading 'x'");
}

TEST_F(Subprocess, KilledChildIsUnavailableWithItsSignal) {
  const auto outcome = run("kill -KILL $$\n");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(outcome.error().message, HasSubstr("signal 9 (SIGKILL)"));
}

TEST_F(Subprocess, ProgressLinesAreHandedOn) {
  std::vector<int64_t> rows;
  context_.on_progress = [&](const Progress& progress) { rows.push_back(progress.rows); };
  const auto outcome =
      run("echo '{\"progress\":{\"step\":\"transform\",\"rows\":7}}' >&2\n"
          "echo '{\"progress\":{\"step\":\"transform\",\"rows\":9}}' >&2\n"
          "echo '{\"format\":1}'\n");
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_THAT(rows, ElementsAre(7, 9));
}

TEST_F(Subprocess, ChildThatFailsWithoutAWordIsInternal) {
  const auto outcome = run("echo 'Segmentation something' >&2\nexit 3\n");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kInternal);
  EXPECT_THAT(outcome.error().message, HasSubstr("status 3"));
  EXPECT_THAT(outcome.error().message, HasSubstr("Segmentation something"));
}

TEST_F(Subprocess, OutcomeThatDoesNotReadIsInternal) {
  const auto outcome = run("echo 'hello'\n");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kInternal);
}

TEST_F(Subprocess, ProgramThatIsNotThereIsNotFound) {
  const auto outcome = make_subprocess_engine(folder_ + "/nobody")->execute(operation_, context_);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kNotFound);
}

TEST_F(Subprocess, CancelledTaskEndsItsChild) {
  cancel_.cancel("ann stopped it");
  const auto outcome = run("sleep 600\n");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kCancelled);
}

TEST(ErrorJson, EveryErrorReadsBackEqual) {
  for (const auto code : all_error_codes()) {
    Error error{code, "m", {"a", "b"}, "h", Place{"f.yaml", 3, 4, "x: y", 2}};
    const auto back = error_from_json(to_json(error));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->code, code);
    EXPECT_EQ(back->message, "m");
    EXPECT_EQ(back->trail, error.trail);
    EXPECT_EQ(back->hint, "h");
    ASSERT_TRUE(back->place);
    EXPECT_EQ(back->place->line, 3);
    EXPECT_EQ(back->place->length, 2);
  }
}

TEST(ErrorJson, CodeOfANewerProgramIsInternalAndKeptInTheMessage) {
  const auto back = error_from_json({{"code", "brand_new"}, {"message", "m"}});
  ASSERT_TRUE(back);
  EXPECT_EQ(back->code, ErrorCode::kInternal);
  EXPECT_THAT(back->message, HasSubstr("brand_new"));
}

}  // namespace
}  // namespace weir::engine
