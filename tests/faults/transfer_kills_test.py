"""weir is killed (SIGKILL) in the middle of a transfer: after so many bytes to the server, or from it. What is visible right
then is whole; then `weir retry`, or the same run once more, leaves what an undisturbed run leaves: every row and file, each
once, and nothing temporary on the server.

    transfer_kills_test.py                                a few kills of each transfer, others for another WEIR_SEED
    WEIR_LONG=1 transfer_kills_test.py                    many of them
    WEIR_KILL=up,4096,retry transfer_kills_test.py Kills.test_an_sftp_upload      one
"""
import collections
import dataclasses
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "acceptance")]
import postgres  # noqa: E402
import sftp_server  # noqa: E402
import versitygw  # noqa: E402
from fetch_http_test import Server as ApiServer, order  # noqa: E402
from tap import DOWN, UP, Tap  # noqa: E402
from weir_project import A, PROJECT, WEIR, Project  # noqa: E402

IS_LONG = os.environ.get("WEIR_LONG") == "1"
SEED = int(os.environ.get("WEIR_SEED", "1"))
KILLS = 24 if IS_LONG else 3
PART_BYTES = 5 << 20
OLD = 1_700_000_000

HEAD = """project: shop
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: LANDING}
  - {name: raw, uri: RAW}
  - {name: exports, uri: data/exports}
connections:
  - CONNECTION
datasets:
  - {name: raw.sales, identity: content, columns: {id: bigint, amount: "decimal(10,2)"}}
  - {name: raw.orders, identity: content, columns: {id: bigint, amount: "decimal(30,10)", note: varchar, updated_at: timestamp}}
defaults: {retries: 0}
"""
INGEST = """  - id: ingest
    template: ingest_files
    needs: [fetch]
    with: {from: "landing/sales/**", to: raw.sales}
"""
FETCH = """flow: go
tasks:
  - id: fetch
    template: fetch_files
    with: {from: "FROM", to: landing/sales, pattern: "**/*.csv", MORE}
""" + INGEST
SEND = """flow: go
tasks:
  - id: send
    template: export_files
    with: {from: exports/partner, to: "TO", pattern: "**", marker: "{name}.done"}
"""
PAGES = """flow: go
tasks:
  - id: fetch
    template: fetch_http
    with: {connection: shop, path: /orders, records: $.data, to: landing/orders, pagination: {by: page, parameter: page}}
  - id: ingest
    template: ingest_files
    needs: [fetch]
    with: {from: "landing/orders/*.json", to: raw.orders, format: {json: {records: $.data}}}
"""
TABLE = """flow: go
tasks:
  - {id: ingest, template: ingest_database, with: {connection: shop, table: sales, to: raw.rows}}
"""
SUMS = "SELECT count(*) AS n, count(DISTINCT id) AS d, sum(amount) AS s FROM "


def csv(numbers):
    return "id,amount\n" + "".join(f"{number},2.50\n" for number in numbers)


FILES = {"a.csv": csv([1, 2]), "2026/b.csv": csv([3]), "large.csv": csv(range(10_000, 60_000)), "z.csv": csv([4])}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def tree(folder):
    return {str(path.relative_to(folder)): digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}


@dataclasses.dataclass
class Kill:
    way: str
    after_bytes: int
    then: str  # retry, run


class Transfer:
    """One kind of transfer: a project before it, and what there is to see after it."""
    can_run_again = True  # a new run, where a retry would do, has the same result

    def __init__(self, test):
        self.test = test
        self.tap = Tap(self.port())
        test.addCleanup(self.tap.close)

    def begin(self):
        self.project = Project()
        self.test.addCleanup(shutil.rmtree, self.project.folder, ignore_errors=True)
        for name in ("flows/shop.yaml", "sql/by_city.sql"):
            (self.project.folder / name).unlink()
        self.make(self.project)
        self.project.weir("apply")

    def settings(self, connection, landing="data/landing", raw="data/raw"):
        text = HEAD.replace("LANDING", landing).replace("RAW", raw).replace("CONNECTION", connection)
        self.project.write("weir.yaml", text)

    def rows(self, dataset="raw.sales"):
        return self.project.rows(SUMS + dataset)

    def landed(self):
        folder = self.project.folder / "data/landing"
        return {name: value for name, value in tree(folder).items() if ".weir/" not in name and ".weir-tmp-" not in name}

    def is_whole_now(self):
        """What a reader may see right after the kill; raises."""


