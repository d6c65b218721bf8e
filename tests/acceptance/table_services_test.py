"""Tables kept in shape by hand while flows go on: optimize, clean, rollback, check, repair; by dataset and
by the root of a table that no project knows."""
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

import pyarrow.parquet as pq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[0]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "crash"))
import lake_view  # noqa: E402
from weir_project import A, B, FLOW, Project  # noqa: E402

TABLE = "stage.customers"
NEVER = 99999999999999999


class TableServices(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.root = self.project.folder / "data/stage/customers"

    def land(self, day, content):
        self.project.land(f"customers-2026010{day}.csv", content)
        self.project.run()

    def service(self, word, *words, expect=0, of=TABLE):
        """What a service says, as JSON."""
        run = self.project.weir("--output", "json", "table", word, str(of), *words, expect=expect)
        return json.loads(run.stdout.splitlines()[-1]) if run.stdout else run.stderr

    def instants(self):
        return sorted(name.split(".")[0] for name in self.project.commits(TABLE))

    def other_reader(self):
        return lake_view.hudi_rows(self.root)

    def test_optimize_changes_no_row_and_flows_go_on(self):
        # That small groups are joined is for unit.table to show: weir itself leaves none of this size apart.
        for day in (1, 2, 3):
            self.land(day, (A, B, A)[day - 1])
        before = self.project.digest(), self.other_reader()
        done = self.service("optimize")
        self.assertLessEqual(done["groups_after"], done["groups_before"])
        after = self.project.digest(), self.other_reader()
        self.assertEqual(before, after)
        self.assertEqual(self.service("check", "--contents")["findings"], [])
        self.project.weir("reconcile")
        # What follows goes on from the joined files.
        self.land(4, B)
        self.project.weir("reconcile")
        rows = self.project.rows("SELECT id, count(*) AS n FROM stage.customers WHERE is_current GROUP BY id HAVING count(*) > 1")
        self.assertEqual(rows, [])

    def test_clean_keeps_what_is_retained_and_refuses_the_rest(self):
        for day in (1, 2, 3):
            self.land(day, (A, B, A)[day - 1])
        oldest, *_, newest = self.instants()
        now = self.other_reader()
        as_of_newest = self.project.weir("table", "query", "SELECT count(*) FROM stage.customers", "--at", newest).stdout
        done = self.service("clean", "--retain-commits", "1")
        self.assertGreater(done["files"], 0)
        self.assertEqual(self.other_reader(), now)
        self.assertEqual(as_of_newest, self.project.weir("table", "query", "SELECT count(*) FROM stage.customers", "--at", newest).stdout)
        refused = self.project.weir("table", "query", "SELECT count(*) FROM stage.customers", "--at", oldest, expect=None)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("cleaned", refused.stderr)
        self.assertEqual(self.service("clean", "--retain-commits", "1")["files"], 0)
        self.project.weir("reconcile")
        self.land(4, B)
        self.assertEqual(self.service("check", "--contents")["findings"], [])

    def test_trim_archives_commits_and_custody_stays_whole(self):
        for day in (1, 2, 3, 4, 5):
            self.land(day, (A, B)[day % 2])
        before = self.project.digest(), self.other_reader()
        commits = self.service("show")["commits"]
        oldest, newest = self.instants()[0], self.instants()[-1]
        self.assertEqual(self.service("trim")["commits"], 0, "they are young")
        self.service("clean", "--retain-commits", "1")
        done = self.service("trim", "--keep-commits", "2", "--keep-days", "0")
        self.assertGreaterEqual(done["commits"], 3)
        self.assertEqual(done["held_by"], "")
        self.assertEqual(len(self.instants()), 2)
        self.assertEqual((self.project.digest(), self.other_reader()), before)
        self.assertEqual(self.service("show")["commits"], commits)
        self.assertEqual(self.service("check", "--contents")["findings"], [])
        self.project.weir("reconcile")
        refused = self.project.weir("table", "query", "SELECT count(*) FROM stage.customers", "--at", oldest, expect=None)
        self.assertIn("the earliest that can be read is", refused.stderr)
        # Nothing is loaded again: not by a catalog that knows, nor by one that learns it from the lake.
        self.project.run()
        self.assertEqual(self.instants()[-1], newest)
        self.project.weir("doctor", "--heal")
        self.project.weir("reconcile")
        self.project.run()
        self.assertEqual(self.instants()[-1], newest)
        self.land(6, A)
        self.assertGreater(self.instants()[-1], newest)
        self.project.weir("reconcile")

    def test_rollback_takes_the_newest_commit_back_and_a_run_makes_it_anew(self):
        self.land(1, A)
        first = self.project.digest()
        self.land(2, B)
        second = self.project.digest()
        oldest, newest = self.instants()
        refused = self.project.weir("table", "rollback", TABLE, oldest, expect=None)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(newest, refused.stderr)
        self.assertEqual(self.service("rollback", newest)["newest"], oldest)
        self.assertEqual(self.project.digest(), first)
        self.project.weir("doctor", "--heal")
        self.project.run()
        self.assertEqual(self.project.digest(), second)
        self.project.weir("reconcile")

    def test_changes_are_the_rows_between_two_versions(self):
        for day in (1, 2, 3):
            self.land(day, (A, B, A)[day - 1])
        first, second, third = self.instants()

        def written_in(*instants):
            rows = pq.ParquetDataset([str(path) for path in self.live_files()]).read().to_pylist()
            return sorted((row["_hoodie_commit_time"], row["id"]) for row in rows if row["_hoodie_commit_time"] in instants)

        def seen(told):
            return sorted((row["instant"], row["id"]) for row in told["rows"])

        told = self.service("changes")
        self.assertEqual((seen(told), told["to"]), (written_in(first, second, third), third))
        self.assertEqual(told["rows_in_all"], len(self.other_reader()))
        told = self.service("changes", "--from", first)
        self.assertTrue(told["rows"])
        self.assertEqual((seen(told), told["to"]), (written_in(second, third), third))
        self.assertEqual([commit["instant"] for commit in told["commits"]], [second, third])
        told = self.service("changes", "--from", third, of=self.root)
        self.assertEqual((told["rows"], told["to"]), ([], third))
        told = self.service("changes", "--limit", "1")
        self.assertEqual((len(told["rows"]), told["rows_in_all"]), (1, len(self.other_reader())))
        told = self.service("changes", "--to", second)
        self.assertEqual((told["to"], {row["instant"] for row in told["rows"]} - {first, second}), (second, set()))
        text = self.project.weir("table", "changes", TABLE, "--from", second)
        self.assertIn(third, text.stdout)

    def live_files(self):
        """Of each group the newest."""
        newest = {}
        for path in self.root.glob("*.parquet"):
            group, instant = path.name.split("_")[0], path.stem.rsplit("_", 1)[1]
            if instant > newest.get(group, ("", ""))[0]:
                newest[group] = (instant, path)
        return [path for _, path in newest.values()]

    def test_a_table_that_somebody_works_on_is_left_alone(self):
        self.land(1, A)
        self.project.sqlite("INSERT INTO lease (name, holder, host, epoch, expires_at_us) VALUES ('dataset:stage.customers', "
                            f"'the night run', 'elsewhere', 7, {NEVER}) ON CONFLICT (name) DO UPDATE SET holder = 'the night run', "
                            f"host = 'elsewhere', expires_at_us = {NEVER}")
        before = self.project.objects()
        for words in (("optimize",), ("clean",), ("repair",), ("rollback", self.instants()[0])):
            refused = self.project.weir("table", words[0], TABLE, *words[1:], expect=None)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("the night run", refused.stderr)
        self.assertEqual(self.project.objects(), before)

    def test_check_names_faults_and_repair_mends_what_can_be(self):
        self.land(1, A)
        (self.root / ".hoodie/20250101000000000.commit.requested").touch()
        live = next(self.root.glob("*.parquet"))
        live.write_bytes(live.read_bytes()[:-20])
        found = self.service("check", expect=1)["findings"]
        self.assertEqual({finding["kind"] for finding in found}, {"unfinished", "damaged"})
        mended = self.service("repair", expect=1)["findings"]
        self.assertEqual({(finding["kind"], finding["repaired"]) for finding in mended}, {("unfinished", True), ("damaged", False)})

    def test_a_table_that_no_project_knows_is_named_by_its_root(self):
        for day in (1, 2):
            self.land(day, (A, B)[day - 1])
        elsewhere = pathlib.Path(tempfile.mkdtemp(prefix="weir table "))
        self.addCleanup(shutil.rmtree, elsewhere)
        shutil.copytree(self.root, elsewhere / "t")
        nowhere = Project.at(elsewhere)
        run = nowhere.weir("table", "clean", str(elsewhere / "t"), "--retain-commits", "1")
        self.assertIn("gone", run.stdout)
        nowhere.weir("table", "check", str(elsewhere / "t"), "--contents")
        self.assertEqual(lake_view.hudi_rows(elsewhere / "t"), self.other_reader())
        missing = nowhere.weir("table", "check", str(elsewhere / "none"), expect=None)
        self.assertIn("no Hudi table", missing.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
