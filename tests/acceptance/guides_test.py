"""Examples of the guides to sources in databases, as they stand there, against real servers."""
import contextlib
import json
import pathlib
import sqlite3
import sys
import unittest

from weir_project import PROJECT, ROOT, Project

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import mariadb  # noqa: E402
import postgres  # noqa: E402


def blocks(guide, kind):
    """The blocks of code of that kind in a guide."""
    return [each.split("```")[0] for each in (ROOT / "docs/guide" / guide).read_text().split(f"```{kind}\n")[1:]]


class Schedules(unittest.TestCase):
    def test_what_is_due_when(self):
        project = Project()
        self.addCleanup(project.close)
        project.write("weir.yaml", PROJECT.replace("datasets:\n", "datasets:\n  - {name: raw.orders, columns: {id: bigint}}\n"))
        flows, calendars = blocks("schedules.md", "yaml")
        project.write("flows/shop.yaml", flows)
        (command,) = blocks("schedules.md", "sh")
        (shown,) = blocks("schedules.md", "text")
        self.assertEqual(project.weir(*command.split()[1:]).stdout, shown)
        one = json.loads(project.weir("--output", "json", "next", "nightly", "--count", "1").stdout)
        self.assertEqual(one["times"][0]["run_key"], "scheduled:" + one["times"][0]["logical_time"])
        self.assertIn("tzdata " + one["tzdata"], project.weir("doctor").stdout)
        rows, _, flows = calendars.partition("---\n")
        project.write("flows/calendars.yaml", rows)
        project.write("flows/shop.yaml", flows)
        project.weir("validate")
        ends = json.loads(project.weir("--output", "json", "next", "month_end", "--from", "2026-05-01", "--count", "2").stdout)["times"]
        self.assertEqual([each["local_time"][:16] for each in ends], ["2026-05-29T18:00", "2026-06-30T18:00"])


class PostgresSource(unittest.TestCase):
    def setUp(self):
        context = postgres.server()
        try:
            self.server = context.__enter__()
        except postgres.Missing as why:
            print(f"skipped: {why}")
            raise unittest.SkipTest(str(why))
        self.addCleanup(context.__exit__, None, None, None)
        self.url = self.server.create_database()
        self.sql("""CREATE TABLE customers (id integer PRIMARY KEY, name text);
            CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric(10,2), changed_at timestamptz NOT NULL DEFAULT now());
            CREATE ROLE weir_reader LOGIN;
            GRANT SELECT ON customers, orders TO weir_reader;
            INSERT INTO customers SELECT i, 'name ' || i FROM generate_series(1, 10) i;
            INSERT INTO orders SELECT i, i * 1.5 FROM generate_series(1, 100) i""")
        self.project = Project()
        self.addCleanup(self.project.close)
        (self.project.folder / "flows/shop.yaml").unlink()

    def sql(self, text):
        return self.server.sql(self.url, text)

    def test_the_first_read(self):
        settings, flow = blocks("postgres-source.md", "yaml")[:2]
        where = f"host: 127.0.0.1, port: {self.server.port}, database: {self.url.rpartition('/')[2]}"
        self.assertIn("host: db.example.com, database: shop", settings)
        self.project.write("weir.yaml", settings.replace("host: db.example.com, database: shop", where))
        self.project.write("flows/flow.yaml", flow)
        self.project.environment["WEIR_SECRET_SHOP_DB"] = '{"password": "n0t-asked-for"}'
        self.project.weir("apply")
        commands = [line.split("#")[0].split()[1:] for line in blocks("postgres-source.md", "sh")[0].splitlines()]
        self.assertEqual([words[:2] for words in commands], [["connection", "test"], ["connection", "discover"]])
        tested, discovered = [self.project.weir(*words).stdout for words in commands]
        self.assertIn("2 tables can be read", tested)
        for word in ("public.customers", "public.orders", "changed_at"):
            self.assertIn(word, discovered)
        self.project.run("shop")
        self.sql("""UPDATE customers SET name = 'Bo' WHERE id = 2; DELETE FROM customers WHERE id = 1;
            UPDATE orders SET amount = 0, changed_at = now() + interval '1 hour' WHERE id = 7""")
        report = self.project.report("shop")
        self.assertEqual(report["tasks"]["latest"]["counts"]["updated_in_place"], report["tasks"]["orders"]["counts"]["in"])
        history = self.project.rows("SELECT id, name, is_current FROM stage.customers WHERE id < 4 ORDER BY id, valid_from")
        self.assertEqual([(row["id"], row["name"], row["is_current"]) for row in history],
                         [(1, "name 1", False), (2, "name 2", False), (2, "Bo", True), (3, "name 3", True)])
        (orders,) = self.project.rows("SELECT count(*) AS n, sum(amount) AS amount FROM stage.orders")
        self.assertEqual((orders["n"], orders["amount"]), (100, "7564.50"))


