"""Lineage of columns as DuckDB's plan tells it, against sqlglot's, which reads the text of the query by rules of its own.

Queries are those of TPC-H and TPC-DS, as sqlglot's source package brings them. What gives a value (direct edges) must be in sqlglot's
answer, and what sqlglot says must be among all edges of the column; where not, EXPLAINED says why.
"""
import json
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import lineage_judges  # noqa: E402

if __name__ == "__main__" and not lineage_judges.load():
    print("column_lineage_test: sqlglot was not fetched (./dev standins); skipped")
    sys.exit(77)

import sqlglot  # noqa: E402
from sqlglot import exp  # noqa: E402
from sqlglot.lineage import lineage  # noqa: E402

LAYER = "tpc"
GROUPING = "GROUPING(x) tells which groups a row is of, not what x is there; sqlglot names x"
# (query, column): edges that sqlglot has and weir has not, and why.
EXPLAINED = {
    ("TPC-DS 27", "g_state"): GROUPING,
    **{(f"TPC-DS {number}", column): GROUPING for number in (36, 70, 86) for column in ("lochierarchy", "rank_within_parent")},
}
# Of two columns with one name, which DuckDB tells apart by a number, sqlglot has one.
TWICE = {"TPC-DS 39": {"w_warehouse_sk_1", "i_item_sk_1", "d_moy_1", "mean_1", "cov_1"}, "TPC-DS 64": {"s1_1", "s2_1", "s3_1", "syear_1", "cnt_1"}}


def schemas():
    path = lineage_judges.corpus() / "tests/helpers.py"
    text = path.read_text()
    namespace = {}
    for name in ("TPCH_SCHEMA", "TPCDS_SCHEMA"):
        exec(re.search(rf"^{name} = \{{.*?^\}}", text, re.S | re.M).group(0), namespace)
    namespace["TPCDS_SCHEMA"]["date_dim"]["d_date"] = "date"  # as the standard has it; there it is text
    return namespace["TPCH_SCHEMA"], namespace["TPCDS_SCHEMA"]


def queries(folder):
    """The queries as they were written; each is followed by what sqlglot's optimizer makes of it."""
    text = (lineage_judges.corpus() / "tests/fixtures/optimizer" / folder).read_text()
    for part in re.split(r"^-{10,}\n-- (TPC-\w+ \d+)\n-{10,}\n", text, flags=re.M)[1:]:
        if re.fullmatch(r"TPC-\w+ \d+", part):
            name = part
        else:
            yield name, re.sub(r"^#.*\n", "", part, flags=re.M).split(";")[0]


def qualified(text, tables):
    """With the layer before the name of each table, as weir wants it."""
    tree = sqlglot.parse_one(text, dialect="duckdb")
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if table.name.lower() in tables and table.name.lower() not in ctes and not table.args.get("db"):
            table.set("db", exp.to_identifier(LAYER))
    return tree.sql(dialect="duckdb")


def of_sqlglot(text, schema):
    answers = {}
    for name, node in lineage(None, text, schema={LAYER: schema}, dialect="duckdb").items():
        edges = set()
        for each in node.walk():
            if isinstance(each.expression, exp.Table):
                edges.add(f"{each.expression.name}.{each.name.split('.')[-1]}".lower().replace('"', ""))
        answers[name.lower()] = edges
    return answers


def edges(sources, direct_only):
    direct = ("identity", "transformation", "aggregation")
    return {f'{each["dataset"].split(".")[1]}.{each["column"]}'.lower() for each in sources if not direct_only or each["use"] in direct}


class AgainstSqlglot(unittest.TestCase):
    def compare(self, fixture, schema):
        asked = [(name, qualified(text, schema)) for name, text in queries(fixture)]
        datasets = {f"{LAYER}.{table}": {column: {"uint": "bigint", "char": "varchar"}.get(kind.lower(), kind) for column, kind in columns.items()}
                    for table, columns in schema.items()}
        done = subprocess.run([TOOL], input=json.dumps({"datasets": datasets, "queries": [text for _, text in asked]}),
                              capture_output=True, text=True, timeout=500)
        self.assertEqual(done.returncode, 0, done.stderr)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(answers), len(asked))
        columns = compared = 0
        different, unread, explained = [], [], set()
        for (name, text), answer in zip(asked, answers):
            if "error" in answer:
                unread.append((name, answer["error"]))
                continue
            theirs = of_sqlglot(text, schema)
            wanted = [column for column in answer["names"] if column not in TWICE.get(name, ())]
            if len(wanted) != len(theirs):
                different.append((name, "other columns", wanted, list(theirs)))
                continue
            # In the same order: those without a name each calls in its own way.
            for column, said in zip(wanted, theirs.values()):
                columns += 1
                sources = answer["lineage"]["columns"].get(column, [])
                direct, everything = edges(sources, True), edges(sources, False)
                compared += len(said)
                if (name, column) in EXPLAINED:
                    explained.add((name, column))
                    said = said & everything
                if not direct <= said <= everything:
                    different.append((name, column, "only weir: " + " ".join(sorted(direct - said)), "only sqlglot: " + " ".join(sorted(said - everything))))
        print(f"{fixture}: {len(asked)} queries, {columns} columns, {compared} edges of sqlglot, "
              f"{len(explained)} columns differ as explained, {len(different)} otherwise, {len(unread)} queries not read")
        for each in different + unread:
            print("  ", *each)
        self.assertFalse(different)
        self.assertFalse(unread)
        return columns, compared

    def test_tpc_h(self):
        columns, compared = self.compare("tpc-h/tpc-h.sql", schemas()[0])
        self.assertGreater((columns, compared), (70, 80))

    def test_tpc_ds(self):
        columns, compared = self.compare("tpc-ds/tpc-ds.sql", schemas()[1])
        self.assertGreater((columns, compared), (500, 800))


TOOL = None
if __name__ == "__main__":
    TOOL = sys.argv.pop(1)
    unittest.main()
