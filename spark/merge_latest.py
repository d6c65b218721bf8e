"""merge_latest on Spark: the operation that weir's own engine executes, with the same rows and the same
commit.

    spark-submit … spark/merge_latest.py --operation op.json --outcome outcome.json

The operation is weir's JSON (docs/format/operation.md); the outcome, or {"error": …}, is written to
the file. It runs wherever PySpark with a Hudi bundle runs and imports nothing else.
"""
import argparse
import decimal
import json
import re
import sys
import traceback
import zlib

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

LOAD_COLUMNS = ["_run_id", "_source_file", "_source_row", "_loaded_at"]
PREFIX = "weir."
# Dates and instants of every century as they stand: Hudi's files do not say by which calendar they count.
SETTINGS = {"spark.sql.session.timeZone": "UTC", "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
            "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED", "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
            "spark.sql.avro.datetimeRebaseModeInRead": "CORRECTED", "spark.sql.avro.datetimeRebaseModeInWrite": "CORRECTED"}
# Of a quarantined row: as weir's own engine writes it, in types of Spark and of weir.
REJECTED = [("reason", "string"), ("column", "string"), ("message", "string"), ("line", "bigint"), ("byte_offset", "bigint"),
            ("byte_length", "bigint"), ("raw", "binary"), ("values", "string"), ("source_file", "string"), ("source_sha256", "string"),
            ("as_of", "timestamp"), ("_run_id", "string"), ("_loaded_at", "timestamp")]
WEIR_TYPES = {"string": "varchar", "bigint": "bigint", "binary": "blob", "timestamp": "timestamp"}
COUNTS = ["in", "inserted", "updated_in_place", "rejected", "deduplicated", "unchanged", "filtered", "closed_by_change",
          "closed_by_absence", "out"]
SUMS = ["in", "inserted", "updated_in_place", "rejected", "deduplicated", "unchanged", "out"]
MESSAGES = {"null_key": "the key is NULL", "empty_key": "the key is empty", "null_order": "what orders the rows is NULL"}


class Fault(Exception):
    """What weir shall say: a code of its own, a message, a way out."""

    def __init__(self, code, message, hint=""):
        super().__init__(message)
        self.code, self.hint = code, hint


class Storage:
    """Hadoop's file systems: the table's and the inputs' own, local or not."""

    def __init__(self, spark):
        self.jvm = spark._jvm
        self.configuration = spark._jsc.hadoopConfiguration()

    def path(self, text):
        return self.jvm.org.apache.hadoop.fs.Path(text)

    def system(self, path):
        return path.getFileSystem(self.configuration)

    def size(self, text):
        path = self.path(text)
        system = self.system(path)
        return system.getFileStatus(path).getLen() if system.exists(path) else None

    def write(self, text, content):
        path = self.path(text)
        stream = self.system(path).create(path, False)
        stream.write(bytearray(content.encode()))
        stream.close()

    def footer(self, text):
        """What a Parquet file says of itself."""
        jvm = self.jvm.org.apache.parquet.hadoop
        reader = jvm.ParquetFileReader.open(jvm.util.HadoopInputFile.fromPath(self.path(text), self.configuration))
        try:
            return dict(reader.getFooter().getFileMetaData().getKeyValueMetaData())
        finally:
            reader.close()

    def rows(self, text):
        """By its footer."""
        jvm = self.jvm.org.apache.parquet.hadoop
        reader = jvm.ParquetFileReader.open(jvm.util.HadoopInputFile.fromPath(self.path(text), self.configuration))
        try:
            return reader.getRecordCount()
        finally:
            reader.close()

    def digest(self, text):
        """SHA-256 of a file, in hex."""
        path = self.path(text)
        stream = self.system(path).open(path)
        try:
            return self.jvm.org.apache.commons.codec.digest.DigestUtils.sha256Hex(stream)
        finally:
            stream.close()

    def move(self, source, target):
        """Whole or not at all; not over what is there."""
        path = self.path(target)
        if not self.system(path).rename(self.path(source), path):
            raise Fault("conflict", f"'{target}' cannot be put")

    def remove(self, text):
        path = self.path(text)
        self.system(path).delete(path, True)

    def join(self, parts, target, footer):
        """One Parquet file of all their row groups, which says this of itself."""
        jvm = self.jvm.org.apache.parquet.hadoop
        files = [jvm.util.HadoopInputFile.fromPath(self.path(part), self.configuration) for part in parts]
        reader = jvm.ParquetFileReader.open(files[0])
        try:
            schema = reader.getFooter().getFileMetaData().getSchema()
        finally:
            reader.close()
        writer = jvm.ParquetFileWriter(self.configuration, schema, self.path(target))
        writer.start()
        for file in files:
            writer.appendFile(file)
        writer.end(footer)

    def names(self, text):
        path = self.path(text)
        system = self.system(path)
        return [status.getPath().getName() for status in system.listStatus(path)] if system.exists(path) else []

    def read(self, text):
        path = self.path(text)
        stream = self.system(path).open(path)
        try:
            return bytes(self.jvm.org.apache.commons.io.IOUtils.toByteArray(stream)).decode()
        finally:
            stream.close()