class Sftp(Transfer):
    def port(self):
        return self.test.server_of(sftp_server.Server).port

    def make(self, project):
        self.server = self.test.server_of(sftp_server.Server)
        shutil.rmtree(self.server.data)
        self.server.data.mkdir()
        project.environment["WEIR_SECRET_PARTNER_KEY"] = (self.server.folder / "user").read_text()
        self.uri = self.server.uri.replace(f":{self.server.port}", f":{self.tap.port}")
        self.settings(f'{{connection_id: partner, kind: sftp, uri: "{self.uri}", user: {self.server.user}, '
                      f'host_key: "{self.server.fingerprint}", private_key: "secret://partner-key"}}')
        self.fill(project)

    def is_whole_now(self):
        whole = {hashlib.sha256(content.encode()).hexdigest()[:12] for content in FILES.values()}
        for name, found in {**self.landed(), **tree(self.server.data)}.items():
            if name.endswith(".csv"):
                self.test.assertIn(found, whole, f"{name} is half-written")
        for marker in (self.server.data / "in").rglob("*.done"):
            self.test.assertTrue(marker.with_suffix("").exists(), f"{marker} marks what is not there")


class SftpFetch(Sftp):
    more = 'after: move, marker: "{name}.done"'

    def fill(self, project):
        project.write("flows/go.yaml", FETCH.replace("FROM", self.uri + "/out").replace("MORE", self.more))
        for name, content in FILES.items():
            for path in (self.server.put(f"out/{name}", content), self.server.put(f"out/{name}.done", "")):
                os.utime(path, (OLD, OLD))

    def left(self):
        return {"partner": tree(self.server.data), "landed": self.landed(), "rows": self.rows()}


class SftpSend(Sftp):
    def fill(self, project):
        project.write("flows/go.yaml", SEND.replace("TO", self.uri + "/in"))
        for name, content in FILES.items():
            os.utime(project.write(f"data/exports/partner/{name}", content), (OLD, OLD))

    def left(self):
        return {"partner": tree(self.server.data)}


class Api(Transfer):
    can_run_again = False  # another logical time asks for all pages once more

    def port(self):
        def script(handler, _path, query):
            page = int(query["page"])
            handler.give({"data": [order(page * 1000 + k) for k in range(200)] if page <= 4 else []})
        self.server = ApiServer(script)
        self.test.addCleanup(self.server.close)
        return self.server.server.server_port

    def make(self, project):
        self.settings(f'{{connection_id: shop, kind: http, url: "http://127.0.0.1:{self.tap.port}", allow_loopback: true}}')
        project.write("flows/go.yaml", PAGES)

    def left(self):
        folder = self.project.folder / "data/landing/orders"
        return {"pages": [digest(path) for path in sorted(folder.glob("*.json"))], "rows": self.rows("raw.orders"),
                "commits": len(list(folder.glob("_fetch/*/*.commit"))),
                "staged": [path.name for path in folder.glob("_fetch/*/*/*") if not path.name.startswith(".weir-tmp-")]}

    def is_whole_now(self):
        folder = self.project.folder / "data/landing/orders"
        pages = list(folder.glob("*.json"))
        for page in pages:
            json.loads(page.read_text())
        if pages:
            self.test.assertTrue(list(folder.glob("_fetch/*/*.commit")), "pages without a commit")


