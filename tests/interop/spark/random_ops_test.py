#!/usr/bin/env python3
"""Random steps of weir and Spark on one table after another, every reader compared with the model on
the way. The seed is printed; the same seed takes the same steps.

    random_ops_test.py                                  every plan
    random_ops_test.py RandomSteps.test_flat_bloom      one
    WEIR_SEED=7 WEIR_STEPS=100 …                        another seed, more steps
    WEIR_LONG=1 …                                       thousands of steps, a seed of the day's own
"""
import os
import random
import time
import unittest

import running
import values
import weir_tool
from table import MISSED_KEYS_SHOW, NEW, OLD

SEED = int(os.environ.get("WEIR_SEED", time.time_ns() % 10**6 if running.IS_LONG else 1))
STEPS = int(os.environ.get("WEIR_STEPS", "300" if running.IS_LONG else "36"))
SCHEMA = values.columns(
    id="varchar", n="integer", city="varchar", name="varchar", price="decimal(10,2)", huge="decimal(38,0)", day="date",
    at="timestamp", is_even="boolean", ratio="double", small="float", bytes="blob", tags="varchar[]",
    place="struct(lat double, label varchar)", prices="map(varchar, decimal(6,2))", version="bigint")
TYPES = values.types_of(SCHEMA)
CITIES = ["oslo", "rome", "são paulo", None, "a=b"]
KEYS = 60
WEIR = {"upsert": 30, "insert": 8, "delete": 9, "insert_overwrite": 4, "insert_overwrite_table": 1, "compact": 4,
        "clean": 4, "crash": 6, "roll_back": 4}
SPARK = {"upsert": 16, "insert": 5, "bulk_insert": 2, "delete": 6, "insert_overwrite": 3, "insert_overwrite_table": 1,
         "clean": 3, "roll_back": 3}
MOST_BY_WEIR = 3  # in a row
RETAINED = 3
# Spark's own table services: it cleans after each commit and archives all but the last few instants.
SERVICES = {"hoodie__clean__automatic": "true", "hoodie__cleaner__commits__retained": str(RETAINED),
            "hoodie__archive__automatic": "true", "hoodie__keep__min__commits": str(RETAINED + 1),
            "hoodie__keep__max__commits": str(RETAINED + 3)}


def setUpModule():
    global lake
    lake = running.lake_for("random_ops")
    lake.start(NEW, OLD)
    print(f"random_ops: WEIR_SEED={SEED}, {STEPS} steps a plan", flush=True)


