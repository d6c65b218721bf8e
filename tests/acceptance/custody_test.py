"""Custody: what was published and is no longer so is found, by everybody who should, with its hop."""
import ctypes
import json
import os
import pathlib
import shutil
import unittest

import pyarrow as pa
import pyarrow.parquet as pq

from weir_project import A, B, FLOW, PROJECT, Project

C = "id,name,city,credit\n1,Ann,Bergen,10.50\n2,Bob,Bergen,21.00\n3,Cem,Oslo,1.00\n3,Cem,Oslo,2.00\n4,Dag,Oslo,x\n"
PROOF = """
flow: proof
tasks:
  - id: prove
    template: reconcile
    with: {datasets: [raw.customers, stage.customers, presentation.by_city, warehouse.by_city]}
"""


class DuckDB:
    """The warehouse as an analyst opens it, over DuckDB's own library."""

    def __init__(self, path):
        self.library = ctypes.CDLL(os.environ["WEIR_DUCKDB"])
        self.database, self.connection = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("duckdb_open", str(path).encode(), ctypes.byref(self.database))
        self.call("duckdb_connect", self.database, ctypes.byref(self.connection))

    def call(self, name, *arguments):
        if getattr(self.library, name)(*arguments) != 0:
            raise RuntimeError(f"{name} failed")

    def run(self, sql):
        self.call("duckdb_query", self.connection, sql.encode(), None)

    def close(self):
        self.library.duckdb_disconnect(ctypes.byref(self.connection))
        self.library.duckdb_close(ctypes.byref(self.database))


class Lake(Project):
    """Three snapshots in every layer, with a row that ingestion rejects and two that the merge does."""

    def __init__(self):
        super().__init__()
        self.write("flows/proof.yaml", PROOF)
        self.land("customers-20260101.csv", A)
        self.land("customers-20260102.csv", B)
        self.land("customers-20260103.csv", C)

    def data(self, folder, pattern="*.parquet", which=0):
        found = sorted((self.folder / "data" / folder).glob(pattern))
        if not found:
            raise AssertionError(f"nothing like {pattern} in {folder}")
        return found[which]

    def newest_base_file(self, folder):
        """The base file with the newest instant: part of the newest version for sure."""
        files = (self.folder / "data" / folder).glob("*.parquet")
        return max(files, key=lambda path: path.stem.rsplit("_", 1)[1])

    def warehouse(self, sql):
        opened = DuckDB(self.folder / "data/warehouse.duckdb")
        opened.run(sql)
        opened.close()

    def keep(self):
        shutil.copytree(self.folder / "data", self.folder / "kept")
        shutil.copy(self.folder / "weir.db", self.folder / "kept.db")

    def restore(self):
        shutil.rmtree(self.folder / "data")
        shutil.copytree(self.folder / "kept", self.folder / "data")
        for path in self.folder.glob("weir.db*"):
            path.unlink()
        shutil.copy(self.folder / "kept.db", self.folder / "weir.db")

    def lose_catalog(self):
        for path in self.folder.glob("weir.db*"):
            path.unlink()
        self.weir("apply")

    def faults(self):
        out = self.weir("--output", "json", "reconcile", expect=None).stdout
        verdicts = json.loads(out.splitlines()[0])["verdicts"]
        return [verdict for verdict in verdicts if not verdict["ok"]]


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def row_less(path):
    """The same file without its last row, all footer keys kept."""
    table = pq.read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 1), path)


def other_bytes(path):
    """Another valid file with the same rows and footer keys."""
    pq.write_table(pq.read_table(path), path, compression="none", use_dictionary=False)


def bit(path):
    """One byte of the data is another; size and footer are as they were."""
    content = bytearray(path.read_bytes())
    content[10] ^= 0xFF
    path.write_bytes(content)


