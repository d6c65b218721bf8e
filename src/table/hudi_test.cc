#include "table/hudi.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/faulty.h"
#include "table/hudi/bloom.h"
#include "table/hudi/commit_metadata.h"
#include "table/hudi/test_table.h"

namespace weir::table {
namespace {

using storage::Put;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

const std::map<int64_t, std::string> kNobody = {};
const std::map<int64_t, std::string> kAfterFirst = {{1, "ada"}, {2, "bob"}, {3, "eve"}};
const std::map<int64_t, std::string> kAfterSecond = {
    {1, "ada lovelace"}, {2, "bob (closed)"}, {3, "eve"}, {4, "dan"}};

std::vector<std::string> names_in(storage::Storage& store, std::string_view prefix) {
  std::vector<std::string> names;
  const auto entries = storage::list_all(store, prefix).value();
  for (const auto& entry : entries) names.push_back(entry.name);
  return names;
}

/// That an instant was undone is remembered.
std::vector<std::string> names_but_decisions(storage::Storage& store) {
  auto names = names_in(store, "");
  std::erase_if(names, [](const auto& name) { return name.starts_with(".hoodie/.aux/weir/"); });
  return names;
}

/// A table in memory with the first commit, and a way to open it anew.
class PeopleTable : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = create_table(first_.context, people_options());
    ASSERT_TRUE(made) << to_line(made.error());
    table_ = *std::move(made);
    const auto done = commit_first(*table_);
    ASSERT_TRUE(done) << to_line(done.error());
  }
  std::unique_ptr<HudiTable> reopened(TestContext& context) {
    auto table = open_table(context.context);
    EXPECT_TRUE(table) << to_line(table.error());
    return *std::move(table);
  }

  std::unique_ptr<storage::Storage> store_ = storage::make_memory_storage();
  TestContext first_{*store_};
  std::unique_ptr<HudiTable> table_;
};

