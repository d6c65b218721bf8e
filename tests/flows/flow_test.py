#!/usr/bin/env python3
"""Proves the flow runner before anything is proven with it: what it refuses to run, and that it finds
a wrong expectation, work done twice, a torn write and a run that cannot be retried. The program under
test is a small stand-in for weir, good or with a planted fault."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent

# Publishes the lines of landing/*.txt in upper case, each file once, and keeps a catalog of its runs. Everything is
# written under a temporary name first; what is published is not written again.
STAND_IN = '''#!{python} -S
import glob, hashlib, json, os, sqlite3, sys
words = [word for word in sys.argv[1:]]
os.chdir(words[words.index("--project") + 1])
words = words[words.index("--project") + 2:]
if words[:2] == ["--output", "json"]:
    answers = {{("table", "list"): {{"tables": []}}}}
    print(json.dumps(answers[tuple(words[2:4])]))
    sys.exit(0)
if words[0] == "reconcile":
    print("ok")
    sys.exit(0)
catalog = sqlite3.connect("weir.db", isolation_level=None)
catalog.execute("CREATE TABLE IF NOT EXISTS flow_run(run_id TEXT, flow_id TEXT, state TEXT, error_code TEXT)")
catalog.execute("CREATE TABLE IF NOT EXISTS task_run(run_id TEXT, task_id TEXT, state TEXT, error_code TEXT)")
if words[0] == "apply":
    print("plan: nothing to change")
    sys.exit(0)
def publish(name, text):
    os.makedirs(os.path.dirname(name), exist_ok=True)
    temporary = os.path.join(os.path.dirname(name), ".weir-tmp-1")
    fd = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
    os.write(fd, text.encode())
    os.close(fd)
    os.rename(temporary, name)
if words[0] == "run":
    number = catalog.execute("SELECT count(*) FROM flow_run").fetchone()[0]
    catalog.execute("INSERT INTO flow_run VALUES (?, ?, 'running', '')", (f"r{{number}}", words[1]))
elif words[0] == "retry":
    number = int(words[1][1:])
print(f"run r{{number}} of flow f", file=sys.stderr)
for name in sorted(glob.glob("landing/*.txt")):
    text = open(name).read()
    target = "lake/" + os.path.basename(name)
    if not os.path.exists(target):
        publish(target, text.upper())
        print(f"  up: {{name}}: {{len(text.split())}} lines", file=sys.stderr)
print("  up: succeeded", file=sys.stderr)
catalog.execute("UPDATE flow_run SET state = 'succeeded' WHERE run_id = ?", (f"r{{number}}",))
'''

GOOD_CASE = """
file landing/a.txt
  one
  two

case lines are published once
run f
  up: landing/a.txt: 2 lines
files lake
  a.txt
