"""./dev bench sources: a table of PostgreSQL into Parquet, and objects into a bucket and out of it.

PostgreSQL 15 on this machine, 2 M rows of 16 columns, against what others use for the same: DuckDB's extension, connectorx,
dlt. Only a figure whose output is the same counts: rows, exact sums, bounds. What a peer makes other types of (connectorx and dlt
turn numeric(15,2) into decimal(38,10)) is compared by value.

S3 is versitygw over a folder of this machine; its limit is what a plain client reaches with the same bytes: curl with files that go
in one request each, boto3 with one that goes in parts."""
import os
import shutil
import statistics
import subprocess
import sys

PEERS = ["duckdb==1.5.5", "duckdb-extension-postgres-scanner==1.5.5", "connectorx==0.4.6", "pyarrow==26.0.0",
         "dlt[filesystem,parquet]==1.31.0", "sqlalchemy==2.0.44", "psycopg2-binary==2.9.11", "boto3==1.43.117", "botocore==1.43.117"]
# The most of the peer's CPU that we may take.
GOALS = {"duckdb": 0.9, "connectorx": 1 / 2, "dlt": 1 / 2.5}
LEAST_OF_LIMIT = 0.8

TABLE = """CREATE TABLE lines AS SELECT i AS id, i / 4 AS order_id, (i * 7919) % 200000 AS part, (i * 104729) % 10000 AS supplier, (i % 7)::int AS number,
  ((i * 31) % 5000 / 100.0)::numeric(15,2) AS quantity, ((i * 15485863) % 10000000 / 100.0)::numeric(15,2) AS price,
  (i % 11 / 100.0)::numeric(15,2) AS discount, (i % 9 / 100.0)::numeric(15,2) AS tax, (ARRAY['A','N','R'])[1 + i % 3] AS flag,
  (ARRAY['O','F'])[1 + i % 2] AS status, date '1992-01-01' + (i * 17 % 2500)::int AS shipped, date '1992-02-01' + (i * 19 % 2500)::int AS committed,
  (ARRAY['DELIVER IN PERSON','NONE','TAKE BACK RETURN','COLLECT COD'])[1 + i % 4] AS instruction, (ARRAY['AIR','RAIL','SHIP','TRUCK'])[1 + i % 4] AS mode,
  'comment ' || md5(i::text) AS comment FROM generate_series(1::bigint, {rows}) i"""
CHECK = ("SELECT count(*), sum(id)::varchar, sum(price)::decimal(38,2)::varchar, sum(quantity)::decimal(38,2)::varchar, min(shipped)::date::varchar, "
         "max(committed)::date::varchar, count(DISTINCT comment), sum(length(instruction))::varchar FROM read_parquet('{}')")

DUCKDB = """
import duckdb, glob, os, sys
c = duckdb.connect()
c.execute(f"SET threads={os.cpu_count()}")
(extension,) = glob.glob(sys.prefix + "/lib/python3*/site-packages/duckdb_extension_postgres_scanner/extensions/v*/postgres_scanner.duckdb_extension")
c.execute(f"LOAD '{extension}'")
c.execute(f"ATTACH '{sys.argv[1]}' AS pg (TYPE postgres, READ_ONLY)")
c.execute(f"COPY (FROM pg.public.lines) TO '{sys.argv[2]}' (FORMAT parquet, COMPRESSION zstd)")
"""
CONNECTORX = """
import connectorx, pyarrow.parquet, sys
table = connectorx.read_sql(sys.argv[1], "SELECT * FROM lines", return_type="arrow", protocol="binary")
pyarrow.parquet.write_table(table, sys.argv[2], compression="zstd")
"""
DLT = """
import dlt, os, sys
from dlt.sources.sql_database import sql_table
table = sql_table(credentials=sys.argv[1].replace("postgresql:", "postgresql+psycopg2:"), table="lines", schema="public", backend="connectorx",
                  backend_kwargs={"return_type": "arrow"}, chunk_size=100000, reflection_level="full")
pipeline = dlt.pipeline("bench", destination=dlt.destinations.filesystem("file://" + sys.argv[2]), dataset_name="d", pipelines_dir=sys.argv[2] + "-state")
pipeline.run(table, loader_file_format="parquet", write_disposition="replace")
"""


