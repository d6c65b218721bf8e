#include "storage/faulty.h"

#include <gtest/gtest.h>

namespace weir::storage {
namespace {

// put() makes three mutating calls: create, append, commit.
constexpr int64_t kCommit = 3;

bool has(Storage& storage, std::string_view name) { return storage.stat(name).has_value(); }

TEST(FaultyStorage, CountsMutatingCallsAndReads) {
  const auto inner = make_memory_storage();
  FaultPlan plan;
  const auto storage = make_faulty_storage(*inner, plan);
  ASSERT_TRUE(put(*storage, "k", "1", Put::kReplace));
  ASSERT_TRUE(storage->remove("k"));
  EXPECT_FALSE(storage->read("k", Range::all()));
  EXPECT_EQ(plan.mutating_calls(), 4);
  EXPECT_EQ(plan.reads(), 1);
}

TEST(FaultyStorage, AFaultBeforeTheEffectLeavesNothingAndHappensOnce) {
  const auto inner = make_memory_storage();
  FaultPlan plan(Fault{.at_call = kCommit, .code = ErrorCode::kResourceExhausted});
  const auto storage = make_faulty_storage(*inner, plan);
  const auto first = put(*storage, "k", "1", Put::kReplace);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, ErrorCode::kResourceExhausted);
  EXPECT_FALSE(has(*inner, "k"));
  EXPECT_TRUE(put(*storage, "k", "1", Put::kReplace));
}

TEST(FaultyStorage, AFaultAfterTheEffectLeavesItsOutcomeUnknown) {
  const auto inner = make_memory_storage();
  FaultPlan plan(Fault{.at_call = kCommit, .kind = FaultKind::kAfterEffect});
  const auto storage = make_faulty_storage(*inner, plan);
  const auto first = put(*storage, "k", "1", Put::kIfAbsent);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, ErrorCode::kOutcomeUnknown);
  EXPECT_TRUE(has(*inner, "k"));
}

TEST(FaultyStorage, ACommitIfVersionFailsAsOtherCommitsDo) {
  for (const auto& [kind, expected] :
       {std::pair(FaultKind::kBeforeEffect, "old"), std::pair(FaultKind::kAfterEffect, "new")}) {
    const auto inner = make_memory_storage();
    ASSERT_TRUE(put(*inner, "k", "old", Put::kReplace));
    FaultPlan plan(Fault{.at_call = kCommit, .kind = kind});
    const auto storage = make_faulty_storage(*inner, plan);
    EXPECT_FALSE(put_if_version(*storage, "k", "new", storage->stat("k")->version));
    EXPECT_EQ(*inner->read("k", Range::all()), expected);
  }
}

TEST(FaultyStorage, AStickyFaultStays) {
  const auto inner = make_memory_storage();
  FaultPlan plan(Fault{.at_call = 2, .repeat = Repeat::kSticky});
  const auto storage = make_faulty_storage(*inner, plan);
  EXPECT_FALSE(put(*storage, "k", "1", Put::kReplace));
  EXPECT_FALSE(put(*storage, "k", "1", Put::kReplace));
  EXPECT_TRUE(storage->list("", ""));
}

TEST(FaultyStorage, AfterACrashNothingWorksButWhatWasDoneStays) {
  for (const auto& [kind, is_there] :
       {std::pair(FaultKind::kCrashBefore, false), std::pair(FaultKind::kCrashAfter, true)}) {
    const auto inner = make_memory_storage();
    FaultPlan plan(Fault{.at_call = kCommit, .kind = kind});
    const auto storage = make_faulty_storage(*inner, plan);
    EXPECT_FALSE(put(*storage, "k", "1", Put::kReplace));
    EXPECT_TRUE(plan.has_crashed());
    EXPECT_FALSE(put(*storage, "l", "1", Put::kReplace));
    EXPECT_FALSE(storage->remove("k"));
    EXPECT_FALSE(storage->read("k", Range::all()));
    EXPECT_FALSE(storage->stat("k"));
    EXPECT_FALSE(storage->list("", ""));
    EXPECT_EQ(has(*inner, "k"), is_there);
    EXPECT_FALSE(has(*inner, "l"));
  }
}

