"""An HTTP API that misbehaves under fetch_http and ingest_files: each script is a fault at one of the pages, or at the token
endpoint. A fault that passes is outlived; one that stays, or that is an answer nobody should take, fails the run with a code
that fits and leaves nothing to be ingested, and `weir retry` ends it once the service is well. In the end the pages and rows
are those of an undisturbed run.

    http_faults_test.py                          an even slice of the scripts, another one for another WEIR_SEED
    WEIR_LONG=1 http_faults_test.py              all of them
    WEIR_SCRIPT=gzip_cut,page http_faults_test.py      one: fault and pagination
"""
import collections
import dataclasses
import email.utils
import gzip
import hashlib
import json
import os
import pathlib
import random
import re
import sys
import threading
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "acceptance")]
import canary  # noqa: E402
from fetch_http_test import Server, order  # noqa: E402
from weir_project import Project  # noqa: E402

IS_LONG = os.environ.get("WEIR_LONG") == "1"
SEED = int(os.environ.get("WEIR_SEED", "1"))
SHOWS = "WEIR_SHOW" in os.environ
SLICE = 1 if IS_LONG else int(os.environ.get("WEIR_SLICE", "8"))
ALWAYS = 1_000_000
LAST = 3
LIMIT = 100_000
LONGEST_S = 60
KEY = "Sesame-opens-4712"
SECRET = "client-secret-of-weir-4713"
canary.watch(KEY, SECRET)

YAML = """
project: shop
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: data/raw}
connections:
  - {connection_id: shop, kind: http, url: "%(url)s/v1", allow_loopback: true, timeout: 2s, max_tries: 3, max_wait: 3s,
     max_response_bytes: LIMIT, follow_redirects: true, auth: %(auth)s}
datasets:
  - {name: raw.orders, identity: content, columns: {id: bigint, amount: "decimal(38,10)", note: varchar, updated_at: timestamp}}
defaults: {retries: 0}
""".replace("LIMIT", str(LIMIT))
FLOW = """
flow: orders
tasks:
  - id: fetch
    template: fetch_http
    with: {connection: shop, path: /orders, records: $.data, max_pages: 8, to: landing/orders, pagination: %s}
  - id: ingest
    template: ingest_files
    needs: [fetch]
    with: {from: "landing/orders/*.json", to: raw.orders, format: {json: {records: $.data}}}
"""
PAGINATIONS = {
    "page": "{by: page, parameter: p}",
    "offset": "{by: offset, parameter: offset, total: $.total}",
    "cursor": "{by: cursor, parameter: p, cursor: $.next}",
    "more": "{by: cursor, parameter: p, cursor: $.next, more: $.more}",
    "link": "link",
    "next_url": "{by: next_url, next: $.url}",
}
AUTH = {
    "none": "none",
    "key": "{kind: api_key, query: api_key, key: \"secret://shop\"}",
    "oauth2": "{kind: oauth2, token_url: \"%(url)s/token\", client_id: weir, client_secret: \"secret://shop\"}",
}


def records(page):
    amount = "12345678901234567890.0123456789" if page == 2 else f"{page}.5"
    return [order(page * 10 + k) | {"amount": amount, "note": f"ünï {k}"} for k in range(2)] if page <= LAST else []


def body_of(page, url, **more):
    """What the service says of a page, with all that any pagination needs."""
    following = page + 1 if page < LAST else None
    return {"data": records(page), "next": following and str(following), "more": page < LAST, "total": 2 * LAST,
            "url": following and f"{url}/v1/orders?p={following}"} | more


def give(handler, page, url, status=200, body=None, **headers):
    if page < LAST:
        headers.setdefault("Link", f'<{url}/v1/orders?p={page + 1}>; rel="next"')
    handler.give(body_of(page, url) if body is None else body, status, **headers)


# Faults: what the service does with a request for a page, in place of answering it.

def answers(status, body=b"<html><body><h1>The proxy is not well</h1></body></html>", **headers):
    return lambda handler, page, url: handler.give(body, status, **headers)


def raw(text, is_reset=False):
    """Bytes in place of an answer, and the end of the connection."""
    def fault(handler, page, url):
        handler.wfile.write(text(body_of(page, url)) if callable(text) else text)
        handler.wfile.flush()
        handler.close_connection = True
        if is_reset:
            handler.reset()
    return fault


def head(*lines):
    return ("HTTP/1.1 200 OK\r\n" + "".join(line + "\r\n" for line in lines) + "\r\n").encode()


