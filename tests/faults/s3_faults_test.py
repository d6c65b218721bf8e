"""A lake in a bucket whose server misbehaves: each script is a fault at every so many requests of one kind, while files
are fetched, become raw Parquet, history, a view and a warehouse's table, twice. The runs succeed, and what they leave is
what undisturbed ones leave: the same rows, as many objects, and every row counted.

    s3_faults_test.py                            an even slice of the scripts, another one for another WEIR_SEED
    WEIR_LONG=1 s3_faults_test.py                all of them
    WEIR_SCRIPT=lost,put,3,1 s3_faults_test.py   one
"""
import collections
import itertools
import os
import pathlib
import random
import re
import sys
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "acceptance")]
import versitygw  # noqa: E402
from fault_proxy import FAULTS, FaultProxy, Script  # noqa: E402
from weir_project import A, B, PROJECT, Project  # noqa: E402

IS_LONG = os.environ.get("WEIR_LONG") == "1"
SEED = int(os.environ.get("WEIR_SEED", "1"))
SLICE = 1 if IS_LONG else 16
SMALL = ("get", "head", "list", "put", "delete", "delete_many")  # what a flow over small files asks for
LARGE = ("begin_upload", "part", "end_upload")
PART_BYTES = 5 << 20

CONNECTION = """connections:
  - {connection_id: lake, kind: s3, uri: "s3://shop-lake", endpoint: "${WEIR_ENDPOINT}", region: us-east-1, part_bytes: PART}
""".replace("PART", str(PART_BYTES))

FETCH = """flow: sales
tasks:
  - id: fetch
    template: fetch_files
    with: {from: upload, to: landing/sales, pattern: "*.csv"}
  - id: ingest
    template: ingest_files
    needs: [fetch]
    with: {from: "landing/sales/*.csv", to: raw.sales}
"""


def makes_sense(fault, where):
    if fault == "409":  # of an upload in parts it means that all parts are to be sent again: the task's retry
        return where == "put"
    if fault in ("half", "slow"):  # of an answer that has a body
        return where not in ("head", "put", "part", "delete")
    return True


def scripts():
    if named := os.environ.get("WEIR_SCRIPT"):
        fault, where, every, first = named.split(",")
        return [Script(fault, where, int(every), int(first))]
    dice = random.Random(SEED)
    once = ("begin_upload", "end_upload", "delete_many")  # all that a run asks for
    made = [Script(fault, where, dice.randint(2, 4), 1 if where in once else dice.randint(1, 2))
            for fault, where in itertools.product(FAULTS, SMALL + LARGE) if makes_sense(fault, where)]
    assert len(made) >= 60, len(made)
    return made[SEED % SLICE::SLICE]


class S3Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = versitygw.serve(cls, "shop-lake")
        cls.undisturbed = {}

    def small(self, project):
        for name, content in (("customers-20260105.csv", A), ("customers-20260106.csv", B)):
            self.server.put("shop-lake", f"landing/{name}", content)
            project.run("shop")
        # Old files go, many at once.
        project.weir("table", "clean", "stage.customers", "--retain-commits", "1")

    def large(self, project):
        """A file of two parts."""
        line = "{},2.50\n"
        lines = (line.format(number) for number in range(PART_BYTES // 9))
        project.write("upload/1.csv", "id,amount\n" + "".join(lines))
        project.run("sales")

    def go(self, script, what):
        """What a project leaves, and how often the script struck."""
        self.server.empty("shop-lake")
        project = Project()
        self.addCleanup(project.close)
        project.write("weir.yaml", re.sub(r"uri: data/(\w+)", r"uri: 's3://shop-lake/\1'", PROJECT).replace("connections:\n", CONNECTION))
        shop, _ = (project.folder / "flows/shop.yaml").read_text().split("---")
        project.write("flows/shop.yaml", shop)
        project.write("flows/sales.yaml", FETCH)
        project.environment = {name: value for name, value in project.environment.items() if not name.startswith("AWS_")}
        project.environment.update(HOME=str(project.folder), AWS_EC2_METADATA_DISABLED="true", AWS_ACCESS_KEY_ID=versitygw.ACCESS_KEY,
                                   AWS_SECRET_ACCESS_KEY=versitygw.SECRET_KEY)
        with FaultProxy(self.server.port, script) as proxy:
            project.environment["WEIR_ENDPOINT"] = proxy.endpoint
            what(project)
        project.environment["WEIR_ENDPOINT"] = self.server.endpoint
        project.weir("reconcile")
        objects = collections.Counter(re.sub(r"[0-9a-f]{8}[0-9a-f-]{8,}[^/]*|\d{17}\d*", "*", key) for key in self.server.objects("shop-lake"))
        digest = project.digest() if what == self.small else project.rows("SELECT count(*) AS n, sum(amount) AS s FROM raw.sales")
        project.close()
        return (digest, objects), proxy.struck

    def test_each_script(self):
        struck, met, tried = 0, set(), scripts()
        for script in tried:
            what = self.large if script.where in LARGE else self.small
            if what not in self.undisturbed:
                self.undisturbed[what], _ = self.go(None, what)
            with self.subTest(script):
                left, times = self.go(script, what)
                self.assertEqual(left, self.undisturbed[what], f"WEIR_SCRIPT={script.fault},{script.where},{script.every},{script.first}")
                self.assertGreater(times, 0, "it struck nowhere")
                struck += times
                met.add(script.fault)
        print(f"s3_faults: {len(tried)} scripts ({len(met)} faults of {len(FAULTS)}) struck {struck} times, WEIR_SEED={SEED}", flush=True)


if __name__ == "__main__":
    unittest.main(verbosity=1)
