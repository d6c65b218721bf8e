#include "table/history.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/instant.h"
#include "storage/faulty.h"
#include "table/history/test_lake.h"

namespace weir::table {
namespace {

using model::Counts;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Columns = std::vector<std::pair<std::string, std::string>>;
const Columns kName = {{"k", "varchar"}, {"name", "varchar"}};

/// `k=ann name=Ann [Mon, Tue) closed`: what a test says of a version.
std::string day_of(const Cell& at_us) {
  if (!at_us) return "";
  const int64_t day = (std::stoll(*at_us) - kMonday) / kDay;
  return std::vector<std::string>{"Mon", "Tue", "Wed", "Thu", "Fri"}.at(static_cast<size_t>(day));
}

std::vector<std::string> story(TestLake& lake, const std::vector<std::string>& columns = {"name"}) {
  std::vector<std::string> out;
  for (const StoredVersion& version : lake.versions()) {
    std::string line = version.at("k").value_or("NULL");
    for (const auto& column : columns) line += " " + version.at(column).value_or("NULL");
    line += fmt::format(" {}-{}", day_of(version.at("valid_from")), day_of(version.at("valid_to")));
    if (version.at("is_deleted") == "true") line += " deleted";
    EXPECT_EQ(version.at("is_current") == "true", !version.at("valid_to")) << line;
    out.push_back(line);
  }
  return out;
}

#define ASSERT_OK(outcome) ASSERT_TRUE(outcome) << to_line((outcome).error())

TEST(MergeSnapshot, OpensClosesAndKeepsVersions) {
  TestLake lake;
  const auto first = lake.merge(kMonday, {kName, {{"ann", "Ann"}, {"bob", "Bob"}, {"eve", "Eve"}}});
  ASSERT_OK(first);
  EXPECT_EQ(first->counts, (Counts{.in = 3, .inserted = 3, .out = 3}));
  const auto second =
      lake.merge(kTuesday, {kName, {{"ann", "Ann"}, {"bob", "Robert"}, {"dan", "Dan"}}});
  ASSERT_OK(second);
  EXPECT_EQ(second->counts, (Counts{.in = 3,
                                    .inserted = 2,
                                    .unchanged = 1,
                                    .closed_by_change = 1,
                                    .closed_by_absence = 1,
                                    .out = 5}));
  EXPECT_THAT(story(lake), ElementsAre("ann Ann Mon-", "bob Bob Mon-Tue", "bob Robert Tue-",
                                       "dan Dan Tue-", "eve Eve Mon-Tue deleted"));
  ASSERT_THAT(second->publications, SizeIs(1));
  EXPECT_EQ(second->publications[0].rows, 5);
  EXPECT_EQ(second->publications[0].dataset.text(), "stage.people");
  EXPECT_EQ(second->publications[0].as_of_us, kTuesday);
}

TEST(MergeSnapshot, VersionsSayWhereTheyComeFrom) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"ann", "Ann"}, {"bob", "Bob"}}}));
  const auto versions = lake.versions();
  ASSERT_THAT(versions, SizeIs(2));
  EXPECT_EQ(versions[1].at("_source_file"), "file-0.csv");
  EXPECT_EQ(versions[1].at("_source_row"), "2");
  EXPECT_EQ(versions[1].at("_run_id"), "run");
  EXPECT_EQ(versions[1].at("_loaded_at"), std::to_string(kMonday + 1'000));
  model::CanonicalWriter row;
  row.row();
  row.name("name");
  row.text("Bob");
  EXPECT_EQ(versions[1].at("row_hash"), model::canonical_hash(row.bytes()));
  model::CanonicalWriter id;
  id.row();
  id.name("k");
  id.text("bob");
  id.name("valid_from");
  id.timestamp(kMonday);
  EXPECT_EQ(versions[1].at("_version_id"), model::canonical_hash(id.bytes()));
}

TEST(MergeSnapshot, ValueThatComesBackIsAThirdVersion) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"ann", "A"}}}));
  ASSERT_OK(lake.merge(kTuesday, {kName, {{"ann", "B"}}}));
  ASSERT_OK(lake.merge(kWednesday, {kName, {{"ann", "A"}}}));
  EXPECT_THAT(story(lake), ElementsAre("ann A Mon-Tue", "ann B Tue-Wed", "ann A Wed-"));
}

