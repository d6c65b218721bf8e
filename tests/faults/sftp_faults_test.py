"""A partner's SFTP server that misbehaves: each script is a fault at one of the requests by which files are fetched (and
become rows) or sent. Right after it nothing half-written is seen on either side. Where the run failed, its code is one
of those that fit and `weir retry` ends it; in the end everything is as an undisturbed run leaves it: the same files, rows
and receipts, nothing doubled, no temporary file.

    sftp_faults_test.py                              an even slice of the scripts, another one for another WEIR_SEED
    WEIR_LONG=1 sftp_faults_test.py                  all of them
    WEIR_SCRIPT=fetch,cut_after,rename,1,1,1 sftp_faults_test.py   one: flow, fault, request, first, times, variant
"""
import collections
import dataclasses
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import sys
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "acceptance")]
import sftp_meddler as meddler  # noqa: E402
import sftp_server  # noqa: E402
from weir_project import Project  # noqa: E402

IS_LONG = os.environ.get("WEIR_LONG") == "1"
SEED = int(os.environ.get("WEIR_SEED", "1"))
SLICE = 1 if IS_LONG else int(os.environ.get("WEIR_SLICE", "32"))
SHOWS = "WEIR_SHOW" in os.environ
ALWAYS = 1_000_000
LONGEST_S = 60  # of any run: what hangs is an error, too

YAML = """
project: shop
catalog: sqlite:weir.db
layers:
  - {{name: landing, uri: data/landing}}
  - {{name: raw, uri: data/raw}}
  - {{name: exports, uri: data/exports}}
connections:
  - {{connection_id: partner, kind: sftp, uri: "{uri}", user: {user}, host_key: "{key}", private_key: "secret://partner-key",
     connect_timeout: 10s, stall_timeout: 1s, max_tries: 4, deadline: 20s}}
datasets:
  - {{name: raw.sales, identity: content, columns: {{id: bigint, amount: "decimal(10,2)"}}}}
defaults: {{retries: 0}}
"""
FETCH = """flow: fetch
tasks:
  - id: fetch
    template: fetch_files
    with: {{from: "{uri}/out", to: landing/sales, pattern: "**/*.csv", {more}}}
  - id: ingest
    template: ingest_files
    needs: [fetch]
    with: {{from: "landing/sales/**", to: raw.sales}}
"""
SEND = """flow: send
tasks:
  - id: send
    template: export_files
    with: {{from: exports/partner, to: "{uri}/in", pattern: "**", {more}}}
"""
# What a flow does, and whether the server has OpenSSH's extensions. The number is a script's `variant`.
VARIANTS = {
    "fetch": [('after: move, marker: "{name}.done"', False), ('after: move, marker: "{name}.done"', True),
              ('after: delete, marker: "{name}.done"', False), ("after: leave", False)],
    "send": [('marker: "{name}.done"', False), ('marker: "{name}.done"', True), ("on_conflict: replace, marker: _READY", False),
             ("on_conflict: replace, marker: _READY", True)],
}


def rows_of(numbers):
    return "id,amount\n" + "".join(f"{number},2.50\n" for number in numbers)


FILES = {"a.csv": rows_of([1, 2]), "2026/b + ü.csv": rows_of([3]), "large.csv": rows_of(range(10_000, 40_000))}
OLD = 1_700_000_000

# Which faults are tried at which requests of which flow.
COMMON = tuple(meddler.INSTEAD) + meddler.BEFORE + meddler.AFTER + meddler.ANSWERS
READING = ("realpath", "opendir", "readdir", "close", "lstat", "open", "fstat", "read")
AWAY = ("mkdir", "hardlink", "remove")
WRITING = ("realpath", "lstat", "open", "write", "fsync", "fstat", "close", "hardlink", "posix-rename", "rename", "remove")
TABLE = [
    ("fetch", COMMON, READING + AWAY),
    ("fetch", meddler.READS, ("read",)),
    ("fetch", ("end_of_file",), ("read",)),
    ("fetch", meddler.STATS, ("readdir", "fstat", "lstat")),
    ("fetch", meddler.LISTS, ("readdir",)),
    ("send", COMMON, WRITING),
    ("send", meddler.STATS, ("fstat", "lstat")),
]
# A listing that lacks something, or a folder of which it is said that there is none, is like one that has nothing yet: such
# a run may succeed, and the next one finds what is missing.
FINDS_LATER = {("end_of_file", "readdir"), ("no_such_file", "realpath"), ("no_such_file", "opendir"), ("no_attributes", "readdir"),
               ("as_link", "readdir"), ("no_such_file", "remove"), ("no_such_file", "lstat")}
