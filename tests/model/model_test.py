"""The model of a table's commit protocol (commit.pml), searched to its end by Spin: worlds in which every invariant
holds, and mutants of the protocol, each of which must break one.

WEIR_LONG=1 python3 tests/model/model_test.py [TEST…] adds the worlds that take minutes.
With WEIR_MODEL_TRACE=1 the steps to each violation are printed.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

FOLDER = pathlib.Path(__file__).resolve().parent
NOT_RUN = 77  # what CTest takes for skipped
IS_LONG = os.environ.get("WEIR_LONG") == "1"
HAS_TRACE = os.environ.get("WEIR_MODEL_TRACE") == "1"
MEMORY_MB = 12000 if IS_LONG else 2000
DEPTH = 1_000_000 if IS_LONG else 100_000

# Each fault alone multiplies the states.
DIES_OR_LOSES_LEASE = {"DOUBTS": 0}
HOLDS = {
    "dies_or_loses_lease": {**DIES_OR_LOSES_LEASE},
    "answers_are_lost": {"CRASHES": 0},
    "dies_twice": {"CRASHES": 2, "STALES": 0},
    "first_commit": {"FIRST": "", **DIES_OR_LOSES_LEASE},
    "new_catalog": {"NEW_CATALOG": "", **DIES_OR_LOSES_LEASE},
    "stranger": {"STRANGER": "", "DOUBTS": 0, "ATTEMPTS": 2},
}
LONG = {
    "everything": {},
    "snapshots_in_two": {"DOUBTS": 0, "SLOW_READER": ""},
    "three_writers": {"WRITERS": 3, "DOUBTS": 0},
    "four_attempts": {"ATTEMPTS": 4, "CRASHES": 2, "STALES": 0, "DOUBTS": 0},
    "two_leases_lost": {"ATTEMPTS": 4, "STALES": 2, "CRASHES": 0, "DOUBTS": 0},
    "stranger_and_three_attempts": {"STRANGER": "", "DOUBTS": 0},
}
# Rules that save work and that no invariant needs, since a roll-back takes away the files of what it has undone
# itself: without asking the guard before it, or undoing what is newer than its own, a living writer's commit may
# fail, and that is all.
LONG |= {name.lower(): {**HOLDS["dies_or_loses_lease"], name: ""} for name in ("UNDOES_NEWER", "NO_ASK")}
MUTANTS = {
    "NO_INFLIGHT_CHECK": (HOLDS["stranger"], "ConsistentRead"),
    "NO_OVERTAKE_CHECK": (HOLDS["stranger"], "MonotonicInstants"),
    "NO_MONOTONIC": (HOLDS["dies_twice"], "NothingLeftBehind"),
    "NO_TOKEN_LOOKUP": (HOLDS["dies_twice"], "AtMostOneCommitPerToken"),
    "NO_MARKERS": (HOLDS["dies_twice"], "NothingLeftBehind"),
    "NO_ROLL_BACK": (HOLDS["dies_twice"], "NothingLeftBehind"),
    "NO_READ_BACK": (HOLDS["answers_are_lost"], "ReportIsTrue"),
    "NO_DECISION": (HOLDS["dies_or_loses_lease"], "ConsistentRead"),
    "DECISION_REPLACES": (HOLDS["dies_or_loses_lease"], "ConsistentRead"),
    "COMPLETES_BEHIND": (HOLDS["stranger"], "MonotonicInstants"),
    "NO_RENEWAL": (HOLDS["new_catalog"], "ConsistentRead"),
    "NO_FIRST_COMMIT": (HOLDS["first_commit"], "NoUncommittedVisible"),
    "NO_FLOOR": ({"ATTEMPTS": 4, "DOUBTS": 0}, "NothingLeftBehind"),
}
LONG_MUTANTS = {
    "FORGETS_UNDONE": (LONG["stranger_and_three_attempts"], "NothingLeftBehind"),
}


def run(*words, folder):
    done = subprocess.run(words, cwd=folder, text=True, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


class Searched:
    """What Spin says of one world."""

    def __init__(self, world, is_small):
        self.switches = [f"-D{name}={value}" if value != "" else f"-D{name}" for name, value in world.items()]
        if HAS_TRACE:
            self.switches.append("-DTRACE")
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="weir model ") as folder:
            for file in FOLDER.glob("*.pml"):
                shutil.copy(file, folder)
            run("spin", "-a", *self.switches, "commit.pml", folder=folder)
            # Of gcc's warnings about what Spin wrote nobody learns anything. Where a violation is near, the
            # compiler would take longer than the search.
            run("gcc", "-O0" if is_small else "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-DNOFAIR", f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c",
                folder=folder)
            self.text = run("./pan", f"-m{DEPTH}", folder=folder)
            self.trace = self.steps(folder) if HAS_TRACE else ""
        self.seconds = time.monotonic() - began
        self.broken = re.findall(r"assertion violated (\w+)", self.text)
        self.states = int(re.search(r"(\d+) states, stored", self.text).group(1))
        # A search that was cut off has shown nothing.
        self.is_complete = not re.search(r"max search depth too small|out of memory|Search not completed|aborted", self.text)
        self.is_right = re.search(r"errors: 0\b", self.text) is not None and not self.broken

    def steps(self, folder):
        if not (pathlib.Path(folder) / "commit.pml.trail").exists():
            return ""
        played = run("spin", "-t", *self.switches, "commit.pml", folder=folder)
        return "\n".join(" ".join(line.split()) for line in played.splitlines() if "writer " in line or "Error" in line)


class Model(unittest.TestCase):
    def search(self, name, world, is_small):
        searched = Searched(world, is_small)
        what = searched.broken[0] if searched.broken else "holds" if searched.is_right else "?"
        print(f"{name}: {what}, {searched.states} states, {searched.seconds:.0f} s", flush=True)
        if searched.trace:
            print(searched.trace, flush=True)
        return searched

    def all_hold(self, worlds):
        for name, world in worlds.items():
            with self.subTest(name):
                searched = self.search(name, world, is_small=False)
                self.assertTrue(searched.is_right and searched.is_complete, searched.text[-3000:])

    def all_break(self, worlds, is_small=True):
        for name, (world, invariant) in worlds.items():
            with self.subTest(name):
                searched = self.search(name, {**world, name: ""}, is_small)
                self.assertTrue(searched.broken, searched.text[-3000:])
                self.assertEqual(searched.broken[0], invariant)

    def test_the_protocol_holds(self):
        self.all_hold(HOLDS)

    def test_mutants_are_caught(self):
        self.all_break(MUTANTS)

    @unittest.skipUnless(IS_LONG, "WEIR_LONG=1")
    def test_the_protocol_holds_at_length(self):
        self.all_hold(LONG)
        self.all_break(LONG_MUTANTS, is_small=False)


if __name__ == "__main__":
    for program in ("spin", "gcc"):
        if shutil.which(program) is None:
            print(f"skipped: there is no {program}")
            sys.exit(NOT_RUN)
    unittest.main(verbosity=1)
