"""Kills and fails the whole program at each change that it makes to its project, catalog writes
included. Right after the fault every reader sees a whole earlier or later state; after `retry` the
project is the one that an undisturbed run makes: the same rows and digest, one completed instant an
operation, nothing left over, and the same rows in the catalog.

WEIR_LONG=1 python3 tests/crash/flows_test.py [TEST…] takes every change.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "acceptance"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / ".deps/python"))
import lake_view as view  # noqa: E402
from sweep import (CRASH, DISK_FULL, EIO, EIO_AFTER, EIO_STICKY, ENOSPC, KILL, SHORT, TEAR,  # noqa: E402
                   Command, SweepFailure, sweep)
from weir_project import FLOW, PROJECT, WEIR, Project  # noqa: E402

RUN_KEY = "k"
HISTORY, REPLACED, WAREHOUSE = "data/stage/customers", "data/presentation/by_city", "data/warehouse.duckdb"
RAW = ("data/raw/customers", "data/raw/customers__rejected")

FIRST = "id,name,city,credit\n1,Ann,Oslo,10.50\n2,Bob,Bergen,20.00\n3,Cem,Oslo,30.25\n4,Dag,Oslo,ten\n5,Eve\n"
SECOND = "id,name,city,credit\n1,Ann,Bergen,10.50\n2,Bob,Bergen,20.00\n4,Dag,Oslo,1.00\n6,Fay,Oslo,x\n"
# Another column; 1 is unchanged, 2 changes, 4 is gone, 7 is new.
WIDER = ("id,name,city,credit,mail\n1,Ann,Bergen,10.50,a@x.org\n2,Bob,Oslo,20.00,b@x.org\n"
         "3,Cem,Oslo,30.25,c@x.org\n7,Gus,Bergen,7.00,\n")
# Nearly all keys are gone.
EMPTIER = "id,name,city,credit,mail\n1,Ann,Bergen,10.50,a@x.org\n"

FETCH = """  - id: fetch
    template: fetch_files
    with: {from: upload, to: landing, pattern: "customers-*.csv"}
  - id: ingest
    template: ingest_files
    needs: [fetch]
