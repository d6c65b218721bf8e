"""Bad configuration, in YAML files and as rows: every fault is named with file, line and column (or table, key and column), the
words at fault and the way out, before anything runs."""
import json
import shutil
import sqlite3
import unittest

from weir_project import FLOW, PROJECT, Project

SALES = 'with: {from: "landing/sales/*.csv", to: raw.sales}'


class Yaml(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)

    def refuse(self, *words, flow=None, weir=None, status=2):
        if flow is not None:
            self.project.write("flows/shop.yaml", flow)
        if weir is not None:
            self.project.write("weir.yaml", weir)
        run = self.project.weir("validate", expect=status)
        for word in words:
            self.assertIn(word, run.stderr)
        # Whoever runs it all the same gets the same answer, and nothing is applied.
        self.assertEqual(self.project.run("sales", expect=None).returncode, status)
        self.assertFalse((self.project.folder / "data").exists())
        return run.stderr

    def test_an_unknown_template(self):
        self.refuse("flows/shop.yaml:10:15", "merge_histroy", "did you mean 'merge_history'",
                    flow="\n" + FLOW.replace("template: merge_history", "template: merge_histroy"))

    def test_an_unknown_parameter(self):
        self.refuse("flows/shop.yaml:11:12", "unknown parameter 'form'", "did you mean 'from'", "^^^^",
                    flow=FLOW.replace("with: {from: raw.customers", "with: {form: raw.customers"))

    def test_a_missing_parameter(self):
        self.refuse("parameter 'to' is missing", "flows/shop.yaml:7", flow=FLOW.replace(", to: raw.customers}", "}", 1))

    def test_a_parameter_of_another_type_or_out_of_range(self):
        self.refuse('"many", no number', "flows/shop.yaml:11:", flow=FLOW.replace("percent: 60", "percent: many"))
        self.refuse("160, out of range", "from 0 to 100", flow=FLOW.replace("percent: 60", "percent: 160"))
        self.refuse("did you mean 'by_absence'", flow=FLOW.replace("by_absence", "by_absense"))

    def test_a_pattern_that_is_broken_or_has_no_as_of(self):
        self.refuse("broken at offset 18", "flows/shop.yaml:7:", flow=FLOW.replace("(?<as_of>", "(?<as_of"))
        self.refuse("without a group of that name", flow=FLOW.replace("(?<as_of>", "(?<day>"))

    def test_an_option_of_a_file_format(self):
        def with_csv(options):
            return FLOW.replace(SALES, SALES.replace("}", f", format: {{csv: {{{options}}}}}}}"))
        self.refuse("'delimeter'", "did you mean 'delimiter'", "flows/shop.yaml:29", flow=with_csv('delimeter: ";"'))
        self.refuse("'klingon'", "utf-16", "latin-1", flow=with_csv("encoding: klingon"))
        self.refuse("two meanings", flow=with_csv("quote: ','"))
        self.refuse("'parquet' is not read", "csv", flow=FLOW.replace(SALES, SALES.replace("}", ", format: {parquet: {}}}")))

    def test_a_cycle_names_its_tasks(self):
        self.refuse("tasks need each other: ", "ingest", "history", " → ", "flows/shop.yaml:",
                    flow=FLOW.replace("  - id: ingest\n", "  - id: ingest\n    needs: [load]\n", 1))
        self.refuse("it needs itself", flow=FLOW.replace("needs: [ingest]", "needs: [history]"))
        self.refuse("did you mean 'ingest'", flow=FLOW.replace("needs: [ingest]", "needs: [ingst]"))

    def test_two_of_one_name_are_both_shown(self):
        self.project.write("flows/twin.yaml", FLOW.split("---")[0])
        self.refuse("flow 'shop' stands twice", "flows/twin.yaml:2:7", "flows/shop.yaml:2")
        (self.project.folder / "flows/twin.yaml").unlink()
        self.refuse("task 'ingest' of flow 'shop' stands twice", "flows/shop.yaml:8:", "flows/shop.yaml:5", flow=FLOW.replace("- id: history", "- id: ingest"))
        self.refuse("layer 'raw' stands twice", "weir.yaml:7:", flow=FLOW, weir=PROJECT.replace("name: stage, uri", "name: raw, uri"))

    def test_yaml_that_does_not_read_has_line_and_column(self):
        self.refuse("no valid YAML", "flows/shop.yaml:4:1:", flow="flow: shop\ntasks:\n  - {id: a, template: [\n")
        self.refuse("no valid YAML", "flows/shop.yaml:3:2:", flow="flow: shop\ntasks:\n\t- id: a\n")
        self.refuse("weir.yaml:2:12:", "no UTF-8", "sh\ufffdp", flow=FLOW, weir=PROJECT.replace("shop", "shöp", 1).encode("latin-1"))
        self.refuse("weir.yaml:1:1:", "no UTF-8", weir=PROJECT.encode("utf-16"))
        self.refuse("weir.yaml:", "control character 0x00", weir=PROJECT + "\0")
        self.refuse("weir.yaml is empty", "project: <name>", weir="")
        self.refuse("the document takes a map", "weir.yaml:1:1:", weir="- a\n- b\n")
        self.refuse("stands twice", weir=PROJECT.replace("project: shop", "project: shop\nproject: again"))

    def test_an_unset_variable_has_its_name_file_and_line(self):
        for weir, flow, place in ((PROJECT.replace("uri: data/raw", "uri: '${NOWHERE}/raw'"), FLOW, "weir.yaml:6:22:"),
                                  (PROJECT.replace("${WEIR_CATALOG:-sqlite:weir.db}", "sqlite:${NOWHERE}.db"), FLOW, "weir.yaml:3:10:"),
                                  (PROJECT.replace("path: data/warehouse.duckdb", "path: '${NOWHERE}'"), FLOW, "weir.yaml:10:"),
                                  (PROJECT, FLOW.replace("percent: 60", "percent: '${NOWHERE}'"), "flows/shop.yaml:11:"),
                                  (PROJECT, FLOW.replace("landing/sales", "landing/${NOWHERE}"), "flows/shop.yaml:29:")):
            self.refuse("variable 'NOWHERE' is not set", place, "--var NOWHERE=", "${NOWHERE:-default}", weir=weir, flow=flow)
        self.project.weir("--var", "NOWHERE=sales", "validate")

    def test_an_engine_that_nobody_serves_and_resources_that_do_not_read(self):
        self.refuse("there is no engine 'sparkk'", "embedded, subprocess, spark", flow=FLOW.replace("template: check", "template: check\n    engine: sparkk"))
        self.refuse("'lots' is no size", "512MB", "task 'rules'", flow=FLOW.replace("template: check", "template: check\n    resources: {memory_limit: lots}"))

    def test_a_connection_of_another_kind(self):
        self.refuse("of kind 'mysql'", "kinds: duckdb, postgres", "flows/shop.yaml:23:", weir=PROJECT.replace("kind: duckdb", "kind: mysql"))
        self.refuse("a connection of kind 'postgres' has no option 'path'", weir=PROJECT.replace("kind: duckdb", "kind: postgres"))
        self.refuse("of kind 'duckbd'", "did you mean 'duckdb'", weir=PROJECT.replace("kind: duckdb", "kind: duckbd"))
        self.refuse("needs a path", "weir.yaml:10:", weir=PROJECT.replace(", path: data/warehouse.duckdb", ""))
        self.refuse("did you mean 'warehouse'", weir=PROJECT, flow=FLOW.replace("connection: warehouse", "connection: warehose"))

    def test_unknown_layers_keys_types_files_and_environments(self):
        self.refuse("unknown layer 'raww'", "did you mean 'raw'", weir=PROJECT.replace("name: raw.customers", "name: raww.customers"))
        self.refuse("weir.yaml:", "identitiy", "did you mean 'identity'", weir=PROJECT.replace("identity: content", "identitiy: content"))
        self.refuse("'bigintt' is not known", "did you mean 'bigint'", "weir.yaml:18:", weir=PROJECT.replace("{id: bigint, amount", "{id: bigintt, amount"))
        self.refuse("no file 'sql/by_cty.sql'", "flows/shop.yaml:15:", weir=PROJECT, flow=FLOW.replace("by_city.sql", "by_cty.sql"))
        run = self.project.weir("--env", "prod", "validate", expect=2)
        self.assertIn("no environment 'prod'", run.stderr)

    def test_a_schedule_that_names_no_time(self):
        def with_schedule(schedule):
            return FLOW.replace("overlap: queue", "schedule: " + schedule, 1)
        self.refuse("the hour 24 is out of range", "flows/shop.yaml:3:24:", "^^", "hours are 0 to 23", flow=with_schedule('{cron: "30 2,24 * * *"}'))
        self.refuse("'MUN' does not read", "flows/shop.yaml:3:19:", "^^^", "did you mean 'SUN'", flow=with_schedule("0 6 * * MUN"))
        self.refuse("'0 0 30 2 *' never comes", flow=with_schedule("0 0 30 2 *"))
        self.refuse("no time zone 'Europe/Berln'", "flows/shop.yaml:3:38:", "did you mean 'Europe/Berlin'",
                    flow=with_schedule('{cron: "@daily", timezone: Europe/Berln}'))
        self.refuse("'10x' is no duration", "flows/shop.yaml:3:19:", "250ms, 10s, 5m", flow=with_schedule("{every: 10x}"))
        self.refuse("a period of 10ms is too short", "the shortest is 1s", flow=with_schedule("{every: 10ms}"))
        self.refuse("'2026-02-30' is no instant", "flows/shop.yaml:3:31:", flow=with_schedule("{every: 10s, start: 2026-02-30}"))
        self.refuse("is before the start", "flows/shop.yaml:3:48:", flow=with_schedule("{every: 10s, start: 2026-02-02, end: 2026-02-01}"))
        self.refuse("neither 'cron' nor 'every'", flow=with_schedule("{timezone: UTC}"))
        # What a variable brings is judged once it is known.
        self.project.write("flows/shop.yaml", with_schedule("{cron: '${CRON:-61 6 * * *}'}"))
        self.assertIn("the minute 61 is out of range", self.project.weir("validate", expect=2).stderr)
        self.project.weir("--var", "CRON=1 6 * * *", "validate")

    def test_every_fault_is_shown_at_once(self):
        self.refuse("chekc", "transfrom", "2 faults", flow=FLOW.replace("template: check", "template: chekc").replace("template: transform", "template: transfrom"))

    def test_faults_for_programs(self):
        self.project.write("flows/shop.yaml", FLOW.replace("template: check", "template: chekc"))
        faults = json.loads(self.project.weir("--output", "json", "validate", expect=2).stdout)["faults"]
        self.assertEqual([(fault["code"], fault["place"]["file"], fault["place"]["line"], fault["place"]["column"]) for fault in faults],
                         [("invalid_config", "flows/shop.yaml", 17, 15)])

    def test_what_comes_in_cannot_move_the_cursor(self):
        said = self.refuse("merge_\ufffd[31m", flow=FLOW.replace("template: merge_history", 'template: "merge_\\e[31m"'))
        self.assertNotIn("\x1b", said)


