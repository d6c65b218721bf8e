#!/usr/bin/env python3
"""Directed cases of weir and Spark on one table in turn; after each step every row is compared with the
model, by weir, Spark and hudi-rs. What is expected here was first seen, not assumed: docs/format/hudi.md.

    continue_test.py                                    every case with 1.2.0, some with 0.15.0
    WEIR_LONG=1 continue_test.py                        every case with each
    continue_test.py With_0_15_0.test_clean             one
"""
import itertools

import cases
import column_cases
import running
import values
from cases import CITIES, SCHEMA, Case, row, rows
from spark import SparkError
from table import MISSED_KEYS_SHOW, NEW, OLD

UPGRADE = {"hoodie__write__table__version": "9", "hoodie__write__auto__upgrade": "true"}
# What 0.15.0 takes part in where nobody asks for all: random_ops_test lets it write in most of its plans.
WITH_THE_OLD_TOO = {"test_spark_goes_on_where_weir_began", "test_record_index_and_its_metadata_table",
                    "test_bucket_tables_are_refused", "test_weir_takes_commits_back", "test_trimmed_timeline",
                    "test_spark_rolls_back_what_weir_left_when_it_died"}
setUpModule = cases.start  # CTest runs one Spark test at a time, so both Sparks serve all of these.


class EitherSpark:
    """Each case with each bundle."""

    def test_weir_goes_on_where_spark_began(self):
        for partition_by, index in (((), "BLOOM"), (("city",), "SIMPLE")):
            with self.subTest(partition_by=partition_by):
                table = self.of_spark(partition_by, name=f"{self.name()}_{len(partition_by)}")
                table.spark(self.bundle, "upsert", rows(0, 12, 1), index=index)
                self.check(table)
                table.weir("upsert", rows(6, 16, 2))
                self.check(table)
                table.weir("delete", rows(0, 3, 3))
                table.spark(self.bundle, "upsert", rows(2, 9, 4), index=index)
                self.check(table)
                table.spark(self.bundle, "insert_overwrite_table" if not partition_by else "insert_overwrite",
                            [row(number, 5) for number in (0, 3, 30)])
                self.check(table)
                table.weir("upsert", rows(0, 6, 6))
                self.check_all(table)
                table.check_history("weir", "hudi-rs")
                first, last = table.model.instants[1], table.model.instants[-1]
                table.check_at(first, self.bundle)
                table.check_changes(table.model.instants[-2], last)

    def test_spark_goes_on_where_weir_began(self):
        table = self.of_weir()
        # Nothing but the name and the operation: the rest stands in the table's properties.
        bare = dict.fromkeys(["hoodie__datasource__write__recordkey__field", "hoodie__datasource__write__precombine__field",
                              "hoodie__datasource__write__partitionpath__field", "hoodie__datasource__write__keygenerator__class"])
        table.weir("insert", rows(0, 12, 1))
        table.spark(self.bundle, "upsert", rows(3, 15, 2), index=None, **bare)
        self.check(table)
        table.spark(self.bundle, "upsert", rows(0, 4, 1), index=None)  # A tie: the later write wins.
        table.spark(self.bundle, "upsert", rows(4, 6, 1), index=None)  # Stale: it loses.
        self.check(table)
        table.weir("upsert", rows(5, 8, 1) + rows(20, 22, 1))
        table.spark(self.bundle, "delete", rows(9, 12, 3))
        self.check(table)
        table.spark(self.bundle, "bulk_insert", rows(30, 36, 4))
        table.weir("upsert", rows(28, 33, 5))
        self.check(table)
        table.weir("insert_overwrite", [row(0, 6)])
        self.check(table)
        table.spark(self.bundle, "upsert", rows(0, 7, 7))
        table.weir_service("compact", small_file_bytes=1_000_000)
        table.spark(self.bundle, "upsert", rows(5, 9, 8))
        self.check_all(table)
        table.check_history("weir", "hudi-rs")
        self.assertEqual(table.property("hoodie.table.version"), "6")

    def test_lists_of_a_bulk_insert(self):
        """0.15.0 writes them in a form that Spark's next upsert makes null. weir reads them, and what it rewrites stays."""
        columns = values.columns(id="varchar", tags="varchar[]", price="decimal(10,2)", version="bigint")
        table = cases.lake.table(self.name(), columns)
        made = [{"id": f"k{number}", "tags": ["a", f"b{number}"], "price": "1.25", "version": 1} for number in range(4)]
        table.spark(self.bundle, "bulk_insert", made, hoodie__datasource__write__row__writer__enable="true")
        self.check(table)
        table.weir("upsert", [made[0] | {"tags": ["c"], "version": 2}])
        self.check(table)
        table.spark(self.bundle, "upsert", [made[1] | {"tags": ["d"], "version": 3}])
        self.check(table)

    def test_changes_are_told_alike(self):
        table = self.of_weir(())
        for version in range(3):
            table.weir("upsert", rows(version * 3, version * 3 + 5, version))
            table.spark(self.bundle, "upsert", rows(version * 4, version * 4 + 2, version + 10))
        table.weir("delete", rows(0, 2, 1))
        instants = table.model.instants
        for after, until in [(instants[0], instants[-1]), (instants[2], instants[4]), (instants[-2], instants[-1])]:
            table.check_changes(after, until, "weir", "hudi-rs", self.bundle)

    def test_clean(self):
        table = self.of_weir()
        for version in range(4):
            table.weir("upsert", rows(version, 8 + version, version))
        table.weir_service("clean", retain_commits=2)
        table.check_history("weir", "hudi-rs", self.bundle)
        table.spark(self.bundle, "upsert", rows(2, 6, 5), hoodie__clean__automatic="true",
                    hoodie__cleaner__commits__retained="1")
        table.model.clean(1)
        self.check(table)
        table.weir("upsert", rows(4, 12, 6))
        table.weir("delete", rows(4, 6, 7))
        table.spark_call(self.bundle, "run_clean", retain_commits=1)
        table.model.clean(1)
        self.check(table)
        table.drop_metadata_table()
        table.weir("upsert", rows(3, 5, 8))
        table.weir_service("clean", retain_commits=1)
        table.spark(self.bundle, "upsert", rows(0, 20, 9), hoodie__clean__automatic="true",
                    hoodie__cleaner__commits__retained="1")
        table.model.clean(1)
        self.check_all(table)
        table.check_history("weir", "hudi-rs")

    def test_spark_rolls_back_what_weir_left_when_it_died(self):
        for maker in (self.of_weir, self.of_spark):
            with self.subTest(maker.__name__):
                table = maker(name=f"{self.name()}_{maker.__name__}")
                table.spark(self.bundle, "upsert", rows(0, 12, 1))
                for version, stage in enumerate(["requested", "inflight", "half", "all", "decided"], 2):
                    table.weir_crash(stage, rows(0, 20, version * 10))
                    self.check(table)
                    table.spark(self.bundle, "upsert", rows(version, version + 6, version * 10 + 1))
                    self.check(table)
                    table.check_no_leftovers()
                table.weir("upsert", rows(10, 14, 60))
                self.check_all(table)
                table.check_no_leftovers()

    def test_weir_completes_what_it_had_decided(self):
        """Once the decision stands the commit is weir's to complete, unless Spark comes first and undoes it."""
        goes_on = {"upsert": lambda table, _: table.weir("upsert", rows(10, 14, 90)),
                   "delete": lambda table, _: table.weir("delete", rows(3, 5, 90)),
                   "compact": lambda table, _: table.weir_service("compact", small_file_bytes=1_000_000),
                   "crash": lambda table, version: table.weir_crash("half", rows(0, 9, version + 1))}
        for partition_by in ((), ("city",)):
            with self.subTest(partition_by=partition_by):
                table = self.of_weir(partition_by, name=f"{self.name()}_{len(partition_by)}")
                table.weir("upsert", rows(0, 12, 1))
                for version, (name, go_on) in enumerate(goes_on.items(), 1):
                    table.weir_crash("decided", rows(version, version + 12, version * 10))
                    self.check(table)
                    instant = table.decided[0]
                    go_on(table, version * 10)
                    self.assertIn(instant, table.model.instants, f"completed by {name}")
                    self.check(table)
                table.spark(self.bundle, "upsert", rows(8, 20, 95))
                self.check_all(table)
                table.weir_crash("decided", rows(0, 30, 99))
                instant = table.decided[0]
                table.spark(self.bundle, "upsert", rows(20, 24, 96))
                self.assertNotIn(instant, table.model.instants, "Spark has undone it")
                self.check(table)
                table.weir("upsert", rows(0, 3, 97))
                self.check_all(table)
                table.check_no_leftovers()
                table.check_history("weir", "hudi-rs", self.bundle)

    def test_weir_waits_for_what_spark_left_when_it_died(self):
        """On top of weir's commit Spark would not roll it back, and write no more."""
        for maker in (self.of_weir, self.of_spark):
            with self.subTest(maker.__name__):
                table = maker(name=f"{self.name()}_{maker.__name__}")
                table.spark(self.bundle, "upsert", rows(0, 12, 1))
                table.spark(self.bundle, "upsert", rows(6, 16, 2))
                table.spark_dies()
                self.check(table)
                self.assert_refuses(table, "conflict", "of another writer is under way")
                self.check(table)
                table.spark(self.bundle, "upsert", rows(4, 8, 3))
                table.weir("upsert", rows(6, 18, 4))
                table.spark(self.bundle, "upsert", rows(0, 3, 5))
                self.check_all(table)
                table.check_no_leftovers()

    def test_weir_takes_commits_back(self):
        for partition_by in ((), ("city",)):
            with self.subTest(partition_by=partition_by):
                table = self.of_weir(partition_by, name=f"{self.name()}_{len(partition_by)}")
                table.weir("upsert", rows(0, 9, 1))
                table.spark(self.bundle, "upsert", rows(3, 12, 2))
                table.weir_roll_back()  # Spark's own
                self.check(table)
                table.spark(self.bundle, "upsert", rows(6, 15, 3))
                table.weir("upsert", rows(0, 20, 4))
                table.weir_roll_back()
                self.check(table)
                table.spark(self.bundle, "insert_overwrite" if partition_by else "insert_overwrite_table", rows(0, 2, 5))
                table.weir_roll_back()
                table.spark(self.bundle, "delete", rows(8, 10, 6))
                self.check(table)
                table.weir_service("compact", small_file_bytes=1_000_000)
                table.weir("upsert", rows(9, 13, 7))
                table.weir_roll_back()
                table.spark(self.bundle, "upsert", rows(10, 18, 8))
                self.check_all(table)
                table.check_no_leftovers()
                table.check_history("weir", "hudi-rs", self.bundle)

    def test_archived_instants(self):
        table = self.of_weir()
        table.weir("upsert", rows(0, 6, 1))
        # In a partition that nobody writes again: its files would appear once older instants are archived.
        table.weir_crash("all", rows(0, 8, 90, city="lima"))
        for version in range(2, 10):
            if version % 2:
                table.weir("upsert", rows(version, version + 4, version))
            else:
                table.spark(self.bundle, "upsert", rows(version, version + 4, version), hoodie__clean__automatic="true",
                            hoodie__cleaner__commits__retained="2", hoodie__archive__automatic="true",
                            hoodie__keep__min__commits="3", hoodie__keep__max__commits="4")
                table.model.clean(2)
        self.assertFalse((table.path / ".hoodie" / f"{table.model.instants[0]}.commit").exists(), "it was archived")
        self.check(table)
        table.weir("upsert", rows(0, 20, 20))
        table.spark(self.bundle, "upsert", rows(15, 25, 21))
        self.check_all(table)
        table.check_history("weir", "hudi-rs")

    def test_trimmed_timeline(self):
        cleans = {"hoodie__clean__automatic": "true", "hoodie__cleaner__commits__retained": "2"}
        table = self.of_weir()
        table.weir("upsert", rows(100, 103, 1, city="lima"))  # In a partition that nobody writes again.
        for version in range(2, 6):
            table.weir("upsert", rows(version, version + 6, version))
        table.weir("insert_overwrite", rows(4, 6, 6))
        table.weir("upsert", rows(20, 22, 7))
        table.weir("upsert", rows(3, 9, 7))
        # Under the new beginning a replaced group would come back.
        self.assertIn("not cleaned", table.weir_service("trim", keep_commits=2)["held_by"])
        self.check(table)
        table.weir_service("clean", retain_commits=2)
        self.assertEqual("", table.weir_service("trim", keep_commits=2)["held_by"])
        self.assertEqual(len(list((table.path / ".hoodie").glob("2*commit"))), 2)
        self.check_all(table)
        table.check_history("weir", "hudi-rs", self.bundle)
        table.spark(self.bundle, "upsert", rows(2, 12, 8), **cleans)
        table.model.clean(2)
        self.check(table)
        table.weir("upsert", rows(0, 20, 9))
        table.spark(self.bundle, "delete", rows(6, 8, 10))
        self.assertGreater(table.weir_service("trim", keep_commits=2)["commits"], 0)
        self.check(table)
        for version in range(11, 14):
            table.spark(self.bundle, "upsert", rows(version, version + 4, version), hoodie__archive__automatic="true",
                        hoodie__keep__min__commits="3", hoodie__keep__max__commits="4", **cleans)
            table.model.clean(2)
        table.weir("upsert", rows(0, 20, 14))
        self.check_all(table)
        table.check_history("weir", "hudi-rs")

    def test_every_kind_of_index(self):
        for index in ("SIMPLE", "BLOOM", "GLOBAL_SIMPLE", "GLOBAL_BLOOM"):
            with self.subTest(index):
                table = self.of_weir(name=f"{self.name()}_{index}")
                table.weir("upsert", rows(0, 12, 1))
                table.weir("delete", [row(number, 2) for number in range(0, 12, 3)])  # All of oslo.
                table.spark(self.bundle, "upsert", rows(6, 16, 3), index=index, **MISSED_KEYS_SHOW)
                self.check(table)
                table.weir("upsert", rows(8, 20, 4))
                table.spark(self.bundle, "upsert", rows(0, 24, 5), index=index, **MISSED_KEYS_SHOW)
                self.check(table)

    def test_metadata_table_is_refused_by_the_pin(self):
        table = self.of_weir()
        table.weir("upsert", rows(0, 6, 1))
        with self.assertRaisesRegex(SparkError, "(?s)Config conflict.*hoodie.metadata.enable"):
            table.spark(self.bundle, "upsert", rows(3, 9, 2), hoodie__metadata__enable="true")
        self.check(table)

    def test_record_index_and_its_metadata_table(self):
        table = self.of_weir(properties={"hoodie.metadata.enable": "true"})
        with_index = {"hoodie__metadata__enable": "true", "hoodie__metadata__record__index__enable": "true",
                      "hoodie__metadata__global__record__level__index__enable": "true"}
        table.weir("upsert", rows(0, 12, 1))
        for version in (2, 4):
            table.spark(self.bundle, "upsert", rows(6, 16, version), index="RECORD_INDEX", **with_index)
            self.check(table)
            self.assertIn("record_index", table.property("hoodie.table.metadata.partitions"))
            self.assert_refuses(table, "unsupported", "hoodie.table.metadata.partitions")
            table.drop_metadata_table()
            self.check(table)
            table.weir("upsert", rows(8, 20, version + 1))
            self.check(table)

    def test_metadata_table_of_a_table_of_spark(self):
        table = self.of_spark()
        table.spark(self.bundle, "upsert", rows(0, 12, 1), hoodie__metadata__enable="true")
        self.assert_refuses(table, "unsupported", "hoodie.table.metadata.partitions")
        table.drop_metadata_table()
        table.weir("upsert", rows(5, 20, 2))
        self.check(table)
        table.spark(self.bundle, "upsert", rows(10, 25, 3), hoodie__metadata__enable="true")
        spark = cases.lake.spark(self.bundle)
        found, _ = spark.read(table.path, SCHEMA, {"hoodie.metadata.enable": "true"})
        table.compare(self.bundle, table.model.rows, found, "the snapshot by the metadata table")
        table.drop_metadata_table()
        table.weir("upsert", rows(0, 30, 4))
        self.check_all(table)

    def test_composite_key_and_two_partition_columns(self):
        schema = values.columns(id="varchar", line="integer", city="varchar", is_big="boolean", version="bigint")

        def lines(first, last, version):
            return [{"id": f"k{n // 2}", "line": n, "city": CITIES[n % 3], "is_big": n % 4 == 0, "version": version}
                    for n in range(first, last)]
        table = self.of_weir(("city", "is_big"), schema, record_key=["id", "line"])
        table.weir("upsert", lines(0, 12, 1))
        table.spark(self.bundle, "upsert", lines(6, 18, 2))
        self.check(table)
        table.weir("upsert", lines(8, 20, 3))
        table.spark(self.bundle, "delete", lines(0, 4, 4))
        table.weir("delete", lines(10, 12, 5))
        self.check_all(table)

    def test_empty_file_groups(self):
        table = self.of_weir(())
        table.weir("upsert", rows(0, 5, 1))
        table.weir("delete", rows(0, 5, 2))
        for index in ("SIMPLE", "BLOOM"):
            self.check(table)
            table.spark(self.bundle, "upsert", rows(0, 3, 3), index=index)
            self.check(table)
            table.weir("delete", rows(0, 3, 4))
        table.weir("upsert", rows(0, 2, 5))
        self.check_all(table)

    def test_filters_find_what_weir_wrote(self):
        table = self.of_weir()
        table.weir("upsert", rows(0, 30, 1))
        table.weir("upsert", rows(10, 12, 2))
        for where, holds in [("version = 2", lambda r: r["version"] == 2), ("city = 'rome'", lambda r: r["city"] == "rome"),
                             ("price >= 25.00", lambda r: float(r["price"]) >= 25), ("id = 'k007'", lambda r: r["id"] == "k007"),
                             ("at < timestamp '2026-01-01 00:00:05'", lambda r: r["at"] < "2026-01-01T00:00:05")]:
            expected = {key: r for key, r in table.model.rows.items() if holds(r)}
            self.assertTrue(expected)
            table.compare(self.bundle, expected, table.read(self.bundle, where=where), f"where {where}")