def uri(text):
    """As Hadoop names it."""
    return f"file:{text}" if text.startswith("/") else text.replace("s3://", "s3a://", 1)


def completed_commits(storage, table):
    """Instant and metadata of every commit, newest first."""
    names = [name for name in storage.names(f"{table}/.hoodie") if name.endswith((".commit", ".replacecommit"))]
    for name in sorted(names, reverse=True):
        yield name.split(".")[0], json.loads(storage.read(f"{table}/.hoodie/{name}") or "{}")


def publications(operation, instant, extra, size):
    """The commit as a part of its dataset, before it what it rejected: the same for whoever made it and whoever finds it."""
    told = {key: json.loads(extra[PREFIX + key]) for key in ("counts", "identities", "schema")}
    main = {"dataset": operation["target"]["dataset"], "token": operation["token"], "instant": instant, "rows": told["counts"]["out"],
            "size_bytes": size, "as_of": operation.get("as_of"), "input_identities": told["identities"], "counts": told["counts"],
            "schema": told["schema"], "run_id": extra[PREFIX + "run"],
            "sums": json.loads(extra[PREFIX + "details"]).get("sums", {})}
    if PREFIX + "rejected" not in extra:
        return [main]
    rejected = json.loads(extra[PREFIX + "rejected"])
    schema = [{"name": name, "type": WEIR_TYPES[kind]} for name, kind in REJECTED]
    return [main | {"dataset": f"{main['dataset']}__rejected", "instant": "", "object_name": rejected["name"], "rows": rejected["rows"],
                    "size_bytes": rejected["size_bytes"], "sha256": rejected["sha256"], "schema": schema, "sums": {}}, main]


def lineage_of(inputs):
    """As weir's own engine writes it into a commit."""
    lineage = []
    for item in inputs:
        for pinned in item["objects"]:
            entry = {"dataset": item["dataset"], "name": pinned["name"], "size_bytes": pinned["size_bytes"]}
            if pinned.get("sha256"):
                entry["sha256"] = pinned["sha256"]
            if pinned.get("rows", -1) >= 0:
                entry["rows"] = pinned["rows"]
            if pinned.get("as_of"):
                entry["as_of"] = pinned["as_of"]
            lineage.append(entry)
    return lineage


def outcome_of(operation, instant, metadata, was_already_done):
    size = sum(stat.get("fileSizeInBytes", 0) for stats in metadata.get("partitionToWriteStats", {}).values() for stat in stats)
    extra = metadata["extraMetadata"]
    details = json.loads(extra[PREFIX + "details"])
    rejects = details.pop("rejects", [])
    return {"format": 1, "counts": json.loads(extra[PREFIX + "counts"]), "details": details,
            "publications": publications(operation, instant, extra, size), "rejects": rejects, "held": None, "warnings": [],
            "was_already_done": was_already_done}


