"""ingest_files over JSON: records in a document or one a line, exact numbers, what is missing, what is rejected."""
import json
import unittest

from weir_project import Project

FLOW = """
flow: json
tasks:
  - id: ingest
    template: ingest_files
    with: {from: "landing/j/*", to: raw.things, format: {json: %s}}
"""
DATASET = """
  - name: raw.things
    identity: content
    columns: %s
"""


class IngestJson(unittest.TestCase):
    def begin(self, options, columns):
        self.project = Project()
        self.addCleanup(self.project.close)
        text = (self.project.folder / "weir.yaml").read_text()
        self.project.write("weir.yaml", text.replace("datasets:\n", "datasets:" + DATASET % columns, 1) if columns else text)
        self.project.write("flows/shop.yaml", FLOW % options)

    def test_numbers_are_exact_and_what_is_missing_is_null(self):
        self.begin("{records: $.data.items}", '{id: bigint, big: "decimal(38,0)", amount: "decimal(38,18)", note: varchar}')
        self.project.land("j/1.json", '{"data": {"items": [\n'
                          '{"id": 9223372036854775807, "big": 12345678901234567890123456789012345678, "amount": 0.123456789012345678},\n'
                          '{"id": -1, "note": "a\\u00e9\\n\\"q\\"", "amount": null}]}, "more": false}')
        report = self.project.report("json")
        self.assertEqual(report["tasks"]["ingest"]["counts"]["in"], 2)
        rows = self.project.rows("SELECT id, big, amount, note, _source_row FROM raw.things ORDER BY id")
        self.assertEqual(rows, [
            {"id": -1, "big": None, "amount": None, "note": 'aé\n"q"', "_source_row": 2},
            {"id": 9223372036854775807, "big": "12345678901234567890123456789012345678", "amount": "0.123456789012345678",
             "note": None, "_source_row": 1}])

    def test_what_does_not_fit_is_rejected_with_its_bytes_and_the_hop_closes(self):
        self.begin("{lines: true}", "{id: bigint, ok: boolean, day: date}")
        lines = ['{"id": 1, "ok": true, "day": "2026-01-31"}', '{"id": "one"}', '{"id": 2.5}', '{"id": 3, "ok": "maybe"}',
                 '{"id": 4, "day": "2026-02-30"}', '[1]', '{"id": 5', '{"id": 99999999999999999999}', '{"id": 6}']
        self.project.land("j/1.jsonl", "\n".join(lines) + "\n")
        counts = self.project.report("json")["tasks"]["ingest"]["counts"]
        self.assertEqual((counts["in"], counts["inserted"], counts["rejected"]), (9, 2, 7))
        self.assertEqual([row["id"] for row in self.project.rows("SELECT id FROM raw.things ORDER BY id")], [1, 6])
        rejected = self.project.rows('SELECT line, reason, "column", decode(raw) AS raw FROM raw.things__rejected ORDER BY line')
        self.assertEqual([row["line"] for row in rejected], [2, 3, 4, 5, 6, 7, 8])
        self.assertEqual([row["raw"] for row in rejected], lines[1:8])
        self.assertEqual([row["reason"] for row in rejected],
                         ["wrong_type", "wrong_type", "wrong_type", "wrong_type", "not_an_object", "invalid_json", "out_of_range"])
        self.project.weir("reconcile")

    def test_nested_values_are_their_json_and_columns_reach_into_them(self):
        self.begin('{records: $, columns: {city: $.address.city}}', "{id: bigint, city: varchar, tags: varchar}")
        self.project.land("j/1.json", '[{"id": 1, "address": {"city": "Oslo"}, "tags": ["a", {"b": 1.10}]}, {"id": 2}]')
        self.project.run("json")
        rows = self.project.rows("SELECT id, city, tags FROM raw.things ORDER BY id")
        self.assertEqual(rows, [{"id": 1, "city": "Oslo", "tags": '["a", {"b": 1.10}]'}, {"id": 2, "city": None, "tags": None}])

    def test_types_are_inferred_by_every_value(self):
        self.begin("{lines: true}", None)
        records = [{"n": k, "f": k / 4, "t": "2026-01-01T00:00:00Z", "b": k % 2 == 0, "mixed": k if k else "none"}
                   for k in range(9)]
        self.project.land("j/1.jsonl", "\n".join(map(json.dumps, records)))
        self.project.run("json")
        types = self.project.rows("SELECT typeof(n) AS n, typeof(f) AS f, typeof(t) AS t, typeof(b) AS b, typeof(mixed) AS m "
                                  "FROM raw.things LIMIT 1")
        self.assertEqual(types, [{"n": "BIGINT", "f": "DOUBLE", "t": "TIMESTAMP WITH TIME ZONE", "b": "BOOLEAN", "m": "VARCHAR"}])

    def test_a_new_member_is_a_new_column_or_drift_by_contract(self):
        self.begin("{lines: true}", "{id: bigint}")
        self.project.land("j/1.jsonl", '{"id": 1}\n{"id": 2, "new": {"x": 1}}\n')
        self.project.run("json")
        rows = self.project.rows("SELECT id, new FROM raw.things ORDER BY id")
        self.assertEqual(rows, [{"id": 1, "new": None}, {"id": 2, "new": '{"x": 1}'}])
        self.begin("{lines: true}", "{id: bigint}\n    contract: {columns: freeze}")
        self.project.land("j/1.jsonl", '{"id": 1}\n{"id": 2, "new": 1}\n')
        self.assertIn("columns that are not declared: 'new'", json.dumps(self.project.report("json", expect=4)))

    def test_a_file_that_is_no_json_is_refused_with_its_line(self):
        self.begin("{records: $.data}", "{id: bigint}")
        self.project.land("j/1.json", '{"data": [\n{"id": 1},\n{"id": oops}]}')
        self.assertIn("is no JSON from line 3 on", json.dumps(self.project.report("json", expect=3)))
        self.project.land("j/1.json", '{"error": "quota"}')
        self.assertIn("has nothing at $.data", json.dumps(self.project.report("json", expect=3)))

    def test_many_lines_stream_through(self):
        self.begin("{lines: true}", '{id: bigint, amount: "decimal(20,4)", note: varchar}')
        self.project.land("j/1.jsonl", "".join(f'{{"id": {k}, "amount": {k}.2500, "note": "n{k}"}}\n' for k in range(200_000)))
        self.project.run("json")
        rows = self.project.rows("SELECT count(*) AS n, sum(amount) AS a, count(DISTINCT note) AS d FROM raw.things")
        self.assertEqual(rows, [{"n": 200000, "a": "19999950000.0000", "d": 200000}])

    def test_options_that_cannot_be_are_told_before_anything_runs(self):
        for options, text in (("{record: $.data}", "did you mean 'records'"), ("{records: data}", "is no JSON path"),
                              ("{records: \"$.a[*]\"}", "leads to many places"), ("{lines: true, records: $.x}", "each line is a record"),
                              ("{lines: 1}", "wrong type")):
            self.begin(options, "{id: bigint}")
            run = self.project.weir("validate", expect=2)
            self.assertIn(text, run.stderr, options)


if __name__ == "__main__":
    unittest.main(verbosity=1)