TEST(MergeSnapshot, KeyThatReturnsLeavesAGap) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"ann", "A"}, {"bob", "B"}}}));
  ASSERT_OK(lake.merge(kTuesday, {kName, {{"bob", "B"}}}));
  ASSERT_OK(lake.merge(kWednesday, {kName, {{"ann", "A"}, {"bob", "B"}}}));
  EXPECT_THAT(story(lake), ElementsAre("ann A Mon-Tue deleted", "ann A Wed-", "bob B Mon-"));
}

TEST(MergeSnapshot, AbsentKeyStaysWhereDeletesAreIgnored) {
  TestLake lake;
  lake.options.deletes = Deletes::kIgnore;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"ann", "A"}, {"bob", "B"}}}));
  const auto second = lake.merge(kTuesday, {kName, {{"bob", "B2"}}});
  ASSERT_OK(second);
  EXPECT_EQ(second->counts, (Counts{.in = 1, .inserted = 1, .closed_by_change = 1, .out = 3}));
  EXPECT_THAT(story(lake), ElementsAre("ann A Mon-", "bob B Mon-Tue", "bob B2 Tue-"));
}

TEST(MergeSnapshot, NullAndEmptyTextDiffer) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"a", std::nullopt}, {"b", ""}, {"c", std::nullopt}}}));
  ASSERT_OK(lake.merge(kTuesday, {kName, {{"a", ""}, {"b", ""}, {"c", std::nullopt}}}));
  EXPECT_THAT(story(lake), ElementsAre("a NULL Mon-Tue", "a  Tue-", "b  Mon-", "c NULL Mon-"));
}

TEST(MergeSnapshot, CompositeKeyIsNotItsConcatenation) {
  TestLake lake;
  lake.options.key = {"k", "part"};
  const Columns columns = {{"k", "varchar"}, {"part", "varchar"}, {"name", "varchar"}};
  ASSERT_OK(lake.merge(kMonday, {columns, {{"a|b", "c", "1"}, {"a", "b|c", "2"}}}));
  const auto second = lake.merge(kTuesday, {columns, {{"a|b", "c", "1"}, {"a", "b|c", "3"}}});
  ASSERT_OK(second);
  EXPECT_EQ(second->counts.unchanged, 1);
  EXPECT_THAT(story(lake), ElementsAre("a 2 Mon-Tue", "a 3 Tue-", "a|b 1 Mon-"));
}

TEST(MergeSnapshot, ExactDuplicatesCollapse) {
  TestLake lake;
  const auto first = lake.merge(kMonday, {kName, {{"ann", "A"}, {"ann", "A"}, {"bob", "B"}}});
  ASSERT_OK(first);
  EXPECT_EQ(first->counts, (Counts{.in = 3, .inserted = 2, .deduplicated = 1, .out = 2}));
  const auto second = lake.merge(
      kTuesday, {kName, {{"ann", "A2"}, {"ann", "A2"}, {"bob", "B"}, {"bob", "B"}, {"bob", "B"}}});
  ASSERT_OK(second);
  EXPECT_EQ(second->counts, (Counts{.in = 5,
                                    .inserted = 1,
                                    .deduplicated = 3,
                                    .unchanged = 1,
                                    .closed_by_change = 1,
                                    .out = 3}));
  EXPECT_THAT(story(lake), ElementsAre("ann A Mon-Tue", "ann A2 Tue-", "bob B Mon-"));
}

TEST(MergeSnapshot, KeyWithDifferentRowsIsQuarantinedAndPresent) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"ann", "A"}, {"bob", "B"}}}));
  const auto second = lake.merge(
      kTuesday, {kName, {{"ann", "A"}, {"ann", "X"}, {"new", "1"}, {"new", "2"}, {"bob", "B2"}}});
  ASSERT_OK(second);
  EXPECT_EQ(second->counts,
            (Counts{.in = 5, .inserted = 1, .rejected = 4, .closed_by_change = 1, .out = 3}));
  EXPECT_THAT(story(lake), ElementsAre("ann A Mon-", "bob B Mon-Tue", "bob B2 Tue-"));
  ASSERT_THAT(second->rejects, SizeIs(1));
  EXPECT_EQ(second->rejects[0].reason, "conflict_same_key");
  const std::string name = second->publications[0].object_name;
  const auto info = parquet::read_info(*lake.rejected, name);
  ASSERT_OK(info);
  EXPECT_EQ(info->rows, 4);
}