TEST(CreateTable, IsIdempotentAndRefusesAnotherKey) {
  const auto store = storage::make_memory_storage();
  TestContext test(*store);
  EXPECT_EQ(open_table(test.context).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(create_table(test.context, people_options()));
  ASSERT_TRUE(create_table(test.context, people_options()));
  TableOptions other = people_options();
  other.record_key = {"name"};
  EXPECT_EQ(create_table(test.context, other).error().code, ErrorCode::kConflict);
  EXPECT_EQ(open_table(test.context).value()->properties().at("hoodie.table.name"), "people");
}

TEST(CreateTable, EmptyTableHasColumnsAndNoRows) {
  const auto store = storage::make_memory_storage();
  TestContext test(*store);
  const auto table = create_table(test.context, people_options()).value();
  const auto snapshot = table->snapshot();
  ASSERT_TRUE(snapshot) << to_line(snapshot.error());
  EXPECT_EQ(snapshot->instant, "");
  EXPECT_EQ(snapshot->schema, people_schema());
  EXPECT_THAT(snapshot->slices, IsEmpty());
  EXPECT_EQ(table->snapshot("2026").error().code, ErrorCode::kNotFound);
}

TEST_F(PeopleTable, SnapshotHasRowsRolesAndExtra) {
  const auto snapshot = table_->snapshot().value();
  EXPECT_EQ(snapshot.instant, "20261123000000000");
  EXPECT_EQ(snapshot.schema, people_schema());
  ASSERT_THAT(snapshot.slices, SizeIs(2));
  for (const auto& slice : snapshot.slices) {
    EXPECT_EQ(slice.rows, slice.role == Role::kCurrent ? 2 : 1);
    EXPECT_EQ(slice.instant, snapshot.instant);
    EXPECT_EQ(slice.size_bytes, store_->stat(slice.name)->size_bytes);
    EXPECT_EQ(slice.name, slice.file_group_id + "_0-0-0_" + slice.instant + ".parquet");
  }
  EXPECT_EQ(snapshot.extra.at("weir.token"), "first");
  EXPECT_EQ(snapshot.extra.at("weir.as_of"), "2026-11-23T00:00:00Z");
  EXPECT_EQ(names_of(*table_), kAfterFirst);
}

TEST_F(PeopleTable, FilesOfACommitAreThoseThatHudiExpects) {
  EXPECT_THAT(
      names_in(*store_, ".hoodie"),
      ElementsAre(".hoodie/20261123000000000.commit", ".hoodie/20261123000000000.commit.requested",
                  ".hoodie/20261123000000000.inflight", ".hoodie/hoodie.properties",
                  ".hoodie_partition_metadata"));
  EXPECT_EQ(*store_->read(".hoodie_partition_metadata", storage::Range::all()),
            "#partition metadata\ncommitTime=20261123000000000\npartitionDepth=0\n");
  EXPECT_EQ(store_->stat(".hoodie/20261123000000000.commit.requested")->size_bytes, 0);
  const auto inflight = parse_commit_metadata(
      *store_->read(".hoodie/20261123000000000.inflight", storage::Range::all()), "inflight");
  EXPECT_EQ(inflight->extra.at("weir.token"), "first");
  EXPECT_THAT(inflight->stats, IsEmpty());
}

TEST_F(PeopleTable, CommitTellsItsStatistics) {
  ASSERT_TRUE(commit_second(*table_));
  const auto commits = table_->commits().value();
  ASSERT_THAT(commits, SizeIs(2));
  EXPECT_EQ(commits[0].inserts, 3);
  EXPECT_EQ(commits[1].time, "20261123000000001");
  EXPECT_EQ(commits[1].action, "commit");
  EXPECT_EQ(commits[1].operation_type, "UPSERT");
  EXPECT_EQ(commits[1].inserts, 2);  // Dan, and Bob in the group of the history
  EXPECT_EQ(commits[1].updates, 1);
  EXPECT_EQ(commits[1].deletes, 1);
  const auto metadata =
      parse_commit_metadata(
          *store_->read(".hoodie/20261123000000001.commit", storage::Range::all()), "commit")
          .value();
  ASSERT_THAT(metadata.stats, SizeIs(3));
  int new_groups = 0;
  for (const auto& stat : metadata.stats) {
    const bool is_new = stat.previous_commit.empty();
    EXPECT_EQ(stat.previous_file.empty(), is_new);
    EXPECT_TRUE(is_new || stat.previous_commit == "20261123000000000");
    EXPECT_EQ(stat.size_bytes, store_->stat(stat.path)->size_bytes);
    new_groups += is_new ? 1 : 0;
  }
  EXPECT_EQ(new_groups, 1);
}

TEST_F(PeopleTable, CopiedRowsKeepTheirCommitAndGetTheNewFileName) {
  const auto before = rows_of(*table_, table_->snapshot().value());
  ASSERT_TRUE(commit_second(*table_));
  const auto after = rows_of(*table_, table_->snapshot().value());
  EXPECT_EQ(before.at(3).commit_time, after.at(3).commit_time);
  EXPECT_EQ(before.at(3).seqno, after.at(3).seqno);
  EXPECT_EQ(after.at(3).key, "3");
  EXPECT_NE(before.at(3).file_name, after.at(3).file_name);
  EXPECT_THAT(after.at(3).file_name, HasSubstr("_20261123000000001.parquet"));
  EXPECT_EQ(after.at(1).commit_time, "20261123000000001");
  EXPECT_THAT(after.at(1).seqno, HasSubstr("20261123000000001_"));
  EXPECT_EQ(before.at(1).seqno, "20261123000000000_0_0");
  EXPECT_EQ(before.at(2).seqno, "20261123000000000_0_1");
  EXPECT_EQ(before.at(3).seqno, "20261123000000000_1_0");
}

TEST_F(PeopleTable, FooterHasWhatSparksBloomIndexReads) {
  const auto snapshot = table_->snapshot().value();
  for (const auto& slice : snapshot.slices) {
    if (slice.role != Role::kCurrent) continue;
    const auto footer = parquet::read_info(*store_, slice.name).value().footer;
    EXPECT_EQ(footer.at("hoodie_min_record_key"), "1");
    EXPECT_EQ(footer.at("hoodie_max_record_key"), "2");
    EXPECT_EQ(footer.at("hoodie_bloom_filter_type_code"), "SIMPLE");
    EXPECT_EQ(footer.at("weir.role"), "current");
    EXPECT_THAT(footer.at("parquet.avro.schema"), HasSubstr("_hoodie_file_name"));
    SimpleBloom filter(2, 1e-9);
    filter.add("1");
    filter.add("2");
    EXPECT_EQ(footer.at("org.apache.hudi.bloomfilter"), filter.footer_text());
  }
}

TEST_F(PeopleTable, EarlierInstantsAreReadAsTheyWere) {
  ASSERT_TRUE(commit_second(*table_));
  EXPECT_EQ(names_of(*table_, "20261123000000000"), kAfterFirst);
  EXPECT_EQ(names_of(*table_, "20261123000000001"), kAfterSecond);
  EXPECT_EQ(names_of(*table_, "20261123"), kAfterSecond) << "a prefix takes its whole time in";
  EXPECT_EQ(names_of(*table_), kAfterSecond);
  const auto too_early = table_->snapshot("20261122");
  ASSERT_FALSE(too_early);
  EXPECT_EQ(too_early.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(too_early.error().hint, HasSubstr("20261123000000000"));
}

TEST_F(PeopleTable, VersionWhoseFilesWereCleanedIsRefused) {
  const auto first = table_->snapshot().value();
  ASSERT_TRUE(commit_second(*table_));
  ASSERT_TRUE(store_->remove(first.slices[0].name));
  const auto as_of = table_->snapshot("20261123000000000");
  ASSERT_FALSE(as_of);
  EXPECT_EQ(as_of.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(as_of.error().message, HasSubstr(first.slices[0].name));
  EXPECT_EQ(names_of(*table_), kAfterSecond);
}

TEST_F(PeopleTable, TokenIsFoundInItsCommit) {
  ASSERT_TRUE(commit_second(*table_));
  EXPECT_EQ(table_->find_token("first").value()->time, "20261123000000000");
  EXPECT_EQ(table_->find_token("second").value()->time, "20261123000000001");
  EXPECT_FALSE(table_->find_token("third").value());
}

TEST_F(PeopleTable, ReplacecommitEndsGroupsFromItsInstantOn) {
  const auto before = table_->snapshot().value();
  BeginOptions options = begin_with("replace");
  options.action = Action::kReplaceCommit;
  options.operation_type = "INSERT_OVERWRITE_TABLE";
  options.schema = {{"id", {model::TypeKind::kBigint, 0, 0, {}}, true},
                    {"name", {model::TypeKind::kVarchar, 0, 0, {}}, true}};
  const auto commit = table_->begin(options).value();
  EXPECT_THAT(names_in(*store_, ".hoodie/20261123000000001"),
              ElementsAre(".hoodie/20261123000000001.replacecommit.inflight",
                          ".hoodie/20261123000000001.replacecommit.requested"));
  const auto writer = commit->new_group(Role::kMixed, "").value();
  const std::vector<Person> people = {{9, "zoe"}};
  ASSERT_TRUE(writer->write_changed(*batch_of(people), *keys_of(people)));
  ASSERT_TRUE(writer->finish(0, 0));
  for (const auto& slice : before.slices) commit->replace(slice);
  ASSERT_TRUE(commit->complete({}));
  EXPECT_EQ(names_of(*table_), (std::map<int64_t, std::string>{{9, "zoe"}}));
  EXPECT_EQ(names_of(*table_, "20261123000000000"), kAfterFirst);
  const auto stored =
      parse_commit_metadata(
          *store_->read(".hoodie/20261123000000001.replacecommit", storage::Range::all()), "x")
          .value();
  EXPECT_THAT(stored.replaced.at(""), SizeIs(2));
}

TEST_F(PeopleTable, ReplacedGroupsStayGoneAfterLaterCommits) {
  for (const auto token : {"one", "two"}) {
    const auto before = table_->snapshot().value();
    BeginOptions options = begin_with(token);
    options.action = Action::kReplaceCommit;
    const auto commit = table_->begin(options).value();
    const auto writer = commit->new_group(Role::kMixed, "").value();
    const std::vector<Person> people = {{9, token}};
    ASSERT_TRUE(writer->write_changed(*batch_of(people), *keys_of(people)));
    ASSERT_TRUE(writer->finish(0, 0));
    for (const auto& slice : before.slices) commit->replace(slice);
    ASSERT_TRUE(commit->complete({}));
  }
  TestContext later(*store_, 100);
  EXPECT_EQ(names_of(*reopened(later)), (std::map<int64_t, std::string>{{9, "two"}}));
}

TEST_F(PeopleTable, AddedColumnIsNullInCopiedRowsAndTypesWiden) {
  BeginOptions options = begin_with("wider");
  options.schema.push_back({"age", {model::TypeKind::kInteger, 0, 0, {}}, true});
  const auto before = table_->snapshot().value();
  const auto commit = table_->begin(options).value();
  for (const auto& slice : before.slices) {
    const auto writer = commit->next_version(slice, slice.role).value();
    ASSERT_TRUE(copy_rows(*table_, slice, *writer, {}));
    ASSERT_TRUE(writer->finish(0, 0));
  }
  ASSERT_TRUE(commit->complete({}));
  const auto after = table_->snapshot().value();
  EXPECT_EQ(after.schema, options.schema);
  for (const auto& slice : after.slices) {
    const auto reader = table_->open(slice).value();
    const auto batch = reader->read_row_group(0, {}).value();
    EXPECT_EQ(batch->GetColumnByName("age")->null_count(), batch->num_rows());
  }
  EXPECT_EQ(names_of(*table_), kAfterFirst);
  const auto narrower = table_->begin(begin_with("narrower"));
  ASSERT_FALSE(narrower);
  EXPECT_EQ(narrower.error().code, ErrorCode::kSchemaDrift);
}

TEST_F(PeopleTable, RowsThatGotLostOnTheWayAreNoticed) {
  const auto before = table_->snapshot().value();
  const auto commit = table_->begin(begin_with("lossy")).value();
  const auto writer = commit->next_version(before.slices[0], Role::kCurrent).value();
  const auto finished = writer->finish(0, 0);
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, ErrorCode::kInternal);
  EXPECT_FALSE(commit->complete({})) << "a file is not finished";
}

TEST_F(PeopleTable, GroupThatChangedSinceItWasReadIsAConflict) {
  const auto before = table_->snapshot().value();
  TestContext other(*store_, 100);
  const auto other_table = reopened(other);
  const auto slow = other_table->begin(begin_with("slow")).value();
  ASSERT_TRUE(commit_second(*table_));
  const auto writer = slow->next_version(before.slices[0], Role::kMixed).value();
  ASSERT_TRUE(copy_rows(*other_table, before.slices[0], *writer, {}));
  ASSERT_TRUE(writer->finish(0, 0));
  const auto done = slow->complete({});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kConflict);
  EXPECT_EQ(names_of(*table_), kAfterSecond);
}

TEST_F(PeopleTable, TwoCommitsToDifferentGroupsBothStand) {
  TestContext other(*store_, 100);
  const auto other_table = reopened(other);
  const auto slow = other_table->begin(begin_with("slow")).value();
  ASSERT_TRUE(commit_second(*table_));
  const auto writer = slow->new_group(Role::kCurrent, "").value();
  const std::vector<Person> people = {{5, "fay"}};
  ASSERT_TRUE(writer->write_changed(*batch_of(people), *keys_of(people)));
  ASSERT_TRUE(writer->finish(0, 0));
  ASSERT_TRUE(slow->complete({}));
  auto expected = kAfterSecond;
  expected[5] = "fay";
  EXPECT_EQ(names_of(*table_), expected);
}

TEST_F(PeopleTable, LostGuardStopsACommitBeforeItIsVisible) {
  for (const int asks : {0, 1}) {
    FickleGuard guard(asks);
    TestContext other(*store_, 100);
    other.context.guard = &guard;
    const auto done = commit_second(*reopened(other));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kConflict);
    EXPECT_EQ(names_of(*table_), kAfterFirst);
  }
}

