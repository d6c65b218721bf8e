"""A lake in a bucket: the real program against versitygw, and against MinIO. Skipped where one is not built."""
import json
import pathlib
import re
import sys
import unittest
import urllib.parse

from weir_project import A, B, PROJECT, Project

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "faults")]
import fetch_http_test  # noqa: E402
import minio  # noqa: E402
import versitygw  # noqa: E402
from fault_proxy import FaultProxy, Script  # noqa: E402

YAML = """
project: shop
layers:
  - {name: landing, uri: "s3://shop-lake/la nding"}
  - {name: raw, uri: s3://shop-lake/raw}
datasets:
  - name: raw.sales
    identity: content
    columns: {id: bigint, amount: "decimal(10,2)"}
defaults: {retries: 0}
"""

FLOW = """
flow: sales
tasks:
  - id: fetch
    template: fetch_files
    with: {from: upload, to: landing/sales, pattern: "*.csv"}
  - id: ingest
    template: ingest_files
    needs: [fetch]
    with: {from: "landing/sales/*.csv", to: raw.sales}
"""


class Bucket:
    """The tests; below, the servers that they are run on."""
    make_server = None

    @classmethod
    def setUpClass(cls):
        cls.server = versitygw.serve(cls, "shop-lake", cls.make_server)

    def setUp(self):
        self.server.empty("shop-lake")
        self.project = Project()
        self.addCleanup(self.project.close)
        self.main_line = (self.project.folder / "flows/shop.yaml").read_text().split("---")[0]
        (self.project.folder / "flows/shop.yaml").unlink()
        self.project.write("weir.yaml", YAML)
        self.project.write("flows/sales.yaml", FLOW)
        for name in list(self.project.environment):
            if name.startswith("AWS_"):
                del self.project.environment[name]
        self.project.environment.update(
            HOME=str(self.project.folder), AWS_EC2_METADATA_DISABLED="true", AWS_ENDPOINT_URL_S3=self.server.endpoint,
            AWS_ACCESS_KEY_ID=versitygw.ACCESS_KEY, AWS_SECRET_ACCESS_KEY=versitygw.SECRET_KEY)

    def test_files_become_raw_parquet_and_every_row_is_counted(self):
        self.project.write("upload/a + b%41.csv", "id,amount\n1,2.50\n2,x\n3,4.00\n")
        report = self.project.report("sales")
        self.assertEqual(report["tasks"]["fetch"]["counts"]["inserted"], 1)
        counts = report["tasks"]["ingest"]["counts"]
        self.assertEqual((counts["in"], counts["inserted"], counts["rejected"]), (3, 2, 1))
        objects = self.server.objects("shop-lake")
        self.assertIn("la nding/sales/a + b%41.csv", objects)
        self.assertTrue([key for key in objects if key.startswith("raw/sales/") and key.endswith(".parquet")], objects)

    def test_a_second_run_writes_nothing_new(self):
        self.project.write("upload/1.csv", "id,amount\n1,2.50\n")
        self.project.run("sales")
        before = self.server.objects("shop-lake")
        report = self.project.report("sales")
        self.assertEqual(report["tasks"]["fetch"]["counts"]["inserted"], 0)
        self.assertEqual(self.server.objects("shop-lake"), before)

    def test_the_lake_is_enough_without_the_catalog(self):
        self.project.write("upload/1.csv", "id,amount\n1,2.50\n")
        self.project.run("sales")
        before = self.server.objects("shop-lake")
        (self.project.folder / "weir.db").unlink()
        self.project.run("sales")
        self.assertEqual(self.server.objects("shop-lake"), before)

    def test_a_connection_says_what_holds_for_the_bucket(self):
        del self.project.environment["AWS_ENDPOINT_URL_S3"]
        self.project.environment["WHERE"] = self.server.endpoint
        self.project.write("weir.yaml", YAML + "connections:\n"
                           "  - {connection_id: lake, kind: s3, uri: \"s3://shop-lake\", endpoint: \"${WHERE}\", region: us-east-1}\n")
        self.project.write("upload/1.csv", "id,amount\n1,2.50\n")
        self.assertEqual(self.project.report("sales")["tasks"]["ingest"]["counts"]["inserted"], 1)

    def rows_of(self, sql):
        return json.loads(self.project.weir("--output", "json", "table", "query", sql).stdout)

    def test_templates_and_sql_files_lie_in_a_bucket(self):
        # Reached as the connection says: to open the bucket no file of the bucket is needed.
        del self.project.environment["AWS_ENDPOINT_URL_S3"]
        self.project.write("weir.yaml", YAML.replace("layers:", f"""connections:
  - {{connection_id: lake, kind: s3, uri: "s3://shop-lake", endpoint: "{self.server.endpoint}", region: us-east-1}}
templates:
  - template_id: large
    kind: sql
    location: s3://shop-lake/templates/large.sql
    params: {{source: {{type: dataset}}, least: {{type: integer}}}}
layers:
  - {{name: presentation, uri: "s3://shop-lake/presentation"}}"""))
        self.project.write("flows/sales.yaml", FLOW + """  - id: large
    template: large
    needs: [ingest]
    with: {source: raw.sales, least: 3, to: presentation.large}
  - id: sum
    template: transform
    needs: [ingest]
    with: {to: presentation.sum, sql: s3://shop-lake/templates/sum.sql}
""")
        self.project.write("upload/1.csv", "id,amount\n1,2.50\n2,4.00\n")
        told = self.project.weir("validate", expect=2)
        self.assertIn("no file 's3://shop-lake/templates/large.sql'", told.stdout + told.stderr)
        put = lambda name, text: self.server.request("PUT", f"/shop-lake/templates/{name}", body=text.encode())
        put("large.sql", "SELECT id FROM {{ source }} WHERE amount >= {{ least }}")
        put("sum.sql", "SELECT sum(amount) AS total FROM raw.sales")
        self.project.weir("validate")
        self.project.run("sales")
        self.assertEqual(self.rows_of("SELECT id FROM presentation.large"), [{"id": 2}])
        self.assertEqual(self.rows_of("SELECT total FROM presentation.sum"), [{"total": "6.50"}])
        # What was applied counts: another body is another template, once it is applied.
        put("large.sql", "SELECT id FROM {{ source }} WHERE amount < {{ least }}")
        told = self.project.weir("plan")
        self.assertIn("large", told.stdout)
        self.project.run("sales")
        self.assertEqual(self.rows_of("SELECT id FROM presentation.large"), [{"id": 1}])

    def test_a_connection_at_fault_is_shown_where_it_stands(self):
        self.project.write("weir.yaml", YAML + "connections:\n"
                           "  - {connection_id: lake, kind: s3, uri: \"s3://shop-lake\", regoin: us-east-1}\n")
        told = self.project.weir("validate", expect=2)
        self.assertIn("regoin", told.stdout + told.stderr)
        self.assertIn("did you mean 'region'", told.stdout + told.stderr)

    def test_the_main_line_from_landing_to_warehouse(self):
        self.project.write("weir.yaml", re.sub(r"uri: data/(\w+)", r"uri: 's3://shop-lake/\1'", PROJECT))
        (self.project.folder / "flows/sales.yaml").unlink()
        self.project.write("flows/shop.yaml", self.main_line)
        for name, content in (("customers-20260105.csv", A), ("customers-20260106.csv", B)):
            self.server.put("shop-lake", f"landing/{name}", content)
            self.project.run("shop")
        current = self.project.rows("SELECT id, city FROM stage.customers WHERE is_current ORDER BY id")
        self.assertEqual(current, [{"id": 1, "city": "Bergen"}, {"id": 2, "city": "Bergen"}, {"id": 4, "city": "Oslo"}])
        self.project.weir("reconcile")
        before = self.server.objects("shop-lake")
        (self.project.folder / "weir.db").unlink()
        self.project.run("shop")
        self.assertEqual(len(self.server.objects("shop-lake")), len(before))

    def test_an_engine_in_another_process_reaches_the_bucket_as_the_connection_says(self):
        for name in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del self.project.environment[name]
        self.project.write(".aws/credentials", f"[lake]\naws_access_key_id = {versitygw.ACCESS_KEY}\n"
                           f"aws_secret_access_key = {versitygw.SECRET_KEY}\n")
        (self.project.folder / "flows/sales.yaml").unlink()
        self.project.write("flows/shop.yaml", self.main_line)
        digests = {}
        for engine in ("embedded", "subprocess"):
            bucket = f"shop-{engine}"
            self.server.create_bucket(bucket)
            self.project.write("weir.yaml", re.sub(r"uri: data/(\w+)", rf"uri: 's3://{bucket}/\1'", PROJECT).replace(
                "connections:", "connections:\n"
                f"  - {{connection_id: lake, kind: s3, uri: 's3://{bucket}', endpoint: '{self.server.endpoint}',"
                " region: us-east-1, profile: lake}"))
            told = ""
            for name, content in (("customers-20260105.csv", A), ("customers-20260106.csv", B)):
                self.server.put(bucket, f"landing/{name}", content)
                run = self.project.run("shop", WEIR_ENGINE=engine, WEIR_LOG="debug")
                told += run.stdout + run.stderr
            self.assertNotIn(versitygw.SECRET_KEY, told)
            digests[engine] = self.project.digest()
            for path in self.project.folder.glob("weir.db*"):
                self.assertNotIn(versitygw.SECRET_KEY.encode(), path.read_bytes())
                path.unlink()
        self.assertEqual(digests["subprocess"], digests["embedded"])

    def test_a_clean_takes_old_files_out_of_the_bucket(self):
        self.project.write("weir.yaml", re.sub(r"uri: data/(\w+)", r"uri: 's3://shop-lake/\1'", PROJECT))
        (self.project.folder / "flows/sales.yaml").unlink()
        self.project.write("flows/shop.yaml", self.main_line)
        for name, content in (("customers-20260105.csv", A), ("customers-20260106.csv", B), ("customers-20260107.csv", A)):
            self.server.put("shop-lake", f"landing/{name}", content)
            self.project.run("shop")
        digest = self.project.digest()

        def files():
            return {key for key in self.server.objects("shop-lake") if re.match(r"stage/customers/.*\.parquet$", key)}
        before = files()
        self.project.weir("table", "clean", "stage.customers", "--retain-commits", "1")
        self.assertEqual((len(before), len(files())), (5, 2))  # two file groups, each of one version now
        self.assertLess(files(), before)
        self.assertEqual(self.project.digest(), digest)

    def test_files_go_from_bucket_to_bucket_without_coming_here(self):
        self.server.create_bucket("shop-partner")
        large = "id,amount\n" + "".join(f"{i},1.50\n" for i in range(700_000))  # more than a part
        for name, content in (("large é.csv", large), ("small.csv", "id,amount\n-1,2.50\n")):
            self.server.request("PUT", f"/shop-partner/out/{urllib.parse.quote(name)}", body=content.encode())
        flow = FLOW.replace("from: upload", "from: s3://shop-partner/out, after: move")
        self.project.write("flows/sales.yaml", flow.split("  - id: ingest")[0])
        # Whoever reads an object here waits for ever.
        with FaultProxy(self.server.port, Script("503", "get", every=1)) as proxy:
            self.project.run("sales", AWS_ENDPOINT_URL_S3=proxy.endpoint)
            self.assertEqual(proxy.struck, 0)
        self.project.write("flows/sales.yaml", flow)
        self.assertEqual(self.server.objects("shop-partner"), ["out/done/large é.csv", "out/done/small.csv"])
        self.assertEqual(self.server.read("shop-lake", "la nding/sales/large é.csv"), large.encode())
        counts = self.project.report("sales")["tasks"]["ingest"]["counts"]
        self.assertEqual((counts["in"], counts["inserted"]), (700_001, 700_001))

    def test_a_layer_goes_to_a_bucket_of_others(self):
        self.server.create_bucket("shop-export")
        self.project.write("flows/sales.yaml", FLOW + """  - id: export
    template: export_files
    needs: [fetch]
    with: {from: landing/sales, to: s3://shop-export/in, pattern: "*.csv", marker: "{name}.done"}
""")
        self.project.write("upload/1.csv", "id,amount\n1,2.50\n")
        self.project.run("sales")
        self.assertEqual(self.server.objects("shop-export"), ["in/1.csv", "in/1.csv.done"])
        self.assertEqual(self.server.read("shop-export", "in/1.csv"), b"id,amount\n1,2.50\n")
        # What the others took is not sent again; other bytes are.
        self.server.empty("shop-export")
        self.project.run("sales")
        self.assertEqual(self.server.objects("shop-export"), [])
        self.project.write("upload/2.csv", "id,amount\n2,1.00\n")
        self.project.run("sales")
        self.assertEqual(self.server.objects("shop-export"), ["in/2.csv", "in/2.csv.done"])

    def test_answers_of_an_api_land_in_the_bucket(self):
        def pages(handler, path, query):
            page = int(query.get("page", "1"))
            handler.give({"data": [{"id": page, "amount": "2.50"}] if page <= 3 else []})
        api = fetch_http_test.Server(pages)
        self.addCleanup(api.close)
        self.project.write("weir.yaml", YAML + f"connections:\n  - {{connection_id: api, kind: http, url: '{api.url}',"
                           " allow_loopback: true}\n")
        self.project.write("flows/sales.yaml", """flow: sales
tasks:
  - id: fetch
    template: fetch_http
    with: {connection: api, path: /sales, records: $.data, to: landing/sales, pagination: {by: page, parameter: page}}
  - id: ingest
    template: ingest_files
    needs: [fetch]
    with: {from: "landing/sales/*.json", to: raw.sales, format: {json: {records: $.data}}}
""")
        counts = self.project.report("sales")["tasks"]["ingest"]["counts"]
        self.assertEqual((counts["in"], counts["inserted"]), (3, 3))

    def test_wrong_keys_and_missing_buckets_are_named(self):
        self.project.write("upload/1.csv", "id,amount\n1,2.50\n")
        told = self.project.run("sales", expect=1, AWS_SECRET_ACCESS_KEY="hunter2")
        self.assertIn("SignatureDoesNotMatch", told.stderr)
        self.assertNotIn("hunter2", told.stdout + told.stderr)
        told = self.project.run("sales", expect=1, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
        self.assertIn("there are no AWS credentials", told.stderr)
        self.project.write("weir.yaml", YAML.replace("shop-lake", "shop-laek"))
        told = self.project.run("sales", expect=2)
        self.assertIn("NoSuchBucket", told.stderr)


class OnVersitygw(Bucket, unittest.TestCase):
    make_server = versitygw.Server


class OnMinio(Bucket, unittest.TestCase):
    make_server = minio.Server


if __name__ == "__main__":
    unittest.main()
