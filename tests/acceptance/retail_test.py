"""examples/retail as it stands, against real servers: PostgreSQL for the shop, the catalog and the warehouse, MariaDB for the customers, OpenSSH for the
partner's prices, an API for rates, versitygw for the bucket, moto for Secrets Manager and SNS, a mail server. Twice, with new
data in between; then a source that fails, and comes back."""
import collections
import contextlib
import decimal
import http.server
import json
import pathlib
import shutil
import sys
import tempfile
import threading
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import canary  # noqa: E402
import mariadb  # noqa: E402
import moto_server  # noqa: E402
import notify_test  # noqa: E402
import postgres  # noqa: E402
import sftp_server  # noqa: E402
import versitygw  # noqa: E402
from weir_project import ROOT, Project  # noqa: E402

TOKEN, READER, WRITER, CALLER = "b4nk/token+of-ours", "sh0p/reader+word", "h0use/writer+word", "cr-m/reader+word"
SOURCES = ("orders", "customers", "prices", "rates", "returns")
MISSING = (versitygw.Missing, moto_server.Missing, mariadb.Missing, postgres.Missing, sftp_server.Missing)
SHOP = """
CREATE ROLE weir_reader LOGIN PASSWORD '{reader}';
CREATE TABLE orders (order_id bigint PRIMARY KEY, customer_id bigint NOT NULL, product text NOT NULL, quantity integer NOT NULL,
                     currency text NOT NULL, ordered_at timestamp NOT NULL, changed_at timestamptz NOT NULL DEFAULT clock_timestamp());
GRANT SELECT ON orders TO weir_reader
"""
CRM = """
CREATE OR REPLACE USER weir_reader IDENTIFIED BY '{caller}';
CREATE TABLE customers (customer_id bigint PRIMARY KEY, name varchar(100) NOT NULL, city varchar(100) NOT NULL);
GRANT SELECT ON customers TO weir_reader
"""


