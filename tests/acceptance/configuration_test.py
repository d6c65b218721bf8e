"""What a run sees of the configuration, and what of it is none of its business: other flows, with their faults, and files that are being edited."""
import hashlib
import json
import shutil
import unittest

from restart_test import Case as RestartCase
from server_client import add_token, add_user
from weir_project import Project

SHOP = """
project: shop
catalog: sqlite:weir.db
layers: [{name: landing, uri: data/landing}, {name: raw, uri: data/raw}, {name: presentation, uri: data/presentation}]
datasets:
  - {name: raw.sales, identity: content, columns: {id: bigint, amount: "decimal(10,2)"}}
  - {name: raw.other, identity: content, columns: {id: bigint}}
defaults: {retries: 0}
"""
SALES = """
flow: sales
SETTINGS
tasks:
  - {id: ingest, template: ingest_files, with: {from: "landing/sales/*.csv", to: raw.sales}}
  - {id: total, template: transform, needs: [ingest], with: {to: presentation.total, sql: sql/total.sql}}
"""
OTHER = """
flow: other
SETTINGS
tasks:
  - {id: ingest, template: ingest_files, with: {from: "landing/other/*.csv", to: raw.other}}
"""


class Versions(RestartCase):
    def setUp(self):
        super().setUp()
        self.project.write("weir.yaml", SHOP)
        self.project.write("sql/total.sql", "SELECT sum(amount) AS amount FROM raw.sales\n")
        self.write()

    def write(self, sales="", other=""):
        self.project.write("flows/sales.yaml", SALES.replace("SETTINGS", sales))
        self.project.write("flows/other.yaml", OTHER.replace("SETTINGS", other))

    def apply(self, sales="", other=""):
        self.write(sales, other)
        self.project.weir("apply")

    def hashes(self, flow):
        return [row[0] for row in self.project.sqlite("SELECT config_hash FROM flow_run WHERE flow_id = ? ORDER BY created_at_us", flow)]

    def count(self, flow, state="succeeded"):
        return self.project.sqlite("SELECT count(*) FROM flow_run WHERE flow_id = ? AND state = ?", flow, state)[0][0]

    def test_a_version_is_of_its_flow(self):
        self.apply()
        self.project.weir("run", "sales")
        self.project.weir("run", "other")
        self.apply(other="description: another")
        self.project.weir("run", "sales")
        self.project.weir("run", "other")
        self.assertEqual(len(set(self.hashes("sales"))), 1, "the other flow has changed")
        self.assertEqual(len(set(self.hashes("other"))), 2)
        kept = dict(self.project.sqlite("SELECT hash, content FROM config_version WHERE flow_id = 'sales'"))
        self.assertEqual(list(kept), self.hashes("sales")[:1])
        content = json.loads(kept[self.hashes("sales")[0]])
        self.assertEqual([flow["flow_id"] for flow in content["configuration"]["flows"]], ["sales"])
        self.assertEqual([dataset["name"] for dataset in content["configuration"]["datasets"]], ["raw.sales"])
        self.assertEqual(list(content["files"]), ["sql/total.sql"])
        # A version of another flow is none that the run could take.
        other = self.hashes("other")[0]
        said = self.project.weir("retry", "sales", "--config", other, expect=None)
        self.assertIn(f"no version of flow 'sales' begins with '{other}'", said.stderr)

    def test_a_servers_run_is_the_same_version_as_that_of_the_command(self):
        self.apply()
        self.project.weir("run", "sales")
        add_user(self.project, "ann", "admin")
        token = add_token(self.project, "ann")
        server = self.serve()
        answer = server.ask("POST", "/v1/flows/sales/runs", token, body={})
        self.assertEqual(answer.status, 202, answer)
        self.wait("its end", lambda: self.count("sales") == 2, server)
        self.assertEqual(len(set(self.hashes("sales"))), 1)
        listed = server.ask("GET", "/v1/configuration/versions?flow_id=sales", token).json["versions"]
        self.assertEqual([(each["hash"], each["flow_id"]) for each in listed], [(self.hashes("sales")[0], "sales")])
        self.assertEqual(server.ask("GET", "/v1/configuration/versions?flow_id=other", token).json["versions"], [])

    def test_a_fault_of_one_flow_stops_no_other(self):
        self.apply("schedule: {every: 1s, catchup: none}", "schedule: {every: 1s, catchup: none}")
        server = self.serve()
        self.wait("runs of both", lambda: self.count("sales") and self.count("other"), server)
        # Somebody with a SQL shell: a task that nobody knows, and later a schedule that does not resolve.
        self.project.sqlite("UPDATE task SET template_id = 'ingest_fils' WHERE flow_id = 'other'")
        self.wait("the fault", lambda: "unknown template 'ingest_fils'" in server.said(), server)
        seen = self.count("sales")
        self.wait("further runs", lambda: self.count("sales") > seen + 1, server)
        self.project.sqlite("UPDATE task SET template_id = 'ingest_files' WHERE flow_id = 'other'")
        seen = self.count("other")
        self.wait("runs of the mended one", lambda: self.count("other") > seen + 1, server)
        self.project.sqlite("UPDATE flow SET params = '{\"day\": {\"default\": \"${NOBODY_SET_IT}\"}}' WHERE flow_id = 'other'")
        self.wait("the fault", lambda: "flow 'other' is as it was" in server.said(), server)
        self.assertIn("variable 'NOBODY_SET_IT' is not set", server.said())
        seen = self.count("sales")
        self.wait("further runs", lambda: self.count("sales") > seen + 1, server)
        self.project.sqlite("UPDATE flow SET params = '{}' WHERE flow_id = 'other'")
        seen = self.count("other")
        self.wait("runs of the mended one", lambda: self.count("other") > seen + 1, server)

    def test_a_file_that_is_being_edited_stops_no_server(self):
        self.apply("schedule: {every: 1s, catchup: none}")
        server = self.serve()
        self.wait("a first run", lambda: self.count("sales"), server)
        self.project.write("flows/other.yaml", "flow: other\ntasks: [{id: half")
        seen = self.count("sales")
        self.wait("further runs", lambda: self.count("sales") > seen + 1, server)
        self.project.weir("runs")
        self.project.weir("status")
        self.assertIn("flows/other.yaml", self.project.weir("validate", expect=2).stderr)

    def test_an_edited_file_is_what_the_next_run_pins(self):
        self.apply("schedule: {every: 1s, catchup: none}")
        server = self.serve()
        self.wait("a first run", lambda: self.count("sales"), server)
        before = self.hashes("sales")[0]
        self.project.write("sql/total.sql", "SELECT sum(amount) + 1 AS amount FROM raw.sales\n")
        self.wait("another version", lambda: self.hashes("sales")[-1] != before, server)
        self.wait("its end", lambda: self.project.rows("SELECT amount FROM presentation.total") == [{"amount": "16.50"}], server)
        self.assertEqual(self.count("sales", "failed"), 0)


