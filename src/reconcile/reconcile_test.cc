#include "reconcile/reconcile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::reconcile {
namespace {

using ::testing::HasSubstr;

constexpr auto kRaw = "raw.airports airports-20220512.csv";
constexpr auto kStage = "stage.airports 20220512000000000";
constexpr auto kPresentation = "presentation.by_country 20220512000001000";
constexpr auto kWarehouse = "warehouse by_country";

Object sound(std::string name, int64_t rows) {
  return {.name = std::move(name),
          .records = {{.by = "its footer", .rows = rows},
                      {.by = "commit 20220512000000000", .size_bytes = 100, .sha256 = "aa"}},
          .found = {.size_bytes = 100, .sha256 = "aa", .rows = rows}};
}

/// 5 airports come in, 1 is rejected; 4 go on; they make 2 countries.
std::vector<Hop> good_chain() {
  return {
      {.name = kRaw,
       .counts = model::Counts{.in = 5, .inserted = 4, .rejected = 1, .out = 4},
       .objects = {sound("a.parquet", 4)},
       .rejected = {sound("rejected/a.parquet", 1)},
       .rows_published = 4,
       .input_rows_counted = 5},
      {.name = kStage,
       .counts = model::Counts{.in = 4, .inserted = 4, .out = 4},
       .objects = {sound("g1.parquet", 3), sound("g2.parquet", 1)},
       .inputs = {{.hop = kRaw, .rows = 4}},
       .rows_published = 4},
      {.name = kPresentation,
       .counts = model::Counts{.in = 2, .inserted = 2, .out = 2},
       .objects = {sound("p.parquet", 2)},
       .inputs = {{.hop = kStage, .rows = 4}},
       .rows_published = 2,
       .takes_every_row = false},
      {.name = kWarehouse,
       .counts = model::Counts{.in = 2, .inserted = 2, .out = 2},
       .inputs = {{.hop = kPresentation, .rows = 2}},
       .rows_published = 2,
       .rows_counted = 2,
       .controls = {{.name = "keys", .in = "ab", .out = "ab"}}},
  };
}

/// The one fault of a chain; fails where there is none or there are several.
Verdict only_fault(const std::vector<Hop>& chain) {
  const auto verdicts = judge(chain);
  const auto faults = std::ranges::count(verdicts, false, &Verdict::is_ok);
  EXPECT_EQ(faults, 1) << to_text(verdicts);
  const auto* fault = first_fault(verdicts);
  return fault == nullptr ? Verdict{} : *fault;
}

TEST(Judge, ChainThatClosesHasOneGoodVerdictAHop) {
  const auto verdicts = judge(good_chain());
  EXPECT_EQ(verdicts.size(), 4u);
  EXPECT_EQ(first_fault(verdicts), nullptr) << to_text(verdicts);
  EXPECT_TRUE(to_status(verdicts));
  EXPECT_THAT(to_text(verdicts), HasSubstr("ok      raw.airports airports-20220512.csv: "
                                           "in 5 = 4 inserted + 1 rejected"));
}

TEST(Judge, TruncatedRawObjectIsCorrupt) {
  auto chain = good_chain();
  chain[0].objects[0].found = {.fault = "no Parquet footer", .size_bytes = 60};
  const auto fault = only_fault(chain);
  EXPECT_EQ(fault.hop, kRaw);
  EXPECT_EQ(fault.code, ErrorCode::kCorrupt);
  EXPECT_EQ(fault.reason, "object_unreadable");
  EXPECT_THAT(fault.message, HasSubstr("no Parquet footer"));
}

TEST(Judge, ReplacedObjectOfTheSameSizeIsCorruptByItsHash) {
  auto chain = good_chain();
  chain[0].objects[0].found.sha256 = "bb";
  const auto fault = only_fault(chain);
  EXPECT_EQ(fault.hop, kRaw);
  EXPECT_EQ(fault.code, ErrorCode::kCorrupt);
  EXPECT_EQ(fault.reason, "object_changed");
  EXPECT_THAT(fault.expected, HasSubstr("aa"));
  EXPECT_THAT(fault.found, HasSubstr("bb"));
}

TEST(Judge, ObjectRewrittenWithARowLessAndAFooterThatAgreesIsFoundByTheNextHopsRecord) {
  auto chain = good_chain();
  chain[0].objects[0].records = {{.by = "its footer", .rows = 3},
                                 {.by = "commit 20220512000000000", .rows = 4}};
  chain[0].objects[0].found = {.size_bytes = 90, .sha256 = "cc", .rows = 3};
  const auto fault = only_fault(chain);
  EXPECT_EQ(fault.hop, kRaw);
  EXPECT_EQ(fault.reason, "rows_differ");
  EXPECT_THAT(fault.message, HasSubstr("commit 20220512000000000 says 4"));
}

TEST(Judge, ObjectRewrittenWithARowLessIsFoundByTheLandingFileAlone) {
  auto chain = good_chain();
  chain.resize(1);
  chain[0].objects[0] = {.name = "a.parquet", .found = {.rows = 3}};
  chain[0].counts = model::Counts{.in = 4, .inserted = 3, .rejected = 1, .out = 3};
  chain[0].rows_published = 3;
  const auto fault = only_fault(chain);
  EXPECT_EQ(fault.hop, kRaw);
  EXPECT_EQ(fault.reason, "input_differs");
}

TEST(Judge, ObjectWithARowMoreThanWasRecordedDiffers) {
  for (const int64_t rows : {3, 5}) {
    auto chain = good_chain();
    chain[0].objects[0].records[0].rows = 4;
    chain[0].objects[0].found.rows = rows;
    const auto fault = only_fault(chain);
    EXPECT_EQ(fault.hop, kRaw);
    EXPECT_EQ(fault.reason, "rows_differ") << rows;
  }
}

TEST(Judge, ObjectThatIsGoneIsNamed) {
  auto chain = good_chain();
  chain[1].objects[1].found = {.is_there = false};
  const auto fault = only_fault(chain);
  EXPECT_EQ(fault.hop, kStage);
  EXPECT_EQ(fault.code, ErrorCode::kCorrupt);
  EXPECT_EQ(fault.reason, "object_missing");
  EXPECT_THAT(fault.message, HasSubstr("g2.parquet"));
}

TEST(Judge, QuarantineObjectThatIsGoneIsNamed) {
  auto chain = good_chain();
  chain[0].rejected[0].found = {.is_there = false};
  const auto fault = only_fault(chain);
  EXPECT_EQ(fault.hop, kRaw);
  EXPECT_EQ(fault.reason, "quarantine_missing");
  EXPECT_THAT(fault.message, HasSubstr("rejected/a.parquet"));
}

TEST(Judge, RejectedRowsThatNoObjectKeepsAreMissed) {
  auto chain = good_chain();
  chain[0].rejected.clear();
  EXPECT_EQ(only_fault(chain).reason, "quarantine_missing");
}

TEST(Judge, QuarantineWithARowLessDiffers) {
  auto chain = good_chain();
  chain[0].rejected[0] = {.name = "rejected/a.parquet", .found = {.rows = 0}};
  EXPECT_EQ(only_fault(chain).reason, "quarantine_differs");
}

TEST(Judge, CountsThatDoNotAddUpAreOpen) {
  auto chain = good_chain();
  chain[1].counts->inserted = 3;
  const auto fault = only_fault(chain);
  EXPECT_EQ(fault.hop, kStage);
  EXPECT_EQ(fault.code, ErrorCode::kCheckFailed);
  EXPECT_EQ(fault.reason, "counts_open");
  EXPECT_THAT(fault.message, HasSubstr("in 4 ≠ 3 inserted"));
}

TEST(Judge, CommitWithoutCountsIsNotTakenForGood) {
  auto chain = good_chain();
  chain[2].counts.reset();
  EXPECT_EQ(only_fault(chain).reason, "counts_missing");
}

TEST(Judge, RowsLostBetweenTwoHopsAreTheLaterHopsFault) {
  auto chain = good_chain();
  chain[1].inputs[0].rows = 3;
  chain[1].counts = model::Counts{.in = 3, .inserted = 3, .out = 4};
  const auto fault = only_fault(chain);
  EXPECT_EQ(fault.hop, kStage);
  EXPECT_EQ(fault.reason, "input_differs");
  EXPECT_THAT(fault.message, HasSubstr("took 3 rows from"));
}

TEST(Judge, HopThatTakesFewerRowsThanItsInputsHaveIsAFault) {
  auto chain = good_chain();
  chain[1].counts = model::Counts{.in = 3, .inserted = 3, .out = 4};
  EXPECT_EQ(only_fault(chain).reason, "input_differs");
}

TEST(Judge, QueryThatComputesSomethingNewMayHaveOtherCounts) {
  auto chain = good_chain();
  chain[2].takes_every_row = true;
  EXPECT_EQ(only_fault(chain).hop, kPresentation);
}

TEST(Judge, InputOfWhichNothingIsRecordedIsUnknown) {
  auto chain = good_chain();
  chain.erase(chain.begin());
  EXPECT_EQ(only_fault(chain).reason, "input_unknown");
}

TEST(Judge, WarehouseRowThatIsGoneIsFoundByCounting) {
  auto chain = good_chain();
  chain[3].rows_counted = 1;
  const auto fault = only_fault(chain);
  EXPECT_EQ(fault.hop, kWarehouse);
  EXPECT_EQ(fault.reason, "rows_differ");
}

TEST(Judge, KeysThatDifferAcrossAHopAreAFault) {
  auto chain = good_chain();
  chain[3].controls[0].out = "cd";
  const auto fault = only_fault(chain);
  EXPECT_EQ(fault.hop, kWarehouse);
  EXPECT_EQ(fault.reason, "control_differs");
}

TEST(Judge, StatusNamesTheFirstFaultAndCountsTheOthers) {
  auto chain = good_chain();
  chain[0].objects[0].found.sha256 = "bb";
  chain[3].rows_counted = 1;
  const auto status = to_status(judge(chain));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(status.error().message, HasSubstr(kRaw));
  EXPECT_THAT(status.error().message, HasSubstr("1 more"));
  EXPECT_FALSE(status.error().hint.empty());
}

}  // namespace
}  // namespace weir::reconcile
