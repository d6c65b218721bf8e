"""Secrets: sealed, from the environment, from AWS Secrets Manager; they open a bucket and stand nowhere."""
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import unittest

from weir_project import WEIR, Project

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import canary  # noqa: E402
import moto_server  # noqa: E402
import versitygw  # noqa: E402

YAML = """
project: shop
layers:
  - {name: landing, uri: landing}
  - {name: raw, uri: s3://shop-lake/raw}
connections:
  - {connection_id: lake, kind: s3, uri: "s3://shop-lake", secret_id: lake-keys}
datasets:
  - name: raw.sales
    identity: content
    columns: {id: bigint, amount: "decimal(10,2)"}
defaults: {retries: 0, engine: ENGINE}
"""
MANAGER = "  - {connection_id: vault, kind: aws_secrets_manager, region: eu-west-1, endpoint: URL, prefix: weir/}\n"
FLOW = """
flow: sales
tasks:
  - id: ingest
    template: ingest_files
    with: {from: "landing/*.csv", to: raw.sales}
"""


class Manager(http.server.ThreadingHTTPServer):
    """What Secrets Manager answers: versions by its stage AWSCURRENT."""

    def __init__(self):
        self.secrets, self.asked = {}, 0
        self.before = []  # Texts that are given once each, before that of `secrets`.
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.asked += 1
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                operation = self.headers["X-Amz-Target"].removeprefix("secretsmanager.")
                signed = "AKIAMANAGER" in self.headers["Authorization"]
                if operation == "ListSecrets":
                    status, body = 200, {"SecretList": [{"Name": name} for name in outer.secrets]}
                elif not signed:
                    status, body = 400, {"__type": "UnrecognizedClientException"}
                elif asked["SecretId"] in outer.secrets:
                    text = outer.before.pop(0) if outer.before else outer.secrets[asked["SecretId"]]
                    status, body = 200, {"SecretString": text}
                else:
                    status, body = 400, {"__type": "ResourceNotFoundException", "Message": "no such secret"}
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Base(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        (self.project.folder / "flows/shop.yaml").unlink()
        for name in list(self.project.environment):
            if name.startswith(("AWS_", "WEIR_SECRET")):
                del self.project.environment[name]
        self.project.environment.update(HOME=str(self.project.folder / "home"), AWS_EC2_METADATA_DISABLED="true",
                                        WEIR_SECRETS_KEY_FILE=str(self.project.folder / "home/weir.key"))
        self.said = []

    def weir(self, *words, given="", expect=0):
        done = subprocess.run([WEIR, "--project", str(self.project.folder), *words], input=given, text=True, capture_output=True,
                              env=os.environ | self.project.environment, timeout=120)
        self.said += [done.stdout, done.stderr]
        self.assertEqual(done.returncode, expect, f"{words}: {done.stdout} {done.stderr}")
        return done

    def check_absent(self, *secrets):
        """In nothing that was said and in no file but the key's and the sealed."""
        canary.watch(*secrets)
        canary.check_text("what was said", "\n".join(self.said))
        canary.check_folder(self.project.folder, but=["home/weir.key"])


class Commands(Base):
    def test_a_secret_is_set_listed_and_removed(self):
        self.project.write("weir.yaml", "project: shop\nlayers: [{name: raw, uri: raw}]\n")
        self.weir("secret", "set", "shop-db", given="c4nary-value-1\n")
        self.weir("secret", "set", "shop-db", given="c4nary-value-2\n")
        self.weir("secret", "set", "lake", "--field", "user", given="ann")
        self.weir("secret", "set", "lake", "--field", "password", given="c4nary-value-3")
        listed = json.loads(self.weir("--output", "json", "secret", "list").stdout)["secrets"]
        self.assertEqual([each["secret"] for each in listed], ["lake", "shop-db"])
        self.weir("secret", "seal", "--new-key-file", str(self.project.folder / "home/new.key"))
        self.weir("secret", "set", "x", given="value", expect=1)
        (self.project.folder / "home/new.key").rename(self.project.folder / "home/weir.key")
        self.weir("secret", "remove", "lake")
        self.assertIn("no secret 'lake'", self.weir("secret", "remove", "lake", expect=1).stderr)
        self.check_absent("c4nary-value-1", "c4nary-value-2", "c4nary-value-3")

    def test_bad_values_are_refused(self):
        self.project.write("weir.yaml", "project: shop\nlayers: [{name: raw, uri: raw}]\n")
        self.assertIn("would be empty", self.weir("secret", "set", "a", given="\n", expect=2).stderr)
        self.assertIn("refers to no secret", self.weir("secret", "set", "a b", given="x", expect=2).stderr)
        self.weir("secret", "set", "a", given="no object")
        self.assertIn("no JSON object", self.weir("secret", "set", "a", "--field", "b", given="x", expect=2).stderr)
        (self.project.folder / "home/weir.key").chmod(0o644)
        self.assertIn("chmod 600", self.weir("secret", "set", "a", given="x", expect=1).stderr)
        (self.project.folder / "secrets.sealed").write_text("{}")
        self.assertIn("secrets.sealed", self.weir("secret", "list", expect=2).stderr)

    def test_the_configuration_holds_no_secret_in_clear(self):
        self.project.write("weir.yaml", "project: shop\nlayers: [{name: raw, uri: raw}]\nconnections:\n"
                           "  - {connection_id: db, kind: postgres, password: c4nary-value and more, api_key: 'secret://a#b'}\n"
                           "  - {connection_id: odd, kind: postgres, password: 'secret://'}\n")
        refused = self.weir("validate", expect=2).stderr
        self.assertIn("'password' holds a secret in clear", refused)
        self.assertIn("refers to no secret", refused)
        self.assertNotIn("'api_key' holds", refused)
        self.assertNotIn("and more", refused)
        self.assertNotIn("c4nary-value", refused)


class Lake(Base):
    """A bucket that only the secret opens."""
    @classmethod
    def setUpClass(cls):
        cls.server = versitygw.serve(cls, "shop-lake")

    def setUp(self):
        super().setUp()
        self.server.empty("shop-lake")
        self.project.environment["AWS_ENDPOINT_URL_S3"] = self.server.endpoint
        self.write_project()
        self.project.write("flows/sales.yaml", FLOW)
        self.project.write("landing/1.csv", "id,amount\n1,2.50\n2,x\n")

    def write_project(self, engine="embedded", manager=""):
        yaml = YAML.replace("ENGINE", engine)
        self.project.write("weir.yaml", yaml.replace("datasets:", manager + "datasets:"))

    def keys(self, secret=versitygw.SECRET_KEY, access=versitygw.ACCESS_KEY):
        return json.dumps({"access_key_id": access, "secret_access_key": secret})

    def check_loaded(self):
        rows = json.loads(self.weir("--output", "json", "table", "query", "SELECT id FROM raw.sales").stdout)
        self.assertEqual([row["id"] for row in rows], [1])

    def test_sealed_keys_open_it_in_every_engine(self):
        self.weir("secret", "set", "lake-keys", given=self.keys())
        self.weir("run", "sales", "--apply")
        self.check_loaded()
        self.write_project(engine="subprocess")
        self.project.write("landing/2.csv", "id,amount\n1,3.50\n")
        self.weir("run", "sales", "--apply")
        self.weir("reconcile")
        self.weir("export", "--to", str(self.project.folder / "exported"))
        self.check_absent(versitygw.SECRET_KEY)

    def test_the_environment_comes_first(self):
        self.weir("secret", "set", "lake-keys", given=self.keys("another"))
        self.project.environment["WEIR_SECRET_LAKE_KEYS"] = self.keys()
        self.weir("run", "sales", "--apply")
        self.check_loaded()

    def test_wrong_keys_say_which_secret_and_the_right_ones_go_on(self):
        self.assertIn("there is no secret 'lake-keys'", self.weir("run", "sales", "--apply", expect=1).stderr)
        wrong = "wr0ng/keys+for-this"
        self.weir("secret", "set", "lake-keys", given=self.keys(wrong))
        failed = self.weir("retry", "sales", expect=1).stderr
        self.assertIn("denied", self.weir("--output", "json", "status").stdout + failed)
        self.weir("secret", "set", "lake-keys", given='{"user": "ann"}')
        self.assertIn("it holds no AWS keys", self.weir("retry", "sales", expect=2).stderr)
        self.weir("secret", "set", "lake-keys", given=self.keys())
        self.weir("retry", "sales")
        self.check_loaded()
        self.check_absent(versitygw.SECRET_KEY, wrong)

    def test_secrets_manager_keeps_them_too(self):
        manager = Manager()
        self.addCleanup(manager.server_close)
        self.addCleanup(manager.shutdown)
        self.write_project(manager=MANAGER.replace("URL", manager.url))
        manager.secrets = {"weir/lake-keys": self.keys(), "other/x": "y"}
        self.project.environment.update(AWS_ACCESS_KEY_ID="AKIAMANAGER", AWS_SECRET_ACCESS_KEY="m4nager/own+key")
        self.weir("run", "sales", "--apply")
        self.check_loaded()
        self.assertGreater(manager.asked, 0)
        listed = json.loads(self.weir("--output", "json", "secret", "list").stdout)["secrets"]
        self.assertEqual([each["secret"] for each in listed], ["lake-keys"])
        self.write_project(engine="subprocess", manager=MANAGER.replace("URL", manager.url))
        self.project.write("landing/2.csv", "id,amount\n1,3.50\n")
        self.weir("run", "sales", "--apply")
        self.project.environment["AWS_ACCESS_KEY_ID"] = "AKIAOTHER"
        self.project.write("landing/3.csv", "id,amount\n1,4.50\n")
        self.assertIn("UnrecognizedClient", self.weir("run", "sales", expect=1).stderr)
        self.check_absent(versitygw.SECRET_KEY, "m4nager/own+key")

    def test_secrets_manager_itself(self):
        """moto, and AWS's own client, in place of what we think that they say."""
        try:
            aws = moto_server.Server()
        except moto_server.Missing as missing:
            print(f"SKIPPED: {missing}", flush=True)
            raise unittest.SkipTest(str(missing)) from missing
        self.addCleanup(aws.stop)
        self.project.environment.update(aws.environment)
        self.write_project(manager=MANAGER.replace("URL", aws.endpoint))
        kept = aws.client("secretsmanager")
        kept.create_secret(Name="weir/lake-keys", SecretString=self.keys("of-bef0re/the+rotation"))
        kept.put_secret_value(SecretId="weir/lake-keys", SecretString=self.keys())
        for number in range(120):  # more than one page
            kept.create_secret(Name=f"weir/n{number:03}", SecretBinary=b"x")
        kept.create_secret(Name="other/secret", SecretString="not below the prefix")
        self.weir("run", "sales", "--apply")
        self.check_loaded()
        listed = json.loads(self.weir("--output", "json", "secret", "list").stdout)["secrets"]
        self.assertEqual(sorted(each["secret"] for each in listed), ["lake-keys", *(f"n{number:03}" for number in range(120))])
        self.check_absent(versitygw.SECRET_KEY, aws.environment["AWS_SECRET_ACCESS_KEY"])

    def test_keys_that_are_rotated_during_a_run(self):
        manager = Manager()
        self.addCleanup(manager.server_close)
        self.addCleanup(manager.shutdown)
        self.write_project(manager=MANAGER.replace("URL", manager.url))
        manager.secrets = {"weir/lake-keys": self.keys()}
        manager.before = [self.keys("0f-bef0re/the+rotation", "AKIAGONE")]
        self.project.environment.update(AWS_ACCESS_KEY_ID="AKIAMANAGER", AWS_SECRET_ACCESS_KEY="m4nager/own+key")
        self.weir("run", "sales", "--apply")
        self.assertEqual((manager.before, manager.asked), ([], 2))
        self.check_loaded()
        self.check_absent(versitygw.SECRET_KEY, "0f-bef0re/the+rotation")


if __name__ == "__main__":
    unittest.main(verbosity=1)
