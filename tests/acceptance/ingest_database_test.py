"""Tables of a real PostgreSQL into raw datasets: types, snapshots, increments, crashes. Skipped where it is not installed."""
import json
import pathlib
import random
import signal
import subprocess
import sys
import threading
import unittest

from weir_project import Project, WEIR

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import canary  # noqa: E402
import postgres  # noqa: E402
from waiting import wait_for  # noqa: E402

YAML = """
project: shop
layers:
  - {name: raw, uri: data/raw}
  - {name: stage, uri: data/stage}
connections:
  - {connection_id: shop, kind: postgres, host: 127.0.0.1, port: "${SHOP_PORT}", database: "${SHOP_DATABASE}", user: postgres}
datasets:
  - {name: stage.orders, key: [id]}
  - {name: stage.customers, key: [id]}
DATASETS
defaults: {retries: 0, engine: "${WEIR_ENGINE:-embedded}"}
"""

# column: (type in PostgreSQL, values as literals, text of it in PostgreSQL, the same in DuckDB)
TYPES = {
    "a_bool": ("boolean", ["true", "false"], "{}::text", "{}::varchar"),
    "a_int2": ("smallint", ["-32768", "0", "32767"], "{}::text", "{}::varchar"),
    "a_int4": ("integer", ["-2147483648", "7", "2147483647"], "{}::text", "{}::varchar"),
    "a_int8": ("bigint", ["-9223372036854775808", "9223372036854775807"], "{}::text", "{}::varchar"),
    "a_float4": ("real", ["0", "-1.5", "3.4028235e38", "'NaN'", "'-Infinity'"], "{}::text", "{}::varchar"),
    "a_float8": ("double precision", ["0.1", "1e-300", "1.7976931348623157e308", "'NaN'", "'Infinity'"], "{}::text",
                 "{}::varchar"),
    "a_money": ("numeric(12,3)", ["0", "-0.001", "123456789.125", "-999999999.999", "0.1"], "{}::text", "{}::varchar"),
    "a_wide": ("numeric(38,10)", ["1e-10", "-9999999999999999999999999999.9999999999", "10000", "100000000.00001"],
               "{}::text", "{}::varchar"),
    "a_whole": ("numeric(6,-2)", ["123400", "-100", "99999900"], "{}::text", "{}::varchar"),
    "a_free": ("numeric", ["1", "1.50", "-0.00001234", "12345678901234567890123456789012345678901234567890.5", "1e50", "'NaN'"],
               "{}::text", "{}"),
    "a_text": ("text", ["''", "'Ærø'", "E'line\\nbreak'", "'\"quoted\"'", "repeat('x', 3000)", "'😀'"], "{}", "{}"),
    "a_varchar": ("varchar(10)", ["'short'", "'  '"], "{}", "{}"),
    "a_char": ("char(5)", ["'ab'", "'abcde'"], "{}::text", "{}"),
    "a_name": ("name", ["'ann'"], "{}::text", "{}"),
    "a_bytea": ("bytea", [r"'\x'", r"'\x00ff10'"], "encode({}, 'hex')", "lower(hex({}))"),
    "a_date": ("date", ["'0001-01-01'", "'1999-12-31'", "'2024-02-29'", "'9999-12-31'", "'4713-01-01 BC'", "'5874897-12-31'"],
               "({} - date '1970-01-01')::text", "datediff('day', date '1970-01-01', {})::varchar"),
    "a_time": ("time", ["'00:00'", "'23:59:59.999999'", "'12:34:56.7'"], "(extract(epoch from {}) * 1000000)::bigint::text",
               "epoch_us({})::varchar"),
    "a_timestamp": ("timestamp", ["'1969-12-31 23:59:59.999999'", "'2024-02-29 12:00'", "'0001-01-01'"],
                    "(extract(epoch from {}) * 1000000)::bigint::text", "epoch_us({})::varchar"),
    "a_timestamptz": ("timestamptz(3)", ["'2024-07-01 12:00:00.123+02'", "'1900-01-01 00:00-05'", "'294000-01-01+00'"],
                      "(extract(epoch from {}) * 1000000)::bigint::text", "epoch_us({})::varchar"),
    "a_uuid": ("uuid", ["'00000000-0000-0000-0000-000000000000'", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"], "{}::text",
               "{}::varchar"),
    "a_json": ("json", ["'{\"b\": 1,  \"a\": [null]}'"], "{}::text", "{}"),
    "a_jsonb": ("jsonb", ["'{\"b\": 1,  \"a\": [null]}'", "'\"text\"'", "'null'"], "{}::text", "{}"),
    "a_ints": ("integer[]", ["'{}'", "'{1,NULL,3}'"], "to_json({})::text", "to_json({})::varchar"),
    "a_texts": ("text[]", ["'{a,\"b c\",NULL}'", "'{}'"], "to_json({})::text", "to_json({})::varchar"),
    "a_amounts": ("numeric(8,2)[]", ["'{1.50,-2}'"], "{}::text", "'{{' || array_to_string({}, ',') || '}}'"),
    "a_moods": ("mood[]", ["'{sad,happy}'"], "to_json({})::text", "to_json({})::varchar"),
    "a_mood": ("mood", ["'sad'", "'happy'"], "{}::text", "{}"),
    "a_domain": ("positive", ["1", "5"], "{}::text", "{}::varchar"),
    "a_interval": ("interval", ["'1 year 2 months 3 days 04:05:06.7'", "'-1 day'", "'0'"], "{}::text", "{}"),
    "a_inet": ("inet", ["'10.0.0.1/8'", "'::1'"], "{}::text", "{}"),
    "a_point": ("point", ["'(1,2)'"], "{}::text", "{}"),
    "a_timetz": ("timetz", ["'12:00:00+02'"], "{}::text", "{}"),
    "a_range": ("int4range", ["'[1,5)'"], "{}::text", "{}"),
}
SESSION = "SET timezone = 'UTC'; SET intervalstyle = 'iso_8601'; SET extra_float_digits = 3; "


class IngestDatabase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            context = postgres.server()
            cls.server = context.__enter__()
        except postgres.Missing as why:
            print(f"SKIPPED: {why}", flush=True)
            raise unittest.SkipTest(str(why)) from why
        cls.addClassCleanup(context.__exit__, None, None, None)

    def setUp(self):
        self.url = self.server.create_database()
        self.project = Project()
        self.addCleanup(self.project.close)
        (self.project.folder / "flows/shop.yaml").unlink()
        self.project.environment.update(SHOP_PORT=str(self.server.port), SHOP_DATABASE=self.url.rpartition("/")[2])
        self.configure()

    def configure(self, datasets="", yaml=YAML):
        self.project.write("weir.yaml", yaml.replace("DATASETS", datasets))

    def sql(self, text):
        return self.server.sql(self.url, text).rstrip("\n")

    def flow(self, *tasks):
        text = "flow: shop\ntasks:\n"
        for name, template, values in tasks:
            text += f"  - {{id: {name}, template: {template}, needs: {json.dumps([tasks[tasks.index((name, template, values)) - 1][0]] if tasks[0][0] != name else [])}, with: {json.dumps(values)}}}\n"
        self.project.write("flows/shop.yaml", text)

    def ingest(self, expect=0, to="raw.rows", **values):
        """One task alone; its row of the report."""
        self.flow(("ingest", "ingest_database", {"connection": "shop", "to": to, **values}))
        return self.project.report(expect=expect)["tasks"]["ingest"]

    def fails(self, code, words, hint="", expect=1, **values):
        task = self.ingest(expect=expect, **values)
        self.assertEqual((task["error_code"], words in task["error_text"], hint in task["error_hint"]), (code, True, True),
                         task["error_text"] + task["error_hint"])
        return task

    def counts(self, task):
        return {key: value for key, value in task["counts"].items() if value and key != "out"}

    # ---- values

    def test_every_value_is_what_postgres_says(self):
        seed = random.randrange(1 << 32)
        print(f"seed {seed}", flush=True)
        chance = random.Random(seed)
        self.sql("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN positive AS int CHECK (value > 0); CREATE TABLE rows "
                 "(id int PRIMARY KEY, " + ", ".join(f"{name} {what[0]}" for name, what in TYPES.items()) + ")")
        rows = []
        for row in range(300):
            values = []
            for name, (_, literals, _, _) in TYPES.items():
                # Each literal at least once, then by chance, and NULL.
                pick = literals[row] if row < len(literals) else chance.choice(literals + ["NULL"])
                if name in ("a_int4", "a_int8") and row > 50:
                    pick = str(chance.randrange(-2**31, 2**31))
                if name == "a_free" and row > 50:
                    pick = f"{chance.randrange(-10**9, 10**9)}e{chance.randrange(-30, 30)}"
                if name == "a_wide" and row > 50:
                    pick = f"{chance.randrange(-10**15, 10**15)}e-{chance.randrange(0, 10)}"
                if name == "a_float8" and row > 50:
                    pick = repr(chance.uniform(-1, 1) * 10**chance.randrange(-20, 20))
                if name == "a_timestamptz" and row > 50:
                    pick = f"to_timestamp({chance.uniform(-4e10, 4e10)!r})"
                values.append(pick)
            rows.append(f"({row}, {', '.join(values)})")
        self.sql("INSERT INTO rows VALUES " + ", ".join(rows))
        task = self.ingest(table="public.rows", timezone="UTC")
        self.assertEqual(self.counts(task), {"in": 300, "inserted": 300})
        for name, (_, _, ours, theirs) in TYPES.items():
            said = json.loads(self.sql(SESSION + f"SELECT json_agg({ours.format(name)} ORDER BY id) FROM rows").splitlines()[-1])
            read = [row["value"] for row in self.project.rows(f"SELECT {theirs.format(name)} AS value FROM raw.rows ORDER BY id")]
            if name.startswith("a_float"):
                said, read = ([value and repr(float(value)) for value in values] for values in (said, read))
            with self.subTest(name):
                self.assertEqual(said, read)

    def test_what_has_no_exact_value_is_quarantined_with_its_reason(self):
        self.sql("CREATE TABLE rows (id int, price numeric, until timestamptz, day date, at time, matrix int[]); INSERT INTO rows VALUES "
                 "(1, 1.50, now(), now(), '12:00', '{1}'), (2, 1.005, NULL, NULL, NULL, NULL), (3, 'NaN', NULL, NULL, NULL, NULL), "
                 "(4, 1e20, NULL, NULL, NULL, NULL), (5, 1, 'infinity', NULL, NULL, NULL), (6, 1, NULL, '-infinity', NULL, NULL), "
                 "(7, 1, NULL, NULL, '24:00', NULL), (8, 1, NULL, NULL, NULL, '{{1},{2}}'), (9, 2.00, NULL, NULL, NULL, NULL), "
                 "(10, 1, '294276-12-31', NULL, NULL, NULL)")
        self.configure('  - {name: raw.rows, options: {control_columns: [price]}, columns: {id: integer, price: "decimal(10,2)"}}')
        task = self.ingest(table="rows")
        self.assertEqual(self.counts(task), {"in": 10, "inserted": 2, "rejected": 8})
        rejected = self.project.rows('SELECT line, "column", reason, "values" FROM raw.rows__rejected ORDER BY line')
        self.assertEqual([(row["line"], row["column"], row["reason"]) for row in rejected],
                         [(2, "price", "scale_overflow"), (3, "price", "wrong_type"), (4, "price", "out_of_range"),
                          (5, "until", "infinite"), (6, "day", "infinite"), (7, "at", "out_of_range"), (8, "matrix", "nested_array"),
                          (10, "until", "out_of_range")])
        self.assertEqual(json.loads(rejected[0]["values"]), {"id": "2", "price": "1.005"})
        self.assertEqual(self.project.rows("SELECT id, price FROM raw.rows ORDER BY id"),
                         [{"id": 1, "price": "1.50"}, {"id": 9, "price": "2.00"}])
        self.assertEqual(task["details"]["sums"]["columns"]["price"]["in"]["sum"], "100000000000000000009.505")
        self.assertEqual(self.project.weir("reconcile").returncode, 0)
        # Infinite values as NULL, where the task says so; a limit on what may be refused.
        task = self.ingest(table="rows", infinity="null")
        self.assertEqual(self.counts(task), {"in": 10, "inserted": 4, "rejected": 6})
        self.fails("check_failed", "more than max_rejected_rows 3", expect=3, table="rows", max_rejected_rows=3)

    # ---- reads

    def test_each_full_read_is_a_snapshot_of_its_own(self):
        self.sql("CREATE TABLE customers (id int PRIMARY KEY, name text, at timestamp); INSERT INTO customers VALUES (1, 'Ann', "
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
        self.sql("CREATE TABLE accounts (id int PRIMARY KEY, balance int, filler text); INSERT INTO accounts SELECT i, 100, "
                 "repeat('x', 200) FROM generate_series(1, 60000) i")
        over = threading.Event()

        def move():
            while not over.is_set():
                self.sql("BEGIN; UPDATE accounts SET balance = balance - 10 WHERE id % 100 = 1; UPDATE accounts SET balance = "
                         "balance + 10 WHERE id % 100 = 50; COMMIT; BEGIN; DELETE FROM accounts WHERE id = (SELECT max(id) FROM "
                         "accounts); INSERT INTO accounts SELECT max(id) + 1, 100, 'new' FROM accounts; COMMIT")
        writer = threading.Thread(target=move)
        writer.start()
        self.addCleanup(writer.join)
        self.addCleanup(over.set)
        for _ in range(3):
            task = self.ingest(table="accounts", parallel=4)
            self.assertGreaterEqual(task["details"]["source"]["pieces"], 3)
            self.assertEqual(self.counts(task), {"in": 60000, "inserted": 60000})
            newest = "SELECT count(*) AS n, count(DISTINCT id) AS ids, sum(balance)::bigint AS money FROM raw.accounts " \
                     "WHERE _run_id = (SELECT max(_run_id) FROM raw.accounts)"
            newest = newest.replace("raw.accounts", "raw.rows")
            self.assertEqual(self.project.rows(newest), [{"n": 60000, "ids": 60000, "money": 6000000}])

    def test_queries_conditions_and_columns(self):
        self.sql("CREATE SCHEMA \"My Shop\"; CREATE TABLE \"My Shop\".\"Order's\" (\"Id\" int, \"a b\" text, secret text); INSERT INTO "
                 "\"My Shop\".\"Order's\" VALUES (1, 'x', 's'), (2, 'y', 's'), (3, NULL, 's')")
        task = self.ingest(table="My Shop.Order's", columns=["Id", "a b"], where="\"Id\" > 1 -- the first is a test")
        self.assertEqual(self.counts(task), {"in": 2, "inserted": 2})
        self.assertEqual(self.project.rows('SELECT * EXCLUDE (_run_id, _loaded_at, _source_file) FROM raw.rows ORDER BY "Id"'),
                         [{"Id": 2, "a b": "y", "_source_row": 1}, {"Id": 3, "a b": None, "_source_row": 2}])
        task = self.ingest(to="raw.sums", query="SELECT count(*) AS n, '{1,2}'::int[] AS list FROM \"My Shop\".\"Order's\"; ")
        self.assertEqual(self.project.rows("SELECT n, list FROM raw.sums"), [{"n": 3, "list": "[1, 2]"}])

    # ---- increments

    def orders(self):
        self.sql("CREATE TABLE orders (id int PRIMARY KEY, amount numeric(8,2), changed_at timestamptz NOT NULL); CREATE INDEX ON orders "
                 "(changed_at)")

    def put(self, *rows):
        values = ", ".join(f"({id_}, {amount}, '2024-01-01 {at}+00')" for id_, amount, at in rows)
        self.sql(f"INSERT INTO orders VALUES {values} ON CONFLICT (id) DO UPDATE SET amount = excluded.amount, changed_at = excluded.changed_at")

    def increment(self, **values):
        return self.ingest(to="raw.orders", table="orders", mode="incremental", cursor=["changed_at"], **values)

    def test_increments_go_on_where_the_last_one_ended(self):
        self.orders()
        self.put((1, 10, "10:00"), (2, 20, "11:00"))
        ingest = {"connection": "shop", "to": "raw.orders", "table": "orders", "mode": "incremental", "cursor": ["changed_at"], "lag": "30m"}
        self.flow(("ingest", "ingest_database", ingest), ("latest", "merge_latest", {"from": "raw.orders", "to": "stage.orders", "order_by": "changed_at"}))
        report = self.project.report()
        self.assertEqual(report["tasks"]["ingest"]["details"]["source"]["cursor"],
                         {"columns": ["changed_at"], "types": ["timestamp with time zone"], "from": None, "to": ["2024-01-01 11:00:00+00"],
                          "lag": "30m"})
        # Read again for the lag, and not doubled.
        self.put((1, 11, "12:00"), (3, 30, "10:45"))
        report = self.project.report()
        self.assertEqual(self.counts(report["tasks"]["ingest"]), {"in": 3, "inserted": 3})
        self.assertEqual(report["tasks"]["ingest"]["details"]["source"]["cursor"]["to"], ["2024-01-01 12:00:00+00"])
        self.assertEqual(self.counts(report["tasks"]["latest"]), {"in": 3, "inserted": 1, "updated_in_place": 2})
        self.assertEqual(self.project.rows("SELECT id, amount FROM stage.orders ORDER BY id"),
                         [{"id": 1, "amount": "11.00"}, {"id": 2, "amount": "20.00"}, {"id": 3, "amount": "30.00"}])
        # The watermark is the lake's: a catalog that is gone reads nothing anew.
        (self.project.folder / "weir.db").unlink()
        report = self.project.report()
        self.assertEqual(report["tasks"]["ingest"]["details"]["source"]["cursor"]["from"], ["2024-01-01 12:00:00+00"])
        self.assertEqual(self.counts(report["tasks"]["ingest"]), {"in": 1, "inserted": 1})

    def test_an_increment_without_rows_is_no_object(self):
        self.orders()
        self.put((1, 10, "10:00"))
        self.increment(bound="exclusive")
        before = self.project.objects()
        task = self.increment(bound="exclusive")
        self.assertEqual((self.counts(task), self.project.objects()), ({}, before))
        self.put((2, 10, "10:00"), (3, 10, "10:01"))
        # What exclusive is warned of: another row at the very watermark is not seen.
        self.assertEqual(self.counts(self.increment(bound="exclusive")), {"in": 1, "inserted": 1})
        self.put((4, 10, "10:01"))
        self.assertEqual(self.counts(self.increment()), {"in": 2, "inserted": 2})

    def test_a_row_that_is_committed_late_is_seen_with_lag(self):
        self.orders()
        late = subprocess.Popen([postgres.PROGRAMS / "psql", "-X", "-q", "-d", self.url], stdin=subprocess.PIPE, text=True)
        self.addCleanup(late.wait)
        self.addCleanup(late.stdin.close)
        late.stdin.write("BEGIN; INSERT INTO orders VALUES (1, 1, '2024-01-01 10:00+00');\n")
        late.stdin.flush()
        self.wait_for("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()", "1")
        self.put((2, 2, "10:05"))
        self.increment()
        late.stdin.write("COMMIT;\n")
        late.stdin.flush()
        self.wait_for("SELECT count(*) FROM orders", "2")
        self.assertEqual(self.counts(self.increment()), {"in": 1, "inserted": 1})  # the one at the watermark
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM raw.orders WHERE id = 1"), [{"n": 0}])
        self.assertEqual(self.counts(self.increment(lag="10m")), {"in": 2, "inserted": 2})
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM raw.orders WHERE id = 1"), [{"n": 1}])

    def test_cursors_of_several_columns_and_numbers(self):
        self.sql("CREATE TABLE rows (day date, number smallint, at timestamp); INSERT INTO rows VALUES ('2024-01-01', 5, '2024-01-01'), ('2024-01-02', 1, "
                 "'infinity'), ('2024-01-02', 3, NULL)")
        values = {"table": "rows", "mode": "incremental", "cursor": ["day", "number"], "bound": "exclusive", "columns": ["day", "number"]}
        self.assertEqual(self.ingest(**values)["details"]["source"]["cursor"]["to"], ["2024-01-02", "3"])
        self.sql("INSERT INTO rows VALUES ('2024-01-02', 2), ('2024-01-02', 4), ('2024-01-03', 0)")
        self.assertEqual(self.counts(self.ingest(**values)), {"in": 2, "inserted": 2})
        # Another cursor is another watermark; what is infinite or NULL moves none.
        other = {"table": "rows", "mode": "incremental", "cursor": ["at"], "timezone": "UTC", "infinity": "null", "to": "raw.others"}
        self.assertEqual(self.ingest(**other)["details"]["source"]["cursor"]["to"], ["2024-01-01 00:00:00"])
        self.assertIn("without a value in cursor at", json.dumps(self.project.report()) + self.project.run().stderr)
        number = {"table": "rows", "mode": "incremental", "cursor": ["number"], "lag": "32767", "to": "raw.numbers", "columns": ["number"]}
        self.ingest(**number)
        self.assertEqual(self.counts(self.ingest(**number)), {"in": 6, "inserted": 6})
        self.fails("invalid_config", "lag '10m' fits no cursor 'number' of type smallint", expect=2, **{**number, "lag": "10m"})

    # ---- contract

    def test_the_schema_drifts_by_contract(self):
        self.sql("CREATE TABLE rows (id int, name text)")
        self.ingest(table="rows")
        self.sql("ALTER TABLE rows ADD price numeric(6,2); INSERT INTO rows VALUES (1, 'a', 1.5)")
        task = self.ingest(table="rows")
        self.assertEqual(task["details"]["new_columns"], ["price"])
        self.sql("ALTER TABLE rows DROP name; ALTER TABLE rows ALTER id TYPE smallint")
        task = self.ingest(table="rows")
        self.assertEqual(task["details"]["missing_columns"], ["name"])
        self.assertEqual(self.project.rows("SELECT id, name, price FROM raw.rows ORDER BY ALL"),
                         [{"id": 1, "name": "a", "price": "1.50"}, {"id": 1, "name": None, "price": "1.50"}])
        self.sql("ALTER TABLE rows ALTER id TYPE bigint")
        self.fails("schema_drift", "column 'id' is integer in the dataset and bigint in public.rows", "contract.types", expect=4, table="rows")
        self.configure("  - {name: raw.rows, contract: {types: evolve}}")
        self.assertEqual(self.counts(self.ingest(table="rows")), {"in": 1, "inserted": 1})
        self.configure('  - {name: raw.rows, columns: {id: bigint}, contract: {columns: freeze}}')
        self.fails("schema_drift", "columns that are not declared: 'price'", expect=4, table="rows")
        self.configure('  - {name: raw.rows, columns: {id: bigint}, contract: {columns: discard_value}}')
        self.assertEqual(self.ingest(table="rows")["details"]["discarded_columns"], ["price"])

    def test_what_is_wrong_is_said_with_a_way_out(self):
        self.sql("CREATE TABLE orders (id int, at timestamp, _run_id text); CREATE ROLE poor LOGIN")
        self.fails("not_found", "there is no table public.ordrs", "did you mean 'public.orders'?", table="public.ordrs")
        self.fails("not_found", "columns names column 'idd', which public.orders has not", "did you mean 'id'?", table="orders", columns=["idd"])
        self.fails("invalid_config", "column 'at' of public.orders is timestamp without time zone", "timezone: UTC", expect=2, table="orders",
                   columns=["at"])
        self.fails("invalid_data", "column '_run_id', which is weir's own name", expect=3, table="orders")
        self.fails("invalid_config", "cursor column 'id' of query is json", expect=2,
                   query="SELECT '{}'::json AS id", mode="full", cursor=["id"])
        self.configure(yaml=YAML.replace("user: postgres", "user: poor"))
        self.fails("denied", "permission denied", table="orders", columns=["id"])

    # ---- what breaks

    def blocked(self, words=("run", "shop", "--apply")):
        """A run that waits in the middle of its reading: rows have come, and a row's function waits for a lock of ours."""
        self.sql("CREATE TABLE rows AS SELECT i AS id, repeat('x', 100) AS filler FROM generate_series(1, 50000) i; CREATE FUNCTION wait(i int) RETURNS "
                 "int LANGUAGE plpgsql AS $$ BEGIN IF i = 40000 THEN PERFORM pg_advisory_xact_lock_shared(42); END IF; RETURN i; END $$")
        holder = subprocess.Popen([postgres.PROGRAMS / "psql", "-X", "-q", "-d", self.url], stdin=subprocess.PIPE, text=True,
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.stdin.close)
        holder.stdin.write("SELECT pg_advisory_lock(42);\n")
        holder.stdin.flush()
        self.wait_for("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted", "1")
        self.flow(("ingest", "ingest_database", {"connection": "shop", "to": "raw.rows", "query": "SELECT wait(id) AS id, filler FROM rows"}))
        run = subprocess.Popen([WEIR, "--project", str(self.project.folder), *words], env=self.project.environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.wait_for("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND wait_event = 'advisory'", "1")
        return run, holder

    def wait_for(self, query, answer):
        wait_for(query, lambda: self.sql(query) == answer, pause=0)

    def parquet(self):
        return [name for name in self.project.objects() if name.endswith(".parquet")]

    def test_killed_in_the_middle_and_tried_again(self):
        run, holder = self.blocked()
        run.kill()
        run.wait()
        self.assertEqual(self.parquet(), [])
        holder.stdin.close()
        self.project.weir("run", "shop", "--apply")
        self.assertEqual(self.project.rows("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM raw.rows"), [{"n": 50000, "ids": 50000}])
        self.assertEqual(len(self.parquet()), 1)

    def test_interrupted_in_the_middle(self):
        run, holder = self.blocked()
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        self.assertEqual((run.returncode, self.parquet()), (130, []))
        # The server was told, too: nobody reads on.
        self.wait_for("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'weir%'", "0")

    def test_a_server_that_restarts_in_the_middle(self):
        run, holder = self.blocked()
        self.server.stop(signal.SIGQUIT)
        _, error = run.communicate(timeout=120)
        self.server.start()
        self.assertEqual((run.returncode, self.parquet()), (75, []), error)
        self.assertIn("unavailable", error + self.project.weir("status", expect=None).stdout)
        self.project.weir("retry", "shop")
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM raw.rows"), [{"n": 50000}])

    def test_a_lost_catalog_is_made_anew_without_the_source(self):
        self.sql("CREATE TABLE rows AS SELECT 1 AS id")
        self.ingest(table="rows")
        (self.project.folder / "weir.db").unlink()
        self.project.weir("apply")
        self.project.environment["SHOP_PORT"] = "1"  # nobody is there
        self.project.weir("doctor", "--heal")
        self.assertEqual(self.project.rows("SELECT id FROM raw.rows"), [{"id": 1}])

    def test_passwords_are_followed_and_shown_to_nobody(self):
        password = "pa55-of-ann-x"
        canary.watch(password)
        self.sql(f"SET password_encryption = 'scram-sha-256'; CREATE ROLE ann LOGIN PASSWORD '{password}'; CREATE TABLE rows AS SELECT 1 AS id; "
                 "GRANT SELECT ON rows TO ann")
        rules = pathlib.Path(self.server.folder, "data/pg_hba.conf")
        before = rules.read_text()
        self.addCleanup(self.sql, "SELECT pg_reload_conf()")
        self.addCleanup(rules.write_text, before)
        rules.write_text("host all ann 127.0.0.1/32 scram-sha-256\n" + before)
        self.sql("SELECT pg_reload_conf()")
        self.configure(yaml=YAML.replace("user: postgres", "user: ann, password: secret://shop#password"))
        self.project.environment["WEIR_SECRET_SHOP"] = json.dumps({"password": "wrong-one-here"})
        self.fails("denied", "authentication failed", table="rows")
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
        self.sql("CREATE VIEW totals AS SELECT sum(amount) FROM orders; ANALYZE")
        said = self.project.weir("connection", "test", "shop").stdout
        self.assertIn("PostgreSQL 15", said)
        found = json.loads(self.project.weir("--output", "json", "connection", "discover", "shop").stdout)["tables"]
        self.assertEqual([(table["table"], table["kind"], table["rows"], table["key"], table["cursors"]) for table in found],
                         [("public.orders", "table", 1, ["id"], ["changed_at", "id"]), ("public.totals", "view", None, [], [])])
        run = self.project.weir("connection", "test", "shp", expect=2)
        self.assertIn("did you mean 'shop'?", run.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
