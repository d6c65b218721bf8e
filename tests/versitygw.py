"""An S3 server of a test's own: versitygw over a temporary folder, on a free port of 127.0.0.1."""
import contextlib
import hashlib
import hmac
import http.client
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import canary

ACCESS_KEY = "AKIAWEIRTEST"
SECRET_KEY = "weir/test+secret"
canary.watch(SECRET_KEY)


class Missing(Exception):
    """The server is not built: print it and skip."""


def program(name="versitygw", how="./dev standins") -> pathlib.Path:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.environ.get("WEIR_STANDINS") or f"{cache}/weir/standins"
    path = pathlib.Path(folder) / name
    if not os.access(path, os.X_OK):
        raise Missing(f"there is no {path}: {how} builds it")
    return path


class Server:
    def __init__(self):
        self.program = self._program()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-s3-"))
        (self.folder / "data").mkdir()
        for _ in range(5):  # another program may take a port between asking and using it
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                self.port = listener.getsockname()[1]
            with open(self.folder / "log", "w") as log:
                self.process = subprocess.Popen(self._words(), env={**os.environ, **self._environment()}, stdout=log,
                                                stderr=subprocess.STDOUT)
            if self._is_ready():
                return
            self.process.kill()  # it ended by itself, or is not ready in all that time
            self.process.wait()
        raise RuntimeError((self.folder / "log").read_text())

    def _program(self):
        return program()

    def _words(self):
        return [self.program, "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--port", f"127.0.0.1:{self.port}", "--keep-alive",
                "--quiet", "posix", self.folder / "data"]

    def _environment(self):
        return {}

    def _is_ready(self):
        for _ in range(1500):
            if self.process.poll() is not None:
                return False
            try:
                with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
                    connection.request("GET", "/")
                    if connection.getresponse().status < 500:  # 503 while it begins
                        return True
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)
        return False

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def create_bucket(self, name):
        (self.folder / "data" / name).mkdir()

    def empty(self, bucket):
        for path in sorted((self.folder / "data" / bucket).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()

    def put(self, bucket, key, content):
        path = self.folder / "data" / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def request(self, method, path, query=None, body=b""):
        """One request, signed as "Signature Version 4" of the AWS documentation says."""
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{at[:8]}/us-east-1/s3/aws4_request"
        text = urllib.parse.urlencode(sorted((query or {}).items()), quote_via=urllib.parse.quote)
        headers = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "x-amz-date": at}
        names = ";".join(headers)
        request = "\n".join([method, path, text, *(f"{name}:{value}" for name, value in headers.items()), "", names,
                             headers["x-amz-content-sha256"]])
        key = f"AWS4{SECRET_KEY}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signed = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(request.encode()).hexdigest()])
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope},SignedHeaders={names},"
                                    f"Signature={hmac.digest(key, signed.encode(), 'sha256').hex()}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path + (f"?{text}" if text else ""), body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:1000]}")
        return content

    def read(self, bucket, key):
        return (self.folder / "data" / bucket / key).read_bytes()

    def objects(self, bucket):
        """The keys of a bucket, as the server's own folder has them."""
        root = self.folder / "data" / bucket
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not path.name.startswith(".sgw"))


def serve(case, bucket, make=Server):
    """A server for a class of tests, with a bucket; the class is skipped where there is none."""
    try:
        server = make()
    except Missing as missing:
        print(f"SKIPPED: {missing}", flush=True)
        raise unittest.SkipTest(str(missing)) from missing
    case.addClassCleanup(server.stop)
    server.create_bucket(bucket)
    return server
