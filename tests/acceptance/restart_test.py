"""What people do with runs: take them up again where they broke, say how a task ended, pause a flow, make up for a stretch
of time, watch; and servers and tasks that are killed in the middle."""
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import time
import unittest

from server_client import Server
from weir_project import WEIR, Project

from waiting import wait_for  # noqa: E402, its folder is known by then

YAML = """
project: shop
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: data/raw}
  - {name: presentation, uri: data/presentation}
datasets:
  - {name: raw.sales, identity: content, columns: {id: bigint, amount: "decimal(10,2)"}}
  - {name: raw.other, identity: content, columns: {id: bigint}}
defaults: {retries: 0}
"""
FLOW = """
flow: sales
SETTINGS
tasks:
  - {id: ingest, template: ingest_files, with: {from: "landing/sales/*.csv", to: raw.sales}}
  - {id: total, template: transform, needs: [ingest], with: {to: presentation.total, sql: sql/total.sql}}
  - {id: rules, template: check, needs: [total], with: {dataset: presentation.total, rules: [{not_null: amount}]}}
  - {id: other, template: ingest_files, with: {from: "landing/other/*.csv", to: raw.other}}
"""
GOOD = "SELECT sum(amount) AS amount FROM raw.sales\n"
BAD = "SELECT sum(amout) AS amount FROM raw.sales\n"
ALWAYS = 99999999999999999


