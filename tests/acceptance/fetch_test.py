"""fetch_files, six layers of other names, and names that are awkward."""
import os
import unittest

from weir_project import Project


class Fetch(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.project.write("flows/shop.yaml", """
flow: fetch
tasks:
  - id: fetch
    template: fetch_files
    with: {from: upload, to: landing/sales, pattern: "*.csv"}
  - id: ingest
    template: ingest_files
    needs: [fetch]
    with: {from: "landing/sales/*.csv", to: raw.sales}
""")

    def test_files_are_copied_once_and_loaded(self):
        self.project.write("upload/1.csv", "id,amount\n1,2.50\n")
        self.project.write("upload/readme.txt", "not ours")
        first = self.project.report("fetch")
        self.assertEqual(first["tasks"]["fetch"]["counts"]["inserted"], 1)
        again = self.project.report("fetch")
        self.assertEqual(again["tasks"]["fetch"]["counts"], {**first["tasks"]["fetch"]["counts"], "inserted": 0, "unchanged": 1})
        self.assertEqual(os.listdir(self.project.folder / "data/landing/sales"), ["1.csv"])
        self.assertEqual(self.project.rows("SELECT id FROM raw.sales"), [{"id": 1}])

    def test_other_content_under_the_same_name_is_kept_beside(self):
        self.project.write("upload/1.csv", "id,amount\n1,2.50\n")
        self.project.run("fetch")
        self.project.write("upload/1.csv", "id,amount\n2,3.50\n")
        self.project.run("fetch")
        self.project.run("fetch")
        names = sorted(os.listdir(self.project.folder / "data/landing/sales"))
        self.assertEqual(len(names), 2)
        self.assertEqual(self.project.rows("SELECT id FROM raw.sales ORDER BY id"), [{"id": 1}, {"id": 2}])

    def test_a_source_folder_that_is_not_there_yet_fetches_nothing(self):
        report = self.project.report("fetch")
        self.assertEqual(report["tasks"]["fetch"]["counts"]["in"], 0)


class Layers(unittest.TestCase):
    def test_six_layers_of_other_names_carry_rows_through(self):
        project = Project()
        self.addCleanup(project.close)
        names = ["dock", "bronze", "silver 2", "gold", "plätze", "mart's"]
        layers = "".join(f"  - {{name: {name!r}, uri: 'lake/{index}'}}\n".replace('"', "'") if "'" not in name
                         else f'  - {{name: "{name}", uri: "lake/{index}"}}\n' for index, name in enumerate(names))
        project.write("weir.yaml", f"project: six\nlayers:\n{layers}datasets:\n"
                      "  - {name: bronze.things, identity: as_of + content, columns: {k: bigint, v: varchar}}\n"
                      "  - {name: silver 2.things, key: [k]}\n")
        for source, target in (("silver 2", "gold"), ("gold", "plätze"), ("plätze", "mart's")):
            project.write(f"sql/{target}.sql", f'SELECT k, v FROM "{source}".things')
        project.write("flows/shop.yaml", """
flow: six
tasks:
  - {id: take, template: ingest_files, with: {from: "dock/t-*.csv", as_of: 't-(?<as_of>\\d{8})', to: bronze.things}}
  - {id: keep, template: merge_history, needs: [take], with: {from: bronze.things, to: silver 2.things}}
  - {id: gold, template: transform, needs: [keep], with: {to: gold.things, sql: sql/gold.sql}}
  - {id: plätze, template: transform, needs: [gold], with: {to: plätze.things, sql: sql/plätze.sql}}
  - {id: mart, template: transform, needs: [plätze], with: {to: "mart's.things", sql: "sql/mart's.sql"}}
""")
        project.write("lake/0/t-20260101.csv", "k,v\n1,one\n2,ünö\n")
        project.run("six")
        self.assertEqual(project.rows('SELECT v FROM "mart\'s".things ORDER BY k'), [{"v": "one"}, {"v": "ünö"}])
        project.weir("reconcile")


if __name__ == "__main__":
    unittest.main(verbosity=1)