def peers_python(bench):
    python = bench.WORK / "venv-sources/bin/python"
    if not (bench.WORK / "venv-sources/complete").exists():
        bench.venv.create(bench.WORK / "venv-sources", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True)
        (bench.WORK / "venv-sources/complete").touch()
    return str(python)


def tests_of(bench):
    sys.path.insert(0, str(bench.ROOT / "tests"))


def clear(path):
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def table_into_parquet(bench, rounds, scale):
    import postgres
    python = peers_python(bench)
    rows = int(2_000_000 * scale)
    folder = bench.project("sources", "", "  - {id: a, template: ingest_database, with: {connection: shop, table: public.lines, to: raw.lines}}\n")
    out = bench.WORK / "sources-peer"
    with postgres.server() as server:
        url = server.create_database()
        server.sql(url, TABLE.format(rows=rows))
        server.sql(url, "ALTER TABLE lines ADD PRIMARY KEY (id)")
        server.sql(url, "VACUUM ANALYZE lines")
        with open(folder / "weir.yaml", "a") as yaml:
            yaml.write("connections:\n  - {connection_id: shop, kind: postgres, host: 127.0.0.1, user: postgres, "
                       f"port: {server.port}, database: {url.rpartition('/')[2]}}}\n")
        cases = {"weir": [bench.WEIR, "--quiet", "--project", str(folder), "run", "f", "--apply"]}
        for name, program in (("duckdb", DUCKDB), ("connectorx", CONNECTORX), ("dlt", DLT)):
            cases[name] = [python, "-c", program, url, str(out)]
        figures = {name: [] for name in cases}
        outputs = {}
        for turn in range(rounds + 1):
            for name, command in cases.items():
                for path in (out, out.with_name(out.name + "-state"), folder / "raw", folder / "weir.db"):
                    clear(path)
                figure = bench.measured(command, RUNTIME__DLTHUB_TELEMETRY="false", DLT_DATA_DIR=str(bench.WORK / "dlt"), NORMALIZE__WORKERS="2")
                if turn > 0:  # the first warms up
                    figures[name].append(figure)
                places = {"weir": folder / "raw/lines/*.parquet", "dlt": out / "d/lines/*.parquet"}
                outputs[name] = bench.ask(CHECK.format(places.get(name, out)))
    if any(output != outputs["weir"] for output in outputs.values()):
        raise SystemExit(f"bench: sources: outputs differ: {outputs}")
    print(f"sources: {rows} rows of PostgreSQL, outputs equal")
    for name, each in figures.items():
        print(f"sources {name}: " + ", ".join(f"{key} {statistics.median(f[key] for f in each):.2f}" for key in ("cpu", "wall", "rss")))
    for name, most in GOALS.items():
        ratios = {key: statistics.median(ours[key] / theirs[key] for ours, theirs in zip(figures["weir"], figures[name])) for key in ("cpu", "wall", "rss")}
        print(f"sources weir ÷ {name} (median of {rounds} rounds): cpu {ratios['cpu']:.2f} (most {most:.2f}), wall {ratios['wall']:.2f}, "
              f"rss {ratios['rss']:.2f}: {'met' if ratios['cpu'] <= most else 'MISSED'}")


BOTO = """
import boto3, os, sys
from boto3.s3.transfer import TransferConfig
how = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=4)
client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"], region_name="us-east-1")
if sys.argv[1] == "put":
    client.upload_file(sys.argv[2], "bench", "plain/large.bin", Config=how)
else:
    client.download_file("bench", "lake/large.bin", sys.argv[2], Config=how)
"""


