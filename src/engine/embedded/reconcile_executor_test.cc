#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/embedded/executors.h"
#include "engine/embedded/pinned.h"
#include "engine/embedded/small_lake.h"

namespace weir::engine::embedded {
namespace {

using ::testing::HasSubstr;

constexpr auto kThree = "SELECT i AS id FROM range(3) t(i)";
constexpr auto kTwo = "SELECT i AS id FROM range(2) t(i)";

/// A raw object of three rows and its quarantine of one, as they were published.
class ReconcileExecutor : public SmallLake {
 protected:
  void SetUp() override {
    SmallLake::SetUp();
    operation_ = operation(model::OperationKind::kReconcile, {input("raw.people", kThree)});
    rejected_ = object(folder_ + "/raw/people__rejected", "part.parquet", "SELECT 'x' AS reason");
    operation_.params = {
        {"counts", model::to_json(model::Counts{.in = 4, .inserted = 3, .rejected = 1, .out = 3})},
        {"rows", 3},
        {"input_rows", 4},
        {"rejected",
         {{{"uri", rejected_.uri},
           {"name", rejected_.name},
           {"size_bytes", rejected_.size_bytes},
           {"sha256", rejected_.sha256},
           {"rows", 1}}}}};
  }
  const model::PinnedObject& raw() const { return operation_.inputs[0].objects[0]; }
  Error fault() {
    const auto outcome = reconcile(operation_, context_);
    EXPECT_FALSE(outcome);
    return outcome ? Error{} : outcome.error();
  }

  model::Operation operation_;
  model::PinnedObject rejected_;
};

TEST_F(ReconcileExecutor, DatasetThatIsAsPublishedCloses) {
  const auto outcome = reconcile(operation_, context_);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_EQ(outcome->details["verdicts"][0]["ok"], true);
  EXPECT_EQ(outcome->counts, (model::Counts{.in = 3, .unchanged = 3, .out = 3}));
}

TEST_F(ReconcileExecutor, TruncatedObjectIsCorrupt) {
  const auto bytes = *store(raw().uri).read(raw().name, storage::Range::all());
  ASSERT_TRUE(storage::put(store(raw().uri), raw().name, bytes.substr(0, bytes.size() / 2),
                           storage::Put::kReplace));
  const auto error = fault();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("raw.people"));
  EXPECT_THAT(error.message, HasSubstr("cannot be read"));
}

TEST_F(ReconcileExecutor, ObjectRewrittenWithARowLessAndAGoodFooterIsFound) {
  object(raw().uri, raw().name, kTwo);
  const auto error = fault();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("2 rows"));
}

TEST_F(ReconcileExecutor, ObjectRewrittenByAnybodyWhoAlsoForgedItsRecordIsFoundByItsHop) {
  operation_.inputs[0].objects[0] = object(raw().uri, raw().name, kTwo);
  const auto error = fault();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("published 3 rows and has 2"));
}

TEST_F(ReconcileExecutor, DeletedQuarantineIsNamed) {
  ASSERT_TRUE(store(rejected_.uri).remove(rejected_.name));
  const auto error = fault();
  EXPECT_EQ(error.code, ErrorCode::kNotFound);
  EXPECT_THAT(error.message, HasSubstr("quarantine object 'part.parquet'"));
}

TEST_F(ReconcileExecutor, DeletedObjectIsNamed) {
  ASSERT_TRUE(store(raw().uri).remove(raw().name));
  EXPECT_EQ(fault().code, ErrorCode::kNotFound);
}

TEST_F(ReconcileExecutor, LostRecordOfTheLandingFileIsFound) {
  operation_.params["input_rows"] = 5;
  const auto error = fault();
  EXPECT_EQ(error.code, ErrorCode::kCheckFailed);
  EXPECT_THAT(error.message, HasSubstr("5 records"));
}

TEST_F(ReconcileExecutor, DatasetWithoutRecordedCountsIsJudgedByItsObjects) {
  operation_.params = Json::object();
  EXPECT_TRUE(reconcile(operation_, context_));
}

TEST_F(ReconcileExecutor, PinnedFooterWithAnotherNumberOfRowsIsCorrupt) {
  operation_.inputs[0].objects[0].rows = 4;
  const auto opened = open_readings(operation_, context_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(opened.error().message, HasSubstr("has rows 3; pinned was 4"));
}

TEST_F(ReconcileExecutor, StoreThatTheEngineCannotOpenIsReadThroughACopy) {
  const auto bytes = *store(raw().uri).read(raw().name, storage::Range::all());
  ASSERT_TRUE(storage::put(store("memory:lake"), "a.parquet", bytes, storage::Put::kIfAbsent));
  operation_.inputs[0].objects[0].uri = "memory:lake";
  operation_.inputs[0].objects[0].name = "a.parquet";
  const auto outcome = reconcile(operation_, context_);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_EQ(outcome->counts.unchanged, 3);
}

TEST_F(ReconcileExecutor, NameThatTheEngineTakesForAPatternIsReadThroughACopy) {
  operation_.inputs[0].objects[0] = object(raw().uri, "part[1].parquet", kThree);
  const auto outcome = reconcile(operation_, context_);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_EQ(outcome->counts.unchanged, 3);
}

}  // namespace
}  // namespace weir::engine::embedded
