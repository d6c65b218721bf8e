"""Times of schedules against the oracle: every zone of the database from 1970 to 2037 for common expressions (WEIR_LONG=1; else a slice
of zones), changes of clocks with a name, and random expressions in random zones (WEIR_SEED=…)."""
import datetime
import os
import pathlib
import random
import subprocess
import sys
import unittest
import zoneinfo

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from oracle import DAY, FROM, TO, Clock, Cron, brute, sums  # noqa: E402

IS_LONG = os.environ.get("WEIR_LONG") == "1"
SEED = int(os.environ.get("WEIR_SEED", "0") or 0) or random.SystemRandom().randrange(1 << 32)
FIRE_TIMES = os.environ["FIRE_TIMES"]
DATABASE = pathlib.Path("/usr/share/zoneinfo")

# Two daily ones: changes of clocks are at midnight in some zones, and at two in most.
PATTERNS = ("0 0 * * *", "30 2 * * *", "0 * * * *", "*/15 * * * *", "45 * * * *", "30 */2 * * *", "0 2 31 * *", "0 0 29 2 *", "@weekly")

# Zones whose clocks do what others' do not.
DIRECTED = ("Australia/Lord_Howe", "Pacific/Apia", "Antarctica/Troll", "Africa/Casablanca", "Europe/Dublin", "America/New_York",
            "Europe/Berlin", "Africa/Monrovia", "America/Sao_Paulo", "Asia/Pyongyang", "Pacific/Kwajalein", "UTC")


def zones():
    """Names of the database, less those that weir does not take: other trees, and no zone."""
    return sorted(name for name in zoneinfo.available_timezones()
                  if not name.startswith(("posix/", "right/")) and name not in ("localtime", "posixrules", "Factory"))


