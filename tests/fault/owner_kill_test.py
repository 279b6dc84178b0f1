# SPDX-License-Identifier: MIT
"""Root's backup into the repository of another account, killed at each call by which it makes a name: whatever has its
name belongs to that account, or the scheduled backup could never read it."""
from __future__ import annotations

import os
import shutil
import unittest

import injection
from harness import Cluster, Workspace, assert_exit
from injection import sample

NAMING = ("rename", "renameat", "renameat2", "link", "linkat", "mkdir", "fchown", "lchown", "chown", "fchownat")
STRACE = ["-b", "execve", "-y"]
ACCOUNT = 65534


@unittest.skipUnless(os.geteuid() == 0, "only root writes for others")
class Owner(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.create_db("live")
        cls.pg.script("live", "CREATE TABLE a AS SELECT i AS id, md5(i::text) AS s FROM generate_series(1, 300) AS i")

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))

    def begin_anew(self):
        shutil.rmtree(self.ws.repository)
        self.ws.repository.mkdir(mode=0o700)
        os.chown(self.ws.repository, ACCOUNT, ACCOUNT)
        for record in self.ws.state.glob("last-seen-*"):
            record.unlink()

    def run_backup(self, inject: str | None = None, trace: str | None = None):
        self.begin_anew()
        return self.ws.run_traced("teslamate-backup", *self.ws.target("live"), "--jobs", "1", inject=inject, trace=trace,
                                  strace_args=STRACE, timeout=60)

    def foreign(self) -> list:
        return [p for p in self.ws.repository.rglob("*") if not p.name.startswith(".tmp-") and p.lstat().st_uid != ACCOUNT]

    def test_whatever_has_its_name_belongs_to_the_owner_of_the_folder(self):
        whole = assert_exit(self.run_backup(trace=injection.names(NAMING)), 0)
        self.assertEqual(self.foreign(), [])
        self.assertGreater(len(self.ws.object_files()), 1)
        struck = 0
        for name, numbers in injection.points(whole.trace, self.ws.repository).items():
            for number in sample(numbers, 6):
                with self.subTest(call=name, when=number):
                    result = self.run_backup(inject=f"{name}:signal=KILL:when={number}")
                    self.assertIn("killed by SIGKILL", result.trace)
                    self.assertEqual(self.foreign(), [])
                    struck += 1
        self.assertGreater(struck, 10)
        # What was left over is in nobody's way.
        for record in self.ws.state.glob("last-seen-*"):
            record.unlink()
        assert_exit(self.ws.backup("live"), 0)
        self.assertEqual([p for p in self.ws.repository.rglob("*") if p.lstat().st_uid != ACCOUNT], [])


if __name__ == "__main__":
    unittest.main()