"""


def command_line(folder, catalog_url, *words, statuses=(0,)):
    named = {"WEIR_CATALOG": catalog_url} if catalog_url else {}
    return Command([WEIR, "--quiet", "--project", str(folder), *words], exclude=["tmp"], statuses=statuses,
                   environment={"TMPDIR": f"{folder}/tmp", "WEIR_SHIM_SENDS": "1", "WEIR_CATALOG_PATIENCE": "2s"} | named)


def asks_weir(folder):
    """weir's own reader is a process more for each look: it is asked wherever the lake was the last to
    change, and at every fifth other point."""
    if not (folder.parent / "calls.log").exists():
        return True
    lines = (folder.parent / "calls.log").read_text().splitlines()
    is_of_catalog = "weir.db" in lines[-1] or lines[-1].endswith("socket")
    return not is_of_catalog or len(lines) % 5 == 0


class Sweeps(unittest.TestCase):
    """What a case needs: a template project, and what is killed, recovered and looked at."""

    def catalog_of(self, folder):
        return view.SqliteCatalog(folder)

    def template(self, engine="embedded"):
        """A project with YAML applied."""
        project = Project()
        self.addCleanup(project.close)
        project.write("weir.yaml", PROJECT.replace("${WEIR_ENGINE:-embedded}", f"{engine}").replace(
            "retries: 0", "retries: 0, resources: {threads: 1}"))
        project.write("flows/shop.yaml", FLOW.replace(
            "  - id: ingest\n    template: ingest_files\n", FETCH, 1).replace("rules: [{not_null", "rules: [{min_rows: 1}, {not_null"))
        project.environment["WEIR_CATALOG"] = self.catalog_of(project.folder).url
        project.weir("apply")
        return project

    def upload(self, project, day, content):
        project.write(f"upload/customers-202601{day:02}.csv", content)

    def first(self, engine="embedded"):
        """Two snapshots wait, both with rows that are none."""
        template = self.template(engine=engine)
        self.upload(template, 1, FIRST)
        self.upload(template, 2, SECOND)
        return template

    def second(self, engine="embedded"):
        """The same, loaded, and a third waits."""
        template = self.first(engine)
        template.run()
        self.upload(template, 3, WIDER)
        return template

    def held(self):
        """Three, loaded, and one waits that will be held."""
        template = self.second()
        template.run()
        self.upload(template, 4, EMPTIER)
        return template

    def prepare(self, template):
        return lambda folder: shutil.copytree(template.folder, folder, symlinks=True, dirs_exist_ok=True)

    def weir(self, folder, *words, expect=(0,)):
        asked = command_line(folder, self.catalog_of(folder).url, *words)
        done = subprocess.run(asked.argv, env=os.environ | asked.environment, capture_output=True, text=True, timeout=120)
        if done.returncode not in expect:
            raise SweepFailure(f"weir {' '.join(words)} ended with {done.returncode}: {done.stdout[-800:]} {done.stderr[-1500:]}")
        return done

    def recover_run(self, expect=(0,), ends=("succeeded", "held")):
        """What a user does: `retry` where there is a run that did not end well, else the run again."""
        def recover(folder):
            found = self.catalog_of(folder).select(
                f"SELECT run_id, state FROM flow_run WHERE flow_id = 'shop' AND run_key = '{RUN_KEY}'")
            if not found:
                self.weir(folder, "run", "shop", "--run-key", RUN_KEY, expect=expect)
            elif found[0][1] not in ends:
                self.weir(folder, "retry", found[0][0], expect=expect)
        return recover

    def verify(self, folder):
        self.weir(folder, "reconcile")
        catalog = self.catalog_of(folder)
        seen = {"rows": view.catalog_rows(catalog), "raw": [view.parquet_objects(folder / part) for part in RAW],
                "landing": sorted(path.name for path in (folder / "data/landing").iterdir()
                                  if not path.name.startswith(view.TEMPORARY))}
        for table in (HISTORY, REPLACED):
            if not (folder / table / ".hoodie").exists():
                continue
            dataset = table.removeprefix("data/").replace("/", ".")
            seen[table] = view.hudi_rows(folder / table)
            seen[f"{table} instants"] = len(view.completed(folder / table))
            seen[f"{table} left"] = view.hudi_leftovers(folder / table)
            if table == HISTORY:
                seen["digest"] = self.weir(folder, "table", "verify", dataset, "--digest").stdout
        seen["warehouse"], seen["warehouse tables"] = self.warehouse(folder)
        # One a process that was killed, of the object that it was writing.
        temporaries = view.temporaries(folder)
        if len(temporaries) > 2:
            raise SweepFailure(f"temporary files are left: {temporaries}")
        return seen

    def warehouse(self, folder):
        """Rows of the warehouse's table, and what tables there are; None where there is no file, or no table, yet."""
        if not (folder / WAREHOUSE).exists():
            return None, None
        rows, tables = view.duckdb_rows(folder / WAREHOUSE, "SELECT * FROM by_city", "SELECT schema_name, table_name FROM duckdb_tables()")
        return None if rows is None else view.as_rows(rows), view.as_rows(tables)

    def reader(self, template, after):
        """inspect(): whatever was cut off, readers see one of the states that an undisturbed run goes
        through, and weir's own reader sees the same as hudi-rs."""
        states = {table: [view.hudi_rows(template.folder / table), *view.hudi_states(after / table)]
                  for table in (HISTORY, REPLACED)}
        raw = {part: view.parquet_objects(after / part) for part in RAW}
        warehouse = [self.warehouse(template.folder)[0], self.warehouse(after)[0]]

        def inspect(folder):
            url = self.catalog_of(folder).url
            for table, allowed in states.items():
                seen = view.hudi_rows(folder / table)
                if seen is not None and seen != [] and seen not in allowed:
                    raise SweepFailure(f"hudi-rs sees of {table} what never was: {seen}")
                if allowed[0] is not None and not seen:
                    raise SweepFailure(f"hudi-rs sees nothing any more of {table}")
                if not asks_weir(folder):
                    continue
                rows, problem = view.weir_json(WEIR, folder, url, "table", "query",
                                               "SELECT * FROM " + table.removeprefix("data/").replace("/", "."))
                if problem not in (None, "not_found") or len(rows or []) != len(seen or []):
                    raise SweepFailure(f"weir reads {problem or rows} of {table}, hudi-rs {seen}")
            for part, objects in raw.items():
                for name, rows in view.parquet_objects(folder / part).items():
                    if rows != objects.get(name):
                        raise SweepFailure(f"{part}/{name} is {rows}, not {objects.get(name)}")
            loaded, rejected = (view.parquet_objects(folder / part) for part in RAW)
            if missing := set(raw[RAW[1]]) & set(loaded) - set(rejected):
                raise SweepFailure(f"{missing} is loaded, but its rejected rows are not in quarantine")
            if (found := self.warehouse(folder)[0]) not in warehouse:
                raise SweepFailure(f"the warehouse has {found}")
        return inspect

    def after(self, template, *words, statuses=(0,)):
        """A copy of the template in which the command has run."""
        folder = template.folder.parent / f"{template.folder.name} after"
        shutil.rmtree(folder, ignore_errors=True)
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.prepare(template)(folder)
        self.weir(folder, *words, expect=statuses)
        return folder

    def sweep(self, name, template, words, slices, *, recover=None, verify=None, inspect=None, within="", statuses=(0,)):
        if inspect is None:
            inspect = self.reader(template, self.after(template, *words, statuses=statuses))

        def command(folder):
            return command_line(folder, self.catalog_of(folder).url, *words, statuses=statuses)
        failures = []
        for actions, most in slices:
            try:
                sweep(name, self.prepare(template), command, recover or self.recover_run(statuses),
                      verify or self.verify, actions, inspect=inspect, within=within, points=most)
            except SweepFailure as failure:
                failures.append(str(failure))
        self.assertEqual(failures, [])


