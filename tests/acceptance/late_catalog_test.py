"""A server that is started before its PostgreSQL answers waits for it; where waiting cannot help it ends and says why."""
import json
import pathlib
import signal
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

from weir_project import WEIR, Project

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import postgres  # noqa: E402
from waiting import wait_for  # noqa: E402

YAML = """
project: shop
layers:
  - {name: raw, uri: data/raw}
"""
FLOW = """
flow: shop
tasks:
  - {id: nothing, template: noop}
"""


class LateCatalog(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        context = postgres.server()
        try:
            cls.database = context.__enter__()
        except postgres.Missing as why:
            print(f"skipped: {why}")
            raise unittest.SkipTest(str(why))
        cls.addClassCleanup(context.__exit__, None, None, None)

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.project.write("weir.yaml", YAML)
        self.project.write("flows/shop.yaml", FLOW)
        self.url = self.database.create_database()
        self.port = postgres.free_port()
        self.ready = self.project.folder / "ready.json"

    def serve(self, url=None):
        log = open(self.project.folder / "server.log", "ab+")
        self.addCleanup(log.close)
        process = subprocess.Popen([WEIR, "--project", str(self.project.folder), "--catalog", url or self.url, "serve", "--port", str(self.port),
                                    "--ready-file", str(self.ready)], stdout=log, stderr=log, env=self.project.environment)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait(60)

    def said(self):
        return (self.project.folder / "server.log").read_text()

    def ask(self, path):
        """Status and body; nothing while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())
        except urllib.error.URLError:
            return None

    def away(self):
        self.database.stop()
        self.addCleanup(lambda: self.database._process or self.database.start())

    def test_it_waits_and_then_serves(self):
        self.project.weir("--catalog", self.url, "apply")
        self.away()
        process = self.serve()
        wait_for("health", lambda: self.ask("/healthz"), say=self.said)
        self.assertEqual(self.ask("/healthz")[0], 200)
        status, body = self.ask("/readyz")
        self.assertEqual((status, body["is_ready"]), (503, False))
        self.assertIn("the catalog cannot be reached", body["reason"])
        for path in ("/v1/flows", "/metrics"):
            self.assertEqual(self.ask(path)[0], 503, path)
        self.assertEqual(self.ask("/v1/nothing")[0], 404)
        wait_for("a word", lambda: "the server waits for it" in self.said())
        self.assertFalse(self.ready.exists())
        self.assertIsNone(process.poll())
        self.database.start()
        wait_for("readiness", lambda: self.ask("/readyz")[0] == 200, say=self.said)
        wait_for("the ready file", self.ready.exists)
        self.assertEqual(self.ask("/v1/flows")[0], 401, "from now on it asks who calls")
        self.assertEqual(self.said().count("the catalog cannot be reached"), 1, self.said())
        # It drives runs.
        self.project.weir("--catalog", self.url, "run", "shop", "--detach")
        wait_for("the run", lambda: "succeeded" in self.database.sql(self.url, "SELECT state FROM flow_run"), say=self.said)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 0)

    def test_it_ends_while_it_waits(self):
        self.away()
        process = self.serve()
        wait_for("a word", lambda: "the server waits for it" in self.said())
        wait_for("health", lambda: self.ask("/healthz"))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 0, self.said())
        self.assertIn("stopped", self.said())

    def test_what_waiting_cannot_mend_ends_it(self):
        for url, words in ((self.url + "_none", "does not exist"), (self.url.replace("postgres@", "nobody@"), "role"),
                           ("postgresql://%", "URL of the catalog")):
            process = self.serve(url)
            self.assertIn(process.wait(60), (1, 2), self.said())
            self.assertIn(words, self.said())
        self.assertNotIn("waits for it", self.said())

    def test_what_turns_out_while_it_waits_ends_it(self):
        self.away()
        process = self.serve(self.url + "_none")
        wait_for("a word", lambda: "the server waits for it" in self.said())
        self.database.start()
        self.assertEqual(process.wait(60), 1, self.said())
        self.assertIn("does not exist", self.said())

    def test_other_commands_do_not_wait(self):
        self.away()
        self.project.weir("--catalog", self.url, "runs", expect=75)


if __name__ == "__main__":
    unittest.main()
