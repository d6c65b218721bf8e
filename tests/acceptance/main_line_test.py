"""The main line as a user sees it: the real program on small files."""
import pathlib
import shutil
import subprocess
import unittest

from weir_project import A, B, PROJECT, SQL, WEIR, Project


class MainLine(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)

    def land_three(self):
        self.project.land("customers-20260101.csv", A)
        self.project.land("customers-20260102.csv", B)
        self.project.land("customers-20260103.csv", A)

    def test_snapshots_a_b_a_by_bytes_make_three_versions(self):
        self.land_three()
        report = self.project.report()
        self.assertEqual(report["tasks"]["ingest"]["counts"]["in"], 9)
        versions = self.project.rows("SELECT city, valid_from, valid_to, is_current FROM stage.customers WHERE id = 1 ORDER BY valid_from")
        self.assertEqual([v["city"] for v in versions], ["Oslo", "Bergen", "Oslo"])
        self.assertEqual([v["valid_to"] for v in versions], ["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", None])
        gone = self.project.rows("SELECT is_deleted, is_current FROM stage.customers WHERE id = 4")
        self.assertEqual(gone, [{"is_deleted": True, "is_current": False}])

    def test_waiting_snapshots_make_the_same_table_as_one_by_one(self):
        self.land_three()
        self.project.run()
        together = self.project.digest()
        other = Project()
        self.addCleanup(other.close)
        for name, content in (("20260101", A), ("20260102", B), ("20260103", A)):
            other.land(f"customers-{name}.csv", content)
            other.run()
        self.assertEqual(other.digest(), together)
        self.assertEqual(len(other.commits("stage.customers")), 3)

    def test_engine_subprocess_makes_the_same_table(self):
        self.land_three()
        self.project.run()
        other = Project()
        self.addCleanup(other.close)
        for name, content in (("20260101", A), ("20260102", B), ("20260103", A)):
            other.land(f"customers-{name}.csv", content)
        other.run(WEIR_ENGINE="subprocess")
        self.assertEqual(other.digest(), self.project.digest())

    def test_tasks_as_processes_of_their_own_make_the_same_table(self):
        self.land_three()
        self.project.run()
        other = Project()
        self.addCleanup(other.close)
        for name, content in (("20260101", A), ("20260102", B), ("20260103", A)):
            other.land(f"customers-{name}.csv", content)
        other.weir("apply")
        for task in ("ingest", "history", "by_city", "rules", "load"):
            other.weir("task", "run", "--flow", "shop", "--task", task, "--run-key", "k1")
        self.assertEqual(other.digest(), self.project.digest())
        self.assertEqual(other.sqlite("SELECT state, count(*) FROM flow_run GROUP BY 1"), [("succeeded", 1)])

    def test_a_task_whose_needs_have_not_succeeded_is_to_be_retried(self):
        self.land_three()
        self.project.weir("apply")
        run = self.project.weir("task", "run", "--flow", "shop", "--task", "history", "--run-key", "k1", expect=75)
        self.assertIn("needs 'ingest'", run.stderr)

    def test_the_same_inputs_again_write_nothing(self):
        self.land_three()
        self.project.run()
        before = self.project.objects()
        report = self.project.report()
        self.assertEqual(self.project.objects(), before)
        self.assertEqual(report["tasks"]["ingest"]["counts"]["in"], 0)

    def test_a_lost_catalog_makes_no_new_commit(self):
        self.land_three()
        self.project.run()
        before, digest = self.project.objects(), self.project.digest()
        for heals in (False, True):
            for path in self.project.folder.glob("weir.db*"):
                path.unlink()
            self.project.weir("apply")
            if heals:
                self.project.weir("doctor", "--heal")
            self.project.run()
            self.assertEqual(self.project.objects(), before)
            self.assertEqual(self.project.digest(), digest)

    def test_sql_that_is_changed_and_changed_back_replaces_again(self):
        self.project.land("customers-20260101.csv", A)
        self.project.run()
        first = self.project.rows("SELECT city, customers FROM presentation.by_city ORDER BY city")
        self.project.write("sql/by_city.sql", SQL.replace("count(*)", "0 * count(*)"))
        self.project.run()
        self.assertEqual({row["customers"] for row in self.project.rows("SELECT customers FROM presentation.by_city")}, {0})
        self.project.write("sql/by_city.sql", SQL)
        self.project.run()
        self.assertEqual(self.project.rows("SELECT city, customers FROM presentation.by_city ORDER BY city"), first)
        before = self.project.objects()
        self.project.run()
        self.assertEqual(self.project.objects(), before)

    def test_a_delta_is_loaded_once_whatever_its_name(self):
        self.project.land("sales/1.csv", "id,amount\n1,10.50\n2,3.00\n")
        self.project.run("sales")
        self.project.land("sales/1-again.csv", "id,amount\n1,10.50\n2,3.00\n")
        report = self.project.report("sales")
        self.assertEqual(report["tasks"]["ingest"]["counts"]["in"], 0)
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM raw.sales"), [{"n": 2}])

    def test_a_renamed_task_loads_nothing_again(self):
        self.land_three()
        self.project.run()
        before = self.project.objects()
        flow = self.project.folder / "flows/shop.yaml"
        flow.write_text(flow.read_text().replace("id: history", "id: past").replace("[history]", "[past]"))
        self.project.run()
        self.assertEqual(self.project.objects(), before)

    def test_rejected_rows_keep_their_reasons_and_the_hop_closes(self):
        self.project.land("sales/1.csv", "id,amount\n1,10.50\n2,ten\n3\n4,1.005\n")
        report = self.project.report("sales")
        counts = report["tasks"]["ingest"]["counts"]
        self.assertEqual((counts["in"], counts["inserted"], counts["rejected"]), (4, 1, 3))
        rows = self.project.rows('SELECT line, reason, "column" FROM raw.sales__rejected ORDER BY line')
        self.assertEqual([(r["line"], r["column"]) for r in rows][0], (3, "amount"))
        self.assertEqual(len(rows), 3)

    def test_too_many_gone_keys_are_held_and_change_nothing(self):
        self.project.land("customers-20260101.csv", A)
        self.project.run()
        digest = self.project.digest()
        self.project.land("customers-20260102.csv", "id,name,city,credit\n1,Ann,Oslo,10.50\n")
        self.project.run(expect=5)
        self.assertEqual(self.project.digest(), digest)
        self.project.weir("approve", "shop")
        self.project.weir("retry", "shop")
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM stage.customers WHERE is_current"), [{"n": 1}])

    def test_a_project_that_is_moved_while_a_run_is_held_goes_on_at_its_new_place(self):
        self.project.land("customers-20260101.csv", A)
        self.project.run()
        self.project.land("customers-20260102.csv", "id,name,city,credit\n1,Ann,Oslo,10.50\n")
        self.project.run(expect=5)
        old = self.project.folder
        self.project.folder = old.with_name(old.name + " moved")
        old.rename(self.project.folder)
        (self.project.folder / "tmp").mkdir(exist_ok=True)
        self.project.environment["TMPDIR"] = str(self.project.folder / "tmp")
        self.project.weir("approve", "shop")
        self.project.weir("retry", "shop")
        self.assertEqual(self.project.rows("SELECT city, customers FROM presentation.by_city"), [{"city": "Oslo", "customers": 1}])
        loaded = self.project.weir("connection", "query", "warehouse", "SELECT customers FROM by_city").stdout
        self.assertIn("1", loaded)
        self.assertFalse(old.exists(), "nothing is written where the project was")

    def test_a_rejected_hold_lets_the_next_snapshot_through(self):
        self.project.land("customers-20260101.csv", A)
        self.project.run()
        self.project.land("customers-20260102.csv", "id,name,city,credit\n")
        self.project.run(expect=5)
        self.project.weir("reject", "shop")
        self.project.land("customers-20260103.csv", B)
        self.project.run()
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM stage.customers WHERE is_current"), [{"n": 3}])

    def test_planted_loss_is_found_by_reconcile_and_by_the_next_run(self):
        self.land_three()
        self.project.land("sales/1.csv", "id,amount\n1,10.50\n2,ten\n")
        self.project.run()
        self.project.run("sales")
        self.project.weir("reconcile")
        raw = sorted((self.project.folder / "data/raw/customers").glob("*.parquet"))[1]
        content = raw.read_bytes()
        raw.write_bytes(content[: len(content) // 2])
        self.assertIn(raw.name, self.project.weir("reconcile", expect=None).stdout)
        self.assertNotEqual(self.project.weir("reconcile", expect=None).returncode, 0)
        run = self.project.run(expect=1)
        self.assertIn("raw.customers", run.stdout + run.stderr)
        raw.write_bytes(content)
        self.project.weir("reconcile")
        rejected = next((self.project.folder / "data/raw/sales__rejected").glob("*.parquet"))
        kept = rejected.read_bytes()
        rejected.unlink()
        self.assertNotEqual(self.project.weir("reconcile", expect=None).returncode, 0)
        self.project.run("sales", expect=1)
        rejected.write_bytes(kept)
        self.project.weir("reconcile")

    def test_export_of_what_was_applied_is_an_empty_plan(self):
        self.project.weir("apply")
        exported = self.project.folder / "exported"
        self.project.weir("export", "--to", str(exported))
        shutil.copytree(self.project.folder / "sql", exported / "sql")
        catalog = f"sqlite:{self.project.folder}/weir.db"
        plan = subprocess.run([WEIR, "--project", str(exported), "--catalog", catalog, "--output", "json", "plan"],
                              text=True, capture_output=True)
        self.assertEqual(plan.returncode, 0, plan.stderr)
        self.assertIn('"changes":[]', plan.stdout)

    def test_unapplied_yaml_is_refused_with_the_plan(self):
        run = self.project.weir("run", "shop", expect=2)
        self.assertIn("weir run --apply", run.stderr)

    def test_layers_are_rows_of_any_name(self):
        self.project.write("weir.yaml", """
project: two
layers: [{name: in, uri: i n}, {name: lake, uri: "läke"}]
datasets: [{name: lake.things, columns: {k: varchar}}]
""")
        self.project.write("flows/shop.yaml", """
flow: "my 'flow'"
tasks:
  - id: take
    template: ingest_files
    with: {from: "in/*.csv", to: lake.things}
""")
        self.project.write("i n/a.csv", "k\nx\n")
        self.project.run("my 'flow'")
        self.assertEqual(self.project.rows("SELECT k FROM lake.things"), [{"k": "x"}])


class BadInput(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)

    def expect_fault(self, file, content, status, *words):
        self.project.land(f"sales/{file}", content)
        run = self.project.run("sales", expect=status)
        for word in words:
            self.assertIn(word, run.stdout + run.stderr)
        self.assertFalse(list((self.project.folder / "data").rglob("raw/sales/*.parquet")))

    def test_an_empty_file_is_named(self):
        self.expect_fault("empty.csv", "", 3, "empty.csv")

    def test_a_header_said_twice_is_named(self):
        self.expect_fault("twice.csv", "id,id\n1,2\n", 3, "twice.csv", "'id'")

    def test_utf16_that_nobody_declared_is_guessed(self):
        self.expect_fault("wide.csv", "id,amount\n1,2.00\n".encode("utf-16"), 3, "encoding: utf-16le")

    def test_a_header_without_rows_is_an_empty_load(self):
        self.project.land("sales/none.csv", "id,amount\n")
        self.project.run("sales")
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM raw.sales"), [{"n": 0}])

    def test_a_byte_order_mark_and_crlf_are_taken(self):
        self.project.land("sales/dos.csv", b"\xef\xbb\xbfid,amount\r\n1,2.00\r\n")
        self.project.run("sales")
        self.assertEqual(self.project.rows("SELECT id FROM raw.sales"), [{"id": 1}])

    def test_an_unknown_parameter_is_shown_where_it_stands(self):
        flow = self.project.folder / "flows/shop.yaml"
        flow.write_text(flow.read_text().replace("with: {from: raw.customers", "with: {form: raw.customers"))
        run = self.project.weir("validate", expect=2)
        self.assertIn("flows/shop.yaml:11", run.stderr)
        self.assertIn("did you mean 'from'", run.stderr)

    def test_an_unset_variable_is_named_with_file_and_line(self):
        self.project.write("weir.yaml", PROJECT.replace("uri: data/raw", "uri: '${NOWHERE}/raw'"))
        run = self.project.weir("validate", expect=2)
        self.assertIn("NOWHERE", run.stderr)
        self.assertIn("weir.yaml:6", run.stderr)

    def test_sql_that_reads_a_file_is_refused(self):
        for sql in ("SELECT * FROM read_csv('/etc/passwd')", "SELECT 1; SELECT 2", "COPY (SELECT 1) TO 'x.csv'",
                    "SELECT * FROM read_text('weir.db')", "SELECT * FROM 'weir.db'"):
            self.project.weir("apply")
            run = self.project.weir("table", "query", sql, expect=2)
            self.assertIn("error:", run.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
