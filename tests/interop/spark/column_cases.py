"""Cases of what stands in a table: types, partition values, columns that come and widen, tables that weir
must refuse. Each with each bundle; continue_test.py runs them."""
import random

import running
import values
from cases import SCHEMA, row, rows
from spark import SparkError
from table import NEW

ALL_TYPES = values.columns(
    id="bigint", n="integer", x="double", y="float", ok="boolean", name="varchar", day="date", at="timestamp",
    d4="decimal(4,1)", d9="decimal(9,0)", d18="decimal(18,6)", d38="decimal(38,10)", bytes="blob", tags="varchar[]",
    sums="decimal(6,2)[]", days="date[]", place="struct(a bigint, b varchar, spot struct(lat double, lon float))",
    stops="struct(a bigint, at timestamp)[]", prices="map(varchar, integer)", notes="map(varchar, varchar[])",
    version="bigint")
# Spark 1.2.0 takes a partition column from the folder's name and decodes it, whoever wrote the table: the
# empty text comes back as null and a%3Db as a=b. So those two are not among them.
PARTITION_VALUES = {
    "varchar": ["a", "with space", "Ørsted", "日本", "a=b", "a%b", "a'b", "a+b", "a#b", "a?b", "a&b", "[x]", None],
    "date": ["2026-01-31", "1969-12-31", "1500-02-28", None],
    "integer": [0, -1, 2**31 - 1, None],
    "bigint": [0, -5, 2**62],
    "boolean": [True, False, None],
}


