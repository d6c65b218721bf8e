"""How servers hand over their runs: one that is told to stop, at once and with its tasks going on; one that is killed or hangs, once its lease
is over. And what three of them cost while nothing is due."""
import signal
import sys
import time
import unittest

import judge
import scene
from scene import IS_LONG, wait_for

import postgres  # noqa: E402  found by scene

LOOK_S = 1
SLACK_S = 3  # of a machine with two cores and other tests
FLOW = """
flow: w{number}
overlap: queue
tasks:
  - {{id: t1, template: record_effect, with: {{journal: "JOURNAL", pause_ms: 1500}}}}
  - {{id: t2, template: record_effect, needs: [t1], with: {{journal: "JOURNAL", pause_ms: 500}}}}
  - {{id: t3, template: record_effect, needs: [t2], with: {{journal: "JOURNAL"}}}}"""
LATER = """
flow: l{number}
schedule: {{every: 6h, start: "2030-01-01"}}
tasks:
  - {{id: t1, template: record_effect, with: {{journal: "JOURNAL"}}}}
  - {{id: t2, template: record_effect, needs: [t1], with: {{journal: "JOURNAL"}}}}
  - {{id: t3, template: record_effect, needs: [t2], with: {{journal: "JOURNAL"}}}}"""
RUNS = 8


class Handover(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = postgres.server()
        try:
            cls.database = cls.context.__enter__()
        except postgres.Missing as why:
            print(f"skipped: {why}")
            raise unittest.SkipTest(str(why))
        cls.addClassCleanup(cls.context.__exit__, None, None, None)

    def stage(self, lease_s, flows):
        stage = scene.Scene(self.database, flows, (), lease_s)
        self.addCleanup(stage.__exit__)
        return stage

    def under_load(self, lease_s, *words):
        """Two servers with runs under way, and the runs of the first with tasks at work."""
        stage = self.stage(lease_s, [FLOW.format(number=number) for number in range(RUNS)])
        token = stage.token()
        one = stage.serve("a", "--slots", "4", "--drain", "0s", *words)
        stage.wait_until_ready()
        for number in range(RUNS):
            self.assertTrue(stage.ask_for_run(one, token, f"w{number}", "k"))
        other = stage.serve("b", "--slots", "8")
        stage.wait_until_ready()
        wait_for("tasks of the first server are at work", lambda: self.begun(stage, one) >= 3, 30)
        return stage, one, other

    def name_of(self, stage, server):
        (name, *_), = stage.sql(f"SELECT substr(name, 8) FROM lease WHERE name LIKE 'server:%' AND pid = {server.pid}")
        return name

    def begun(self, stage, server):
        return int(stage.sql("SELECT count(*) FROM flow_run r JOIN task_run t USING (run_id) WHERE t.state = 'running' "
                             f"AND r.server_id = '{self.name_of(stage, server)}'")[0][0])

    def time_until_taken_over(self, stage, name, seconds):
        """From now until no run that goes on is the server's."""
        since = time.monotonic()
        left = f"SELECT count(*) FROM flow_run WHERE server_id = '{name}' AND state IN ('queued', 'running')"
        wait_for("its runs are driven by another", lambda: stage.sql(left) == [["0"]], seconds)
        return time.monotonic() - since

    def finish(self, stage, living):
        done = "SELECT count(*) FROM flow_run WHERE state NOT IN ('queued', 'running')"
        wait_for("all runs end", lambda: stage.sql(done) == [[str(RUNS)]], 90)
        wrong, explained = judge.attempts(stage, stage.lease_s + 2)
        wrong += judge.wished(stage, {f"w{number}": {"k"} for number in range(RUNS)}) + judge.states(stage) + judge.changes(stage)
        self.assertEqual(wrong, [])
        wait_for("leases of the dead end", lambda: not judge.leases(stage, living), stage.lease_s + 10)
        return sum(explained.values())

    def test_a_server_that_is_told_to_stop_hands_its_runs_over_at_once_and_its_tasks_go_on(self):
        stage, one, other = self.under_load(30)
        name, at_work = self.name_of(stage, one), set(one.children())
        self.assertNotEqual(at_work, set())
        one.signal(signal.SIGTERM)
        took_s = self.time_until_taken_over(stage, name, 30)
        alive = {pid for pid, _ in stage.tasks()}
        self.assertEqual(one.process.wait(20), 0)
        self.assertLess(took_s, LOOK_S + SLACK_S, "its lease is 30 s")
        self.assertNotEqual(alive & at_work, set(), "tasks of the server that has gone work on")
        self.assertEqual(self.finish(stage, [other.pid]), 0, "every task was tried once")
        print(f"told to stop: others drive its runs after {took_s:.1f} s; {len(alive & at_work)} of {len(at_work)} tasks went on beside", flush=True)

    def test_runs_of_a_server_that_was_killed_go_on_once_its_lease_is_over(self):
        stage, one, other = self.under_load(3)
        name, at_work = self.name_of(stage, one), one.children()
        one.kill()
        for pid in at_work:
            try:
                scene.os.kill(pid, signal.SIGKILL)
                stage.note("kill", pid)
            except ProcessLookupError:
                pass
        took_s = self.time_until_taken_over(stage, name, 30)
        self.assertLess(took_s, stage.lease_s + LOOK_S + SLACK_S)
        again = self.finish(stage, [other.pid])
        print(f"killed, its lease 3 s, a host of its own: {scene.HAS_HOSTS}: others drive its runs after {took_s:.1f} s, {again} attempts again", flush=True)

    def test_a_server_that_hangs_loses_its_runs_and_changes_nothing_when_it_wakes(self):
        stage, one, other = self.under_load(3, "--threads")
        name = self.name_of(stage, one)
        one.pause()
        took_s = self.time_until_taken_over(stage, name, 30)
        self.assertLess(took_s, stage.lease_s + LOOK_S + SLACK_S)
        # It wakes beside the second attempts: its own come to their ends at once, and must not end the others'.
        wait_for("tasks begin again", lambda: any(each["attempt"] == 2 for rows in judge.effects(stage.journal).values() for each in rows), 30)
        one.go_on()
        again = self.finish(stage, [one.pid, other.pid])
        self.assertGreater(again, 0)
        print(f"stopped, its lease 3 s: others drive its runs after {took_s:.1f} s, {again} attempts again", flush=True)

    def test_three_servers_cost_little_while_nothing_is_due(self):
        stage = self.stage(30, [LATER.format(number=number) for number in range(500)])
        servers = [stage.serve(name) for name in "abc"]
        stage.wait_until_ready()
        for server in servers:  # what it does when it starts is over
            def is_calm(server=server):
                before = server.seconds_of_cpu()
                time.sleep(1)
                return server.seconds_of_cpu() - before <= 0.05
            wait_for(f"server {server.name} is calm", is_calm, 60)
        before, since = [server.seconds_of_cpu() for server in servers], time.monotonic()
        time.sleep(60 if IS_LONG else 20)  # what is measured: nothing happens
        percent = [100 * (server.seconds_of_cpu() - was) / (time.monotonic() - since) for server, was in zip(servers, before)]
        memory = [server.resident_mib() for server in servers]
        print(f"500 flows, nothing due: {', '.join(f'{each:.2f}' for each in percent)} % of a core, {', '.join(f'{each:.0f}' for each in memory)} MiB", flush=True)
        for each in percent:
            self.assertLess(each, 1.5, "idle servers cost less than 1 %; a half more on a machine with others")
        for each in memory:
            self.assertLess(each, 200)


if __name__ == "__main__":
    unittest.main(verbosity=1, argv=sys.argv)