TEST(MergeSnapshot, NullInTheKeyIsQuarantined) {
  TestLake lake;
  const auto first = lake.merge(kMonday, {kName, {{"ann", "A"}, {std::nullopt, "X"}}});
  ASSERT_OK(first);
  EXPECT_EQ(first->counts, (Counts{.in = 2, .inserted = 1, .rejected = 1, .out = 1}));
  const auto path =
      lake.session().objects().path_of(*lake.rejected, first->publications[0].object_name);
  const auto rows = lake.session().query(
      fmt::format("SELECT reason, \"column\", \"values\", source_file, line FROM read_parquet({})",
                  model::quote_text(*path)));
  ASSERT_OK(rows);
  ASSERT_THAT(rows->rows, SizeIs(1));
  EXPECT_THAT(rows->rows[0],
              ElementsAre("null_key", "k", R"({"k":null,"name":"X"})", "file-0.csv", "2"));
}

TEST(MergeSnapshot, KeyThatWasRejectedOnTheWayInIsPresent) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"ann", "A"}, {"bob", "B"}, {"eve", "E"}}}));
  HistorySource source = lake.raw(kTuesday, {kName, {{"bob", "B"}}});
  source.rejected_files = {
      lake.copy("SELECT 'cast' AS reason, '{\"k\":\"ann\",\"name\":\"?\"}' AS \"values\" UNION ALL "
                "SELECT 'width', NULL UNION ALL SELECT 'width', '{\"name\":\"x\"}'")};
  const auto second = lake.merge(source);
  ASSERT_OK(second);
  EXPECT_EQ(second->counts, (Counts{.in = 1, .unchanged = 1, .closed_by_absence = 1, .out = 3}));
  EXPECT_THAT(story(lake), ElementsAre("ann A Mon-", "bob B Mon-", "eve E Mon-Tue deleted"));
}

TEST(MergeSnapshot, UntrackedColumnIsUpdatedInPlace) {
  TestLake lake;
  lake.options.untracked = {"note"};
  const Columns columns = {{"k", "varchar"}, {"name", "varchar"}, {"note", "varchar"}};
  ASSERT_OK(lake.merge(kMonday, {columns, {{"a", "A", "1"}, {"b", "B", "1"}, {"c", "C", "1"}}}));
  const auto before = lake.versions();
  const auto second =
      lake.merge(kTuesday, {columns, {{"a", "A", "2"}, {"b", "B2", "2"}, {"c", "C", "1"}}});
  ASSERT_OK(second);
  EXPECT_EQ(second->counts, (Counts{.in = 3,
                                    .inserted = 1,
                                    .updated_in_place = 1,
                                    .unchanged = 1,
                                    .closed_by_change = 1,
                                    .out = 4}));
  EXPECT_THAT(story(lake, {"name", "note"}),
              ElementsAre("a A 2 Mon-", "b B 1 Mon-Tue", "b B2 2 Tue-", "c C 1 Mon-"));
  const auto after = lake.versions();
  EXPECT_EQ(after[0].at("row_hash"), before[0].at("row_hash"));
  EXPECT_EQ(after[0].at("_version_id"), before[0].at("_version_id"));
  EXPECT_EQ(after[0].at("_source_file"), before[0].at("_source_file"));
  EXPECT_NE(after[0].at("_hoodie_commit_time"), before[0].at("_hoodie_commit_time"));
  EXPECT_EQ(after[3], before[2]) << "an untouched version stays as it is";
}

