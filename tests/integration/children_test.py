#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Child processes that end otherwise than they should, where we were started in an odd way."""
from __future__ import annotations

import os
import signal
import subprocess
import unittest

from harness import Cluster, Workspace, assert_exit, tool_path


class Children(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.create_db("live")
        cls.pg.script("live", "CREATE TABLE a AS SELECT i AS id, md5(i::text) AS s FROM generate_series(1, 300) AS i")

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))

    def use_programs(self, pg_dump: str):
        programs = self.ws.folder / "programs"
        programs.mkdir()
        programs.chmod(0o777)
        self.ws.folder.chmod(0o711)  # pg_dump may run as the account of the role
        (programs / "pg_restore").symlink_to(self.pg.bindir / "pg_restore")
        (programs / "pg_dump").write_text(f"#!/bin/sh\ncase $1 in --version) exec {self.pg.bindir}/pg_dump --version;; esac\n"
                                          f"{pg_dump}\n")
        (programs / "pg_dump").chmod(0o755)
        self.ws.config.write_text(f'[database]\npg_bin_dir = "{programs}"\n')

    def test_with_sigchld_ignored_a_pg_dump_that_fails_makes_no_snapshot(self):
        """A parent that ignores SIGCHLD hands that on; the kernel then says of no child how it ended."""
        self.use_programs(f'{self.pg.bindir}/pg_dump "$@" | head -c 2000; echo "it broke midway" >&2; exit 1')
        text = self.backup_with_sigchld_ignored()
        self.assertIn("it broke midway", text)
        self.assertIn("error[", text)
        self.assertEqual(self.ws.snapshot_files(), [])
        self.ws.config.write_text("")
        text = self.backup_with_sigchld_ignored()
        self.assertEqual(len(self.ws.snapshot_files()), 1, text)

    def backup_with_sigchld_ignored(self) -> str:
        """What it said: its exit code is lost on us as well."""
        argv = [str(a) for a in (tool_path("teslamate-backup"), *self.ws.target("live"))]
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            with open(self.ws.folder / "said", "w+", encoding="utf-8") as said:
                with subprocess.Popen(argv, stdout=said, stderr=said, env=self.ws.environment()) as child:
                    child.wait(120)
                said.seek(0)
                return said.read()
        finally:
            signal.signal(signal.SIGCHLD, before)

    @unittest.skipUnless(os.geteuid() == 0, "only root runs what others wrote")
    def test_root_runs_no_pg_dump_that_somebody_else_named(self):
        self.use_programs(f'touch {self.ws.folder}/programs/ran; exec {self.pg.bindir}/pg_dump "$@"')
        os.chown(self.ws.config, 65534, 65534)
        result = assert_exit(self.ws.backup("live"), 22)
        self.assertIn("names commands", result.err)
        self.assertFalse((self.ws.folder / "programs" / "ran").exists())
        os.chown(self.ws.config, 0, 0)
        assert_exit(self.ws.backup("live"), 0)
        self.assertTrue((self.ws.folder / "programs" / "ran").exists())


if __name__ == "__main__":
    unittest.main()
