#!/usr/bin/env python3
"""Runs flow cases against the real program: flow.py [--rewrite] [--case TITLE] FILE…

README.md beside this file describes .flow files. Each case has a folder of its own. Its steps are
compared with what the file expects; then each `run` and `retry` of it is done once more, which must
change nothing, and again with the process killed at its writes, after which a retry must leave what
the undisturbed one left. WEIR is the program, WEIR_LONG=1 kills at every write."""
import argparse
import contextlib
import dataclasses
import hashlib
import io
import pathlib
import shutil
import sys
import tempfile
import time
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "crash"))
import flow_file  # noqa: E402
import sweep as harness  # noqa: E402
import world  # noqa: E402
from weir_project import WEIR, Project  # noqa: E402

KILLS = 3  # a step, where it is not WEIR_LONG


class CaseFailure(Exception):
    pass


@dataclasses.dataclass
class Tally:
    commands: int = 0
    again: int = 0
    kills: int = 0
    writes: int = 0

    def __str__(self):
        return (f"{self.commands} commands, {self.again} done twice, killed at {self.kills} of "
                f"{self.writes} writes")


class CaseRun:
    """One case in one folder, step by step."""

    def __init__(self, flow: flow_file.FlowFile, case: flow_file.Case, folder: pathlib.Path, rewrites: bool,
                 beginnings: set[str]):
        self.flow, self.case, self.folder, self.rewrites = flow, case, folder, rewrites
        self.beginnings = beginnings  # of cases of this file that were killed already
        self.environment: dict[str, str] = {}
        self.project = self.project_at(folder / "project")
        self.changes: list[flow_file.Change] = []
        self.tally = Tally()

    def project_at(self, folder: pathlib.Path) -> Project:
        folder.mkdir(parents=True, exist_ok=True)
        return Project.at(folder, folder.parent / "tmp")

    def run(self):
        for step in [*self.flow.preamble, *self.case.steps]:
            if step.directive in flow_file.COMMANDS:
                self.command(step)
            else:
                self.setup(step)

    def setup(self, step: flow_file.Step):
        words = step.arguments()
        if step.directive == "env":
            name, _, value = words[0].partition("=")
            self.environment[name] = value
            return
        path = self.project.folder / words[0]
        if not path.resolve().is_relative_to(self.project.folder.resolve()):
            raise CaseFailure(f"{self.place(step)}: '{words[0]}' is not below the project")
        if step.directive == "remove":
            if not path.exists():
                raise CaseFailure(f"{self.place(step)}: there is no '{words[0]}' to remove")
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            return
        text = "".join(line + "\n" for line in step.body)
        encoding = words[1].removeprefix("as=") if len(words) == 2 else "utf-8"
        self.project.write(words[0], text.replace("\n", "\r\n").encode() if encoding == "crlf" else text.encode(encoding))

    def place(self, step: flow_file.Step) -> str:
        return f"{self.flow.path}:{step.line}"

    # ---- commands ----

    def words_of(self, step: flow_file.Step) -> list[str]:
        words = step.arguments()
        if step.directive == "apply":
            return ["apply"]
        if step.directive == "run":
            return ["run", words[0], "--apply", "--parallel", "1", *words[1:]]
        if step.directive == "retry":
            return ["retry", words[0], "--parallel", "1"]
        return words

    def command(self, step: flow_file.Step):
        self.tally.commands += 1
        is_killed = step.directive in flow_file.KILLED and not self.rewrites
        if is_killed:
            before = self.folder / f"before-{step.line}"
            shutil.copytree(self.project.folder, before, symlinks=True)
            if step.directive == "run":  # what is killed is the flow: the many writes of a first apply are not
                world.weir(self.project_at(before), ["apply"], self.environment)
        status, found = self.perform(step)
        self.compare(step, status, found)
        if is_killed and self.has_begun(step, before):
            self.check_again(step)
            if self.is_new_beginning(step, before):
                self.check_kills(step, before)

    def is_new_beginning(self, step: flow_file.Step, before: pathlib.Path) -> bool:
        """Cases of a file often begin with the same run of the same files: it is killed in the first of them."""
        if world.catalog_rows(before, "SELECT 1 FROM flow_run LIMIT 1")[1]:
            return True
        content = hashlib.sha256(repr((self.words_of(step), sorted(self.environment.items()))).encode())
        for path in sorted(before.rglob("*")):
            if path.is_file() and not path.name.startswith("weir.db"):
                content.update(f"{path.relative_to(before)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
        beginning = content.hexdigest()
        is_new = beginning not in self.beginnings
        self.beginnings.add(beginning)
        return is_new

    def has_begun(self, step: flow_file.Step, before: pathlib.Path) -> bool:
        """A configuration with a fault is refused before there is a run: nothing to do twice."""
        if step.directive == "apply":
            return step.status == 0
        flow = self.flow_of(step)
        return step.directive == "retry" or world.runs_of(self.project.folder, flow) != world.runs_of(before, flow)

    def perform(self, step: flow_file.Step) -> tuple[int, list[str]]:
        if step.directive == "query":
            return world.query(self.project, ["table", "query"], step.words, self.environment)
        if step.directive == "warehouse":
            return world.query(self.project, ["connection", "query", "warehouse"], step.words, self.environment)
        if step.directive == "catalog":
            names, rows = world.catalog_rows(self.project.folder, step.words)
            return 0, world.table(names, rows, world.is_ordered(step.words), self.project) if rows else ["(no rows)"]
        if step.directive == "files":
            folder = self.project.folder / step.arguments()[0]
            return 0, sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        run = world.weir(self.project, self.words_of(step), self.environment)
        if step.directive in ("weir", "apply"):
            return run.returncode, world.settled(run.stdout + run.stderr, self.project)
        return run.returncode, world.report(run, self.project)

    def compare(self, step: flow_file.Step, status: int, found: list[str]):
        if step.has_body and status == step.status and flow_file.matches(step.body, found):
            return
        if self.rewrites:
            self.changes.append(flow_file.Change(step, found, status))
            return
        about = "" if status == step.status else f"it ended with exit {status}, not {step.status}\n"
        raise CaseFailure(f"{self.place(step)}: {step.directive} {step.words}\n{about}"
                          f"{flow_file.difference(step.body, found)}")

    # ---- the law: again, and after a kill ----

    def check_again(self, step: flow_file.Step):
        """The same run once more, in a copy: nothing is written, or, where the case says so, something is."""
        self.tally.again += 1
        copy = self.project_at(self.folder / f"again-{step.line}" / "project")
        shutil.copytree(self.project.folder, copy.folder, symlinks=True, dirs_exist_ok=True)
        state, objects = world.state(copy, self.environment), world.objects(copy)
        words = self.words_of(step)
        if step.directive == "retry":  # of a run that has ended: the flow is run
            words = ["run", words[1], "--parallel", "1"]
        run = world.weir(copy, words, self.environment)
        if run.returncode != step.status:
            raise CaseFailure(f"{self.place(step)}: the same again ended with exit {run.returncode}, not {step.status}\n"
                              f"{run.stdout}{run.stderr}")
        later = world.objects(copy)
        written = sorted(name for name in {*objects, *later} if objects.get(name) != later.get(name))
        if step.again:
            if not written:
                raise CaseFailure(f"{self.place(step)}: the same again wrote nothing, though the case says: {step.again}")
            return
        if written:
            raise CaseFailure(f"{self.place(step)}: the same again wrote\n  " + "\n  ".join(written))
        again = world.state(copy, self.environment)
        if again != state:
            raise CaseFailure(f"{self.place(step)}: the same again changed\n"
                              f"{flow_file.difference(state.splitlines(), again.splitlines())}")

    def check_kills(self, step: flow_file.Step, before: pathlib.Path):
        known = {run_id for run_id, _ in world.runs_of(before, self.flow_of(step))}

        def command(folder):
            tmp = folder.parent / "tmp"
            tmp.mkdir(exist_ok=True)
            return harness.Command([WEIR, "--project", str(folder), *self.words_of(step)], statuses=(step.status,),
                                   environment={**self.environment, "TMPDIR": str(tmp)})

        def recover(folder):
            self.recover(step, self.project_at(folder), known)

        def verify(folder):
            return world.state(self.project_at(folder), self.environment)

        name = f"{self.flow.path.stem}-{step.line}"
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                done = harness.sweep(name, harness.copy_of(before), command, recover, verify, points=KILLS,
                                     phase=zlib.crc32(f"{name} {self.case.title}".encode()) / 2**32)
        except harness.SweepFailure as problem:
            raise CaseFailure(f"{self.place(step)}: {step.directive} {step.words}, killed and retried\n"
                              f"{printed.getvalue()}{problem}") from None
        self.tally.kills += done.fired
        self.tally.writes += done.calls

    def flow_of(self, step: flow_file.Step) -> str:
        return (step.arguments() or [""])[0]

    def recover(self, step: flow_file.Step, project: Project, known: set[str]):
        """What a user does after a kill: the run is retried; where there is none yet, it is started."""
        runs = world.runs_of(project.folder, self.flow_of(step))
        if runs and (runs[0][0] not in known or step.directive == "retry"):
            if runs[0][1] == "succeeded":
                return
            words = ["retry", runs[0][0], "--parallel", "1"]
        else:
            words = self.words_of(step)
        run = world.weir(project, words, self.environment)
        if run.returncode != step.status:
            raise harness.SweepFailure(f"weir {' '.join(words)} ended with {run.returncode}, not {step.status}: "
                                       f"{run.stdout}{run.stderr}")


def run_file(path: pathlib.Path, options) -> bool:
    """Whether all is as the file says. Prints a line for each case."""
    try:
        flow = flow_file.read(path, must_expect=not options.rewrite)
    except flow_file.FlowFaults as problem:
        print(problem, flush=True)
        return False
    is_good, changes, beginnings = True, [], set()
    chosen = [case for case in flow.cases if options.case in (None, case.title)]
    if not chosen:
        print(f"{path}: there is no case '{options.case}'")
        return False
    for case in chosen:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-flow-"))
        begin = time.monotonic()
        run = CaseRun(flow, case, folder, options.rewrite, beginnings)
        try:
            run.run()
        except CaseFailure as problem:
            is_good = False
            print(f"FAILED {path.name}: {case.title}\n{problem}\n  folder kept: {folder}", flush=True)
            continue
        changes += run.changes
        print(f"{'wrote ' if run.changes else 'ok    '} {path.name}: {case.title} ({run.tally}, "
              f"{time.monotonic() - begin:.1f} s)", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    if changes:
        path.write_text(flow_file.rewritten(flow, changes), encoding="utf-8")
        flow_file.read(path)  # what was written is a flow file
        print(f"REWRITTEN {path}", flush=True)
        return False
    return is_good


def main(arguments) -> int:
    parser = argparse.ArgumentParser(description="Runs flow cases: see README.md beside this program.")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--rewrite", action="store_true", help="write what was found into the files, and exit with 1")
    parser.add_argument("--case", help="only the case of this title")
    options = parser.parse_args(arguments)
    if not pathlib.Path(WEIR).exists():
        parser.error(f"{WEIR} is not there: ./dev build weir weirshim, or set WEIR")
    results = [run_file(path, options) for path in options.files]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
