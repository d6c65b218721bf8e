#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/instant.h"
#include "storage/faulty.h"
#include "table/hudi/archive.h"
#include "table/hudi/decision.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/properties.h"
#include "table/hudi/recovery.h"
#include "table/hudi/test_table.h"
#include "table/services.h"

namespace weir::table {
namespace {

using storage::Fault;
using storage::FaultKind;
using storage::FaultPlan;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kCommits = 9;
constexpr int64_t kHourUs = int64_t{3600} * 1'000'000;

std::string token_of(int number) { return fmt::format("operation {}", number); }

/// Ada has another name after each commit; Eve's group is written by the first alone.
Status commit_number(HudiTable& table, int number) {
  WEIR_ASSIGN(const auto turn, table.prepare(Action::kCommit));
  WEIR_ASSIGN(const Snapshot before, table.snapshot());
  WEIR_ASSIGN(const auto commit, turn->begin(begin_with(token_of(number))));
  const auto write = [](GroupWriter& writer, const std::vector<Person>& people,
                        int64_t updated) -> Status {
    WEIR_TRY(writer.write_changed(*batch_of(people), *keys_of(people)));
    WEIR_TRY(writer.finish(updated, 0));
    return {};
  };
  const std::vector<Person> ada = {{1, fmt::format("ada {}", number)}};
  if (before.slices.empty()) {
    WEIR_ASSIGN(const auto current, commit->new_group(Role::kCurrent, ""));
    WEIR_TRY(write(*current, ada, 0));
    WEIR_ASSIGN(const auto history, commit->new_group(Role::kHistory, ""));
    WEIR_TRY(write(*history, {{3, "eve"}}, 0));
  }
  for (const auto& slice : before.slices) {
    if (slice.role != Role::kCurrent) continue;
    WEIR_ASSIGN(const auto writer, commit->next_version(slice, slice.role));
    WEIR_TRY(write(*writer, ada, 1));
  }
  WEIR_TRY(commit->complete({{"weir.as_of", fmt::format("2026-11-{:02}", number)}}));
  return {};
}

/// A table of nine commits and the empty one before them, one an hour, all of them a month old.
struct OldTable {
  OldTable() {
    table = create_table(test.context, people_options()).value();
    for (int number = 1; number <= kCommits; ++number) {
      const Status done = commit_number(*table, number);
      EXPECT_TRUE(done) << to_line(done.error());
      test.clock.now += kHourUs;
    }
    test.clock.now += 30 * kDayUs;
    commits = table->commits().value();
  }
  Result<Trimmed> trim(int64_t keep = 3) {
    return table::trim(test.context, *table, {.keep_commits = keep}, cancel);
  }
  std::unique_ptr<HudiTable> reopen() const { return open_table(test.context).value(); }
  void put(const std::string& name, const std::string& bytes = "") const {
    ASSERT_TRUE(storage::put(*store, name, bytes, storage::Put::kReplace));
  }