TEST_F(PeopleTable, CommitThatAnotherRolledBackIsNotPublished) {
  const auto commit = table_->begin(begin_with("zombie")).value();
  const auto writer = commit->new_group(Role::kCurrent, "").value();
  TestContext other(*store_, 100);
  EXPECT_EQ(end_leftovers(*reopened(other)).value(), 1);
  const std::vector<Person> people = {{5, "fay"}};
  ASSERT_TRUE(writer->write_changed(*batch_of(people), *keys_of(people)));
  ASSERT_TRUE(writer->finish(0, 0));
  const auto done = commit->complete({});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kConflict);
  EXPECT_EQ(names_of(*table_), kAfterFirst);
}

TEST_F(PeopleTable, FileFinishedAfterTheRollBackIsRemoved) {
  const auto before = names_in(*store_, "");
  auto commit = table_->begin(begin_with("zombie")).value();
  auto writer = commit->new_group(Role::kCurrent, "").value();
  TestContext other(*store_, 100);
  const auto other_table = reopened(other);
  EXPECT_EQ(end_leftovers(*other_table).value(), 1);
  ASSERT_TRUE(writer->finish(0, 0));
  EXPECT_NE(names_but_decisions(*store_), before);
  EXPECT_EQ(end_leftovers(*other_table).value(), 0);
  EXPECT_EQ(names_but_decisions(*store_), before) << "by the next roll-back";

  commit = table_->begin(begin_with("zombie")).value();
  writer = commit->new_group(Role::kCurrent, "").value();
  EXPECT_EQ(end_leftovers(*other_table).value(), 1);
  ASSERT_TRUE(writer->finish(0, 0));
  writer.reset();
  commit.reset();
  EXPECT_EQ(names_but_decisions(*store_), before) << "by the writer itself";
}