RUN = ("run", "shop", "--run-key", RUN_KEY)


class Flows(Sweeps):
    def test_apply_makes_a_catalog_or_none(self):
        template = self.template()
        for path in template.folder.glob("weir.db*"):
            path.unlink()
        self.apply_sweep("apply-new", template, [([KILL], 16), ([TEAR, EIO, ENOSPC, DISK_FULL], 3)])

    def test_apply_changes_all_rows_or_none(self):
        template = self.template()
        template.write("flows/shop.yaml", FLOW.split("---")[0] + "---\nflow: other\ntasks:\n"
                       "  - {id: only, template: ingest_files, with: {from: \"landing/o*.csv\", to: raw.sales}}\n")
        self.apply_sweep("apply-change", template, [([KILL], 12), ([TEAR, EIO, EIO_AFTER, ENOSPC, DISK_FULL], 3)])

    def apply_sweep(self, name, template, slices):
        before = self.configuration(template.folder)
        after = self.configuration(self.after(template, "apply"))
        self.assertNotEqual(before, after)

        def inspect(folder):
            seen = self.configuration(folder)
            # A new catalog gets its tables in one transaction and its rows in another.
            is_without_rows = before is None and seen is not None and not any(seen.values())
            if seen not in (before, after) and not is_without_rows:
                raise SweepFailure(f"part of the configuration was applied: {seen}")

        def verify(folder):
            plan, problem = view.weir_json(WEIR, folder, self.catalog_of(folder).url, "plan")
            if problem or plan["changes"]:
                raise SweepFailure(f"the plan is not empty: {problem or plan}")
            return self.configuration(folder), self.catalog_of(folder).select("SELECT hash, reason FROM config_version ORDER BY 1")
        self.sweep(name, template, ("apply",), slices, recover=lambda folder: self.weir(folder, "apply"),
                   verify=verify, inspect=inspect)

    def configuration(self, folder):
        return view.configuration_rows(view.SqliteCatalog(folder)) if (folder / "weir.db").exists() else None

    def test_two_first_snapshots_from_upload_to_warehouse(self):
        self.sweep("first", self.first(), RUN, [([KILL], 20), ([TEAR, SHORT, EIO, EIO_AFTER, ENOSPC, DISK_FULL, EIO_STICKY], 3)])

    def test_a_snapshot_that_changes_opens_closes_and_widens(self):
        self.sweep("second", self.second(), RUN, [([KILL], 20), ([TEAR, SHORT, EIO, EIO_AFTER, ENOSPC, DISK_FULL, EIO_STICKY], 3)])

    def test_the_warehouse_cannot_be_written_any_more(self):
        """Its library throws where nothing may be thrown: weir says why and ends."""
        self.sweep("warehouse", self.first(), RUN, [([EIO_STICKY], 20)], within="warehouse.duckdb.wal")

    def test_a_snapshot_that_is_held(self):
        self.sweep("held", self.held(), RUN, [([KILL], 8), ([TEAR, EIO, EIO_AFTER, ENOSPC, DISK_FULL, EIO_STICKY], 1)], statuses=(5,))

    def test_a_hold_that_is_approved(self):
        template = self.held()
        template.run("shop", "--run-key", RUN_KEY, expect=5)

        def recover(folder):
            if self.catalog_of(folder).select("SELECT count(*) FROM hold WHERE state = 'approved'") == [[0]]:
                self.weir(folder, "approve", "shop")
        self.sweep("approve", template, ("approve", "shop"), [([KILL, TEAR, EIO, EIO_AFTER, ENOSPC, DISK_FULL], 2)], recover=recover)

    def test_a_retry_after_the_approval(self):
        template = self.held()
        template.run("shop", "--run-key", RUN_KEY, expect=5)
        template.weir("approve", "shop")
        self.sweep("approved", template, ("retry", "shop"), [([KILL], 12), ([TEAR, SHORT, EIO, EIO_AFTER, ENOSPC, DISK_FULL, EIO_STICKY], 1)],
                   recover=self.recover_run(ends=("succeeded",)))

    def test_each_operation_in_a_process_of_its_own(self):
        self.sweep("subprocess", self.first("subprocess"), RUN, [([KILL, CRASH], 10), ([EIO, DISK_FULL], 2)])

    def test_changes_by_processes_of_their_own(self):
        self.sweep("subprocess-second", self.second("subprocess"), RUN, [([KILL, CRASH], 6), ([EIO, DISK_FULL], 2)])


if __name__ == "__main__":
    unittest.main(verbosity=1)
