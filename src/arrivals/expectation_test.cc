#include "arrivals/expectation.h"

#include "arrivals/watching_for_test.h"
#include "base/instant.h"

namespace weir::arrivals {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Expectation read(const Json& written) {
  schedule::Zones zones;
  return *Expectation::read(written, zones);
}

std::string error_of(const Json& written) {
  schedule::Zones zones;
  const auto read = Expectation::read(written, zones);
  return read ? "" : read.error().message;
}

const Json kWorkdays = {{"cron", "0 6 * * mon-fri"},
                        {"timezone", "Europe/Berlin"},
                        {"except", Json::array({"2026-12-25"})}};

TEST(Expectation, LeavesOutWeekendsAndTheDaysThatAreNamed) {
  const auto due = read(kWorkdays);
  // Monday behind a Christmas on Friday: the day before is Thursday.
  const auto interval = due.newest(*parse_instant("2026-12-28T05:00:00Z"));
  ASSERT_TRUE(interval);
  EXPECT_EQ(format_instant(interval->start_us), "2026-12-24T05:00:00Z");
  EXPECT_EQ(format_instant(interval->end_us), "2026-12-28T05:00:00Z");
  EXPECT_EQ(format_instant(due.newest(interval->end_us - 1)->end_us), "2026-12-24T05:00:00Z");
  EXPECT_EQ(format_instant(*due.next_after(interval->start_us)), "2026-12-28T05:00:00Z");
  EXPECT_EQ(due.local_text(interval->end_us), "2026-12-28T06:00:00+01:00");
}

TEST(Expectation, ItsKeyIsOfTheDayThatIsDueOrOfTheOneBefore) {
  Json written = kWorkdays;
  written["key"] = "%Y%m%d";
  const schedule::Interval interval{*parse_instant("2026-12-24T05:00:00Z"),
                                    *parse_instant("2026-12-28T05:00:00Z")};
  EXPECT_EQ(read(written).key_of(interval), "20261228");
  written["of"] = "start";
  EXPECT_EQ(read(written).key_of(interval), "20261224");
}

TEST(Expectation, GoesByACalendarAndItsZone) {
  const Json calendar = {{"weekdays", "mon-fri"}, {"holidays", {"12-25", "easter+1"}}};
  const Json written = {{"cron", "30 0 * * *"},
                        {"timezone", "Europe/Berlin"},
                        {"calendar", calendar},
                        {"key", "%Y%m%d"}};
  const auto due = read(written);
  const auto interval = due.newest(*parse_instant("2026-12-28T05:00:00Z"));
  ASSERT_TRUE(interval);
  EXPECT_EQ(due.local_text(interval->start_us), "2026-12-24T00:30:00+01:00");
  EXPECT_EQ(due.key_of(*interval), "20261228") << "the day in Berlin, not in UTC";
  EXPECT_EQ(due.local_text(*due.next_after(*parse_instant("2026-04-03T12:00:00Z"))),
            "2026-04-07T00:30:00+02:00");
  Json moved = written;
  moved["on_holiday"] = "previous";
  moved["cron"] = "30 0 25 * *";
  EXPECT_EQ(read(moved).local_text(*read(moved).next_after(*parse_instant("2026-12-01T00:00:00Z"))),
            "2026-12-24T00:30:00+01:00");
  EXPECT_THAT(error_of({{"cron", "0 6 * * *"}, {"calendar", "target2"}}),
              HasSubstr("unknown calendar 'target2'"));
}

TEST(Expectation, SaysWhatIsWrongWithIt) {
  EXPECT_THAT(error_of({{"cron", "0 6 * *"}}), HasSubstr("has 5 fields"));
  EXPECT_THAT(error_of({{"corn", "0 6 * * *"}}), HasSubstr("has no 'corn'"));
  EXPECT_THAT(error_of({{"cron", "0 6 * * *"}, {"except", {"25.12.2026"}}}), HasSubstr("no date"));
  EXPECT_THAT(error_of({{"cron", "0 6 * * *"}, {"key", "day"}}), HasSubstr("nothing of a time"));
  EXPECT_THAT(error_of({{"cron", "0 6 * * *"}, {"of", "now"}}), HasSubstr("'of' is"));
  EXPECT_THAT(error_of(Json::object()), HasSubstr("cron"));
}

std::vector<std::string> late(const Polled& polled) {
  std::vector<std::string> all;
  for (const auto& fact : polled.late)
    all.push_back(fmt::format("{} {}: {}", fact.kind, fact.key, fact.text));
  return all;
}

TEST_F(Watching, WhatIsDueByATimeAndHasNotComeIsToldOnceThen) {
  clock_.now_us_ = *parse_instant("2026-11-23T00:00:00Z");  // a Monday
  Watch watching = fresh(
      {{"pattern", "landing/in/*.csv"}, {"settle", "0s"}, {"expected", {{"cron", "0 6 * * *"}}}});
  // What lay there before somebody looked is not known: the first time is left out.
  clock_.now_us_ = *parse_instant("2026-11-23T06:00:00Z");
  EXPECT_THAT(late(poll(watching)), IsEmpty());
  clock_.now_us_ = *parse_instant("2026-11-24T05:00:00Z");
  land("in/a.csv");
  const auto before = poll(watching);
  EXPECT_THAT(late(before), IsEmpty());
  EXPECT_LE(before.next_poll_at_us, *parse_instant("2026-11-24T06:00:00Z"));
  start(before);
  clock_.now_us_ = *parse_instant("2026-11-24T06:00:00Z");
  EXPECT_THAT(late(poll(watching)), IsEmpty());
  clock_.now_us_ = *parse_instant("2026-11-25T06:00:00Z");
  EXPECT_THAT(late(poll(watching)),
              ElementsAre("missing : due by 2026-11-25T06:00:00+00:00: no file has come"));
  EXPECT_THAT(late(poll_after(watching, kMinute)), IsEmpty()) << "told once";
}

TEST_F(Watching, WithAKeyALateFileDoesNotStandForTheNextAndWhatWaitsIsSaid) {
  clock_.now_us_ = *parse_instant("2026-11-23T00:00:00Z");
  Watch watching = fresh({{"pattern", "landing/in/*.csv"},
                          {"settle", "0s"},
                          {"key", R"((?<day>\d{8}))"},
                          {"expect", 2},
                          {"expected", {{"cron", "0 6 * * *"}, {"key", "%Y%m%d"}}}});
  clock_.now_us_ = *parse_instant("2026-11-24T06:00:00Z");
  land("in/a-20261124.csv");
  EXPECT_THAT(late(poll(watching)),
              ElementsAre(HasSubstr("missing 20261124: due by 2026-11-24T06:00:00+00:00: 1 of 2")));
  land("in/b-20261124.csv");  // late
  start(poll_after(watching, kMinute));
  clock_.now_us_ = *parse_instant("2026-11-25T06:00:00Z");
  EXPECT_THAT(late(poll(watching)), ElementsAre(HasSubstr("missing 20261125:")));
  for (const char* name : {"in/a-20261126.csv", "in/b-20261126.csv"}) land(name);
  start(poll_after(watching, kMinute));
  clock_.now_us_ = *parse_instant("2026-11-26T06:00:00Z");
  EXPECT_THAT(late(poll(watching)), IsEmpty());
}

}  // namespace
}  // namespace weir::arrivals
