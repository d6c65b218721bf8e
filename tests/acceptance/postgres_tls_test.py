"""Lines to PostgreSQL are encrypted, and who answers is checked: the catalog's, a source's and a warehouse's, against a
server that takes nothing else. Skipped where PostgreSQL is not installed."""
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from weir_project import Project

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import postgres  # noqa: E402

YAML = """
project: shop
CATALOG
layers:
  - {name: raw, uri: data/raw}
connections:
  - {connection_id: shop, kind: postgres, host: "${SHOP_HOST}", port: "${SHOP_PORT}", database: postgres, user: postgres, MODE}
defaults: {retries: 0}
"""
FLOW = """
flow: shop
tasks:
  - id: read
    template: ingest_database
    with: {connection: shop, query: "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", to: raw.line}
"""
NAME = "db.shop.example"  # of the certificate, beside localhost


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class PostgresTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        context = postgres.server()
        try:
            cls.server = context.__enter__()
        except postgres.Missing as why:
            print(f"skipped: {why}")
            raise unittest.SkipTest(str(why))
        cls.addClassCleanup(context.__exit__, None, None, None)
        folder = pathlib.Path(cls.server.folder)
        for authority in ("ca", "other"):
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={authority}",
                    "-keyout", folder / f"{authority}.key", "-out", folder / f"{authority}.crt")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}", "-keyout", folder / "server.key", "-out", folder / "server.csr")
        (folder / "names").write_text(f"subjectAltName=DNS:{NAME},DNS:localhost\n")
        openssl("x509", "-req", "-in", folder / "server.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", folder / "names", "-out", folder / "server.crt")
        cls.server.encrypt(folder / "server.crt", folder / "server.key")
        cls.ca, cls.other = folder / "ca.crt", folder / "other.crt"

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.project.write("flows/shop.yaml", FLOW)
        shutil.copy(self.ca, self.project.folder / "company.pem")
        self.connect("sslmode: verify-full, sslrootcert: company.pem")

    def connect(self, mode, host="localhost", catalog="catalog: sqlite:weir.db"):
        self.project.write("weir.yaml", YAML.replace("MODE", mode).replace("CATALOG", catalog))
        self.project.environment.update(SHOP_HOST=host, SHOP_PORT=str(self.server.port))

    def refused(self, *words, expect):
        run = self.project.weir(*words, expect=expect)
        return run.stdout + run.stderr

    def test_a_source_is_read_through_tls(self):
        self.project.run()
        (row,) = self.project.rows("SELECT ssl, version FROM raw.line")
        self.assertTrue(row["ssl"])
        self.assertIn(row["version"], ("TLSv1.2", "TLSv1.3"))
        told = self.project.weir("connection", "test", "shop")
        self.assertIn(row["version"], told.stdout)

    def test_the_certificate_is_found_from_anywhere(self):
        run = subprocess.run([os.environ["WEIR"], "--project", self.project.folder, "connection", "test", "shop"], cwd="/",
                             env=os.environ | self.project.environment, capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_a_server_of_another_authority_is_refused(self):
        for mode in ("verify-ca", "verify-full"):
            self.connect(f"sslmode: {mode}, sslrootcert: {self.other}")
            self.assertIn("certificate verify failed", self.refused("connection", "test", "shop", expect=2))
            self.assertIn("sslrootcert", self.refused("run", "shop", "--apply", expect=2))

    def test_a_server_of_another_name_is_refused(self):
        self.connect(f"sslmode: verify-full, sslrootcert: {self.ca}", host="127.0.0.1")
        told = self.refused("connection", "test", "shop", expect=2)
        self.assertIn("does not match host name", told)
        self.assertIn("a name that the certificate has", told)
        self.connect(f"sslmode: verify-ca, sslrootcert: {self.ca}", host="127.0.0.1")
        self.project.weir("connection", "test", "shop")

    def test_a_line_without_tls_is_refused_by_the_server(self):
        self.connect("sslmode: disable")
        self.assertIn("no encryption", self.refused("connection", "test", "shop", expect=1))

    def test_the_catalog_is_checked_where_the_line_leaves_the_machine(self):
        def url(more=""):
            database = self.server.create_database().rpartition("/")[2]
            return f"catalog: \"postgresql://postgres@{NAME}:{self.server.port}/{database}?hostaddr=127.0.0.1{more}\""
        good = "sslmode: verify-full, sslrootcert: company.pem"
        # Nothing said: verify-full, by the system's authorities, which do not know ours.
        self.connect(good, catalog=url())
        told = self.refused("run", "shop", "--apply", expect=1)
        self.assertIn("certificate verify failed", told)
        self.assertIn("sslrootcert", told)
        self.connect(good, catalog=url(f"&sslrootcert={self.ca}"))
        self.project.run()
        self.assertEqual(len(self.project.rows("SELECT 1 FROM raw.line")), 1)
        # Another name than the certificate's.
        self.connect(good, catalog=url(f"&sslrootcert={self.ca}").replace(NAME, "db.other.example"))
        self.assertIn("does not match host name", self.refused("status", expect=1))


if __name__ == "__main__":
    unittest.main()
