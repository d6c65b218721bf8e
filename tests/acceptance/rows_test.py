"""Configuration as rows: a project by SQL alone, what a run pins, templates added as a file and a row."""
import sqlite3
import unittest

from weir_project import A, B, SQL, Project


class Rows(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)

    def test_a_project_of_sql_inserts_alone_runs_and_is_exported(self):
        (self.project.folder / "weir.yaml").unlink()
        self.project.weir("init", "--rows")
        self.assertFalse((self.project.folder / "weir.yaml").exists())
        with sqlite3.connect(self.project.folder / "weir.db") as catalog:
            catalog.executescript("""
INSERT INTO layer(name, uri) VALUES ('landing', 'data/landing'), ('raw', 'data/raw'), ('stage', 'data/stage');
INSERT INTO dataset(layer, name, identity, columns) VALUES ('raw', 'customers', 'as_of + content', 'id bigint, name varchar, city varchar, credit decimal(12,2)');
INSERT INTO dataset(layer, name, key_columns) VALUES ('stage', 'customers', 'id');
INSERT INTO flow(flow_id) VALUES ('shop');
INSERT INTO task(flow_id, task_id, template_id, params) VALUES
  ('shop', 'ingest', 'ingest_files', '{"from": "landing/customers-*.csv", "as_of": "customers-(?<as_of>[0-9]{8})", "to": "raw.customers"}'),
  ('shop', 'history', 'merge_history', '{"from": "raw.customers", "to": "stage.customers"}');
INSERT INTO task_dependency(flow_id, task_id, needs_task_id) VALUES ('shop', 'history', 'ingest');
""")
        self.project.land("customers-20260101.csv", A)
        self.project.weir("run", "shop")
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM stage.customers"), [{"n": 3}])
        self.assertEqual(self.project.sqlite("SELECT reason FROM config_version"), [("sql",)])
        exported = self.project.weir("export").stdout
        self.assertIn("flow: shop", exported)
        self.assertIn("template: merge_history", exported)

    def test_a_bad_row_is_named_by_table_key_and_column(self):
        self.project.weir("apply")
        (self.project.folder / "weir.yaml").unlink()
        self.project.sqlite("UPDATE task SET params = '{\"from\": 5}' WHERE task_id = 'history'")
        run = self.project.weir("run", "shop", expect=2)
        self.assertIn("table task:  key shop, history; column params", run.stderr)

    def test_what_is_edited_while_a_run_waits_has_no_effect_on_it(self):
        self.project.land("customers-20260101.csv", A)
        self.project.weir("apply")
        one = ("task", "run", "--flow", "shop", "--run-key", "k1", "--task")
        self.project.weir(*one, "ingest")
        self.project.weir(*one, "history")
        # The run waits here. A SQL file, a row and the YAML change.
        self.project.write("sql/by_city.sql", SQL.replace("count(*)", "0 * count(*)"))
        self.project.sqlite("UPDATE task SET params = json_set(params, '$.to', 'presentation.elsewhere') WHERE task_id = 'by_city'")
        flow = self.project.folder / "flows/shop.yaml"
        flow.write_text(flow.read_text().replace("table: by_city", "table: renamed"))
        for task in ("by_city", "rules", "load"):
            self.project.weir(*one, task)
        rows = self.project.rows("SELECT city, customers FROM presentation.by_city ORDER BY city")
        self.assertEqual(rows, [{"city": "Bergen", "customers": 1}, {"city": "Oslo", "customers": 2}])
        self.assertFalse((self.project.folder / "data/presentation/elsewhere").exists())

    def test_a_sql_template_and_a_composite_one_work_without_a_build(self):
        self.project.write("templates/top.sql", "SELECT city, customers FROM {{ source }} WHERE customers >= {{ least }}")
        self.project.write("templates/source_to_stage.yaml", """
tasks:
  - id: ingest
    template: ingest_files
    with: {from: "{{ files }}", as_of: "{{ as_of }}", to: raw.customers}
  - id: history
    template: merge_history
    needs: [ingest]
    with: {from: raw.customers, to: stage.customers, deletes: by_absence}
""")
        weir = self.project.folder / "weir.yaml"
        weir.write_text(weir.read_text() + """
templates:
  - {template_id: top, kind: sql, location: templates/top.sql, params: {source: {type: dataset}, least: {type: integer, default: 1}}}
  - {template_id: source_to_stage, kind: composite, location: templates/source_to_stage.yaml, params: {files: {type: text}, as_of: {type: text}}}
""")
        self.project.write("flows/shop.yaml", """
flow: shop
tasks:
  - id: customers
    template: source_to_stage
    with: {files: "landing/customers-*.csv", as_of: 'customers-(?<as_of>\\d{8})'}
  - id: by_city
    template: transform
    needs: [customers]
    with: {to: presentation.by_city, sql: sql/by_city.sql}
  - id: top
    template: top
    needs: [by_city]
    with: {to: presentation.top, source: presentation.by_city, least: 2}
""")
        self.project.land("customers-20260101.csv", A)
        self.project.run()
        self.assertEqual(self.project.rows("SELECT city FROM presentation.top"), [{"city": "Oslo"}])


if __name__ == "__main__":
    unittest.main(verbosity=1)
