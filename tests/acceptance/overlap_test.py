"""Two processes at once: what the overlap word says, on SQLite and on PostgreSQL; no double effect."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from weir_project import A, B, FLOW, WEIR, Project  # noqa: E402


class Overlap(unittest.TestCase):
    catalog = None  # SQLite in the project

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        if self.catalog:
            self.project.environment["WEIR_CATALOG"] = self.new_catalog()

    def start(self, flow):
        return subprocess.Popen([WEIR, "--project", str(self.project.folder), "--output", "json", "run", flow],
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.project.environment)

    def two(self, word):
        self.project.write("flows/shop.yaml", FLOW.replace("overlap: queue", f"overlap: {word}"))
        for day, content in enumerate((A, B, A, B, A), 1):
            self.project.land(f"customers-2026010{day}.csv", content)
        self.project.weir("apply")
        both = [self.start("shop"), self.start("shop")]
        ends = []
        for process in both:
            out, err = process.communicate(timeout=240)
            report = [json.loads(line) for line in out.splitlines() if '"report"' in line]
            ends.append((process.returncode, report[-1]["run"]["state"] if report else err))
        return sorted(ends)

    def check_lake(self):
        self.assertEqual(len(self.project.commits("stage.customers")), 5)
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

    def test_two_flows_on_one_dataset_have_one_effect(self):
        self.project.write("flows/twin.yaml", FLOW.split("---")[0].replace("flow: shop", "flow: twin"))
        for day, content in enumerate((A, B, A), 1):
            self.project.land(f"customers-2026010{day}.csv", content)
        self.project.weir("apply")
        both = [self.start("shop"), self.start("twin")]
        for process in both:
            _, err = process.communicate(timeout=240)
            self.assertEqual(process.returncode, 0, err)
        self.assertEqual(len(self.project.commits("stage.customers")), 3)
        self.project.weir("reconcile")


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


if __name__ == "__main__":
    unittest.main(verbosity=1)
