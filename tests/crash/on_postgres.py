"""The projects of flows_test.py with PostgreSQL as the catalog: a server for the class, a database a project."""
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import flows_test  # noqa: E402
import lake_view as view  # noqa: E402
import postgres  # noqa: E402


class OnPostgres(flows_test.Sweeps):
    @classmethod
    def setUpClass(cls):
        try:
            cls.context = postgres.server()
            cls.server = cls.context.__enter__()
        except postgres.Missing as why:
            print(f"skipped: {why}")
            raise unittest.SkipTest(str(why)) from why
        cls.databases = {}

    @classmethod
    def tearDownClass(cls):
        cls.context.__exit__(None, None, None)

    def catalog_of(self, folder):
        folder = pathlib.Path(folder)
        if folder not in self.databases:
            self.databases[folder] = self.server.create_database()
        return view.PostgresCatalog(self.server, self.databases[folder])

    def prepare(self, template):
        def prepare(folder):
            for gone in [known for known in list(self.databases) if not known.exists()]:
                # Another thread may have been faster.
                if url := self.databases.pop(gone, None):
                    self.server.drop_database(url)
            shutil.copytree(template.folder, folder, symlinks=True, dirs_exist_ok=True)
            self.databases[folder] = self.server.create_database(self.databases[template.folder])
        return prepare