TEST(MergeSnapshot, AddedColumnFillsInPlace) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"a", "A"}, {"b", "B"}, {"c", "C"}, {"gone", "G"}}}));
  const auto before = lake.versions();
  const Columns wider = {{"k", "varchar"}, {"lid", "varchar"}, {"name", "varchar"}};
  const auto second =
      lake.merge(kTuesday, {wider, {{"a", "1", "A"}, {"b", "2", "B2"}, {"c", std::nullopt, "C"}}});
  ASSERT_OK(second);
  EXPECT_EQ(second->counts, (Counts{.in = 3,
                                    .inserted = 1,
                                    .updated_in_place = 1,
                                    .unchanged = 1,
                                    .closed_by_change = 1,
                                    .closed_by_absence = 1,
                                    .out = 5}));
  EXPECT_THAT(story(lake, {"name", "lid"}),
              ElementsAre("a A 1 Mon-", "b B NULL Mon-Tue", "b B2 2 Tue-", "c C NULL Mon-",
                          "gone G NULL Mon-Tue deleted"));
  const auto after = lake.versions();
  EXPECT_NE(after[0].at("row_hash"), before[0].at("row_hash"));
  EXPECT_EQ(after[0].at("_source_file"), before[0].at("_source_file"));
  EXPECT_EQ(after[3].at("row_hash"), before[2].at("row_hash"));
  const auto third = lake.merge(
      kWednesday, {wider, {{"a", "1", "A"}, {"b", "2", "B2"}, {"c", std::nullopt, "C"}}});
  ASSERT_OK(third);
  EXPECT_EQ(third->counts, (Counts{.in = 3, .unchanged = 3, .out = 5}));
}

TEST(MergeSnapshot, AddedColumnWithoutValuesMakesNoVersion) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"a", "A"}}}));
  const Columns wider = {{"k", "varchar"}, {"name", "varchar"}, {"n", "bigint"}};
  const auto second = lake.merge(kTuesday, {wider, {{"a", "A", std::nullopt}}});
  ASSERT_OK(second);
  EXPECT_EQ(second->counts, (Counts{.in = 1, .unchanged = 1, .out = 1}));
  const auto third = lake.merge(kWednesday, {wider, {{"a", "A", "7"}}});
  ASSERT_OK(third);
  EXPECT_THAT(story(lake, {"name", "n"}), ElementsAre("a A NULL Mon-Wed", "a A 7 Wed-"));
}

TEST(MergeSnapshot, MissingColumnIsCarriedForward) {
  TestLake lake;
  const Columns wide = {{"k", "varchar"}, {"name", "varchar"}, {"city", "varchar"}};
  ASSERT_OK(lake.merge(kMonday, {wide, {{"a", "A", "Oslo"}, {"b", "B", "Rome"}}}));
  const auto second = lake.merge(kTuesday, {kName, {{"a", "A"}, {"b", "B2"}, {"c", "C"}}});
  ASSERT_OK(second);
  EXPECT_EQ(second->counts,
            (Counts{.in = 3, .inserted = 2, .unchanged = 1, .closed_by_change = 1, .out = 4}));
  EXPECT_THAT(second->warnings, ElementsAre(HasSubstr("'city'")));
  EXPECT_THAT(story(lake, {"name", "city"}),
              ElementsAre("a A Oslo Mon-", "b B Rome Mon-Tue", "b B2 Rome Tue-", "c C NULL Tue-"));
  const auto third =
      lake.merge(kWednesday, {wide, {{"a", "A", "Oslo"}, {"b", "B2", "Rome"}, {"c", "C", "Bern"}}});
  ASSERT_OK(third);
  EXPECT_EQ(third->counts.unchanged, 2);
}

TEST(MergeSnapshot, WiderTypeMakesNoVersion) {
  TestLake lake;
  const Columns narrow = {{"k", "integer"}, {"name", "integer"}, {"d", "decimal(10,2)"}};
  const Columns wide = {{"k", "bigint"}, {"name", "bigint"}, {"d", "decimal(14,3)"}};
  ASSERT_OK(lake.merge(kMonday, {narrow, {{"1", "10", "1.00"}, {"2", "20", "2.50"}}}));
  const auto second =
      lake.merge(kTuesday, {wide, {{"1", "10", "1.000"}, {"2", "5000000000", "2.5"}}});
  ASSERT_OK(second);
  EXPECT_EQ(second->counts.unchanged, 1);
  EXPECT_THAT(story(lake, {"name", "d"}),
              ElementsAre("1 10 1.000 Mon-", "2 20 2.500 Mon-Tue", "2 5000000000 2.500 Tue-"));
  const auto third = lake.merge(kWednesday, {narrow, {{"1", "10", "1.00"}}});
  ASSERT_OK(third);
  EXPECT_EQ(third->counts.unchanged, 1) << "the narrower type still fits the wider column";
}

