#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/faulty.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/test_table.h"
#include "table/hudi/timeline.h"

// A writer is cut off at each of its mutating calls, before and after the effect; then another
// process opens the table, rolls back and must find exactly the old or the new commit, and no
// debris. Then the same with the roll-back itself cut off.

namespace weir::table {
namespace {

using storage::Fault;
using storage::FaultKind;
using storage::FaultPlan;
using ::testing::IsEmpty;

const std::map<int64_t, std::string> kOld = {{1, "ada"}, {2, "bob"}, {3, "eve"}};
const std::map<int64_t, std::string> kNew = {
    {1, "ada lovelace"}, {2, "bob (closed)"}, {3, "eve"}, {4, "dan"}};

/// A store with the first commit in it.
std::unique_ptr<storage::Storage> old_table() {
  auto store = storage::make_memory_storage();
  TestContext test(*store);
  const auto table = create_table(test.context, people_options());
  EXPECT_TRUE(table && commit_first(**table));
  return store;
}

Result<CommitInfo> replace_all(HudiTable& table) {
  WEIR_ASSIGN(const Snapshot before, table.snapshot());
  BeginOptions options = begin_with("second");
  options.action = Action::kReplaceCommit;
  WEIR_ASSIGN(const auto commit, table.begin(options));
  WEIR_ASSIGN(const auto writer, commit->new_group(Role::kMixed, ""));
  const std::vector<Person> people = {
      {1, "ada lovelace"}, {2, "bob (closed)"}, {3, "eve"}, {4, "dan"}};
  WEIR_TRY(writer->write_changed(*batch_of(people), *keys_of(people)));
  WEIR_TRY(writer->finish(0, 0));
  for (const auto& slice : before.slices) commit->replace(slice);
  return commit->complete({});
}

using Step = Result<CommitInfo> (*)(HudiTable&);

/// The second commit by a process that meets the fault. Whether it was told that it succeeded.
bool try_commit(storage::Storage& store, FaultPlan& plan, Step step) {
  const auto faulty = storage::make_faulty_storage(store, plan);
  TestContext test(*faulty, 50);
  const auto table = open_table(test.context);
  EXPECT_TRUE(table);
  return step(**table).has_value();
}

void roll_back(storage::Storage& store, FaultPlan& plan) {
  const auto faulty = storage::make_faulty_storage(store, plan);
  TestContext test(*faulty, 90);
  const auto table = open_table(test.context);
  ASSERT_TRUE(table);
  (void)end_leftovers(**table);
}

/// Old or new, whole, and nothing else lies about. Whether it is the new one.
bool check_table(storage::Storage& store) {
  TestContext test(store, 150);
  const auto table = open_table(test.context);
  EXPECT_TRUE(table);
  const auto names = names_of(**table);
  const bool is_new = names == kNew;
  EXPECT_TRUE(is_new || names == kOld);
  EXPECT_EQ((*table)->find_token("second").value().has_value(), is_new);
  EXPECT_THAT(*storage::list_all(store, kMarkerFolder), IsEmpty());
  const auto timeline = Timeline::load(store).value();
  EXPECT_THAT(timeline.pending_commits(), IsEmpty());
  const auto entries = storage::list_all(store, "").value();
  for (const auto& entry : entries) {
    const std::string& name = entry.name;
    if (!name.ends_with(".parquet")) continue;
    const size_t at = name.rfind('_') + 1;
    EXPECT_TRUE(timeline.is_completed(name.substr(at, 17))) << name << " belongs to no commit";
  }
  return is_new;
}

class CrashSweep : public ::testing::TestWithParam<std::pair<Step, FaultKind>> {};

TEST_P(CrashSweep, LeavesTheOldOrTheNewCommit) {
  const auto [step, kind] = GetParam();
  FaultPlan none;
  ASSERT_TRUE(try_commit(*old_table(), none, step));
  ASSERT_GE(none.mutating_calls(), 6);
  int new_ones = 0;
  for (int64_t call = 1; call <= none.mutating_calls(); ++call) {
    SCOPED_TRACE(fmt::format("cut off at call {} of {}", call, none.mutating_calls()));
    const auto store = old_table();
    FaultPlan plan(Fault{call, kind, ErrorCode::kUnavailable, storage::Repeat::kOnce});
    const bool was_told = try_commit(*store, plan, step);
    FaultPlan calm;
    roll_back(*store, calm);
    const bool is_new = check_table(*store);
    EXPECT_TRUE(is_new || !was_told) << "it was told that the commit stands";
    new_ones += is_new ? 1 : 0;
    if (is_new) continue;
    FaultPlan again;
    EXPECT_TRUE(try_commit(*store, again, step)) << "the retry goes through";
    EXPECT_TRUE(check_table(*store));
  }
  EXPECT_GT(new_ones, 0);
}

/// Crashes only: a writer that lives rolls itself back.
class RollBackSweep : public CrashSweep {};

TEST_P(RollBackSweep, CutOffRollBackIsDoneAgain) {
  const auto [step, kind] = GetParam();
  FaultPlan none;
  ASSERT_TRUE(try_commit(*old_table(), none, step));
  int cut_off = 0;
  for (int64_t call = 1; call <= none.mutating_calls(); ++call) {
    for (int64_t second = 1;; ++second) {
      SCOPED_TRACE(fmt::format("cut off at call {}, roll-back at call {}", call, second));
      const auto store = old_table();
      FaultPlan plan(Fault{call, kind, ErrorCode::kUnavailable, storage::Repeat::kOnce});
      (void)try_commit(*store, plan, step);
      FaultPlan roll_back_plan(
          Fault{second, kind, ErrorCode::kUnavailable, storage::Repeat::kOnce});
      roll_back(*store, roll_back_plan);
      if (!roll_back_plan.has_crashed()) break;
      ++cut_off;
      // A reader in between sees a whole commit as well.
      TestContext between(*store, 150);
      const auto names = names_of(**open_table(between.context));
      EXPECT_TRUE(names == kOld || names == kNew);
      FaultPlan calm;
      roll_back(*store, calm);
      check_table(*store);
    }
  }
  EXPECT_GT(cut_off, 20);
}

constexpr std::pair<Step, FaultKind> kUpsertDiesBefore{commit_second, FaultKind::kCrashBefore};
constexpr std::pair<Step, FaultKind> kUpsertDiesAfter{commit_second, FaultKind::kCrashAfter};
constexpr std::pair<Step, FaultKind> kUpsertFails{commit_second, FaultKind::kBeforeEffect};
constexpr std::pair<Step, FaultKind> kUpsertLosesAnswer{commit_second, FaultKind::kAfterEffect};
constexpr std::pair<Step, FaultKind> kReplaceDiesBefore{replace_all, FaultKind::kCrashBefore};
constexpr std::pair<Step, FaultKind> kReplaceDiesAfter{replace_all, FaultKind::kCrashAfter};

INSTANTIATE_TEST_SUITE_P(Hudi, CrashSweep,
                         ::testing::Values(kUpsertDiesBefore, kUpsertDiesAfter, kUpsertFails,
                                           kUpsertLosesAnswer, kReplaceDiesBefore,
                                           kReplaceDiesAfter));
INSTANTIATE_TEST_SUITE_P(Hudi, RollBackSweep,
                         ::testing::Values(kUpsertDiesBefore, kUpsertDiesAfter, kReplaceDiesBefore,
                                           kReplaceDiesAfter));

// Another engine takes back what a dead writer left, while a writer that overslept puts `requested`
// of the same instant: files without markers, below an instant that is there.
TEST(RollBack, RemovesFilesWhoseMarkersAnotherEngineRemoved) {
  FaultPlan none;
  ASSERT_TRUE(try_commit(*old_table(), none, commit_second));
  int met = 0;
  for (int64_t call = 1; call <= none.mutating_calls(); ++call) {
    SCOPED_TRACE(call);
    const auto store = old_table();
    FaultPlan plan(
        Fault{call, FaultKind::kCrashAfter, ErrorCode::kUnavailable, storage::Repeat::kOnce});
    (void)try_commit(*store, plan, commit_second);
    const auto pending = Timeline::load(*store).value().pending_commits();
    if (pending.empty()) continue;
    const auto& [time, action] = std::pair{pending.front().time, pending.front().action};
    const auto markers = storage::list_all(*store, kMarkerFolder).value();
    for (const auto& marker : markers) ASSERT_TRUE(store->remove(marker.name));
    ASSERT_TRUE(store->remove(instant_file(time, action, Instant::State::kInflight)));
    const auto files = list_data_files(*store).value();
    met += std::ranges::any_of(files, [&](const auto& file) { return file.instant == time; });
    FaultPlan calm;
    roll_back(*store, calm);
    check_table(*store);
  }
  EXPECT_GT(met, 0);
}

TEST(LostAnswer, IsSettledSoThatAWriterKnowsOfItsCommit) {
  FaultPlan none;
  ASSERT_TRUE(try_commit(*old_table(), none, commit_second));
  int told = 0;
  for (int64_t call = 1; call <= none.mutating_calls(); ++call) {
    SCOPED_TRACE(call);
    const auto store = old_table();
    FaultPlan plan(
        Fault{call, FaultKind::kAfterEffect, ErrorCode::kOutcomeUnknown, storage::Repeat::kOnce});
    const bool was_told = try_commit(*store, plan, commit_second);
    TestContext later(*store, 150);
    const auto table = open_table(later.context).value();
    EXPECT_EQ(table->find_token("second").value().has_value(), was_told);
    told += was_told ? 1 : 0;
  }
  EXPECT_GT(told, 0);
}

TEST(FirstCommit, CutOffAnywhereShowsNoRow) {
  FaultPlan none;
  const auto run = [](storage::Storage& store, FaultPlan& plan) {
    const auto faulty = storage::make_faulty_storage(store, plan);
    TestContext test(*faulty);
    const auto table = create_table(test.context, people_options());
    return table && commit_first(**table);
  };
  ASSERT_TRUE(run(*storage::make_memory_storage(), none));
  for (int64_t call = 1; call <= none.mutating_calls(); ++call) {
    SCOPED_TRACE(call);
    const auto store = storage::make_memory_storage();
    FaultPlan plan(
        Fault{call, FaultKind::kCrashAfter, ErrorCode::kUnavailable, storage::Repeat::kOnce});
    const bool was_told = run(*store, plan);
    TestContext later(*store, 100);
    const auto table = create_table(later.context, people_options());
    ASSERT_TRUE(table);
    const auto before = names_of(**table);
    ASSERT_TRUE(end_leftovers(**table));
    const auto after = names_of(**table);
    // One that was decided is published by whoever comes next.
    EXPECT_TRUE(before.empty() || before == after);
    EXPECT_TRUE(after.empty() || after == kOld);
    EXPECT_TRUE(!was_told || after == kOld);
  }
}

}  // namespace
}  // namespace weir::table
