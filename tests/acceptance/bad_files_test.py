"""Bad landing files: each is loaded as far as it is good with every row accounted for, or refused whole with an error that
names the file, the place and the way out. Nothing is lost, nothing half visible, nothing left behind."""
import os
import unittest

from weir_project import FLOW, PROJECT, ROOT, Project

GROW = os.environ.get("WEIR_GROW", str(ROOT / "build/release/tests/libweirgrow.so"))
SALES = 'with: {from: "landing/sales/*.csv", to: raw.sales}'
SALES_COLUMNS = 'columns: {id: bigint, amount: "decimal(10,2)"}'


class Landing(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)

    def declare(self, columns=None, **csv):
        """Other columns of raw.sales than id and amount, other options of its files than the default."""
        if columns is not None:
            self.project.write("weir.yaml", PROJECT.replace(SALES_COLUMNS, f"columns: {columns}"))
        if csv:
            options = ", ".join(f"{key}: {value}" for key, value in csv.items())
            flow = FLOW.replace(SALES, SALES.replace("}", f", format: {{csv: {{{options}}}}}}}"))
            self.project.write("flows/shop.yaml", flow)

    def refuse(self, name, content, status, *words):
        """The file stops the task; afterwards a good file under the same name is taken."""
        self.project.land(f"sales/{name}", content)
        run = self.project.run("sales", expect=status)
        for word in (name, *words):
            self.assertIn(word, run.stdout + run.stderr)
        self.assertFalse(list((self.project.folder / "data").glob("raw/sales*/*.parquet")))
        self.assertEqual(self.project.leftovers(), [])

    def take(self, content, name="x.csv"):
        """The counts of the load, its rows by record number, and its rejected rows as (line, reason, column)."""
        self.project.land(f"sales/{name}", content)
        counts = self.project.report("sales")["tasks"]["ingest"]["counts"]
        rows = self.project.rows("SELECT * EXCLUDE (_source_file, _source_row, _run_id, _loaded_at) FROM raw.sales "
                                 f"WHERE _source_file = 'sales/{name}' ORDER BY _source_row")
        rejected = []
        if counts["rejected"]:
            rejected = [(row["line"], row["reason"], row["column"]) for row in
                        self.project.rows('SELECT line, reason, "column" FROM raw.sales__rejected ORDER BY line')]
        self.assertEqual(counts["in"], counts["inserted"] + counts["rejected"])
        self.assertEqual((len(rows), len(rejected)), (counts["inserted"], counts["rejected"]))
        self.assertEqual(self.project.leftovers(), [])
        return rows, rejected


class NoFile(Landing):
    def test_a_file_that_is_named_but_not_there(self):
        self.project.write("flows/shop.yaml", FLOW.replace("sales/*.csv", "sales/today.csv"))
        run = self.project.run("sales", expect=1)
        self.assertIn("landing/sales/today.csv", run.stdout)
        self.assertIn("deliver it", run.stdout)
        self.project.land("sales/today.csv", "id,amount\n1,2.00\n")
        self.project.weir("retry", "sales")
        self.assertEqual(self.project.rows("SELECT id FROM raw.sales"), [{"id": 1}])

    def test_a_pattern_that_no_file_fits_is_worth_a_warning(self):
        run = self.project.run("sales")
        self.assertIn("warning: no file fits 'landing/sales/*.csv'", run.stderr)
        self.assertIn("no file fits", self.project.weir("logs", "sales").stdout)
        self.project.land("sales/x.csv", "id,amount\n1,2.00\n")
        self.assertNotIn("warning", self.project.run("sales").stderr)

    def test_folders_fifos_and_dangling_links_are_no_files(self):
        sales = self.project.folder / "data/landing/sales"
        (sales / "folder.csv").mkdir(parents=True)
        os.mkfifo(sales / "fifo.csv")
        (sales / "dangling.csv").symlink_to("nowhere")
        self.assertIn("no file fits", self.project.run("sales").stderr)
        self.project.write("flows/shop.yaml", FLOW.replace("sales/*.csv", "sales/fifo.csv"))
        self.project.run("sales", expect=1)

    def test_a_link_is_followed_within_its_layer_only(self):
        self.project.land("elsewhere/real.csv", "id,amount\n1,2.00\n")
        sales = self.project.folder / "data/landing/sales"
        sales.mkdir()
        (sales / "inside.csv").symlink_to("../elsewhere/real.csv")
        self.project.run("sales")
        self.assertEqual(self.project.rows("SELECT id, _source_file AS file FROM raw.sales"), [{"id": 1, "file": "sales/inside.csv"}])
        (sales / "outside.csv").symlink_to("../../../weir.yaml")
        run = self.project.run("sales", expect=1)
        self.assertIn("outside.csv", run.stdout)
        self.assertIn("copy the file", run.stdout)