class With_1_2_0(EitherSpark, column_cases.EitherSpark, Case):
    bundle = NEW

    def test_the_pins_stop_an_upgrade_that_is_asked_for(self):
        table = self.of_weir()
        table.weir("upsert", rows(0, 6, 1))
        with self.assertRaisesRegex(SparkError, "(?s)Config conflict.*hoodie.write.table.version"):
            table.spark(NEW, "upsert", rows(3, 8, 2), **UPGRADE)
        self.assertEqual(table.property("hoodie.table.version"), "6")
        self.check(table)

    def test_upgraded_table_is_noticed(self):
        table = self.of_spark()
        table.spark(NEW, "upsert", rows(0, 6, 1))
        table.weir("upsert", rows(2, 7, 2))
        options = {name.replace("__", "."): value for name, value in UPGRADE.items()}
        cases.lake.spark(NEW).write(table.path, SCHEMA, rows(3, 8, 3), "upsert", table.spark_options(NEW) | options)
        self.assertEqual(table.property("hoodie.table.version"), "9")
        table.note("Spark 1.2.0 upgrades the table with an upsert")
        table.model.apply("upsert", rows(3, 8, 3))
        self.assert_refuses(table, "unsupported", "hoodie.table.version")
        table.check("weir", "hudi-rs", NEW)


