"""load_warehouse into PostgreSQL, through the real program: changed data, a proof of the chain, a load that is killed in the
middle, a server that restarts, and a connection that breaks at COMMIT, before it and after.
"""
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import postgres  # noqa: E402
import postgres_line  # noqa: E402
from weir_project import A, B, FLOW, PROJECT, WEIR, Project  # noqa: E402
from waiting import wait_for  # noqa: E402

DUCKDB = "{connection_id: warehouse, kind: duckdb, path: data/warehouse.duckdb}"
POSTGRES = """
    connection_id: warehouse
    kind: postgres
    host: 127.0.0.1
    port: ${WAREHOUSE_PORT}
    database: %s
    user: postgres
    password: secret://warehouse#password
    lock_timeout: 60s"""
PASSWORD = "not-to-be-seen-4711"
APPEND = FLOW.replace("table: by_city}", "table: by_city, mode: append}")
DAY_A = [("Bergen", "1", "20.00"), ("Oslo", "2", "40.75")]
DAY_B = [("Bergen", "2", "30.50"), ("Oslo", "1", "1.00")]


class PostgresWarehouse(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = postgres.server()
        try:
            cls.server = cls.context.__enter__()
        except postgres.Missing as why:
            print(f"skipped: {why}")
            raise unittest.SkipTest(str(why))
        cls.addClassCleanup(cls.context.__exit__, None, None, None)

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.database = self.server.create_database().rpartition("/")[2]
        self.project.write("weir.yaml", PROJECT.replace("- " + DUCKDB, "-" + POSTGRES % self.database))
        self.project.environment["WEIR_SECRET_WAREHOUSE"] = f'{{"password": "{PASSWORD}"}}'
        self.through(self.server.port)

    def through(self, port):
        self.project.environment["WAREHOUSE_PORT"] = str(port)

    def sql(self, text):
        """As another program sees it now, whatever port the server has by now."""
        return self.server.sql(f"postgresql://postgres@127.0.0.1:{self.server.port}/{self.database}", text)

    def rows(self):
        lines = self.sql("SELECT city, customers, credit FROM by_city ORDER BY 1, 2").splitlines()
        return [tuple(line.split("|")) for line in lines]

    def left_over(self):
        return self.sql("SELECT count(*) FROM pg_class WHERE relname LIKE '\\_weir\\_stage%'").strip()

    def wait_for(self, query, wanted, process):
        def is_so():
            self.assertIsNone(process.poll(), "weir ended before")
            return self.sql(query).strip() == wanted

        wait_for(query, is_so, 120, pause=0)

    def proxy(self, where):
        proxy = postgres_line.Line(self.server, at=1, fault=where, behind=b'INSERT INTO "public"."_weir_load"')
        self.addCleanup(proxy.close)
        self.through(proxy.port)
        return proxy

    def test_changed_data_is_loaded_and_the_chain_closes(self):
        for engine in ("embedded", "subprocess"):
            with self.subTest(engine):
                self.setUp()
                self.project.environment["WEIR_ENGINE"] = engine
                self.project.land("customers-20260101.csv", A)
                self.project.run()
                self.assertEqual(self.rows(), DAY_A)
                self.sql("CREATE VIEW oslo AS SELECT credit FROM by_city WHERE city = 'Oslo'")
                self.project.weir("reconcile")
                self.server.stop(postgres.signal.SIGQUIT)  # as a crash
                self.server.start()
                self.through(self.server.port)
                self.project.land("customers-20260102.csv", B)
                self.project.run()
                self.assertEqual(self.rows(), DAY_B)
                self.assertEqual(self.sql("SELECT credit FROM oslo").strip(), "1.00")
                self.project.weir("reconcile")
                self.assertEqual(self.sql("SELECT count(*) FROM _weir_load").strip(), "2")
                for path in self.project.folder.rglob("weir.db*"):
                    self.assertNotIn(PASSWORD.encode(), path.read_bytes(), path)

    def test_table_that_somebody_changed_is_found_by_reconcile(self):
        self.project.land("customers-20260101.csv", A)
        self.project.run()
        self.sql("UPDATE by_city SET credit = credit + 0.01 WHERE city = 'Oslo'")
        said = self.project.weir("reconcile", expect=1)
        self.assertIn("by_city", said.stdout + said.stderr)

    def test_catalog_that_is_lost_is_made_anew_from_receipts(self):
        self.project.land("customers-20260101.csv", A)
        self.project.run()
        for path in self.project.folder.glob("weir.db*"):
            path.unlink()
        self.project.weir("apply")
        self.project.weir("doctor", "--heal")
        self.project.run()
        self.assertEqual(self.sql("SELECT count(*) FROM _weir_load").strip(), "1")

    def test_secret_that_nobody_keeps_is_named(self):
        del self.project.environment["WEIR_SECRET_WAREHOUSE"]
        self.project.land("customers-20260101.csv", A)
        said = self.project.run(expect=1)
        self.assertIn("'warehouse'", said.stderr + said.stdout)

    def test_options_that_are_wrong_are_found_before_a_run(self):
        text = (self.project.folder / "weir.yaml").read_text()
        for old, new, words in (("host: 127.0.0.1", "hots: 127.0.0.1", "did you mean 'host'"),
                                ("lock_timeout: 60s", "sslmode: prefer", "goes on without encryption"),
                                ("secret://warehouse#password", "in-clear", "secret in clear"),
                                ("user: postgres", "secret_id: warehouse", "takes no secret_id")):
            self.project.write("weir.yaml", text.replace(old, new))
            said = self.project.weir("validate", expect=2)
            self.assertIn(words, said.stderr + said.stdout)

    def test_load_that_is_killed_in_the_middle_is_done_again(self):
        self.project.write("flows/shop.yaml", APPEND)
        self.project.land("customers-20260101.csv", A)
        self.project.run()
        self.project.land("customers-20260102.csv", B)
        # It stands still where it wants to write the table, with its rows staged.
        holder = subprocess.Popen([postgres.PROGRAMS / "psql", "-X", "-q", "-d",
                                   f"postgresql://postgres@127.0.0.1:{self.server.port}/{self.database}"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        holder.stdin.write("BEGIN; LOCK TABLE by_city IN SHARE MODE; SELECT 'held';\n")
        holder.stdin.flush()
        while "held" not in holder.stdout.readline():
            pass
        weir = subprocess.Popen([WEIR, "--project", str(self.project.folder), "run", "shop", "--apply"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.project.environment)
        self.wait_for("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'weir, run%' AND "
                      "wait_event_type = 'Lock'", "1", weir)
        self.assertEqual(self.left_over(), "1")
        weir.kill()
        weir.wait()
        holder.communicate("COMMIT;\n")
        self.assertEqual(self.rows(), DAY_A)
        self.project.weir("retry", "shop")
        self.assertEqual(self.rows(), sorted(DAY_A + DAY_B))
        self.assertEqual(self.left_over(), "0")
        self.project.weir("reconcile")

    def test_commit_whose_answer_is_lost_is_found_by_its_token(self):
        self.project.write("flows/shop.yaml", APPEND)
        proxy = self.proxy("after")
        self.project.land("customers-20260101.csv", A)
        self.project.run()
        self.assertEqual(proxy.struck, 1)
        self.assertEqual(self.rows(), DAY_A)
        self.assertEqual(self.sql("SELECT count(*) FROM _weir_load").strip(), "1")
        self.project.weir("reconcile")

    def test_commit_that_did_not_arrive_changed_nothing(self):
        self.project.write("flows/shop.yaml", APPEND)
        proxy = self.proxy("before")
        self.project.land("customers-20260101.csv", A)
        said = self.project.run(expect=75)
        self.assertEqual(proxy.struck, 1)
        self.assertIn("is as it was", said.stderr + said.stdout)
        self.assertEqual(self.sql("SELECT to_regclass('by_city') IS NULL").strip(), "t")
        self.project.weir("retry", "shop")
        self.assertEqual(self.rows(), DAY_A)


if __name__ == "__main__":
    unittest.main()
