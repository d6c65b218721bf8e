"""Bad surroundings: files and folders without rights, a catalog that is missing, locked, corrupt or of the future, a warehouse that
is none or held by another, no temporary folder. Each with an error that names the thing and the way out, and the right exit."""
import os
import pathlib
import sqlite3
import subprocess
import sys
import unittest

from weir_project import A, PROJECT, WEIR, Project

from waiting import wait_for  # noqa: E402, its folder is known by then

NOBODY = 65534
HOLDER = """
import ctypes, os, sys
duckdb = ctypes.CDLL(sys.argv[1])
database = ctypes.c_void_p()
assert duckdb.duckdb_open(sys.argv[2].encode(), ctypes.byref(database)) == 0
print("open", flush=True)
sys.stdin.read()
"""


class Surroundings(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)


class Rights(Surroundings):
    """Modes do not count for root, so root runs weir as nobody."""

    def setUp(self):
        super().setUp()
        self.project.land("sales/x.csv", "id,amount\n1,2.00\n")
        self.project.land("customers-20260101.csv", A)
        self.project.run("sales")
        if os.geteuid() == 0:
            for path in [self.project.folder, *self.project.folder.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)

    def weir(self, *words):
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
        return subprocess.run([*become, WEIR, "--project", str(self.project.folder), *words], text=True, errors="replace",
                              capture_output=True, env=self.project.environment, timeout=100)

    def refuse(self, path, mode, *words, command=("run", "sales", "--apply"), status=1):
        """With that mode the command is refused, naming the path; with the old one it works."""
        path = self.project.folder / path
        before = path.stat().st_mode & 0o777
        path.chmod(mode)
        try:
            run = self.weir(*command)
        finally:
            path.chmod(before)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        for word in (*words, "help: "):
            self.assertIn(word, run.stdout + run.stderr)
        self.assertEqual(self.project.leftovers(), [])
        again = self.weir(*command)
        self.assertEqual(again.returncode, 0, again.stdout + again.stderr)

    def test_of_landing_files_and_folders(self):
        self.refuse("data/landing/sales/x.csv", 0, "data/landing/sales/x.csv", "Permission denied", "give this user the rights")
        self.refuse("data/landing/sales", 0, "data/landing/sales", "Permission denied")

    def test_of_the_lakes_folders(self):
        self.project.land("sales/y.csv", "id,amount\n2,2.00\n")
        self.refuse("data/raw/sales", 0o555, "data/raw/sales", "Permission denied")
        self.refuse("data", 0o555, "data/stage", "Permission denied", command=("run", "shop", "--apply"))

    def test_of_the_temporary_folder(self):
        self.project.land("sales/y.csv", "id,amount\n2,2.00\n")
        self.refuse("tmp", 0o555, "cannot make a temporary folder", "Permission denied", "TMPDIR")

    def test_of_the_catalog(self):
        self.project.land("sales/y.csv", "id,amount\n2,2.00\n")
        self.refuse("weir.db", 0, "weir.db")
        self.refuse(".", 0o555, "weir.db", "-wal")

    def test_of_the_projects_files(self):
        for path in ("weir.yaml", "flows/shop.yaml", "flows", "sql/by_city.sql"):
            self.refuse(path, 0, path, "Permission denied", command=("validate",))

    def test_of_the_warehouse(self):
        self.assertEqual(self.weir("run", "shop", "--apply").returncode, 0)
        self.project.land("customers-20260102.csv", A.replace("Oslo", "Bergen"))
        self.refuse("data/warehouse.duckdb", 0o444, "warehouse.duckdb", command=("run", "shop", "--apply"))


