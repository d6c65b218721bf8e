"""A small project of its own for each test: files in, the real program run, what it made looked at."""
import contextlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import canary  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEIR = os.environ.get("WEIR", str(ROOT / "build/release/weir"))

PROJECT = """
project: shop
catalog: ${WEIR_CATALOG:-sqlite:weir.db}
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: data/raw}
  - {name: stage, uri: data/stage}
  - {name: presentation, uri: data/presentation}
connections:
  - {connection_id: warehouse, kind: duckdb, path: data/warehouse.duckdb}
datasets:
  - name: raw.customers
    identity: as_of + content
    columns: {id: bigint, name: varchar, city: varchar, credit: "decimal(12,2)"}
  - {name: stage.customers, key: [id]}
  - name: raw.sales
    identity: content
    columns: {id: bigint, amount: "decimal(10,2)"}
defaults: {retries: 0, engine: "${WEIR_ENGINE:-embedded}"}
"""

FLOW = """
flow: shop
overlap: queue
tasks:
  - id: ingest
    template: ingest_files
    with: {from: "landing/customers-*.csv", as_of: 'customers-(?<as_of>\\d{8})', to: raw.customers}
  - id: history
    template: merge_history
    needs: [ingest]
    with: {from: raw.customers, to: stage.customers, deletes: by_absence, max_deleted_percent: 60}
  - id: by_city
    template: transform
    needs: [history]
    with: {to: presentation.by_city, sql: sql/by_city.sql}
  - id: rules
    template: check
    needs: [by_city]
    with: {dataset: presentation.by_city, rules: [{not_null: city}, {unique: [city]}]}
  - id: load
    template: load_warehouse
    needs: [rules]
    with: {from: presentation.by_city, connection: warehouse, table: by_city}
---
flow: sales
tasks:
  - id: ingest
    template: ingest_files
    with: {from: "landing/sales/*.csv", to: raw.sales}
"""

SQL = """SELECT city, count(*) AS customers, sum(credit) AS credit
FROM stage.customers WHERE is_current AND city IS NOT NULL GROUP BY city
"""

A = "id,name,city,credit\n1,Ann,Oslo,10.50\n2,Bob,Bergen,20.00\n3,Cem,Oslo,30.25\n"
B = "id,name,city,credit\n1,Ann,Bergen,10.50\n2,Bob,Bergen,20.00\n4,Dag,Oslo,1.00\n"


class Project:
    def __init__(self):
        self.bind(pathlib.Path(tempfile.mkdtemp(prefix="weir test ")))
        self.write("weir.yaml", PROJECT)
        self.write("flows/shop.yaml", FLOW)
        self.write("sql/by_city.sql", SQL)

    def bind(self, folder, temporary=None):
        self.folder = pathlib.Path(folder)
        temporary = pathlib.Path(temporary or self.folder / "tmp")
        temporary.mkdir(parents=True, exist_ok=True)
        self.keeps_secrets = ["home", ".aws"]  # where a test writes a key file, a profile
        self.environment = dict(os.environ, TMPDIR=str(temporary))
        self.environment.pop("WEIR_CATALOG", None)

    @classmethod
    def at(cls, folder, temporary=None):
        """A project over a folder that is there already; nothing is written into it."""
        project = cls.__new__(cls)
        project.bind(folder, temporary)
        return project

    def close(self):
        try:
            canary.check_folder(self.folder, but=self.keeps_secrets)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        return path

    def land(self, name, content):
        return self.write(f"data/landing/{name}", content)

    def weir(self, *words, expect=0, **environment):
        """Runs weir; fails where its exit status is another one than expected (None: any)."""
        run = subprocess.run([WEIR, "--project", str(self.folder), *words], text=True, errors="replace", capture_output=True,
                             env={**self.environment, **environment}, timeout=300)
        canary.check_text(f"what `weir {' '.join(words)}` said", run.stdout + run.stderr)
        if expect is not None and run.returncode != expect:
            raise AssertionError(f"weir {' '.join(words)} gave {run.returncode}, not {expect}\n"
                                 f"{run.stdout[-3000:]}\n{run.stderr[-3000:]}")
        return run

    def run(self, flow="shop", *words, expect=0, **environment):
        return self.weir("run", flow, "--apply", *words, expect=expect, **environment)

    def report(self, flow="shop", *words, expect=0, **environment):
        """The report of a run, by task."""
        out = self.weir("--output", "json", "run", flow, "--apply", *words, expect=expect, **environment).stdout
        lines = [json.loads(line) for line in out.splitlines()]
        report = [line for line in lines if line.get("event") == "report"][-1]
        report["tasks"] = {task["task_id"]: task for task in report["tasks"]}
        return report

    def rows(self, sql):
        return json.loads(self.weir("--output", "json", "table", "query", sql).stdout)

    def digest(self, dataset="stage.customers"):
        return self.weir("table", "verify", dataset, "--digest").stdout.strip()

    def commits(self, dataset):
        layer, name = dataset.split(".")
        timeline = self.folder / "data" / layer / name / ".hoodie"
        return sorted(p.name for p in timeline.iterdir()
                      if p.suffix in (".commit", ".replacecommit") and '"weir.service"' not in p.read_text())

    def objects(self):
        """Every data object of the lake with its bytes' length and time: what must not change."""
        found = {}
        for path in sorted((self.folder / "data").rglob("*")):
            is_lake = path.is_file() and "landing" not in path.parts and path.suffix not in (".duckdb", ".lock") \
                and path.name != "lock.json" and ".locks" not in path.parts
            if is_lake:
                found[str(path.relative_to(self.folder))] = (path.stat().st_size, path.stat().st_mtime_ns)
        return found

    def leftovers(self):
        """Files that no finished command may leave: half-written objects, temporary folders."""
        half = [path for path in self.folder.rglob("*") if path.name.startswith(".weir-tmp")]
        return [str(path) for path in half + list((self.folder / "tmp").iterdir())]

    def sqlite(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.folder / "weir.db")) as connection, connection:
            return connection.execute(sql, values).fetchall()
