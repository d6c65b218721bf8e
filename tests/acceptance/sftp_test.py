"""A partner's SFTP server as source and target: a real sshd, killed and changed under the real program."""
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import sftp_server
from weir_project import WEIR, Project
from waiting import wait_for  # noqa: E402

YAML = """
project: shop
catalog: sqlite:weir.db
layers:
  - {{name: landing, uri: data/landing}}
  - {{name: raw, uri: data/raw}}
  - {{name: exports, uri: data/exports}}
connections:
  - connection_id: partner
    kind: sftp
    uri: {uri}
    user: {user}
    {host}
    {login}
    max_tries: 12
datasets:
  - {{name: raw.sales, identity: content, columns: {{id: bigint, amount: "decimal(10,2)"}}}}
defaults: {{retries: 0}}
"""

FETCH = """
flow: fetch
tasks:
  - id: fetch
    template: fetch_files
    with: {{from: "{uri}", to: landing/sales{more}}}
"""

INGEST = """  - id: ingest
    template: ingest_files
    needs: [fetch]
    with: {from: "landing/sales/**", to: raw.sales}
"""

SEND = """
flow: send
tasks:
  - id: send
    template: export_files
    with: {{from: exports/partner, to: "{uri}/in"{more}}}
"""

LARGE = 96 << 20


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            sftp_server.Server().stop()
        except sftp_server.Missing as missing:
            print(f"SKIPPED: {missing}", flush=True)
            raise unittest.SkipTest(str(missing))

    def setUp(self):
        self.server = sftp_server.Server()
        self.addCleanup(self.server.stop)
        self.make_project()

    def make_project(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        for name in ("flows/shop.yaml", "sql/by_city.sql"):
            (self.project.folder / name).unlink()
        for name in list(self.project.environment):
            if name.startswith("WEIR_SECRET"):
                del self.project.environment[name]
        self.project.environment["WEIR_SECRET_PARTNER_KEY"] = (self.server.folder / "user").read_text()
        self.configure()
        self.flow()

    def configure(self, host=None, login="private_key: secret://partner-key"):
        self.project.write("weir.yaml", YAML.format(uri=self.server.uri, user=self.server.user, login=login,
                                                    host=host or f"host_key: {self.server.fingerprint}"))

    def flow(self, fetch="", send="", ingest=INGEST):
        self.project.write("flows/fetch.yaml", FETCH.format(uri=self.server.uri, more=fetch) + ingest)
        self.project.write("flows/send.yaml", SEND.format(uri=self.server.uri, more=send))

    def fetched(self, **words):
        return self.project.report("fetch", **words)["tasks"]["fetch"]["counts"]

    def sent(self, **words):
        return self.project.report("send", **words)["tasks"]["send"]["counts"]

    def landed(self):
        root = self.project.folder / "data/landing/sales"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not path.name.startswith(".weir-tmp"))

    def start(self, flow):
        return subprocess.Popen([WEIR, "--project", str(self.project.folder), "run", flow, "--apply"], env=self.project.environment,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def wait_for_half(self, folder, process):
        """Until some, but not all, of a large file is there."""
        def is_half():
            if process.poll() is not None:
                raise AssertionError(f"it ended too early: {process.stdout.read()}")
            sizes = [path.stat().st_size for path in folder.rglob(".weir-tmp-*")]
            return any(LARGE // 16 < size < LARGE for size in sizes)
        wait_for("half a file", is_half, pause=0.005)

    def large(self):
        line = b"%031d\n"
        return b"".join(line % number for number in range(LARGE // 32))


class Fetch(Case):
    def test_from_sftp_to_raw_and_the_second_run_reads_nothing_again(self):
        path = self.server.put("2026/a + b.csv", "id,amount\n1,2.50\n2,3.00\n")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        self.server.put("readme.txt", "not ours")
        self.flow(fetch=', pattern: "**/*.csv"')
        self.assertEqual(self.fetched()["inserted"], 1)
        self.assertEqual(self.project.rows("SELECT id FROM raw.sales ORDER BY id"), [{"id": 1}, {"id": 2}])
        before = self.project.objects()
        os.truncate(path, 0)  # what has the size and time of then is not read
        path.write_text("id,amount\n9,2.50\n9,3.00\n")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        counts = self.fetched()
        self.assertEqual((counts["in"], counts["inserted"], counts["unchanged"]), (1, 0, 1))
        self.assertEqual(self.project.objects(), before)
        os.utime(path)
        self.assertEqual(self.fetched()["inserted"], 1)
        self.assertEqual(len(self.landed()), 2)

    def test_an_unknown_host_is_refused_and_the_message_says_what_to_write(self):
        self.server.put("a.csv", "id,amount\n1,2.50\n")
        self.configure(host="connect_timeout: 20s")
        run = self.project.run("fetch", expect=None)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(f"host_key: {self.server.fingerprint}", run.stdout + run.stderr)
        self.assertNotIn("Accepted", (self.server.folder / "log").read_text())

    def test_a_changed_host_key_is_refused_loudly_before_the_login(self):
        self.server.put("a.csv", "id,amount\n1,2.50\n")
        old = self.server.fingerprint
        known = self.project.write("known_hosts", "")
        key = (self.server.folder / "host.pub").read_text().split()
        known.write_text(f"[127.0.0.1]:{self.server.port} {key[0]} {key[1]}\n")
        self.configure(host="known_hosts: known_hosts")
        self.assertEqual(self.fetched()["inserted"], 1)
        self.server.kill()
        self.server.new_host_key()
        self.server.start()
        (self.server.folder / "log").write_text("")
        for host in ("known_hosts: known_hosts", f"host_key: [{old}]"):
            self.configure(host=host)
            run = self.project.run("fetch", expect=None)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn("THE HOST KEY OF", run.stderr)
            self.assertIn(self.server.fingerprint, run.stderr)
        self.assertNotIn("Accepted", (self.server.folder / "log").read_text())
        self.configure(host=f"host_key: [{old}, {self.server.fingerprint}]")
        self.assertEqual(self.fetched()["unchanged"], 1)

    def test_a_host_that_known_hosts_does_not_have_is_unknown(self):
        self.project.write("known_hosts", "")
        self.configure(host="known_hosts: known_hosts")
        run = self.project.run("fetch", expect=None)
        self.assertIn("is unknown", run.stderr)
        self.assertIn(self.server.fingerprint, run.stderr)

    def test_a_key_that_is_locked_opens_with_its_passphrase(self):
        self.server.put("a.csv", "id,amount\n1,2.50\n")
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", self.server.folder / "user"],
                       check=True, stdout=subprocess.DEVNULL)
        self.project.environment["WEIR_SECRET_PARTNER_LOGIN"] = json.dumps(
            {"private_key": (self.server.folder / "user").read_text(), "passphrase": "open sesame"})
        self.configure(login="secret_id: partner-login")
        self.assertEqual(self.fetched()["inserted"], 1)
        self.configure(login=f"private_key_file: {self.server.folder}/user")
        run = self.project.run("fetch", expect=None)
        self.assertIn("passphrase", run.stderr)

    def test_a_server_that_is_killed_in_the_middle_is_gone_on_with(self):
        content = self.large()
        self.server.put("large.csv", content)
        self.flow(ingest="")
        process = self.start("fetch")
        self.addCleanup(process.kill)
        self.wait_for_half(self.project.folder / "data/landing", process)
        self.server.kill()
        self.server.start()
        output = process.communicate(timeout=240)[0]
        self.assertEqual(process.returncode, 0, output)
        landed = self.project.folder / "data/landing/sales/large.csv"
        self.assertEqual(hashlib.sha256(landed.read_bytes()).digest(), hashlib.sha256(content).digest())
        self.assertGreaterEqual((self.server.folder / "log").read_text().count("Accepted publickey"), 2)

    def test_a_fetch_that_is_killed_in_the_middle_leaves_nothing_half(self):
        content = self.large()
        self.server.put("large.csv", content)
        self.flow(fetch=", after: delete", ingest="")
        process = self.start("fetch")
        self.addCleanup(process.kill)
        self.wait_for_half(self.project.folder / "data/landing", process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.assertEqual(self.landed(), [])
        self.assertEqual(self.server.files(), ["large.csv"])
        self.assertEqual(self.fetched()["inserted"], 1)
        landed = self.project.folder / "data/landing/sales/large.csv"
        self.assertEqual(hashlib.sha256(landed.read_bytes()).digest(), hashlib.sha256(content).digest())
        self.assertEqual(self.server.files(), [])

    def test_kills_at_any_moment_double_nothing_and_lose_nothing(self):
        for number in range(30):
            self.server.put(f"{number}.csv", f"id,amount\n{number},2.50\n")
        self.flow(fetch=", after: move")
        for most in (1, 7, 15, 22):
            process = self.start("fetch")
            self.addCleanup(process.kill)
            wait_for("a landed file", lambda: process.poll() is not None or len(self.landed()) >= most, pause=0.005)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        self.project.run("fetch")
        self.assertEqual(self.landed(), sorted(f"{number}.csv" for number in range(30)))
        self.assertEqual(self.server.files(), sorted(f"done/{number}.csv" for number in range(30)))
        self.assertEqual(self.project.rows("SELECT id FROM raw.sales ORDER BY id"), [{"id": number} for number in range(30)])
        self.assertEqual(self.fetched()["in"], 0)

    def test_a_file_that_is_still_written_is_left_alone(self):
        path = self.server.put("a.csv", "id,amount\n1,2")
        self.flow(fetch=", settle: 1h")
        self.assertEqual(self.fetched()["in"], 0)
        path.write_text("id,amount\n1,2.50\n")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        self.assertEqual(self.fetched()["inserted"], 1)

    def test_a_file_that_grows_under_the_fetch_does_not_land(self):
        path = self.server.put("large.csv", self.large())
        self.flow(ingest="")
        process = self.start("fetch")
        self.addCleanup(process.kill)
        self.wait_for_half(self.project.folder / "data/landing", process)
        with open(path, "ab") as file:
            file.write(b"more\n")
        output = process.communicate(timeout=240)[0]
        self.assertEqual(process.returncode, 75, output)
        self.assertIn("changed while it was", output)
        self.assertEqual(self.landed(), [])

    def test_only_what_has_its_marker_is_fetched_and_both_are_taken_away(self):
        self.flow(fetch=', pattern: "**", marker: "{name}.done", after: delete')
        self.server.put("a.csv", "id,amount\n1,2.50\n")
        self.server.put("b.csv", "id,amount\n2,2.50\n")
        self.server.put("a.csv.done", "")
        self.assertEqual(self.fetched()["in"], 1)
        self.assertEqual((self.landed(), self.server.files()), (["a.csv"], ["b.csv"]))
        self.server.put("b.csv.done", "")
        self.assertEqual(self.fetched()["in"], 1)
        self.assertEqual((self.landed(), self.server.files()), (["a.csv", "b.csv"], []))

    def test_a_move_that_stopped_half_way_is_gone_on_with_and_no_file_is_lost(self):
        self.server.put("a.csv", "id,amount\n1,2.50\n")
        self.assertEqual(self.fetched()["inserted"], 1)
        self.flow(fetch=', after: move, move_to: old, pattern: "**"')
        (self.server.data / "old").mkdir()
        os.link(self.server.data / "a.csv", self.server.data / "old/a.csv")
        self.assertEqual(self.fetched()["unchanged"], 1)
        self.assertEqual(self.server.files(), ["old/a.csv"])
        self.server.put("a.csv", "id,amount\n2,2.50\n")
        self.assertEqual(self.fetched()["inserted"], 1)
        self.assertEqual(len(self.server.files()), 2)
        self.assertTrue(all(name.startswith("old/a.") for name in self.server.files()))
        self.assertEqual(self.project.rows("SELECT id FROM raw.sales ORDER BY id"), [{"id": 1}, {"id": 2}])

    def test_without_a_connection_it_is_said_which_one_is_missing(self):
        self.project.write("flows/fetch.yaml", FETCH.format(uri="sftp://nowhere.example/out", more=""))
        run = self.project.run("fetch", expect=2)
        self.assertIn("no connection of kind 'sftp' is for 'sftp://nowhere.example/out'", run.stderr)

    def test_a_password_in_clear_is_refused_by_validate(self):
        self.configure(login="password: hunter2secret")
        run = self.project.weir("validate", expect=2)
        self.assertIn("holds a secret in clear", run.stderr + run.stdout)
        self.assertNotIn("hunter2secret", run.stderr + run.stdout)


class Guide(Case):
    def test_the_guide_works_as_it_is_written(self):
        """docs/guide/sftp.md, with this server in place of the partner's."""
        text = (pathlib.Path(__file__).resolve().parents[2] / "docs/guide/sftp.md").read_text()
        text = text.replace("sftp://sftp.partner.example", self.server.uri).replace("user: shop", f"user: {self.server.user}")
        connection, fetch, send = re.findall(r"```yaml\n(.*?)```", text, re.S)
        connection = re.sub(r"host_key: SHA256:\S+", f"host_key: {self.server.fingerprint}", connection)
        before = self.project.folder.joinpath("weir.yaml").read_text().split("connections:")[0]
        datasets = '\ndatasets:\n  - {name: raw.sales, columns: {id: bigint, amount: "decimal(10,2)"}}\n'
        self.project.write("weir.yaml", before + connection + datasets)
        self.project.write("flows/fetch.yaml", fetch + send)
        (self.project.folder / "flows/send.yaml").unlink()
        self.server.put("out/2026/a.csv", "id,amount\n1,2.50\n")
        self.server.put("out/2026/a.csv.done", "")
        self.project.write("data/exports/partner/b.csv", "id\n2\n")
        self.project.run("partner_sales")
        self.assertEqual(self.project.rows("SELECT id FROM raw.sales"), [{"id": 1}])
        self.assertEqual(self.server.files(), ["in/b.csv", "in/b.csv.done", "out/done/2026/a.csv"])


class Password(Case):
    def setUp(self):
        try:
            self.server = sftp_server.Server(password="correct horse battery")
        except (sftp_server.Missing, FileNotFoundError, subprocess.CalledProcessError) as missing:
            print(f"SKIPPED: {missing}", flush=True)
            self.skipTest(str(missing))
        self.addCleanup(self.server.stop)
        self.make_project()

    def test_a_password_opens_and_a_wrong_one_is_in_no_message(self):
        self.server.put("a.csv", "id,amount\n1,2.50\n")
        self.configure(login="password: secret://partner#word")
        self.project.environment["WEIR_SECRET_PARTNER"] = json.dumps({"word": "wrong horse battery"})
        run = self.project.run("fetch", expect=None)
        self.assertIn("it refused the password", run.stderr)
        self.assertNotIn("wrong horse", run.stderr + run.stdout)
        self.project.environment["WEIR_SECRET_PARTNER"] = json.dumps({"word": "correct horse battery"})
        self.assertEqual(self.fetched()["inserted"], 1)


class Send(Case):
    def export(self, name, content):
        return self.project.write(f"data/exports/partner/{name}", content)

    def test_files_are_sent_once_though_the_partner_takes_them_away(self):
        self.export("a.csv", "id\n1\n")
        self.export("ünï/b.csv", "id\n2\n")
        self.flow(send=', pattern: "**/*.csv", marker: "{name}.done"')
        counts = self.sent()
        self.assertEqual((counts["in"], counts["inserted"]), (2, 2))
        self.assertEqual(self.server.files(), ["in/a.csv", "in/a.csv.done", "in/ünï/b.csv", "in/ünï/b.csv.done"])
        self.assertEqual((self.server.data / "in/ünï/b.csv").read_text(), "id\n2\n")
        for name in self.server.files():
            (self.server.data / name).unlink()
        counts = self.sent()
        self.assertEqual((counts["in"], counts["inserted"], counts["unchanged"]), (2, 0, 2))
        self.assertEqual(self.server.files(), [])
        self.export("a.csv", "id\n3\n")
        self.assertEqual(self.sent()["inserted"], 1)
        self.assertEqual(self.server.files(), ["in/a.csv", "in/a.csv.done"])

    def test_other_content_under_a_name_is_refused_or_replaced_as_said(self):
        self.export("a.csv", "id\n1\n")
        self.server.put("in/a.csv", "id\n7\n")
        run = self.project.run("send", expect=1)
        self.assertIn("on_conflict: replace", run.stdout + run.stderr)
        self.assertEqual((self.server.data / "in/a.csv").read_text(), "id\n7\n")
        self.flow(send=", on_conflict: replace, marker: _READY")
        self.assertEqual(self.sent()["inserted"], 1)
        self.assertEqual((self.server.data / "in/a.csv").read_text(), "id\n1\n")
        self.assertEqual(self.server.files(), ["in/_READY", "in/a.csv"])

    def test_a_server_that_is_killed_in_the_middle_is_gone_on_with(self):
        content = self.large()
        self.export("large.csv", content)
        process = self.start("send")
        self.addCleanup(process.kill)
        self.wait_for_half(self.server.data, process)
        self.server.kill()
        self.server.start()
        output = process.communicate(timeout=240)[0]
        self.assertEqual(process.returncode, 0, output)
        self.assertEqual(self.server.files(), ["in/large.csv"])
        self.assertEqual(hashlib.sha256((self.server.data / "in/large.csv").read_bytes()).digest(), hashlib.sha256(content).digest())

    def test_a_send_that_is_killed_in_the_middle_shows_nothing_half_and_is_done_by_the_next(self):
        content = self.large()
        self.export("large.csv", content)
        process = self.start("send")
        self.addCleanup(process.kill)
        self.wait_for_half(self.server.data, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.assertFalse((self.server.data / "in/large.csv").exists())
        self.assertEqual(self.sent()["inserted"], 1)
        self.assertEqual(hashlib.sha256((self.server.data / "in/large.csv").read_bytes()).digest(), hashlib.sha256(content).digest())


if __name__ == "__main__":
    unittest.main(verbosity=1)
