"""Kills and fails the table services at each change that they make: to the history of a flow, and to
a table that no project knows, weir's own and another engine's. Right after the fault hudi-rs and weir
see the rows of before; after the same command again, or after the flow's next run, the table is what
an undisturbed service leaves: the same rows, digest and readable versions, and no leftovers.

WEIR_LONG=1 python3 tests/crash/services_test.py [TEST…] takes every change.
"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import flows_test  # noqa: E402
import lake_view as view  # noqa: E402
from sweep import DISK_FULL, EIO, EIO_AFTER, EIO_STICKY, ENOSPC, KILL, TEAR, SweepFailure, shim_library, sweep  # noqa: E402
from weir_project import ROOT, WEIR  # noqa: E402

TOOL = os.environ.get("WEIR_HUDI_TOOL", str(ROOT / "build/release/tests/hudi_tool"))
HISTORY, TABLE = flows_test.HISTORY, "stage.customers"
NEXT = ("run", "shop", "--run-key", "next")
OPTIMIZE, CLEAN = ("table", "optimize", TABLE), ("table", "clean", TABLE, "--retain-commits", "1")
FAULTS = [TEAR, EIO, EIO_AFTER, ENOSPC, DISK_FULL, EIO_STICKY]


def hudi_tool(table, *lines):
    """What hudi_tool answers to lines of `apply`."""
    done = subprocess.run([TOOL, "apply", str(table)], input="".join(json.dumps(line) + "\n" for line in lines),
                          text=True, capture_output=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines) and all(answer["ok"] for answer in answers), done.stdout
    return answers


def nothing(_folder):
    """A recovery that waits for what comes next."""


def groups(table):
    """Live file groups: those of the newest version."""
    return len(hudi_tool(table, {"op": "info"})[0]["files"])


def versions(table, read):
    """What each completed commit that brings rows shows; an error's code where it is not kept any more."""
    return {at: read(at) for at in view.completed(table)}


