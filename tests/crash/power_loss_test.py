"""Takes the power away at each change of a whole run: what stays on the disk is what was synced, and of
the rest whatever disk.py says. Each reader sees a whole earlier or later state, what weir said was done
is still there, and `retry` ends where an undisturbed run ends.

The model is shown to catch what it must: programs that leave out one sync each.

WEIR_LONG=1 python3 tests/crash/power_loss_test.py [TEST…] takes every change.
"""
import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import flows_test  # noqa: E402
import lake_view as view  # noqa: E402
from power_loss import power_loss  # noqa: E402
from sweep import Command, SweepFailure  # noqa: E402

# Publishes `out` and then says so; each faulty one leaves out, or does too early, one thing.
GOOD = """
import os
def sync(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
if not os.path.exists('out'):
    fd = os.open('out.tmp', os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
    os.write(fd, open('in').read().upper().encode())
    os.fsync(fd)  # the bytes
    os.close(fd)
    os.rename('out.tmp', 'out')
    sync('.')  # the name
os.write(1, b'done')
"""
WITHOUT_BYTES = GOOD.replace("    os.fsync(fd)  # the bytes\n", "")
WITHOUT_NAME = GOOD.replace("    sync('.')  # the name\n", "")
RENAMED_FIRST = WITHOUT_BYTES.replace("    sync('.')", "    sync('out')\n    sync('.')")
IN_A_NEW_FOLDER = """
import os
os.makedirs('made', exist_ok=True)
os.chdir('made')
""" + GOOD.replace("open('in')", "open('../in')")


class Model(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-power-test-")
        self.addCleanup(self.folder.cleanup)
        os.environ["WEIR_SWEEP_FOLDER"] = self.folder.name
        self.addCleanup(os.environ.pop, "WEIR_SWEEP_FOLDER")

    def lose(self, program, out="out"):
        def command(project):
            return Command([sys.executable, "-S", "-c", program])

        def inspect(project):
            found = (project / out).read_text() if (project / out).exists() else None
            if found not in (None, "A\nB\n" * 500):
                raise SweepFailure("a reader sees a part")
            if (project.parent / "stdout").read_text() == "done" and found is None:
                raise SweepFailure("what was done is gone")

        def recover(project):
            subprocess.run([sys.executable, "-S", "-c", program], cwd=project, check=True, capture_output=True)

        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                return power_loss("model", lambda project: (project / "in").write_text("a\nb\n" * 500), command, recover,
                                  lambda project: (project / out).read_text(), inspect=inspect, points=1000, seeds=20)
        except SweepFailure:
            return printed.getvalue()

    def test_a_program_that_syncs_passes_and_one_that_leaves_a_sync_out_does_not(self):
        self.assertNotIsInstance(report := self.lose(GOOD), str, report)
        self.assertIn("a reader sees a part", self.lose(WITHOUT_BYTES))
        self.assertIn("a reader sees a part", self.lose(RENAMED_FIRST))
        self.assertIn("what was done is gone", self.lose(WITHOUT_NAME))
        self.assertIn("what was done is gone", self.lose(IN_A_NEW_FOLDER, "made/out"))


class Flows(flows_test.Sweeps):
    def kept(self, folder):
        """What weir had said, and what its catalog says, is there."""
        catalog = self.catalog_of(folder)
        states = dict(catalog.select("SELECT t.task_id, t.state FROM task_run t JOIN flow_run r ON r.run_id = t.run_id "
                                     f"WHERE r.run_key = '{flows_test.RUN_KEY}'"))
        for line in (folder.parent / "stdout").read_text().splitlines():
            event = json.loads(line)
            if event["event"] == "task_finished" and states.get(event["task_id"]) != event["state"]:
                raise SweepFailure(f"weir said that {event['task_id']} has {event['state']}, the catalog: {states}")
        published = catalog.select("SELECT dataset, instant, object_name FROM publication")
        for dataset, instant, name in published:
            place = folder / "data" / dataset.replace(".", "/")
            if instant and instant not in view.completed(place):
                raise SweepFailure(f"the catalog knows of commit {instant} of {dataset}, which is gone")
            if name and not instant and not (place / name).exists():
                raise SweepFailure(f"the catalog knows of {dataset} {name}, which is gone")

    def lose(self, name, template, **options):
        words = flows_test.RUN
        reader = self.reader(template, self.after(template, *words))

        def command(folder):
            return flows_test.command_line(folder, self.catalog_of(folder).url, "--output", "json", *words)

        def inspect(folder):
            reader(folder)
            self.kept(folder)
        try:
            power_loss(name, self.prepare(template), command, self.recover_run(), self.verify, inspect=inspect, **options)
        except SweepFailure as failure:
            self.fail(str(failure))

    def test_two_first_snapshots_from_upload_to_warehouse(self):
        self.lose("power-first", self.first())

    def test_a_snapshot_that_changes_opens_closes_and_widens(self):
        self.lose("power-second", self.second())


if __name__ == "__main__":
    unittest.main(verbosity=1)
