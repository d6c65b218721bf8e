#include <thread>

#include "base/process.h"
#include "catalog/conformance.h"

namespace weir::catalog {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMinuteMs = 60'000;

/// Time passes for a lease: by the test's clock, or by its row where the database's clock counts.
void expire(Place& place, FakeClock& clock) {
  clock.advance_ms(2 * kMinuteMs);
  if (place.has_fake_time()) return;
  ASSERT_OK(place.run_sql("UPDATE lease SET expires_at_us = 1"));
}

TEST_P(Conformance, LeaseIsHeldByOneUntilItIsReleased) {
  const auto lease = catalog_->take_lease("flow_run:1", "ann", kMinuteMs, 0);
  ASSERT_OK(lease);
  ASSERT_TRUE(lease->has_value());
  EXPECT_EQ((*lease)->epoch, 1);
  const auto second = open();
  EXPECT_FALSE(second->take_lease("flow_run:1", "bob", kMinuteMs, 0)->has_value());
  EXPECT_TRUE(second->take_lease("flow_run:2", "bob", kMinuteMs, 0)->has_value()) << "another name";
  EXPECT_TRUE(second->is_lease_alive("flow_run:1").value());
  EXPECT_THAT(second->lease_holder("flow_run:1").value(), HasSubstr("ann (process "));
  EXPECT_TRUE(catalog_->holds_lease(**lease).value());
  ASSERT_OK(catalog_->renew_lease(**lease, kMinuteMs));
  ASSERT_OK(catalog_->release_lease(**lease));
  EXPECT_FALSE(catalog_->holds_lease(**lease).value());
  EXPECT_FALSE(catalog_->is_lease_alive("flow_run:1").value());
  EXPECT_EQ(catalog_->lease_holder("flow_run:1").value(), "");
  EXPECT_EQ(catalog_->lease_holder("never").value(), "");
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->release_lease(**lease));
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->renew_lease(**lease, kMinuteMs));
}

TEST_P(Conformance, EpochGrowsWithEveryHolder) {
  int64_t last = 0;
  for (int i = 0; i < 3; ++i) {
    const auto lease = catalog_->take_lease("x", "ann", kMinuteMs, 0);
    ASSERT_TRUE(lease.value().has_value());
    EXPECT_GT((*lease)->epoch, last);
    last = (*lease)->epoch;
    ASSERT_OK(catalog_->release_lease(**lease));
  }
  EXPECT_EQ(catalog_->take_lease("x", "ann", kMinuteMs, 100).value()->epoch, 100)
      << "the lake remembers more";
}

TEST_P(Conformance, LeaseThatRanOutIsTakenOverAndItsHolderLearnsIt) {
  const auto ann = catalog_->take_lease("x", "ann", kMinuteMs, 0).value();
  ASSERT_TRUE(ann.has_value());
  expire(*place_, clock_);
  EXPECT_FALSE(catalog_->holds_lease(*ann).value());
  EXPECT_FALSE(catalog_->is_lease_alive("x").value());
  const auto bob = open()->take_lease("x", "bob", kMinuteMs, 0).value();
  ASSERT_TRUE(bob.has_value());
  EXPECT_GT(bob->epoch, ann->epoch);
  const auto lost = catalog_->renew_lease(*ann, kMinuteMs);
  EXPECT_FAILS(ErrorCode::kConflict, lost);
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->release_lease(*ann));
  EXPECT_TRUE(catalog_->holds_lease(*bob).value());
}

TEST_P(Conformance, LeaseThatRanOutAndNobodyTookCanBeRenewed) {
  const auto ann = catalog_->take_lease("x", "ann", kMinuteMs, 0).value();
  expire(*place_, clock_);
  ASSERT_OK(catalog_->renew_lease(*ann, kMinuteMs));
  EXPECT_TRUE(catalog_->holds_lease(*ann).value());
}

TEST_P(Conformance, LeaseOfADeadProcessIsTakenOverAtOnce) {
  const pid_t child = in_child([](Catalog& mine) {
    const auto lease = mine.take_lease("x", "child", 3'600'000, 0);
    return lease && lease->has_value() ? 0 : 1;
  });
  ASSERT_EQ(wait_for(child), 0);
  EXPECT_FALSE(catalog_->is_lease_alive("x").value());
  const auto mine = catalog_->take_lease("x", "heir", kMinuteMs, 0);
  ASSERT_OK(mine);
  ASSERT_TRUE(mine->has_value());
  EXPECT_EQ((*mine)->epoch, 2);
}

TEST_P(Conformance, LeaseOfAnotherHostCountsUntilItRunsOut) {
  ASSERT_TRUE(catalog_->take_lease("x", "far away", kMinuteMs, 0).value().has_value());
  ASSERT_OK(place_->run_sql(
      "UPDATE lease SET host = 'elsewhere', pid = 1, started_ticks = 1, boot_id = 'x'"));
  EXPECT_FALSE(catalog_->take_lease("x", "me", kMinuteMs, 0)->has_value());
  expire(*place_, clock_);
  EXPECT_TRUE(catalog_->take_lease("x", "me", kMinuteMs, 0)->has_value());
}

TEST_P(Conformance, OneOfManyThreadsGetsTheLease) {
  const auto second = open();
  std::atomic<int> winners = 0;
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        const auto lease = (i % 2 == 0 ? *catalog_ : *second).take_lease("x", "t", kMinuteMs, 0);
        if (!lease)
          ++failed;
        else if (lease->has_value())
          ++winners;
      });
    }
  }
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(winners, 1);
}

TEST_P(Conformance, OneOfManyProcessesGetsTheLease) {
  std::vector<pid_t> children;
  int gate[2];
  ASSERT_EQ(pipe(gate), 0);
  for (int i = 0; i < 4; ++i) {
    children.push_back(in_child([&](Catalog& mine) {
      close(gate[1]);
      const auto lease = mine.take_lease("x", "child", kMinuteMs, 0);
      // Stays alive until all have tried: the lease of a dead process may be taken.
      char byte = 0;
      const bool is_ended = read(gate[0], &byte, 1) == 0;
      if (!lease || !is_ended) return 50;
      return lease->has_value() ? 1 : 0;
    }));
  }
  // All have tried once each has said so in the table or waits at the gate: ask until the epoch of
  // a lease is there, then let them end. A child that has not tried yet sees a living holder or
  // takes over after it, so the epoch says how many held it.
  while (!catalog_->is_lease_alive("x").value()) {
  }
  close(gate[1]);
  close(gate[0]);
  int winners = 0;
  for (const pid_t child : children) winners += wait_for(child);
  EXPECT_GE(winners, 1);
  EXPECT_EQ(place_->query("SELECT epoch AS value FROM lease WHERE name = 'x'"),
            std::to_string(winners));
}

}  // namespace
}  // namespace weir::catalog
