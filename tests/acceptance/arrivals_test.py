"""Files that start flows: local folders, buckets by listing, events by SQS and by webhook; delivered twice, out of order,
and with programs that are killed in between. Servers that are not set up are said and skipped."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

from weir_project import WEIR, Project

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import moto_server  # noqa: E402
import sftp_server  # noqa: E402
import versitygw  # noqa: E402

YAML = """
project: shop
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: LANDING}
  - {name: raw, uri: data/raw}
connections: CONNECTIONS
datasets:
  - {name: raw.sales, identity: content, columns: {id: bigint, amount: "decimal(10,2)"}}
defaults: {retries: 0}
"""
FLOW = """
flow: sales
max_active_runs: 1
file_trigger: TRIGGER
tasks:
  - {id: ingest, template: ingest_files, with: {from: "landing/sales/*.csv", to: raw.sales}}
"""
ROW = "id,amount\n{},1.00\n"


class Landing(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        (self.project.folder / "flows/shop.yaml").unlink()
        for name in list(self.project.environment):
            if name.startswith("AWS_"):
                del self.project.environment[name]
        self.project.environment.update(HOME=str(self.project.folder), AWS_EC2_METADATA_DISABLED="true")

    def configure(self, trigger, landing="data/landing", connections="[]"):
        self.project.write("weir.yaml", YAML.replace("LANDING", f'"{landing}"').replace("CONNECTIONS", connections))
        self.project.write("flows/sales.yaml", FLOW.replace("TRIGGER", json.dumps(trigger)))
        self.project.weir("apply")

    def poll(self, *words, expect=0):
        out = self.project.weir("--output", "json", "arrivals", "poll", *words, expect=expect).stdout
        return [json.loads(line) for line in out.splitlines()]

    def due(self, *words):
        return [event["files"] for event in self.poll(*words) if event.get("event") == "due"]

    def runs(self):
        return self.project.sqlite("SELECT run_key, params, state, trigger_kind FROM flow_run WHERE flow_id = 'sales' ORDER BY created_at_us")

    def listed(self):
        return json.loads(self.project.weir("--output", "json", "arrivals", "list").stdout)

    def rows(self):
        return sorted(row["id"] for row in self.project.rows("SELECT id FROM raw.sales"))


EACH = {"pattern": "landing/sales/*.csv", "settle": "0s"}


class LocalFolders(Landing):
    def test_a_file_starts_a_run_with_its_name_and_the_same_bytes_start_no_other(self):
        self.project.land("sales/old.csv", ROW.format(1))
        self.configure(EACH)
        self.assertEqual(self.due(), [], "what was there before the trigger is no arrival")
        self.project.land("sales/a.csv", ROW.format(2))
        events = self.poll("--run")
        self.assertEqual([event["state"] for event in events if event["event"] == "run"], ["succeeded"])
        (key, params, state, trigger), = self.runs()
        self.assertEqual((json.loads(params)["trigger.file"], state, trigger), ("landing/sales/a.csv", "succeeded", "file"))
        self.assertTrue(key.startswith("file:"))
        self.project.land("sales/a.csv", ROW.format(2))
        self.assertEqual(self.due("--run"), [], "the same bytes under the same name")
        self.project.land("sales/a.csv", ROW.format(3))
        self.assertEqual(self.due("--run"), [["landing/sales/a.csv"]])
        self.assertEqual(len(self.runs()), 2)
        self.assertEqual(self.rows(), [1, 2, 3])

    def test_what_waits_and_what_started_which_run_is_listed(self):
        self.project.land("sales/old.csv", ROW.format(1))
        self.configure({**EACH, "marker": "{name}.done"})
        self.poll()
        self.project.land("sales/a.csv", ROW.format(2))
        self.project.land("sales/b.csv", ROW.format(3))
        self.project.land("sales/b.csv.done", "")
        self.poll("--run")
        listed = self.listed()
        self.assertEqual([(each["key"], each["why"]) for each in listed["waiting"]],
                         [("landing/sales/a.csv", "its marker 'a.csv.done' is not there")])
        self.assertEqual([(run["files"], run["state"]) for run in listed["runs"]], [(["landing/sales/b.csv"], "succeeded")])
        self.assertEqual(listed["ignored"], 1)
        text = self.project.weir("arrivals", "list").stdout
        self.assertIn("its marker 'a.csv.done' is not there", text)
        self.assertIn("1 files were there before the trigger", text)

    def test_a_file_that_still_grows_is_not_taken(self):
        self.configure({**EACH, "settle": "1s", "poll": "1s"})
        self.poll()
        path = self.project.land("sales/a.csv", "id,amount\n")
        grown = threading.Event()

        def grow():
            with open(path, "a") as file:
                for number in range(20):
                    file.write(f"{number},1.00\n")
                    file.flush()
                    grown.wait(0.1)  # a sender with pauses, never a second long

        sender = threading.Thread(target=grow)
        sender.start()
        self.assertEqual(self.due("--run", "--wait", "60s"), [["landing/sales/a.csv"]])
        sender.join()
        self.assertEqual(self.rows(), list(range(20)))
        self.assertEqual(len(self.runs()), 1)

    def test_a_change_in_a_new_folder_wakes_the_one_who_waits(self):
        self.configure({**EACH, "pattern": "landing/**/*.csv", "poll": "1h"})
        self.poll()
        waiting = subprocess.Popen([WEIR, "--project", str(self.project.folder), "arrivals", "poll", "--wait", "10m"],
                                   env=self.project.environment, stdout=subprocess.PIPE, text=True)
        self.addCleanup(waiting.stdout.close)
        self.addCleanup(waiting.kill)
        while waiting.poll() is None and not self.watches(waiting.pid):
            time.sleep(0.05)
        beside = self.project.write("made/deep/a.csv", ROW.format(1)).parent
        (self.project.folder / "data/landing").mkdir(parents=True, exist_ok=True)
        beside.rename(self.project.folder / "data/landing/deep")
        told, _ = waiting.communicate(timeout=120)
        self.assertEqual(waiting.returncode, 0)
        self.assertIn("due: flow 'sales' with landing/deep/a.csv", told)

    @staticmethod
    def watches(pid):
        """Whether the program waits in poll(2) for inotify and its bell."""
        with open(f"/proc/{pid}/wchan") as where:
            return "poll" in where.read()

    def test_a_set_is_one_run_with_its_key(self):
        self.configure({"set": {"orders": "landing/sales/orders-*.csv", "lines": "landing/sales/lines-*.csv"},
                        "key": r"(?<day>\d{8})", "settle": "0s", "deadline": "1s"})
        self.poll()
        self.project.land("sales/orders-20260105.csv", ROW.format(1))
        self.assertEqual(self.due(), [])
        self.assertEqual(self.listed()["waiting"][0]["why"], "no file is there for lines")
        late = [event for event in self.poll("--wait", "5s") if event["event"] == "late"]
        self.assertEqual([(event["key"], event["text"]) for event in late], [("20260105", "no file is there for lines")])
        self.project.land("sales/lines-20260105.csv", ROW.format(2))
        self.assertEqual(self.due("--run"), [["landing/sales/lines-20260105.csv", "landing/sales/orders-20260105.csv"]])
        params = json.loads(self.runs()[0][1])
        self.assertEqual((params["trigger.key.day"], params["trigger.set.lines"]), ("20260105", "landing/sales/lines-20260105.csv"))

    def test_webhooks_told_twice_late_or_wrong_give_one_run(self):
        self.configure({**EACH, "poll": "1h"})
        self.poll()

        def tell(body, expect=0):
            return subprocess.run([WEIR, "--project", str(self.project.folder), "arrivals", "tell"], input=json.dumps(body), text=True,
                                  env=self.project.environment, capture_output=True, timeout=60)

        gone = {"file": "landing/sales/gone.csv"}
        self.assertEqual(tell(gone).returncode, 0)
        self.assertEqual(self.due("--run"), [], "what is gone starts nothing")
        self.project.land("sales/a.csv", ROW.format(1))
        for _ in range(2):
            tell({"file": "landing/sales/a.csv"})
        self.assertEqual(self.due("--run"), [["landing/sales/a.csv"]])
        tell({"file": "landing/sales/a.csv"})
        self.assertEqual(self.due("--run"), [])
        self.assertEqual(len(self.runs()), 1)
        wrong = tell({"flie": "x"})
        self.assertEqual(wrong.returncode, 3)
        self.assertIn("neither an event of S3 nor", wrong.stderr)

    def test_killed_between_deciding_and_starting_it_is_one_run(self):
        self.configure({**EACH, "batch": "all"})
        self.poll()
        self.project.land("sales/a.csv", ROW.format(1))
        self.assertEqual(self.due(), [["landing/sales/a.csv"]])  # decided; the program is gone
        self.project.land("sales/b.csv", ROW.format(2))
        self.assertEqual(sorted(self.due("--run")), [["landing/sales/a.csv"], ["landing/sales/b.csv"]])
        self.assertEqual(len(self.runs()), 2)

    def test_killed_at_any_moment_each_file_has_one_run(self):
        self.configure(EACH)
        self.poll()
        killed = 0
        for number in range(14):
            self.project.land(f"sales/{number}.csv", ROW.format(number))
            program = subprocess.Popen([WEIR, "--project", str(self.project.folder), "arrivals", "poll", "--run"],
                                       env=self.project.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                program.wait(0.02 + 0.05 * number)
            except subprocess.TimeoutExpired:
                program.send_signal(signal.SIGKILL)
                killed += 1
            program.wait()
        self.assertGreater(killed, 0)
        for _ in range(2):
            self.project.weir("arrivals", "poll", "--run", expect=None)
        for run_id, in self.project.sqlite("SELECT run_id FROM flow_run WHERE state NOT IN ('succeeded')"):
            self.project.weir("retry", run_id)
        runs = self.runs()
        started = sorted(json.loads(params)["trigger.file"] for _, params, _, _ in runs)
        self.assertEqual(started, sorted(f"landing/sales/{number}.csv" for number in range(14)))
        self.assertEqual(self.rows(), list(range(14)))

    def test_many_files_are_found_written_down_and_known_again(self):
        self.configure({**EACH, "batch": "all", "max_files": 100000})
        self.poll()
        folder = self.project.folder / "data/landing/sales"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(5000):
            (folder / f"{number}.csv").write_text(str(number))
        self.assertEqual([len(files) for files in self.due()], [5000])
        self.assertEqual([len(files) for files in self.due()], [5000], "it is due until it is started")
        self.assertEqual(self.project.sqlite("SELECT count(*), count(DISTINCT run_key) FROM arrival"), [(5000, 1)])

    def test_a_trigger_at_fault_is_shown_where_it_stands(self):
        for trigger, words in (
                ({"pattern": "landing/*", "marker": "{name}.done"}, "takes markers, too"),
                ({"pattern": "landing/*.csv", "markr": "x"}, "did you mean 'marker'"),
                ({"pattern": "landing/*.csv", "key": r"\d{8}"}, "has no named group"),
                ({"pattern": "lnding/*.csv"}, "did you mean 'landing'"),
                ({"set": {"a": "landing/a-*"}}, "a set needs a key"),
                ({"pattern": "landing/*.csv", "events": "queue"}, "unknown connection 'queue'"),
                ({"pattern": "landing/*.csv", "max_files": 3}, "needs batch: all"),
                ({"settle": "1s"}, "neither 'pattern' nor 'set'")):
            with self.subTest(trigger=trigger):
                self.project.write("weir.yaml", YAML.replace("LANDING", "data/landing").replace("CONNECTIONS", "[]"))
                self.project.write("flows/sales.yaml", FLOW.replace("TRIGGER", json.dumps(trigger)))
                told = self.project.weir("validate", expect=2)
                self.assertIn(words, told.stdout + told.stderr)
                self.assertIn("flows/sales.yaml:4", told.stdout + told.stderr)


class BucketByListing(Landing):
    @classmethod
    def setUpClass(cls):
        cls.server = versitygw.serve(cls, "shop-lake")

    def test_an_object_starts_one_run(self):
        self.project.environment.update(AWS_ENDPOINT_URL_S3=self.server.endpoint, AWS_ACCESS_KEY_ID=versitygw.ACCESS_KEY,
                                        AWS_SECRET_ACCESS_KEY=versitygw.SECRET_KEY)
        self.server.put("shop-lake", "landing/sales/old.csv", ROW.format(1))
        self.configure({"pattern": "landing/sales/*.csv"}, landing="s3://shop-lake/landing")
        self.assertEqual(self.due(), [])
        self.server.request("PUT", "/shop-lake/landing/sales/a.csv", body=ROW.format(2).encode())
        self.assertEqual(self.due("--run"), [["landing/sales/a.csv"]], "in a bucket nothing has to rest")
        self.server.request("PUT", "/shop-lake/landing/sales/a.csv", body=ROW.format(2).encode())
        self.assertEqual(self.due("--run"), [])
        self.assertEqual(self.rows(), [1, 2])


class PartnersServer(Landing):
    def test_a_file_at_a_partner_starts_one_run_once_it_rests(self):
        try:
            server = sftp_server.Server()
        except sftp_server.Missing as missing:
            print(f"SKIPPED: {missing}", flush=True)
            self.skipTest(str(missing))
        self.addCleanup(server.stop)
        self.project.environment["WEIR_SECRET_PARTNER_KEY"] = (server.folder / "user").read_text()
        self.configure({"pattern": "landing/sales/*.csv", "settle": "1s", "poll": "1s"}, landing=server.uri,
                       connections=f"[{{connection_id: partner, kind: sftp, uri: \"{server.uri}\", user: {server.user}, "
                                   f"host_key: \"{server.fingerprint}\", private_key: \"secret://partner-key\"}}]")
        self.assertEqual(self.due(), [])
        server.put("sales/a.csv", ROW.format(1))
        self.assertEqual(self.due(), [], "it may still be on its way")
        self.assertEqual(self.due("--run", "--wait", "60s"), [["landing/sales/a.csv"]])
        self.assertEqual(self.due("--run"), [])
        self.assertEqual(self.rows(), [1])


class EventsByQueue(Landing):
    """moto puts what S3 tells into the queue by itself."""
    @classmethod
    def setUpClass(cls):
        try:
            cls.aws = moto_server.Server()
        except moto_server.Missing as missing:
            print(f"SKIPPED: {missing}", flush=True)
            raise unittest.SkipTest(str(missing)) from missing
        cls.addClassCleanup(cls.aws.stop)
        cls.s3, cls.sqs, cls.sns = cls.aws.client("s3"), cls.aws.client("sqs"), cls.aws.client("sns")
        cls.s3.create_bucket(Bucket="shop-lake", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    def setUp(self):
        super().setUp()
        self.project.environment.update(self.aws.environment, AWS_ENDPOINT_URL=self.aws.endpoint)
        name = f"arrivals-{self.id().rsplit('.', 1)[-1]}"[:80]
        self.queue = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.s3.put_bucket_notification_configuration(Bucket="shop-lake", NotificationConfiguration={"QueueConfigurations": [
            {"QueueArn": self.arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]})
        self.configure({"pattern": "landing/sales/*.csv", "events": "arrivals", "poll": "1h"}, landing=f"s3://shop-lake/{name}",
                       connections=f"[{{connection_id: arrivals, kind: sqs, queue_url: \"{self.queue}\"}}]")
        self.prefix = name
        self.assertEqual(self.due(), [])

    def put(self, name, body):
        self.s3.put_object(Bucket="shop-lake", Key=f"{self.prefix}/{name}", Body=body.encode())

    def left(self):
        counts = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["All"])["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesNotVisible"])

    def test_an_event_starts_a_run_and_leaves_the_queue(self):
        self.put("sales/a b+ü.csv", ROW.format(1))
        self.assertEqual(self.due("--run", "--wait", "30s"), [["landing/sales/a b+ü.csv"]])
        self.assertEqual(self.left(), 0)
        self.assertEqual(self.project.sqlite("SELECT count(*) FROM event_inbox WHERE handled_at_us IS NULL"), [(0,)])
        self.put("other/a.csv", ROW.format(2))
        self.assertEqual(self.due("--run"), [], "of no trigger's")
        self.assertEqual(self.left(), 0)

    def test_delivered_twice_and_out_of_order_it_is_one_run(self):
        key = f"{self.prefix}/sales/a.csv"
        self.put("sales/a.csv", ROW.format(1))

        def message(name, sequencer):
            return json.dumps({"Records": [{"eventName": name, "eventTime": "2026-01-05T06:00:00Z", "s3": {
                "bucket": {"name": "shop-lake"}, "object": {"key": key, "sequencer": sequencer}}}]})

        for body in (message("ObjectCreated:Put", "0A"), message("ObjectRemoved:Delete", "09"), message("ObjectCreated:Put", "0A")):
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        self.assertEqual(self.due("--run"), [["landing/sales/a.csv"]])
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=message("ObjectCreated:Put", "0A"))
        self.assertEqual(self.due("--run"), [])
        self.assertEqual(len(self.runs()), 1)

    def test_an_object_that_is_gone_starts_nothing(self):
        self.put("sales/a.csv", ROW.format(1))
        self.s3.delete_object(Bucket="shop-lake", Key=f"{self.prefix}/sales/a.csv")
        self.assertEqual(self.due("--run"), [])
        self.assertEqual((self.left(), self.runs()), (0, []))

    def test_through_sns_it_is_the_same_and_what_nobody_understands_is_kept(self):
        topic = self.sns.create_topic(Name=self.prefix)["TopicArn"]
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self.arn)
        self.s3.put_bucket_notification_configuration(Bucket="shop-lake", NotificationConfiguration={})
        self.put("sales/a.csv", ROW.format(1))
        self.sns.publish(TopicArn=topic, Message=json.dumps({"detail-type": "Object Created", "detail": {
            "bucket": {"name": "shop-lake"}, "object": {"key": f"{self.prefix}/sales/a.csv", "sequencer": "1"}}}))
        self.sqs.send_message(QueueUrl=self.queue, MessageBody="hello")
        told = self.project.weir("arrivals", "poll", "--run")
        self.assertIn("1 messages are no events of files", told.stderr)
        self.assertEqual(len(self.runs()), 1)
        self.assertEqual(self.project.sqlite("SELECT count(*) FROM event_inbox WHERE kind = 'unreadable'"), [(1,)])
        self.assertEqual(self.left(), 0)

    def test_a_queue_that_is_not_there_is_said(self):
        self.project.write("weir.yaml", (self.project.folder / "weir.yaml").read_text().replace(self.queue, self.queue + "-gone"))
        self.project.weir("apply")
        told = self.project.weir("arrivals", "poll", expect=None)
        self.assertNotEqual(told.returncode, 0)
        self.assertIn("-gone'", told.stderr)


if __name__ == "__main__":
    unittest.main()
