# SPDX-License-Identifier: MIT
"""A sample database for each test: the copy of one that was made once for the class, and a workspace for what deletes from
it and undoes that."""

from __future__ import annotations

import unittest

from harness import Cluster, Workspace, database_digest, diff_digests

DB = "teslamate"
TEMPLATE = "template_of_it"


class SampleStage(unittest.TestCase):
    maxDiff = None
    positions = 3000

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.load_sample(TEMPLATE, positions=cls.positions)
        cls.pg.sql(TEMPLATE, "ANALYZE")

    def setUp(self):
        self.pg.sql("postgres", f"CREATE DATABASE {DB} TEMPLATE {TEMPLATE}")
        self.addCleanup(self.pg.drop_db, DB)
        self.ws = self.enterContext(Workspace(self.pg))
        self.flags = [*self.pg.connection_flags(DB), "--state-dir", str(self.ws.state)]
        # Those that ended, the longest first.
        self.drives = [r[0] for r in self.pg.sql(DB, "SELECT drive_id FROM positions WHERE drive_id IN (SELECT id FROM drives WHERE "
                                                 "end_date IS NOT NULL) GROUP BY 1 ORDER BY count(*) DESC")]
        self.drive = self.drives[0]
        self.deleting = ["teslamate-delete-drive", *self.flags, "--yes", "--positions", "delete", self.drive]
        self.undoing = ["teslamate-undo", *self.flags, "--yes", "last"]
        self.before = self.digest()

    def digest(self) -> dict:
        return database_digest(self.pg, DB)

    def assert_as_before(self):
        self.assertEqual(diff_digests(self.before, self.digest()), [])

    def undo_files(self) -> list[str]:
        return sorted(p.name for p in (self.ws.state / "undo").glob("*") if p.name != "lock")