class Sums:
    """Exact sums of control columns, each with the number of values in it."""

    def __init__(self, parts=None):
        self.parts = parts or {}

    @staticmethod
    def of(frame, columns):
        """Up to 38 digits: Spark's own sums of decimals fail beyond it."""
        if not columns:
            return Sums()
        kinds = dict(frame.dtypes)

        def wide(name):
            scale = kinds[name].rstrip(")").split(",")[1] if kinds[name].startswith("decimal") else 0
            return F.col(f"`{name}`").cast(f"decimal(38,{scale})")
        asked = [expression for name in columns if name in kinds for expression in (F.sum(wide(name)), F.count(f"`{name}`"))]
        found = iter(frame.agg(*asked).collect()[0] if asked else [])
        return Sums({name: (next(found) or decimal.Decimal(0), next(found)) if name in kinds else (decimal.Decimal(0), 0)
                     for name in columns})

    def plus(self, other, sign=1):
        with decimal.localcontext(decimal.Context(prec=60)):
            return Sums({name: (total + sign * other.parts[name][0], values + sign * other.parts[name][1])
                         for name, (total, values) in self.parts.items()})

    def minus(self, other):
        return self.plus(other, -1)

    def told(self, name):
        """As weir's own engine writes it: without zeros at the end."""
        text = f"{self.parts[name][0]:f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return {"sum": "0" if text in ("-0", "") else text, "values": self.parts[name][1]}


def text_of(frame, name):
    """A column as weir's own engine tells it in quarantine."""
    kind = dict(frame.dtypes)[name]
    text = F.col(f"`{name}`").cast("string")
    return F.concat(text, F.lit("+00")) if kind == "timestamp" else text


