/// Tables that others wrote: versions, timelines, evolution, what the cleaner took.

#include "table/hudi/test_foreign_table.h"

#include <gmock/gmock.h>

namespace weir::table {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Lines = std::vector<std::string>;

constexpr const char* kT1 = "20260101000000000";
constexpr const char* kT2 = "20260102000000000";
constexpr const char* kT3 = "20260103000000000";
constexpr const char* kT4 = "20260104000000000";
constexpr const char* kT5 = "20260105000000000";
/// Completion times, each before the next instant but where a test says otherwise.
constexpr const char* kC1 = "20260101000500000";
constexpr const char* kC2 = "20260102000500000";
constexpr const char* kC3 = "20260103000500000";

/// Ada and Bob; Ada changes; then Eve comes in another group.
void tell_story(ForeignTable& table) {
  table.add_people("a-0", kT1, {{1, "ada", kT1}, {2, "bob", kT1}});
  table.commit({kT1, kC1, {ForeignTable::stat("a-0", kT1)}});
  table.add_people("a-0", kT2, {{1, "ada lovelace", kT2}, {2, "bob", kT1}});
  table.commit({kT2, kC2, {ForeignTable::stat("a-0", kT2, kT1)}});
  table.add_people("b-0", kT3, {{3, "eve", kT3}});
  table.commit({kT3, kC3, {ForeignTable::stat("b-0", kT3)}});
}

class EveryVersion : public testing::TestWithParam<int> {
 protected:
  std::string bound(const char* time, const char* completion) const {
    return GetParam() == 6 ? time : completion;
  }
};
INSTANTIATE_TEST_SUITE_P(Hudi, EveryVersion, testing::Values(6, 8, 9));

TEST_P(EveryVersion, SnapshotsAndChangesAreTold) {
  ForeignTable foreign(GetParam());
  tell_story(foreign);
  const auto table = foreign.open();
  EXPECT_EQ(snapshot_lines(*table), (Lines{"1 ada lovelace", "2 bob", "3 eve"}));
  EXPECT_EQ(snapshot_lines(*table, kT1), (Lines{"1 ada", "2 bob"}));
  EXPECT_EQ(snapshot_lines(*table, "20260102"), (Lines{"1 ada lovelace", "2 bob"}));
  EXPECT_EQ(change_lines(*table, ""), (Lines{"1 ada lovelace", "2 bob", "3 eve"}));
  EXPECT_EQ(change_lines(*table, bound(kT1, kC1)), (Lines{"1 ada lovelace", "3 eve"}));
  EXPECT_EQ(change_lines(*table, bound(kT1, kC1), bound(kT2, kC2)), (Lines{"1 ada lovelace"}));
  EXPECT_EQ(change_lines(*table, "", bound(kT1, kC1)), (Lines{"1 ada", "2 bob"}));
  EXPECT_EQ(change_lines(*table, "20260101"), (Lines{"1 ada lovelace", "3 eve"}));
  EXPECT_THAT(change_lines(*table, bound(kT3, kC3)), IsEmpty());
}

TEST_P(EveryVersion, BoundsLeadFromOneReadingToTheNext) {
  ForeignTable foreign(GetParam());
  tell_story(foreign);
  const auto table = foreign.open();
  EXPECT_EQ(table->snapshot(kT2)->bound, bound(kT2, kC2));
  const auto changes = table->changes(bound(kT1, kC1), "").value();
  EXPECT_EQ(changes.to, bound(kT3, kC3));
  ASSERT_THAT(changes.commits, SizeIs(2));
  EXPECT_EQ(changes.commits[0].time, kT2);
  EXPECT_EQ(changes.commits[0].completion, GetParam() == 6 ? "" : kC2);
  ASSERT_THAT(changes.slices, SizeIs(2));
  EXPECT_EQ(changes.slices[0].name, ForeignTable::file_of("a-0", kT2));
  EXPECT_EQ(table->changes(changes.to, "")->to, changes.to) << "nothing new";
}

TEST_P(EveryVersion, ReplacedGroupsEnd) {
  ForeignTable foreign(GetParam());
  tell_story(foreign);
  foreign.add_people("c-0", kT4, {{1, "ada lovelace", kT2}, {9, "zoe", kT4}});
  foreign.commit({kT4, "20260104000500000", {ForeignTable::stat("c-0", kT4)}, {{"", {"a-0"}}}});
  const auto table = foreign.open();
  EXPECT_EQ(snapshot_lines(*table), (Lines{"1 ada lovelace", "3 eve", "9 zoe"}));
  EXPECT_EQ(snapshot_lines(*table, kT3), (Lines{"1 ada lovelace", "2 bob", "3 eve"}));
  // A clustered row keeps the time of its change, though its file is new.
  EXPECT_EQ(change_lines(*table, bound(kT3, kC3)), (Lines{"9 zoe"}));
  EXPECT_EQ(change_lines(*table, bound(kT1, kC1)), (Lines{"1 ada lovelace", "3 eve", "9 zoe"}));
}

TEST_P(EveryVersion, PartitionThatWasDeletedIsGone) {
  ForeignTable foreign(GetParam(), {{"hoodie.table.partition.fields", "city"}});
  foreign.add_people("a-0", kT1, {{1, "ada", kT1}}, "oslo");
  foreign.add_people("b-0", kT1, {{2, "bob", kT1}}, "rome");
  foreign.commit(
      {kT1,
       kC1,
       {ForeignTable::stat("a-0", kT1, "", "oslo"), ForeignTable::stat("b-0", kT1, "", "rome")}});
  foreign.commit({kT2, kC2, {}, {{"oslo", {"a-0"}}}});
  const auto table = foreign.open();
  EXPECT_EQ(snapshot_lines(*table), (Lines{"2 bob"}));
  EXPECT_EQ(snapshot_lines(*table, kT1), (Lines{"1 ada", "2 bob"}));
  EXPECT_THAT(change_lines(*table, bound(kT1, kC1)), IsEmpty());
}

TEST_P(EveryVersion, UnfinishedAndServiceInstantsChangeNothing) {
  ForeignTable foreign(GetParam());
  tell_story(foreign);
  foreign.add_people("a-0", kT4, {{7, "not yet", kT4}});
  foreign.put(foreign.folder() + kT4 + ".commit.requested", "");
  foreign.put(foreign.folder() + kT4 + ".inflight", "");
  const std::string done = GetParam() == 6 ? "" : "_20260105000500000";
  for (const auto action : {"clean", "rollback", "restore", "indexing"})
    foreign.put(foreign.folder() + kT5 + done + "." + action, "rubbish that nobody reads");
  foreign.put(foreign.folder() + kT3 + done + ".savepoint", "");
  foreign.put(foreign.folder() + kT5 + ".replacecommit.requested", "");
  foreign.put(foreign.folder() + kT5 + ".clustering.inflight", "");
  const auto table = foreign.open();
  EXPECT_EQ(snapshot_lines(*table), (Lines{"1 ada lovelace", "2 bob", "3 eve"}));
  EXPECT_EQ(change_lines(*table, bound(kT2, kC2)), (Lines{"3 eve"}));
}

TEST_P(EveryVersion, VersionThatTheCleanerTookFromIsRefusedWithTheEarliestThereIs) {
  ForeignTable foreign(GetParam());
  tell_story(foreign);
  ASSERT_TRUE(foreign.store().remove(ForeignTable::file_of("a-0", kT1)));
  const auto table = foreign.open();
  const auto as_of = table->snapshot(kT1);
  ASSERT_FALSE(as_of);
  EXPECT_EQ(as_of.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(as_of.error().message, HasSubstr(ForeignTable::file_of("a-0", kT1)));
  EXPECT_THAT(as_of.error().hint, HasSubstr(kT2));
  const auto changes = table->changes("", bound(kT1, kC1));
  ASSERT_FALSE(changes);
  EXPECT_EQ(changes.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(changes.error().hint, HasSubstr(bound(kT2, kC2)));
  EXPECT_EQ(snapshot_lines(*table, kT2), (Lines{"1 ada lovelace", "2 bob"}));
}

/// The first commit is archived: its file counts, and what was cleaned since is known by what the
/// commits after it replaced.
TEST_P(EveryVersion, FilesOfArchivedCommitsCount) {
  ForeignTable foreign(GetParam());
  foreign.add_people("a-0", kT1, {{1, "ada", kT1}});
  foreign.add_people("b-0", kT1, {{2, "bob", kT1}});
  foreign.add_people("c-0", kT2, {{3, "eve", kT2}});
  foreign.commit({kT2, kC2, {ForeignTable::stat("c-0", kT2)}});
  foreign.add_people("a-0", kT3, {{1, "ada lovelace", kT3}});
  foreign.commit({kT3, kC3, {ForeignTable::stat("a-0", kT3, kT1)}});
  const auto table = foreign.open();
  EXPECT_EQ(snapshot_lines(*table), (Lines{"1 ada lovelace", "2 bob", "3 eve"}));
  EXPECT_EQ(snapshot_lines(*table, kT2), (Lines{"1 ada", "2 bob", "3 eve"}));
  const auto too_early = table->snapshot(kT1);
  ASSERT_FALSE(too_early);
  EXPECT_EQ(too_early.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(too_early.error().hint, HasSubstr(kT2));
  ASSERT_TRUE(foreign.store().remove(ForeignTable::file_of("a-0", kT1)));
  const auto cleaned = table->snapshot(kT2);
  ASSERT_FALSE(cleaned) << "no commit on the timeline names the file that is gone";
  EXPECT_THAT(cleaned.error().message, HasSubstr(ForeignTable::file_of("a-0", kT1)));
  EXPECT_THAT(cleaned.error().hint, HasSubstr(kT3));
}

TEST_P(EveryVersion, GroupThatWasReplacedAndCleanedIsMissed) {
  ForeignTable foreign(GetParam());
  foreign.add_people("c-0", kT2, {{3, "eve", kT2}});
  foreign.commit({kT2, kC2, {ForeignTable::stat("c-0", kT2)}});
  foreign.commit({kT3, kC3, {}, {{"", {"archived-0"}}}});
  const auto as_of = foreign.open()->snapshot(kT2);
  ASSERT_FALSE(as_of);
  EXPECT_THAT(as_of.error().message, HasSubstr("archived-0"));
}

TEST_P(EveryVersion, SavepointKeepsACommitAloneAndHidesNothing) {
  ForeignTable foreign(GetParam());
  tell_story(foreign);  // then the second commit is archived, but not the first
  const std::string completion = GetParam() == 6 ? "" : std::string("_") + kC2;
  ASSERT_TRUE(foreign.store().remove(foreign.folder() + kT2 + completion + ".commit"));
  ASSERT_TRUE(foreign.store().remove(foreign.folder() + kT2 + ".commit.requested"));
  foreign.put(foreign.folder() + kT1 + completion + ".savepoint", "");
  foreign.put(
      GetParam() == 6 ? ".hoodie/archived/.commits_.archive.1_1-0-1" : ".hoodie/timeline/history/x",
      "");
  const auto table = foreign.open();
  EXPECT_EQ(snapshot_lines(*table), (Lines{"1 ada lovelace", "2 bob", "3 eve"}));
  EXPECT_EQ(snapshot_lines(*table, kT1), (Lines{"1 ada", "2 bob"}));
  const auto between = table->snapshot(kT2);
  ASSERT_FALSE(between) << "what was replaced since the savepoint is forgotten";
  EXPECT_EQ(between.error().code, ErrorCode::kNotFound);
}

TEST_P(EveryVersion, HalfRestoredTableIsNotRead) {
  ForeignTable foreign(GetParam());
  tell_story(foreign);
  foreign.put(foreign.folder() + kT5 + ".restore.inflight", "");
  const auto snapshot = foreign.open()->snapshot();
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(snapshot.error().message, HasSubstr("restore.inflight"));
}

TEST_P(EveryVersion, OlderFilesHaveTheColumnsOfLater) {
  ForeignTable foreign(GetParam());
  const auto point = arrow::struct_({arrow::field("x", arrow::int32())});
  foreign.add_file({"a-0", kT1}, {kT1},
                   {arrow::field("n", arrow::int32()), arrow::field("at", point),
                    arrow::field("dropped", arrow::utf8())},
                   R"([{"n": 7, "at": {"x": 1}, "dropped": "d"}])");
  const model::Schema wide = {
      {"id", model::parse_type("bigint").value(), true},
      {"n", model::parse_type("bigint").value(), true},
      {"at", model::parse_type("struct(x bigint, y varchar)").value(), true}};
  foreign.commit({kT1, kC1, {ForeignTable::stat("a-0", kT1)}, {}, wide});
  const auto table = foreign.open();
  EXPECT_EQ(snapshot_lines(*table), (Lines{"null 7 {x:int64 = 1, y:string = null}"}));
  const auto snapshot = table->snapshot().value();
  ReadOptions options;
  options.columns = {"n"};
  EXPECT_EQ(lines_of(table->read(snapshot, options)), (Lines{"7"}));
  options.columns = {"id"};  // which no file has
  EXPECT_EQ(lines_of(table->read(snapshot, options)), (Lines{"null"}));
  options.meta = MetaColumns::kFirst;
  const auto reader = table->read(snapshot, options).value();
  EXPECT_EQ(reader->schema()->field(0)->name(), "_hoodie_commit_time");
  EXPECT_EQ(reader->schema()->num_fields(), 6);
  options.columns = {"dropped"};
  EXPECT_EQ(table->read(snapshot, options).error().code, ErrorCode::kInvalidConfig);
}

TEST_P(EveryVersion, ColumnThatIsNotOfItsTypeIsNamed) {
  ForeignTable foreign(GetParam());
  foreign.add_file({"a-0", kT1}, {kT1}, {arrow::field("id", arrow::utf8())},
                   R"([{"id": "seven"}])");
  foreign.commit({kT1, kC1, {ForeignTable::stat("a-0", kT1)}});
  const auto table = foreign.open();
  const auto rows = table->read(*table->snapshot(), {}).value()->next();
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(to_line(rows.error()), HasSubstr("'id'"));
  EXPECT_THAT(to_line(rows.error()), HasSubstr(ForeignTable::file_of("a-0", kT1)));
}

TEST_P(EveryVersion, ColumnsComeFromAFileWhereCommitsNameNone) {
  ForeignTable foreign(GetParam());
  foreign.add_people("a-0", kT1, {{1, "ada", kT1}});
  foreign.commit({kT1, kC1, {ForeignTable::stat("a-0", kT1)}, {}, {}});
  const auto table = foreign.open();
  EXPECT_EQ(table->snapshot()->schema, people_schema());
  EXPECT_EQ(snapshot_lines(*table), (Lines{"1 ada"}));
}

TEST_P(EveryVersion, TableWhoseColumnsMayHaveBeenRenamedIsRefused) {
  ForeignTable foreign(GetParam());
  foreign.add_people("a-0", kT1, {{1, "ada", kT1}});
  ForeignTable::Commit commit{kT1, kC1, {ForeignTable::stat("a-0", kT1)}};
  commit.extra["latest_schema"] = R"({"max_column_id":3})";
  foreign.commit(commit);
  const auto snapshot = foreign.open()->snapshot();
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(snapshot.error().message, HasSubstr("latest_schema"));
}

TEST_P(EveryVersion, PartitionColumnsThatFilesLeaveOutComeFromThePath) {
  ForeignTable foreign(
      GetParam(),
      {{"hoodie.table.partition.fields", "city,day"},
       {"hoodie.datasource.write.hive_style_partitioning", "true"},
       {"hoodie.datasource.write.partitionpath.urlencode", "true"},
       {"hoodie.datasource.write.drop.partition.columns", "true"},
       {"hoodie.table.create.schema",
        R"({"type":"record","name":"r","fields":[{"name":"day","type":["null",{"type":"int","logicalType":"date"}]}]})"}});
  const std::string some = "city=a%2Fb/day=2026-11-23";
  const std::string none = "city=__HIVE_DEFAULT_PARTITION__/day=__HIVE_DEFAULT_PARTITION__";
  foreign.add_people("a-0", kT1, {{1, "ada", kT1}}, some);
  foreign.add_people("b-0", kT1, {{2, "bob", kT1}}, none);
  foreign.commit(
      {kT1,
       kC1,
       {ForeignTable::stat("a-0", kT1, "", some), ForeignTable::stat("b-0", kT1, "", none)}});
  const auto table = foreign.open();
  EXPECT_EQ(snapshot_lines(*table), (Lines{"1 ada a/b 2026-11-23", "2 bob null null"}));
  EXPECT_THAT(table->snapshot()->path_columns, ElementsAre("city", "day"));
  EXPECT_FALSE(table->check_writable());
}

TEST_P(EveryVersion, PathThatIsNoValueOfItsColumnIsRefused) {
  ForeignTable foreign(
      GetParam(),
      {{"hoodie.table.partition.fields", "day"},
       {"hoodie.datasource.write.drop.partition.columns", "true"},
       {"hoodie.table.create.schema",
        R"({"type":"record","name":"r","fields":[{"name":"day","type":["null",{"type":"int","logicalType":"date"}]}]})"}});
  foreign.add_people("a-0", kT1, {{1, "ada", kT1}}, "someday");
  foreign.commit({kT1, kC1, {ForeignTable::stat("a-0", kT1, "", "someday")}});
  const auto table = foreign.open();
  const auto rows = table->read(*table->snapshot(), {}).value()->next();
  ASSERT_FALSE(rows);
  EXPECT_THAT(to_line(rows.error()), HasSubstr("'someday'"));
}

TEST_P(EveryVersion, OnlyVersionSixIsWrittenTo) {
  ForeignTable foreign(GetParam());
  tell_story(foreign);
  const auto table = foreign.open();
  EXPECT_EQ(table->check_writable().has_value(), GetParam() == 6);
  EXPECT_EQ(table->begin(begin_with("x")).has_value(), GetParam() == 6);
  const auto undone = end_leftovers(*table);
  if (GetParam() == 6) return;
  ASSERT_FALSE(undone);
  EXPECT_EQ(undone.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(undone.error().message, HasSubstr("hoodie.table.version"));
}

TEST_P(EveryVersion, FlippedBytesOfATimelineNeverCrash) {
  ForeignTable foreign(GetParam());
  tell_story(foreign);
  const std::string commit = foreign.folder() +
                             (GetParam() == 6 ? std::string(kT3) : std::string(kT3) + "_" + kC3) +
                             ".commit";
  const auto table = foreign.open();
  int64_t refused = 0;
  for (const std::string& name : {commit, std::string(".hoodie/hoodie.properties")}) {
    const std::string whole = *foreign.store().read(name, storage::Range::all());
    for (size_t at = 0; at < whole.size(); ++at) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (at % 2 == 0 ? 0x01 : 0xFF));
      foreign.put(name, changed);
      TestContext again(foreign.store());
      const auto opened = open_table(again.context);
      const bool is_read = opened && (*opened)->snapshot() && (*opened)->changes(kT1, "");
      refused += is_read ? 0 : 1;
    }
    foreign.put(name, whole);
  }
  EXPECT_GT(refused, 100);
}

TEST(LaterTimeline, ChangesGoByCompletion) {
  // The second begins first and ends last.
  ForeignTable foreign(9);
  foreign.add_people("b-0", kT1, {{2, "slow", kT1}});
  foreign.commit({kT1, kC3, {ForeignTable::stat("b-0", kT1)}});
  foreign.add_people("a-0", kT2, {{1, "quick", kT2}});
  foreign.commit({kT2, kC2, {ForeignTable::stat("a-0", kT2)}});
  const auto table = foreign.open();
  EXPECT_EQ(change_lines(*table, "", kC2), (Lines{"1 quick"}));
  EXPECT_EQ(change_lines(*table, kC2), (Lines{"2 slow"}));
  EXPECT_EQ(snapshot_lines(*table, kT1), (Lines{"2 slow"}));
  EXPECT_EQ(table->snapshot(kT1)->bound, "")
      << "no bound leaves the quick one out and nothing else";
  EXPECT_EQ(table->snapshot()->bound, kC3);
}

void add_history(ForeignTable& foreign, const std::string& time, const std::string& completion) {
  const auto schema = arrow::schema(
      {arrow::field("instantTime", arrow::utf8()), arrow::field("completionTime", arrow::utf8())});
  arrow::StringBuilder times;
  arrow::StringBuilder completions;
  ASSERT_TRUE(times.Append(time).ok() && completions.Append(completion).ok());
  const std::string name = ".hoodie/timeline/history/1_2_0.parquet";
  const auto writer = parquet::create_file(foreign.store(), name, schema, {}).value();
  ASSERT_TRUE(writer->write(
      *arrow::RecordBatch::Make(schema, 1, {*times.Finish(), *completions.Finish()})));
  ASSERT_TRUE(writer->commit({}, storage::Put::kReplace));
  foreign.put(".hoodie/timeline/history/manifest_3",
              R"({"files":[{"fileName":"1_2_0.parquet","fileLen":1}]})");
  foreign.put(".hoodie/timeline/history/_version_", "3");
}

TEST(LaterTimeline, ArchivedCommitsGoByTheCompletionInItsHistory) {
  ForeignTable foreign(9);
  foreign.add_people("a-0", kT1, {{1, "slow", kT1}});
  foreign.add_people("b-0", kT2, {{2, "quick", kT2}});
  foreign.commit({kT2, kC2, {ForeignTable::stat("b-0", kT2)}});
  const auto table = foreign.open();
  // Without a history: completed at once.
  EXPECT_THAT(change_lines(*table, kC1), ElementsAre("2 quick"));
  EXPECT_THAT(change_lines(*table, "20251231"), ElementsAre("1 slow", "2 quick"));
  add_history(foreign, kT1, kC3);
  EXPECT_THAT(change_lines(*table, kC2), ElementsAre("1 slow"));
  foreign.put(".hoodie/timeline/history/_version_", "4");
  EXPECT_FALSE(table->changes(kC2, "")) << "its manifest is gone";
  foreign.put(".hoodie/timeline/history/manifest_4", "rubbish");
  EXPECT_EQ(table->changes(kC2, "").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(snapshot_lines(*table), (Lines{"1 slow", "2 quick"})) << "a snapshot needs none of it";
}

}  // namespace
}  // namespace weir::table