class Catalog(Surroundings):
    def test_in_a_folder_that_is_not_there_yet(self):
        self.project.write("weir.yaml", PROJECT.replace("sqlite:weir.db", "sqlite:state/of play/weir.db"))
        self.project.land("sales/x.csv", "id,amount\n1,2.00\n")
        self.project.run("sales")
        self.assertTrue((self.project.folder / "state/of play/weir.db").is_file())
        self.project.weir("--catalog", "sqlite:else/where.db", "apply")

    def test_that_is_missing_where_it_is_only_read(self):
        for command in (("runs",), ("status",), ("retry", "shop"), ("export",)):
            run = self.project.weir("--catalog", "sqlite:no/such.db", *command, expect=1)
            self.assertIn("there is no catalog at", run.stderr)
            self.assertIn("no/such.db", run.stderr)
            self.assertIn("weir apply", run.stderr)
        self.assertFalse((self.project.folder / "no").exists())

    def test_that_is_no_database(self):
        self.project.write("weir.db", "this is no database, not at all" * 100)
        run = self.project.run("shop", expect=1)
        self.assertIn("weir.db", run.stderr)
        self.assertIn("doctor --heal", run.stderr)
        (self.project.folder / "weir.db").unlink()
        (self.project.folder / "weir.db").mkdir()
        self.assertIn("weir.db", self.project.run("shop", expect=1).stderr)

    def test_of_a_kind_that_is_none(self):
        run = self.project.weir("--catalog", "mysql://user:secret@host/db", "runs", expect=2)
        self.assertIn("'mysql' is no kind of catalog", run.stderr)
        self.assertNotIn("secret", run.stderr)

    def test_of_a_newer_schema(self):
        self.project.weir("apply")
        with sqlite3.connect(self.project.folder / "weir.db") as catalog:
            catalog.execute("INSERT INTO schema_migration SELECT 999, name, applied_at_us FROM schema_migration LIMIT 1")
        for command, status in ((("runs",), 2), (("run", "shop"), 2), (("doctor",), 1)):
            run = self.project.weir(*command, expect=status)
            for word in ("weir.db", "version 999"):
                self.assertIn(word, run.stdout + run.stderr)

    def test_that_another_process_locks_is_waited_for(self):
        self.project.weir("apply")
        self.project.land("sales/x.csv", "id,amount\n1,2.00\n")
        holder = sqlite3.connect(self.project.folder / "weir.db", isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")
        waiting = subprocess.Popen([WEIR, "--project", str(self.project.folder), "run", "sales"], env=self.project.environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(waiting.kill)
        wait_for_sleep(waiting.pid)
        self.assertIsNone(waiting.poll())
        holder.execute("ROLLBACK")
        out, err = waiting.communicate(timeout=100)
        self.assertEqual(waiting.returncode, 0, out + err)
        # One that never lets go: the run gives up, and is to be tried again.
        holder.execute("BEGIN IMMEDIATE")
        run = self.project.weir("run", "sales", expect=75)
        holder.execute("ROLLBACK")
        for word in ("weir.db", "locked by another process", "help: "):
            self.assertIn(word, run.stdout + run.stderr)
        self.project.weir("run", "sales")


def wait_for_sleep(pid):
    """Until the process waits for something rather than computes."""
    stat = pathlib.Path(f"/proc/{pid}/wchan")
    wait_for("sleep", lambda: "nanosleep" in stat.read_text(), pause=0)


class Warehouse(Surroundings):
    def setUp(self):
        super().setUp()
        self.project.land("customers-20260101.csv", A)
        self.warehouse = self.project.folder / "data/warehouse.duckdb"

    def test_that_is_no_duckdb_file(self):
        self.project.write("data/warehouse.duckdb", "PGDMP and so on" * 1000)
        run = self.project.run(expect=1)
        for word in ("corrupt", "warehouse.duckdb", "not a valid DuckDB database file"):
            self.assertIn(word, run.stdout)
        self.assertEqual(self.warehouse.read_text(), "PGDMP and so on" * 1000)
        self.warehouse.unlink()
        self.project.weir("retry", "shop")

    def test_whose_path_is_a_folder_or_below_a_file(self):
        self.warehouse.mkdir(parents=True)
        self.assertIn("warehouse.duckdb", self.project.run(expect=None).stdout)
        self.project.write("data/file", "x")
        self.project.write("weir.yaml", PROJECT.replace("path: data/warehouse", "path: data/file/warehouse"))
        run = self.project.run(expect=None)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("data/file", run.stdout)

    def test_that_another_process_holds_names_the_holder(self):
        self.project.write("weir.yaml", PROJECT.replace("path: data/warehouse.duckdb", "path: data/warehouse.duckdb, lock_timeout: 1s"))
        self.project.run()
        before = self.warehouse.read_bytes()
        self.project.land("customers-20260102.csv", A.replace("Oslo", "Bergen"))
        library = next((pathlib.Path(__file__).resolve().parents[2] / ".deps/duckdb/lib").glob("libduckdb*"))
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(library), str(self.warehouse)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(holder.kill)
        self.assertEqual(holder.stdout.readline(), "open\n")
        run = self.project.run(expect=75)
        for word in ("conflict", "warehouse.duckdb", f"PID {holder.pid}", "waited 1s", "lock_timeout"):
            self.assertIn(word, run.stdout)
        holder.communicate("")
        self.assertEqual(self.warehouse.read_bytes(), before)
        self.project.weir("retry", "shop")
        self.assertNotEqual(self.warehouse.read_bytes(), before)


class Commands(Surroundings):
    def test_an_unknown_command_flow_task_run_and_dataset_are_guessed(self):
        self.project.weir("apply")
        for words, status, said in ((("statsu",), 2, "did you mean 'status'"), (("frobnicate",), 2, "there is no command 'frobnicate'"),
                                    (("run", "shp"), 2, "did you mean 'shop'"),
                                    (("task", "run", "--flow", "shop", "--task", "ingst", "--run-key", "k"), 2, "did you mean 'ingest'"),
                                    (("retry", "nope"), 1, "`weir runs` lists"), (("table", "show", "raw.nosuch"), 2, "weir table list"),
                                    (("table", "query", "SELECT 1 FROM raww.sales"), 2, "did you mean 'raw'"),
                                    (("template", "show", "ingest_fils"), None, "did you mean 'ingest_files'")):
            with self.subTest(words=words):
                run = self.project.weir(*words, expect=status)
                self.assertNotEqual(run.returncode, 0)
                self.assertIn(said, run.stderr)

    def test_a_quiet_run_still_says_what_went_wrong(self):
        self.project.land("sales/x.csv", "")
        run = self.project.weir("--quiet", "run", "sales", "--apply", expect=3)
        self.assertIn("is an empty file", run.stdout + run.stderr)
        self.project.land("sales/x.csv", "id,amount\n1,2\n")
        self.project.weir("apply")
        run = self.project.weir("--quiet", "run", "sales")
        self.assertEqual(run.stdout + run.stderr, "")

    def test_a_folder_without_a_project(self):
        for path in (self.project.folder / "weir.yaml", self.project.folder / "flows/shop.yaml"):
            path.unlink()
        for command in (("plan",), ("apply",)):
            run = self.project.weir(*command, expect=1)
            self.assertIn("there is no weir.yaml in", run.stderr)
            self.assertIn("weir init", run.stderr)

    def test_a_project_folder_that_is_not_there(self):
        nowhere = self.project.folder / "nowhere"
        for command in (("validate",), ("run", "shop", "--apply"), ("runs",), ("table", "list")):
            run = subprocess.run([WEIR, "--project", str(nowhere), *command], text=True, capture_output=True, env=self.project.environment)
            self.assertEqual(run.returncode, 1, run.stderr)
            self.assertIn(f"there is no project folder {nowhere}", run.stderr)
        self.assertFalse(nowhere.exists())

    def test_a_path_that_is_a_file_says_so_and_leaves_nothing(self):
        self.project.write("data/raw", "in the way")
        self.project.land("sales/1.csv", "id,amount\n1,1.00\n")
        run = self.project.run("sales", expect=2)
        self.assertIn("data/raw", run.stdout)
        self.assertIn("in the way", run.stdout)
        self.assertEqual(self.project.leftovers(), [])

    def test_a_name_without_a_readable_as_of_is_named(self):
        self.project.land("customers-latest.csv", A)
        run = self.project.run(expect=3)
        self.assertIn("customers-latest.csv", run.stdout)
        self.assertIn("as_of pattern", run.stdout)
        self.project.land("customers-20261399.csv", A)
        (self.project.folder / "data/landing/customers-latest.csv").unlink()
        self.assertIn("customers-20261399.csv", self.project.run(expect=3).stdout)


if __name__ == "__main__":
    unittest.main(verbosity=1)
