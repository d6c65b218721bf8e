"""Times of schedules with a calendar, against Python: which days count is said with datetime and dateutil's Easter, where a time moves
is looked up day by day, and clocks are zoneinfo's. Nothing of weir's code is used (WEIR_SEED=…, WEIR_LONG=1)."""
import datetime
import json
import random
import unittest

from dateutil.easter import easter

from oracle import DAY, Clock, Cron, brute
from sweep_test import DIRECTED, IS_LONG, SEED, FireTimes, shown, zones

NAMES = "sun mon tue wed thu fri sat".split()
TARGET2 = {"calendar_id": "target2", "weekdays": "mon-fri", "holidays": ["01-01", "easter-2", "easter+1", "05-01", "12-25", "12-26"]}


def second(text):
    return int(datetime.datetime.fromisoformat(text + "+00:00").timestamp())


class Days:
    """Whether business is done on a date."""

    def __init__(self, calendar):
        self.calendar = calendar
        self.known = {}

    def weekdays(self):
        said = self.calendar.get("weekdays", "")
        if not said:
            return set(range(7))
        found = set()
        for part in said.split(","):
            low, _, high = part.partition("-")
            at = NAMES.index(low)
            found.add(at)
            while high and NAMES[at] != high:
                at = (at + 1) % 7
                found.add(at)
        return found

    def counts(self, date):
        if date not in self.known:
            self.known[date] = self.look(date)
        return self.known[date]

    def look(self, date):
        if date.isoformat() in self.calendar.get("workdays", []):
            return True
        if date.isoweekday() % 7 not in self.weekdays():
            return False
        for said in self.calendar.get("holidays", []):
            if said.startswith("easter"):
                if date == easter(date.year) + datetime.timedelta(int(said[6:] or 0)):
                    return False
            elif said in (date.isoformat(), date.strftime("%m-%d")):
                return False
        return True

    def moved(self, date, step):
        while not self.counts(date):
            date += datetime.timedelta(step)
        return date