TEST(FaultyStorage, AReadMayBeShortOrCorrupt) {
  const auto inner = make_memory_storage();
  ASSERT_TRUE(put(*inner, "k", "0123456789", Put::kReplace));
  FaultPlan short_plan(ReadFault{.at_read = 2, .kind = ReadFaultKind::kShort});
  const auto cut = make_faulty_storage(*inner, short_plan);
  EXPECT_EQ(*cut->read("k", Range::all()), "0123456789");
  EXPECT_EQ(*cut->read("k", Range::all()), "01234");
  EXPECT_EQ(*cut->read("k", Range::all()), "0123456789");
  FaultPlan corrupt_plan(ReadFault{.at_read = 1, .kind = ReadFaultKind::kCorrupt});
  const auto corrupt = make_faulty_storage(*inner, corrupt_plan);
  EXPECT_EQ(*corrupt->read("k", Range::all()), "0123446789");
}

TEST(FaultyStorage, AShortReadGivesNoDigest) {
  const auto inner = make_memory_storage();
  ASSERT_TRUE(put(*inner, "k", "0123456789", Put::kReplace));
  FaultPlan plan(ReadFault{.at_read = 1, .kind = ReadFaultKind::kShort});
  const auto cut = make_faulty_storage(*inner, plan);
  EXPECT_FALSE(digest_of(*cut, "k"));
}

TEST(FaultyStorage, ManyAreRemovedOneByOneSoThatAFaultLeavesSome) {
  const std::vector<std::string> all = {"a", "b", "c"};
  for (const auto& [kind, code, b_is_there] :
       {std::tuple(FaultKind::kBeforeEffect, ErrorCode::kUnavailable, true),
        std::tuple(FaultKind::kAfterEffect, ErrorCode::kOutcomeUnknown, false),
        std::tuple(FaultKind::kCrashBefore, ErrorCode::kInternal, true),
        std::tuple(FaultKind::kCrashAfter, ErrorCode::kInternal, false)}) {
    const auto inner = make_memory_storage();
    for (const auto& name : all) ASSERT_TRUE(put(*inner, name, "1", Put::kReplace));
    FaultPlan plan(Fault{.at_call = 2, .kind = kind});
    const auto storage = make_faulty_storage(*inner, plan);
    const auto removed = storage->remove_all(all);
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().code, code);
    EXPECT_NE(to_line(removed.error()).find("'b'"), std::string::npos);
    EXPECT_FALSE(has(*inner, "a"));
    EXPECT_EQ(has(*inner, "b"), b_is_there);
    EXPECT_TRUE(has(*inner, "c"));
  }
}

TEST(FaultyStores, ShareOnePlan) {
  const auto inner = make_local_stores("/nowhere");
  FaultPlan plan(Fault{.at_call = kCommit + 1});
  const auto stores = make_faulty_stores(*inner, plan);
  Storage* const one = *stores->open("memory:one");
  EXPECT_EQ(*stores->open("memory:one"), one);
  EXPECT_TRUE(put(*one, "k", "1", Put::kReplace));
  EXPECT_FALSE(put(**stores->open("memory:two"), "k", "1", Put::kReplace));
  EXPECT_TRUE(has(**inner->open("memory:one"), "k"));
}

TEST(ListAll, ReadsPageAfterPage) {
  const auto storage = make_memory_storage();
  std::vector<std::string> expected;
  for (int i = 0; i < 2'500; ++i) {
    expected.push_back(fmt::format("{:04}", i));
    ASSERT_TRUE(put(*storage, expected.back(), "", Put::kReplace));
  }
  EXPECT_FALSE(storage->list("", "")->is_last);
  const auto entries = list_all(*storage, "");
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ((*entries)[i].name, expected[i]);
}

}  // namespace
}  // namespace weir::storage
