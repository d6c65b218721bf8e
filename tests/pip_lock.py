"""Python packages that tests need, pinned in a lock file and fetched once into a folder of that lock."""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

FETCH_TIMEOUT_S = 900


class PipLock:
    def __init__(self, name: str, lock: pathlib.Path, size: str):
        self.name, self.lock, self.size = name, lock, size
        self.cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "weir" / name

    def folder(self) -> pathlib.Path:
        """Of this lock and no other."""
        return self.cache / hashlib.sha256(self.lock.read_bytes()).hexdigest()[:12]

    def fetch(self) -> str:
        """What went wrong with it; empty where it is there."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with open(self.cache / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # A second waits, and finds it done.
            if self.folder().is_dir():
                return ""
            print(f"standins: fetching {self.name} (once, about {self.size})", flush=True)
            made = pathlib.Path(tempfile.mkdtemp(dir=self.cache, prefix="new-"))
            try:
                done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                                       "--only-binary", ":all:", "--require-hashes", "--target", made / "packages", "-r", self.lock],
                                      capture_output=True, text=True, timeout=FETCH_TIMEOUT_S)
                if done.returncode != 0:
                    return next((line for line in done.stderr.splitlines() if "ERROR" in line), done.stderr[-300:])
                (made / "packages").rename(self.folder())  # Only a whole one gets the name.
            except subprocess.TimeoutExpired:
                return f"pip gave no answer within {FETCH_TIMEOUT_S} s"
            finally:
                shutil.rmtree(made, ignore_errors=True)
        return ""

    def main(self) -> int:
        """For `./dev standins`: one line, and a failure only where a file is not the one of the lock."""
        problem = self.fetch()
        if "DO NOT MATCH" in problem or "hashes" in problem.lower():
            print(f"standins: a file is not the one of {self.lock.name}: {problem}", file=sys.stderr)
            return 1
        if problem:
            print(f"standins: {self.name} is not available, tests that need it are skipped: {problem}")
        return 0