class Services(flows_test.Sweeps):
    """Of the history of a flow."""

    def loaded(self, splits=True):
        """Three snapshots are loaded, a fourth waits; the history lies in a file a row."""
        template = self.second()
        template.run()
        if splits:
            subprocess.run([TOOL, "split", template.folder / HISTORY], check=True, capture_output=True)
            self.assertGreater(groups(template.folder / HISTORY), 4)
        self.upload(template, 4, flows_test.WIDER.replace("Gus", "Gusto").replace("4,Dag", "8,Hal"))
        return template

    def as_of(self, folder, at, of=TABLE):
        rows, problem = view.weir_json(WEIR, folder, self.catalog_of(folder).url, "table", "query",
                                       f"SELECT * FROM {of}", "--at", at)
        return problem or view.as_rows(rows)

    def seen(self, folder):
        """Rows for both readers, now and of each version."""
        table = folder / HISTORY
        return {"rows": view.hudi_rows(table), "versions": versions(table, lambda at: self.as_of(folder, at)),
                "hudi-rs": versions(table, lambda at: view.hudi_rows(table, at)),
                "digest": self.weir(folder, "table", "verify", TABLE, "--digest").stdout}

    def watch(self, template, words):
        """inspect(): no reader sees that a service was cut off; a version that is not promised any more may
        be gone, and then weir says so."""
        before, kept = self.seen(template.folder), self.seen(self.after(template, *words))["versions"]
        self.assertLessEqual(kept.keys(), before["versions"].keys())

        def inspect(folder):
            table = folder / HISTORY
            if (seen := view.hudi_rows(table)) != before["rows"]:
                raise SweepFailure(f"hudi-rs sees {seen}")
            newest = max(before["versions"])
            for at in (newest, *sorted(before["versions"])[:-1]):
                found = self.as_of(folder, at)
                if found not in (before["versions"][at], kept[at]):
                    raise SweepFailure(f"weir sees at {at} {found}, not {before['versions'][at]}")
                if kept[at] == before["versions"][at] and view.hudi_rows(table, at) != before["hudi-rs"][at]:
                    raise SweepFailure(f"hudi-rs sees at {at} {view.hudi_rows(table, at)}")
                if not flows_test.asks_weir(folder):
                    break
        return inspect

    def verify_services(self, folder):
        table = folder / HISTORY
        self.weir(folder, "reconcile")
        self.weir(folder, "table", "check", TABLE, "--contents")
        temporaries = view.temporaries(folder)
        if len(temporaries) > 2:
            raise SweepFailure(f"temporary files are left: {temporaries}")
        seen = self.seen(folder)
        del seen["hudi-rs"]  # of a version that is not kept it shows a part
        return seen | {"versions": list(seen["versions"].values()), "groups": groups(table), "left": view.hudi_leftovers(table),
                       "files": len(list(table.glob("*.parquet")))}

    def service(self, name, template, words, slices, *, recover=None, verify=None, inspect=None):
        self.sweep(name, template, words, slices, recover=recover or (lambda folder: self.weir(folder, *words)),
                   verify=verify or self.verify_services, inspect=inspect or self.watch(template, words))

    def run_next(self, folder):
        """The flow goes on: nobody gives the service's command again."""
        runs = self.catalog_of(folder).select("SELECT state FROM flow_run WHERE run_key = 'next'")
        if runs != [["succeeded"]]:
            self.weir(folder, *NEXT)

    def verify_after_next(self, *keys):
        def verify(folder):
            self.run_next(folder)
            seen = self.verify_services(folder)
            return {key: seen[key] for key in keys}
        return verify

    def test_optimize(self):
        self.service("optimize", self.loaded(), OPTIMIZE, [([KILL], 12), (FAULTS, 2)])

    def test_optimize_and_the_next_run(self):
        # How many files there are hangs on whether they had been joined before the run.
        self.service("optimize-run", self.loaded(), OPTIMIZE, [([KILL], 8)], recover=nothing,
                     verify=self.verify_after_next("rows", "digest", "versions", "left"))

    def test_clean(self):
        self.service("clean", self.loaded(splits=False), CLEAN, [([KILL], 12), (FAULTS, 2)])

    def test_clean_and_the_next_run(self):
        def verify(folder):
            # The plan of a clean that was cut off hinders nobody; it stays until the next clean makes its own.
            self.run_next(folder)
            self.weir(folder, *CLEAN)
            seen = self.verify_services(folder)
            return {key: seen[key] for key in ("rows", "digest", "left")}
        self.service("clean-run", self.loaded(splits=False), CLEAN, [([KILL], 6)], recover=nothing, verify=verify)

    def rollback(self, template):
        """The command, what a user does after it was cut off, and what readers may see meanwhile."""
        newest = view.completed(template.folder / HISTORY)[-1]
        words = ("table", "rollback", TABLE, newest)

        def rows(folder):
            found, problem = view.weir_json(WEIR, folder, self.catalog_of(folder).url, "table", "query", f"SELECT * FROM {TABLE}")
            return problem or view.as_rows(found)
        folders = [self.after(template, *words), template.folder]
        states, of_weir = [view.hudi_rows(folder / HISTORY) for folder in folders], [rows(folder) for folder in folders]

        def inspect(folder):
            is_there = newest in view.completed(folder / HISTORY)
            if (seen := view.hudi_rows(folder / HISTORY)) != states[is_there]:
                raise SweepFailure(f"hudi-rs sees {seen}")
            if (seen := rows(folder)) != of_weir[is_there]:
                raise SweepFailure(f"weir sees {seen}")

        def recover(folder):
            if newest in view.completed(folder / HISTORY):
                self.weir(folder, "table", "rollback", TABLE, newest)
            else:
                self.weir(folder, "table", "repair", TABLE)
        return words, recover, inspect

    def test_rollback(self):
        template = self.loaded(splits=False)
        words, recover, inspect = self.rollback(template)

        def verify(folder):
            table = folder / HISTORY
            self.weir(folder, "table", "check", TABLE, "--contents")
            return {key: found if key != "versions" else list(found.values()) for key, found in self.seen(folder).items()
                    if key != "hudi-rs"} | {"left": view.hudi_leftovers(table)}
        self.service("rollback", template, words, [([KILL], 12), (FAULTS, 2)], recover=recover, inspect=inspect, verify=verify)

    def test_rollback_and_the_next_run(self):
        template = self.loaded(splits=False)
        words, recover, inspect = self.rollback(template)
        newest = words[-1]

        def verify(folder):
            # Taken back or not: that is for the user to say before the flow goes on.
            if newest in view.completed(folder / HISTORY):
                raise SweepFailure(f"{newest} is still there")
            self.weir(folder, "doctor", "--heal")
            return self.verify_after_next("rows", "digest", "left")(folder)

        def take_back(folder):
            if newest in view.completed(folder / HISTORY):
                recover(folder)
        self.service("rollback-run", template, words, [([KILL], 6)], recover=take_back, inspect=inspect, verify=verify)

    def damaged(self, has_metadata=True):
        """A run died over its commit, and there is a file of no commit and a metadata table."""
        template = self.loaded(splits=False)
        at = self.change_of(template, NEXT, "/data/stage/customers/.hoodie/.aux/weir/")
        self.shimmed(template.folder, NEXT, WEIR_SHIM_AT=str(at))
        table = template.folder / HISTORY
        self.assertTrue(view.hudi_leftovers(table))
        live = next(table.glob("*.parquet"))
        shutil.copy(live, table / f"{live.name.split('_')[0]}_9-9-9_{int(view.completed(table)[0]) + 1}.parquet")
        if not has_metadata:
            return template
        properties = table / ".hoodie/hoodie.properties"
        properties.write_text(properties.read_text() + "hoodie.table.metadata.partitions=files\n")
        (table / ".hoodie/metadata/.hoodie").mkdir(parents=True)
        (table / ".hoodie/metadata/.hoodie/hoodie.properties").write_text("hoodie.table.name=stale\n")
        return template

    def shimmed(self, folder, words, **settings):
        asked = flows_test.command_line(folder, self.catalog_of(folder).url, *words)
        return subprocess.run(asked.argv, capture_output=True, env=os.environ | asked.environment | settings | {
            "LD_PRELOAD": str(shim_library()), "WEIR_SHIM_ROOT": str(folder), "WEIR_SHIM_EXCLUDE": f"{folder}/tmp"})

    def change_of(self, template, words, part):
        """The number of the first change to a path with that part."""
        folder = self.after(template, "plan")
        log = folder.with_name(folder.name + ".log")
        self.addCleanup(log.unlink)
        self.shimmed(folder, words, WEIR_SHIM_LOG=str(log))
        return next(int(line.split()[0]) for line in log.read_text().splitlines() if part in line)

    def test_repair(self):
        template = self.damaged()
        self.service("repair", template, ("table", "repair", TABLE), [([KILL], 12), (FAULTS, 2)])

    def test_repair_and_the_retry(self):
        def verify(folder):
            (run, state), = self.catalog_of(folder).select("SELECT run_id, state FROM flow_run WHERE run_key = 'next'")
            if state != "succeeded":
                self.weir(folder, "retry", run)
            seen = self.verify_services(folder)
            return {key: seen[key] for key in ("rows", "digest", "versions", "left")}
        # With the metadata table a retry would say, rightly, that only `repair` goes on.
        self.service("repair-retry", self.damaged(has_metadata=False), ("table", "repair", TABLE), [([KILL], 6)], recover=nothing, verify=verify)


