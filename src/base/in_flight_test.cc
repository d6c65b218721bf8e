#include "base/in_flight.h"

#include <atomic>
#include <latch>

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(InFlight, ResultsComeInTheOrderOfTheirStart) {
  std::latch second_is_done(1);
  InFlight<int> running(2);
  running.start([&]() -> Result<int> {
    second_is_done.wait();  // so both run at once
    return 1;
  });
  running.start([&]() -> Result<int> {
    second_is_done.count_down();
    return 2;
  });
  EXPECT_TRUE(running.is_full());
  EXPECT_EQ(*running.next(), 1);
  EXPECT_EQ(*running.next(), 2);
  EXPECT_TRUE(running.is_empty());
}

TEST(InFlight, EndWaitsForWhatRuns) {
  std::atomic<int> done = 0;
  {
    InFlight<int> running(3);
    for (int i = 0; i < 3; ++i) running.start([&]() -> Result<int> { return ++done; });
  }
  EXPECT_EQ(done, 3);
}

TEST(InFlight, ErrorIsTheResultOfItsWork) {
  InFlight<int> running(2);
  running.start([]() -> Result<int> { return fail(ErrorCode::kUnavailable, "away"); });
  running.start([]() -> Result<int> { return 2; });
  EXPECT_FALSE(running.next());
  EXPECT_EQ(*running.next(), 2);
}

}  // namespace
}  // namespace weir
