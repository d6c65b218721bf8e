"""Three servers on one PostgreSQL catalog, whose flows start by the clock, by files and by request, while servers are killed and stopped for
longer than their lease, processes of tasks too, PostgreSQL restarts and crashes, and connections are reset. In the end every wished run is
there once and succeeded, no effect is there twice, and nobody holds anything.

WEIR_LONG=1 python3 tests/servers/three_servers_test.py    500 flows; WEIR_SEED=7 begins the same faults again
"""
import collections
import os
import random
import signal
import sys
import threading
import time
import unittest

import judge
import scene
from scene import IS_LONG, wait_for  # noqa: E402

import postgres  # noqa: E402  found by scene

LEASE_S = 3
FLOWS = 500 if IS_LONG else 60
FAULTS_FOR_S = float(os.environ.get("WEIR_FAULTS_S", "360" if IS_LONG else "50"))
QUIET_WITHIN_S = 900 if IS_LONG else 120
EVERY_S = 120 if IS_LONG else 12
SEED = int(os.environ.get("WEIR_SEED", "1"))
LAST_S = 12
GENTLE = (0, 0, 0, 1, 3, 3, 2)  # weights of the kinds below
FILES_OF_FLOW = 1  # to append loads the whole of what is there: a second file would load the first again
ROWS_OF_FILE = 5

SCHEDULED = """
flow: {flow}
overlap: queue
schedule: {{every: {every}s, start: "{start}", end: "{end}", catchup: all}}
tasks:""" + "".join("""
  - {{id: t%d, template: record_effect, %swith: {{journal: "JOURNAL", pause_ms: %d}}}}""" % (at, f"needs: [t{at - 1}], " if at > 1 else "", pause)
                     for at, pause in ((1, 200), (2, 600), (3, 0)))
ASKED = """
flow: {flow}
overlap: queue
tasks:
  - {{id: t1, template: record_effect, with: {{journal: "JOURNAL", pause_ms: 500}}}}
  - {{id: t2, template: record_effect, with: {{journal: "JOURNAL"}}}}
  - {{id: t3, template: record_effect, needs: [t1, t2], with: {{journal: "JOURNAL", pause_ms: 50}}}}"""
ARRIVING = """
flow: {flow}
overlap: queue
file_trigger: {{pattern: "landing/{flow}/*.csv", settle: 0s, poll: 2s}}
tasks:
  - {{id: ingest, template: ingest_files, with: {{from: "landing/{flow}/*.csv", to: raw.{flow}}}}}
  - {{id: load, template: load_warehouse, needs: [ingest], with: {{from: raw.{flow}, connection: warehouse, table: {flow}, mode: append}}}}
  - {{id: tell, template: record_effect, needs: [load], with: {{journal: "JOURNAL"}}}}"""


def instant(at_s):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))


class Wishes:
    """What is asked for from outside, whoever of the servers is there."""

    def __init__(self, stage, token, asked, arriving, seconds):
        self.stage, self.token, self.dice = stage, token, random.Random(SEED + 1)
        wishes = [(flow, f"asked-{number}") for flow in asked for number in range(2)]
        wishes += [(flow, number) for flow in arriving for number in range(FILES_OF_FLOW)]
        self.dice.shuffle(wishes)
        self.wishes, self.pause_s, self.ids = wishes, seconds / len(wishes), collections.defaultdict(list)
        self.fault = None
        self.thread = threading.Thread(target=self._go, daemon=True)
        self.thread.start()

    def _go(self):
        try:
            for flow, which in self.wishes:
                self._ask(flow, which) if isinstance(which, str) else self._land(flow, which)
                time.sleep(self.pause_s)  # what is tested: wishes all the time
        except BaseException as problem:  # told to who waits for it
            self.fault = problem

    def _ask(self, flow, key):
        def ask():
            ready = [server for server in self.stage.servers if server.is_up() and server.is_ready()]
            return ready and self.stage.ask_for_run(self.dice.choice(ready), self.token, flow, key)
        wait_for(f"some server takes run {key} of {flow}", ask, 120)

    def _land(self, flow, number):
        ids = [number * ROWS_OF_FILE + row for row in range(ROWS_OF_FILE)]
        self.ids[flow] += ids
        folder = self.stage.folder / "data/landing" / flow
        half = self.stage.folder / "tmp" / f"{flow}-{number}.half"
        half.write_text("id,amount\n" + "".join(f"{each},{each * 10}\n" for each in ids))
        half.rename(folder / f"{number}.csv")


