"""Limits of a task count what it started, and nothing of that is left when it ends, however it tried to get away. The
program is one in place of spark-submit."""
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import unittest

from server_client import Server, add_token, add_user
from weir_project import Project

from waiting import wait_for  # noqa: E402, its folder is known by then

YAML = """
project: shop
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: data/raw}
  - {name: stage, uri: data/stage}
datasets:
  - {name: raw.orders, identity: content, columns: {id: varchar, changed_at: timestamp}}
  - {name: stage.orders, key: [id]}
defaults: {retries: 0}
"""
FLOW = """
flow: shop
tasks:
  - {id: ingest, template: ingest_files, with: {from: "landing/*.csv", to: raw.orders}}
  - id: latest
    template: merge_latest
    engine: spark
    SETTINGS
    needs: [ingest]
    with: {from: raw.orders, to: stage.orders, order_by: changed_at}
"""
# By its first word: what it does beside the two processes that it leaves in sessions of their own, whose parents are gone.
PROGRAM = '''
import os, signal, sys, time

def note(pid):
    with open(FOLDER + "/pids", "a") as file:
        file.write(f"{pid}\\n")

def daemon(work):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            note(os.getpid())
            work()
        os._exit(0)
    os.wait()

def sleep():
    os.execve("/bin/sleep", ["sleep", "1000"], {} if what != "marked" else os.environ)

def eat(bytes, seconds):
    eaten = bytearray(b"x") * bytes
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return eaten

what = open(FOLDER + "/what").read()
note(os.getpid())
for _ in range(2):
    daemon(sleep)
if what == "eats":
    daemon(lambda: (eat(400_000_000, 0), time.sleep(1000)))
if what == "works":
    if os.fork() == 0:
        eaten = eat(150_000_000, 0.4)
        time.sleep(0.3)
        os._exit(0)
    os.wait()
    sys.exit(3)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while len(open(FOLDER + "/pids").read().split()) < 3:
    time.sleep(0.01)
open(FOLDER + "/ready", "w").close()
time.sleep(1000)
'''


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class TaskTree(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-tree-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(self.end_all)
        program = self.folder / "submit.py"
        program.write_text(f"FOLDER = {str(self.folder)!r}\n{PROGRAM}")
        self.project.environment["WEIR_SPARK_SUBMIT"] = f"{sys.executable} {program}"
        (self.project.folder / "flows/shop.yaml").unlink()
        self.project.write("weir.yaml", YAML)
        self.project.land("1.csv", "id,changed_at\n1,2026-01-01T10:00:00Z\n")

    def pids(self):
        path = self.folder / "pids"
        return [int(word) for word in path.read_text().split()] if path.exists() else []

    def end_all(self):
        for pid in filter(is_alive, self.pids()):
            os.kill(pid, signal.SIGKILL)

    def configure(self, what, settings=""):
        (self.folder / "what").write_text(what)
        self.project.write("flows/shop.yaml", FLOW.replace("SETTINGS", settings))
        self.project.weir("apply")

    def serve(self, *words):
        server = Server(self.project, *words, runs=True)
        self.addCleanup(server.close)
        return server

    def start(self, what, settings="", words=()):
        """A server whose task has its program and all that this started."""
        self.configure(what, settings)
        server = self.serve(*words)
        self.project.weir("run", "shop", "--detach")
        wait_for("the program", (self.folder / "ready").exists, say=server.said)
        self.assertEqual(len(self.pids()), 4 if what == "eats" else 3)
        return server

    def task(self):
        rows = self.project.sqlite("SELECT state, error_code, error_text, cpu_ms, peak_memory_bytes FROM task_run WHERE task_id = 'latest'")
        return rows[0] if rows else ("",)

    def assert_nothing_left(self, server, state, seconds=60):
        wait_for("its end", lambda: self.task()[0] == state, seconds, say=lambda: f"{self.task()} {server.said()}")
        wait_for("the end of what it started", lambda: not list(filter(is_alive, self.pids())), 10,
                 say=lambda: [pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() for pid in filter(is_alive, self.pids())])

    def pid_of_task(self):
        """Of the process of weir that has the program below it."""
        stat = pathlib.Path(f"/proc/{self.pids()[0]}/stat").read_text()
        return int(stat.rpartition(")")[2].split()[1])

    def test_cancelling_leaves_nothing(self):
        server = self.start("hangs")
        self.project.weir("cancel", "shop")
        self.assert_nothing_left(server, "cancelled")

    def test_a_timeout_leaves_nothing(self):
        server = self.start("hangs", "timeout: 2s")
        self.assert_nothing_left(server, "failed")
        self.assertIn("the task's timeout of 2s has passed", self.task()[2])

    def test_a_task_that_does_not_heed_its_timeout_is_killed_with_all_of_it(self):
        server = self.start("hangs", "timeout: 1s")
        os.kill(self.pid_of_task(), signal.SIGSTOP)
        self.assert_nothing_left(server, "failed")
        self.assertRegex(self.task()[2], "its process was killed: it ran for more than 11000 ms")

    def test_above_its_memory_limit_all_of_it_is_killed(self):
        self.configure("eats", "resources: {process_memory_limit: 300MB}")
        server = self.serve()
        self.project.weir("run", "shop", "--detach")
        self.assert_nothing_left(server, "failed")
        _, code, text, cpu_ms, peak = self.task()
        self.assertEqual(code, "resource_exhausted")
        self.assertRegex(text, r"its process was killed: it and the \d processes below it used \d+ MB of memory, its limit is 300 MB")
        self.assertGreater(peak, 300_000_000)
        self.assertGreater(cpu_ms, 0)

    def test_below_its_limit_it_is_left_alone(self):
        server = self.start("eats", "resources: {process_memory_limit: 2GB}")
        self.assertEqual(self.task()[0], "running")
        self.project.weir("cancel", "shop")
        self.assert_nothing_left(server, "cancelled")

    def test_a_task_that_is_killed_leaves_nothing(self):
        server = self.start("hangs")
        os.kill(self.pid_of_task(), signal.SIGKILL)
        self.assert_nothing_left(server, "failed")

    def test_threads_leave_nothing(self):
        server = self.start("marked", words=("--threads",))
        self.project.weir("cancel", "shop")
        self.assert_nothing_left(server, "cancelled")

    def test_what_children_took_is_told(self):
        self.configure("works")
        add_user(self.project, "ann", "viewer")
        token = add_token(self.project, "ann")
        server = self.serve()
        self.project.weir("run", "shop", "--detach")
        self.assert_nothing_left(server, "failed")
        _, _, _, cpu_ms, peak = self.task()
        self.assertGreater(cpu_ms, 400)
        self.assertGreater(peak, 150_000_000)
        self.assertLess(peak, 600_000_000)
        report = json.loads(self.project.weir("--output", "json", "status", "shop", expect=None).stdout.splitlines()[-1])
        (row,) = [task for task in report["tasks"] if task["task_id"] == "latest"]
        self.assertEqual((row["cpu_ms"], row["peak_memory_bytes"]), (cpu_ms, peak))
        text = self.project.weir("status", "shop", expect=None).stdout
        self.assertRegex(text, r"task +state +try +took +cpu +memory")
        self.assertRegex(text, rf"latest +failed +1 +\d+\.\d+ s +{cpu_ms // 1000}\.{cpu_ms % 1000:03} s +\d+ MB ")
        said = wait_for("the figures", lambda: self.figures(server, token))
        self.assertEqual(said['weir_task_attempts_total{flow="shop",template="merge_latest"}'], 1)
        self.assertAlmostEqual(said['weir_task_cpu_seconds_total{flow="shop",template="merge_latest"}'], cpu_ms / 1000)
        self.assertEqual(said['weir_task_peak_memory_bytes_sum{template="merge_latest"}'], peak)
        self.assertEqual(said['weir_task_peak_memory_bytes_bucket{template="merge_latest",le="100000000"}'], 0)
        self.assertEqual(said['weir_task_peak_memory_bytes_bucket{template="merge_latest",le="1000000000"}'], 1)

    def figures(self, server, token):
        text = server.ask("GET", "/metrics", token).body.decode()
        found = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("weir_task_")}
        return found if 'weir_task_attempts_total{flow="shop",template="merge_latest"}' in found else None


if __name__ == "__main__":
    unittest.main()