TEST(MergeSnapshot, TypeThatDoesNotWidenIsDriftAndWritesNothing) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"a", "A"}}}));
  const std::string before = lake.digest();
  const auto entries = storage::list_all(lake.store(), "")->size();
  const auto second = lake.merge(kTuesday, {{{"k", "varchar"}, {"name", "double"}}, {{"a", "1"}}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kSchemaDrift);
  EXPECT_THAT(second.error().message, HasSubstr("'name'"));
  EXPECT_EQ(lake.digest(), before);
  EXPECT_EQ(storage::list_all(lake.store(), "")->size(), entries);
}

TEST(MergeSnapshot, KeyOrUntrackedColumnsCannotChange) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"a", "A"}}}));
  lake.options.untracked = {"name"};
  const auto second = lake.merge(kTuesday, {kName, {{"a", "B"}}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kInvalidConfig);
}

TEST(MergeSnapshot, ColumnThatHistoryUsesIsRefused) {
  TestLake lake;
  const auto merged =
      lake.merge(kMonday, {{{"k", "varchar"}, {"Valid_From", "varchar"}}, {{"a", "A"}}});
  ASSERT_FALSE(merged);
  EXPECT_EQ(merged.error().code, ErrorCode::kInvalidConfig);
}

Picture ten_people(int64_t without) {
  Picture picture{kName, {}};
  for (int64_t i = without; i < 10; ++i) picture.rows.push_back({fmt::format("k{}", i), "x"});
  return picture;
}

TEST(DeleteGuard, HoldsWhereTooManyKeysVanish) {
  TestLake lake;
  lake.options.max_deleted_percent = 20;
  ASSERT_OK(lake.merge(kMonday, ten_people(0)));
  const auto entries = storage::list_all(lake.store(), "")->size();
  const auto held = lake.merge(kTuesday, ten_people(3));
  ASSERT_OK(held);
  ASSERT_TRUE(held->held);
  EXPECT_EQ(held->held->reason, "too_many_deletes");
  EXPECT_EQ(held->held->facts["open_keys"], 10);
  EXPECT_EQ(held->held->facts["vanished"], 3);
  EXPECT_DOUBLE_EQ(held->held->facts["percent"], 30.0);
  EXPECT_THAT(held->publications, IsEmpty());
  EXPECT_EQ(storage::list_all(lake.store(), "")->size(), entries) << "nothing is written";
  const auto taken = lake.merge(kTuesday, ten_people(2));
  ASSERT_OK(taken);
  EXPECT_FALSE(taken->held) << "20 % is not more than 20 %";
  EXPECT_EQ(taken->counts.closed_by_absence, 2);
}

TEST(DeleteGuard, LetsAnApprovedMergePass) {
  TestLake lake;
  lake.options.max_deleted_percent = 20;
  ASSERT_OK(lake.merge(kMonday, ten_people(0)));
  lake.options.is_approved = true;
  const auto merged = lake.merge(kTuesday, ten_people(9));
  ASSERT_OK(merged);
  EXPECT_FALSE(merged->held);
  EXPECT_EQ(merged->counts.closed_by_absence, 9);
}

TEST(DeleteGuard, HoldsAnEmptySnapshot) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, ten_people(0)));
  const auto held = lake.merge(kTuesday, {kName, {}});
  ASSERT_OK(held);
  ASSERT_TRUE(held->held);
  EXPECT_EQ(held->held->reason, "empty_snapshot");
  HistorySource no_files = lake.raw(kWednesday, {kName, {}});
  no_files.files.clear();
  const auto none = lake.merge(no_files);
  ASSERT_OK(none);
  EXPECT_EQ(none->held->reason, "empty_snapshot");
}

