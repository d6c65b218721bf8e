// The seam alone, with programs in place of spark-submit; tests/interop/spark has the real one.

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine.h"

namespace weir::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Spark : public ::testing::Test {
 protected:
  Spark() {
    char folder[] = "/tmp/weir-spark-test-XXXXXX";
    folder_ = mkdtemp(folder);
    std::ofstream(folder_ + "/merge_latest.py") << "";
    operation_.kind = model::OperationKind::kMergeLatest;
    operation_.target.dataset = {"stage", "orders"};
    operation_.token = "token";
    operation_.limits.temp_folder = folder_;
    context_.cancel = &cancel_;
  }
  ~Spark() override { std::filesystem::remove_all(folder_); }

  /// Runs the operation with a shell script as spark-submit: $1 is weir's script, $3 the operation,
  /// $5 where the outcome goes.
  Result<model::Outcome> run(const std::string& script) {
    const std::string path = folder_ + "/submit.sh";
    std::ofstream(path) << script;
    return make_spark_engine({.submit = {"/bin/sh", path}, .scripts = folder_})
        ->execute(operation_, context_);
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  std::string folder_;
  model::Operation operation_;
  Cancel cancel_;
  Context context_;
};

TEST_F(Spark, GetsTheOperationAndGivesTheOutcome) {
  const auto outcome = run(
      "test \"$2 $4\" = '--operation --outcome' || exit 9\n"
      "grep -q '\"op\":\"merge_latest\"' \"$3\" || exit 8\n"
      "echo '{\"format\": 1, \"counts\": {\"in\": 3, \"inserted\": 3, \"out\": 3}}' > \"$5\"\n");
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_EQ(outcome->counts.inserted, 3);
  EXPECT_EQ(files(), 2) << "nothing is left of the exchange";
}

TEST_F(Spark, GivesTheErrorThatTheScriptWrote) {
  const auto outcome = run(
      "echo '{\"error\": {\"code\": \"corrupt\", \"message\": \"bad bytes\", \"hint\": \"look\"}}' "
      "> \"$5\"; exit 1\n");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(to_line(outcome.error()), AllOf(HasSubstr("bad bytes"), HasSubstr("look")));
}

TEST_F(Spark, WithoutAnOutcomeMayBeTriedAgain) {
  const auto outcome = run("echo starting >&2; echo 'no executors left' >&2; exit 3\n");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(outcome.error().message,
              AllOf(HasSubstr("status 3"), HasSubstr("no executors left")));
}

TEST_F(Spark, HalfAnOutcomeIsNone) {
  const auto outcome = run("printf '{\"format\": 1, \"cou' > \"$5\"\n");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kUnavailable);
}

TEST_F(Spark, SaysWhatItDoesNotExecuteAndWhatItMisses) {
  const auto engine = make_spark_engine({.submit = {folder_ + "/nobody"}, .scripts = folder_});
  const auto missing = engine->execute(operation_, context_);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().hint, HasSubstr("WEIR_SPARK_SUBMIT"));
  operation_.kind = model::OperationKind::kCheck;
  const auto other = engine->execute(operation_, context_);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kUnsupported);
  operation_.kind = model::OperationKind::kMergeLatest;
  const auto scriptless = make_spark_engine({.scripts = "/nowhere"})->execute(operation_, context_);
  ASSERT_FALSE(scriptless);
  EXPECT_THAT(scriptless.error().hint, HasSubstr("WEIR_SPARK_SCRIPTS"));
}

}  // namespace
}  // namespace weir::engine
