"""Servers that share one PostgreSQL catalog, and what may befall them. Everything is started here by its process id and ended by it.

    with postgres.server() as database, scene.Scene(database, flows, lease_s=3) as stage:
        server = stage.serve("a", "--threads")     # a host of its own where the machine lets us say so
        stage.resets(); server.kill(); stage.kill_a_task(random)
"""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("tests", "tests/faults"):
    sys.path.insert(0, str(ROOT / folder))
import judge  # noqa: E402
import tap  # noqa: E402
from waiting import wait_for  # noqa: E402

WEIR = os.environ.get("WEIR", str(ROOT / "build/release/tests/weir_recording"))
IS_LONG = os.environ.get("WEIR_LONG") == "1"
# On a host of its own nobody sees that a process is gone: its lease must run out.
HAS_HOSTS = subprocess.call(["unshare", "-u", "sh", "-c", "hostname weir-host"], stderr=subprocess.DEVNULL) == 0
UNAVAILABLE = 75  # exit status
TICKS = os.sysconf("SC_CLK_TCK")

PROJECT = """
project: servers
layers:
  - {{name: landing, uri: data/landing}}
  - {{name: raw, uri: data/raw}}
connections:
  - {{connection_id: warehouse, kind: postgres, host: 127.0.0.1, port: {port}, database: {database}, user: postgres, sslmode: disable}}
datasets: [{datasets}]
defaults: {{retries: 30, retry_delay: 200ms}}
"""


