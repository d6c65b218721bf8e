"""Kills and fails the whole program at each change that a flow makes to its project, catalog writes
included; then `retry`: the same tables, one completed instant per operation, and hudi-rs agrees."""
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "acceptance"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / ".deps/python"))
from sweep import CRASH, DISK_FULL, EIO, KILL, Command, copy_of, sweep  # noqa: E402
from weir_project import A, B, WEIR, Project  # noqa: E402


def bound(folder):
    """A Project over a folder that the sweep made."""
    project = Project.__new__(Project)
    project.folder = pathlib.Path(folder)
    project.environment = dict(os.environ, TMPDIR="/tmp")
    project.environment.pop("WEIR_CATALOG", None)
    return project


def hudi_rows(folder):
    """What another reader of Hudi sees: rows without Hudi's own columns, sorted."""
    from hudi import HudiTableBuilder
    table = HudiTableBuilder.from_base_uri(str(pathlib.Path(folder).resolve())).build()
    rows = []
    for batch in table.read():
        for row in batch.to_pylist():
            rows.append(tuple(str(row[k]) for k in sorted(row) if not k.startswith("_")))
    return sorted(rows)


class Flows(unittest.TestCase):
    def template(self, flow="shop", first=None):
        """A project with YAML applied, `first` already run, and the rest waiting in landing."""
        project = Project()
        self.addCleanup(project.close)
        project.weir("apply")
        for name, content in (first or {}).items():
            project.land(name, content)
            project.run(flow)
        return project

    def sweep(self, name, template, flow, slice_of):
        def command(folder):
            return Command([WEIR, "--quiet", "--project", str(folder), "run", flow],
                           environment={"TMPDIR": "/tmp", "WEIR_CATALOG": f"sqlite:{folder}/weir.db"},
                           exclude=["tmp"])

        def recover(folder):
            project = bound(folder)
            run = project.weir("retry", flow, expect=None)
            # Killed before there was a run, or after it had succeeded: then it is run again.
            if run.returncode != 0:
                project.weir("run", flow)

        def verify(folder):
            project = bound(folder)
            project.weir("reconcile")
            seen = {"digest": project.digest(), "commits": len(project.commits("stage.customers")),
                    "replaced": len(project.commits("presentation.by_city")),
                    "hudi": hudi_rows(folder / "data/stage/customers")}
            unfinished = [p.name for p in (folder / "data/stage/customers/.hoodie").iterdir()
                          if p.name.endswith(".requested")]
            seen["instants"] = len(unfinished)
            return seen

        for action, most in slice_of:
            sweep(f"{name} {action}", copy_of(template.folder), command, recover, verify, [action], points=most)

    def test_a_first_snapshot_from_landing_to_warehouse(self):
        template = self.template()
        template.land("customers-20260101.csv", A)
        self.sweep("first", template, "shop", [(KILL, 40), (DISK_FULL, 12)])

    def test_a_second_snapshot_that_changes_opens_and_closes(self):
        template = self.template(first={"customers-20260101.csv": A})
        template.land("customers-20260102.csv", B)
        self.sweep("second", template, "shop", [(KILL, 40), (CRASH, 12), (EIO, 12)])


if __name__ == "__main__":
    unittest.main(verbosity=1)
