#!/usr/bin/env python3
"""Spark and the Hudi bundles of spark.lock, and what lets Spark reach S3 (s3a.lock), in
${XDG_CACHE_HOME:-~/.cache}/weir/spark.

Run as a program it fetches what is missing and prints one line. It fails only where a file is not
the one of the lock: where Java, Maven or the network are missing, it says so and the tests skip
themselves.

    python3 tests/interop/spark/setup.py

As a module it tells where things are: home(), bundles(), s3a_jars().
"""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

LOCK = pathlib.Path(__file__).with_name("spark.lock")
S3A_LOCK = LOCK.with_name("s3a.lock")  # of its own: its pins change without Spark's
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "weir" / "spark"
SKIP = 77  # what a test ends with where there is no Spark: CTest's SKIP_RETURN_CODE
FETCH_TIMEOUT_S = 900


class Missing(Exception):
    """There is no Spark here: print it and skip."""


class WrongFile(Exception):
    pass


def pins(lock=LOCK):
    lines = [line.split() for line in lock.read_text().splitlines()]
    return [line for line in lines if line and not line[0].startswith("#")]


def folder(lock=LOCK) -> pathlib.Path:
    """Of this lock and no other: work trees with different pins share the cache."""
    return CACHE / hashlib.sha256(lock.read_bytes()).hexdigest()[:12]


def bundles() -> dict[str, pathlib.Path]:
    """The jar of each Hudi version."""
    return {version: folder() / file for kind, _, version, file, _ in pins() if kind == "maven"}


def s3a_jars() -> list[pathlib.Path]:
    """What Spark needs on its class path to open s3a://. Raises Missing where setup.py has not fetched it."""
    if not folder(S3A_LOCK).is_dir():
        raise Missing("the S3 client of Spark is not set up: python3 tests/interop/spark/setup.py")
    return [folder(S3A_LOCK) / file for _, _, _, file, _ in pins(S3A_LOCK)]


def home() -> pathlib.Path:
    """SPARK_HOME. Raises Missing where setup.py has not made it, or where Java is gone."""
    if shutil.which("java") is None:
        raise Missing("there is no Java")
    if not folder().is_dir():
        raise Missing("Spark is not set up: python3 tests/interop/spark/setup.py")
    return folder() / "pyspark"


def python_path() -> str:
    [py4j] = (home() / "python" / "lib").glob("py4j-*-src.zip")
    return f"{folder()}:{py4j}"


def run(*argv, cwd):
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise Missing(f"{argv[0]} gave no answer within {FETCH_TIMEOUT_S} s") from None
    if done.returncode != 0:
        lines = (done.stderr + done.stdout).strip().splitlines() or ["it failed without a word"]
        raise Missing(f"{argv[0]}: {lines[0]}")


def fetch(lock, kind, package, version, file, sha256, into: pathlib.Path):
    if kind == "sdist":
        run(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--no-binary", package, f"{package}=={version}", "-d", str(into), cwd=into)
    else:
        if shutil.which("mvn") is None:
            raise Missing("there is no Maven")
        run("mvn", "--quiet", "--batch-mode", "dependency:copy", f"-Dartifact={package}:{version}",
            f"-DoutputDirectory={into}", cwd=into)
    with open(into / file, "rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != sha256:
        raise WrongFile(f"{file} is not the file of {lock.name}: its SHA-256 is {found}")


def unpack(archive: pathlib.Path, into: pathlib.Path):
    """The source distribution as its own installation would lay it out, without a build: the
    programs, jars and Python libraries stand in it ready made."""
    with tarfile.open(archive) as opened:
        opened.extractall(into)  # Its digest is pinned, so are the paths in it.
    [source] = into.glob("pyspark-*/")
    (source / "pyspark").rename(into / "pyspark")
    for name in ("jars", "bin", "sbin"):
        (source / "deps" / name).rename(into / "pyspark" / name)
    (source / "lib").rename(into / "pyspark" / "python" / "lib")
    for program in (into / "pyspark" / "bin").iterdir():
        program.chmod(0o755)
    shutil.rmtree(source)
    archive.unlink()


def set_up():
    if shutil.which("java") is None:
        raise Missing("there is no Java")
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # One at a time: a second waits, and finds it done.
        fetch_all(LOCK, "Spark and Hudi (once, about 500 MB)")
        fetch_all(S3A_LOCK, "Spark's S3 client (once, about 280 MB)")


def fetch_all(lock, what):
    if folder(lock).is_dir():
        return
    print(f"spark: fetching {what}", flush=True)
    made = pathlib.Path(tempfile.mkdtemp(dir=CACHE, prefix="new-"))
    try:
        for kind, package, version, file, sha256 in pins(lock):
            fetch(lock, kind, package, version, file, sha256, made)
            if kind == "sdist":
                unpack(made / file, made)
        made.chmod(0o755)
        made.rename(folder(lock))  # Only a whole one gets the name.
    finally:
        shutil.rmtree(made, ignore_errors=True)


def main():
    versions = ", ".join(f"{package.split(':')[-1]} {version}" for _, package, version, _, _ in pins() + pins(S3A_LOCK))
    try:
        set_up()
    except Missing as problem:
        print(f"spark: not available, its tests will be skipped: {problem}")
        return 0
    except WrongFile as problem:
        print(f"spark: {problem}", file=sys.stderr)
        return 1
    print(f"spark: ready ({versions})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
