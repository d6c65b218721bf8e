"""./dev bench orchestration: what a task costs that does nothing.

In one process (`weir run`), one after the other and side by side; as a process each under `weir serve`; once a second, in a server that is
warm; with 10,000 flows of 100,000 tasks: `validate`, the start of a server, what it takes while nothing is due, and what a task of them takes. The limit beside each: what the same machine takes for one
commit of SQLite with its fsync, for a change of a task's row is one."""
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.request

PROJECT = """project: bench
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: landing}
"""


def commit_ms(folder, count=500):
    """One commit of one small change, with its fsync."""
    database = sqlite3.connect(folder / "limit.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    database.execute("INSERT INTO t VALUES (1, '')")
    began = time.perf_counter()
    for i in range(count):
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE t SET b = ? WHERE a = 1", (str(i),))
        database.execute("COMMIT")
    return (time.perf_counter() - began) / count * 1000


def project(bench, name, flows):
    folder = bench.WORK / f"orchestration-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "flows").mkdir(parents=True)
    (folder / "weir.yaml").write_text(PROJECT)
    for flow, text in flows.items():
        (folder / "flows" / f"{flow}.yaml").write_text(text)
    subprocess.run([bench.WEIR, "--project", folder, "apply"], check=True, stdout=subprocess.DEVNULL)
    return folder


def side_by_side(flow, count, schedule=""):
    return f"flow: {flow}\n{schedule}tasks:\n" + "".join(f"  - {{id: t{i:05}, template: noop}}\n" for i in range(count))


def in_a_row(flow, count):
    return f"flow: {flow}\ntasks:\n  - {{id: t0, template: noop}}\n" + "".join(
        f"  - {{id: t{i}, template: noop, needs: [t{i - 1}]}}\n" for i in range(1, count))


def run_seconds(bench, folder, flow, *words):
    began = time.perf_counter()
    subprocess.run([bench.WEIR, "--project", folder, "run", flow, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def span_of_run(folder, flow):
    """From the start of the first task to the end of the run, as the catalog says."""
    with sqlite3.connect(folder / "weir.db") as database:
        row = database.execute("SELECT min(t.started_at_us), max(r.finished_at_us), count(*), sum(t.state = 'succeeded') FROM flow_run r "
                               "JOIN task_run t USING (run_id) WHERE r.flow_id = ? AND r.run_id = (SELECT max(run_id) FROM flow_run WHERE flow_id = ?)",
                               (flow, flow)).fetchone()
    assert row[2] == row[3], f"{row[3]} of {row[2]} tasks succeeded"
    return (row[1] - row[0]) / 1e6


class Serve:
    def __init__(self, bench, folder, *words):
        self.folder = folder
        (folder / "ready.json").unlink(missing_ok=True)
        began = time.perf_counter()
        self.process = subprocess.Popen([bench.WEIR, "--project", folder, "serve", "--port", "0", "--ready-file", folder / "ready.json", *words],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (folder / "ready.json").exists():
            assert self.process.poll() is None, "weir serve ended"
            time.sleep(0.005)
        self.ready_s = time.perf_counter() - began

    def cpu_s(self):
        """Of the server, and of the one that forks its tasks with all that have ended."""
        ticks = 0
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                words = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue  # it has just ended
            if self.process.pid in (int(stat.parent.name), int(words[1])):
                ticks += sum(map(int, words[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def metric(self, name, token):
        url = json.loads((self.folder / "ready.json").read_text())["url"]
        asked = urllib.request.Request(f"{url}/metrics", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked) as answer:
            return float(next(line for line in answer.read().decode().splitlines() if line.startswith(name + " ")).split()[1])

    def peak_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def until(true, seconds):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


def count_of(folder, sql):
    with sqlite3.connect(folder / "weir.db", timeout=30) as database:
        return database.execute(sql).fetchone()[0]


def small(bench, rounds, scale):
    many = int(10_000 * scale)
    folder = project(bench, "small", {"one": side_by_side("one", 1), "row": in_a_row("row", 20), "wide": side_by_side("wide", 500),
                                      "many": side_by_side("many", many)})
    limit = commit_ms(folder)
    lines = []
    for _ in range(rounds):
        run_seconds(bench, folder, "row")
        run_seconds(bench, folder, "wide", "--parallel", "4")
        lines.append((span_of_run(folder, "row"), span_of_run(folder, "wide") / 500))
    row_s, each_s = min(line[0] for line in lines), min(line[1] for line in lines)
    print(f"orchestration: one commit with its fsync {limit:.2f} ms")
    print(f"orchestration: 20 tasks in a row {row_s * 1000:.0f} ms (goal 100), {row_s * 1000 / 20 / limit:.1f} commits each")
    print(f"orchestration: a task in process {each_s * 1000:.2f} ms (goal 2), {each_s * 1000 / limit:.1f} commits")
    began = run_seconds(bench, folder, "many", "--parallel", "4")
    print(f"orchestration: {many} tasks of one run {began:.1f} s (goal {25 * scale:.0f})")
    # As a process each: the server looks once a second; the tasks themselves count.
    wide = project(bench, "processes", {"wide": side_by_side("wide", 200, "schedule: {every: 1h, catchup: latest}\n")})
    with sqlite3.connect(wide / "weir.db") as database:
        database.execute("INSERT INTO flow_state (flow_id, scheduled_until_us) VALUES ('wide', 1)")
    server = Serve(bench, wide, "--slots", "2")
    try:
        until(lambda: count_of(wide, "SELECT count(*) FROM flow_run WHERE state = 'succeeded'") == 1, 120)
    finally:
        server.stop()
    print(f"orchestration: a task as a process {span_of_run(wide, 'wide') / 200 * 1000:.1f} ms of two at once (goal 15)")


def each_second(bench, scale, *words):
    """A flow that begins once a second: how late its task begins, and what that costs."""
    seconds = max(int(60 * scale), 10)
    folder = project(bench, "warm", {"warm": side_by_side("warm", 1, "schedule: {every: 1s, catchup: all}\n")})
    runs = "SELECT count(*) FROM flow_run WHERE state = 'succeeded'"
    server = Serve(bench, folder, *words)
    try:
        until(lambda: count_of(folder, runs) >= 2, 60)
        first, before, began = count_of(folder, runs), server.cpu_s(), time.perf_counter()
        time.sleep(seconds)
        cpu, took, made = server.cpu_s() - before, time.perf_counter() - began, count_of(folder, runs) - first
    finally:
        server.stop()
    with sqlite3.connect(folder / "weir.db") as database:
        # The first two pay for the start of the server.
        late = sorted(row[0] / 1000 for row in database.execute(
            "SELECT t.started_at_us - r.interval_end_us FROM flow_run r JOIN task_run t USING (run_id) WHERE t.started_at_us > 0 ORDER BY r.logical_time_us").fetchall()[2:])
    assert abs(made - took) <= 2, f"{made} runs in {took:.0f} s"
    kind = "in process" if words else "as a process"
    print(f"orchestration: each second, {kind}: {made} runs in {took:.0f} s, late {late[len(late) // 2]:.1f} ms, p99 {late[int(len(late) * 0.99)]:.1f} ms, "
          f"CPU {cpu / took * 100:.1f} % of a core")


def large(bench, scale):
    flows = int(10_000 * scale)
    began = time.perf_counter()
    folder = project(bench, "large", {f"f{i:05}": side_by_side(f"f{i:05}", 10, 'schedule: {cron: "0 6 1 1 *"}\n') for i in range(flows)})
    print(f"orchestration: apply of {flows} flows with {10 * flows} tasks {time.perf_counter() - began:.1f} s")
    began = time.perf_counter()
    subprocess.run([bench.WEIR, "--project", folder, "validate"], check=True, stdout=subprocess.DEVNULL)
    print(f"orchestration: validate {time.perf_counter() - began:.1f} s (goal 10)")
    subprocess.run([bench.WEIR, "--project", folder, "user", "add", "bench", "--role", "admin", "--flows", "*", "--no-password"], check=True, stdout=subprocess.DEVNULL)
    token = subprocess.run([bench.WEIR, "--project", folder, "token", "create", "bench", "--name", "bench", "--role", "viewer", "--flows", "*", "--lasts", "1d"],
                           check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    server = Serve(bench, folder)
    try:
        before = server.cpu_s()
        began = time.perf_counter()
        # Until it has read all of it.
        until(lambda: count_of(folder, "SELECT count(*) FROM flow_state") == flows, 300)
        print(f"orchestration: a server of {flows} flows answers after {server.ready_s:.1f} s, has them all after "
              f"{server.ready_s + time.perf_counter() - began:.1f} s (goal 2), peak {server.peak_mb():.0f} MB (goal 200), CPU {server.cpu_s() - before:.1f} s")
        time.sleep(3)
        before, began = server.cpu_s(), time.perf_counter()
        time.sleep(20)
        print(f"orchestration: idle {(server.cpu_s() - before) / (time.perf_counter() - began) * 100:.2f} % of a core (goal 1)")
        run_seconds(bench, folder, "f00000", "--detach")
        until(lambda: count_of(folder, "SELECT count(*) FROM flow_run WHERE state = 'succeeded' AND flow_id = 'f00000'") == 1, 60)
        print(f"orchestration: a task as a process beside {flows} flows {span_of_run(folder, 'f00000') / 10 * 1000:.1f} ms, peak of the server {server.peak_mb():.0f} MB")
        # One that is due each second, among all the others.
        with sqlite3.connect(folder / "weir.db", timeout=30) as database:
            database.execute("UPDATE schedule SET cron = NULL, every = '1s' WHERE flow_id = 'f00001'")
        runs = "SELECT count(*) FROM flow_run WHERE state = 'succeeded' AND flow_id = 'f00001'"
        until(lambda: count_of(folder, runs) >= 10, 60)
        took_s, count = (server.metric(f"weir_scheduler_decision_seconds_{what}", token) for what in ("sum", "count"))
        print(f"orchestration: what is due among {flows} flows {took_s / count * 1000:.3f} ms (goal 1), of {count:.0f} times")
    finally:
        server.stop()


def suite(bench, rounds, scale):
    small(bench, min(rounds, 3), scale)
    each_second(bench, scale)
    each_second(bench, scale, "--threads")
    large(bench, scale)