TEST_F(PeopleTable, CompletedFileOfAnotherWriterIsAConflict) {
  const auto commit = table_->begin(begin_with("mine")).value();
  const std::string file = ".hoodie/" + commit->instant() + ".commit";
  CommitMetadata other;
  other.extra = {{"weir.token", "mine"}, {"weir.attempt", "another"}};
  ASSERT_TRUE(storage::put(*store_, file, to_text(other, Action::kCommit), Put::kIfAbsent));
  const auto done = commit->complete({});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kConflict);
}

TEST_F(PeopleTable, DroppedCommitLeavesNothingBehind) {
  const auto before = names_in(*store_, "");
  {
    const auto commit = table_->begin(begin_with("dropped")).value();
    const auto writer = commit->new_group(Role::kCurrent, "").value();
    const std::vector<Person> people = {{5, "fay"}};
    ASSERT_TRUE(writer->write_changed(*batch_of(people), *keys_of(people)));
    ASSERT_TRUE(writer->finish(0, 0));
    EXPECT_NE(names_in(*store_, ""), before);
  }
  EXPECT_EQ(names_in(*store_, ""), before);
}

TEST_F(PeopleTable, CommitsOfOtherWritersAreLeftAlone) {
  const std::string time = "20261124000000000";
  ASSERT_TRUE(storage::put(*store_, ".hoodie/" + time + ".commit.requested", "", Put::kIfAbsent));
  ASSERT_TRUE(storage::put(*store_, ".hoodie/" + time + ".inflight", "{}", Put::kIfAbsent));
  const std::string marker =
      ".hoodie/.temp/" + time + "/x-0_0-0-0_" + time + ".parquet.marker.CREATE";
  ASSERT_TRUE(storage::put(*store_, marker, "", Put::kIfAbsent));
  EXPECT_EQ(end_leftovers(*table_).value(), 0);
  EXPECT_TRUE(store_->stat(marker));
  EXPECT_TRUE(store_->stat(".hoodie/" + time + ".inflight"));
  const auto commit = table_->begin(begin_with("next")).value();
  EXPECT_EQ(commit->instant(), "20261124000000001");
}

