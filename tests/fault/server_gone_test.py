# SPDX-License-Identifier: MIT
"""FAULTS T07: maintenance on a standby, and a server that restarts in the middle of a delete, an undo, a check or a
COMMIT: nothing is half done, and what is said about it is true."""

from __future__ import annotations

import pathlib
import signal
import time
import unittest

from harness import assert_exit, diff_digests
from sample_stage import DB, SampleStage
from standby import Standby
from terminal import Terminal

# Holds a statement on that table for as long as the advisory lock 4711 is held by another.
HOLD = """
CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END';
CREATE TRIGGER hold AFTER INSERT OR DELETE ON drives FOR EACH STATEMENT EXECUTE FUNCTION public.hold()"""


class Stage(SampleStage):
    positions = 2000

    def files(self) -> list[str]:
        return sorted(pathlib.Path(name).suffix or name for name in self.undo_files())

    def wait_until(self, what: str, database: str = "postgres"):
        deadline = time.monotonic() + 20
        while self.pg.scalar(database, f"SELECT EXISTS ({what})") != "t":
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.02)

    def wait_for_lock(self, kind: str):
        self.wait_until(f"SELECT FROM pg_stat_activity WHERE wait_event_type = '{kind}' AND datname = '{DB}' "
                        "AND application_name LIKE 'teslamate%'")


class OnAStandby(Stage):
    def test_it_is_checked_and_nothing_else(self):
        assert_exit(self.ws.run(*self.deleting), 0)
        with Standby(self.pg) as standby:
            standby.catch_up()
            flags = [*standby.connection_flags(DB), "--state-dir", str(self.ws.state)]
            here = self.ws.run("teslamate-check", *self.pg.connection_flags(DB), "--json").json()
            there = self.ws.run("teslamate-check", *standby.connection_flags(DB), "--json")
            assert_exit(there, here["exit_code"])
            self.assertEqual([f["kind"] for f in there.json()["findings"]], [f["kind"] for f in here["findings"]])
            listed = assert_exit(self.ws.run("teslamate-undo", *flags, "--list", "--json"), 0).json()["undo_files"]
            self.assertEqual([f["state"] for f in listed], ["done"])
            left = self.files()
            for command in (["delete-drive", "--yes", "9"], ["delete-charge", "--yes", "2"], ["delete-car", "--yes", "--force", "1"],
                            ["delete-drive", "--yes", "--orphaned-positions"], ["undo", "--yes", "last"],
                            ["close-drive", "--recompute", "--yes", "9"], ["close-charge", "--recompute", "--yes", "2"]):
                with self.subTest(command=command):
                    result = assert_exit(self.ws.run(f"teslamate-{command[0]}", *flags, *command[1:]), 16)
                    self.assertIn("standby", result.err)
                    self.assertIn("25006", result.err)
                    self.assertIn("nothing was", result.err)
                    self.assertEqual(self.files(), left)
            result = self.ws.run("teslamate-check", *standby.connection_flags(DB), "--reindex", "--yes")
            self.assertIn(result.code, (0, 16), result.text())
            assert_exit(self.ws.run(*self.undoing), 0)