class Alone(unittest.TestCase):
    """Of a table that no project knows: weir's own, and one that another engine made."""

    def table(self, is_own):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-alone-"))
        self.addCleanup(shutil.rmtree, folder)
        table = folder / "t"
        schema = [{"name": "id", "type": "bigint"}, {"name": "name", "type": "varchar"}]

        def rows(*ids):
            return {"op": "upsert", "target_file_bytes": 1, "rows": [{"id": each, "name": f"{each} of {len(ids)}"} for each in ids]}
        hudi_tool(table, {"op": "create", "name": "t", "record_key": ["id"], "schema": schema}, rows(1, 2), rows(3), rows(4, 5), rows(1, 4))
        self.assertGreater(groups(table), 2)
        if not is_own:
            properties = table / ".hoodie/hoodie.properties"
            properties.write_text("".join(line for line in properties.read_text().splitlines(True) if "weir" not in line))
        return folder

    def sweep(self, name, is_own, words, slices, *, recover=None, allowed=()):
        """`words` of `weir table`, for the table in place of T."""
        template = self.table(is_own)
        before = view.hudi_rows(template / "t")
        kept = [at for at in view.completed(template / "t")][-1:]
        at_kept = [view.hudi_rows(template / "t", at) for at in kept]

        def command(folder):
            return flows_test.command_line(folder, None, "table", *(str(folder / "t") if word == "T" else word for word in words))

        def inspect(folder):
            table = folder / "t"
            seen = view.hudi_rows(table)
            if seen not in (before, *allowed):
                raise SweepFailure(f"hudi-rs sees {seen}")
            if seen == before and [view.hudi_rows(table, at) for at in kept] != at_kept:
                raise SweepFailure(f"hudi-rs sees something else at {kept}")
            if view.as_rows(hudi_tool(table, {"op": "read"})[0]["rows"]) != seen:
                raise SweepFailure("weir sees something else than hudi-rs")

        def again(folder):
            asked = command(folder)

            def run():
                return subprocess.run(asked.argv, env=os.environ | asked.environment, capture_output=True, text=True)
            done = run()
            if done.returncode == 75 and not is_own and "let Spark write" in done.stderr:
                # Whoever died between taking an instant and saying that it is weir's (docs/adr/0006) leaves
                # one that may be anybody's: an empty file, which Spark's next commit takes away.
                lone, = set((folder / "t/.hoodie").glob("*.replacecommit.requested")) - {
                    path.with_suffix(".requested") for path in (folder / "t/.hoodie").glob("*.replacecommit.inflight")}
                lone.unlink()
                done = run()
            if done.returncode != 0:
                raise SweepFailure(f"{words} ended with {done.returncode}: {done.stderr[-1500:]}")

        def verify(folder):
            table = folder / "t"
            # A plan to clean is anybody's to carry out: in a table of another engine its next cleaner does.
            left = [name for name in view.hudi_leftovers(table) if is_own or ".clean." not in name]
            return {"rows": view.hudi_rows(table), "groups": groups(table), "left": left,
                    "files": len(list(table.glob("*.parquet")))}
        failures = []
        for actions, most in slices:
            with contextlib.suppress(SweepFailure):
                sweep(name, lambda folder: shutil.copytree(template, folder, dirs_exist_ok=True), command, recover or again, verify,
                      actions, inspect=inspect, points=most)
                continue
            failures.append(name)
        self.assertEqual(failures, [])

    def test_optimize(self):
        for is_own in (True, False):
            self.sweep(f"optimize-{'own' if is_own else 'foreign'}", is_own, ("optimize", "T"), [([KILL], 10), ([EIO, EIO_AFTER, DISK_FULL], 3)])

    def test_clean(self):
        for is_own in (True, False):
            self.sweep(f"clean-{'own' if is_own else 'foreign'}", is_own, ("clean", "T", "--retain-commits", "1"),
                       [([KILL], 10), ([EIO, EIO_AFTER, DISK_FULL], 3)])


if __name__ == "__main__":
    unittest.main(verbosity=1)