class Case(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        (self.project.folder / "flows/shop.yaml").unlink()
        self.project.environment["USER"] = "ann"
        self.project.write("weir.yaml", YAML)
        self.project.land("sales/1.csv", "id,amount\n1,10.00\n2,5.50\n")
        self.project.land("other/1.csv", "id\n1\n")

    def configure(self, settings="", sql=GOOD, flow=FLOW):
        self.project.write("sql/total.sql", sql)
        self.project.write("flows/sales.yaml", flow.replace("SETTINGS", settings))
        self.project.weir("apply")

    def json(self, *words, expect=0):
        return [json.loads(line) for line in self.project.weir("--output", "json", *words, expect=expect).stdout.splitlines()]

    def tasks(self, flow="sales"):
        """State and attempt of each task of the newest run."""
        rows = self.project.sqlite(
            "SELECT task_id, state, attempt FROM task_run WHERE run_id = (SELECT run_id FROM flow_run WHERE flow_id = ? "
            "ORDER BY created_at_us DESC LIMIT 1)", flow)
        return {task: (state, attempt) for task, state, attempt in rows}

    def state(self, flow="sales"):
        rows = self.project.sqlite("SELECT state FROM flow_run WHERE flow_id = ? ORDER BY created_at_us DESC LIMIT 1", flow)
        return rows[0][0] if rows else None

    def wait(self, what, condition, server=None, seconds=60):
        return wait_for(what, condition, seconds, say=lambda: f"{self.project.sqlite('SELECT * FROM flow_run')} {server.said() if server else ''}")

    def serve(self, *words, **environment):
        server = Server(self.project, *words, runs=True, **environment)
        self.addCleanup(server.close)
        return server

    def hold_back(self, dataset):
        """Whoever writes the dataset stands still until let_go: its lease is the test's."""
        self.project.sqlite(
            "INSERT INTO lease (name, holder, host, epoch, expires_at_us) VALUES (?, 'the test', 'elsewhere', 1, ?) ON CONFLICT (name) "
            "DO UPDATE SET holder = 'the test', host = 'elsewhere', expires_at_us = excluded.expires_at_us", f"dataset:{dataset}", ALWAYS)

    def let_go(self, dataset):
        self.project.sqlite("UPDATE lease SET holder = '', expires_at_us = 0 WHERE name = ?", f"dataset:{dataset}")


class Restart(Case):
    def test_what_failed_goes_on_with_the_mended_configuration(self):
        self.configure(sql=BAD)
        failed = self.project.weir("run", "sales", expect=2)
        self.assertIn("weir retry", failed.stdout)
        self.assertEqual(self.tasks(), {"ingest": ("succeeded", 1), "total": ("failed", 1), "rules": ("skipped", 0), "other": ("succeeded", 1)})
        self.assertIn("amout", self.project.weir("logs", "sales", "total").stdout)
        # The same configuration fails again; what succeeded is left alone.
        self.project.weir("retry", "sales", expect=2)
        self.assertEqual(self.tasks(), {"ingest": ("succeeded", 1), "total": ("failed", 2), "rules": ("skipped", 0), "other": ("succeeded", 1)})
        first = self.project.sqlite("SELECT config_hash FROM flow_run")[0][0]
        self.configure(sql=GOOD)
        self.project.weir("retry", "sales", expect=2)  # Its own is still the old one.
        self.project.weir("retry", "sales", "--config", "latest")
        self.assertEqual(self.tasks(), {"ingest": ("succeeded", 1), "total": ("succeeded", 4), "rules": ("succeeded", 1), "other": ("succeeded", 1)})
        self.assertNotEqual(self.project.sqlite("SELECT config_hash FROM flow_run"), [(first,)])
        self.assertEqual(self.project.rows("SELECT amount FROM presentation.total"), [{"amount": "15.50"}])
        # By its hash the old one comes back, and fails as it did.
        self.project.weir("retry", "sales", "--from", "total", "--config", first[:12], expect=2)
        self.assertEqual(self.project.sqlite("SELECT config_hash FROM flow_run"), [(first,)])
        self.assertIn("no version of flow 'sales' begins with 'ffffffff'",
                      self.project.weir("retry", "sales", "--config", "ffffffff", expect=1).stderr)

    def test_a_run_that_succeeded_goes_on_from_a_task(self):
        self.configure()
        self.project.weir("run", "sales")
        self.assertIn("succeeded already", self.project.weir("retry", "sales", expect=2).stderr)
        self.project.weir("retry", "sales", "--from", "total")
        self.assertEqual({task: attempt for task, (_, attempt) in self.tasks().items()}, {"ingest": 1, "total": 2, "rules": 2, "other": 1})
        self.assertIn("did you mean 'total'?", self.project.weir("retry", "sales", "--from", "totl", expect=2).stderr)
        self.assertEqual(self.project.sqlite("SELECT count(*) FROM flow_run"), [(1,)])
        self.project.weir("rerun", "sales")
        self.assertEqual(self.project.sqlite("SELECT count(*), count(nullif(rerun_of, '')) FROM flow_run"), [(2, 1)])

    def test_a_task_is_marked_and_the_audit_log_says_by_whom(self):
        self.configure(sql=BAD)
        self.project.weir("run", "sales", expect=2)
        refused = self.project.weir("mark", "sales", "ingest", "succeeded", "--reason", "so", expect=2).stderr
        self.assertIn("task 'ingest' is succeeded", refused)
        self.project.weir("mark", "sales", "total", "succeeded", expect=2)  # without a reason
        self.project.weir("mark", "sales", "total", "succeeded", "--reason", "made by hand")
        self.assertEqual(self.tasks()["total"], ("succeeded", 1))
        audit = self.project.sqlite("SELECT author, details FROM audit_log WHERE action = 'mark task'")
        self.assertEqual([(author, json.loads(details)["reason"]) for author, details in audit], [("ann", "made by hand")])
        # It goes on behind it: `rules` begins, and finds nothing to check.
        self.project.weir("retry", "sales", expect=None)
        self.assertEqual(self.tasks()["total"], ("succeeded", 1))
        self.assertEqual(self.tasks()["rules"][1], 1)
        # And what did succeed is done again once somebody says that it is not good.
        self.project.weir("mark", "sales", "other", "failed", "--reason", "the wrong file")
        self.project.weir("retry", "sales", expect=None)
        self.assertEqual(self.tasks()["other"], ("succeeded", 2))

    def test_parameters_are_declared_and_have_a_type(self):
        self.configure("params: {day: today, count: 3}")
        self.project.weir("run", "sales", "--param", "day=2026-01-01", "--param", "count=7")
        self.assertEqual(json.loads(self.project.sqlite("SELECT params FROM flow_run")[0][0]), {"day": "2026-01-01", "count": 7})
        for word, why in (("dya=1", "did you mean 'day'?"), ("count=many", "no integer"), ("day", "is no parameter")):
            self.assertIn(why, self.project.weir("run", "sales", "--param", word, expect=2).stderr)
        self.assertEqual(self.project.sqlite("SELECT count(*) FROM flow_run"), [(1,)])


class Backfills(Case):
    WORDS = ("backfill", "sales", "--from", "2026-01-01", "--to", "2026-01-04")

    def keys(self):
        return self.project.sqlite("SELECT run_key, state, trigger_kind FROM flow_run ORDER BY created_at_us, run_id")

    def test_each_time_runs_once_oldest_first(self):
        for overlap in ("queue", "skip", "fail", "cancel"):
            with self.subTest(overlap=overlap):
                self.configure(f"schedule: '@daily'\noverlap: {overlap}\nmax_active_runs: 2")
                since = len(self.keys())
                words = [*self.WORDS, "--parallel", "3", *(["--again"] if since else [])]
                dry = self.json(*words, "--dry-run")[-1]
                self.assertEqual([run["logical_time"] for run in dry["runs"]], [f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3)])
                self.assertEqual(len(self.keys()), since)
                self.assertIn("2 at once", self.project.weir(*words).stdout)
                made = self.keys()[since:]
                made = sorted(made[:2]) + made[2:]  # two begin at once, the third behind one of them
                self.assertEqual([(key[-20:], state, trigger) for key, state, trigger in made],
                                 [(f"2026-01-0{day}T00:00:00Z", "succeeded", "backfill") for day in (1, 2, 3)])
        before = self.keys()
        again = self.project.weir(*self.WORDS).stdout
        self.assertIn("3 runs, 3 of them there before", again)
        self.assertEqual(self.keys(), before)
        rows = self.project.sqlite("SELECT interval_start_us, interval_end_us, logical_time_us, backfill_id FROM flow_run LIMIT 1")
        self.assertEqual([(end - start, end - time) for start, end, time, _ in rows], [(86_400_000_000, 0)])
        self.assertTrue(rows[0][3])

    def test_a_run_that_fails_stops_none_after_it(self):
        self.configure("schedule: '@daily'", sql=BAD)
        shown = self.project.weir(*self.WORDS, expect=2)
        self.assertEqual([state for _, state, _ in self.keys()], ["failed"] * 3)
        self.assertIn("amout", shown.stdout)
        self.project.weir(*self.WORDS)  # They have run: it is `weir retry` that mends them.
        self.assertEqual(len(self.keys()), 3)

    def test_a_stretch_without_times_is_refused(self):
        self.configure("schedule: '@daily'")
        for words, why in ((("--from", "2026-01-01T01:00:00Z", "--to", "2026-01-01T02:00:00Z"), "no time of"),
                           (("--from", "2026-01-02", "--to", "2026-01-01"), "must lie before"), (("--from", "2999-01-01", "--to", "2999-01-02"), "has not come yet")):
            self.assertIn(why, self.project.weir("backfill", "sales", *words, expect=2).stderr)

    def test_servers_take_a_queued_one_up(self):
        self.configure("schedule: {cron: '@daily', start: 2026-01-01, end: 2026-01-05}\noverlap: skip")
        server = self.serve()
        self.project.weir(*self.WORDS, "--detach")
        self.wait("their end", lambda: [state for _, state, how in self.keys() if how == "backfill"] == ["succeeded"] * 3, server)
        self.project.weir(*self.WORDS, "--detach")
        self.assertEqual(len([1 for _, _, trigger in self.keys() if trigger == "backfill"]), 3)


