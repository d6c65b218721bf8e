"""A flow whose catalog's server goes away in the middle: at a COMMIT the connection ends before the
server has seen it, or after it has done it but before its answer came; the server crashes and comes
back. The flow goes on by itself, and leaves what an undisturbed one leaves: every row, each once.

WEIR_LONG=1 python3 tests/crash/lost_server_test.py [TEST…] takes every COMMIT.
"""
import os
import pathlib
import subprocess
import tempfile
import unittest

import flows_test
import on_postgres
from flows_test import command_line
from postgres_line import Line  # found by on_postgres

IS_LONG = os.environ.get("WEIR_LONG") == "1"
AT_A_TIME = 1 if IS_LONG else 23  # every so many COMMITs


class LostServer(on_postgres.OnPostgres):
    def go(self, template, at=0, fault="none"):
        """The COMMITs of a run that was meddled with, and what it left."""
        with tempfile.TemporaryDirectory(prefix="weir lost ") as parent:
            folder = pathlib.Path(parent) / "project"
            self.prepare(template)(folder)
            (folder / "tmp").mkdir(exist_ok=True)
            line = Line(self.server, at, fault)
            asked = command_line(folder, line.url(self.databases[folder]), *flows_test.RUN)
            done = subprocess.run(asked.argv, env=os.environ | asked.environment | {"WEIR_CATALOG_PATIENCE": "1m"}, capture_output=True, text=True, timeout=120)
            line.close()
            self.assertEqual(line.struck, 1 if at else 0, f"{fault} at COMMIT {at} of {line.commits}")
            self.assertEqual(done.returncode, 0, f"{fault} at COMMIT {at}: {done.stdout[-800:]} {done.stderr[-1500:]}")
            return line.commits, self.verify(folder)

    def sweep_commits(self, fault, step):
        template = self.second()
        commits, expected = self.go(template)
        self.assertGreater(commits, 10)
        for at in range(1, commits + 1, step):
            with self.subTest(fault=fault, at=at):
                _, seen = self.go(template, at, fault)
                self.assertEqual(seen, expected)
        print(f"lost_server {fault}: {commits} COMMITs, every {step}.", flush=True)

    def test_the_connection_ends_before_a_commit(self):
        self.sweep_commits("before", AT_A_TIME)

    def test_the_answer_to_a_commit_is_lost(self):
        self.sweep_commits("after", AT_A_TIME)

    def test_the_server_crashes_at_a_commit(self):
        self.sweep_commits("crash", 2 * AT_A_TIME)


if __name__ == "__main__":
    unittest.main(verbosity=1)
