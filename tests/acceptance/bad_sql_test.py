"""Users' SQL through the real program: faults are shown with file, line and column; what would read or write anything but the
datasets that it names is refused, and nothing of it happens."""
import os
import pathlib
import sqlite3
import tempfile
import unittest

from weir_project import A, FLOW, PROJECT, Project


class Sql(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.project.land("customers-20260101.csv", A)
        self.project.run()

    def transform(self, sql, expect, **environment):
        """Replaces presentation.by_city by the SQL, with what is in the lake; what the run says."""
        self.project.write("sql/by_city.sql", sql)
        self.project.write("flows/one.yaml", "flow: one\ntasks:\n  - id: by_city\n    template: transform\n"
                                             "    with: {to: presentation.by_city, sql: sql/by_city.sql}\n")
        run = self.project.run("one", expect=expect, **environment)
        return run.stdout + run.stderr


class Faults(Sql):
    def test_are_shown_where_they_stand(self):
        before = self.project.objects()
        for sql, place, words in (
                ("SELECT city,\n  count(*) customers customers\nFROM stage.customers\n", "2:22", ["syntax error"]),
                ("-- a comment\nSELECT citty\nFROM stage.customers\n", "2:8", ['"citty"', "Candidate bindings"]),
                ("SELECT city,\n       'é' || summ(credit)\nFROM stage.customers GROUP BY city\n", "2:15", ["summ", "Did you mean"]),
                ("SELECT city FROM stage.customers,\n  raw.nosuch\n", "", ["raw.nosuch"]),
                ("SELECT city\nFROM stage.customers WHERE\n  nope > 1\n", "3:3", ["nope"]),
                ("SELECT x.city\nFROM stage.customers\n", "1:8", ["x"]),
                ("SELECT 'open\nFROM stage.customers\n", "1:8", ["unterminated"])):
            with self.subTest(sql=sql):
                said = self.transform(sql, None)
                for word in (f"sql/by_city.sql:{place}" if place else "", *words):
                    self.assertIn(word, said)
                self.assertEqual(self.project.objects(), before)

    def test_are_faults_of_the_configuration(self):
        self.transform("SELECT nothing FROM stage.customers", 2)
        self.transform("SELEC 1", 2)

    def test_are_the_same_under_an_engine_of_its_own_process(self):
        said = self.transform("SELECT city,\n  nothing FROM stage.customers", 2, WEIR_ENGINE="subprocess")
        self.assertIn("sql/by_city.sql:2:3", said)

    def test_of_the_data_name_the_file(self):
        said = self.transform("SELECT city, CAST(name AS INTEGER) AS n FROM stage.customers", 3)
        for word in ("'Ann'", "sql/by_city.sql", "by_city"):
            self.assertIn(word, said)

    def test_of_the_result_say_what_is_missing(self):
        said = self.transform("SELECT 1 AS \"a b\" FROM stage.customers", 2)
        self.assertIn("'a b'", said)
        self.assertIn("letters, digits", said)

    def test_of_an_empty_file(self):
        self.assertIn("one SELECT", self.transform("", 2))
        self.assertIn("one SELECT", self.transform("-- nothing but a comment\n", 2))

    def test_of_a_query_on_the_command_line(self):
        run = self.project.weir("table", "query", "SELECT city,\n nothing FROM stage.customers", expect=2)
        for word in ("SQL:2:2:", " nothing FROM", "^", "Candidate bindings"):
            self.assertIn(word, run.stderr)


class Walls(Sql):
    def setUp(self):
        super().setUp()
        self.secret = "hunter2-" + os.urandom(4).hex()
        self.project.sqlite("INSERT INTO connection(connection_id, kind, options) VALUES ('x', 'duckdb', ?)", f'{{"path": "{self.secret}"}}')
        self.outside = pathlib.Path(tempfile.mkdtemp(prefix="weir-outside-"))
        self.addCleanup(lambda: [path.unlink() for path in self.outside.iterdir()] and None or self.outside.rmdir())
        (self.outside / "other.csv").write_text(f"a\n{self.secret}\n")

    def attempts(self):
        folder, outside = self.project.folder, self.outside
        raw = next((folder / "data/raw/customers").glob("*.parquet"))
        session = folder / "tmp/weir-sql-other"
        session.mkdir()
        (session / "spilled.tmp").write_text(self.secret)
        for sql in (
                # The catalog, other datasets, other files.
                f"SELECT * FROM sqlite_scan('{folder}/weir.db', 'connection')",
                f"SELECT * FROM '{folder}/weir.db'", f'SELECT * FROM "{folder}/weir.db"',
                f"SELECT content FROM read_text('{folder}/weir.db')", f"SELECT * FROM read_blob('{folder}/weir.db')",
                f"SELECT * FROM read_parquet('{raw}')", f"SELECT * FROM parquet_metadata('{raw}')", f"SELECT * FROM '{raw}'",
                f"SELECT * FROM read_csv('{outside}/other.csv')", f"SELECT * FROM '{outside}/other.csv'",
                "SELECT * FROM read_csv('/etc/passwd', sep=':')", "SELECT * FROM read_json_auto('/proc/self/environ')",
                f"SELECT * FROM glob('{folder}/**')", "SELECT * FROM raw_customers", "SELECT * FROM customers",
                f"SELECT (SELECT max(content) FROM read_text('{outside}/other.csv')) FROM stage.customers",
                f"WITH x AS (FROM '{outside}/other.csv') SELECT * FROM x",
                f"SELECT * FROM stage.customers WHERE city IN (SELECT a FROM '{outside}/other.csv')",
                f"SELECT * FROM stage.customers JOIN '{outside}/other.csv' o ON true",
                f"FROM stage.customers UNION ALL BY NAME FROM '{outside}/other.csv'",
                # The folder of another session.
                f"SELECT * FROM read_text('{session}/spilled.tmp')", f"SELECT * FROM glob('{folder}/tmp/*')",
                # SQL in a text.
                "SELECT * FROM query('SELECT 1')", "SELECT * FROM query_table('stage.customers')",
                "SELECT json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
                # The machine and the session.
                "SELECT getenv('HOME')", "SELECT GETENV('WEIR_SECRET')", "SELECT current_setting('temp_directory')",
                "SELECT * FROM duckdb_settings()", "SELECT * FROM duckdb_secrets()", "FROM information_schema.tables",
                "FROM main.duckdb_views", "FROM pg_catalog.pg_class", "FROM system.main.duckdb_tables",
                # Writes and settings.
                f"COPY (SELECT 1) TO '{outside}/written.csv'", f"COPY (SELECT 1) TO '{outside}/written.csv' (USE_TMP_FILE false)",
                f"COPY (SELECT 1) TO '{raw}' (FORMAT parquet, USE_TMP_FILE false)", f"EXPORT DATABASE '{outside}/written'",
                f"ATTACH '{outside}/written.db'", f"ATTACH '{folder}/weir.db' (TYPE sqlite)", "PRAGMA database_list",
                "SET enable_external_access = true", "RESET lock_configuration", "INSTALL httpfs", "LOAD httpfs", "CALL pragma_version()",
                f"SELECT 1; COPY (SELECT 1) TO '{outside}/written.csv'", "CREATE TABLE t AS SELECT 1", "DROP VIEW stage.customers",
                "DELETE FROM stage.customers", "EXPLAIN SELECT 1", "CHECKPOINT", "SELECT 1 AS a\0; SELECT 2"):
            yield sql

    def test_a_transform_that_would_leave_its_datasets_is_refused(self):
        digest = self.project.digest()
        self.transform("SELECT city FROM stage.customers", 0)
        catalog = self.project.weir("export").stdout
        before = self.project.objects()
        for sql in self.attempts():
            with self.subTest(sql=sql):
                said = self.transform(sql, 2, WEIR_SECRET=self.secret)
                self.assertNotIn(self.secret, said)
                self.assertIn("sql/by_city.sql", said)
                self.assertIn("help: ", said)
                self.assertEqual(self.project.objects(), before)
                self.assertEqual(sorted(path.name for path in self.outside.iterdir()), ["other.csv"])
        self.assertEqual(self.project.digest(), digest)
        self.assertEqual(self.project.weir("export").stdout, catalog)

    def test_a_query_that_would_leave_its_datasets_is_refused(self):
        before = self.project.objects()
        for sql in self.attempts():
            if "\0" in sql:
                continue
            with self.subTest(sql=sql):
                run = self.project.weir("table", "query", "--", sql, expect=None, WEIR_SECRET=self.secret)
                self.assertEqual(run.returncode, 2, run.stderr)
                self.assertNotIn(self.secret, run.stdout + run.stderr)
                self.assertEqual(sorted(path.name for path in self.outside.iterdir()), ["other.csv"])
        self.assertEqual(self.project.objects(), before)

    def test_a_rule_that_would_leave_its_dataset_is_refused(self):
        for rule in (f"SELECT * FROM read_text('{self.outside}/other.csv')", "SELECT * FROM stage.customers", "SELECT getenv('HOME')",
                     "COPY (SELECT 1) TO '/tmp/x'"):
            with self.subTest(rule=rule):
                self.project.write("flows/shop.yaml", FLOW.replace("{unique: [city]}", f'{{sql: "{rule}"}}'))
                run = self.project.run(expect=2)
                self.assertNotIn(self.secret, run.stdout)

    def test_names_of_datasets_are_no_way_out(self):
        with sqlite3.connect(self.project.folder / "weir.db") as catalog:
            catalog.execute("UPDATE layer SET uri = '.' WHERE name = 'raw'")
        self.project.write("weir.yaml", PROJECT.replace("uri: data/raw", "uri: ."))
        for name in ('raw."weir.db"', 'raw.".."', 'raw."../weir"', 'raw."/etc/passwd"', "raw.\"x' UNION SELECT 1 --\""):
            with self.subTest(name=name):
                run = self.project.weir("table", "query", f"SELECT * FROM {name}", expect=None)
                self.assertIn(run.returncode, (1, 2), run.stderr)
                self.assertNotIn(self.secret, run.stdout + run.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
