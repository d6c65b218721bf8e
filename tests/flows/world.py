"""A project while a flow case runs in it: the real program, its words made deterministic, and the
state that two projects share when they are equal."""
import datetime
import hashlib
import json
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "acceptance"))
sys.path.insert(0, str(HERE.parents[1] / ".deps/python"))
from weir_project import WEIR, Project  # noqa: E402

TIMEOUT_S = 120
LEAST_AGE = datetime.timedelta(hours=1)
# Rows say when and by which run they came; equal tables may differ in that.
OF_THE_RUN = ("_run_id", "_loaded_at", "_row_key")


def weir(project: Project, words, environment=None, json_wanted=False) -> subprocess.CompletedProcess:
    flags = ["--output", "json"] if json_wanted else []
    return subprocess.run([WEIR, "--project", str(project.folder), *flags, *words], text=True, capture_output=True,
                          cwd=project.folder, env={**project.environment, **(environment or {})}, timeout=TIMEOUT_S)


def asked(project: Project, words, environment=None):
    """The JSON that a command prints; it must succeed."""
    run = weir(project, words, environment, json_wanted=True)
    if run.returncode != 0:
        raise AssertionError(f"weir {' '.join(words)} gave {run.returncode}: {run.stdout[-1000:]}{run.stderr[-1000:]}")
    return json.loads(run.stdout)


# ---- words ----

def settled_text(text: str, project: Project) -> str:
    """Without what differs from run to run: ids, the clock, durations, where the project lies."""
    text = text.replace(str(project.folder), "<project>")
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<run>", text)
    text = re.sub(r"\b2[0-9]{16}\b", "<instant>", text)
    text = re.sub(r"\b[0-9]+\.[0-9]{3} s\b", "<seconds>", text)
    now = datetime.datetime.now(datetime.timezone.utc)

    def clock(found):
        at = datetime.datetime.fromisoformat(found[0][:19] + "+00:00")
        return "<now>" if abs(now - at) < LEAST_AGE else found[0]
    return re.sub(r"\b2[0-9]{3}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]+)?Z?", clock, text)


def settled(text: str, project: Project) -> list[str]:
    """Its lines, settled, without empty ones around them."""
    text = settled_text(text, project)
    lines = [line.rstrip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return lines


def report(run: subprocess.CompletedProcess, project: Project) -> list[str]:
    """What a run says of its tasks: each hop, and each end that is not the plain success of a hop.
    Help follows what it helps with; the table in the end, which says the same again, is left out."""
    helps, about = {}, None
    for line in run.stdout.splitlines():
        if found := re.match(r"error: task '(.*)' failed: ", line):
            about = found[1]
        elif line.startswith("  help: ") and about is not None:
            helps[about] = line
    lines, told = [], set()
    for line in run.stderr.splitlines():
        task = re.match(r"  ([^:]+): ", line)
        if task is None and line.startswith("run "):
            continue
        if task is not None and re.fullmatch(r"  [^:]+: started \(attempt 1\)", line):
            continue
        if task is not None and line == f"  {task[1]}: succeeded" and task[1] in told:
            continue
        lines.append(line.removeprefix("  ") if task is not None else line)
        if task is not None:
            told.add(task[1])
            if line.startswith(f"  {task[1]}: failed") and task[1] in helps:
                lines.append(helps[task[1]])
    return settled("\n".join(lines), project)


def shown(value) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if value == "":
        return "''"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value).replace("\n", "\\n")


