"""Two processes at once: what the overlap word says, on SQLite and on PostgreSQL; no double effect, and
no run that stays in the way of others.

A run is held at a barrier by taking, in the catalog, the lease of the dataset that it writes: it is
running then and does nothing, for as long as the test wants.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from weir_project import A, B, FLOW, WEIR, Project  # noqa: E402
from waiting import wait_for  # noqa: E402


WORDS = ("queue", "cancel", "fail", "skip")
BARRIER = "dataset:raw.customers"
NEVER = 99999999999999999


class Overlap(unittest.TestCase):
    catalog = None  # SQLite in the project

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        if self.catalog:
            self.project.environment["WEIR_CATALOG"] = self.new_catalog()

    def sql(self, text):
        """Rows of texts."""
        return [tuple(map(str, row)) for row in self.project.sqlite(text)]

    def start(self, flow="shop", *words):
        process = subprocess.Popen([WEIR, "--project", str(self.project.folder), "--output", "json", "run", flow, *words],
                                   text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.project.environment)
        self.addCleanup(self.put_away, process)
        return process

    @staticmethod
    def put_away(process):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()

    @staticmethod
    def end(process):
        """Exit status and state of the run (or what was said instead)."""
        out, process.said = process.communicate(timeout=240)
        report = [json.loads(line) for line in out.splitlines() if '"report"' in line]
        return process.returncode, report[-1]["run"]["state"] if report else out + process.said

    def wait_for(self, sql, wanted, process=None):
        def is_so():
            if process is not None and process.poll() is not None:
                self.fail(f"ended: {self.end(process)}")
            return self.sql(sql) == wanted

        wait_for(sql, is_so, 120, say=lambda: f"{self.sql(sql)}, not {wanted}")

    def land(self, days):
        for day, content in enumerate(([A, B] * days)[:days], 1):
            self.project.land(f"customers-2026010{day}.csv", content)

    def apply(self, word, days=2):
        self.project.write("flows/shop.yaml", FLOW.replace("overlap: queue", f"overlap: {word}"))
        self.land(days)
        self.project.weir("apply")

    def hold_back(self):
        """From here on a run stands still before it reads its landing files."""
        self.sql(f"INSERT INTO lease (name, holder, host, epoch, expires_at_us) VALUES ('{BARRIER}', 'the test', 'elsewhere', 1, {NEVER}) "
                 f"ON CONFLICT (name) DO UPDATE SET holder = 'the test', host = 'elsewhere', expires_at_us = {NEVER}")

    def let_go(self):
        self.sql(f"UPDATE lease SET expires_at_us = 0, holder = '' WHERE name = '{BARRIER}'")

    def start_held_back(self, *words):
        """A run that is at the barrier."""
        process = self.start("shop", *words)
        self.wait_for("SELECT count(*) FROM task_run WHERE state = 'running'", [("1",)], process)
        return process

    def states(self):
        return [state for state, in self.sql("SELECT state FROM flow_run ORDER BY created_at_us, run_id")]

    def two(self, word):
        self.apply(word, 5)
        return sorted(self.end(process) for process in [self.start(), self.start()])

    def check_lake(self, days=5):
        self.assertEqual(len(self.project.commits("stage.customers")), days)
        self.assertEqual(len(self.project.commits("presentation.by_city")), 1)
        self.project.weir("reconcile")
        open_runs = [run for run in json.loads(self.project.weir("--output", "json", "runs").stdout)["runs"]
                     if run["state"] in ("running", "queued")]
        self.assertEqual(open_runs, [])

    def test_queue_runs_one_after_the_other(self):
        self.assertEqual(self.two("queue"), [(0, "succeeded"), (0, "succeeded")])
        self.check_lake()

    def test_skip_leaves_the_second_undone(self):
        ends = self.two("skip")
        self.assertIn((0, "succeeded"), ends)
        self.assertTrue(all(end in ((0, "succeeded"), (0, "skipped")) for end in ends), ends)
        self.check_lake()

    def test_fail_refuses_the_second(self):
        ends = self.two("fail")
        self.assertIn((0, "succeeded"), ends)
        self.assertTrue(all(end in ((0, "succeeded"), (75, "failed")) for end in ends), ends)
        self.check_lake()

    def test_cancel_ends_the_first_and_the_second_does_the_work(self):
        ends = self.two("cancel")
        self.assertIn((0, "succeeded"), ends)
        self.assertTrue(all(end in ((0, "succeeded"), (130, "cancelled")) for end in ends), ends)
        self.check_lake()

    def test_a_queued_run_waits_for_the_one_before_it(self):
        self.apply("queue")
        self.hold_back()
        first = self.start_held_back()
        second = self.start()
        self.wait_for("SELECT state FROM flow_run ORDER BY created_at_us, run_id", [("running",), ("queued",)], second)
        self.let_go()
        self.assertEqual([self.end(first), self.end(second)], [(0, "succeeded")] * 2)
        (running,), _ = self.sql("SELECT run_id FROM flow_run ORDER BY created_at_us, run_id")
        self.assertIn(f"waits: run {running} of flow 'shop' is running", second.said)
        self.check_lake(2)

    def test_skip_and_fail_say_so_at_once(self):
        for word, end in (("skip", (0, "skipped")), ("fail", (75, "failed"))):
            with self.subTest(word):
                self.apply(word)
                self.hold_back()
                first = self.start_held_back()
                self.assertEqual(self.end(self.start()), end)
                self.assertIn("running", self.states(), "the first does not mind")
                self.let_go()
                self.assertEqual(self.end(first), (0, "succeeded"))
                self.check_lake(2)

    def test_cancel_ends_the_run_before_it_and_does_its_work(self):
        self.apply("cancel")
        self.hold_back()
        first = self.start_held_back()
        second = self.start()
        self.assertEqual(self.end(first), (130, "cancelled"))
        self.let_go()
        self.assertEqual(self.end(second), (0, "succeeded"))
        self.check_lake(2)

    def test_a_run_that_is_killed_does_not_hold_up_the_one_that_waits(self):
        self.apply("queue")
        self.hold_back()
        first = self.start_held_back()
        second = self.start()
        self.wait_for("SELECT state FROM flow_run ORDER BY created_at_us, run_id", [("running",), ("queued",)], second)
        first.send_signal(signal.SIGKILL)
        first.wait()
        self.wait_for("SELECT state FROM flow_run ORDER BY created_at_us, run_id", [("failed",), ("running",)], second)
        self.let_go()
        self.assertEqual(self.end(second), (0, "succeeded"))
        self.check_lake(2)
        # What was killed can still be brought to its end: there is nothing left to do.
        killed, = self.sql("SELECT run_id FROM flow_run WHERE state = 'failed'")
        self.project.weir("retry", killed[0])
        self.assertEqual(self.states(), ["succeeded"] * 2)
        self.check_lake(2)

    def test_a_run_that_is_killed_in_the_queue_does_not_hold_up_those_behind_it(self):
        self.apply("queue")
        self.hold_back()
        first = self.start_held_back()
        second = self.start()
        self.wait_for("SELECT count(*) FROM flow_run WHERE state = 'queued'", [("1",)], second)
        third = self.start()
        self.wait_for("SELECT count(*) FROM flow_run WHERE state = 'queued'", [("2",)], third)
        second.send_signal(signal.SIGKILL)
        second.wait()
        self.let_go()
        self.assertEqual([self.end(first), self.end(third)], [(0, "succeeded")] * 2)
        self.assertEqual(self.states(), ["succeeded", "failed", "succeeded"])
        self.check_lake(2)

    def test_a_run_can_be_cancelled_in_the_queue(self):
        self.apply("queue")
        self.hold_back()
        first = self.start_held_back()
        second = self.start()
        self.wait_for("SELECT count(*) FROM flow_run WHERE state = 'queued'", [("1",)], second)
        queued, = self.sql("SELECT run_id FROM flow_run WHERE state = 'queued'")
        self.project.weir("cancel", queued[0])
        self.assertEqual(self.end(second), (130, "cancelled"))
        self.let_go()
        self.assertEqual(self.end(first), (0, "succeeded"))
        self.check_lake(2)

    def test_one_run_key_is_one_run(self):
        self.apply("queue")
        self.hold_back()
        first = self.start_held_back("--run-key", "k")
        status, said = self.end(self.start("shop", "--run-key", "k"))
        self.assertEqual(status, 75)
        self.assertIn("is being worked on by", said)
        run, = self.sql("SELECT run_id FROM flow_run")
        retry = self.project.weir("retry", run[0], expect=75)
        self.assertIn("is being worked on by", retry.stderr)
        self.let_go()
        self.assertEqual(self.end(first), (0, "succeeded"))
        self.assertEqual(self.end(self.start("shop", "--run-key", "k")), (0, "succeeded"))
        self.assertEqual(self.states(), ["succeeded"])
        self.check_lake(2)

    def test_as_many_runs_as_are_allowed_go_at_once_and_write_one_after_the_other(self):
        self.project.write("flows/shop.yaml", FLOW.replace("overlap: queue", "overlap: fail\nmax_active_runs: 2"))
        self.land(3)
        self.project.weir("apply")
        self.hold_back()
        first = self.start_held_back()
        second = self.start()
        self.wait_for("SELECT count(*) FROM task_run WHERE state = 'running'", [("2",)], second)
        self.assertEqual(self.end(self.start()), (75, "failed"))
        self.let_go()
        self.assertEqual([self.end(first), self.end(second)], [(0, "succeeded")] * 2)
        self.check_lake(3)

    def test_two_flows_on_one_dataset_have_one_effect_whatever_the_word(self):
        for number, word in enumerate(WORDS):
            with self.subTest(word):
                shop = FLOW.replace("overlap: queue", f"overlap: {word}")
                self.project.write("flows/shop.yaml", shop)
                self.project.write("flows/twin.yaml", shop.split("---")[0].replace("flow: shop", "flow: twin"))
                for day in (1, 2):
                    self.project.land(f"customers-20260{number + 1}0{day}.csv", (A, B)[day - 1])
                self.project.weir("apply")
                ends = [self.end(process) for process in [self.start("shop"), self.start("twin")]]
                self.assertEqual(ends, [(0, "succeeded")] * 2)
                self.assertEqual(len(self.project.commits("stage.customers")), 2 * (number + 1))
                self.project.weir("reconcile")
        self.assertEqual(set(self.states()), {"succeeded"})


class OverlapOnPostgres(Overlap):
    catalog = "postgres"

    @classmethod
    def setUpClass(cls):
        import postgres
        try:
            cls.context = postgres.server()
            cls.server = cls.context.__enter__()
        except postgres.Missing as why:
            print(f"skipped: {why}")
            raise unittest.SkipTest(str(why)) from why

    @classmethod
    def tearDownClass(cls):
        cls.context.__exit__(None, None, None)

    def new_catalog(self):
        return self.server.create_database()

    def sql(self, text):
        said = self.server.sql(self.project.environment["WEIR_CATALOG"], text)
        return [tuple(line.split("|")) for line in said.splitlines()] if text.startswith("SELECT") else []


if __name__ == "__main__":
    unittest.main(verbosity=1)
