"""A MariaDB server of a test's own, as postgres.py has one of PostgreSQL.

    with mariadb.server() as server:        # raises mariadb.Missing where it is not installed
        name = server.create_database()     # test_1, on 127.0.0.1:server.port, user root without a password
        server.sql(name, "SELECT 1")        # what the client prints with --batch, without headers
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import postgres

SERVER = pathlib.Path("/usr/sbin/mariadbd")
ACCOUNT = "mysql"  # The server refuses to run as root.


class Missing(Exception):
    """MariaDB is not installed: print it and skip."""


class Server:
    def __init__(self, folder: str):
        self.folder = folder
        self.port = 0
        self._databases = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        if os.getuid() == 0:
            shutil.chown(folder, ACCOUNT, ACCOUNT)
        done = subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--skip-test-db",
                               "--auth-root-authentication-method=normal", "--innodb-flush-log-at-trx-commit=0"],
                              capture_output=True, text=True, cwd="/", **postgres.as_account(ACCOUNT))
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)

    @property
    def socket(self) -> str:
        return f"{self.folder}/socket"

    def start(self, *options: str) -> None:
        # Again on the port it had. Another program may take a port between asking and using it: then the
        # server ends.
        for attempt in range(5):
            if self.port == 0 or attempt > 0:
                self.port = postgres.free_port()
            with open(f"{self.folder}/log", "ab") as log:
                self._process = subprocess.Popen(
                    [SERVER, "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.socket}",
                     f"--pid-file={self.folder}/pid", "--bind-address=127.0.0.1", f"--port={self.port}",
                     "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M", "--skip-log-bin",
                     "--character-set-server=utf8mb4", "--sql-mode=", "--local-infile=1", *options],
                    stdout=log, stderr=log, cwd="/", **postgres.as_account(ACCOUNT))
            while self._process.poll() is None:
                if subprocess.call(["mariadb-admin", "--no-defaults", f"--socket={self.socket}", "-uroot", "--silent", "ping"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
                    return
                time.sleep(0.02)
        raise RuntimeError(pathlib.Path(f"{self.folder}/log").read_text())

    def stop(self, how: int = signal.SIGTERM) -> None:
        """SIGTERM ends it cleanly, SIGKILL as a crash would; start() then takes the same data."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def create_database(self) -> str:
        with self._lock:
            self._databases += 1
            name = f"test_{self._databases}"
        self.sql("mysql", f"CREATE DATABASE {name}")
        return name

    def client(self, database: str, *options: str) -> list:
        return ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "--batch", "--raw", "--skip-column-names",
                "--default-character-set=utf8mb4", "--unbuffered", *options, database]

    def sql(self, database: str, text: str) -> str:
        done = subprocess.run(self.client(database), input=text, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout


@contextlib.contextmanager
def server(*options: str):
    if not SERVER.exists():
        raise Missing(f"MariaDB is not installed: there is no {SERVER}")
    # A socket's path has 107 bytes, and the account must be able to enter: so not below TMPDIR.
    with tempfile.TemporaryDirectory(prefix="weir-mariadb-", dir="/tmp") as folder:
        one = Server(folder)
        one.start(*options)
        try:
            yield one
        finally:
            one.stop()
