"""./dev itself: its help, and the pre-commit hook and the fragment check in a small repository of their own."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
UGLY = "int  main( ) {return 0;}\n"
FORMATTED = "int main() { return 0; }\n"


class SmallRepository(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir house "))
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("dev", ".clang-format", "tools/fmt.sh", "tools/hook.sh", "tools/fragments.py"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.folder / name)
        self.write("changelog.d/main-line.feature.md", "Files become tables, and every row is counted.\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "house: begin")

    def run_it(self, *words):
        # A hook's own variables (GIT_DIR, GIT_INDEX_FILE) would point at the repository that runs this test.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        who = {"GIT_AUTHOR_NAME": "ann", "GIT_AUTHOR_EMAIL": "ann@example.org",
               "GIT_COMMITTER_NAME": "ann", "GIT_COMMITTER_EMAIL": "ann@example.org"}
        return subprocess.run(words, cwd=self.folder, text=True, capture_output=True,
                              env={**environment, **who, "GIT_CONFIG_GLOBAL": os.devnull}, timeout=60)

    def git(self, *words, expect=0):
        done = self.run_it("git", *words)
        self.assertEqual(done.returncode == 0, expect == 0, f"git {words}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


class Help(unittest.TestCase):
    def test_it_lists_the_commands_that_there_are(self):
        shown = subprocess.run([ROOT / "dev", "help"], text=True, capture_output=True, check=True).stdout
        listed = re.findall(r"^\./dev ([a-z]+)", shown, re.MULTILINE)
        block = (ROOT / "dev").read_text().partition("case $command in\n")[2].partition("\nesac")[0]
        known = re.findall(r"^  ([a-z]+)(?:\||\))", block, re.MULTILINE)
        self.assertEqual(sorted(known), sorted([*listed, "help"]))

    def test_an_unknown_command_is_named_and_the_help_shown(self):
        done = subprocess.run([ROOT / "dev", "biuld"], text=True, capture_output=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("unknown command 'biuld'", done.stderr)
        self.assertIn("./dev build", done.stderr)


class Hook(SmallRepository):
    def setUp(self):
        super().setUp()
        installed = self.run_it("./dev", "hook")
        self.assertEqual(installed.returncode, 0, installed.stderr)

    def test_what_is_committed_is_formatted(self):
        path = self.write("src/a file.cc", UGLY)
        self.git("add", "src")
        said = self.git("commit", "--message", "house: add a file")
        self.assertIn("formatted src/a file.cc", said)
        self.assertEqual(self.git("show", "HEAD:src/a file.cc"), FORMATTED)
        self.assertEqual(path.read_text(), FORMATTED)
        self.assertEqual(self.git("status", "--porcelain"), "")

    def test_changes_that_are_not_staged_stay_out_of_the_commit(self):
        self.write("a.cc", UGLY)
        self.git("add", "a.cc")
        path = self.write("a.cc", UGLY + "int unfinished;\n")
        said = self.git("commit", "--message", "house: add a file", expect=1)
        self.assertIn("a.cc: what is staged is not formatted", said)
        self.assertEqual(path.read_text(), UGLY + "int unfinished;\n")

        self.write("a.cc", FORMATTED)
        self.git("add", "a.cc")
        self.write("a.cc", FORMATTED + "int   unfinished;\n")
        self.git("commit", "--message", "house: add a file")
        self.assertEqual(self.git("show", "HEAD:a.cc"), FORMATTED)
        self.assertEqual(path.read_text(), FORMATTED + "int   unfinished;\n")

    def test_a_commit_from_a_subfolder_and_a_second_installation_work(self):
        self.assertEqual(self.run_it("./dev", "hook").returncode, 0)
        self.write("src/a.cc", UGLY)
        self.git("add", "src")
        self.git("-C", "src", "commit", "--message", "house: add a file")
        self.assertEqual(self.git("show", "HEAD:src/a.cc"), FORMATTED)

    def test_a_hook_of_somebody_else_is_left_alone(self):
        hook = self.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n")
        refused = self.run_it("./dev", "hook")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is there and not ours", refused.stderr)
        self.assertEqual(hook.read_text(), "#!/bin/sh\nexit 0\n")


class Fragments(SmallRepository):
    def check(self):
        done = self.run_it("python3", "tools/fragments.py")
        return done.returncode, done.stdout

    def test_a_branch_that_changes_the_reference_brings_a_fragment(self):
        self.git("checkout", "--quiet", "-b", "new-words")
        self.assertEqual(self.check()[0], 0)
        self.write("docs/reference/commands.md", "## `weir drain`\n")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "cli: add drain")
        status, said = self.check()
        self.assertEqual(status, 1)
        self.assertIn("docs/reference/commands.md differs from main", said)
        self.write("changelog.d/drain.feature.md", "`weir drain` lets what runs end and starts nothing new.\n")
        self.assertEqual(self.check()[0], 0, "a fragment that is not yet committed counts")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "docs: say it")
        self.assertEqual(self.check()[0], 0)

    def test_a_fragment_has_a_kind_and_a_sentence(self):
        for name, text, fault in (
                ("drain.md", "`weir drain` lets what runs end.\n", "the name is <topic>"),
                ("drain.feature.md", "drain\n", "say in a sentence"),
                ("drain.feature.md", "", "say in a sentence"),
                ("drain.feature.md", "# Drain\n\nLets what runs end and starts nothing.\n", "plain sentences"),
                ("drain.feature.md", f"It runs {'on and ' * 40}on.\n", "longer than")):
            path = self.write(f"changelog.d/{name}", text)
            status, said = self.check()
            self.assertEqual((status, fault in said), (1, True), f"{name}: {text!r}: {said}")
            path.unlink()
        self.assertEqual(self.check()[0], 0)


if __name__ == "__main__":
    unittest.main()
