#include "schedule/calendar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/instant.h"

namespace weir::schedule {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

int64_t at(const char* text) { return *parse_instant(text); }

Schedule schedule_of(const Json& written) {
  Zones zones;
  return read_schedule(written, zones).value();
}

std::vector<std::string> due(const Calendar& calendar, const char* now, size_t most = 100) {
  std::vector<std::string> all;
  for (const auto& entry : calendar.due(at(now), most))
    all.push_back(entry.flow_id + " " + format_instant(entry.next_us));
  return all;
}

TEST(Calendar, GivesTheEarliestFirst) {
  Calendar calendar;
  EXPECT_FALSE(calendar.next());
  const int64_t noon = at("2026-07-01T12:00");
  calendar.put("late", schedule_of("0 14 * * *"), noon);
  calendar.put("soon", schedule_of("0 13 * * *"), noon);
  calendar.put("also_soon", schedule_of("0 13 * * *"), noon);
  calendar.put("never", schedule_of({{"cron", "@daily"}, {"end", "2026-07-01"}}), noon);
  EXPECT_EQ(calendar.size(), 4U);
  EXPECT_EQ(calendar.next()->flow_id, "also_soon");
  EXPECT_THAT(due(calendar, "2026-07-01T12:59:59Z"), IsEmpty());
  EXPECT_THAT(due(calendar, "2026-07-01T13:00:00Z"),
              ElementsAre("also_soon 2026-07-01T13:00:00Z", "soon 2026-07-01T13:00:00Z"));
  EXPECT_THAT(due(calendar, "2026-07-03", 1), ElementsAre("also_soon 2026-07-01T13:00:00Z"));
}

TEST(Calendar, AFlowStaysDueUntilItsTimeIsPassed) {
  Calendar calendar;
  calendar.put("nightly", schedule_of("0 2 * * *"), at("2026-07-01"));
  EXPECT_EQ(due(calendar, "2026-07-01T02:00").size(), 1U);
  EXPECT_EQ(due(calendar, "2026-07-01T02:00").size(), 1U);
  calendar.advance("nightly", at("2026-07-01T02:00"));
  EXPECT_THAT(due(calendar, "2026-07-01T02:00"), IsEmpty());
  EXPECT_EQ(calendar.next()->next_us, at("2026-07-02T02:00"));
}

TEST(Calendar, AFlowThatIsPutAnewOrTakenAwayLeavesNothing) {
  Calendar calendar;
  calendar.put("a", schedule_of("0 2 * * *"), at("2026-07-01"));
  calendar.put("a", schedule_of("0 3 * * *"), at("2026-07-01"));
  EXPECT_THAT(due(calendar, "2026-07-01T12:00"), ElementsAre("a 2026-07-01T03:00:00Z"));
  EXPECT_EQ(calendar.find("a")->text(), "cron \"0 3 * * *\" (UTC)");
  calendar.remove("a");
  calendar.remove("b");
  calendar.advance("b", 0);
  EXPECT_EQ(calendar.find("a"), nullptr);
  EXPECT_FALSE(calendar.next());
  EXPECT_EQ(calendar.size(), 0U);
}

}  // namespace
}  // namespace weir::schedule
