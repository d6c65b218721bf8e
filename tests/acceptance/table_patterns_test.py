"""`for_each: {tables: …}` over a real PostgreSQL: what a run finds, and what a retry keeps. Skipped where it is not installed."""
import json
import pathlib
import re
import sys
import unittest

from weir_project import ROOT, Project

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import postgres  # noqa: E402

YAML = """
project: shop
catalog: sqlite:weir.db
layers:
  - {name: raw, uri: data/raw}
  - {name: stage, uri: data/stage}
connections:
  - {connection_id: shop, kind: postgres, host: 127.0.0.1, port: "${SHOP_PORT}", database: "${SHOP_DATABASE}", user: postgres}
defaults: {retries: 0}
"""
FLOW = """
flow: shop
tasks:
  - id: load
    template: ingest_database
    for_each:
      tables: {connection: shop, like: "public.*", except: ["public.tmp_*"]}
    with:
      connection: shop
      table: ${each.name}
      to: raw.${each.table}
      mode: ${each.mode}
      cursor: ${each.cursor:-}
      timezone: UTC
  - id: history
    template: merge_history
    needs: [load]
    for_each: {same_as: load}
    with: {from: "raw.${each.table}", to: "stage.${each.table}", key: "${each.key}", max_deleted_percent: 100}
"""
OTHER = """
flow: other
tasks:
  - id: load
    template: ingest_database
    for_each: {tables: {connection: nowhere, like: "public.*"}}
    with: {connection: nowhere, table: "${each.name}", to: "raw.other_${each.table}"}
"""
NOWHERE = "  - {connection_id: nowhere, kind: postgres, host: 127.0.0.1, port: 1, database: none, user: none}\n"