class PlantedLoss(unittest.TestCase):
    """`weir reconcile`, the reconcile task and the next run each find it, and name the hop."""

    @classmethod
    def setUpClass(cls):
        cls.lake = Lake()
        cls.addClassCleanup(cls.lake.close)
        cls.lake.run()
        cls.lake.run("proof")
        cls.lake.keep()

    def tearDown(self):
        self.lake.restore()

    def assert_found(self, hop, *, reason=None, next_run=True, without_catalog=False):
        faults = self.lake.faults()
        self.assertTrue(faults, "weir reconcile sees nothing")
        self.assertIn(hop, faults[0]["hop"])
        self.assertEqual({fault["code"] for fault in faults} - {"corrupt", "check_failed"}, set())
        self.assertEqual(faults[0]["code"], "corrupt")
        if reason:
            self.assertEqual(faults[0]["reason"], reason)
        proof = self.lake.report("proof", expect=1)["tasks"]["prove"]
        self.assertEqual(proof["error_code"], "corrupt")
        self.assertIn(hop, proof["error_text"])
        if next_run:
            tasks = self.lake.report(expect=1)["tasks"]
            failed = [task for task in tasks.values() if task["state"] == "failed"]
            self.assertEqual([task["error_code"] for task in failed], ["corrupt"])
            self.assertIn(hop, failed[0]["error_text"])
        if without_catalog:
            self.lake.lose_catalog()
            # Of a commit that is gone only who read it can tell: its lineage names dataset and instant.
            dataset = hop.split(" → ")[-1]
            found = [fault for fault in self.lake.faults() if hop in fault["hop"] or dataset in fault["message"]]
            self.assertTrue(found, "without a catalog nothing is seen")

    # -- raw

    RAW = "customers-20260102.csv → raw.customers"

    def raw(self):
        return self.lake.data("raw/customers", which=1)

    def test_raw_object_truncated(self):
        truncate(self.raw())
        self.assert_found(self.RAW, reason="object_unreadable")
        self.lake.lose_catalog()
        self.assertIn("raw.customers", self.lake.faults()[0]["hop"])

    def test_raw_object_replaced_by_another_valid_one(self):
        shutil.copy(self.lake.data("raw/customers", which=0), self.raw())
        self.assert_found(self.RAW, reason="object_unreadable")
        self.lake.lose_catalog()
        self.assertIn("than its name says", self.lake.faults()[0]["message"])

    def test_raw_object_with_a_row_less_and_its_footer_keys(self):
        row_less(self.raw())
        self.assert_found(self.RAW, reason="rows_differ", without_catalog=True)

    def test_raw_object_with_other_bytes_and_the_same_rows(self):
        other_bytes(self.raw())
        self.assert_found(self.RAW, reason="object_changed", without_catalog=True)

    def test_raw_object_deleted(self):
        self.raw().unlink()
        self.assert_found(self.RAW, reason="object_missing")

    def test_raw_object_with_one_other_byte(self):
        bit(self.raw())
        self.assert_found(self.RAW, reason="object_changed", next_run=False)

    # -- quarantine

    def test_quarantine_object_deleted(self):
        self.lake.data("raw/customers__rejected").unlink()
        self.assert_found("customers-20260103.csv → raw.customers", reason="quarantine_missing", without_catalog=True)

    def test_quarantine_object_truncated(self):
        truncate(self.lake.data("raw/customers__rejected"))
        self.assert_found("customers-20260103.csv → raw.customers", reason="quarantine_differs", without_catalog=True)

    def test_quarantine_object_of_a_merge_deleted(self):
        self.lake.data("stage/customers__rejected").unlink()
        self.assert_found("→ stage.customers", reason="quarantine_missing", without_catalog=True)

    # -- stage

    STAGE = "raw.customers → stage.customers"

    def base(self):
        return self.lake.newest_base_file("stage/customers")

    def test_base_file_truncated(self):
        truncate(self.base())
        self.assert_found(self.STAGE, reason="object_unreadable", without_catalog=True)

    def test_base_file_replaced_by_another_valid_one(self):
        shutil.copy(self.raw(), self.base())
        self.assert_found(self.STAGE, without_catalog=True)

    def test_base_file_with_a_row_less(self):
        row_less(self.base())
        self.assert_found(self.STAGE, reason="rows_differ", without_catalog=True)

    def test_base_file_with_one_other_byte(self):
        bit(self.base())
        self.assert_found(self.STAGE, reason="object_changed", next_run=False, without_catalog=True)

    def test_base_file_deleted(self):
        self.base().unlink()
        self.assert_found(self.STAGE, reason="object_missing", without_catalog=True)

    def test_completed_instant_deleted(self):
        for which in (0, 1, 2):
            with self.subTest(which=which):
                timeline = self.lake.folder / "data/stage/customers/.hoodie"
                (timeline / self.lake.commits("stage.customers")[which]).unlink()
                self.assert_found(self.STAGE, without_catalog=which == 2)
                self.lake.restore()

    def test_instant_of_a_replaced_table_deleted(self):
        timeline = self.lake.folder / "data/presentation/by_city/.hoodie"
        next(timeline.glob("*.replacecommit")).unlink()
        self.assert_found("→ presentation.by_city")

    def test_whole_table_deleted(self):
        shutil.rmtree(self.lake.folder / "data/stage/customers")
        self.assert_found("→ stage.customers", reason="object_missing")

    # -- warehouse

    WAREHOUSE = "presentation.by_city → warehouse.by_city"

    def test_row_of_the_warehouse_deleted(self):
        self.lake.warehouse("DELETE FROM by_city WHERE city = 'Oslo'")
        self.assert_found(self.WAREHOUSE, reason="rows_differ", without_catalog=True)

    def test_row_of_the_warehouse_changed(self):
        self.lake.warehouse("UPDATE by_city SET credit = credit + 1 WHERE city = 'Oslo'")
        self.assert_found(self.WAREHOUSE, reason="object_changed", without_catalog=True)

    def test_table_of_the_warehouse_dropped_is_loaded_again(self):
        self.lake.warehouse("DROP TABLE by_city")
        self.assertEqual(self.lake.faults()[0]["reason"], "object_missing")
        self.lake.run("proof", expect=1)
        self.lake.run()
        self.assertEqual(self.lake.faults(), [])

    def test_receipts_of_the_warehouse_lost(self):
        self.lake.warehouse("DELETE FROM _weir_load")
        self.assertEqual(self.lake.faults()[0]["reason"], "object_missing")
        self.lake.run("proof", expect=1)


