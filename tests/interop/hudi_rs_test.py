#!/usr/bin/env python3
"""Tables that weir writes, read by hudi-rs and compared row by row: now, at each instant, and what
changed since each. The expected values are made here from (id, version) alone."""
import datetime as dt
import decimal
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

import pyarrow as pa
from hudi import HudiQueryType, HudiReadOptions, HudiTable

TOOL = sys.argv.pop(1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
META = ["_hoodie_commit_time", "_hoodie_commit_seqno", "_hoodie_record_key", "_hoodie_partition_path",
        "_hoodie_file_name"]


def flat_row(id, version):
    row = {"id": id, "version": version}
    names = ["name", "price", "huge", "day", "at", "is_even", "ratio", "small", "bytes"]
    if id % 5 == 0:
        return row | dict.fromkeys(names)
    name = f"næme {id} of version {version}"
    values = [name, decimal.Decimal(id * 100 + version - 500).scaleb(-2), decimal.Decimal((version << 64) + id),
              dt.date(1970, 1, 1) + dt.timedelta(days=id - 100),
              EPOCH + dt.timedelta(microseconds=id * 1_000_003 - version), id % 2 == 0, id / 8.0, version / 4.0,
              bytes([id % 256]) + name.encode()]
    return row | dict(zip(names, values))


def nested_row(id, version):
    row = {"id": id, "version": version}
    if id % 5 == 0:
        return row | {"tags": None, "place": None, "prices": None}
    return row | {"tags": [f"t{i}.{version}" for i in range(id % 4)],
                  "place": {"city": f"city {id}", "spot": {"lat": id / 2.0, "lon": float(version)}},
                  "prices": [("net", decimal.Decimal(id).scaleb(-2))]}


def rows_of(batches):
    """Rows by id, Hudi's columns apart; two rows of one id are an error."""
    found = {}
    for batch in batches:
        for row in batch.to_pylist():
            meta = {name: row.pop(name) for name in META if name in row}
            assert row["id"] not in found, f"id {row['id']} comes twice"
            found[row["id"]] = (row, meta)
    return found


class HudiRs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        made = subprocess.run([TOOL, "write", cls.folder.name], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise RuntimeError(made.stderr)
        cls.tables = {table["table"]: table for table in json.loads(made.stdout)}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def open(self, name):
        return HudiTable(os.path.join(self.folder.name, name))

    def expected(self, table, at):
        make = nested_row if table == "nested" else flat_row
        return {id: make(id, version) for id, version in self.tables[table]["instants"][at]["rows"]}

    def compare(self, table, batches, at):
        found = rows_of(batches)
        expected = self.expected(table, at)
        self.assertEqual(sorted(found), sorted(expected))
        for id, row in expected.items():
            self.assertEqual(found[id][0], row)
        return found

    def test_snapshot_is_the_last_commit(self):
        for table, story in self.tables.items():
            with self.subTest(table):
                found = self.compare(table, self.open(table).read(), -1)
                for id, (_, meta) in found.items():
                    self.assertEqual(meta["_hoodie_record_key"], str(id))
                    self.assertEqual(meta["_hoodie_partition_path"], "")
                    self.assertIn(meta["_hoodie_file_name"], story["slices"])
                    self.assertTrue(meta["_hoodie_commit_seqno"].startswith(meta["_hoodie_commit_time"] + "_"))
                numbers = [meta["_hoodie_commit_seqno"] for _, meta in found.values()]
                self.assertEqual(len(numbers), len(set(numbers)), "sequence numbers are unique")

    def test_every_instant_is_read_as_it_was(self):
        for table, story in self.tables.items():
            for at, instant in enumerate(story["instants"]):
                with self.subTest(table, instant=instant["instant"]):
                    options = (HudiReadOptions().with_query_type(HudiQueryType.Snapshot)
                               .with_as_of_timestamp(instant["instant"]))
                    self.compare(table, self.open(table).read(options), at)

    def test_a_trimmed_timeline_reads_the_same(self):
        folder = os.path.join(self.folder.name, "trimmed")
        os.mkdir(folder)
        columns = [{"name": "id", "type": "bigint"}, {"name": "version", "type": "bigint"}]
        asked = [{"op": "create", "name": "trimmed", "record_key": ["id"], "schema": columns}]
        # Most rows of the first commit are touched by no other: nothing on the timeline tells of their file.
        asked += [{"op": "upsert", "token": f"t{version}", "rows": [{"id": id, "version": version} for id in ids]}
                  for version, ids in enumerate([range(0, 50), *[range(50, 60)] * 5, range(0, 5)])]
        asked += [{"op": "clean", "retain_commits": 3}, {"op": "trim", "keep_commits": 3}, {"op": "info"}]
        done = subprocess.run([TOOL, "apply", folder], input="".join(json.dumps(line) + "\n" for line in asked),
                              capture_output=True, text=True, check=True)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertTrue(all(answer["ok"] for answer in answers), answers)
        self.assertEqual(answers[-2]["commits"], 5, "of seven, and the empty one that began the table")
        self.assertEqual(len(answers[-1]["instants"]), 8, "weir knows all of them")
        instants = [answer["instant"] for answer in answers[1:-3]]
        timeline = [i.timestamp for i in HudiTable(folder).get_timeline().get_completed_commits()]
        self.assertEqual(timeline, instants[-3:])
        for instant, ids in [(None, range(0, 5)), (instants[-2], ()), (instants[-3], ())]:
            expected = {id: 5 if id >= 50 else 0 for id in range(60)} | {id: 6 for id in ids}
            if instant == instants[-3]:
                expected |= {id: 4 for id in range(50, 60)}
            options = HudiReadOptions().with_query_type(HudiQueryType.Snapshot)
            found = rows_of(HudiTable(folder).read(options.with_as_of_timestamp(instant) if instant else options))
            self.assertEqual({id: row["version"] for id, (row, _) in found.items()}, expected)

    def test_incremental_reads_give_what_changed(self):
        story = self.tables["flat"]
        # Before the first replacement: deletes leave no trace, the rest is the rows of later commits.
        since, until = story["instants"][1]["instant"], story["instants"][4]["instant"]
        options = (HudiReadOptions().with_query_type(HudiQueryType.Incremental)
                   .with_start_timestamp(since).with_end_timestamp(until))
        found = rows_of(self.open("flat").read(options))
        before, after = self.expected("flat", 1), self.expected("flat", 4)
        changed = {id: row for id, row in after.items() if before.get(id) != row}
        self.assertEqual({id: row for id, (row, _) in found.items()}, changed)

    def test_timeline_lists_what_was_committed(self):
        for table, story in self.tables.items():
            completed = [i.timestamp for i in self.open(table).get_timeline().get_completed_commits()]
            replaced = [i.timestamp for i in self.open(table).get_timeline().get_completed_replacecommits()]
            self.assertEqual(sorted(completed + replaced) if set(completed).isdisjoint(replaced) else completed,
                             [instant["instant"] for instant in story["instants"]])

    def test_both_name_the_same_files(self):
        for table, story in self.tables.items():
            slices = [s.base_file_relative_path() for s in self.open(table).get_file_slices()]
            self.assertEqual(sorted(slices), story["slices"])

    def test_schema_has_the_exact_types(self):
        schema = self.open("flat").get_schema()
        self.assertEqual(schema.field("price").type, pa.decimal128(10, 2))
        self.assertEqual(schema.field("huge").type, pa.decimal128(38, 0))
        self.assertEqual(schema.field("at").type, pa.timestamp("us", "UTC"))
        self.assertEqual(schema.field("day").type, pa.date32())
        self.assertEqual(schema.names, list(flat_row(1, 1)))

    def test_decimals_are_stored_as_fixed_bytes(self):
        import pyarrow.parquet as pq
        for name in self.tables["flat"]["slices"]:
            schema = pq.ParquetFile(os.path.join(self.folder.name, "flat", name)).schema
            kinds = {schema.column(i).name: schema.column(i).physical_type for i in range(len(schema))}
            self.assertEqual(kinds["price"], "FIXED_LEN_BYTE_ARRAY")
            self.assertEqual(kinds["at"], "INT64")

    def test_crash_left_files_that_nobody_sees(self):
        files = list(pathlib.Path(self.folder.name, "crashed").glob("*.parquet"))
        self.assertGreater(len(files), len(self.tables["crashed"]["slices"]), "the test has its crash")


CORPORA = pathlib.Path(os.environ.get("WEIR_CORPORA") or pathlib.Path(__file__).parents[2] / "../shared/corpora")


class TablesOfSpark(unittest.TestCase):
    """Tables that Spark wrote: the same files count for both readers, and what weir writes on top of
    one is read by the other."""

    def setUp(self):
        samples = CORPORA / "hudi-rs" / "sample_table"
        if not samples.is_dir():
            print(f"skipped: there are no sample tables at {samples}")
            self.skipTest("no corpora")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tables = []
        for archive in sorted(samples.rglob("*.zip")):
            zipfile.ZipFile(archive).extractall(folder.name)
            self.tables.append(pathlib.Path(folder.name, archive.stem))

    def run_tool(self, command, table):
        return subprocess.run([TOOL, command, str(table)], capture_output=True, text=True, check=False)

    def properties(self, table):
        return (table / ".hoodie" / "hoodie.properties").read_text(encoding="latin-1")

    def is_read(self, table):
        properties = self.properties(table)
        return "hoodie.table.type=COPY_ON_WRITE" in properties and "base.file.format=LANCE" not in properties

    def is_written_to(self, table):
        return self.is_read(table) and "hoodie.table.version=6" in self.properties(table)

    def test_the_same_files_count_and_others_are_refused(self):
        read = 0
        for table in self.tables:
            with self.subTest(table.name):
                run = self.run_tool("read", table)
                if not self.is_read(table):
                    self.assertEqual(run.returncode, 1)
                    self.assertIn("unsupported: .hoodie/hoodie.properties: hoodie.table.", run.stderr)
                    continue
                self.assertEqual(run.returncode, 0, run.stderr)
                told = json.loads(run.stdout)
                slices = [s.base_file_relative_path() for s in HudiTable(str(table)).get_file_slices()]
                self.assertEqual([s["name"] for s in told["slices"]], sorted(slices))
                for s in told["slices"]:
                    self.assertEqual(s["rows"], s["stored"])
                self.assertEqual([c["name"] for c in told["schema"]], HudiTable(str(table)).get_schema().names)
                read += 1
        self.assertGreater(read, 0)

    def test_a_commit_of_weir_on_top_keeps_every_row(self):
        rewritten = 0
        for table in filter(self.is_written_to, self.tables):
            with self.subTest(table.name):
                before = rows_of(HudiTable(str(table)).read())
                if not before:
                    continue
                run = self.run_tool("rewrite", table)
                self.assertEqual(run.returncode, 0, run.stderr)
                after = rows_of(HudiTable(str(table)).read())
                self.assertEqual(sorted(before), sorted(after))
                for id, (row, meta) in before.items():
                    self.assertEqual(after[id][0], row)
                    now = after[id][1]
                    self.assertIn(run.stdout.strip(), now.pop("_hoodie_file_name"))
                    meta.pop("_hoodie_file_name")
                    self.assertEqual(now, meta)
                rewritten += 1
        self.assertGreater(rewritten, 0)


if __name__ == "__main__":
    unittest.main()