class Steps:
    """One plan: a table, who writes it and how."""

    def __init__(self, name, writers, index="SIMPLE", partition_by=(), record_key=("id",), is_sparks=False,
                 has_services=False, ordering_field="version"):
        """`writers` are Hudi versions; both always read. With services it must be one: 0.15 cannot
        archive what 1.2.0 has cleaned."""
        self.dice = random.Random(f"{SEED}/{name}")
        self.writers, self.index, self.has_services = writers, index, has_services
        options = {"record_key": record_key, "partition_by": partition_by, "ordering_field": ordering_field}
        self.table = lake.table(name, SCHEMA, **options) if is_sparks else lake.create(name, SCHEMA, **options)
        self.table.timezone = self.dice.choice(["UTC", "America/New_York", "Asia/Tokyo"])
        self.model = self.table.model
        self.version, self.by_weir = 0, 0
        if is_sparks:
            self.table.spark(writers[0], "upsert", self.rows(self.some_keys()), self.index)

    # Rows

    def row(self, number: int) -> dict:
        """A key's partition follows from the key: what a move of a key means is a directed case."""
        row = {name: values.random_value(kind, self.dice) for name, kind in TYPES.items()}
        is_stale = self.dice.random() < 0.15
        return row | {"id": f"k{number:03d}", "n": number % 3, "city": CITIES[number % len(CITIES)],
                      "version": self.version - self.dice.randrange(1, 4) if is_stale else self.version}

    def rows(self, numbers) -> list[dict]:
        self.version += 1
        return [self.row(number) for number in numbers]

    def some_keys(self) -> list[int]:
        return self.dice.sample(range(KEYS), self.dice.randrange(1, 12))

    def there(self) -> dict[int, dict]:
        return {int(row["id"][1:]): row for row in self.model.rows.values()}

    def new_keys(self) -> list[int]:
        waiting = self.table.decided[1] if self.table.decided else []  # weir's next step brings them
        free = sorted(set(range(KEYS)) - self.there().keys() - {int(row["id"][1:]) for row in waiting})
        return self.dice.sample(free, min(len(free), self.dice.randrange(1, 6)))

    def rows_for(self, operation: str) -> list[dict]:
        if operation in ("insert", "bulk_insert"):  # of keys that are there it would make a second row
            return self.rows(self.new_keys())
        if operation == "delete":
            there = self.there()
            numbers = self.dice.sample(sorted(there), min(len(there), self.dice.randrange(1, 5)))
            # Spark wants a later ordering value of a delete as well.
            return [row | {"version": self.version + 1} for row in self.rows(numbers)]
        return self.rows(self.some_keys())

    # Steps

    def step(self):
        if self.by_weir >= MOST_BY_WEIR or self.dice.random() < 0.1:
            self.by_weir = 0
            self.spark_step()
            return True
        self.by_weir += 1
        self.weir_step()
        return False

    def pick(self, weights):
        return self.dice.choices(list(weights), list(weights.values()))[0]

    def weir_step(self):
        op = self.pick(WEIR)
        if op == "compact":
            self.table.weir_service("compact", small_file_bytes=1_000_000)
        elif op == "clean":
            self.table.weir_service("clean", retain_commits=RETAINED)
        elif op == "crash":
            stages = ["requested", "inflight", "half", "all", "decided", "decided"]
            self.table.weir_crash(self.dice.choice(stages), self.rows(self.some_keys()))
        elif op == "roll_back":
            self.roll_back_by_weir()
        elif rows := self.rows_for(op):
            self.table.weir(op, rows)

    def spark_step(self):
        op, bundle = self.pick(SPARK), self.dice.choice(self.writers)
        if op == "clean":
            self.table.spark_call(bundle, "run_clean", retain_commits=RETAINED)
            self.model.clean(RETAINED)
        elif op == "roll_back":
            self.roll_back()
        elif rows := self.rows_for(op):
            options = (SERVICES if self.has_services else {}) | self.dice.choice([{}, MISSED_KEYS_SHOW])
            self.table.spark(bundle, op, rows, self.index, **options)
            if self.has_services:
                self.model.clean(RETAINED)
        self.table.drop_metadata_table()

    def roll_back(self):
        """Of the last instant, whoever wrote it. 1.2.0 opens a table of version 6 with the wrong layout for it, and
        beside a commit that is under way the procedure takes none back."""
        if len(self.model.readable()) < 2 or OLD not in self.writers or self.table.under_way():
            return
        self.table.spark_call(OLD, "rollback_to_instant", instant_time=self.model.instants[-1])
        self.model.roll_back()

    def roll_back_by_weir(self):
        if len(self.model.readable()) < 2:
            return
        if not self.table.under_way():
            self.table.weir_roll_back()
            return
        self.table.note("weir rollback, refused while another commit is under way")
        try:
            weir_tool.apply(self.table.path, "rollback", instant=self.model.instants[-1])
        except weir_tool.WeirError as refused:
            if refused.code == "conflict":
                return
            raise
        self.table.fail("weir", "took a commit back beside one that is under way")

    # Looks

    def look(self, at: int, was_spark: bool):
        table, dice = self.table, self.dice
        if not self.model.instants:
            return
        table.check("weir", "hudi-rs")
        bundle = (NEW, OLD)[at % 2]
        if was_spark or at % 3 == 0:
            table.check_meta(bundle) if dice.random() < 0.5 else table.check(bundle)
        old = dice.choice(self.model.readable())
        table.check_at(old, "weir", "hudi-rs", *[bundle] * (at % 6 == 1))
        table.check_changes(old, self.model.instants[-1], "weir", *[bundle] * (at % 6 == 4))


class RandomSteps(unittest.TestCase):
    def take(self, name, writers, **options):
        started = time.monotonic()
        steps = Steps(name, writers, **options)
        try:
            for at in range(STEPS):
                steps.look(at, steps.step())
            steps.table.check()
            if not steps.table.under_way():
                steps.table.check_no_leftovers()
        except Exception as problem:
            print(f"random_ops {name} failed. Again: WEIR_SEED={SEED} WEIR_STEPS={STEPS} random_ops_test.py {self.id()[9:]}\n"
                  f"{steps.table.story()}\n{str(problem)[-2000:]}", flush=True)
            raise
        print(f"random_ops {name}: {STEPS} steps, {len(steps.model.instants)} instants, "
              f"{len(steps.model.rows)} rows, {time.monotonic() - started:.0f} s", flush=True)

    def test_flat_simple(self):
        self.take("flat_simple", [NEW, OLD])

    def test_flat_bloom(self):
        self.take("flat_bloom", [OLD], index="BLOOM", has_services=True)

    def test_partitioned_simple(self):
        self.take("partitioned_simple", [NEW], partition_by=["city"], has_services=True)

    def test_partitioned_bloom(self):
        self.take("partitioned_bloom", [OLD, NEW], index="BLOOM", partition_by=["city"])

    def test_composite(self):
        self.take("composite", [NEW], record_key=["id", "n"], partition_by=["city", "n"])

    def test_of_spark(self):
        self.take("of_spark", [NEW, OLD], partition_by=["city"], is_sparks=True)


if __name__ == "__main__":
    running.main()