"""


class Runner(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-flow-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "tmp").mkdir()

    def run_flow(self, text, program=STAND_IN, words=(), is_long=False):
        """(exit status, what was printed, the file's text afterwards)"""
        weir = self.folder / "weir"
        weir.write_text(program.format(python=sys.executable))
        weir.chmod(0o755)
        path = self.folder / "test.flow"
        path.write_text(text)
        done = subprocess.run([sys.executable, str(HERE / "flow.py"), *words, str(path)], text=True, capture_output=True,
                              timeout=240, env={**os.environ, "WEIR": str(weir), "WEIR_LONG": str(int(is_long)),
                                                "TMPDIR": str(self.folder / "tmp")})
        return done.returncode, done.stdout + done.stderr, path.read_text()

    def assert_refused(self, text, line, words):
        status, printed, _ = self.run_flow(text)
        self.assertEqual(status, 1, printed)
        self.assertIn(f"test.flow:{line}: ", printed)
        self.assertIn(words, printed)
        self.assertNotIn("ok ", printed)

    def assert_caught(self, program, *words, is_long=False):
        self.assertNotEqual(program, STAND_IN, "the fault is planted")
        status, printed, _ = self.run_flow(GOOD_CASE, program, is_long=is_long)
        self.assertEqual(status, 1, printed)
        for each in words:
            self.assertIn(each, printed)

    # ---- what is not run at all ----

    def test_a_command_without_an_expectation_is_refused(self):
        self.assert_refused("case a\nrun f\nfiles .\n  x\n", 2, "'run' has no expectation")

    def test_a_case_that_expects_nothing_is_refused(self):
        self.assert_refused("case a\nfile x\n  y\ncase b\nrun f\n  z\n", 1, "case 'a' expects nothing")
        self.assert_refused("case a\nrun f\n  ...\n", 1, "case 'a' expects nothing")

    def test_a_file_without_a_case_is_refused(self):
        self.assert_refused("# only words\n\nfile x\n  y\n", 4, "without a case")

    def test_an_unknown_directive_is_refused_with_the_one_that_was_meant(self):
        self.assert_refused("case a\nrun f\n  x\nqeury SELECT 1\n  1\n", 4, "did you mean 'query'")

    def test_garbage_behind_a_directive_is_refused(self):
        for line in ("exit 3 or so", "exit x", "again", "file a b", "file a as=", "remove a b", "env a", "retry f g", "apply now",
                     "run 'f", "files a b", "case"):
            with self.subTest(line):
                self.assert_refused(f"case a\nrun f\n  x\n{line}\n", 4, line.split()[0])

    def test_lines_that_belong_to_nothing_are_refused(self):
        self.assert_refused("  x\ncase a\nrun f\n  x\n", 1, "belongs to no directive")
        self.assert_refused("case a\nrun f\n x\n", 3, "two spaces")
        self.assert_refused("case a\nrun f\n  x\nremove y\n  z\n", 4, "has no body")
        self.assert_refused("case a\nrun f\n  x\nexit 0\n  z\n", 4, "has no body")

    def test_a_modifier_follows_what_it_modifies(self):
        self.assert_refused("case a\nrun f\n  x\nfile y\n  z\nexit 3\n", 6, "follows a command")
        self.assert_refused("case a\nweir runs\n  x\nagain it may\n", 4, "follows a run")

    def test_a_query_says_its_sql_once(self):
        self.assert_refused("case a\nquery\n  x\n", 2, "has no SQL")
        self.assert_refused("case a\nquery SELECT 1\n  SELECT 2\n  ----\n  x\n", 2, "one of them")

    def test_a_title_that_stands_twice_is_refused(self):
        self.assert_refused("case a\nrun f\n  x\ncase a\nrun f\n  x\n", 4, "same title")

    def test_a_command_before_the_first_case_is_refused(self):
        self.assert_refused("run f\n  x\ncase a\nrun f\n  x\n", 1, "before the first case")

    def test_all_faults_of_a_file_are_told(self):
        _, printed, _ = self.run_flow("case a\nrun f\nqeury x\nexit\n")
        self.assertEqual(printed.count("test.flow:"), 4, printed)

    # ---- what is found ----

    def test_a_program_that_keeps_the_law_passes_and_leaves_nothing(self):
        status, printed, _ = self.run_flow(GOOD_CASE, is_long=True)
        self.assertEqual(status, 0, printed)
        self.assertRegex(printed, r"ok +test.flow: lines are published once \(2 commands, 1 done twice, "
                                  r"killed at ([0-9]+) of \1 writes")
        self.assertEqual(list((self.folder / "tmp").iterdir()), [])

    def test_a_beginning_that_cases_share_is_killed_once_and_another_one_again(self):
        text = GOOD_CASE + GOOD_CASE.split("\n\n")[1].replace("once", "the same") + \
            "\ncase other files\nfile landing/b.txt\n  three\nrun f\n  ...\nfiles lake\n  a.txt\n  b.txt\n"
        status, printed, _ = self.run_flow(text)
        self.assertEqual(status, 0, printed)
        self.assertEqual([line.split("killed at ")[1][0] for line in printed.splitlines()], ["3", "0", "3"], printed)

    def test_a_wrong_expectation_is_shown_as_a_difference(self):
        status, printed, _ = self.run_flow(GOOD_CASE.replace("2 lines", "3 lines"))
        self.assertEqual(status, 1)
        self.assertIn("test.flow:7: run f", printed)
        self.assertIn("-up: landing/a.txt: 3 lines\n+up: landing/a.txt: 2 lines", printed)

    def test_a_wrong_exit_status_is_told(self):
        status, printed, _ = self.run_flow(GOOD_CASE.replace("2 lines\n", "2 lines\nexit 3\n"))
        self.assertEqual(status, 1)
        self.assertIn("it ended with exit 0, not 3", printed)

    def test_work_done_twice_is_caught(self):
        self.assert_caught(STAND_IN.replace("if not os.path.exists(target):", "if True:"), "the same again wrote", "lake/a.txt")

    def test_an_object_that_a_second_run_adds_is_caught(self):
        program = STAND_IN.replace('print("  up: succeeded"', "publish(f'lake/{{number}}', ''); print('  up: succeeded'")
        self.assert_caught(program, "the same again wrote", "lake/1")

    def test_a_torn_write_is_caught(self):
        self.assert_caught(STAND_IN.replace('os.path.join(os.path.dirname(name), ".weir-tmp-1")', "name"),
                           "killed and retried", "verify gave something else", "-file lake/a.txt", is_long=True)

    def test_a_run_that_a_retry_does_not_end_is_caught(self):
        self.assert_caught(STAND_IN.replace("number = int(words[1][1:])", "sys.exit(1)"), "killed and retried",
                           "weir retry r0 --parallel 1 ended with 1, not 0", is_long=True)

    def test_a_claim_that_a_second_run_writes_must_be_true(self):
        text = GOOD_CASE.replace("files lake", "again it says so\nfiles lake")
        status, printed, _ = self.run_flow(text)
        self.assertEqual(status, 1)
        self.assertIn("the same again wrote nothing, though the case says: it says so", printed)

    # ---- writing expected parts ----

    def test_rewriting_fills_in_what_is_found_and_fails_once(self):
        text = GOOD_CASE.replace("  up: landing/a.txt: 2 lines\n", "").replace("  a.txt\n", "  b.txt\n") + "run g\nexit 7\n"
        status, printed, rewritten = self.run_flow(text, words=["--rewrite"])
        self.assertEqual(status, 1)
        self.assertIn("REWRITTEN", printed)
        self.assertEqual(rewritten, GOOD_CASE + "run g\n  up: succeeded\n")
        status, printed, again = self.run_flow(rewritten, words=["--rewrite"])
        self.assertEqual((status, again), (0, rewritten), printed)
        self.assertEqual(self.run_flow(rewritten)[0], 0)

    def test_rewriting_leaves_what_matches_as_it_stands(self):
        text = GOOD_CASE.replace("  up: landing/a.txt: 2 lines\n", "  ...\n") + "# the end\n"
        self.assertEqual(self.run_flow(text, words=["--rewrite"])[2], text)


class Text(unittest.TestCase):
    def setUp(self):
        sys.path.insert(0, str(HERE))
        self.addCleanup(sys.path.remove, str(HERE))

    def test_three_dots_stand_for_any_lines(self):
        import flow_file
        self.assertTrue(flow_file.matches(["a", "...", "d"], ["a", "b", "c", "d"]))
        self.assertTrue(flow_file.matches(["a", "..."], ["a"]))
        self.assertFalse(flow_file.matches(["a", "...", "d"], ["a", "b"]))
        self.assertFalse(flow_file.matches(["a.c"], ["abc"]))
        self.assertTrue(flow_file.matches(["(nothing)"], []))
        self.assertFalse(flow_file.matches(["(nothing)"], ["a"]))

    def test_what_differs_from_run_to_run_is_settled_and_data_is_not(self):
        import datetime
        import types
        import world
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()[:26] + "Z"
        project = types.SimpleNamespace(folder=pathlib.Path("/tmp/x"))
        text = (f"01a2192d-02c2-7fcd-afb9-521371f785ea at {now} took 0.123 s\n"
                "20261126184510476 /tmp/x/y 2026-01-01T00:00:00Z 1.005\n\n")
        self.assertEqual(world.settled(text, project),
                         ["<run> at <now> took <seconds>", "<instant> <project>/y 2026-01-01T00:00:00Z 1.005"])


if __name__ == "__main__":
    unittest.main()
