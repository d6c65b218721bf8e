"""One Spark with one Hudi bundle, driven by JSON: one object a line on stdin, one answer a line on
stdout. It runs in a process of its own (spark.py starts it), since a JVM has one bundle and a start
takes ten seconds. What Spark prints goes to stderr.

    {"op": "write", "path": …, "operation": "upsert", "mode": "append", "schema": […], "rows": [{…}, …], "options": {…}}
    {"op": "read", "path": …, "schema": […], "options": {…}, "where": "sql", "meta": true}
    {"op": "sql", "statements": [text, …]}      the rows of the last one, every value as text
    {"op": "view", "name": …, "schema": […], "rows": […]}
    {"op": "stop"}

A write or read may have "settings": {name: value} of the session, for itself alone.
Answers: {"ok": true, …} or {"ok": false, "error": {"message": …, "cause": …}}.
"""
import json
import os
import re
import sys

import values
from pyspark.sql import Row, SparkSession

META = ["_hoodie_commit_time", "_hoodie_commit_seqno", "_hoodie_record_key", "_hoodie_partition_path",
        "_hoodie_file_name"]


def session(jar: str, scratch: str, options: dict[str, str]) -> SparkSession:
    settings = {
        "spark.driver.extraClassPath": jar,
        # Small work on few cores: compiled code and many partitions would only cost.
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xss4m -Duser.timezone=UTC "
                                         "-Djol.skipHotspotSAAttach=true -Djol.skipDynamicAttach=true "
                                         f"-Djava.io.tmpdir={scratch} -Dderby.system.home={scratch}",
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": scratch,
        "spark.sql.warehouse.dir": f"{scratch}/warehouse",
        "spark.sql.session.timeZone": "UTC",
        # Files that Hudi's writer of Avro makes do not say by which calendar they count, weir's do: see continue_test.
        "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
        "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",  # of bulk_insert
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.kryo.registrator": "org.apache.spark.HoodieSparkKryoRegistrar",
        "spark.sql.extensions": "org.apache.spark.sql.hudi.HoodieSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.hudi.catalog.HoodieCatalog",
    }
    builder = SparkSession.builder.appName("weir-interop").master("local[2]")
    for name, value in (settings | options).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    return spark


def as_row(kind: values.Type, value):
    """Spark takes a struct as a Row."""
    if value is None:
        return None
    if kind.name == "struct":
        return Row(**{name: as_row(part, value[name]) for name, part in kind.fields})
    if kind.name == "list":
        return [as_row(kind.element, item) for item in value]
    if kind.name == "map":
        return {key: as_row(kind.element, item) for key, item in value.items()}
    return value


class Server:
    def __init__(self, spark: SparkSession):
        self.spark = spark

    def frame(self, asked):
        types = values.types_of(asked["schema"])
        rows = [tuple(as_row(kind, values.from_text(kind, row.get(name))) for name, kind in types.items())
                for row in asked["rows"]]
        ddl = ", ".join(f"`{name}` {kind.spark()}" for name, kind in types.items())
        return self.spark.createDataFrame(rows, ddl).coalesce(1)

    def write(self, asked):
        self.frame(asked).write.format("hudi").options(**asked["options"]) \
            .option("hoodie.datasource.write.operation", asked["operation"]) \
            .mode(asked.get("mode", "append")).save(asked["path"])
        return {}

    def read(self, asked):
        frame = self.spark.read.format("hudi").options(**asked.get("options", {})).load(asked["path"])
        if asked.get("where"):
            frame = frame.where(asked["where"])
        found = {field.name: field.dataType.simpleString() for field in frame.schema if field.name not in META}
        types = {name: kind for name, kind in values.types_of(asked["schema"]).items() if name in found}
        names = list(types) + (META if asked.get("meta") else [])
        rows = []
        for record in frame.select(*[f"`{name}`" for name in names]).collect():
            row = {name: values.to_text(kind, record[name]) for name, kind in types.items()}
            rows.append(row | {name: record[name] for name in names[len(types):]})
        return {"rows": rows, "types": found}

    def sql(self, asked):
        answer = None
        for statement in asked["statements"]:
            answer = self.spark.sql(statement)
        rows = [{name: None if value is None else str(value) for name, value in row.asDict().items()}
                for row in answer.collect()]
        return {"rows": rows}

    def view(self, asked):
        self.frame(asked).createOrReplaceTempView(asked["name"])
        return {}

    def answer(self, asked):
        known = {"write": self.write, "read": self.read, "sql": self.sql, "view": self.view}
        settings = asked.get("settings", {})
        before = {name: self.spark.conf.get(name) for name in settings}
        try:
            for name, value in settings.items():
                self.spark.conf.set(name, value)
            return {"ok": True} | known[asked["op"]](asked)
        except Exception as problem:  # pylint: disable=broad-except  # The JVM's come as any kind.
            text = str(problem)
            causes = re.findall(r"Caused by: ([^\n]*)", text)
            return {"ok": False, "error": {"message": text[:6000], "cause": causes[-1] if causes else ""}}
        finally:
            for name, value in before.items():
                self.spark.conf.set(name, value)


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Spark and its libraries print; stdout is for answers alone.
    spark = session(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
    server = Server(spark)
    jvm = spark.sparkContext._gateway.proc.pid  # pylint: disable=protected-access
    print(json.dumps({"ok": True, "jvm": jvm}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["op"] == "stop":
            break
        print(json.dumps(server.answer(asked)), file=answers, flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
