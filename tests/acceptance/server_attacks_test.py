"""What is tried against a server: other sites' pages, silent sockets, broken requests, guessed passwords, edited logs."""
import concurrent.futures
import contextlib
import json
import os
import random
import re
import socket
import ssl
import subprocess
import threading
import time
import unittest
import warnings

from server_client import Server, add_token, add_user
from weir_project import WEIR, Project, canary

PASSWORD = "nine green umbrellas"
SEED = int(os.environ.get("WEIR_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
# Of every answer, whatever was asked.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class AttackCase(unittest.TestCase):
    words = ()

    @classmethod
    def setUpClass(cls):
        canary.watch(PASSWORD)
        cls.project = Project()
        cls.project.run("sales")
        add_user(cls.project, "ann", "admin", password=PASSWORD)
        cls.token = add_token(cls.project, "ann")
        cls.server = Server(cls.project, *cls.words)
        cls.run_id = cls.project.sqlite("SELECT run_id FROM flow_run")[0][0]

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        cls.project.close()

    def ask(self, *words, **more):
        return self.server.ask(*words, **more)

    def raw(self, sent, timeout=20):
        """All that comes back for these bytes, until the other end closes."""
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.server.port), timeout=timeout)) as line:
            line.sendall(sent)
            got = b""
            while True:
                try:
                    piece = line.recv(65536)
                except ConnectionResetError:
                    break
                if not piece:
                    break
                got += piece
        return got

    def sign_in(self, password=PASSWORD, user="ann", headers=None):
        return self.ask("POST", "/v1/session", body={"user": user, "password": password}, headers=headers)

    def cookie(self):
        return self.sign_in().headers["Set-Cookie"].split(";")[0]


