"""When a cron expression fires in a zone, said a second time: on Python's zoneinfo, from the rules in src/schedule/schedule.h and none
of its code. It asks zoneinfo for each reading of the wall clock (PEP 495: which readings are shown twice, which never), where weir goes
from one change of clocks to the next."""
import bisect
import calendar
import datetime
import zoneinfo

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1)
DAY = 86400
MASK = (1 << 64) - 1

FROM = 0  # 1970-01-01
TO = calendar.timegm((2038, 1, 1, 0, 0, 0))

MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split()
WORDS = {"@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@hourly": "0 * * * *", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *"}


class Cron:
    """The five fields as sets and predicates, read in the plainest way."""

    def __init__(self, text):
        minute, hour, self.day, month, self.weekday = WORDS.get(text, text).split()
        self.minutes = self.numbers(minute, 0, 59)
        self.hours = self.numbers(hour, 0, 23)
        self.months = self.numbers(month, 1, 12, MONTHS, 1)
        self.is_interval = "*" in hour or "/" in hour or self.hours == list(range(24))
        self.is_every_hour = self.hours == list(range(24))
        self.walls = [h * 3600 + m * 60 for h in self.hours for m in self.minutes]

    @staticmethod
    def number(word, names, first):
        return names.index(word.upper()) + first if word.upper() in names else int(word)

    @classmethod
    def numbers(cls, field, least, greatest, names=(), first=0):
        found = set()
        for entry in field.split(","):
            span, _, step = entry.partition("/")
            if span == "*":
                low, high = least, greatest
            else:
                low, dash, high = span.partition("-")
                low = cls.number(low, names, first)
                high = cls.number(high, names, first) if dash else (greatest if step else low)
            found.update(range(low, high + 1, int(step or 1)))
        return sorted(found)

    def day_fits(self, date):
        last = calendar.monthrange(date.year, date.month)[1]
        return any((entry.upper() == "L" and date.day == last) or (entry.upper() != "L" and date.day in self.numbers(entry, 1, 31))
                   for entry in self.day.split(","))

    def weekday_fits(self, date):
        weekday = date.isoweekday() % 7
        for entry in self.weekday.split(","):
            if "#" in entry:
                name, week = entry.split("#")
                if self.number(name, WEEKDAYS, 0) % 7 != weekday:
                    continue
                if week.upper() == "L":
                    if date.month != (date + datetime.timedelta(7)).month:
                        return True
                elif (date.day + 6) // 7 == int(week):
                    return True
                continue
            span, _, step = entry.partition("/")
            low, dash, high = span.partition("-")
            if dash and self.number(low, WEEKDAYS, 0) > self.number(high, WEEKDAYS, 0):
                high = str(self.number(high, WEEKDAYS, 0) + 7)
                entry = f"{self.number(low, WEEKDAYS, 0)}-{high}" + (f"/{step}" if step else "")
            greatest = 6 if not dash else 13
            if weekday in {number % 7 for number in self.numbers(entry, 0, greatest, WEEKDAYS, 0)}:
                return True
        return False

    def names(self, date):
        if date.month not in self.months:
            return False
        if not self.day.startswith("*") and not self.weekday.startswith("*"):
            return self.day_fits(date) or self.weekday_fits(date)
        return self.day_fits(date) and self.weekday_fits(date)

    def days(self, low, high):
        """Days of [low, high), counted from 1970, that it names."""
        first = datetime.date(1970, 1, 1)
        return [day for day in range(low, high) if self.names(first + datetime.timedelta(day))]


class Clock:
    """A zone's wall clock."""

    def __init__(self, name):
        self.name = name
        self.zone = zoneinfo.ZoneInfo(name)
        self.changes = self.find_changes(FROM - 40 * DAY, TO + 40 * DAY)

    def offset(self, at):
        return int(datetime.datetime.fromtimestamp(at, UTC).astimezone(self.zone).utcoffset().total_seconds())

    def change_between(self, low, high):
        """The first instant with the offset of `high`, where low has another."""
        after = self.offset(high)
        while high - low > 1:
            middle = (low + high) // 2
            if self.offset(middle) == after:
                high = middle
            else:
                low = middle
        return high

    def find_changes(self, low, high):
        found = []
        offset = self.offset(low)
        for at in range(low + DAY, high, DAY):
            now = self.offset(at)
            if now != offset:
                found.append((self.change_between(at - DAY, at), offset, now))
                offset = now
        return found

    def instants(self, wall):
        """Of a reading (seconds since 1970 on that clock): one instant, or two; or none and the instant of the change, and the gap's length."""
        reading = EPOCH + datetime.timedelta(seconds=wall)
        first, second = self.zone.utcoffset(reading), self.zone.utcoffset(reading.replace(fold=1))
        if first == second:
            return [wall - int(first.total_seconds())], None, 0
        at = [wall - int(offset.total_seconds()) for offset in (first, second)]
        if at[0] < at[1]:
            return at, None, 0
        return [], self.change_between(at[1], at[0]), at[0] - at[1]

    def fires(self, cron, wall):
        shown, change, gap = self.instants(wall)
        if shown:
            return shown if cron.is_interval else shown[:1]
        return [] if cron.is_every_hour and gap % 3600 == 0 else [change]


def brute(cron, clock, low, high):
    """All times in [low, high), reading by reading."""
    found = set()
    for day in cron.days(low // DAY - 2, high // DAY + 3):
        for second in cron.walls:
            found.update(clock.fires(cron, day * DAY + second))
    return sorted(at for at in found if low <= at < high)


def progression(first, step, count):
    """Sum and sum of squares of first, first + step, …"""
    ones = count * (count - 1) // 2
    return (first * count + step * ones,
            first * first * count + 2 * first * step * ones + step * step * ((count - 1) * count * (2 * count - 1) // 6))


class Sums:
    def __init__(self):
        self.count = self.sum = self.squares = 0

    def add(self, times):
        for at in times:
            self.count += 1
            self.sum += at
            self.squares += at * at

    def add_progression(self, low, high, step, residue):
        """Times of [low, high) that are residue modulo step."""
        first = low + (residue - low) % step
        if first >= high:
            return
        count = (high - first - 1) // step + 1
        total, squares = progression(first, step, count)
        self.count += count
        self.sum += total
        self.squares += squares

    def text(self):
        return f"{self.count}\t{self.sum & MASK}\t{self.squares & MASK}"


def quiet_stretches(clock, low, high):
    """[low, high) cut into stretches around changes of clocks (True: two days on each side, joined) and between them."""
    edges = []
    for at, _, _ in clock.changes:
        start, end = at // DAY * DAY - 2 * DAY, at // DAY * DAY + 3 * DAY
        if edges and start <= edges[-1][1]:
            edges[-1][1] = end
        else:
            edges.append([start, end])
    at = low
    for start, end in edges:
        if end <= low or start >= high:
            continue
        if start > at:
            yield at, start, False
        yield max(at, start), min(end, high), True
        at = min(end, high)
    if at < high:
        yield at, high, False


def sums(cron, clock, days, low=FROM, high=TO):
    """`days` are those that the expression names, for all zones the same. Away from changes of clocks an offset is all there is."""
    result = Sums()
    is_daily = len(days) == days[-1] - days[0] + 1
    for start, end, is_near in quiet_stretches(clock, low, high):
        if is_near:
            result.add(brute(cron, clock, start, end))
            continue
        offset = clock.offset(start)
        if is_daily:
            for second in cron.walls:
                result.add_progression(start, end, DAY, (second - offset) % DAY)
            continue
        place = bisect.bisect_left(days, (start + offset) // DAY - 1)
        for day in days[place:bisect.bisect_right(days, (end + offset) // DAY + 1)]:
            for second in cron.walls:
                if start <= day * DAY + second - offset < end:
                    result.add([day * DAY + second - offset])
    return result.text()
