# SPDX-License-Identifier: MIT
"""teslamate-restore --in-place: nothing that was written is lost, and what it says is true, wherever it is killed, cut off
from the server, or left by the service."""

from __future__ import annotations

import json
import re
import threading
import unittest

from docker_standin import DockerStandin
from harness import *

LIVE = "teslamate"
# Every change of a table's definition by this session fails.
NO_DROP = """
CREATE FUNCTION public.no_drop() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not while I look''; END';
CREATE EVENT TRIGGER no_drop ON ddl_command_start WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION public.no_drop()"""


def setUpModule():
    global pg
    pg = Cluster()


def tearDownModule():
    pg.stop()


class Stage(unittest.TestCase):
    """A small database, its snapshot, and newer data in it than there; a service that two commands stop and start."""

    def setUp(self):
        self.ws = self.enterContext(Workspace(pg))
        pg.create_db(LIVE)
        self.addCleanup(pg.drop_db, LIVE)
        pg.sql(LIVE, "CREATE TABLE public.cars (id int PRIMARY KEY, name text)", "CREATE TABLE public.ledger (n int)",
               "INSERT INTO public.cars VALUES (1, 'old')")
        self.first = assert_exit(self.ws.backup(LIVE, "--json"), 0).json()["snapshot"]
        self.old = self.digest()
        pg.sql(LIVE, "UPDATE public.cars SET name = 'newer'")
        self.newer = self.digest()
        self.standin = DockerStandin(self.ws)
        self.standin.configure()
        self.flags = ["teslamate-restore", *self.ws.target(LIVE), "--yes"]
        self.command = [*self.flags, "--in-place", self.first, "-j", "1"]

    def digest(self):
        return database_digest(pg, LIVE)

    def assert_same(self, wanted):
        self.assertEqual(diff_digests(wanted, self.digest()), [])

    def journal(self):
        path = self.ws.state / "restore.journal"
        return json.loads(path.read_text()) if path.exists() else None

    def assert_over(self):
        self.assertIsNone(self.journal())
        self.assertTrue(self.standin.is_running())

    def of_before(self) -> str:
        """The snapshot of what was there, the newest."""
        [snapshot] = [p.stem for p in self.ws.snapshot_files() if p.stem != self.first]
        return snapshot

    def cars_of(self, snapshot: str) -> str:
        assert_exit(self.ws.restore(LIVE, snapshot, "--as-database", "look"), 0)
        try:
            return pg.scalar("look", "SELECT name FROM public.cars")
        finally:
            pg.drop_db("look")


class Loses(Stage):
    def test_what_the_hook_before_the_stop_writes_is_in_the_snapshot_of_what_was_there(self):
        psql = " ".join([str(pg.bindir / "psql"), *pg.connection_flags(LIVE), "-Xqc"])
        self.standin.configure(hooks=self.standin.hook("before_stop", f"{psql} \"UPDATE public.cars SET name = 'the last word'\""))
        assert_exit(self.ws.run(*self.command), 0)
        self.assert_same(self.old)
        self.assert_over()
        self.assertEqual(self.standin.calls(), ["stop", "start"])
        self.assertEqual(self.cars_of(self.of_before()), "the last word")

    def test_what_the_service_writes_while_it_ends_is_in_it_too(self):
        with self.standin.program.open("a", encoding="utf-8") as script:
            psql = " ".join([str(pg.bindir / "psql"), *pg.connection_flags(LIVE), "-Xqc"])
            script.write(f"[ \"$1\" != stop ] || {psql} \"UPDATE public.cars SET name = 'its last breath'\"\n")
        assert_exit(self.ws.run(*self.command), 0)
        self.assert_same(self.old)
        self.assertEqual(self.cars_of(self.of_before()), "its last breath")

    def test_of_what_a_writer_is_told_that_it_is_there_nothing_is_lost(self):
        written, done = [], threading.Event()

        def write():
            number = 0
            while not done.is_set():
                number += 1
                told = pg.client("psql", "-Xqc", f"INSERT INTO public.ledger VALUES ({number})", database=LIVE, check=False)
                if told.returncode == 0:
                    written.append(number)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            while len(written) < 3:
                time.sleep(0.01)
            # Slow enough for the writer to come in between, wherever that is possible.
            result = self.ws.run_traced(*self.command, "--no-service", inject="sendto:delay_enter=10000")
        finally:
            done.set()
            writer.join()
        assert_exit(result, 0)
        kept = {int(r[0]) for r in pg.sql(LIVE, "SELECT n FROM public.ledger")}
        assert_exit(self.ws.restore(LIVE, self.of_before(), "--as-database", "look"), 0)
        self.addCleanup(pg.drop_db, "look")
        kept |= {int(r[0]) for r in pg.sql("look", "SELECT n FROM public.ledger")}
        self.assertEqual(sorted(set(written) - kept), [])

    def test_a_table_that_is_made_while_the_snapshot_is_taken_ends_it(self):
        # The journal's second entry is the one before COMMIT: held there, the tables are gone already.
        running = self.ws.start(*self.command, "--no-service",
                                wrap=["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=linkat,link,rename",
                                      "-e", "inject=linkat,link,rename:delay_enter=200000"])
        deadline = time.monotonic() + 20
        while not self.is_locked() and time.monotonic() < deadline:
            time.sleep(0.005)
        pg.sql(LIVE, "CREATE TABLE public.made_meanwhile AS SELECT 1 AS x")
        result = assert_exit(running.wait(), 22)
        self.assertIn("made or renamed meanwhile", result.err)
        self.assertIn("nothing was changed", result.err)
        self.assertEqual(pg.scalar(LIVE, "SELECT x FROM public.made_meanwhile"), "1")
        self.assertEqual(pg.scalar(LIVE, "SELECT name FROM public.cars"), "newer")
        self.assertIsNone(self.journal())

    def is_locked(self) -> bool:
        return pg.scalar(LIVE, "SELECT EXISTS (SELECT FROM pg_locks WHERE mode = 'ExclusiveLock' AND granted AND relation = "
                         "'public.cars'::regclass)") == "t"


