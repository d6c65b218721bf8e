#!/usr/bin/env python3
"""AWS Secrets Manager, SNS and SQS of a test's own: moto, on a free port of 127.0.0.1.

    with moto_server.Server() as aws:            # raises Missing where it was not fetched
        aws.client("secretsmanager").create_secret(Name="x", SecretString="y")
        aws.endpoint                             # http://127.0.0.1:PORT, for all services
        aws.environment                          # keys and a region; moto takes any keys

Run as a program it fetches moto.lock and prints one line. It fails only
where a file is not the one of the lock.
"""
import http.client
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import pip_lock

LOCK = pip_lock.PipLock("moto", pathlib.Path(__file__).with_name("moto.lock"), "40 MB")


class Missing(Exception):
    """There is no moto here: print it and skip."""


class Server:
    def __init__(self):
        if not LOCK.folder().is_dir():
            raise Missing("moto is not set up: ./dev standins")
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.environment = {"AWS_ACCESS_KEY_ID": "AKIAMOTOTEST", "AWS_SECRET_ACCESS_KEY": "moto/takes+any-key",
                            "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
                                         env=os.environ | {"PYTHONPATH": str(LOCK.folder()), "PYTHONDONTWRITEBYTECODE": "1"},
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
        if str(LOCK.folder()) not in sys.path:
            sys.path.append(str(LOCK.folder()))
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


if __name__ == "__main__":
    sys.exit(LOCK.main())
