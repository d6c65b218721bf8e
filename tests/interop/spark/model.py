"""What a table must hold, told by the operations alone: it reads no table and shares nothing with the
code under test.

A row's identity is its record key within its partition, as Hudi's own: an upsert of the same key into
another partition is another row.
"""
import bisect


class Model:
    def __init__(self, schema, record_key, partition_by=(), ordering_field=""):
        self.schema = schema
        self.record_key, self.partition_by, self.ordering_field = list(record_key), list(partition_by), ordering_field
        self.rows: dict[tuple, dict] = {}
        self.since: dict[tuple, str] = {}  # the instant that last changed the row
        self.pending: set[tuple] = set()
        self.instants: list[str] = []
        self.versions: list[tuple[dict, dict]] = []  # rows and since, at each instant
        self.horizon = ""  # older instants have lost files to a clean

    def identity(self, row) -> tuple:
        return tuple(row[name] for name in [*self.partition_by, *self.record_key])

    def partition(self, row) -> tuple:
        return tuple(row[name] for name in self.partition_by)

    def widen(self, schema):
        """Columns that were not there are null in the rows that are."""
        self.schema = schema
        names = [column["name"] for column in schema]
        self.rows = {key: {name: row.get(name) for name in names} for key, row in self.rows.items()}

    def beats(self, row, other) -> bool:
        """Whether `row`, which comes later, wins: the larger ordering value does, and the later of equals."""
        if not self.ordering_field:
            return True
        return row[self.ordering_field] >= other[self.ordering_field]

    def apply(self, operation: str, rows):
        names = [column["name"] for column in self.schema]
        if operation == "insert_overwrite":
            replaced = {self.partition(row) for row in rows}
            self.drop([key for key, row in self.rows.items() if self.partition(row) in replaced])
        elif operation == "insert_overwrite_table":
            self.drop(list(self.rows))
        for row in rows:
            key = self.identity(row)
            if operation == "delete":
                self.drop([key] if key in self.rows else [])
            elif key not in self.rows or self.beats(row, self.rows[key]):
                self.rows[key] = {name: row.get(name) for name in names}
                self.pending.add(key)

    def drop(self, keys):
        for key in keys:
            del self.rows[key]
            self.since.pop(key, None)
            self.pending.discard(key)

    def commit(self, instant: str):
        """What was applied is visible from `instant` on."""
        if self.instants and instant <= self.instants[-1]:
            raise AssertionError(f"instant {instant} is not after {self.instants[-1]}")
        self.since |= dict.fromkeys(self.pending, instant)
        self.pending = set()
        self.instants.append(instant)
        self.versions.append((dict(self.rows), dict(self.since)))

    def roll_back(self):
        """The last instant never was."""
        self.instants.pop()
        self.versions.pop()
        rows, since = self.versions[-1] if self.versions else ({}, {})
        self.rows, self.since = dict(rows), dict(since)

    def clean(self, retained: int):
        if len(self.instants) > retained:
            self.horizon = max(self.horizon, self.instants[-retained])

    def readable(self) -> list[str]:
        """Instants whose version can still be read whole."""
        return [instant for instant in self.instants if instant >= self.horizon]

    def at(self, instant: str) -> dict[tuple, dict]:
        names = [column["name"] for column in self.schema]
        rows = self.versions[bisect.bisect_right(self.instants, instant) - 1][0]
        return {key: {name: row.get(name) for name in names} for key, row in rows.items()}

    def changes(self, after: str, until: str) -> dict[tuple, dict]:
        """Rows changed in (after, until]; what was deleted leaves no trace."""
        since = self.versions[bisect.bisect_right(self.instants, until) - 1][1]
        return {key: row for key, row in self.at(until).items() if after < since[key] <= until}

    def differences(self, expected: dict[tuple, dict], found: list[dict], most: int = 5) -> list[str]:
        """One line for each row that is missing, too much, there twice or not equal."""
        told, seen = [], {}
        for row in found:
            key = self.identity(row)
            if key in seen:
                told.append(f"{key} is there twice")
            seen[key] = row
        for key in sorted(expected.keys() | seen.keys(), key=repr):
            if key not in seen:
                told.append(f"{key} is missing: {expected[key]}")
            elif key not in expected:
                told.append(f"{key} is too much: {seen[key]}")
            else:
                told += [f"{key}.{name} is {seen[key].get(name)!r} instead of {value!r}"
                         for name, value in expected[key].items() if not same(seen[key].get(name), value)]
        return told[:most] + ([f"… and {len(told) - most} more"] if len(told) > most else [])


def same(found, expected) -> bool:
    """1 and 1.0 and true are equal in Python, and are not the same value in a column."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return found.keys() == expected.keys() and all(same(found[name], item) for name, item in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return type(found) is type(expected) and found == expected