# Exits by which a run may end, by what the fault says; otherwise 75: trying again helps.
CODES = {
    "denied": {"denied"}, "no_such_file": {"not_found", "unavailable", "conflict"}, "bad_message": {"invalid_config"},
    "unsupported": {"unsupported"}, "no_space": {"resource_exhausted"}, "quota": {"resource_exhausted"},
    "size_more": {"corrupt"}, "size_less": {"corrupt"}, "no_attributes": {"corrupt", "not_found"},
}
RETRIED = {"unavailable", "conflict", "resource_exhausted", "outcome_unknown"}


@dataclasses.dataclass(frozen=True)
class Script:
    flow: str
    fault: str
    where: str
    first: int
    times: int
    variant: int

    def __str__(self):
        return ",".join(str(value) for value in dataclasses.astuple(self))


def scripts(requests):
    """`requests`: how many of each kind an undisturbed run of a flow and variant makes."""
    if named := os.environ.get("WEIR_SCRIPT"):
        flow, fault, where, *numbers = named.split(",")
        return [Script(flow, fault, where, *map(int, numbers))]
    dice = random.Random(SEED)
    made = []
    for flow, faults, places in TABLE:
        for where in places:
            able = [number for number in range(len(VARIANTS[flow])) if requests[flow, number][where]]
            for fault in faults:
                variant = dice.choice(able)
                first = dice.randint(1, requests[flow, variant][where])
                made.append(Script(flow, fault, where, first, dice.choice((1, 1, 2, ALWAYS)), variant))
    assert len(made) >= 60, len(made)
    return made[int(os.environ.get("WEIR_SLICE_AT", SEED)) % SLICE::SLICE]


def digest(content):
    return hashlib.sha256(content if isinstance(content, bytes) else content.encode()).hexdigest()[:12]