class Server:
    """One `weir serve`, its line to the database, and what befell it."""

    def __init__(self, stage, name, words, patience="60s"):
        self.stage, self.name, self.words, self.patience, self.starts = stage, name, words, patience, 0
        self.line = tap.Tap(stage.database.port)
        self.process, self.port = None, 0
        self.stopped_at, self.is_away = None, False

    @property
    def pid(self):
        return self.process.pid

    def is_up(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        self.starts, self.is_away = self.starts + 1, False
        ready = self.stage.folder / f"{self.name}-{self.starts}.json"
        host = ["unshare", "-u", "sh", "-c", f'hostname weir-{self.name}; exec "$@"', "sh"] if HAS_HOSTS else []
        self.log = open(self.stage.folder / f"{self.name}.log", "ab")
        self.process = subprocess.Popen(
            [*host, WEIR, "--project", str(self.stage.folder), "serve", "--port", "0", "--ready-file", str(ready),
             "--lease", f"{self.stage.lease_s}s", *self.words],
            stdout=self.log, stderr=self.log,
            env={**self.stage.environment(self.line.port), "WEIR_CATALOG_PATIENCE": self.patience})
        self.ready = ready
        self.port = 0
        return self

    def start_again_if_gone(self):
        """Whether it was: without a database it does not begin, and says so. Another end is a fault of the program."""
        if self.process.poll() is None:
            return False
        said = (self.stage.folder / f"{self.name}.log").read_text(errors="replace")[-2000:]
        if self.process.returncode != UNAVAILABLE:
            raise AssertionError(f"server {self.name} ended with {self.process.returncode}: {said}")
        self.stage.note("kill", self.pid)
        self.start()
        return True

    def is_ready(self):
        if self.port == 0 and self.ready.exists():
            self.port = json.loads(self.ready.read_text())["port"]
        return self.port != 0

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.stage.note("kill", self.pid)
        self.process.kill()
        self.process.wait()
        self.log.close()
        self.is_away = True

    def pause(self):
        self.stopped_at = time.monotonic()
        self.signal(signal.SIGSTOP)

    def go_on(self):
        self.signal(signal.SIGCONT)
        self.stage.note("stop", self.pid, self.stopped_at)
        self.stopped_at = None

    def children(self):
        return [pid for pid, parent in self.stage.tasks() if parent == self.pid]

    def seconds_of_cpu(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mib(self):
        return int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Scene:
    def __init__(self, database, flows, datasets=(), lease_s=3):
        self.database, self.lease_s = database, lease_s
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir servers "))
        self.catalog, warehouse = database.create_database(), database.create_database()
        self.warehouse = warehouse
        self.servers, self.faults, self._lock = [], [], threading.Lock()
        self.to_warehouse = tap.Tap(database.port)
        (self.folder / "flows").mkdir()
        (self.folder / "tmp").mkdir()
        (self.folder / "data/landing").mkdir(parents=True)
        self.journal = self.folder / "journal"
        columns = "identity: content, columns: {id: bigint, amount: bigint}"
        (self.folder / "weir.yaml").write_text(PROJECT.format(
            port=self.to_warehouse.port, database=warehouse.rpartition("/")[2],
            datasets=", ".join(f"{{name: raw.{name}, {columns}}}" for name in datasets)))
        (self.folder / "flows/all.yaml").write_text("\n---\n".join(flow.replace("JOURNAL", str(self.journal)) for flow in flows))
        self.weir("apply")
        database.sql(self.catalog, judge.WATCH)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            if server.is_up():
                server.signal(signal.SIGCONT)
                server.process.kill()
                server.process.wait()
            server.line.close()
        for pid, _ in self.tasks():
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
        if os.environ.get("WEIR_KEEP") != "1":
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"kept {self.folder}, {self.catalog}")

    def environment(self, port):
        url = self.catalog.replace(f":{self.database.port}/", f":{port}/")
        return {**os.environ, "TMPDIR": str(self.folder / "tmp"), "WEIR_CATALOG": url}

    def weir(self, *words):
        done = subprocess.run([WEIR, "--project", str(self.folder), *words], text=True, capture_output=True, timeout=300,
                              env=self.environment(self.database.port))
        if done.returncode != 0:
            raise AssertionError(f"weir {words}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def serve(self, name, *words, **how):
        server = Server(self, name, words, **how).start()
        self.servers.append(server)
        return server

    def wait_until_ready(self):
        for server in self.servers:
            wait_for(f"server {server.name} answers", server.is_ready, 60)

    def token(self):
        self.weir("user", "add", "ann", "--role", "admin", "--no-password")
        return self.weir("token", "create", "ann", "--name", "test", "--role", "admin", "--lasts", "1d").strip()

    def ask_for_run(self, server, token, flow, key):
        """Whether the server said that the run is there. Asked again under the same key it is the same run."""
        try:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=2)) as line:
                line.request("POST", f"/v1/flows/{flow}/runs", body=json.dumps({"run_key": key}),
                             headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
                answer = line.getresponse()
                text = answer.read()
        except (OSError, http.client.HTTPException):
            return False
        if answer.status in (400, 401, 403, 404, 422):
            raise AssertionError(f"run of {flow}: {answer.status} {text[:500]}")
        return answer.status in (200, 201, 202)

    def sql(self, text, url=None):
        """As lines of fields. The database may be away for a moment."""
        for attempt in range(100):
            try:
                return [line.split("|") for line in self.database.sql(url or self.catalog, text).splitlines()]
            except RuntimeError as problem:
                if attempt == 99 or "ERROR:" in str(problem):
                    raise
                time.sleep(0.1)

    # -- what befalls them

    def note(self, kind, pid=0, since=None):
        now = time.monotonic()
        with self._lock:
            self.faults.append({"kind": kind, "pid": pid, "from": since or now, "to": now})

    def tasks(self):
        """Processes that work on a task of this project, with their servers."""
        found = []

        def parent_of(pid):
            return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"--driver-epoch" not in words or str(self.folder).encode() not in words:
                    continue
                # Between it and its server stands the fork server; where that is gone, init.
                parent = parent_of(entry.name)
                found.append((int(entry.name), parent_of(parent) if parent > 1 else parent))
            except OSError:
                continue
        return found

    def signal_a_task(self, dice, kind, number):
        tasks = self.tasks()
        if not tasks:
            return 0
        pid = dice.choice(tasks)[0]
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return 0
        self.note(kind, pid)
        return pid

    def reset_lines(self, dice):
        line = dice.choice([server.line for server in self.servers] + [self.to_warehouse])
        count = line.reset()
        self.note("reset")
        return count

    def restart_database(self, how, away_s=0):
        since = time.monotonic()
        self.database.stop(how)
        time.sleep(away_s)  # what is tested: it is away for so long
        self.database.start()
        self.note("database", 0, since)