TEST(DeleteGuard, LetsAnEmptySnapshotOverNothingPass) {
  TestLake lake;
  const auto first = lake.merge(kMonday, {kName, {}});
  ASSERT_OK(first);
  EXPECT_FALSE(first->held) << "there is no key that could be lost";
  ASSERT_OK(lake.merge(kTuesday, {kName, {{"a", "A"}}}));
  EXPECT_THAT(story(lake), ElementsAre("a A Tue-"));
  EXPECT_TRUE(lake.merge(kWednesday, {kName, {}})->held);
}

TEST(DeleteGuard, HoldsTooManyChangesWhereAsked) {
  TestLake lake;
  lake.options.max_changed_percent = 50;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"a", "A"}, {"b", "B"}}}));
  EXPECT_FALSE(lake.merge(kTuesday, {kName, {{"a", "A"}, {"b", "B2"}}})->held);
  EXPECT_EQ(lake.merge(kWednesday, {kName, {{"a", "A2"}, {"b", "B3"}}})->held->reason,
            "too_many_changes");
}

TEST(StaleSnapshot, IsHeldEvenIfApproved) {
  TestLake lake;
  lake.options.is_approved = true;
  ASSERT_OK(lake.merge(kTuesday, {kName, {{"a", "A"}}}));
  for (const int64_t as_of : {kMonday, kTuesday}) {
    const auto held = lake.merge(as_of, {kName, {{"a", "B"}}});
    ASSERT_OK(held);
    ASSERT_TRUE(held->held);
    EXPECT_EQ(held->held->reason, "stale_snapshot");
    EXPECT_EQ(held->held->facts["newest"], "2026-01-06T00:00:00Z");
  }
  EXPECT_THAT(story(lake), ElementsAre("a A Tue-"));
}

TEST(MergeSnapshot, SameTokenIsDoneAlready) {
  TestLake lake;
  const HistorySource source = lake.raw(kMonday, {kName, {{"a", "A"}, {"a", "A"}, {"a", "A"}}});
  const auto first = lake.merge(source);
  ASSERT_OK(first);
  ASSERT_OK(lake.merge(kTuesday, {kName, {{"a", "B"}}}));
  const auto entries = storage::list_all(lake.store(), "")->size();
  const auto again = lake.merge(source);
  ASSERT_OK(again);
  EXPECT_TRUE(again->was_already_done);
  EXPECT_EQ(again->counts, first->counts);
  EXPECT_EQ(again->publications[0].instant, first->publications[0].instant);
  EXPECT_EQ(storage::list_all(lake.store(), "")->size(), entries);
}

TEST(MergeSnapshot, NothingNewIsStillACommitThatMovesTheAsOf) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"a", "A"}}}));
  const auto second = lake.merge(kWednesday, {kName, {{"a", "A"}}});
  ASSERT_OK(second);
  EXPECT_EQ(second->counts, (Counts{.in = 1, .unchanged = 1, .out = 1}));
  EXPECT_EQ(lake.merge(kTuesday, {kName, {{"a", "B"}}})->held->reason, "stale_snapshot");
}

TEST(MergeSnapshot, FooterThatPromisesMoreRowsFailsBeforeAnythingIsWritten) {
  TestLake lake;
  HistorySource source = lake.raw(kMonday, {kName, {{"a", "A"}}});
  source.rows = 2;
  const auto merged = lake.merge(source);
  ASSERT_FALSE(merged);
  EXPECT_EQ(merged.error().code, ErrorCode::kCheckFailed);
  EXPECT_THAT(*storage::list_all(lake.store(), ""), IsEmpty());
}

TEST(MergeSnapshot, ClosedVersionsAreNotRewrittenByLaterMerges) {
  TestLake lake;
  lake.options.target_file_bytes = 4;  // nothing is small: every merge makes new groups
  ASSERT_OK(lake.merge(kMonday, {kName, {{"a", "A"}, {"b", "B"}}}));
  ASSERT_OK(lake.merge(kTuesday, {kName, {{"a", "A2"}, {"b", "B"}}}));
  std::vector<std::string> history;
  for (const FileSlice& slice : lake.slices()) {
    if (slice.role == Role::kHistory) history.push_back(slice.name);
  }
  ASSERT_THAT(history, SizeIs(1));
  ASSERT_OK(lake.merge(kWednesday, {kName, {{"a", "A3"}, {"b", "B3"}}}));
  std::vector<std::string> names;
  for (const FileSlice& slice : lake.slices()) names.push_back(slice.name);
  EXPECT_THAT(names, ::testing::Contains(history[0]));
  EXPECT_THAT(story(lake),
              ElementsAre("a A Mon-Tue", "a A2 Tue-Wed", "a A3 Wed-", "b B Mon-Wed", "b B3 Wed-"));
}