class WholeFile(Landing):
    def test_an_empty_file(self):
        self.refuse("empty.csv", "", 3, "is an empty file")
        self.refuse("empty.csv", "\n\r\n\n", 3, "is an empty file")
        self.refuse("empty.csv", b"\xef\xbb\xbf", 3, "is an empty file")

    def test_a_header_without_rows_is_an_empty_load(self):
        self.assertEqual(self.take("id,amount"), ([], []))

    def test_a_header_that_cannot_be(self):
        self.refuse("x.csv", "id,ID\n1,2\n", 3, "stand twice", "'id'", "without regard to case")
        self.refuse("x.csv", "id,,amount,\n1,2,3,4\n", 3, "no name for field 2, 4", "header: false")
        self.refuse("x.csv", "id,_RUN_ID\n1,2\n", 3, "_RUN_ID", "weir's own")
        self.refuse("x.csv", 'id,"amount\n1,2\n', 3, "the header", "does not close")

    def test_a_file_with_other_columns_than_declared(self):
        self.refuse("x.csv", "a;b\n1;2\n", 4, "none of the declared columns", "'a;b'", "delimiter")
        self.project.write("weir.yaml", PROJECT.replace(SALES_COLUMNS, SALES_COLUMNS + "\n    contract: {columns: freeze}"))
        self.refuse("x.csv", "id,amount,idd\n1,2,3\n", 4, "'idd'", "did you mean 'id'")
        self.refuse("x.csv", "id\n1\n", 4, "lacks", "'amount'")

    def test_limits_for_rejects_hold_for_the_whole_file(self):
        limited = SALES.replace("}", ", max_rejected_percent: 10}")
        self.project.write("flows/shop.yaml", FLOW.replace(SALES, limited))
        self.refuse("x.csv", "id,amount\n1,2\n2,x\n3\n4,4\n", 3, "2 of 4 records", "max_rejected_percent 10",
                    "1 too_few_fields, 1 wrong_type in amount")

    def test_a_contract_that_fails_names_the_first_bad_row(self):
        self.project.write("weir.yaml", PROJECT.replace(SALES_COLUMNS, SALES_COLUMNS + "\n    contract: {rows: fail}"))
        self.refuse("x.csv", "id,amount\n1,2\n2,x\n", 3, "line 3", "column amount", '"x" is no decimal')

    def test_a_file_that_stops_a_flow_keeps_what_came_before(self):
        self.project.land("sales/1.csv", "id,amount\n1,1.00\n")
        self.project.land("sales/2.csv", "")
        self.project.land("sales/3.csv", "id,amount\n3,3.00\n")
        self.project.run("sales", expect=3)
        self.assertEqual(self.project.rows("SELECT id FROM raw.sales"), [{"id": 1}])
        (self.project.folder / "data/landing/sales/2.csv").unlink()
        self.project.run("sales")
        self.assertEqual(self.project.rows("SELECT id FROM raw.sales ORDER BY id"), [{"id": 1}, {"id": 3}])


