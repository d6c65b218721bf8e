"""Names that are awkward and names that cannot be: of files, layers, datasets, flows, tasks and columns."""
import os
import unittest

from weir_project import FLOW, PROJECT, Project

AWKWARD = ["a b", "it's", 'say "so"', "日本 Zoë", "x;DROP TABLE layer", "a.b.c", "100%", "{{ x }}", "-rf", "a#b", "a&b=c", "$HOME", "~", "a,b",
           "select", "(x)", "C:x", "CON", "x" * 200, "é" * 100, "trailing ", " leading", "a\u00a0b", "\U0001F600", "a=b", "*", "[x]", "a?"]
REFUSED = {"..": "a path", ".": "a path", "a/b": "slash", "a\\b": "slash", "x" * 201: "201 bytes", "x" * 300: "300 bytes", "": "empty",
           "a\tb": "control character", "a\x7fb": "control character"}


def quoted(text):
    """As YAML takes any text."""
    return '"' + "".join(f"\\x{ord(c):02x}" if ord(c) < 0x20 or ord(c) == 0x7f else "\\" + c if c in '"\\' else c for c in text) + '"'


class Names(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)

    def sales(self, name):
        return self.project.folder / "data/landing/sales" / name

    def test_files_of_awkward_names_are_loaded(self):
        names = [name + ".csv" for name in AWKWARD] + ["n" * 251 + ".csv", "é" * 125 + ".csv", ".csv", "...csv", "a.csv.csv", "new\nline.csv"]
        for number, name in enumerate(names):
            self.project.land(f"sales/{name}", f"id,amount\n{number},1.00\n")
        counts = self.project.report("sales")["tasks"]["ingest"]["counts"]
        self.assertEqual((counts["in"], counts["inserted"]), (len(names), len(names)))
        rows = self.project.rows("SELECT id, _source_file AS file FROM raw.sales ORDER BY id")
        self.assertEqual([row["file"] for row in rows], [f"sales/{name}" for name in names])
        self.assertEqual(self.project.report("sales")["tasks"]["ingest"]["counts"]["in"], 0)
        self.project.weir("reconcile")

    def test_a_file_name_that_is_no_utf8_is_named(self):
        self.project.land("sales/good.csv", "id,amount\n1,1.00\n")
        with open(os.fsencode(self.sales("")) + b"/Zo\xeb.csv", "wb") as file:
            file.write(b"id,amount\n2,2.00\n")
        run = self.project.run("sales", expect=3)
        self.assertIn("not UTF-8", run.stdout)
        self.assertIn("Zo\ufffd.csv", run.stdout)
        self.assertIn("rename", run.stdout)
        self.project.write("flows/shop.yaml", FLOW.replace("sales/*.csv", "sales/g*.csv"))
        self.project.run("sales")

    def test_datasets_flows_and_tasks_of_awkward_names_work(self):
        flows = []
        for number, name in enumerate(AWKWARD):
            flows.append(f"flow: {quoted(name)}\ntasks:\n  - id: {quoted(name)}\n    template: ingest_files\n"
                         f"    with: {{from: landing/{number}.csv, to: {quoted('raw.' + name)}}}\n")
            self.project.land(f"{number}.csv", f"id\n{number}\n")
        self.project.write("flows/shop.yaml", "---\n".join(flows))
        self.project.write("weir.yaml", PROJECT.replace("stage.customers, key: [id]", "stage.customers"))
        self.project.weir("apply")
        for number, name in enumerate(AWKWARD):
            with self.subTest(name=name):
                self.project.weir("run", "--", name) if name.startswith("-") else self.project.weir("run", name)
                table = '"' + name.replace('"', '""') + '"'
                self.assertEqual(self.project.rows(f"SELECT id FROM raw.{table}"), [{"id": number}])
                self.assertEqual(len(self.project.sqlite("SELECT 1 FROM flow_run WHERE flow_id = ?", name)), 1)
        self.project.weir("reconcile")

    def test_awkward_names_survive_export_and_apply(self):
        flows = "---\n".join(f"flow: {quoted(name)}\ntasks: []\n" for name in AWKWARD)
        self.project.write("flows/shop.yaml", flows)
        self.project.weir("apply")
        exported = self.project.weir("export").stdout
        for path in (self.project.folder / "flows").iterdir():
            path.unlink()
        for path in self.project.folder.glob("weir.db*"):
            path.unlink()
        to = self.project.folder / "out"
        self.project.weir("--catalog", "sqlite:other.db", "apply")
        self.assertFalse(to.exists())
        self.assertIn("日本 Zoë", exported)

    def test_names_that_cannot_be_are_refused_where_they_stand(self):
        for name, why in REFUSED.items():
            for what, flow in (("flow", f"flow: {quoted(name)}\ntasks: []\n"),
                               ("task", f"flow: f\ntasks:\n  - id: {quoted(name)}\n    template: check\n"),
                               ("dataset", FLOW.replace("to: raw.sales}", f"to: {quoted('raw.' + name)}}}"))):
                with self.subTest(name=name, what=what):
                    self.project.write("flows/shop.yaml", flow)
                    run = self.project.weir("validate", expect=2)
                    self.assertIn(why, run.stderr)
                    self.assertIn("flows/shop.yaml:", run.stderr)

    def test_layers_that_clash_with_the_engines_words_are_refused(self):
        for name in ("main", "temp", "system", "information_schema", "pg_catalog", "MAIN", "memory"):
            self.project.write("weir.yaml", PROJECT + f"\n---\nlayers: [{{name: {name}, uri: data/x}}]\n")
            run = self.project.weir("validate", expect=2)
            for word in (f"layer '{name}'", "the SQL engine has a schema of that name", "weir.yaml:", f"{name}_data"):
                self.assertIn(word, run.stderr)

    def test_a_layer_that_clashes_as_a_row_is_refused_before_anything_runs(self):
        self.project.weir("apply")
        (self.project.folder / "weir.yaml").unlink()
        self.project.sqlite("INSERT INTO layer(name, uri) VALUES ('main', 'data/main')")
        run = self.project.weir("run", "sales", expect=2)
        self.assertIn("table layer:  key main; column name", run.stderr)

    def test_names_that_differ_in_the_case_of_letters_only_are_refused(self):
        self.project.write("weir.yaml", PROJECT.replace("  - {name: stage.customers, key: [id]}",
                                                        "  - {name: stage.customers, key: [id]}\n  - {name: stage.Customers}"))
        run = self.project.weir("validate", expect=2)
        self.assertIn("'stage.Customers'", run.stderr)
        self.assertIn("only in the case of letters", run.stderr)

    def test_columns_of_awkward_names_are_columns_of_raw_and_no_columns_of_a_history(self):
        names = ["a b", "it's", 'q"q', "日本", "select", "x.y", "p;--", "{{ x }}", "%", "\\"]
        header = ",".join('"' + name.replace('"', '""') + '"' for name in ["id", *names])
        self.project.write("weir.yaml", PROJECT.replace("columns: {id: bigint, name: varchar, city: varchar, credit: \"decimal(12,2)\"}",
                                                        "columns: {id: bigint}"))
        self.project.land("customers-20260101.csv", header + "\n" + "1," + ",".join("v" for _ in names) + "\n")
        run = self.project.run(expect=2)
        for word in ("column 'a b'", "Hudi", "letters, digits and '_'"):
            self.assertIn(word, run.stdout)
        row = self.project.rows("SELECT * FROM raw.customers")[0]
        self.assertEqual([row[name] for name in names], ["v"] * len(names))
        self.assertFalse(list((self.project.folder / "data/stage").rglob("*.parquet")))


if __name__ == "__main__":
    unittest.main(verbosity=1)
