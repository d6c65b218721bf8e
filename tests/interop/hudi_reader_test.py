#!/usr/bin/env python3
"""Every copy-on-write table of the corpora, as weir, hudi-rs and pyarrow read it: now, as of each
instant, and what changed between each two; row by row, Hudi's own columns included."""
import io
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
from hudi import HudiQueryType, HudiReadOptions, HudiTable

TOOL = sys.argv.pop(1)
CORPORA = pathlib.Path(os.environ.get("WEIR_CORPORA") or pathlib.Path(__file__).parents[2] / "../shared/corpora")

# Which tables hudi-rs 0.5 and weir cannot be compared on: those of merge-on-read and of Lance files, which
# weir refuses. On all others of the corpora the two agree. Where no corpus shows it, hudi-rs is known to
# refuse drop.partition.columns, to give part of the rows as of a version that was cleaned (weir refuses
# it), and to leave rows of archived commits out of what changed since the beginning.
# Columns whose type is not that of the files, by table, and why.
AS_TEXT = {
    # The last commit says that it is text, the files and the commits before it have a long. hudi-rs gives
    # text as of those as well.
    "v9_timebasedkeygen_epochmillis": {"ts_millis"},
}


def properties_of(table):
    text = (table / ".hoodie" / "hoodie.properties").read_text(encoding="latin-1")
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def run(*arguments):
    return subprocess.run([TOOL, *map(str, arguments)], capture_output=True, check=False)


def by_key(rows):
    """Rows by their sequence number, which is unique (a key is not, in a table of plain inserts). A map
    is a list of pairs for one reader and may be in another order for the other."""
    found = {}
    for row in rows:
        key = row["_hoodie_partition_path"], row["_hoodie_record_key"], row["_hoodie_commit_seqno"]
        assert key not in found, f"{key} comes twice"
        found[key] = {name: sorted(value) if is_map(value) else value for name, value in row.items()}
    return found


def is_map(value):
    return isinstance(value, list) and value and all(isinstance(pair, tuple) for pair in value)


def rows_of(batches):
    return by_key(row for batch in batches for row in batch.to_pylist())


class ReadsWhatOthersWrote(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.tables = []
        for archive in sorted((CORPORA / "hudi-rs").rglob("*.zip")):
            into = pathlib.Path(cls.folder.name, archive.parent.name + "-" + archive.stem)
            zipfile.ZipFile(archive).extractall(into)
            cls.tables.append(into / archive.stem)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        if not self.tables:
            print(f"skipped: there are no sample tables at {CORPORA / 'hudi-rs'}")
            self.skipTest("no corpora")

    def readable(self):
        for table in self.tables:
            properties = properties_of(table)
            if properties["hoodie.table.type"] == "COPY_ON_WRITE" and \
                    properties.get("hoodie.table.base.file.format", "PARQUET") == "PARQUET":
                yield table

    def weir(self, *arguments):
        done = run(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return pa.ipc.open_stream(io.BytesIO(done.stdout)).read_all()

    def info(self, table):
        done = run("info", table)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return json.loads(done.stdout)

    def hudi_rs(self, table, options):
        return rows_of(HudiTable(str(table)).read(options))

    def compare(self, table, ours, theirs):
        self.assertEqual(sorted(ours), sorted(theirs))
        as_text = AS_TEXT.get(table.name, set())
        for key, row in theirs.items():
            mine = ours[key]
            for name, value in row.items():
                if name in as_text:
                    self.assertEqual(str(mine[name]), str(value), f"{key}: {name}")
                else:
                    self.assertEqual(mine[name], value, f"{key}: {name}")
            self.assertEqual([name for name in mine if name not in row and mine[name] is not None], [])

    def test_snapshot_is_that_of_hudi_rs_and_of_the_files(self):
        for table in self.readable():
            with self.subTest(table.name):
                ours = rows_of(self.weir("snapshot", table).to_batches())
                info = self.info(table)
                files = {}
                for slice in info["slices"]:
                    stored = pq.ParquetFile(table / slice["name"]).read()
                    self.assertEqual(stored.num_rows, slice["rows"])
                    files |= rows_of(stored.to_batches())
                self.compare(table, ours, files)  # an older file may lack columns
                slices = [s.base_file_relative_path() for s in HudiTable(str(table)).get_file_slices()]
                self.assertEqual([s["name"] for s in info["slices"]], sorted(slices))
                self.assertEqual(info["missing"], [])
                self.assertEqual([c["name"] for c in info["schema"]], HudiTable(str(table)).get_schema().names)
                self.compare(table, ours, self.hudi_rs(table, HudiReadOptions()))

    def test_every_instant_is_read_as_it_was(self):
        for table in self.readable():
            for commit in self.info(table)["commits"]:
                with self.subTest(table.name, at=commit["time"]):
                    options = (HudiReadOptions().with_query_type(HudiQueryType.Snapshot)
                               .with_as_of_timestamp(commit["time"]))
                    ours = rows_of(self.weir("snapshot", table, commit["time"]).to_batches())
                    self.compare(table, ours, self.hudi_rs(table, options))

    def test_changes_are_those_of_hudi_rs(self):
        for table in self.readable():
            bounds = [commit["bound"] for commit in self.info(table)["commits"]]
            for since, until in itertools.combinations(["-", *bounds], 2):
                with self.subTest(table.name, since=since, until=until):
                    options = HudiReadOptions().with_query_type(HudiQueryType.Incremental).with_end_timestamp(until)
                    if since != "-":
                        options = options.with_start_timestamp(since)
                    ours = rows_of(self.weir("changes", table, since, until).to_batches())
                    self.compare(table, ours, self.hudi_rs(table, options))

    def test_changes_from_the_beginning_are_the_snapshot(self):
        for table in self.readable():
            with self.subTest(table.name):
                everything = rows_of(self.weir("changes", table, "-", "-").to_batches())
                self.assertEqual(everything, rows_of(self.weir("snapshot", table).to_batches()))
                bound = self.info(table)["bound"]
                if bound:
                    self.assertEqual(self.weir("changes", table, bound, "-").num_rows, 0)

    def test_merge_on_read_and_other_files_are_refused(self):
        refused = 0
        for table in set(self.tables) - set(self.readable()):
            with self.subTest(table.name):
                done = run("snapshot", table)
                self.assertEqual(done.returncode, 1)
                is_mor = properties_of(table)["hoodie.table.type"] == "MERGE_ON_READ"
                self.assertIn("unsupported: .hoodie/hoodie.properties: hoodie.table." +
                              ("type is 'MERGE_ON_READ'" if is_mor else "base.file.format is"), done.stderr.decode())
                self.assertIn("hint: ", done.stderr.decode())
                refused += 1
        self.assertGreater(refused, 0)

    def test_later_versions_are_not_written_to(self):
        for table in self.readable():
            if properties_of(table)["hoodie.table.version"] == "6":
                continue
            with self.subTest(table.name):
                before = sorted(table.rglob("*"))
                done = run("write", table)
                self.assertEqual(done.returncode, 1)
                self.assertIn("hoodie.properties: hoodie.table.version is", done.stderr.decode())
                self.assertEqual(sorted(table.rglob("*")), before)


if __name__ == "__main__":
    unittest.main()
