"""A program of somebody else: a CMake project outside of the tree that links the built libraries and brings a
template. Arguments: folder of weir's build, C++ compiler."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
WEIR_BUILD, COMPILER = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]

PROJECT = """
project: acme
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: data/raw}
  - {name: presentation, uri: data/presentation}
datasets:
  - name: raw.orders
    identity: content
    columns: {customer: varchar, ordered_at: date, amount: "decimal(10,2)"}
defaults: {retries: 0, engine: "${WEIR_ENGINE:-embedded}"}
"""
FLOW = """
flow: orders
tasks:
  - id: ingest
    template: ingest_files
    with: {from: "landing/*.csv", to: raw.orders}
  - id: newest
    template: keep_newest
    needs: [ingest]
    with: {from: raw.orders, to: presentation.last_orders, by: [customer], newest: ordered_at}
"""
ORDERS = """customer,ordered_at,amount
ann,2026-01-05,10.00
bob,2026-01-06,20.00
ann,2026-01-07,30.00
"""


def blocks_of_guide():
    """What docs/guide/write-a-template.md gives as files, by their names: a line that ends with the name
    of the file, and the block below it."""
    guide = (HERE.parents[1] / "docs/guide/write-a-template.md").read_text()
    found = re.findall(r"^`[^`]*?([^/`]+)`[^\n]*:\n```\w*\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    return dict(found)


def build(folder, more=""):
    """Configures and builds the project as a copy of its own, with more lines in its CMakeLists.txt."""
    source = folder / "acme"
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("*.py", "__pycache__"), dirs_exist_ok=True)
    taken = (HERE / "keep_newest.cc").read_text()
    (source / "check.cc").write_text(taken.replace("keep_newest", "check"))
    for name, text in blocks_of_guide().items():
        (source / name).write_text(text)
    with open(source / "CMakeLists.txt", "a", encoding="utf-8") as lists:
        lists.write(more)
    for words in (["-S", source, "-B", folder / "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                   f"-DCMAKE_CXX_COMPILER={COMPILER}", f"-Dweir_DIR={WEIR_BUILD}"],
                  ["--build", folder / "build"]):
        done = subprocess.run(["cmake", *words], text=True, capture_output=True)
        if done.returncode != 0:
            raise AssertionError(f"cmake {words}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return folder / "build"


class OwnProgram(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir acme "))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.build = build(cls.folder, "weir_add_program(taken check.cc)\nweir_add_program(guided distinct_rows.cc)\n")

    def setUp(self):
        self.project = self.folder / self._testMethodName
        (self.project / "flows").mkdir(parents=True)
        (self.project / "data/landing").mkdir(parents=True)
        (self.project / "weir.yaml").write_text(PROJECT)
        (self.project / "flows/orders.yaml").write_text(FLOW)
        (self.project / "data/landing/orders.csv").write_text(ORDERS)

    def acme(self, *words, expect=0, program="acme-weir", **environment):
        done = subprocess.run([self.build / program, "--project", self.project, *words], text=True,
                              capture_output=True, timeout=120, env={**os.environ, **environment})
        self.assertEqual(done.returncode, expect, f"{words}: {done.stdout}{done.stderr}")
        return done

    def rows(self, sql):
        return json.loads(self.acme("--output", "json", "table", "query", sql).stdout)

    def test_its_template_is_listed_among_the_builtin_ones(self):
        def names(program):
            listed = json.loads(subprocess.run([program, "--output", "json", "template", "list"], text=True,
                                               cwd=self.folder, capture_output=True, check=True).stdout)
            return [each["template_id"] for each in listed["templates"]]
        builtin = names(WEIR_BUILD / "weir")
        self.assertNotIn("keep_newest", builtin)
        self.assertEqual(names(self.build / "acme-weir"), sorted([*builtin, "keep_newest"]))

    def test_its_template_is_documented(self):
        shown = self.acme("template", "show", "keep_newest").stdout
        for text in ("Keeps the newest row of each group of a dataset.", "Columns that make a group.",
                     "The last order of each customer.", "presentation.last_orders"):
            self.assertIn(text, shown)
        self.acme("reference", "--to", self.project / "reference")
        self.assertIn("Columns that make a group.", (self.project / "reference/templates/keep_newest.md").read_text())

    def test_its_template_is_linted(self):
        flow = self.project / "flows/orders.yaml"
        flow.write_text(FLOW.replace("newest: ordered_at", "newst: ordered_at"))
        said = self.acme("validate", expect=2).stderr
        self.assertIn("newst", said)
        self.assertIn("did you mean 'newest'", said)
        self.assertIn("orders.yaml:10", said)
        flow.write_text(FLOW.replace("template: keep_newest", "template: keep_newst"))
        self.assertIn("did you mean 'keep_newest'", self.acme("validate", expect=2).stderr)

    def test_its_template_runs_in_a_flow_once(self):
        for engine in ("embedded", "subprocess"):
            self.acme("run", "orders", "--apply", WEIR_ENGINE=engine)
            self.assertEqual(self.rows("SELECT customer, amount FROM presentation.last_orders ORDER BY customer"),
                             [{"customer": "ann", "amount": "30.00"}, {"customer": "bob", "amount": "20.00"}])
            commits = list((self.project / "data/presentation/last_orders/.hoodie").glob("*.replacecommit"))
            self.assertEqual(len(commits), 1, "the same inputs make no second commit")

    def test_its_template_takes_what_is_new_in_the_engine_of_another_process(self):
        self.acme("run", "orders", "--apply", WEIR_ENGINE="subprocess")
        (self.project / "data/landing/more.csv").write_text("customer,ordered_at,amount\nbob,2026-02-01,5.50\n")
        self.acme("run", "orders", "--apply", WEIR_ENGINE="subprocess")
        self.assertEqual(self.rows("SELECT customer, amount FROM presentation.last_orders ORDER BY customer"),
                         [{"customer": "ann", "amount": "30.00"}, {"customer": "bob", "amount": "5.50"}])

    def test_its_flow_holds_when_done_twice_and_when_killed(self):
        runner = HERE.parent / "flows/flow.py"
        if not runner.exists():
            self.skipTest("the runner of flow cases is not there")
        done = subprocess.run([sys.executable, runner, HERE / "keep_newest.flow"], text=True, capture_output=True,
                              timeout=500, env={**os.environ, "WEIR": str(self.build / "acme-weir")})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_template_of_the_guide_works_with_its_cases(self):
        case = self.folder / "acme/distinct_rows.flow"
        flow = [sys.executable, HERE.parent / "flows/flow.py"]
        asked = {"text": True, "capture_output": True, "timeout": 500, "env": {**os.environ, "WEIR": str(self.build / "guided")}}
        filled = subprocess.run([*flow, "--rewrite", case], **asked)
        self.assertIn("REWRITTEN", filled.stdout, filled.stderr)
        self.assertRegex(case.read_text(), r"Bergen\n +Oslo\n")
        done = subprocess.run([*flow, case], **asked)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_name_that_is_taken_is_refused_at_the_start(self):
        said = self.acme("template", "list", program="taken", expect=2).stderr
        self.assertIn("there are two templates 'check'", said)
        self.assertIn("rename", said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
