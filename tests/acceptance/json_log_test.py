"""The log of a server as JSON: what it says of runs, tasks and failures, in lines that machines read."""
import datetime
import json
import re
import socket
import time
import unittest

from server_client import Server, add_token, add_user
from weir_project import Project

YAML = """
project: test
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: data/landing}
connections:
  - {connection_id: nobody, kind: http, url: "http://127.0.0.1:9", allow_loopback: true}
"""
FLOW = """
flow: night
schedule: {cron: "0 2 * * *", timezone: Europe/Oslo}
tasks:
  - {id: meet, template: noop}
  - {id: ingest, template: fetch_http, needs: [meet], with: {connection: nobody, path: /rates, to: landing/rates}}
"""


class JsonLog(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        (self.project.folder / "flows/shop.yaml").unlink()
        self.project.write("weir.yaml", YAML)
        self.project.write("flows/night.yaml", FLOW)
        self.project.weir("apply")
        add_user(self.project, "ann", "admin")
        self.token = add_token(self.project, "ann")

    def end_of(self, run_id, server):
        deadline = time.monotonic() + 120
        while True:
            run = server.ask("GET", f"/v1/runs/{run_id}", self.token).json
            run = run.get("run", run)
            if run["state"] not in ("queued", "running"):
                return run
            self.assertLess(time.monotonic(), deadline, server.said())
            time.sleep(0.05)

    def test_each_line_is_an_object_that_names_run_task_and_error(self):
        server = Server(self.project, "--log-format", "json", runs=True)
        self.addCleanup(server.close)
        run_id = server.ask("POST", "/v1/flows/night/runs", self.token, {}).json["run_id"]
        run = self.end_of(run_id, server)
        self.assertEqual(run["state"], "failed")
        self.assertRegex(run["time_zone_release"], r"^20\d\d[a-z]", "by which rules a schedule is read is kept")
        self.assertEqual(server.stop(), 0)
        # The address of the server is told on standard output, for people.
        said = (self.project.folder / "server.log").read_text().splitlines()
        lines = [json.loads(line) for line in said if line.startswith("{")]
        plain = [line for line in said if not line.startswith("{")]
        self.assertFalse([line for line in plain if re.search(r"warn|error|run |task", line)], plain)
        for line in lines:
            datetime.datetime.fromisoformat(line["time"])
            self.assertIn(line["level"], ("debug", "info", "warning", "error"))
            self.assertTrue(line["message"], line)
            self.assertEqual(line["server"], f"{socket.gethostname()}, process {server.process.pid}", "also of a task's process")
        of_run = [line for line in lines if line.get("run_id") == run_id]
        self.assertTrue(all(line["flow_id"] == "night" for line in of_run if "flow_id" in line), of_run)
        ends = {line["task_id"]: line for line in of_run if line.get("event") == "task_finished"}
        self.assertEqual({task: line["state"] for task, line in ends.items()}, {"meet": "succeeded", "ingest": "failed"})
        self.assertEqual(ends["ingest"]["level"], "warning")
        self.assertTrue(ends["ingest"].get("code"), ends["ingest"])
        self.assertEqual(ends["meet"]["attempt"], 1)


if __name__ == "__main__":
    unittest.main()
