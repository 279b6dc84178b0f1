# SPDX-License-Identifier: MIT
"""A delete and an undo killed before each system call by which they change the state folder or talk to the server:
nothing is lost, nothing is done twice, and the file says what became of it."""

from __future__ import annotations

import shutil
import time
import unittest

import injection
from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests

DB = "teslamate"


class Killed(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.load_sample(DB, positions=1500)
        cls.pg.sql(DB, "ANALYZE")
        cls.drive = cls.pg.scalar(DB, "SELECT drive_id FROM positions WHERE drive_id IN (SELECT id FROM drives WHERE end_date "
                                  "IS NOT NULL) GROUP BY 1 ORDER BY count(*) LIMIT 1")
        cls.before = database_digest(cls.pg, DB)

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.flags = [*self.pg.connection_flags(DB), "--state-dir", str(self.ws.state), "--yes"]
        self.deleting = ["teslamate-delete-drive", *self.flags, "--positions", "delete", self.drive]
        self.undoing = ["teslamate-undo", *self.flags, "last"]

    def clean(self):
        shutil.rmtree(self.ws.state)
        self.ws.state.mkdir(mode=0o700)

    def gone(self) -> bool:
        return self.pg.scalar(DB, f"SELECT count(*) FROM drives WHERE id = {self.drive}") == "0"

    def wait_for_sessions(self):
        # The server notices a killed client only when it next reads from or writes to it.
        deadline = time.monotonic() + 10
        while self.pg.backends(DB) and time.monotonic() < deadline:
            time.sleep(0.02)

    def points(self, command: list[str]) -> list[tuple[str, int]]:
        calls = (*injection.CHANGING, "sendto")
        result = assert_exit(self.ws.run_traced(*command, trace=injection.names(calls), strace_args=["-y"]), 0)
        changes = injection.points(result.trace, self.ws.state)
        talk = injection.points(result.trace, self.ws.state, everything=True)["sendto"]
        # Of the many questions to the server some; the last ones, with COMMIT, all.
        talk = injection.sample(talk[:-8], 16) + talk[-8:]
        return [(name, number) for name, numbers in changes.items() for number in numbers] + [("sendto", n) for n in talk]

    def assert_whole(self, what: str):
        """Either it did not happen, or it did and one undo brings it back."""
        self.wait_for_sessions()
        listed = assert_exit(self.ws.run("teslamate-undo", *self.flags, "--list", "--json"), 0).json()["undo_files"]
        states = [entry["state"] for entry in listed]
        self.assertNotIn("unfinished", states, what)
        if self.gone():
            self.assertEqual(states.count("done"), 1, what)
            assert_exit(self.ws.run(*self.undoing), 0)
        else:
            self.assertNotIn("done", [s for s in states if s == "done" and "undo" not in what], what)
        self.assertEqual(diff_digests(self.before, database_digest(self.pg, DB)), [], what)

    def test_a_delete_killed_anywhere(self):
        points = self.points(self.deleting)
        assert_exit(self.ws.run(*self.undoing), 0)
        self.assertGreater(len(points), 15, points)
        struck = 0
        for name, number in points:
            with self.subTest(call=name, number=number):
                self.clean()
                result = self.ws.run_traced(*self.deleting, inject=f"{name}:signal=KILL:when={number}")
                self.assertIn(result.code, (-9, 137, 0), result.text())
                struck += result.code != 0
                self.assert_whole(f"delete killed at {name} {number}: {result.trace[-600:]}")
        self.assertGreater(struck, 15)

    def test_an_undo_killed_anywhere(self):
        assert_exit(self.ws.run(*self.deleting), 0)
        points = self.points(self.undoing)
        self.assertGreater(len(points), 10, points)
        struck = 0
        for name, number in points:
            with self.subTest(call=name, number=number):
                self.clean()
                assert_exit(self.ws.run(*self.deleting), 0)
                result = self.ws.run_traced(*self.undoing, inject=f"{name}:signal=KILL:when={number}")
                self.assertIn(result.code, (-9, 137, 0), result.text())
                struck += result.code != 0
                self.wait_for_sessions()
                # Again: it goes on or finds everything as it should be.
                again = self.ws.run(*self.undoing)
                self.assertIn(again.code, (0, 21), again.text())
                self.assertEqual(diff_digests(self.before, database_digest(self.pg, DB)), [], f"{name} {number}")
        self.assertGreater(struck, 10)

    def test_a_full_disk_or_a_failed_sync_deletes_nothing_and_says_so(self):
        """Of what is written before COMMIT. Behind it a failure is a warning: the file keeps its first name."""
        changes = injection.points(assert_exit(self.ws.run_traced(
            *self.deleting, trace=injection.names(injection.CHANGING), strace_args=["-y"]), 0).trace, self.ws.state)
        assert_exit(self.ws.run(*self.undoing), 0)
        struck: dict = {}
        for call, error in (("write", "ENOSPC"), ("fsync", "EIO"), ("link", "EIO"), ("linkat", "EIO"), ("rename", "EIO")):
            for number in changes.get(call, ()):
                with self.subTest(call=call, number=number):
                    self.clean()
                    result = self.ws.run_traced(*self.deleting, inject=f"{call}:error={error}:when={number}")
                    self.assertIn("(INJECTED)", result.trace)
                    struck.setdefault(call, set()).add(result.code)
                    if result.code == 17:
                        self.assertIn("state: nothing was", result.err)
                        self.assertFalse(self.gone())
                    else:
                        self.assertIn("the undo file keeps its name", assert_exit(result, 3).err)
                        self.assertTrue(self.gone())
                    self.assert_whole(f"{call} {number}")
        for call in ("write", "fsync"):
            self.assertIn(17, struck[call])
        self.assertTrue({17} & (struck.get("link", set()) | struck.get("linkat", set()) | struck.get("rename", set())))


if __name__ == "__main__":
    unittest.main()
