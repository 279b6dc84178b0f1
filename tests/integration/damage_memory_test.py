#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a verification found damaged is remembered until it was read whole and found good: no shallower run, no
failing one, no clock makes it forgotten; retention, backups, imports and the status go by it."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import shutil
import unittest

from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests, flip_bit
from prune_test import unseal
from status_test import record

UTC = datetime.timezone.utc


class Damage(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.made = cls.enterClassContext(Workspace(cls.pg))
        cls.pg.load_sample("teslamate", positions=2000)
        assert_exit(cls.made.backup("teslamate", "--scheduled"), 0)
        cls.pg.sql("teslamate", "UPDATE cars SET name = name || ' 2'")
        assert_exit(cls.made.backup("teslamate", "--scheduled"), 0)

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        shutil.rmtree(self.ws.repository)
        shutil.copytree(self.made.repository, self.ws.repository)
        self.old, self.new = self.ws.snapshot_files()
        self.ws.config.write_text("[retention]\nkeep_last = 1\nhourly = 0\ndaily = 0\nweekly = 0\nmonthly = 0\n"
                                  "yearly = 0\nminimum = 1\n")
        used = json.dumps(unseal(self.old))
        self.own = next(p for p in self.ws.object_files() if p.name not in used)  # of the newest alone
        self.shared = max(self.ws.object_files(), key=lambda p: p.stat().st_size)
        self.assertIn(self.shared.name, used)

    def verify(self, *args: str, code: int = 0):
        return assert_exit(self.ws.run("teslamate-verify", *args), code)

    def damage(self, path: pathlib.Path):
        flip_bit(path, path.stat().st_size * 4)

    def listed(self) -> list[str]:
        return [p.stem for p in self.ws.snapshot_files()]

    def list_file(self) -> pathlib.Path:
        (file,) = self.ws.state.glob("damaged-*.json")
        return file

    def known(self) -> list[str]:
        return json.loads(self.list_file().read_text())["objects"]

    def checks(self) -> dict[str, dict]:
        return {c["name"]: c for c in self.ws.run("teslamate-status", "--json").json()["checks"]}

    # -- what a verification found

    def test_a_verification_that_reads_less_does_not_make_it_forgotten(self):
        self.damage(self.own)
        self.verify()  # lengths alone show nothing
        self.verify("--read-data", code=13)
        self.assertEqual(self.known(), [self.own.name])
        for args in ((), ("--rotate",), (self.new.stem,)):
            with self.subTest(args):
                self.assertIn(self.own.name, self.verify(*args, code=13).out)
        self.verify(self.old.stem)
        self.assertEqual(self.known(), [self.own.name])

    def test_neither_a_failing_run_nor_a_clock_that_was_ahead_hides_it(self):
        self.damage(self.own)
        self.verify("--read-data", code=13)
        now = datetime.datetime.now(UTC)
        folder = self.ws.state / "history"
        for name, text in (record("verify", now + datetime.timedelta(seconds=1), exit_code=12, error="no key"),
                           record("verify", now + datetime.timedelta(days=900), 2)):
            (folder / name).write_text(text)
        check = self.checks()["damage"]
        self.assertEqual(check["level"], "critical")
        self.assertIn(self.new.stem, check["text"])
        self.assertNotIn(self.old.stem, check["text"])
        assert_exit(self.ws.run("teslamate-status", "--check"), 20)
        assert_exit(self.ws.snapshots("prune", "--yes"), 0)
        self.assertEqual(self.listed(), [self.old.stem, self.new.stem], "the last good one went")

    def test_retention_keeps_the_last_good_one_and_forget_does_too(self):
        self.damage(self.own)
        self.verify("--read-data", code=13)
        with contextlib.suppress(AssertionError):
            self.verify()
        assert_exit(self.ws.snapshots("prune", "--yes"), 0)
        self.assertEqual(self.listed(), [self.old.stem, self.new.stem])
        assert_exit(self.ws.snapshots("forget", "--yes", self.old.stem), 22)
        assert_exit(self.ws.snapshots("forget", "--yes", self.new.stem), 0)
        self.assertEqual(self.listed(), [self.old.stem])
        self.assertEqual(self.known(), [], "what is gone with its snapshot")
        self.assertNotIn("damage", self.checks())
        self.verify("--read-data")

    def test_it_is_over_when_that_very_object_was_read_and_is_good(self):
        self.damage(self.own)
        self.verify("--read-data", code=13)
        self.damage(self.own)  # the same bit again: as it was
        self.verify(self.old.stem)
        self.assertEqual(self.known(), [self.own.name])
        self.verify()
        self.assertEqual(self.known(), [])
        self.assertEqual(self.checks()["verify"]["level"], "good")
        self.assertNotIn("damage", self.checks())
        assert_exit(self.ws.snapshots("prune", "--yes"), 0)
        self.assertEqual(self.listed(), [self.new.stem])

    def test_a_list_that_cannot_be_read_makes_nothing_go_and_nothing_be_taken_over(self):
        self.damage(self.own)
        self.verify("--read-data", code=13)
        for rubbish in (b"rubbish", b""):
            self.list_file().write_bytes(rubbish)
            self.assertIn("teslamate-verify --read-data", assert_exit(self.ws.snapshots("prune", "--yes"), 13).err)
            assert_exit(self.ws.snapshots("forget", "--yes", self.old.stem), 13)
            self.assertEqual(self.checks()["damage"]["level"], "critical")
        self.assertEqual(self.listed(), [self.old.stem, self.new.stem])
        self.assertIn("every row is read", assert_exit(self.ws.backup("teslamate"), 3).err)
        self.verify(code=3)  # reads everything and makes the list anew; the backup has written the object again
        self.verify("--read-data")
        assert_exit(self.ws.snapshots("prune", "--yes"), 0)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be another account")
    def test_what_root_notes_belongs_to_the_account_of_the_timers(self):
        for path in (self.ws.state, self.ws.repository):
            shutil.chown(path, 65534, 65534)
        self.damage(self.own)
        self.verify("--read-data", code=13)
        self.damage(self.own)
        self.verify("--rotate")
        for name in (self.list_file().name, "verify-rotation.json"):
            with self.subTest(name):
                self.assertEqual((self.ws.state / name).stat().st_uid, 65534)

    # -- mending

    def test_the_next_backup_writes_it_again_as_the_hint_says(self):
        self.damage(self.shared)
        self.assertIn("make a new backup", self.verify("--read-data", code=13).err)
        self.assertIn("written again", assert_exit(self.ws.backup("teslamate"), 3).err)
        self.assertEqual(self.known(), [])
        self.verify("--read-data")
        assert_exit(self.ws.restore("teslamate", "latest", "--as-database", "copy"), 0)
        self.addCleanup(self.pg.drop_db, "copy")
        self.assertEqual([], diff_digests(database_digest(self.pg, "teslamate"), database_digest(self.pg, "copy"),
                                          ignore=("database",)))

    def test_rows_to_which_others_were_added_are_mended_for_the_older_snapshots_too(self):
        ws = self.enterContext(Workspace(self.pg))
        self.pg.create_db("growing")
        self.addCleanup(self.pg.drop_db, "growing")
        self.pg.sql("growing", "CREATE TABLE t (id integer, text text)")
        add = "INSERT INTO t SELECT i, 'row ' || i || ' ' || random() FROM generate_series(1, 500) i"
        for _ in range(3):
            self.pg.sql("growing", add)
            assert_exit(ws.backup("growing"), 0)
        (table,) = unseal(ws.snapshot_files()[-1])["tables"]
        objects = [i for chunk in table["chunks"] for i in chunk[3::2]]  # pages, rows, id, length, id, length, …
        self.assertGreater(len(objects), 2, "rows that are added are expected to be objects of their own")
        for name in objects[:2]:
            self.damage(ws.repository / "objects" / name[:2] / name)
        assert_exit(ws.verify("--read-data"), 13)
        self.pg.sql("growing", add)
        self.assertIn("2 damaged objects were", assert_exit(ws.backup("growing"), 3).err)
        assert_exit(ws.verify("--read-data"), 0)
        self.assertEqual(len(ws.snapshot_files()), 4)

    def test_definitions_that_are_damaged_are_written_again_too(self):
        schema = unseal(self.new)["schema"]["id"]
        self.damage(self.ws.repository / "objects" / schema[:2] / schema)
        self.verify("--read-data", code=13)
        self.ws.backup("teslamate")
        self.verify("--read-data")

    def test_without_a_list_the_hint_is_a_full_backup(self):
        self.damage(self.shared)
        result = assert_exit(self.ws.run("teslamate-verify", "--read-data", "--state-dir", "/nonexistent"), 13)
        self.assertIn("--full", result.err)
        self.assertIn("written again", assert_exit(self.ws.backup("teslamate", "--full"), 3).err)
        self.verify("--read-data")

    def test_an_import_mends_what_is_damaged_whether_the_snapshot_is_listed_or_not(self):
        file = self.ws.folder / "good.tmb"
        assert_exit(self.ws.snapshots("export", self.new.stem, file), 0)
        for listed in (True, False):
            with self.subTest(listed=listed):
                self.damage(self.shared)
                self.verify("--read-data", code=13)
                if not listed:
                    self.new.unlink()
                document = assert_exit(
                    self.ws.snapshots("import", file, "--json", "--accept-repository"), 0).json()
                self.assertEqual((document["there_already"], document["new_objects"]), (listed, 1))
                self.assertEqual(self.known(), [])
                self.verify("--read-data")

    # -- what the machine remembers

    def test_an_older_copy_is_not_called_complete(self):
        assert_exit(self.ws.backup("teslamate"), 0)
        self.verify()
        kept = [(p, p.read_bytes()) for p in self.ws.snapshot_files()]
        for gone in (kept[-1:], kept):
            for path, _ in gone:
                path.unlink(missing_ok=True)
            for args in ((), ("--read-data",)):
                with self.subTest(gone=len(gone), args=args):
                    result = self.verify(*args, code=13)
                    self.assertIn("older copy", result.out)
                    self.assertIn("--accept-repository", result.err)
            self.verify("--accept-repository")
        for path, data in kept:
            path.write_bytes(data)
        self.verify("--read-data")

    def test_an_older_copy_does_not_make_damage_forgotten(self):
        self.pg.sql("teslamate", "UPDATE cars SET name = name || ' 3'")
        assert_exit(self.ws.backup("teslamate"), 0)
        newest = self.ws.snapshot_files()[-1]
        used = json.dumps([unseal(self.old), unseal(self.new)])
        victim = next(p for p in self.ws.object_files() if p.name not in used)
        self.damage(victim)
        self.verify("--read-data", code=13)
        newest.unlink()
        self.verify(code=13)
        self.assertEqual(self.known(), [victim.name])
        self.verify("--accept-repository")
        self.assertEqual(self.known(), [])

    def test_live_and_rotate_with_something_named_are_refused_before_anything_is_read(self):
        file = self.ws.folder / "good.tmb"
        assert_exit(self.ws.snapshots("export", "latest", file), 0)
        for flag in ("--live", "--rotate"):
            for named in (str(file), self.new.stem, str(self.ws.repository)):
                with self.subTest(flag, named=named):
                    result = self.verify(flag, named, code=2)
                    self.assertEqual(result.out, "")


if __name__ == "__main__":
    unittest.main()
