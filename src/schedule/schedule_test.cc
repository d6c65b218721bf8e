#include "schedule/schedule.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/instant.h"

namespace weir::schedule {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

int64_t at(const char* text) { return *parse_instant(text); }

Schedule schedule_of(const Json& written) {
  Zones zones;
  auto schedule = read_schedule(written, zones);
  EXPECT_TRUE(schedule) << (schedule ? "" : to_line(schedule.error()));
  return *std::move(schedule);
}

std::vector<std::string> texts(const std::vector<int64_t>& times) {
  std::vector<std::string> all;
  for (const int64_t time : times) all.push_back(format_instant(time));
  return all;
}

std::vector<std::string> between(const Schedule& schedule, const char* after, const char* until) {
  std::vector<int64_t> all;
  Times times(schedule, at(after), at(until));
  for (auto time = times.next(); time; time = times.next()) all.push_back(*time);
  EXPECT_FALSE(times.next());
  return texts(all);
}

std::string faults(const Json& written) {
  Zones zones;
  std::string all;
  for (const auto& [key, error] : check_schedule(written, zones))
    all += fmt::format("{}{}: {} | {}", all.empty() ? "" : "\n", key, error.message, error.hint);
  EXPECT_EQ(read_schedule(written, zones).has_value(), all.empty());
  return all;
}

const Json kNightly = {{"cron", "30 2 * * *"}, {"timezone", "Europe/Berlin"}};

TEST(Schedule, ATextIsItsCron) {
  const auto schedule = schedule_of("0 6 * * *");
  EXPECT_EQ(schedule.text(), "cron \"0 6 * * *\" (UTC)");
  EXPECT_EQ(schedule.catchup(), Catchup::kLatest);
  EXPECT_THAT(between(schedule, "2026-11-27T06:00", "2026-11-29T06:00"),
              ElementsAre("2026-11-28T06:00:00Z", "2026-11-29T06:00:00Z"));
}

TEST(Schedule, ADailyTimeRunsOnceWhereClocksChange) {
  const auto nightly = schedule_of(kNightly);
  EXPECT_THAT(between(nightly, "2026-03-28T00:00", "2026-03-31T00:00"),
              ElementsAre("2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"));
  EXPECT_THAT(between(nightly, "2026-10-24T00:00", "2026-10-27T00:00"),
              ElementsAre("2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"));
}

TEST(Schedule, EveryRealHourRuns) {
  const auto hourly = schedule_of({{"cron", "30 * * * *"}, {"timezone", "Europe/Berlin"}});
  for (const char* day : {"2026-03-29", "2026-10-25"}) {
    const int64_t from = at(day);
    std::vector<int64_t> wanted;
    for (int64_t hour = 0; hour < 24; ++hour)
      wanted.push_back(from + (hour * 60 + 30) * 60'000'000);
    std::vector<int64_t> got;
    Times times(hourly, from, from + int64_t{86'400'000'000});
    for (auto time = times.next(); time; time = times.next()) got.push_back(*time);
    EXPECT_EQ(got, wanted) << day;
  }
}

TEST(Schedule, IntervalsTileTimeThroughChangesOfClocks) {
  for (const char* cron : {"30 2 * * *", "*/20 1-3 * * *", "0 * * * *", "0 */2 * * *"}) {
    const auto schedule = schedule_of({{"cron", cron}, {"timezone", "Europe/Berlin"}});
    int64_t end = schedule.last_until(at("2026-01-01")).value();
    Times times(schedule, end, at("2027-01-01"));
    int64_t count = 0;
    for (auto time = times.next(); time; time = times.next(), ++count) {
      EXPECT_EQ(schedule.interval_of(*time), (Interval{end, *time})) << cron;
      end = *time;
    }
    EXPECT_GE(count, 364) << cron;
  }
}

TEST(Schedule, AnInstantBetweenHasTheLastWholeInterval) {
  EXPECT_EQ(schedule_of(kNightly).interval_of(at("2026-07-03T12:00")),
            (Interval{at("2026-07-02T00:30"), at("2026-07-03T00:30")}));
}

TEST(Schedule, APeriodCountsFromItsStartOrFrom1970) {
  const auto anchored = schedule_of({{"every", "7m"}, {"start", "2026-03-01T00:00:03Z"}});
  EXPECT_THAT(between(anchored, "2026-01-01", "2026-03-01T00:10"),
              ElementsAre("2026-03-01T00:00:03Z", "2026-03-01T00:07:03Z"));
  // However late it is asked: no drift.
  EXPECT_EQ(*anchored.next_after(at("2036-03-01T00:00:04.123Z")) % 420'000'000,
            at("2026-03-01T00:00:03Z") % 420'000'000);
  EXPECT_EQ(anchored.interval_of(at("2026-03-01T00:00:03Z")),
            (Interval{at("2026-02-28T23:53:03Z"), at("2026-03-01T00:00:03Z")}));
  EXPECT_THAT(
      between(schedule_of({{"every", "10s"}}), "1969-12-31T23:59:45Z", "1970-01-01T00:00:10Z"),
      ElementsAre("1969-12-31T23:59:50Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:10Z"));
}

TEST(Schedule, StartAndEndAreInTheZoneAndInclusive) {
  Json written = kNightly;
  written["start"] = "2026-07-02T02:30";
  written["end"] = "2026-07-04T02:30";
  const auto schedule = schedule_of(written);
  EXPECT_THAT(between(schedule, "2000-01-01", "2100-01-01"),
              ElementsAre("2026-07-02T00:30:00Z", "2026-07-03T00:30:00Z", "2026-07-04T00:30:00Z"));
  EXPECT_EQ(schedule.last_until(at("2026-07-02T00:29")), std::nullopt);
  EXPECT_EQ(schedule.last_until(at("2099-01-01")), at("2026-07-04T00:30"));
  EXPECT_EQ(schedule.next_after(at("2026-07-04T00:30")), std::nullopt);
  // The first interval reaches back before the start: nothing is left out between two schedules.
  EXPECT_EQ(schedule.interval_of(at("2026-07-02T00:30")).start_us, at("2026-07-01T00:30"));
  written["start"] = "2026-07-02";
  EXPECT_EQ(schedule_of(written).start_us(), at("2026-07-01T22:00"));
  written["start"] = "2026-07-02T00:00:00+09:00";
  EXPECT_EQ(schedule_of(written).start_us(), at("2026-07-01T15:00"));
}

TEST(Schedule, NothingComesAfterTheLastYear) {
  EXPECT_EQ(schedule_of("0 0 1 1 *").next_after(at("2399-01-01")), std::nullopt);
  EXPECT_EQ(schedule_of({{"every", "1h"}}).next_after(at("2400-01-01")), std::nullopt);
  EXPECT_EQ(schedule_of("0 0 1 1 *").last_until(at("9999-01-01")), at("2399-01-01"));
  EXPECT_EQ(schedule_of({{"every", "1000d"}}).next_after(at("2399-12-30")), std::nullopt);
}

TEST(Schedule, AnyNumberIsAnInstant) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  for (const Json& written : {Json{{"every", "1s"}}, Json("* * * * *")}) {
    const auto schedule = schedule_of(written);
    EXPECT_EQ(schedule.next_after(kLeast), at("0001-01-01")) << written;
    EXPECT_EQ(schedule.last_until(kLeast), std::nullopt);
    EXPECT_EQ(schedule.next_after(kMost), std::nullopt);
    EXPECT_GE(schedule.last_until(kMost), at("2399-12-31T23:59:00Z"));
    EXPECT_EQ(schedule.due(kLeast, kMost, 3).logical_times_us.size(), 1U);
    EXPECT_EQ(schedule.due(kMost, kLeast, 3).logical_times_us.size(), 0U);
  }
}

TEST(Due, IsWhatTheCatchupPolicySays) {
  Json written = kNightly;
  const int64_t last = at("2026-07-01T00:30");
  const int64_t now = at("2026-07-04T00:31");
  written["catchup"] = "all";
  const Due all = schedule_of(written).due(last, now, 10);
  EXPECT_THAT(texts(all.logical_times_us),
              ElementsAre("2026-07-02T00:30:00Z", "2026-07-03T00:30:00Z", "2026-07-04T00:30:00Z"));
  EXPECT_FALSE(all.has_more);
  EXPECT_EQ(all.until_us, at("2026-07-04T00:30"));

  const Due first = schedule_of(written).due(last, now, 2);
  EXPECT_EQ(first.logical_times_us.size(), 2U);
  EXPECT_TRUE(first.has_more);
  EXPECT_EQ(first.until_us, at("2026-07-03T00:30"));
  EXPECT_EQ(schedule_of(written).due(*first.until_us, now, 2).logical_times_us.size(), 1U);

  written["catchup"] = "latest";
  const Due latest = schedule_of(written).due(last, now, 10);
  EXPECT_THAT(texts(latest.logical_times_us), ElementsAre("2026-07-04T00:30:00Z"));
  EXPECT_THAT(schedule_of(written).due(*latest.until_us, now, 10).logical_times_us, IsEmpty());

  written["catchup"] = "none";
  EXPECT_THAT(texts(schedule_of(written).due(last, now, 10).logical_times_us),
              ElementsAre("2026-07-04T00:30:00Z"));
  const Due late = schedule_of(written).due(last, at("2026-07-04T00:36"), 10);
  EXPECT_THAT(late.logical_times_us, IsEmpty());
  EXPECT_EQ(late.until_us, at("2026-07-04T00:30"));  // left out for good
}

TEST(Due, IsNothingBeforeItsTimeAndForAClockThatWentBack) {
  const auto nightly = schedule_of(kNightly);
  const int64_t last = at("2026-07-04T00:30");
  for (const char* now : {"2026-07-04T00:30:01Z", "2026-07-05T00:29:59Z", "2026-07-01T00:00:00Z"}) {
    const Due due = nightly.due(last, at(now), 10);
    EXPECT_THAT(due.logical_times_us, IsEmpty()) << now;
    EXPECT_EQ(due.until_us, std::nullopt) << now;
  }
  EXPECT_EQ(nightly.due(last, at("2026-07-05T00:30"), 10).logical_times_us.size(), 1U);
}

TEST(Due, BeginsWithTheStartWhereAllIsMadeUpFor) {
  const int64_t known = at("2026-07-04T12:00");
  Json written = kNightly;
  EXPECT_EQ(schedule_of(written).before_first(known), known);
  written["start"] = "2026-07-02T02:30";
  EXPECT_EQ(schedule_of(written).before_first(known), known);
  written["catchup"] = "all";
  const auto schedule = schedule_of(written);
  EXPECT_EQ(schedule.due(schedule.before_first(known), known, 10).logical_times_us.size(), 3U);
  written["start"] = "2030-01-01";
  EXPECT_EQ(schedule_of(written).before_first(known), known);
}

TEST(ScheduledRun, HasAKeyAndParametersInUtc) {
  const auto run = run_at(schedule_of(kNightly), at("2026-03-29T01:00"));
  EXPECT_EQ(run.run_key(), "scheduled:2026-03-29T01:00:00Z");
  EXPECT_EQ(dump_json(run.parameters()),
            R"({"interval_end":"2026-03-29T01:00:00Z","interval_start":"2026-03-28T01:30:00Z",)"
            R"("logical_time":"2026-03-29T01:00:00Z"})");
}

TEST(ReadSchedule, FaultsNameTheKey) {
  EXPECT_EQ(faults(Json::object()),
            ": a schedule says neither 'cron' nor 'every' | write one of them");
  EXPECT_EQ(faults({{"cron", "@daily"}, {"every", "1h"}}),
            ": a schedule says 'cron' and 'every' | write one of them");
  EXPECT_EQ(faults(Json::array()),
            ": a schedule is a text or a map | write a cron, or a map with cron or every");
  EXPECT_EQ(faults({{"cron", 5}}), "cron: 'cron' takes a text, not 5 | write it in quotes");
  EXPECT_THAT(faults({{"every", "soon"}}), HasSubstr("every: 'soon' is no duration"));
  EXPECT_EQ(faults({{"every", "999ms"}}),
            "every: a period of 999ms is too short | the shortest is 1s");
  EXPECT_THAT(faults({{"every", "0s"}}), HasSubstr("too short"));
  EXPECT_THAT(faults({{"cron", "@daily"}, {"timezone", "Berlin"}}),
              HasSubstr("timezone: there is no time zone 'Berlin' | did you mean 'Europe/Berlin'"));
  EXPECT_EQ(faults({{"cron", "@daily"}, {"catchup", "some"}}),
            "catchup: 'some' is not known | write one of: none, latest, all");
  EXPECT_THAT(faults({{"cron", "@daily"}, {"start", "soon"}}),
              HasSubstr("start: 'soon' is no instant"));
  EXPECT_EQ(faults({{"cron", "@daily"}, {"start", "2026-02-02"}, {"end", "2026-02-01"}}),
            "end: the end 2026-02-01T00:00:00Z is before the start 2026-02-02T00:00:00Z | nothing "
            "would ever run");
  EXPECT_THAT(faults({{"cron", "@yearly"}, {"start", "2026-02-01"}, {"end", "2026-12-01"}}),
              HasSubstr("end: there is no time of cron \"@yearly\" (UTC) between start and end"));
  EXPECT_EQ(faults({{"cron", "@daily"}, {"catchupp", "all"}}),
            "catchupp: a schedule has no 'catchupp' | did you mean 'catchup'?");
  EXPECT_THAT(faults({{"cron", "@daily"}, {"params", "x"}}),
              HasSubstr("params: 'params' is no map"));
  EXPECT_EQ(faults({{"cron", "@daily"}, {"every", nullptr}, {"params", {{"a", 1}}}}), "");
}

TEST(ReadSchedule, AVariableIsNoFaultAndNoSchedule) {
  Zones zones;
  const Json written = {{"cron", "${WHEN}"}, {"timezone", "${WHERE}"}};
  EXPECT_THAT(check_schedule(written, zones), IsEmpty());
  EXPECT_FALSE(read_schedule(written, zones));
}

// ---- calendars -----------------------------------------------------------------------------

const Json kTarget2 = {{"calendar_id", "target2"},
                       {"weekdays", "mon-fri"},
                       {"holidays", {"01-01", "easter-2", "easter+1", "05-01", "12-25", "12-26"}}};

Json on_target2(const std::string& cron, const std::string& on_holiday) {
  return {{"cron", cron},
          {"timezone", "Europe/Berlin"},
          {"calendar", kTarget2},
          {"on_holiday", on_holiday}};
}

TEST(Calendars, TimesOnOtherDaysAreLeftOut) {
  const auto schedule = schedule_of(on_target2("0 6 * * *", "skip"));
  EXPECT_EQ(schedule.text(), "cron \"0 6 * * *\" (Europe/Berlin, calendar target2)");
  // Thursday, then Easter, then Tuesday.
  EXPECT_THAT(between(schedule, "2026-04-02T00:00", "2026-04-08T00:00"),
              ElementsAre("2026-04-02T04:00:00Z", "2026-04-07T04:00:00Z"));
  const Interval interval = schedule.interval_of(at("2026-04-07T04:00"));
  EXPECT_EQ(format_instant(interval.start_us), "2026-04-02T04:00:00Z") << "intervals tile";
  EXPECT_EQ(schedule.last_until(at("2026-04-06T12:00")), at("2026-04-02T04:00"));
}

TEST(Calendars, MonthEndIsTheLastDayOfBusiness) {
  const auto schedule = schedule_of(on_target2("0 18 L * *", "previous"));
  EXPECT_THAT(between(schedule, "2026-04-30T20:00", "2026-09-01T00:00"),
              ElementsAre("2026-05-29T16:00:00Z", "2026-06-30T16:00:00Z", "2026-07-31T16:00:00Z",
                          "2026-08-31T16:00:00Z"));
  EXPECT_FALSE(schedule.due(at("2026-05-29T16:00"), at("2026-06-01T00:00"), 9).until_us);
}

TEST(Calendars, FirstOfTheMonthWaitsForBusinessAndMergesWithWhatIsThere) {
  const auto first = schedule_of(on_target2("0 6 1 * *", "next"));
  EXPECT_THAT(between(first, "2026-04-30T00:00", "2026-06-02T00:00"),
              ElementsAre("2026-05-04T04:00:00Z", "2026-06-01T04:00:00Z"));
  const auto daily = schedule_of(on_target2("0 6,9 * * *", "next"));
  EXPECT_THAT(between(daily, "2026-04-03T00:00", "2026-04-08T00:00"),
              ElementsAre("2026-04-07T04:00:00Z", "2026-04-07T07:00:00Z"))
      << "four days of times are one day's";
}

TEST(Calendars, DaysWithoutBusinessCatchUpWithNothing) {
  const auto schedule = schedule_of(on_target2("0 6 * * *", "skip"));
  EXPECT_FALSE(schedule.due(at("2026-04-02T04:00"), at("2026-04-06T23:00"), 9).until_us);
}

TEST(Calendars, CalendarWithoutAnyDayRunsNever) {
  Json written = on_target2("0 6 * * *", "skip");
  written["calendar"] = {{"holidays", Json::array()}};
  for (int month = 1; month <= 12; ++month)
    for (int day = 1; day <= (month == 2                                              ? 29
                              : month == 4 || month == 6 || month == 9 || month == 11 ? 30
                                                                                      : 31);
         ++day)
      written["calendar"]["holidays"].push_back(fmt::format("{:02}-{:02}", month, day));
  for (const char* mode : {"skip", "next", "previous"}) {
    written["on_holiday"] = mode;
    const auto schedule = schedule_of(written);
    EXPECT_FALSE(schedule.next_after(at("2026-01-01T00:00"))) << mode;
    EXPECT_FALSE(schedule.last_until(at("2026-01-01T00:00"))) << mode;
  }
}

TEST(Calendars, FaultsNameTheKeyAndTheWayOut) {
  EXPECT_EQ(faults({{"cron", "0 6 * * *"}, {"calendar", "target2"}}),
            "calendar: unknown calendar 'target2' | write it under calendars:");
  EXPECT_EQ(faults({{"cron", "0 6 * * *"}, {"on_holiday", "next"}}),
            "on_holiday: 'on_holiday' needs a calendar | write calendar: <name>, too");
  EXPECT_EQ(faults(on_target2("0 6 * * *", "later")),
            "on_holiday: 'later' is not known | write one of: skip, next, previous");
  EXPECT_THAT(faults(on_target2("*/15 * * * *", "next")),
              HasSubstr("on_holiday: on_holiday: next is for times of a day"));
  EXPECT_EQ(faults(on_target2("*/15 * * * *", "skip")), "");
  Json every = {{"every", "1h"}, {"calendar", kTarget2}, {"on_holiday", "previous"}};
  EXPECT_THAT(faults(every), HasSubstr("is for times of a day"));
}

TEST(WorkingDays, FaultsNameTheDay) {
  const auto told = [](const Json& calendar) {
    std::string all;
    for (const auto& [key, error] : WorkingDays::check(calendar))
      all += fmt::format("{}{}: {}", all.empty() ? "" : "\n", key, error.message);
    EXPECT_EQ(WorkingDays::read(calendar).has_value(), all.empty());
    return all;
  };
  EXPECT_EQ(told({{"weekdays", "mon-fir"}}), "weekdays: 'mon-fir' names no days of the week");
  EXPECT_EQ(told({{"weekdays", "fri#2"}}), "weekdays: 'fri#2' names no days of the week");
  EXPECT_EQ(told({{"holidays", {"2026-02-30", "13-01", "easter+", "easter-101", "12-25"}}}),
            "holidays: '2026-02-30' is no day\nholidays: '13-01' is no day\n"
            "holidays: 'easter+' is no day\nholidays: 'easter-101' is no day");
  EXPECT_EQ(told({{"workdays", {"12-25"}}}), "workdays: '12-25' is no date");
  EXPECT_EQ(told({{"holidays", {"2026-12-24"}}, {"workdays", {"2026-12-24"}}}),
            "workdays: 2026-12-24 is a holiday and a workday");
  EXPECT_EQ(told({{"holidays", {"12-24"}}, {"workdays", {"2026-12-24"}}}), "") << "worked once";
}

}  // namespace
}  // namespace weir::schedule
