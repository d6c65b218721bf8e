#!/usr/bin/env python3
"""Who judges lineage: sqlglot's of columns, the queries in its source package, and the facets of OpenLineage's own client.

    if not lineage_judges.load(): skip          # they were not fetched: ./dev standins
    import sqlglot

Run as a program it fetches lineage_judges.lock and the source package.
"""
import hashlib
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import pip_lock

LOCK = pip_lock.PipLock("lineage-judges", pathlib.Path(__file__).with_name("lineage_judges.lock"), "4 MB")
SOURCE = "sqlglot-30.30.0"
SOURCE_SHA256 = "b8e344042c85d7baa1d0d827127dfe1611ce9ac59bceab6fe370665baeb14ce7"


def corpus() -> pathlib.Path:
    return LOCK.cache / SOURCE


def load() -> bool:
    """From now on they can be imported, and the corpus is there."""
    if not LOCK.folder().is_dir() or not corpus().is_dir():
        return False
    if str(LOCK.folder()) not in sys.path:
        sys.path.insert(0, str(LOCK.folder()))
    return True


def fetch_source() -> int:
    if corpus().is_dir():
        return 0
    name, version = SOURCE.split("-")
    with tempfile.TemporaryDirectory(dir=LOCK.cache) as folder:
        done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                               "--no-binary", name, f"{name}=={version}", "-d", folder], capture_output=True, text=True, timeout=pip_lock.FETCH_TIMEOUT_S)
        file = pathlib.Path(folder) / f"{SOURCE}.tar.gz"
        if done.returncode != 0 or not file.is_file():
            print(f"standins: the source of {name} is not available, tests that need it are skipped: {done.stderr[-300:]}")
            return 0
        if hashlib.sha256(file.read_bytes()).hexdigest() != SOURCE_SHA256:
            print(f"standins: {file.name} is not the file that {pathlib.Path(__file__).name} names", file=sys.stderr)
            return 1
        with tarfile.open(file) as tar:
            tar.extractall(folder, filter="data")
        (pathlib.Path(folder) / SOURCE).rename(corpus())
    return 0


if __name__ == "__main__":
    sys.exit(LOCK.main() or fetch_source())
