# SPDX-License-Identifier: MIT
"""Closing drives and charges through a real Erlang node: only what is read back counts, and it can be taken back."""

from __future__ import annotations

import datetime
import json
import os
import signal
import time
import unittest

from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests
from release import Release
from undo_text import packed, unpacked, with_header

DB = "teslamate"


class Close(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.load_sample("template_of_it", positions=2000)
        cls.pg.sql("template_of_it", "ANALYZE")
        cls.release = cls.enterClassContext(Release(cls.pg, DB))

    def setUp(self):
        self.pg.sql("postgres", f"CREATE DATABASE {DB} TEMPLATE template_of_it")
        self.addCleanup(self.pg.drop_db, DB)
        self.ws = self.enterContext(Workspace(self.pg))
        self.release.mode("none")
        self.release.hang_after(False)
        self.release.forget_calls()
        self.drive = self.pg.scalar(DB, "SELECT id FROM drives WHERE end_date IS NULL")
        self.charge = self.pg.scalar(DB, "SELECT id FROM charging_processes WHERE end_date IS NULL")

    def run_tool(self, name: str, *args: str, cookie: str | None = None, **keywords):
        keywords.setdefault("env", self.release.environment(cookie))
        return self.ws.run(name, *self.pg.connection_flags(DB), "--state-dir", str(self.ws.state), *args, **keywords)

    def digest(self):
        return database_digest(self.pg, DB)

    def undo_files(self) -> list[str]:
        return sorted(p.name for p in (self.ws.state / "undo").glob("*-*"))

    def listed(self) -> list[str]:
        document = assert_exit(self.run_tool("teslamate-undo", "--list", "--json"), 0).json()
        return [entry["state"] for entry in document["undo_files"]]

    def new_drive(self, positions: int = 1, age: str = "1 day", kilometres: float = 0.0) -> str:
        drive = self.pg.scalar(DB, f"INSERT INTO drives (start_date, car_id) VALUES (now() - interval '{age}', 1) RETURNING id")
        for i in range(positions):
            self.pg.sql(DB, "INSERT INTO positions (date, latitude, longitude, car_id, drive_id, odometer) VALUES (now() - "
                        f"interval '{age}' + interval '{i} s', 48, 11, 1, {drive}, {1000 + i * kilometres})")
        return drive

    # -- success

    def test_an_open_drive_is_closed_shown_and_can_be_opened_again(self):
        before = self.digest()
        result = assert_exit(self.run_tool("teslamate-close-drive", self.drive), 0)
        self.assertIn("end_date: – →", result.out)
        self.assertEqual(self.release.calls(), [f"TeslaMate.Log.Drive {self.drive}"])
        self.assertEqual(self.pg.scalar(DB, f"SELECT end_date IS NOT NULL FROM drives WHERE id = {self.drive}"), "t")
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assertEqual(diff_digests(before, self.digest()), [])

    def test_an_open_charge_is_closed_and_can_be_opened_again(self):
        before = self.digest()
        result = assert_exit(self.run_tool("teslamate-close-charge", self.charge), 0)
        self.assertIn("cost: – →", result.out)
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assertEqual(diff_digests(before, self.digest()), [])

    def test_all_open_ones_are_closed_at_once(self):
        self.new_drive(5, kilometres=1.0)
        document = assert_exit(self.run_tool("teslamate-close-drive", "--open", "--json"), 0).json()
        self.assertEqual([r["result"] for r in document["records"]], ["closed", "closed"])
        self.assertEqual(self.pg.scalar(DB, "SELECT count(*) FROM drives WHERE end_date IS NULL"), "0")
        result = assert_exit(self.run_tool("teslamate-close-drive", "--open"), 0)
        self.assertIn("no drive is open", result.out)

    def test_the_list_shows_what_is_open(self):
        short = self.new_drive(1)
        result = assert_exit(self.run_tool("teslamate-close-drive", "--list"), 0)
        line = next(line for line in result.out.splitlines() if line.split()[:1] == [short])
        self.assertIn("closing it deletes it", line)
        document = assert_exit(self.run_tool("teslamate-close-charge", "--list", "--json"), 0).json()
        self.assertEqual([d["id"] for d in document["open_drives"]], [int(self.drive), int(short)])
        self.assertEqual([c["id"] for c in document["open_charges"]], [int(self.charge)])
        self.assertEqual(self.release.calls(), [])

    # -- refused

    def test_a_drive_that_teslamate_would_delete_needs_consent_and_comes_back(self):
        for positions, kilometres in ((0, 0.0), (1, 0.0), (4, 0.001)):
            with self.subTest(positions=positions, kilometres=kilometres):
                drive = self.new_drive(positions, kilometres=kilometres)
                before = self.digest()
                result = assert_exit(self.run_tool("teslamate-close-drive", drive), 22)
                self.assertIn("deletes", result.err)
                self.assertIn("--allow-delete", result.err)
                self.assertEqual(self.release.calls(), [])
                result = assert_exit(self.run_tool("teslamate-close-drive", "--allow-delete", "--yes", drive), 0)
                self.assertIn("was deleted by TeslaMate", result.out)
                self.assertEqual(self.pg.scalar(DB, f"SELECT count(*) FROM drives WHERE id = {drive}"), "0")
                assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
                self.assertEqual(diff_digests(before, self.digest()), [])
                self.release.forget_calls()
                self.pg.sql(DB, f"DELETE FROM drives WHERE id = {drive}")

    def test_a_drive_that_the_car_still_drives_is_refused(self):
        drive = self.new_drive(5, age="30 s", kilometres=1.0)
        result = assert_exit(self.run_tool("teslamate-close-drive", drive), 22)
        self.assertIn("still driving", result.err)
        self.assertEqual(self.release.calls(), [])

    def test_a_closed_charge_needs_recompute_and_its_cost_comes_back(self):
        self.pg.sql(DB, "UPDATE charging_processes SET cost = 12.34 WHERE id = 2")
        before = self.digest()
        result = assert_exit(self.run_tool("teslamate-close-charge", "2"), 22)
        self.assertIn("cost", result.err)
        self.assertEqual(self.release.calls(), [])
        result = assert_exit(self.run_tool("teslamate-close-charge", "--recompute", "--yes", "2"), 0)
        self.assertIn("cost: 12.34 →", result.out)
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assertEqual(diff_digests(before, self.digest()), [])

    def test_an_absent_id_is_not_found(self):
        assert_exit(self.run_tool("teslamate-close-drive", "99999"), 21)
        assert_exit(self.run_tool("teslamate-close-drive"), 2)
        assert_exit(self.run_tool("teslamate-close-drive", "--open", self.drive), 2)
        self.assertEqual(self.release.calls(), [])

    # -- the node

    def assert_untouched(self, before):
        self.assertEqual(diff_digests(before, self.digest()), [])
        self.assertEqual(self.undo_files(), [])

    def test_an_error_of_teslamate_is_told_with_its_words(self):
        before = self.digest()
        self.release.mode("raise")
        result = assert_exit(self.run_tool("teslamate-close-drive", self.drive), 18)
        self.assertIn("boom", result.err)
        self.assertIn("is as it was", result.err)
        self.assert_untouched(before)

    def test_an_answer_that_is_not_true_is_a_failure(self):
        before = self.digest()
        for mode, word in (("lie", "nothing changed"), ("noise", "it went wrong but nobody minds")):
            self.release.mode(mode)
            result = assert_exit(self.run_tool("teslamate-close-drive", self.drive), 18)
            if mode == "lie":
                self.assertIn(word, result.err)
            self.assert_untouched(before)

    def test_a_call_that_hangs_ends_within_its_limit(self):
        before = self.digest()
        self.release.mode("hang")
        result = assert_exit(self.run_tool("teslamate-close-drive", self.drive), 18)
        self.assertLess(result.seconds, 16)
        self.assertFalse(result.left_behind)
        self.assertIn("did not answer in time", result.err)
        self.assertEqual(diff_digests(before, self.digest()), [])
        # TeslaMate may still do it: the rows are kept until it is known, or a day is over.
        [name] = self.undo_files()
        self.assertEqual(self.listed(), ["unfinished"])
        self.assertEqual(self.undo_files(), [name])
        result = assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 11)
        self.assertIn("TeslaMate may still be at it", result.err)
        pending = self.ws.state / "undo" / name
        text = unpacked(pending)
        header = json.loads(text.splitlines()[0])
        for hours, states in ((23, ["unfinished"]), (25, [])):
            asked = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=hours)
            pending.write_bytes(packed(with_header(header | {"time": asked.strftime("%Y-%m-%dT%H:%M:%SZ")}, text)))
            self.assertEqual(self.listed(), states)
        self.assertEqual(self.undo_files(), [])

    def test_a_deletion_that_comes_after_the_time_is_up_can_be_undone(self):
        drive = self.new_drive(1)
        before = self.digest()
        self.release.mode("hang")
        assert_exit(self.run_tool("teslamate-close-drive", "--allow-delete", "--yes", drive), 18)
        self.assertEqual(self.listed(), ["unfinished"])
        self.pg.sql(DB, f"DELETE FROM drives WHERE id = {drive}")  # TeslaMate gets there
        self.assertEqual(self.listed(), ["done"])
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assertEqual(diff_digests(before, self.digest()), [])

    def test_a_disk_that_fails_after_the_deed_is_not_called_nothing(self):
        told = set()
        for call in ("write", "fsync"):
            for number in range(1, 9):
                drive = self.new_drive(5, kilometres=1.0)
                result = self.ws.run_traced("teslamate-close-drive", *self.pg.connection_flags(DB), "--state-dir", str(self.ws.state),
                                            drive, env=self.release.environment(), inject=f"{call}:error=EIO:when={number}",
                                            strace_args=["-P", str(self.ws.state / "undo")] if call == "fsync" else [])
                closed = self.pg.scalar(DB, f"SELECT end_date IS NOT NULL FROM drives WHERE id = {drive}") == "t"
                if result.code == 17:
                    self.assertEqual("what TeslaMate did is not known yet" in result.err, closed, result.text())
                    self.assertNotIn("nothing was changed", result.err if closed else "")
                    told.add(closed)
                if closed:
                    self.assertIn("done", self.listed())
                    assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
                    self.assertEqual(self.pg.scalar(DB, f"SELECT end_date IS NULL FROM drives WHERE id = {drive}"), "t")
                self.pg.sql(DB, f"DELETE FROM drives WHERE id = {drive}")
                for name in self.undo_files():
                    (self.ws.state / "undo" / name).unlink()
        self.assertEqual(told, {False, True})

    def test_a_call_that_hangs_after_the_deed_is_read_back(self):
        before = self.digest()
        self.release.hang_after(True)
        result = assert_exit(self.run_tool("teslamate-close-drive", self.drive), 18)
        self.assertIn("has changed all the same", result.err)
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assertEqual(diff_digests(before, self.digest()), [])

    def test_a_wrong_cookie_is_told_from_a_node_that_is_down(self):
        before = self.digest()
        result = assert_exit(self.run_tool("teslamate-close-drive", self.drive, cookie="wrong"), 12)
        self.assertIn("cookie", result.err)
        self.assertLess(result.seconds, 10)
        self.release.stop_node()
        try:
            result = assert_exit(self.run_tool("teslamate-close-drive", self.drive), 18)
            self.assertLess(result.seconds, 10)
        finally:
            self.release.start()
        self.assert_untouched(before)

    def test_a_command_that_is_missing_is_said_so(self):
        self.ws.config.write_text('[maintenance]\nrpc_command = ["/nowhere/teslamate", "rpc"]\n', encoding="utf-8")
        result = assert_exit(self.run_tool("teslamate-close-drive", self.drive), 18)
        self.assertIn("/nowhere/teslamate", result.err)
        self.ws.config.write_text("", encoding="utf-8")
        environment = self.release.environment() | {"PATH": "/usr/bin:/bin"}
        result = assert_exit(self.run_tool("teslamate-close-drive", self.drive, env=environment), 18)
        self.assertIn("rpc_command", result.err)
        self.assertEqual(self.undo_files(), [])

    def test_cookie_and_node_come_from_settings_and_environment_file(self):
        file = self.ws.folder / "teslamate.env"
        file.write_text(f'RELEASE_COOKIE="{self.release.cookie}"\nRELEASE_NODE={self.release.node}\n', encoding="utf-8")
        file.chmod(0o600)
        self.ws.config.write_text(f'[database]\nenvironment_file = "{file}"\n[maintenance]\nrpc_command = '
                                  f'["{self.release.command}", "rpc"]\n', encoding="utf-8")
        bare = {"ERL_EPMD_PORT": str(self.release.port)}
        assert_exit(self.run_tool("teslamate-close-drive", self.drive, env=bare), 0)
        cookie = self.ws.folder / "cookie"
        cookie.write_text(self.release.cookie + "\n", encoding="utf-8")
        cookie.chmod(0o600)
        self.ws.config.write_text(f'[maintenance]\nrpc_command = ["{self.release.command}", "rpc"]\ncookie_file = "{cookie}"\n'
                                  f'node = "{self.release.node}"\n', encoding="utf-8")
        assert_exit(self.run_tool("teslamate-close-charge", self.charge, env=bare), 0)
        cookie.chmod(0o644)
        assert_exit(self.run_tool("teslamate-close-charge", "--recompute", "--yes", self.charge, env=bare), 22)

    def test_the_cookie_is_in_no_argument_of_ours_and_in_no_output(self):
        result = self.ws.run_traced("teslamate-close-drive", *self.pg.connection_flags(DB), "--state-dir", str(self.ws.state),
                                    self.drive, trace="execve", strace_args=["-s", "400"], env=self.release.environment())
        assert_exit(result, 0)
        ours = [line for line in result.trace.splitlines() if "execve(" in line and f'"{self.release.command}"' in line]
        self.assertEqual(len(ours), 1, result.trace[:3000])
        self.assertNotIn(self.release.cookie, ours[0])
        self.assertIn(f"TeslaMate.Repo.get!(TeslaMate.Log.Drive, {self.drive}) |> TeslaMate.Log.close_drive()", ours[0])
        self.assertNotIn(self.release.cookie, result.out + result.err)
        for path in (self.ws.state / "undo").iterdir():
            self.assertNotIn(self.release.cookie.encode(), path.read_bytes())

    # -- TeslaMate in a container, or of another account

    def container(self, script: str = "") -> str:
        """A stand-in for docker: `docker exec teslamate COMMAND…` runs the release in a place that knows nothing of ours.
        `script` runs first. Returns the lines for the config."""
        docker = self.ws.folder / "docker"
        docker.write_text(f"""#!/bin/sh
[ "$1" = exec ] || exit 64
shift
{script}
[ "$1" = teslamate ] || {{ echo "Error response from daemon: No such container: $1" >&2; exit 1; }}
shift
cd "{self.release.folder}"
exec env -i PATH=/usr/bin:/bin HOME="{self.release.folder}" LC_ALL=C.UTF-8 ERL_EPMD_PORT={self.release.port} \
  RELEASE_COOKIE="{self.release.cookie}" RELEASE_NODE={self.release.node} "$@"
""", encoding="utf-8")
        docker.chmod(0o755)
        return f'[maintenance]\nrpc_command = ["{docker}", "exec", "teslamate", "bin/teslamate", "rpc"]\n'

    def test_teslamate_in_a_container(self):
        before = self.digest()
        self.ws.config.write_text(self.container(), encoding="utf-8")
        bare = {"RELEASE_COOKIE": "not-that-of-the-container"}
        assert_exit(self.run_tool("teslamate-close-drive", self.drive, env=bare), 0)
        assert_exit(self.run_tool("teslamate-close-charge", self.charge, env=bare), 0)
        self.assertEqual(self.release.calls(), [f"TeslaMate.Log.Drive {self.drive}", f"TeslaMate.Log.ChargingProcess {self.charge}"])
        for _ in range(2):
            assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assertEqual(diff_digests(before, self.digest()), [])

    def test_a_container_that_cannot_be_reached_is_said_so(self):
        before = self.digest()
        faults = {
            "set -- other": "No such container: other",
            "echo 'docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2; exit 125": "ended with 125",
            "echo 'OCI runtime exec failed: exec: permission denied' >&2; exit 126": "ended with 126: OCI runtime exec failed",
            "echo 'exec: \"bin/teslamate\": no such file or directory' >&2; exit 127": "ended with 127",
            "echo '** (RuntimeError) it cannot be done'; exit 0": "nothing changed: ** (RuntimeError) it cannot be done",
            "exit 0": "nothing changed",
            "kill -9 $$": "could not do it",
        }
        for script, words in faults.items():
            with self.subTest(script=script):
                self.ws.config.write_text(self.container(script), encoding="utf-8")
                result = assert_exit(self.run_tool("teslamate-close-drive", self.drive, env={}), 18)
                self.assertIn(words, result.err)
                self.assertIn("is as it was", result.err)
                self.assertEqual(self.release.calls(), [])
                self.assert_untouched(before)
        (self.ws.folder / "docker").chmod(0o644)
        result = assert_exit(self.run_tool("teslamate-close-drive", self.drive, env={}), 18)
        self.assertIn("Permission denied", result.err)
        self.assert_untouched(before)

    def test_a_container_that_hangs_or_leaves_a_process_behind_does_not_keep_us(self):
        before = self.digest()
        for script in ("sleep 60", "trap '' TERM; sleep 60", "setsid sh -c 'trap \"\" TERM; sleep 25' & sleep 60"):
            with self.subTest(script=script):
                self.ws.config.write_text(self.container(script), encoding="utf-8")
                result = assert_exit(self.run_tool("teslamate-close-drive", self.drive, env={}), 18)
                self.assertLess(result.seconds, 17)
                self.assertIn("did not answer in time", result.err)
                self.assertIn("is as it was; TeslaMate may still be at it", result.err)
                self.assertEqual(diff_digests(before, self.digest()), [])

    def test_another_account_runs_the_command(self):
        if os.geteuid() != 0:
            self.fail("this test has to run as root")
        seen = self.ws.folder / "seen"
        seen.mkdir(mode=0o777)
        seen.chmod(0o777)
        self.ws.folder.chmod(0o755)
        self.release.folder.chmod(0o755)
        self.addCleanup(self.release.folder.chmod, 0o700)
        config = self.container(f'id -un > "{seen}/who"; env > "{seen}/environment"') + 'rpc_user = "postgres"\n'
        file = self.ws.folder / "teslamate.env"
        file.write_text(f"RELEASE_COOKIE={self.release.cookie}\nSECRET_OF_ANOTHER=1\n", encoding="utf-8")
        file.chmod(0o600)
        self.ws.config.write_text(f'[database]\nenvironment_file = "{file}"\n{config}', encoding="utf-8")
        assert_exit(self.run_tool("teslamate-close-drive", self.drive, env={}), 0)
        self.assertEqual((seen / "who").read_text(), "postgres\n")
        environment = (seen / "environment").read_text()
        self.assertIn(f"RELEASE_COOKIE={self.release.cookie}\n", environment)
        self.assertNotIn("SECRET_OF_ANOTHER", environment)
        self.ws.config.write_text(config.replace('"postgres"', '"nobody-of-this-name"'), encoding="utf-8")
        result = assert_exit(self.run_tool("teslamate-close-charge", self.charge, env={}), 2)
        self.assertIn("nobody-of-this-name", result.err)
        self.assertEqual([f for f in self.undo_files() if f.endswith(".pending")], [])

    def test_a_server_that_restarts_during_the_call_is_asked_again(self):
        for after in (False, True):
            with self.subTest(after=after):
                before = self.digest()
                self.release.mode("none" if after else "hang")
                self.release.hang_after(after)
                running = self.ws.start("teslamate-close-drive", *self.pg.connection_flags(DB), "--state-dir", str(self.ws.state),
                                        self.drive, env=self.release.environment())
                deadline = time.monotonic() + 20
                while not self.release.calls() or (after and self.pg.scalar(
                        DB, f"SELECT end_date IS NULL FROM drives WHERE id = {self.drive}") == "t"):
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)
                self.pg.restart()
                result = assert_exit(running.wait(), 18)
                self.assertIn("has changed all the same" if after else "is as it was", result.err)
                if after:
                    assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
                self.assertEqual(diff_digests(before, self.digest()), [])
                self.release.forget_calls()

    # -- cut off

    def test_killed_while_teslamate_works_loses_nothing(self):
        before = self.digest()
        self.release.hang_after(True)
        for signal_number in (signal.SIGKILL, signal.SIGTERM):
            with self.subTest(signal=signal_number):
                running = self.ws.start("teslamate-close-drive", *self.pg.connection_flags(DB), "--state-dir", str(self.ws.state),
                                        self.drive, env=self.release.environment())
                deadline = time.monotonic() + 20
                while self.pg.scalar(DB, f"SELECT end_date IS NULL FROM drives WHERE id = {self.drive}") == "t":
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)
                running.signal(signal_number)
                result = running.wait()
                self.assertEqual(result.code, -9 if signal_number == signal.SIGKILL else 143, result.text())
                result = assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
                self.assertIn("close-drive", result.out)
                self.assertEqual(diff_digests(before, self.digest()), [])

    def test_of_several_the_first_failure_is_the_end_and_the_others_are_done(self):
        good = self.new_drive(5, kilometres=1.0)
        short = self.new_drive(1)
        result = assert_exit(self.run_tool("teslamate-close-drive", short, good), 22)
        self.assertIn(f"drive {short}", result.err)
        self.assertEqual(self.pg.scalar(DB, f"SELECT end_date IS NOT NULL FROM drives WHERE id = {good}"), "t")


if __name__ == "__main__":
    unittest.main()
