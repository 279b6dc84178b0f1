#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""teslamate-drill: it restores, looks, times, and leaves nothing, whatever ends it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
import unittest

from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests, flip_bit


def postgres_processes(folder) -> list[str]:
    """Servers that were started with a data folder below `folder`."""
    found = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if f"-D {folder}" in line]


class Drill(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.ws = cls.enterClassContext(Workspace(cls.pg))
        cls.pg.load_sample("teslamate", positions=3000)
        assert_exit(cls.ws.backup("teslamate"), 0)
        cls.before = cls.pg.databases()
        cls.live = database_digest(cls.pg, "teslamate")

    def tearDown(self):
        self.assertEqual(self.pg.databases(), self.before, "a drill left a database")
        self.ws.config.write_text("")

    def drill(self, *args: str, **keywords):
        return self.ws.run("teslamate-drill", *self.ws.target("teslamate"), *args, **keywords)

    def cluster_drill(self, *args: str, **keywords):
        cache = self.ws.folder / "cache"
        self.ws.folder.chmod(0o711)  # the server's account must get through
        return cache, self.ws.run("teslamate-drill", "-r", str(self.ws.repository), "--state-dir",
                                  str(self.ws.state), "--cluster", "--cache-dir", str(cache), *args, **keywords)

    def test_the_newest_snapshot_comes_back_and_the_times_are_said(self):
        document = assert_exit(self.drill("--json"), 0).json()
        self.assertEqual(list(document["phases"]), ["reading", "loading", "indexing", "checking"])
        self.assertLessEqual(sum(document["phases"].values()), document["recovery_seconds"] * 1.01)
        self.assertGreater(document["rows"], 3000)
        self.assertEqual(len(document["dashboards"]), 6)
        self.assertEqual(document["cars"], int(self.pg.scalar("teslamate", "SELECT count(*) FROM cars")))
        self.assertEqual(diff_digests(self.live, database_digest(self.pg, "teslamate")), [])

    def test_the_screen_names_recovery_time_and_point_against_the_goals(self):
        out = assert_exit(self.drill(), 0).out
        self.assertIn("comes back", out)
        self.assertIn("(within the goal of 2 h 0 min)", out)
        self.assertIn("(within the goal of 24 h 0 min)", out)
        self.ws.config.write_text('[goals]\nrto = "1s"\nrpo = "60s"\n')
        result = self.drill()
        self.assertIn(result.code, (0, 3))
        self.assertIn("goal of 1.0 s", result.out)

    def test_it_is_noted_in_the_history_and_the_status_knows_it(self):
        assert_exit(self.drill(), 0)
        document = assert_exit(self.ws.run("teslamate-status", "--json"), 0).json()
        self.assertEqual(document["last_runs"]["drill"]["exit_code"], 0)
        self.assertGreater(document["recovery_seconds"], 0)

    def test_damage_is_found_before_anything_is_loaded(self):
        repository = self.ws.copy_repository()
        self.addCleanup(shutil.rmtree, repository)
        victim = max((p for p in (repository / "objects").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        flip_bit(victim, victim.stat().st_size * 4)
        result = self.ws.run("teslamate-drill", *self.pg.connection_flags("teslamate"), "-r", str(repository))
        assert_exit(result, 13)
        self.assertIn("live database was not touched", result.err)

    def test_a_snapshot_that_does_not_hold_what_it_says_is_damaged(self):
        from prune_test import seal, unseal
        repository = self.ws.copy_repository()
        self.addCleanup(shutil.rmtree, repository)
        (manifest,) = (repository / "snapshots").glob("*.json")
        document = unseal(manifest)
        document["cars"][0]["drives"] += 1
        manifest.chmod(0o600)
        manifest.write_bytes(seal(document))
        result = self.ws.run("teslamate-drill", *self.pg.connection_flags("teslamate"), "-r", str(repository))
        assert_exit(result, 13)
        self.assertIn("does not have the drives", result.err)

    def test_killed_at_any_time_the_next_one_removes_what_is_left(self):
        left = 0
        for wait in (0.15, 0.3, 0.5, 0.8, 1.2):
            run = self.ws.start("teslamate-drill", *self.ws.target("teslamate"))
            time.sleep(wait)
            run.signal(signal.SIGKILL)
            run.wait()
            left += len(set(self.pg.databases()) - set(self.before))
        assert_exit(self.drill(), 0)
        self.assertEqual(self.pg.databases(), self.before)
        self.assertGreater(left, 0, "no kill came while there was something to leave")

    def test_a_restore_removes_what_a_dead_drill_left_too(self):
        for wait in (0.4, 0.7, 1.0, 1.4):
            run = self.ws.start("teslamate-drill", *self.ws.target("teslamate"))
            time.sleep(wait)
            run.signal(signal.SIGKILL)
            run.wait()
            if set(self.pg.databases()) - set(self.before):
                break
        assert_exit(self.ws.restore("teslamate", "latest", "--as-database", "look"), 0)
        self.pg.drop_db("look")
        assert_exit(self.drill(), 0)  # what only the drill's own journal knows

    def test_asked_to_stop_it_leaves_nothing(self):
        for wait in (0.3, 0.6, 1.0):
            run = self.ws.start("teslamate-drill", *self.ws.target("teslamate"))
            time.sleep(wait)
            run.signal(signal.SIGTERM)
            self.assertIn(run.wait().code, (143, 0))
            self.assertEqual(self.pg.databases(), self.before)

    def test_a_restore_of_the_live_database_need_not_wait_for_a_drill(self):
        run = self.ws.start("teslamate-drill", *self.ws.target("teslamate"))
        time.sleep(0.3)
        result = self.ws.restore("teslamate", "latest", "--as-database", "meanwhile")
        drilled = run.wait()
        assert_exit(result, 0)
        self.pg.drop_db("meanwhile")
        assert_exit(drilled, 0)

    def test_in_a_cluster_of_its_own_which_is_gone_afterwards(self):
        cache, result = self.cluster_drill("--json")
        document = assert_exit(result, 0).json()
        self.assertTrue(document["cluster"])
        self.assertEqual(list(cache.iterdir()), [])
        self.assertEqual(postgres_processes(cache), [])

    def test_a_killed_cluster_drill_takes_its_server_with_it_and_the_next_one_its_folder(self):
        cache = self.ws.folder / "cache"
        self.ws.folder.chmod(0o711)
        run = self.ws.start("teslamate-drill", "-r", str(self.ws.repository), "--cluster", "--cache-dir", str(cache))
        deadline = time.monotonic() + 60
        while not postgres_processes(cache) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        run.signal(signal.SIGKILL)
        run.wait()
        deadline = time.monotonic() + 20
        while postgres_processes(cache) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(postgres_processes(cache), [])
        assert_exit(self.cluster_drill()[1], 0)
        self.assertEqual(list(cache.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