class Custody(unittest.TestCase):
    def setUp(self):
        self.lake = Lake()
        self.addCleanup(self.lake.close)

    def test_every_hop_of_a_sound_lake_closes(self):
        self.lake.run()
        out = self.lake.weir("reconcile").stdout
        for hop in ("customers-20260103.csv → raw.customers", "raw.customers → stage.customers at",
                    "stage.customers → presentation.by_city at", "presentation.by_city → warehouse.by_city"):
            self.assertIn(hop, out)
        self.lake.lose_catalog()
        self.lake.weir("reconcile")

    def test_flow_that_ends_with_its_proof(self):
        self.lake.write("flows/shop.yaml", FLOW.split("---")[0] +
                        "  - {id: prove, template: reconcile, needs: [load]}\n")
        task = self.lake.report()["tasks"]["prove"]
        self.assertEqual(task["state"], "succeeded")
        self.assertEqual(task["details"]["hops"], 3 + 3 + 1 + 1)
        # And in a process of its own, which has no catalog.
        self.lake.run(WEIR_ENGINE="subprocess")

    def test_proof_that_only_warns(self):
        self.lake.run()
        self.lake.write("flows/proof.yaml", PROOF.replace("with: {", "with: {severity: warn, "))
        self.lake.data("raw/customers").unlink()
        task = self.lake.report("proof")["tasks"]["prove"]
        self.assertEqual(task["state"], "succeeded")
        self.assertIn("does not close", self.lake.weir("logs", "proof").stdout)

    def test_names_that_are_nothing_are_refused(self):
        self.lake.write("flows/proof.yaml", PROOF.replace("stage.customers", "stag.customers"))
        self.assertIn("stag.customers", self.lake.weir("validate", expect=2).stderr)
        self.lake.write("flows/proof.yaml", PROOF.replace("stage.customers", "stage.customer"))
        run = self.lake.run("proof", expect=2)
        self.assertIn("did you mean 'stage.customers'", run.stdout + run.stderr)

    def test_accepted_loss_is_loaded_again(self):
        self.lake.run()
        digest = self.lake.digest()
        self.lake.data("raw/customers", which=1).unlink()
        self.lake.run(expect=1)
        self.assertIn("1 that the lake has no more", self.lake.weir("doctor", "--heal").stdout)
        self.lake.run()
        self.assertEqual(self.lake.faults(), [])
        self.assertEqual(self.lake.digest(), digest)

    def test_landing_file_changed_after_ingestion_is_another_observation(self):
        self.lake.run()
        self.lake.land("customers-20260103.csv", C.replace("Bergen", "Bodø"))
        self.assertEqual(self.lake.faults(), [])  # landing is not weir's: what was loaded is as it was
        report = self.lake.report(expect=5)
        self.assertEqual(report["tasks"]["ingest"]["counts"]["in"], 5)
        self.assertEqual(report["tasks"]["history"]["held_reason"], "stale_snapshot")
        (self.lake.folder / "data/landing/customers-20260101.csv").unlink()
        self.assertEqual(self.lake.faults(), [])


