"""Kills (or fails) a command at each change that it makes to its project, and looks what is left.

    sweep("ingest", prepare, command, recover, verify, actions=[KILL])

One run without a fault counts the changes and says what is right; then, for each k, a fresh project
is prepared, the command runs under the shim (tests/shim/shim.c) with the action at the k-th change,
`recover` does what a user would (usually: the same command again), and `verify` must give what it
gave after the undisturbed run. A command that ends with 0 in spite of the fault is verified before
the recovery as well.

    prepare(project)   fills an empty folder; copy_of(template) is one
    command(project)   the argument vector, or a Command with environment and exclusions
    recover(project)   raises where it fails
    verify(project)    raises where something is wrong; what it returns must equal the first run's
                       (texts are shown as a diff where they do not)
    inspect(project)   optional, before recover: what must hold for a reader at once

WEIR_LONG=1 takes every k, otherwise an even slice; TEAR and SHORT take writes only. `within` takes only
changes of files whose path has that part.
WEIR_SWEEP_AT=k takes that one and keeps its folder, WEIR_SWEEP_ACTIONS=KILL,EIO sticky only these
of the actions. WEIR_SWEEP_JOBS is how many points are tried at
once (2), WEIR_SWEEP_FOLDER where (memory, if there is enough of it). The library is WEIR_SHIM, or
build/release/tests/libweirshim.so.
"""
import concurrent.futures
import contextlib
import dataclasses
import difflib
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence

Project = pathlib.Path
REPO = pathlib.Path(__file__).resolve().parents[2]
JOBS = int(os.environ.get("WEIR_SWEEP_JOBS", "2"))
ENOUGH_MEMORY = 2 << 30


@dataclasses.dataclass(frozen=True)
class Action:
    do: str = "KILL"
    when: str = "before"
    is_sticky: bool = False

    def __str__(self):
        return self.do + (" after" if self.when == "after" else "") + (" sticky" if self.is_sticky else "")


KILL = Action()
CRASH = Action("CRASH")  # takes child processes along
TEAR = Action("TEAR")
SHORT = Action("SHORT", is_sticky=True)
EIO = Action("EIO")
EIO_AFTER = Action("EIO", when="after")
ENOSPC = Action("ENOSPC")
DISK_FULL = Action("ENOSPC", is_sticky=True)
EIO_STICKY = Action("EIO", is_sticky=True)
DEADLY = ("KILL", "CRASH", "TEAR")
ON_WRITES = ("TEAR", "SHORT")


@dataclasses.dataclass
class Command:
    argv: Sequence[str]
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    exclude: Sequence[str] = ()  # folders or patterns, relative to the project
    statuses: Sequence[int] = (0,)  # that say: all is done


@dataclasses.dataclass
class Report:
    name: str
    calls: int
    actions: str = ""
    points: int = 0
    fired: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)

    def __str__(self):
        verdict = f"{len(self.failures)} FAILED" if self.failures else "all recovered"
        return (f"sweep {self.name} [{self.actions}]: {self.calls} changes, {self.points} points tried, "
                f"{self.fired} struck, {verdict}")


class SweepFailure(AssertionError):
    pass


def copy_of(template: Project) -> Callable[[Project], None]:
    """A prepare() that copies a project made once."""
    return lambda project: shutil.copytree(template, project, symlinks=True, dirs_exist_ok=True)


def again(command: Callable[[Project], Command | Sequence[str]], timeout_s: float = 120):
    """A recover() that runs the command once more, undisturbed, and wants it to succeed."""
    def recover(project: Project):
        asked = as_command(command(project))
        done = subprocess.run(list(asked.argv), cwd=project, env=os.environ | asked.environment,
                              capture_output=True, timeout=timeout_s)
        if done.returncode != 0:
            raise SweepFailure(f"recovery ended with {done.returncode}: {tail_of(done.stderr)}")
    return recover


def as_command(asked) -> Command:
    return asked if isinstance(asked, Command) else Command(list(asked))


def tail_of(text: bytes) -> str:
    return text.decode(errors="replace")[-2000:].strip()


def shim_library() -> pathlib.Path:
    path = pathlib.Path(os.environ.get("WEIR_SHIM", REPO / "build/release/tests/libweirshim.so"))
    if not path.exists():
        sys.exit(f"sweep: {path} is missing: ./dev build weirshim")
    return path.resolve()


