"""fetch_http against a server that does what APIs do: pages of all kinds, limits, faults in the middle, tokens that
end, circles; killed between pages and tried again. Then ingest_files over what was fetched."""
import base64
import gzip
import hashlib
import http.server
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

from weir_project import ROOT, WEIR, Project

sys.path.insert(0, str(ROOT / "tests/crash"))
import canary  # noqa: E402
from sweep import KILL, Command, again, copy_of, sweep  # noqa: E402

CONFIGURATION = """
project: shop
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: data/raw}
connections:
  - connection_id: shop
    kind: http
    url: "%(url)s/v1"
    allow_loopback: true
    timeout: %(timeout)s
    max_tries: 4
    max_wait: 5s
    max_response_bytes: 100000
%(more)s
datasets:
  - name: raw.orders
    columns: {id: bigint, amount: "decimal(30,10)", note: varchar, updated_at: timestamp}
defaults: {retries: 0}
"""

FLOW = """
flow: orders
tasks:
  - id: fetch
    template: fetch_http
    with: {connection: shop, path: %(path)s, records: $.data, to: landing/orders, %(with_)s}
  - id: ingest
    template: ingest_files
    needs: [fetch]
    with: {from: "landing/orders/*.json", to: raw.orders, format: {json: {records: $.data}}}
"""


def order(number):
    return {"id": number, "amount": f"{number}.0000000001", "note": f"n{number}",
            "updated_at": f"2026-01-{1 + number // 24 % 28:02}T{number % 24:02}:00:00Z"}


