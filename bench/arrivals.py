"""./dev bench arrivals: 100,000 landing files found, written down and known again by `weir arrivals poll`.

found   all of them are new: listed, read for their hash (content) or not (version), written, and one run decided
known   the same again: listed and compared
The gate of the issue is 5 s; on a machine that others use CPU is the figure to look at.
"""
import json
import statistics
import subprocess
import sys

GATE_S = 5


def suite(bench, rounds, scale):
    count = int(100_000 * scale)
    for identity in ("content", "version"):
        found, known = [], []
        for _ in range(rounds):
            folder = bench.project("arrivals", "  - {name: raw.c, identity: content, columns: {id: bigint}}\n",
                                   "  - {id: a, template: ingest_files, with: {from: 'landing/*.csv', to: raw.c}}\n")
            flow = folder / "flows/f.yaml"
            trigger = {"pattern": "landing/*.csv", "settle": "0s", "batch": "all", "max_files": 100_000, "identity": identity}
            flow.write_text(flow.read_text() + f"file_trigger: {json.dumps(trigger)}\n")
            weir = [bench.WEIR, "--quiet", "--project", str(folder)]
            subprocess.run([*weir, "apply"], check=True)
            subprocess.run([*weir, "arrivals", "poll"], check=True)
            for number in range(count):
                (folder / f"landing/{number:06}.csv").write_text(f"id\n{number}\n")
            found.append(bench.measured([*weir, "arrivals", "poll"]))
            known.append(bench.measured([*weir, "arrivals", "poll"]))
            out = subprocess.run([bench.WEIR, "--project", str(folder), "--output", "json", "arrivals", "poll"],
                                 text=True, capture_output=True, check=True).stdout
            due = [json.loads(line) for line in out.splitlines() if '"due"' in line and '"files"' in line]
            if [len(event["files"]) for event in due] != [count]:
                sys.exit(f"bench: not {count} files are due")
        for name, runs in (("found", found), ("known", known)):
            wall, cpu = (statistics.median(run[key] for run in runs) for key in ("wall", "cpu"))
            rss = max(run["rss"] for run in runs)
            verdict = "" if name == "known" else f"  gate {GATE_S} s: {'ok' if min(wall, cpu) <= GATE_S else 'MISSED'}"
            print(f"{count} files by {identity}, {name}: {wall:.2f} s wall, {cpu:.2f} s CPU, {rss:.0f} MB{verdict}")
