#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""teslamate-snapshots prune, forget and tag on a repository whose history is made by hand: manifests of a real
backup under other ids and times, re-sealed, so that ten years do not take ten years."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import time
import unittest

from harness import Cluster, Workspace, assert_exit, flip_bit, tool_path, tree_digest

UTC = datetime.timezone.utc


def seal(document: dict) -> bytes:
    body = (json.dumps(document, separators=(",", ":"), ensure_ascii=False)[:-1] + ",\n").encode()
    return body + f'  "sha256": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode()


def unseal(path: pathlib.Path) -> dict:
    document = json.loads(path.read_bytes())
    del document["sha256"]
    return document


def forge(repository: pathlib.Path, template: pathlib.Path, times: list[datetime.datetime], **changes) -> list[str]:
    """A snapshot at each of these times, with the content of `template`."""
    document = unseal(template)
    ids = []
    for number, time in enumerate(times, 1):
        ids.append(f"{time:%Y%m%dT%H%M%SZ}-{number % 65536:04x}")
        document |= {"id": ids[-1], "time": f"{time:%Y-%m-%dT%H:%M:%SZ}", "sequence": number, "scheduled": True,
                     "tag": "", "parent": ids[-2] if number > 1 else ""} | changes
        path = repository / "snapshots" / (ids[-1] + ".json")
        path.write_bytes(seal(document))
        path.chmod(0o400)
    return ids


def days_before(now: datetime.datetime, count: int) -> list[datetime.datetime]:
    return [now - datetime.timedelta(days=count - i) for i in range(count)]