class Objects:
    """Files in a folder, the same in a bucket, and in another folder; weir's way and a plain client's."""

    def __init__(self, bench, server, count, size):
        self.bench, self.server, self.count = bench, server, count
        self.folder = bench.project("objects", "", "")
        (self.folder / "weir.yaml").write_text("project: bench\ncatalog: sqlite:weir.db\nlayers:\n  - {name: lake, uri: s3://bench/lake}\n"
                                               f"  - {{name: out, uri: {bench.WORK / 'objects-out'}}}\n")
        self.files = [self.folder / "landing" / name for name in (["large.bin"] if count == 1 else [f"{i:03}.bin" for i in range(count)])]
        for file in self.files:
            with open(file, "wb") as out:  # piece by piece: a child's peak of memory begins with its parent's
                for _ in range(size >> 20):
                    out.write(os.urandom(1 << 20))
        self.out = bench.WORK / "objects-out"
        self.keys = {"AWS_ENDPOINT_URL_S3": server.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
        import versitygw
        self.keys |= {"AWS_ACCESS_KEY_ID": versitygw.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": versitygw.SECRET_KEY}
        self.curl = ["curl", "--silent", "--show-error", "--fail", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
                     f"{versitygw.ACCESS_KEY}:{versitygw.SECRET_KEY}", "--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]

    def weir(self, way):
        task = {"put": "{id: a, template: fetch_files, with: {from: landing, to: lake, pattern: '*.bin'}}",
                "get": "{id: a, template: fetch_files, with: {from: s3://bench/lake, to: out, pattern: '*.bin'}}"}[way]
        (self.folder / "flows/f.yaml").write_text(f"flow: f\ntasks:\n  - {task}\n")
        clear(self.folder / "weir.db")
        clear(self.server.folder / "data/bench/lake/.weir")
        return self.bench.measured([self.bench.WEIR, "--quiet", "--project", str(self.folder), "run", "f", "--apply"], **self.keys)

    def plain(self, way, python):
        if self.count == 1:
            place = self.files[0] if way == "put" else self.out / "large.bin"
            return self.bench.measured([python, "-c", BOTO, way, str(place)], **self.keys)
        words = []
        for file in self.files:
            if way == "put":
                words += ["-T", str(file), f"{self.server.endpoint}/bench/plain/{file.name}"]
            else:
                words += ["-o", str(self.out / file.name), f"{self.server.endpoint}/bench/lake/{file.name}"]
        return self.bench.measured([*self.curl, *words], **self.keys)

    def check(self, folder):
        for file in self.files:
            if subprocess.run(["cmp", folder / file.name, file]).returncode:
                raise SystemExit(f"bench: objects: {file.name} is another in {folder}")

    def round(self, way, python, plain_first=False):
        """Figures of both. Who writes second finds the memory that the first one's files have left, which a virtual
        machine gives much faster than new one: they take turns."""
        if way == "put":
            self.server.empty("bench")
        pair = [None, None]
        for who in (1, 0) if plain_first else (0, 1):
            clear(self.out)
            self.out.mkdir()
            pair[who] = self.plain(way, python) if who else self.weir(way)
            if way == "get":
                self.check(self.out)
        if way == "put":
            for folder in ("lake", "plain"):
                self.check(self.server.folder / "data/bench" / folder)
        return pair


def objects(bench, rounds, scale):
    import versitygw
    python = peers_python(bench)
    server = versitygw.Server()
    try:
        server.create_bucket("bench")
        for count, size, client in ((max(2, int(32 * scale)), 15 << 20, "curl"), (1, int(480 * scale) << 20, "boto3, 4 parts at once")):
            run = Objects(bench, server, count, size)
            for way in ("put", "get"):
                pairs = [run.round(way, python, turn % 2 == 0) for turn in range(rounds + 1)][1:]
                share = statistics.median(theirs["wall"] / ours["wall"] for ours, theirs in pairs)
                middle = {key: [statistics.median(pair[who][key] for pair in pairs) for who in (0, 1)] for key in ("cpu", "wall")}
                print(f"objects {way}, {count} of {size >> 20} MiB: {share:.2f} of the rate of {client} (least {LEAST_OF_LIMIT}): "
                      f"{'met' if share >= LEAST_OF_LIMIT else 'MISSED'}; wall {middle['wall'][0]:.2f} against {middle['wall'][1]:.2f} s, "
                      f"cpu {middle['cpu'][0]:.2f} against {middle['cpu'][1]:.2f} s, {max(ours['rss'] for ours, _ in pairs):.0f} MB")
    finally:
        server.stop()


def suite(bench, rounds, scale):
    tests_of(bench)
    table_into_parquet(bench, rounds, scale)
    objects(bench, rounds, scale)
