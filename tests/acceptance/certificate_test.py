"""A server's certificate is renewed while it serves: clients see the new one, and what cannot be used changes nothing."""
import datetime
import os
import signal
import socket
import ssl
import subprocess
import unittest

from server_client import Server, add_token, add_user
from weir_project import Project

from waiting import wait_for  # noqa: E402, its folder is known by then


def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True).stdout


class Renewal(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.certificate, self.key = self.project.folder / "tls.crt", self.project.folder / "tls.key"
        self.install(*self.make("first"))
        add_user(self.project, "ann", "viewer")
        self.token = add_token(self.project, "ann")
        self.server = Server(self.project, "--tls-cert", str(self.certificate), "--tls-key", str(self.key))
        self.addCleanup(self.server.close)

    def make(self, name, days=2):
        """Files of a certificate by that name and of its key."""
        certificate, key = self.project.folder / f"{name}.crt", self.project.folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", days, "-subj", f"/CN={name}",
                "-keyout", key, "-out", certificate)
        return certificate, key

    def install(self, certificate, key):
        """As those do who renew: each file whole."""
        os.replace(certificate, self.certificate)
        os.replace(key, self.key)

    def handshake(self):
        """Of a new connection, and which certificate it saw."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        line = context.wrap_socket(socket.create_connection(("127.0.0.1", self.server.port), timeout=20))
        self.addCleanup(line.close)
        return line, openssl_name(line.getpeercert(binary_form=True))

    def shown(self):
        line, name = self.handshake()
        line.close()
        return name

    def figures(self):
        text = self.server.ask("GET", "/metrics", self.token).body.decode()
        return {line.split(" ")[0]: float(line.split(" ")[1]) for line in text.splitlines() if line.startswith("weir_tls_")}

    def test_files_that_changed_are_taken(self):
        old, name = self.handshake()
        self.assertEqual(name, "first")
        before = self.figures()
        self.assertEqual(self.figures()["weir_tls_certificate_expiry_timestamp_seconds"], self.expiry())
        self.install(*self.make("second", days=9))
        wait_for("the new certificate", lambda: self.shown() == "second", say=self.server.said)
        after = self.figures()
        self.assertEqual(after["weir_tls_certificate_expiry_timestamp_seconds"], self.expiry())
        self.assertGreater(after["weir_tls_certificate_expiry_timestamp_seconds"], before["weir_tls_certificate_expiry_timestamp_seconds"])
        self.assertEqual(after['weir_tls_certificate_reloads_total{result="taken"}'], 1)
        # A connection that was open goes on with what it had.
        old.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"200 OK", old.recv(65536))

    def expiry(self):
        text = openssl("x509", "-in", self.certificate, "-noout", "-enddate").strip().split("=")[1]
        return datetime.datetime.strptime(text, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=datetime.timezone.utc).timestamp()

    def test_a_signal_is_heeded(self):
        # Nothing has changed: it is read again because somebody asks.
        taken = 'weir_tls_certificate_reloads_total{result="taken"}'
        for count in (1, 2):
            os.kill(self.server.process.pid, signal.SIGHUP)
            wait_for("a reading", lambda count=count: self.figures()[taken] == count, say=self.server.said)
        self.assertEqual(self.shown(), "first")
        self.assertIsNone(self.server.process.poll(), "the signal does not end it")

    def refused(self, why):
        before = self.figures()['weir_tls_certificate_reloads_total{result="refused"}']
        wait_for("its refusal", lambda: self.figures()['weir_tls_certificate_reloads_total{result="refused"}'] > before, say=self.server.said)
        self.assertEqual(self.shown(), "first")
        self.assertRegex(self.server.said(), f"the new certificate is not used, the old one stays: .*{why}")

    def test_what_cannot_be_used_changes_nothing(self):
        expiry = self.figures()["weir_tls_certificate_expiry_timestamp_seconds"]
        spare = self.make("spare")
        # A key of another one, bytes that are no certificate, a file that is gone, a certificate that has expired.
        os.replace(spare[1], self.key)
        self.refused("holds no key for that certificate")
        self.certificate.write_text("no certificate")
        self.refused("holds no certificate in PEM")
        self.key.unlink()
        self.refused("(there is no file|holds no certificate)")
        certificate, key = self.make("expired")
        openssl("x509", "-in", certificate, "-signkey", key, "-days", -1, "-out", certificate)
        self.install(certificate, key)
        self.refused("has expired")
        self.assertEqual(self.figures()["weir_tls_certificate_expiry_timestamp_seconds"], expiry)
        said = self.server.said().count("the new certificate is not used")
        self.assertLessEqual(said, 8, "once for each change")
        # And then one that is good.
        self.install(*self.make("second"))
        wait_for("the new certificate", lambda: self.shown() == "second", say=self.server.said)


def openssl_name(certificate):
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"], input=certificate, check=True, capture_output=True).stdout.decode()
    return text.strip().rpartition("=")[2].strip()


if __name__ == "__main__":
    unittest.main()
