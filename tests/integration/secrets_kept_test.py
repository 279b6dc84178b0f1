# SPDX-License-Identifier: MIT
"""That the harness sees a secret wherever a program may tell it, and is content where it is kept."""
import os
import pathlib
import sys
import tempfile
import unittest

from harness import Running, Workspace, assert_exit, run_program

SECRET = "a-canary-in-a-test"
KEEP = "import os, sys, time; s = os.environ['DATABASE_PASS']; "
CHILD = "import subprocess; subprocess.run(['sleep', '0.3'], env={'PATH': os.environ['PATH']%s}); "


class Kept(unittest.TestCase):
    def run_one(self, code, **env):
        given = {"PATH": os.environ["PATH"], "DATABASE_PASS": SECRET} | env
        return run_program([sys.executable, "-c", KEEP + code], env=given)

    def test_who_keeps_it_is_left_in_peace(self):
        assert_exit(self.run_one("time.sleep(0.1)"), 0)
        assert_exit(self.run_one(CHILD % ""), 0)

    def test_it_is_seen_on_stdout_and_stderr(self):
        for code, place in (("print('x' + s)", "stdout"), ("print(s, file=sys.stderr)", "stderr")):
            with self.assertRaisesRegex(AssertionError, f"{SECRET}' in {place}"):
                self.run_one(code)

    def test_it_is_seen_in_a_child_s_environment(self):
        with self.assertRaisesRegex(AssertionError, f"{SECRET}' in the environment of sleep"):
            self.run_one(CHILD % ", 'OTHER': s")

    def test_it_is_seen_in_a_child_s_argv(self):
        with self.assertRaisesRegex(AssertionError, f"{SECRET}' in the argv of sh"):
            self.run_one("import subprocess; subprocess.run(['sh', '-c', 'sleep 0.3; : $0', s], env={})")

    def test_files_that_arguments_and_settings_name_hold_secrets_too(self):
        with tempfile.TemporaryDirectory() as folder:
            key = pathlib.Path(folder) / "key"
            key.write_text("another-canary\n")
            environment = pathlib.Path(folder) / "env"
            environment.write_text("# TeslaMate\nexport ENCRYPTION_KEY='a-third-canary'\nPORT=4000\n")
            config = pathlib.Path(folder) / "config.toml"
            config.write_text(f'[database]\nenvironment_file = "{environment}"\n')
            running = Running([sys.executable, "-c", "", "--key-file", key],
                              env={"TESLAMATE_BACKUP_CONFIG": str(config), "RELEASE_COOKIE": "a-fourth-canary"})
            running.wait()
            self.assertEqual(running.secrets, {"another-canary", "a-third-canary", "a-fourth-canary"})

    def test_it_is_seen_in_what_is_left_behind(self):
        ws = Workspace()
        ws.run("teslamate-snapshots", "list", env={"DATABASE_PASS": SECRET})
        (ws.state / "note").write_text(f"the password is {SECRET}")
        with self.assertRaisesRegex(AssertionError, f"{SECRET}' in .*/state/note"):
            ws.close()
        self.assertFalse(ws.folder.exists())


if __name__ == "__main__":
    unittest.main()
