"""A server of a test's own over a project, and requests to it as somebody."""
import contextlib
import http.client
import json
import os
import signal
import ssl
import subprocess
import time

from weir_project import WEIR


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


class Server:
    """`weir serve` on a free port; ends with it. Without `runs` it answers alone and starts nothing."""

    def __init__(self, project, *words, runs=False, port=0, **environment):
        self.project = project
        self.ready = project.folder / "ready.json"
        self.ready.unlink(missing_ok=True)
        self.log = open(project.folder / "server.log", "ab+")
        self.process = subprocess.Popen(
            [WEIR, "--project", str(project.folder), "serve", "--port", str(port), "--ready-file", str(self.ready),
             *([] if runs else ["--api-only"]), *words],
            stdout=self.log, stderr=self.log, env={**project.environment, **environment})
        deadline = time.monotonic() + 60
        while not self.ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"the server is not there: {self.said()}")
            time.sleep(0.02)
        told = json.loads(self.ready.read_text())
        self.port, self.url = told["port"], told["url"]
        self.tls = None
        if self.url.startswith("https"):
            self.tls = ssl.create_default_context()
            self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-3000:]

    def connect(self, timeout=30):
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, token=None, body=None, headers=None, connection=None):
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        with contextlib.closing(connection or self.connect()) if connection is None else contextlib.nullcontext(connection) as line:
            line.request(method, path, body=body, headers=sent)
            answer = line.getresponse()
            return Reply(answer.status, answer.headers, answer.read())

    def stop(self, how=signal.SIGTERM):
        """Its exit status."""
        if self.process.poll() is None:
            os.kill(self.process.pid, how)
        return self.process.wait(60)

    def close(self):
        self.stop()
        self.log.close()


def add_user(project, name, role, flows="*", password=None):
    words = ["user", "add", name, "--role", role, "--flows", flows]
    run = subprocess.run([WEIR, "--project", str(project.folder), *words, *([] if password else ["--no-password"])],
                         input=password, text=True, capture_output=True, env=project.environment, timeout=60)
    assert run.returncode == 0, run.stderr


def add_token(project, user, name="test", role="admin", flows="*", lasts="1d"):
    return project.weir("token", "create", user, "--name", name, "--role", role, "--flows", flows, "--lasts",
                        lasts).stdout.strip()
