"""The folder of ./dev dist, run where nothing is but a C library that is 2.34 by all that a program can ask of it:
this machine's own, from which the symbol versions above 2.34 are taken away. Arguments: the program, a folder for
what is made."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/dist"))
from elf_versions import ElfVersions, number  # noqa: E402

PROGRAM, WORK = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
LIMIT = (2, 34)
C_LIBRARY = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libresolv.so.2", "ld-linux-x86-64.so.2")

ALONE = ("unshare", *(() if os.geteuid() == 0 else ("--map-root-user",)), "--mount", "--pid", "--fork")

PROJECT = """
project: shop
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: data/raw}
  - {name: stage, uri: data/stage}
datasets:
  - name: raw.customers
    identity: as_of + content
    columns: {id: bigint, name: varchar}
  - {name: stage.customers, key: [id]}
"""
FLOW = """
flow: shop
tasks:
  - id: ingest
    template: ingest_files
    with: {from: "landing/*.csv", as_of: 'customers-(?<as_of>\\d{8})', to: raw.customers}
  - id: history
    template: merge_history
    needs: [ingest]
    with: {from: raw.customers, to: stage.customers}
"""


def dist(program, folder):
    return subprocess.run([ROOT / "tools/dist/dist.sh", program, folder], text=True, capture_output=True)


class Dist(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(WORK, ignore_errors=True)
        cls.root = WORK / "root"
        made = dist(PROGRAM, cls.root / "opt/weir")
        if made.returncode != 0:
            raise AssertionError(made.stdout + made.stderr)
        cls.addClassCleanup(shutil.rmtree, WORK)
        libraries = cls.root / "lib/x86_64-linux-gnu"
        libraries.mkdir(parents=True)
        (cls.root / "lib64").symlink_to("lib/x86_64-linux-gnu")
        cls.hidden = []
        for name in C_LIBRARY:
            shutil.copy(pathlib.Path("/lib/x86_64-linux-gnu") / name, libraries / name)
            if name == "libc.so.6":
                elf = ElfVersions(libraries / name)
                cls.hidden = elf.hide_defined(lambda version: (number(version) or (0,)) > LIMIT)
                elf.write()
        project = cls.root / "project"
        (project / "flows").mkdir(parents=True)
        (project / "data/landing").mkdir(parents=True)
        (cls.root / "tmp").mkdir()
        (cls.root / "proc").mkdir()
        (project / "weir.yaml").write_text(PROJECT)
        (project / "flows/shop.yaml").write_text(FLOW)
        (project / "data/landing/customers-20260101.csv").write_text("id,name\n1,Ann\n2,Bob\n")
        (project / "data/landing/customers-20260102.csv").write_text("id,name\n1,Anna\n2,Bob\n")

    def inside(self, *words, expect=0):
        """Runs a command with the made folder as its whole file system and an empty environment."""
        if subprocess.run([*ALONE, "true"], capture_output=True).returncode != 0:
            self.skipTest("this machine gives no file system of one's own (unshare)")
        # The loader reads /proc to find out where a program lies.
        done = subprocess.run(["env", "-i", f"PATH={os.environ['PATH']}", *ALONE, "sh", "-c",
                               'mount -t proc proc "$0/proc" && exec env -i "$(command -v chroot)" "$0" "$@"', self.root, *words],
                              text=True, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, expect, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout

    def test_the_stand_in_for_an_old_c_library_lacks_what_is_newer(self):
        if not self.hidden:
            self.skipTest("the C library of this machine is not newer than 2.34")
        # Debian's own C++ runtime does not start over it.
        shutil.copy("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", self.root / "lib64/libstdc++.so.6")
        self.addCleanup((self.root / "lib64/libstdc++.so.6").unlink)
        done = subprocess.run([self.root / "lib64/ld-linux-x86-64.so.2", "--library-path", self.root / "lib64",
                               self.root / "lib64/libstdc++.so.6"], text=True, capture_output=True)
        self.assertIn("version `GLIBC_2.36' not found", done.stderr)

    def test_it_starts_says_its_version_and_throws_and_catches(self):
        self.assertRegex(self.inside("/opt/weir/bin/weir", "--version"), r"^weir \d+\.\d+\.\d+ \(DuckDB ")
        # The command line's parser throws: the unwinder goes through the bundled _dl_find_object.
        self.inside("/opt/weir/bin/weir", "--no-such-flag", expect=2)

    def test_a_flow_runs(self):
        weir = ("/opt/weir/bin/weir", "--project", "/project")
        self.inside(*weir, "run", "shop", "--apply")
        self.inside(*weir, "doctor")
        rows = json.loads(self.inside(*weir, "--output", "json", "table", "query",
                                      "SELECT id, name, is_current FROM stage.customers ORDER BY id, valid_from"))
        self.assertEqual([(row["id"], row["name"], row["is_current"]) for row in rows],
                         [(1, "Ann", False), (1, "Anna", True), (2, "Bob", True)])

    def test_what_needs_a_newer_c_library_is_refused_by_name(self):
        source = WORK / "newer.cc"
        source.write_text('#include <cstdlib>\nint main() try { throw arc4random(); } catch (char) { return 1; }\n')
        subprocess.run(["c++", "-o", WORK / "newer", source], check=True)
        if not any((number(version) or (0,)) > LIMIT for _, version, _, _ in ElfVersions(WORK / "newer").needed()):
            self.skipTest("the C library of this machine is not newer than 2.34")
        made = dist(WORK / "newer", WORK / "refused")
        self.assertEqual(made.returncode, 1)
        self.assertIn("bin/newer: arc4random needs GLIBC_2.36 of libc.so.6", made.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