class With_0_15_0(EitherSpark, column_cases.EitherSpark, Case):
    bundle = OLD

    def test_rollback_by_procedure(self):
        """1.2.0 opens a table of version 6 with the layout of 9 for it, and fails on its own too."""
        table = self.of_weir()
        for version in range(1, 5):
            table.weir("upsert", rows(version, version + 6, version))
        table.spark_call(OLD, "rollback_to_instant", instant_time=table.model.instants[-1])
        table.model.roll_back()
        table.drop_metadata_table()
        self.check(table)
        table.weir("upsert", rows(0, 4, 6))
        table.spark(OLD, "upsert", rows(2, 8, 7))
        table.spark_call(OLD, "rollback_to_instant", instant_time=table.model.instants[-1])
        table.model.roll_back()
        table.drop_metadata_table()
        table.weir("insert_overwrite", rows(0, 2, 8))
        self.check_all(table)
        told = table.spark_call(OLD, "show_commits", limit=20)
        others = {told_row["commit_time"] for told_row in told} - set(table.model.instants)
        self.assertTrue(len(others) <= 1 and all(each < min(table.model.instants) for each in others), "but the one that begins the table")

    def test_merge_into(self):
        """1.2.0 fails on a table of version 6, on its own too."""
        table = self.of_weir()
        table.weir("upsert", rows(0, 6, 1))
        table.register(OLD)
        table.note("Spark 0.15.0 MERGE INTO")
        spark = cases.lake.spark(OLD)
        spark.view("source", SCHEMA, rows(3, 9, 2))
        spark.sql(f"merge into `{table.name}` t using source s on t.id = s.id and t.city = s.city "
                  "when matched then update set * when not matched then insert *")
        table.model.apply("upsert", rows(3, 9, 2))
        table.model.commit(table.last_instant())
        table.drop_metadata_table()
        self.check(table)
        table.weir("upsert", rows(5, 12, 3))
        self.check_all(table)

    def test_create_table_in_sql_takes_the_pins_away(self):
        """So a Spark 1.2.0 without options upgrades the table, and weir says so instead of reading on."""
        table = self.of_weir()
        table.weir("upsert", rows(0, 6, 1))
        cases.lake.spark(OLD).sql(f"create table `{table.name}` using hudi location '{table.path}'")
        self.assertEqual(table.property("hoodie.write.auto.upgrade"), "")
        table.weir("upsert", rows(4, 9, 2))
        self.check(table)
        cases.lake.spark(NEW).write(table.path, SCHEMA, rows(3, 8, 2), "upsert", table.spark_options(NEW))
        self.assertEqual(table.property("hoodie.table.version"), "9")
        self.assert_refuses(table, "unsupported", "hoodie.table.version")


def load_tests(loader, tests, pattern):  # pylint: disable=unused-argument
    """unittest asks it where it is given no names. In turns, so that neither Spark waits for the other's cases."""
    own = {name for name in vars(With_0_15_0) if name.startswith("test_")}
    new, old = (list(loader.loadTestsFromTestCase(case)) for case in (With_1_2_0, With_0_15_0))
    if not running.IS_LONG:
        old = [case for case in old if case.id().rpartition(".")[2] in own | WITH_THE_OLD_TOO]
    in_turns = itertools.chain.from_iterable(itertools.zip_longest(new, old))
    return loader.suiteClass(filter(None, in_turns))


if __name__ == "__main__":
    running.main()