class MergeLatest:
    def __init__(self, spark, operation):
        self.spark, self.operation = spark, operation
        self.storage = Storage(spark)
        self.target = uri(operation["target"]["uri"])
        params = operation["params"]
        self.key = params.get("key") or operation["target"].get("key") or []
        self.partition_by = params.get("partition_by") or []
        self.order_by = params.get("order_by") or ""
        self.identities, self.columns = [], []
        self.rejects, self.rejected = [], None
        self.control = (operation["target"].get("options") or {}).get("control_columns") or []
        self.sums = {}
        self.exists = self.storage.size(f"{self.target}/.hoodie/hoodie.properties") is not None
        if not self.key:
            raise Fault("invalid_config", f"dataset '{operation['target']['dataset']}' has no key",
                        "give the dataset `key: [column, …]`, or the task `key`")
        if params.get("delete_column"):  # weir does not ask for it
            raise Fault("unsupported", "delete_column on engine spark: Hudi would store the column that marks deletes",
                        "set `engine: embedded` on the task")

    def run(self):
        if self.exists:
            for instant, metadata in completed_commits(self.storage, self.target):
                if metadata.get("extraMetadata", {}).get(PREFIX + "token") == self.operation["token"]:
                    return outcome_of(self.operation, instant, metadata, True)
        source, rows_in = self.source()
        source = self.quarantine(source)
        newest = self.newest(source).persist()
        fresh, counts = self.compare(newest, rows_in)
        self.check_sums()
        self.check_guard()
        self.write(fresh, counts)
        for instant, metadata in completed_commits(self.storage, self.target):
            if metadata.get("extraMetadata", {}).get(PREFIX + "token") == self.operation["token"]:
                self.check_rows(counts)
                return outcome_of(self.operation, instant, metadata, False)
        raise Fault("internal", "Spark's commit does not carry the token of this operation")

    def source(self):
        """Every row of the pinned objects, with its place; and how many there are."""
        frames = []
        for number, pinned in enumerate(self.operation["inputs"][0]["objects"]):
            path = f"{uri(pinned['uri'])}/{pinned['name']}"
            size = self.storage.size(path)
            if size is None:
                raise Fault("not_found", f"'{pinned['name']}' in '{pinned['uri']}' is gone")
            if pinned.get("size_bytes") and size != pinned["size_bytes"]:
                raise Fault("corrupt", f"'{pinned['name']}' in '{pinned['uri']}' has {size} bytes, pinned were {pinned['size_bytes']}")
            self.take_footer(path, pinned)
            frames.append(self.placed(self.spark.read.parquet(path)).withColumn("_weir_file", F.lit(number)))
        if not frames:
            raise Fault("invalid_config", "merge_latest has no input")
        source = frames[0]
        for frame in frames[1:]:
            source = source.unionByName(frame, allowMissingColumns=True)
        for what, names in (("key", self.key), ("partition_by", self.partition_by), ("order_by", [self.order_by] if self.order_by else [])):
            for name in names:
                if name not in source.columns:
                    raise Fault("schema_drift", f"{what} '{name}' is no column of {self.operation['inputs'][0]['dataset']}",
                                "it may be missing in the newest files")
        self.control = [name for name in self.control if name in source.columns]  # what rows lack is left out
        self.sums["in"] = Sums.of(source, self.control)
        return source, source.count()

    def placed(self, frame):
        """With the columns that say where a row came from; objects of others may lack them."""
        if "_source_row" not in frame.columns:
            frame = frame.withColumn("_source_row", F.col("_metadata.row_index") + 1)
        return frame if "_source_file" in frame.columns else frame.withColumn("_source_file", F.lit(None).cast("string"))

    def business(self, frame):
        return [name for name in frame.columns if name not in LOAD_COLUMNS and not name.startswith(("_weir_", "_hoodie_"))]

    def fault(self):
        """Why a row cannot be kept: NULL where it can."""
        no_key = " OR ".join(f"`{name}` IS NULL" for name in self.key)
        is_empty = " AND ".join(f"cast(`{name}` AS string) = ''" for name in self.key)
        no_order = f" WHEN `{self.order_by}` IS NULL THEN 'null_order'" if self.order_by else ""
        return F.expr(f"CASE WHEN {no_key} THEN 'null_key' WHEN {is_empty} THEN 'empty_key'{no_order} END")

    def quarantine(self, source):
        """The rows that can be kept; the others lie in one object of rejected rows from then on."""
        judged = source.withColumn("_weir_fault", self.fault()).persist()
        faults = judged.where("_weir_fault IS NOT NULL").groupBy("_weir_fault").count().orderBy("_weir_fault").collect()
        self.rejects = [{"reason": fault, "column": self.order_by if fault == "null_order" else ", ".join(self.key), "rows": rows}
                        for fault, rows in faults]
        if faults:
            self.write_rejected(judged.where("_weir_fault IS NOT NULL"), sum(rows for _, rows in faults))
        self.sums["rejected"] = Sums.of(judged.where("_weir_fault IS NOT NULL"), self.control)
        self.sums["good"] = Sums.of(judged.where("_weir_fault IS NULL"), self.control)
        return judged.where("_weir_fault IS NULL").drop("_weir_fault")

    def rejected_rows(self, faulty):
        operation = self.operation
        of_key = F.coalesce(*[F.when(F.col(f"`{name}`").isNull(), F.lit(name)) for name in self.key])
        by_reason = {"null_order": F.lit(self.order_by), "null_key": of_key, "empty_key": F.lit(", ".join(self.key))}
        reason = F.col("_weir_fault")
        values = F.struct(*[text_of(faulty, name).alias(name) for name in self.business(faulty)])
        told = {"reason": reason, "line": F.col("_source_row"), "source_file": F.col("_source_file"),
                "column": F.coalesce(*[F.when(reason == fault, column) for fault, column in by_reason.items()]),
                "message": F.coalesce(*[F.when(reason == fault, F.lit(text)) for fault, text in MESSAGES.items()]),
                "values": F.to_json(values, {"ignoreNullFields": "false"}), "as_of": F.lit(operation.get("as_of")),
                "_run_id": F.lit(operation["origin"]["run_id"]), "_loaded_at": F.lit(operation["origin"]["logical_time"])}
        ordered = faulty.repartition(1).sortWithinPartitions("_weir_file", "_source_row")
        return ordered.select(*[told.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in REJECTED])

    def write_rejected(self, faulty, rows):
        """Put whole, before the commit that leaves these rows out; an earlier attempt may have come that far."""
        operation = self.operation
        place = operation["target"].get("rejected_uri")
        if not place:
            raise Fault("invalid_config", f"{rows} rows must be quarantined and there is no place for them",
                        "give the operation's target a `rejected_uri`")
        name = f"merge-{operation['token'][:16]}.parquet"
        path, scratch = f"{uri(place)}/{name}", f"{uri(place)}/_weir/merge-{operation['token'][:16]}"
        if self.storage.size(path) is None:
            counts = dict.fromkeys(COUNTS, 0) | {"rejected": rows}
            footer = {"token": operation["token"], "identity": operation["token"], "counts": json.dumps(counts),
                      "run": operation["origin"]["run_id"]}
            self.storage.remove(scratch)  # of an attempt that died
            self.rejected_rows(faulty).write.parquet(f"{scratch}/parts")
            parts = [f"{scratch}/parts/{part}" for part in self.storage.names(f"{scratch}/parts") if part.endswith(".parquet")]
            self.storage.join(sorted(parts), f"{scratch}/{name}", {PREFIX + key: value for key, value in footer.items()}
                              | {"org.apache.spark.version": self.spark.version})
            self.storage.move(f"{scratch}/{name}", path)
            self.storage.remove(scratch)
        if self.storage.footer(path).get(PREFIX + "token") != operation["token"]:
            raise Fault("conflict", f"'{name}' in '{place}' belongs to another merge")
        self.rejected = {"name": name, "rows": self.storage.rows(path), "size_bytes": self.storage.size(path),
                         "sha256": self.storage.digest(path)}

    def take_footer(self, path, pinned):
        """The identity by which a run knows that the object was taken in, and its business columns."""
        footer = self.storage.footer(path)
        self.identities.append(footer.get(PREFIX + "identity") or pinned["sha256"])
        known = {column["name"] for column in self.columns}
        self.columns += [column for column in json.loads(footer.get(PREFIX + "schema", "[]")) if column["name"] not in known]

    def newest(self, source):
        """One row for each key; the load columns say which run took it in."""
        order = [F.col(self.order_by).desc()] if self.order_by else []
        window = Window.partitionBy(*self.key).orderBy(*order, F.col("_weir_file").desc(), F.col("_source_row").desc())
        ranked = source.withColumn("_weir_nth", F.row_number().over(window)).where("_weir_nth = 1")
        at = F.lit(self.operation["origin"]["logical_time"]).cast("timestamp")
        return ranked.select(*[f"`{name}`" for name in self.business(source)], F.lit(self.operation["origin"]["run_id"]).alias("_run_id"),
                             "_source_file", "_source_row", at.alias("_loaded_at"))

    def ordering_field(self):
        return self.order_by or "_loaded_at"

    def compare(self, newest, rows_in):
        """The rows that are to be written, and what becomes of all."""
        rows, rejected = newest.count(), sum(each["rows"] for each in self.rejects)
        counts = dict.fromkeys(COUNTS, 0) | {"in": rows_in, "inserted": rows, "rejected": rejected,
                                             "deduplicated": rows_in - rejected - rows, "out": rows}
        taken = Sums.of(newest, self.control)
        none = taken.minus(taken)
        self.sums |= {"deduplicated": self.sums["good"].minus(taken), "inserted": taken, "updated_in_place": none, "unchanged": none,
                      "out": taken}
        if not self.exists:
            return newest, counts
        table = self.spark.read.format("hudi").load(self.target)
        control = [name for name in self.control if name in table.columns]
        there = table.select(*[F.col(name).alias(f"_weir_key_{name}") for name in self.key],
                             F.col(self.ordering_field()).alias("_weir_order"), *[F.col(name).alias(f"_weir_was_{name}") for name in control])
        same = [F.col(f"_weir_key_{name}").eqNullSafe(F.col(name)) for name in self.key]
        joined = newest.join(there, same, "left").persist()
        is_there = " AND ".join(f"_weir_key_{name} IS NOT NULL" for name in self.key)
        is_stale = f"({is_there}) AND _weir_order > `{self.ordering_field()}`"
        counts["unchanged"] = joined.where(is_stale).count()
        counts["updated_in_place"] = joined.where(f"({is_there}) AND NOT coalesce(_weir_order > `{self.ordering_field()}`, false)").count()
        counts["inserted"] = rows - counts["unchanged"] - counts["updated_in_place"]
        counts["out"] = there.count() + counts["inserted"]
        stale = Sums.of(joined.where(is_stale), self.control)
        met = joined.where(f"({is_there}) AND NOT coalesce({is_stale}, false)")
        updated = Sums.of(met, self.control)
        was = Sums.of(met.select(*[F.col(f"_weir_was_{name}").alias(name) for name in control]), self.control)
        fresh = taken.minus(stale)
        self.sums |= {"unchanged": stale, "updated_in_place": updated, "inserted": fresh.minus(updated),
                      "out": Sums.of(table, self.control).minus(was).plus(fresh)}
        return joined.where(f"NOT coalesce({is_stale}, false)").select(*[f"`{name}`" for name in newest.columns]), counts

    def check_sums(self):
        """What came in is accounted for, by readings of its parts."""
        accounted = self.sums["inserted"]
        for part in ("updated_in_place", "rejected", "deduplicated", "unchanged"):
            accounted = accounted.plus(self.sums[part])
        for name in self.control:
            if accounted.parts[name] != self.sums["in"].parts[name]:
                raise Fault("check_failed", f"the sum of control column '{name}' does not close: in {self.sums['in'].told(name)}, "
                                            f"accounted for: {accounted.told(name)}")

    def told_sums(self):
        """As weir's own engine tells them, without a digest over keys."""
        columns = {}
        for name in self.control:
            told = {part: self.sums[part].told(name) for part in SUMS}
            columns[name] = {part: value for part, value in told.items() if part in ("in", "out") or value != {"sum": "0", "values": 0}}
        return {"sums": {"columns": columns}} if columns else {}

    def check_guard(self):
        """The lock object still carries our epoch: asked again just before the commit."""
        guard = self.operation.get("guard") or {}
        if not guard.get("lock_uri"):
            return
        text = self.storage.read(f"{uri(guard['lock_uri'])}/{guard['lock_name']}")
        epoch = json.loads(text)["epoch"]
        if epoch != guard["epoch"]:
            raise Fault("conflict", f"{guard['lock_uri']} was taken over: epoch {epoch} holds it now, ours was {guard['epoch']}")

    def extra(self, counts):
        """What weir finds again in the commit: the keys of docs/format/hudi.md."""
        operation = self.operation
        types = {"_source_row": "bigint", "_loaded_at": "timestamp"}
        schema = self.columns + [{"name": name, "type": types.get(name, "varchar")} for name in LOAD_COLUMNS]
        extra = {"token": operation["token"], "op": operation["op"], "counts": json.dumps(counts), "run": operation["origin"]["run_id"],
                 "identities": json.dumps(self.identities), "details": json.dumps({"engine": "spark", "rejects": self.rejects} | self.told_sums()),
                 "inputs": json.dumps(lineage_of(operation["inputs"])), "schema": json.dumps(schema)}
        if operation.get("as_of"):
            extra["as_of"] = operation["as_of"]
        if self.rejected:
            extra["rejected"] = json.dumps(self.rejected)
        return {PREFIX + key: value for key, value in extra.items()}

    def table_name(self):
        name = re.sub("[^A-Za-z0-9_]", "_", self.operation["target"]["dataset"].split(".")[-1])
        return f"_{name}" if name[:1].isdigit() else name

    def key_generator(self):
        is_simple = len(self.key) == 1 and len(self.partition_by) == 1
        return f"org.apache.hudi.keygen.{'Simple' if is_simple else 'Complex' if self.partition_by else 'Nonpartitioned'}KeyGenerator"

    def create_table(self):
        """The properties that weir's own engine gives a table. Not Hudi's own way to make one: it takes the
        lock object, which is there already, for a table that lost its properties."""
        name = self.table_name()
        properties = {
            "hoodie.table.name": name, "hoodie.table.type": "COPY_ON_WRITE", "hoodie.table.version": "6",
            "hoodie.timeline.layout.version": "1", "hoodie.table.base.file.format": "PARQUET",
            "hoodie.table.recordkey.fields": ",".join(self.key), "hoodie.table.partition.fields": ",".join(self.partition_by),
            "hoodie.table.precombine.field": self.ordering_field(), "hoodie.table.timeline.timezone": "UTC",
            "hoodie.table.keygenerator.class": self.key_generator(), "hoodie.table.cdc.enabled": "false",
            "hoodie.archivelog.folder": "archived", "hoodie.datasource.write.hive_style_partitioning": "true",
            "hoodie.datasource.write.partitionpath.urlencode": "true" if self.partition_by else "false",
            "hoodie.datasource.write.drop.partition.columns": "false", "hoodie.partition.metafile.use.base.format": "false",
            "hoodie.populate.meta.fields": "true",
            "hoodie.compaction.payload.class": "org.apache.hudi.common.model.DefaultHoodieRecordPayload",
            "hoodie.write.table.version": "6", "hoodie.write.auto.upgrade": "false", "hoodie.metadata.enable": "false",
            "weir.owner": "weir", "hoodie.table.checksum": str(zlib.crc32(f".{name}".encode()))}
        escaped = {key: re.sub(r"([\\:=#!])", r"\\\1", value) for key, value in properties.items()}
        self.storage.write(f"{self.target}/.hoodie/hoodie.properties", "".join(f"{key}={value}\n" for key, value in sorted(escaped.items())))

    def write(self, fresh, counts):
        if not self.exists:
            self.create_table()
        options = {
            "hoodie.table.name": self.table_name(),
            "hoodie.datasource.write.operation": "upsert",
            "hoodie.datasource.write.recordkey.field": ",".join(self.key),
            "hoodie.datasource.write.partitionpath.field": ",".join(self.partition_by),
            "hoodie.datasource.write.precombine.field": self.ordering_field(),
            "hoodie.datasource.write.keygenerator.class": self.key_generator(),
            "hoodie.datasource.write.payload.class": "org.apache.hudi.common.model.DefaultHoodieRecordPayload",
            "hoodie.datasource.write.hive_style_partitioning": "true",
            "hoodie.datasource.write.partitionpath.urlencode": "true" if self.partition_by else "false",
            "hoodie.table.timeline.timezone": "UTC",
            # A key stands for one row of the whole table, wherever it lies.
            "hoodie.index.type": "GLOBAL_SIMPLE", "hoodie.simple.index.update.partition.path": "true",
            # What other readers of the lake understand; weir's own writer goes on from it.
            "hoodie.write.table.version": "6", "hoodie.write.auto.upgrade": "false", "hoodie.metadata.enable": "false",
            "hoodie.datasource.write.commitmeta.key.prefix": PREFIX,
        }
        writer = fresh.write.format("hudi").options(**options).options(**self.extra(counts))
        writer.mode("append").save(self.target)

    def check_rows(self, counts):
        table = self.spark.read.format("hudi").load(self.target)
        rows = table.count()
        if rows != counts["out"]:
            raise Fault("check_failed", f"the table has {rows} rows, {counts['out']} were to be there")
        found = Sums.of(table, self.control)
        for name in self.control:
            if found.parts[name] != self.sums["out"].parts[name]:
                raise Fault("check_failed", f"column '{name}' of the table adds up to {found.told(name)}, it was to be "
                                            f"{self.sums['out'].told(name)}")


def cause_of(problem):
    """The innermost cause that the JVM names, else the first line."""
    lines = str(problem).splitlines() or [type(problem).__name__]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return causes[-1] if causes else lines[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--operation", required=True)
    parser.add_argument("--outcome", required=True)
    asked = parser.parse_args()
    with open(asked.operation, encoding="utf-8") as file:
        operation = json.load(file)
    try:
        spark = SparkSession.builder.appName(f"weir {operation['op']} {operation['target']['dataset']}").getOrCreate()
        for name, value in SETTINGS.items():
            spark.conf.set(name, value)
        answer = MergeLatest(spark, operation).run()
    except Fault as fault:
        answer = {"error": {"code": fault.code, "message": str(fault), "hint": fault.hint, "trail": []}}
    except Exception as problem:  # pylint: disable=broad-except  # The JVM's come as any kind.
        answer = {"error": {"code": "unavailable", "message": f"Spark failed: {cause_of(problem)[:600]}",
                            "hint": "the log of spark-submit tells the rest", "trail": []}}
        traceback.print_exc()
    with open(asked.outcome, "w", encoding="utf-8") as file:
        json.dump(answer, file)
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