def tree(folder):
    return {str(path.relative_to(folder)): digest(path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()}


class SftpFaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        command = f"{sys.executable} {TESTS}/faults/sftp_meddler.py {{folder}}"
        try:
            if not os.access(meddler.SERVER, os.X_OK):
                raise sftp_server.Missing(f"there is no {meddler.SERVER}: apt-get install openssh-sftp-server")
            cls.server = sftp_server.Server(subsystem=command)
        except sftp_server.Missing as missing:
            print(f"SKIPPED: {missing}", flush=True)
            raise unittest.SkipTest(str(missing))
        cls.addClassCleanup(cls.server.stop)
        cls.undisturbed, cls.requests, cls.lines = {}, {}, {}

    def begin(self, flow, variant, victim="large.csv"):
        """A new project, and a partner's folder as it is before."""
        server = self.server
        shutil.rmtree(server.data)
        server.data.mkdir()
        self.project = Project()
        self.addCleanup(shutil.rmtree, self.project.folder, ignore_errors=True)
        for name in ("flows/shop.yaml", "sql/by_city.sql"):
            (self.project.folder / name).unlink()
        self.project.environment["WEIR_SECRET_PARTNER_KEY"] = (server.folder / "user").read_text()
        self.project.write("weir.yaml", YAML.format(uri=server.uri, user=server.user, key=server.fingerprint))
        more, self.is_plain = VARIANTS[flow][variant]
        self.project.write(f"flows/{flow}.yaml", {"fetch": FETCH, "send": SEND}[flow].format(uri=server.uri, more=more))
        for name, content in FILES.items():
            paths = [server.put(f"out/{name}", content)] if flow == "fetch" else [self.project.write(f"data/exports/partner/{name}", content)]
            if flow == "fetch" and "marker" in more:
                paths.append(server.put(f"out/{name}.done", ""))
            for path in paths:
                os.utime(path, (OLD, OLD))
        self.victim = server.data / "out" / victim

    def arm(self, script):
        for name in ("log", "struck"):
            (self.server.folder / f"{name}").unlink(missing_ok=True)
        fields = {"fault": "", "where": "", "first": 1, "times": 0} if script is None else dataclasses.asdict(script)
        (self.server.folder / "script.json").write_text(json.dumps(fields | {"is_plain": self.is_plain, "victim": str(self.victim)}))

    def run_it(self, *words):
        """The exit, and the code of the task that failed."""
        start = time.monotonic()
        run = self.project.weir(*words, expect=None)
        self.assertLess(time.monotonic() - start, LONGEST_S, "it took too long")
        found = self.project.sqlite("SELECT error_code, error_text FROM task_run WHERE state = 'failed' ORDER BY started_at_us DESC LIMIT 1")
        return run, found[0] if found and run.returncode else ("", "")

    def left(self):
        project = self.project
        rows = project.rows("SELECT count(*) AS n, count(DISTINCT id) AS d, sum(id) AS s FROM raw.sales") \
            if (project.folder / "data/raw/sales").exists() else []
        receipts = collections.Counter(path.parts[-5] for path in (project.folder / "data").glob("*/.weir/receipts/*/*"))
        landed = tree(project.folder / "data/landing") if (project.folder / "data/landing").exists() else {}
        return {"partner": tree(self.server.data), "landed": {name: value for name, value in landed.items() if ".weir/" not in name},
                "rows": rows, "receipts": dict(receipts), "leftovers": project.leftovers()}

    def check_nothing_half(self):
        """What a reader sees at once: each visible file is whole."""
        whole = {digest(content) for content in FILES.values()}
        for folder in (self.project.folder / "data/landing/sales", self.server.data):
            for name, found in tree(folder).items() if folder.exists() else ():
                if name.endswith(".csv") and not pathlib.Path(name).name.startswith(".weir-tmp-"):
                    self.assertIn(found, whole, f"{folder}/{name} is half-written")
        for name in (self.server.data / "in").rglob("*.done"):
            self.assertTrue(name.with_suffix("").exists(), f"{name} marks what is not there")

    def go(self, script):
        """The fault, the retry, and one run more; gives what the first run said and what is left."""
        self.begin(script.flow, script.variant)
        self.arm(script)
        run, (code, said) = self.run_it("run", script.flow, "--apply")
        struck = (self.server.folder / "struck").read_text().count("\n") if (self.server.folder / "struck").exists() else 0
        self.check_nothing_half()
        self.arm(None)
        if run.returncode:
            self.check_failure(script, run, code, said)
            again, (_, why) = self.run_it("retry", script.flow)
            self.assertEqual(again.returncode, 0, f"the retry failed: {why}\n{again.stderr}")
        elif (script.fault, script.where) not in FINDS_LATER:
            left = self.left()
            left["partner"] = {name: value for name, value in left["partner"].items() if ".weir-tmp-" not in name}
            if script.where == "remove":  # what could not be removed, or nobody said so, is kept in mind
                left["receipts"] = self.undisturbed[script.flow, script.variant]["receipts"]
            self.assertEqual(left, self.undisturbed[script.flow, script.variant], "after a run that succeeded")
        again, (_, why) = self.run_it("run", script.flow)
        self.assertEqual(again.returncode, 0, f"the next run failed: {why}\n{again.stderr}")
        left = self.left()
        if (script.flow, script.where) == ("send", "remove") and script.fault in ("denied", "no_such_file"):
            # Nobody may take away, or believes that it is gone.
            left["partner"] = {name: value for name, value in left["partner"].items() if ".weir-tmp-" not in name}
        return struck, "failed" if run.returncode else "went on", left

    def check_failure(self, script, run, code, said):
        self.assertIn(code, CODES.get(script.fault, set()) | RETRIED, f"{code}: {said}")
        self.assertEqual(run.returncode, 75 if code in RETRIED else 2 if code in ("invalid_config", "unsupported") else 1, said)
        self.assertNotRegex(run.stdout + run.stderr, "[\x00-\x08\x0b-\x1f\u202e]", "control characters of the server are shown")
        self.assertLess(len(said), 3000)
        self.lines[script.fault, code] = re.sub(r"\s+", " ", said)[:160]

    def learn(self, flow, variant):
        self.begin(flow, variant)
        self.arm(None)
        run, (_, why) = self.run_it("run", flow, "--apply")
        self.assertEqual(run.returncode, 0, why + run.stderr)
        self.requests[flow, variant] = collections.Counter((self.server.folder / "log").read_text().split())
        self.undisturbed[flow, variant] = once = self.left()
        self.project.run(flow)
        self.assertEqual(self.left(), once, "a second run changes something")
        self.project.close()

    def test_each_script(self):
        for flow, variants in VARIANTS.items():
            for variant in range(len(variants)):
                self.learn(flow, variant)
        ends, tried, struck = collections.Counter(), scripts(self.requests), 0
        for script in tried:
            with self.subTest(f"WEIR_SCRIPT={script}"):
                start = time.monotonic()
                try:
                    times, end, left = self.go(script)
                    self.assertEqual(left, self.undisturbed[script.flow, script.variant], end)
                    self.assertGreater(times, 0, "it struck nowhere")
                except AssertionError as problem:
                    print(f"FAILED WEIR_SCRIPT={script}: {problem}", flush=True)
                    raise
                self.project.close()
                ends[end] += 1
                struck += times
                if SHOWS:
                    print(f"  {script}: {end}, {time.monotonic() - start:.1f} s", flush=True)
        if SHOWS:
            for (fault, code), line in sorted(self.lines.items()):
                print(f"  {fault:16} {code:20} {line}")
        faults = len({script.fault for script in tried})
        print(f"sftp_faults: {len(tried)} scripts ({faults} faults) struck {struck} times; of the runs {ends['went on']} went on by themselves, "
              f"{ends['failed']} failed and were retried, WEIR_SEED={SEED}", flush=True)

    def changes(self):
        dice = random.Random(SEED)
        made = [Script("fetch", how, where, first, 1, dice.randrange(len(VARIANTS["fetch"]))) for how in meddler.CHANGES
                for where, first in (("opendir", 2), ("open", 2), ("fstat", 2), ("read", 3), ("read", 8), ("close", 4), ("remove", 2), ("hardlink", 2))]
        return made if IS_LONG else made[SEED % 10::10]

    def test_a_file_that_changes_under_its_reader(self):
        """It lands as it was or as it is, never as both; in the end as it is, where it is still there."""
        struck, tried = 0, self.changes()
        for script in tried:
            with self.subTest(script):
                self.begin(script.flow, script.variant)
                before = self.victim.read_bytes()
                self.arm(script)
                run, (code, said) = self.run_it("run", "fetch", "--apply")
                struck += (self.server.folder / "struck").exists()
                self.arm(None)
                # With `after: delete` or `move` it may be elsewhere, or gone.
                found = [path for path in self.server.data.rglob("large*.csv")]
                whole = {digest(content) for content in [before, *(path.read_bytes() for path in found)]}
                if run.returncode:
                    self.assertIn(code, RETRIED, said)
                self.check_landed(whole)
                newest = digest(found[0].read_bytes()) if found else None
                self.project.run("fetch")
                if newest:
                    self.assertIn(newest, self.check_landed(whole), "the file as it is now has not landed")
                self.project.close()
        print(f"sftp_faults: {len(tried)} changes under the reader, {struck} struck", flush=True)
        self.assertGreater(struck, len(tried) // 2)

    def check_landed(self, whole):
        folder = self.project.folder / "data/landing/sales"
        paths = [path for path in folder.rglob("*.csv") if not path.name.startswith(".weir-tmp-")] if folder.exists() else []
        versions = {digest(path.read_bytes()) for path in paths if path.name.startswith("large")}
        self.assertLessEqual(versions, whole, "it landed as it never was")
        if (self.project.folder / "data/raw/sales").exists():
            lines = sum(path.read_bytes().count(b"\n") - 1 for path in paths)
            self.assertEqual(self.project.rows("SELECT count(*) AS n FROM raw.sales"), [{"n": lines}])
        return versions

    def test_a_marker_that_was_left_alone_does_not_speak_for_the_next_file(self):
        """Its file went, the line broke before it went, too; then the partner begins a new file of that name."""
        for variant in (0, 2) if IS_LONG else (0,):
            with self.subTest(variant):
                self.begin("fetch", variant)
                requests = self.requests_of("fetch", variant)["remove"]
                self.arm(Script("fetch", "cut_before", "remove", requests, ALWAYS, variant))  # the last one is large.csv.done's
                run, (code, _) = self.run_it("run", "fetch", "--apply")
                self.assertEqual((run.returncode, code), (75, "outcome_unknown"))
                self.assertTrue(self.victim.with_name("large.csv.done").exists())
                self.assertFalse(self.victim.exists())
                self.victim.write_text("id,amount\n77,1")
                os.utime(self.victim, (OLD + 60, OLD + 60))
                self.arm(None)
                self.project.run("fetch")
                self.assertEqual(self.project.rows("SELECT id FROM raw.sales WHERE id = 77"), [], "half a file was taken")
                self.assertFalse(self.victim.with_name("large.csv.done").exists())
                self.victim.write_text("id,amount\n77,1.50\n")
                self.victim.with_name("large.csv.done").write_text("")
                self.project.run("fetch")
                self.assertEqual(self.project.rows("SELECT id FROM raw.sales WHERE id = 77"), [{"id": 77}])
                self.project.close()

    def requests_of(self, flow, variant):
        if (flow, variant) not in self.requests:
            self.learn(flow, variant)
            self.begin(flow, variant)
        return self.requests[flow, variant]


if __name__ == "__main__":
    unittest.main(verbosity=1)
