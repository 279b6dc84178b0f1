# SPDX-License-Identifier: MIT
"""The deleting programs before a person: asked on a terminal, answered or not, cut off, piped, several at once. What was not
said yes to is not done."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import unittest

from harness import assert_exit, database_digest, diff_digests, tool_path
from sample_stage import DB, SampleStage
from terminal import Terminal


class Question(SampleStage):
    def terminal(self, name: str, *args: str, **keywords) -> Terminal:
        return self.enterContext(Terminal(self.ws, name, *self.flags, *args, **keywords))

    def run_tool(self, name: str, *args: str, **keywords):
        return self.ws.run(name, *self.flags, *args, **keywords)

    def assert_untouched(self):
        self.assertEqual(self.undo_files(), [])
        self.assert_as_before()

    # -- answers

    def test_it_shows_asks_about_the_track_and_then_asks(self):
        positions = self.pg.scalar(DB, f"SELECT count(*) FROM positions WHERE drive_id = {self.drive}")
        terminal = self.terminal("teslamate-delete-drive", self.drive)
        terminal.expect(f"Delete the {positions} positions of its track, too?")
        self.assertIn(f"drive {self.drive} of", terminal.shown)
        terminal.type("y\n")
        shown = terminal.expect(f"Delete drive {self.drive}? [y/N]")
        self.assertIn(f"{positions} rows of public.positions will be deleted", shown)
        terminal.type("yes\n")
        code, shown = terminal.wait()
        self.assertEqual(code, 0, shown)
        self.assertEqual(self.pg.scalar(DB, f"SELECT count(*) FROM positions WHERE drive_id = {self.drive}"), "0")
        terminal = self.terminal("teslamate-undo", "last")
        terminal.expect("Undo this? [y/N]")
        terminal.type("Y\n")
        self.assertEqual(terminal.wait()[0], 0)
        self.assert_as_before()

    def test_anything_but_yes_is_no(self):
        for answer in ("n\n", "\n", "no\n", "yep\n", "yy\n", "\x04", "1\n", "j\n", " y\n"):
            with self.subTest(answer=answer):
                terminal = self.terminal("teslamate-delete-drive", "--positions", "keep", self.drive)
                terminal.expect("[y/N]")
                terminal.type(answer)
                code, shown = terminal.wait()
                self.assertEqual(code, 22, shown)
                self.assertIn("not confirmed", shown)
                self.assertIn("nothing was deleted", shown)
                # The message begins on a line of its own.
                self.assertIn("\nteslamate-delete-drive: ", shown)
                self.assert_untouched()

    def test_a_no_about_the_track_keeps_it(self):
        terminal = self.terminal("teslamate-delete-drive", self.drive)
        terminal.expect("its track, too?")
        terminal.type("n\n")
        terminal.expect(f"Delete drive {self.drive}?")
        terminal.type("y\n")
        code, shown = terminal.wait()
        self.assertIn(code, (0, 3), shown)
        self.assertEqual(self.pg.scalar(DB, "SELECT count(*) FROM positions"),
                         self.pg.scalar("template_of_it", "SELECT count(*) FROM positions"))

    def test_nothing_is_held_while_a_person_thinks(self):
        terminal = self.terminal("teslamate-delete-drive", "--positions", "delete", self.drive)
        terminal.expect("[y/N]")
        self.pg.script(DB, "SET lock_timeout = '1s'; BEGIN; LOCK TABLE drives, positions IN ACCESS EXCLUSIVE MODE; "
                           f"UPDATE drives SET distance = 4711 WHERE id = {self.drive}; COMMIT;")
        terminal.type("y\n")
        code, shown = terminal.wait()
        self.assertEqual(code, 22, shown)
        self.assertIn("changed since", shown)
        self.assertEqual(self.undo_files(), [])
        self.assertEqual(self.pg.scalar(DB, f"SELECT distance FROM drives WHERE id = {self.drive}"), "4711")

    def test_a_position_that_came_while_a_person_thought_is_not_taken_along(self):
        terminal = self.terminal("teslamate-delete-drive", "--positions", "delete", self.drive)
        terminal.expect("[y/N]")
        self.pg.sql(DB, f"INSERT INTO positions (date, latitude, longitude, car_id, drive_id) VALUES (now(), 1, 1, 1, {self.drive})")
        terminal.type("y\n")
        code, shown = terminal.wait()
        self.assertEqual(code, 22, shown)
        self.assertEqual(self.undo_files(), [])

    # -- cut off

    def test_a_closed_window_or_an_interrupt_at_the_question_does_nothing(self):
        for how in ("hang up", "ctrl-c", signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            with self.subTest(how=how):
                terminal = self.terminal("teslamate-delete-drive", "--positions", "delete", self.drive)
                terminal.expect("[y/N]")
                if how == "hang up":
                    terminal.hang_up()
                elif how == "ctrl-c":
                    terminal.type("\x03")
                else:
                    os.kill(terminal.pid, how)
                code, shown = terminal.wait()
                expected = {"hang up": (130, 22), signal.SIGTERM: (143,), signal.SIGKILL: (-9,)}.get(how, (130,))
                self.assertIn(code, expected, shown)
                self.assert_untouched()

    def test_without_a_terminal_nobody_is_asked(self):
        for answer in (None, b"y\n", b""):
            result = assert_exit(self.run_tool("teslamate-delete-drive", self.drive, input=answer), 22)
            self.assertIn("--yes", result.err)
        self.assert_untouched()

    def test_a_closed_pipe_does_not_keep_the_truth_from_the_exit_code(self):
        """The rows go or stay as said; only what could not be printed is lost."""
        read, write = os.pipe()
        os.close(read)
        try:
            done = subprocess.run([str(tool_path("teslamate-delete-drive")), *self.flags, "--yes", "--positions", "delete", self.drive],
                                  stdin=subprocess.DEVNULL, stdout=write, stderr=subprocess.PIPE, env=self.ws.environment(), cwd="/",
                                  timeout=60)
        finally:
            os.close(write)
        self.assertEqual(done.returncode, 17, done.stderr)
        self.assertIn(b"everything else was done", done.stderr)
        self.assertEqual(self.pg.scalar(DB, f"SELECT count(*) FROM drives WHERE id = {self.drive}"), "0")
        assert_exit(self.run_tool("teslamate-undo", "--yes", "last"), 0)
        self.assert_as_before()

    # -- how it looks

    def test_lines_fit_a_terminal_and_colours_are_for_terminals_alone(self):
        for columns in (80, 120):
            for name, args in (("teslamate-delete-drive", ["--dry-run", self.drive]), ("teslamate-undo", ["--list"]),
                               ("teslamate-close-drive", ["--list"]), ("teslamate-delete-car", ["--dry-run", "--force", "1"])):
                with self.subTest(name=name, columns=columns):
                    code, shown = self.terminal(name, *args, columns=columns).wait()
                    self.assertEqual(code, 0, shown)
        for name, args in (("teslamate-delete-drive", ["--dry-run", self.drive]), ("teslamate-close-drive", ["--list"]),
                           ("teslamate-check", [])):
            flags = self.flags if name != "teslamate-check" else self.pg.connection_flags(DB)
            result = self.ws.run(name, *flags, *args)
            self.assertNotIn("\x1b", result.out + result.err)

    # -- several

    def test_two_deletes_of_one_drive_at_once(self):
        arguments = ["teslamate-delete-drive", *self.flags, "--yes", "--positions", "delete", self.drive]
        results = [running.wait() for running in [self.ws.start(*arguments) for _ in range(4)]]
        codes = sorted(r.code for r in results)
        self.assertEqual(codes.count(0), 1, [r.text() for r in results])
        self.assertLessEqual(set(codes), {0, 11, 21, 22})
        self.assertEqual([f.rsplit(".", 1)[1] for f in self.undo_files()], ["undo"])
        assert_exit(self.run_tool("teslamate-undo", "--yes", "last"), 0)
        self.assert_as_before()

    def test_deletes_of_several_drives_at_once(self):
        running = [self.ws.start("teslamate-delete-drive", *self.flags, "--yes", "--positions", "delete", drive)
                   for drive in self.drives[:4]]
        for one in running:
            assert_exit(one.wait(), 0)
        self.assertEqual(len(self.undo_files()), 4)
        for _ in range(4):
            assert_exit(self.run_tool("teslamate-undo", "--yes", "last"), 0)
        self.assert_as_before()

    def test_a_car_and_one_of_its_drives_at_once(self):
        for _ in range(3):
            car = self.ws.start("teslamate-delete-car", *self.flags, "--yes", "--force", "1")
            drive = self.ws.start("teslamate-delete-drive", *self.flags, "--yes", self.drive)
            results = [car.wait(), drive.wait()]
            self.assertIn(0, [r.code for r in results], [r.text() for r in results])
            self.assertLessEqual({r.code for r in results}, {0, 3, 11, 21, 22}, [r.text() for r in results])
            while self.run_tool("teslamate-undo", "--yes", "last").code == 0:
                pass
            self.assert_as_before()

    def test_a_drive_that_teslamate_closes_at_this_moment(self):
        """Open when it was shown, closed when it should go: refused, or gone before TeslaMate got to it. Never half."""
        drive = self.pg.scalar(DB, "SELECT id FROM drives WHERE end_date IS NULL")
        terminal = self.terminal("teslamate-delete-drive", "--force", "--positions", "keep", drive)
        terminal.expect("[y/N]")
        self.pg.sql(DB, f"UPDATE drives SET end_date = now(), distance = 1 WHERE id = {drive}")
        terminal.type("y\n")
        self.assertEqual(terminal.wait()[0], 22)
        self.assertEqual(self.pg.scalar(DB, f"SELECT count(*) FROM drives WHERE id = {drive}"), "1")
        self.assertEqual(self.undo_files(), [])

        stop = threading.Event()
        failed = []

        def teslamate():
            with self.pg.session(DB) as session:
                while not stop.is_set():
                    said = session.run(f"UPDATE drives SET end_date = now(), distance = 1 WHERE id = {drive}; "
                                       "INSERT INTO positions (date, latitude, longitude, car_id, speed) VALUES (now(), 1, 1, 1, 0)")
                    if "ERROR" in said:
                        failed.append(said)
                    time.sleep(0.001)

        writer = threading.Thread(target=teslamate)
        writer.start()
        try:
            for _ in range(5):
                result = self.run_tool("teslamate-delete-drive", "--yes", "--force", "--positions", "delete", drive)
                self.assertIn(result.code, (0, 21, 22), result.text())
        finally:
            stop.set()
            writer.join()
        self.assertEqual(failed, [])
        gone = self.pg.scalar(DB, f"SELECT count(*) FROM drives WHERE id = {drive}") == "0"
        self.assertEqual(len(self.undo_files()), 1 if gone else 0)

    def test_a_very_long_list_of_ids(self):
        many = [str(2000000 + i) for i in range(10000)]
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", self.drive, *many), 21)
        self.assertLess(len(result.err), 2000)
        self.assert_untouched()
        drives = [r[0] for r in self.pg.sql(DB, "INSERT INTO drives (start_date, end_date, car_id) SELECT now() - i * interval '1 h', "
                                            "now() - i * interval '1 h' + interval '5 min', 1 FROM generate_series(1, 5000) i RETURNING id")]
        with_them = database_digest(self.pg, DB)
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", *drives), 0)
        self.assertIn("5 000 rows of public.drives will be deleted", result.out)
        self.assertLess(len(result.out), 20000)
        self.assertEqual(len(self.undo_files()), 1)
        self.assertLess(len(self.undo_files()[0]), 100)
        assert_exit(self.run_tool("teslamate-undo", "--yes", "last"), 0)
        self.assertEqual(diff_digests(with_them, database_digest(self.pg, DB)), [])

    def test_a_table_of_the_users_without_an_index_or_with_two_columns_is_heeded(self):
        self.pg.sql(DB, "ALTER TABLE drives ADD CONSTRAINT drive_and_car UNIQUE (id, car_id)",
                    "CREATE TABLE public.trips (id int PRIMARY KEY, drive int, car smallint, note text, "
                    "FOREIGN KEY (drive, car) REFERENCES drives (id, car_id) ON DELETE SET NULL)",
                    f"INSERT INTO trips SELECT 1, id, car_id, 'x' FROM drives WHERE id = {self.drive}",
                    "CREATE SCHEMA mine", "CREATE TABLE mine.tags (drive_id int NOT NULL REFERENCES public.drives ON DELETE CASCADE, tag text)",
                    f"INSERT INTO mine.tags VALUES ({self.drive}, 'a'), ({self.drive}, 'a'), ({self.drive}, NULL)")
        before = database_digest(self.pg, DB)
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", self.drive), 0)
        self.assertIn("1 row of public.trips stays and loses drive, car", result.out)
        self.assertIn("3 rows of mine.tags will be deleted", result.out)
        assert_exit(self.run_tool("teslamate-undo", "--yes", "last"), 0)
        self.assertEqual(diff_digests(before, database_digest(self.pg, DB)), [])


if __name__ == "__main__":
    unittest.main()
