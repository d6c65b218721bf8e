"""Starts and asks a Spark with one Hudi bundle (spark_server.py).

    spark = Spark("1.2.0", folder)          # returns at once; the first call waits for the start
    spark.write(path, schema, rows, "upsert", options)
    spark.read(path, schema)
    spark.sql("call show_commits(…)")
    spark.stop()

Raises setup.Missing where there is no Spark, SparkError with what Spark said.
"""
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import setup

HERE = pathlib.Path(__file__).parent


class SparkError(Exception):
    def __init__(self, error):
        super().__init__(f"{error['cause'] or ''} {error['message'][:600]}".strip())
        self.message, self.cause = error["message"], error["cause"]


class Spark:
    def __init__(self, bundle: str, folder: pathlib.Path, options: dict[str, str] | None = None):
        self.bundle = bundle
        self.calls, self.seconds, self.cpu_seconds = 0, 0.0, 0.0
        self.turn = threading.Lock()  # It answers one at a time.
        scratch = pathlib.Path(folder) / f"spark-{bundle}"
        scratch.mkdir(parents=True)
        self.log = scratch / "log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
        environment |= {"SPARK_HOME": str(setup.home()), "SPARK_LOCAL_IP": "127.0.0.1", "TZ": "UTC",
                        "PYTHONPATH": f"{HERE}:{setup.python_path()}", "PYTHONDONTWRITEBYTECODE": "1",
                        "PYSPARK_PYTHON": sys.executable}
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, HERE / "spark_server.py", setup.bundles()[bundle], scratch, json.dumps(options or {})],
                env=environment, cwd=scratch, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.is_ready = False

    def __str__(self):
        return f"Spark with Hudi {self.bundle}"

    def wait_until_ready(self):
        if not self.is_ready:
            self.jvm = self.answer()["jvm"]
            self.is_ready = True

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise RuntimeError(f"{self} ended with {self.process.returncode}: {self.log.read_text()[-3000:]}")
        return json.loads(line)

    def ask(self, op: str, **asked):
        with self.turn:
            self.wait_until_ready()
            started = time.monotonic()
            self.process.stdin.write(json.dumps({"op": op} | asked) + "\n")
            self.process.stdin.flush()
            answer = self.answer()
            self.calls += 1
            self.seconds += time.monotonic() - started
        if not answer["ok"]:
            raise SparkError(answer["error"])
        return answer

    def write(self, path, schema, rows, operation, options, mode="append", settings=None):
        self.ask("write", path=str(path), schema=schema, rows=rows, operation=operation, options=options, mode=mode,
                 settings=settings or {})

    def read(self, path, schema, options=None, where="", meta=False, settings=None):
        """Rows, and each column's type as Spark names it."""
        answer = self.ask("read", path=str(path), schema=schema, options=options or {}, where=where, meta=meta, settings=settings or {})
        return answer["rows"], answer["types"]

    def sql(self, *statements: str):
        return self.ask("sql", statements=statements)["rows"]

    def view(self, name, schema, rows):
        self.ask("view", name=name, schema=schema, rows=rows)

    def stop(self):
        if self.is_ready and self.process.poll() is None:
            ticks = pathlib.Path(f"/proc/{self.jvm}/stat").read_text().rpartition(")")[2].split()[11:13]
            self.cpu_seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        # It ends where its input does, and its JVM with it.
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