class Server:
    """Answers as `script(handler, path, query)` says; keeps what was asked."""

    def __init__(self, script):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
                length = int(self.headers.get("Content-Length") or 0)
                self.body = self.rfile.read(length).decode()
                asked.append((url.path, query, dict(self.headers), self.body))
                script(self, url.path, query)

            do_POST = do_GET

            def give(self, body, status=200, **headers):
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def cut(self, body, promised):
                """A head that promises more than comes, and the end of the connection."""
                self.send_response(200)
                self.send_header("Content-Length", str(promised))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

            def reset(self):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True

            def log_message(self, *_):
                pass

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Threads(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def by_page(handler, _path, query, last=3):
    page = int(query.get("page", 1))
    handler.give({"data": [order(page * 10 + k) for k in range(2)] if page <= last else []})


class FetchHttp(unittest.TestCase):
    def begin(self, script, with_="pagination: {by: page, parameter: page}", more="", path="/orders", timeout="10s"):
        self.server = Server(script)
        self.addCleanup(self.server.close)
        self.project = Project()
        self.addCleanup(self.project.close)
        self.project.write("weir.yaml", CONFIGURATION % {"url": self.server.url, "more": more, "timeout": timeout})
        self.flow(with_, path)

    def flow(self, with_, path="/orders"):
        self.project.write("flows/shop.yaml", FLOW % {"with_": with_, "path": path})

    def ids(self):
        return [row["id"] for row in self.project.rows("SELECT id FROM raw.orders ORDER BY id")]

    def landed(self):
        folder = self.project.folder / "data/landing/orders"
        return sorted(p.name for p in folder.glob("*")) if folder.exists() else []

    def commits(self):
        return [json.loads(p.read_text()) for p in sorted((self.project.folder / "data/landing/orders").glob("_fetch/*/*.commit"))]

    def failure(self, report):
        task = report["tasks"]["fetch"]
        return f"{task['error_code']}: {task['error_text']}"

    def asked(self, name):
        return [query.get(name) for _, query, _, _ in self.server.asked]

    # Pages

    def test_pages_by_number_end_at_an_empty_one_and_every_row_is_loaded(self):
        self.begin(by_page)
        report = self.project.report("orders")
        self.assertEqual(self.asked("page"), ["1", "2", "3", "4"])
        self.assertEqual(self.ids(), [10, 11, 20, 21, 30, 31])
        self.assertEqual(report["tasks"]["ingest"]["counts"]["in"], 6)
        amounts = self.project.rows("SELECT amount FROM raw.orders WHERE id = 10")
        self.assertEqual(amounts, [{"amount": "10.0000000001"}])
        pages = [name for name in self.landed() if name != "_fetch"]
        self.assertEqual(len(pages), 3)
        record = self.commits()[0]["pages"][0]
        self.assertEqual((record["status"], record["records"], record["method"]), (200, 2, "GET"))
        self.assertEqual(record["url"], self.server.url + "/v1/orders?page=1")

    def test_offsets_count_what_came_and_a_total_ends_them(self):
        def script(handler, _path, query):
            offset = int(query["offset"])
            handler.give({"data": [order(k) for k in range(offset, min(offset + 2, 5))], "total": 5})
        self.begin(script, "pagination: {by: offset, parameter: offset, size_parameter: limit, size: 3, total: $.total}")
        self.project.run("orders")
        self.assertEqual(self.asked("offset"), ["0", "2", "4"])
        self.assertEqual(self.asked("limit"), ["3", "3", "3"])
        self.assertEqual(self.ids(), [0, 1, 2, 3, 4])

    def test_cursors_lead_on_until_there_is_none_or_has_more_is_false(self):
        def script(handler, _path, query):
            at = int(query.get("after", "c0")[1:])
            handler.give({"data": [order(at)], "meta": {"next": f"c{at + 1}", "has_more": at < 2}})
        self.begin(script, "pagination: {by: cursor, parameter: after, cursor: $.meta.next, more: $.meta.has_more}")
        self.project.run("orders")
        self.assertEqual(self.asked("after"), [None, "c1", "c2"])
        self.assertEqual(self.ids(), [0, 1, 2])

    def test_link_headers_are_followed(self):
        def script(handler, path, query):
            page = int(query.get("p", 1))
            links = f'<{path}?p={page - 1}>; rel="prev", <{path}?p={page + 1}>; title="a, b"; rel="next last"'
            handler.give({"data": [order(page)]}, **({"Link": links} if page < 3 else {}))
        self.begin(script, "pagination: link")
        self.project.run("orders")
        self.assertEqual(self.ids(), [1, 2, 3])

    def test_a_next_address_is_followed_on_the_same_host_only(self):
        def script(handler, path, query):
            page = int(query.get("p", 1))
            nexts = {1: f"{path}?p=2", 2: "http://169.254.169.254/latest/meta-data/"}
            handler.give({"data": [order(page)], "next": nexts[page]})
        self.begin(script, "pagination: {by: next_url, next: $.next}")
        report = self.project.report("orders", expect=1)
        self.assertIn("denied: http://169.254.169.254/latest/meta-data/ is not of", self.failure(report))
        self.assertEqual(self.landed(), ["_fetch"])

    def test_circles_are_errors(self):
        def cursor(handler, _path, _query):
            handler.give({"data": [order(len(self.server.asked))], "next": "same"})
        self.begin(cursor, "pagination: {by: cursor, parameter: c, cursor: $.next}")
        self.assertIn("invalid_data: the service leads in a circle", self.failure(self.project.report("orders", expect=3)))
        self.begin(lambda handler, _p, _q: handler.give({"data": [order(1)]}))
        self.assertIn("page 2 is one that came before", self.failure(self.project.report("orders", expect=3)))
        self.assertEqual(self.landed(), ["_fetch"])

    def test_more_pages_than_allowed_publish_nothing(self):
        self.begin(by_page, "pagination: {by: page, parameter: page}, max_pages: 2")
        self.assertIn("more than max_pages 2 follow", self.failure(self.project.report("orders", expect=75)))
        self.assertEqual(self.landed(), ["_fetch"])

    def test_an_error_that_comes_as_200_is_no_empty_page(self):
        self.begin(lambda handler, _p, _q: handler.give({"error": "over quota"}))
        self.assertIn("the answer has nothing at $.data", self.failure(self.project.report("orders", expect=3)))

    def test_a_post_sends_what_varies_in_its_body(self):
        def script(handler, _path, _query):
            by_page(handler, _path, json.loads(handler.body))
        self.begin(script, "method: POST, idempotent: true, body: {kind: all}, pagination: {by: page, parameter: page}")
        self.project.run("orders")
        self.assertEqual([json.loads(body) for *_, body in self.server.asked],
                         [{"kind": "all", "page": page} for page in (1, 2, 3, 4)])

    # Faults

    def test_faults_that_pass_are_tried_again(self):
        def script(handler, path, query):
            number = len(self.server.asked)
            if number == 1:
                handler.give({}, 429, Retry_After="1")
            elif number == 2:
                handler.give({}, 500)
            elif number == 3:
                handler.reset()
            elif number == 5:
                handler.cut(b'{"data": [', 1000)
            else:
                by_page(handler, path, query)
        self.begin(script)
        start = time.monotonic()
        self.project.run("orders")
        self.assertGreater(time.monotonic() - start, 1)
        self.assertEqual(self.ids(), [10, 11, 20, 21, 30, 31])

    def test_packed_answers_are_unpacked_and_limits_count_what_is_in_them(self):
        def script(handler, path, query):
            body = {"data": [order(1)]} if query.get("page") == "1" else {"data": []}
            if path.endswith("/bomb"):
                body = {"data": [order(1)], "x": "0" * 200000}
            handler.give(gzip.compress(json.dumps(body).encode()), Content_Encoding="gzip")
        self.begin(script)
        self.project.run("orders")
        self.assertEqual(self.ids(), [1])
        self.flow("pagination: none", "/bomb")
        self.assertIn("longer than 100000 bytes", self.failure(self.project.report("orders", expect=75)))

    def test_a_drip_ends_at_the_timeout(self):
        gone = threading.Event()
        self.addCleanup(gone.set)

        def script(handler, _path, _query):
            handler.send_response(200)
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
            while not gone.wait(0.2):
                handler.wfile.write(b" ")
        self.begin(script, timeout="1s")
        start = time.monotonic()
        self.assertIn("unavailable", self.failure(self.project.report("orders", expect=75)))
        self.assertLess(time.monotonic() - start, 60)

    def test_a_redirect_elsewhere_is_refused_and_one_at_home_followed_where_allowed(self):
        def script(handler, path, query):
            if path.endswith("/moved"):
                return handler.give({}, 302, Location="/v1/orders?page=1")
            if path.endswith("/away"):
                return handler.give({}, 302, Location="http://169.254.169.254/latest/meta-data/")
            return by_page(handler, path, query)
        self.begin(script, "pagination: none", path="/moved")
        self.assertIn("a redirect to /v1/orders", self.failure(self.project.report("orders", expect=2)))
        self.begin(script, "pagination: none", path="/moved", more="    follow_redirects: true")
        self.project.run("orders")
        self.assertEqual(self.ids(), [10, 11])
        self.flow("pagination: none", "/away")
        self.assertIn("denied: http://169.254.169.254/latest/meta-data/ is not of", self.failure(self.project.report("orders", expect=1)))

    def test_without_leave_the_own_machine_is_out_of_reach(self):
        self.begin(by_page)
        text = (self.project.folder / "weir.yaml").read_text().replace("allow_loopback: true", "allow_loopback: false")
        self.project.write("weir.yaml", text)
        self.assertIn("127.0.0.1 is a loopback address", self.failure(self.project.report("orders", expect=1)))
        self.assertEqual(self.server.asked, [])

    def test_too_long_a_wait_is_left_to_a_later_run(self):
        self.begin(lambda handler, _p, _q: handler.give({}, 503, Retry_After="3600"))
        report = self.project.report("orders", expect=75)
        self.assertIn("asks to wait 3600 s", self.failure(report) + json.dumps(report))
        self.assertEqual(len(self.server.asked), 1)

    # Who asks

    def test_a_token_is_fetched_once_and_anew_when_it_is_refused(self):
        tokens = []

        def script(handler, path, query):
            if path.endswith("/token"):
                tokens.append(f"token-{len(tokens)}-of-the-shop")
                return handler.give({"access_token": tokens[-1], "token_type": "Bearer", "expires_in": 3600})
            if handler.headers["Authorization"] != f"Bearer {tokens[-1]}" or (len(tokens) == 1 and query.get("page") == "2"):
                return handler.give({"error": "expired"}, 401)
            return by_page(handler, path, query)
        self.begin(script, more="")
        more = (f"    auth: {{kind: oauth2, token_url: \"{self.server.url}/token\", client_id: weir, client_secret: secret://shop,\n"
                "           scope: read}\n")
        self.project.write("weir.yaml", CONFIGURATION % {"url": self.server.url, "more": more, "timeout": "10s"})
        canary.watch("the secret of the shop", "token-0-of-the-shop", "token-1-of-the-shop")
        self.project.run("orders", WEIR_SECRET_SHOP="the secret of the shop")
        self.assertEqual(len(tokens), 2)
        form = [body for path, _, _, body in self.server.asked if path == "/token"]
        self.assertEqual(form[0], "grant_type=client_credentials&scope=read")
        authorization = [h["Authorization"] for path, _, h, _ in self.server.asked if path == "/token"][0]
        self.assertEqual(base64.b64decode(authorization[6:]).decode(), "weir:the%20secret%20of%20the%20shop")
        self.assertEqual(self.ids(), [10, 11, 20, 21, 30, 31])

    def test_a_key_in_the_query_stands_nowhere_else(self):
        key = "Sesame-4711-opens"

        def script(handler, path, query):
            if query.get("api_key") != key:
                return handler.give({"error": f"no such key: {query.get('api_key')}"}, 403)
            page = int(query.get("p", 1))
            return handler.give({"data": [order(page)]},
                                **({"Link": f'<{path}?p={page + 1}&api_key={key}>; rel="next"'} if page < 3 else {}))
        self.begin(script, "pagination: link", more="    auth: {kind: api_key, query: api_key, key: secret://shop}")
        canary.watch(key, "Wrong-0815-key")
        self.project.run("orders", WEIR_SECRET_SHOP=key)
        self.assertEqual(self.ids(), [1, 2, 3])
        wrong = self.project.run("orders", expect=None, WEIR_SECRET_SHOP="Wrong-0815-key")
        self.assertIn("the service answers 403", wrong.stdout + wrong.stderr)

    def test_a_secret_in_clear_is_refused_before_anything_runs(self):
        self.begin(by_page, more="    auth: {kind: bearer, token: Spoken-aloud-1}")
        run = self.project.weir("validate", expect=2)
        self.assertIn("option 'auth.token' holds a secret in clear", run.stderr)
        self.assertNotIn("Spoken", run.stderr)

    def test_the_example_of_the_guide_runs(self):
        changed = []

        def script(handler, _path, query):
            self.assertEqual(handler.headers["Authorization"], "Bearer tell-no-one")
            self.assertEqual(query["status"], "any")
            rows = changed if "updated_since" in query else [order(k) | {"amount": 9.90, "address": {"city": f"c{k}"}} for k in range(4)]
            at = int(query.get("cursor", 0))
            handler.give({"data": rows[at:at + 2], "meta": {"next": str(at + 2) if at + 2 < len(rows) else None}})
        self.begin(script)
        guide = (ROOT / "docs/guide/http-api.md").read_text().split("```yaml\n")
        settings = guide[1].split("```")[0].replace("https://api.shop.example/v1", f"{self.server.url}/v1\n    allow_loopback: true")
        self.project.write("weir.yaml", "project: shop\n" + settings)
        (self.project.folder / "flows/shop.yaml").unlink()
        self.project.write("flows/orders.yaml", guide[2].split("```")[0])
        secret = {"WEIR_SECRET_SHOP": '{"token": "tell-no-one"}'}
        self.project.run("orders", **secret)
        changed.append(order(2) | {"amount": 1, "updated_at": "2026-02-01T00:00:00Z", "address": {"city": "moved"}})
        self.project.run("orders", **secret)
        self.project.run("orders", **secret)
        rows = self.project.rows("SELECT city, amount FROM stage.orders ORDER BY id")
        self.assertEqual([row["city"] for row in rows], ["c0", "c1", "moved", "c3"])
        self.assertEqual([row["amount"] for row in rows], ["9.90", "9.90", "1.00", "9.90"])
        self.assertEqual(self.asked("updated_since"), [None, None, "2026-01-01T02:55:00Z", "2026-01-31T23:55:00Z"])

    # What was there

    def test_the_next_run_asks_for_what_is_new_with_its_lag(self):
        def script(handler, _path, query):
            since = query.get("updated_since", "")
            rows = [order(k) for k in self.rows if order(k)["updated_at"] >= since]
            handler.give({"data": rows if query.get("page") == "1" else []})
        self.begin(script, "pagination: {by: page, parameter: page}, since: {parameter: updated_since, "
                   "value: \"$.data[*].updated_at\", lag: 2h, first: \"2025-01-01\"}, until: updated_before")
        self.rows = range(1, 10)
        self.project.run("orders")
        self.rows = range(1, 12)
        self.project.run("orders")
        self.project.run("orders")
        since = self.asked("updated_since")
        self.assertEqual(since[0], "2025-01-01T00:00:00Z")
        self.assertEqual(since[2], "2026-01-01T07:00:00Z")
        self.assertEqual(since[-1], "2026-01-01T09:00:00Z")
        self.assertEqual([commit["watermark"] for commit in self.commits()],
                         ["2026-01-01T09:00:00Z", "2026-01-01T11:00:00Z", "2026-01-01T11:00:00Z"])
        self.assertEqual(set(self.ids()), set(range(1, 12)))

    def test_a_failed_fetch_moves_no_watermark_and_shows_no_page(self):
        def script(handler, path, query):
            if query.get("page") == "2" and self.is_broken:
                return handler.give({"no": "more"}, 400)
            return by_page(handler, path, query)
        self.begin(script, "pagination: {by: page, parameter: page}, since: {parameter: after, value: \"$.data[*].id\", as: number}")
        self.is_broken = True
        self.project.report("orders", expect=2)
        self.assertEqual(self.commits(), [])
        self.assertEqual(self.landed(), ["_fetch"])
        self.is_broken = False
        self.project.run("orders")
        self.assertEqual(set(self.asked("after")), {None})
        self.assertEqual([commit["watermark"] for commit in self.commits()], ["31"])
        self.assertEqual(self.ids(), [10, 11, 20, 21, 30, 31])
        staged = list((self.project.folder / "data/landing/orders").glob("_fetch/*/*/*"))
        self.assertEqual(staged, [])

    def test_killed_between_pages_and_tried_again_nothing_is_lost_or_doubled(self):
        ready = threading.Event()

        def script(handler, path, query):
            ready.wait(60)
            if query.get("page") == "3" and self.victim:
                victim, self.victim = self.victim, None
                os.kill(victim, signal.SIGKILL)
                return handler.reset()
            return by_page(handler, path, query)
        self.begin(script)
        self.project.weir("apply")
        run = subprocess.Popen([WEIR, "--project", str(self.project.folder), "run", "orders"], env=self.project.environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.victim = run.pid
        ready.set()
        self.assertEqual(run.wait(60), -signal.SIGKILL)
        self.assertEqual(self.landed(), ["_fetch"])
        before = len(self.server.asked)
        runs = json.loads(self.project.weir("--output", "json", "runs").stdout)["runs"]
        deadline = time.monotonic() + 120
        while self.project.weir("retry", runs[0]["run_id"], expect=None).returncode != 0:
            self.assertLess(time.monotonic(), deadline, "the dead run's lease did not end")
            time.sleep(0.5)
        self.assertEqual(self.asked("page")[before:], ["3", "4"])
        self.assertEqual(self.ids(), [10, 11, 20, 21, 30, 31])
        self.project.run("orders")
        self.assertEqual(len(self.commits()), 2)

    def test_killed_at_any_write_and_tried_again_it_ends_as_an_undisturbed_one(self):
        self.begin(by_page, "pagination: {by: page, parameter: page}, since: {parameter: after, value: \"$.data[*].id\", as: number}")
        self.project.weir("apply")

        def words(folder, *more):
            return Command([WEIR, "--quiet", "--project", str(folder), *more], exclude=["tmp"], environment={"TMPDIR": f"{folder}/tmp"})

        def recover(folder):
            runs = json.loads(subprocess.run([WEIR, "--project", str(folder), "--output", "json", "runs"], capture_output=True,
                                             env=dict(os.environ, TMPDIR=f"{folder}/tmp"), check=True).stdout)["runs"]
            if runs and runs[0]["state"] == "succeeded":
                return
            more = ["retry", runs[0]["run_id"]] if runs else ["run", "orders", "--run-key", "k"]
            again(lambda _: words(folder, *more))(folder)

        def inspect(folder):
            landed = list((folder / "data/landing/orders").glob("*.json"))
            if landed:
                self.assertEqual(len(list((folder / "data/landing/orders").glob("_fetch/*/*.commit"))), 1, "pages without a commit")

        def verify(folder):
            project = Project.at(folder)
            landed = sorted((folder / "data/landing/orders").glob("*.json"))
            commits = sorted((folder / "data/landing/orders").glob("_fetch/*/*.commit"))
            staged = (folder / "data/landing/orders").glob("_fetch/*/*/*")
            self.assertEqual([path for path in staged if not path.name.startswith(".weir-tmp-")], [], "staged pages are left")
            fetched = [hashlib.sha256(path.read_bytes()).hexdigest() for path in landed]
            said = [page["sha256"] for path in commits for page in json.loads(path.read_text())["pages"] if page["object"]]
            rows = project.rows("SELECT id, amount FROM raw.orders ORDER BY id")
            return {"fetched": fetched, "said": said, "rows": rows,
                    "watermarks": [json.loads(path.read_text())["watermark"] for path in commits]}

        report = sweep("fetch_http", copy_of(self.project.folder), lambda folder: words(folder, "run", "orders", "--run-key", "k"),
                       recover, verify, actions=[KILL], inspect=inspect, within="/landing/")
        self.assertGreater(report.fired, 20)

    def test_cancelled_while_it_waits_it_ends_at_once(self):
        waits = threading.Event()

        def script(handler, _path, _query):
            handler.give({}, 503, Retry_After="5")
            waits.set()
        self.begin(script)
        self.project.weir("apply")
        run = subprocess.Popen([WEIR, "--project", str(self.project.folder), "run", "orders"], env=self.project.environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertTrue(waits.wait(60))
        start = time.monotonic()
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(60), 130)
        self.assertLess(time.monotonic() - start, 4)

    def test_requests_keep_the_pace(self):
        times = []

        def script(handler, path, query):
            times.append(time.monotonic())
            by_page(handler, path, query)
        self.begin(script, more="    rate_limit: 4/s")
        self.project.run("orders")
        self.assertGreater(times[-1] - times[0], 3 * 0.24)


if __name__ == "__main__":
    unittest.main(verbosity=1)