def wanted(cron, clock, days, on_holiday, low, high):
    if on_holiday == "skip":
        return [at for at in brute(cron, clock, low, high)
                if days.counts(datetime.datetime.fromtimestamp(at, clock.zone).date())]
    epoch, found = datetime.date(1970, 1, 1), set()
    for day in cron.days(low // DAY - 60, high // DAY + 60):
        to = (days.moved(epoch + datetime.timedelta(day), 1 if on_holiday == "next" else -1) - epoch).days
        for of_day in cron.walls:
            readings, change, _ = clock.instants(to * DAY + of_day)
            found.add(readings[0] if readings else change)
    return sorted(at for at in found if low <= at < high)


def some_calendar(pick, low, high):
    span = (high - low) // DAY
    date = lambda: (datetime.date(1970, 1, 1) + datetime.timedelta(low // DAY + pick.randrange(span))).isoformat()
    holidays = [date() for _ in range(pick.randrange(40))]
    start = datetime.date.fromisoformat(date())
    holidays += [(start + datetime.timedelta(day)).isoformat() for day in range(pick.choice([0, 3, 12]))]
    holidays += pick.sample(["01-01", "02-29", "05-01", "12-24", "12-25", "12-31", "easter", "easter-2", "easter+1", "easter+39", "easter-48"], pick.randrange(6))
    workdays = [each for each in (date() for _ in range(pick.randrange(10))) if each not in holidays]
    weekdays = pick.choice(["", "mon-fri", "sun-thu", "mon-sat", "fri-mon", "mon,wed,fri", "tue"])
    return {"weekdays": weekdays, "holidays": holidays, "workdays": workdays}


class Calendars(unittest.TestCase):
    def setUp(self):
        self.fires = FireTimes()
        self.addCleanup(self.fires.close)

    def compare(self, text, zone, calendar, on_holiday, low, high):
        more = json.dumps({"calendar": calendar, "on_holiday": on_holiday})
        got = self.fires.list("list", zone, text, low, high, more)
        want = wanted(Cron(text), Clock(zone), Days(calendar), on_holiday, low, high)
        if got != want:
            missing = [shown(at, zone) for at in want if at not in set(got)][:5]
            extra = [shown(at, zone) for at in got if at not in set(want)][:5]
            self.fail(f"seed {SEED}: {text} in {zone}, {on_holiday}, {more}: missing {missing}, extra {extra}")
        return len(got)

    def test_the_days_of_target2_are_those_that_the_ecb_published(self):
        low, high = second("2024-01-01"), second("2027-01-01")
        more = json.dumps({"calendar": {**TARGET2, "weekdays": ""}})
        open_days = {shown(at, "UTC")[:10] for at in self.fires.list("list", "UTC", "0 0 * * *", low, high, more)}
        closed = [day for day in (datetime.date(2024, 1, 1) + datetime.timedelta(n) for n in range((high - low) // DAY))
                  if day.isoformat() not in open_days]
        self.assertEqual([day.isoformat() for day in closed],
                         ["2024-01-01", "2024-03-29", "2024-04-01", "2024-05-01", "2024-12-25", "2024-12-26",
                          "2025-01-01", "2025-04-18", "2025-04-21", "2025-05-01", "2025-12-25", "2025-12-26",
                          "2026-01-01", "2026-04-03", "2026-04-06", "2026-05-01", "2026-12-25", "2026-12-26"])

    def test_easter_of_four_centuries(self):
        for year in range(1900, 2300, 1 if IS_LONG else 7):
            low, high = second(f"{year}-01-01"), second(f"{year + 1}-01-01")
            more = json.dumps({"calendar": {"holidays": ["easter"]}})
            got = self.fires.list("list", "UTC", "0 0 * * *", low, high, more)
            missing = set(range(low, high, DAY)) - set(got)
            self.assertEqual([shown(at, "UTC")[:10] for at in missing], [easter(year).isoformat()])

    def test_random_calendars_in_random_zones(self):
        pick, counted = random.Random(SEED), 0
        names = [*zones(), *DIRECTED * 20]
        crons = ("30 2 * * *", "0 0 * * *", "30 23 * * *", "0,30 6 * * *", "0 6 1 * *", "0 6 L * *", "15 0 * * mon", "0 9 * * fri#L", "59 23 31 12 *", "*/20 1 13 * fri")
        beats = ("0 * * * *", "*/15 * * * *", "30 */2 * * *")
        for _ in range(3000 if IS_LONG else 250):
            on_holiday = pick.choice(["skip", "next", "previous"])
            text = pick.choice(crons if on_holiday != "skip" else crons + beats)
            year = pick.randrange(1971, 2036)
            low, high = second(f"{year}-01-01"), second(f"{year + 1}-03-01")
            calendar = some_calendar(pick, low, high)
            counted += self.compare(text, pick.choice(names), calendar, on_holiday, low, high)
        print(f"seed {SEED}: {counted} times")

    def test_days_whose_end_is_shown_twice(self):
        """Clocks that go back over midnight: an hour of the day before comes after the first minute of the next."""
        zones = (("America/Goose_Bay", 2010), ("America/St_Johns", 2008), ("America/Sao_Paulo", 2018), ("America/Havana", 2015),
                 ("Atlantic/Azores", 2020), ("Pacific/Apia", 2011), ("Africa/Cairo", 2009))
        for zone, year in zones:
            low, high = second(f"{year}-01-01"), second(f"{year + 1}-02-01")
            for weekdays in ("sun-thu", "mon-sat", "sun", "sat", "mon-fri"):
                for text in ("0,30 * * * *", "0 0 * * *", "30 23 * * *"):
                    for on_holiday in ("skip",) if "*" in text.split()[1] else ("skip", "next", "previous"):
                        self.compare(text, zone, {"weekdays": weekdays}, on_holiday, low, high)

    def test_a_period_is_left_out_on_whole_days(self):
        calendar = {"weekdays": "mon-fri", "holidays": ["2026-12-24"]}
        for zone in ("UTC", "Europe/Berlin", "America/Sao_Paulo", "America/St_Johns"):
            clock, days = Clock(zone), Days(calendar)
            low, high = second("2026-12-20"), second("2026-12-30")
            got = self.fires.list("every", zone, "90m", "2026-01-01T00:00Z", low, high, json.dumps({"calendar": calendar}))
            start = second("2026-01-01")
            want = [at for at in range(start, high, 5400) if at >= low and days.counts(datetime.datetime.fromtimestamp(at, clock.zone).date())]
            self.assertEqual(got, want)


if __name__ == "__main__":
    unittest.main()
