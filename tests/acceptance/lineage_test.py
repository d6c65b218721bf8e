"""Lineage: events of OpenLineage of real runs, taken by a consumer of the tests' own, or appended to a file."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest
import uuid

import openlineage_judge
from notify_test import Webhook
from weir_project import A, PROJECT, WEIR, Project

SPEC = os.environ.get("OPENLINEAGE_SPEC")  # a checkout's folder `spec`; with jsonschema from PyPI each event is checked against it
FACETS = {"parent": "ParentRunFacet", "nominalTime": "NominalTimeRunFacet", "errorMessage": "ErrorMessageRunFacet",
          "processing_engine": "ProcessingEngineRunFacet", "jobType": "JobTypeJobFacet", "documentation": "DocumentationJobFacet",
          "ownership": "OwnershipJobFacet", "sql": "SQLJobFacet", "dataSource": "DatasourceDatasetFacet", "schema": "SchemaDatasetFacet",
          "symlinks": "SymlinksDatasetFacet", "columnLineage": "ColumnLineageDatasetFacet",
          "inputStatistics": "InputStatisticsInputDatasetFacet", "outputStatistics": "OutputStatisticsOutputDatasetFacet"}
ENDS = ("COMPLETE", "FAIL", "ABORT")


def facets_of(event):
    yield from event["run"]["facets"].items()
    yield from event["job"]["facets"].items()
    for dataset in event["inputs"] + event["outputs"]:
        for key in ("facets", "inputFacets", "outputFacets"):
            yield from dataset.get(key, {}).items()


class Specification:
    """The real JSON schemas, where they are at hand."""

    def __init__(self, folder):
        import jsonschema
        import referencing
        folder = pathlib.Path(folder)
        files = [json.loads(path.read_text()) for path in (folder / "OpenLineage.json", *(folder / "facets").glob("*Facet.json"))]
        registry = referencing.Registry().with_resources((each["$id"], referencing.Resource.from_contents(each)) for each in files)
        form = jsonschema.Draft202012Validator.FORMAT_CHECKER
        self.known = {each["$id"] for each in files}
        self.check = lambda url, value: jsonschema.Draft202012Validator({"$ref": url}, registry=registry, format_checker=form).validate(value)

    def event(self, event):
        self.check(event["schemaURL"], event)
        for name, facet in facets_of(event):
            if name != "weir":
                assert facet["_schemaURL"].split("#")[0] in self.known, facet["_schemaURL"]
                self.check(facet["_schemaURL"], facet)


SPECIFICATION = Specification(SPEC) if SPEC else None
JUDGE = openlineage_judge.make()
if JUDGE is None:
    print("lineage_test: OpenLineage's client was not fetched (./dev standins); events are checked for what each must have only")


def check(event):
    """What the specification demands of every event."""
    if SPECIFICATION is not None:
        SPECIFICATION.event(event)
    if JUDGE is not None:
        JUDGE.event(event)
    assert event["eventType"] in ("START", *ENDS), event
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", event["eventTime"]), event["eventTime"]
    assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    assert uuid.UUID(event["run"]["runId"]).version == 7, event["run"]
    assert event["job"]["namespace"] and event["job"]["name"], event["job"]
    for name, facet in facets_of(event):
        assert facet["_producer"] == event["producer"], name
        if name != "weir":
            assert facet["_schemaURL"].endswith(f"/{FACETS[name]}.json#/$defs/{FACETS[name]}"), name
    for dataset in event["inputs"] + event["outputs"]:
        assert dataset["namespace"] and dataset["name"], dataset
    return event


class LineageTest(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)

    def configure(self, connection, more=""):
        text = PROJECT.replace("connections:\n", f"connections:\n  - {{connection_id: marquez, {connection}}}\n")
        self.project.write("weir.yaml", text + "lineage: {to: marquez, namespace: prod}\n" + more)

    def consumer(self, script=()):
        consumer = Webhook(script)
        self.addCleanup(consumer.close)
        self.configure(f'kind: webhook, url: "{consumer.url.replace("/hook", "/api/v1/lineage")}", token: "secret://marquez"')
        self.project.environment["WEIR_SECRET_MARQUEZ"] = "c4nary-marquez-key"
        return consumer

    def taken(self, consumer):
        return [check(json.loads(body)) for _, _, body in consumer.asked]

    @staticmethod
    def by_job(events):
        jobs = {}
        for event in events:
            jobs.setdefault(event["job"]["name"], []).append(event)
        return jobs

    def test_a_flow_is_a_chain_of_datasets(self):
        consumer = self.consumer()
        self.project.land("customers-20260101.csv", A)
        run_id = self.project.report()["run"]["run_id"]
        events = self.taken(consumer)
        self.assertEqual({(path, headers["Authorization"]) for path, headers, _ in consumer.asked},
                         {("/api/v1/lineage", "Bearer c4nary-marquez-key")})
        jobs = self.by_job(events)
        self.assertEqual(set(jobs), {"shop", "shop.ingest", "shop.history", "shop.by_city", "shop.rules", "shop.load"})
        self.assertEqual((events[0]["job"]["name"], events[-1]["job"]["name"]), ("shop", "shop"))
        flow_run = events[0]["run"]["runId"]
        for name, (start, end) in jobs.items():
            self.assertEqual((start["eventType"], end["eventType"]), ("START", "COMPLETE"), name)
            self.assertEqual(start["run"]["runId"], end["run"]["runId"])
            self.assertLessEqual(start["eventTime"], end["eventTime"])
            self.assertEqual(end["job"]["namespace"], "prod")
            self.assertEqual(end["run"]["facets"]["weir"]["run_id"], run_id)
            if name != "shop":
                parent = end["run"]["facets"]["parent"]
                self.assertEqual((parent["run"]["runId"], parent["job"]), (flow_run, {"namespace": "prod", "name": "shop"}))
        ends = {name: end for name, (_, end) in jobs.items()}
        name = lambda dataset: (dataset["namespace"], dataset["name"])  # noqa: E731
        data = self.project.folder / "data"
        self.assertEqual([name(each) for each in ends["shop.ingest"]["inputs"]], [("file", f"{data}/landing")])
        for before, after in (("ingest", "history"), ("history", "by_city"), ("by_city", "rules"), ("by_city", "load")):
            self.assertEqual(name(ends[f"shop.{before}"]["outputs"][0]), name(ends[f"shop.{after}"]["inputs"][0]), (before, after))
        self.assertEqual(name(ends["shop.load"]["outputs"][0]), (f"duckdb://{data}/warehouse.duckdb", "main.by_city"))
        raw = ends["shop.ingest"]["outputs"][0]
        self.assertEqual(name(raw), ("file", f"{data}/raw/customers"))
        self.assertEqual([(each["name"], each["type"]) for each in raw["facets"]["schema"]["fields"]],
                         [("id", "bigint"), ("name", "varchar"), ("city", "varchar"), ("credit", "decimal(12,2)")])
        self.assertEqual(raw["outputFacets"]["outputStatistics"]["rowCount"], 3)
        self.assertGreater(raw["outputFacets"]["outputStatistics"]["size"], 0)
        landing = ends["shop.ingest"]["inputs"][0]["inputFacets"]["inputStatistics"]
        self.assertEqual((landing["fileCount"], landing["size"]), (1, len(A)))
        city = ends["shop.history"]["outputs"][0]["facets"]["columnLineage"]["fields"]["city"]["inputFields"]
        self.assertEqual([(each["namespace"], each["name"], each["field"]) for each in city], [(*name(raw), "city")])
        self.assertNotIn("valid_from", ends["shop.history"]["outputs"][0]["facets"]["columnLineage"]["fields"])
        self.assertIn("GROUP BY city", ends["shop.by_city"]["job"]["facets"]["sql"]["query"])
        history = name(ends["shop.history"]["outputs"][0])
        columns = ends["shop.by_city"]["outputs"][0]["facets"]["columnLineage"]
        uses = lambda fields: [(each["namespace"], each["name"], each["field"],  # noqa: E731
                                *[f'{one["type"]} {one["subtype"]}' for one in each["transformations"]]) for each in fields]
        self.assertEqual(uses(columns["fields"]["city"]["inputFields"]), [(*history, "city", "DIRECT IDENTITY")])
        self.assertEqual(uses(columns["dataset"]), [(*history, "city", "INDIRECT FILTER", "INDIRECT GROUP_BY"),
                                                    (*history, "is_current", "INDIRECT FILTER")])
        self.assertEqual(self.project.sqlite("SELECT count(*) FROM outbox"), [(0,)], "what was taken is not kept")

    def test_a_task_that_fails_says_why_each_time(self):
        consumer = self.consumer()
        self.project.land("customers-20260101.csv", A)
        self.project.write("sql/by_city.sql", "SELECT nothing FROM stage.customers")
        flow = (self.project.folder / "flows/shop.yaml").read_text().replace("template: transform", "template: transform\n    retries: 1")
        self.project.write("flows/shop.yaml", flow)
        report = self.project.report(expect=None)
        self.assertEqual(report["run"]["state"], "failed")
        jobs = self.by_job(self.taken(consumer))
        self.assertEqual([event["eventType"] for event in jobs["shop.by_city"]], ["START", "FAIL"] * (len(jobs["shop.by_city"]) // 2))
        failed = jobs["shop.by_city"][-1]
        self.assertIn("nothing", failed["run"]["facets"]["errorMessage"]["message"])
        self.assertEqual([event["eventType"] for event in jobs["shop"]], ["START", "FAIL"])
        self.assertNotIn("shop.load", jobs, "it never began")
        # Taken up again it is another run there: one that has ended does not start.
        self.project.write("sql/by_city.sql", "SELECT DISTINCT city FROM stage.customers WHERE city IS NOT NULL")
        self.project.weir("retry", report["run"]["run_id"], "--config", "latest", expect=None)
        self.project.run()
        runs = [event["run"]["runId"] for event in self.by_job(self.taken(consumer))["shop"] if event["eventType"] == "START"]
        self.assertEqual(len(set(runs)), len(runs))

    def test_a_dead_endpoint_holds_up_nothing_and_gets_all_in_order_later(self):
        consumer = self.consumer(["drop"] * 1000)
        self.project.land("customers-20260101.csv", A)
        began = time.monotonic()
        self.assertEqual(self.project.report()["run"]["state"], "succeeded")
        self.assertLess(time.monotonic() - began, 30)
        tried = json.loads(consumer.asked[0][2])
        consumer.script.clear()
        consumer.asked.clear()
        self.project.weir("notify", "send", "--again")
        events = self.taken(consumer)
        self.assertEqual(events[0], tried, "redelivered it is the same event")
        jobs = self.by_job(events)
        self.assertEqual(len(events), 12)
        for name, both in jobs.items():
            self.assertEqual([event["eventType"] for event in both], ["START", "COMPLETE"], name)

    def test_a_process_that_is_killed_leaves_no_start_without_an_end(self):
        consumer = self.consumer(["hang"])
        self.project.land("customers-20260101.csv", A)
        process = subprocess.Popen([WEIR, "--project", str(self.project.folder), "run", "shop", "--apply"], env=self.project.environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not consumer.asked and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        consumer.let_go.set()
        consumer.asked.clear()
        self.project.run()  # ends the run whose process is gone
        self.project.weir("notify", "send", "--again", expect=None)
        open_runs = {}
        for event in self.taken(consumer):
            open_runs.setdefault(event["run"]["runId"], set()).add(event["eventType"])
        for run, types in open_runs.items():
            self.assertIn("START", types, run)
            self.assertEqual(len(types & set(ENDS)), 1, run)

    def test_files_that_are_moved_come_from_somewhere_and_go_somewhere(self):
        self.configure("kind: log, path: lineage.ndjson")
        self.project.write("flows/moves.yaml", """