def table(names, rows, is_ordered: bool, project: Project) -> list[str]:
    cells = [[settled_text(shown(value), project) for value in row] for row in rows]
    if not is_ordered:
        cells.sort()
    cells = [list(names), *cells]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    return [" | ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]


def is_ordered(sql: str) -> bool:
    return re.search(r"\border\s+by\b", sql, re.IGNORECASE) is not None


def query(project: Project, words, sql: str, environment):
    """(exit status, lines): rows of a SELECT, or the error that it gave."""
    run = weir(project, [*words, sql], environment, json_wanted=True)
    if run.returncode != 0:
        return run.returncode, settled(run.stderr, project)
    rows = json.loads(run.stdout)
    if not rows:
        return 0, ["(no rows)"]
    names = columns_in_order(sql, rows[0])
    return 0, table(names, [[row[name] for name in names] for row in rows], is_ordered(sql), project)


def columns_in_order(sql: str, row: dict) -> list[str]:
    """JSON objects have no order of their own: names as they first stand in the SQL, others behind."""
    def place(name):
        found = re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", sql) or re.search(rf"\b{re.escape(name)}\b", sql)
        return found.start() if found else len(sql)
    return sorted(row, key=lambda name: (place(name), name))


# ---- the catalog, as it lies there ----

def catalog_rows(folder: pathlib.Path, sql: str):
    """(column names, rows) of a SELECT over a copy: looking must not repair what a killed run left."""
    with tempfile.TemporaryDirectory(prefix="weir-catalog-") as copy:
        for path in folder.glob("weir.db*"):
            shutil.copy(path, copy)
        if not (pathlib.Path(copy) / "weir.db").exists():
            return [], []
        connection = sqlite3.connect(pathlib.Path(copy) / "weir.db")
        try:
            cursor = connection.execute(sql)
            return [each[0] for each in cursor.description], cursor.fetchall()
        except sqlite3.OperationalError as problem:
            if "no such table" in str(problem):
                return [], []
            raise
        finally:
            connection.close()


def runs_of(folder: pathlib.Path, flow: str) -> list[tuple[str, str]]:
    """(run id, state) of the flow's runs, newest first."""
    quoted = flow.replace("'", "''")
    return catalog_rows(folder, f"SELECT run_id, state FROM flow_run WHERE flow_id = '{quoted}' ORDER BY run_id DESC")[1]


# Tokens of later hops are left out: they name the raw object's bytes, and in these stands the run.
CATALOG = {
    "layer": "SELECT name, uri, position FROM layer",
    "dataset": "SELECT layer, name, columns, key_columns, identity, contract FROM dataset",
    "template": "SELECT template_id, kind, location, params_schema FROM template",
    "flow": "SELECT flow_id, overlap, is_enabled FROM flow",
    "task": "SELECT flow_id, task_id, template_id, params FROM task",
    "needs": "SELECT flow_id, task_id, needs_task_id FROM task_dependency",
    "version": "SELECT hash, reason FROM config_version",
    "publication": "SELECT dataset, object_name, row_count, as_of_us, source_name, count(*) FROM publication "
                   "GROUP BY 1, 2, 3, 4, 5, token",
    "watermark": "SELECT target, source, as_of_us FROM watermark",
    "ledger": "SELECT target, source_name, as_of_us, count(*) FROM file_ledger GROUP BY 1, 2, 3",
    "schema": "SELECT dataset, version, columns FROM schema_history",
    "hold": "SELECT target, reason, state FROM hold",
    "rejected": "SELECT DISTINCT dataset, reason, column_name, row_count FROM rejected_rows",
    "hop": "SELECT DISTINCT hop, is_closed, rows_in, inserted, updated_in_place, rejected, deduplicated, unchanged, "
           "filtered, closed_by_change, closed_by_absence, rows_out FROM reconciliation",
    "run": "SELECT r.flow_id, r.state, r.error_code, t.task_id, t.state, t.error_code FROM flow_run r JOIN task_run t "
           "USING (run_id) WHERE r.run_id = (SELECT max(run_id) FROM flow_run f WHERE f.flow_id = r.flow_id)",
}


# ---- the lake ----

def row_text(row: dict) -> str:
    shown_row = {name: value for name, value in row.items()
                 if not name.startswith("_hoodie") and name not in OF_THE_RUN}
    return "  " + ", ".join(f"{name}={value}" for name, value in sorted(shown_row.items()))


def hudi_state(path: pathlib.Path) -> list[str]:
    """Commits, and the rows as another reader of Hudi sees them."""
    from hudi import HudiTableBuilder
    files = [each.name for each in (path / ".hoodie").iterdir()]
    done = [name for name in files if re.fullmatch(r"[0-9]+\.(commit|replacecommit|rollback|clean)", name)]
    started = [name for name in files if name.endswith(".requested")]
    counts = {word: sum(name.endswith("." + word) for name in done) for word in ("commit", "replacecommit")}
    lines = [f"  {count} {word}" for word, count in counts.items() if count]
    lines.append(f"  {len(started) - len(done)} unfinished")
    if any(counts.values()):
        batches = HudiTableBuilder.from_base_uri(str(path)).build().read()
        lines += sorted(row_text(row) for batch in batches for row in batch.to_pylist())
    return lines


def objects_state(path: pathlib.Path) -> list[str]:
    import pyarrow.parquet
    lines = []
    for file in sorted(path.glob("*.parquet")):
        lines.append(f"  {file.name}")
        lines += ["  " + row_text(row) for row in pyarrow.parquet.ParquetFile(file).read().to_pylist()]
    return lines


def is_technical(path: pathlib.PurePath) -> bool:
    """Locks, the catalog, and what a write that did not end left under a temporary name."""
    return path.name.startswith("weir.db") or path.name.endswith((".lock", "lock.json")) or {".locks", ".weir"} & set(path.parts) \
        or any(part.startswith(".weir-tmp") for part in path.parts)


def lake_state(project: Project) -> list[str]:
    lines, tables = [], []
    for hoodie in sorted(project.folder.rglob(".hoodie")):
        tables.append(hoodie.parent)
        lines += [f"table {hoodie.parent.relative_to(project.folder)}", *hudi_state(hoodie.parent)]
    for folder in sorted({path.parent for path in project.folder.rglob("*.parquet")}):
        if not any(folder.is_relative_to(each) for each in tables):
            tables.append(folder)
            lines += [f"objects {folder.relative_to(project.folder)}", *objects_state(folder)]
    for path in sorted(project.folder.rglob("*")):
        relative = path.relative_to(project.folder)
        is_lake = any(path.is_relative_to(each) for each in tables)
        if path.is_file() and not is_lake and not is_technical(relative) and path.suffix != ".duckdb":
            lines.append(f"file {relative}  {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}")
    return lines


def warehouse_state(project: Project, environment) -> list[str]:
    if not list(project.folder.rglob("*.duckdb")):
        return []
    lines = []
    for connection in asked(project, ["connection", "list"], environment)["connections"]:
        def rows(sql, name=connection["connection_id"]):
            return asked(project, ["connection", "query", name, sql], environment)
        tables = rows("SELECT table_schema AS s, table_name AS t FROM information_schema.tables ORDER BY ALL")
        for each in tables:
            lines.append(f"warehouse {connection['connection_id']} {each['s']}.{each['t']}")
            quoted = ".".join('"' + each[part].replace('"', '""') + '"' for part in ("s", "t"))
            found = rows(f"SELECT * FROM {quoted}")
            if each["t"] == "_weir_load":
                found = [{key: row[key] for key in ("table_name", "rows")} for row in found]
            lines += sorted(row_text(row) for row in found)
    return lines


def digests(project: Project, environment) -> list[str]:
    """What weir itself says: the digest that means equal, of each table of the lake."""
    lines = []
    for each in asked(project, ["table", "list"], environment)["tables"]:
        if each["format"] == "hudi":
            digest = asked(project, ["table", "verify", each["dataset"]], environment)["digest"]
            lines.append(f"digest {each['dataset']} {digest}")
    return lines


def without_tokens(lines: list[str]) -> str:
    """Rows that a merge rejects lie in an object named for its token."""
    return re.sub(r"\bmerge-[0-9a-f]{16}\.parquet", "merge-<token>.parquet", "\n".join(lines) + "\n")


def state(project: Project, environment=None) -> str:
    """All that must be the same after a flow was run again, or killed and retried: rows and commits
    of every table, objects, rejected rows, the warehouse, what the catalog knows of them, how the
    newest run of each flow ended, and whether every hop still closes."""
    lines = lake_state(project) + warehouse_state(project, environment)
    for name, sql in CATALOG.items():
        lines += sorted(f"{name} " + " ".join(shown(value) for value in row)
                        for row in catalog_rows(project.folder, sql)[1])
    if not catalog_rows(project.folder, "SELECT 1 FROM flow_run")[1]:
        return without_tokens(lines)
    lines += digests(project, environment)
    run = weir(project, ["reconcile"], environment)
    lines += [f"reconcile {line}" for line in settled(run.stdout + run.stderr, project)] + [f"reconcile {run.returncode}"]
    return without_tokens(lines)


def objects(project: Project) -> dict[str, tuple[int, int]]:
    """Every file that a run without new input leaves alone, with its size and time."""
    found = {}
    for path in sorted(project.folder.rglob("*")):
        relative = path.relative_to(project.folder)
        if path.is_file() and not is_technical(relative) and path.suffix != ".duckdb":
            found[str(relative)] = (path.stat().st_size, path.stat().st_mtime_ns)
    return found
