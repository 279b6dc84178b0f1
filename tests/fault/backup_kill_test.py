# SPDX-License-Identifier: MIT
"""A backup killed before, or failed at, each system call by which it changes the repository or talks to the server.

One run is traced first; every call that names the repository (and a sample of those that go to the server) is then a
point at which a later run is killed or given an error. strace counts calls for each thread by itself, so three kinds
of run are swept: one that makes the repository, one that stores rows and definitions, one that only adds a manifest.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import unittest

from backup_checks import (backup, check_repository, differences, our_backends, recovered, snapshot_files,
                           temporary_files, wait_for)
import injection
from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests
from injection import CHANGING, sample

TALKING = ("connect", "sendto")
# Not into children: killing pg_dump is another test.
STRACE = ["-b", "execve", "-y"]


class Sweep(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.create_db("live")
        cls.pg.script("live", "CREATE TABLE a AS SELECT i AS id, md5(i::text) AS s FROM generate_series(1, 300) AS i;"
                              "CREATE TABLE b AS SELECT i AS id FROM generate_series(1, 10) AS i;"
                              "CREATE TABLE c (id integer); CREATE SEQUENCE q; CREATE TABLE turn AS SELECT 0 AS n")

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.known: dict = {}

    def traced(self, inject: str | None = None, calls: tuple[str, ...] = ()):
        return self.ws.run_traced("teslamate-backup", *self.ws.target("live"), "--jobs", "1", inject=inject,
                                  trace=injection.names(calls) if calls else None, strace_args=STRACE, timeout=60)

    def points(self, calls: tuple[str, ...], *, everything: bool = False) -> dict[str, list[int]]:
        """For each call: at which of a thread's calls of this name the repository is touched."""
        result = assert_exit(self.traced(calls=calls), 0)
        found = injection.points(result.trace, self.ws.repository, everything=everything)
        self.assertTrue(found, result.trace[:2000])
        return found

    def change_rows(self):
        self.pg.sql("live", "UPDATE turn SET n = n + 1", "UPDATE a SET s = md5(s) WHERE id % 10 = 0",
                    "DO $$ BEGIN EXECUTE format('COMMENT ON TABLE c IS %L', clock_timestamp()); END $$")

    def change_nothing(self):
        pass

    def new_folder(self):
        shutil.rmtree(self.ws.repository)
        self.ws.repository.mkdir(mode=0o700)
        shutil.rmtree(self.ws.state)
        self.ws.state.mkdir(mode=0o700)
        self.known.clear()

    def snapshots(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in snapshot_files(self.ws.repository)}

    def assert_sound(self, before: dict, what: str, *, may_add: int):
        """What was listed is listed, unchanged; what is new is whole."""
        now = self.snapshots()
        self.assertEqual(before, {path: now.get(path) for path in before}, what)
        self.assertLessEqual(len(now) - len(before), may_add, what)
        check_repository(self.ws.repository, known=self.known)

    def sweep(self, calls: tuple[str, ...], prepare, strike, *, most: int = 1000, everything: bool = False) -> int:
        prepare()
        struck = 0
        for name, numbers in self.points(calls, everything=everything).items():
            for number in sample(numbers, most):
                prepare()
                with self.subTest(call=name, number=number):
                    struck += strike(name, number)
        return struck

    # -- killed

    def kill(self, name: str, number: int) -> int:
        before = self.snapshots()
        result = self.traced(f"{name}:signal=KILL:when={number}")
        what = f"killed before {name} number {number}\n{result.trace[-1500:]}"
        if result.code == 0:
            return 0  # a run may write less often than the one that was counted
        self.assertIn(result.code, (-9, 137), result.text())
        self.assert_sound(before, what, may_add=1)
        # Nothing to unlock, nothing to clean up by hand.
        backup(self.ws, "live")
        check_repository(self.ws.repository, at_rest=True, known=self.known)
        return 1

    def assert_all_restorable(self):
        self.assertEqual([], differences(self.pg, self.ws, "live"))
        for path in sample(list(range(len(snapshot_files(self.ws.repository)))), 3):
            snapshot = snapshot_files(self.ws.repository)[path].stem
            with recovered(self.pg, self.ws.repository, "live", snapshot) as copy:
                self.assertEqual("300", self.pg.scalar(copy, "SELECT count(*) FROM a"))
        wait_for(lambda: not our_backends(self.pg), "no session of ours is left", seconds=10)

    def test_killed_while_the_repository_is_made(self):
        self.assertGreater(self.sweep(CHANGING, self.new_folder, self.kill, most=6), 15)

    def test_killed_while_rows_and_definitions_are_stored(self):
        backup(self.ws, "live")
        first = snapshot_files(self.ws.repository)[0]
        expected = database_digest(self.pg, "live")
        struck = self.sweep(CHANGING, self.change_rows, self.kill)
        self.assertGreater(struck, 12)
        self.assert_all_restorable()
        with recovered(self.pg, self.ws.repository, "live", first.stem) as copy:
            self.assertEqual([], diff_digests(expected, database_digest(self.pg, copy), ignore=("database",)))

    def test_killed_while_only_the_manifest_is_written(self):
        backup(self.ws, "live")
        struck = self.sweep(CHANGING, self.change_nothing, self.kill)
        self.assertGreaterEqual(struck, 6)
        self.assert_all_restorable()

    def test_killed_while_talking_to_the_server(self):
        backup(self.ws, "live")
        struck = self.sweep(TALKING, self.change_rows, self.kill, most=12, everything=True)
        self.assertGreater(struck, 8)
        self.assert_all_restorable()

    # -- in what order

    def test_every_file_is_synced_before_its_name_and_every_name_before_the_manifest(self):
        backup(self.ws, "live")
        self.change_rows()
        objects, snapshots = self.ws.repository / "objects", self.ws.repository / "snapshots"
        there = set(self.ws.object_files())
        result = assert_exit(self.traced(calls=("fsync", "rename", "renameat", "renameat2", "link", "linkat")), 0)
        synced, named, manifest = set(), [], None
        for _, name, arguments in injection.calls(result.trace):
            if name == "fsync":
                synced.add(re.search("<(.*?)>", arguments).group(1))
                continue
            old, new = re.findall('"(.*?)"', arguments)
            if not new.startswith(str(self.ws.repository)):
                continue
            self.assertIn(old, synced, f"{new} got its name before its content was durable")
            if new.startswith(str(snapshots)):
                manifest = new
                for path in named:
                    self.assertIn(path.rsplit("/", 1)[0], synced, f"the name {path} was not durable when the manifest got its own")
                synced.discard(str(snapshots))
            else:
                self.assertTrue(new.startswith(str(objects)), new)
                named.append(new)
                synced.discard(new.rsplit("/", 1)[0])
        new_objects = set(self.ws.object_files()) - there
        self.assertGreater(len(new_objects), 2)
        self.assertIsNotNone(manifest)
        self.assertIn(str(snapshots), synced, "the manifest's own name is not durable")

    # -- failed

    def inject_error(self, name: str, number: int) -> int:
        errors = {"fsync": ["EIO"], "fdatasync": ["EIO"], "close": ["EIO"], "fchmod": ["EIO"]}
        choice = errors.get(name, ["ENOSPC", "EDQUOT", "EIO"])
        error = choice[number % len(choice)]
        before = self.snapshots()
        result = self.traced(f"{name}:error={error}:when={number}")
        hits = [line for line in result.trace.splitlines() if "INJECTED" in line]
        what = f"{error} at {name} number {number}: {hits}\n{result.text()}"
        where = str(self.ws.repository) if name != "close" else f"{self.ws.repository}/.*/.tmp-"
        ours = [line for line in hits if re.search(where, line)]
        if not ours or name.startswith("unlink"):
            self.assert_sound(before, what, may_add=1)
            return 0
        self.assertEqual(17, result.code, what)
        self.assert_sound(before, what, may_add=0)
        self.assertEqual([], temporary_files(self.ws.repository), what)
        return 1

    def sweep_errors(self, prepare, **keywords) -> int:
        return self.sweep((*CHANGING, "close"), prepare, self.inject_error, **keywords)

    def test_an_error_while_the_repository_is_made(self):
        self.assertGreater(self.sweep_errors(self.new_folder, most=5), 12)
        backup(self.ws, "live")
        check_repository(self.ws.repository, at_rest=True)

    def test_an_error_while_rows_and_definitions_are_stored(self):
        backup(self.ws, "live")
        self.assertGreater(self.sweep_errors(self.change_rows, most=8), 12)
        backup(self.ws, "live")
        check_repository(self.ws.repository, at_rest=True)
        self.assert_all_restorable()

    def test_an_error_while_only_the_manifest_is_written(self):
        backup(self.ws, "live")
        self.assertGreaterEqual(self.sweep_errors(self.change_nothing), 5)
        backup(self.ws, "live")
        self.assert_all_restorable()

    # -- lied to

    def lie(self, name: str, number: int) -> int:
        before = self.snapshots()
        result = self.traced(f"{name}:retval=1:when={number}")
        hits = [line for line in result.trace.splitlines() if "INJECTED" in line and str(self.ws.repository) in line]
        if hits:
            self.assertIn(result.code, (13, 17), f"{hits}\n{result.text()}")
        self.assert_sound(before, f"{hits}\n{result.text()}", may_add=0 if hits else 1)
        self.assertEqual([], temporary_files(self.ws.repository))
        return len(hits)

    def test_a_byte_that_write_claims_to_have_written_and_has_not_is_found(self):
        backup(self.ws, "live")
        # Only the first write: a thread's later ones may go to its own pipes, and a lie there proves nothing.
        self.assertGreater(self.sweep(("write",), self.change_rows, self.lie, most=1), 0)
        self.assertGreater(self.sweep(("write",), self.change_nothing, self.lie), 0)

    def test_writes_cut_short_are_continued(self):
        backup(self.ws, "live")
        expected = [(p.name, p.read_bytes()) for p in self.ws.object_files()]
        shim = self.ws.folder / "short.so"
        source = ("#define _GNU_SOURCE\n#include <sys/syscall.h>\n#include <unistd.h>\n#include <errno.h>\n"
                  "ssize_t write(int fd, const void* p, size_t n) { static __thread int turn; if (++turn % 5 == 0) "
                  "{ errno = EINTR; return -1; } return syscall(SYS_write, fd, p, n > 101 ? 101 : n); }\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", shim], input=source.encode(), check=True)
        shutil.rmtree(self.ws.state)
        self.ws.state.mkdir(mode=0o700)
        shutil.rmtree(self.ws.repository)
        self.ws.repository.mkdir(mode=0o700)
        backup(self.ws, "live", env={"LD_PRELOAD": str(shim)})
        self.assertEqual(expected, [(p.name, p.read_bytes()) for p in self.ws.object_files()])

    def test_a_limit_on_file_size_is_an_io_error_and_not_a_death(self):
        self.pg.sql("live", "CREATE TABLE large AS SELECT md5(i::text) AS s FROM generate_series(1, 4000) AS i")
        try:
            running = self.ws.start("teslamate-backup", *self.ws.target("live"),
                                    wrap=["sh", "-c", 'ulimit -f 16; exec "$@"', "sh"])
            assert_exit(running.wait(), 17)
            self.assertEqual([], snapshot_files(self.ws.repository))
            self.assertEqual([], temporary_files(self.ws.repository))
        finally:
            self.pg.sql("live", "DROP TABLE large")

    def test_few_file_descriptors_are_an_error_and_nothing_is_published(self):
        for number in (4, 6, 8, 10):
            with self.subTest(number):
                running = self.ws.start("teslamate-backup", *self.ws.target("live"),
                                        wrap=["sh", "-c", f'ulimit -n {number}; exec "$@"', "sh"])
                result = running.wait()
                self.assertNotIn(result.code, (0, -6, -11), result.text())
                self.assertEqual([], snapshot_files(self.ws.repository))


if __name__ == "__main__":
    unittest.main()
