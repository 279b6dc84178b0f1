# SPDX-License-Identifier: MIT
"""Commands of the settings file: those that stop and start a TeslaMate that systemd does not know (a stand-in for Docker
Compose), and the hooks. What is asked of them, what becomes of their failures, and what they get to see."""

import fcntl
import os
import time
import unittest

from docker_standin import DockerStandin
from harness import *

LIVE = "teslamate"


def setUpModule():
    global pg
    pg = Cluster()
    pg.load_sample("pristine", positions=1000)


def tearDownModule():
    pg.stop()


class CommandsTest(unittest.TestCase):
    def setUp(self):
        self.ws = self.enterContext(Workspace(pg))
        for name in pg.databases():
            if name not in ("postgres", "template0", "template1", "pristine"):
                pg.drop_db(name)
        pg.sql("postgres", f"CREATE DATABASE {LIVE} TEMPLATE pristine")
        assert_exit(self.ws.backup(LIVE), 0)
        pg.sql(LIVE, "DELETE FROM charges")
        self.standin = DockerStandin(self.ws, leaves_something_running=True)
        self.folder, self.docker = self.standin.folder, self.standin.program
        self.configure, self.hook = self.standin.configure, self.standin.hook
        self.calls, self.is_running = self.standin.calls, self.standin.is_running

    def restore(self, *arguments, code=0, **keywords):
        flags = arguments or ("latest",)
        return assert_exit(self.ws.run("teslamate-restore", *self.ws.target(LIVE), "--yes", *flags, **keywords), code)

    def charges(self):
        return pg.scalar(LIVE, "SELECT count(*) > 0 FROM charges") == "t"

    def assert_untouched(self):
        self.assertFalse(self.charges())
        self.assertEqual([d for d in pg.databases() if "_before_" in d or "_staging_" in d], [])
        self.assertTrue(self.is_running())

    # -- in a unit's place

    def test_it_is_stopped_for_the_swap_and_started_again(self):
        self.configure()
        began = time.monotonic()
        self.restore()
        self.assertEqual(self.calls(), ["stop", "start"])
        self.assertTrue(self.charges() and self.is_running())
        self.assertLess(time.monotonic() - began, 25)  # what it left running in the background was not waited for

    def test_without_a_status_command_the_same(self):
        self.configure(status=False)
        self.restore()
        self.assertEqual(self.calls(), ["stop", "start"])
        self.assertTrue(self.is_running())

    def test_what_did_not_run_before_is_not_started(self):
        self.configure()
        (self.folder / "running").unlink()
        self.restore()
        self.assertTrue(self.charges())
        self.assertFalse(self.is_running())

    def test_a_stop_that_fails_ends_the_restore_with_nothing_changed(self):
        self.configure()
        self.standin.refuse("stop")
        result = self.restore(code=18)
        self.assertIn("restore.stop_command ended with 4: no: stop", result.text())
        self.assert_untouched()

    def test_a_stop_after_which_it_still_runs_ends_the_restore(self):
        self.configure(restore='command_timeout = "1s"')
        self.standin.refuse("deaf")
        result = self.restore(code=18)
        self.assertIn("still running", result.text())
        self.assert_untouched()

    def test_a_stop_that_takes_too_long_is_ended(self):
        self.configure(restore='command_timeout = "1s"', stop="slow")
        result = self.restore(code=18)
        self.assertIn("did not end within 1 s", result.text())
        self.assertFalse(self.charges())

    def test_a_start_that_fails_on_the_new_data_brings_the_old_back(self):
        self.configure()
        self.standin.refuse("once-start")
        result = self.restore(code=19)
        self.assertIn("not this time", result.text())
        self.assertFalse(self.charges())
        self.assertTrue(self.is_running())

    def test_a_start_that_always_fails_is_told_with_the_command_to_try(self):
        self.configure()
        self.standin.refuse("start")
        result = self.restore(code=19)
        self.assertIn(f"run it yourself: {self.docker} start", result.text())
        self.assertFalse(self.charges())

    def test_a_program_that_is_not_there_is_found_before_anything_is_loaded(self):
        self.docker.unlink()
        self.configure()
        result = self.restore(code=18)
        self.assertIn("there is no program", result.text())
        self.assertNotIn("loading", result.text())

    def test_a_restore_that_was_killed_while_it_was_down_is_undone_and_it_runs_again(self):
        for status in (True, False):
            with self.subTest(status=status):
                self.configure(stop="kill", status=status)
                self.ws.run("teslamate-restore", *self.ws.target(LIVE), "--yes", "latest")
                time.sleep(1.5)
                self.assertFalse(self.is_running())
                self.assertTrue((self.ws.state / "restore.journal").exists())
                self.configure(status=status)
                self.restore("--abort")
                self.assertTrue(self.is_running())
                self.assertFalse(self.charges())
                self.assertFalse((self.ws.state / "restore.journal").exists())

    # -- settings that contradict each other

    def test_contradictions_are_refused_with_both_names(self):
        for lines, words in (('stop_command = ["x"]', ("stop_command", "start_command")),
                             ('start_command = ["x"]', ("start_command", "stop_command")),
                             ('status_command = ["x"]', ("status_command", "stop_command")),
                             ('units = ["a.service"]\nstop_command = ["x"]\nstart_command = ["x"]',
                              ("restore.units", "stop_command")),
                             ("stop_command = []", ("stop_command",)),
                             ('stop_command = "docker stop"', ("stop_command", "list"))):
            with self.subTest(lines):
                self.ws.config.write_text(f"[restore]\n{lines}\n")
                result = self.restore(code=2)
                for word in words:
                    self.assertIn(word, result.text())

    @unittest.skipUnless(os.geteuid() == 0, "only root is told")
    def test_root_runs_no_command_that_somebody_else_could_have_written(self):
        self.configure()
        self.ws.config.chmod(0o666)
        result = self.restore(code=22)
        self.assertIn("others than root may write to it", result.text())
        self.assertEqual(self.calls(), [])

    # -- hooks

    def seen(self, name):
        text = (self.folder / f"hook-{name}").read_text()
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def backup(self, code, **keywords):
        return assert_exit(self.ws.backup(LIVE, **keywords), code)

    def test_hooks_around_a_backup_get_the_facts(self):
        self.configure(hooks=self.hook("before_backup") + self.hook("after_backup"))
        done = assert_exit(self.ws.backup(LIVE, "--json"), 0).json()
        before, after = self.seen("before_backup"), self.seen("after_backup")
        self.assertEqual(before["TESLAMATE_HOOK"], "before_backup")
        self.assertEqual(before["TESLAMATE_HOOK_DATABASE"], LIVE)
        self.assertEqual(before["TESLAMATE_HOOK_PROGRAM"], "teslamate-backup")
        self.assertEqual(after["TESLAMATE_HOOK_SNAPSHOT"], done["snapshot"])
        self.assertEqual(after["TESLAMATE_HOOK_ROWS"], str(done["rows"]))
        self.assertEqual(after["TESLAMATE_HOOK_REPOSITORY"], str(self.ws.repository))

    def test_a_hook_before_a_backup_can_refuse_it_and_the_failure_is_told(self):
        self.configure(hooks=self.hook("before_backup", "echo the disk is not mounted >&2", 7) + self.hook("on_failure"))
        count = len(self.ws.snapshot_files())
        result = self.backup(22)
        self.assertIn("the hook before_backup ended with 7: the disk is not mounted", result.text())
        self.assertEqual(len(self.ws.snapshot_files()), count)
        self.assertEqual(self.seen("on_failure")["TESLAMATE_HOOK_EXIT_CODE"], "22")
        self.assertIn("not mounted", self.seen("on_failure")["TESLAMATE_HOOK_MESSAGE"])

    def test_a_hook_after_a_backup_that_fails_is_a_warning(self):
        self.configure(hooks=self.hook("after_backup", code=1))
        count = len(self.ws.snapshot_files())
        result = self.backup(3)
        self.assertIn("the hook after_backup ended with 1", result.text())
        self.assertEqual(len(self.ws.snapshot_files()), count + 1)

    def test_a_hook_that_hangs_is_ended(self):
        self.configure(hooks=self.hook("before_backup", "sleep 60") + 'timeout = "1s"\n')
        self.assertIn("did not end within 1 s", self.backup(22).text())

    def test_a_hook_that_is_not_there_refuses_too(self):
        self.configure(hooks='before_backup = ["/nonexistent/hook"]\n')
        self.assertIn("there is no program /nonexistent/hook", self.backup(22).text())

    def test_a_dry_run_calls_no_hook(self):
        self.configure(hooks=self.hook("before_backup", code=1))
        assert_exit(self.ws.backup(LIVE, "--dry-run"), 0)
        self.assertFalse((self.folder / "hook-before_backup").exists())

    def test_what_is_no_failure_calls_no_hook_for_one(self):
        self.configure(hooks=self.hook("on_failure"))
        missing = ("--dry-run", "20200101T000000Z-0000")
        self.restore(*missing, code=21)
        assert_exit(self.ws.backup("no_such_database", "--dry-run"), 15)
        assert_exit(self.ws.backup(LIVE, "--tag", "two\nlines"), 2)
        self.restore("--files-to", code=2)
        with open(self.ws.state / "restore.lock", "wb") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            self.restore(code=11)
        self.assertFalse(self.standin.hook_file("on_failure").exists())
        self.restore(missing[1], code=21)
        self.assertEqual(self.seen("on_failure")["TESLAMATE_HOOK_EXIT_CODE"], "21")

    def test_a_hook_before_the_stop_can_refuse_it_and_nothing_was_stopped(self):
        self.configure(hooks=self.hook("before_stop", "echo somebody drives >&2", 1))
        result = self.restore(code=22)
        self.assertIn("somebody drives", result.text())
        self.assertEqual(self.calls(), [])
        self.assert_untouched()

    def test_hooks_around_a_restore_come_when_it_runs_and_when_it_runs_again(self):
        where = f"ls {self.folder}/running >{self.folder}/saw-$TESLAMATE_HOOK 2>&1"
        self.configure(hooks=self.hook("before_stop", where) + self.hook("after_start", where + "\nexit 9"))
        result = self.restore(code=3)
        self.assertIn("the hook after_start ended with 9", result.text())
        for name in ("before_stop", "after_start"):
            self.assertIn("/running", (self.folder / f"saw-{name}").read_text())
            self.assertNotIn("No such", (self.folder / f"saw-{name}").read_text())
        self.assertTrue(self.charges())

    def test_no_secret_of_ours_reaches_a_command(self):
        self.configure(hooks=self.hook("before_backup") + self.hook("before_stop"))
        canary = {"DATABASE_PASS": "canary", "PGPASSWORD": "canary", "RELEASE_COOKIE": "canary",
                  "ENCRYPTION_KEY": "canary", "MY_TOKEN": "canary", "HARMLESS": "kept"}
        self.ws.backup(LIVE, env=canary)
        self.restore(env=canary, code=3)  # 3: the tokens do not open with that key
        for file in ("hook-before_backup", "hook-before_stop", "environment-stop", "environment-start"):
            text = (self.folder / file).read_text()
            self.assertNotIn("canary", text, file)
            self.assertIn("HARMLESS=kept", text)


if __name__ == "__main__":
    unittest.main()