flow: moves
tasks:
  - {id: fetch, template: fetch_files, with: {from: "upload/partner/", to: landing/partner}}
  - {id: export, template: export_files, needs: [fetch], with: {from: landing/partner, to: sent/out}}
""")
        for number in (1, 2):
            self.project.write(f"upload/partner/{number}.csv", A)
        self.project.weir("run", "moves", "--apply")
        events = [check(json.loads(line)) for line in (self.project.folder / "lineage.ndjson").read_text().splitlines()]
        ends = {name: both[-1] for name, both in self.by_job(events).items()}
        place = lambda list: [(each["namespace"], each["name"]) for each in list]  # noqa: E731
        landed = [("file", f"{self.project.folder}/data/landing/partner")]
        self.assertEqual(place(ends["moves.fetch"]["inputs"]), [("file", f"{self.project.folder}/upload/partner")])
        self.assertEqual(place(ends["moves.fetch"]["outputs"]), landed)
        self.assertEqual(place(ends["moves.export"]["inputs"]), landed)
        self.assertEqual(place(ends["moves.export"]["outputs"]), [("file", f"{self.project.folder}/sent/out")])
        for end in (ends["moves.fetch"], ends["moves.export"]):
            amount = end["outputs"][0]["outputFacets"]["outputStatistics"]
            self.assertEqual((amount["fileCount"], "rowCount" in amount), (2, False))

    def test_an_address_is_named_without_what_may_be_a_key(self):
        self.configure("kind: log, path: lineage.ndjson")
        yaml = (self.project.folder / "weir.yaml").read_text()
        self.project.write("weir.yaml", yaml.replace("connections:\n", 'connections:\n  - {connection_id: rates, kind: http, '
                                                     'url: "http://127.0.0.1:9/v1", allow_loopback: true}\n', 1))
        self.project.write("flows/rates.yaml", """