class Pages(AttackCase):
    """Headers, cookies, other sites."""

    def test_every_answer_has_the_headers(self):
        asked = [("GET", "/healthz", None), ("GET", "/readyz", None), ("GET", "/v1/flows", self.token), ("GET", "/v1/flows", None),
                 ("GET", "/nothing", None), ("POST", "/healthz", None), ("GET", "/metrics", self.token), ("OPTIONS", "/v1/flows", None),
                 ("GET", "/v1/runs?limit=0", self.token), ("GET", f"/v1/runs/{self.run_id}/logs/stream", self.token),
                 ("GET", "/v1/openapi.json", self.token), ("HEAD", "/v1/flows", self.token), ("HEAD", f"/v1/runs/{self.run_id}/logs/stream", self.token)]
        for method, path, token in asked:
            with self.subTest(method=method, path=path):
                reply = self.ask(method, path, token)
                self.assertEqual({name: reply.headers[name] for name in HEADERS}, HEADERS)
                for name in reply.headers:
                    self.assertFalse(name.lower().startswith("access-control"), name)
                    self.assertNotIn(name.lower(), ("server", "x-powered-by"))
                self.assertIsNotNone(reply.headers["X-Request-Id"])
                self.assertIsNone(reply.headers["Strict-Transport-Security"])
                if method == "HEAD":
                    self.assertEqual((reply.status, reply.body), (200, b""))

    def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(self):
        reply = self.sign_in()
        self.assertEqual(reply.status, 200)
        parts = reply.headers["Set-Cookie"].split("; ")
        self.assertRegex(parts[0], r"^weir_session=[\w-]{43}$")
        self.assertEqual(parts[1:], ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=43200"])
        who = self.ask("GET", "/v1/session", headers={"Cookie": "a=b; " + parts[0] + "; c=d"})
        self.assertEqual(who.json, {"user": "ann", "grants": [{"flows": "*", "role": "admin"}]})

    def test_with_a_cookie_only_own_pages_change_something(self):
        cookie, path = self.cookie(), f"/v1/runs/{self.run_id}/cancel"
        own = f"http://127.0.0.1:{self.server.port}"
        refused = [{}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"},
                   {"Sec-Fetch-Site": ""}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": own + ".evil.example"},
                   {"Origin": own.replace("http", "https")}, {"Origin": f"http://127.0.0.1:{self.server.port + 1}"},
                   {"Sec-Fetch-Site": "cross-site", "Origin": own}]
        for headers in refused:
            with self.subTest(headers=headers):
                reply = self.ask("POST", path, headers={"Cookie": cookie, **headers})
                self.assertEqual((reply.status, reply.json["detail"]), (403, "the request comes from another site's page"))
        for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": own}):
            reply = self.ask("POST", path, headers={"Cookie": cookie, **headers})
            self.assertEqual(reply.status, 409, "it is let in, and finds a run that has ended")
        self.assertEqual(self.ask("GET", "/v1/flows", headers={"Cookie": cookie, "Sec-Fetch-Site": "cross-site"}).status, 200)
        # A token is nothing that a browser adds by itself.
        self.assertEqual(self.ask("POST", path, self.token, headers={"Sec-Fetch-Site": "cross-site"}).status, 409)
        # Nobody is signed in from another site, as somebody else.
        self.assertEqual(self.sign_in(headers={"Origin": "http://evil.example"}).status, 403)
        self.assertEqual(self.sign_in(headers={"Sec-Fetch-Site": "cross-site"}).status, 403)

    def test_a_form_of_another_site_is_no_body(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            reply = self.ask("POST", "/v1/session", body=json.dumps({"user": "ann", "password": PASSWORD}), headers={"Content-Type": kind})
            self.assertEqual(reply.status, 415, kind)

    def test_sessions_end(self):
        cookie = self.cookie()
        own = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
        self.assertEqual(self.ask("GET", "/v1/session", headers=own).status, 200)
        out = self.ask("DELETE", "/v1/session", headers=own)
        self.assertEqual(out.status, 204)
        self.assertIn("Max-Age=0", out.headers["Set-Cookie"])
        self.assertEqual(self.ask("GET", "/v1/session", headers=own).status, 401)
        # By its time, and by a new password.
        cookie = self.cookie()
        self.project.sqlite("UPDATE web_session SET expires_at_us = 1")
        self.assertEqual(self.ask("GET", "/v1/session", headers={"Cookie": cookie}).status, 401)
        cookie = self.cookie()
        done = subprocess.run([WEIR, "--project", str(self.project.folder), "user", "password", "ann"], input=PASSWORD, text=True,
                              capture_output=True, env=self.project.environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.ask("GET", "/v1/session", headers={"Cookie": cookie}).status, 401)
        # A token that is none is not made good by a cookie.
        good = self.cookie()
        self.assertEqual(self.ask("GET", "/v1/session", "weir_pat_no", headers={"Cookie": good}).status, 401)
        self.assertEqual(self.ask("GET", "/v1/session", headers={"Cookie": good + "; " + good}).status, 401, "which of both?")

    def test_an_account_that_is_switched_off_is_nobody(self):
        add_user(self.project, "off", "viewer", password=PASSWORD)
        token = add_token(self.project, "off")
        cookie = self.sign_in(user="off").headers["Set-Cookie"].split(";")[0]
        self.project.sqlite("UPDATE user_account SET is_enabled = FALSE WHERE user_name = 'off'")
        self.assertEqual(self.ask("GET", "/v1/flows", token).status, 401)
        self.assertEqual(self.ask("GET", "/v1/flows", headers={"Cookie": cookie}).status, 401)
        self.assertEqual(self.sign_in(user="off").status, 401)


class Passwords(AttackCase):
    def test_who_guesses_waits_and_keeps_nobody_out(self):
        before = self.project.sqlite("SELECT max(position) FROM audit_log")[0][0]
        for _ in range(5):
            reply = self.sign_in("wrong wrong wrong")
            self.assertEqual((reply.status, reply.json["detail"]), (401, "name or password is wrong"))
        reply = self.sign_in("wrong wrong wrong")
        self.assertEqual(reply.status, 429)
        self.assertGreater(int(reply.headers["Retry-After"]), 200)
        self.assertEqual(self.sign_in().status, 429, "the right one, too")
        add_user(self.project, "bob", "viewer", password=PASSWORD)
        self.assertEqual(self.sign_in(user="bob").status, 200, "another user from there")
        self.assertEqual(self.ask("GET", "/v1/flows", self.token).status, 200, "tokens are not guessed at")
        told = self.project.sqlite("SELECT details FROM audit_log WHERE action = 'server.sign_in' AND author = 'ann' AND position > ?", before)
        self.assertEqual([json.loads(each[0])["outcome"] for each in told], ["failed"] * 5)
        # Names are tried, too: from one address not many.
        left = [self.sign_in("wrong wrong wrong", user=f"user{number}").status for number in range(40)]
        self.assertEqual(left[-1], 429)
        self.assertEqual(left.count(401), 25)

    def test_a_name_that_is_none_takes_as_long(self):
        with contextlib.closing(Server(self.project)) as server:
            def took(user):
                times = []
                for _ in range(4):
                    began = time.perf_counter()
                    server.ask("POST", "/v1/session", body={"user": user, "password": "wrong wrong wrong"})
                    times.append(time.perf_counter() - began)
                return min(times)
            known, unknown = took("ann"), took("nobody")
        self.assertGreater(unknown, known / 2)
        self.assertLess(unknown, known * 2)

    def test_weak_passwords_are_refused(self):
        for password in ("", "short", "carolcarolcarol"):
            run = subprocess.run([WEIR, "--project", str(self.project.folder), "user", "add", "carolcarolcarol", "--role", "viewer"],
                                 input=password, text=True, capture_output=True, env=self.project.environment)
            self.assertIn(run.returncode, (2, 3), run.stderr)


class Sockets(AttackCase):
    def test_five_hundred_silent_sockets_keep_nobody_out(self):
        lines = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(500)]
        stop = threading.Event()

        def drip():  # A header a byte at a time: each byte in time, the head never.
            while not stop.wait(0.5):
                for line in lines:
                    with contextlib.suppress(OSError):
                        line.send(b"X")
        for number, line in enumerate(lines):
            line.send(b"GET /v1/flows HTTP/1.1\r\nHost: x\r\n" if number % 2 else b"")
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            times = []
            for _ in range(20):
                began = time.monotonic()
                self.assertEqual(self.ask("GET", "/v1/flows", self.token).status, 200)
                times.append(time.monotonic() - began)
            print(f"with 500 silent sockets: slowest of 20 requests {max(times) * 1000:.0f} ms")
            self.assertLess(max(times), 2)
            # And they are gone once their time is over.
            deadline = time.monotonic() + 25
            while time.monotonic() < deadline:
                text = self.ask("GET", "/metrics", self.token).body.decode()
                left = int(text.split("\nweir_http_connections ")[1].split()[0])
                if left < 5:
                    break
                time.sleep(0.2)
            self.assertLess(left, 5)
        finally:
            stop.set()
            thread.join()
            for line in lines:
                line.close()

    def test_above_the_limit_who_waits_longest_goes(self):
        lines = []
        try:
            for _ in range(1100):
                lines.append(socket.create_connection(("127.0.0.1", self.server.port)))
            self.assertEqual(self.ask("GET", "/v1/flows", self.token).status, 200)
            text = self.ask("GET", "/metrics", self.token).body.decode()
            self.assertGreater(int(text.split("\nweir_http_turned_away_total ")[1].split()[0]), 90)
        finally:
            for line in lines:
                line.close()

    def test_broken_requests_get_an_answer_or_a_closed_line(self):
        host = b"Host: x\r\n"
        bearer = b"Authorization: Bearer " + self.token.encode() + b"\r\n"
        post = b"POST /v1/configuration/plan HTTP/1.1\r\n" + host + bearer + b"Content-Type: application/json\r\n"
        cases = {
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": None,  # TLS where there is none
            b"GET\r\n\r\n": 400,
            b"GET / HTTP/9.9\r\n" + host + b"\r\n": 400,
            b"GET /healthz HTTP/1.1\r\n\r\n": 400,  # no Host
            b"GET /healthz HTTP/1.1\r\n" + host + host + b"\r\n": 400,
            b"GET /healthz HTTP/1.1\r\n" + host + b"A: " + b"b" * 20000 + b"\r\n\r\n": 431,
            b"GET /healthz HTTP/1.1\r\n" + host + b"A: b\r\n" * 4000 + b"\r\n": 431,
            b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + host + b"\r\n": 400,
            b"GET /v1/flows HTTP/1.1\r\n" + host + bearer + bearer + b"\r\n": 400,
            post + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}": 400,
            post + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}": 400,
            post + b"Content-Length: -1\r\n\r\n": 400,
            post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n": 400,
            post + b"Content-Length: 9000000\r\n\r\n": 413,
            b"POST /v1/configuration/plan HTTP/1.1\r\n" + host + b"Content-Length: 8000000\r\n\r\n": 401,
            b"POST /v1/session HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\nContent-Length: 9000\r\n\r\n": 413,
            b"GET /healthz HTTP/1.1\r\n" + host + b"X: a\x00b\r\n\r\n": 400,
            b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n": 400,
            b"GET http://evil.example/healthz HTTP/1.1\r\n" + host + b"\r\n": 400,
            b"CONNECT evil.example:443 HTTP/1.1\r\n" + host + b"\r\n": 400,
            b"TRACE /healthz HTTP/1.1\r\n" + host + b"\r\n": 405,
        }
        for sent, status in cases.items():
            with self.subTest(sent=sent[:80]):
                got = self.raw(sent + b"", timeout=15)
                if status is None:
                    self.assertTrue(got == b"" or got.startswith(b"HTTP/1.1 400"), got[:80])
                    continue
                self.assertTrue(got.startswith(b"HTTP/1.1 %d " % status), got[:200])
                for name, value in HEADERS.items():
                    self.assertIn(f"{name}: {value}".encode(), got)
        self.assertEqual(self.ask("GET", "/healthz").status, 200)

    def test_a_chunked_body_ends_at_the_limit(self):
        head = (f"POST /v1/configuration/plan HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n"
                "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.server.port), timeout=30)) as line:
            line.sendall(head)
            chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 20 << 20:
                    line.sendall(chunk)
                    sent += 0x10000
            got = line.recv(65536)
        self.assertIn(b"HTTP/1.1 413 ", got)
        self.assertLess(sent, 12 << 20)

    def test_a_body_is_read_from_known_callers_alone(self):
        """Expect: 100-continue is answered once it is known who sends."""
        head = "POST /v1/configuration/plan HTTP/1.1\r\nHost: x\r\n{}Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        self.assertTrue(self.raw(head.format("").encode()).startswith(b"HTTP/1.1 401 "))
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.server.port), timeout=30)) as line:
            line.sendall(head.format(f"Authorization: Bearer {self.token}\r\n").encode())
            self.assertTrue(line.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n\r\n"))
            line.sendall(b"{}")
            self.assertTrue(line.recv(65536).startswith(b"HTTP/1.1 200 "))

    def test_requests_one_after_another_use_one_line(self):
        line = self.server.connect()
        for _ in range(50):
            self.assertEqual(self.ask("GET", "/v1/flows", self.token, connection=line).status, 200)
        line.close()
        request = f"GET /v1/session HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n".encode()
        got = self.raw((request + b"\r\n") * 9 + request + b"Connection: close\r\n\r\n")
        self.assertEqual(got.count(b"HTTP/1.1 200 OK"), 10, "pipelined")

    def test_bad_bodies_name_what_is_wrong(self):
        path = "/v1/flows/sales/runs"
        deep = "[" * 100000
        cases = {'{"run_key": 1}': "'run_key' is no string", '{"x": 1}': "the body has no field 'x'", "[]": "the body is no object",
                 "{": "", '{"params": 3}': "'params' is no object", "nul": "", '{"run_key": "a", "run_key": "b"}': "",
                 deep: "", '{"run_key": "' + "x" * 300 + '"}': "'run_key' is longer than 200 bytes", "\xff\xfe": "",
                 '{"run_key": "\\ud800"}': "", "0": "the body is no object", '{"params": {"a": NaN}}': ""}
        for body, detail in cases.items():
            with self.subTest(body=body[:40]):
                reply = self.ask("POST", path, self.token, body=body.encode("latin-1"), headers={"Content-Type": "application/json"})
                self.assertEqual(reply.status, 400, reply)
                self.assertIn(detail, reply.json["detail"])
        for path in ("/v1/flows", "/v1/runs", f"/v1/runs/{self.run_id}/logs"):
            for query in ("limit=0", "limit=x", "limit=1e3", "limit=99999999999999999999", "limit=5&limit=6", "nothing=1", "limit", "limit=%",
                          "limit=%zz", "cursor=%00", "cursor=AAAA", "cursor=W10", "cursor=WzFd", "limit=%31%00"):
                with self.subTest(path=path, query=query):
                    self.assertEqual(self.ask("GET", f"{path}?{query}", self.token).status, 400)

    def test_names_in_paths_are_read_one_way_only(self):
        for name in ("..", ".", "%2e%2e", "%2E", "a%2Fb", "a%5Cb", "%00", "a%0d%0aX-Evil:1", "%ff", "%C0%AF", "%E2%80%AE", "a%", "%u0041", "", "a%09"):
            with self.subTest(name=name):
                reply = self.ask("GET", f"/v1/flows/{name}", self.token)
                self.assertEqual(reply.status, 400, reply)
                self.assertNotIn("X-Evil", reply.headers)
        for name in ("'%20OR%201=1%20--", "%25", "a+b", "%3Cscript%3E", "日本".encode().hex(" ").upper().replace(" ", "%").join(("%", "")), "sales%20"):
            with self.subTest(name=name):
                self.assertEqual(self.ask("GET", f"/v1/flows/{name}", self.token).status, 404)

    def test_a_fuzzed_router_never_fails(self):
        print(f"fuzzed router: seed {SEED} (WEIR_FUZZ_SEED)")
        words = ["v1", "flows", "runs", "sales", self.run_id, "logs", "stream", "holds", "configuration", "versions", "..", "", "%2e", "%00", "%ff",
                 "session", "metrics", "healthz", "{flow_id}", "a" * 600, "%F0%9F%98%80", "*", "'", '"', "<b>", ";", "datasets", "raw.sales", "audit"]
        methods = ["GET", "GET", "GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "get", "PROPFIND"]
        statuses = {}
        routes = list(self.ask("GET", "/v1/openapi.json", self.token).json["paths"])

        def one(number):
            dice = random.Random(f"{SEED} {number}")
            path = "/" + "/".join(dice.choice(words) for _ in range(dice.randrange(0, 7)))
            if dice.random() < 0.6:  # One of the table's, with anything in its braces.
                path = re.sub(r"\{\w+\}", lambda _: dice.choice(words), dice.choice(routes))
            if dice.random() < 0.4:
                path += "?" + "&".join(f"{dice.choice(['limit', 'cursor', 'state', 'after', 'flow_id', 'x'])}={dice.choice(['1', '-1', '%', 'a', 'W10', ''])}"
                                       for _ in range(dice.randrange(0, 4)))
            if dice.random() < 0.2:
                path = "".join(chr(dice.randrange(33, 127)) for _ in range(dice.randrange(1, 60)))
            body = dice.choice([None, None, "{}", "[", "null", '{"hash":"x"}'])
            method = dice.choice(methods)
            line = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\nConnection: close\r\n"
            if body is not None:
                line += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            got = self.raw((line + "\r\n" + (body or "")).encode())
            return method, path, got

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for method, path, got in pool.map(one, range(1500)):
                self.assertRegex(got[:12].decode("latin-1"), r"^HTTP/1\.[01] \d{3}", f"seed {SEED}: {method} {path}")
                status = int(got[9:12])
                statuses[status] = statuses.get(status, 0) + 1
                self.assertIn(status, (200, 202, 204, 400, 404, 405, 409, 415, 422, 501), f"seed {SEED}: {method} {path}: {got[:300]}")
                self.assertIn(b"nosniff", got)
        print(f"fuzzed router: {dict(sorted(statuses.items()))}")
        self.assertEqual(self.ask("GET", "/healthz").status, 200)
        self.assertIsNone(self.server.process.poll())


class Life(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)

    def serve(self, *words, **environment):
        server = Server(self.project, *words, **environment)
        self.addCleanup(server.close)
        return server

    def test_without_an_account_it_says_how_to_make_one(self):
        server = self.serve()
        self.assertEqual(server.ask("GET", "/healthz").status, 200)
        self.assertEqual(server.ask("GET", "/readyz").json, {"is_ready": True, "reason": ""})
        for path in ("/v1/flows", "/metrics", "/v1/openapi.json", "/v1/audit"):
            reply = server.ask("GET", path)
            self.assertEqual((reply.status, reply.json["detail"]), (401, "this server has no accounts yet"))
            self.assertIn("weir user add", reply.json["hint"])
        add_user(self.project, "ann", "viewer")
        self.assertEqual(server.ask("GET", "/v1/flows", add_token(self.project, "ann")).status, 200, "at once")
        self.assertEqual(server.ask("GET", "/v1/flows").json["detail"], "nobody is signed in")

    def test_beyond_loopback_it_wants_tls(self):
        run = self.project.weir("serve", "--address", "0.0.0.0", "--port", "0", expect=2)
        self.assertIn("would cross the network in clear", run.stderr)
        for words in (("--tls-cert", "x.pem"), ("--tls-cert", "x.pem", "--tls-key", "y.pem"), ("--address", "localhost"), ("--drain", "soon")):
            self.assertIn(self.project.weir("serve", "--port", "0", *words, expect=None).returncode, (1, 2), words)
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
            run = self.project.weir("serve", "--port", str(taken.getsockname()[1]), expect=75)
            self.assertIn("cannot be had", run.stderr)

    def test_tls(self):
        key, certificate = self.project.folder / "key.pem", self.project.folder / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        add_user(self.project, "ann", "admin", password=PASSWORD)
        server = self.serve("--tls-cert", str(certificate), "--tls-key", str(key))
        self.assertTrue(server.url.startswith("https://"))
        token = add_token(self.project, "ann")
        reply = server.ask("GET", "/v1/flows", token)
        self.assertEqual((reply.status, reply.headers["Strict-Transport-Security"]), (200, "max-age=31536000"))
        reply = server.ask("POST", "/v1/session", body={"user": "ann", "password": PASSWORD})
        self.assertRegex(reply.headers["Set-Cookie"], r"^__Host-weir_session=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure$")
        cookie = reply.headers["Set-Cookie"].split(";")[0]
        self.assertEqual(server.ask("DELETE", "/v1/session", headers={"Cookie": cookie, "Origin": server.url}).status, 204)
        run = server.ask("GET", "/v1/nothing", token)
        self.assertEqual(run.status, 404)
        # Old versions, and no TLS at all.
        warnings.simplefilter("ignore", DeprecationWarning)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as line:
            with self.assertRaises((ssl.SSLError, OSError)):
                old.wrap_socket(line).close()
        with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as line:
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                self.assertNotIn(b"200 OK", line.recv(65536))
        # Silent ones that never greet go in time.
        lines = [socket.create_connection(("127.0.0.1", server.port), timeout=25) for _ in range(50)]
        self.assertEqual(server.ask("GET", "/healthz").status, 200)
        began = time.monotonic()
        for line in lines:
            with contextlib.suppress(OSError):
                self.assertEqual(line.recv(10), b"")
            line.close()
        self.assertLess(time.monotonic() - began, 20)

    def test_it_stops_when_it_is_told_to(self):
        add_user(self.project, "ann", "admin")
        token = add_token(self.project, "ann")
        self.project.sqlite("INSERT INTO flow_run (run_id, flow_id, run_key, state, logical_time_us, created_at_us) "
                            "VALUES ('r', 'sales', 'k', 'running', 1, 1)")
        server = self.serve()
        line = server.connect()
        line.request("GET", "/v1/runs/r/logs/stream", headers={"Authorization": f"Bearer {token}"})
        answer = line.getresponse()
        self.assertEqual(answer.status, 200)
        idle = server.connect()
        idle.connect()
        self.assertEqual(server.stop(), 0, server.said())
        answer.read()
        answer.close()
        line.close()
        idle.close()
        self.assertIn("stopped", server.said())

    def test_it_stops_while_workers_are_busy(self):
        """A stream is asked of the catalog again and again: some of the stops come while it is."""
        add_user(self.project, "ann", "admin")
        token = add_token(self.project, "ann")
        self.project.sqlite("INSERT INTO flow_run (run_id, flow_id, run_key, state, logical_time_us, created_at_us) "
                            "VALUES ('r', 'sales', 'k', 'running', 1, 1)")
        for _ in range(8):
            server = Server(self.project)
            line = server.connect()
            line.request("GET", "/v1/runs/r/logs/stream", headers={"Authorization": f"Bearer {token}"})
            answer = line.getresponse()
            began = time.monotonic()
            self.assertEqual(server.stop(), 0, server.said())
            self.assertLess(time.monotonic() - began, 5)
            answer.close()
            line.close()
            server.log.close()

    def test_readiness_says_when_the_catalog_is_gone(self):
        server = self.serve()
        self.assertEqual(server.ask("GET", "/readyz").status, 200)
        locked = self.project.folder / "weir.db"
        os.rename(locked, str(locked) + ".away")
        self.addCleanup(os.rename, str(locked) + ".away", locked)
        self.assertEqual(server.ask("GET", "/healthz").status, 200, "the process lives")


class AuditLog(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.project.weir("apply")
        add_user(self.project, "ann", "admin")
        self.token = add_token(self.project, "ann")

    def verify(self, *words, expect=0):
        run = self.project.weir("--output", "json", "audit", "verify", *words, expect=expect)
        return json.loads(run.stdout.splitlines()[0])

    def test_an_edited_removed_moved_or_added_row_is_found(self):
        verdict = self.verify()
        self.assertGreater(verdict["rows"], 10)
        count, head = verdict["rows"], verdict["head"]
        tampering = {
            "UPDATE audit_log SET author = 'bob' WHERE position = 3": [3],
            "UPDATE audit_log SET at_us = at_us + 1 WHERE position = 4": [4],
            "UPDATE audit_log SET details = replace(details, '\"', '\" ') WHERE position = 5": [5],
            "UPDATE audit_log SET action = 'x' WHERE position = 1": [1],
            "DELETE FROM audit_log WHERE position = 6": [6],
            "DELETE FROM audit_log WHERE position BETWEEN 6 AND 8": [6],
            f"DELETE FROM audit_log WHERE position = {count}": [count],
            f"DELETE FROM audit_log WHERE position = {count}; UPDATE audit_head SET position = {count - 1}": [count - 1],
            "UPDATE audit_log SET position = position + 100 WHERE position = 7; UPDATE audit_log SET position = 7 WHERE position = 8; "
            "UPDATE audit_log SET position = 8 WHERE position = 107": [7, 8, 9],
            "INSERT INTO audit_log (at_us, author, action) VALUES (1, 'eve', 'nothing')": [1],
            "DELETE FROM audit_head": [count],
            f"UPDATE audit_log SET row_hash = '{'0' * 64}' WHERE position = 2": [2, 3],
        }
        for sql, places in tampering.items():
            with self.subTest(sql=sql):
                before = self.project.sqlite("SELECT * FROM audit_log")
                head_row = self.project.sqlite("SELECT * FROM audit_head")
                for statement in sql.split("; "):
                    self.project.sqlite(statement)
                found = self.verify(expect=1)
                self.assertEqual([fault["position"] for fault in found["faults"]], places)
                self.project.sqlite("DELETE FROM audit_log")
                for row in before:
                    self.project.sqlite(f"INSERT INTO audit_log VALUES ({', '.join('?' * len(row))})", *row)
                self.project.sqlite("DELETE FROM audit_head")
                self.project.sqlite("INSERT INTO audit_head VALUES (?, ?, ?)", *head_row[0])
                self.assertEqual(self.verify()["faults"], [])
        # Who removes the end and mends the head is found by a hash that was noted.
        self.project.sqlite(f"DELETE FROM audit_log WHERE position = {count}")
        self.project.sqlite("UPDATE audit_head SET position = position - 1, row_hash = (SELECT row_hash FROM audit_log ORDER BY position DESC LIMIT 1)")
        self.assertEqual(self.verify()["faults"], [])
        self.assertFalse(self.verify("--hash", head, expect=1)["has_hash"])

    def test_what_changes_something_is_told_before_and_after(self):
        self.project.run("sales")
        run = self.project.sqlite("SELECT run_id FROM flow_run")[0][0]
        self.project.sqlite("INSERT INTO hold (token, run_id, task_id, target, reason, created_at_us) VALUES ('t', ?, 'ingest', 'raw.x', 'empty', 1)", run)
        add_user(self.project, "vera", "viewer")
        viewer = add_token(self.project, "vera")
        with contextlib.closing(Server(self.project)) as server:
            server.ask("GET", "/v1/runs", self.token)
            server.ask("POST", "/v1/holds/t/approve", viewer)
            server.ask("POST", "/v1/holds/t/approve", self.token)
            server.ask("POST", f"/v1/runs/{run}/cancel", self.token)
            server.ask("POST", f"/v1/runs/{run}/cancel")
        rows = self.project.sqlite("SELECT author, action, details FROM audit_log WHERE action LIKE 'server.%' ORDER BY position")
        told = [(author, action, (found := json.loads(details))["outcome"], found.get("code"), found["object"].get("flow_id"))
                for author, action, details in rows]
        self.assertEqual(told, [
            ("vera, token test", "server.approve_hold", "denied", "denied", None),
            ("ann, token test", "server.approve_hold", "asked", None, "sales"),
            ("ann, token test", "server.approve_hold", "done", None, "sales"),
            ("ann, token test", "server.cancel_run", "asked", None, "sales"),
            ("ann, token test", "server.cancel_run", "failed", "conflict", "sales")])
        self.assertEqual(self.verify()["faults"], [])

    def test_many_at_once_make_one_chain(self):
        with contextlib.closing(Server(self.project)) as server, concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: server.ask("POST", "/v1/configuration/apply", self.token, body={"hash": "0"}), range(40)))
            self.project.weir("token", "create", "ann", "--name", "another")
        verdict = self.verify()
        self.assertEqual(verdict["faults"], [])
        self.assertEqual(verdict["rows"], self.project.sqlite("SELECT count(*) FROM audit_log")[0][0])
        self.assertEqual(self.project.sqlite("SELECT count(*) FROM audit_log WHERE action = 'server.apply_configuration'")[0][0], 80)

    def test_rows_from_before_the_chain_are_under_its_first_link(self):
        self.project.sqlite("UPDATE audit_log SET position = 0, row_hash = ''")
        self.project.sqlite("DELETE FROM audit_head")
        add_user(self.project, "bob", "viewer")
        verdict = self.verify()
        self.assertEqual(verdict["rows"], 1)
        self.assertGreater(verdict["older_rows"], 10)
        self.project.sqlite("UPDATE audit_log SET author = 'eve' WHERE audit_log_id = 2")
        self.assertEqual([fault["position"] for fault in self.verify(expect=1)["faults"]], [1])


if __name__ == "__main__":
    unittest.main()