class Bucket(Transfer):
    """A file of several parts into a landing layer in a bucket, and from there into raw."""

    def port(self):
        return self.test.server_of(versitygw.Server).port

    def make(self, project):
        self.server = self.test.server_of(versitygw.Server)
        self.server.empty("shop-lake")
        self.settings('{connection_id: lake, kind: s3, uri: "s3://shop-lake", endpoint: "http://127.0.0.1:%d", region: us-east-1, '
                      'part_bytes: %d}' % (self.tap.port, PART_BYTES), "s3://shop-lake/landing", "s3://shop-lake/raw")
        project.environment = {name: value for name, value in project.environment.items() if not name.startswith("AWS_")}
        project.environment.update(HOME=str(project.folder), AWS_EC2_METADATA_DISABLED="true", AWS_ACCESS_KEY_ID=versitygw.ACCESS_KEY,
                                   AWS_SECRET_ACCESS_KEY=versitygw.SECRET_KEY)
        project.write("flows/go.yaml", FETCH.replace("FROM", "upload").replace("MORE", "after: leave"))
        project.write("upload/large.csv", csv(range(10_000, 10_000 + PART_BYTES // 8)))
        project.write("upload/small.csv", csv([1]))

    def left(self):
        landed = {name: size for name, size in self.objects().items() if name.startswith("landing/") and "/.weir/" not in name}
        return {"landed": landed, "rows": self.rows()}

    def objects(self):
        keys = self.server.objects("shop-lake")
        return {key: (self.server.folder / "data/shop-lake" / key).stat().st_size for key in keys}

    def is_whole_now(self):
        sizes = {path.name: path.stat().st_size for path in (self.project.folder / "upload").iterdir()}
        for name, size in self.objects().items():
            if name.startswith("landing/sales/"):
                self.test.assertEqual(size, sizes[pathlib.Path(name).name], f"{name} is half-written")


class Database(Transfer):
    def port(self):
        return self.test.server_of(postgres.Server).port

    def make(self, project):
        self.server = self.test.server_of(postgres.Server)
        self.url = self.server.create_database()
        self.fill(project)

    def connection(self, name):
        return (f'{{connection_id: {name}, kind: postgres, host: 127.0.0.1, port: {self.tap.port}, user: postgres, '
                f'database: {self.url.rpartition("/")[2]}, password: "secret://db"}}')


class Table(Database):
    can_run_again = False  # another run takes another snapshot

    def fill(self, project):
        project.environment["WEIR_SECRET_DB"] = "not-asked-for-4714"
        self.server.sql(self.url, "CREATE TABLE sales AS SELECT n AS id, 2.50::numeric(10,2) AS amount, repeat('x', 50) AS note "
                                  "FROM generate_series(1, 20000) n")
        self.settings(self.connection("shop"))
        project.write("flows/go.yaml", TABLE)

    def left(self):
        return {"rows": self.rows("raw.rows"), "objects": len(list((self.project.folder / "data/raw/rows").rglob("*.parquet")))}


class Warehouse(Database):
    def fill(self, project):
        project.environment["WEIR_SECRET_DB"] = "not-asked-for-4714"
        text = re.sub(r"  - \{connection_id: warehouse.*?\}\n", "  - " + self.connection("warehouse") + "\n", PROJECT)
        project.write("weir.yaml", text)
        project.write("flows/go.yaml", """flow: go
tasks:
  - {id: ingest, template: ingest_files, with: {from: "landing/customers-*.csv", as_of: 'customers-(?<as_of>\\d{8})', to: raw.customers}}
  - {id: history, template: merge_history, needs: [ingest], with: {from: raw.customers, to: stage.customers}}
  - {id: wide, template: transform, needs: [history], with: {to: presentation.wide, sql: sql/wide.sql}}
  - {id: load, template: load_warehouse, needs: [wide], with: {from: presentation.wide, connection: warehouse, table: wide}}
""")
        project.write("sql/wide.sql", "SELECT id * 100000 + n AS id, credit AS amount, repeat('x', 40) AS note FROM stage.customers, "
                                      "(SELECT unnest(range(8000)) AS n) WHERE is_current\n")
        project.land("customers-20260101.csv", A)

    def left(self):
        return {"table": self.sql("SELECT count(*), count(DISTINCT id), sum(amount) FROM wide"),
                "loads": self.sql("SELECT count(*) FROM _weir_load"),
                "stages": self.sql("SELECT count(*) FROM pg_class WHERE relname LIKE '\\_weir\\_stage%'")}

    def sql(self, text):
        return self.server.sql(self.url, text).strip()

    def is_whole_now(self):
        # The table comes with its rows, or not at all.
        if self.sql("SELECT to_regclass('wide') IS NOT NULL") == "t":
            self.test.assertEqual(self.sql("SELECT count(*) FROM wide"), "24000")


class Kills(unittest.TestCase):
    servers = {}

    @classmethod
    def server_of(cls, kind):
        if kind in cls.servers:
            return cls.servers[kind]
        if kind is postgres.Server:
            context = postgres.server()
            server = context.__enter__()
            cls.addClassCleanup(context.__exit__, None, None, None)
        else:
            server = kind()
            cls.addClassCleanup(server.stop)
            if kind is versitygw.Server:
                server.create_bucket("shop-lake")
        cls.servers[kind] = server
        return server

    def sweep(self, kind):
        try:
            transfer = kind(self)
        except (postgres.Missing, sftp_server.Missing, versitygw.Missing) as missing:
            print(f"SKIPPED: {missing}", flush=True)
            self.skipTest(str(missing))
        transfer.begin()
        transfer.tap.arm(None, 0, None)
        transfer.project.run("go")
        counted, undisturbed = dict(transfer.tap.bytes), transfer.left()
        transfer.project.close()
        struck, leases = 0, []
        kills = self.kills(counted, transfer.can_run_again)
        for kill in kills:
            with self.subTest(f"WEIR_KILL={kill.way},{kill.after_bytes},{kill.then}"):
                transfer.begin()
                struck += self.go(transfer, kill, leases)
                self.assertEqual(transfer.left(), undisturbed)
                transfer.project.close()
        name = re.sub(r"(?<!^)([A-Z])", r" \1", kind.__name__).lower()
        print(f"transfer_kills {name}: {counted[UP]} bytes up, {counted[DOWN]} down; {len(kills)} kills, {struck} struck, longest wait for a "
              f"retry {max(leases, default=0):.1f} s, WEIR_SEED={SEED}", flush=True)
        self.assertGreater(struck, 0, "no kill struck")

    def kills(self, counted, can_run_again):
        if named := os.environ.get("WEIR_KILL"):
            way, after_bytes, then = named.split(",")
            return [Kill(way, int(after_bytes), then)]
        dice = random.Random(SEED)
        made = []
        for number in range(KILLS):
            way = UP if number % 2 == 0 else DOWN
            # Evenly over the bytes, each with some luck, and often at the end, where commits are.
            share = (number // 2 + dice.random()) / (KILLS / 2)
            at = 1 + int(min(share, 0.99) * counted[way]) if number % 3 != 2 else counted[way] - dice.randint(0, 300)
            made.append(Kill(way, at, dice.choice(("retry", "run")) if can_run_again else "retry"))
        return made

    def go(self, transfer, kill, leases):
        project = transfer.project
        started, pids = threading.Event(), []

        def strike():
            started.wait(60)
            os.kill(pids[0], signal.SIGKILL)
        transfer.tap.arm(kill.way, kill.after_bytes, strike)
        process = subprocess.Popen([WEIR, "--project", str(project.folder), "--quiet", "run", "go"], env=project.environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pids.append(process.pid)
        started.set()
        self.assertIn(process.wait(120), (0, -signal.SIGKILL))
        transfer.tap.arm(None, 0, None)
        transfer.is_whole_now()
        began = time.monotonic()
        was_killed = process.returncode != 0
        while True:
            words = [kill.then, "go"] if was_killed else ["run", "go"] if transfer.can_run_again else ["runs"]
            done = project.weir(*words, expect=None)
            if done.returncode == 0:
                break
            if kill.then == "retry" and "no run" in done.stderr:
                kill.then = "run"
                continue
            # The dead run holds its lease for a while.
            self.assertLess(time.monotonic() - began, 120, done.stdout + done.stderr)
            time.sleep(0.2)
        leases.append(time.monotonic() - began)
        return was_killed

    def test_an_sftp_download(self):
        self.sweep(SftpFetch)

    def test_an_sftp_upload(self):
        self.sweep(SftpSend)

    def test_pages_of_an_api(self):
        self.sweep(Api)

    def test_an_upload_of_parts_to_a_bucket(self):
        self.sweep(Bucket)

    def test_a_table_of_a_database(self):
        self.sweep(Table)

    def test_a_load_of_a_warehouse(self):
        self.sweep(Warehouse)


if __name__ == "__main__":
    unittest.main(verbosity=1)
