#include "table/services.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/faulty.h"
#include "table/hudi/commit_metadata.h"
#include "table/hudi/decision.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/properties.h"
#include "table/hudi/test_table.h"

namespace weir::table {
namespace {

using storage::Fault;
using storage::FaultKind;
using storage::FaultPlan;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::map<int64_t, std::string> kFirst = {{1, "ada"}, {2, "bob"}, {3, "eve"}};
const std::map<int64_t, std::string> kSecond = {
    {1, "ada lovelace"}, {2, "bob (closed)"}, {3, "eve"}, {4, "dan"}};

std::vector<std::string> data_files(storage::Storage& store) {
  std::vector<std::string> names;
  const auto entries = storage::list_all(store, "").value();
  for (const auto& entry : entries) {
    if (entry.name.ends_with(".parquet")) names.push_back(entry.name);
  }
  return names;
}

/// A table with the two commits of test_table.h.
struct TwoCommits {
  TwoCommits() {
    table = create_table(test.context, people_options()).value();
    first = commit_first(*table).value().time;
    test.clock.now += 1'000'000;
    second = commit_second(*table).value().time;
    test.clock.now += 1'000'000;
  }
  std::unique_ptr<storage::Storage> store = storage::make_memory_storage();
  TestContext test{*store};
  std::unique_ptr<HudiTable> table;
  std::string first;
  std::string second;
  Cancel cancel;
};

// ---- clean ---------------------------------------------------------------------------------

TEST(Clean, RemovesWhatNoRetainedVersionNeeds) {
  TwoCommits lake;
  const auto before = data_files(*lake.store).size();
  const auto cleaned = clean(lake.test.context, *lake.table, {.retain_commits = 1});
  ASSERT_TRUE(cleaned) << to_line(cleaned.error());
  EXPECT_EQ(cleaned->earliest_retained, lake.second);
  EXPECT_EQ(cleaned->files, 2) << "both groups of the first commit have a newer version";
  EXPECT_GT(cleaned->bytes, 0);
  EXPECT_THAT(data_files(*lake.store), SizeIs(before - 2));
  EXPECT_EQ(names_of(*lake.table), kSecond);
  const auto old = lake.table->snapshot(lake.first);
  ASSERT_FALSE(old) << "it would be read in part";
  EXPECT_EQ(old.error().code, ErrorCode::kNotFound);
}

TEST(Clean, LeavesEverythingWhereFewCommitsAreThere) {
  TwoCommits lake;
  const auto before = data_files(*lake.store);
  const auto cleaned = clean(lake.test.context, *lake.table, {.retain_commits = 2});
  ASSERT_TRUE(cleaned);
  EXPECT_EQ(cleaned->instant, "");
  EXPECT_EQ(data_files(*lake.store), before);
}

TEST(Clean, DoesNotCountTheEmptyCommitThatBeginsATable) {
  TwoCommits lake;
  // Two who made the table at once put two of them, one late.
  CommitMetadata empty;
  empty.extra[kServiceKey] = kCreateService;
  std::string late = lake.second;
  late.back() = static_cast<char>(late.back() + 1);
  ASSERT_TRUE(storage::put(*lake.store, ".hoodie/" + late + ".commit",
                           to_text(empty, Action::kCommit), storage::Put::kIfAbsent));
  ASSERT_TRUE(compact(lake.test.context, *lake.table, {}, lake.cancel));
  const auto cleaned = clean(lake.test.context, *lake.table, {.retain_commits = 3});
  ASSERT_TRUE(cleaned);
  EXPECT_EQ(cleaned->files, 0);
  EXPECT_EQ(names_of(*lake.table, lake.first), kFirst) << "the third of those with rows";
}

TEST(Clean, RemovesGroupsThatWereReplaced) {
  TwoCommits lake;
  const auto compacted = compact(lake.test.context, *lake.table, {}, lake.cancel);
  ASSERT_TRUE(compacted && !compacted->instant.empty());
  const auto cleaned = clean(lake.test.context, *lake.table, {.retain_commits = 1});
  ASSERT_TRUE(cleaned) << to_line(cleaned.error());
  EXPECT_EQ(names_of(*lake.table), kSecond);
  const auto live = lake.table->snapshot().value();
  EXPECT_THAT(data_files(*lake.store), SizeIs(live.slices.size()));
}

TEST(Clean, ForgetsWhatWasUndoneLongAgo) {
  TwoCommits lake;
  const auto sleeper = lake.table->begin(begin_with("third")).value();
  EXPECT_EQ(end_leftovers(*open_table(lake.test.context).value()).value(), 1);
  ASSERT_TRUE(clean(lake.test.context, *lake.table, {}));
  EXPECT_THAT(*decided_instants(*lake.store), SizeIs(1));
  lake.test.clock.now += int64_t{11} * 24 * 3600 * 1'000'000;
  ASSERT_TRUE(clean(lake.test.context, *lake.table, {}));
  EXPECT_THAT(*decided_instants(*lake.store), IsEmpty());
}

TEST(Clean, LeavesFilesOfACommitUnderWay) {
  TwoCommits lake;
  const auto commit = lake.table->begin(begin_with("third")).value();
  const auto writer = commit->new_group(Role::kCurrent, "").value();
  const std::vector<Person> people = {{9, "zoe"}};
  ASSERT_TRUE(writer->write_changed(*batch_of(people), *keys_of(people)));
  ASSERT_TRUE(writer->finish(0, 0));
  ASSERT_TRUE(clean(lake.test.context, *lake.table, {.retain_commits = 1}));
  ASSERT_TRUE(commit->complete({}));
  EXPECT_EQ(names_of(*lake.table).at(9), "zoe");
}

TEST(Clean, KeepsItsHandsOffSavepoints) {
  TwoCommits lake;
  ASSERT_TRUE(storage::put(*lake.store, ".hoodie/" + lake.first + ".savepoint", "x",
                           storage::Put::kIfAbsent));
  const auto refused = clean(lake.test.context, *lake.table, {.retain_commits = 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(refused.error().message, HasSubstr(lake.first));
}

TEST(Clean, AsksTheGuardBeforeAnythingGoes) {
  TwoCommits lake;
  const auto before = data_files(*lake.store);
  for (const int asks : {0, 1}) {
    FickleGuard guard(asks);
    TableContext context = lake.test.context;
    context.guard = &guard;
    const auto refused = clean(context, *lake.table, {.retain_commits = 1});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
    EXPECT_EQ(data_files(*lake.store), before);
  }
}

// ---- roll back -----------------------------------------------------------------------------

TEST(RollBack, TakesTheNewestCommitBack) {
  TwoCommits lake;
  const auto now = roll_back(lake.test.context, *lake.table, lake.second);
  ASSERT_TRUE(now) << to_line(now.error());
  EXPECT_EQ(*now, lake.first);
  const auto reopened = open_table(lake.test.context).value();
  EXPECT_EQ(names_of(*reopened), kFirst);
  EXPECT_FALSE(reopened->find_token("second").value()) << "a retry writes it again";
  ASSERT_TRUE(commit_second(*reopened));
  EXPECT_EQ(names_of(*reopened), kSecond);
}

TEST(RollBack, TakesBackNoOther) {
  TwoCommits lake;
  const auto refused = roll_back(lake.test.context, *lake.table, lake.first);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr(lake.first), HasSubstr(lake.second)));
  EXPECT_EQ(names_of(*lake.table), kSecond);
}

TEST(RollBack, RefusesWhereTheVersionBeforeWasCleaned) {
  TwoCommits lake;
  ASSERT_TRUE(clean(lake.test.context, *lake.table, {.retain_commits = 1}));
  const auto refused = roll_back(lake.test.context, *lake.table, lake.second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(names_of(*lake.table), kSecond);
}

TEST(RollBack, RefusesWhereTheGroupsBeforeWereCleaned) {
  TwoCommits lake;
  const auto compacted = compact(lake.test.context, *lake.table, {}, lake.cancel);
  ASSERT_TRUE(compacted && !compacted->instant.empty());
  ASSERT_TRUE(clean(lake.test.context, *lake.table, {.retain_commits = 1}));
  const auto refused = roll_back(lake.test.context, *lake.table, compacted->instant);
  ASSERT_FALSE(refused) << "the rows would be gone with the joined groups";
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(refused.error().message, HasSubstr("file group"));
  EXPECT_EQ(names_of(*lake.table), kSecond);
}

TEST(RollBack, TakesACompactionBack) {
  TwoCommits lake;
  const auto compacted = compact(lake.test.context, *lake.table, {}, lake.cancel);
  ASSERT_TRUE(compacted && !compacted->instant.empty());
  EXPECT_EQ(roll_back(lake.test.context, *lake.table, compacted->instant).value(), lake.second);
  EXPECT_EQ(names_of(*open_table(lake.test.context).value()), kSecond);
}

TEST(Services, LeaveTablesAloneThatWeirDoesNotWrite) {
  TwoCommits lake;
  auto properties =
      parse_properties(lake.store->read(kPropertiesFile, storage::Range::all()).value()).value();
  properties["hoodie.index.type"] = "BUCKET";
  ASSERT_TRUE(storage::put(*lake.store, kPropertiesFile, format_properties(properties),
                           storage::Put::kReplace));
  const auto table = open_table(lake.test.context).value();
  const auto cleaned = clean(lake.test.context, *table, {.retain_commits = 1});
  const auto taken_back = roll_back(lake.test.context, *table, lake.second);
  const auto compacted = compact(lake.test.context, *table, {}, lake.cancel);
  ASSERT_TRUE(!cleaned && !taken_back && !compacted);
  EXPECT_EQ(cleaned.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(taken_back.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(compacted.error().code, ErrorCode::kUnsupported);
}

// ---- compact -------------------------------------------------------------------------------

TEST(Compact, JoinsGroupsOfOneRoleAndKeepsTheirRows) {
  TwoCommits lake;
  const auto before = rows_of(*lake.table, lake.table->snapshot().value());
  const auto compacted = compact(lake.test.context, *lake.table, {}, lake.cancel);
  ASSERT_TRUE(compacted) << to_line(compacted.error());
  EXPECT_EQ(compacted->groups_before, 2) << "the current ones; of history there is one";
  EXPECT_EQ(compacted->groups_after, 1);
  const auto snapshot = lake.table->snapshot().value();
  EXPECT_THAT(snapshot.slices, SizeIs(2));
  auto after = rows_of(*lake.table, snapshot);
  for (auto& [id, row] : after) row.file_name = before.at(id).file_name;
  EXPECT_EQ(after, before) << "commit time, sequence number and key of each row are as before";
  EXPECT_EQ(snapshot.extra.at("weir.token"), "second") << "it brings no data of its own";
  EXPECT_EQ(lake.table->commits().value().back().brings_no_data, true);
  EXPECT_EQ(names_of(*lake.table, lake.second), kSecond) << "the version before stays readable";
}

TEST(Compact, DoesNothingWhereNothingIsSmall) {
  TwoCommits lake;
  const auto compacted =
      compact(lake.test.context, *lake.table, {.small_file_bytes = 1}, lake.cancel);
  ASSERT_TRUE(compacted);
  EXPECT_EQ(compacted->instant, "");
  EXPECT_THAT(lake.table->commits().value(), SizeIs(2));
}

// ---- the metadata table --------------------------------------------------------------------

TEST(MetadataTable, GoesWithThePropertyThatTrustsIt) {
  TwoCommits lake;
  auto properties =
      parse_properties(lake.store->read(kPropertiesFile, storage::Range::all()).value()).value();
  properties["hoodie.table.metadata.partitions"] = "files";
  const auto put = [&](const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(storage::put(*lake.store, name, bytes, storage::Put::kReplace));
  };
  put(std::string(kPropertiesFile), format_properties(properties));
  put(".hoodie/metadata/.hoodie/hoodie.properties", "x");
  put(".hoodie/.hoodie.properties.crc", "stale");
  EXPECT_FALSE(lake.table->begin(begin_with("third")));
  ASSERT_TRUE(drop_metadata_table(lake.test.context));
  EXPECT_THAT(storage::list_all(*lake.store, ".hoodie/metadata").value(), IsEmpty());
  EXPECT_FALSE(lake.store->stat(".hoodie/.hoodie.properties.crc"));
  EXPECT_TRUE(lake.table->begin(begin_with("third")));
}

// ---- check and repair ----------------------------------------------------------------------

std::vector<std::string> kinds_of(const Result<std::vector<Finding>>& findings) {
  EXPECT_TRUE(findings) << to_line(findings.error());
  std::vector<std::string> kinds;
  for (const auto& finding : findings.value_or(std::vector<Finding>{}))
    kinds.emplace_back(to_text(finding.kind));
  return kinds;
}

TEST(Check, FindsNothingInATableThatIsWell) {
  TwoCommits lake;
  EXPECT_THAT(
      kinds_of(check(lake.test.context, *lake.table, {.reads_contents = true}, lake.cancel)),
      IsEmpty());
}

TEST(Check, NamesEachFault) {
  TwoCommits lake;
  const auto live = lake.table->snapshot().value().slices;
  const auto put = [&](const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(storage::put(*lake.store, name, bytes, storage::Put::kReplace));
  };
  // Other bytes of the same size, in the middle of the data: only the hash tells.
  std::string bytes = lake.store->read(live[0].name, storage::Range::all()).value();
  bytes[10] = static_cast<char>(bytes[10] ^ 1);
  put(live[0].name, bytes);
  const auto run = [&](bool reads_contents) {
    const auto table = open_table(lake.test.context).value();
    return kinds_of(
        check(lake.test.context, *table, {.reads_contents = reads_contents}, lake.cancel));
  };
  EXPECT_THAT(run(false), IsEmpty());
  EXPECT_THAT(run(true), ElementsAre("damaged"));
  put(live[0].name, bytes.substr(0, bytes.size() / 2));
  EXPECT_THAT(run(false), ElementsAre("damaged"));
  ASSERT_TRUE(lake.store->remove(live[1].name));
  EXPECT_THAT(run(false), ElementsAre("missing", "damaged"));
  put(".hoodie/20990101000000000.inflight", "");
  put("9f9f-0_0-0-0_20990102000000000.parquet", "x");
  EXPECT_THAT(run(false), ElementsAre("unfinished", "orphan", "missing", "damaged"));
}

TEST(Repair, MendsLeftoversAndSaysWhatItCannotMend) {
  TwoCommits lake;
  const auto put = [&](const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(storage::put(*lake.store, name, bytes, storage::Put::kReplace));
  };
  put(".hoodie/20990101000000000.commit.requested", "");
  put(".hoodie/20990101000000001.clean.requested", "a plan");
  put(".hoodie/20990101000000001.clean.inflight", "a plan");
  put("9f9f-0_0-0-0_20990102000000000.parquet", "x");
  put(".hoodie/.temp/20200101000000000/x.parquet.marker.CREATE", "");
  const auto live = lake.table->snapshot().value().slices;
  ASSERT_TRUE(lake.store->remove(live[0].name));
  const auto findings = repair(lake.test.context, *lake.table, lake.cancel);
  ASSERT_TRUE(findings) << to_line(findings.error());
  for (const auto& finding : *findings)
    EXPECT_EQ(finding.is_repaired, finding.kind != Finding::Kind::kMissing) << finding.object;
  EXPECT_THAT(*findings, SizeIs(5));
}

// ---- cut off anywhere ----------------------------------------------------------------------

using Service = Status (*)(const TableContext&, HudiTable&);

Status run_clean(const TableContext& context, HudiTable& table) {
  const auto done = clean(context, table, {.retain_commits = 1});
  return done ? Status() : std::unexpected(done.error());
}
Status run_compact(const TableContext& context, HudiTable& table) {
  const auto done = compact(context, table, {}, Cancel());
  return done ? Status() : std::unexpected(done.error());
}
Status run_roll_back(const TableContext& context, HudiTable& table) {
  const auto commits = table.commits();
  if (!commits) return std::unexpected(commits.error());
  if (commits->size() < 2) return {};
  const auto done = roll_back(context, table, commits->back().time);
  return done ? Status() : std::unexpected(done.error());
}

class ServiceSweep : public ::testing::TestWithParam<std::tuple<Service, FaultKind>> {
 protected:
  /// Whether the service said that it is done.
  static bool try_service(TwoCommits& lake, FaultPlan& plan) {
    const auto faulty = storage::make_faulty_storage(*lake.store, plan);
    TestContext test(*faulty, 60);
    test.clock.now = lake.test.clock.now;
    const auto table = open_table(test.context);
    EXPECT_TRUE(table);
    return std::get<0>(GetParam())(test.context, **table).has_value();
  }
};

TEST_P(ServiceSweep, ShowsAWholeVersionAndIsDoneBySomebodyLater) {
  const bool takes_back = std::get<0>(GetParam()) == run_roll_back;
  FaultPlan none;
  TwoCommits undisturbed;
  ASSERT_TRUE(try_service(undisturbed, none));
  ASSERT_GE(none.mutating_calls(), 5);
  for (int64_t call = 1; call <= none.mutating_calls(); ++call) {
    SCOPED_TRACE(fmt::format("cut off at call {} of {}", call, none.mutating_calls()));
    TwoCommits lake;
    FaultPlan plan(
        Fault{call, std::get<1>(GetParam()), ErrorCode::kUnavailable, storage::Repeat::kOnce});
    (void)try_service(lake, plan);
    // A reader in between.
    const auto between = names_of(*open_table(lake.test.context).value());
    EXPECT_TRUE(between == kSecond || (takes_back && between == kFirst));
    // Who writes next tidies up; then the service is asked for once more.
    lake.test.clock.now += 1'000'000;
    const auto table = open_table(lake.test.context).value();
    ASSERT_TRUE(end_leftovers(*table));
    const auto again = std::get<0>(GetParam())(lake.test.context, *table);
    EXPECT_TRUE(again) << to_line(again.error());
    EXPECT_EQ(names_of(*table), takes_back ? kFirst : kSecond);
    const auto timeline = Timeline::load(*lake.store).value();
    for (const auto& instant : timeline.instants())
      EXPECT_EQ(instant.state, Instant::State::kCompleted) << instant.file;
    for (const auto& name : data_files(*lake.store)) {
      storage::Entry entry;
      entry.name = name;
      EXPECT_TRUE(timeline.is_completed(parse_data_file(entry)->instant)) << name;
    }
    EXPECT_EQ(data_files(*lake.store).size(), data_files(*undisturbed.store).size());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, ServiceSweep,
    ::testing::Combine(::testing::Values(run_clean, run_compact, run_roll_back),
                       ::testing::Values(FaultKind::kBeforeEffect, FaultKind::kAfterEffect,
                                         FaultKind::kCrashBefore, FaultKind::kCrashAfter)));

}  // namespace
}  // namespace weir::table