class Tells(Stage):
    def test_a_failure_in_the_transaction_changes_nothing_and_the_service_runs_again(self):
        pg.script(LIVE, NO_DROP)
        newer = self.digest()
        result = assert_exit(self.ws.run(*self.command), 16)
        self.assertIn("not while I look", result.err)
        self.assertIn("nothing was changed; teslamate holds the data from before", result.err)
        self.assert_same(newer)
        self.assert_over()

    def test_a_start_that_fails_too_does_not_hide_the_first_failure(self):
        pg.script(LIVE, NO_DROP)
        self.standin.refuse("start")
        result = assert_exit(self.ws.run(*self.command), 16)
        self.assertIn("not while I look", result.err)
        self.assertIn("holds the data from before; but restore.start_command ended with 4", result.err)
        self.assertIn(f"run it yourself: {self.standin.program} start", result.err)
        self.assertIsNone(self.journal())

    def test_a_stop_that_fails_changes_nothing(self):
        self.standin.refuse("stop")
        result = assert_exit(self.ws.run(*self.command), 18)
        self.assertIn("nothing was changed; teslamate holds the data from before", result.err)
        self.assert_same(self.newer)
        self.assert_over()

    def test_a_start_that_fails_afterwards_says_what_is_there_and_how_to_go_back(self):
        self.standin.refuse("start")
        result = assert_exit(self.ws.run(*self.command), 18)
        self.assert_same(self.old)
        self.assertIn("teslamate holds the restored data", result.err)
        self.assertNotIn("nothing was changed", result.err)
        self.assertIn(f"run it yourself: {self.standin.program} start", result.err)
        self.assertIsNone(self.journal())
        back = re.search(r"go back with: teslamate-restore (--in-place \S+)", result.err).group(1)
        self.standin.refuse()
        self.standin.run()
        aborted = assert_exit(self.ws.run(*self.flags, "--abort"), 0)
        self.assertIn("nothing to abort", aborted.text())
        assert_exit(self.ws.run(*self.flags, *back.split()), 0)
        self.assert_same(self.newer)
        self.assert_over()

    def test_a_journal_that_cannot_be_removed_is_a_warning(self):
        result = self.ws.run_traced(*self.command, inject="unlink:error=EIO", strace_args=["-P", str(self.ws.state / "restore.journal")])
        self.assertIn("(INJECTED)", result.trace)
        assert_exit(result, 3)
        self.assertIn("restored", result.out)
        self.assertIn("restore.journal", result.err)
        self.assertNotIn("nothing was changed", result.text())
        self.assert_same(self.old)
        self.assertIn("holds the restored data", assert_exit(self.ws.run(*self.flags, "--abort"), 0).text())
        self.assert_over()


