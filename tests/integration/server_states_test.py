# SPDX-License-Identifier: MIT
"""PostgreSQL on a bad day: not up yet, a standby in recovery, upgraded while its old programs are still what is found."""

import threading
import time
import unittest

from harness import *


def into_recovery(pg, hot):
    """The server again as a standby that waits for WAL that never comes; without `hot` it lets nobody in."""
    pg.shut_down()
    (pg.data / "standby.signal").touch()
    with open(pg.data / "postgresql.conf", "a", encoding="utf-8") as conf:
        conf.write(f"restore_command = '/bin/false'\nhot_standby = {'on' if hot else 'off'}\n")


class ServerStates(unittest.TestCase):
    def setUp(self):
        self.pg = self.enterContext(Cluster(settings={"wal_level": "replica", "full_page_writes": "on"}))
        self.ws = self.enterContext(Workspace(self.pg))
        self.pg.load_sample("teslamate", positions=1000)

    def restore(self, *flags):
        return self.ws.run("teslamate-restore", *self.ws.target("teslamate"), "--no-service", "--yes", *flags)

    def test_a_standby_can_be_backed_up_and_is_never_restored_into(self):
        assert_exit(self.ws.backup("teslamate"), 0)
        before = database_digest(self.pg, "teslamate")
        into_recovery(self.pg, hot=True)
        self.pg.start()
        self.assertEqual(self.pg.scalar("postgres", "SELECT pg_is_in_recovery()"), "t")
        assert_exit(self.ws.backup("teslamate"), 0)
        self.assertEqual(len(self.ws.snapshot_files()), 2)
        refused = assert_exit(self.restore("latest"), 16)
        self.assertIn("standby in recovery", refused.err)
        self.assertEqual(diff_digests(before, database_digest(self.pg, "teslamate")), [])

    def test_a_server_that_is_still_starting_is_waited_for(self):
        into_recovery(self.pg, hot=False)
        started = threading.Thread(target=lambda: self.assertRaises(HarnessError, self.pg.start, 3))
        started.start()  # it never gets ready by itself
        time.sleep(1)

        def promote():
            time.sleep(2)
            self.pg._as_server_user([self.pg.bindir / "pg_ctl", "-D", self.pg.data, "promote", "-W"])
        promotion = threading.Thread(target=promote)
        promotion.start()
        result = self.ws.backup("teslamate")
        promotion.join()
        started.join()
        assert_exit(result, 0)
        self.assertEqual(len(self.ws.snapshot_files()), 1)

    def test_a_server_that_does_not_come_up_is_an_error_in_time(self):
        into_recovery(self.pg, hot=False)
        with self.assertRaises(HarnessError):
            self.pg.start(1)
        began = time.monotonic()
        result = assert_exit(self.ws.backup("teslamate"), 15)
        self.assertLess(time.monotonic() - began, 60)
        self.assertIn("hint:", result.err)
        self.assertEqual(self.ws.snapshot_files(), [])

    def test_the_programs_of_an_older_server_are_refused_by_version_and_newer_ones_go_on(self):
        assert_exit(self.ws.backup("teslamate"), 0)
        old = self.ws.folder / "old"
        old.mkdir()
        for program in ("pg_dump", "pg_restore"):
            (old / program).write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {self.pg.version - 1}.9'\n")
            (old / program).chmod(0o755)
        kept = self.ws.config.read_text() if self.ws.config.exists() else ""
        self.ws.config.write_text(f'{kept}\n[database]\npg_bin_dir = "{old}"\n')
        refused = assert_exit(self.ws.backup("teslamate", "--full"), 14)
        self.assertIn(f"{self.pg.version - 1}", refused.err)
        self.assertEqual(len(self.ws.snapshot_files()), 1)
        self.ws.config.write_text(kept)
        assert_exit(self.ws.backup("teslamate", "--full"), 0)


if __name__ == "__main__":
    unittest.main()