class Watching(Case):
    def test_status_is_a_table_of_all_flows(self):
        self.configure("schedule: {cron: '0 5 * * *', timezone: Europe/Berlin}")
        self.project.write("flows/more.yaml", FLOW.replace("flow: sales\nSETTINGS", "flow: idle"))
        self.project.weir("apply")
        self.project.weir("run", "sales")
        self.project.weir("pause", "sales", "--reason", "the till is repaired")
        self.assertIn("paused already", self.project.weir("pause", "sales", expect=None).stderr)
        lines = {line.split()[0]: line for line in self.project.weir("status").stdout.splitlines()}
        self.assertIn("never ran", lines["idle"])
        for word in ("succeeded", "paused", "by ann: the till is repaired"):
            self.assertIn(word, lines["sales"])
        self.assertIn("sales (paused)", self.project.weir("next").stdout)
        self.project.weir("resume", "sales")
        (status,) = self.json("status")
        (sales,) = [flow for flow in status["flows"] if flow["flow_id"] == "sales"]
        self.assertTrue(sales["next_due"])
        self.assertFalse(sales["is_paused"])
        self.assertEqual(sales["run"]["state"], "succeeded")
        self.assertNotIn("(paused)", self.project.weir("next").stdout)
        self.assertIn("did you mean 'sales'?", self.project.weir("pause", "sale", expect=1).stderr)
        self.assertIn("a terminal", self.project.weir("status", "--watch", expect=2).stderr)
        actions = [action for (action,) in self.project.sqlite("SELECT action FROM audit_log ORDER BY rowid")]
        self.assertEqual([each for each in actions if each.endswith(" flow")], ["pause flow", "resume flow"])

    def test_a_living_table_is_redrawn_until_interrupted(self):
        self.configure()
        main, terminal = pty.openpty()
        self.addCleanup(os.close, main)
        process = subprocess.Popen([WEIR, "--project", str(self.project.folder), "status", "--watch"], stdin=terminal, stdout=terminal,
                                   stderr=terminal, env=self.project.environment, start_new_session=True)
        os.close(terminal)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        shown = ""

        def read_until(word):
            nonlocal shown
            until = time.monotonic() + 60
            while word not in shown:
                self.assertLess(time.monotonic(), until, shown)
                if select.select([main], [], [], 0.1)[0]:
                    shown += os.read(main, 65536).decode()

        read_until("never ran")
        self.project.weir("run", "sales")
        read_until("succeeded")
        self.assertGreaterEqual(shown.count("\x1b[H\x1b[2J"), 2)
        os.kill(process.pid, signal.SIGINT)
        self.wait("its end", lambda: process.poll() is not None)
        self.assertEqual(process.returncode, 0)

    def test_logs_are_followed_until_the_run_ends(self):
        self.configure(sql=BAD)
        self.hold_back("raw.other")
        run = subprocess.Popen([WEIR, "--project", str(self.project.folder), "run", "sales"], env=self.project.environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(run.wait)
        self.wait("the run", lambda: self.tasks().get("total", ("", 0))[0] == "failed")
        follow = subprocess.Popen([WEIR, "--project", str(self.project.folder), "logs", "sales", "-f"], env=self.project.environment,
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(follow.wait)
        first = follow.stdout.readline()
        self.assertIn("[total#1]", first)
        self.assertIsNone(follow.poll())
        self.let_go("raw.other")
        rest = follow.stdout.read()  # Until its end: it ends by itself.
        self.assertEqual(follow.wait(60), 0)
        self.assertIn("is failed", rest.splitlines()[-1])

    def test_runs_are_found_by_state_and_time(self):
        self.configure()
        self.project.weir("run", "sales")
        self.configure(sql=BAD)
        self.project.land("sales/2.csv", "id,amount\n3,1.00\n")
        self.project.weir("run", "sales", expect=2)
        self.project.sqlite("UPDATE flow_run SET created_at_us = created_at_us - 5400000000 WHERE state = 'succeeded'")
        states = [[run["state"] for run in self.json("runs", *words)[0]["runs"]] for words in
                  ((), ("--state", "failed"), ("--since", "1h"), ("--since", "3h"), ("--state", "succeeded", "--since", "1h"))]
        self.assertEqual(states, [["failed", "succeeded"], ["failed"], ["failed"], ["failed", "succeeded"], []])
        self.assertIn("neither an instant nor a duration", self.project.weir("runs", "--since", "soon", expect=2).stderr)

    def test_a_graph_shows_needs_and_states(self):
        self.configure(flow=FLOW + '  - {id: alarm, template: check, needs: [rules, other], run_if: any_failed, '
                       'with: {dataset: presentation.total, rules: [{not_null: amount}]}}\n')
        self.project.weir("run", "sales")
        text = self.project.weir("graph", "sales", "--run", "newest").stdout
        lines = {line.split()[0]: line.split() for line in text.splitlines()[1:]}
        self.assertEqual(lines["rules"], ["rules", "check", "total", "succeeded"])
        self.assertEqual(lines["alarm"][-2:], ["any_failed", "skipped"])
        dot = self.project.weir("graph", "sales", "--format", "dot").stdout
        self.assertIn('"rules" -> "alarm" [label="any_failed"];', dot)
        self.assertEqual(dot.count("->"), 4)
        mermaid = self.project.weir("graph", "sales", "--format", "mermaid").stdout
        self.assertEqual(mermaid.count("-->"), 4)
        self.assertEqual(mermaid.count("-->|any_failed|"), 2)


class Rehearsals(Case):
    FLOWS = """
flow: sales
schedule: "*/10 * * * *"
overlap: skip
tasks:
  - {id: ingest, template: ingest_files, pool: till, with: {from: "landing/sales/*.csv", to: raw.sales}}
---
flow: other
file_trigger: {pattern: "landing/other/*.csv", settle: 30s}
tasks:
  - {id: ingest, template: ingest_files, pool: till, with: {from: "landing/other/*.csv", to: raw.other}}
"""

    def test_what_would_start_wait_and_be_skipped(self):
        self.project.write("weir.yaml", YAML + "pools: [{name: till, slots: 1}]\n")
        self.configure(flow=self.FLOWS)
        words = ("simulate", "--from", "2026-12-01", "--to", "2026-12-01T00:40:00Z", "--file", "landing/other/1.csv@2026-12-01T00:05:00Z",
                 "--file", "landing/x.csv@2026-12-01")
        self.assertIn("how long flow 'other' takes is not known", self.project.weir(*words, expect=2).stderr)
        before = self.project.sqlite("SELECT count(*) FROM flow_run") + self.project.sqlite("SELECT count(*) FROM flow_state")
        (told,) = self.json(*words, "--duration", "15m")
        self.assertEqual([(run["due"][11:19], run["flow_id"], run["end"], run["waited_for_slots_ms"]) for run in told["runs"]],
                         [("00:00:00", "sales", "succeeded", 0), ("00:05:30", "other", "succeeded", 570_000), ("00:10:00", "sales", "skipped", 0),
                          ("00:20:00", "sales", "succeeded", 600_000), ("00:30:00", "sales", "skipped", 0)])
        self.assertEqual(told["remarks"], ["landing/x.csv: starts no flow"])
        # It has no effect, and paused flows start nothing.
        after = self.project.sqlite("SELECT count(*) FROM flow_run") + self.project.sqlite("SELECT count(*) FROM flow_state")
        self.assertEqual(before, after)
        self.project.weir("pause", "sales")
        (told,) = self.json(*words, "--duration", "15m")
        self.assertEqual([(run["flow_id"], run["waited_for_slots_ms"]) for run in told["runs"]], [("other", 0)])

    def test_runs_take_as_long_as_they_used_to(self):
        self.configure("schedule: '@hourly'")
        self.project.weir("run", "sales")
        self.project.sqlite("UPDATE task_run SET finished_at_us = started_at_us + 60000000")
        (told,) = self.json("simulate", "--from", "2026-12-01", "--to", "2026-12-01T01:00:00Z")
        # Three tasks one after the other, a fourth beside them.
        self.assertEqual([(run["started"], run["ended"]) for run in told["runs"]], [("2026-12-01T00:00:00Z", "2026-12-01T00:03:00Z")])


class Servers(Case):
    def test_a_paused_flow_is_not_started_by_a_running_server(self):
        self.configure("schedule: {every: 1s, catchup: none}", flow=FLOW.split("  - {id: total")[0])
        server = self.serve()
        count = lambda: self.project.sqlite("SELECT count(*) FROM flow_run")[0][0]  # noqa: E731
        self.wait("a first run", count, server)
        self.project.weir("pause", "sales")
        seen = {"count": -1, "at": 0.0}

        def is_still():
            now = count()
            if now != seen["count"]:
                seen.update(count=now, at=time.monotonic())
            return time.monotonic() - seen["at"] > 4  # of a flow that is due each second

        self.wait("quiet", is_still, server)
        self.project.weir("resume", "sales")
        self.wait("another run", lambda: count() > seen["count"], server)

    def test_a_paused_flow_is_not_started_by_files(self):
        self.configure("file_trigger: {pattern: 'landing/sales/*.csv', settle: 0s, poll: 1s}", flow=FLOW.split("  - {id: total")[0])
        self.project.weir("pause", "sales")
        server = self.serve()
        self.project.land("sales/9.csv", "id,amount\n9,1.00\n")
        self.wait("its file", lambda: self.project.sqlite("SELECT count(*) FROM arrival WHERE state = 'due'")[0][0], server)
        time.sleep(2)  # Nothing happens: there is no condition to wait for.
        self.assertIsNone(self.state())
        self.project.weir("resume", "sales")
        self.wait("the run", lambda: self.state() == "succeeded", server)

    def test_a_run_is_left_to_the_servers(self):
        self.configure(sql=BAD)
        queued = self.json("run", "sales", "--detach")[-1]["run"]
        self.assertEqual(queued["state"], "queued")
        server = self.serve()
        self.wait("its end", lambda: self.state() == "failed", server)
        self.configure(sql=GOOD)
        self.project.weir("retry", "sales", "--config", "latest", "--detach")
        self.wait("its end", lambda: self.state() == "succeeded", server)
        self.assertEqual(self.tasks()["total"], ("succeeded", 2))
        self.project.weir("rerun", "sales", "--detach")
        self.wait("the other run", lambda: self.project.sqlite("SELECT count(*) FROM flow_run WHERE state = 'succeeded'")[0][0] == 2, server)

    def pid_of(self, process, task):
        """Of the child of the server that runs the task."""
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(self.project.folder).encode() in words and b"task" in words and task.encode() in words:
                return int(entry.name)
        return None

    def test_a_server_is_killed_in_the_middle_and_another_takes_over(self):
        self.configure()
        self.hold_back("raw.sales")
        server = self.serve()
        self.project.weir("run", "sales", "--detach")
        self.wait("both tasks", lambda: self.tasks().get("ingest", ("",))[0] == "running" and self.tasks()["other"][0] == "succeeded", server)
        child = self.wait("the task's process", lambda: self.pid_of(server.process, "ingest"))
        server.stop(signal.SIGKILL)
        os.kill(child, 0)  # It goes on.
        second = self.serve()
        self.let_go("raw.sales")
        self.wait("the end", lambda: self.state() == "succeeded", second, 120)
        # Nothing ran twice: one attempt each, one commit.
        self.assertEqual(self.tasks(), {task: ("succeeded", 1) for task in ("ingest", "total", "rules", "other")})
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM raw.sales"), [{"n": 2}])

    def test_a_task_that_is_killed_is_tried_again(self):
        self.configure(flow=FLOW.replace("id: ingest,", "id: ingest, retries: 1, retry_delay: 100ms,"))
        self.hold_back("raw.sales")
        server = self.serve()
        self.project.weir("run", "sales", "--detach")
        self.wait("the task", lambda: self.tasks().get("ingest", ("",))[0] == "running", server)
        child = self.wait("its process", lambda: self.pid_of(server.process, "ingest"))
        os.kill(child, signal.SIGKILL)
        self.wait("another try", lambda: self.tasks()["ingest"] == ("running", 2), server)
        other = self.wait("its process", lambda: self.pid_of(server.process, "ingest"))
        self.assertNotEqual(other, child)
        # And no more often than retries allow.
        os.kill(other, signal.SIGKILL)
        self.wait("the end", lambda: self.state() == "failed", server)
        self.assertEqual(self.tasks()["ingest"], ("failed", 2))
        self.let_go("raw.sales")
        self.project.weir("retry", "sales", "--detach")
        self.wait("the end", lambda: self.state() == "succeeded", server)
        self.assertEqual(self.tasks()["ingest"], ("succeeded", 3))

    def used(self):
        return self.project.sqlite("SELECT task_id, error_code, error_text, cpu_ms, peak_memory_bytes FROM task_run ORDER BY task_id")

    def fork_server_of(self, child):
        parent = int(pathlib.Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
        self.assertIn(b"fork-server", pathlib.Path(f"/proc/{parent}/cmdline").read_bytes())
        return parent

    def test_a_task_above_its_memory_limit_is_killed_and_says_so(self):
        self.configure(flow=FLOW.replace("id: ingest,", "id: ingest, resources: {process_memory_limit: 5MB},"))
        self.hold_back("raw.sales")
        server = self.serve()
        self.project.weir("run", "sales", "--detach")
        self.wait("the end", lambda: self.state() == "failed", server)
        rows = {row[0]: row[1:] for row in self.used()}
        code, text, cpu_ms, peak = rows["ingest"]
        self.assertEqual(code, "resource_exhausted")
        self.assertRegex(text, r"its process was killed: it used \d+ MB of memory, its limit is 5 MB")
        self.assertGreater(peak, 5_000_000)
        # What it took stands in the row of one that did well, too.
        code, _, cpu_ms, peak = rows["other"]
        self.assertEqual(code, "")
        self.assertGreater(cpu_ms, 0)
        self.assertGreater(peak, 10_000_000)

    def test_a_fork_server_that_is_killed_costs_nothing(self):
        self.configure()
        self.hold_back("raw.sales")
        server = self.serve()
        self.project.weir("run", "sales", "--detach")
        self.wait("the task", lambda: self.tasks().get("ingest", ("",))[0] == "running" and self.tasks()["other"][0] == "succeeded", server)
        child = self.wait("its process", lambda: self.pid_of(server.process, "ingest"))
        os.kill(self.fork_server_of(child), signal.SIGKILL)
        os.kill(child, 0)  # It goes on.
        self.let_go("raw.sales")
        self.wait("the end", lambda: self.state() == "succeeded", server)
        self.assertEqual(self.tasks(), {task: ("succeeded", 1) for task in ("ingest", "total", "rules", "other")})


if __name__ == "__main__":
    unittest.main()
