"""What `memory_limit` promises of whole processes: ingest and history of large snapshots stay within the
limit and 256 MB more (a process is more than its engine), and they spill where they do not fit.

WEIR_LONG=1: the full sizes. Time is none of a test's business: `./dev bench memory` measures it.
"""
import hashlib
import os
import pathlib
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "acceptance"))
from weir_project import WEIR, Project  # noqa: E402

SHIM = os.environ.get("WEIR_SHIM", str(pathlib.Path(__file__).resolve().parents[2] / "build/release/tests/libweirshim.so"))
IS_LONG = os.environ.get("WEIR_LONG") == "1"
BESIDE_MB = 256
# The least that a merge works in is about 430 MB.
ROWS, LIMIT_MB = (5_000_000, 512) if IS_LONG else (500_000, 430)
KEYS_ROWS, KEYS_BYTES = 400_000, 600

YAML = """
project: memory
catalog: sqlite:weir.db
layers:
  - {{name: landing, uri: landing}}
  - {{name: raw, uri: raw}}
  - {{name: stage, uri: stage}}
datasets:
  - name: raw.c
    identity: as_of + content
    columns: {{id: varchar, name: varchar, address: varchar, city: varchar, phone: varchar, credit: "decimal(12,2)"}}
  - {{name: stage.c, key: [id]}}
defaults: {{retries: 0, resources: {{memory_limit: {limit}MB, threads: 2}}}}
"""
FLOW = """
flow: f
tasks:
  - {id: a, template: ingest_files, with: {from: "landing/c-*.csv", as_of: 'c-(?<as_of>[0-9]{8})', to: raw.c}}
  - {id: b, template: merge_history, needs: [a], with: {from: raw.c, to: stage.c, deletes: by_absence}}
"""


def write_snapshot(path, rows, key_bytes, changed_percent=None):
    """Rows with text that does not compress; a second snapshot lacks every thousandth key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pool = [hashlib.md5(bytes([i % 256, i // 256])).hexdigest() for i in range(4096)]
    with open(path, "w", encoding="ascii", buffering=1 << 20) as file:
        file.write("id,name,address,city,phone,credit\n")
        for start in range(0, rows, 10_000):
            lines = []
            for i in range(start, min(start + 10_000, rows)):
                if changed_percent is not None and i % 1000 == 7:
                    continue
                is_changed = changed_percent is not None and i * 7919 % 100 < changed_percent
                key = (pool[i % 4093] * (key_bytes // 32)) + str(i)
                lines.append(f"{key},Customer {i},{pool[i % 4093]}{i},City {i % 5000},+1-{i * 31 % 10_000_000},{i % 90_000 + is_changed}.25\n")
            file.write("".join(lines))


class Memory(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        for file in ("flows/shop.yaml", "sql/by_city.sql"):
            (self.project.folder / file).unlink()
        self.project.write("flows/f.yaml", FLOW)
        self.spilled = self.project.folder.with_name(self.project.folder.name + " spilled")
        self.addCleanup(self.spilled.unlink, missing_ok=True)

    def peak_mb(self, *words):
        """The largest resident memory of one process of weir; writes to its temporary folder are counted."""
        self.spilled.unlink(missing_ok=True)
        environment = {**self.project.environment, "LD_PRELOAD": SHIM, "WEIR_SHIM_ROOT": str(self.project.folder / "tmp"),
                       "WEIR_SHIM_COUNT": str(self.spilled), "ASAN_OPTIONS": "verify_asan_link_order=0"}
        process = subprocess.Popen([WEIR, "--quiet", "--project", str(self.project.folder), *words], env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        return usage.ru_maxrss / 1024

    def has_spilled(self):
        # Making and removing the folder for it are changes too.
        return struct.unpack("=3Q", self.spilled.read_bytes())[0] > 20

    def merge(self, percent, rows=ROWS, key_bytes=0, beside_mb=BESIDE_MB):
        self.project.write("weir.yaml", YAML.format(limit=LIMIT_MB))
        write_snapshot(self.project.folder / "landing/c-20260101.csv", rows, key_bytes)
        peaks = {"first run": self.peak_mb("run", "f", "--apply")}
        write_snapshot(self.project.folder / "landing/c-20260102.csv", rows, key_bytes, percent)
        peaks["second run"] = self.peak_mb("run", "f")
        print(f"memory: {rows} rows, keys of {key_bytes}+ bytes, {percent} % changed, limit {LIMIT_MB} MB: "
              + ", ".join(f"{name} {peak:.0f} MB" for name, peak in peaks.items()), flush=True)
        gone = len(range(7, rows, 1000))
        changed = sum(1 for i in range(rows) if i * 7919 % 100 < percent and i % 1000 != 7)
        self.assertEqual(self.project.rows("SELECT count(*) AS n, count(*) FILTER (is_current) AS o FROM stage.c"),
                         [{"n": rows + changed, "o": rows - gone}])
        for name, peak in peaks.items():
            self.assertLess(peak, LIMIT_MB + beside_mb, name)

    def test_history_stays_within_its_limit_where_little_changed(self):
        self.merge(1)

    def test_history_stays_within_its_limit_where_nearly_all_changed(self):
        self.merge(98)
        if IS_LONG:
            self.assertTrue(self.has_spilled(), "this size and limit no longer try what the test is for")

    def test_keys_that_do_not_fit_are_spilled(self):
        # Row groups of wide rows on their way into a file weigh more (717 MB were measured).
        self.merge(98, KEYS_ROWS, KEYS_BYTES, beside_mb=BESIDE_MB + 128)
        self.assertTrue(self.has_spilled(), "this size and limit no longer try what the test is for")


if __name__ == "__main__":
    unittest.main(verbosity=1)