CONTROLLED = PROJECT.replace(
    'credit: "decimal(12,2)"}', 'credit: "decimal(12,2)"}\n    options: {control_columns: [credit]}').replace(
    "{name: stage.customers, key: [id]}",
    "{name: stage.customers, key: [id], options: {control_columns: [credit]}}\n"
    "  - {name: presentation.by_city, key: [city], options: {control_columns: [credit, customers]}}")


class Sums(unittest.TestCase):
    """What the catalog has of a lake's hops."""

    lake = None
    column = "credit"

    def sums(self, hop):
        rows = self.lake.sqlite("SELECT sums FROM reconciliation WHERE hop = ? ORDER BY recorded_at_us, token", hop)
        return [json.loads(row[0]) for row in rows]

    def parts(self, sums, column=None):
        return {name: (part["sum"], part["values"]) for name, part in sums["columns"][column or self.column].items()}


class ControlSums(Sums):
    """Sums of declared columns, on both sides of every hop."""

    def setUp(self):
        self.lake = Lake()
        self.addCleanup(self.lake.close)
        self.lake.write("weir.yaml", CONTROLLED)

    def test_sums_close_from_the_landing_file_to_the_warehouse(self):
        self.lake.land("customers-20260104.csv", "id,name,city,credit\n1,Ann,Bergen,\n2,Bob,Bergen,21.00\n2,Bob,Bergen,21.00\n,No,One,5.00\n")
        self.lake.run()
        raw = self.parts(self.sums("customers-20260103.csv → raw.customers")[0])
        self.assertEqual(raw, {"in": ("34.5", 4), "inserted": ("34.5", 4), "out": ("34.5", 4)})
        merges = sorted((self.parts(s)["in"], self.parts(s)) for s in self.sums("raw.customers → stage.customers"))
        self.assertEqual([parts for _, parts in merges], [
            # B: Ann 10.50 and Dag 1 are new versions, Bob 20 is unchanged.
            {"in": ("31.5", 3), "inserted": ("11.5", 2), "unchanged": ("20", 1), "out": ("31.5", 3)},
            # C: Cem came twice with other values; Dag's row could not be read and stays as it was.
            {"in": ("34.5", 4), "inserted": ("21", 1), "rejected": ("3", 2), "unchanged": ("10.5", 1), "out": ("32.5", 3)},
            # D: Ann's credit is NULL now, Bob came twice alike, one row has no key, Dag is gone.
            {"in": ("47", 3), "rejected": ("5", 1), "deduplicated": ("21", 1), "unchanged": ("21", 1), "out": ("21", 1)},
            {"in": ("60.75", 3), "inserted": ("60.75", 3), "out": ("60.75", 3)}])
        for sums in self.sums("raw.customers → stage.customers") + self.sums("stage.customers → presentation.by_city"):
            self.assertEqual(sums["keys"]["in"], sums["keys"]["out"])
            self.assertEqual(len(sums["keys"]["in"]), 64)
        self.assertEqual(self.parts(self.sums("presentation.by_city → warehouse.by_city")[0]),
                         {"in": ("21", 1), "inserted": ("21", 1), "out": ("21", 1)})
        self.assertEqual(self.parts(self.sums("presentation.by_city → warehouse.by_city")[0], "customers")["in"], ("2", 1))
        out = self.lake.weir("reconcile").stdout
        self.assertIn("sum(credit) = 60.75 (3 values)", out)
        self.lake.lose_catalog()
        self.assertEqual(self.lake.weir("reconcile").stdout, out)

    def test_sums_are_told_by_the_run(self):
        run = self.lake.run()
        self.assertIn("; credit 60.75 = 60.75 inserted", run.stdout + run.stderr)

    def test_a_file_without_rows_sums_to_nothing(self):
        self.lake.write("flows/shop.yaml", FLOW.split("  - id: history")[0])
        self.lake.land("customers-20260105.csv", "id,name,city,credit\n")
        self.lake.run()
        self.assertEqual(self.parts(self.sums("customers-20260105.csv → raw.customers")[0]),
                         {"in": ("0", 0), "out": ("0", 0)})

    def test_columns_declared_later_load_nothing_again(self):
        self.lake.write("weir.yaml", PROJECT)
        self.lake.run()
        before = self.lake.objects()
        self.lake.write("weir.yaml", CONTROLLED.replace("  - {name: presentation.by_city, key: [city], options: {control_columns: [credit, customers]}}\n", ""))
        self.lake.run()
        self.assertEqual(self.lake.objects(), before)
        self.lake.land("customers-20260104.csv", B)
        self.lake.run()
        self.lake.weir("reconcile")
        self.assertEqual(len([s for s in self.sums("raw.customers → stage.customers") if s]), 1)

    def test_faults_in_the_declaration_are_shown_where_they_stand(self):
        for word, message in (("name", "'name' of raw.customers is varchar"), ("credits", "'credits' is not among")):
            self.lake.write("weir.yaml", CONTROLLED.replace("{control_columns: [credit]}\n  - {name: stage", "{control_columns: [%s]}\n  - {name: stage" % word))
            self.assertIn(message, self.lake.weir("validate", expect=2).stderr)


