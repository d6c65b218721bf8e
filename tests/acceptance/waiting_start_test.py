"""Runs that are due and cannot start: somebody is told, everybody can see it, and they start once they can."""
import json
import sqlite3
import time
import unittest

import notify_test
from server_client import Server, add_token, add_user
from weir_project import Project

YAML = """
project: market
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: landing}
  - {name: raw, uri: "${RAW:-raw}"}
connections:
  - {connection_id: shop, kind: sqlite, path: shop.db}
  - {connection_id: ops, kind: webhook, url: "URL"}
defaults: {retries: 0}
notifications:
  - {rule_id: night, channel: ops, events: [failed, recovered]}
"""
FLOW = """
flow: tables
schedule: {every: 1s}
tasks:
  - id: load
    template: ingest_database
    for_each: {tables: {connection: shop, like: "*"}}
    with: {connection: shop, table: "${each.name}", to: "raw.${each.table}", mode: full}
"""
FILES = """
flow: files
file_trigger: {pattern: "landing/*.csv", settle: 0s}
tasks:
  - {id: ingest, template: ingest_files, with: {from: "landing/*.csv", to: raw.sales}}
"""


class WaitingStart(unittest.TestCase):
    def setUp(self):
        self.hook = notify_test.Webhook()
        self.addCleanup(self.hook.close)
        self.project = Project()
        self.addCleanup(self.project.close)
        for name in ("shop", "sql"):
            (self.project.folder / f"flows/{name}.yaml").unlink(missing_ok=True)
        self.project.write("weir.yaml", YAML.replace("URL", self.hook.url))
        self.project.write("landing/.keep", "")
        self.project.write("flows/tables.yaml", FLOW)

    def serve(self, **environment):
        add_user(self.project, "ann", "admin")
        self.token = add_token(self.project, "ann")
        return self.again(**environment)

    def again(self, **environment):
        self.server = Server(self.project, "--threads", runs=True, **environment)
        self.addCleanup(self.server.close)
        return self.server

    def make_database(self):
        with sqlite3.connect(self.project.folder / "shop.new") as line:
            line.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, amount INTEGER)")
            line.execute("INSERT INTO orders VALUES (1, 5)")
        line.close()
        (self.project.folder / "shop.new").rename(self.project.folder / "shop.db")

    def told(self):
        return [json.loads(body) for _, _, body in list(self.hook.asked)]

    def wait_for(self, what, *, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            got = what()
            if got:
                return got
            if time.monotonic() > deadline:
                self.fail(f"it did not come: {self.server.said()}")
            time.sleep(0.05)

    def waiting(self):
        return self.server.ask("GET", "/v1/waiting_starts", self.token).json["waiting_starts"]

    def test_a_database_that_is_not_there_is_told_once_and_its_return_is_a_recovery(self):
        self.project.weir("apply")
        self.serve()
        self.wait_for(self.told)
        first = self.told()[0]
        self.assertEqual((first["event"], first["flow"], first["run_id"], first["state"]), ("failed", "tables", "", "cannot start"))
        self.assertIn("cannot start, and is tried again by itself", first["body"])
        self.assertIn("shop.db", first["body"])
        self.wait_for(lambda: self.waiting()[0]["tries"] >= 3)
        one = self.waiting()[0]
        self.assertEqual((one["flow_id"], one["trigger"]), ("tables", "scheduled"))
        self.assertLess(one["tries"], 6, "it is not tried each second")
        flow = self.server.ask("GET", "/v1/flows", self.token).json["flows"][0]
        self.assertEqual(flow["waiting_starts"][0]["error_code"], one["error_code"])
        self.assertEqual(len(self.server.ask("GET", "/v1/flows/tables", self.token).json["waiting_starts"]), 1)
        metrics = self.server.ask("GET", "/metrics", self.token).body.decode()
        self.assertIn("\nweir_waiting_starts 1\n", metrics)
        self.assertIn('weir_waiting_start_since_timestamp_seconds{flow="tables",trigger="scheduled"} 1', metrics)
        status = self.project.weir("status").stdout
        self.assertRegex(status, r"tables.*cannot start since 20\S+Z \(\d+ tries\): ")
        self.assertRegex(self.project.weir("runs").stdout, r"\(none yet\) +tables +cannot start")
        self.assertNotIn("cannot start", self.project.weir("runs", "--state", "failed").stdout)
        self.assertEqual(json.loads(self.project.weir("--output", "json", "runs").stdout)["waiting_starts"][0]["flow_id"], "tables")
        self.assertEqual(len(self.told()), 1, self.told())
        self.assertEqual(self.server.said().count("cannot start, and is tried again"), 1)
        self.make_database()
        self.wait_for(lambda: len(self.told()) > 1)
        self.assertEqual([each["event"] for each in self.told()][:2], ["failed", "recovered"])
        self.assertEqual(self.waiting(), [])
        self.assertNotIn("cannot start", self.project.weir("status").stdout)

    def test_nothing_that_was_due_is_lost(self):
        self.project.write("flows/tables.yaml", FLOW.replace("{every: 1s}", "{every: 1s, catchup: all}"))
        self.project.weir("apply")
        self.serve()
        self.wait_for(lambda: self.waiting() and self.waiting()[0]["tries"] >= 3)
        first = self.waiting()[0]["run_key"]
        self.make_database()
        self.wait_for(lambda: not self.waiting())
        self.wait_for(lambda: len(self.project.sqlite("SELECT 1 FROM flow_run WHERE state = 'succeeded'")) >= 4)
        runs = self.project.sqlite("SELECT run_key, logical_time_us FROM flow_run ORDER BY logical_time_us")
        self.assertEqual(runs[0][0], first)
        for (_, before), (_, after) in zip(runs, runs[1:]):
            self.assertEqual(after - before, 1_000_000, runs)

    def test_a_variable_that_is_missing_since_the_restart_is_told_too(self):
        self.make_database()
        self.project.write("weir.yaml", YAML.replace("URL", self.hook.url).replace("${RAW:-raw}", "${RAW}"))
        self.project.write("flows/files.yaml", FILES)
        self.project.weir("apply", RAW="raw")
        self.project.weir("run", "tables", RAW="raw")
        self.project.environment["RAW"] = "raw"
        self.serve()
        self.wait_for(lambda: self.project.sqlite("SELECT 1 FROM arrival_watch"))
        self.server.close()
        del self.project.environment["RAW"]
        before = len(self.told())
        self.again()
        self.project.write("landing/1.csv", "id\n1\n")
        self.wait_for(lambda: len(self.told()) >= before + 2)
        told = {each["flow"]: each for each in self.told()[before:]}
        self.assertEqual(set(told), {"tables", "files"}, told)
        self.assertIn("RAW", told["tables"]["body"])
        self.assertEqual({(each["flow_id"], each["trigger"]) for each in self.waiting()}, {("tables", "scheduled"), ("files", "file")})
        self.server.close()
        self.again(RAW="raw")
        self.wait_for(lambda: self.project.sqlite("SELECT 1 FROM flow_run WHERE flow_id = 'files' AND state = 'succeeded'"))
        self.wait_for(lambda: not self.waiting())
        self.wait_for(lambda: [each for each in self.told()[before:] if each["event"] == "recovered" and each["flow"] == "files"])

    def test_a_flow_that_is_paused_or_gone_waits_for_nothing(self):
        self.project.weir("apply")
        self.serve()
        self.wait_for(self.waiting)
        self.assertEqual(self.server.ask("POST", "/v1/flows/tables/pause", self.token, body={}).status, 204)
        self.wait_for(lambda: not self.waiting())


if __name__ == "__main__":
    unittest.main()
