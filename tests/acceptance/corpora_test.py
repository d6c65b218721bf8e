"""Public corpora of bad CSV through the real ingest, file by file: whatever a file holds, the program ends in time and in
bounded memory, and either publishes rows that account for every byte and record, or publishes nothing and says why."""
import csv
import gzip
import io
import os
import pathlib
import shutil
import tempfile
import unittest

from one_ingest import Ingest
from weir_project import ROOT

CORPORA = pathlib.Path(os.environ.get("WEIR_CORPORA", ROOT / "../shared/corpora"))
MOST_SECONDS = 2.0
MOST_BYTES = 256 << 20
# What a file may be refused with: it is at fault, and nothing else.
REFUSALS = {"invalid_data": 3, "schema_drift": 4}


def files():
    """Every file of the CSV corpora, by its name there; the `.gz` ones also as what they hold."""
    for folder in ("csv-spectrum", "duckdb-csv"):
        for path in sorted((CORPORA / folder).rglob("*")):
            if not path.is_file() or path.suffix in (".json", ".md"):
                continue
            content = path.read_bytes()
            name = f"{folder}/{path.relative_to(CORPORA / folder)}"
            yield name, content
            if content.startswith(b"\x1f\x8b"):
                try:
                    yield name.removesuffix(".gz") + " (unpacked)", gzip.decompress(content)
                except (OSError, EOFError):
                    pass


def records_by_python(content):
    """Records behind the header as Python's reader counts them; None where it reads the file as something else: other bytes
    than UTF-8, a quote that does not close, a lone CR, records of several widths."""
    try:
        text = content.decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error):
        return None
    if not rows or "\r" in text.replace("\r\n", "") or len({len(row) for row in rows}) > 1:
        return None
    return len(rows) - 1


class Corpora(unittest.TestCase):
    def setUp(self):
        if not CORPORA.is_dir():
            self.skipTest(f"there are no corpora at {CORPORA}")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-corpora-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def check_published(self, ingest, content):
        counts = ingest.check_accounts(self)
        expected = records_by_python(content)
        if expected is not None:
            self.assertEqual(counts["in"], expected, "records as Python counts them")
        return expected is not None

    def check_refused(self, ingest):
        self.assertIsNotNone(ingest.error, (ingest.folder / "err").read_text()[-300:])
        self.assertEqual(REFUSALS.get(ingest.error["code"]), ingest.status, ingest.error)
        self.assertIn("x.csv", ingest.error["message"] + " ".join(ingest.error.get("trail", [])))
        self.assertEqual(ingest.objects("raw") + ingest.objects("rejected"), [])

    def test_every_file_is_accounted_for_or_refused(self):
        seen = {"published": 0, "refused": 0, "counted by Python too": 0}
        for number, (name, content) in enumerate(files()):
            with self.subTest(file=name):
                ingest = Ingest(self.folder / str(number), content, {"header": True})
                if ingest.status == 0:
                    seen["published"] += 1
                    seen["counted by Python too"] += self.check_published(ingest, content)
                else:
                    seen["refused"] += 1
                    self.check_refused(ingest)
                self.assertEqual(list((ingest.folder / "tmp").iterdir()), [])
                self.assertLess(ingest.seconds, MOST_SECONDS)
                self.assertLess(ingest.rss_bytes, MOST_BYTES)
            shutil.rmtree(self.folder / str(number))
        print("corpora:", ", ".join(f"{number} {what}" for what, number in seen.items()))
        self.assertGreater(seen["published"], 200)
        self.assertGreater(seen["counted by Python too"], 100)


if __name__ == "__main__":
    unittest.main(verbosity=1)