def says(change, **headers):
    """The right answer, changed: what `change(answer, page, url)` gives, bytes or an object."""
    return lambda handler, page, url: give(handler, page, url, body=change(body_of(page, url), page, url), **headers)


def chunked_that_ends(body):
    text = json.dumps(body).encode()
    return head("Transfer-Encoding: chunked") + b"%x\r\n" % len(text) + text[:len(text) // 2]


def chunked_without_end(body):
    text = json.dumps(body).encode()
    return head("Transfer-Encoding: chunked") + b"%x\r\n" % len(text) + text + b"\r\n"


def drip(handler, page, url):
    handler.wfile.write(head("Content-Length: 5000"))
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        if handler.gone.wait(0.2):
            break
    handler.close_connection = True


def silent(handler, page, url):
    handler.gone.wait(30)
    handler.close_connection = True


def after_seconds(seconds):
    return lambda handler, page, url: handler.give({}, 429, Retry_After=email.utils.formatdate(time.time() + seconds, usegmt=True))


def packed(body):
    return gzip.compress(json.dumps(body).encode())


def redirects(where, status=302):
    return lambda handler, page, url: handler.give({}, status, Location=where(page, url) if callable(where) else where)


def text_of(body):
    return json.dumps(body, ensure_ascii=False)


def with_second(answer, changed):
    return answer | {"data": [answer["data"][0], changed] if answer["data"] else []}


# What passes: struck once or twice, the run goes on; struck always, it fails as `unavailable`.
PASSING = {
    "429": answers(429, b"{}"), "429_wait": answers(429, b"{}", Retry_After="1"), "429_date": after_seconds(2),
    "429_past": after_seconds(-3600), "429_soon": answers(429, b"{}", Retry_After="soon"),
    "429_minus": answers(429, b"{}", Retry_After="-5"), "429_huge": answers(429, b"{}", Retry_After="9" * 30),
    "408": answers(408), "425": answers(425), "500": answers(500), "502": answers(502), "503_empty": answers(503, b""),
    "504": answers(504), "500_json": answers(500, b'{"data": []}'),
    "closed": raw(b""), "reset": raw(b"", is_reset=True), "half_head": raw(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "no_http": raw(b"\x15\x03\x01\x00\x02\x02\x50 this is no HTTP\r\n\r\n"), "http_0": raw(b"HTTP/9.9 abc\r\n\r\n"),
    "cut_body": raw(lambda body: head("Content-Length: 5000") + json.dumps(body).encode()),
    "reset_body": raw(lambda body: head("Content-Length: 5000") + json.dumps(body).encode(), is_reset=True),
    "chunk_cut": raw(chunked_that_ends), "chunks_without_end": raw(chunked_without_end),
    "chunk_nonsense": raw(head("Transfer-Encoding: chunked") + b"zz\r\n{}\r\n0\r\n\r\n"),
    "drip": drip, "silent": silent,
    "gzip_cut": lambda handler, page, url: handler.give(packed(body_of(page, url))[:-12], Content_Encoding="gzip"),
    "gzip_none": lambda handler, page, url: handler.give(body_of(page, url), Content_Encoding="gzip"),
    "gzip_flipped": lambda handler, page, url: handler.give(packed(body_of(page, url))[:-6] + b"\0\0\0\0\0\0", Content_Encoding="gzip"),
}
# What nobody takes: the code, words of the message, and the paginations that it is for.
ALL = tuple(PAGINATIONS)
REFUSED = {
    "400": (answers(400), "invalid_config", "answers 400", ALL), "403": (answers(403), "denied", "answers 403", ALL),
    "404": (answers(404), "not_found", "answers 404", ALL), "410": (answers(410), "not_found", "answers 410", ALL),
    "422": (answers(422, "\x1b[2Jnot \u202e you\r\nweir: well".encode()), "invalid_config", "answers 422", ALL),
    "501": (answers(501), "invalid_config", "answers 501", ALL),
    "too_long_a_wait": (answers(429, b"{}", Retry_After="3600"), "unavailable", "answers 429", ALL),
    "no_json": (says(lambda *_: b"<html>please log in</html>"), "invalid_data", "", ("page", "cursor", "next_url")),
    "json_cut": (says(lambda answer, *_: json.dumps(answer).encode()[:-7]), "invalid_data", "", ("page", "cursor")),
    "json_twice": (says(lambda answer, *_: json.dumps(answer).encode() * 2), "invalid_data", "", ("page", "cursor")),
    "empty": (says(lambda *_: b""), "invalid_data", r"nothing at \$\.data", ("page", "offset", "cursor")),
    "no_utf8": (says(lambda answer, *_: text_of(answer).encode("latin-1")), "invalid_data", "", ("page", "next_url")),
    "utf16": (says(lambda answer, *_: text_of(answer).encode("utf-16")), "invalid_data", "", ("page", "cursor")),
    "deep": (says(lambda *_: b'{"data": ' + b"[" * 45_000 + b"]" * 45_000 + b"}"), "invalid_data", "", ("page", "cursor")),
    "nan": (says(lambda answer, *_: json.dumps(answer | {"total": float("nan")}).encode()), "invalid_data", "", ("page",)),
    "endless_number": (says(lambda answer, *_: json.dumps(answer).encode().replace(b'"total": 6', b'"total": 1e999')), "invalid_data", "", ("page",)),
    "error_as_200": (says(lambda *_: {"error": "over quota", "trace": "x" * 9000}), "invalid_data", "over quota", ("page", "cursor", "offset")),
    "no_total": (says(lambda answer, *_: answer | {"total": "many"}), "invalid_data", r"no whole number at \$\.total", ("offset",)),
    "huge_total": (says(lambda answer, *_: json.dumps(answer).encode().replace(b'"total": 6', b'"total": 99999999999999999999999')),
                   "invalid_data", r"no whole number at \$\.total", ("offset",)),
    "no_more": (says(lambda answer, *_: answer | {"more": "yes"}), "invalid_data", r"neither true nor false at \$\.more", ("more",)),
    "more_nowhere": (says(lambda answer, *_: answer | {"next": None, "more": True}), "invalid_data", "more follows, and not where", ("more",)),
    "bomb": (lambda handler, page, url: handler.give(gzip.compress(json.dumps(body_of(page, url, pad="0" * 5_000_000)).encode()),
                                                     Content_Encoding="gzip"), "resource_exhausted", "longer than 100000 bytes", ALL),
    "too_long": (says(lambda answer, *_: answer | {"pad": "0" * LIMIT}), "resource_exhausted", "longer than 100000 bytes", ALL),
    "too_long_chunks": (raw(head("Transfer-Encoding: chunked") + b"4000\r\n" * 1 + (b"0" * 0x4000 + b"\r\n4000\r\n") * 9),
                        "resource_exhausted", "longer than 100000 bytes", ("page", "link")),
    "header_flood": (raw(b"HTTP/1.1 200 OK\r\n" + b"X-Flood: %s\r\n" % (b"f" * 1000) * 400 + b"\r\n{}"), "invalid_data", "bytes of headers", ALL),
    "continue_flood": (raw(b"HTTP/1.1 100 Continue\r\nX-Flood: 1\r\n\r\n" * 12_000), "invalid_data", "bytes of headers", ("page",)),
    "circle": (says(lambda answer, *_: answer | {"next": "2", "url": "/v1/orders?p=2"}), "invalid_data", "in a circle", ("cursor", "next_url")),
    "cursor_object": (says(lambda answer, *_: answer | {"next": {"a": 1}, "url": [1]}), "invalid_data", "neither text nor a whole number",
                      ("cursor", "next_url")),
    "elsewhere": (says(lambda answer, *_: answer | {"url": "http://169.254.169.254/latest/meta-data/"},
                       Link='<http://169.254.169.254/latest/meta-data/>; rel="next"'), "denied", "is not of", ("next_url", "link")),
    "as_user": (says(lambda answer, page, url: answer | {"url": url.replace("//", "//me@") + "/v1/orders?p=9"}), "", "", ("next_url",)),
    "other_scheme": (says(lambda answer, *_: answer | {"url": "file:///etc/passwd"}, Link='<file:///etc/passwd>; rel="next"'), "", "",
                     ("next_url", "link")),
    "other_port": (says(lambda answer, *_: answer | {"url": "http://127.0.0.1:1/v1/orders"}), "denied", "is not of", ("next_url",)),
    "redirect_away": (redirects("http://169.254.169.254/latest/meta-data/"), "denied", "is not of", ALL),
    "redirect_private": (redirects("http://10.0.0.1/v1/orders"), "denied", "is not of", ("page",)),
    "redirect_name": (redirects("//localhost:9/v1/orders"), "denied", "is not of", ("page",)),
    "redirect_circle": (redirects(lambda page, url: f"/v1/orders?p={page}"), "invalid_config", "more than 5 redirects", ALL),
    "redirect_nowhere": (answers(302, b""), "invalid_config", "a redirect to nowhere", ("page",)),
    "redirect_file": (redirects("file:///etc/passwd"), "", "", ("page",)),
}
# Odd, and no fault: the run goes on as if it were not there.
ODD = {
    "html_type": says(lambda answer, *_: answer, Content_Type="text/html; charset=iso-8859-1"),
    "gzip": lambda handler, page, url: give(handler, page, url, body=packed(body_of(page, url)), Content_Encoding="gzip"),
    "redirect_home": redirects(lambda page, url: f"/v1/moved?p={page}", 307),
    "many_cookies": lambda handler, page, url: give(handler, page, url, **{f"Set_Cookie_{k}": "a=b" * 50 for k in range(90)}),
    "continue": lambda handler, page, url: (handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=next\r\n\r\n"),
                                            give(handler, page, url)),
    "one_by_one": lambda handler, page, url: give_slowly(handler, page, url),
}


def give_slowly(handler, page, url):
    text = json.dumps(body_of(page, url)).encode()
    handler.wfile.write(head(f"Content-Length: {len(text)}", f'Link: <{url}/v1/orders?p={page + 1}>; rel={"next" if page < LAST else "self"}'))
    for at in range(len(text)):
        handler.wfile.write(text[at:at + 1])
        handler.wfile.flush()


# The token endpoint: `refused` says what a fault that stays gives.
TOKENS = {
    "token_500": (answers(500), "unavailable", "answers 500"), "token_reset": (raw(b"", is_reset=True), "unavailable", "fetching an access token"),
    "token_silent": (silent, "unavailable", "fetching an access token"), "token_429": (answers(429, b"{}", Retry_After="1"), "unavailable", "429"),
    "token_cut": (raw(head("Content-Length: 900") + b'{"access_token": "abc'), "unavailable", "ended too early"),
    "token_400": (answers(400, b'{"error": "invalid_grant"}'), "denied", "invalid_grant"),
    "token_401": (answers(401, b'{"error": "invalid_client"}'), "denied", "invalid_client"),
    "token_html": (answers(200, b"<html>log in</html>"), "invalid_data", "is no JSON object"),
    "token_none": (answers(200, b'{"token_type": "bearer"}'), "invalid_data", "has no access_token"),
    "token_number": (answers(200, b'{"access_token": 7}'), "invalid_data", "has no access_token"),
    "token_mac": (answers(200, b'{"access_token": "t-x", "token_type": "mac"}'), "invalid_data", "another type than bearer"),
    "token_line": (answers(200, b'{"access_token": "t\\r\\nX-Evil: 1"}'), "invalid_config", "line end"),
    "token_long": (answers(200, b'{"access_token": "' + b"t" * 200_000 + b'"}'), "resource_exhausted", "longer than"),
    "token_moved": (redirects("http://169.254.169.254/token"), "denied", "302"),
}


@dataclasses.dataclass(frozen=True)
class Script:
    fault: str
    pagination: str
    at: int = 1  # the page, or the number of the request for a token
    times: int = ALWAYS
    auth: str = "none"


def scripts():
    dice = random.Random(SEED)
    named = os.environ.get("WEIR_SCRIPT", "").split(",")
    made = []
    for fault in PASSING:
        made.append(Script(fault, dice.choice(ALL), dice.randint(1, LAST), dice.choice((1, 2))))
        made.append(Script(fault, dice.choice(ALL), dice.randint(1, LAST), ALWAYS, dice.choice(("none", "key"))))
    for fault, (_, _, _, paginations) in REFUSED.items():
        made += [Script(fault, pagination, 3 if fault == "circle" else dice.randint(1, LAST - 1), ALWAYS, dice.choice(("none", "key")))
                 for pagination in (paginations if len(paginations) < 4 else dice.sample(paginations, 2))]
    made += [Script(fault, dice.choice(ALL), dice.randint(1, LAST)) for fault in ODD]
    made += [Script(fault, "page", 1, ALWAYS, "oauth2") for fault in TOKENS]
    made += [Script(fault, "cursor", 2, 1, "oauth2") for fault in TOKENS]
    made += [Script("expires", "cursor", page, times, "oauth2") for page in (1, 2, 3) for times in (1, ALWAYS)]
    assert len(made) >= 60, len(made)
    if named != [""]:
        return [script for script in made if script.fault == named[0] and named[1:] in ([], [script.pagination])]
    return made[int(os.environ.get("WEIR_SLICE_AT", SEED)) % SLICE::SLICE]


class HttpFaults(unittest.TestCase):
    def begin(self, script):
        self.script, self.struck, self.tokens, self.is_armed = script, 0, [], True
        self.token_requests, self.lock, self.gone = 0, threading.Lock(), threading.Event()
        self.server = Server(self.serve)
        self.project = Project()
        (self.project.folder / "flows/shop.yaml").unlink()
        url = self.server.url
        self.project.write("weir.yaml", YAML % {"url": url, "auth": AUTH[script.auth] % {"url": url} if script.auth == "oauth2" else AUTH[script.auth]})
        self.project.write("flows/orders.yaml", FLOW % PAGINATIONS[script.pagination])
        self.project.environment["WEIR_SECRET_SHOP"] = KEY if script.auth == "key" else SECRET

    def end(self):
        self.gone.set()
        self.server.close()
        self.project.close()

    def strikes(self):
        with self.lock:
            if not self.is_armed or self.struck >= self.script.times:
                return False
            self.struck += 1
            return True

    def serve(self, handler, path, query):
        handler.gone = self.gone
        if path == "/token":
            return self.give_token(handler)
        script, url = self.script, self.server.url
        if script.auth == "oauth2" and handler.headers["Authorization"] != f"Bearer {(self.tokens or [''])[-1]}":
            return handler.give({"error": "no such token"}, 401)
        if script.auth == "key" and query.get("api_key") != KEY:
            return handler.give({"error": f"no such key: {query.get('api_key')}"}, 401)
        page = int(query["offset"]) // 2 + 1 if "offset" in query else int(query.get("p", 1))
        if path != "/v1/moved" and page == script.at and script.fault not in TOKENS and script.fault and self.strikes():
            if script.fault == "expires":
                self.tokens.append("none is good until a new one is given")
                return handler.give({"error": "the token has expired"}, 401)
            fault = PASSING.get(script.fault) or ODD.get(script.fault) or REFUSED[script.fault][0]
            return fault(handler, page, url)
        return give(handler, page, url)

    def give_token(self, handler):
        self.token_requests += 1
        if self.script.fault in TOKENS and self.token_requests >= self.script.at and self.strikes():
            return TOKENS[self.script.fault][0](handler, 1, self.server.url)
        self.tokens.append(f"token-{self.token_requests}-{os.urandom(8).hex()}")
        canary.watch(self.tokens[-1])
        # In the script of the second token the first one is not good for long.
        seconds = 0 if self.script.fault in TOKENS and self.script.at > 1 else 3600
        return handler.give({"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": seconds})

    def left(self):
        folder = self.project.folder / "data/landing/orders"
        pages = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.json"))]
        # Addresses have the server's port.
        texts = [re.sub(r":\d{4,5}/", ":PORT/", path.read_text()) for path in sorted(folder.glob("*.json"))]
        commits = [json.loads(path.read_text()) for path in folder.glob("_fetch/*/*.commit")]
        self.assertEqual([page["sha256"] for commit in commits for page in commit["pages"] if page["object"]], pages)
        staged = [path.name for path in folder.glob("_fetch/*/*/*")]
        rows = self.project.rows("SELECT id, amount, note FROM raw.orders ORDER BY id")
        return {"pages": texts, "commits": len(commits), "staged": staged, "rows": rows, "leftovers": self.project.leftovers()}

    def expected(self, script):
        """What is asked of the first run: nothing wrong, or a code and words."""
        if script.fault in ODD or script.fault == "":
            return None
        if script.fault == "expires":
            return None if script.times == 1 else ("denied", "answers 401")
        if script.fault in PASSING:
            return None if script.times < 3 else ("unavailable", "")
        if script.fault in TOKENS:
            code, words = TOKENS[script.fault][1:]
            return None if script.times == 1 and code == "unavailable" else (code, words)
        return REFUSED[script.fault][1:3]

    def go(self, script):
        self.begin(script)
        try:
            start = time.monotonic()
            run = self.project.run("orders", expect=None)
            self.assertLess(time.monotonic() - start, LONGEST_S, "it took too long")
            wanted = self.expected(script)
            failed = self.project.sqlite("SELECT task_id, error_code, error_text FROM task_run WHERE state = 'failed'")
            if wanted is None:
                self.assertEqual(run.returncode, 0, f"{failed} {run.stderr[-1500:]}")
            else:
                self.check_failure(run, failed, *wanted)
                self.is_armed = False
                again = self.project.weir("retry", "orders", expect=None)
                self.assertEqual(again.returncode, 0, f"the retry failed: {again.stderr[-1500:]}")
            if script.fault:
                self.assertGreater(self.struck, 0, "it struck nowhere")
            return self.left(), run.returncode
        finally:
            self.end()

    def check_failure(self, run, failed, code, words):
        self.assertNotEqual(run.returncode, 0, "it succeeded")
        task, got, said = failed[0]
        self.assertEqual(task, "fetch", failed)
        if code:
            self.assertEqual(got, code, said)
        if words:
            self.assertRegex(said, words)
        self.assertLess(len(said), 2000)
        self.assertNotRegex(said, "[\x00-\x08\x0b-\x1f\u202e]", "control characters of the service are shown")
        landed = list((self.project.folder / "data/landing/orders").glob("*.json"))
        self.assertEqual(landed, [], "pages of a fetch that failed are there to be ingested")
        if SHOWS:
            print(f"  {self.script.fault:18} {run.returncode:3} {got:20} {said[:150]}", flush=True)

    def test_each_script(self):
        undisturbed, ends, tried = {}, collections.Counter(), scripts()
        for script in tried:
            with self.subTest(script):
                if script.pagination not in undisturbed:
                    undisturbed[script.pagination], _ = self.go(Script("", script.pagination))
                try:
                    left, status = self.go(script)
                    self.assertEqual(left, undisturbed[script.pagination])
                except AssertionError as problem:
                    print(f"FAILED {script}: {problem}", flush=True)
                    raise
                ends["failed" if status else "went on"] += 1
        faults = len({script.fault for script in tried})
        print(f"http_faults: {len(tried)} scripts ({faults} faults); {ends['went on']} runs went on by themselves, {ends['failed']} failed as they "
              f"should and were retried, WEIR_SEED={SEED}", flush=True)

    def test_what_changes_between_pages(self):
        """A service whose rows move from page to page: nothing is lost, and what comes twice is loaded twice."""
        cases = {
            "a record twice": lambda answer, page, url: answer | {"data": answer["data"] + ([order(10)] if page == 2 else [])},
            "an empty page": lambda answer, page, url: answer | ({"data": []} if page == 2 else {}),
            "another total": lambda answer, page, url: answer | {"total": 6 if page == LAST else 100 - page},
        }
        ids = [10, 11, 20, 21, 30, 31]
        for (name, change), pagination, wanted in zip(cases.items(), ("cursor", "more", "offset"), (ids[:1] + ids, [10, 11, 30, 31], ids)):
            with self.subTest(name):
                self.begin(Script("", pagination))
                self.server.close()
                self.server = Server(lambda handler, path, query: says(change)(
                    handler, int(query["offset"]) // 2 + 1 if "offset" in query else int(query.get("p", 1)), self.server.url))
                self.project.write("weir.yaml", YAML % {"url": self.server.url, "auth": "none"})
                try:
                    self.project.run("orders")
                    self.assertEqual([row["id"] for row in self.project.rows("SELECT id FROM raw.orders ORDER BY id")], wanted)
                finally:
                    self.end()

    def test_pages_without_end_stop_at_the_limit(self):
        for pagination, code, words in (("page", "resource_exhausted", "max_pages 8"), ("cursor", "resource_exhausted", "max_pages 8"),
                                        ("offset", "invalid_data", "byte by byte")):
            with self.subTest(pagination):
                self.begin(Script("", pagination))
                self.server.close()

                def endless(handler, path, query):
                    number = 1 if pagination == "offset" else len(self.server.asked)
                    handler.give({"data": [order(number)], "next": str(number + 1), "total": 99})
                self.server = Server(endless)
                self.project.write("weir.yaml", YAML % {"url": self.server.url, "auth": "none"})
                try:
                    run = self.project.run("orders", expect=None)
                    failed = self.project.sqlite("SELECT task_id, error_code, error_text FROM task_run WHERE state = 'failed'")
                    self.check_failure(run, failed, code, words)
                finally:
                    self.end()


if __name__ == "__main__":
    unittest.main(verbosity=1)
