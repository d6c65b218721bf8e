"""Lets the power go away after each change of a command, and looks what the disk is good for then.

    power_loss("run", prepare, command, recover, verify, inspect=…)

The command runs once, undisturbed, under the shim, which records every change with its bytes. For
cut points k the folder is built as disk.py says that it may look when the power went away after
change k: nothing kept but what was synced; names without bytes, with zeros in their place; bytes
without names; and random parts of both. In each, `inspect` looks as readers would, `recover` does
what a user would, and `verify` must give what it gave after the undisturbed run. After the last
change the command has ended well, so that `verify` must hold before any recovery.

prepare, command, recover and verify are as in sweep.py; inspect(project) finds what the command had
said on standard output by then in project.parent/"stdout". WEIR_LONG=1 takes every k, otherwise a
slice; WEIR_POWER_AT="k kind" takes that one and keeps its folder.
"""
import concurrent.futures
import copy
import os
import pathlib
import shutil
import traceback

from disk import (Disk, at_random, bytes_only, changes, everything, names_and_sizes, names_only, nothing, read_in,
                  write_out)
from sweep import JOBS, Report, Sweep, SweepFailure, as_command, points_of

CHOICES = {"nothing": nothing, "names": names_only, "names and sizes": names_and_sizes, "bytes": bytes_only}
# SQLite's shared memory is changed where no call can be seen, and is made anew after a crash.
UNSEEN = "-shm"


class PowerLoss(Sweep):
    def record(self):
        """What the command left, how it began, and its changes in order."""
        project = self.fresh("undisturbed")
        self.modified = {str(path.relative_to(project)): path.stat().st_mtime_ns for path in project.rglob("*")}
        began, record = Disk(project), project.parent / "record"
        ran = self.run_shimmed(project, None, 0, {"WEIR_SHIM_RECORD": str(record)})
        if ran.status not in self.statuses(project):
            raise SweepFailure(f"{self.name}: the undisturbed run ended with {ran.status}: {ran.error}")
        self.check_record(project, began, list(changes(record)))
        self.said = (project.parent / "stdout").read_bytes()
        expected = self.verify(project)
        return expected, began, list(changes(record))

    def check_record(self, project, began, done):
        """Everything kept must be what is there, or the record has missed a change."""
        disk = copy.deepcopy(began)
        for change in done:
            disk.apply(change)
        excluded = tuple(as_command(self.command(project)).exclude)

        def seen(state):
            return {path: content for path, content in state.items()
                    if not path.endswith(UNSEEN) and path.split("/")[0] not in excluded}
        model, real = seen(disk.after_power_loss(everything())), seen(read_in(project))
        if wrong := sorted(path for path in model.keys() | real.keys()
                           if path not in model or path not in real or model[path] != real[path]):
            raise SweepFailure(f"{self.name}: the record does not make {wrong}")

    def states(self, began, done, seeds, most):
        """(k, kind, what is on the disk, bytes that were said), each disk once."""
        wanted = os.environ.get("WEIR_POWER_AT", "").partition(" ")
        disk, said, seen = copy.deepcopy(began), 0, set()
        points = {int(wanted[0])} if wanted[0] else points_in(done, most)
        for at, change in enumerate(done, 1):
            disk.apply(change)
            if change.call == "said":
                said = change.offset
            if at not in points:
                continue
            kinds = CHOICES | {f"part {seed}": lambda seed=seed: at_random(f"{at} {seed}") for seed in range(seeds)}
            for kind, choice in kinds.items():
                if wanted[0] and kind != wanted[2]:
                    continue
                state = disk.after_power_loss(choice())
                fingerprint = hash((said, at == len(done), *sorted(state.items())))
                if fingerprint not in seen:
                    seen.add(fingerprint)
                    yield at, kind, state, said

    def try_state(self, at, kind, state, said, expected, is_last):
        project = self.folder / f"{at}-{kind}".replace(" ", "-") / "project"
        project.mkdir(parents=True)
        write_out(state, project)
        for path, content in state.items():
            if path in self.modified and content is not None:
                os.utime(project / path, ns=(self.modified[path], self.modified[path]))
        (project.parent / "stdout").write_bytes(self.said[:said])
        if is_last:
            self.compare(expected, self.verify(project))
        if self.inspect is not None:
            self.inspect(project)
        self.recover(project)
        self.compare(expected, self.verify(project))
        if "WEIR_POWER_AT" not in os.environ:
            shutil.rmtree(project.parent)


def points_in(done, most):
    """Half of a slice is where a name has just appeared: there bytes that came too late would be missed."""
    named = [at for at, change in enumerate(done, 1) if change.call in ("link", "linkat", "rename", "renameat", "renameat2")]
    return {*points_of(range(1, len(done) + 1), most - most // 2), *points_of(named, most // 2)}


def power_loss(name, prepare, command, recover, verify, *, inspect=None, points: int = 12, seeds: int = 1,
               timeout_s: float = 120) -> Report:
    """Prints a line for each failure and one in the end; raises SweepFailure if any state failed."""
    run = PowerLoss(name, prepare, command, recover, verify, inspect, timeout_s)
    expected, began, done = run.record()
    report = Report(name, len(done), "power loss")

    def attempt(state):
        try:
            run.try_state(*state, expected, state[0] == len(done))
        except SweepFailure as problem:
            return str(problem)
        except Exception:
            return traceback.format_exc(limit=-3)

    def note(future):
        (at, kind), problem = waiting.pop(future), future.result()
        report.points += 1
        report.fired += 1
        if problem is not None:
            report.failures.append(f"{name}: {kind} kept after change {at} of {len(done)} ({done[at - 1].call} "
                                   f"{pathlib.Path(done[at - 1].path).name}): {problem}")
            print(f"FAILED {report.failures[-1]}\n  again: WEIR_POWER_AT='{at} {kind}'", flush=True)

    waiting = {}
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for state in run.states(began, done, seeds, points):
            waiting[pool.submit(attempt, state)] = state[:2]
            while len(waiting) > 2 * JOBS:
                for future in concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED).done:
                    note(future)
        for future in concurrent.futures.as_completed(list(waiting)):
            note(future)
    print(report, flush=True)
    if report.failures:
        raise SweepFailure(f"{report} (folders kept in {run.folder})")
    if "WEIR_POWER_AT" not in os.environ:
        shutil.rmtree(run.folder)
    return report