class FromOlderReleases(unittest.TestCase):
    """Versions that hold a whole project are read as before."""

    def test_a_run_goes_on_with_one(self):
        project = Project()
        self.addCleanup(project.close)
        shutil.rmtree(project.folder / "flows")
        project.write("weir.yaml", SHOP)
        project.write("flows/sales.yaml", SALES.replace("SETTINGS", ""))
        project.write("flows/other.yaml", OTHER.replace("SETTINGS", ""))
        project.write("sql/total.sql", "SELECT sum(amout) AS amount FROM raw.sales\n")
        project.land("sales/1.csv", "id,amount\n1,10.00\n")
        project.weir("apply")
        project.weir("run", "sales", expect=2)
        # As an older release wrote it: all flows, in a version of no flow.
        hash_now, content = project.sqlite("SELECT hash, content FROM config_version")[0]
        whole = json.loads(content)
        whole["configuration"]["flows"].insert(0, {"flow_id": "other", "tasks": [
            {"flow_id": "other", "task_id": "ingest", "template_id": "ingest_files", "params": {"from": "landing/other/*.csv", "to": "raw.other"}}]})
        whole["files"]["sql/total.sql"]["text"] = "SELECT sum(amount) AS amount FROM raw.sales\n"
        text = json.dumps(whole, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        older = hashlib.sha256(text.encode()).hexdigest()
        self.assertNotEqual(older, hash_now)
        project.sqlite("INSERT INTO config_version (hash, created_at_us, author, reason, content) VALUES (?, 1, 'ann', 'apply', ?)", older, text)
        project.weir("retry", "sales", "--config", older[:12])
        self.assertEqual(project.rows("SELECT amount FROM presentation.total"), [{"amount": "10.00"}])


if __name__ == "__main__":
    unittest.main(verbosity=1)
