#include "base/cancel.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

class FixedClock final : public Clock {
 public:
  int64_t now_us() override { return at_us; }
  int64_t monotonic_us() override { return at_us; }
  int64_t at_us = 0;
};

TEST(Cancel, TheFirstReasonStays) {
  Cancel cancel;
  EXPECT_TRUE(cancel.check());
  cancel.cancel("by ann");
  cancel.cancel("by bob");
  EXPECT_TRUE(cancel.is_cancelled());
  const auto status = cancel.check();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(status.error().message, "by ann");
}

TEST(Cancel, ADeadlineCancels) {
  FixedClock clock;
  const Cancel cancel(clock, 1000);
  clock.at_us = 999;
  EXPECT_TRUE(cancel.check());
  clock.at_us = 1000;
  EXPECT_TRUE(cancel.is_cancelled());
  EXPECT_EQ(cancel.check().error().code, ErrorCode::kCancelled);
}

TEST(Cancel, AListenerHearsItOnceAndNotAfterItsRemoval) {
  Cancel cancel;
  int heard = 0;
  int removed_heard = 0;
  cancel.add_listener([&] { ++heard; });
  const int handle = cancel.add_listener([&] { ++removed_heard; });
  cancel.remove_listener(handle);
  cancel.cancel("now");
  cancel.cancel("again");
  EXPECT_EQ(heard, 1);
  EXPECT_EQ(removed_heard, 0);
}

TEST(Cancel, AListenerThatComesLateHearsItAtOnce) {
  Cancel cancel;
  cancel.cancel("now");
  bool is_heard = false;
  cancel.add_listener([&] { is_heard = true; });
  EXPECT_TRUE(is_heard);
}

}  // namespace
}  // namespace weir