TEST_F(PeopleTable, MarkersNeverLeadToFilesOfOtherInstants) {
  const std::string time = "20261124000000000";
  const auto kept = table_->snapshot().value().slices[0].name;
  ASSERT_TRUE(storage::put(*store_, ".hoodie/" + time + ".commit.requested", "", Put::kIfAbsent));
  for (const std::string& name :
       {kept + ".marker.MERGE", kept, std::string("hoodie.properties.marker.CREATE")})
    ASSERT_TRUE(storage::put(*store_, ".hoodie/.temp/" + time + "/" + name, "", Put::kIfAbsent));
  EXPECT_EQ(end_leftovers(*table_).value(), 1);
  EXPECT_EQ(names_of(*table_), kAfterFirst);
  EXPECT_THAT(names_in(*store_, ".hoodie/.temp"), IsEmpty());
}

TEST_F(PeopleTable, TableWithAMetadataTableIsNotWrittenTo) {
  auto properties = *store_->read(".hoodie/hoodie.properties", storage::Range::all());
  properties += "hoodie.table.metadata.partitions=files\n";
  ASSERT_TRUE(storage::put(*store_, ".hoodie/hoodie.properties", properties, Put::kReplace));
  const auto commit = table_->begin(begin_with("x"));
  ASSERT_FALSE(commit);
  EXPECT_EQ(commit.error().code, ErrorCode::kUnsupported);
}

TEST_F(PeopleTable, UpgradedTableIsNotWrittenTo) {
  auto properties = *store_->read(".hoodie/hoodie.properties", storage::Range::all());
  properties += "hoodie.table.version=9\n";
  ASSERT_TRUE(storage::put(*store_, ".hoodie/hoodie.properties", properties, Put::kReplace));
  EXPECT_EQ(table_->begin(begin_with("x")).error().code, ErrorCode::kUnsupported);
}

