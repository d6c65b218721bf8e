"""Tables of a real MariaDB into raw datasets: types, snapshots, increments, crashes, TLS. Skipped where it is not installed."""
import json
import pathlib
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from weir_project import Project, WEIR

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import canary  # noqa: E402
import mariadb  # noqa: E402
from waiting import wait_for  # noqa: E402

YAML = """
project: shop
layers:
  - {name: raw, uri: data/raw}
  - {name: stage, uri: data/stage}
connections:
  - {connection_id: shop, kind: mysql, host: 127.0.0.1, port: "${SHOP_PORT}", database: "${SHOP_DATABASE}", user: root}
datasets:
  - {name: stage.orders, key: [id]}
  - {name: stage.customers, key: [id]}
DATASETS
defaults: {retries: 0, engine: "${WEIR_ENGINE:-embedded}"}
"""

TEXT = ("CAST({} AS CHAR)", "{}::varchar")
MICROSECONDS = ("CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {}) AS CHAR)", "epoch_us({})::varchar")
HEX = ("LOWER(HEX({}))", "lower(hex({}))")
# column: (type in MariaDB, values as literals, text of it in MariaDB, the same in DuckDB)
TYPES = {
    "a_flag": ("tinyint(1)", ["0", "1", "-128", "127"], *TEXT),
    "a_tiny": ("tinyint unsigned", ["0", "255"], *TEXT),
    "a_small": ("smallint", ["-32768", "32767"], *TEXT),
    "a_small_u": ("smallint unsigned", ["0", "65535"], *TEXT),
    "a_medium": ("mediumint", ["-8388608", "8388607"], *TEXT),
    "a_medium_u": ("mediumint unsigned", ["16777215"], *TEXT),
    "a_int": ("int", ["-2147483648", "2147483647"], *TEXT),
    "a_int_u": ("int unsigned zerofill", ["0", "4294967295"], "CAST({} + 0 AS CHAR)", "{}::varchar"),
    "a_big": ("bigint", ["-9223372036854775808", "9223372036854775807", "0"], *TEXT),
    "a_big_u": ("bigint unsigned", ["0", "9223372036854775808", "18446744073709551615"], *TEXT),
    "a_year": ("year", ["0", "1901", "2155"], "CAST({} + 0 AS CHAR)", "{}::varchar"),
    "a_float": ("float", ["0", "-1.5", "0.1", "3.4028235e38", "1.1754944e-38"], "CAST(CAST({} AS DOUBLE) AS CHAR)", "{}::double::varchar"),
    "a_double": ("double", ["0.1", "1e-300", "1.7976931348623157e308", "-2.5"], *TEXT),
    "a_money": ("decimal(12,3)", ["0", "-0.001", "123456789.125", "-999999999.999"], *TEXT),
    "a_wide": ("decimal(38,10)", ["1e-10", "-9999999999999999999999999999.9999999999", "10000"], *TEXT),
    "a_widest": ("decimal(65,30)", ["1.5", "-99999999999999999999999999999999999.000000000000000000000000000001"], *TEXT),
    "a_positive": ("decimal(5,0) unsigned", ["99999", "0"], *TEXT),
    "a_bit": ("bit(1)", ["b'0'", "b'1'"], "CASE {} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END", "{}::varchar"),
    "a_byte": ("bit(8)", ["b'11111111'", "b'101'"], "CAST({} + 0 AS CHAR)", "{}::varchar"),
    "a_bits": ("bit(40)", ["1099511627775", "1"], "CAST({} + 0 AS CHAR)", "{}::varchar"),
    "a_bits64": ("bit(64)", ["18446744073709551615", "1"], "CAST({} + 0 AS CHAR)", "{}::varchar"),
    "a_date": ("date", ["'0001-01-01'", "'1969-12-31'", "'2024-02-29'", "'9999-12-31'"], *TEXT),
    "a_time": ("time(6)", ["'00:00'", "'23:59:59.999999'", "'12:34:56.7'"],
               "CAST(FLOOR(TIME_TO_SEC({0})) * 1000000 + MICROSECOND({0}) AS CHAR)", "epoch_us({})::varchar"),
    "a_datetime": ("datetime", ["'1000-01-01'", "'2024-02-29 12:00:01'", "'9999-12-31 23:59:59'"], *MICROSECONDS),
    "a_datetime6": ("datetime(6)", ["'1969-12-31 23:59:59.999999'", "'2024-02-29 12:00'", "'0001-01-01 00:00:00.000001'"], *MICROSECONDS),
    "a_timestamp": ("timestamp(3) null", ["'2024-07-01 12:00:00.123'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'"], *MICROSECONDS),
    "a_char": ("char(5)", ["'ab'", "'abcde'", "''", "'é😀'"], "{}", "{}"),
    "a_varchar": ("varchar(10) character set latin1", ["'short'", "'Ærø'", "'  '"], "CONVERT({} USING utf8mb4)", "{}"),
    "a_text": ("text", ["''", "'Ærø'", "'line\\nbreak'", "'\"quoted\"'", "repeat('x', 3000)", "'😀'", "'back\\\\slash'"], "{}", "{}"),
    "a_long": ("longtext", ["repeat('é', 70000)", "'a'"], "{}", "{}"),
    "a_enum": ("enum('sad','happy')", ["'sad'", "'happy'"], "{}", "{}"),
    "a_set": ("set('a','b','c')", ["''", "'a,c'"], "{}", "{}"),
    "a_json": ("json", ["'{\"b\": 1,  \"a\": [null]}'", "'null'"], "{}", "{}"),
    "a_binary": ("binary(4)", ["x'00ff'", "'abcd'"], *HEX),
    "a_varbinary": ("varbinary(5)", ["''", "x'00ff10'"], *HEX),
    "a_blob": ("mediumblob", ["''", "repeat(x'00ff', 40000)"], *HEX),
    "a_uuid": ("uuid", ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"], *TEXT),
    "a_inet6": ("inet6", ["'::1'", "'2001:db8::ff00:42:8329'"], *TEXT),
    "a_point": ("point", ["point(1, 2)"], *HEX),
}


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


class WithServer(unittest.TestCase):
    OPTIONS = ()

    @classmethod
    def setUpClass(cls):
        try:
            context = mariadb.server(*cls.OPTIONS)
            cls.server = context.__enter__()
        except mariadb.Missing as why:
            print(f"SKIPPED: {why}", flush=True)
            raise unittest.SkipTest(str(why)) from why
        cls.addClassCleanup(context.__exit__, None, None, None)

    def setUp(self):
        self.database = self.server.create_database()
        self.project = Project()
        self.addCleanup(self.project.close)
        (self.project.folder / "flows/shop.yaml").unlink()
        self.project.environment.update(SHOP_PORT=str(self.server.port), SHOP_DATABASE=self.database)
        self.configure()

    def configure(self, datasets="", yaml=YAML):
        self.project.write("weir.yaml", yaml.replace("DATASETS", datasets))

    def sql(self, text):
        return self.server.sql(self.database, text).rstrip("\n")

    def flow(self, *tasks):
        text = "flow: shop\ntasks:\n"
        before = []
        for name, template, values in tasks:
            text += f"  - {{id: {name}, template: {template}, needs: {json.dumps(before)}, with: {json.dumps(values)}}}\n"
            before = [name]
        self.project.write("flows/shop.yaml", text)

    def ingest(self, expect=0, to="raw.rows", **values):
        """One task alone; its row of the report."""
        self.flow(("ingest", "ingest_database", {"connection": "shop", "to": to, **values}))
        return self.project.report(expect=expect)["tasks"]["ingest"]

    def fails(self, code, words, hint="", expect=1, **values):
        task = self.ingest(expect=expect, **values)
        self.assertEqual((task["error_code"], words in task["error_text"], hint in (task["error_hint"] or "")), (code, True, True),
                         f"{task['error_text']} / {task['error_hint']}")
        return task

    def counts(self, task):
        return {key: value for key, value in task["counts"].items() if value and key != "out"}

    def wait_for(self, query, answer):
        wait_for(query, lambda: self.sql(query) == answer, pause=0)

    def start(self, *words):
        return subprocess.Popen([WEIR, "--project", str(self.project.folder), *words], env=self.project.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def parquet(self):
        return [name for name in self.project.objects() if name.endswith(".parquet")]


    def slow(self, *words):
        """A run in the middle of its reading: rows have come, and the others come slowly."""
        self.sql("CREATE TABLE `rows` (id int PRIMARY KEY, filler varchar(200)); INSERT INTO `rows` SELECT seq, repeat('x', 200) FROM seq_1_to_50000")
        self.flow(("ingest", "ingest_database", {"connection": "shop", "to": "raw.rows", "table": "rows",
                                                 "where": "IF(id > 40000 AND id % 200 = 0, SLEEP(0.05) = 0, TRUE)"}))
        run = self.start(*(words or ("run", "shop", "--apply")))
        self.wait_for("SELECT count(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT `id`%' AND STATE = 'User sleep'", "1")
        return run


class IngestMysql(WithServer):
    # ---- values

    def test_every_value_is_what_mariadb_says(self):
        seed = random.randrange(1 << 32)
        print(f"seed {seed}", flush=True)
        chance = random.Random(seed)
        self.sql("CREATE TABLE `rows` (id int PRIMARY KEY, " + ", ".join(f"{name} {what[0]}" for name, what in TYPES.items()) + ")")
        rows = []
        for row in range(300):
            values = []
            for name, (_, literals, _, _) in TYPES.items():
                # Each literal at least once, then by chance, and NULL.
                pick = literals[row] if row < len(literals) else chance.choice(literals + ["NULL"])
                if name == "a_double" and row > 50:
                    pick = repr(chance.uniform(-1, 1) * 10**chance.randrange(-20, 20))
                if name == "a_float" and row > 50:
                    pick = repr(struct.unpack("f", struct.pack("f", chance.uniform(-1, 1) * 10**chance.randrange(-20, 20)))[0])
                if name == "a_wide" and row > 50:
                    pick = f"{chance.randrange(-10**15, 10**15)}e-{chance.randrange(0, 10)}"
                if name == "a_big_u" and row > 50:
                    pick = str(chance.randrange(2**64))
                if name == "a_datetime6" and row > 50:
                    pick = f"TIMESTAMP'1970-01-01 00:00:00' + INTERVAL {chance.randrange(-30000000000, 100000000000)}.{chance.randrange(10**6):06} SECOND"
                values.append(pick)
            rows.append(f"({row}, {', '.join(values)})")
        for first in range(0, 300, 50):
            self.sql("SET time_zone = '+00:00'; INSERT INTO `rows` VALUES " + ", ".join(rows[first:first + 50]))
        task = self.ingest(table="rows", timezone="UTC")
        self.assertEqual(self.counts(task), {"in": 300, "inserted": 300})
        for name, (_, _, ours, theirs) in TYPES.items():
            said = self.server.sql(self.database, f"SET time_zone = '+00:00'; SELECT HEX({ours.format(name)}) FROM `rows` ORDER BY id").splitlines()
            said = [None if value == "NULL" else bytes.fromhex(value).decode() for value in said]
            read = [row["value"] for row in self.project.rows(f"SELECT {theirs.format(name)} AS value FROM raw.rows ORDER BY id")]
            if name in ("a_float", "a_double"):
                said, read = ([value and repr(float(value)) for value in values] for values in (said, read))
            with self.subTest(name):
                self.assertEqual(said, read)
        types = self.project.rows("SELECT " + ", ".join(f"typeof({name}) AS {name}" for name in TYPES) + " FROM raw.rows LIMIT 1")[0]
        for name, type_ in {"a_flag": "INTEGER", "a_big_u": "DECIMAL(20,0)", "a_int_u": "BIGINT", "a_bit": "BOOLEAN", "a_bits": "BIGINT",
                            "a_bits64": "DECIMAL(20,0)", "a_widest": "VARCHAR", "a_wide": "DECIMAL(38,10)", "a_year": "INTEGER",
                            "a_binary": "BLOB", "a_enum": "VARCHAR", "a_time": "TIME"}.items():
            self.assertEqual(types[name], type_, name)
        self.flow(("ingest", "ingest_database", {"connection": "shop", "to": "raw.again", "table": "rows", "timezone": "UTC"}))
        self.assertIn("are loaded as text; declare their types: a_widest", self.project.run().stderr)

    def test_what_has_no_exact_value_is_quarantined_with_its_reason(self):
        self.sql("SET sql_mode = 'ALLOW_INVALID_DATES'; CREATE TABLE `rows` (id int, price decimal(10,3), day date, at datetime, `while` time, "
                 "data blob, stamp timestamp NOT NULL DEFAULT '2024-01-01'); INSERT INTO `rows` (id, price, day, at, `while`, data) VALUES "
                 "(1, 1.50, '2024-01-01', '2024-01-01', '12:00', 'ok'), (2, 1.005, NULL, NULL, NULL, NULL), (3, NULL, '0000-00-00', NULL, NULL, NULL), "
                 "(4, NULL, '2024-00-10', NULL, NULL, NULL), (5, NULL, NULL, '0000-00-00', NULL, NULL), (6, NULL, NULL, NULL, '-00:00:01', NULL), "
                 "(7, NULL, NULL, NULL, '838:59:59', NULL), (8, NULL, NULL, NULL, NULL, x'C328'), (9, 2.00, '2024-02-31', NULL, NULL, NULL), "
                 "(10, 9999999, NULL, NULL, NULL, NULL), (11, 3, NULL, '2024-03-31 02:30', NULL, NULL), (12, 4, NULL, NULL, NULL, NULL); "
                 "UPDATE `rows` SET stamp = '0000-00-00' WHERE id = 12")
        self.configure('  - {name: raw.rows, options: {control_columns: [id]}, columns: {id: integer, price: "decimal(10,3)", data: varchar}}')
        values = {"table": "rows", "timezone": "Europe/Berlin"}
        task = self.ingest(**values)
        rejected = self.project.rows('SELECT line, "column", reason, "values", raw::varchar AS raw FROM raw.rows__rejected ORDER BY line')
        self.assertEqual([(row["line"], row["column"], row["reason"]) for row in rejected],
                         [(3, "day", "zero_date"), (4, "day", "zero_date"), (5, "at", "zero_date"), (6, "while", "out_of_range"),
                          (7, "while", "out_of_range"), (8, "data", "invalid_utf8"), (9, "day", "out_of_range"),
                          (11, "at", "nonexistent_time"), (12, "stamp", "zero_date")])
        self.assertEqual(self.counts(task), {"in": 12, "inserted": 3, "rejected": 9})
        self.assertEqual(json.loads(rejected[3]["values"]), {"id": "6", "while": "-00:00:01", "stamp": "2024-01-01 00:00:00"})
        self.assertEqual(rejected[3]["raw"], "6\\x09\\x5CN\\x09\\x5CN\\x09\\x5CN\\x09\\x5CN\\x09-00:00:01\\x092024-01-01 00:00:00")
        self.assertEqual(json.loads(rejected[4]["values"])["while"], "838:59:59")
        self.assertEqual(json.loads(rejected[5]["values"])["data"], "0xC328")
        self.assertEqual(task["details"]["sums"]["columns"]["id"]["rejected"]["sum"], "65")
        self.assertEqual(self.project.weir("reconcile").returncode, 0)
        self.assertEqual(self.project.rows("SELECT id, epoch_us(\"at\") // 1000000 AS s FROM raw.rows ORDER BY id"),
                         [{"id": 1, "s": 1704063600}, {"id": 2, "s": None}, {"id": 10, "s": None}])
        # Zero dates as NULL, where the task says so; a limit on what may be refused.
        self.assertEqual(self.counts(self.ingest(**values, zero_dates="null")), {"in": 12, "inserted": 7, "rejected": 5})
        self.fails("check_failed", "more than max_rejected_rows 3", expect=3, **values, max_rejected_rows=3)

    def test_columns_are_read_as_declared_where_that_is_exact(self):
        self.sql("CREATE TABLE `rows` (flag tinyint(1), n int unsigned, price decimal(6,2), day date, body blob, at datetime, f float); INSERT INTO `rows` "
                 "VALUES (1, 5, 1.5, '2024-01-01', 'text', '2024-01-01 10:00', 1.5), (0, 6, 2, NULL, NULL, NULL, NULL), (2, 7, 3, NULL, NULL, NULL, NULL)")
        self.configure('  - {name: raw.rows, columns: {flag: boolean, n: bigint, price: "decimal(12,4)", day: varchar, body: varchar, at: varchar, f: double}}')
        self.assertEqual(self.counts(self.ingest(table="rows")), {"in": 3, "inserted": 2, "rejected": 1})
        self.assertEqual(self.project.rows("SELECT flag, n, price, day, body, \"at\", f FROM raw.rows ORDER BY n")[0],
                         {"flag": True, "n": 5, "price": "1.5000", "day": "2024-01-01", "body": "text", "at": "2024-01-01 10:00:00", "f": 1.5})
        self.configure("  - {name: raw.rows, columns: {n: integer}}")
        self.fails("schema_drift", f"column 'n' is integer in the dataset and int unsigned in {self.database}.rows", "contract.types", expect=4,
                   table="rows", columns=["n"])

    # ---- reads

    def test_each_full_read_is_a_snapshot_of_its_own(self):
        self.sql("CREATE TABLE customers (id int PRIMARY KEY, name text, at datetime); INSERT INTO customers VALUES (1, 'Ann', "
                 "'2024-06-01 12:00'), (2, 'Bob', '2024-01-01 12:00')")
        self.flow(("ingest", "ingest_database", {"connection": "shop", "table": "customers", "to": "raw.customers",
                                                 "timezone": "Europe/Berlin"}),
                  ("history", "merge_history", {"from": "raw.customers", "to": "stage.customers", "deletes": "by_absence",
                                                "max_deleted_percent": 60}))
        self.project.report()
        self.sql("UPDATE customers SET name = 'Anna' WHERE id = 1; DELETE FROM customers WHERE id = 2")
        report = self.project.report()
        self.assertEqual(report["tasks"]["history"]["counts"]["closed_by_absence"], 1)
        self.assertEqual(self.project.rows("SELECT id, name, is_current, epoch_us(\"at\") // 1000000 AS \"at\" FROM stage.customers ORDER BY id, valid_from"),
                         [{"id": 1, "name": "Ann", "is_current": False, "at": 1717236000},
                          {"id": 1, "name": "Anna", "is_current": True, "at": 1717236000},
                          {"id": 2, "name": "Bob", "is_current": False, "at": 1704106800}])

    def test_one_snapshot_while_others_write(self):
        self.sql("CREATE TABLE accounts (id int PRIMARY KEY, balance int, filler text); INSERT INTO accounts SELECT seq, 100, "
                 "repeat('x', 200) FROM seq_1_to_30000")
        over = threading.Event()

        def move():
            while not over.is_set():
                self.sql("BEGIN; UPDATE accounts SET balance = balance - 10 WHERE id % 100 = 1; UPDATE accounts SET balance = "
                         "balance + 10 WHERE id % 100 = 50; COMMIT; BEGIN; DELETE FROM accounts WHERE id = 30000; INSERT INTO accounts "
                         "VALUES (30000, 100, 'new'); INSERT INTO accounts SELECT min(id) - 1, 0, 'more' FROM accounts; COMMIT")
        writer = threading.Thread(target=move)
        writer.start()
        self.addCleanup(writer.join)
        self.addCleanup(over.set)
        for _ in range(2):
            task = self.ingest(table="accounts", parallel=4)
            self.assertEqual(task["details"]["source"]["pieces"], 1)
            newest = "SELECT count(*) FILTER (id > 0) AS n, count(DISTINCT id) - count(*) AS twice, sum(balance)::bigint AS money FROM raw.rows " \
                     "WHERE _run_id = (SELECT max(_run_id) FROM raw.rows)"
            self.assertEqual(self.project.rows(newest), [{"n": 30000, "twice": 0, "money": 3000000}])

    def test_queries_conditions_and_columns(self):
        self.sql("CREATE TABLE `Order's ``x` (`Id` int, `a b` text, secret text); INSERT INTO `Order's ``x` VALUES (1, 'x', 's'), (2, 'y', 's'), (3, NULL, 's')")
        task = self.ingest(table=f"{self.database}.Order's `x", columns=["Id", "a b"], where="`Id` > 1 -- the first is a test")
        self.assertEqual(self.counts(task), {"in": 2, "inserted": 2})
        self.assertEqual(self.project.rows('SELECT * EXCLUDE (_run_id, _loaded_at, _source_file) FROM raw.rows ORDER BY "Id"'),
                         [{"Id": 2, "a b": "y", "_source_row": 1}, {"Id": 3, "a b": None, "_source_row": 2}])
        task = self.ingest(to="raw.sums", query="SELECT count(*) AS n, sum(`Id`) AS total, NULL AS nothing FROM `Order's ``x`; ")
        self.assertEqual(self.project.rows("SELECT n, total, nothing FROM raw.sums"), [{"n": 3, "total": "6", "nothing": None}])

    # ---- increments

    def orders(self, type_="timestamp(6)"):
        self.sql(f"CREATE TABLE orders (id int PRIMARY KEY, amount decimal(8,2), changed_at {type_} NOT NULL, KEY (changed_at))")

    def put(self, *rows):
        values = ", ".join(f"({id_}, {amount}, '2024-01-01 {at}')" for id_, amount, at in rows)
        self.sql(f"SET time_zone = '+00:00'; REPLACE INTO orders VALUES {values}")

    def increment(self, **values):
        return self.ingest(**{"to": "raw.orders", "table": "orders", "mode": "incremental", "cursor": ["changed_at"], **values})

    def test_increments_go_on_where_the_last_one_ended(self):
        self.orders()
        self.put((1, 10, "10:00"), (2, 20, "11:00"))
        ingest = {"connection": "shop", "to": "raw.orders", "table": "orders", "mode": "incremental", "cursor": ["changed_at"], "lag": "30m"}
        self.flow(("ingest", "ingest_database", ingest), ("latest", "merge_latest", {"from": "raw.orders", "to": "stage.orders", "order_by": "changed_at"}))
        report = self.project.report()
        self.assertEqual(report["tasks"]["ingest"]["details"]["source"]["cursor"],
                         {"columns": ["changed_at"], "types": ["timestamp(6)"], "from": None, "to": ["2024-01-01 11:00:00.000000"], "lag": "30m"})
        # Read again for the lag, and not doubled.
        self.put((1, 11, "12:00"), (3, 30, "10:45"), (4, 5, "10:15"))
        report = self.project.report()
        self.assertEqual(self.counts(report["tasks"]["ingest"]), {"in": 3, "inserted": 3})
        self.assertEqual(report["tasks"]["ingest"]["details"]["source"]["cursor"]["to"], ["2024-01-01 12:00:00.000000"])
        self.assertEqual(self.counts(report["tasks"]["latest"]), {"in": 3, "inserted": 1, "updated_in_place": 2})
        self.assertEqual(self.project.rows("SELECT id, amount FROM stage.orders ORDER BY id"),
                         [{"id": 1, "amount": "11.00"}, {"id": 2, "amount": "20.00"}, {"id": 3, "amount": "30.00"}])
        # The watermark is the lake's: a catalog that is gone reads nothing anew.
        (self.project.folder / "weir.db").unlink()
        report = self.project.report()
        self.assertEqual(report["tasks"]["ingest"]["details"]["source"]["cursor"]["from"], ["2024-01-01 12:00:00.000000"])
        self.assertEqual(self.counts(report["tasks"]["ingest"]), {"in": 1, "inserted": 1})

    def test_an_increment_without_rows_is_no_object(self):
        self.orders("datetime(3)")
        self.put((1, 10, "10:00:00.001"))
        values = {"bound": "exclusive", "timezone": "UTC"}
        self.increment(**values)
        before = self.project.objects()
        task = self.increment(**values)
        self.assertEqual((self.counts(task), self.project.objects()), ({}, before))
        self.put((2, 10, "10:00:00.001"), (3, 10, "10:01"))
        # What exclusive is warned of: another row at the very watermark is not seen.
        self.assertEqual(self.counts(self.increment(**values)), {"in": 1, "inserted": 1})
        self.put((4, 10, "10:01"))
        self.assertEqual(self.counts(self.increment(timezone="UTC")), {"in": 2, "inserted": 2})

    def test_a_row_that_is_committed_late_is_seen_with_lag(self):
        self.orders()
        late = subprocess.Popen(self.server.client(self.database), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(late.wait)
        self.addCleanup(late.stdout.close)
        self.addCleanup(late.stdin.close)
        late.stdin.write("SET time_zone = '+00:00'; BEGIN; INSERT INTO orders VALUES (1, 1, '2024-01-01 10:00'); SELECT 'written';\n")
        late.stdin.flush()
        self.assertEqual(late.stdout.readline(), "written\n")
        self.put((2, 2, "10:05"))
        self.increment()
        late.stdin.write("COMMIT; SELECT 'committed';\n")
        late.stdin.flush()
        self.assertEqual(late.stdout.readline(), "committed\n")
        self.assertEqual(self.counts(self.increment()), {"in": 1, "inserted": 1})  # the one at the watermark
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM raw.orders WHERE id = 1"), [{"n": 0}])
        self.assertEqual(self.counts(self.increment(lag="10m")), {"in": 2, "inserted": 2})
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM raw.orders WHERE id = 1"), [{"n": 1}])

    def test_cursors_of_several_columns_numbers_and_texts(self):
        self.sql("CREATE TABLE `rows` (day date, number smallint unsigned, at datetime, code varchar(10)); INSERT INTO `rows` VALUES "
                 "('2024-01-01', 5, '2024-01-01', 'a'), ('2024-01-02', 1, '0000-00-00', 'it''s \\\\'), ('2024-01-02', 3, NULL, NULL)")
        values = {"table": "rows", "mode": "incremental", "cursor": ["day", "number"], "bound": "exclusive", "columns": ["day", "number"]}
        self.assertEqual(self.ingest(**values)["details"]["source"]["cursor"]["to"], ["2024-01-02", "3"])
        self.sql("INSERT INTO `rows` VALUES ('2024-01-02', 2, NULL, NULL), ('2024-01-02', 4, NULL, NULL), ('2024-01-03', 0, NULL, 'j')")
        self.assertEqual(self.counts(self.ingest(**values)), {"in": 2, "inserted": 2})
        # Another cursor is another watermark; what is no day or NULL moves none.
        other = {"table": "rows", "mode": "incremental", "cursor": ["at"], "timezone": "UTC", "zero_dates": "null", "to": "raw.others"}
        self.assertEqual(self.ingest(**other)["details"]["source"]["cursor"]["to"], ["2024-01-01 00:00:00"])
        self.assertIn("without a value in cursor at", json.dumps(self.project.report()) + self.project.run().stderr)
        number = {"table": "rows", "mode": "incremental", "cursor": ["number"], "lag": "32767", "to": "raw.numbers", "columns": ["number"]}
        self.ingest(**number)
        self.assertEqual(self.counts(self.ingest(**number)), {"in": 6, "inserted": 6})
        self.fails("invalid_config", "lag '10m' fits no cursor 'number' of type smallint unsigned", expect=2, **{**number, "lag": "10m"})
        code = {"table": "rows", "mode": "incremental", "cursor": ["code"], "to": "raw.codes", "columns": ["code"]}
        self.assertEqual(self.ingest(**code)["details"]["source"]["cursor"]["to"], ["j"])
        self.sql("DELETE FROM `rows` WHERE code = 'j'; INSERT INTO `rows` VALUES (NULL, NULL, NULL, 'j\\'k\\\\')")
        self.assertEqual(self.ingest(**code)["details"]["source"]["cursor"]["to"], ["j'k\\"])
        self.assertEqual(self.counts(self.ingest(**code)), {"in": 1, "inserted": 1})
        self.fails("invalid_config", "cursor column 'x' of query is float", expect=2, query="SELECT CAST(1 AS float) AS x", cursor=["x"])

    def test_settings_of_the_server_change_nothing(self):
        self.sql("CREATE TABLE `rows` (code varchar(10), filled char(5), at timestamp NULL); SET time_zone = '+00:00'; INSERT INTO `rows` VALUES "
                 "('a', 'ab', '2024-01-01 12:00'), ('it''s \\\\', 'cd', '2024-01-01 13:00'), ('z', 'ef', NULL)")
        before = self.sql("SELECT @@global.sql_mode, @@global.time_zone")
        self.assertEqual(before, "\tSYSTEM")
        self.addCleanup(self.sql, "SET GLOBAL sql_mode = '', GLOBAL time_zone = 'SYSTEM', GLOBAL sql_select_limit = DEFAULT, GLOBAL net_write_timeout = 60")
        self.sql("SET GLOBAL sql_mode = 'ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT', GLOBAL time_zone = '+05:00', "
                 "GLOBAL sql_select_limit = 1, GLOBAL net_write_timeout = 1")
        values = {"table": "rows", "mode": "incremental", "cursor": ["code"], "where": "\"code\" <> 'z'"}
        task = self.ingest(**values)
        self.assertEqual((self.counts(task), task["details"]["source"]["cursor"]["to"]), ({"in": 2, "inserted": 2}, ["it's \\"]))
        self.assertEqual(self.counts(self.ingest(**values)), {"in": 1, "inserted": 1})
        self.assertEqual(self.project.rows("SELECT DISTINCT filled, epoch_us(\"at\") // 1000000 AS s FROM raw.rows ORDER BY s"),
                         [{"filled": "ab", "s": 1704110400}, {"filled": "cd", "s": 1704114000}])

    # ---- contract

    def test_the_schema_drifts_by_contract(self):
        self.sql("CREATE TABLE `rows` (id int, name text)")
        self.ingest(table="rows")
        self.sql("ALTER TABLE `rows` ADD price decimal(6,2); INSERT INTO `rows` VALUES (1, 'a', 1.5)")
        task = self.ingest(table="rows")
        self.assertEqual(task["details"]["new_columns"], ["price"])
        self.sql("ALTER TABLE `rows` DROP name, MODIFY id smallint")
        task = self.ingest(table="rows")
        self.assertEqual(task["details"]["missing_columns"], ["name"])
        self.sql("ALTER TABLE `rows` MODIFY id bigint")
        self.fails("schema_drift", f"column 'id' is integer in the dataset and bigint in {self.database}.rows", "contract.types", expect=4, table="rows")
        self.configure("  - {name: raw.rows, contract: {types: evolve}}")
        self.assertEqual(self.counts(self.ingest(table="rows")), {"in": 1, "inserted": 1})
        self.configure('  - {name: raw.rows, columns: {id: bigint}, contract: {columns: freeze}}')
        self.fails("schema_drift", "columns that are not declared: 'price'", expect=4, table="rows")

    def test_what_is_wrong_is_said_with_a_way_out(self):
        self.sql("CREATE TABLE orders (id int, at datetime, _run_id text); CREATE USER IF NOT EXISTS poor")
        self.fails("not_found", f"there is no table {self.database}.ordrs", f"did you mean '{self.database}.orders'?", table="ordrs")
        self.fails("not_found", f"columns names column 'idd', which {self.database}.orders has not", "did you mean 'id'?", table="orders", columns=["idd"])
        self.fails("invalid_config", f"column 'at' of {self.database}.orders is datetime", "timezone: UTC", expect=2, table="orders", columns=["at"])
        self.fails("invalid_config", "timezone 'Europe/Berln' is no time zone", "IANA", expect=2, table="orders", columns=["at"], timezone="Europe/Berln")
        self.fails("invalid_data", "column '_run_id', which is weir's own name", expect=3, table="orders")
        self.fails("invalid_config", "You have an error in your SQL syntax", expect=2, query="SELEC 1")
        # Nothing can be written, whatever the user may do at the server.
        self.fails("invalid_config", "syntax", expect=2, query="SELECT 1 INTO OUTFILE '/tmp/weir-never'")
        self.fails("invalid_config", "syntax", expect=2, query="SELECT 1) AS x; DROP TABLE orders; SELECT * FROM (SELECT 1")
        self.sql("DELIMITER //\nCREATE FUNCTION f() RETURNS int MODIFIES SQL DATA BEGIN INSERT INTO orders (id) VALUES (1); RETURN 1; END//")
        self.fails("invalid_config", "READ ONLY", expect=2, query="SELECT f() AS id")
        self.configure(yaml=YAML.replace("user: root", "user: poor"))
        self.fails("denied", "Access denied", "GRANT", table="orders", columns=["id"])
        self.configure(yaml=YAML.replace('database: "${SHOP_DATABASE}"', "database: nowhere"))
        self.fails("not_found", "Unknown database 'nowhere'", table="orders")

    def test_a_table_without_snapshots_is_read_with_a_warning(self):
        self.sql("CREATE TABLE `rows` (id int) ENGINE = MyISAM; INSERT INTO `rows` VALUES (1), (2)")
        self.assertEqual(self.counts(self.ingest(table="rows")), {"in": 2, "inserted": 2})
        run = self.project.run()
        self.assertIn("a table of MyISAM, which knows no snapshots", run.stdout + run.stderr + json.dumps(self.project.report()))

    # ---- what breaks

    def test_killed_in_the_middle_and_tried_again(self):
        run = self.slow()
        run.kill()
        run.communicate()
        self.assertEqual(self.parquet(), [])
        self.project.weir("run", "shop", "--apply")
        self.assertEqual(self.project.rows("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM raw.rows"), [{"n": 50000, "ids": 50000}])
        self.assertEqual(len(self.parquet()), 1)

    def test_interrupted_in_the_middle(self):
        run = self.slow()
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        self.assertEqual((run.returncode, self.parquet()), (130, []))
        # The server was told, too: nobody reads on.
        self.wait_for("SELECT count(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT `id`%'", "0")

    def test_interrupted_while_the_server_computes(self):
        self.flow(("ingest", "ingest_database", {"connection": "shop", "to": "raw.rows", "query": "SELECT count(*) AS id FROM seq_1_to_1000000 a, seq_1_to_1000000 b"}))
        run = self.start("run", "shop", "--apply")
        busy = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%seq_1_to_1000000 a%' AND ID <> CONNECTION_ID()"
        self.wait_for(busy, "1")
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        self.assertEqual((run.returncode, self.parquet()), (130, []))
        self.wait_for(busy, "0")

    def test_a_connection_that_is_killed_in_the_middle(self):
        run = self.slow()
        self.sql("SELECT CONCAT('KILL ', ID) INTO @kill FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT `id`%'; EXECUTE IMMEDIATE @kill")
        _, error = run.communicate(timeout=120)
        self.assertEqual((run.returncode, self.parquet()), (75, []), error)

    def test_a_server_that_restarts_in_the_middle(self):
        run = self.slow()
        self.server.stop(signal.SIGKILL)
        _, error = run.communicate(timeout=120)
        self.server.start()
        self.assertEqual((run.returncode, self.parquet()), (75, []), error)
        self.assertIn("unavailable", error + self.project.weir("status", expect=None).stdout)
        self.project.weir("retry", "shop")
        self.assertEqual(self.project.rows("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM raw.rows"), [{"n": 50000, "ids": 50000}])

    def test_a_server_that_is_not_there(self):
        self.project.environment["SHOP_PORT"] = "1"
        self.fails("unavailable", "Can't connect", "check that the server runs", expect=75, table="rows")

    def test_memory_is_bounded_by_the_rows_at_hand(self):
        self.sql("CREATE TABLE `rows` (id int PRIMARY KEY, filler varchar(1000)); INSERT INTO `rows` SELECT seq, repeat(md5(seq), 30) FROM seq_1_to_400000")
        self.flow(("ingest", "ingest_database", {"connection": "shop", "to": "raw.rows", "table": "rows"}))
        self.project.weir("apply")
        done = subprocess.run(["/usr/bin/env", "python3", "-c", "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); "
                               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)",
                               WEIR, "--project", str(self.project.folder), "run", "shop"], env=self.project.environment, text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        peak_mb = int(done.stdout.splitlines()[-1]) // 1024
        print(f"400 MB of rows within {peak_mb} MB", flush=True)
        self.assertLess(peak_mb, 300)
        self.assertEqual(self.project.rows("SELECT count(*) AS n, count(DISTINCT filler) AS f FROM raw.rows"), [{"n": 400000, "f": 400000}])

    def test_passwords_are_followed_and_shown_to_nobody(self):
        password = "pa55-of-ann-y"
        canary.watch(password)
        self.sql(f"CREATE OR REPLACE USER ann IDENTIFIED BY '{password}'; CREATE TABLE `rows` AS SELECT 1 AS id; GRANT SELECT ON {self.database}.* TO ann")
        self.configure(yaml=YAML.replace("user: root", "user: ann, password: secret://shop#password"))
        self.project.environment["WEIR_SECRET_SHOP"] = json.dumps({"password": "wrong-one-here"})
        self.fails("denied", "Access denied for user 'ann'", "check the user and its password", table="rows")
        self.project.environment["WEIR_SECRET_SHOP"] = json.dumps({"password": password})
        for engine in ("embedded", "subprocess"):
            self.project.environment["WEIR_ENGINE"] = engine
            self.assertEqual(self.counts(self.ingest(table="rows")), {"in": 1, "inserted": 1})
        self.assertIn("ann", self.project.weir("connection", "test", "shop").stdout)
        canary.check_folder(self.project.folder)

    # ---- what stands in a database

    def test_a_connection_is_tested_and_looked_at(self):
        self.orders()
        self.put((1, 10, "10:00"))
        self.sql("CREATE VIEW totals AS SELECT sum(amount) FROM orders; ANALYZE TABLE orders; CREATE OR REPLACE USER poor; GRANT INSERT ON orders TO poor; "
                 "GRANT SELECT ON totals TO poor")
        said = self.project.weir("connection", "test", "shop").stdout
        self.assertRegex(said, r"MariaDB 10\.11\.\d+, as root@localhost in test_\d+, not encrypted; \d+ tables can be read, 0 cannot")

        def look():
            found = json.loads(self.project.weir("--output", "json", "connection", "discover", "shop").stdout)["tables"]
            return [(table["table"].partition(".")[2], table["kind"], table["rows"], table["is_readable"], table["key"], table["cursors"]) for table in found
                    if table["table"].startswith(self.database + ".")]
        self.assertEqual(look(), [("orders", "table", 1, True, ["id"], ["changed_at", "id"]), ("totals", "view", None, True, [], [])])
        for kind in ("mysql", "mariadb"):
            self.configure(yaml=YAML.replace("user: root", "user: poor").replace("kind: mysql", f"kind: {kind}"))
            self.assertEqual([(name, readable) for name, _, _, readable, _, _ in look()], [("orders", False), ("totals", True)])
        run = self.project.weir("connection", "test", "shp", expect=2)
        self.assertIn("did you mean 'shop'?", run.stderr)

    def test_what_a_connection_says_is_checked_before_it_is_used(self):
        for words, why in (("sslmode: prefer", "goes on without encryption"), ("sslmode: verify-ca", "there is no verify-ca"), ("sslmod: x", "did you mean 'sslmode'"),
                           ("password: open-sesame", "holds a secret in clear")):
            self.configure(yaml=YAML.replace("user: root", f"user: root, {words}"))
            self.assertIn(why, self.project.weir("validate", expect=2).stderr)


class Tls(WithServer):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="weir-tls-", dir="/tmp")
        cls.addClassCleanup(folder.cleanup)
        cls.keys = pathlib.Path(folder.name)
        cls.keys.chmod(0o755)
        for name in ("ca", "other"):
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", cls.keys / f"{name}.key", "-out", cls.keys / f"{name}.pem", "-days", 2,
                    "-subj", f"/CN={name}")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", cls.keys / "server.key", "-out", cls.keys / "server.csr", "-subj", "/CN=db.example")
        (cls.keys / "names").write_text("subjectAltName=DNS:localhost")
        openssl("x509", "-req", "-in", cls.keys / "server.csr", "-CA", cls.keys / "ca.pem", "-CAkey", cls.keys / "ca.key", "-CAcreateserial", "-days", 2,
                "-extfile", cls.keys / "names", "-out", cls.keys / "server.pem")
        for file in cls.keys.iterdir():
            file.chmod(0o644)
        cls.OPTIONS = (f"--ssl-cert={cls.keys}/server.pem", f"--ssl-key={cls.keys}/server.key", f"--ssl-ca={cls.keys}/ca.pem")
        super().setUpClass()

    def connect(self, host, options, expect=0):
        self.configure(yaml=YAML.replace("host: 127.0.0.1", f"host: {host}").replace("user: root", f"user: root, {options}"))
        run = self.project.weir("connection", "test", "shop", expect=expect)
        return run.stdout + run.stderr

    def test_the_server_is_who_it_says(self):
        self.assertIn("TLSv1.", self.connect("localhost", f"sslmode: verify-full, sslrootcert: {self.keys}/ca.pem"))
        # Nothing said, on this machine: encrypted since the server is able to.
        self.assertIn("TLSv1.", self.connect("127.0.0.1", "connect_timeout: 9s"))
        self.assertIn("TLSv1.", self.connect("127.0.0.1", "sslmode: require"))
        self.assertIn("not encrypted", self.connect("127.0.0.1", "sslmode: disable"))

    def test_another_authority_or_another_name_is_refused(self):
        for host, authority in (("localhost", "other"), ("127.0.0.1", "ca")):
            said = self.connect(host, f"sslmode: verify-full, sslrootcert: {self.keys}/{authority}.pem", expect=2)
            self.assertIn("sslrootcert", said)
        self.assertIn("sslrootcert", self.connect("localhost", "sslmode: verify-full", expect=2))


    def test_a_connection_over_tls_that_breaks_is_tried_again(self):
        self.configure(yaml=YAML.replace("host: 127.0.0.1", "host: localhost").replace("user: root", f"user: root, sslmode: verify-full, sslrootcert: {self.keys}/ca.pem"))
        run = self.slow()
        self.server.stop(signal.SIGKILL)
        _, error = run.communicate(timeout=120)
        self.server.start(*self.OPTIONS)
        self.assertEqual((run.returncode, self.parquet()), (75, []), error)
        self.project.weir("retry", "shop")
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM raw.rows"), [{"n": 50000}])


class Impostor(threading.Thread):
    """Speaks as a server that wants what is not its: a password in clear, or a file."""

    def __init__(self, asks_for):
        super().__init__(daemon=True)
        self.asks_for = asks_for
        self.heard = b""
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listener.close()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                try:
                    self.talk(connection)
                except OSError:
                    pass

    def packet(self, connection):
        head = b""
        while len(head) < 4:
            got = connection.recv(4 - len(head))
            if not got:
                raise OSError("gone")
            head += got
        size = int.from_bytes(head[:3], "little")
        body = b""
        while len(body) < size:
            got = connection.recv(size - len(body))
            if not got:
                raise OSError("gone")
            body += got
        self.heard += body
        return head[3], body

    @staticmethod
    def send(connection, number, body):
        connection.sendall(len(body).to_bytes(3, "little") + bytes([number]) + body)

    def talk(self, connection):
        # As MariaDB greets, without TLS among what it is able to.
        self.send(connection, 0, b"\n5.5.5-10.11.19-MariaDB\x00\x04\x00\x00\x00+CRQ~K9x\x00\xfe\xf7-\x02\x00\xff\x81\x15" + bytes(6) + b"\x1d\x00\x00\x00" +
                  b"sW:\\?gj\\p@+V\x00mysql_native_password\x00")
        number, _ = self.packet(connection)
        if self.asks_for == "password":
            self.send(connection, number + 1, b"\xfe" + b"mysql_clear_password\0\0")
            number, _ = self.packet(connection)
            return
        ok = b"\0\0\0\x02\0\0\0"
        self.send(connection, number + 1, ok)
        while True:
            number, body = self.packet(connection)
            if body[0] == 3:  # a query: a file, please
                self.send(connection, number + 1, b"\xfb" + self.asks_for.encode())
                number, _ = self.packet(connection)
                self.send(connection, number + 1, ok)


class Silent(Impostor):
    """Takes connections and says nothing."""

    def talk(self, connection):
        self.heard += b"ann"
        connection.recv(1)


class WithImpostor(unittest.TestCase):
    def meet(self, asks_for, kind=Impostor):
        server = kind(asks_for)
        self.addCleanup(server.close)
        project = Project()
        self.addCleanup(project.close)
        (project.folder / "flows/shop.yaml").unlink()
        project.environment.update(SHOP_PORT=str(server.port), SHOP_DATABASE="shop", WEIR_SECRET_SHOP=json.dumps({"password": "pa55-of-ann-z"}))
        canary.watch("pa55-of-ann-z")
        project.write("weir.yaml", YAML.replace("DATASETS", "").replace("user: root", "user: ann, password: secret://shop#password, connect_timeout: 1s"))
        run = project.weir("connection", "test", "shop", expect=None)
        self.assertIn(b"ann", server.heard, run.stderr)
        return run, server.heard

    def test_no_password_is_sent_in_clear(self):
        run, heard = self.meet("password")
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertNotIn(b"pa55-of-ann-z", heard)
        self.assertIn("a way to log in that this client does not take", run.stderr)

    def test_one_that_says_nothing_is_not_waited_for(self):
        before = time.monotonic()
        run, _ = self.meet("", Silent)
        self.assertEqual(run.returncode, 75, run.stderr)
        self.assertLess(time.monotonic() - before, 9)

    def test_no_file_is_sent(self):
        with tempfile.NamedTemporaryFile(dir="/tmp") as file:
            file.write(b"what is nobody else's")
            file.flush()
            run, heard = self.meet(file.name)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(b"SET time_zone", heard)
        self.assertNotIn(b"nobody else", heard)


class WithoutTls(WithServer):
    def test_encryption_that_is_asked_for_is_not_given_up(self):
        for mode in ("require", "verify-full"):
            self.configure(yaml=YAML.replace("user: root", f"user: root, sslmode: {mode}"))
            run = self.project.weir("connection", "test", "shop", expect=2)
            self.assertIn("TLS", run.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
