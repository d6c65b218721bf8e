"""A PostgreSQL server of a test's own, the twin of src/testing/postgres_server.h for tests in Python.

    with postgres.server() as server:       # raises postgres.Missing where it is not installed
        url = server.create_database()      # postgresql://postgres@127.0.0.1:PORT/test_1
        server.sql(url, "SELECT 1")         # what psql prints, unaligned, without headers
"""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
ACCOUNT = "postgres"  # The server refuses to run as root.


class Missing(Exception):
    """PostgreSQL 15 is not installed: print it and skip."""


def as_account(name: str) -> dict:
    """For Popen: runs as that account where we are root."""
    if os.getuid() != 0:
        return {}
    account = pwd.getpwnam(name)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    def __init__(self, folder: str):
        self.folder = folder
        self.port = 0
        self._databases = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        if os.getuid() == 0:
            shutil.chown(folder, ACCOUNT, ACCOUNT)
        self._run("initdb", "-D", f"{folder}/data", "-A", "trust", "-U", ACCOUNT, "--no-sync",
                  "--no-instructions", "-E", "UTF8", "--locale=C")

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run([PROGRAMS / program, *arguments], capture_output=True, text=True,
                              cwd="/", **as_account(ACCOUNT))
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr}")
        return done.stdout

    def start(self) -> None:
        # Again on the port it had. Another program may take a port between asking and using it: then the
        # server ends.
        for attempt in range(5):
            if self.port == 0 or attempt > 0:
                self.port = free_port()
            with open(f"{self.folder}/log", "ab") as log:
                self._process = subprocess.Popen(
                    [PROGRAMS / "postgres", "-D", f"{self.folder}/data",
                     "-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}",
                     "-c", f"unix_socket_directories={self.folder}", "-c", "fsync=off"],
                    stdout=log, stderr=log, cwd="/", **as_account(ACCOUNT))
            while self._process.poll() is None:
                if subprocess.call([PROGRAMS / "pg_isready", "-q", "-h", self.folder,
                                    "-p", str(self.port)]) == 0:
                    return
                time.sleep(0.02)
        raise RuntimeError(pathlib.Path(f"{self.folder}/log").read_text())

    def stop(self, how: int = signal.SIGINT) -> None:
        """SIGINT ends it cleanly, SIGQUIT as a crash would; start() then takes the same data."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def encrypt(self, certificate, key) -> None:
        """From now on it takes lines over TCP with TLS alone."""
        self.stop()
        data = pathlib.Path(f"{self.folder}/data")
        for name, source in (("server.crt", certificate), ("server.key", key)):
            shutil.copyfile(source, data / name)
            (data / name).chmod(0o600)
            if os.getuid() == 0:
                shutil.chown(data / name, ACCOUNT, ACCOUNT)
        with open(data / "postgresql.conf", "a") as configuration:
            configuration.write("ssl = on\n")
        (data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 trust\n")
        self.start()

    def create_database(self, template: str = "template1") -> str:
        """A new one, empty or a copy of the database with that URL, to which nobody is connected."""
        with self._lock:
            self._databases += 1
            name = f"test_{self._databases}"
        self._run("createdb", "-h", self.folder, "-p", str(self.port), "-U", ACCOUNT, "-T",
                  template.rpartition("/")[2], name)
        return f"postgresql://{ACCOUNT}@127.0.0.1:{self.port}/{name}"

    def drop_database(self, url: str) -> None:
        """Gone, whoever is connected."""
        self._run("dropdb", "-h", self.folder, "-p", str(self.port), "-U", ACCOUNT, "--force",
                  url.rpartition("/")[2])

    def sql(self, url: str, text: str) -> str:
        return self._run("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", text)


@contextlib.contextmanager
def server():
    if not (PROGRAMS / "postgres").exists():
        raise Missing(f"PostgreSQL 15 is not installed in {PROGRAMS}")
    # A socket's path has 107 bytes, and the account must be able to enter: so not below TMPDIR.
    with tempfile.TemporaryDirectory(prefix="weir-postgres-", dir="/tmp") as folder:
        one = Server(folder)
        one.start()
        try:
            yield one
        finally:
            one.stop()
