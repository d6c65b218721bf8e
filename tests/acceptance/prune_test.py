"""Old runs are forgotten, by command and by a server; what the flow does next is what it did before."""
import json
import unittest

from restart_test import Case

DAY_US = 86_400_000_000


class Prune(Case):
    def age(self, days):
        self.project.sqlite("UPDATE flow_run SET created_at_us = created_at_us - ?, finished_at_us = finished_at_us - ?", days * DAY_US, days * DAY_US)
        self.project.sqlite("UPDATE config_version SET created_at_us = created_at_us - ?", days * DAY_US)

    def count(self, table):
        return self.project.sqlite(f"SELECT count(*) FROM {table}")[0][0]

    def test_what_is_old_goes_and_the_flow_goes_on(self):
        self.configure()
        self.project.weir("run", "sales")
        self.age(100)
        self.configure(settings="description: another version")
        for _ in range(2):
            self.project.weir("run", "sales")
        self.age(100)
        rows = self.project.rows("SELECT * FROM raw.sales ORDER BY id")
        told = self.json("prune", "--older-than", "90d", "--keep", "1", "--dry-run")[-1]
        self.assertEqual((told["event"], told["rows"]["runs"]), ("would_prune", 2))
        self.assertEqual(self.count("flow_run"), 3)
        said = self.project.weir("prune", "--older-than", "90d", "--keep", "1").stdout
        self.assertIn("removed 2 runs with 8 tasks", said)
        self.assertEqual((self.count("flow_run"), self.count("task_run"), self.count("config_version")), (1, 4, 1))
        self.assertEqual(self.project.sqlite("SELECT action FROM audit_log ORDER BY audit_log_id DESC LIMIT 1"), [("prune runs",)])
        self.assertEqual(json.loads(self.project.weir("--output", "json", "audit", "verify").stdout.splitlines()[-1]).get("is_whole", True), True)
        # Nothing is loaded twice, nothing is lost, and the chain holds.
        self.project.weir("run", "sales")
        self.assertEqual(self.project.rows("SELECT * FROM raw.sales ORDER BY id"), rows)
        self.project.weir("reconcile")
        self.assertIn("removed 1 runs", self.project.weir("prune", "--older-than", "90d", "--keep", "1").stdout, "there is a newer success")
        self.assertIn("removed 0 runs", self.project.weir("prune", "--older-than", "90d", "--keep", "1").stdout)

    def test_what_makes_no_sense_is_refused(self):
        self.configure()
        said = self.project.weir("prune", "--older-than", "5m", expect=2).stderr
        self.assertIn("--older-than 5m is shorter than 1d", said)
        self.assertIn("reading --older-than", self.project.weir("prune", "--older-than", "soon", expect=2).stderr)
        self.assertIn("--keep-runs 1h is shorter than 1d", self.project.weir("serve", "--keep-runs", "1h", expect=2).stderr)

    def test_a_server_forgets_by_itself(self):
        self.configure()
        for _ in range(22):
            self.project.weir("run", "sales", "--quiet")
        self.age(100)
        server = self.serve("--keep-runs", "90d")
        self.wait("old runs to go", lambda: self.count("flow_run") == 20, server)
        self.wait("its line", lambda: self.project.sqlite("SELECT 1 FROM audit_log WHERE action = 'prune runs' AND author = 'weir serve'"), server)


if __name__ == "__main__":
    unittest.main(verbosity=1)
