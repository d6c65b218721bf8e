"""Engine spark executes merge_latest: the same rows, counts and custody as the embedded engine's, on a table
that both may go on with; faults come back as weir's own."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "acceptance"))
import running  # noqa: E402
import setup  # noqa: E402
from weir_project import Project  # noqa: E402

PROJECT = """
project: shop
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: data/raw}
  - {name: stage, uri: data/stage}
datasets:
  - name: raw.orders
    identity: content
    columns: {id: varchar, city: varchar, amount: "decimal(10,2)", changed_at: timestamp, day: date}
  - {name: stage.orders, key: [id], options: {reader: any, control_columns: [amount]}}
defaults: {retries: 0}
"""
FLOW = """
flow: shop
tasks:
  - {id: ingest, template: ingest_files, with: {from: "landing/*.csv", to: raw.orders, format: {csv: {header: true, "null": "~"}}}}
  - id: latest
    template: merge_latest
    engine: "${WEIR_ENGINE:-embedded}"
    needs: [ingest]
    with: {from: raw.orders, to: stage.orders, order_by: changed_at, partition_by: [city]}
"""
HEADER = "id,city,amount,changed_at,day\n"
# Rows change, move and come late; dates and instants from before Spark's change of calendar; rows that cannot be kept.
FILES = [
    "1,Oslo,1.50,2026-01-01T10:00:00Z,2026-01-01\n2,Oslo,2.50,2026-01-01T10:00:00Z,~\n2,Oslo,2.75,2026-01-01T11:00:00Z,2026-01-03\n"
    "3,a/b,-0.01,2026-01-01T10:00:00.123456Z,2026-01-01\n5,Oslo,5,1500-02-28T01:02:03.5Z,0999-12-31\n"
    "~,Oslo,3,2026-01-01T10:00:00Z,2026-01-01\n8,a/b,4,~,1491-05-05\n",
    "1,Bergen,9.50,2026-01-02T10:00:00Z,2026-01-01\n2,Oslo,7.75,2026-01-01T09:00:00Z,2026-01-03\n4,~,1.00,2026-01-02T10:00:00Z,2026-01-01\n"
    ',"Ørsted ""x""",-1.5,2026-01-02T10:00:00.1Z,2026-01-01\n~,~,~,1823-04-05T06:07:08.000009Z,~\n6,Oslo,6,1582-10-10T00:00:00Z,1582-10-10\n',
    "1,Oslo,10,2026-01-03T00:00:00Z,~\n7,x=y,1,2026-01-03T00:00:00Z,~\n",
]
NO_SPARK = {"WEIR_ENGINE": "spark", "WEIR_SPARK_SUBMIT": "/nowhere/spark-submit"}
REJECTED = 'SELECT * EXCLUDE (_run_id, _loaded_at) FROM stage.orders__rejected ORDER BY source_file, line'


def submit_environment(version):
    """What weir needs to find spark-submit with that version of Hudi."""
    options = {
        "spark.driver.extraClassPath": setup.bundles()[version], "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1", "spark.sql.shuffle.partitions": "2", "spark.driver.memory": "1g",
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.kryo.registrator": "org.apache.spark.HoodieSparkKryoRegistrar",
        "spark.sql.extensions": "org.apache.spark.sql.hudi.HoodieSparkSessionExtension",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC"}
    words = [setup.home() / "bin/spark-submit", "--master", "local[2]"]
    for name, value in options.items():
        words += ["--conf", f"{name}={value}"]
    return {"SPARK_HOME": str(setup.home()), "PYTHONPATH": setup.python_path(), "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1", "WEIR_SPARK_SUBMIT": " ".join(map(str, words))}


class MergeLatest(unittest.TestCase):
    def project(self):
        project = Project()
        self.addCleanup(project.close)
        project.write("weir.yaml", PROJECT)
        project.write("flows/shop.yaml", FLOW)
        return project

    def step(self, project, number, **environment):
        """What a run tells of one file's merge; the table's digest, its rows in quarantine, the sums."""
        project.land(f"{number}.csv", HEADER + FILES[number])
        task = project.report(**environment)["tasks"]["latest"]
        project.weir("reconcile")
        self.assertEqual(json.loads(project.weir("--output", "json", "table", "check", "stage.orders").stdout)["findings"], [])
        return task["counts"], project.digest("stage.orders"), project.rows(REJECTED), self.sums(project)

    @staticmethod
    def sums(project):
        """Of the newest commit, as the catalog has them."""
        rows = project.sqlite("SELECT sums FROM reconciliation WHERE hop = 'raw.orders → stage.orders' ORDER BY recorded_at_us DESC")
        return json.loads(rows[0][0])["columns"]["amount"]

    def compare(self, version):
        ours, theirs = self.project(), self.project()
        spark = submit_environment(version)
        for number, environment in enumerate(({"WEIR_ENGINE": "spark", **spark}, {"WEIR_ENGINE": "spark", **spark}, {})):
            expected, found = self.step(ours, number), self.step(theirs, number, **environment)
            self.assertEqual(expected, found, f"file {number}, Hudi {version}")
        before = theirs.commits("stage.orders")
        self.assertEqual([row["reason"] for row in theirs.rows(REJECTED)], ["null_key", "null_order", "empty_key", "null_key"])
        self.assertEqual(theirs.report(WEIR_ENGINE="spark", **spark)["tasks"]["latest"]["counts"]["in"], 0)
        self.assertEqual(theirs.commits("stage.orders"), before, "the same inputs make no commit")

    def test_the_same_rows_and_counts_with_hudi_1_2(self):
        self.compare("1.2.0")

    def test_the_same_rows_and_counts_with_hudi_0_15(self):
        self.compare("0.15.0")

    def test_a_fault_comes_back_as_weirs_own(self):
        project = self.project()
        project.write("flows/shop.yaml", FLOW.replace("order_by: changed_at", "order_by: changed"))
        project.land("0.csv", HEADER + FILES[0])
        run = project.run(expect=None, WEIR_ENGINE="spark", **submit_environment("1.2.0"))
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("schema_drift: order_by 'changed' is no column of raw.orders", run.stdout + run.stderr)

    def test_what_spark_cannot_do_is_refused_before_anything_is_written(self):
        project = self.project()
        project.write("flows/shop.yaml", FLOW.replace("partition_by: [city]", "delete_column: city, delete_values: [Oslo]"))
        project.land("0.csv", HEADER + FILES[0])
        for words in (["validate"], ["run", "shop", "--apply"]):
            run = project.weir(*words, expect=None, **NO_SPARK)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn("engine 'spark' does not execute merge_latest with delete_column", run.stdout + run.stderr)
            self.assertIn("engine: embedded", run.stdout + run.stderr)
        self.assertEqual(project.objects(), {})

    def test_what_a_reader_cannot_read_is_refused_alike(self):
        told = []
        for environment in ({}, NO_SPARK):
            project = self.project()
            project.write("weir.yaml", PROJECT.replace("day: date", "day: time"))
            project.land("0.csv", "id,city,amount,changed_at,day\n1,Oslo,1,2026-01-01T10:00:00Z,10:00:00\n")
            report = project.report(expect=None, **environment)
            told.append({name: value for name, value in report["tasks"]["latest"].items() if name.startswith("error_")})
            self.assertFalse((project.folder / "data/stage/orders/.hoodie/hoodie.properties").exists())
        self.assertEqual(*told)
        self.assertIn("reader 'spectrum' cannot read column 'day': it is a time of day", str(told))


if __name__ == "__main__":
    running.main(at_once=2)