TEST_F(PeopleTable, WhatADeclaredReaderCannotReadIsRefusedBeforeAnythingIsWritten) {
  TestContext athena(*store_, 100);
  athena.context.readers = {model::Reader::kAthena};
  const auto table = reopened(athena);
  const auto before = names_in(*store_, "");
  BeginOptions options = begin_with("opens");
  options.schema.push_back({"opens", {model::TypeKind::kTime, 0, 0, {}}, true});
  const auto refused = table->begin(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("'athena' cannot read column 'opens'"));
  const auto turn = table->prepare(Action::kCommit).value();
  EXPECT_FALSE(turn->begin(options));
  EXPECT_TRUE(turn->begin(begin_with("plain"))) << "the turn is still its own";
  EXPECT_TRUE(table_->begin(options)) << "nobody who could not read it was declared";
  const auto elsewhere = storage::make_memory_storage();
  athena.context.store = elsewhere.get();
  TableOptions with_time = people_options();
  with_time.schema = options.schema;
  EXPECT_FALSE(create_table(athena.context, with_time));
  EXPECT_THAT(names_in(*elsewhere, ""), IsEmpty());
  EXPECT_THAT(before, Not(IsEmpty()));
}

TEST_F(PeopleTable, DataOfAnotherShapeIsRefused) {
  const auto commit = table_->begin(begin_with("shape")).value();
  const auto writer = commit->new_group(Role::kCurrent, "").value();
  const std::vector<Person> people = {{5, "fay"}};
  const auto swapped = batch_of(people)->SelectColumns({1, 0});
  EXPECT_EQ(writer->write_changed(**swapped, *keys_of(people)).error().code, ErrorCode::kInternal);
  EXPECT_EQ(writer->write_changed(*batch_of(people), *keys_of({})).error().code,
            ErrorCode::kInternal);
  EXPECT_EQ(writer->write_copied(*batch_of(people)).error().code, ErrorCode::kInternal);
}

TEST_F(PeopleTable, GroupWhoseRowsAllLeftIsAnEmptyFile) {
  const auto before = table_->snapshot().value();
  const auto commit = table_->begin(begin_with("empty")).value();
  for (const auto& slice : before.slices) {
    const auto writer = commit->next_version(slice, slice.role).value();
    ASSERT_TRUE(writer->finish(0, slice.rows));
  }
  ASSERT_TRUE(commit->complete({}));
  EXPECT_EQ(names_of(*table_), kNobody);
  EXPECT_THAT(table_->snapshot().value().slices, SizeIs(2));
}

TEST(PartitionedTable, FilesStandInTheFolderOfTheirPartition) {
  const auto store = storage::make_memory_storage();
  TestContext test(*store);
  TableOptions options = people_options();
  options.extra_properties["hoodie.table.partition.fields"] = "city,year";
  const auto table = create_table(test.context, options).value();
  const auto commit = table->begin(begin_with("p")).value();
  const auto writer = commit->new_group(Role::kMixed, "city=oslo/year=2026").value();
  const std::vector<Person> people = {{5, "fay"}};
  ASSERT_TRUE(writer->write_changed(*batch_of(people), *keys_of(people)));
  const auto slice = writer->finish(0, 0).value();
  EXPECT_EQ(slice.partition, "city=oslo/year=2026");
  EXPECT_TRUE(slice.name.starts_with("city=oslo/year=2026/"));
  ASSERT_TRUE(commit->complete({}));
  const auto rows = rows_of(*table, table->snapshot().value());
  EXPECT_EQ(rows.at(5).partition, "city=oslo/year=2026");
  EXPECT_EQ("city=oslo/year=2026/" + rows.at(5).file_name, slice.name);
  EXPECT_THAT(*store->read("city=oslo/year=2026/.hoodie_partition_metadata", storage::Range::all()),
              HasSubstr("partitionDepth=2"));
}

TEST(LocalTable, ReadsWhatItWrote) {
  std::string root = (std::filesystem::temp_directory_path() / "weir-hudi-XXXXXX").string();
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  {
    const auto store = storage::make_local_storage(root, root);
    TestContext test(*store);
    const auto table = create_table(test.context, people_options()).value();
    ASSERT_TRUE(commit_first(*table));
    ASSERT_TRUE(commit_second(*table));
    TestContext again(*store, 100);
    const auto reopened = open_table(again.context).value();
    EXPECT_EQ(names_of(*reopened), kAfterSecond);
    EXPECT_EQ(names_of(*reopened, "20261123000000000"), kAfterFirst);
    EXPECT_EQ(end_leftovers(*reopened).value(), 0);
  }
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace weir::table
