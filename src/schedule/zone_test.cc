#include "schedule/zone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/instant.h"

namespace weir::schedule {
namespace {

int64_t second(const char* text) { return *parse_instant(text) / 1'000'000; }

std::string refused(const char* name) {
  Zones zones;
  const auto zone = zones.find(name);
  return zone ? "taken" : zone.error().message + " | " + zone.error().hint;
}

TEST(Zone, SpansTileTimeAndDiffer) {
  Zones zones;
  for (const char* name :
       {"Europe/Dublin", "Australia/Lord_Howe", "Pacific/Apia", "UTC", "Asia/Tokyo"}) {
    const auto zone = zones.find(name);
    ASSERT_TRUE(zone) << name;
    const auto& spans = (*zone)->spans();
    EXPECT_EQ(spans.front().begin_s, Zone::kBeginning);
    EXPECT_EQ(spans.back().end_s, Zone::kEnd);
    for (size_t i = 1; i < spans.size(); ++i) {
      EXPECT_EQ(spans[i].begin_s, spans[i - 1].end_s);
      EXPECT_NE(spans[i].offset_s, spans[i - 1].offset_s);
      EXPECT_EQ((*zone)->index_at(spans[i].begin_s), i);
      EXPECT_EQ((*zone)->index_at(spans[i].begin_s - 1), i - 1);
    }
  }
}

TEST(Zone, AReadingIsTheFirstInstantThatShowsIt) {
  Zones zones;
  const auto zone = *zones.find("Europe/Berlin");
  EXPECT_EQ(zone->instant_of(second("2026-07-01T12:00")), second("2026-07-01T10:00"));
  EXPECT_EQ(zone->instant_of(second("2026-10-25T02:30")), second("2026-10-25T00:30"));  // twice
  EXPECT_EQ(zone->instant_of(second("2026-03-29T02:30")), second("2026-03-29T01:00"));  // never
  EXPECT_EQ(zone->instant_of(second("2026-03-29T03:00")), second("2026-03-29T01:00"));
  const auto samoa = *zones.find("Pacific/Apia");
  EXPECT_EQ(samoa->instant_of(second("2011-12-30T12:00")), second("2011-12-30T10:00"));
}

TEST(Zone, LocalTextHasItsOffset) {
  Zones zones;
  EXPECT_EQ((*zones.find("Europe/Berlin"))->local_text(*parse_instant("2026-03-29T01:00:00.5Z")),
            "2026-03-29T03:00:00.5+02:00");
  EXPECT_EQ((*zones.find("America/St_Johns"))->local_text(*parse_instant("2026-01-01")),
            "2025-12-31T20:30:00-03:30");
  EXPECT_EQ((*zones.find("Africa/Monrovia"))->local_text(0), "1969-12-31T23:15:30-00:44:30");
}

TEST(Zone, AnUnknownNameGetsTheNearest) {
  EXPECT_EQ(refused("Europe/Berln"),
            "there is no time zone 'Europe/Berln' | did you mean 'Europe/Berlin'?");
  EXPECT_EQ(refused("europe/berlin"),
            "there is no time zone 'europe/berlin' | did you mean 'Europe/Berlin'?");
  EXPECT_EQ(refused("New_York"),
            "there is no time zone 'New_York' | did you mean 'America/New_York'?");
  EXPECT_EQ(
      refused("Mars/Olympus_Mons"),
      "there is no time zone 'Mars/Olympus_Mons' | zones have names of the IANA database, such "
      "as Europe/Berlin");
}

TEST(Zone, WhatIsNoNameOfTheDatabaseIsRefused) {
  for (const char* name :
       {"", "localtime", "posix/UTC", "right/UTC", "Factory", "/usr/share/zoneinfo/UTC",
        "Europe/../UTC", "Fixed/UTC+01:00:00", "file:/etc/passwd", "Europe"})
    EXPECT_THAT(refused(name), testing::HasSubstr("there is no time zone")) << name;
}

TEST(Zone, TheReleaseOfTheDatabaseIsKnown) {
  EXPECT_THAT(tzdata_version(), testing::MatchesRegex("20[0-9][0-9][a-z]+"));
}

}  // namespace
}  // namespace weir::schedule
