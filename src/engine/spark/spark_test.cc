// The seam alone, with programs in place of spark-submit; tests/interop/spark has the real one.

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine.h"
#include "parquet/parquet.h"
#include "table/hudi.h"

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
    operation_.target.uri = folder_ + "-stage";
    operation_.token = "token";
    operation_.limits.temp_folder = folder_;
    context_.cancel = &cancel_;
    context_.stores = stores_.get();
    context_.clock = clock_.get();
    context_.random = random_.get();
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
  std::unique_ptr<storage::Stores> stores_ = storage::make_local_stores("");
  std::unique_ptr<Clock> clock_ = make_system_clock();
  std::unique_ptr<Random> random_ = make_system_random();
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

TEST_F(Spark, RefusesWhatItCannotHonourBeforeAnythingIsStarted) {
  const std::string never = "touch " + folder_ + "/started\n";
  operation_.params = {{"delete_column", "op"}, {"delete_values", {"D"}}};
  const auto deletes = run(never);
  ASSERT_FALSE(deletes);
  EXPECT_EQ(deletes.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(to_line(deletes.error()),
              AllOf(HasSubstr("delete_column"), HasSubstr("engine: embedded")));
  operation_.params = {{"delete_column", ""}, {"delete_values", Json::array()}};
  EXPECT_FALSE(run("exit 1")) << "an empty one is none";

  operation_.target.options = {{"reader", "spectrum"}};
  const std::string uri = folder_ + "-raw";
  const model::Schema columns = {{"at", {model::TypeKind::kTime, 0, 0, {}}, true}};
  auto file = parquet::create_file(**stores_->open(uri), "a.parquet", *parquet::to_arrow(columns),
                                   parquet::WriteOptions{});
  ASSERT_TRUE(file) << to_line(file.error());
  ASSERT_TRUE((*file)->commit({}, storage::Put::kIfAbsent));
  model::PinnedObject object;
  object.uri = uri;
  object.name = "a.parquet";
  operation_.inputs.emplace_back().objects = {object};
  const auto unreadable = run(never);
  ASSERT_FALSE(unreadable);
  EXPECT_EQ(unreadable.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(unreadable.error().message,
              HasSubstr("reader 'spectrum' cannot read column 'at': it is a time of day"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/started"));
  std::filesystem::remove_all(uri);
}

TEST_F(Spark, IsNotStartedForWhatIsDone) {
  table::TableContext context{.store = *stores_->open(operation_.target.uri),
                              .clock = clock_.get(),
                              .random = random_.get()};
  table::TableOptions options;
  options.name = "orders";
  options.record_key = {"id"};
  options.ordering_field = "id";
  options.schema = {{"id", {model::TypeKind::kBigint, 0, 0, {}}, true}};
  const auto made = table::create_table(context, options);
  ASSERT_TRUE(made) << to_line(made.error());
  table::BeginOptions begin;
  begin.schema = options.schema;
  begin.token = operation_.token;
  auto commit = (*made)->begin(begin);
  ASSERT_TRUE(commit) << to_line(commit.error());
  ASSERT_TRUE((*commit)->complete({{"weir.token", operation_.token},
                                   {"weir.counts", R"({"in": 2, "inserted": 2, "out": 2})"}}));
  const auto outcome = run("exit 9");
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_TRUE(outcome->was_already_done);
  EXPECT_EQ(outcome->counts.inserted, 2);
  std::filesystem::remove_all(operation_.target.uri);
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
