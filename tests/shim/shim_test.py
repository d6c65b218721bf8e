#!/usr/bin/env python3
"""Proves the shim before anything is proven with it: shim_test.py LIBRARY PROBE."""
import os
import pathlib
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import unittest

LIBRARY, PROBE = sys.argv.pop(1), sys.argv.pop(1)
CALLS = ["mkdir", "openat", "write", "pwrite", "writev", "pwritev", "ftruncate", "fsync", "fdatasync",
         "link", "rename", "unlinkat", "fsync_folder", "fopen", "fclose", "remove"]


class Shim(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-shim-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.runs = 0

    def run_shimmed(self, argv=None, **settings):
        """The finished process, the project's folder, and (calls, fired, has_crashed)."""
        self.runs += 1
        root = self.folder / f"project-{self.runs}"
        root.mkdir()
        counts = self.folder / f"counts-{self.runs}"
        environment = {**os.environ, "LD_PRELOAD": LIBRARY, "WEIR_SHIM_ROOT": str(root),
                       "WEIR_SHIM_COUNT": str(counts)}
        environment |= {f"WEIR_SHIM_{key.upper()}": str(value) for key, value in settings.items()}
        argv = [word.replace("{root}", str(root)) for word in argv or [PROBE, "{root}"]]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
        return done, root, struct.unpack("=3Q", counts.read_bytes()) if counts.exists() else None

    def outcomes(self, done):
        return dict(line.split() for line in done.stdout.splitlines())

    def test_counts_exactly_the_changes_below_the_root(self):
        log = self.folder / "log"
        done, root, counts = self.run_shimmed(log=log)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.outcomes(done), {call: "ok" for call in CALLS})
        self.assertEqual(counts, (len(CALLS), 0, 0))
        self.assertEqual((root / "folder/third").read_text(), "0123456789" * 2 + "01234")
        lines = [line.split(" ", 4) for line in log.read_text().splitlines()]
        self.assertEqual([int(line[0]) for line in lines], list(range(1, len(CALLS) + 1)))
        self.assertEqual([line[2] for line in lines][:5], ["mkdir", "open", "write", "pwrite", "writev"])
        self.assertEqual(lines[10][4], f"{root}/folder/third", "dots and folder descriptors are followed")

    def test_counts_nothing_without_a_root_or_elsewhere(self):
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        _, _, counts = self.run_shimmed([PROBE, str(elsewhere)])
        self.assertEqual(counts, (0, 0, 0))
        beside = self.folder / "project-2x"
        beside.mkdir()
        _, _, counts = self.run_shimmed([PROBE, str(beside)])
        self.assertEqual(counts[0], 0, "a folder whose name starts like the root's")

    def test_leaves_out_what_is_excluded(self):
        exclude = f"/nowhere:{self.folder}/project-1/folder/:"
        _, _, counts = self.run_shimmed(exclude=exclude)
        self.assertEqual(counts[0], 3, "fopen, fclose, remove")
        _, _, counts = self.run_shimmed(exclude="*/folder/*")
        self.assertEqual(counts[0], len(CALLS) - len(CALLS[1:13]) + 1, "the folder itself is counted")

    def test_kills_before_the_call(self):
        for at in range(1, len(CALLS) + 1):
            done, _, counts = self.run_shimmed(at=at)
            self.assertEqual(done.returncode, -signal.SIGKILL)
            self.assertEqual(list(self.outcomes(done)), CALLS[:at - 1])
            self.assertEqual(counts, (at, 1, 0))
        done, _, counts = self.run_shimmed(at=len(CALLS) + 1)
        self.assertEqual((done.returncode, counts[1]), (0, 0))

    def test_fails_one_call_or_all_from_there_on(self):
        fsync = CALLS.index("fsync")
        for error in ("EIO", "ENOSPC", "EDQUOT", "EMFILE", "EACCES"):
            done, _, counts = self.run_shimmed(at=fsync + 1, do=error)
            self.assertEqual(self.outcomes(done), {c: "ok" for c in CALLS} | {"fsync": error})
            self.assertEqual(counts[1], 1)
        done, root, counts = self.run_shimmed(at=fsync + 1, do="ENOSPC", sticky=1)
        expected = {call: "ENOSPC" for call in CALLS if call != "fclose"}
        self.assertEqual(self.outcomes(done), expected | {call: "ok" for call in CALLS[:fsync]})
        self.assertTrue((root / "folder/new").exists(), "a failed rename did nothing")

    def test_every_kind_of_call_can_fail_before_and_after_its_effect(self):
        for at, call in enumerate(CALLS, 1):
            for when in ("before", "after"):
                done, root, _ = self.run_shimmed(at=at, do="EIO", when=when)
                self.assertEqual(done.returncode, 0, (call, done.stderr))
                self.assertEqual(self.outcomes(done)[call], "EIO", (call, when))
                if call == "rename":
                    self.assertEqual((root / "folder/third").exists(), when == "after")
                if call == "unlinkat":
                    self.assertEqual((root / "folder/second").exists(), when == "before")

    def test_cuts_writes_and_only_writes(self):
        for at, call in enumerate(CALLS, 1):
            done, _, counts = self.run_shimmed(at=at, do="SHORT")
            is_write = "write" in call
            self.assertEqual(self.outcomes(done), {c: "ok" for c in CALLS} | ({call: "short"} if is_write else {}))
            self.assertEqual(counts[1], int(is_write))

    def test_a_torn_write_leaves_its_half(self):
        done, root, _ = self.run_shimmed(at=CALLS.index("write") + 1, do="TEAR")
        self.assertEqual(done.returncode, -signal.SIGKILL)
        self.assertEqual((root / "folder/new").read_text(), "01234")
        done, root, _ = self.run_shimmed(at=CALLS.index("writev") + 1, do="TEAR")
        self.assertEqual((root / "folder/new").read_text(), "012345678901234" + "\0" * 5 + "0123456789")

    def test_a_crash_takes_every_process_of_the_run(self):
        script = 'cd {root}; (echo a > one); echo b > two; echo c > three'
        done, root, counts = self.run_shimmed(["bash", "-c", script], at=1, do="KILL")
        self.assertEqual((done.returncode, counts[2]), (0, 0))
        self.assertTrue((root / "three").exists(), "KILL took the child alone")
        done, root, counts = self.run_shimmed(["bash", "-c", script], at=1, do="CRASH")
        self.assertEqual((done.returncode, counts[2]), (-signal.SIGKILL, 1))
        self.assertEqual(list(root.iterdir()), [])

    def test_sees_what_sqlite_does(self):
        script = ("import sqlite3; c = sqlite3.connect('{root}/db'); c.execute('pragma journal_mode=wal');"
                  "c.execute('create table t(a)'); c.executemany('insert into t values(?)', [[1], [2]]);"
                  "c.commit(); c.close()")
        argv = [sys.executable, "-c", script]
        _, _, (total, _, _) = self.run_shimmed(argv)
        self.assertGreater(total, 8)
        _, _, (again, _, _) = self.run_shimmed(argv)
        self.assertEqual(total, again, "the count of a run repeats")
        seen = set()
        for at in range(1, total + 1):
            done, root, _ = self.run_shimmed(argv, at=at)
            self.assertEqual(done.returncode, -signal.SIGKILL)
            database = sqlite3.connect(root / "db")
            self.assertEqual(database.execute("pragma integrity_check").fetchone(), ("ok",))
            if database.execute("select count(*) from sqlite_master").fetchone() == (1,):
                seen.add(database.execute("select count(*) from t").fetchone()[0])
            database.close()
        self.assertEqual(seen, {0, 2}, "before and after the transaction, never between")

    def test_counts_what_is_sent_where_that_is_asked_for(self):
        script = ("import socket; a, b = socket.socketpair(); a.send(b'one');\n"
                  "try:\n a.send(b'two')\nexcept OSError as e: print(e.errno)\n"
                  "a.close(); print(b.recv(100))")
        argv = [sys.executable, "-S", "-c", script]
        done, _, counts = self.run_shimmed(argv)
        self.assertEqual((done.stdout, counts), ("b'onetwo'\n", (0, 0, 0)))
        done, _, counts = self.run_shimmed(argv, sends=1)
        self.assertEqual((done.stdout, counts), ("b'onetwo'\n", (2, 0, 0)))
        done, _, counts = self.run_shimmed(argv, sends=1, at=2)
        self.assertEqual((done.returncode, counts), (-signal.SIGKILL, (2, 1, 0)))
        done, _, _ = self.run_shimmed(argv, sends=1, at=2, do="EIO")
        self.assertEqual(done.stdout, "5\nb'one'\n")
        done, _, _ = self.run_shimmed(argv, sends=1, at=2, do="EIO", when="after")
        self.assertEqual(done.stdout, "5\nb'onetwo'\n", "a failed call has had its effect")

    def test_records_what_makes_the_folder_anew(self):
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "crash"))
        import disk as model
        sqlite = ("import sqlite3; c = sqlite3.connect('{root}/db'); c.execute('create table t(a)'); c.execute('insert into t values(1)');"
                  "c.commit(); c.execute('delete from t'); c.commit(); c.close()")
        for argv in (None, [sys.executable, "-c", sqlite]):
            record = self.folder / f"record-{self.runs}"
            done, root, _ = self.run_shimmed(argv, record=record)
            self.assertEqual(done.returncode, 0, done.stderr)
            disk = model.Disk(root)
            disk.top = model.Folder()
            calls = []
            for change in model.changes(record):
                disk.apply(change)
                calls.append(change.call)
            self.assertEqual(disk.after_power_loss(model.everything()), model.read_in(root))
            self.assertIn("fdatasync" if argv else "fsync", calls)

    def test_refuses_settings_that_mean_nothing(self):
        done, _, _ = self.run_shimmed(do="EXPLODE")
        self.assertEqual(done.returncode, 99)
        self.assertIn("WEIR_SHIM_DO", done.stderr)


if __name__ == "__main__":
    unittest.main()
