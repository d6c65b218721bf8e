"""The sweeps of flows_test.py with PostgreSQL as the catalog: killed and failed at each change to the
project's files and at each message to the database, so between any two of its statements. A send
that is reported as failed after it went out is a connection lost with the answer of a COMMIT."""
import unittest

import flows_test
import on_postgres
from sweep import CRASH, DISK_FULL, EIO, EIO_AFTER, EIO_STICKY, KILL


class Sweeps(on_postgres.OnPostgres):
    def test_two_first_snapshots(self):
        self.sweep("postgres-first", self.first(), flows_test.RUN, [([KILL], 16), ([EIO, EIO_AFTER, EIO_STICKY, DISK_FULL], 3)])

    def test_a_snapshot_that_changes_by_processes_of_their_own(self):
        self.sweep("postgres-second", self.second("subprocess"), flows_test.RUN, [([KILL, CRASH], 6), ([EIO_AFTER], 3)])


if __name__ == "__main__":
    unittest.main(verbosity=1)