class EitherSpark:
    def test_every_type(self):
        # 0.15.0 cannot rewrite its own file of two lists whose elements are decimals or structs.
        schema = [column for column in ALL_TYPES if self.bundle == NEW or column["name"] != "stops"]
        types = values.types_of(schema)
        dice = random.Random(1)

        def some(numbers, version, nulls=0.15):
            return [{name: values.random_value(kind, dice, nulls) for name, kind in types.items()}
                    | {"id": number, "version": version} for number in numbers]
        for begun_by in ("weir", "Spark"):
            with self.subTest(begun_by):
                options = {"schema": schema, "name": f"types_{begun_by}_{self.bundle.replace('.', '_')}"}
                table = self.of_weir((), **options) if begun_by == "weir" else self.of_spark((), **options)
                if begun_by == "Spark":  # Its two ways of writing Parquet: rows, and by way of Avro.
                    if self.bundle == NEW:  # 0.15.0 cannot rewrite what it writes as rows, with lists of decimals.
                        table.spark(self.bundle, "bulk_insert", some(range(100, 120), 1))
                        self.check(table)
                    table.spark(self.bundle, "upsert", some(range(10), 1))
                table.weir("upsert", some(range(40), 2))
                table.weir("upsert", [dict.fromkeys(types) | {"id": 50, "version": 2}])
                self.check(table)
                table.spark(self.bundle, "upsert", some(range(20, 60), 3))  # It rewrites what weir wrote.
                self.check(table)
                table.spark(self.bundle, "bulk_insert", some(range(60, 80), 3))
                table.weir("upsert", some(range(50, 110, 2), 4))
                self.check(table)
                table.weir("delete", some(range(0, 110, 3), 5))
                self.check_all(table)

    def test_dates_of_other_centuries(self):
        """Spark 3 refuses them in files that do not say by which calendar they count. Its own writer of Hudi does not
        say it, so what Spark has rewritten wants a setting of who reads it, until weir rewrites it."""
        of_spark_3 = {"spark.sql.parquet.datetimeRebaseModeInRead": "EXCEPTION"}  # its default
        schema = values.columns(id="bigint", day="date", at="timestamp", days="date[]", spot="struct(at timestamp)", version="bigint")
        days = ["0001-01-03", "1500-02-28", "1582-10-04", "1582-10-10", "1582-10-15", "1899-12-31", "2026-01-31", None]

        def some(first, last, version):
            return [{"id": n, "day": day, "at": day and f"{day}T01:02:03.000004Z", "days": [day] if day else [],
                     "spot": {"at": day and f"{day}T23:59:59.999999Z"}, "version": version}
                    for n in range(first, last) for day in [days[n % len(days)]]]
        table = self.of_weir((), schema)
        table.settings = of_spark_3
        table.weir("upsert", some(0, 16, 1))
        table.weir("upsert", some(12, 20, 2))
        self.check(table)
        table.check_meta(self.bundle)
        table.spark(self.bundle, "upsert", some(18, 30, 3))
        table.check("weir", "hudi-rs")
        with self.assertRaisesRegex(SparkError, "READ_ANCIENT_DATETIME"):
            table.read(self.bundle)
        table.settings = {}
        self.check(table)
        table.settings = of_spark_3
        table.weir("upsert", some(0, 30, 4))
        self.check(table)

    def test_nulls_in_lists_are_read(self):
        """Read only: Spark's own upsert of a list with a null fails unless its Hadoop settings say otherwise."""
        schema = values.columns(id="bigint", tags="varchar[]", sums="decimal(6,2)[]", version="bigint")
        table = self.of_weir((), schema)
        lists = [([], []), ([None], [None]), (["a", None, ""], ["1.00", None]), (None, None)]
        table.weir("upsert", [{"id": at, "tags": tags, "sums": sums, "version": 1} for at, (tags, sums) in enumerate(lists)])
        self.check_all(table)

    def test_partition_values(self):
        kinds = ("varchar", "date", "boolean") if self.bundle == NEW else ("varchar", "integer", "bigint")
        for kind in PARTITION_VALUES if running.IS_LONG else kinds:
            parts = PARTITION_VALUES[kind]
            with self.subTest(kind):
                schema = values.columns(id="bigint", part=kind, version="bigint")
                table = self.of_weir(("part",), schema, name=f"parts_{kind}_{self.bundle.replace('.', '_')}")

                def some(first, last, version, parts=parts):
                    return [{"id": n, "part": parts[n % len(parts)], "version": version} for n in range(first, last)]
                count = len(parts)
                table.weir("upsert", some(0, 2 * count, 1))
                self.check(table)
                table.spark(self.bundle, "upsert", some(count, 3 * count, 2))
                self.check(table)
                table.weir("upsert", some(0, 3 * count, 3))
                table.weir("delete", some(0, count, 4))
                self.check_all(table)

    def test_encoded_partition_paths(self):
        """With urlencode, as many tables of Spark have it, a value may hold a slash."""
        schema = values.columns(id="bigint", part="varchar", version="bigint")
        parts = ["a/b", "a:b", "x=y", "50%", "plain", "Ørsted", 'qu"ote', "a\\b", "{a}", None]

        def some(first, last, version):
            return [{"id": n, "part": parts[n % len(parts)], "version": version} for n in range(first, last)]
        encoded = {"hoodie__datasource__write__partitionpath__urlencode": "true"}
        table = self.of_spark(("part",), schema)
        table.spark(self.bundle, "upsert", some(0, 20, 1), **encoded)
        self.check(table)
        table.weir("upsert", some(5, 25, 2))
        self.check(table)
        table.spark(self.bundle, "upsert", some(0, 30, 3), **encoded)
        table.weir("delete", some(0, 10, 4))
        self.check_all(table)

    def test_bare_partition_folders(self):
        """hive_style_partitioning is off unless a table's maker turned it on."""
        table = self.of_spark()
        bare = {"hoodie__datasource__write__hive_style_partitioning": "false"}
        table.spark(self.bundle, "upsert", rows(0, 9, 1), **bare)
        table.weir("upsert", rows(3, 15, 2))
        self.assertTrue((table.path / "oslo").is_dir())
        self.assertFalse((table.path / "city=oslo").exists())
        self.check(table)
        table.spark(self.bundle, "upsert", rows(6, 20, 3), **bare)
        self.check_all(table)

    def test_columns_that_weir_adds_and_widens(self):
        narrow = values.columns(id="varchar", city="varchar", n="integer", y="float", price="decimal(8,2)", version="bigint")
        wide = values.columns(id="varchar", city="varchar", n="bigint", y="double", price="decimal(12,2)", version="bigint",
                              note="varchar", tags="varchar[]")

        def some(first, last, version):
            return [{name: value for name, value in row(n, version, n=n, y=n / 4).items() if name not in ("name", "at")}
                    for n in range(first, last)]

        def more(first, last, version):
            return [r | {"n": 2**40 + n, "y": 0.1, "price": f"{10**9 + n}.00", "note": f"note {n}", "tags": [f"{version}"]}
                    for n, r in enumerate(some(first, last, version))]
        table = self.of_weir(schema=narrow)
        table.weir("upsert", some(0, 12, 1))
        table.spark(self.bundle, "upsert", some(6, 9, 2))
        # Of one partition only: the others' files keep the old columns.
        table.weir("upsert", [r for r in more(0, 12, 3) if r["city"] == "oslo"], schema=wide)
        self.check(table)
        table.spark(self.bundle, "upsert", more(4, 14, 4))
        self.check(table)
        table.weir("upsert", more(8, 18, 5))
        self.check_all(table)

    def test_columns_that_spark_adds(self):
        table = self.of_weir()
        table.weir("upsert", rows(0, 12, 1))
        table.model.widen(SCHEMA + values.columns(note="varchar"))
        noted = [r | {"note": "of Spark"} for r in rows(3, 6, 2)]
        table.spark(self.bundle, "upsert", noted)
        self.check(table)
        table.weir("upsert", [r | {"note": f"of weir {n}"} for n, r in enumerate(rows(5, 15, 3))])
        self.check_all(table)

    def test_buckets_in_a_table_of_weir(self):
        """Spark takes the beginning of each file group for a number; its half commit is no harm."""
        table = self.of_weir()
        table.weir("upsert", rows(0, 6, 1))
        with self.assertRaisesRegex(SparkError, "NumberFormatException"):
            table.spark(self.bundle, "upsert", rows(3, 9, 2), index="BUCKET", hoodie__bucket__index__num__buckets="4")
        self.check(table)
        table.weir("upsert", rows(4, 12, 3))
        self.check(table)
        table.spark(self.bundle, "upsert", rows(0, 8, 4))
        table.weir("upsert", rows(6, 9, 5))
        self.check_all(table)

    def test_bucket_tables_are_refused(self):
        """A key in a file that its hash does not name is not found by Spark's next upsert."""
        table = self.of_weir()
        table.weir("upsert", rows(0, 6, 1))
        with open(table.path / ".hoodie" / "hoodie.properties", "a") as properties:
            properties.write("hoodie.index.type=BUCKET\nhoodie.bucket.index.num.buckets=4\n")
        self.assert_refuses(table, "unsupported", "hoodie.index.type")
        table = self.of_spark(name=f"{self.name()}_of_spark")
        for version in (1, 2):
            table.spark(self.bundle, "upsert", rows(0, 30, version), index="BUCKET",
                        hoodie__bucket__index__num__buckets="4")
            self.check(table)
        self.assert_refuses(table, "unsupported", "hoodie.index.type BUCKET")
        self.assert_refuses(table, "unsupported", "hoodie.index.type BUCKET", op="delete", rows=rows(0, 1, 3))
        self.check_all(table)

    def test_keys_that_move_between_partitions(self):
        """With a global index Spark takes the row along; weir and the others go on from there."""
        table = self.of_weir()
        table.weir("upsert", rows(0, 12, 1))
        moved = [row(number, 2, city="lima") for number in range(4)]
        table.spark(self.bundle, "upsert", moved, index="GLOBAL_SIMPLE",
                    hoodie__simple__index__update__partition__path="true")
        table.model.drop([key for key, r in table.model.rows.items()
                          if r["id"] in {m["id"] for m in moved} and r["city"] != "lima"])
        table.model.versions[-1] = (dict(table.model.rows), dict(table.model.since))
        self.check(table)
        table.weir("upsert", [row(number, 3, city="lima") for number in range(2, 4)] + rows(4, 14, 3))
        self.check_all(table)