class Restarted(Stage):
    """fast: every session is told 57P01. immediate: it just dies. kill: the postmaster is gone without a word."""

    def assert_nothing_done(self, running, before, mode):
        result = running.wait()
        self.assertIn(result.code, (15, 16), result.text())
        self.assertIn("nothing was", result.err)
        self.assertEqual([f for f in self.files() if f != ".undo"], [], mode)
        self.assertEqual(diff_digests(before, self.digest()), [])

    def test_while_a_delete_waits_for_a_row(self):
        for mode in ("fast", "immediate", "kill"):
            with self.subTest(mode=mode):
                before = self.digest()
                with self.pg.session(DB) as other:
                    other.run(f"BEGIN; UPDATE drives SET distance = distance WHERE id = {self.drive}")
                    running = self.ws.start(*self.deleting)
                    self.wait_for_lock("Lock")
                    self.pg.restart(mode)
                self.assert_nothing_done(running, before, mode)

    def test_in_the_middle_of_a_delete(self):
        self.pg.script(DB, HOLD)
        before = self.digest()
        for mode in ("fast", "immediate"):
            with self.subTest(mode=mode):
                with self.pg.session(DB) as other:
                    other.run("SELECT pg_advisory_lock(4711)")
                    running = self.ws.start(*self.deleting)
                    self.wait_for_lock("Lock")
                    self.pg.restart(mode)
                self.assert_nothing_done(running, before, mode)
        assert_exit(self.ws.run(*self.deleting), 0)
        assert_exit(self.ws.run(*self.undoing), 0)
        self.assertEqual(diff_digests(before, self.digest()), [])

    def test_in_the_middle_of_an_undo(self):
        self.pg.script(DB, HOLD)
        before = self.digest()
        assert_exit(self.ws.run(*self.deleting), 0)
        deleted = self.digest()
        for mode in ("fast", "immediate"):
            with self.subTest(mode=mode):
                with self.pg.session(DB) as other:
                    other.run("SELECT pg_advisory_lock(4711)")
                    running = self.ws.start(*self.undoing)
                    self.wait_for_lock("Lock")
                    self.pg.restart(mode)
                self.assert_nothing_done(running, deleted, mode)
                self.assertEqual(self.files(), [".undo"])
        assert_exit(self.ws.run(*self.undoing), 0)
        self.assertEqual(diff_digests(before, self.digest()), [])

    def test_while_a_person_thinks(self):
        before = self.digest()
        with Terminal(self.ws, "teslamate-delete-drive", *self.flags, "--positions", "keep", self.drive) as terminal:
            terminal.expect("[y/N]")
            self.pg.restart()
            terminal.type("y\n")
            code, shown = terminal.wait()
            self.assertIn(code, (15, 16), shown)
            self.assertIn("nothing was deleted", shown)
        self.assertEqual(self.files(), [])
        self.assertEqual(diff_digests(before, self.digest()), [])

    def test_in_the_middle_of_a_check(self):
        with self.pg.session(DB) as other:
            other.run("BEGIN; LOCK TABLE charges IN ACCESS EXCLUSIVE MODE")
            running = self.ws.start("teslamate-check", *self.pg.connection_flags(DB))
            self.wait_for_lock("Lock")
            self.pg.restart()
        result = running.wait()
        self.assertIn(result.code, (15, 16), result.text())
        self.assertIn("nothing was changed", result.err)

    def test_a_check_of_a_locked_table_ends_and_names_who_holds_it(self):
        with self.pg.session(DB) as other:
            other.run("BEGIN; LOCK TABLE charges IN ACCESS EXCLUSIVE MODE")
            result = assert_exit(self.ws.run("teslamate-check", *self.pg.connection_flags(DB)), 11)
            self.assertIn(f"pid {other.pid}", result.err)
            self.assertLess(result.seconds, 20)


class AnswerOfCommitLost(Stage):
    """COMMIT is done here and waits for a standby that never comes: when the session is ended then, the server says an
    error about a transaction that took place."""

    def setUp(self):
        super().setUp()
        self.pg.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
        self.pg.sql(DB, f"SET synchronous_commit = off; ALTER DATABASE {DB} SET synchronous_commit = on")
        self.addCleanup(self.pg.sql, "postgres", "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")

    def lose(self, command: list[str], how) -> None:
        running = self.ws.start(*command)
        self.wait_until("SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE 'teslamate%'")
        how(running)
        result = assert_exit(running.wait(), 0)
        self.assertFalse(result.err.count("error["), result.text())

    def terminate(self, _):
        self.pg.sql("postgres", "SET synchronous_commit = off; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                    "wait_event = 'SyncRep'")

    def restart(self, _):
        self.pg.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names")
        self.pg.restart()

    def interrupt(self, running):
        running.signal(signal.SIGTERM)

    def test_what_was_done_is_not_called_undone(self):
        before = self.digest()
        for how in (self.terminate, self.interrupt, self.restart):
            with self.subTest(how=how.__name__):
                self.pg.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
                self.lose(self.deleting, how)
                self.assertEqual(self.files().count(".undo"), 1)
                self.assertEqual(self.pg.scalar(DB, f"SELECT count(*) FROM drives WHERE id = {self.drive}"), "0")
                self.pg.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
                self.lose(self.undoing, how)
                self.assertEqual(self.files().count(".undo"), 0)
                self.assertEqual(diff_digests(before, self.digest()), [])


if __name__ == "__main__":
    unittest.main()