class Faults:
    """One after the other from a seed, until the time is over; then everything is made whole."""

    def __init__(self, stage):
        self.stage, self.dice, self.count = stage, random.Random(SEED), collections.Counter()
        self.to_go_on = []  # (when, what) of what is stopped or away

    def go(self, seconds):
        until = time.monotonic() + seconds
        kinds = [("kill a server", 3, self._kill), ("stop a server", 3, self._stop), ("kill a task", 4, self._kill_task), ("stop a task", 2, self._stop_task),
                 ("reset connections", 3, self._reset), ("restart PostgreSQL", 2, lambda: self._database(signal.SIGINT)),
                 ("crash PostgreSQL", 1, lambda: self._database(signal.SIGQUIT))]
        names, weights, actions = zip(*kinds)
        pending = collections.deque(range(len(names)))  # each kind once, then by weight
        while time.monotonic() < until:
            # A server that is killed forgets what is wrong with it: in the end none is.
            may_kill = time.monotonic() < until - LAST_S
            at = pending.popleft() if pending and may_kill else self.dice.choices(range(len(names)), weights if may_kill else GENTLE)[0]
            if actions[at]():
                self.count[names[at]] += 1
            pause = time.monotonic() + self.dice.uniform(0.3, 2.2)
            while time.monotonic() < pause:
                self._make_whole(time.monotonic())
                time.sleep(0.05)
        while self.to_go_on:
            self._make_whole(time.monotonic())
            time.sleep(0.05)
        if sum(self.count.values()) < seconds / 4:
            raise AssertionError(f"too few faults: {self.count}")

    def _make_whole(self, now):
        for entry in [each for each in self.to_go_on if each[0] <= now]:
            self.to_go_on.remove(entry)
            entry[1]()
        for server in self.stage.servers:
            if not server.is_away and server.start_again_if_gone():
                self.count["a server found no database"] += 1

    def _later(self, least, most, action):
        self.to_go_on.append((time.monotonic() + self.dice.uniform(least, most), action))

    def _server(self):
        up = [each for each in self.stage.servers if each.is_up() and each.is_ready() and each.stopped_at is None]
        return self.dice.choice(up) if up else None

    def _kill(self):
        server = self._server()
        if server is None:
            return False
        server.kill()
        self._later(0.2, 4, server.start)
        return True

    def _stop(self):
        server = self._server()
        if server is None:
            return False
        server.pause()
        self._later(LEASE_S + 0.5, LEASE_S + 4, server.go_on)
        return True

    def _kill_task(self):
        return self.stage.signal_a_task(self.dice, "kill", signal.SIGKILL) != 0

    def _stop_task(self):
        pid = self.stage.signal_a_task(self.dice, "stop", signal.SIGSTOP)
        if pid == 0:
            return False
        since = time.monotonic()

        def go_on():
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
            self.stage.note("stop", pid, since)
        self._later(LEASE_S + 0.5, LEASE_S + 3, go_on)
        return True

    def _reset(self):
        return self.stage.reset_lines(self.dice) > 0

    def _database(self, how):
        self.stage.restart_database(how, self.dice.choice((0, 0.5, 1)))
        return True


