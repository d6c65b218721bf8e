"""./dev bench memory: peak resident memory, and what a memory limit costs.

A snapshot of 5 M rows goes through ingest and history under `memory_limit: 512MB` and without a limit,
then a second one with 1 % (or 98 %) of its rows changed; and CSV files are ingested of which the second
is ten times the first. Nothing is a peer here: weir is compared with itself."""
import shutil

LIMIT_MB, MOST_MB, MOST_SLOWER, MOST_GROWTH = 512, 768, 3.0, 1.2
NAMES = ["name", "addr", "city", "status", "phone"]
COLUMNS = "id: bigint, " + ", ".join(f"{name}: varchar" for name in NAMES) + ", credit: 'decimal(12,2)'"
DATASETS = f"  - name: raw.c\n    identity: as_of + content\n    columns: {{{COLUMNS}}}\n  - {{name: stage.c, key: [id]}}\n"
TASKS = ("  - {id: a, template: ingest_files, with: {from: 'landing/c-*.csv', as_of: 'c-(?<as_of>[0-9]{8})', to: raw.c}}\n"
         "  - {id: b, template: merge_history, needs: [a], with: {from: raw.c, to: stage.c, deletes: by_absence}}\n")


def snapshot(rows, changed_percent=None):
    """The first, or a second one: of that, 0.1 % of the keys are gone."""
    credit = "((hash(id,5)%1000000)/100)::DECIMAL(12,2)"
    value = credit if changed_percent is None else f"CASE WHEN hash(id,7)%100<{changed_percent} THEN {credit}+1 ELSE {credit} END"
    return (f"SELECT id, 'Customer#'||id AS name, md5(id::VARCHAR) AS addr, 'City'||(hash(id,1)%5000) AS city, "
            f"['ACTV','INAC'][1+(hash(id,3)%2)::INT] AS status, '+1-'||(hash(id,4)%10000000) AS phone, {value} AS credit "
            f"FROM range(1,{rows}+1) t(id)" + ("" if changed_percent is None else " WHERE hash(id,9)%1000<>0"))


def steps_of(bench, name, snapshots, limit_mb):
    """Figures of each task and snapshot, in a project of its own, and what the table holds in the end."""
    defaults = f"defaults: {{resources: {{memory_limit: {limit_mb}MB}}}}\n" if limit_mb else ""
    folder = bench.project(name, DATASETS + defaults, TASKS)
    base = [bench.WEIR, "--quiet", "--project", str(folder)]
    bench.measured([*base, "apply"])
    figures = []
    for day, file in enumerate(snapshots, 1):
        (folder / f"landing/c-2026010{day}.csv").hardlink_to(file)
        figures.append([bench.measured([*base, "task", "run", "--flow", "f", "--run-key", str(day), "--task", task]) for task in "ab"])
    answer = bench.weir_rows(folder, "SELECT count(*) AS n, count(*) FILTER (is_current) AS o, sum(credit) AS c FROM stage.c")
    shutil.rmtree(folder)
    return figures, answer


def under_a_limit(bench, rows):
    first = bench.WORK / "memory-first.csv"
    bench.ask(f"COPY ({snapshot(rows)}) TO '{first}' (HEADER)")
    print(f"memory: snapshots of {rows} rows, {first.stat().st_size / 1e6:.0f} MB")
    for percent in (1, 98):
        second = bench.WORK / f"memory-{percent}.csv"
        bench.ask(f"COPY ({snapshot(rows, percent)}) TO '{second}' (HEADER)")
        free, expected = steps_of(bench, "memory-free", [first, second], None)
        limited, found = steps_of(bench, "memory-limited", [first, second], LIMIT_MB)
        if found != expected:
            raise SystemExit(f"bench: memory: outputs differ: {found}, without a limit {expected}")
        for which, without, with_limit in zip(("first", f"{percent} % changed"), free, limited):
            for what, one, other in zip(("ingest", "merge"), without, with_limit):
                verdict = "met" if other["rss"] <= MOST_MB and other["wall"] <= MOST_SLOWER * one["wall"] else "MISSED"
                print(f"memory {what}, {which}: {other['rss']:.0f} MB under {LIMIT_MB} MB (most {MOST_MB}), {other['wall']:.1f} s against "
                      f"{one['wall']:.1f} s and {one['rss']:.0f} MB without: {other['wall'] / one['wall']:.2f} times (most {MOST_SLOWER:g}): {verdict}")
        second.unlink()
    first.unlink()


def ingest_of_ten_times(bench, scale):
    """Peak memory of an ingest must not hang on the size of the file."""
    columns = ", ".join(f"{name}: '{kind}'" if "(" in kind else f"{name}: {kind}" for name, kind in bench.TYPES.items())
    peaks = []
    for megabytes in (50, 500, 5000):
        rows = int(megabytes * scale * 1e6 / bench.LINE_BYTES)
        folder = bench.project("memory-csv", f"  - name: raw.lines\n    columns: {{{columns}}}\n",
                               "  - {id: a, template: ingest_files, with: {from: 'landing/*.csv', to: raw.lines}}\n")
        source = folder / "landing/lines.csv"
        bench.ask(f"COPY ({bench.lines(rows)}) TO '{source}' (HEADER)")
        size = source.stat().st_size / 1e6
        # What is resident swings by a fifth with the threads' turns, and a longer run meets more of the swing's tops.
        rounds = []
        for _ in range(5 if megabytes < 5000 else 1):
            shutil.rmtree(folder / "raw", ignore_errors=True)
            (folder / "weir.db").unlink(missing_ok=True)
            rounds.append(bench.measured([bench.WEIR, "--quiet", "--project", str(folder), "run", "f", "--apply"]))
        figures = max(rounds, key=lambda each: each["rss"])
        found = bench.weir_rows(folder, "SELECT count(*) AS n, sum(id) AS s FROM raw.lines")
        if [found[0]["n"], int(found[0]["s"])] != [rows, rows * (rows - 1) // 2]:
            raise SystemExit(f"bench: memory: {rows} rows became {found}")
        shutil.rmtree(folder)
        peaks.append(figures["rss"])
        growth = f", {peaks[-1] / peaks[-2]:.2f} times (most {MOST_GROWTH}): " + (
            "met" if peaks[-1] <= MOST_GROWTH * peaks[-2] else "MISSED") if len(peaks) > 1 else ""
        print(f"memory csv: {size:.0f} MB, {figures['wall']:.1f} s, peak {peaks[-1]:.0f} MB{growth}", flush=True)


def suite(bench, scale):
    ingest_of_ten_times(bench, scale)
    under_a_limit(bench, int(5_000_000 * scale))
