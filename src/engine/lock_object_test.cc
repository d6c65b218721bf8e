#include "engine/lock_object.h"

#include <gtest/gtest.h>

namespace weir::engine {
namespace {

/// One store, whatever is asked for.
class OneStore final : public storage::Stores {
 public:
  Result<storage::Storage*> open(const std::string& /*uri*/) override { return store_.get(); }

 private:
  std::unique_ptr<storage::Storage> store_ = storage::make_memory_storage();
};

Status keep() { return {}; }

class LockObject : public ::testing::Test {
 protected:
  OneStore stores_;
  model::GuardRef guard_{.lock_uri = "memory", .lock_name = std::string(kLockName), .epoch = 0};
};

TEST_F(LockObject, EpochGrowsWhateverTheCatalogRemembers) {
  EXPECT_EQ(recorded_epoch(stores_, guard_).value(), 0);
  EXPECT_EQ(take_lock(stores_, guard_, "ann", 7, keep).value(), 7);
  EXPECT_EQ(take_lock(stores_, guard_, "bob", 8, keep).value(), 8);
  EXPECT_EQ(take_lock(stores_, guard_, "a new catalog", 1, keep).value(), 9);
  EXPECT_EQ(recorded_epoch(stores_, guard_).value(), 9);
}

TEST_F(LockObject, IsNotForWhoLostTheLeaseBeforeItWasWritten) {
  ASSERT_EQ(take_lock(stores_, guard_, "of another catalog", 5, keep).value(), 5);
  int64_t successor = 0;
  const auto slept = take_lock(stores_, guard_, "ann", 1, [&]() -> Status {
    successor = take_lock(stores_, guard_, "bob", 2, keep).value();
    return fail(ErrorCode::kConflict, "the lease was lost");
  });
  ASSERT_FALSE(slept) << "two would hold epoch " << *slept;
  EXPECT_EQ(slept.error().code, ErrorCode::kConflict);
  EXPECT_EQ(recorded_epoch(stores_, guard_).value(), successor);
}

TEST_F(LockObject, ThatDoesNotReadIsNamed) {
  const auto store = stores_.open("").value();
  ASSERT_TRUE(storage::put(*store, kLockName, "{", storage::Put::kReplace));
  const auto taken = take_lock(stores_, guard_, "ann", 1, keep);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(taken.error().message.find(kLockName), std::string::npos);
}

}  // namespace
}  // namespace weir::engine
