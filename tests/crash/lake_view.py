"""What a project shows to readers that are not weir, and what must not be left in it.

Rows are read with hudi-rs and pyarrow, the catalog with sqlite3 or psql. Columns that differ from run
to run (ids of runs, instants, sizes that hang on them) are left out, so that two projects with the
same history compare equal.
"""
import contextlib
import ctypes
import functools
import json
import os
import pathlib
import sqlite3
import subprocess

import pyarrow.parquet as pq
from hudi import HudiTableBuilder

RUN_COLUMNS = {"_run_id", "_loaded_at", "_row_key"}
TEMPORARY = ".weir-tmp-"

CATALOG_ROWS = {
    "flow_run": "SELECT flow_id, run_key, state, error_code, error_text FROM flow_run ORDER BY 1, 2",
    "task_run": """SELECT r.flow_id, r.run_key, t.task_id, t.state, t.error_code, t.error_text, t.held_reason
        FROM task_run t JOIN flow_run r ON r.run_id = t.run_id ORDER BY 1, 2, 3""",
    "reconciliation": """SELECT r.run_key, c.task_id, c.hop, c.is_closed, c.rows_in, c.inserted, c.updated_in_place,
        c.rejected, c.deduplicated, c.unchanged, c.filtered, c.closed_by_change, c.closed_by_absence, c.rows_out
        FROM reconciliation c JOIN flow_run r ON r.run_id = c.run_id ORDER BY 1, 2, 3, 5, 6, 7, 10, 12, 13, 14""",
    "rejected_rows": """SELECT r.run_key, j.task_id, j.reason, j.column_name, j.row_count, j.dataset
        FROM rejected_rows j JOIN flow_run r ON r.run_id = j.run_id ORDER BY 1, 2, 3, 4, 5""",
    "hold": "SELECT target, reason, state FROM hold ORDER BY 1, 2, 3",
    # Tokens of raw objects hang on nothing but the input; later ones on the instants that they read.
    "publication": """SELECT dataset, CASE WHEN instant = '' THEN token ELSE '' END AS token, object_name, row_count, as_of_us,
        source_name, source_sha256, counts, schema FROM publication ORDER BY 1, 3, 5, 4, 8""",
    "watermark": "SELECT target, source, as_of_us FROM watermark ORDER BY 1, 2",
    "file_ledger": """SELECT target, CASE WHEN as_of_us IS NULL THEN '' ELSE identity END AS identity, source_name, source_sha256,
        size_bytes, as_of_us, CASE WHEN source_name = '' THEN '' ELSE token END AS token FROM file_ledger ORDER BY 1, 2, 3, 6""",
    "unfinished": "SELECT task_id FROM task_run WHERE state IN ('running', 'waiting', 'ready')",
    "schema_history": "SELECT dataset, version, columns FROM schema_history ORDER BY 1, 2",
}
CONFIGURATION = ("project", "layer", "dataset", "connection", "template", "pool", "flow", "task", "task_dependency",
                 "schedule", "file_trigger", "notification_rule")


class SqliteCatalog:
    def __init__(self, project):
        self.path = pathlib.Path(project) / "weir.db"
        self.url = f"sqlite:{self.path}"

    def select(self, sql):
        return self.select_all({"": sql})[""]

    def select_all(self, queries):
        # Closed at once: whoever closes last removes files that a later clean-up has listed already.
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as connection:
            return {name: [list(row) for row in connection.execute(sql).fetchall()] for name, sql in queries.items()}


class PostgresCatalog:
    def __init__(self, server, url):
        self.server, self.url = server, url

    def select(self, sql):
        return self.select_all({"rows": sql})["rows"]

    def select_all(self, queries):
        parts = [f"'{name}', (SELECT coalesce(json_agg(row_to_json(q)), '[]') FROM ({sql}) AS q)" for name, sql in queries.items()]
        found = json.loads(self.server.sql(self.url, f"SELECT json_build_object({', '.join(parts)})"))
        return {name: [list(row.values()) for row in rows] for name, rows in found.items()}


def catalog_rows(catalog):
    return catalog.select_all(CATALOG_ROWS)


def configuration_rows(catalog):
    """What `weir apply` writes; None where there are no tables, or no catalog, yet."""
    try:
        return {table: sorted(catalog.select(f"SELECT * FROM {table}"), key=repr) for table in CONFIGURATION}
    except sqlite3.OperationalError as problem:
        if "no such table" in str(problem):
            return None
        raise


def as_rows(table):
    return sorted(tuple((name, str(value)) for name, value in sorted(row.items())
                        if not name.startswith("_hoodie_") and name not in RUN_COLUMNS)
                  for row in table)


def hudi_rows(folder, at=None):
    """What hudi-rs reads, as sorted rows; None where there is no table yet."""
    folder = pathlib.Path(folder).resolve()
    if not (folder / ".hoodie/hoodie.properties").exists():
        return None
    builder = HudiTableBuilder.from_base_uri(str(folder))
    if at is not None:
        from hudi import HudiReadOptions
        batches = builder.build().read(HudiReadOptions().with_as_of_timestamp(at))
    else:
        batches = builder.build().read()
    return as_rows(row for batch in batches for row in batch.to_pylist())