class ThreeServers(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.context = postgres.server()
        try:
            cls.database = cls.context.__enter__()
        except postgres.Missing as why:
            print(f"skipped: {why}")
            raise unittest.SkipTest(str(why))
        cls.addClassCleanup(cls.context.__exit__, None, None, None)

    def test_no_effect_is_doubled_none_is_stuck_none_is_lost(self):
        scheduled = [f"s{number:03}" for number in range(FLOWS // 3)]
        asked = [f"a{number:03}" for number in range(FLOWS // 3)]
        arriving = [f"f{number:03}" for number in range(FLOWS - len(scheduled) - len(asked))]
        start = int(time.time()) + (60 if IS_LONG else 8)
        end = start + (int(FAULTS_FOR_S) // EVERY_S) * EVERY_S
        flows = [SCHEDULED.format(flow=flow, every=EVERY_S, start=instant(start), end=instant(end)) for flow in scheduled]
        flows += [ASKED.format(flow=flow) for flow in asked] + [ARRIVING.format(flow=flow) for flow in arriving]
        with scene.Scene(self.database, flows, arriving, LEASE_S) as stage:
            for flow in arriving:
                (stage.folder / "data/landing" / flow).mkdir()
            token = stage.token()
            stage.serve("a", "--slots", "4")
            stage.serve("b", "--slots", "4", "--threads", patience="100ms")  # a database that restarts is an error for it
            stage.serve("c", "--slots", "3")
            stage.wait_until_ready()
            wait_for("servers look for files", lambda: stage.sql("SELECT count(*) FROM arrival_watch") == [[str(len(arriving))]], 60)
            wishes = Wishes(stage, token, asked, arriving, FAULTS_FOR_S * 0.9)
            faults = Faults(stage)
            faults.go(FAULTS_FOR_S)
            began = time.monotonic()
            wait_for("all servers answer", lambda: not any(server.start_again_if_gone() or not server.is_ready() for server in stage.servers), 60)
            wait_for("all is wished", lambda: not wishes.thread.is_alive(), 300)
            if wishes.fault:
                raise wishes.fault
            runs = (end - start) // EVERY_S * len(scheduled) + len(scheduled) + 2 * len(asked) + FILES_OF_FLOW * len(arriving)
            self.wait_until_quiet(stage, runs)
            quiet_s = time.monotonic() - began
            self.judge(stage, {**{flow: judge.scheduled_keys(start, end, EVERY_S) for flow in scheduled},
                               **{flow: {"asked-0", "asked-1"} for flow in asked}, **{flow: FILES_OF_FLOW for flow in arriving}}, wishes.ids)
            print(f"{FLOWS} flows, {runs} runs of 3 tasks, seed {SEED}, hosts of their own: {scene.HAS_HOSTS}; faults: "
                  f"{', '.join(f'{count} × {name}' for name, count in sorted(faults.count.items()))}; quiet {quiet_s:.1f} s after the last; "
                  f"attempts: {self.explained}", flush=True)

    def wait_until_quiet(self, stage, runs):
        state = "SELECT count(*), count(*) FILTER (WHERE state NOT IN ('queued', 'running')) FROM flow_run"
        try:
            wait_for(f"all of {runs} runs end", lambda: stage.sql(state) == [[str(runs), str(runs)]], QUIET_WITHIN_S)
        except AssertionError as problem:
            open_runs = stage.sql("SELECT r.flow_id, r.run_key, r.state, r.epoch, r.server_id, t.task_id, t.state, t.attempt, left(replace(t.error_text, '|', '/'), 200) "
                                  "FROM flow_run r JOIN task_run t USING (run_id) WHERE r.state IN ('queued', 'running') ORDER BY 1, 2, 6 LIMIT 12")
            said = {server.name: (stage.folder / f"{server.name}.log").read_text()[-1500:] for server in stage.servers}
            raise AssertionError(f"{problem}; {stage.sql(state)}; open: {open_runs}; {said}")

    def judge(self, stage, keys_of_flow, ids):
        living = [server.pid for server in stage.servers]
        wrong = judge.wished(stage, keys_of_flow) + judge.states(stage) + judge.changes(stage) + judge.warehouse(stage, ids)
        of_attempts, explained = judge.attempts(stage, LEASE_S + 2)
        self.explained = ", ".join(f"{count} × {kind} of another ({why})" for (kind, why), count in sorted(explained.items(), key=str)) or "none again"
        wrong += of_attempts
        wait_for(f"leases of the dead end: {judge.leases(stage, living)}", lambda: not judge.leases(stage, living), LEASE_S + 10)
        self.assertEqual(wrong, [], f"seed {SEED}")


if __name__ == "__main__":
    unittest.main(verbosity=1, argv=sys.argv)
