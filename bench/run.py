#!/usr/bin/env python3
"""./dev bench [SUITE] [--rounds N] [--scale F]: what weir costs as a ratio to hand-written DuckDB in the same
run. Rounds are interleaved, every case is a fresh process, and outputs are compared before a figure
counts. CPU (user + system of the whole process) is the column to trust on a shared machine."""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parents[1]
WEIR = os.environ.get("WEIR", str(ROOT / "build/release/weir"))
WORK = ROOT / "build/bench"
DUCKDB = "1.5.5"  # the version that weir links


def peer_python():
    """A Python with the peer in it, in build/bench/venv."""
    python = WORK / "venv/bin/python"
    if not python.exists():
        venv.create(WORK / "venv", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"duckdb=={DUCKDB}"], check=True)
    return str(python)


def measured(command, **environment):
    """Wall and CPU seconds and peak resident MB of a command; fails where it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               env={**os.environ, **environment})
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"bench: {command} ended with {status}: {error.decode()[-2000:]}")
    return {"wall": time.perf_counter() - began, "cpu": usage.ru_utime + usage.ru_stime,
            "rss": usage.ru_maxrss / 1024}


def peer(sql):
    return [peer_python(), "-c", f"import duckdb; c = duckdb.connect(); c.execute('SET threads={os.cpu_count()}'); c.execute({sql!r})"]


def ask(sql):
    # Long statements would print their progress between the lines of JSON.
    program = ("import duckdb, json; c = duckdb.connect(); c.execute('SET enable_progress_bar=false'); "
               f"print(json.dumps(c.execute({sql!r}).fetchall(), default=str))")
    run = subprocess.run([peer_python(), "-c", program], text=True, capture_output=True, check=True)
    return json.loads(run.stdout)


def weir_rows(folder, sql):
    run = subprocess.run([WEIR, "--project", str(folder), "--output", "json", "table", "query", sql], text=True, capture_output=True, check=True)
    return json.loads(run.stdout)


def project(name, datasets, tasks):
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "flows").mkdir(parents=True)
    (folder / "landing").mkdir()
    layers = "".join(f"  - {{name: {layer}, uri: {layer}}}\n" for layer in ("landing", "raw", "stage"))
    (folder / "weir.yaml").write_text(f"project: bench\ncatalog: sqlite:weir.db\nlayers:\n{layers}datasets:\n{datasets}")
    (folder / "flows/f.yaml").write_text(f"flow: f\ntasks:\n{tasks}")
    return folder


def report(name, rounds, outputs):
    if outputs["weir"] != outputs["peer"]:
        sys.exit(f"bench: {name}: outputs differ: {outputs}")
    ratios = {key: statistics.median(weir[key] / other[key] for weir, other in rounds) for key in ("cpu", "wall", "rss")}
    for index, who in enumerate(("weir", "peer")):
        figures = [pair[index] for pair in rounds]
        print(f"{name} {who}: " + ", ".join(f"{key} {statistics.median(f[key] for f in figures):.2f}" for key in ("cpu", "wall", "rss")))
    print(f"{name} weir ÷ peer (median of {len(rounds)} rounds): cpu {ratios['cpu']:.2f}, wall {ratios['wall']:.2f}, rss {ratios['rss']:.2f}; outputs equal")
    return ratios


TYPES = {"id": "bigint", "part": "bigint", "quantity": "decimal(15,2)", "price": "decimal(15,2)", "discount": "decimal(15,2)",
         "flag": "varchar", "shipped": "date", "mode": "varchar", "comment": "varchar"}


LINE_BYTES = 93  # of a row of lines(), about


def lines(rows):
    return f"""SELECT i AS id, hash(i) % 200000 AS part, (hash(i,1) % 5000 / 100)::DECIMAL(15,2) AS quantity, (hash(i,2) % 10000000 / 100)::DECIMAL(15,2) AS price,
        (hash(i,3) % 11 / 100)::DECIMAL(15,2) AS discount, ['A','N','R'][1 + (hash(i,4) % 3)::INT] AS flag, DATE '1992-01-01' + (hash(i,5) % 2500)::INT AS shipped,
        ['AIR','RAIL','SHIP','TRUCK'][1 + (hash(i,6) % 4)::INT] AS mode, 'comment ' || md5(i::VARCHAR) AS comment FROM range({rows}) t(i)"""


def csv_suite(count, scale):
    """Landing CSV → raw Parquet with schema, rejects, load columns, source hash and record scan, against a
    plain COPY of DuckDB with declared types."""
    rows = int(6_000_000 * scale)
    columns = ", ".join(f"{name}: '{kind}'" if "(" in kind else f"{name}: {kind}" for name, kind in TYPES.items())
    folder = project("csv", f"  - name: raw.lines\n    columns: {{{columns}}}\n",
                     "  - {id: a, template: ingest_files, with: {from: 'landing/*.csv', to: raw.lines}}\n")
    source = folder / "landing/lines.csv"
    ask(f"COPY ({lines(rows)}) TO '{source}' (HEADER)")
    print(f"csv: {source.stat().st_size / 1e6:.0f} MB, {rows} rows")
    out = WORK / "csv-peer.parquet"
    declared = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in TYPES.items()) + "}"
    copy = peer(f"COPY (FROM read_csv('{source}', header=true, columns={declared}, auto_detect=false, delim=',', quote='\"')) TO '{out}' (FORMAT parquet, COMPRESSION zstd)")
    rounds = []
    for _ in range(count + 1):
        shutil.rmtree(folder / "raw", ignore_errors=True)
        (folder / "weir.db").unlink(missing_ok=True)
        rounds.append((measured([WEIR, "--quiet", "--project", str(folder), "run", "f", "--apply"]), measured(copy)))
    check = "SELECT count(*), sum(id), sum(price), sum(quantity), count(DISTINCT shipped) FROM '{}'"
    outputs = {"weir": ask(check.format(next((folder / "raw/lines").glob("*.parquet")))), "peer": ask(check.format(out))}
    return report("csv", rounds[1:], outputs)


def history_suite(count, scale):
    """A second snapshot with 1 % changed into the history of the first, against hand-written SQL that
    rewrites one Parquet history file."""
    rows = int(1_000_000 * scale)
    names = ["name", "addr", "city", "status", "phone"]
    columns = "id: bigint, " + ", ".join(f"{name}: varchar" for name in names) + ", credit: 'decimal(12,2)'"
    folder = project("history", f"  - name: raw.c\n    identity: as_of + content\n    columns: {{{columns}}}\n  - {{name: stage.c, key: [id]}}\n",
                     "  - {id: a, template: ingest_files, with: {from: 'landing/c-*.csv', as_of: 'c-(?<as_of>[0-9]{8})', to: raw.c}}\n"
                     "  - {id: b, template: merge_history, needs: [a], with: {from: raw.c, to: stage.c, deletes: by_absence}}\n")
    def picture(changed):
        credit = "((hash(id,5)%1000000)/100)::DECIMAL(12,2)"
        value = f"CASE WHEN hash(id,7)%100=0 THEN {credit}+1 ELSE {credit} END" if changed else credit
        return (f"SELECT id, 'Customer#'||id AS name, md5(id::VARCHAR) AS addr, 'City'||(hash(id,1)%5000) AS city, ['ACTV','INAC'][1+(hash(id,3)%2)::INT] AS status, "
                f"'+1-'||(hash(id,4)%10000000) AS phone, {value} AS credit FROM range(1,{rows}+1) t(id)" + (" WHERE hash(id,9)%1000<>0" if changed else ""))
    for day, changed in (("20260101", False), ("20260102", True)):
        ask(f"COPY ({picture(changed)}) TO '{folder}/landing/c-{day}.csv' (HEADER)")
    second = folder / "landing/c-20260102.csv"
    aside = WORK / "c-20260102.csv"
    shutil.move(second, aside)
    base = [WEIR, "--quiet", "--project", str(folder)]
    subprocess.run([*base, "run", "f", "--apply"], check=True)
    shutil.copy(aside, second)
    # Ingest the second picture; its merge alone is measured.
    subprocess.run([*base, "task", "run", "--flow", "f", "--task", "a", "--run-key", "k"], check=True)
    template = WORK / "history-template"
    shutil.rmtree(template, ignore_errors=True)
    shutil.copytree(folder, template)
    raw = sorted((folder / "raw/c").glob("c-20260102*.parquet"))[0]
    first = sorted((folder / "raw/c").glob("c-20260101*.parquet"))[0]
    cols = ["id", *names, "credit"]
    old, new = WORK / "history-old.parquet", WORK / "history-new.parquet"
    ask(f"COPY (SELECT {', '.join(cols)}, TIMESTAMP '2026-01-01' AS valid_from, NULL::TIMESTAMP AS valid_to, true AS is_current FROM '{first}') TO '{old}' (FORMAT parquet, COMPRESSION zstd)")
    digest = "hash(" + ", ".join("{}." + c for c in cols[1:]) + ")"
    h, s, cur = digest.replace("{}", "h"), digest.replace("{}", "s"), digest.replace("{}", "cur")
    sql = f"""COPY (WITH h AS (FROM '{old}'), s AS (SELECT {', '.join(cols)} FROM '{raw}'), cur AS (SELECT * FROM h WHERE is_current)
      SELECT {', '.join('h.' + c for c in cols)}, h.valid_from, CASE WHEN h.is_current AND (s.id IS NULL OR {s} <> {h}) THEN TIMESTAMP '2026-01-02' ELSE h.valid_to END AS valid_to,
             h.is_current AND s.id IS NOT NULL AND {s} = {h} AS is_current FROM h LEFT JOIN s ON h.id = s.id
      UNION ALL SELECT {', '.join('s.' + c for c in cols)}, TIMESTAMP '2026-01-02', NULL, true FROM s LEFT JOIN cur ON s.id = cur.id WHERE cur.id IS NULL OR {cur} <> {s}
    ) TO '{new}' (FORMAT parquet, COMPRESSION zstd)"""
    rounds = []
    for _ in range(count + 1):
        shutil.rmtree(folder)
        shutil.copytree(template, folder)
        rounds.append((measured([*base, "task", "run", "--flow", "f", "--task", "b", "--run-key", "k"]), measured(peer(sql))))
    row = weir_rows(folder, "SELECT count(*) AS n, count(*) FILTER (is_current) AS o, sum(credit) AS c FROM stage.c")[0]
    outputs = {"weir": [row["n"], row["o"], str(row["c"])],
               "peer": [str(x) if i == 2 else x for i, x in enumerate(ask(f"SELECT count(*), count(*) FILTER (is_current), sum(credit) FROM '{new}'")[0])]}
    return report("history", rounds[1:], outputs)


def measured_tree(command, **environment):
    """As measured(), for a command whose children do the work: their time is counted once they have ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env={**os.environ, **environment})
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall": wall, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def hudi_suite(rounds, scale):
    import upserts
    upserts.suite(sys.modules[__name__], rounds, scale)


def memory_suite(_rounds, scale):
    import memory
    memory.suite(sys.modules[__name__], scale)


def sources_suite(rounds, scale):
    import sources
    sources.suite(sys.modules[__name__], rounds, scale)


def arrivals_suite(rounds, scale):
    import arrivals
    arrivals.suite(sys.modules[__name__], rounds, scale)


def orchestration_suite(rounds, scale):
    import orchestration
    orchestration.suite(sys.modules[__name__], rounds, scale)


SUITES = {"arrivals": arrivals_suite, "csv": csv_suite, "history": history_suite, "hudi": hudi_suite, "memory": memory_suite,
          "orchestration": orchestration_suite, "sources": sources_suite}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", nargs="?", choices=[*SUITES, "all"], default="all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    asked = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    for name, suite in SUITES.items():
        # Some take long: they are asked for by name.
        if asked.suite == name or (asked.suite == "all" and name not in ("arrivals", "hudi", "memory", "orchestration", "sources")):
            suite(asked.rounds, asked.scale)


if __name__ == "__main__":
    main()