def completed(folder, brings_rows=True):
    """Completed instants, oldest first; where asked so without the empty one with which a table begins."""
    timeline = pathlib.Path(folder) / ".hoodie"
    if not timeline.exists():
        return []
    return sorted(path.name.partition(".")[0] for path in timeline.iterdir()
                  if path.suffix in (".commit", ".replacecommit")
                  and not (brings_rows and '"weir.service"' in path.read_text()))


def hudi_states(folder):
    """The rows after each completed instant, oldest first."""
    return [hudi_rows(folder, instant) for instant in completed(folder)]


def parquet_objects(folder):
    """Rows of each raw (or quarantine) object by its name. Every one of them must read whole."""
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*.parquet")) if pathlib.Path(folder).exists() else []:
        if not path.name.startswith("."):
            found[path.name] = as_rows(pq.read_table(path).to_pylist())
    return found


def hudi_leftovers(folder):
    """What no completed commit of the table names, and what says that something is under way. Markers
    of a completed commit are nobody's business: the next commit removes them."""
    folder = pathlib.Path(folder)
    left, named = [], set()
    timeline = folder / ".hoodie"
    if not timeline.exists():
        return left
    done = completed(folder, brings_rows=False) + [path.name.partition(".")[0] for path in timeline.glob("*.clean")]
    for path in sorted(timeline.iterdir()):
        instant, _, kind = path.name.partition(".")
        if kind in ("commit", "replacecommit"):
            for stats in json.loads(path.read_text())["partitionToWriteStats"].values():
                named |= {stat["path"] for stat in stats}
        elif instant.isdigit() and instant not in done:
            left.append(f".hoodie/{path.name}")
    for path in sorted((timeline / ".temp").glob("*/**/*")):
        instant = path.relative_to(timeline / ".temp").parts[0]
        if path.is_file() and not path.name.startswith(TEMPORARY) and instant not in done:
            left.append(str(path.relative_to(folder)))
    return left + [path.name for path in sorted(folder.glob("*.parquet"))
                   if path.name not in named and not path.name.startswith(TEMPORARY)]


def temporaries(project):
    """What a killed process leaves of the file that it was writing: invisible, one a process."""
    return [str(path.relative_to(project)) for path in pathlib.Path(project).rglob(f"{TEMPORARY}*")]


@functools.cache
def duckdb():
    """DuckDB's C library: in this process, a look at a file costs no start of a program."""
    library = ctypes.CDLL(str(pathlib.Path(__file__).resolve().parents[2] / ".deps/duckdb/lib/libduckdb.so"))
    for name in ("duckdb_column_name", "duckdb_result_error"):
        getattr(library, name).restype = ctypes.c_char_p
    for name in ("duckdb_column_count", "duckdb_row_count"):
        getattr(library, name).restype = ctypes.c_uint64
    library.duckdb_value_varchar.restype = ctypes.c_void_p
    library.duckdb_value_varchar.argtypes = (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)
    library.duckdb_column_name.argtypes = (ctypes.c_void_p, ctypes.c_uint64)
    library.duckdb_free.argtypes = (ctypes.c_void_p,)
    return library


def duckdb_rows(path, *queries):
    """For each query its rows as dictionaries of texts, or None where it fails (there is no such table). The
    file is not changed, a log beside it is read; raises where it is no whole database."""
    library, database, connection, config = duckdb(), ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    problem = ctypes.c_char_p()
    library.duckdb_create_config(ctypes.byref(config))
    for name, value in ((b"access_mode", b"READ_ONLY"), (b"threads", b"1")):
        library.duckdb_set_config(config, name, value)
    failed = library.duckdb_open_ext(str(path).encode(), ctypes.byref(database), config, ctypes.byref(problem))
    library.duckdb_destroy_config(ctypes.byref(config))
    if failed:
        raise AssertionError(f"{path} does not open: {problem.value}")
    library.duckdb_connect(database, ctypes.byref(connection))
    try:
        return [_rows_of(library, connection, query) for query in queries]
    finally:
        library.duckdb_disconnect(ctypes.byref(connection))
        library.duckdb_close(ctypes.byref(database))


def _rows_of(library, connection, query):
    result = ctypes.create_string_buffer(256)  # a duckdb_result, which is smaller
    if library.duckdb_query(connection, query.encode(), result):
        library.duckdb_destroy_result(result)
        return None
    names = [library.duckdb_column_name(result, column).decode() for column in range(library.duckdb_column_count(result))]
    rows = []
    for row in range(library.duckdb_row_count(result)):
        rows.append({})
        for column, name in enumerate(names):
            text = library.duckdb_value_varchar(result, column, row)
            rows[-1][name] = ctypes.string_at(text).decode() if text else None
            library.duckdb_free(text)
    library.duckdb_destroy_result(result)
    return rows


def weir_json(weir, project, catalog_url, *words):
    """What weir answers, as (rows, None), or (None, code of its error)."""
    done = subprocess.run([weir, "--quiet", "--project", str(project), "--output", "json", *words],
                          text=True, capture_output=True, timeout=120,
                          env=os.environ | {"WEIR_CATALOG": catalog_url, "TMPDIR": str(pathlib.Path(project) / "tmp")})
    if done.returncode == 0:
        return json.loads(done.stdout), None
    said = done.stdout.splitlines()
    if not said or not said[0].startswith("{"):
        raise AssertionError(f"weir {words} ended with {done.returncode} and no error: {done.stdout}{done.stderr}")
    return None, json.loads(said[0])["error"]["code"]
