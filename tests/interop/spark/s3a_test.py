"""weir writes tables into a bucket, Spark reads them through s3a: the same rows, to the last digit. Skipped where
there is no Spark, no S3 client for it, or no versitygw."""
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[2] / "acceptance"), str(pathlib.Path(__file__).resolve().parents[2])]
import setup  # noqa: E402
import values  # noqa: E402
import versitygw  # noqa: E402
from spark import Spark  # noqa: E402
from weir_project import Project  # noqa: E402

BUCKET = "shop-lake"
PROJECT = """
project: shop
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: "s3://shop-lake/lake/raw"}
  - {name: stage, uri: "s3://shop-lake/lake/stage"}
datasets:
  - name: raw.orders
    identity: as_of + content
    columns: {id: bigint, city: varchar, amount: "decimal(20,4)", weight: double, changed_at: timestamp, day: date}
  - {name: stage.latest, key: [id]}
  - {name: stage.history, key: [id]}
defaults: {retries: 0}
"""
FLOW = """
flow: shop
tasks:
  - {id: ingest, template: ingest_files, with: {from: "landing/*.csv", as_of: '(?<as_of>\\d{8})', to: raw.orders}}
  - id: latest
    template: merge_latest
    needs: [ingest]
    with: {from: raw.orders, to: stage.latest, order_by: changed_at, partition_by: [city]}
  - id: history
    template: merge_history
    needs: [ingest]
    with: {from: raw.orders, to: stage.history, deletes: by_absence, max_deleted_percent: 90}
"""
HEADER = "id,city,amount,weight,changed_at,day\n"
# Rows change, move to another partition, go and come; cities whose folders need encoding in a key and in a URL.
FILES = {
    "20260101": "1,Oslo,1.5,0.1,2026-01-01T10:00:00Z,2026-01-01\n2,a b/c+d,-9999999999999999.9999,1e300,2026-01-01T10:00:00Z,\n"
                "3,Ålesund,0.0001,,2026-01-01T10:00:00.123456Z,1600-02-29\n4,Oslo,,-0.5,2026-01-01T10:00:00Z,2026-01-01\n",
    "20260102": "1,Bergen,2.5,0.2,2026-01-02T10:00:00Z,2026-01-02\n2,a b/c+d,3,3,2026-01-02T10:00:00Z,2026-01-02\n"
                "3,Ålesund,0.0001,,2026-01-01T10:00:00.123456Z,1600-02-29\n5,Oslo,7,7,2026-01-02T10:00:00Z,2026-01-02\n",
    "20260103": "1,Oslo,1.5,0.1,2026-01-03T10:00:00Z,2026-01-03\n5,Oslo,7,7,2026-01-02T10:00:00Z,2026-01-02\n6,,0,0,2026-01-03T00:00:00Z,\n",
}
COLUMNS = values.columns(id="bigint", city="varchar", amount="decimal(20,4)", weight="double", changed_at="timestamp", day="date")
HISTORY = values.columns(valid_from="timestamp", valid_to="timestamp", is_current="boolean", is_deleted="boolean")


def plain(schema, rows):
    """Rows of either as values, in order."""
    types = values.types_of(schema)
    read = [{name: values.from_text(kind, row[name]) for name, kind in types.items()} for row in rows]
    return sorted(read, key=lambda row: tuple(str(value) for value in row.values()))


class SparkReadsABucket(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = versitygw.Server()
        cls.addClassCleanup(cls.server.stop)
        cls.server.create_bucket(BUCKET)
        folder = tempfile.mkdtemp(prefix="weir-s3a-")
        cls.addClassCleanup(shutil.rmtree, folder)
        bucket = f"spark.hadoop.fs.s3a.bucket.{BUCKET}"
        cls.spark = Spark("1.2.0", pathlib.Path(folder), {
            "spark.driver.extraClassPath": ":".join(map(str, [setup.bundles()["1.2.0"], *setup.s3a_jars()])),
            f"{bucket}.endpoint": cls.server.endpoint, f"{bucket}.endpoint.region": "us-east-1",
            f"{bucket}.access.key": versitygw.ACCESS_KEY, f"{bucket}.secret.key": versitygw.SECRET_KEY,
            f"{bucket}.path.style.access": "true", f"{bucket}.connection.ssl.enabled": "false"})
        cls.addClassCleanup(cls.spark.stop)
        cls.project = Project()
        cls.addClassCleanup(cls.project.close)
        cls.project.write("weir.yaml", PROJECT)
        cls.project.write("flows/shop.yaml", FLOW)
        for name in [name for name in cls.project.environment if name.startswith("AWS_")]:
            del cls.project.environment[name]
        cls.project.environment.update(
            HOME=str(cls.project.folder), AWS_EC2_METADATA_DISABLED="true", AWS_ENDPOINT_URL_S3=cls.server.endpoint,
            AWS_ACCESS_KEY_ID=versitygw.ACCESS_KEY, AWS_SECRET_ACCESS_KEY=versitygw.SECRET_KEY)

    def compare(self, name, schema, expected):
        ours = plain(schema, self.project.rows(f"SELECT * FROM stage.{name}"))
        theirs, _ = self.spark.read(f"s3a://{BUCKET}/lake/stage/{name}", schema)
        self.assertEqual(plain(schema, theirs), ours, name)
        self.assertEqual(len(ours), expected, name)

    def test_after_each_commit_spark_reads_the_rows_that_weir_reads(self):
        for (date, rows), (latest, history) in zip(FILES.items(), ((4, 4), (5, 7), (6, 9)), strict=True):
            self.project.land(f"orders-{date}.csv", HEADER + rows)
            self.project.run("shop")
            self.compare("latest", COLUMNS, latest)
            self.compare("history", COLUMNS + HISTORY, history)

    def test_what_is_not_there_is_no_empty_table(self):
        with self.assertRaisesRegex(Exception, "(?i)not found|no such|does not exist"):
            self.spark.read(f"s3a://{BUCKET}/lake/stage/nothing", COLUMNS)


def main():
    try:
        setup.home()
        setup.s3a_jars()
        versitygw.program()
    except (setup.Missing, versitygw.Missing) as missing:
        print(f"skipped: {missing}")
        sys.exit(setup.SKIP)
    unittest.main()


if __name__ == "__main__":
    main()
