# SPDX-License-Identifier: MIT
"""A restore that is killed, interrupted or disturbed: at every step the live data is whole and a second run ends it."""

import json
import os
import signal
import threading
import time
import unittest

from harness import *

LIVE = "teslamate"
STEPS = ("staging", "stopping", "closing", "swapping", "starting")


def setUpModule():
    global pg
    pg = Cluster()


def tearDownModule():
    pg.stop()


class CrashTest(unittest.TestCase):
    def setUp(self):
        self.ws = self.enterContext(Workspace(pg))
        for name in pg.databases():
            if name not in ("postgres", "template0", "template1"):
                pg.drop_db(name)
        pg.load_sample(LIVE, positions=2000)
        assert_exit(self.ws.backup(LIVE), 0)
        self.snapshot = database_digest(pg, LIVE)
        pg.sql(LIVE, "UPDATE public.cars SET name = 'newer than the snapshot'", "DELETE FROM public.charges WHERE id % 2 = 0")
        self.newer = database_digest(pg, LIVE)

    def journal(self):
        path = self.ws.state / "restore.journal"
        return json.loads(path.read_text()) if path.exists() else None

    def databases(self):
        return [d for d in pg.databases() if d.startswith(LIVE)]

    def assert_clean(self):
        """One door, open; no staging database, no journal."""
        self.assertIsNone(self.journal())
        self.assertEqual([d for d in self.databases() if "_staging_" in d], [])
        self.assertEqual(pg.sql("postgres", f"SELECT datname FROM pg_database WHERE NOT datallowconn AND datname LIKE '{LIVE}%'"), [])

    def kill_at_journal_write(self, number, *args, call="rename"):
        """Dies as the journal is about to be published for the n-th time: the step before it is all that is known."""
        return self.ws.run_traced("teslamate-restore", *self.ws.target(LIVE), "--no-service", "--yes", *args,
                                  inject=f"{call}:signal=KILL:when={number}")

    def drop_all_but_live(self):
        for name in self.databases():
            if name != LIVE:
                pg.drop_db(name)

    def abort_and_check(self, entry):
        """Returns whether the restored data is live. Whichever is live is whole, and the other is not lost."""
        assert_exit(self.ws.restore(LIVE, "--abort"), 0)
        self.assert_clean()
        state = database_digest(pg, LIVE)
        restored = not diff_digests(self.snapshot, state)
        step = entry["step"] if entry else None
        # While swapping, the COMMIT may or may not have been sent; without a journal it had not begun or was over.
        if step not in ("swapping", None):
            self.assertEqual(restored, step == "starting")
        if restored:
            self.assertEqual(len([d for d in self.databases() if "_before_" in d]), 1)
            assert_exit(self.ws.restore(LIVE, "--rollback"), 0)
            state = database_digest(pg, LIVE)
        else:
            self.assertEqual(self.databases(), [LIVE])
        self.assertEqual(diff_digests(self.newer, state), [])
        self.drop_all_but_live()
        return restored

    def test_kill_9_at_every_journal_entry_then_abort_leaves_the_old_data_or_the_new(self):
        seen = set()
        for call in ("rename", "unlink"):
            for number in range(1, 40):
                result = self.kill_at_journal_write(number, "latest", call=call)
                if result.code == 0:
                    break
                entry = self.journal()
                seen.add(entry["step"] if entry else None)
                self.abort_and_check(entry)
            assert_exit(self.ws.restore(LIVE, "--rollback"), 0)
            self.drop_all_but_live()
        self.assertEqual(seen - {None}, set(STEPS))

    def test_kill_9_between_any_two_messages_to_the_server_is_finished_or_undone_by_abort(self):
        # A tiny database: strace counts per thread, and only so is the main thread the first to reach the number.
        pg.drop_db(LIVE)
        pg.create_db(LIVE)
        pg.sql(LIVE, "CREATE TABLE public.cars (name text)", "INSERT INTO public.cars VALUES ('old')")
        assert_exit(self.ws.backup(LIVE), 0)
        self.snapshot = database_digest(pg, LIVE)
        pg.sql(LIVE, "UPDATE public.cars SET name = 'newer'")
        self.newer = database_digest(pg, LIVE)
        run = ("teslamate-restore", *self.ws.target(LIVE), "--no-service", "--yes", "latest", "-j", "1")
        trace = assert_exit(self.ws.run_traced(*run, trace="sendto,rename"), 0).trace.splitlines()
        main = [line for line in trace if line.split()[0] == trace[0].split()[0]]
        first = next(n for n, line in enumerate(main) if "rename" in line and "journal" in line)
        before, total = (sum("sendto(" in line for line in lines) for lines in (main[:first], main))
        assert_exit(self.ws.restore(LIVE, "--rollback"), 0)
        self.drop_all_but_live()
        outcomes, steps = set(), set()
        for number in range(before + 1, total + 1):
            result = self.ws.run_traced(*run, inject=f"sendto:signal=KILL:when={number}")
            if result.code == 0:
                continue
            entry = self.journal()
            steps.add(entry["step"] if entry else None)
            outcomes.add(self.abort_and_check(entry))
        self.assertEqual(outcomes, {False, True})
        self.assertGreaterEqual(steps, {"staging", "closing", "swapping", "starting"})

    def test_a_run_after_a_killed_one_cleans_up_by_itself(self):
        self.kill_at_journal_write(4, "latest")
        self.assertIsNotNone(self.journal())
        assert_exit(self.ws.restore(LIVE, "latest"), 0)
        self.assertEqual(diff_digests(self.snapshot, database_digest(pg, LIVE)), [])
        self.assert_clean()

    def test_a_killed_rollback_is_ended_by_abort_and_loses_neither_database(self):
        assert_exit(self.ws.restore(LIVE, "latest"), 0)
        for number in range(1, 20):
            result = self.kill_at_journal_write(number, "--rollback")
            if result.code == 0:
                break
            assert_exit(self.ws.restore(LIVE, "--abort"), 0)
            self.assertIsNone(self.journal())
            digests = [database_digest(pg, d) for d in self.databases()]
            self.assertEqual(len(digests), 2)
            for wanted in (self.snapshot, self.newer):
                self.assertTrue(any(not diff_digests(wanted, d, ignore=("database",)) for d in digests))
            if not diff_digests(self.newer, database_digest(pg, LIVE)):
                assert_exit(self.ws.restore(LIVE, "--rollback"), 0)

    def test_the_server_killed_while_rows_are_loaded_leaves_the_live_data_and_the_next_run_succeeds(self):
        running = self.ws.start("teslamate-restore", *self.ws.target(LIVE), "--no-service", "--yes", "latest")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not any("_staging_" in d for d in self.databases()):
            time.sleep(0.01)
        pg.restart("kill")
        result = running.wait()
        self.assertIn(result.code, (0, 15, 16))
        if result.code:
            self.assertEqual(diff_digests(self.newer, database_digest(pg, LIVE)), [])
        assert_exit(self.ws.restore(LIVE, "latest"), 0)
        self.assertEqual(diff_digests(self.snapshot, database_digest(pg, LIVE)), [])
        self.assert_clean()

    # -- a journal that stays

    def test_a_journal_that_cannot_be_removed_is_a_warning_and_the_swap_is_done(self):
        for args in (("latest",), ("--rollback",), ("latest", "--as-database", f"{LIVE}_beside")):
            with self.subTest(args=args):
                live = database_digest(pg, LIVE)
                result = self.ws.run_traced("teslamate-restore", *self.ws.target(LIVE), "--no-service", "--yes", *args,
                                            inject="unlink:error=EIO", strace_args=["-P", str(self.ws.state / "restore.journal")])
                self.assertIn("(INJECTED)", result.trace)
                assert_exit(result, 3)
                self.assertNotIn("nothing was changed", result.text())
                self.assertIn("restore.journal", result.err)
                self.assertEqual(result.err.count("warning:"), 1, result.err)
                wanted = {"latest": self.snapshot, "--rollback": self.newer}[args[0]] if len(args) == 1 else live
                self.assertEqual(diff_digests(wanted, database_digest(pg, LIVE)), [])
                assert_exit(self.ws.restore(LIVE, "--abort"), 0)
                self.assert_clean()
                self.assertEqual(diff_digests(wanted, database_digest(pg, LIVE)), [])
        self.assertEqual(diff_digests(self.snapshot, database_digest(pg, f"{LIVE}_beside")), [])

    # -- others at the same time

    def test_a_second_restore_gets_11_at_once(self):
        first = self.ws.start("teslamate-restore", *self.ws.target(LIVE), "--no-service", "--yes", "latest",
                              wrap=["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e", "inject=sendto:delay_enter=30000"])
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.journal() is None:
            time.sleep(0.01)
        self.assertIsNotNone(self.journal())
        second = assert_exit(self.ws.restore(LIVE, "latest"), 11)
        self.assertLess(second.seconds, 3)
        with Workspace(pg) as other:
            shutil.copytree(self.ws.repository, other.repository, dirs_exist_ok=True)
            assert_exit(other.restore(LIVE, "latest"), 11)
        assert_exit(first.wait(), 0)
        self.assert_clean()

    def test_ctrl_c_while_loading_is_130_and_leaves_nothing(self):
        running = self.ws.start("teslamate-restore", *self.ws.target(LIVE), "--no-service", "--yes", "latest")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not any("_staging_" in d for d in self.databases()):
            time.sleep(0.005)
        running.signal(signal.SIGINT)
        result = running.wait()
        self.assertIn(result.code, (0, 130))
        self.assert_clean()
        if result.code == 130:
            self.assertEqual(diff_digests(self.newer, database_digest(pg, LIVE)), [])
        self.assertEqual(result.code, 130, result.text())

    def test_sessions_that_reconnect_at_once_do_not_keep_the_swap_from_happening(self):
        stop = threading.Event()

        def pester():
            while not stop.is_set():
                pg.client("psql", "-XAtqc", "SELECT pg_sleep(60)", database=LIVE, check=False)

        threads = [threading.Thread(target=pester) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            result = assert_exit(self.ws.restore(LIVE, "latest", "--json"), 0).json()
        finally:
            stop.set()
            for pid in pg.backends(LIVE):
                pg.kill_backend(pid, signal.SIGTERM)
            for thread in threads:
                while thread.is_alive():
                    for pid in pg.backends(LIVE):
                        pg.sql("postgres", f"SELECT pg_terminate_backend({pid})")
                    thread.join(0.2)
        self.assertLess(result["down_seconds"], 5)
        self.assertEqual(diff_digests(self.snapshot, database_digest(pg, LIVE)), [])
        self.assert_clean()

    def test_sessions_that_we_may_not_end_are_22_and_the_door_is_open_again(self):
        pg.sql("postgres", "DROP ROLE IF EXISTS owner_only", "CREATE ROLE owner_only LOGIN CREATEDB")
        pg.create_db("owned", "OWNER owner_only")
        pg.sql("owned", "ALTER SCHEMA public OWNER TO owner_only")
        pg.sql("owned", "CREATE TABLE public.t AS SELECT 1 AS x", user="owner_only")
        flags = [*pg.connection_flags("owned", user="owner_only"), "-r", str(self.ws.folder / "other"), "--state-dir", str(self.ws.state)]
        assert_exit(self.ws.run("teslamate-backup", *flags, "--init"), 0)
        with pg.session("owned") as superuser:
            result = assert_exit(self.ws.run("teslamate-restore", *flags, "--no-service", "--yes", "latest"), 22)
            self.assertIn(str(superuser.pid), result.err)
        self.assertEqual(pg.scalar("owned", "SELECT x FROM public.t"), "1")
        self.assertEqual([d for d in pg.databases() if d.startswith("owned")], ["owned"])
        assert_exit(self.ws.run("teslamate-restore", *flags, "--no-service", "--yes", "latest"), 0)
        for name in [d for d in pg.databases() if d.startswith("owned")]:
            pg.drop_db(name)
        pg.sql("postgres", "DROP ROLE owner_only")

    def test_a_journal_that_cannot_be_understood_is_20_and_stays(self):
        path = self.ws.state / "restore.journal"
        path.write_text("{}")
        assert_exit(self.ws.restore(LIVE, "latest"), 20)
        self.assertEqual(path.read_text(), "{}")
        self.assertEqual(diff_digests(self.newer, database_digest(pg, LIVE)), [])

    def test_a_journal_of_another_server_is_22_and_stays(self):
        self.kill_at_journal_write(4, "latest")
        entry = self.journal()
        entry["system_identifier"] = "1"
        (self.ws.state / "restore.journal").write_text(json.dumps(entry))
        assert_exit(self.ws.restore(LIVE, "--abort"), 22)
        self.assertEqual(self.journal(), entry)


if __name__ == "__main__":
    unittest.main()