class Bank(http.server.ThreadingHTTPServer):
    """Rates from a day on, two a page, for who has the token."""
    daemon_threads = True

    def __init__(self):
        self.rates, self.asked, self.is_closed = [], [], False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                outer.asked.append(query)
                if outer.is_closed or self.headers["Authorization"] != f"Bearer {TOKEN}":
                    return self.give(403, {"error": "not for you"})
                found = [rate for rate in outer.rates if rate["day"] >= query.get("from", "")]
                at = int(query.get("after", 0))
                self.give(200, {"rates": found[at:at + 2], "next": str(at + 2) if at + 2 < len(found) else None})

            def give(self, status, body):
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Retail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.database = cls.enterClassContext(postgres.server())
            cls.customers = cls.enterClassContext(mariadb.server())
            cls.bucket = versitygw.Server()
            cls.addClassCleanup(cls.bucket.stop)
            cls.aws = cls.enterClassContext(moto_server.Server())
            cls.partner = sftp_server.Server()
            cls.addClassCleanup(cls.partner.stop)
        except MISSING as missing:
            print(f"SKIPPED: {missing}", flush=True)
            raise unittest.SkipTest(str(missing)) from missing
        cls.bucket.create_bucket("retail-lake")
        canary.watch(TOKEN, READER, WRITER, CALLER)

    def setUp(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="weir retail "))
        shutil.copytree(ROOT / "examples/retail", folder, dirs_exist_ok=True)
        self.project = Project.at(folder)
        self.addCleanup(self.project.close)
        self.bank, self.mail = Bank(), notify_test.Mail()
        self.addCleanup(self.bank.server_close)
        self.addCleanup(self.bank.shutdown)
        self.addCleanup(self.mail.close)
        self.shop, self.house, catalog = (self.database.create_database() for _ in range(3))
        self.database.sql(self.shop, SHOP.format(reader=READER))
        self.crm = self.customers.create_database()
        self.customers.sql(self.crm, CRM.format(caller=CALLER))
        house = self.house.rpartition("/")[2]
        self.database.sql(self.house, f"CREATE ROLE weir_writer LOGIN PASSWORD '{WRITER}'; GRANT CREATE, TEMPORARY ON DATABASE {house} TO weir_writer")
        self.keep_secrets()
        self.topic = self.subscribe()
        yaml = (folder / "weir.yaml").read_text()
        for name in ("shop", "crm", "house"):  # every test has databases of its own
            yaml = yaml.replace(f"database: {name},", f"database: {getattr(self, name).rpartition('/')[2]},")
        (folder / "weir.yaml").write_text(yaml)
        self.project.environment = {name: value for name, value in self.project.environment.items() if not name.startswith(("AWS_", "WEIR_"))}
        self.project.environment.update(
            self.aws.environment, HOME=str(folder / "home"), AWS_ENDPOINT_URL=self.aws.endpoint, RETAIL_CATALOG=catalog, RETAIL_BUCKET="retail-lake",
            RETAIL_S3=self.bucket.endpoint, RETAIL_SHOP_HOST="127.0.0.1", RETAIL_SHOP_PORT=str(self.database.port),
            RETAIL_CRM_HOST="127.0.0.1", RETAIL_CRM_PORT=str(self.customers.port),
            RETAIL_HOUSE_HOST="127.0.0.1", RETAIL_HOUSE_PORT=str(self.database.port), RETAIL_TOPIC=self.topic,
            RETAIL_PARTNER=self.partner.uri.removeprefix("sftp://"), RETAIL_PARTNER_USER=self.partner.user, RETAIL_PARTNER_KEY=self.partner.fingerprint,
            RETAIL_BANK=f"http://127.0.0.1:{self.bank.server_port}", RETAIL_IS_TEST="true", RETAIL_MAIL_HOST="127.0.0.1",
            RETAIL_MAIL_PORT=str(self.mail.port), RETAIL_MAIL_TLS="none")

    def keep_secrets(self):
        kept = self.aws.client("secretsmanager")
        private_key = (self.partner.folder / "user").read_text()
        canary.watch(private_key.splitlines()[2])
        for name, value in {"shop": {"password": READER}, "crm": {"password": CALLER}, "house": {"password": WRITER}, "bank": {"token": TOKEN},
                            "partner": {"private_key": private_key},
                            "lake": {"access_key_id": versitygw.ACCESS_KEY, "secret_access_key": versitygw.SECRET_KEY}}.items():
            with contextlib.suppress(kept.exceptions.ResourceExistsException):
                kept.create_secret(Name=f"retail/{name}", SecretString=json.dumps(value))

    def subscribe(self):
        sns, self.sqs = self.aws.client("sns"), self.aws.client("sqs")
        topic = sns.create_topic(Name="retail-ops")["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName="retail-ops")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return topic

    def told(self):
        """Subjects of what came to the topic."""
        found = []
        while got := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for each in got:
                found.append(json.loads(each["Body"])["Subject"])
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=each["ReceiptHandle"])
        return sorted(found)

    def sql(self, text):
        self.database.sql(self.shop, text)

    def call(self, text):
        self.customers.sql(self.crm, text)

    def leave_prices(self, day, **prices):
        self.partner.put(f"out/prices-{day}.csv", "product,price\n" + "".join(f"{name},{price}\n" for name, price in prices.items()))
        self.partner.put(f"out/prices-{day}.csv.done", "")

    def quote(self, day, **rates):
        self.bank.rates += [{"currency": currency, "day": day, "per_eur": rate} for currency, rate in rates.items()]

    def upload_returns(self, name, *lines):
        self.bucket.put("retail-lake", f"landing/uploads/returns-{name}.csv", "return_id,order_id,quantity,reason\n" + "".join(line + "\n" for line in lines))

    def first_day(self):
        self.call("INSERT INTO customers VALUES (1, 'Ann', 'Oslo'), (2, 'Bo', 'Rome'), (3, 'Cy', 'Oslo')")
        self.sql("INSERT INTO orders VALUES (10, 1, 'cup', 4, 'EUR', '2026-01-05 10:00'), (11, 2, 'pot', 2, 'USD', '2026-01-05 11:00'),"
                 " (12, 3, 'cup', 6, 'USD', '2026-01-06 09:30')")
        self.leave_prices("20260105", cup="2.50", pot="8.00")
        for day in ("2026-01-05", "2026-01-06"):
            self.quote(day, EUR=1, USD=1.25)
        self.upload_returns("a", "1,10,1,broken", "2,12,x,lost")

    def second_day(self):
        self.call("UPDATE customers SET city = 'Bonn' WHERE customer_id = 3; DELETE FROM customers WHERE customer_id = 2;"
                 "INSERT INTO customers VALUES (4, 'Di', 'Rome')")
        self.sql("UPDATE orders SET quantity = 8, changed_at = clock_timestamp() WHERE order_id = 12;"
                 "INSERT INTO orders VALUES (13, 4, 'pot', 5, 'NOK', '2026-01-07 08:00'), (14, 1, 'cup', 2, 'EUR', '2026-01-07 08:05')")
        self.leave_prices("20260107", cup="3.00", pot="8.00", pan="20.00")
        self.quote("2026-01-07", EUR=1, USD=2, NOK=10)
        self.upload_returns("b", "2,12,3,late")

    def run_all(self):
        for flow in (*SOURCES, "mart"):
            self.project.run(flow)
        self.project.weir("reconcile")

    def check_revenue(self, *rows):
        expected = [(day, city, orders, pieces, decimal.Decimal(revenue)) for day, city, orders, pieces, revenue in rows]
        mart = [tuple(line.split("|")) for line in self.database.sql(
            self.house, "SELECT day, city, orders, pieces, revenue FROM mart.revenue ORDER BY day, city").splitlines()]
        self.assertEqual([(day, city, int(orders), int(pieces), decimal.Decimal(revenue)) for day, city, orders, pieces, revenue in mart], expected)
        lake = self.project.rows("SELECT day, city, orders, pieces, revenue FROM presentation.revenue ORDER BY day, city")
        self.assertEqual([(row["day"], row["city"], row["orders"], row["pieces"], decimal.Decimal(str(row["revenue"]))) for row in lake], expected)

    def test_two_days_and_a_source_that_fails(self):
        self.first_day()
        self.project.weir("validate")
        self.run_all()
        self.check_revenue(("2026-01-05", "Oslo", 1, 3, "7.50"), ("2026-01-05", "Rome", 1, 2, "12.80"), ("2026-01-06", "Oslo", 1, 6, "12.00"))
        self.assertEqual(self.partner.files(), ["out/done/prices-20260105.csv"])

        self.second_day()
        self.run_all()
        self.check_revenue(("2026-01-05", "Oslo", 1, 3, "9.00"), ("2026-01-06", "Bonn", 1, 5, "12.00"), ("2026-01-07", "Oslo", 1, 2, "6.00"),
                           ("2026-01-07", "Rome", 1, 5, "4.00"))
        self.assertIn({"from": "2026-01-06"}, self.bank.asked, "only what is new")
        history = self.project.rows("SELECT customer_id, city, is_current FROM stage.customers ORDER BY customer_id, valid_from")
        self.assertEqual(collections.Counter(row["customer_id"] for row in history), {1: 1, 2: 1, 3: 2, 4: 1})
        rejected = self.project.rows("SELECT count(*) AS n FROM raw.returns__rejected")
        self.assertEqual(rejected, [{"n": 1}])
        self.assertEqual(self.told(), [])
        self.assertEqual(self.mail.mails, [])

        self.bank.is_closed = True
        self.project.run("rates", expect=None)
        failed = [subject for subject in self.told() if "FAILED" in subject]
        self.assertEqual(len(failed), 1)
        self.assertIn("rates", failed[0])
        self.assertEqual(len(self.mail.mails), 1)
        self.bank.is_closed = False
        self.run_all()
        self.assertEqual(len(self.told()), 1, "it works again")
        self.assertEqual(len(self.mail.mails), 1)
        canary.check_folder(self.bucket.folder / "data")
        canary.check_text("the catalog", self.database.sql(self.project.environment["RETAIL_CATALOG"], "SELECT * FROM task_run")
                          + self.database.sql(self.project.environment["RETAIL_CATALOG"], "SELECT * FROM config_version"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
