#!/usr/bin/env python3
"""Kills and fails the local store at each change: storage_test.py PROGRAM (storage_changes.cc)."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sweep as harness  # noqa: E402

PROGRAM = os.path.abspath(sys.argv.pop(1))
LARGE = 600 << 10
# Before, or after, each of the changes; in between there is nothing.
STATES = {"a/b/small": (None, "a" * 10), "a/large": (None, "a" * LARGE), "old": ("before", "o" * 20),
          "gone": ("was here", None)}


def prepare(project: pathlib.Path):
    (project / "lake").mkdir()
    (project / "lake/old").write_text("before")
    (project / "lake/gone").write_text("was here")


def objects(project: pathlib.Path) -> dict[str, str]:
    return {str(path.relative_to(project / "lake")): path.read_text()
            for path in sorted((project / "lake").rglob("*"))
            if path.is_file() and not path.name.startswith(".weir-tmp-")}


def inspect(project: pathlib.Path):
    found = objects(project)
    assert set(found) <= set(STATES), f"objects that nobody put: {set(found) - set(STATES)}"
    told = dict(line.split(" ", 1) for line in (project.parent / "stdout").read_text().splitlines())
    for name, states in STATES.items():
        content = found.get(name)
        assert content in states, f"'{name}' is neither old nor new: {(content or '')[:20]!r}"
        answer = told.get(name.rpartition("/")[2])
        if answer == "ok":
            assert content == states[1], f"'{name}' was said to be done, and is not"
        if answer is not None and answer != "ok" and not answer.startswith("outcome_unknown"):
            assert content == states[0], f"'{name}' was said to have failed, and has not: {answer}"


def recover(project: pathlib.Path):
    told = subprocess.run([PROGRAM, project], capture_output=True, text=True).stdout.splitlines()
    # The one that is put if absent may be there already: that is success.
    bad = [line for line in told if not line.endswith(" ok") and "already_exists" not in line]
    if bad:
        raise harness.SweepFailure(f"recovery: {bad}")


class LocalStore(unittest.TestCase):
    def sweep(self, name, actions):
        return harness.sweep(name, prepare, lambda project: [PROGRAM, str(project)], recover,
                             objects, actions, inspect=inspect, points=1000)

    def test_a_kill_anywhere_leaves_old_or_new(self):
        self.sweep("storage-kill", [harness.KILL, harness.TEAR])

    def test_a_failed_call_is_told_and_leaves_old_or_new(self):
        self.sweep("storage-fail", [harness.EIO, harness.EIO_AFTER, harness.ENOSPC, harness.DISK_FULL])

    def test_short_writes_are_finished(self):
        self.sweep("storage-short", [harness.SHORT])

    def test_nothing_is_published_before_it_is_on_disk(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-storage-"))
        self.addCleanup(shutil.rmtree, folder)
        project = folder / "project"
        project.mkdir()
        prepare(project)
        subprocess.run([PROGRAM, project], check=True, stdout=subprocess.DEVNULL, env=os.environ | {
            "LD_PRELOAD": str(harness.shim_library()), "WEIR_SHIM_ROOT": str(folder),
            "WEIR_SHIM_LOG": str(folder / "log")})
        told = []
        for line in (folder / "log").read_text().splitlines():
            _, _, call, _, path = line.split(" ", 4)
            path = "temporary" if ".weir-tmp-" in path else str(pathlib.Path(path).relative_to(project))
            if told[-1:] != ["write temporary"] or call != "write":
                told.append(f"{call} {path}")
        start = ["open temporary", "write temporary", "fsync temporary"]
        self.assertEqual(told, [
            "fsync .", "mkdirat lake/a", "fsync lake", "mkdirat lake/a/b", "fsync lake/a",
            *start, "linkat lake/a/b/small", "unlinkat temporary", "fsync lake/a/b",
            *start, "renameat lake/a/large", "fsync lake/a",
            *start, "renameat lake/old", "fsync lake",
            "unlinkat lake/gone", "fsync lake"])


if __name__ == "__main__":
    unittest.main()