flow: rates
tasks:
  - {id: fetch, template: fetch_http, with: {connection: rates, path: /daily, query: {key: c4nary}, to: landing/rates}}
""")
        self.project.weir("run", "rates", "--apply", expect=None)
        told = [check(json.loads(line)) for line in (self.project.folder / "lineage.ndjson").read_text().splitlines()]
        both = self.by_job(told)["rates.fetch"]
        self.assertEqual([each["eventType"] for each in both], ["START", "FAIL"])
        for event in both:
            self.assertEqual([(each["namespace"], each["name"]) for each in event["inputs"]], [("http://127.0.0.1:9", "/v1/daily")])
            self.assertEqual([(each["namespace"], each["name"]) for each in event["outputs"]],
                             [("file", f"{self.project.folder}/data/landing/rates")])
        self.assertNotIn("c4nary", json.dumps([event["inputs"] for event in both]))

    def test_a_file_gets_a_line_an_event(self):
        self.configure("kind: log, path: lineage.ndjson")
        self.project.land("customers-20260101.csv", A)
        self.project.run()
        lines = (self.project.folder / "lineage.ndjson").read_text().splitlines()
        self.assertEqual(len([check(json.loads(line)) for line in lines]), 12)

    @unittest.skipIf(JUDGE is None, "OpenLineage's client was not fetched")
    def test_the_judge_sees_what_is_wrong(self):
        self.configure("kind: log, path: lineage.ndjson")
        self.project.land("customers-20260101.csv", A)
        self.project.run()
        end = next(event for event in map(json.loads, (self.project.folder / "lineage.ndjson").read_text().splitlines())
                   if event["job"]["name"] == "shop.by_city" and event["eventType"] == "COMPLETE")
        columns = lambda event: event["outputs"][0]["facets"]["columnLineage"]  # noqa: E731
        faults = {
            "a word that is none": lambda event: event.update(eventType="DONE"),
            "no run": lambda event: event.pop("run"),
            "a run id that is no UUID": lambda event: event["run"].update(runId="seven"),
            "a time that is none": lambda event: event.update(eventTime="today"),
            "a number as text": lambda event: event["outputs"][0]["outputFacets"]["outputStatistics"].update(rowCount="3"),
            "a field that is misspelt": lambda event: columns(event).update(datasets=columns(event).pop("dataset")),
            "a column without its place": lambda event: columns(event)["dataset"][0].pop("namespace"),
            "a transformation without a type": lambda event: columns(event)["dataset"][0]["transformations"][0].pop("type"),
            "a version that is not": lambda event: columns(event).update(_schemaURL=columns(event)["_schemaURL"].replace("1-2-0", "1-3-0")),
            "a facet at the wrong place": lambda event: event["job"]["facets"].update(columnLineage=columns(event)),
        }
        JUDGE.event(end)
        for what, spoil in faults.items():
            spoilt = json.loads(json.dumps(end))
            spoil(spoilt)
            with self.subTest(what), self.assertRaises((ValueError, TypeError)):
                JUDGE.event(spoilt)

    def test_what_cannot_take_events_is_refused(self):
        self.configure("kind: log")
        said = self.project.weir("validate", expect=2).stderr
        self.assertIn("connection 'marquez' is of kind 'log' without a path, which takes no events", said)
        self.project.write("weir.yaml", PROJECT + "lineage: {to: marque}\n")
        self.assertIn("unknown connection 'marque'", self.project.weir("validate", expect=2).stderr)
        self.project.write("weir.yaml", PROJECT + "lineage: {too: marquez}\n")
        self.assertIn("too", self.project.weir("validate", expect=2).stderr)


if __name__ == "__main__":
    unittest.main()