class TablePatterns(unittest.TestCase):
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
        self.project.environment.update(SHOP_PORT=str(self.server.port), SHOP_DATABASE=self.url.rpartition("/")[2])
        self.project.write("weir.yaml", YAML)
        self.project.write("flows/shop.yaml", FLOW)
        self.sql("""
            CREATE TABLE customers (id int PRIMARY KEY, city text);
            CREATE TABLE orders (id int, line int, amount numeric(10,2), changed_at timestamptz NOT NULL, PRIMARY KEY (id, line));
            CREATE TABLE tmp_import (id int PRIMARY KEY);
            CREATE TABLE days (day date, n int, PRIMARY KEY (day)) PARTITION BY RANGE (day);
            CREATE TABLE days_2026 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
            CREATE VIEW cities AS SELECT DISTINCT city FROM customers;
            INSERT INTO customers VALUES (1, 'Oslo'), (2, 'Bergen');
            INSERT INTO orders VALUES (1, 1, 5, '2026-01-01'), (1, 2, 7, '2026-01-02');
            INSERT INTO days VALUES ('2026-01-01', 1);""")

    def sql(self, text):
        return self.server.sql(self.url, text).rstrip("\n")

    def query(self, text):
        return json.loads(self.project.weir("--output", "json", "table", "query", text).stdout)

    def states(self):
        return dict(self.project.sqlite("SELECT task_id, state FROM task_run WHERE run_id = (SELECT run_id FROM flow_run "
                                         "ORDER BY created_at_us DESC LIMIT 1)"))

    def test_each_table_is_a_task_and_views_and_partitions_are_none(self):
        said = self.project.weir("validate").stdout
        self.assertIn("flow shop, task load: tables of 'shop' like public.* are looked up when a run starts", said)
        self.project.weir("run", "shop", "--apply")
        names = ["customers", "days", "orders"]
        self.assertEqual(self.states(), {f"{task}[public.{name}]": "succeeded" for task in ("load", "history") for name in names})
        self.assertEqual(self.query("SELECT id, line, is_current FROM stage.orders ORDER BY 1, 2"),
                         [{"id": 1, "line": 1, "is_current": True}, {"id": 1, "line": 2, "is_current": True}])
        # Commands that ask no database know what the run saw.
        listed = self.project.weir("table", "list").stdout
        self.assertIn("stage.orders", listed)
        self.project.weir("reconcile")

    def test_a_new_table_is_picked_up_and_the_others_read_what_is_new(self):
        self.project.weir("run", "shop", "--apply")
        self.sql("CREATE TABLE refunds (id int PRIMARY KEY); INSERT INTO refunds VALUES (9); "
                 "INSERT INTO orders VALUES (2, 1, 1, '2026-01-03')")
        out = self.project.weir("run", "shop").stderr
        self.assertIn("load[public.refunds]", out)
        self.assertIn("public.orders", out)
        self.assertEqual(self.query("SELECT count(*) AS n FROM stage.orders"), [{"n": 3}])
        self.assertEqual(self.query("SELECT id FROM stage.refunds"), [{"id": 9}])

    def test_a_table_that_is_gone_is_told_once_and_its_history_stays(self):
        self.project.weir("run", "shop", "--apply")
        self.sql("DROP TABLE days")
        warning = "load[public.days]: warning: table public.days of the run before is not found any more"
        self.assertIn(warning, self.project.weir("run", "shop").stderr)
        self.assertNotIn("load[public.days]", self.states())
        self.assertIn("is not found any more", self.project.weir("logs", "shop", "load[public.days]").stdout)
        self.assertEqual(self.query("SELECT n FROM stage.days"), [{"n": 1}])
        self.assertNotIn("warning", self.project.weir("run", "shop").stderr)
        self.project.weir("reconcile")

    def test_a_retry_sees_the_tables_of_its_run(self):
        self.sql("REVOKE ALL ON orders FROM PUBLIC; CREATE ROLE reader LOGIN; GRANT SELECT ON customers, days TO reader")
        self.project.write("weir.yaml", YAML.replace("user: postgres", "user: reader"))
        run = self.project.weir("run", "shop", "--apply", expect=None)
        self.assertNotEqual(run.returncode, 0)
        before = self.states()
        self.assertEqual(before["load[public.orders]"], "failed")
        self.assertEqual(before["history[public.orders]"], "skipped")
        self.assertEqual(before["history[public.customers]"], "succeeded", "the others are not held up")
        self.sql("GRANT SELECT ON orders TO reader; CREATE TABLE refunds (id int PRIMARY KEY); GRANT SELECT ON refunds TO reader; "
                 "DROP TABLE days")
        versions = self.project.sqlite("SELECT hash FROM config_version ORDER BY hash")
        self.assertNotIn("warning", self.project.weir("retry", "shop").stderr)
        self.assertEqual(self.project.sqlite("SELECT hash FROM config_version ORDER BY hash"), versions)
        after = self.states()
        self.assertEqual(after, {task: "succeeded" for task in before})
        self.project.weir("run", "shop")
        self.assertEqual(self.states()["history[public.refunds]"], "succeeded")

    def test_a_run_of_the_same_key_keeps_its_tables(self):
        self.project.weir("apply")
        self.project.weir("task", "run", "--flow", "shop", "--task", "load[public.orders]", "--run-key", "k")
        self.sql("CREATE TABLE refunds (id int PRIMARY KEY)")
        self.project.weir("task", "run", "--flow", "shop", "--task", "load[public.customers]", "--run-key", "k")
        run = self.project.weir("task", "run", "--flow", "shop", "--task", "load[public.refunds]", "--run-key", "k", expect=2)
        self.assertIn("has no task 'load[public.refunds]'", run.stderr)
        self.project.weir("run", "shop", "--run-key", "k")
        self.assertNotIn("load[public.refunds]", self.states())
        self.assertEqual(set(self.states().values()), {"succeeded"})

    def test_a_database_out_of_reach_fails_before_anything_starts(self):
        self.project.write("flows/other.yaml", OTHER)
        self.project.write("weir.yaml", YAML.replace("defaults:", NOWHERE + "defaults:"))
        run = self.project.weir("run", "other", "--apply", expect=None)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("looking up the tables of task 'load'", run.stderr)
        self.assertEqual(self.project.sqlite("SELECT count(*) FROM flow_run"), [(0,)])
        # A flow over another database is no concern of it.
        self.project.weir("run", "shop")
        self.project.weir("reconcile")

    def test_a_pattern_that_fits_nothing_says_what_there_is(self):
        self.project.write("flows/shop.yaml", FLOW.replace('"public.*"', '"public.%"'))
        run = self.project.weir("run", "shop", "--apply", expect=None)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("no table of connection 'shop' fits public.%", run.stderr)
        self.assertIn("flows/shop.yaml:7:", run.stderr)
        self.assertIn("write * for any letters, not %; there are: public.cities, public.customers", run.stderr)

    def test_views_are_taken_where_that_is_said(self):
        self.project.write("flows/shop.yaml", FLOW[:FLOW.index("  - id: history")].replace(
            'except: ["public.tmp_*"]', "views: true"))
        self.project.weir("run", "shop", "--apply")
        self.assertIn("load[public.cities]", self.states())
        self.assertIn("load[public.tmp_import]", self.states())

    def test_hard_names_are_safe_and_two_tables_of_one_dataset_are_refused(self):
        self.sql('CREATE TABLE "Order/Items" (id int PRIMARY KEY); CREATE TABLE "a-b" (id int PRIMARY KEY)')
        run = self.project.weir("run", "shop", "--apply", expect=2)
        self.assertIn("dataset name 'Order/Items' has a slash", run.stderr)
        self.assertEqual(self.project.sqlite("SELECT count(*) FROM flow_run"), [(0,)])
        self.sql('ALTER TABLE "Order/Items" RENAME TO "Order Items ${HOME}"')
        self.project.weir("run", "shop", "--apply")
        states = self.states()
        self.assertEqual(len(states), 10)
        odd = [task for task in states if task.startswith("load[public.Order_Items")]
        self.assertRegex(odd[0], r"^load\[public\.Order_Items___HOME_-[0-9a-f]{8}\]$")
        self.sql('CREATE SCHEMA old; CREATE TABLE old."A-B" (id int)')
        self.project.write("flows/shop.yaml", FLOW.replace('"public.*"', '["public.*", "old.*"]'))
        run = self.project.weir("run", "shop", "--apply", expect=2)
        self.assertIn("it writes raw.a-b, as 'load[old.A-B]' does", run.stderr)

    def test_the_guide_does_what_it_says(self):
        guide = (ROOT / "docs/guide/for-each.md").read_text()
        named, by_pattern, *_ = re.findall(r"^```yaml\n(.*?)^```", guide, re.M | re.S)
        self.sql("DROP TABLE orders; CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE refunds (id int PRIMARY KEY); "
                 "CREATE TABLE audit (what text); INSERT INTO orders VALUES (1)")
        self.project.write("flows/shop.yaml", named)
        self.project.weir("run", "shop", "--apply")
        self.assertEqual(set(self.states()), {f"{task}[{name}]" for task in ("load", "history") for name in ("customers", "orders", "refunds")})
        self.project.write("flows/shop.yaml", "flow: shop\ntasks:\n" + by_pattern)
        self.project.weir("run", "shop", "--apply")
        self.assertEqual(set(self.states()), {f"{task}[public.{name}]" for task in ("load", "history")
                                              for name in ("customers", "days", "orders", "refunds")})
        self.assertEqual(self.query("SELECT count(*) AS n FROM stage.orders"), [{"n": 1}])


if __name__ == "__main__":
    unittest.main(verbosity=1)
