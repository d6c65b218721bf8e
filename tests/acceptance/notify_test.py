"""Notifications: who is told of a failure, through channels that answer, hang, drop the line or are not there."""
import base64
import email
import email.utils
import http.server
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest
import urllib.parse

from weir_project import ROOT, WEIR, Project

YAML = """
project: market
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: landing}
  - {name: raw, uri: raw}
connections:
CONNECTIONS
datasets:
  - {name: raw.sales, identity: content, columns: {id: bigint, amount: "decimal(10,2)"}, contract: {rows: fail}}
defaults: {retries: 0}
notifications:
RULES
"""
FLOW = """
flow: sales
tasks:
  - {id: ingest, template: ingest_files, with: {from: "landing/*.csv", to: raw.sales}}
"""
BAD = "id,amount\n1,ten\n"
GOOD = "id,amount\n1,10.00\n"
SECRET = "c4nary-token-1"


class Webhook(http.server.ThreadingHTTPServer):
    """Answers as its script says: a status, "hang" or "drop" (the reply, once all was read)."""

    def __init__(self, script=()):
        self.script, self.asked, self.let_go = list(script), [], threading.Event()
        self.on_request = None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append((self.path, dict(self.headers), body))
                if outer.on_request:
                    outer.on_request()
                step = outer.script.pop(0) if outer.script else 200
                step, wait = step if isinstance(step, tuple) else (step, None)
                if step == "hang":
                    outer.let_go.wait(60)
                    return
                if step == "drop":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(step)
                if 300 <= step < 400:
                    self.send_header("Location", "/elsewhere")
                if wait:
                    self.send_header("Retry-After", wait)
                answer = outer.answer(body) if step == 200 else b""
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    pass
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def answer(self, _):
        return b"ok"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    @property
    def keys(self):
        return [headers["Idempotency-Key"] for _, headers, _ in self.asked]

    def close(self):
        self.let_go.set()
        self.shutdown()
        self.server_close()


class Mail:
    """A mail server of one conversation at a time; with a certificate it offers STARTTLS."""

    def __init__(self, user=None, refuse=None, tls=None):
        self.user, self.refuse, self.tls = user, refuse, tls
        self.mails, self.said = [], []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            try:
                self.talk(connection)
            except (OSError, ssl.SSLError):
                pass
            finally:
                connection.close()

    def talk(self, connection):
        lines, is_safe, sender, to = connection.makefile("rb"), False, None, []

        def say(text):
            connection.sendall(text.encode() + b"\r\n")
        say("220 test")
        while line := lines.readline():
            words = line.decode().strip()
            self.said.append(words.split(" ")[0].upper() if words.upper().startswith("AUTH") else words)
            verb = words.split(" ")[0].upper()
            if verb == "EHLO":
                offers = ["250-test"] + (["250-STARTTLS"] if self.tls and not is_safe else []) + ["250 AUTH PLAIN"]
                say("\r\n".join(offers))
            elif verb == "STARTTLS":
                say("220 go")
                connection = self.tls.wrap_socket(connection, server_side=True)
                lines, is_safe = connection.makefile("rb"), True
            elif verb == "AUTH":
                given = words.split(" ")[2] if len(words.split(" ")) > 2 else ""
                if not given:
                    say("334 ")
                    given = lines.readline().decode().strip()
                is_good = base64.b64decode(given) == ("\0%s\0%s" % self.user).encode() if self.user else False
                say("235 ok" if is_good else "535 no such user")
            elif verb == "MAIL":
                sender, to = words, []
                say("250 ok")
            elif verb == "RCPT":
                to.append(words)
                say(self.refuse or "250 ok")
            elif verb == "DATA":
                say("354 go")
                body = b""
                while (part := lines.readline()) != b".\r\n":
                    body += part[1:] if part.startswith(b".") else part
                self.mails.append((sender, to, email.message_from_bytes(body)))
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")

    def close(self):
        self.socket.close()