class Prune(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        pg = cls.enterClassContext(Cluster())
        cls.made = cls.enterClassContext(Workspace(pg))
        cls.pg = pg
        pg.load_sample("teslamate", positions=2000)
        assert_exit(cls.made.backup("teslamate", "--scheduled"), 0)
        pg.sql("teslamate", "UPDATE cars SET name = name || ' 2'")
        assert_exit(cls.made.backup("teslamate", "--scheduled"), 0)
        cls.now = datetime.datetime.now(UTC).replace(microsecond=0)

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        shutil.rmtree(self.ws.repository)
        shutil.copytree(self.made.repository, self.ws.repository)
        self.old, self.new = self.ws.snapshot_files()

    def rules(self, **values):
        self.ws.config.write_text("[retention]\n" + "".join(
            f"{name} = {json.dumps(value)}\n" for name, value in values.items()), encoding="utf-8")

    def only(self, **values):
        self.rules(**({"keep_last": 0, "hourly": 0, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0, "minimum": 1}
                      | values))

    def prune(self, *args: str, code: int = 0, **keywords):
        return assert_exit(self.ws.snapshots("prune", "--yes", *args, **keywords), code)

    def listed(self) -> list[str]:
        return [p.stem for p in self.ws.snapshot_files()]

    def assert_sound(self):
        assert_exit(self.ws.verify("--read-data"), 0)

    def test_a_year_of_days_becomes_what_the_rules_name_and_each_says_why(self):
        forge(self.ws.repository, self.old, days_before(self.now, 365))
        self.only(daily=7, weekly=4, monthly=12)
        before = tree_digest(self.ws.repository)
        planned = self.ws.snapshots("prune", "--dry-run", "--json").json()
        self.assertEqual(tree_digest(self.ws.repository), before, "a dry run changed something")
        done = self.prune("--json").json()
        self.assertEqual(planned["removed"], done["removed"])
        self.assertEqual(sorted(self.listed()), sorted(s["id"] for s in planned["snapshots"] if s["keep"]))
        for snapshot in planned["snapshots"]:
            self.assertEqual(snapshot["keep"], bool(snapshot["reasons"]))
        self.assertLess(len(self.listed()), 7 + 4 + 12 + 3)
        self.assert_sound()
        self.assertEqual(self.prune("--json").json()["removed"], [], "a second run found more to do")

    def test_the_dry_run_prints_rules_calendar_and_reasons(self):
        forge(self.ws.repository, self.old, days_before(self.now, 40))
        self.only(daily=7, monthly=12)
        text = self.ws.snapshots("prune", "--dry-run").out
        for words in ("rules: daily 7, monthly 12; at least 1", "UTC+00:00", "D daily", "stays", "would remove"):
            self.assertIn(words, text)

    def test_objects_go_in_a_later_run_and_only_when_still_unused(self):
        self.only(keep_last=1, grace="0s")
        objects = set(self.ws.object_files())
        self.prune()
        self.assertEqual(self.listed(), [self.new.stem])
        self.assertEqual(set(self.ws.object_files()), objects, "objects went in the run that removed the snapshot")
        waiting = json.loads((self.ws.repository / "tombstones.json").read_bytes())["objects"]
        self.assertGreater(len(waiting), 0)
        self.assert_sound()
        result = self.prune("--json").json()
        self.assertEqual(result["objects_removed"], len(waiting))
        self.assertEqual(objects - set(self.ws.object_files()),
                         {p for p in objects if p.name in waiting})
        self.assert_sound()

    def test_an_unused_object_that_a_new_snapshot_needs_again_stays(self):
        pg_name = "SELECT name FROM cars ORDER BY id LIMIT 1"
        name = self.pg.scalar("teslamate", pg_name)
        self.only(keep_last=1, grace="0s")
        self.prune()
        self.pg.sql("teslamate", "UPDATE cars SET name = left(name, -2)")
        try:
            assert_exit(self.ws.backup("teslamate", "--scheduled"), 0)
        finally:
            self.pg.sql("teslamate", "UPDATE cars SET name = name || ' 2'")
        self.assertEqual(self.pg.scalar("teslamate", pg_name), name)
        self.only(keep_last=2, grace="0s")
        self.prune()
        self.assert_sound()

    def test_now_frees_space_at_once(self):
        self.only(keep_last=1)
        self.assertGreater(self.prune("--now", "--json").json()["bytes_removed"], 0)
        self.assert_sound()

    def test_within_the_grace_time_nothing_goes(self):
        self.only(keep_last=1, grace="1h")
        self.prune()
        self.assertEqual(self.prune("--json").json()["objects_removed"], 0)

    def test_a_damaged_list_of_unused_objects_only_makes_them_wait_anew(self):
        self.only(keep_last=1, grace="0s")
        self.prune()
        (self.ws.repository / "tombstones.json").write_bytes(b"\0garbage")
        self.assertEqual(self.prune("--json").json()["objects_removed"], 0)
        self.assertGreater(self.prune("--json").json()["objects_removed"], 0)

    def test_tagged_pinned_and_manual_snapshots_stay(self):
        ids = forge(self.ws.repository, self.old, days_before(self.now, 10))
        manual = forge(self.ws.repository, self.old, [self.now - datetime.timedelta(days=20)], scheduled=False)
        point = forge(self.ws.repository, self.old, [self.now - datetime.timedelta(days=21)], tag="before-restore")
        assert_exit(self.ws.snapshots("tag", ids[0], "first"), 0)
        assert_exit(self.ws.snapshots("tag", ids[1], "--pin"), 0)
        self.only(keep_last=1)
        self.prune()
        self.assertEqual(set(self.listed()), {ids[0], ids[1], manual[0], point[0], self.new.stem})
        self.assertEqual(json.loads(self.ws.snapshots("list", "--json").out)["snapshots"][2]["tag"], "first")
        assert_exit(self.ws.snapshots("tag", ids[0], "--remove"), 0)
        assert_exit(self.ws.snapshots("tag", ids[1], "--unpin"), 0)
        assert_exit(self.ws.snapshots("tag", manual[0], "--remove"), 0)
        self.prune()
        self.assertEqual(set(self.listed()), {point[0], self.new.stem})
        self.assertEqual(list((self.ws.repository / "tags").iterdir()), [], "tags of snapshots that are gone")

    def test_forget_removes_what_it_is_told_but_not_a_pinned_or_the_last_one(self):
        ids = forge(self.ws.repository, self.old, days_before(self.now, 3))
        assert_exit(self.ws.snapshots("tag", ids[0], "--pin"), 0)
        assert_exit(self.ws.snapshots("forget", "--yes", ids[0]), 22)
        assert_exit(self.ws.snapshots("forget", "--yes", "latest"), 2)
        assert_exit(self.ws.snapshots("forget", ids[1]), 22)  # nobody to ask
        assert_exit(self.ws.snapshots("forget", "--yes", ids[1], ids[2]), 0)
        self.assertEqual(self.listed(), [ids[0], self.old.stem, self.new.stem])
        assert_exit(self.ws.snapshots("tag", ids[0], "--unpin"), 0)
        assert_exit(self.ws.snapshots("forget", "--yes", *self.listed()), 22)
        self.assertEqual(len(self.listed()), 3)

    def test_after_the_newest_was_forgotten_backups_go_on(self):
        assert_exit(self.ws.backup("teslamate"), 0)
        assert_exit(self.ws.snapshots("forget", "--yes", self.listed()[-1]), 0)
        assert_exit(self.ws.snapshots("list"), 0)
        assert_exit(self.ws.backup("teslamate"), 0)

    def test_one_from_the_future_is_refused(self):
        (future,) = forge(self.ws.repository, self.old, [self.now + datetime.timedelta(days=400)])
        before = tree_digest(self.ws.repository)
        result = self.prune(code=22)
        self.assertIn(f"teslamate-snapshots forget {future}", result.err)
        self.assertEqual(tree_digest(self.ws.repository), before)
        assert_exit(self.ws.snapshots("forget", "--yes", future), 0)
        self.prune()

    def test_a_damaged_manifest_stops_everything_until_it_is_forgotten(self):
        forge(self.ws.repository, self.old, days_before(self.now, 5))
        self.only(keep_last=1)
        bad = self.ws.snapshot_files()[2]
        flip_bit(bad, 999)
        before = tree_digest(self.ws.repository)
        self.prune(code=13)
        self.assertEqual(tree_digest(self.ws.repository), before)
        assert_exit(self.ws.snapshots("forget", "--yes", bad.stem), 0)
        self.prune()
        self.assertEqual(self.listed(), [self.new.stem])

    def test_a_snapshot_with_an_object_missing_does_not_count(self):
        # The newer one's own object: of the two, only the older is complete then.
        mine = {p.name for p in self.ws.object_files()}
        used = json.dumps(unseal(self.old))
        (lost, *_) = [name for name in mine if name not in used]
        (self.ws.repository / "objects" / lost[:2] / lost).unlink()
        self.only(keep_last=1)
        self.prune()
        self.assertEqual(self.listed(), [self.old.stem, self.new.stem])

    def test_all_snapshots_damaged_is_refused(self):
        for path in self.ws.object_files():
            path.unlink()
        self.only(keep_last=1)
        self.prune(code=22)
        self.assertEqual(len(self.listed()), 2)

    def test_an_emptied_list_of_snapshots_is_not_an_empty_repository(self):
        for path in self.ws.snapshot_files():
            path.unlink()
        self.only(keep_last=1, grace="0s")
        before = set(self.ws.object_files())
        self.prune(code=22)
        self.assertEqual(set(self.ws.object_files()), before)

    def test_a_repository_that_is_not_mounted_is_10(self):
        shutil.rmtree(self.ws.repository)
        self.prune(code=10)
        self.ws.repository.mkdir()
        self.prune(code=10)

    def test_a_listing_that_fails_in_the_middle_removes_nothing(self):
        forge(self.ws.repository, self.old, days_before(self.now, 30))
        self.only(keep_last=1, grace="0s")
        before = tree_digest(self.ws.repository)
        for number in (3, 7, 40, 200, 263, 540, 700, 900, 1000):  # also while objects are listed, not only swept
            for inject in (f"getdents64:error=EIO:when={number}",):
                result = self.ws.run_traced("teslamate-snapshots", "prune", "--yes", inject=inject)
                with self.subTest(inject=inject):
                    self.assertIn("INJECTED", result.trace)
                    assert_exit(result, 17)
                    self.assertEqual(tree_digest(self.ws.repository), before)

    @contextlib.contextmanager
    def asked(self, *args: str):
        """The program on a terminal, at its question. Gives a function that answers and returns code and text."""
        argv = [str(tool_path("teslamate-snapshots")), *args, "-r", str(self.ws.repository)]
        pid, master = pty.fork()
        if pid == 0:
            os.execve(argv[0], argv, self.ws.environment() | {"TERM": "xterm"})
        shown = b""

        def read_on(until: bytes | None) -> None:
            nonlocal shown
            while until is None or until not in shown:
                if not select.select([master], [], [], 60)[0]:
                    raise AssertionError(f"it says nothing more than {shown!r}")
                try:
                    data = os.read(master, 65536)
                except OSError:
                    data = b""
                if not data:
                    return
                shown += data

        def answer(text: bytes) -> tuple[int, str]:
            os.write(master, text)
            read_on(None)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()

        try:
            read_on(b"[y/N]")
            self.assertIn(b"[y/N]", shown)
            yield answer
        finally:
            os.close(master)

    def test_while_its_question_waits_a_backup_goes_on_and_the_plan_is_made_again(self):
        forge(self.ws.repository, self.old, days_before(self.now, 5))
        self.only(keep_last=1)
        count = len(self.listed())
        with self.asked("prune") as answer:
            assert_exit(self.ws.backup("teslamate", "--scheduled"), 0)
            code, text = answer(b"y\n")
        # The newest of the question is one that no rule keeps by now; nobody agreed to that.
        self.assertEqual((code, len(self.listed())), (22, count + 1), text)
        self.assertIn("while the question waited", text)
        with self.asked("prune") as answer:
            self.assertEqual(answer(b"y\n")[0], 0)
        self.assertEqual(len(self.listed()), 1)

    def test_what_is_agreed_to_and_gone_meanwhile_is_no_error_and_no_is_no(self):
        ids = forge(self.ws.repository, self.old, days_before(self.now, 5))
        self.only(keep_last=1)
        with self.asked("prune") as answer:
            self.assertEqual(answer(b"n\n")[0], 22)
        self.assertEqual(len(self.listed()), 7)
        with self.asked("prune") as answer:
            assert_exit(self.ws.snapshots("forget", "--yes", ids[0]), 0)
            self.assertEqual(answer(b"y\n")[0], 0)
        self.assertEqual(self.listed(), [self.new.stem])
        self.assert_sound()

    def test_forget_locks_nothing_while_it_asks_and_looks_again_afterwards(self):
        with self.asked("forget", self.old.stem) as answer:
            assert_exit(self.ws.snapshots("tag", self.old.stem, "--pin"), 0)
            self.assertEqual(answer(b"y\n")[0], 22)
        self.assertIn(self.old.stem, self.listed())
        assert_exit(self.ws.snapshots("tag", self.old.stem, "--unpin"), 0)
        with self.asked("forget", self.old.stem) as answer:
            self.assertEqual(answer(b"y\n")[0], 0)
        self.assertNotIn(self.old.stem, self.listed())

    def test_readers_and_writers_keep_it_out_and_it_keeps_them_out(self):
        self.only(keep_last=1)
        with open(self.ws.repository / "lock", "rb+") as lock:
            import fcntl
            import struct
            def take(byte: int, kind: int):
                fcntl.fcntl(lock, 37, struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, 1, 0))  # F_OFD_SETLK
            take(1, fcntl.F_WRLCK)
            self.prune(code=11)
            take(1, fcntl.F_UNLCK)
            take(0, fcntl.F_RDLCK)
            self.prune(code=11)
            self.prune("--dry-run")
            take(0, fcntl.F_UNLCK)
            take(0, fcntl.F_WRLCK)
            assert_exit(self.ws.snapshots("list"), 11)
            with self.subTest("what is over in a moment is waited for"):
                listing = self.ws.start("teslamate-snapshots", "list")
                time.sleep(1)
                self.assertIsNone(listing.process.poll())
                take(0, fcntl.F_UNLCK)
                assert_exit(listing.wait(), 0)
        self.prune()

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small file system takes root")
    def test_a_disk_without_one_free_byte_can_be_pruned(self):
        forge(self.ws.repository, self.old, days_before(self.now, 30))
        disk = self.ws.folder / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=True)
        try:
            repository = disk / "repository"
            shutil.copytree(self.ws.repository, repository)
            with contextlib.suppress(OSError), open(disk / "filler", "wb", buffering=0) as filler:
                while True:
                    filler.write(b"x" * 4096)
            self.assertEqual(os.statvfs(disk).f_bavail, 0)
            self.only(keep_last=1)
            result = self.ws.run("teslamate-snapshots", "prune", "--yes", "--now", "-r", str(repository))
            assert_exit(result, 0)
            self.assertGreater(os.statvfs(disk).f_bavail, 0)
            self.assertEqual([p.stem for p in (repository / "snapshots").iterdir()], [self.new.stem])
            assert_exit(self.ws.run("teslamate-verify", "--read-data", str(repository)), 0)
        finally:
            subprocess.run(["umount", disk], check=True)

    def test_killed_at_every_change_it_leaves_only_complete_snapshots(self):
        """Each call that changes the repository is a point to die at; the run after it finishes the work."""
        forge(self.ws.repository, self.old, days_before(self.now, 4))
        self.only(keep_last=1, grace="0s")
        template = self.ws.copy_repository()
        self.addCleanup(shutil.rmtree, template, ignore_errors=True)
        struck = 0
        for second in (False, True):  # the run that removes snapshots, and the one that removes objects
            for call in ("unlink", "fsync", "rename", "write"):
                for number in range(1, 40):
                    shutil.rmtree(self.ws.repository)
                    shutil.copytree(template, self.ws.repository)
                    if second:
                        self.prune()
                    result = self.ws.run_traced("teslamate-snapshots", "prune", "--yes",
                                                inject=f"{call}:signal=KILL:when={number}")
                    if result.code == 0:
                        break
                    struck += 1
                    with self.subTest(second=second, call=call, number=number):
                        self.assertEqual(result.code, -signal.SIGKILL, result.text())
                        self.assertIn(self.new.stem, self.listed())
                        assert_exit(self.ws.verify(), 0)
                        self.prune()
                        self.prune()
                        self.assertEqual(self.listed(), [self.new.stem])
                        found = self.ws.verify("--read-data", "--json").json()["repositories"][0]
                        self.assertEqual((found["intact"], found["orphans"], found["strays"]), (True, 0, []))
        self.assertGreater(struck, 15)


if __name__ == "__main__":
    unittest.main()
