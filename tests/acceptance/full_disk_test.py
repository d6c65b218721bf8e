"""Disks that are full: where the landing files become raw objects, in the history, the transform, the warehouse, the catalog
and the temporary folder. The task fails as one to be retried and names the disk; readers see what was there before; once there
is room, `weir retry` makes what an undisturbed run makes.

Small file systems are mounted in a namespace of the test's own, so nothing of them stays."""
import os
import pathlib
import random
import subprocess
import sys
import unittest

from weir_project import PROJECT, Project

BLOCK = 4096


def enter_namespace():
    """Starts this program again where it may mount; says so and ends where it may not."""
    if os.environ.get("WEIR_NAMESPACE") == "own":
        return
    options = "-m" if os.geteuid() == 0 else "-rm"
    probe = subprocess.run(["unshare", options, "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, text=True)
    if probe.returncode != 0:
        print(f"skipped: no small file system can be made here: {probe.stderr.strip()}")
        sys.exit(0)
    os.environ["WEIR_NAMESPACE"] = "own"
    os.execvp("unshare", ["unshare", options, sys.executable, *sys.argv])


class Disk:
    """A file system of 16 MiB with little room left."""

    def __init__(self, path, room_bytes):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=1777", "none", str(path)], check=True)
        self.filler = path / "filler"
        self.fill(room_bytes)

    def fill(self, room_bytes):
        found = os.statvfs(self.path)
        size = max(0, found.f_bavail * found.f_frsize - room_bytes) // BLOCK * BLOCK
        with open(self.filler, "ab") as file:
            file.write(b"x" * size)

    def make_room(self):
        self.filler.unlink()


def customers(seed):
    """About a megabyte of rows that compress badly."""
    words = random.Random(seed)
    rows = [f"{number},{words.getrandbits(200):x},city {words.randrange(9000)},{words.randrange(10**6)}.25" for number in range(12_000)]
    return "id,name,city,credit\n" + "\n".join(rows) + "\n"


class FullDisk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        undisturbed = Project()
        cls.addClassCleanup(undisturbed.close)
        cls.landed = {f"customers-2026010{day}.csv": customers(day) for day in (1, 2)}
        for name, content in cls.landed.items():
            undisturbed.land(name, content)
        undisturbed.run("shop", "--parallel", "1")
        cls.digest = undisturbed.digest()
        cls.cities = undisturbed.rows("SELECT city, customers, credit FROM presentation.by_city ORDER BY city LIMIT 50")

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.mounts = []
        self.addCleanup(self.unmount)
        for name, content in self.landed.items():
            self.project.land(name, content)

    def unmount(self):
        for path in self.mounts:
            subprocess.run(["umount", "-l", str(path)], check=True)

    def disk(self, name, room_bytes):
        disk = Disk(self.project.folder / name, room_bytes)
        self.mounts.append(disk.path)
        return disk

    def fail_and_recover(self, disk, task, *words):
        run = self.project.run(expect=75)
        said = run.stdout + run.stderr
        for word in ("resource_exhausted", f"task '{task}'", "make room", *words):
            self.assertIn(word, said)
        self.assertEqual(self.project.leftovers(), [])
        disk.make_room()
        self.project.weir("retry", "shop")
        self.assert_whole()

    def assert_whole(self):
        self.assertEqual(self.project.digest(), self.digest)
        self.assertEqual(self.project.rows("SELECT city, customers, credit FROM presentation.by_city ORDER BY city LIMIT 50"), self.cities)
        self.project.weir("reconcile")
        self.assertEqual(self.project.leftovers(), [])

    def test_of_raw_objects(self):
        self.fail_and_recover(self.disk("data/raw", 300_000), "ingest", "data/raw", "No space left")

    def test_of_rejected_rows(self):
        bad = self.landed["customers-20260102.csv"] + "".join(f"x{number},a,b,1\n" for number in range(20_000))
        self.project.land("customers-20260102.csv", bad)
        disk = self.disk("data/raw/customers__rejected", 20_000)
        run = self.project.run(expect=75)
        self.assertIn("customers__rejected", run.stdout)
        self.assertEqual(len(list((self.project.folder / "data/raw/customers").glob("*.parquet"))), 1)
        disk.make_room()
        self.project.weir("retry", "shop")
        self.assertEqual(self.project.digest(), self.digest)

    def test_of_the_history(self):
        self.fail_and_recover(self.disk("data/stage", 400_000), "history", "data/stage", "No space left")

    def test_of_the_history_between_two_commits(self):
        disk = self.disk("data/stage", 16 << 20)
        second = self.project.folder / "data/landing/customers-20260102.csv"
        second.unlink()
        self.project.run()
        before, rows = self.project.digest(), self.project.rows("SELECT count(*) AS n FROM stage.customers")
        self.project.land(second.name, self.landed[second.name])
        disk.fill(100_000)
        self.project.run(expect=75)
        self.assertEqual(self.project.digest(), before)
        self.assertEqual(self.project.rows("SELECT count(*) AS n FROM stage.customers"), rows)
        disk.make_room()
        self.project.weir("retry", "shop")
        self.assert_whole()

    def test_of_the_transform(self):
        self.fail_and_recover(self.disk("data/presentation", 60_000), "by_city", "data/presentation", "No space left")

    def test_of_the_warehouse(self):
        self.project.write("weir.yaml", PROJECT.replace("path: data/warehouse", "path: data/disk/warehouse"))
        self.fail_and_recover(self.disk("data/disk", 20_000), "load", "warehouse.duckdb")

    def test_of_temporary_files(self):
        disk = self.disk("tmp", 0)
        subprocess.run(["mount", "-o", "remount,nr_inodes=2", str(disk.path)], check=True)
        run = self.project.run(expect=75)
        self.assertIn("cannot make a temporary folder", run.stdout)
        self.assertIn("TMPDIR", run.stdout)
        subprocess.run(["mount", "-o", "remount,nr_inodes=100000", str(disk.path)], check=True)
        disk.make_room()
        self.project.weir("retry", "shop")
        self.assert_whole()

    def test_of_the_catalog(self):
        self.project.write("weir.yaml", PROJECT.replace("sqlite:weir.db", "sqlite:disk/weir.db"))
        disk = self.disk("disk", 16 << 20)
        self.project.weir("apply")
        disk.fill(120_000)
        run = self.project.run(expect=75)
        self.assertIn("disk/weir.db", run.stdout + run.stderr)
        disk.make_room()
        self.project.run()
        self.assert_whole()


if __name__ == "__main__":
    enter_namespace()
    unittest.main(verbosity=1)
