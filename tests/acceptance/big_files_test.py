"""Files that are too much of something: what is large costs time, not memory, and not the rows beside it."""
import pathlib
import shutil
import tempfile
import unittest

from one_ingest import Ingest

MIB = 1 << 20


class Large(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-large-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def ingest(self, content, **options):
        ingest = Ingest(self.folder / "lake", content, **options)
        self.assertEqual(list((ingest.folder / "tmp").iterdir()), [])
        return ingest

    def assert_rss_below(self, ingest, bytes):
        print(f"{self._testMethodName}: {ingest.rss_bytes // MIB} MiB, {ingest.seconds:.1f} s")
        self.assertLess(ingest.rss_bytes, bytes)

    def test_an_unclosed_quote_before_a_hundred_megabytes(self):
        rows = 100 * MIB // 8

        def write(file):
            file.write(b'id,name\n1,ok\n2,"open\n')
            for _ in range(rows // 65536):
                file.write(b"345,six\n" * 65536)
        ingest = self.ingest(write)
        self.assertEqual(ingest.status, 0, ingest.error)
        counts = ingest.check_accounts(self)
        self.assertEqual((counts["rejected"], counts["inserted"]), (1, rows // 65536 * 65536 + 1))
        self.assertEqual(ingest.outcome["rejects"], [{"reason": "unclosed_quote", "column": "", "rows": 1}])
        self.assert_rss_below(ingest, 256 * MIB)

    def test_a_line_of_fifty_megabytes_is_named(self):
        for row in (b"x" * 50 * MIB, b'"' + b"x" * 50 * MIB + b'"', b"," * 50 * MIB):
            ingest = self.ingest(lambda file, row=row: file.write(b"id,name\n1,ok\n2," + row + b"\n3,ok\n"))
            if ingest.status == 0:  # an opening quote without its end in reach costs its own line only
                self.assertEqual(ingest.check_accounts(self)["rejected"], 1)
            else:
                self.assertEqual(ingest.status, 3)
                for word in ("line 3", "x.csv", "16777216 bytes"):
                    self.assertIn(word, ingest.error["message"])
                self.assertIn("max_record_bytes", ingest.error["hint"])
                self.assertEqual(ingest.objects("raw") + ingest.objects("rejected"), [])
            # A record is held whole, up to max_record_bytes, with 16 bytes for each of its fields.
            self.assert_rss_below(ingest, 512 * MIB)
            shutil.rmtree(ingest.folder)

    def test_a_line_of_fifty_megabytes_is_taken_where_it_is_declared(self):
        ingest = self.ingest(lambda file: file.write(b"id,name\n1,ok\n2," + b"x" * 50 * MIB + b"\n3,ok\n"), csv={"max_record_bytes": 64 * MIB})
        self.assertEqual(ingest.status, 0, ingest.error)
        self.assertEqual(ingest.check_accounts(self)["inserted"], 3)

    def test_two_thousand_columns(self):
        names = [f"c{i}" for i in range(2000)]
        schema = [(name, "bigint") for name in names]
        text = ",".join(names) + "\n" + (",".join("7" for _ in names) + "\n") * 200 + "7\n" + ",".join(["x"] + names[1:]) + "\n"
        ingest = self.ingest(text.encode(), schema=schema)
        self.assertEqual(ingest.status, 0, ingest.error)
        counts = ingest.check_accounts(self)
        self.assertEqual((counts["inserted"], counts["rejected"]), (200, 2))
        self.assert_rss_below(ingest, 400 * MIB)

    def test_a_million_rejected_rows(self):
        ingest = self.ingest(b"id,name\n" + b"x,1\n" * 1_000_000, schema=[("id", "bigint"), ("name", "varchar")])
        self.assertEqual(ingest.status, 0, ingest.error)
        self.assertEqual(ingest.check_accounts(self)["rejected"], 1_000_000)
        self.assert_rss_below(ingest, 400 * MIB)

    def test_quotes_that_open_on_every_line_cost_no_more_than_their_lines(self):
        ingest = self.ingest(b'id,name\n' + b'1,"x\n' * 200_000)
        self.assertEqual(ingest.status, 0, ingest.error)
        self.assertEqual(ingest.check_accounts(self)["rejected"], 200_000)
        self.assertLess(ingest.seconds, 10)
        self.assert_rss_below(ingest, 256 * MIB)

    def test_zeros_where_text_belongs(self):
        ingest = self.ingest(lambda file: file.write(b"\0" * 40 * MIB))
        self.assertEqual(ingest.status, 3)
        self.assertEqual(ingest.objects("raw"), [])
        self.assert_rss_below(ingest, 320 * MIB)


if __name__ == "__main__":
    unittest.main(verbosity=1)
