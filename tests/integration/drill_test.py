#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""teslamate-drill: it restores, looks, times, and leaves nothing, whatever ends it."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import subprocess
import time
import unittest

from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests, flip_bit
from prune_test import forge, seal, unseal

SAMPLE_KEY = "sample-encryption-key"  # opens the sample's tokens


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

    def test_each_goal_that_is_missed_is_a_warning_and_code_3(self):
        self.ws.config.write_text('[goals]\nrto = "1s"\nrpo = "30d"\n')
        result = assert_exit(self.ws.run_traced("teslamate-drill", *self.ws.target("teslamate"),
                                                inject="connect:delay_enter=400000"), 3)
        self.assertIn("[goals] rto", result.err)
        self.assertNotIn("[goals] rpo", result.err)
        repository = self.ws.copy_repository()
        self.addCleanup(shutil.rmtree, repository)
        (newest,) = (repository / "snapshots").iterdir()
        forge(repository, newest, [datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=2)])
        newest.unlink()
        self.ws.config.write_text('[goals]\nrto = "1h"\nrpo = "60s"\n')
        result = self.ws.run("teslamate-drill", *self.pg.connection_flags("teslamate"), "-r", str(repository))
        self.assertIn("[goals] rpo", assert_exit(result, 3).err)
        for preset, rpo, rto in (("hobby", 86400, 7200), ("serious", 3600, 1800), ("production", 300, 900)):
            self.ws.config.write_text(f'[goals]\npreset = "{preset}"\n')
            goals = self.drill("--json").json()["goals"]
            self.assertEqual(goals, {"rpo_seconds": rpo, "rto_seconds": rto}, preset)

    def test_the_vault_is_tried_with_the_key_that_is_known(self):
        vault = assert_exit(self.drill("--json", env={"ENCRYPTION_KEY": SAMPLE_KEY}), 0).json()
        self.assertRegex(vault["vault"], r"stored tokens? opens? with ENCRYPTION_KEY")
        wrong = assert_exit(self.drill("--json", env={"ENCRYPTION_KEY": "a key that opened nothing so far"}), 3)
        self.assertIsNone(wrong.json()["vault"])
        self.assertTrue([w for w in wrong.json()["warnings"] if "ENCRYPTION_KEY" in w], wrong.text())

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

    def files(self) -> list:
        """The database as every kind of file: exports of ours, and what TeslaMate's own backup command writes."""
        out = []
        for name in ("a.tmb", "a.sql", "a.sql.zst"):
            out.append(self.ws.folder / name)
            if not out[-1].exists():
                assert_exit(self.ws.snapshots("export", "latest", out[-1]), 0)
        for name, args in (("teslamate.bck", ()), ("a.dump", ("-Fc",))):
            out.append(self.ws.folder / name)
            if not out[-1].exists():
                out[-1].write_bytes(self.pg.client("pg_dump", *args, database="teslamate").stdout)
        return out

    def assert_comes_back(self, document: dict, name: str):
        self.assertEqual(document["cars"], int(self.pg.scalar("teslamate", "SELECT count(*) FROM cars")), name)
        self.assertEqual(len(document["dashboards"]), 6, name)
        rows = sum(int(self.pg.scalar("teslamate", f"SELECT count(*) FROM {t}"))
                   for t in ("positions", "charges", "drives", "charging_processes"))
        self.assertGreater(document["rows"], rows, name)

    def test_every_kind_of_file_is_rehearsed_on_the_server_and_in_a_cluster(self):
        for file in self.files():
            with self.subTest(file=file.name):
                document = assert_exit(self.drill(file, "--json"), 0).json()
                self.assert_comes_back(document, file.name)
                self.assertEqual(bool(document["snapshot"]), file.suffix == ".tmb")
                self.assertEqual(self.pg.databases(), self.before)
                cache, result = self.cluster_drill(file, "--json")
                self.assert_comes_back(assert_exit(result, 0).json(), file.name)
                self.assertEqual(list(cache.iterdir()), [])
                self.assertEqual(postgres_processes(cache), [])

    def test_the_drill_of_a_file_is_noted_but_is_not_taken_for_one_of_the_repository(self):
        shutil.rmtree(self.ws.state / "history", ignore_errors=True)
        file = self.files()[1]
        assert_exit(self.drill(file), 0)
        broken = self.ws.folder / "broken.sql"
        broken.write_bytes(file.read_bytes()[:-2000])
        assert_exit(self.drill(broken), 13)
        kinds = sorted(p.name.split("Z-")[1].rsplit("-", 1)[0] for p in (self.ws.state / "history").iterdir())
        self.assertEqual(kinds, ["drill-file", "drill-file"])
        document = self.ws.run("teslamate-status", "--json").json()
        self.assertIsNone(document["last_runs"]["drill"])

    def test_a_file_that_does_not_come_back_leaves_nothing(self):
        file = self.ws.folder / "wrong.sql"
        text = self.files()[3].read_text().replace("PRIMARY KEY (id)", "PRIMARY KEY (no_such_column)", 1)
        file.write_text(text)
        result = self.drill(file)
        self.assertIn(result.code, (13, 16))
        self.assertIn("live database was not touched", result.err)
        cache, result = self.cluster_drill(file)
        self.assertIn(result.code, (13, 16))
        self.assertEqual((list(cache.iterdir()), postgres_processes(cache)), ([], []))
        assert_exit(self.drill(self.ws.folder / "absent.sql"), 21)

    @staticmethod
    def shared_memory() -> set[str]:
        segments = subprocess.run(["ipcs", "-m"], capture_output=True, text=True, check=True).stdout.splitlines()
        mine = {line.split()[1] for line in segments if line.startswith("0x")}
        return mine | {name for name in os.listdir("/dev/shm") if name.startswith("PostgreSQL.")}

    def test_a_cluster_leaves_no_shared_memory(self):
        left: set[str] = set()
        for _ in range(3):
            before = self.shared_memory()
            assert_exit(self.cluster_drill()[1], 0)
            left = self.shared_memory() - before
            if not left:  # another server of this machine may have begun meanwhile
                return
        self.fail(f"left behind: {left}")

    def test_a_server_that_ends_while_it_starts_is_told_at_once_with_its_last_words(self):
        programs = self.ws.folder / "programs"
        programs.mkdir(mode=0o755)
        for program in ("pg_dump", "pg_restore", "initdb"):
            (programs / program).symlink_to(self.pg.bindir / program)
        (programs / "postgres").write_text("#!/bin/sh\necho 'FATAL:  the moon is full' >&2\nexit 1\n")
        (programs / "postgres").chmod(0o755)
        self.ws.config.write_text(f'[database]\npg_bin_dir = "{programs}"\n')
        began = time.monotonic()
        cache, result = self.cluster_drill()
        self.assertLess(time.monotonic() - began, 50)
        self.assertEqual(result.code, 17, result)
        self.assertIn("the moon is full", result.err)
        self.assertEqual(list(cache.iterdir()), [])

    def test_a_cache_whose_name_is_too_long_for_a_socket_is_refused_at_once(self):
        cache = self.ws.folder / ("c" * 90)
        result = self.ws.run("teslamate-drill", "-r", str(self.ws.repository), "--cluster", "--cache-dir", str(cache))
        self.assertEqual(result.code, 17, result)
        self.assertIn("too long a name for its socket", result.err)
        self.assertIn("--cache-dir", result.err)
        self.assertFalse(cache.exists())

    def test_killed_while_it_makes_its_cluster_or_loads_a_file_the_next_one_removes_what_is_left(self):
        cache, file = self.ws.folder / "cache", self.files()[3]
        self.ws.folder.chmod(0o711)
        left = 0
        for what in ("latest", file):
            for wait in (0.05, 0.2, 0.5, 0.9, 1.5, 2.2):
                run = self.ws.start("teslamate-drill", "-r", str(self.ws.repository), "--cluster", "--cache-dir",
                                    str(cache), what)
                time.sleep(wait)
                run.signal(signal.SIGKILL)
                run.wait()
                left += any(cache.iterdir()) if cache.exists() else 0
        deadline = time.monotonic() + 20
        while postgres_processes(cache) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(postgres_processes(cache), [], "a server outlived its drill")
        assert_exit(self.cluster_drill()[1], 0)
        self.assertEqual(list(cache.iterdir()), [])
        self.assertGreater(left, 3, "no kill came while there was something to leave")

    @unittest.skipUnless(os.geteuid() == 0, "only root can give privileges up")
    def test_started_by_root_no_server_runs_as_root(self):
        cache = self.ws.folder / "cache"
        self.ws.folder.chmod(0o711)
        run = self.ws.start("teslamate-drill", "-r", str(self.ws.repository), "--cluster", "--cache-dir", str(cache))
        owners = set()
        while run.process.poll() is None:
            found = subprocess.run(["ps", "-eo", "user=,args="], capture_output=True, text=True, check=True).stdout
            owners |= {line.split()[0] for line in found.splitlines()
                       if f"-D {cache}" in line and "teslamate-drill" not in line}
            time.sleep(0.05)
        assert_exit(run.wait(), 0)
        self.assertEqual(owners, {"postgres"})

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