TEST(MergeSnapshot, SmallGroupsAreExtendedInsteadOfMultiplied) {
  TestLake lake;
  ASSERT_OK(lake.merge(kMonday, {kName, {{"a", "A"}, {"b", "B"}}}));
  for (int64_t day = 1; day <= 4; ++day) {
    ASSERT_OK(lake.merge(
        kMonday + day * kDay,
        {kName, {{"a", std::to_string(day)}, {"b", "B"}, {fmt::format("n{}", day), "N"}}}));
  }
  EXPECT_THAT(lake.slices(), SizeIs(2)) << "one current, one history group";
}

void copy_objects(storage::Storage& from, storage::Storage& to) {
  const auto entries = storage::list_all(from, "");
  ASSERT_OK(entries);
  for (const auto& entry : *entries) {
    const auto bytes = from.read(entry.name, storage::Range::all());
    ASSERT_OK(bytes);
    ASSERT_TRUE(storage::put(to, entry.name, *bytes, storage::Put::kIfAbsent));
  }
}

/// The third picture has every kind of row; the store fails at each of its mutating calls in turn.
class InterruptedMerge : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(lake_.merge(kMonday, {kName, {{"a", "A"}, {"b", "B"}, {"c", "C"}, {"d", "D"}}}));
    ASSERT_OK(lake_.merge(kTuesday, {kName, {{"a", "A"}, {"b", "B"}, {"c", "C2"}, {"d", "D"}}}));
    source_ = lake_.raw(kWednesday, {{{"k", "varchar"}, {"name", "varchar"}, {"lid", "varchar"}},
                                     {{"a", "A", "1"},
                                      {"b", "B2", "2"},
                                      {"n", "N", std::nullopt},
                                      {"x", "1", "1"},
                                      {"x", "2", "2"},
                                      {std::nullopt, "Z", "3"}}});
  }

  /// Merges the third picture under the plan, then once more without faults.
  void merge_twice(storage::FaultPlan& plan) {
    const auto store = storage::make_memory_storage();
    const auto rejected = storage::make_memory_storage();
    copy_objects(lake_.store(), *store);
    const auto faulty = storage::make_faulty_storage(*store, plan);
    const auto faulty_rejected = storage::make_faulty_storage(*rejected, plan);
    lake_.options.rejected_store = faulty_rejected.get();
    (void)lake_.merge_into(*faulty, source_);
    lake_.options.rejected_store = rejected.get();
    ASSERT_OK(lake_.merge_into(*store, source_));
    TestContext context(*store);
    const auto table = open_table(context.context);
    ASSERT_OK(table);
    const auto digest = table_digest(**table, *(*table)->snapshot(), lake_.cancel);
    ASSERT_OK(digest);
    if (digest_.empty()) digest_ = *digest;
    EXPECT_EQ(*digest, digest_);
    EXPECT_THAT(*(*table)->commits(), SizeIs(4)) << "with the one that begins the table";
    EXPECT_THAT(*storage::list_all(*rejected, ""), SizeIs(1));
  }

  TestLake lake_;
  HistorySource source_;
  std::string digest_;  ///< Of the first merge, which nothing interrupted.
};

TEST_F(InterruptedMerge, IsRepairedByRunningAgain) {
  storage::FaultPlan none;
  merge_twice(none);
  ASSERT_GT(none.mutating_calls(), 20);
  std::vector<storage::FaultKind> kinds = {storage::FaultKind::kCrashAfter};
  if (std::getenv("WEIR_LONG") != nullptr)
    kinds = {storage::FaultKind::kCrashBefore, storage::FaultKind::kCrashAfter,
             storage::FaultKind::kBeforeEffect, storage::FaultKind::kAfterEffect};
  for (const auto kind : kinds) {
    for (int64_t call = 1; call <= none.mutating_calls() && !HasFailure(); ++call) {
      SCOPED_TRACE(fmt::format("fault {} at call {}", static_cast<int>(kind), call));
      storage::FaultPlan plan(storage::Fault{.at_call = call, .kind = kind});
      merge_twice(plan);
    }
  }
}

