"""./dev bench hudi: what upserts into Hudi tables cost, outputs verified.

keys     10,000 random keys into 1 M rows, against DuckDB that copies the file groups which are touched (the least
         that any copy-on-write upsert must do), and against Spark with Hudi where it is set up
newest   1,000 new keys into tables of 1, 4 and 16 M rows: the size of a table must not count
large    10,000 random keys into a table of ten times the memory limit: every file is rewritten, memory stays bounded
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

COLUMNS = ["name", "addr", "city", "status", "phone", "mail", "note"]


def rows_sql(first, count, version=0):
    """Customers with keys from `first` on; a version changes the values, not the keys."""
    return (f"SELECT id, 'Customer#'||id AS name, md5(id::VARCHAR||'{version}') AS addr, 'City'||(hash(id,1)%5000) AS city, "
            f"['ACTV','INAC'][1+(hash(id,3)%2)::INT] AS status, '+1-'||(hash(id,4)%10000000) AS phone, 'c'||id||'@example.org' AS mail, "
            f"md5(id::VARCHAR) AS note, ((hash(id,5)%1000000)/100)::DECIMAL(12,2) + {version} AS credit, {version}::BIGINT AS version "
            f"FROM range({first}, {first + count}) t(id)")


def project(bench, name):
    columns = "id: bigint, " + ", ".join(f"{column}: varchar" for column in COLUMNS) + ", credit: 'decimal(12,2)', version: bigint"
    return bench.project(name, f"  - name: raw.c\n    identity: content\n    columns: {{{columns}}}\n  - {{name: stage.c, key: [id]}}\n",
                         "  - {id: a, template: ingest_files, with: {from: 'landing/*.csv', to: raw.c}}\n"
                         "  - {id: b, template: merge_latest, engine: '${WEIR_BENCH_ENGINE:-embedded}', needs: [a], "
                         "with: {from: raw.c, to: stage.c, order_by: version}}\n")


def prepared(bench, folder, base_sql, change_sql):
    """The table as it is, and a change that is ingested and waits."""
    bench.ask(f"COPY ({base_sql}) TO '{folder}/landing/a.csv' (HEADER)")
    base = [bench.WEIR, "--quiet", "--project", str(folder)]
    subprocess.run([*base, "run", "f", "--apply"], check=True)
    bench.ask(f"COPY ({change_sql}) TO '{folder}/landing/b.csv' (HEADER)")
    subprocess.run([*base, "task", "run", "--flow", "f", "--task", "a", "--run-key", "k"], check=True)
    return [*base, "task", "run", "--flow", "f", "--task", "b", "--run-key", "k"]


def live_files(bench, folder):
    """Data files of the newest version."""
    files = {}
    for path in sorted((folder / "stage/c").glob("*.parquet"), key=lambda each: each.name.rsplit("_", 1)[1]):
        files[path.name.split("_")[0]] = path
    return list(files.values())


def verified(bench, folder, rows, changed):
    found = bench.weir_rows(folder, "SELECT count(*) AS n, count(DISTINCT id) AS d, count(*) FILTER (version = 1) AS c FROM stage.c")[0]
    if (found["n"], found["d"], found["c"]) != (rows, rows, changed):
        sys.exit(f"bench: hudi: the table has {found}, not {rows} rows of which {changed} changed")


def keys(bench, count, scale):
    rows, changed = int(1_000_000 * scale), int(10_000 * scale)
    folder = project(bench, "hudi-keys")
    some = f"SELECT * FROM ({rows_sql(0, rows, 1)}) WHERE id IN (SELECT id FROM range({rows}) r(id) ORDER BY hash(id, 42) LIMIT {changed})"
    command = prepared(bench, folder, rows_sql(0, rows), some)
    template = bench.WORK / "hudi-template"
    shutil.rmtree(template, ignore_errors=True)
    shutil.copytree(folder, template)
    out = bench.WORK / "hudi-copy"
    touched = ", ".join(f"'{path}'" for path in live_files(bench, folder))
    copy = (f"COPY (FROM read_parquet([{touched}])) TO '{out}.parquet' (FORMAT parquet, COMPRESSION snappy)")
    size_before = sum(path.stat().st_size for path in live_files(bench, folder))
    rounds = []
    for _ in range(count + 1):
        shutil.rmtree(folder)
        shutil.copytree(template, folder)
        rounds.append((bench.measured(command), bench.measured(bench.peer(copy))))
    verified(bench, folder, rows, changed)
    written = sum(path.stat().st_size for path in live_files(bench, folder))
    same = {"weir": rows, "peer": bench.ask(f"SELECT count(*) FROM '{out}.parquet'")[0][0]}
    print(f"hudi keys: {changed} of {rows} rows; the table had {size_before / 1e6:.0f} MB, {written / 1e6:.0f} MB were written")
    bench.report("hudi keys", rounds[1:], same)
    spark(bench, folder, template, command, rounds[1:], rows, changed)


def spark(bench, folder, template, command, rounds, rows, changed):
    """The same operation by Spark, once: it takes a minute."""
    sys.path.insert(0, str(bench.ROOT / "tests/interop/spark"))
    sys.path.insert(0, str(bench.ROOT / "tests/acceptance"))
    try:
        import merge_latest_test  # noqa: E402  # pylint: disable=import-outside-toplevel
        environment = merge_latest_test.submit_environment("1.2.0")
    except Exception as reason:  # pylint: disable=broad-except
        print(f"hudi keys: no Spark to compare with ({reason})")
        return
    shutil.rmtree(folder)
    shutil.copytree(template, folder)
    subprocess.run([*command[:4], "cancel", "f"], check=True)  # the template waits in the middle of a run
    for path in folder.rglob("*.yaml"):
        path.write_text(path.read_text().replace("${WEIR_BENCH_ENGINE:-embedded}", "spark"))
    figures = bench.measured_tree([*command[:-8], "run", "f", "--apply"], **environment)
    verified(bench, folder, rows, changed)
    weir_cpu = sorted(ours["cpu"] for ours, _ in rounds)[len(rounds) // 2]
    weir_wall = sorted(ours["wall"] for ours, _ in rounds)[len(rounds) // 2]
    print(f"hudi keys spark: cpu {figures['cpu']:.2f}, wall {figures['wall']:.2f}")
    print(f"hudi keys spark ÷ weir: cpu {figures['cpu'] / weir_cpu:.1f}, wall {figures['wall'] / weir_wall:.1f}; outputs equal")


def newest(bench, count, scale):
    figures = {}
    for millions in (1, 4, 16):
        rows = int(millions * 1_000_000 * scale)
        folder = project(bench, f"hudi-newest-{millions}")
        command = prepared(bench, folder, rows_sql(0, rows), rows_sql(rows, 1000, 1))
        shutil.rmtree(folder / "landing")
        template = bench.WORK / "hudi-newest-template"
        shutil.rmtree(template, ignore_errors=True)
        shutil.copytree(folder, template)
        rounds = []
        for _ in range(count + 1):
            shutil.rmtree(folder)
            shutil.copytree(template, folder)
            os.sync()  # or the command's own would wait for the copy
            rounds.append(bench.measured(command))
        verified(bench, folder, rows + 1000, 1000)
        middle = {key: sorted(each[key] for each in rounds[1:])[count // 2] for key in ("cpu", "wall", "rss")}
        figures[millions] = middle
        print(f"hudi newest: 1,000 new keys into {millions} M rows: " + ", ".join(f"{key} {value:.2f}" for key, value in middle.items()))
        shutil.rmtree(folder)
        shutil.rmtree(template)
    print(f"hudi newest 16 M ÷ 1 M: cpu {figures[16]['cpu'] / figures[1]['cpu']:.2f}, wall {figures[16]['wall'] / figures[1]['wall']:.2f}; outputs equal")


def large(bench, scale):
    limit_mb, most = int(256 * scale), 1.5
    rows, changed = int(24_000_000 * scale), 10_000
    folder = project(bench, "hudi-large")
    some = f"SELECT * FROM ({rows_sql(0, rows, 1)}) WHERE id IN (SELECT (hash(i, 42) % {rows})::BIGINT FROM range({changed}) r(i))"
    command = prepared(bench, folder, rows_sql(0, rows), some)
    with open(folder / "weir.yaml", "a", encoding="utf-8") as file:
        file.write(f"defaults: {{resources: {{memory_limit: {limit_mb}MB}}}}\n")
    command = [*command[:4], "run", "f", "--apply"]
    subprocess.run([*command[:4], "cancel", "f"], check=True)  # it began without the limit
    size_mb = sum(path.stat().st_size for path in live_files(bench, folder)) / 1e6
    distinct = bench.ask(f"SELECT count(*) FROM '{folder}/landing/b.csv'")[0][0]
    before = {path.name for path in live_files(bench, folder)}
    figures = bench.measured(command)
    verified(bench, folder, rows, distinct)
    rewritten = len(before - {path.name for path in live_files(bench, folder)})
    verdict = "met" if figures["rss"] <= most * limit_mb and size_mb >= 10 * limit_mb else "MISSED"
    print(f"hudi large: {distinct} of {rows} rows in {rewritten} of {len(before)} files, {size_mb:.0f} MB under {limit_mb} MB: "
          f"{figures['rss']:.0f} MB at most (most {most * limit_mb:.0f}), cpu {figures['cpu']:.1f}, wall {figures['wall']:.1f}: {verdict}")
    shutil.rmtree(folder)


def suite(bench, count, scale):
    keys(bench, count, scale)
    newest(bench, count, scale)
    large(bench, scale)