LATEST = """project: shop
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: landing}
  - {name: raw, uri: lake/raw}
  - {name: stage, uri: lake/stage}
datasets:
  - name: raw.orders
    identity: content
    columns: {id: bigint, city: varchar, amount: "decimal(12,2)", changed_at: date, op: varchar}
    options: {control_columns: [amount]}
  - {name: stage.orders, key: [id], options: {control_columns: [amount]}}
"""
LATEST_FLOW = """flow: shop
tasks:
  - id: ingest
    template: ingest_files
    with: {from: "landing/*.csv", to: raw.orders}
  - id: latest
    template: merge_latest
    needs: [ingest]
    with: {from: raw.orders, to: stage.orders, order_by: changed_at, partition_by: [city], delete_column: op, delete_values: [D]}
"""


class LatestLake(Lake):
    """Rows as they changed; the newest of each key is kept."""

    def __init__(self):
        Project.__init__(self)
        self.write("weir.yaml", LATEST)
        self.write("flows/shop.yaml", LATEST_FLOW)

    def land_rows(self, name, *rows, header="id,city,amount,changed_at,op"):
        (self.folder / "landing").mkdir(exist_ok=True)
        (self.folder / "landing" / name).write_text("".join(f"{row}\n" for row in (header, *rows)))


class ControlSumsOfLatest(Sums):
    """Likewise where a table keeps the newest row of each key."""

    HOP = "raw.orders → stage.orders"
    column = "amount"

    def setUp(self):
        self.lake = LatestLake()
        self.addCleanup(self.lake.close)
        self.lake.land_rows("a.csv", "1,Oslo,10.50,2026-01-02,", "2,Oslo,20,2026-01-01,", "2,Oslo,21,2026-01-02,", "3,Bergen,,2026-01-02,",
                            "4,Oslo,4,2026-01-02,", ",Oslo,7,2026-01-02,", "5,Oslo,8,,")
        self.lake.run()

    def test_sums_close_over_every_way_of_a_row(self):
        # 1 changes and moves, 2 comes late, 3 gets a value, 4 goes, 6 is new, 9 was never there.
        self.lake.land_rows("b.csv", "1,Bergen,11.25,2026-01-03,", "2,Oslo,99,2026-01-01,", "3,Bergen,5,2026-01-03,",
                            "4,Oslo,4.50,2026-01-03,D", "6,Oslo,-1.5,2026-01-03,", "9,Oslo,,2026-01-03,D")
        self.lake.run()
        first, second = sorted(self.sums(self.HOP), key=lambda sums: sums["columns"]["amount"]["in"]["values"], reverse=True)
        self.assertEqual(self.parts(first), {"in": ("70.5", 6), "inserted": ("35.5", 3), "rejected": ("15", 2), "deduplicated": ("20", 1),
                                             "out": ("35.5", 3)})
        self.assertEqual(self.parts(second), {"in": ("118.25", 5), "inserted": ("-1.5", 1), "updated_in_place": ("16.25", 2),
                                              "unchanged": ("99", 1), "filtered": ("4.5", 1), "out": ("35.75", 4)})
        for sums in (first, second):
            self.assertEqual(sums["keys"]["in"], sums["keys"]["out"])
            self.assertEqual(len(sums["keys"]["in"]), 64)
        self.assertEqual(self.lake.faults(), [])
        out = self.lake.weir("reconcile").stdout
        self.assertIn("sum(amount) = 118.25 (5 values)", out)
        self.lake.lose_catalog()
        self.assertEqual(self.lake.weir("reconcile").stdout, out)

    def test_a_column_that_the_rows_lack_is_left_out(self):
        self.lake.write("weir.yaml", LATEST.replace("  - {name: stage.orders, key: [id], options: {control_columns: [amount]}}", "  - name: raw.moves\n"
                        "    identity: content\n    columns: {id: bigint, city: varchar, changed_at: date, op: varchar}\n"
                        "  - {name: stage.orders, key: [id], options: {control_columns: [id, amount]}}"))
        self.lake.write("flows/shop.yaml", LATEST_FLOW.replace("raw.orders", "raw.moves").replace("landing/*", "landing/m*"))
        self.lake.land_rows("m.csv", "7,Oslo,2026-01-04,", header="id,city,changed_at,op")
        self.lake.run()
        self.assertEqual(self.lake.faults(), [])
        sums = self.sums("raw.moves → stage.orders")[0]
        self.assertEqual(list(sums["columns"]), ["id"])
        self.assertEqual(self.parts(sums, "id"), {"in": ("7", 1), "inserted": ("7", 1), "out": ("17", 5)})

    def test_a_value_that_changed_since_is_found(self):
        path = max((self.lake.folder / "lake/stage/orders/city=Oslo").glob("*.parquet"))
        table = pq.read_table(path, partitioning=None)
        amounts = [None if value is None else value + 1 for value in table["amount"].to_pylist()]
        place = table.schema.get_field_index("amount")
        pq.write_table(table.set_column(place, table.schema.field(place), pa.array(amounts, table.schema.field(place).type)), path)
        found = [fault for fault in self.lake.faults() if fault["reason"] == "control_differs"]
        self.assertEqual([fault["message"] for fault in found], ["sum(amount) when it is read again is not the same before and after the hop"])
        self.assertEqual((found[0]["expected"], found[0]["found"]), ("35.5 (3 values)", "38.5 (3 values)"))

    def test_a_batch_without_rows_and_one_without_the_column_add_nothing(self):
        self.lake.land_rows("b.csv")
        self.lake.run()
        self.lake.land_rows("c.csv", "3,Bergen,2026-01-03,", header="id,city,changed_at,op")
        self.lake.run()
        self.assertEqual(self.lake.faults(), [])
        self.assertIn({"in": ("0", 0), "out": ("35.5", 3)}, [self.parts(sums) for sums in self.sums(self.HOP)])