TEST(TableDigest, DependsOnContentAlone) {
  TestLake one;
  TestLake other(storage::make_local_storage(one.folder() + "/table", one.folder() + "/table"));
  for (TestLake* lake : {&one, &other})
    ASSERT_OK(lake->merge(kMonday, {kName, {{"a", "A"}, {"b", "B"}}}));
  other.options.target_file_bytes = 4;
  ASSERT_OK(one.merge(kTuesday, {kName, {{"a", "A2"}, {"b", "B"}}}));
  ASSERT_OK(other.merge(kTuesday, {kName, {{"b", "B"}, {"a", "A2"}}}));
  EXPECT_EQ(one.digest(), other.digest());
  EXPECT_THAT(one.digest(), SizeIs(64));
  ASSERT_OK(one.merge(kWednesday, {kName, {{"b", "B"}}}));
  EXPECT_NE(one.digest(), other.digest());
}

/// The nine releases of a public airport directory, with counts that others computed.
TEST(Airports, NineReleasesGiveTheKnownHistory) {
  const char* deps = std::getenv("WEIR_DEPS");
  const std::string folder = std::string(deps == nullptr ? ".deps" : deps) + "/airports";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no airports in " << folder;
  const std::vector<std::string> days = {"20220512", "20221121", "20230906", "20231230", "20240806",
                                         "20241001", "20250706", "20250909", "20260905"};
  TestFolder stored;
  TestLake lake(storage::make_local_storage(stored.path + "/table", stored.path + "/table"));
  lake.options.key = {"icao"};
  lake.options.max_deleted_percent = 20;
  std::vector<int64_t> fresh;
  std::vector<int64_t> changed;
  std::vector<int64_t> gone;
  for (const std::string& day : days) {
    const std::string from = fmt::format(
        "read_csv({}, header=true, all_varchar=true, nullstr='', quote='\"', delim=',')",
        model::quote_text(fmt::format("{}/airports-{}.csv", folder, day)));
    const std::string query = fmt::format(
        "SELECT * REPLACE (elevation::DOUBLE AS elevation, lat::DOUBLE AS lat, lon::DOUBLE AS "
        "lon), "
        "'airports-{}.csv' AS _source_file, (row_number() OVER ())::BIGINT AS _source_row FROM {}",
        day, from);
    HistorySource source;
    source.files = {lake.copy(query)};
    source.as_of_us = *parse_instant(day);
    source.input_identities = {sha256_hex(day)};
    source.rows = *lake.session().query_number(fmt::format("SELECT count(*) FROM {}", from));
    source.schema = *lake.session().describe(
        fmt::format("SELECT * EXCLUDE (_source_file, _source_row) FROM ({})", query));
    const auto merged = lake.merge(source);
    ASSERT_OK(merged);
    ASSERT_FALSE(merged->held) << merged->held->message;
    changed.push_back(merged->counts.closed_by_change);
    fresh.push_back(merged->counts.inserted - merged->counts.closed_by_change);
    gone.push_back(merged->counts.closed_by_absence);
    EXPECT_TRUE(merged->counts.is_closed());
  }
  EXPECT_THAT(fresh, ElementsAre(28875, 2127, 22, 4, 257, 10, 38, 60, 628));
  EXPECT_THAT(changed, ElementsAre(0, 12391, 1647, 98, 27550, 7, 107, 625, 12062));
  EXPECT_THAT(gone, ElementsAre(0, 2872, 21, 0, 166, 4, 46, 14, 600));
  int64_t versions = 0;
  int64_t open = 0;
  for (const FileSlice& slice : lake.slices()) {
    versions += slice.rows;
    if (slice.role == Role::kCurrent) open += slice.rows;
  }
  EXPECT_EQ(versions, 86508);
  EXPECT_EQ(open, 28298);
}

}  // namespace
}  // namespace weir::table