class Base(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        (self.project.folder / "flows/shop.yaml").unlink()
        for name in list(self.project.environment):
            if name.startswith(("AWS_", "WEIR_SECRET")):
                del self.project.environment[name]
        self.project.environment.update(HOME=str(self.project.folder / "home"), AWS_EC2_METADATA_DISABLED="true",
                                        WEIR_SECRET_CHAT=SECRET)
        self.project.write("flows/sales.yaml", FLOW)
        self.project.write("landing/1.csv", BAD)

    def configure(self, connections="", rules="  - {rule_id: night, channel: ops}"):
        yaml = YAML.replace("connections:\nCONNECTIONS", f"connections:\n{connections}" if connections else "")
        self.project.write("weir.yaml", yaml.replace("RULES", rules))

    def webhook(self, *script, options="", rules="  - {rule_id: night, channel: ops}"):
        server = Webhook(script)
        self.addCleanup(server.close)
        self.configure(f"  - {{connection_id: ops, kind: webhook, url: \"{server.url}\"{options}}}", rules)
        return server

    def run_flow(self, expect=3):
        return self.project.weir("run", "sales", "--apply", expect=expect)

    def notices(self, *words):
        out = self.project.weir("--output", "json", "notify", "list", *words).stdout
        return json.loads(out)["notifications"]

    def make_due(self):
        """As if the time of the next try had come."""
        self.project.sqlite("UPDATE outbox SET not_before_us = 0 WHERE state = 'waiting'")


class ByWebhook(Base):
    def test_a_failure_arrives_with_all_that_is_needed(self):
        server = self.webhook(options=', token: "secret://chat", headers: {X-Team: night}')
        self.run_flow()
        (path, headers, body), = server.asked
        told = json.loads(body)
        self.assertEqual(path, "/hook")
        self.assertEqual(headers["Authorization"], f"Bearer {SECRET}")
        self.assertEqual(headers["X-Team"], "night")
        self.assertEqual(told["flow"], "sales")
        self.assertEqual(told["task"], "ingest")
        self.assertEqual(told["error_code"], "invalid_data")
        self.assertEqual(told["command"], f"weir retry {told['run_id']}")
        self.assertEqual(told["subject"], "weir FAILED: market/sales, task ingest (invalid_data)")
        self.assertTrue(told["text"].startswith(told["subject"]))
        (notice,) = self.notices()
        self.assertEqual((notice["state"], notice["key"], notice["attempts"]), ("sent", headers["Idempotency-Key"], 1))
        self.assertNotIn(SECRET, (self.project.folder / "weir.db").read_bytes().decode("latin-1"))

    def test_what_was_refused_for_now_is_sent_later_with_the_same_key(self):
        server = self.webhook(500, "drop", 503)
        self.run_flow()
        for state in ("waiting", "waiting", "sent"):
            self.make_due()
            done = self.project.weir("notify", "send", expect=None)
            self.assertEqual([n["state"] for n in self.notices()], [state], done.stderr)
        self.assertEqual(len(server.asked), 4)
        self.assertEqual(len(set(server.keys)), 1)
        self.project.weir("notify", "send")
        self.assertEqual(len(server.asked), 4)

    def test_a_receiver_that_asks_to_wait_is_left_alone_for_so_long(self):
        at = email.utils.formatdate(time.time() + 7200, usegmt=True)
        server = self.webhook((429, "5400"), (503, at))
        self.run_flow()
        for least in (5300, 7100):
            ((next_us, ),) = self.project.sqlite("SELECT not_before_us FROM outbox")
            self.assertGreater(next_us / 1e6, time.time() + least)
            self.make_due()
            self.project.weir("notify", "send", expect=None)
        self.assertEqual([n["state"] for n in self.notices()], ["sent"])
        self.assertEqual(len(server.asked), 3)

    def test_the_next_run_sends_what_waits(self):
        server = self.webhook(500)
        self.run_flow()
        self.make_due()
        self.project.write("landing/1.csv", GOOD)
        self.run_flow(expect=0)
        self.assertEqual([n["state"] for n in self.notices()], ["sent"])
        self.assertEqual(len(set(server.keys)), 1)

    def test_a_channel_that_hangs_holds_up_no_run(self):
        server = self.webhook("hang")
        began = time.monotonic()
        self.run_flow()
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(len(server.asked), 1)
        (notice,) = self.notices("--state", "waiting")
        self.assertIn("in time", notice["error"])
        status = self.project.weir("status").stdout
        self.assertIn("notifications not sent: 1 (0 given up)", status)
        server.let_go.set()
        self.project.weir("notify", "send", "--again")
        self.assertEqual(server.keys, [notice["key"]] * 2)

    def test_nobody_there_fails_no_run(self):
        server = self.webhook()
        server.close()
        self.run_flow()
        self.assertIn("nobody answers there", self.notices()[0]["error"])
        self.project.write("landing/1.csv", GOOD)
        self.run_flow(expect=0)

    def test_redirects_are_not_followed(self):
        server = self.webhook(302)
        self.run_flow()
        self.assertEqual(len(server.asked), 1)
        self.assertIn("redirects are not followed", self.notices()[0]["error"])

    def test_a_kill_between_state_and_delivery_loses_nothing(self):
        server = self.webhook("hang")
        process = None
        server.on_request = lambda: os.kill(process.pid, signal.SIGKILL)
        self.project.weir("apply")
        process = subprocess.Popen([WEIR, "--project", str(self.project.folder), "run", "sales"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=self.project.environment)
        self.assertEqual(process.wait(120), -signal.SIGKILL)
        server.on_request = None
        self.assertEqual(self.project.sqlite("SELECT state FROM flow_run"), [("failed",)])
        self.project.weir("notify", "send")
        self.assertEqual(len(server.asked), 2)
        self.assertEqual(len(set(server.keys)), 1)
        self.assertEqual([n["state"] for n in self.notices()], ["sent"])

    def test_a_killed_run_is_told_by_send(self):
        server = self.webhook()
        self.run_flow()
        # As a process that was killed in the middle leaves its run: running, and its lease with nobody.
        self.project.sqlite("UPDATE flow_run SET state = 'running', finished_at_us = NULL")
        self.project.sqlite("UPDATE task_run SET state = 'running', finished_at_us = NULL")
        self.project.weir("notify", "send")
        self.project.weir("notify", "send")
        self.assertEqual(len(server.asked), 2)
        self.assertIn("the process that ran it is gone", json.loads(server.asked[1][2])["message"])

    def test_recovery_rates_and_templates(self):
        server = self.webhook(rules="""
  - rule_id: night
    channel: ops
    events: [failed, recovered]
    every: 1 per 1h
    flows: ["s*"]
    subject: "{{ flow }} is {{ event }}"
    link: "https://weir.example/{{ run_id }}"
""")
        self.run_flow()
        self.run_flow()
        self.project.write("landing/1.csv", GOOD)
        self.run_flow(expect=0)
        told = [json.loads(body) for _, _, body in server.asked]
        self.assertEqual([each["subject"] for each in told], ["sales is failed", "sales is recovered"])
        self.assertEqual(told[0]["link"], f"https://weir.example/{told[0]['run_id']}")
        self.assertEqual(sorted(n["state"] for n in self.notices()), ["sent", "sent", "suppressed"])

    def test_a_body_of_its_own_is_json_whatever_the_error_says(self):
        server = self.webhook(options=""", body: '{"text": "{{ body }}"}'""")
        self.run_flow()
        self.assertIn('Flow', json.loads(server.asked[0][2])["text"])

    def test_a_test_message(self):
        server = self.webhook()
        self.project.weir("notify", "test", "ops")
        self.assertEqual(json.loads(server.asked[0][2])["event"], "test")
        refused = self.project.weir("notify", "test", "osp", expect=1).stderr
        self.assertIn("did you mean 'ops'", refused)
        server.script = [401]
        self.assertIn("takes no such sender", self.project.weir("notify", "test", "ops", expect=1).stderr)


class ByMail(Base):
    def mail(self, options="", rules="  - {rule_id: night, channel: ops}", **how):
        server = Mail(**how)
        self.addCleanup(server.close)
        self.configure(f"  - {{connection_id: ops, kind: smtp, host: 127.0.0.1, port: {server.port}, from: weir@example.org, "
                       f"to: [ann@example.org, bob@example.org]{options}}}", rules)
        return server

    def test_a_failure_arrives(self):
        server = self.mail(options=", tls: none, user: weir, password: \"secret://chat\"", user=("weir", SECRET))
        self.run_flow()
        (sender, to, mail), = server.mails
        self.assertIn("<weir@example.org>", sender)
        self.assertEqual([re.search("<(.*)>", each)[1] for each in to], ["ann@example.org", "bob@example.org"])
        self.assertEqual(mail["Subject"], "weir FAILED: market/sales, task ingest (invalid_data)")
        (notice,) = self.notices()
        self.assertEqual(mail["Message-ID"], f"<{notice['key']}@example.org>")
        text = mail.get_payload(decode=True).decode()
        self.assertIn("To go on: weir retry", text)
        self.assertEqual(notice["state"], "sent")

    def test_what_the_server_says_is_told_without_the_password(self):
        self.mail(options=", tls: none, user: weir, password: \"secret://chat\"", user=("weir", "another"))
        self.run_flow()
        (notice,) = self.notices()
        self.assertIn("denied: mail server 127.0.0.1", notice["error"])
        for form in (SECRET, base64.b64encode(f"\0weir\0{SECRET}".encode()).decode()):
            self.assertNotIn(form, json.dumps(notice))

    def test_a_refused_receiver_is_named(self):
        self.mail(options=", tls: none", refuse="550 5.1.1 nobody of that name")
        self.run_flow()
        self.assertIn("nobody of that name", self.notices()[0]["error"])

    def test_no_mail_goes_out_without_tls(self):
        server = self.mail()
        self.run_flow()
        self.assertIn("offers no TLS", self.notices()[0]["error"])
        self.assertEqual(server.mails, [])
        self.assertFalse([line for line in server.said if line.startswith(("AUTH", "MAIL"))])

    def certificate(self):
        folder = self.project.folder
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "mail.key", "-out",
                        folder / "mail.crt", "-days", "2", "-subj", "/CN=mail", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "mail.crt", folder / "mail.key")
        return context

    def test_starttls_is_verified(self):
        tls = self.certificate()
        server = self.mail(tls=tls)
        self.run_flow()
        self.assertIn("certificate does not hold", self.notices()[0]["error"])
        self.assertEqual(server.mails, [])
        trusted = self.mail(tls=tls, options=", ca_file: mail.crt")
        self.project.weir("notify", "test", "ops")
        self.assertEqual(len(trusted.mails), 1)
        self.assertIn("STARTTLS", trusted.said)


class Topic(Webhook):
    def answer(self, _):
        return b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"


class ByTopic(Base):
    def test_a_failure_is_published(self):
        server = Topic([200, 403])
        self.addCleanup(server.close)
        self.project.environment.update(AWS_ACCESS_KEY_ID="AKIATEST", AWS_SECRET_ACCESS_KEY="hidden-half")
        self.configure(f"  - {{connection_id: ops, kind: sns, topic_arn: \"arn:aws:sns:eu-west-1:123456789012:ops.fifo\", "
                       f"endpoint: \"{server.url}\"}}")
        self.run_flow()
        (_, headers, body), = server.asked
        form = dict(urllib.parse.parse_qsl(body.decode(), strict_parsing=True))
        (notice,) = self.notices()
        self.assertEqual(form["Action"], "Publish")
        self.assertEqual(form["TopicArn"], "arn:aws:sns:eu-west-1:123456789012:ops.fifo")
        self.assertEqual(form["MessageDeduplicationId"], notice["key"])
        self.assertEqual(form["MessageAttributes.entry.1.Value.StringValue"], notice["key"])
        self.assertIn("To go on: weir retry", form["Message"])
        self.assertRegex(headers["Authorization"],
                         r"AWS4-HMAC-SHA256 Credential=AKIATEST/\d{8}/eu-west-1/sns/aws4_request, SignedHeaders=\S*content-type")
        self.assertIn("does not publish", self.project.weir("notify", "test", "ops", expect=1).stderr)


class ByLog(Base):
    def test_standard_error_and_a_file(self):
        self.configure("  - {connection_id: book, kind: log, path: told.jsonl}",
                       "  - {rule_id: a, channel: log}\n  - {rule_id: b, channel: book}")
        self.assertIn("notification: weir FAILED: market/sales", self.run_flow().stderr)
        (line,) = (self.project.folder / "told.jsonl").read_text().splitlines()
        self.assertEqual(json.loads(line)["event"], "failed")


class Rules(Base):
    def test_faults_are_shown_where_they_stand(self):
        for rule, words in (("channel: osp", ["unknown channel 'osp'", "did you mean 'ops'"]),
                            ("channel: lake", ["of kind 's3', which is no channel"]),
                            ("channel: ops, events: [faild]", ["unknown event 'faild'", "did you mean 'failed'"]),
                            ("channel: ops, events: [slow]", ["needs slow_after"]),
                            ("channel: ops, severities: [eror]", ["did you mean 'error'"]),
                            ("channel: ops, flows: [slaes]", ["unknown flow 'slaes'", "did you mean 'sales'"]),
                            ("channel: ops, tasks: [ingets]", ["did you mean 'ingest'"]),
                            ("channel: ops, every: often", ["'often' is no rate"]),
                            ("channel: ops, subject: \"{{ flwo }}\"", ["unknown field 'flwo'", "did you mean 'flow'"]),
                            ("channel: ops, evnets: [failed]", ["unknown key 'evnets'", "did you mean 'events'"])):
            self.configure('  - {connection_id: ops, kind: log}\n  - {connection_id: lake, kind: s3, uri: "s3://a"}',
                           f"  - {{rule_id: night, {rule}}}")
            refused = self.project.weir("validate", expect=2).stderr
            for word in words:
                self.assertIn(word, refused)
            self.assertRegex(refused, r"weir.yaml:\d+:\d+")
            self.assertIn("night", refused)

    def test_channels_hold_no_secret_in_clear(self):
        self.configure("  - {connection_id: a, kind: webhook, url: \"https://a.example\", token: c4nary-clear-1}\n"
                       "  - {connection_id: b, kind: smtp, host: b, from: a@b.c, to: a@b.c, user: u, password: c4nary-clear-2}\n"
                       "  - {connection_id: c, kind: webhook, url: \"https://a.example\", headers: {X-Api-Key: c4nary-clear-3}}\n"
                       "  - {connection_id: d, kind: webhook, url: \"https://a.example\", tokn: x}\n"
                       "  - {connection_id: ops, kind: log}")
        refused = self.project.weir("validate", expect=2).stderr
        for word in ("'token' holds a secret in clear", "'password' holds", "'X-Api-Key' holds", "did you mean 'token'"):
            self.assertIn(word, refused)
        self.assertNotIn("c4nary", refused)

    def test_yaml_and_tables_say_the_same(self):
        rules = """  - {rule_id: a, channel: ops, flows: [sales], events: [failed, slow], slow_after: 2h, every: 5 per 1h, dedup: 30m}
  - {rule_id: b, channel: log, flows: ["s*"], severities: [info], tasks: [ingest], is_enabled: false}
  - {rule_id: c, channel: ops, events: [failed], subject: "{{ flow }}", body: "b", link: "https://x/{{ run_id }}"}"""
        self.configure("  - {connection_id: ops, kind: log, path: x}", rules)
        self.project.weir("apply")
        rows = self.project.sqlite("SELECT notification_rule_id, flow_id, events, channel, target FROM notification_rule ORDER BY 1")
        self.assertEqual(rows[0], ("a", "sales", '["failed","slow"]', "log", "ops"))
        self.assertEqual(rows[2], ("c", None, '["failed"]', "log", "ops"))
        self.project.weir("export", "--to", str(self.project.folder / "out"))
        exported = (self.project.folder / "out/weir.yaml").read_text()
        self.project.write("weir.yaml", exported)
        self.assertIn("nothing to change", self.project.weir("plan").stdout)
        self.assertIn("every: 5 per 1h", exported)

    def test_the_guide_is_right(self):
        page = (ROOT / "docs/guide/notifications.md").read_text()
        whole, mail = re.findall(r"```yaml\n(.*?)```", page, re.S)
        server = Webhook()
        self.addCleanup(server.close)
        text = whole.replace("https://chat.example/hooks/weir", server.url).replace("notifications:", mail + "notifications:")
        self.project.write("weir.yaml", YAML.replace("connections:\nCONNECTIONS\n", "").replace("notifications:\nRULES\n", text))
        self.project.environment["WEIR_SECRET_CHAT_TOKEN"] = SECRET
        self.run_flow()
        told = json.loads(server.asked[0][2])
        self.assertIn(told["subject"], page)
        lines = told["body"].splitlines()
        self.assertIn("\n".join(lines[:3]), page)
        self.assertIn("\n".join(lines[4:6]), page)
        fields = re.search(r"^Fields: (.*?)\.$", page, re.S | re.M)[1]
        self.assertLessEqual(set(told) - {"text"}, set(re.findall("`(.*?)`", fields)))

    def test_a_rule_by_sql_is_used(self):
        self.configure("  - {connection_id: ops, kind: log, path: x}", "  - {rule_id: a, channel: log}")
        self.project.weir("apply")
        self.project.sqlite("INSERT INTO notification_rule(notification_rule_id, channel, target) VALUES ('sql', 'log', 'ops')")
        self.run_flow()
        self.assertEqual(sorted(n["rule_id"] for n in self.notices()), ["a", "sql"])
        self.project.sqlite("UPDATE notification_rule SET target = 'gone' WHERE notification_rule_id = 'sql'")
        self.assertIn("there is no connection 'gone'", self.project.weir("run", "sales", expect=2).stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
