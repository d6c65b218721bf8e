"""A flow whose catalog's server goes away in the middle: at a COMMIT the connection ends before the
server has seen it, or after it has done it but before its answer came; the server crashes and comes
back. The flow goes on by itself, and leaves what an undisturbed one leaves: every row, each once.

WEIR_LONG=1 python3 tests/crash/lost_server_test.py [TEST…] takes every COMMIT.
"""
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

import flows_test
import on_postgres
from flows_test import command_line

IS_LONG = os.environ.get("WEIR_LONG") == "1"
AT_A_TIME = 1 if IS_LONG else 23  # every so many COMMITs


class Line:
    """Between weir and the server: hands on the messages of PostgreSQL's protocol (its documentation,
    "Message Formats"), and counts those that are a COMMIT."""

    def __init__(self, server, at=0, fault="none"):
        self.server, self.at, self.fault = server, at, fault
        self.commits, self.lock = 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, direct):
        port = self.listener.getsockname()[1]
        return direct.replace(f":{self.server.port}/", f":{port}/") + "?sslmode=disable&gssencmode=disable"

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.server.port))
            except OSError:  # gone: so is this one
                client.close()
                continue
            threading.Thread(target=self.to_server, args=(client, server), daemon=True).start()
            threading.Thread(target=self.to_client, args=(server, client), daemon=True).start()

    def to_server(self, client, server):
        try:
            server.sendall(message(client, 0))  # the startup message has no type
            while True:
                sent = message(client, 1)
                if sent.startswith(b"Q") and sent[5:].rstrip(b"\0") == b"COMMIT" and self.is_the_one():
                    self.meddle(client, server, sent)
                server.sendall(sent)
        except OSError:
            pass
        finally:
            cut(client, server)
            client.close()

    def is_the_one(self):
        with self.lock:
            self.commits += 1
            return self.commits == self.at

    def meddle(self, client, server, commit):
        if self.fault == "after":
            # Its answer is read by nobody; that it came says that the transaction is in the log.
            cut(client)
            server.sendall(commit)
            while server.recv(65536):
                pass
        elif self.fault == "crash":
            self.server.stop(signal.SIGQUIT)
            self.server.start()
        raise OSError(self.fault)

    def to_client(self, server, client):
        try:
            while got := server.recv(65536):
                client.sendall(got)
        except OSError:
            pass
        finally:
            cut(client)
            server.close()


def message(sock, kind_bytes):
    head = exactly(sock, kind_bytes + 4)
    return head + exactly(sock, struct.unpack("!I", head[kind_bytes:])[0] - 4)


def exactly(sock, count):
    got = b""
    while len(got) < count:
        part = sock.recv(count - len(got))
        if not part:
            raise OSError("the other side has ended")
        got += part
    return got


def cut(*socks):
    for each in socks:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class LostServer(on_postgres.OnPostgres):
    def go(self, template, at=0, fault="none"):
        """The COMMITs of a run that was meddled with, and what it left."""
        with tempfile.TemporaryDirectory(prefix="weir lost ") as parent:
            folder = pathlib.Path(parent) / "project"
            self.prepare(template)(folder)
            (folder / "tmp").mkdir(exist_ok=True)
            line = Line(self.server, at, fault)
            asked = command_line(folder, line.url(self.databases[folder]), *flows_test.RUN)
            done = subprocess.run(asked.argv, env=os.environ | asked.environment | {"WEIR_CATALOG_PATIENCE": "1m"}, capture_output=True, text=True, timeout=120)
            line.close()
            self.assertEqual(done.returncode, 0, f"{fault} at COMMIT {at}: {done.stdout[-800:]} {done.stderr[-1500:]}")
            return line.commits, self.verify(folder)

    def sweep_commits(self, fault, step):
        template = self.second()
        commits, expected = self.go(template)
        self.assertGreater(commits, 10)
        for at in range(1, commits + 1, step):
            with self.subTest(fault=fault, at=at):
                met, seen = self.go(template, at, fault)
                self.assertGreaterEqual(met, at, "the fault was never met")
                self.assertEqual(seen, expected)
        print(f"lost_server {fault}: {commits} COMMITs, every {step}.", flush=True)

    def test_the_connection_ends_before_a_commit(self):
        self.sweep_commits("before", AT_A_TIME)

    def test_the_answer_to_a_commit_is_lost(self):
        self.sweep_commits("after", AT_A_TIME)

    def test_the_server_crashes_at_a_commit(self):
        self.sweep_commits("crash", 2 * AT_A_TIME)


if __name__ == "__main__":
    unittest.main(verbosity=1)
