"""Tables of SQLite files into raw datasets: types, storage classes, snapshots, increments."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import threading
import time
import unittest

from weir_project import Project, WEIR

YAML = """
project: shop
layers:
  - {name: raw, uri: data/raw}
  - {name: stage, uri: data/stage}
connections:
  - {connection_id: shop, kind: sqlite, path: shop.db}
datasets:
  - {name: stage.orders, key: [id]}
DATASETS
defaults: {retries: 0, engine: "${WEIR_ENGINE:-embedded}"}
"""

# column: (declared type, values, type in the lake, the same in DuckDB as text)
TYPES = {
    "a_int": ("INTEGER", [0, -2**63, 2**63 - 1], "BIGINT", "{}::varchar"),
    "a_tiny": ("TINYINT(1)", [1, 300], "BIGINT", "{}::varchar"),
    "a_flag": ("BOOLEAN", [0, 1], "BOOLEAN", "{}::int::varchar"),
    "a_real": ("REAL", [0.1, -1e300, 5.0, float("inf")], "DOUBLE", "{}::varchar"),
    "a_money": ("DECIMAL(10,2)", [1, 1.5, -0.1, 99999999.99], "DECIMAL(10,2)", "{}::varchar"),
    "a_text": ("VARCHAR(20)", ["", "Ærø", "line\nbreak", "😀", "a\0b"], "VARCHAR", "{}"),
    "a_clob": ("CLOB", ["x" * 3000], "VARCHAR", "{}"),
    "a_blob": ("BLOB", [b"", b"\x00\xff\x10"], "BLOB", "hex({})"),
    "a_date": ("DATE", ["2024-02-29", "0001-01-01", "9999-12-31"], "DATE", "{}::varchar"),
    "a_time": ("TIME", ["12:00", "23:59:59.999999"], "TIME", "{}::varchar"),
    "a_at": ("DATETIME", ["2024-02-29 12:00:00", "1969-12-31T23:59:59.999999", "2024-02-29", "2024-02-29 12:00:00+02:00", "2024-02-29T12:00Z"],
             "TIMESTAMP WITH TIME ZONE", "epoch_us({})::varchar"),
    "a_uuid": ("UUID", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], "UUID", "{}::varchar"),
    "a_json": ("JSON", ['{"a":  [null]}'], "VARCHAR", "{}"),
    "an_any": ("", ["text", 5, 5.0, 2**63 - 1, 0.1], "VARCHAR", "{}"),
    "a_numeric": ("NUMERIC", [1, 1.5, 10**15], "VARCHAR", "{}"),
}


def expected(name, value):
    if value is None:
        return None
    if name == "a_blob":
        return value.hex().upper()
    if name == "a_money":
        return f"{value:.2f}"
    if name == "a_time":
        return {"12:00": "12:00:00"}.get(value, value)
    if name == "a_at":
        return {"2024-02-29 12:00:00": "1709208000000000", "1969-12-31T23:59:59.999999": "-1", "2024-02-29": "1709164800000000",
                "2024-02-29 12:00:00+02:00": "1709200800000000", "2024-02-29T12:00Z": "1709208000000000"}[value]
    return str(value)


class IngestSqlite(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        (self.project.folder / "flows/shop.yaml").unlink()
        self.path = self.project.folder / "shop.db"
        self.database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.addCleanup(self.database.close)
        self.configure()

    def configure(self, datasets="", yaml=YAML):
        self.project.write("weir.yaml", yaml.replace("DATASETS", datasets))

    def sql(self, text):
        self.database.executescript(text)

    def flow(self, *tasks):
        text = "flow: shop\ntasks:\n"
        before = []
        for name, template, values in tasks:
            text += f"  - {{id: {name}, template: {template}, needs: {json.dumps(before)}, with: {json.dumps(values)}}}\n"
            before = [name]
        self.project.write("flows/shop.yaml", text)

    def ingest(self, expect=0, to="raw.rows", **values):
        self.flow(("ingest", "ingest_database", {"connection": "shop", "to": to, **values}))
        return self.project.report(expect=expect)["tasks"]["ingest"]

    def fails(self, code, words, hint="", expect=1, **values):
        task = self.ingest(expect=expect, **values)
        self.assertEqual((task["error_code"], words in task["error_text"], hint in (task["error_hint"] or "")), (code, True, True),
                         f"{task['error_text']} / {task['error_hint']}")

    def counts(self, task):
        return {key: value for key, value in task["counts"].items() if value and key != "out"}

    def parquet(self):
        return [name for name in self.project.objects() if name.endswith(".parquet")]

    # ---- values

    def test_every_value_is_what_sqlite_holds(self):
        seed = random.randrange(1 << 32)
        print(f"seed {seed}", flush=True)
        chance = random.Random(seed)
        self.sql("CREATE TABLE rows (id INTEGER PRIMARY KEY, " + ", ".join(f"{name} {what[0]}" for name, what in TYPES.items()) + ")")
        rows = []
        for row in range(200):
            values = [what[1][row] if row < len(what[1]) else chance.choice(what[1] + [None]) for what in TYPES.values()]
            rows.append(values)
            self.database.execute("INSERT INTO rows VALUES (?" + ", ?" * len(TYPES) + ")", [row, *values])
        before = self.path.read_bytes()
        task = self.ingest(table="rows", timezone="UTC")
        self.assertEqual(self.counts(task), {"in": 200, "inserted": 200})
        self.assertEqual(self.path.read_bytes(), before)
        types = self.project.rows("SELECT " + ", ".join(f"typeof({name}) AS {name}" for name in TYPES) + " FROM raw.rows LIMIT 1")[0]
        for i, (name, (_, _, type_, theirs)) in enumerate(TYPES.items()):
            read = [row["value"] for row in self.project.rows(f"SELECT {theirs.format(name)} AS value FROM raw.rows ORDER BY id")]
            with self.subTest(name):
                self.assertEqual(types[name], type_)
                self.assertEqual(read, [expected(name, values[i]) for values in rows])
        self.flow(("ingest", "ingest_database", {"connection": "shop", "to": "raw.again", "table": "rows", "timezone": "UTC"}))
        self.assertIn("are loaded as text; declare their types: an_any, a_numeric", self.project.run().stderr)

    def test_a_value_of_another_storage_class_is_rejected_not_coerced(self):
        self.sql("CREATE TABLE rows (id INTEGER PRIMARY KEY, n INT, price DECIMAL(6,2), flag BOOLEAN, name TEXT, day DATE, at DATETIME, data BLOB, r REAL)")
        put = [(1, {"n": 1, "price": 1.5, "flag": 1, "name": "a", "day": "2024-01-01", "at": "2024-01-01 10:00:00", "data": b"x", "r": 1}),
               (2, {"n": "abc"}), (3, {"n": 1.5}), (4, {"price": "cheap"}), (5, {"price": 1.005}), (6, {"price": 1e6}), (7, {"flag": 2}),
               (8, {"name": b"\xc3\x28"}), (9, {"day": 19000}), (10, {"day": "01.02.2024"}), (11, {"at": 1.7e9}), (12, {"at": "2024-02-30 10:00:00"}),
               (13, {"data": "text"}), (14, {"r": "much"}), (15, {"at": "2024-03-31 02:30:00"}), (16, {"at": "2024-01-01 10:00:00.1234567"}), (17, {"price": float("inf")})]
        for id_, values in put:
            self.database.execute(f"INSERT INTO rows (id, {', '.join(values)}) VALUES (?{', ?' * len(values)})", [id_, *values.values()])
        self.database.execute("INSERT INTO rows (id, name) VALUES (18, CAST(x'C328' AS TEXT))")
        self.configure("  - {name: raw.rows, options: {control_columns: [price]}}")
        task = self.ingest(table="rows", timezone="Europe/Berlin")
        rejected = self.project.rows('SELECT "column", reason, "values" FROM raw.rows__rejected ORDER BY line')
        self.assertEqual([(json.loads(row["values"])["id"], row["column"], row["reason"]) for row in rejected],
                         [("2", "n", "wrong_type"), ("3", "n", "wrong_type"), ("4", "price", "wrong_type"), ("5", "price", "scale_overflow"),
                          ("6", "price", "out_of_range"), ("7", "flag", "out_of_range"), ("8", "name", "wrong_type"), ("9", "day", "wrong_type"),
                          ("10", "day", "wrong_type"), ("11", "at", "wrong_type"), ("12", "at", "wrong_type"), ("13", "data", "wrong_type"),
                          ("14", "r", "wrong_type"), ("15", "at", "nonexistent_time"), ("16", "at", "wrong_type"), ("17", "price", "wrong_type"),
                          ("18", "name", "invalid_utf8")])
        self.assertEqual(self.counts(task), {"in": 18, "inserted": 1, "rejected": 17})
        self.assertEqual(task["details"]["sums"]["columns"]["price"]["in"], {"sum": "1000002.505", "values": 3})
        self.assertEqual(self.project.rows('SELECT id, price, epoch_us("at") // 1000000 AS s FROM raw.rows'), [{"id": 1, "price": "1.50", "s": 1704099600}])
        self.assertEqual(self.project.weir("reconcile").returncode, 0)

    def test_columns_are_read_as_declared_where_that_is_exact(self):
        self.sql("CREATE TABLE rows (id INTEGER PRIMARY KEY, seen DATETIME, day TEXT, n INTEGER, total, body BLOB, price REAL); "
                 "INSERT INTO rows VALUES (1, 1700000000, '2024-01-01', 1, 1.5, x'6869', 0.1), (2, 'yesterday', NULL, NULL, NULL, NULL, NULL), "
                 "(3, NULL, NULL, 3000000000, NULL, NULL, NULL), (4, NULL, NULL, NULL, 'x', NULL, NULL), (5, NULL, NULL, NULL, '7', NULL, NULL)")
        self.configure('  - {name: raw.rows, columns: {id: integer, seen: bigint, day: date, n: integer, total: "decimal(8,2)", body: varchar, price: "decimal(8,4)"}}')
        self.assertEqual(self.counts(self.ingest(table="rows")), {"in": 5, "inserted": 1, "rejected": 4})
        self.assertEqual(self.project.rows("SELECT seen, day, n, total, body, price FROM raw.rows"),
                         [{"seen": 1700000000, "day": "2024-01-01", "n": 1, "total": "1.50", "body": "hi", "price": "0.1000"}])
        self.configure("  - {name: raw.rows, columns: {day: bigint}}")
        self.fails("schema_drift", "column 'day' is bigint in the dataset and TEXT in rows", expect=4, table="rows")

    # ---- reads and increments

    def test_one_snapshot_while_others_write(self):
        self.sql("PRAGMA journal_mode = WAL; CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INT, filler TEXT); "
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) INSERT INTO accounts SELECT i, 100, hex(zeroblob(50)) FROM n")
        over = threading.Event()

        def move():
            while not over.is_set():
                self.sql("BEGIN; UPDATE accounts SET balance = balance - 10 WHERE id % 100 = 1; UPDATE accounts SET balance = balance + 10 WHERE id % 100 = 50; "
                         "DELETE FROM accounts WHERE id = (SELECT max(id) FROM accounts); INSERT INTO accounts SELECT max(id) + 1, 100, 'new' FROM accounts; "
                         "INSERT INTO accounts SELECT min(id) - 1, 0, 'more' FROM accounts; COMMIT")
        writer = threading.Thread(target=move)
        writer.start()
        self.addCleanup(writer.join)
        self.addCleanup(over.set)
        for _ in range(2):
            self.ingest(table="accounts")
            self.assertEqual(self.project.rows("SELECT count(*) FILTER (id > 0) AS n, count(DISTINCT id) FILTER (id > 0) AS ids, sum(balance)::bigint AS money FROM raw.rows WHERE _run_id = "
                                               "(SELECT max(_run_id) FROM raw.rows)"), [{"n": 50000, "ids": 50000, "money": 5000000}])

    def test_increments_go_on_where_the_last_one_ended(self):
        self.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, amount DECIMAL(8,2), changed_at TIMESTAMP); INSERT INTO orders VALUES "
                 "(1, 10, '2024-01-01 10:00:00'), (2, 20, '2024-01-01 11:00:00.5')")
        ingest = {"connection": "shop", "to": "raw.orders", "table": "orders", "mode": "incremental", "cursor": ["changed_at"], "lag": "30m", "timezone": "UTC"}
        self.flow(("ingest", "ingest_database", ingest), ("latest", "merge_latest", {"from": "raw.orders", "to": "stage.orders", "order_by": "changed_at"}))
        task = self.project.report()["tasks"]["ingest"]
        self.assertEqual(task["details"]["source"]["cursor"]["to"], ["2024-01-01 11:00:00.5"])
        # Read again for the lag, and not doubled.
        self.sql("REPLACE INTO orders VALUES (1, 11, '2024-01-01 12:00:00'), (3, 30, '2024-01-01 10:30:00'), (4, 1, '2024-01-01 10:29:59')")
        report = self.project.report()
        self.assertEqual(self.counts(report["tasks"]["ingest"]), {"in": 3, "inserted": 3})
        self.assertEqual(self.project.rows("SELECT id, amount FROM stage.orders ORDER BY id"),
                         [{"id": 1, "amount": "11.00"}, {"id": 2, "amount": "20.00"}, {"id": 3, "amount": "30.00"}])
        (self.project.folder / "weir.db").unlink()
        self.assertEqual(self.counts(self.project.report()["tasks"]["ingest"]), {"in": 1, "inserted": 1})

    def test_cursors_of_numbers_texts_and_several_columns(self):
        self.sql("CREATE TABLE rows (day TEXT, n INTEGER, seen DATETIME, x); INSERT INTO rows VALUES ('2024-01-01', 5, 1700000000, 1), ('2024-01-02', 3, NULL, x'00')")
        both = {"table": "rows", "mode": "incremental", "cursor": ["day", "n"], "bound": "exclusive", "columns": ["day", "n"]}
        self.assertEqual(self.ingest(**both)["details"]["source"]["cursor"]["to"], ["2024-01-02", "3"])
        self.sql("INSERT INTO rows VALUES ('2024-01-02', 2, NULL, NULL), ('2024-01-02', 4, NULL, NULL), ('2024-01-03', 0, NULL, NULL)")
        self.assertEqual(self.counts(self.ingest(**both)), {"in": 2, "inserted": 2})
        before = self.project.objects()
        self.assertEqual((self.counts(self.ingest(**both)), self.project.objects()), ({}, before))
        number = {"table": "rows", "mode": "incremental", "cursor": ["n"], "lag": "2", "to": "raw.numbers", "columns": ["n"]}
        self.ingest(**number)
        self.assertEqual(self.counts(self.ingest(**number)), {"in": 3, "inserted": 3})
        seen = {"table": "rows", "mode": "incremental", "cursor": ["seen"], "to": "raw.seen", "columns": ["n"]}
        self.assertEqual(self.ingest(**seen)["details"]["source"]["cursor"]["to"], ["1700000000"])
        self.sql("INSERT INTO rows VALUES (NULL, 9, 1700000001, NULL)")
        self.assertEqual(self.counts(self.ingest(**seen)), {"in": 2, "inserted": 2})
        self.fails("invalid_config", "lag '10m' fits no cursor 'n' of type INTEGER", expect=2, **{**number, "lag": "10m"})
        # What sorts behind every number and text stops no watermark.
        self.assertEqual(self.ingest(table="rows", mode="incremental", cursor=["x"], to="raw.xs", columns=["n"])["details"]["source"]["cursor"]["to"], ["1"])

    def test_queries_conditions_and_columns(self):
        self.sql("CREATE TABLE \"Order's\" (\"Id\" INT, \"a b\" TEXT, secret TEXT); INSERT INTO \"Order's\" VALUES (1, 'x', 's'), (2, 'y', 's'), (3, NULL, 's'); "
                 "CREATE VIEW names AS SELECT \"a b\" AS name, count(*) AS n FROM \"Order's\" GROUP BY 1")
        self.assertEqual(self.counts(self.ingest(table="main.order's", columns=["Id", "a b"], where="\"Id\" > 1 -- the first is a test")), {"in": 2, "inserted": 2})
        self.configure("  - {name: raw.names, columns: {name: varchar, n: bigint}}")
        self.ingest(to="raw.names", table="names")
        self.assertEqual(self.project.rows("SELECT name, n FROM raw.names ORDER BY name NULLS FIRST")[0], {"name": None, "n": 1})
        self.ingest(to="raw.sums", query="SELECT \"Id\", count(*) AS n FROM \"Order's\" GROUP BY 1 ORDER BY 1 LIMIT 1; ")
        self.assertEqual(self.project.rows('SELECT "Id", n FROM raw.sums'), [{"Id": 1, "n": "1"}])

    # ---- what is wrong

    def test_what_is_wrong_is_said_with_a_way_out(self):
        self.sql("CREATE TABLE orders (id INT, at DATETIME, data BLOB)")
        self.fails("not_found", "there is no table ordrs in", "did you mean 'orders'?", table="ordrs")
        self.fails("not_found", "columns names column 'idd', which orders has not", "did you mean 'id'?", table="orders", columns=["idd"])
        self.fails("invalid_config", "column 'at' of orders is DATETIME", "timezone: UTC", expect=2, table="orders")
        self.fails("invalid_config", "cursor column 'data' of orders is BLOB", expect=2, table="orders", cursor=["data"])
        self.fails("invalid_config", "syntax error", expect=2, query="SELEC 1")
        for query in ("SELECT 1) AS x; DELETE FROM orders; SELECT * FROM (SELECT 1", "SELECT load_extension('x') AS id"):
            self.assertNotEqual(self.ingest(expect=2, query=query)["error_code"], None)
        self.project.write("other.db", "no database, but long enough to look at " * 100)
        for path, code, words in (("missing.db", 1, "there is no file"), ("other.db", 1, "file is not a database"), ("data", 2, "is a folder")):
            (self.project.folder / "data").mkdir(exist_ok=True)
            self.configure(yaml=YAML.replace("path: shop.db", f"path: {path}"))
            self.assertIn(words, self.ingest(expect=code, table="orders")["error_text"])
        self.assertFalse((self.project.folder / "missing.db").exists())
        self.configure(yaml=YAML.replace(", path: shop.db", ""))
        self.assertIn("needs a path", self.project.weir("validate", expect=2).stderr)

    def test_a_writer_is_waited_for_and_not_for_ever(self):
        self.sql("CREATE TABLE orders (id INT)")
        self.database.execute("BEGIN EXCLUSIVE")
        self.configure(yaml=YAML.replace("path: shop.db", "path: shop.db, lock_timeout: 100ms"))
        self.fails("conflict", "database is locked", "lock_timeout", expect=75, table="orders")
        self.configure()

        def write():
            self.database.execute("INSERT INTO orders VALUES (1)")
            self.database.execute("COMMIT")
        timer = threading.Timer(0.5, write)
        timer.start()
        self.addCleanup(timer.join)
        self.assertEqual(self.counts(self.ingest(table="orders")), {"in": 1, "inserted": 1})

    def test_the_schema_drifts_by_contract(self):
        self.sql("CREATE TABLE rows (id INT, name TEXT)")
        self.ingest(table="rows")
        self.sql("ALTER TABLE rows ADD price REAL; INSERT INTO rows VALUES (1, 'a', 1.5)")
        self.assertEqual(self.ingest(table="rows")["details"]["new_columns"], ["price"])
        self.sql("ALTER TABLE rows DROP name")
        self.assertEqual(self.ingest(table="rows")["details"]["missing_columns"], ["name"])
        self.sql("DROP TABLE rows; CREATE TABLE rows (id TEXT)")
        self.fails("schema_drift", "column 'id' is bigint in the dataset and TEXT in rows", expect=4, table="rows")

    def test_killed_or_interrupted_in_the_middle(self):
        self.sql("CREATE TABLE rows (id INTEGER PRIMARY KEY, filler TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
                 "INSERT INTO rows SELECT i, hex(zeroblob(500)) FROM n")
        endless = "SELECT a.id FROM rows a, rows b, rows c, rows d WHERE b.filler || c.filler || d.filler > 'x'"
        self.flow(("ingest", "ingest_database", {"connection": "shop", "to": "raw.rows", "query": endless}))
        self.project.weir("apply")
        for how, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
            run = subprocess.Popen([WEIR, "--project", str(self.project.folder), "run", "shop"], env=self.project.environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            # It has the file open once it reads.
            end = time.monotonic() + 60
            while not self.is_open_in(run.pid):
                self.assertLess(time.monotonic(), end)
            run.send_signal(how)
            run.communicate(timeout=60)
            self.assertEqual((run.returncode, self.parquet()), (code, []))
        self.assertEqual(self.counts(self.ingest(table="rows")), {"in": 1000, "inserted": 1000})

    def is_open_in(self, pid):
        wanted = os.path.realpath(self.path)
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                if os.readlink(f"/proc/{pid}/fd/{number}") == wanted:
                    return True
        return False

    def test_a_connection_is_tested_and_looked_at(self):
        self.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, amount REAL, updated_at DATETIME, shop INT); CREATE INDEX by_shop ON orders (shop); "
                 "CREATE VIEW totals AS SELECT sum(amount) AS s FROM orders; INSERT INTO orders VALUES (1, 2, 3, 4); ANALYZE")
        self.assertRegex(self.project.weir("connection", "test", "shop").stdout, r"SQLite 3\.\S+, in .*shop\.db, a file; 2 tables can be read, 0 cannot")
        found = json.loads(self.project.weir("--output", "json", "connection", "discover", "shop").stdout)["tables"]
        self.assertEqual([(table["table"], table["kind"], table["rows"], table["key"], table["cursors"]) for table in found],
                         [("orders", "table", 1, ["id"], ["updated_at", "id", "shop"]), ("totals", "view", None, [], [])])

    def test_a_file_that_may_only_be_read(self):
        self.sql("CREATE TABLE orders (id INT); INSERT INTO orders VALUES (1)")
        folder = self.project.folder / "theirs"
        folder.mkdir()
        shutil.copy(self.path, folder / "shop.db")
        (folder / "shop.db").chmod(stat.S_IRUSR)
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
        self.addCleanup(folder.chmod, 0o700)
        self.configure(yaml=YAML.replace("path: shop.db", "path: theirs/shop.db"))
        self.assertEqual(self.counts(self.ingest(table="orders")), {"in": 1, "inserted": 1})
        self.assertEqual([file.name for file in folder.iterdir()], ["shop.db"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
