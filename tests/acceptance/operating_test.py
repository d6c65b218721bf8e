"""The guide "Operating weir": its night failure from the message to the restart, with the texts that stand there."""
import json
import shlex
import unittest

from server_client import Server
from weir_project import ROOT, Project

from waiting import wait_for  # noqa: E402, its folder is known by then

YAML = """
project: shop
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: data/raw}
  - {name: presentation, uri: data/presentation}
connections:
  - {connection_id: ops, kind: log, path: ops.log}
notifications:
  - {rule_id: night, channel: ops, events: [failed, recovered]}
datasets:
  - {name: raw.sales, identity: content, columns: {id: bigint, amount: "decimal(10,2)"}}
defaults: {retries: 0}
"""


def blocks(kind):
    text = (ROOT / "docs/guide/operating.md").read_text()
    return [each.split("```")[0] for each in text.split(f"```{kind}\n")[1:]]


def columns(text, count):
    return [line.split()[:count] for line in text.splitlines()]


class Operating(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.project.write("weir.yaml", YAML)
        (flow,) = blocks("yaml")
        self.broken, self.mended = blocks("sql")
        self.mail, self.graph, self.end = blocks("text")
        (self.project.folder / "flows/shop.yaml").unlink()
        self.project.write("flows/sales.yaml", flow)
        self.project.write("sql/total.sql", self.broken)
        self.project.land("sales/1.csv", "id,amount\n1,10.00\n2,5.50\n")
        self.project.weir("apply")

    def follow(self, block, expect=None):
        """What each command of a block says."""
        said = []
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            self.assertEqual(words[0], "weir")
            said.append(self.project.weir(*words[1:], expect=(expect or {}).get(words[1], 0)).stdout)
        return said

    def messages(self):
        path = self.project.folder / "ops.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def wait(self, condition, what, server):
        wait_for(what, condition, say=server.said)

    def test_from_the_message_to_the_restart(self):
        look, pause, go_on, _, _, watch = blocks("sh")
        server = Server(self.project, runs=True)
        self.addCleanup(server.close)
        self.project.weir("run", "sales", "--detach")
        self.wait(lambda: self.messages(), "the message", server)
        (message,) = self.messages()
        self.assertEqual(message["subject"], self.mail.strip())
        run_id = self.project.sqlite("SELECT run_id FROM flow_run")[0][0]
        self.assertIn(f"weir retry {run_id}", message["body"])
        table, _, log, graph = self.follow(look)
        self.assertIn("failed", table)
        self.assertIn("amout", log)
        self.assertEqual(graph, self.graph)
        self.follow(pause)
        self.assertIn("the total is being mended", self.project.weir("status").stdout)
        self.project.write("sql/total.sql", self.mended)
        _, retried, _ = self.follow(go_on)
        self.assertEqual(columns("\n".join(retried.splitlines()[1:]), 3), columns(self.end, 3))
        self.assertEqual(self.project.sqlite("SELECT run_id, state FROM flow_run"), [(run_id, "succeeded")])
        self.wait(lambda: len(self.messages()) == 2, "the good message", server)
        self.assertEqual(self.messages()[1]["event"], "recovered")
        self.assertNotIn("paused", self.project.weir("status").stdout)
        self.follow(watch)

    def test_a_stretch_is_made_up_for(self):
        self.project.write("sql/total.sql", self.mended)
        self.project.weir("apply")
        backfill, ahead = blocks("sh")[3:5]
        dry, done = self.follow(backfill)
        self.assertEqual([line.split()[0] for line in dry.splitlines()[1:4]], [f"2026-01-0{day}T01:30:00Z" for day in (1, 2, 3)])
        self.assertIn("nothing was done", dry)
        self.assertEqual(done.count("succeeded"), 3)
        self.assertIn("3 of them there before", self.follow(backfill)[1])
        due, rehearsed = self.follow(ahead)
        self.assertEqual(due.count("sales"), 5)
        self.assertEqual(columns("\n".join(rehearsed.splitlines()[1:]), 4),
                         [[f"2026-12-0{day}T01:30:00Z", "sales", "schedule", "succeeded"] for day in (1, 2)])


if __name__ == "__main__":
    unittest.main()