class FireTimes:
    def __init__(self):
        self.process = subprocess.Popen([FIRE_TIMES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, *words):
        self.process.stdin.write("\t".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, *words):
        self.send(*words)
        return self.answer()

    def list(self, *words):
        said = self.ask(*words)
        if said.startswith(("error", "broken")):
            raise AssertionError(f"{words}: {said}")
        return [int(word) for word in said.split("\t") if word]

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def shown(at, zone):
    return datetime.datetime.fromtimestamp(at, zoneinfo.ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %z")


def instant(text):
    return int(datetime.datetime.fromisoformat(text).timestamp())


class Sweep(unittest.TestCase):
    def setUp(self):
        self.fires = FireTimes()
        self.addCleanup(self.fires.close)

    def compare(self, cron, zone, low, high):
        clock = Clock(zone)
        wanted = brute(Cron(cron), clock, low, high)
        got = self.fires.list("list", zone, cron, low, high)
        if wanted != got:
            missing = [shown(at, zone) for at in wanted if at not in set(got)][:5]
            extra = [shown(at, zone) for at in got if at not in set(wanted)][:5]
            self.fail(f"{cron!r} in {zone} [{low}, {high}), seed {SEED}: missing {missing}, too many {extra}")
        return len(got)

    def test_zones(self):
        names = zones()
        self.assertGreater(len(names), 300)
        if not IS_LONG:
            # Another slice each week of the year, so that all are seen in time.
            turn = datetime.date.today().isocalendar()[1]
            names = sorted(set(DIRECTED) | set(names[turn % 24::24]))
        days = {text: Cron(text).days(FROM // DAY - 3, TO // DAY + 3) for text in PATTERNS}
        times = 0
        known = {}  # Many names are of one zone.
        asked = iter(names)
        for ahead in (next(asked), next(asked)):
            self.ask_all(ahead)
        for zone in names:
            self.ask_all(next(asked, None))  # It works while we do.
            content = (DATABASE / zone).read_bytes()
            if content not in known:
                clock = Clock(zone)
                known[content] = [sums(Cron(text), clock, days[text]) for text in PATTERNS]
            for text, wanted in zip(PATTERNS, known[content]):
                got = self.fires.answer()
                if wanted != got:
                    self.explain(text, zone, Clock(zone), wanted, got)
                times += int(got.split("\t")[0])
        print(f"{len(names)} zones x {len(PATTERNS)} expressions, 1970 to 2037: {times} times are the oracle's")

    def ask_all(self, zone):
        for text in PATTERNS if zone else ():
            self.fires.send("sums", zone, text, FROM, TO)

    def explain(self, text, zone, clock, wanted, got):
        """Finds the first change of clocks where the two differ."""
        for at, _, _ in clock.changes:
            fires = FireTimes()
            try:
                self.fires, keep = fires, self.fires
                self.compare(text, zone, at - 5 * DAY, at + 5 * DAY)
            finally:
                self.fires = keep
                fires.close()
        self.fail(f"{text!r} in {zone}: {got}, and the oracle has {wanted}")

    def test_random_expressions(self):
        print(f"seed {SEED}")
        pick = random.Random(SEED)
        names = zones()
        clocks = [Clock(name) for name in pick.sample(names, 60 if IS_LONG else 12)]
        times = 0
        for _ in range(3000 if IS_LONG else 300):
            clock = pick.choice(clocks)
            cron = random_cron(pick)
            centre = pick.choice(clock.changes)[0] if clock.changes and pick.random() < 0.8 else pick.randrange(FROM, TO)
            reach = (4 if len(Cron(cron).walls) > 50 else 40) * DAY
            times += self.compare(cron, clock.name, centre - pick.randrange(reach), centre + pick.randrange(reach))
        print(f"{times} times of random expressions are the oracle's")

    def test_years_beyond_the_files(self):
        """The rules of a zone's last line go on."""
        for zone in ("America/New_York", "Europe/Dublin", "Australia/Lord_Howe", "Africa/Casablanca"):
            for text in ("30 2 * * *", "45 * * * *"):
                low = instant("2099-01-01T00:00:00+00:00")
                self.assertGreater(self.compare(text, zone, low, low + 366 * DAY), 360)

    def test_every(self):
        """Periods are of time that passed, from the start on."""
        low = instant("2026-03-28T00:00:00+00:00")
        for period, seconds in (("10s", 10), ("7m", 420), ("1h30m", 5400), ("1d", DAY)):
            for zone, start in (("Europe/Berlin", "2026-03-28T22:00:03+00:00"), ("Pacific/Apia", "2020-01-01T00:00:07+00:00")):
                first = instant(start)
                wanted = [at for at in range(first, low + 3 * DAY, seconds) if at >= low]
                self.assertEqual(self.fires.list("every", zone, period, start, low, low + 3 * DAY), wanted)


def random_cron(pick):
    """Any form of each field, such that it can come about."""
    def number(least, greatest, names=(), first=0):
        value = pick.randint(least, greatest)
        if names and first <= value < first + len(names) and pick.random() < 0.4:
            return pick.choice([str.upper, str.lower, str.title])(names[value - first])
        return str(value)

    def entry(least, greatest, names=(), first=0):
        form = pick.random()
        step = f"/{pick.randint(1, greatest)}" if pick.random() < 0.25 else ""
        if form < 0.25:
            return "*" + step
        if form < 0.5:
            low, high = sorted(pick.randint(least, greatest) for _ in range(2))
            return f"{low}-{high}{step}"
        return number(least, greatest, names, first) + step

    def field(least, greatest, names=(), first=0, star=0.3):
        if pick.random() < star:
            return "*"
        return ",".join(entry(least, greatest, names, first) for _ in range(pick.choice((1, 1, 1, 2, 3))))

    from oracle import MONTHS, WEEKDAYS
    while True:
        minute = field(0, 59, star=0.05) if pick.random() < 0.7 else pick.choice(("0", "*", "*/15", "*/20", "30"))
        hour = field(0, 23, star=0.2) if pick.random() < 0.6 else str(pick.choice((0, 1, 2, 3, 23)))
        day = field(1, 31, star=0.5) if pick.random() < 0.9 else "L"
        month = field(1, 12, MONTHS, 1, star=0.7)
        weekday = field(0, 6, WEEKDAYS, 0, star=0.5)
        if pick.random() < 0.1:
            weekday = f"{pick.choice(WEEKDAYS)}#{pick.choice('12345L')}"
        elif pick.random() < 0.1:
            weekday = pick.choice(("7", "FRI-MON", "5-7", "SAT-SUN", "WED-MON/2", "0,7"))
        text = " ".join((minute, hour, day, month, weekday))
        # A day that no year has is refused: that is tested elsewhere.
        if Cron(text).days(0, 366 * 28):
            return text


class Named(unittest.TestCase):
    """What people know of their zones, written down: neither weir nor the oracle said it."""

    def setUp(self):
        self.fires = FireTimes()
        self.addCleanup(self.fires.close)

    def check(self, zone, cron, low, high, wanted):
        got = self.fires.list("list", zone, cron, instant(low), instant(high))
        self.assertEqual([shown(at, zone) for at in got], wanted, (zone, cron))

    def test_new_york(self):
        self.check("America/New_York", "30 2 * * *", "2026-03-07T00:00-05:00", "2026-03-10T00:00-04:00",
                   ["2026-03-07 02:30 -0500", "2026-03-08 03:00 -0400", "2026-03-09 02:30 -0400"])
        self.check("America/New_York", "30 1 * * *", "2026-10-31T00:00-04:00", "2026-11-03T00:00-05:00",
                   ["2026-10-31 01:30 -0400", "2026-11-01 01:30 -0400", "2026-11-02 01:30 -0500"])
        self.check("America/New_York", "0 * * * *", "2026-03-08T00:30-05:00", "2026-03-08T05:00-04:00",
                   ["2026-03-08 01:00 -0500", "2026-03-08 03:00 -0400", "2026-03-08 04:00 -0400"])
        self.check("America/New_York", "0 * * * *", "2026-11-01T00:30-04:00", "2026-11-01T03:00-05:00",
                   ["2026-11-01 01:00 -0400", "2026-11-01 01:00 -0500", "2026-11-01 02:00 -0500"])
        # Times of a day that fall on one instant are one run.
        self.check("America/New_York", "*/20 2,3 * * *", "2026-03-08T00:00-05:00", "2026-03-08T05:00-04:00",
                   ["2026-03-08 03:00 -0400", "2026-03-08 03:20 -0400", "2026-03-08 03:40 -0400"])
        # Each second hour: the one in the gap is not left out.
        self.check("America/New_York", "0 */2 * * *", "2026-03-08T00:00-05:00", "2026-03-08T07:00-04:00",
                   ["2026-03-08 00:00 -0500", "2026-03-08 03:00 -0400", "2026-03-08 04:00 -0400", "2026-03-08 06:00 -0400"])

    def test_lord_howe_changes_by_half_an_hour(self):
        self.check("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00+10:30", "2026-10-06T00:00+11:00",
                   ["2026-10-03 02:15 +1030", "2026-10-04 02:30 +1100", "2026-10-05 02:15 +1100"])
        self.check("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00+11:00", "2026-04-07T00:00+10:30",
                   ["2026-04-04 01:45 +1100", "2026-04-05 01:45 +1100", "2026-04-06 01:45 +1030"])
        self.check("Australia/Lord_Howe", "*/15 * * * *", "2026-10-04T01:40+10:30", "2026-10-04T03:00+11:00",
                   ["2026-10-04 01:45 +1030", "2026-10-04 02:30 +1100", "2026-10-04 02:45 +1100"])
        self.check("Australia/Lord_Howe", "*/15 * * * *", "2026-04-05T01:40+11:00", "2026-04-05T02:05+10:30",
                   ["2026-04-05 01:45 +1100", "2026-04-05 01:30 +1030", "2026-04-05 01:45 +1030", "2026-04-05 02:00 +1030"])
        # No hour is left out, though 02:15 is never shown.
        self.check("Australia/Lord_Howe", "15 * * * *", "2026-10-04T01:00+10:30", "2026-10-04T04:00+11:00",
                   ["2026-10-04 01:15 +1030", "2026-10-04 02:30 +1100", "2026-10-04 03:15 +1100"])

    def test_samoa_had_no_30_december_2011(self):
        self.check("Pacific/Apia", "0 6 * * *", "2011-12-29T00:00-10:00", "2012-01-01T00:00+14:00",
                   ["2011-12-29 06:00 -1000", "2011-12-31 00:00 +1400", "2011-12-31 06:00 +1400"])
        self.check("Pacific/Apia", "0 */6 * * *", "2011-12-29T12:00-10:00", "2011-12-31T12:00+14:00",
                   ["2011-12-29 12:00 -1000", "2011-12-29 18:00 -1000", "2011-12-31 00:00 +1400", "2011-12-31 06:00 +1400"])
        self.check("Pacific/Apia", "0 0 30 12 *", "2010-12-01T00:00+00:00", "2013-01-01T00:00+00:00",
                   ["2010-12-30 00:00 -1000", "2011-12-31 00:00 +1400", "2012-12-30 00:00 +1400"])

    def test_troll_changes_by_two_hours(self):
        self.check("Antarctica/Troll", "30 1,2 * * *", "2026-03-28T12:00+00:00", "2026-03-30T12:00+02:00",
                   ["2026-03-29 03:00 +0200", "2026-03-30 01:30 +0200", "2026-03-30 02:30 +0200"])
        self.check("Antarctica/Troll", "30 1,2 * * *", "2026-10-25T00:00+02:00", "2026-10-25T12:00+00:00",
                   ["2026-10-25 01:30 +0200", "2026-10-25 02:30 +0200"])
        self.check("Antarctica/Troll", "30 * * * *", "2026-10-25T01:00+02:00", "2026-10-25T04:00+00:00",
                   ["2026-10-25 01:30 +0200", "2026-10-25 02:30 +0200", "2026-10-25 01:30 +0000", "2026-10-25 02:30 +0000", "2026-10-25 03:30 +0000"])

    def test_casablanca_goes_back_for_ramadan(self):
        # 2026: back at 03:00 on 15 February, forward at 02:00 on 22 March.
        self.check("Africa/Casablanca", "30 2 * * *", "2026-02-14T00:00+01:00", "2026-02-17T00:00+00:00",
                   ["2026-02-14 02:30 +0100", "2026-02-15 02:30 +0100", "2026-02-16 02:30 +0000"])
        self.check("Africa/Casablanca", "30 2 * * *", "2026-03-21T00:00+00:00", "2026-03-24T00:00+01:00",
                   ["2026-03-21 02:30 +0000", "2026-03-22 03:00 +0100", "2026-03-23 02:30 +0100"])

    def test_dublin_has_its_saving_in_winter(self):
        self.check("Europe/Dublin", "30 1 * * *", "2026-03-28T00:00+00:00", "2026-03-31T00:00+01:00",
                   ["2026-03-28 01:30 +0000", "2026-03-29 02:00 +0100", "2026-03-30 01:30 +0100"])
        self.check("Europe/Dublin", "30 1 * * *", "2026-10-24T00:00+01:00", "2026-10-27T00:00+00:00",
                   ["2026-10-24 01:30 +0100", "2026-10-25 01:30 +0100", "2026-10-26 01:30 +0000"])

    def test_midnight_that_is_never_shown(self):
        self.check("America/Sao_Paulo", "0 0 * * *", "2018-11-03T00:00-03:00", "2018-11-06T00:00-02:00",
                   ["2018-11-03 00:00 -0300", "2018-11-04 01:00 -0200", "2018-11-05 00:00 -0200"])

    def test_days(self):
        self.check("UTC", "0 0 13 * FRI", "2026-02-01T00:00+00:00", "2026-03-14T00:00+00:00",
                   [f"2026-{day} 00:00 +0000" for day in ("02-06", "02-13", "02-20", "02-27", "03-06", "03-13")])
        self.check("UTC", "0 0 L * *", "2024-02-01T00:00+00:00", "2024-05-01T00:00+00:00",
                   [f"2024-{day} 00:00 +0000" for day in ("02-29", "03-31", "04-30")])
        self.check("UTC", "0 0 * * FRI#L", "2026-01-01T00:00+00:00", "2026-03-31T00:00+00:00",
                   [f"2026-{day} 00:00 +0000" for day in ("01-30", "02-27", "03-27")])
        self.check("UTC", "0 0 29 2 *", "1896-01-01T00:00+00:00", "1909-01-01T00:00+00:00",
                   [f"{year}-02-29 00:00 +0000" for year in (1896, 1904, 1908)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
