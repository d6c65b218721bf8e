"""What the directed cases share: one lake with both Sparks, rows that follow from (number, version), and
the checks between steps."""
import unittest

import running
import values
import weir_tool
from table import NEW, OLD

SCHEMA = values.columns(id="varchar", city="varchar", name="varchar", price="decimal(10,2)", at="timestamp", version="bigint")
CITIES = ["oslo", "rome", "bonn"]
lake = None


def start():
    global lake
    lake = running.lake_for("continue")
    lake.start(NEW, OLD)


def row(number: int, version: int, **more) -> dict:
    return {"id": f"k{number:03d}", "city": CITIES[number % 3], "name": f"næme {number} of {version}",
            "price": f"{number}.{version % 100:02d}", "at": f"2026-01-01T00:00:{number % 60:02d}.{version:06d}Z",
            "version": version} | more


def rows(first: int, last: int, version: int, **more) -> list[dict]:
    return [row(number, version, **more) for number in range(first, last)]


class Case(unittest.TestCase):
    bundle = NEW

    def name(self) -> str:
        return self.id().split(".", 1)[1].replace(".", "_")

    def of_weir(self, partition_by=("city",), schema=SCHEMA, name="", **options):
        return lake.create(name or self.name(), schema, partition_by=partition_by, **options)

    def of_spark(self, partition_by=("city",), schema=SCHEMA, name="", **options):
        return lake.table(name or self.name(), schema, partition_by=partition_by, **options)

    def check(self, table):
        """Between steps: one Spark, the one that takes the next."""
        table.check("weir", "hudi-rs", self.bundle)

    def check_all(self, table):
        table.check()
        table.check_meta(self.bundle)

    def assert_refuses(self, table, code: str, word: str, op="upsert", **asked):
        with self.assertRaises(weir_tool.WeirError) as caught:
            weir_tool.apply(table.path, op, **({"rows": rows(0, 3, 99)} if op == "upsert" else {}), **asked)
        self.assertEqual(caught.exception.code, code, caught.exception)
        self.assertIn(word, caught.exception.message)
