"""Parameters of runs under `weir serve`: a file that arrives starts a run over that file alone; a run by a logical time
reads the day that it stands for; the API refuses values that do not fit."""
import json
import time
import unittest

from server_client import Server, add_token, add_user
from weir_project import Project

YAML = """
project: shop
catalog: sqlite:weir.db
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: data/raw}
  - {name: presentation, uri: data/presentation}
datasets:
  - {name: raw.sales, identity: content, columns: {id: bigint, amount: "decimal(10,2)"}}
  - {name: raw.days, identity: content, columns: {id: bigint, amount: "decimal(10,2)"}}
defaults: {retries: 0}
"""
ARRIVALS = """
flow: arrivals
params: {day: {type: date}}
file_trigger: {pattern: "landing/in/*.csv", settle: 0s, key: '(?<day>\\d{8})', params: {day: "${trigger.key.day}"}}
tasks:
  - {id: ingest, template: ingest_files, with: {from: "${trigger.file}", to: raw.sales}}
  - {id: report, template: transform, needs: [ingest], with: {to: presentation.report, sql: sql/report.sql}}
"""
REPORT = "SELECT count(*) AS files, '${params.day}' AS day, '${trigger.file}' AS file FROM raw.sales\n"
DAYS = """
flow: days
params: {region: eu, most: 5}
schedule: {cron: "0 0 * * *", timezone: Europe/Berlin, start: 2400-01-01}
tasks:
  - id: ingest
    template: ingest_files
    with: {from: "landing/days/${params.region}-${schedule.interval_start|%Y%m%d}.csv", to: raw.days}
"""
ROW = "id,amount\n{},1.00\n"


class Params(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        (self.project.folder / "flows/shop.yaml").unlink()
        self.project.write("weir.yaml", YAML)
        self.project.write("flows/arrivals.yaml", ARRIVALS)
        self.project.write("flows/days.yaml", DAYS)
        self.project.write("sql/report.sql", REPORT)
        self.project.land("in/old-20260101.csv", ROW.format(1))
        for day in range(10, 14):
            for region, number in (("eu", day), ("us", 100 + day)):
                self.project.land(f"days/{region}-202601{day}.csv", ROW.format(number))
        self.project.weir("apply")
        add_user(self.project, "ann", "admin")
        self.token = add_token(self.project, "ann")
        self.server = Server(self.project, runs=True)
        self.addCleanup(self.server.close)

    def ended(self, flow, count):
        """The flow's runs, oldest first, once so many have ended."""
        deadline = time.monotonic() + 120
        while True:
            rows = self.project.sqlite("SELECT params, state, trigger_kind FROM flow_run WHERE flow_id = ? ORDER BY created_at_us", flow)
            if sum(state not in ("queued", "running") for _, state, _ in rows) >= count:
                return [(json.loads(params), state, trigger) for params, state, trigger in rows]
            self.assertLess(time.monotonic(), deadline, f"{rows}: {self.server.said()}")
            time.sleep(0.05)

    def rows(self, sql):
        return [tuple(row.values()) for row in self.project.rows(sql)]

    def start(self, **body):
        return self.server.ask("POST", "/v1/flows/days/runs", self.token, body)

    def test_a_file_that_arrives_is_ingested_alone_and_its_name_gives_a_parameter(self):
        # Looked at once, or the file would count as one that was there before.
        deadline = time.monotonic() + 60
        while not self.project.sqlite("SELECT 1 FROM arrival LIMIT 1"):
            self.assertLess(time.monotonic(), deadline, self.server.said())
            time.sleep(0.05)
        self.project.land("in/a[1]*-20260105.csv", ROW.format(2))
        (params, state, trigger), = self.ended("arrivals", 1)
        self.assertEqual((state, trigger, params["day"]), ("succeeded", "file", "2026-01-05"), self.server.said())
        self.assertEqual(params["trigger.file"], "landing/in/a[1]*-20260105.csv")
        self.assertEqual(self.rows("SELECT id FROM raw.sales"), [(2,)], "the old file lies beside it and is no part of the run")
        self.assertEqual(self.rows("SELECT day, file, files FROM presentation.report"),
                         [("2026-01-05", "landing/in/a[1]*-20260105.csv", 1)])

    def test_a_run_of_a_logical_time_reads_the_day_it_stands_for_in_the_zone_of_the_schedule(self):
        self.assertEqual(self.start(logical_time="2026-01-10T23:00:00Z").status, 202)
        self.assertEqual([state for _, state, _ in self.ended("days", 1)], ["succeeded"], self.server.said())
        self.assertEqual(self.rows("SELECT id FROM raw.days"), [(10,)])
        self.assertEqual(self.start(logical_time="2026-01-12T23:00:00Z", params={"region": "us", "most": "7"}).status, 202)
        runs = self.ended("days", 2)
        self.assertEqual(runs[1], ({"region": "us", "most": 7}, "succeeded", "manual"))
        self.assertEqual(sorted(self.rows("SELECT id FROM raw.days")), [(10,), (112,)])
        # A new run of the same data: the times are those of the run, not of now.
        self.server.stop()
        run, = self.project.sqlite("SELECT run_id FROM flow_run WHERE flow_id = 'days' ORDER BY created_at_us LIMIT 1")
        self.project.weir("rerun", run[0])
        intervals = self.project.sqlite("SELECT interval_start_us, logical_time_us, params FROM flow_run WHERE flow_id = 'days' ORDER BY created_at_us")
        self.assertEqual(intervals[2], intervals[0])

    def test_values_that_do_not_fit_start_nothing(self):
        for given, said in (({"regoin": "us"}, "did you mean 'region'"), ({"most": "many"}, "no integer"),
                            ({"schedule.logical_time": "2026-01-01"}, "schedule.logical_time"), ({"most": None}, "null")):
            answer = self.start(params=given)
            self.assertEqual(answer.status // 100, 4, (given, answer))
            self.assertIn(said, answer.body.decode())
        self.assertEqual(self.project.sqlite("SELECT count(*) FROM flow_run"), [(0,)])


if __name__ == "__main__":
    unittest.main()
