#!/usr/bin/env python3
"""Proves the harness: it passes a program that recovers, and catches ones that do not."""
import contextlib
import io
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sweep as harness  # noqa: E402

# Moves the lines of `in` to `out`, once. Each is started with what its planted fault needs.
GOOD = """
import os
def publish(name, text):
    fd = os.open(name + '.tmp', os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
    rest = text.encode()
    while rest:
        rest = rest[os.write(fd, rest):]
    os.fsync(fd)
    os.close(fd)
    os.rename(name + '.tmp', name)
publish('out', open('in').read().upper())
publish('done', 'yes')
"""
TORN = GOOD.replace("name + '.tmp'", "name").replace("os.rename(name, name)", "").replace(
    "publish('out'", "if not os.path.exists('out'): publish('out'")
APPENDING = """
import os
if not os.path.exists('done'):
    fd = os.open('out', os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    os.write(fd, open('in').read().upper().encode())
    os.close(fd)
    os.close(os.open('done', os.O_CREAT | os.O_WRONLY))
"""
CARELESS_OF_SHORT_WRITES = GOOD.replace("while rest:", "if rest:")
HANGING = GOOD.replace("    os.fsync(fd)", """
    try:
        os.fsync(fd)
    except OSError:
        while True: pass
""")


def prepare(project: pathlib.Path):
    (project / "in").write_text("a\nb\n")


def verify(project: pathlib.Path):
    return (project / "out").read_text()


def run(program: str, actions, printed=None, **options) -> harness.Report:
    with contextlib.redirect_stdout(printed or io.StringIO()):
        return harness.sweep("test", prepare, lambda project: [sys.executable, "-S", "-c", program],
                             verify=verify, actions=actions, **options)


class SweepItself(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-sweep-test-")
        self.addCleanup(self.folder.cleanup)
        os.environ["WEIR_SWEEP_FOLDER"] = self.folder.name
        self.addCleanup(os.environ.pop, "WEIR_SWEEP_FOLDER")
        os.environ.pop("WEIR_SWEEP_AT", None)

    def test_a_program_that_recovers_passes_at_every_point(self):
        report = run(GOOD, [harness.KILL, harness.TEAR, harness.EIO, harness.DISK_FULL, harness.SHORT])
        self.assertEqual((report.calls, report.failures), (8, []))
        # TEAR and SHORT are tried at the two writes.
        self.assertEqual((report.points, report.fired), (3 * 8 + 2 * 2, 3 * 8 + 2 * 2))
        self.assertEqual(list(pathlib.Path(self.folder.name).iterdir()), [], "nothing is left behind")

    def assert_caught(self, program, actions, words, **options):
        printed = io.StringIO()
        with self.assertRaises(harness.SweepFailure):
            run(program, actions, printed, **options)
        self.assertIn(words, printed.getvalue())
        self.assertIn("again: WEIR_SWEEP_AT=", printed.getvalue())

    def test_a_half_written_file_is_caught(self):
        self.assert_caught(TORN, [harness.KILL], "-A\n-B")

    def test_work_done_twice_is_caught(self):
        self.assert_caught(APPENDING, [harness.KILL], " B\n+A\n+B")

    def test_a_short_write_taken_for_a_whole_one_is_caught(self):
        report = run(CARELESS_OF_SHORT_WRITES, [harness.KILL])
        self.assertEqual(report.failures, [])
        self.assert_caught(CARELESS_OF_SHORT_WRITES, [harness.SHORT], "verify gave")

    def test_a_failed_inspection_is_caught(self):
        def inspect(project):
            if (project / "out.tmp").exists():
                raise AssertionError("a reader sees the temporary file")
        self.assert_caught(GOOD, [harness.KILL], "a reader sees", inspect=inspect)

    def test_a_command_that_fails_undisturbed_or_changes_nothing_is_no_test(self):
        for program in ("import sys; sys.exit(1)", "pass"):
            with self.assertRaises(harness.SweepFailure):
                run(program, [harness.KILL])

    def test_a_command_may_be_one_that_fails_where_it_fails_in_the_same_way(self):
        program = GOOD + "import sys; sys.exit(3)"
        report = []
        with contextlib.redirect_stdout(io.StringIO()):
            report.append(harness.sweep(
                "fails", prepare, lambda project: harness.Command([sys.executable, "-S", "-c", program], statuses=(3,)),
                recover=lambda project: (project / "out").write_text("A\nB\n"), verify=verify))
        self.assertEqual(report[0].failures, [])
        with self.assertRaisesRegex(harness.SweepFailure, "ended with 3"):
            run(program, [harness.KILL])

    def test_a_command_that_hangs_is_ended_and_caught(self):
        self.assert_caught(HANGING, [harness.EIO], "still running", timeout_s=3)

    def test_what_a_killed_command_left_running_is_ended_before_the_recovery(self):
        # The child has a process group of its own and would append for ever.
        program = """
import os
fd = os.open('out', os.O_CREAT | os.O_APPEND | os.O_WRONLY)
ready, tell = os.pipe()
if os.fork() == 0:
    os.setpgid(0, 0)
    os.write(tell, b'x')
    while True: pass
os.read(ready, 1)
os.write(fd, b'x')
"""
        pids = []

        def is_running(project):
            for entry in pathlib.Path("/proc").iterdir():
                with contextlib.suppress(OSError):
                    if entry.name.isdigit() and os.readlink(entry / "cwd") == str(project):
                        pids.append(entry.name)
        with contextlib.redirect_stdout(io.StringIO()):
            harness.sweep("orphan", lambda project: None, lambda project: [sys.executable, "-S", "-c", program],
                          lambda project: None, lambda project: None, inspect=is_running)
        self.assertEqual(pids, [])

    def test_points_are_an_even_slice_with_both_ends(self):
        self.assertEqual(harness.points_of(range(1, 6), 24), [1, 2, 3, 4, 5])
        slice_ = harness.points_of(range(1, 1001), 24)
        self.assertEqual((len(slice_), slice_[0], slice_[-1]), (24, 1, 1000))
        gaps = {b - a for a, b in zip(slice_, slice_[1:])}
        self.assertLessEqual(max(gaps) - min(gaps), 1)
        # Many small slices, each with a phase of its own, meet every part of the run.
        self.assertEqual([harness.points_of(range(1, 10), 3, phase) for phase in (0, 0.5, 0.99)],
                         [[1, 4, 7], [2, 5, 8], [3, 6, 9]])
        self.assertEqual({at for phase in range(100) for at in harness.points_of(range(1, 10), 2, phase / 100)}, set(range(1, 10)))
        os.environ["WEIR_LONG"] = "1"
        try:
            self.assertEqual(len(harness.points_of(range(1, 1001), 24)), 1000)
        finally:
            del os.environ["WEIR_LONG"]


if __name__ == "__main__":
    unittest.main()