class CutOff(Stage):
    """Killed, or cut off from the server, anywhere."""

    def talk(self, *calls: str) -> list[tuple[str, str]]:
        """What the main thread does in a run that succeeds: call and the rest of the line."""
        result = assert_exit(self.ws.run_traced(*self.command, trace=",".join(calls), strace_args=["-s", "200", "-y"]), 0)
        lines = [line.split(None, 1) for line in result.trace.splitlines()]
        main = [rest for thread, rest in lines if thread == lines[0][0] and "(" in rest]
        self.begin_again()
        return [tuple(rest.split("(", 1)) for rest in main]

    def begin_again(self):
        """The newer data back in its place."""
        pg.sql(LIVE, "UPDATE public.cars SET name = 'newer'")
        self.standin.run()
        for path in self.ws.snapshot_files():
            if path.stem != self.first:
                path.unlink()

    def test_killed_anywhere_abort_tells_what_became_of_it(self):
        talk = self.talk("sendto", "rename", "unlink")
        first = next(i for i, (call, rest) in enumerate(talk) if call == "rename" and "restore.journal" in rest)
        points, counts = [], {}
        for i, (call, _) in enumerate(talk):
            counts[call] = counts.get(call, 0) + 1
            if i >= first:
                points.append((call, counts[call]))
        sends = [p for p in points if p[0] == "sendto"]
        # Of the many statements some; around COMMIT, and where files change, all.
        points = [p for p in points if p[0] != "sendto"] + sends[:-10:6] + sends[-10:]
        said, struck = set(), 0
        for call, number in points:
            with self.subTest(call=call, number=number):
                result = self.ws.run_traced(*self.command, inject=f"{call}:signal=KILL:when={number}")
                if result.code == 0:
                    self.begin_again()
                    continue
                struck += 1
                had_journal = self.journal() is not None
                text = assert_exit(self.ws.run(*self.flags, "--abort"), 0).text()
                restored = not diff_digests(self.old, self.digest())
                if had_journal:
                    self.assertIn("holds the restored data" if restored else "holds the data from before", text)
                    said.add(restored)
                    self.assert_over()
                if restored:
                    self.assertEqual(self.cars_of(self.of_before()), "newer")
                else:
                    self.assert_same(self.newer)
                self.begin_again()
        self.assertEqual(said, {False, True})
        self.assertGreater(struck, 15)

    def cut(self, *, sent: bool = True, many: bool = False) -> Result:
        """A run in which the answer to COMMIT is lost, or to something before COMMIT is `sent`; `many`: and everything that
        the server says later. Of the main thread alone: pg_dump talks, too. In how many pieces answers are read differs from
        run to run, so it is looked which one it was."""
        talk = self.talk("sendto", "recvfrom")
        commit = max(i for i, (call, rest) in enumerate(talk) if call == "sendto" and "COMMIT" in rest
                     and any("pg_current_xact_id" in before for _, before in talk[max(0, i - 8):i]))
        number = [call for call, _ in talk[:commit]].count("recvfrom") + (1 if sent else -4)
        for shift in (0, 0, 1, -1, 0, 2, -2, 1, -1):
            log = self.ws.folder / "cut"
            wrap = ["strace", "-qq", "-s", "200", "-o", str(log), "-e", "trace=sendto,recvfrom",
                    "-e", f"inject=recvfrom:error=ECONNRESET:when={number + shift}{'+' if many else ''}"]
            result = self.ws.start(*self.command, wrap=wrap).wait(300)
            before = log.read_text().partition("(INJECTED)")[0].splitlines()
            asked = [line for line in before if line.startswith("sendto")][-6:]
            if any("COMMIT" in line for line in asked[-1:]) == sent and any("pg_current_xact_id" in line for line in asked) >= sent:
                return result
            self.ws.run(*self.flags, "--abort")
            self.begin_again()
        self.fail("COMMIT was not hit")

    def test_cut_off_before_commit_nothing_is_changed(self):
        result = assert_exit(self.cut(sent=False), 15)
        self.assertIn("nothing was changed; teslamate holds the data from before", result.err)
        self.assert_same(self.newer)
        self.assert_over()

    def test_a_commit_whose_answer_is_lost_is_looked_up(self):
        assert_exit(self.cut(), 0)
        self.assert_same(self.old)
        self.assert_over()

    def test_a_commit_that_cannot_be_looked_up_is_in_doubt_and_abort_settles_it(self):
        result = assert_exit(self.cut(many=True), 20)
        self.assertIn("either the restored data or that from before", result.err)
        self.assertFalse(self.standin.is_running())
        self.assertIsNotNone(self.journal())
        text = assert_exit(self.ws.run(*self.flags, "--abort"), 0).text()
        self.assertIn("holds the restored data", text)
        self.assert_same(self.old)
        self.assert_over()


if __name__ == "__main__":
    unittest.main()
