#include "base/ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

class FixedClock final : public Clock {
 public:
  int64_t now_us() override { return at_us; }
  int64_t monotonic_us() override { return at_us; }
  int64_t at_us = 0;
};

class FixedRandom final : public Random {
 public:
  std::array<uint8_t, 16> bytes16() override {
    std::array<uint8_t, 16> bytes{};
    bytes.fill(0xff);
    return bytes;
  }
};

TEST(Uuid, Version7StartsWithTheTimeInMilliseconds) {
  FixedClock clock;
  FixedRandom random;
  // The time of the example in RFC 9562, appendix A.6.
  clock.at_us = 1645557742000'000;
  EXPECT_EQ(make_uuid7(clock, random), "017f22e2-79b0-7fff-bfff-ffffffffffff");
  const std::string earlier = make_uuid7(clock, random);
  clock.at_us += 1000;
  EXPECT_LT(earlier, make_uuid7(clock, random));
}

TEST(Uuid, Version4IsMarkedAsSuch) {
  FixedRandom random;
  EXPECT_EQ(make_uuid4(random), "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

TEST(SystemRandom, DoesNotRepeatItself) {
  const auto random = make_system_random();
  EXPECT_NE(make_uuid4(*random), make_uuid4(*random));
}

}  // namespace
}  // namespace weir