class MysqlSource(unittest.TestCase):
    def test_the_first_read(self):
        context = mariadb.server()
        try:
            server = context.__enter__()
        except mariadb.Missing as why:
            print(f"skipped: {why}")
            raise unittest.SkipTest(str(why))
        self.addCleanup(context.__exit__, None, None, None)
        server.sql("mysql", """CREATE DATABASE shop; CREATE USER weir_reader IDENTIFIED BY 'n0t-a-secret'; GRANT SELECT ON shop.* TO weir_reader; USE shop;
            CREATE TABLE customers (id int PRIMARY KEY, name text, born datetime);
            CREATE TABLE orders (id bigint PRIMARY KEY, amount decimal(10,2), changed_at timestamp(6) NOT NULL DEFAULT now(6), KEY (changed_at));
            INSERT INTO customers SELECT seq, concat('name ', seq), '1990-01-01' FROM seq_1_to_10;
            INSERT INTO orders (id, amount) SELECT seq, seq * 1.5 FROM seq_1_to_100""")
        project = Project()
        self.addCleanup(project.close)
        (project.folder / "flows/shop.yaml").unlink()
        settings, flow = blocks("mysql-source.md", "yaml")[:2]
        self.assertIn("host: db.example.com,", settings)
        project.write("weir.yaml", settings.replace("host: db.example.com,", f"host: 127.0.0.1, port: {server.port},"))
        project.write("flows/flow.yaml", flow)
        project.environment["WEIR_SECRET_SHOP_DB"] = '{"password": "n0t-a-secret"}'
        project.weir("apply")
        commands = [line.split("#")[0].split()[1:] for line in blocks("mysql-source.md", "sh")[0].splitlines()]
        tested, discovered = [project.weir(*words).stdout for words in commands]
        self.assertIn("2 tables can be read", tested)
        for word in ("shop.customers", "shop.orders", "changed_at"):
            self.assertIn(word, discovered)
        project.run("shop")
        server.sql("shop", """UPDATE customers SET name = 'Bo' WHERE id = 2; DELETE FROM customers WHERE id = 1;
            UPDATE orders SET amount = 0, changed_at = now(6) + interval 1 hour WHERE id = 7""")
        report = project.report("shop")
        self.assertEqual(report["tasks"]["latest"]["counts"]["updated_in_place"], report["tasks"]["orders"]["counts"]["in"])
        history = project.rows("SELECT id, name, is_current FROM stage.customers WHERE id < 4 ORDER BY id, valid_from")
        self.assertEqual([(row["id"], row["name"], row["is_current"]) for row in history],
                         [(1, "name 1", False), (2, "name 2", False), (2, "Bo", True), (3, "name 3", True)])
        (orders,) = project.rows("SELECT count(*) AS n, sum(amount) AS amount FROM stage.orders")
        self.assertEqual((orders["n"], orders["amount"]), (100, "7564.50"))


class SqliteSource(unittest.TestCase):
    def test_the_first_read(self):
        project = Project()
        self.addCleanup(project.close)
        (project.folder / "flows/shop.yaml").unlink()
        settings, flow = blocks("sqlite-source.md", "yaml")[:2]
        project.write("weir.yaml", "project: shop\nlayers: [{name: raw, uri: data/raw}]\n" + settings)
        project.write("flows/till.yaml", flow)
        (project.folder / "data").mkdir(exist_ok=True)
        with contextlib.closing(sqlite3.connect(project.folder / "data/till.db")) as till:
            till.execute("CREATE TABLE receipts (id integer PRIMARY KEY, amount decimal(10,2), updated_at timestamp NOT NULL)")
            till.executemany("INSERT INTO receipts VALUES (?, ?, ?)", [(i, "1.50", f"2026-01-01 10:{i:02}:00") for i in range(30)])
            till.commit()
            project.weir("apply")
            commands = [line.split("#")[0].split()[1:] for line in blocks("sqlite-source.md", "sh")[0].splitlines()]
            tested, discovered = [project.weir(*words).stdout for words in commands]
            self.assertIn("1 table can be read", tested)
            self.assertIn("updated_at", discovered)
            self.assertEqual(project.report("till")["tasks"]["receipts"]["counts"]["in"], 30)
            till.execute("INSERT INTO receipts VALUES (30, '2.00', '2026-01-01 10:30:00')")
            till.commit()
        # From ten minutes before the last: those of 10:19 to 10:29, and the new one.
        self.assertEqual(project.report("till")["tasks"]["receipts"]["counts"]["in"], 12)
        (row,) = project.rows("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM raw.receipts")
        self.assertEqual((row["n"], row["ids"]), (42, 31))


if __name__ == "__main__":
    unittest.main()