class Heal(unittest.TestCase):
    TABLES = {"publication": "dataset, object_name, instant", "watermark": "target, source",
              "file_ledger": "target, identity", "schema_history": "dataset, version"}

    def rows(self, lake):
        rows = {}
        for table, order in self.TABLES.items():
            columns = [row[1] for row in lake.sqlite(f"PRAGMA table_info({table})") if row[1] != "recorded_at_us"]
            rows[table] = [dict(zip(columns, row))
                           for row in lake.sqlite(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}")]
        return rows

    def test_healed_catalog_has_the_very_same_rows(self):
        lake = Lake()
        self.addCleanup(lake.close)
        # A column that comes later, a second run, a replaced table, a delta, and a second load.
        lake.run()
        lake.land("customers-20260104.csv", "id,name,city,credit,vip\n1,Ann,Oslo,10.50,y\n2,Bob,Bergen,21.00,n\n")
        lake.run()
        lake.land("sales/1.csv", "id,amount\n1,10.50\n2,ten\n")
        lake.run("sales")
        before = self.rows(lake)
        self.assertEqual({name: len(rows) for name, rows in before.items()},
                         {"publication": 4 + 1 + 4 + 1 + 2 + 1 + 1, "watermark": 4, "file_ledger": 4 + 4 + 2 + 1,
                          "schema_history": 9})
        lake.lose_catalog()
        lake.weir("doctor", "--heal")
        self.maxDiff = None
        for table, rows in before.items():
            self.assertEqual(self.rows(lake)[table], rows, table)
        lake.weir("doctor", "--heal")
        self.assertEqual(self.rows(lake), before)
        objects = lake.objects()
        lake.run()
        lake.run("sales")
        self.assertEqual(lake.objects(), objects)
        self.assertEqual({k: v for k, v in self.rows(lake).items()}, before)


if __name__ == "__main__":
    unittest.main(verbosity=1)
