"""Files that start flows of a server: told of by a webhook, with S3 servers as the real senders; micro-batches; one task a file.
Servers that are not set up are said and skipped."""
import http.server
import json
import pathlib
import sys
import threading
import unittest

from server_client import Server, add_token, add_user
from weir_project import Project

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import minio  # noqa: E402
import versitygw  # noqa: E402
from waiting import wait_for  # noqa: E402

YAML = """
project: shop
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: LANDING}
  - {name: raw, uri: data/raw}
defaults: {retries: 0}
"""
FLOW = """
flow: sales
max_active_runs: 1
file_trigger: TRIGGER
tasks:
  - {id: ingest, template: ingest_files, with: {from: "landing/sales/*.csv", to: raw.sales}}
"""
EACH_FILE = """
flow: sales
file_trigger: TRIGGER
tasks:
  - id: ingest
    template: ingest_files
    for_each: {files: FILES}
    with: {from: "${each.file}", to: "raw.${each.stem}"}
"""
OTHER = """
flow: other
tasks:
  - {id: nothing, template: noop}
"""
ROW = "id,amount\n{},1.00\n"


class Served(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        (self.project.folder / "flows/shop.yaml").unlink()
        self.project.write("flows/other.yaml", OTHER)

    def configure(self, trigger, landing="data/landing", flow=FLOW, **words):
        self.project.write("weir.yaml", YAML.replace("LANDING", f'"{landing}"'))
        for word, value in words.items():
            flow = flow.replace(word, value)
        self.project.write("flows/sales.yaml", flow.replace("TRIGGER", json.dumps(trigger)))
        self.project.weir("apply")

    def serve(self, **environment):
        server = Server(self.project, runs=True, **environment)
        self.addCleanup(server.close)
        self.addCleanup(server.stop)
        return server

    def runs(self):
        return self.project.sqlite("SELECT state, params, created_at_us FROM flow_run WHERE flow_id = 'sales' ORDER BY created_at_us")

    def files_of_runs(self):
        return [json.loads(params)["trigger.files"] for _, params, _ in self.runs()]

    def are_done(self, files):
        runs = self.runs()
        taken = [name for names in self.files_of_runs() for name in names]
        return len(taken) >= files and all(state == "succeeded" for state, _, _ in runs)

    def is_watched(self):
        return self.project.sqlite("SELECT count(*) FROM arrival_watch WHERE flow_id = 'sales'")[0][0] > 0


class MicroBatches(Served):
    TRIGGER = {"pattern": "landing/sales/*.csv", "settle": "0s", "batch": "all", "at_most_every": "2s", "max_files": 7, "poll": "1s"}

    def test_runs_begin_at_most_every_so_often_and_lose_nothing_though_the_server_is_killed(self):
        self.project.land("sales/.keep", "")
        self.configure(self.TRIGGER)
        server = self.serve()
        wait_for("the first look", self.is_watched)
        for number in range(25):
            self.project.land(f"sales/{number:02}.csv", ROW.format(number))
            if number == 12:
                server.stop(how=9)
                server = self.serve()
        wait_for("all files", lambda: self.are_done(25))
        taken = [name for names in self.files_of_runs() for name in names]
        self.assertEqual(sorted(taken), [f"landing/sales/{number:02}.csv" for number in range(25)], "each once")
        self.assertLessEqual(max(len(names) for names in self.files_of_runs()), 7)
        decided = sorted({row[0] for row in self.project.sqlite("SELECT taken_at_us FROM arrival WHERE taken_at_us > 0")})
        gaps = [(later - earlier) / 1e6 for earlier, later in zip(decided, decided[1:])]
        print(f"micro-batches: {len(decided)} runs, gaps {[round(gap, 2) for gap in gaps]} s")
        self.assertGreaterEqual(min(gaps), 2.0)
        rows = sorted(row["id"] for row in self.project.rows("SELECT id FROM raw.sales"))
        self.assertEqual(rows, list(range(25)))

    def test_a_rehearsal_shows_the_batches(self):
        self.configure(self.TRIGGER)
        words = []
        for number in range(12):
            words += ["--file", f"landing/sales/{number}.csv@2026-11-28T06:00:{number // 4:02}Z"]
        told = self.project.weir("simulate", "--from", "2026-11-28T06:00:00Z", "--to", "2026-11-28T07:00:00Z",
                                 "--duration", "1s", *words).stdout
        self.assertIn("4 files from landing/sales/0.csv", told)
        self.assertIn("7 files from landing/sales/4.csv", told)


class OneTaskAFile(Served):
    def test_the_files_of_an_event_are_its_tasks(self):
        self.project.land("sales/.keep", "")
        self.configure({"pattern": "landing/sales/*.csv", "settle": "0s", "batch": "all", "poll": "1s"}, flow=EACH_FILE, FILES='"${trigger.files}"')
        self.serve()
        wait_for("the first look", self.is_watched)
        self.project.land("sales/a.csv", ROW.format(1))
        wait_for("the first run", lambda: self.are_done(1))
        self.project.land("sales/b.csv", ROW.format(2))
        wait_for("the second run", lambda: self.are_done(2))
        tasks = self.project.sqlite("SELECT t.task_id, t.state FROM task_run t JOIN flow_run r USING (run_id) ORDER BY r.created_at_us")
        names = [name for name, state in tasks if state == "succeeded"]
        self.assertEqual([name.split("-")[0] for name in names], ["ingest[sales_a.csv", "ingest[sales_b.csv"])
        self.assertEqual(self.project.rows("SELECT id FROM raw.b"), [{"id": 2}])


class Bucket(Served):
    """A bucket that is listed once an hour: what starts a run is what the webhook says."""
    TRIGGER = {"pattern": "landing/sales/*.csv", "batch": "all", "poll": "1h"}

    def use(self, store):
        self.project.environment.update(AWS_ENDPOINT_URL_S3=store.endpoint, AWS_ACCESS_KEY_ID=versitygw.ACCESS_KEY,
                                        AWS_SECRET_ACCESS_KEY=versitygw.SECRET_KEY, AWS_EC2_METADATA_DISABLED="true")

    def open(self, **tokens):
        add_user(self.project, "sender", "operator")
        add_user(self.project, "reader", "viewer")
        self.token = add_token(self.project, "sender", role="operator")
        self.reader = add_token(self.project, "reader", role="viewer")
        server = self.serve()
        wait_for("the first look", self.is_watched)
        return server


class Recorder:
    """Takes what a sender posts, as it is."""

    def __init__(self):
        recorder = self
        self.bodies = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                recorder.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class TellingGateway(versitygw.Server):
    recorder = None

    def _words(self):
        words = super()._words()
        words[words.index("posix"):words.index("posix")] = ["--event-webhook-url", self.recorder.url]
        return words


class Webhook(Bucket):
    """versitygw sends no token: its bodies are taken down and handed on with one."""
    @classmethod
    def setUpClass(cls):
        TellingGateway.recorder = cls.recorder = Recorder()
        cls.addClassCleanup(cls.recorder.stop)
        cls.store = versitygw.serve(cls, "shop-lake", make=TellingGateway)

    def setUp(self):
        super().setUp()
        self.use(self.store)
        self.store.put("shop-lake", "landing/sales/old.csv", ROW.format(1))
        self.configure(self.TRIGGER, landing="s3://shop-lake/landing")
        self.server = self.open()

    def tell(self, body, token=None, path="/v1/flows/sales/arrivals"):
        return self.server.ask("POST", path, token or self.token, body=body, headers={"Content-Type": "application/json"})

    def put(self, name, text):
        before = len(self.recorder.bodies)
        self.store.request("PUT", f"/shop-lake/landing/sales/{name}", body=text.encode())
        return wait_for("the event", lambda: next((body for body in self.recorder.bodies[before:] if name.encode() in body), None))

    def test_an_event_starts_a_run_once_however_often_and_late_it_is_told(self):
        first, second = self.put("a.csv", ROW.format(2)), self.put("b.csv", ROW.format(3))
        told = self.tell(second)
        self.assertEqual((told.status, told.json), (202, {"new_events": 1}), told)
        wait_for("the run", lambda: self.are_done(1))
        self.assertEqual((self.tell(second).json, self.tell(first).json), ({"new_events": 0}, {"new_events": 1}))
        wait_for("the run of the one that came late", lambda: self.are_done(2))
        for body in (first, second, first):
            self.assertEqual(self.tell(body, path="/v1/arrivals").json, {"new_events": 0})
        self.assertEqual(self.files_of_runs(), [["landing/sales/b.csv"], ["landing/sales/a.csv"]])

    def test_what_was_told_is_kept_though_the_server_is_killed_at_once(self):
        body = self.put("k.csv", ROW.format(9))
        self.assertEqual(self.tell(body).status, 202)
        self.server.stop(how=9)
        self.server = self.serve()
        wait_for("the run", lambda: self.are_done(1))
        self.assertIn(["landing/sales/k.csv"], self.files_of_runs())

    def test_bad_bodies_and_those_of_others_are_refused_with_the_reason(self):
        good = self.put("c.csv", ROW.format(4))
        foreign = good.replace(b"shop-lake", b"other-lake")
        confirmation = {"Type": "SubscriptionConfirmation", "SubscribeURL": "http://169.254.169.254/latest/meta-data"}
        for body, words in ((b"{", "reading the body"), (b"[]", "the body"), (b"{}", "neither an event of S3"),
                            (foreign, "lies in no layer that is watched here"), (json.dumps(confirmation).encode(), "SubscribeURL yourself"),
                            (b'{"file": "elsewhere/a.csv"}', "lies in no layer")):
            reply = self.tell(body)
            self.assertEqual(reply.status, 400, reply)
            self.assertIn(words, reply.body.decode())
        reply = self.tell(good, path="/v1/flows/other/arrivals")
        self.assertEqual(reply.status, 400, reply)
        self.assertIn("no file starts flow 'other'", reply.body.decode())
        self.assertEqual(self.tell(good, path="/v1/flows/none/arrivals").status, 404)
        self.assertEqual(self.tell(good, token=self.reader).status, 403)
        self.assertEqual(self.server.ask("POST", "/v1/flows/sales/arrivals", body=good, headers={"Content-Type": "application/json"}).status, 401)
        self.assertEqual(self.project.sqlite("SELECT count(*) FROM event_inbox")[0][0], 0, "nothing of it is kept")
        self.assertEqual(self.runs(), [])

    def test_a_listed_bucket_gives_one_task_a_file(self):
        self.server.stop()
        for name in ("x.csv", "y.csv"):
            self.store.put("shop-lake", f"landing/each/{name}", ROW.format(5))
        self.configure(self.TRIGGER, landing="s3://shop-lake/landing", flow=EACH_FILE, FILES='"landing/each/*.csv"')
        self.project.weir("run", "sales")
        tasks = self.project.sqlite("SELECT task_id, state FROM task_run ORDER BY task_id")
        self.assertEqual(tasks, [("ingest[x.csv]", "succeeded"), ("ingest[y.csv]", "succeeded")])


class TellingMinio(minio.Server):
    """Its webhook is a server of weir's, with a token of its own."""
    environment = {}

    def _environment(self):
        return {**super()._environment(), **self.environment}


class RealSender(Bucket):
    def test_minio_tells_by_itself(self):
        try:
            minio.Server.program = versitygw.program("minio", "./dev standins --all")
        except versitygw.Missing as missing:
            print(f"SKIPPED: {missing}", flush=True)
            self.skipTest(str(missing))
        # The store must know where weir listens, and weir where the store does: weir's port is asked for first.
        probe = Server(self.project_of_its_own(), runs=False)
        port = probe.port
        probe.stop()
        probe.close()
        self.configure(self.TRIGGER, landing="s3://shop-lake/landing")
        add_user(self.project, "sender", "operator")
        token = add_token(self.project, "sender", role="operator")
        TellingMinio.environment = {
            "MINIO_NOTIFY_WEBHOOK_ENABLE_WEIR": "on", "MINIO_NOTIFY_WEBHOOK_ENDPOINT_WEIR": f"http://127.0.0.1:{port}/v1/flows/sales/arrivals",
            "MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_WEIR": f"Bearer {token}", "MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_WEIR": str(self.project.folder / "tmp/queue")}
        store = TellingMinio()
        self.addCleanup(store.stop)
        self.use(store)
        store.create_bucket("shop-lake")
        store.request("PUT", "/shop-lake", {"notification": ""}, body=(
            b'<NotificationConfiguration><QueueConfiguration><Queue>arn:minio:sqs::WEIR:webhook</Queue><Event>s3:ObjectCreated:*</Event>'
            b'</QueueConfiguration></NotificationConfiguration>'))
        server = Server(self.project, runs=True, port=port)
        self.addCleanup(server.close)
        self.addCleanup(server.stop)
        wait_for("the first look", self.is_watched)
        store.put("shop-lake", "landing/sales/f 1.csv", ROW.format(7))
        wait_for("the run", lambda: self.are_done(1))
        self.assertEqual(self.files_of_runs(), [["landing/sales/f 1.csv"]])

    def project_of_its_own(self):
        project = Project()
        self.addCleanup(project.close)
        project.weir("apply")
        return project


if __name__ == "__main__":
    unittest.main()
