"""cmake/ccache.cmake: a second folder builds a small project from the first one's results, without a compiler."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

LISTS = """
cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES CXX)
include(cmake/ccache.cmake)
include_directories(${PROJECT_SOURCE_DIR})
add_library(small_pch OBJECT pch.cc)
target_precompile_headers(small_pch PRIVATE <cstddef> <answer.h>)
weir_share_precompiled(small_pch)
add_library(small STATIC small.cc)
target_precompile_headers(small REUSE_FROM small_pch)
"""
COMPILATIONS = 3  # the header, pch.cc, small.cc


@unittest.skipIf(shutil.which("ccache") is None, "there is no ccache")
class Ccache(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir ccache "))
        self.addCleanup(shutil.rmtree, self.folder)
        # Nothing of the user's own settings: they come with the call.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("CCACHE_")}
        self.environment |= {"CCACHE_DIR": str(self.folder / "cache"), "CCACHE_CONFIGPATH": os.devnull}

    def clone(self, name, answer=42):
        folder = self.folder / name
        (folder / "cmake").mkdir(parents=True)
        for file in ("ccache.cmake", "precompile.sh"):
            shutil.copy(ROOT / "cmake" / file, folder / "cmake" / file)
        (folder / "CMakeLists.txt").write_text(LISTS)
        (folder / "answer.h").write_text(f"inline int answer() {{ return {answer}; }}\n")
        (folder / "pch.cc").write_text("")
        (folder / "small.cc").write_text("int small() { return answer(); }\n")
        self.cmake("-S", folder, "-B", folder / "build/release", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug")
        return folder

    def cmake(self, *words, **environment):
        done = subprocess.run(["cmake", *words], text=True, capture_output=True, env={**self.environment, **environment})
        self.assertEqual(done.returncode, 0, f"{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def build(self, folder, **environment):
        """Builds, and gives how many compilations were hits and how many were not."""
        self.ccache("--zero-stats")
        self.cmake("--build", folder / "build/release", **environment)
        counts = dict(line.split("\t") for line in self.ccache("--print-stats").splitlines())
        hits = int(counts["direct_cache_hit"]) + int(counts["preprocessed_cache_hit"])
        others = int(counts["cache_miss"]) + int(counts.get("could_not_use_precompiled_header", 0))
        return hits, others

    def ccache(self, *words):
        return subprocess.run(["ccache", *words], text=True, capture_output=True, env=self.environment, check=True).stdout

    def precompiled(self, folder):
        return folder / "build/release/CMakeFiles/small_pch.dir/cmake_pch.hxx.gch"

    def test_a_second_folder_needs_no_compiler(self):
        self.assertEqual(self.build(self.clone("first")), (0, COMPILATIONS))
        no_compiler = {"CCACHE_PREFIX": "/bin/false", "CCACHE_PREFIX_CPP": "/bin/false"}
        self.assertEqual(self.build(self.clone("second"), **no_compiler), (COMPILATIONS, 0))

    def test_a_folder_that_precompiled_the_header_by_itself_shares_the_rest(self):
        self.build(self.clone("first"))
        second = self.clone("second")
        self.build(second, CCACHE_RECACHE="1")
        first = self.folder / "first"
        self.assertNotEqual(self.precompiled(first).read_bytes(), self.precompiled(second).read_bytes(),
                            "GCC writes the same bytes now: precompile.sh may go")
        for path in (second / "build/release").rglob("*.o"):
            path.unlink()
        self.assertEqual(self.build(second), (COMPILATIONS - 1, 0))

    def test_precompiling_again_is_a_hit(self):
        folder = self.clone("first")
        self.build(folder)
        os.utime(folder / "answer.h")
        self.assertEqual(self.build(folder), (COMPILATIONS, 0))

    def test_a_header_that_differs_is_no_hit(self):
        self.build(self.clone("first"))
        self.assertEqual(self.build(self.clone("second", answer=43))[0], 0)


if __name__ == "__main__":
    unittest.main()