def folder_for_sweeps() -> str | None:
    """A file system in memory where there is one with room: a sweep writes much that is soon gone."""
    if "WEIR_SWEEP_FOLDER" in os.environ:
        return os.environ["WEIR_SWEEP_FOLDER"]
    with contextlib.suppress(OSError):
        if shutil.disk_usage("/dev/shm").free > ENOUGH_MEMORY:
            return "/dev/shm"
    return None


@dataclasses.dataclass
class Ran:
    status: int
    calls: int
    fired: int
    error: str


class Sweep:
    def __init__(self, name, prepare, command, recover, verify, inspect, timeout_s):
        self.name, self.prepare, self.command = name, prepare, command
        self.recover, self.verify, self.inspect = recover, verify, inspect
        self.timeout_s = timeout_s
        self.library = shim_library()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"weir-sweep-{name}-", dir=folder_for_sweeps()))

    def run_shimmed(self, project: Project, action: Action | None, at: int, settings: dict[str, str] | None = None) -> Ran:
        asked = as_command(self.command(project))
        counts, log = project.parent / "counts", project.parent / "calls.log"
        environment = os.environ | asked.environment | {
            "LD_PRELOAD": str(self.library), "ASAN_OPTIONS": "verify_asan_link_order=0",
            "WEIR_SHIM_ROOT": str(project), "WEIR_SHIM_COUNT": str(counts), "WEIR_SHIM_LOG": str(log),
            "WEIR_SHIM_EXCLUDE": ":".join(str(project / part) for part in asked.exclude)} | (settings or {})
        if action is not None:
            environment |= {"WEIR_SHIM_AT": str(at), "WEIR_SHIM_DO": action.do,
                            "WEIR_SHIM_WHEN": action.when,
                            "WEIR_SHIM_STICKY": str(int(action.is_sticky))}
        # Output goes to files: a child that outlives a killed parent would hold a pipe open.
        with open(project.parent / "stdout", "wb") as out, open(project.parent / "stderr", "wb") as err:
            process = subprocess.Popen(list(asked.argv), cwd=project, env=environment, stdout=out,
                                       stderr=err, stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                status = process.wait(self.timeout_s)
            except subprocess.TimeoutExpired:
                raise SweepFailure(f"still running after {self.timeout_s} s") from None
            finally:
                end_session(process)
        calls, fired, _ = struct.unpack("=3Q", counts.read_bytes()) if counts.exists() else (0, 0, 0)
        return Ran(status, calls, fired, tail_of((project.parent / "stderr").read_bytes()))

    def fresh(self, label: str) -> Project:
        project = self.folder / label / "project"
        project.mkdir(parents=True)
        self.prepare(project)
        return project

    def statuses(self, project: Project) -> Sequence[int]:
        return as_command(self.command(project)).statuses

    def undisturbed(self):
        """What verify gives after a run without a fault, and the changes that it makes."""
        project = self.fresh("undisturbed")
        ran = self.run_shimmed(project, None, 0)
        if ran.status not in self.statuses(project):
            raise SweepFailure(f"{self.name}: the undisturbed run ended with {ran.status}: {ran.error}")
        if ran.calls == 0:
            raise SweepFailure(f"{self.name}: the command changed nothing below its project")
        expected = self.verify(project)
        # A recovery with nothing to recover must change nothing either.
        self.recover(project)
        self.compare(expected, self.verify(project))
        changes = changes_in(project.parent / "calls.log")
        if sorted(change.number for change in changes) != list(range(1, ran.calls + 1)):
            raise SweepFailure(f"{self.name}: {ran.calls} changes were counted, {len(changes)} stand in the log")
        return expected, ran.calls, changes

    def compare(self, expected, found):
        if found == expected:
            return
        if isinstance(found, str) and isinstance(expected, str) and "\n" in expected:
            lines = difflib.unified_diff(expected.splitlines(), found.splitlines(), "undisturbed", "found", n=1,
                                         lineterm="")
            raise SweepFailure("verify gave something else:\n" + "\n".join(lines))
        raise SweepFailure("verify gave " + difference(expected, found))

    def point(self, action: Action, at: int, expected) -> bool:
        """Whether the action struck. Raises where the project did not recover."""
        label = f"{at}-{action}".replace(" ", "-")
        project = self.fresh(label)
        ran = self.run_shimmed(project, action, at)
        self.check_end(action, ran)
        # It said that all is done, so it must be true before any recovery.
        if ran.status in self.statuses(project):
            self.compare(expected, self.verify(project))
        if self.inspect is not None:
            self.inspect(project)
        self.recover(project)
        self.compare(expected, self.verify(project))
        if "WEIR_SWEEP_AT" not in os.environ:
            shutil.rmtree(project.parent)
        return ran.fired > 0

    def check_end(self, action: Action, ran: Ran):
        if ran.status < 0 and not (action.do in DEADLY and ran.status == -signal.SIGKILL):
            raise SweepFailure(f"ended by {signal.Signals(-ran.status).name}: {ran.error}")
        if ran.status == 99 and "weirshim" in ran.error:
            raise SweepFailure(ran.error)


def difference(expected, found) -> str:
    """Of dictionaries only what differs, however deep."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return "; ".join(f"[{key!r}] {difference(expected.get(key), found.get(key))}"
                         for key in sorted(expected.keys() | found.keys()) if expected.get(key) != found.get(key))
    return f"{found!r} instead of {expected!r}"


def end_session(process: subprocess.Popen):
    """What the command left running, process groups of their own included, ends before anybody looks
    at its files."""
    def members():
        # Not by a glob: that looks at each itself, and fails where one ends meanwhile.
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
                state, _parent, _group, session = stat.rpartition(")")[2].split()[:4]
                if int(session) == process.pid and state not in "ZX":
                    yield int(pid)
    while left := list(members()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait()


@dataclasses.dataclass(frozen=True)
class Change:
    number: int
    is_write: bool  # of more than a byte
    path: str


def changes_in(log: pathlib.Path) -> list[Change]:
    lines = [line.split(" ", 4) for line in log.read_text().splitlines()]
    return [Change(int(number), "write" in call and int(size) > 1, path) for number, _process, call, size, path in lines]


def points_of(calls: Sequence[int], most: int, phase: float | None = None) -> list[int]:
    """All of them, or `most` of them evenly: with the first and the last, or, where many small sweeps
    share the work, each with its own phase (0 … 1) within the even steps."""
    if "WEIR_SWEEP_AT" in os.environ:
        return [int(os.environ["WEIR_SWEEP_AT"])]
    if os.environ.get("WEIR_LONG") == "1" or len(calls) <= most:
        return list(calls)
    if phase is not None:
        return sorted({calls[int((i + phase) * len(calls) / most)] for i in range(most)})
    return sorted({calls[round(i * (len(calls) - 1) / max(1, most - 1))] for i in range(most)})


def sweep(name: str, prepare, command, recover=None, verify=None, actions: Sequence[Action] = (KILL,),
          *, inspect=None, points: int = 24, phase: float | None = None, within: str = "", timeout_s: float = 120) -> Report:
    """Prints a line for each failure and one in the end; raises SweepFailure if any point failed."""
    if wanted := os.environ.get("WEIR_SWEEP_ACTIONS"):
        actions = [action for action in actions if str(action) in wanted.split(",")]
    if not actions:
        return Report(name, 0)
    run = Sweep(name, prepare, command, recover or again(command), verify, inspect, timeout_s)
    expected, calls, changes = run.undisturbed()
    report = Report(name, calls, ", ".join(map(str, actions)))
    tasks = [(action, at) for action in actions
             for at in points_of([change.number for change in changes if within in change.path
                                  and (change.is_write or action.do not in ON_WRITES)], points, phase)]

    def attempt(task):
        action, at = task
        try:
            return run.point(action, at, expected), None
        except SweepFailure as problem:
            return True, str(problem)
        except Exception:
            return True, traceback.format_exc(limit=-3)

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for (action, at), (has_struck, problem) in zip(tasks, pool.map(attempt, tasks)):
            report.points += 1
            report.fired += int(has_struck)
            if problem is not None:
                report.failures.append(f"{name}: {action} at change {at} of {calls}: {problem}")
                print(f"FAILED {report.failures[-1]}\n  again: WEIR_SWEEP_AT={at}", flush=True)
    print(report, flush=True)
    if report.failures:
        raise SweepFailure(f"{report} (folders kept in {run.folder})")
    if report.fired == 0:
        raise SweepFailure(f"{name}: no fault took place, so nothing was tried")
    if "WEIR_SWEEP_AT" not in os.environ:
        shutil.rmtree(run.folder)
    return report
