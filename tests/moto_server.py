#!/usr/bin/env python3
"""AWS Secrets Manager, SNS and SQS of a test's own: moto, on a free port of 127.0.0.1.

    with moto_server.Server() as aws:            # raises Missing where it was not fetched
        aws.client("secretsmanager").create_secret(Name="x", SecretString="y")
        aws.endpoint                             # http://127.0.0.1:PORT, for all services
        aws.environment                          # keys and a region; moto takes any keys

Run as a program it fetches moto.lock into ${XDG_CACHE_HOME:-~/.cache}/weir/moto and prints one line. It fails only
where a file is not the one of the lock.
"""
import fcntl
import hashlib
import http.client
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

LOCK = pathlib.Path(__file__).with_name("moto.lock")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "weir" / "moto"
FETCH_TIMEOUT_S = 900


class Missing(Exception):
    """There is no moto here: print it and skip."""


def folder() -> pathlib.Path:
    """Of this lock and no other."""
    return CACHE / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]


class Server:
    def __init__(self):
        if not folder().is_dir():
            raise Missing("moto is not set up: ./dev standins")
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.environment = {"AWS_ACCESS_KEY_ID": "AKIAMOTOTEST", "AWS_SECRET_ACCESS_KEY": "moto/takes+any-key",
                            "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
                                         env=os.environ | {"PYTHONPATH": str(folder()), "PYTHONDONTWRITEBYTECODE": "1"},
                                         stdout=self._log, stderr=self._log)
        while not self._is_ready():
            if self._process.poll() is not None:
                self._log.seek(0)
                raise RuntimeError(f"moto ended: {self._log.read().decode()[-2000:]}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            connection.request("GET", "/moto-api/")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def client(self, service: str):
        """AWS's own client of a service, to arrange and to look."""
        if str(folder()) not in sys.path:
            sys.path.append(str(folder()))
        import boto3
        return boto3.client(service, endpoint_url=self.endpoint, region_name=self.environment["AWS_DEFAULT_REGION"],
                            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
                            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"])

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def fetch() -> str:
    """What went wrong with it; empty where it is there."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # A second waits, and finds it done.
        if folder().is_dir():
            return ""
        print("standins: fetching moto (once, about 40 MB)", flush=True)
        made = pathlib.Path(tempfile.mkdtemp(dir=CACHE, prefix="new-"))
        try:
            done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                                   "--only-binary", ":all:", "--require-hashes", "--target", made / "moto", "-r", LOCK],
                                  capture_output=True, text=True, timeout=FETCH_TIMEOUT_S)
            if done.returncode != 0:
                return next((line for line in done.stderr.splitlines() if "ERROR" in line), done.stderr[-300:])
            (made / "moto").rename(folder())  # Only a whole one gets the name.
        except subprocess.TimeoutExpired:
            return f"pip gave no answer within {FETCH_TIMEOUT_S} s"
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return ""


def main() -> int:
    problem = fetch()
    if "DO NOT MATCH" in problem or "hashes" in problem.lower():
        print(f"standins: a file is not the one of moto.lock: {problem}", file=sys.stderr)
        return 1
    if problem:
        print(f"standins: moto is not available, tests that need it are skipped: {problem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