class Encodings(Landing):
    TEXT = "id,amount,name\n1,2.00,Zoë\n2,3.50,\U0001F600\n"
    ROWS = [{"id": 1, "amount": "2.00", "name": "Zoë"}, {"id": 2, "amount": "3.50", "name": "\U0001F600"}]

    def test_utf16_that_nobody_declared_is_guessed(self):
        for codec, mark, name in (("utf-16-le", b"\xff\xfe", "utf-16le"), ("utf-16-be", b"\xfe\xff", "utf-16be"),
                                  ("utf-16-le", b"", "utf-16le"), ("utf-16-be", b"", "utf-16be")):
            self.refuse("wide.csv", mark + self.TEXT.encode(codec), 3, f"encoding: {name}")

    def test_declared_utf16_is_decoded_in_the_order_of_its_mark(self):
        self.declare(encoding="utf-16")
        for number, (codec, mark) in enumerate((("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"), ("utf-16-le", b""))):
            rows, rejected = self.take(mark + (self.TEXT + f"{number},1.00,x\n").encode(codec), f"{number}.csv")
            self.assertEqual((rows, rejected), ([*self.ROWS, {"id": number, "amount": "1.00", "name": "x"}], []))

    def test_half_a_character_at_the_end_costs_its_row(self):
        self.declare(encoding="utf-16")
        rows, rejected = self.take(b"\xff\xfe" + "id,amount\n1,2\n3,4".encode("utf-16-le") + b"x")
        self.assertEqual([row["id"] for row in rows], [1])
        self.assertEqual(rejected, [(3, "invalid_utf8", None)])

    def test_latin1_that_nobody_declared_is_guessed(self):
        for text in ("id,amount,name\n1,2,Zoë\n2,3,Noël\n", "id,amount,né\n1,2,x\n", "id,amount,name\n1,2,Zoë\n"):
            self.refuse("west.csv", text.encode("latin-1"), 3, "windows-1252")

    def test_declared_latin1_is_decoded(self):
        self.declare(encoding="latin-1")
        rows, _ = self.take("id,amount,name\n1,2.00,Zoë\n".encode("latin-1"))
        self.assertEqual(rows, self.ROWS[:1])

    def test_a_byte_that_is_no_utf8_costs_its_row_where_others_are_good(self):
        rows, rejected = self.take("id,amount,name\n1,2.00,Zoë\n".encode() + b"2,3,No\xebl\n3,4,x\n")
        self.assertEqual([row["id"] for row in rows], [1, 3])
        self.assertEqual(rejected, [(3, "invalid_utf8", None)])

    def test_a_declared_encoding_that_is_not_the_files(self):
        self.declare(encoding="utf-16be")
        self.refuse("le.csv", b"\xff\xfe" + self.TEXT.encode("utf-16-le"), 3, "utf-16le")
        (self.project.folder / "data/landing/sales/le.csv").unlink()
        self.refuse("utf8.csv", self.TEXT, 3, "utf-16be")


