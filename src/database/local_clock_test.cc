#include "database/local_clock.h"

#include <gtest/gtest.h>

#include "base/instant.h"

namespace weir::database {
namespace {

class InZone : public testing::Test {
 protected:
  /// What `local`, shown by a clock of the zone, is in UTC; `never` where it is not shown.
  static std::string utc(const std::string& zone, const std::string& local) {
    const Cancel cancel;
    const auto clock = open_local_clock(zone, cancel);
    if (!clock) return clock.error().message;
    const auto at = (*clock)->utc_of(*parse_instant(local + "Z"));
    if (!at) return at.error().message;
    return *at ? format_instant(**at) : "never";
  }
};

TEST_F(InZone, TheSeasonsMoveTheClock) {
  EXPECT_EQ(utc("Europe/Berlin", "2024-06-01T12:00:00"), "2024-06-01T10:00:00Z");
  EXPECT_EQ(utc("Europe/Berlin", "2024-01-01T12:00:00.000001"), "2024-01-01T11:00:00.000001Z");
  EXPECT_EQ(utc("UTC", "2024-06-01T12:00:00"), "2024-06-01T12:00:00Z");
}

TEST_F(InZone, WhatTheClockNeverShowsIsNothing) {
  EXPECT_EQ(utc("Europe/Berlin", "2024-03-31T01:59:59.999999"), "2024-03-31T00:59:59.999999Z");
  EXPECT_EQ(utc("Europe/Berlin", "2024-03-31T02:00:00"), "never");
  EXPECT_EQ(utc("Europe/Berlin", "2024-03-31T02:59:59.999999"), "never");
  EXPECT_EQ(utc("Europe/Berlin", "2024-03-31T03:00:00"), "2024-03-31T01:00:00Z");
  EXPECT_EQ(utc("America/Sao_Paulo", "2018-11-04T00:00:00"), "never");
}

TEST_F(InZone, WhatTheClockShowsTwiceIsStandardTime) {
  EXPECT_EQ(utc("Europe/Berlin", "2024-10-27T01:59:59"), "2024-10-26T23:59:59Z");
  EXPECT_EQ(utc("Europe/Berlin", "2024-10-27T02:30:00"), "2024-10-27T01:30:00Z");
  EXPECT_EQ(utc("America/New_York", "2024-11-03T01:30:00"), "2024-11-03T06:30:00Z");
}

TEST_F(InZone, OldAndFarDaysHaveADistanceToo) {
  EXPECT_EQ(utc("Asia/Kolkata", "0001-01-02T00:00:00"), "0001-01-01T18:06:32Z");
  EXPECT_EQ(utc("Pacific/Apia", "2011-12-30T12:00:00"), "never");  // a day that was left out
  EXPECT_EQ(utc("Pacific/Kiritimati", "9999-12-31T23:00:00"), "9999-12-31T09:00:00Z");
}

TEST_F(InZone, WhatIsNoZoneIsSaid) {
  EXPECT_EQ(utc("Europe/Berln", "2024-06-01T12:00:00"), "timezone 'Europe/Berln' is no time zone");
}

}  // namespace
}  // namespace weir::database
