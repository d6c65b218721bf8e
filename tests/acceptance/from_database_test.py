"""`weir init --from-db`: from a PostgreSQL to a project that runs and keeps histories. Skipped where it is not installed."""
import contextlib
import json
import pathlib
import re
import sqlite3
import sys
import unittest

from weir_project import ROOT, Project

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import mariadb  # noqa: E402
import postgres  # noqa: E402

GUIDE = ROOT / "docs/guide/from-a-database.md"
SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text, city text, updated_at timestamptz NOT NULL);
CREATE TABLE products (sku text PRIMARY KEY, price numeric(10,2), seen timestamp);
CREATE TABLE order_lines (order_id int, line int, sku text, amount int, changed_on timestamptz, PRIMARY KEY (order_id, line));
CREATE TABLE audit_log (at timestamptz, what text);
CREATE VIEW cities AS SELECT DISTINCT city FROM customers;
INSERT INTO customers VALUES (1, 'Ann', 'Oslo', '2026-01-01'), (2, 'Bob', 'Bergen', '2026-01-01');
INSERT INTO products VALUES ('a', 1.50, '2026-01-01 12:00'), ('b', 2, NULL), ('c', 3, NULL), ('d', 4, NULL), ('e', 5, NULL), ('f', 6, NULL);
INSERT INTO order_lines VALUES (1, 1, 'a', 5), (1, 2, 'b', 1);
INSERT INTO audit_log VALUES ('2026-01-01', 'login'), ('2026-01-01', 'login');
CREATE ROLE weir_reader LOGIN PASSWORD 'Long-enough-4-you';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO weir_reader;
CREATE TABLE salaries (id int PRIMARY KEY, amount numeric);
"""


class FromDatabase(unittest.TestCase):
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
        self.name = self.url.rpartition("/")[2]
        self.project = Project()
        self.addCleanup(self.project.close)
        for name in ("weir.yaml", "flows/shop.yaml", "sql/by_city.sql"):
            (self.project.folder / name).unlink()

    def sql(self, text):
        return self.server.sql(self.url, text).rstrip("\n")

    def init(self, *words, expect=0, url=None, **environment):
        return self.project.weir("init", "--from-db", url or self.url, *words, expect=expect, **environment)

    def flow(self):
        return (self.project.folder / f"flows/{self.name}.yaml").read_text()

    def run_flow(self, expect=0):
        return self.project.weir("run", self.name, "--apply", expect=expect)

    def reader(self):
        return self.url.replace("postgres@", "weir_reader@")

    def drop_reader(self):
        self.sql("DROP OWNED BY weir_reader; DROP ROLE weir_reader")

    def test_a_database_becomes_a_project_with_histories(self):
        self.sql(SHOP)
        self.addCleanup(self.drop_reader)
        said = self.init(url=self.reader())
        self.assertIn("4 tables: 1 by increments, 3 whole each time; 1 without a key", said.stdout)
        self.assertIn("left out, denied: public.salaries", said.stderr)
        flow = self.flow()
        self.assertIn("what changed, by updated_at\n      - name: customers\n        table: public.customers\n        key: [id]\n"
                      "        mode: incremental\n        cursor: [updated_at]\n        lag: 10m\n", flow)
        self.assertIn("- {name: order_lines, table: public.order_lines, key: [order_id, line], deletes: by_absence}", flow)
        self.assertIn("LOOK: it has timestamps without a zone", flow)
        self.assertIn("NO KEY: no history", flow)
        self.assertIn("public.salaries: denied; GRANT SELECT lets weir_reader read it", flow)
        self.assertIn("public.cities: a view", flow)
        self.project.weir("validate")
        self.project.weir("plan")
        self.run_flow()
        self.sql("""UPDATE customers SET city = 'Tromsø', updated_at = now() WHERE id = 2;
                    INSERT INTO customers VALUES (3, 'Cem', 'Oslo', now());
                    UPDATE products SET price = 9 WHERE sku = 'b'; DELETE FROM products WHERE sku = 'f';
                    INSERT INTO audit_log VALUES ('2026-01-02', 'logout');""")
        self.run_flow()
        self.assertEqual(self.project.rows("SELECT id, city, is_current FROM stage.customers ORDER BY id, valid_from"),
                         [{"id": 1, "city": "Oslo", "is_current": True}, {"id": 2, "city": "Bergen", "is_current": False},
                          {"id": 2, "city": "Tromsø", "is_current": True}, {"id": 3, "city": "Oslo", "is_current": True}])
        self.assertEqual(self.project.rows("SELECT sku, price, is_deleted FROM stage.products WHERE sku IN ('b', 'f') "
                                           "ORDER BY sku, valid_from"),
                         [{"sku": "b", "price": "2.00", "is_deleted": False}, {"sku": "b", "price": "9.00", "is_deleted": False},
                          {"sku": "f", "price": "6.00", "is_deleted": True}])
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM raw.audit_log"), [{"n": 5}])
        self.project.weir("reconcile")
        states = self.project.sqlite("SELECT DISTINCT task_id, state FROM task_run ORDER BY 1")
        self.assertEqual(states, [(task, "succeeded") for task in (
            "history[customers]", "history[order_lines]", "history[products]", "load[customers]", "load[order_lines]",
            "load[products]", "load_without_key[audit_log]", "prove")])

    def test_the_password_is_a_reference_and_never_written(self):
        self.sql(SHOP)
        self.addCleanup(self.drop_reader)
        hba = pathlib.Path(self.server.folder, "data/pg_hba.conf")
        before = hba.read_text()
        self.addCleanup(lambda: (hba.write_text(before), self.sql("SELECT pg_reload_conf()")))
        hba.write_text("host all weir_reader 127.0.0.1/32 scram-sha-256\n" + before)
        self.sql("SELECT pg_reload_conf()")
        with_password = self.reader().replace("weir_reader@", "weir_reader:Long-enough-4-you@")
        refused = self.init(url=with_password, expect=2)
        self.assertIn("the URL holds a password, and others see a command line", refused.stderr)
        self.assertNotIn("Long-enough", refused.stderr)
        denied = self.init(url=self.reader(), expect=None)
        self.assertNotEqual(denied.returncode, 0)
        self.assertIn(f"`weir secret set {self.name}-db` keeps a password", denied.stderr)
        self.assertEqual({path.name for path in self.project.folder.iterdir()}, {"flows", "sql", "tmp"})
        self.project.environment[f"WEIR_SECRET_{self.name.upper()}_DB"] = "Long-enough-4-you"
        self.init(url=self.reader())
        self.assertIn(f"password: 'secret://{self.name}-db'", (self.project.folder / "weir.yaml").read_text())
        self.run_flow()
        for path in self.project.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"Long-enough", path.read_bytes(), str(path))

    def test_hard_names_make_a_good_project(self):
        self.sql("""
            CREATE SCHEMA "Old Shop"; CREATE SCHEMA archive;
            CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE "Old Shop".orders (id int PRIMARY KEY);
            CREATE TABLE archive."Orders" (id int PRIMARY KEY);
            CREATE TABLE "Order Items" ("Order ID" int, "order id" int, "Größe" text, valid_from date, is_current boolean,
                                        PRIMARY KEY ("Order ID"));
            CREATE TABLE "select ""x"" [y]: {#}" (id int PRIMARY KEY);
            CREATE TABLE "a\nb: c" (id int PRIMARY KEY, "k\ny" int);
            CREATE TABLE "${HOME}/{{ x }}" (id int PRIMARY KEY, "${each.name}" int);
            CREATE TABLE "заказы" (id int PRIMARY KEY); CREATE TABLE "订单" (id int PRIMARY KEY);
            CREATE TABLE orders__rejected (id int PRIMARY KEY);
            CREATE TABLE "2024" (id int PRIMARY KEY); CREATE TABLE nothing ();
            INSERT INTO "Order Items" VALUES (1, 2, 'XL', '2026-01-01', true);
            INSERT INTO "${HOME}/{{ x }}" VALUES (1, 7);
            INSERT INTO orders VALUES (1); INSERT INTO "Old Shop".orders VALUES (2); INSERT INTO archive."Orders" VALUES (3);""")
        self.init()
        self.assertIn("public.nothing: it has no columns", self.flow())
        self.project.weir("validate")
        self.run_flow()
        for name, value in (("public_orders", 1), ("old_shop_orders", 2), ("archive_orders", 3)):
            self.assertEqual(self.project.rows(f"SELECT id FROM stage.{name}"), [{"id": value}])
        self.assertEqual(self.project.rows("SELECT order_id, order_id_2, source_valid_from, source_is_current FROM stage.order_items"),
                         [{"order_id": 1, "order_id_2": 2, "source_valid_from": "2026-01-01", "source_is_current": True}])
        self.project.weir("reconcile")

    def test_five_hundred_tables(self):
        self.sql("DO $$ BEGIN FOR i IN 1..500 LOOP EXECUTE format('CREATE TABLE t_%s (id int PRIMARY KEY, v text)', i); "
                 "END LOOP; END $$")
        said = self.init()
        self.assertIn("500 tables: 0 by increments, 500 whole each time; 0 without a key", said.stdout)
        self.project.weir("validate")
        self.assertEqual(len(re.findall(r"^ +- \{name: ", self.flow(), re.M)), 500)
        self.sql("INSERT INTO t_7 VALUES (1, 'x')")
        run = self.project.weir("task", "run", "--flow", self.name, "--task", "load[t_7]", "--run-key", "k", expect=2)
        self.assertIn("weir apply", run.stderr)
        self.project.weir("apply")
        self.project.weir("task", "run", "--flow", self.name, "--task", "load[t_7]", "--run-key", "k")

    def test_tables_are_chosen_by_pattern(self):
        self.sql(SHOP)
        self.addCleanup(self.drop_reader)
        unknown = self.init("--tables", "public.custmers", expect=None)
        self.assertIn("no table fits 'public.custmers'", unknown.stderr)
        self.assertIn("did you mean 'public.customers'?", unknown.stderr)
        self.init("--tables", "public.order_*", "public.cities")
        flow = self.flow()
        self.assertIn("table: public.cities", flow)
        self.assertNotIn("customers", flow)
        self.run_flow()

    def test_a_connection_of_a_project_gets_a_flow(self):
        self.sql(SHOP)
        self.addCleanup(self.drop_reader)
        self.project.write("weir.yaml", f"project: lake\ncatalog: sqlite:weir.db\nlayers:\n  - {{name: raw, uri: data/raw}}\n"
                           f"  - {{name: stage, uri: data/stage}}\nconnections:\n  - {{connection_id: shop, kind: postgres, "
                           f"host: 127.0.0.1, port: {self.server.port}, database: {self.name}, user: weir_reader}}\n")
        yaml = (self.project.folder / "weir.yaml").read_text()
        refused = self.init(expect=2)
        self.assertIn("there is a project", refused.stderr)
        self.init(url="shop")
        self.assertEqual((self.project.folder / "weir.yaml").read_text(), yaml)
        self.project.weir("run", "shop", "--apply")
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM stage.customers"), [{"n": 2}])
        again = self.init(url="shop", expect=None)
        self.assertIn("has a flow 'shop' already", again.stderr)

    def test_faults_are_told_before_anything_is_written(self):
        for url, words in (("oracle://u@h/d", "is of no database that can be read"), ("shop", "is no URL, and there is no project"),
                           ("postgresql://127.0.0.1/x", "the URL says no user"), ("postgresql://u@h/d?application_name=x", "takes no 'application_name'"),
                           (self.url + "_none", "does not exist"), (self.url, "the database shows no table")):
            run = self.init(url=url, expect=None)
            self.assertNotEqual(run.returncode, 0, url)
            self.assertIn(words, run.stderr)
        self.assertEqual({path.name for path in self.project.folder.iterdir()}, {"flows", "sql", "tmp"})

    def test_the_guide_does_what_it_says(self):
        """Its commands in order, over the tables that it speaks of."""
        self.server.sql(self.url, SHOP)
        self.addCleanup(self.drop_reader)
        blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.M | re.S)
        commands = [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]
        self.assertGreater(len(commands), 5)
        for line in commands:
            line = line.partition("   #")[0].strip().replace("postgresql://weir_reader@db.example.com/shop", self.reader())
            if line.startswith(("mkdir ", "cd ")):
                continue
            self.assertTrue(line.startswith("weir "), line)
            words = [word.strip("'\"") for word in re.findall(r"'[^']*'|\"[^\"]*\"|\S+", line[5:])]
            if words[:2] == ["secret", "set"]:
                self.project.environment[f"WEIR_SECRET_{self.name.upper()}_DB"] = "Long-enough-4-you"
                continue
            self.project.weir(*[self.name if word == "shop" else word for word in words])
        self.assertGreater(self.project.rows("SELECT count(*) AS n FROM stage.customers")[0]["n"], 0)


class OtherDatabases(unittest.TestCase):
    """The same on MariaDB and on a file of SQLite."""

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        for name in ("weir.yaml", "flows/shop.yaml", "sql/by_city.sql"):
            (self.project.folder / name).unlink()

    def keep_histories(self, name, url, sql):
        sql("CREATE TABLE customers (id int PRIMARY KEY, name varchar(20), updated_at datetime NOT NULL)")
        sql("CREATE TABLE products (sku varchar(9) PRIMARY KEY, price decimal(10,2))")
        sql("INSERT INTO customers VALUES (1, 'Ann', '2026-01-01 10:00:00'), (2, 'Bob', '2026-01-01 10:00:00')")
        sql("INSERT INTO products VALUES ('a', 1.5), ('b', 2), ('c', 3), ('d', 4), ('e', 5), ('f', 6)")
        said = self.project.weir("init", "--from-db", url)
        self.assertIn("2 tables: 1 by increments, 1 whole each time; 0 without a key", said.stdout)
        flow = (self.project.folder / f"flows/{name}.yaml").read_text()
        self.assertIn("LOOK: it has timestamps without a zone", flow)
        self.project.weir("validate")
        self.project.weir("run", name, "--apply")
        sql("UPDATE customers SET name = 'Bo', updated_at = '2026-01-02 10:00:00' WHERE id = 2")
        sql("DELETE FROM products WHERE sku = 'f'")
        self.project.weir("run", name, "--apply")
        self.assertEqual(self.project.rows("SELECT id, name, is_current FROM stage.customers ORDER BY id, valid_from"),
                         [{"id": 1, "name": "Ann", "is_current": True}, {"id": 2, "name": "Bob", "is_current": False},
                          {"id": 2, "name": "Bo", "is_current": True}])
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM stage.products WHERE is_current"), [{"n": 5}])
        self.project.weir("reconcile")

    def test_mariadb(self):
        context = mariadb.server()
        try:
            server = context.__enter__()
        except mariadb.Missing as why:
            self.skipTest(str(why))
        self.addCleanup(context.__exit__, None, None, None)
        database = server.create_database()
        self.keep_histories(database, f"mysql://root@127.0.0.1:{server.port}/{database}", lambda text: server.sql(database, text))

    def test_sqlite(self):
        file = self.project.folder / "shop.db"

        def sql(text):
            with contextlib.closing(sqlite3.connect(file)) as connection:
                connection.execute(text)
                connection.commit()
        self.keep_histories("shop", "sqlite:shop.db", sql)


if __name__ == "__main__":
    unittest.main(verbosity=1)
