"""Bad configuration and bad surroundings: a clear error that names the thing, the place and the way out;
nothing lost, nothing half visible."""
import sqlite3
import unittest

from weir_project import A, FLOW, PROJECT, Project


class Faults(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)

    def refuse(self, *words, flow=None, weir=None):
        if flow is not None:
            self.project.write("flows/shop.yaml", flow)
        if weir is not None:
            self.project.write("weir.yaml", weir)
        run = self.project.weir("validate", expect=2)
        for word in words:
            self.assertIn(word, run.stderr)

    def test_an_unknown_template(self):
        self.refuse("flows/shop.yaml:10", "merge_histroy", "did you mean 'merge_history'",
                    flow="\n" + FLOW.replace("template: merge_history", "template: merge_histroy"))

    def test_a_missing_parameter(self):
        self.refuse("parameter 'to' is missing", "flows/shop.yaml:7", flow=FLOW.replace(", to: raw.customers}", "}", 1))

    def test_a_cycle_names_its_tasks(self):
        self.refuse("ingest", "history", "flows/shop.yaml",
                    flow=FLOW.replace("  - id: ingest\n    template: ingest_files\n    with: {from: \"landing/customers",
                                      "  - id: ingest\n    needs: [history]\n    template: ingest_files\n    with: {from: \"landing/customers", 1))

    def test_two_flows_of_one_name_are_both_shown(self):
        self.project.write("flows/twin.yaml", FLOW.split("---")[0])
        self.refuse("flows/twin.yaml", "flows/shop.yaml", "shop")

    def test_yaml_that_does_not_read_has_line_and_column(self):
        self.refuse("flows/shop.yaml:4", "no valid YAML", flow="flow: shop\ntasks:\n  - {id: a, template: [\n")

    def test_an_unknown_layer(self):
        self.refuse("raww", weir=PROJECT.replace("name: raw.customers", "name: raww.customers"))

    def test_an_unknown_key(self):
        self.refuse("weir.yaml", "identitiy", "did you mean 'identity'", weir=PROJECT.replace("identity: content", "identitiy: content"))

    def test_every_fault_is_shown_at_once(self):
        run_text = FLOW.replace("template: check", "template: chekc").replace("template: transform", "template: transfrom")
        self.refuse("chekc", "transfrom", "2 faults", flow=run_text)


class Surroundings(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)

    def test_an_unknown_command_and_flow_are_guessed(self):
        self.assertIn("did you mean 'status'", self.project.weir("statsu", expect=2).stderr)
        self.assertIn("there is no command 'frobnicate'", self.project.weir("frobnicate", expect=2).stderr)
        self.project.weir("apply")
        self.assertIn("did you mean 'shop'", self.project.weir("run", "shp", expect=2).stderr)

    def test_a_catalog_of_a_newer_schema_is_refused(self):
        self.project.weir("apply")
        with sqlite3.connect(self.project.folder / "weir.db") as catalog:
            table = [name for (name,) in catalog.execute("SELECT name FROM sqlite_master WHERE name LIKE '%migration%' OR name LIKE 'schema_version%'")][0]
            column = [row[1] for row in catalog.execute(f"PRAGMA table_info({table})")][0]
            others = [row[1] for row in catalog.execute(f"PRAGMA table_info({table})")][1:]
            catalog.execute(f"INSERT INTO {table} SELECT 999, {', '.join(others)} FROM {table} LIMIT 1" if others
                            else f"INSERT INTO {table}({column}) VALUES (999)")
        run = self.project.weir("runs", expect=2)
        self.assertIn("weir.db", run.stderr)

    def test_a_catalog_that_is_no_database_is_corrupt(self):
        self.project.write("weir.db", "this is no database, not at all" * 100)
        run = self.project.weir("run", "shop", "--apply", expect=None)
        self.assertEqual(run.returncode, 1)
        self.assertIn("weir.db", run.stderr)

    def test_ragged_rows_and_an_unclosed_quote_cost_their_own_rows_only(self):
        self.project.land("sales/1.csv", 'id,amount\n1,1.00\n2\n3,3.00,x\n4,"4.00\n5,5.00\n')
        counts = self.project.report("sales")["tasks"]["ingest"]["counts"]
        self.assertEqual((counts["in"], counts["inserted"], counts["rejected"]), (5, 2, 3))
        self.assertEqual(self.project.rows("SELECT id FROM raw.sales ORDER BY id"), [{"id": 1}, {"id": 5}])

    def test_a_name_without_a_readable_as_of_is_named(self):
        self.project.land("customers-latest.csv", A)
        run = self.project.run(expect=3)
        self.assertIn("customers-latest.csv", run.stdout + run.stderr)

    def test_declared_latin1_is_decoded(self):
        flow = FLOW.replace('with: {from: "landing/sales/*.csv", to: raw.sales}',
                            'with: {from: "landing/sales/*.csv", to: raw.names, format: {csv: {header: true, encoding: latin-1}}}')
        self.project.write("flows/shop.yaml", flow)
        self.project.land("sales/1.csv", "name\nZoë\n".encode("latin-1"))
        self.project.run("sales")
        self.assertEqual(self.project.rows("SELECT name FROM raw.names"), [{"name": "Zoë"}])

    def test_a_path_that_is_a_file_says_so_and_leaves_nothing(self):
        self.project.write("data/raw", "in the way")
        self.project.land("sales/1.csv", "id,amount\n1,1.00\n")
        run = self.project.run("sales", expect=None)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("data/raw", run.stdout + run.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