  std::unique_ptr<storage::Storage> store = storage::make_memory_storage();
  TestContext test{*store};
  std::unique_ptr<HudiTable> table;
  std::vector<CommitInfo> commits;
  Cancel cancel;
};

const std::map<int64_t, std::string> kNow = {{1, "ada 9"}, {3, "eve"}};

std::vector<std::string> told(const std::vector<CommitInfo>& commits) {
  std::vector<std::string> lines;
  for (const auto& commit : commits) {
    std::string extra;
    for (const auto& [key, value] : commit.extra) extra += key + "=" + value + " ";
    lines.push_back(fmt::format("{} {} {} {}+{}: {}", commit.time, commit.action,
                                commit.operation_type, commit.inserts, commit.updates, extra));
  }
  return lines;
}

/// Everything that must be as it was, by a process that knows nothing yet.
void check_nothing_changed(const OldTable& lake, const std::string& earliest) {
  const auto table = lake.reopen();
  EXPECT_EQ(names_of(*table), kNow);
  EXPECT_EQ(told(table->commits().value()), told(lake.commits));
  for (int number = 1; number <= kCommits; ++number) {
    const auto found = table->find_token(token_of(number));
    ASSERT_TRUE(found && *found) << number;
    EXPECT_EQ((*found)->extra.at("weir.as_of"), fmt::format("2026-11-{:02}", number));
    const std::string& time = (*found)->time;
    if (time < earliest) continue;
    const std::map<int64_t, std::string> then = {{1, fmt::format("ada {}", number)}, {3, "eve"}};
    EXPECT_EQ(names_of(*table, time), then);
  }
  EXPECT_FALSE(table->find_token("another").value());
  const auto snapshot = table->snapshot().value();
  EXPECT_EQ(snapshot.extra.at("weir.token"), token_of(kCommits));
  for (const auto& slice : snapshot.slices) {
    EXPECT_NE(slice.sha256, "") << slice.name;
    EXPECT_NE(slice.role, Role::kMixed) << slice.name;
  }
  EXPECT_THAT(table->missing_files().value(), IsEmpty());
}

TEST(Trim, TakesTheOldestInstantsOffAndForgetsNothing) {
  OldTable lake;
  const auto before = storage::list_all(*lake.store, ".hoodie/2").value();
  const auto trimmed = lake.trim();
  ASSERT_TRUE(trimmed) << to_line(trimmed.error());
  EXPECT_EQ(trimmed->commits, kCommits + 1 - 3) << "with the empty one that began the table";
  EXPECT_EQ(trimmed->instants, trimmed->commits);
  EXPECT_EQ(trimmed->earliest, lake.commits[kCommits + 1 - 3].time);
  EXPECT_EQ(trimmed->held_by, "");
  EXPECT_THAT(before, SizeIs(3 * (kCommits + 1)));
  EXPECT_THAT(storage::list_all(*lake.store, ".hoodie/2").value(), SizeIs(3 * 3));
  EXPECT_THAT(storage::list_all(*lake.store, kArchiveFolder).value(), SizeIs(1));
  check_nothing_changed(lake, trimmed->earliest);
  // The table that was open all the while.
  EXPECT_EQ(told(lake.table->commits().value()), told(lake.commits));
  EXPECT_EQ(names_of(*lake.table), kNow);
}

TEST(Trim, MakesOlderVersionsUnreadableByName) {
  OldTable lake;
  const auto earliest = lake.trim()->earliest;
  const auto old = lake.reopen()->snapshot(lake.commits[3].time);
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(old.error().hint, HasSubstr("the earliest that can be read is " + earliest));
}

TEST(Trim, GoesOnAsTheTableGrows) {
  OldTable lake;
  ASSERT_TRUE(lake.trim());
  for (int number = kCommits + 1; number < kCommits + 5; ++number)
    ASSERT_TRUE(commit_number(*lake.reopen(), number));
  lake.test.clock.now += 30 * kDayUs;
  EXPECT_EQ(lake.trim()->commits, 4);
  EXPECT_EQ(lake.trim()->commits, 0);
  EXPECT_THAT(storage::list_all(*lake.store, kArchiveFolder).value(), SizeIs(2));
  const auto table = lake.reopen();
  EXPECT_THAT(table->commits().value(), SizeIs(kCommits + 1 + 4));
  EXPECT_TRUE(table->find_token(token_of(1)).value());
  EXPECT_TRUE(table->find_token(token_of(kCommits + 1)).value());
}

TEST(Trim, DoesNothingForFewerThanAsked) {
  OldTable lake;
  const auto trimmed = trim(lake.test.context, *lake.table,
                            {.keep_commits = 3, .least_commits = kCommits}, lake.cancel);
  EXPECT_EQ(trimmed->commits, 0);
  EXPECT_THAT(storage::list_all(*lake.store, kArchiveFolder).value(), IsEmpty());
}

TEST(Trim, LeavesWhatIsYoung) {
  OldTable lake;
  lake.test.clock.now -= 30 * kDayUs;
  EXPECT_EQ(lake.trim()->commits, 0);
  lake.test.clock.now += 10 * kDayUs - 6 * kHourUs;  // three of them are older than ten days then
  EXPECT_EQ(lake.trim()->commits, 4) << "and the empty one";
}

TEST(Trim, KeepsTheNewestCleanThere) {
  OldTable lake;
  const auto cleaned = clean(lake.test.context, *lake.table, {.retain_commits = 5});
  ASSERT_FALSE(cleaned->instant.empty());
  for (int number = kCommits + 1; number < kCommits + 5; ++number) {
    lake.test.clock.now += kHourUs;
    ASSERT_TRUE(commit_number(*lake.table, number));
  }
  lake.test.clock.now += 30 * kDayUs;
  EXPECT_EQ(lake.trim()->commits, kCommits + 2);
  const std::string first_clean = cleaned->instant;
  EXPECT_TRUE(lake.store->stat(".hoodie/" + first_clean + ".clean"));
  EXPECT_TRUE(lake.store->stat(".hoodie/" + first_clean + ".clean.requested"));
  const auto again = clean(lake.test.context, *lake.reopen(), {.retain_commits = 2});
  ASSERT_FALSE(again->instant.empty());
  EXPECT_EQ(lake.trim(2)->instants, 2) << "a commit, and the first clean now";
  EXPECT_FALSE(lake.store->stat(".hoodie/" + first_clean + ".clean"));
}

TEST(Trim, SeesALossInWhatIsArchived) {
  OldTable lake;
  ASSERT_TRUE(lake.trim());
  const Snapshot snapshot = lake.table->snapshot().value();
  for (const auto& slice : snapshot.slices) {
    if (slice.role != Role::kHistory) continue;
    ASSERT_TRUE(lake.store->remove(slice.name));
  }
  EXPECT_THAT(lake.reopen()->missing_files().value(), SizeIs(1));
}

TEST(Trim, LetsNobodyTakeArchivedCommitsBack) {
  OldTable lake;
  ASSERT_TRUE(lake.trim(2));
  EXPECT_TRUE(roll_back(lake.test.context, *lake.table, lake.commits[kCommits].time));
  const auto refused =
      roll_back(lake.test.context, *lake.reopen(), lake.commits[kCommits - 1].time);
  ASSERT_FALSE(refused) << "no commit would be left, and no row be seen";
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(refused.error().message, HasSubstr("archived"));
}

// ---- what it must not pass -------------------------------------------------------------------

struct Obstacle {
  const char* name;
  /// Puts it after the fourth commit. How many may go, of ten.
  int64_t (*put)(OldTable& lake);
  const char* says;
};

/// An instant between the fourth commit and the fifth.
std::string between(const OldTable& lake) {
  std::string time = lake.commits[4].time;
  time.back() = '7';
  return time;
}

std::string format_young(const OldTable& lake) {
  return format_hudi_instant(lake.test.clock.now - kDayUs);
}

const Obstacle kObstacles[] = {
    {"under way",
     [](OldTable& lake) -> int64_t {
       lake.put(".hoodie/" + between(lake) + ".commit.requested");
       return 4;
     },
     "did not complete"},
    {"an unfinished clean",
     [](OldTable& lake) -> int64_t {
       lake.put(".hoodie/" + between(lake) + ".clean.requested");
       return 4;
     },
     "did not complete"},
    {"undone, its writer asleep",
     [](OldTable& lake) -> int64_t {
       EXPECT_TRUE(set_undone(*lake.store, between(lake)));
       return 4;
     },
     "may be asleep"},
    {"a file of no commit",
     [](OldTable& lake) -> int64_t {
       lake.put("9f9f-0_0-0-0_" + between(lake) + ".parquet");
       return 4;
     },
     "is of no commit"},
    {"a marker",
     [](OldTable& lake) -> int64_t {
       lake.put(marker_file(between(lake), "9f9f-0_0-0-0_x.parquet", true));
       return 4;
     },
     "is left over"},
    {"a replaced group that was not cleaned",
     [](OldTable& lake) -> int64_t {
       CommitMetadata metadata;
       metadata.extra[kTokenKey] = "replaces";
       metadata.replaced[""] = {"8e8e-0"};
       lake.put("8e8e-0_0-0-0_" + lake.commits[2].time + ".parquet", "rows that were replaced");
       lake.put(".hoodie/" + between(lake) + ".replacecommit",
                to_text(metadata, Action::kReplaceCommit));
       return 5;
     },
     "was not cleaned yet"},
    {"another engine's roll-back of late",
     [](OldTable& lake) -> int64_t {
       lake.put(".hoodie/" + format_young(lake) + ".rollback", "what it undid");
       return 0;
     },
     "is that young"},
    {"nothing but services after it",
     [](OldTable& lake) -> int64_t {
       CommitMetadata metadata;
       metadata.extra[kServiceKey] = "compact";
       for (const char* second : {"1", "2", "3"})
         lake.put(fmt::format(".hoodie/2026112400000{}000.commit", second),
                  to_text(metadata, Action::kCommit));
       return kCommits;
     },
     "the newest that brings data"},
};

class TrimObstacle : public ::testing::TestWithParam<Obstacle> {};

TEST_P(TrimObstacle, IsNotPassed) {
  OldTable lake;
  const int64_t may_go = GetParam().put(lake);
  const auto trimmed =
      table::trim(lake.test.context, *lake.reopen(), {.keep_commits = 3}, lake.cancel);
  ASSERT_TRUE(trimmed) << to_line(trimmed.error());
  EXPECT_EQ(trimmed->commits, may_go);
  EXPECT_THAT(trimmed->held_by, HasSubstr(GetParam().says));
  EXPECT_EQ(names_of(*lake.reopen()), kNow);
}

INSTANTIATE_TEST_SUITE_P(Table, TrimObstacle, ::testing::ValuesIn(kObstacles),
                         [](const auto& tested) {
                           std::string name = tested.param.name;
                           std::erase_if(name, [](char c) { return !std::isalnum(c); });
                           return name;
                         });

TEST(Trim, IsNotForEveryTable) {
  const auto refused = [](const std::function<void(OldTable&)>& prepare, int64_t keep = 3) {
    OldTable lake;
    prepare(lake);
    const auto before = storage::list_all(*lake.store, "").value();
    const auto trimmed =
        trim(lake.test.context, *lake.reopen(), {.keep_commits = keep}, lake.cancel);
    EXPECT_FALSE(trimmed);
    EXPECT_EQ(storage::list_all(*lake.store, "").value(), before);
    return trimmed ? Error{} : trimmed.error();
  };
  const auto with_property = [](const std::string& key, const std::string& value) {
    return [=](OldTable& lake) {
      auto properties =
          parse_properties(lake.store->read(kPropertiesFile, storage::Range::all()).value())
              .value();
      properties[key] = value;
      lake.put(std::string(kPropertiesFile), format_properties(properties));
    };
  };
  const Error of_others = refused(with_property("weir.owner", "somebody"));
  EXPECT_EQ(of_others.code, ErrorCode::kUnsupported);
  EXPECT_THAT(of_others.message, HasSubstr("not weir's to shorten"));
  EXPECT_THAT(refused(with_property("hoodie.table.metadata.partitions", "files")).message,
              HasSubstr("metadata table"));
  EXPECT_THAT(refused([](OldTable& lake) {
                lake.put(".hoodie/" + lake.commits[4].time + ".savepoint", "x");
              }).message,
              HasSubstr("savepoint"));
  EXPECT_EQ(refused([](OldTable&) {}, 1).code, ErrorCode::kInvalidConfig);
}

TEST(Trim, AsksTheGuardBeforeAnythingGoes) {
  OldTable lake;
  const auto before = storage::list_all(*lake.store, ".hoodie/2").value();
  for (const int asks : {0, 1, 2}) {
    FickleGuard guard(asks);
    TableContext context = lake.test.context;
    context.guard = &guard;
    const auto refused = trim(context, *lake.table, {.keep_commits = 3}, lake.cancel);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
    EXPECT_EQ(storage::list_all(*lake.store, ".hoodie/2").value(), before);
  }
}

// ---- cut off anywhere ------------------------------------------------------------------------

class TrimSweep : public ::testing::TestWithParam<FaultKind> {};

TEST_P(TrimSweep, ShowsTheSameTableAndIsDoneLater) {
  const auto try_trim = [](OldTable& lake, FaultPlan& plan) {
    const auto faulty = storage::make_faulty_storage(*lake.store, plan);
    TestContext test(*faulty, 60);
    test.clock.now = lake.test.clock.now;
    const auto table = open_table(test.context).value();
    return trim(test.context, *table, {.keep_commits = 3}, lake.cancel).has_value();
  };
  FaultPlan none;
  OldTable undisturbed;
  ASSERT_TRUE(try_trim(undisturbed, none));
  ASSERT_GE(none.mutating_calls(), 3 * (kCommits + 1 - 3));
  for (int64_t call = 1; call <= none.mutating_calls(); ++call) {
    SCOPED_TRACE(fmt::format("cut off at call {} of {}", call, none.mutating_calls()));
    OldTable lake;
    FaultPlan plan(Fault{call, GetParam(), ErrorCode::kUnavailable, storage::Repeat::kOnce});
    (void)try_trim(lake, plan);
    check_nothing_changed(lake, lake.commits[kCommits + 1 - 3].time);
    const auto timeline = Timeline::load(*lake.store).value();
    EXPECT_THAT(timeline.pending_commits(), IsEmpty()) << "nobody may undo it";
    if (call % 3 == 0) {
      ASSERT_TRUE(commit_number(*lake.reopen(), kCommits)) << "a writer in between goes on";
      lake.commits = lake.reopen()->commits().value();
      lake.test.clock.now += 30 * kDayUs;
    }
    FaultPlan calm;
    EXPECT_TRUE(try_trim(lake, calm));
    check_nothing_changed(lake, lake.commits[lake.commits.size() - 3].time);
    EXPECT_THAT(storage::list_all(*lake.store, ".hoodie/2").value(), SizeIs(3 * 3));
  }
}

INSTANTIATE_TEST_SUITE_P(Table, TrimSweep,
                         ::testing::Values(FaultKind::kBeforeEffect, FaultKind::kAfterEffect,
                                           FaultKind::kCrashBefore, FaultKind::kCrashAfter));

// ---- beside readers --------------------------------------------------------------------------

/// Lists three objects at a time, and runs something after the pages that it counts.
class SlowListing final : public storage::Storage {
 public:
  SlowListing(storage::Storage& inner, int after_page, std::function<void()> meanwhile)
      : inner_(inner), after_page_(after_page), meanwhile_(std::move(meanwhile)) {}
  int pages() const { return pages_; }
  storage::Capabilities capabilities() const override { return inner_.capabilities(); }
  Result<std::string> read(std::string_view name, storage::Range range) override {
    return inner_.read(name, range);
  }
  Result<storage::Entry> stat(std::string_view name) override { return inner_.stat(name); }
  Result<std::unique_ptr<storage::Writer>> create(std::string_view name) override {
    return inner_.create(name);
  }
  Result<storage::Page> list(std::string_view prefix, std::string_view after) override {
    WEIR_ASSIGN(storage::Page page, inner_.list(prefix, after));
    if (page.entries.size() > 3) {
      page.entries.resize(3);
      page.is_last = false;
    }
    if (++pages_ == after_page_) meanwhile_();
    return page;
  }
  Status remove(std::string_view name) override { return inner_.remove(name); }
  Result<std::string> engine_uri(std::string_view name) const override {
    return inner_.engine_uri(name);
  }
  const std::string& uri() const override { return inner_.uri(); }

 private:
  storage::Storage& inner_;
  int after_page_;
  std::function<void()> meanwhile_;
  int pages_ = 0;
};

TEST(Trim, TakesNothingFromAReaderBesideIt) {
  const auto read = [](OldTable& lake, int after_page) {
    SlowListing slow(*lake.store, after_page, [&] { EXPECT_TRUE(lake.trim(2)); });
    TestContext test(slow, 90);
    const auto table = open_table(test.context).value();
    EXPECT_EQ(names_of(*table), kNow);
    EXPECT_EQ(told(table->commits().value()), told(lake.commits));
    return slow.pages();
  };
  OldTable undisturbed;
  const int pages = read(undisturbed, 0);
  ASSERT_GT(pages, 10);
  for (int page = 1; page <= pages; ++page) {
    SCOPED_TRACE(page);
    OldTable lake;
    // Files that no later commit has touched are those that a hole would hide.
    read(lake, page);
  }
}

}  // namespace
}  // namespace weir::table
