#include "engine/lock_object.h"

#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "storage/faulty.h"

namespace weir::engine {
namespace {

/// One store, whatever is asked for.
class OneStore final : public storage::Stores {
 public:
  explicit OneStore(storage::Storage& store) : store_(store) {}
  Result<storage::Storage*> open(const std::string& /*uri*/) override { return &store_; }

 private:
  storage::Storage& store_;
};

/// Lets somebody write between the look and the write.
class Interrupted final : public storage::Stores {
 public:
  Interrupted(storage::Stores& stores, std::function<void()> meanwhile)
      : stores_(stores), meanwhile_(std::move(meanwhile)) {}
  Result<storage::Storage*> open(const std::string& uri) override {
    // take_lock opens the store for itself, then to read what is recorded.
    if (++opened_ == 2) meanwhile_();
    return stores_.open(uri);
  }

 private:
  storage::Stores& stores_;
  std::function<void()> meanwhile_;
  int opened_ = 0;
};

Status keep() { return {}; }

class LockObject : public ::testing::Test {
 protected:
  Result<int64_t> take(storage::Stores& stores, const std::string& name, int64_t lease_epoch,
                       const std::function<Status()>& renew_lease = keep) {
    return take_lock(stores, guard_, {name, lease_epoch, random_.get()}, renew_lease);
  }
  Result<int64_t> take(const std::string& name, int64_t lease_epoch,
                       const std::function<Status()>& renew_lease = keep) {
    return take(stores_, name, lease_epoch, renew_lease);
  }

  std::unique_ptr<Random> random_ = make_system_random();
  std::unique_ptr<storage::Storage> store_ = storage::make_memory_storage();
  OneStore stores_{*store_};
  model::GuardRef guard_{.lock_uri = "memory", .lock_name = std::string(kLockName), .epoch = 0};
};

TEST_F(LockObject, EpochGrowsWhateverTheCatalogRemembers) {
  EXPECT_EQ(recorded_epoch(stores_, guard_).value(), 0);
  EXPECT_EQ(take("ann", 7).value(), 7);
  EXPECT_EQ(take("bob", 8).value(), 8);
  EXPECT_EQ(take("a new catalog", 1).value(), 9);
  EXPECT_EQ(recorded_epoch(stores_, guard_).value(), 9);
}

TEST_F(LockObject, IsNotForWhoLostTheLeaseBeforeItWasWritten) {
  ASSERT_EQ(take("of another catalog", 5).value(), 5);
  int64_t successor = 0;
  const auto slept = take("ann", 1, [&]() -> Status {
    successor = take("bob", 2).value();
    return fail(ErrorCode::kConflict, "the lease was lost");
  });
  ASSERT_FALSE(slept) << "two would hold epoch " << *slept;
  EXPECT_EQ(slept.error().code, ErrorCode::kConflict);
  EXPECT_EQ(recorded_epoch(stores_, guard_).value(), successor);
}

TEST_F(LockObject, TwoCatalogsThatLookAtOnceGetTwoEpochs) {
  for (const bool is_there : {false, true}) {
    if (is_there) {
      ASSERT_TRUE(take("before", 4));
    }
    int64_t bobs = 0;
    Interrupted stores(stores_, [&] { bobs = take("bob", 1).value(); });
    const auto anns = take(stores, "ann", 1);
    ASSERT_TRUE(anns) << to_line(anns.error());
    EXPECT_GT(*anns, bobs) << "whoever writes over the other fences it";
    ASSERT_TRUE(store_->remove(kLockName));
  }
}

TEST_F(LockObject, OfManyTakersEachHasAnEpochOfItsOwn) {
  constexpr int kTakers = 8;
  std::vector<Result<int64_t>> epochs(kTakers);
  {
    std::vector<std::jthread> takers;
    for (size_t i = 0; i < kTakers; ++i)
      takers.emplace_back([&, i] { epochs[i] = take("taker", 1); });
  }
  std::set<int64_t> different;
  for (const auto& epoch : epochs) {
    ASSERT_TRUE(epoch) << to_line(epoch.error());
    EXPECT_TRUE(different.insert(*epoch).second) << *epoch;
  }
  EXPECT_EQ(recorded_epoch(stores_, guard_).value(), *different.rbegin());
}

TEST_F(LockObject, LostAnswerIsSettledByWhatIsThere) {
  constexpr int64_t kCommit = 3;  // create, append, commit
  ASSERT_TRUE(take("before", 4));
  storage::FaultPlan lost(
      storage::Fault{.at_call = kCommit, .kind = storage::FaultKind::kAfterEffect});
  const auto forgetful = storage::make_faulty_storage(*store_, lost);
  OneStore after(*forgetful);
  EXPECT_EQ(take(after, "ann", 1).value(), 5) << "it was written: nobody else is fenced by it";
  storage::FaultPlan before(storage::Fault{.at_call = kCommit, .code = ErrorCode::kOutcomeUnknown});
  const auto deaf = storage::make_faulty_storage(*store_, before);
  OneStore never(*deaf);
  EXPECT_EQ(take(never, "bob", 1).value(), 6) << "it was not, and is written again";
  EXPECT_EQ(recorded_epoch(stores_, guard_).value(), 6);
}

TEST_F(LockObject, ThatDoesNotReadIsNamed) {
  ASSERT_TRUE(storage::put(*store_, kLockName, "{", storage::Put::kReplace));
  const auto taken = take("ann", 1);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(taken.error().message.find(kLockName), std::string::npos);
}

}  // namespace
}  // namespace weir::engine
