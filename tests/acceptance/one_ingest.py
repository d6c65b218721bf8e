"""One landing file, ingested by a process of its own (`weir op run`) into a lake of its own: what came of it, in how many seconds of
CPU (another's load must not count) and how much memory."""
import hashlib
import json
import subprocess
import sys

from weir_project import ROOT, WEIR

sys.path.insert(0, str(ROOT / ".deps/python"))
import pyarrow.parquet  # noqa: E402


# A child's peak starts with what its parent had when it forked, so a small process stands between.
MEASURE = """
import os, sys
child = os.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    file.write(f"[{os.waitstatus_to_exitcode(status)}, {usage.ru_utime + usage.ru_stime}, {usage.ru_maxrss * 1024}]")
"""


class Ingest:
    def __init__(self, folder, content, csv=None, schema=()):
        """`content` is bytes, or a function that writes them to an open file; `schema` a list of (name, type)."""
        self.folder = folder
        (folder / "landing").mkdir(parents=True)
        (folder / "tmp").mkdir()
        path = folder / "landing/x.csv"
        with open(path, "wb") as file:
            file.write(content) if isinstance(content, bytes) else content(file)
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self.size_bytes = path.stat().st_size
        uri = {name: str(folder / name) for name in ("landing", "raw", "rejected")}
        operation = {
            "format": 1, "op": "ingest_files", "token": "7" * 64,
            "inputs": [{"format": "file", "uri": uri["landing"],
                        "objects": [{"uri": uri["landing"], "name": "x.csv", "size_bytes": self.size_bytes, "sha256": sha256}]}],
            "target": {"dataset": "raw.x", "uri": uri["raw"], "rejected_uri": uri["rejected"], "format": "parquet", "mode": "append",
                       "schema": [{"name": name, "type": kind} for name, kind in schema]},
            "params": {"format": {"csv": csv or {}}, "input_identity": sha256},
            "limits": {"threads": 1, "temp_folder": str(folder / "tmp")},
            "origin": {"flow_id": "f", "task_id": "t", "run_id": "r", "attempt": 1, "logical_time": "2026-01-01T00:00:00Z"},
        }
        (folder / "operation.json").write_text(json.dumps(operation))
        with open(folder / "operation.json") as read, open(folder / "out", "w") as out, open(folder / "err", "w") as err:
            measured = subprocess.run([sys.executable, "-S", "-E", "-c", MEASURE, str(folder / "measured"), WEIR, "--project", str(folder),
                                       "op", "run"], stdin=read, stdout=out, stderr=err)
        assert measured.returncode == 0
        self.status, self.seconds, self.rss_bytes = json.loads((folder / "measured").read_text())
        self.outcome = json.loads((folder / "out").read_text() or "null")
        last = (folder / "err").read_text().splitlines()[-1:]
        self.error = json.loads(last[0])["error"] if self.status != 0 and last and last[0].startswith("{") else None

    def objects(self, name):
        found = self.folder / name
        return sorted(p for p in found.rglob("*") if p.is_file()) if found.exists() else []

    def rows(self, name):
        return sum(pyarrow.parquet.read_metadata(p).num_rows for p in self.objects(name))

    def check_accounts(self, test):
        """Every record and every byte of a published file is somewhere, and the objects say the same as the counts."""
        counts, details = self.outcome["counts"], self.outcome["details"]
        test.assertEqual(counts["in"], counts["inserted"] + counts["rejected"])
        test.assertEqual(sum(details["bytes"].values()), self.size_bytes, "bytes loaded, rejected and skipped")
        test.assertEqual((self.rows("raw"), self.rows("rejected")), (counts["inserted"], counts["rejected"]))
        return counts