class Records(Landing):
    def test_line_ends_of_every_kind(self):
        for number, text in enumerate(("id,amount\r\n1,2\r\n3,4\r\n", "id,amount\r1,2\r3,4", "id,amount\n1,2\r\n3,4\n\n\r\n")):
            rows, rejected = self.take(text, f"{number}.csv")
            self.assertEqual((len(rows), rejected), (2, []))

    def test_a_lone_cr_among_lines_is_text(self):
        rows, _ = self.take("id,amount,name\n1,2,a\rb\n2,3,c\r\n")
        self.assertEqual([row["name"] for row in rows], ["a\rb", "c"])

    def test_quotes(self):
        rows, rejected = self.take('id,amount,name\n1,2,"a ""b"", c"\n2,3,"x"y\n3,4,x"y\n4,5,"""\n5,6,"line\r\nbreak"\n6,7,""\n')
        self.assertEqual([(row["id"], row["name"]) for row in rows],
                         [(1, 'a "b", c'), (3, 'x"y'), (5, "line\r\nbreak"), (6, None)])
        self.assertEqual(rejected, [(3, "invalid_quote", None), (5, "unclosed_quote", None)])

    def test_an_unclosed_quote_keeps_its_bytes_and_costs_no_other_row(self):
        rows, rejected = self.take('id,amount\n1,1\n2,"2\n3,3\n4,4\n')
        self.assertEqual([row["id"] for row in rows], [1, 3, 4])
        self.assertEqual(self.project.rows("SELECT decode(raw) AS raw FROM raw.sales__rejected"), [{"raw": '2,"2'}])

    def test_empty_text_and_null_can_be_told_apart(self):
        self.declare("{id: bigint, name: varchar}", quoted_null="false", null='["", "NULL"]')
        rows, _ = self.take('id,name\n1,\n2,""\n3,NULL\n4,"NULL"\n')
        self.assertEqual([row["name"] for row in rows], [None, "", None, "NULL"])

    def test_nul_bytes(self):
        rows, rejected = self.take(b"id,amount,name\n1,2.00,a\x00b\n2,\x003.00,x\n\x003,4,x\n")
        self.assertEqual([(row["id"], row["name"]) for row in rows], [(1, "a\x00b")])
        self.assertEqual(rejected, [(3, "wrong_type", "amount"), (4, "wrong_type", "id")])

    def test_numbers_that_do_not_fit(self):
        rows, rejected = self.take("id,amount\n99999999999999999999,1\n1.5,1\n1,123456789.00\n2,1.999\n3,NaN\n4,inf\n"
                                   '5,"1,5"\n0x10,1\n\u0661,1\n 7 ,1.500\n8.0,-0\n-9223372036854775808,99999999.99\n')
        self.assertEqual([(row["id"], row["amount"]) for row in rows],
                         [(7, "1.50"), (8, "0.00"), (-9223372036854775808, "99999999.99")])
        self.assertEqual(rejected, [(2, "out_of_range", "id"), (3, "wrong_type", "id"), (4, "out_of_range", "amount"),
                                    (5, "scale_overflow", "amount"), (6, "wrong_type", "amount"), (7, "wrong_type", "amount"),
                                    (8, "wrong_type", "amount"), (9, "wrong_type", "id"), (10, "wrong_type", "id")])

    def test_huge_integers(self):
        self.declare("{id: bigint, h: hugeint}")
        rows, rejected = self.take(f"id,h\n1,{10**38 - 1}\n2,{2**127 - 1}\n3,{2**127}\n4,{-(10**38 - 1)}\n")
        self.assertEqual([row["h"] for row in rows], [str(10**38 - 1), str(-(10**38 - 1))])
        self.assertEqual([line for line, _, _ in rejected], [3, 4])

    def test_dates_and_times_that_are_none(self):
        self.declare("{id: bigint, d: date, t: timestamp}")
        rows, rejected = self.take("id,d,t\n1,2026-02-30,\n2,0000-01-01,\n3,99999-01-01,\n4,infinity,\n5,,2026-01-01T25:00:00Z\n"
                                   "6,,2026-01-01T00:00:00.1234567Z\n7,,epoch\n8,9999-12-31,9999-12-31T23:59:59.999999Z\n9,0001-01-01,\n")
        self.assertEqual([row["id"] for row in rows], [8, 9])
        self.assertEqual([reason for _, reason, _ in rejected], ["wrong_type"] * 5 + ["finer_than_microsecond", "wrong_type"])

    def test_a_time_without_a_zone_asks_for_one(self):
        self.declare("{id: bigint, t: timestamp}")
        self.refuse("x.csv", "id,t\n1,2026-01-01 00:00:00\n", 2, "column 't'", "line 2", "timezone")

    def test_floats_that_are_no_numbers_are_kept_and_too_large_ones_are_not(self):
        self.declare("{id: bigint, f: double}")
        rows, rejected = self.take("id,f\n1,nan\n2,-Infinity\n3,1e400\n4,-0\n5,1_0\n")
        self.assertEqual([row["id"] for row in rows], [1, 2, 4])
        self.assertEqual(rejected, [(4, "out_of_range", "f"), (6, "wrong_type", "f")])

    def test_ragged_rows(self):
        rows, rejected = self.take("id,amount\n1\n2,2\n3,3,\n4,4,4,4\n,\n")
        self.assertEqual([row["id"] for row in rows], [2, None])
        self.assertEqual(rejected, [(2, "too_few_fields", None), (4, "too_many_fields", None), (5, "too_many_fields", None)])


class Growing(Landing):
    """The file grows by a row at one of the reads of it: first while it is hashed to be pinned, later while it is loaded."""
    BEFORE, MORE = "id,amount\n1,1.00\n2,2.00\n", "3,3.00\n"

    def growing(self, at):
        path = self.project.land("sales/x.csv", self.BEFORE)
        count = self.project.folder / "reads"
        count.unlink(missing_ok=True)
        run = self.project.run("sales", expect=None, LD_PRELOAD=GROW, WEIR_GROW_FILE=str(path.resolve()), WEIR_GROW_BY=self.MORE,
                               WEIR_GROW_AT=str(at), WEIR_GROW_COUNT=str(count))
        return run, len(count.read_bytes())

    def test_it_is_taken_whole_once_it_rests_and_not_before(self):
        _, reads = self.growing(at=0)
        self.assertGreaterEqual(reads, 2)
        for at in range(1, reads + 1):
            self.project.close()
            self.setUp()
            run, _ = self.growing(at)
            self.assertIn(run.returncode, (1, 75), f"read {at}: {run.stdout}")
            for word in ("x.csv", "changed"):
                self.assertIn(word, run.stdout)
            self.assertFalse(list((self.project.folder / "data/raw").rglob("*.parquet")))
            self.assertEqual(self.project.leftovers(), [])
            self.project.run("sales")
            rows = self.project.rows("SELECT id FROM raw.sales ORDER BY id")
            self.assertEqual(rows, [{"id": 1}, {"id": 2}, {"id": 3}], f"read {at}")


if __name__ == "__main__":
    unittest.main(verbosity=1)