class Rows(unittest.TestCase):
    """One bad row in each table of the configuration, put there by SQL."""

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.project.weir("apply")
        (self.project.folder / "weir.yaml").unlink()

    def refuse_elsewhere(self, *arguments):
        """What no task of the flow `sales` has to do with: its runs go on."""
        self.refuse(*arguments, commands=(("validate",),))

    def refuse(self, sql, table, key, column, *words, commands=(("run", "sales"), ("validate",))):
        with sqlite3.connect(self.project.folder / "weir.db") as catalog:
            before = "\n".join(catalog.iterdump())
            catalog.executescript(f"PRAGMA ignore_check_constraints = ON; {sql}")
        if ("run", "sales") not in commands:
            self.project.weir("run", "sales")
            shutil.rmtree(self.project.folder / "data", ignore_errors=True)
        for command in commands:
            run = self.project.weir(*command, expect=2)
            said = run.stderr
            is_row = f"table '{table}', row '{'/'.join(key)}', column '{column}'" in said
            is_place = f"table {table}:  key {', '.join(key)}; column {column}" in said
            self.assertTrue(is_row or is_place, said)
            for word in words:
                self.assertIn(word, said)
        self.assertFalse((self.project.folder / "data").exists())
        for path in self.project.folder.glob("weir.db*"):
            path.unlink()
        with sqlite3.connect(self.project.folder / "weir.db") as catalog:
            catalog.executescript(before)
        self.project.weir("run", "sales")
        self.project.weir("validate")
        shutil.rmtree(self.project.folder / "data", ignore_errors=True)

    def test_project(self):
        self.refuse("UPDATE project SET value = '{\"retries\": ' WHERE key = 'defaults'", "project", ["defaults"], "value", "JSON")

    def test_layer(self):
        self.refuse("INSERT INTO layer(name, uri) VALUES ('main', 'x')", "layer", ["main"], "name", "another name")
        self.refuse("INSERT INTO layer(name, uri) VALUES ('a.b', 'x')", "layer", ["a.b"], "name", "dot")
        self.refuse("UPDATE layer SET uri = '${NOWHERE}' WHERE name = 'raw'", "layer", ["raw"], "uri", "NOWHERE", "--var")
        self.refuse("INSERT INTO layer(name, uri, position) VALUES ('x', 'x', 'first')", "layer", ["x"], "position", "'first'")

    def test_dataset(self):
        self.refuse("UPDATE dataset SET columns = 'id bigintt' WHERE layer = 'raw' AND name = 'sales'", "dataset", ["raw", "sales"], "columns", "'bigintt'", "did you mean 'bigint'")
        self.refuse("UPDATE dataset SET columns = 'id' WHERE layer = 'raw' AND name = 'sales'", "dataset", ["raw", "sales"], "columns", "no type")
        self.refuse("UPDATE dataset SET identity = 'name' WHERE name = 'sales'", "dataset", ["raw", "sales"], "identity", "'name'")
        self.refuse("UPDATE dataset SET contract = '{\"rows\": \"loose\"}' WHERE name = 'sales'", "dataset", ["raw", "sales"], "contract", "loose")
        self.refuse("UPDATE dataset SET options = '[1]' WHERE name = 'sales'", "dataset", ["raw", "sales"], "options", "JSON object")
        self.refuse("INSERT INTO dataset(layer, name) VALUES ('nowhere', 'x')", "dataset", ["nowhere", "x"], "layer", "no layer 'nowhere'")
        self.refuse("INSERT INTO dataset(layer, name) VALUES ('raw', '..')", "dataset", ["raw", ".."], "name", "a path")

    def test_connection(self):
        self.refuse("UPDATE connection SET options = '{}'", "connection", ["warehouse"], "options", "needs a path")
        self.refuse("UPDATE connection SET options = '5'", "connection", ["warehouse"], "options", "JSON object")

    def test_template(self):
        self.refuse_elsewhere("INSERT INTO template(template_id, kind, location) VALUES ('t', 'sql', 'nowhere.sql')", "template", ["t"], "location", "nowhere.sql")
        self.refuse("INSERT INTO template(template_id, kind, params_schema) VALUES ('t', 'composite', '[]')", "template", ["t"], "params_schema", "JSON object")

    def test_pool(self):
        self.refuse("INSERT INTO pool(name, slots) VALUES ('p', 'many')", "pool", ["p"], "slots", "'many'")

    def test_flow(self):
        self.refuse("UPDATE flow SET overlap = 'quue' WHERE flow_id = 'sales'", "flow", ["sales"], "overlap", "quue")
        self.refuse("UPDATE flow SET is_enabled = 'maybe' WHERE flow_id = 'sales'", "flow", ["sales"], "is_enabled", "maybe")
        self.refuse("UPDATE flow SET params = '[1]' WHERE flow_id = 'sales'", "flow", ["sales"], "params", "JSON object")
        self.refuse("UPDATE flow SET defaults = '{broken' WHERE flow_id = 'sales'", "flow", ["sales"], "defaults", "JSON")

    def test_task(self):
        self.refuse("UPDATE task SET template_id = 'ingest_fils' WHERE flow_id = 'sales'", "task", ["sales", "ingest"], "template_id", "did you mean 'ingest_files'")
        self.refuse("UPDATE task SET params = '[]' WHERE flow_id = 'sales'", "task", ["sales", "ingest"], "params", "JSON object")
        self.refuse("UPDATE task SET params = '{\"from\": 5, \"to\": \"raw.sales\"}' WHERE flow_id = 'sales'", "task", ["sales", "ingest"], "params", "from")
        self.refuse("UPDATE task SET retries = 'some' WHERE flow_id = 'sales'", "task", ["sales", "ingest"], "retries", "'some'")
        self.refuse("UPDATE task SET timeout = '5 parsecs' WHERE flow_id = 'sales'", "task", ["sales", "ingest"], "timeout", "parsecs")
        self.refuse("UPDATE task SET pool = 'nowhere' WHERE flow_id = 'sales'", "task", ["sales", "ingest"], "pool", "pool 'nowhere'")
        self.refuse("UPDATE task SET engine = 'sparkk' WHERE flow_id = 'sales'", "task", ["sales", "ingest"], "engine", "sparkk")
        self.refuse_elsewhere("INSERT INTO task(flow_id, task_id, template_id) VALUES ('nowhere', 'x', 'check')", "task", ["nowhere", "x"], "flow_id", "no flow 'nowhere'")

    def test_task_dependency(self):
        self.refuse("INSERT INTO task_dependency(flow_id, task_id, needs_task_id) VALUES ('sales', 'ingest', 'gone')", "task_dependency", ["sales", "ingest", "gone"], "needs_task_id", "no task 'gone'")
        self.refuse_elsewhere("UPDATE task SET run_if = 'always' WHERE flow_id = 'shop' AND task_id = 'load'", "task", ["shop", "load"], "run_if", "'always'")

    def test_schedule(self):
        self.refuse("INSERT INTO schedule(flow_id, cron) VALUES ('nowhere', '* * * * *')", "schedule", ["nowhere"], "flow_id", "no flow 'nowhere'")
        self.refuse("INSERT INTO schedule(flow_id, cron, options) VALUES ('sales', '* * * * *', '[]')", "schedule", ["sales"], "options", "JSON object")
        self.refuse("INSERT INTO schedule(flow_id, cron) VALUES ('sales', '0 25 * * *')", "schedule", ["sales"], "cron", "the hour 25", "0 to 23")
        self.refuse("INSERT INTO schedule(flow_id, every, options) VALUES ('sales', '5m', '{\"start\": \"soon\"}')", "schedule", ["sales"], "options", "'soon'")

    def test_file_trigger(self):
        self.refuse("INSERT INTO file_trigger(flow_id, pattern, options) VALUES ('sales', 'x', '5')", "file_trigger", ["sales"], "options", "JSON object")

    def test_notification_rule(self):
        self.refuse("INSERT INTO notification_rule(notification_rule_id, channel, flow_id) VALUES ('n', 'log', 'nowhere')", "notification_rule", ["n"], "flow_id", "no flow 'nowhere'")
        self.refuse("INSERT INTO notification_rule(notification_rule_id, channel, events) VALUES ('n', 'log', '{}')", "notification_rule", ["n"], "events", "JSON list")


if __name__ == "__main__":
    unittest.main(verbosity=1)
