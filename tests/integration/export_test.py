# SPDX-License-Identifier: MIT
"""A snapshot leaves as plain SQL that psql loads, or as a .tmb: the same database comes back, nothing half
written is ever found under the name that was asked for."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import stat
import subprocess
import unittest

from backup_checks import backup
from harness import ROOT, Cluster, Workspace, assert_exit, database_digest, diff_digests, tool_path

ZOO = (ROOT / "tests" / "sample" / "zoo.sql").read_text(encoding="utf-8")


@contextlib.contextmanager
def loaded(pg: Cluster, sql: bytes, options: str = ""):
    """An empty database into which psql has loaded `sql`, every statement without an error."""
    name = "loaded_copy"
    pg.drop_db(name)
    pg.create_db(name, options)
    try:
        done = pg.client("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", "-", database=name, input=sql, check=False)
        if done.returncode != 0:
            raise AssertionError(f"psql does not take it:\n{done.stderr.decode('utf-8', 'replace')[-2000:]}")
        yield name
    finally:
        pg.drop_db(name)


def unpacked(path) -> bytes:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", str(path)], capture_output=True, check=True).stdout
    return path.read_bytes()


def without_differing(dump: bytes) -> list[bytes]:
    """The lines of a plain dump, sorted, without those in which two dumps of one database may differ."""
    dropped = re.compile(rb"\\(un)?restrict |-- Dumped (from|by)|-- (Data for )?Name: |--$|$")
    return sorted(line for line in dump.split(b"\n") if not dropped.match(line))


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster(locale="C"))
        cls.ws = cls.enterClassContext(Workspace(cls.pg))
        cls.prepare()

    @classmethod
    def prepare(cls):
        pass

    def export(self, *args, code: int = 0, **keywords):
        return assert_exit(self.ws.run("teslamate-snapshots", "export", *args, **keywords), code)

    def path(self, name: str):
        path = self.ws.folder / name
        self.addCleanup(lambda: path.unlink(missing_ok=True))
        return path


class PlainSql(Case):
    @classmethod
    def prepare(cls):
        cls.pg.create_db("live")
        cls.pg.script("live", ZOO)
        backup(cls.ws, "live")
        cls.expected = database_digest(cls.pg, "live")

    def assert_the_same(self, sql: bytes):
        with loaded(self.pg, sql, "TEMPLATE template0") as copy:
            self.assertEqual([], diff_digests(self.expected, database_digest(self.pg, copy), ignore=("database",)))

    def test_psql_makes_the_same_database_of_it(self):
        for name in ("zoo.sql", "zoo.bck", "zoo.sql.gz", "zoo.sql.zst"):
            with self.subTest(name):
                path = self.path(name)
                self.export("latest", path)
                self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))
                self.assert_the_same(unpacked(path))

    def test_the_same_on_the_standard_output_and_nothing_else_there(self):
        path = self.path("zoo.sql")
        self.export("latest", path)
        result = self.export("latest", "-")
        self.assertIn("rows written to stdout", result.err)
        self.assertEqual(without_differing(path.read_bytes()), without_differing(result.out.encode("utf-8", "surrogateescape")))

    def test_it_has_the_lines_that_pg_dump_writes(self):
        dump = self.pg.client("pg_dump", database="live").stdout
        path = self.path("zoo.sql")
        self.export("latest", path)
        self.assertEqual([], [line for line in without_differing(path.read_bytes()) if line not in set(without_differing(dump))][:20])
        self.assertEqual(len(without_differing(dump)), len(without_differing(path.read_bytes())))
        self.assertTrue(path.read_bytes().startswith(b"--\n-- PostgreSQL database dump\n--\n"))
        self.assertIn(b"\n--\n-- PostgreSQL database dump complete\n--\n", path.read_bytes()[-200:])
        restrict = re.findall(rb"(?m)^\\(restrict|unrestrict) (\S+)$", path.read_bytes())
        self.assertIn(len({token for _, token in restrict}), (0, 1))

    def test_one_worker_writes_what_many_write(self):
        one, many = self.path("one.sql"), self.path("many.sql")
        self.export("latest", one, "--jobs", "1")
        self.export("latest", many, "--jobs", "7")
        drop = re.compile(rb"(?m)^\\(un)?restrict .*$")
        self.assertEqual(drop.sub(b"", one.read_bytes()), drop.sub(b"", many.read_bytes()))


class Publishing(Case):
    """Nothing at the final name but the whole file; what was there stays."""

    @classmethod
    def prepare(cls):
        cls.pg.load_sample("live", 3000)
        backup(cls.ws, "live")

    def commands(self, name: str):
        """All ways to write a file, each with the path that it writes to."""
        for suffix in (".sql", ".sql.gz", ".tmb"):
            path = self.path(name + suffix)
            yield ("teslamate-snapshots", "export", "latest", str(path)), path
            yield ("teslamate-backup", *self.ws.target("live"), str(path)), path

    def test_a_file_that_is_there_stays_without_force(self):
        for command, path in self.commands("there"):
            with self.subTest(command[0], file=path.name):
                path.write_bytes(b"mine")
                result = assert_exit(self.ws.run(*command), 22)
                self.assertIn("--force", result.err)
                self.assertEqual(b"mine", path.read_bytes())
                assert_exit(self.ws.run(*command, "--force"), 0)
                self.assertGreater(path.stat().st_size, 1000)
                self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))

    def test_what_is_no_file_is_never_replaced(self):
        folder = self.ws.folder / "folder.sql"
        folder.mkdir(exist_ok=True)
        link = self.path("link.sql")
        link.symlink_to("/dev/null")
        fifo = self.path("fifo.sql")
        os.mkfifo(fifo)
        for path in (folder, link, fifo):
            with self.subTest(path.name):
                before = path.lstat()
                self.export("latest", path, "--force", code=22)
                self.assertEqual((before.st_ino, before.st_mode), (path.lstat().st_ino, path.lstat().st_mode))

    def test_a_name_that_tells_no_kind_is_a_question(self):
        for name in ("x", "x.dump", "x.sql.xz", "x.zip"):
            self.assertIn(".tmb", self.export("latest", self.path(name), code=2).err)
        self.export("latest", self.path("odd.name"), "--format", "sql.gz")
        self.export("latest", self.path("odd2.name"), "--format", "exe", code=2)
        assert_exit(self.ws.run("teslamate-snapshots", "export", "latest", "-", "--json"), 2)

    def test_a_full_disk_and_every_other_error_leave_no_file(self):
        calls = ("write", "fsync", "linkat", "openat", "fchmod")
        for command, path in self.commands("errors"):
            if command[0] == "teslamate-backup" and path.suffix != ".tmb":
                continue
            whole = 0
            for call in calls:
                for when in (1, 2, 5, 17, 65):
                    path.unlink(missing_ok=True)
                    error = "ENOSPC" if call in ("write", "linkat") else "EIO"
                    result = self.ws.run_traced(*command, inject=f"{call}:error={error}:when={when}")
                    struck = "(INJECTED)" in result.trace
                    if result.code == 0:
                        self.assert_whole(path)
                        whole += 1
                    elif path.exists():
                        self.fail(f"{command[0]} {path.name}: {call} {when}: a file is there\n{result.text()}")
                    elif struck:
                        self.assertIn(result.code, (1, 13, 14, 15, 16, 17, 21), result.text())
                    if not struck:
                        break
                    self.assertEqual([], list(self.ws.folder.glob(".tmp-*")), f"{call} {when}")

    def test_killed_at_every_write_leaves_no_file(self):
        for command, path in self.commands("killed"):
            if command[0] == "teslamate-backup" and path.suffix != ".tmb":
                continue
            for call, most in (("write", 40), ("fsync", 3), ("linkat", 2)):
                for when in range(1, most, 4 if call == "write" else 1):
                    result = self.ws.run_traced(*command, inject=f"{call}:signal=KILL:when={when}")
                    if result.code == 0:
                        self.assert_whole(path)
                        path.unlink()
                        break
                    if path.exists():  # killed while it told of its success
                        self.assert_whole(path)
                        path.unlink()

    def assert_whole(self, path):
        if path.suffix == ".tmb":
            target = Workspace(self.pg)
            try:
                assert_exit(target.run("teslamate-snapshots", "import", str(path)), 0)
            finally:
                target.close()
        else:
            self.assertIn(b"PostgreSQL database dump complete", unpacked(path)[-300:])

    def test_a_reader_that_goes_away_is_an_error(self):
        for command in (("teslamate-snapshots", "export", "latest", "-"), ("teslamate-backup", *self.ws.target("live"), "-")):
            argv = ["bash", "-c", 'set -o pipefail; "$@" | head -c 100 >/dev/null', "-", str(tool_path(command[0])), *command[1:]]
            done = subprocess.run(argv, capture_output=True, env=self.ws.environment(), check=False)
            self.assertEqual(17, done.returncode, done.stderr)
            self.assertIn(b"Broken pipe", done.stderr)

    def test_an_object_that_is_damaged_stops_the_export(self):
        victim = max(self.ws.object_files(), key=lambda p: p.stat().st_size)
        raw = victim.read_bytes()
        os.chmod(victim, 0o600)
        victim.write_bytes(raw[:-100] + bytes(100))
        self.addCleanup(victim.write_bytes, raw)
        for suffix in (".sql", ".tmb"):
            path = self.path("damaged" + suffix)
            self.assertIn(victim.name[:16], self.export("latest", path, code=13).err)
            self.assertFalse(path.exists())


class FromTheDatabase(Case):
    """teslamate-backup FILE."""

    @classmethod
    def prepare(cls):
        cls.pg.create_db("live")
        cls.pg.script("live", ZOO)
        cls.expected = database_digest(cls.pg, "live")

    def test_sql_is_what_pg_dump_writes(self):
        dump = self.pg.client("pg_dump", database="live").stdout
        for name in ("direct.sql", "direct.bck.gz", "direct.sql.zst"):
            path = self.path(name)
            assert_exit(self.ws.backup("live", path), 0)
            self.assertEqual(without_differing(dump), without_differing(unpacked(path)))
        self.assertEqual([], self.ws.snapshot_files())

    def test_what_a_file_cannot_take_is_a_question(self):
        for name, *flags in (("q.sql", "--tag", "x"), ("q.sql", "--full"), ("q.tmb", "--full"), ("q.tmb", "--scheduled"), ("-", "--tag", "x")):
            with self.subTest(name=name, flags=flags):
                path = "-" if name == "-" else self.path(name)
                result = assert_exit(self.ws.backup("live", *flags, path), 2)
                self.assertIn("hint:", result.err)
                self.assertFalse(name != "-" and path.exists())
        path = self.path("q.tmb")
        assert_exit(self.ws.backup("live", "--tag", "x", path), 0)

    def test_an_error_of_pg_dump_leaves_no_file(self):
        path = self.path("refused.sql")
        with self.pg.session("live") as session:
            session.run("BEGIN; LOCK TABLE zoo.floats IN ACCESS EXCLUSIVE MODE")
            result = assert_exit(self.ws.backup("live", path), 16)
        self.assertIn("locked by another session", result.err)
        self.assertFalse(path.exists())

    def test_a_tmb_restores_to_the_same_database(self):
        for name in ("direct.tmb", "direct.tmb.gz", "direct.tmb.zst"):
            path = self.path(name)
            assert_exit(self.ws.backup("live", path), 0)
            self.assert_restores(path)
        self.assertEqual([], self.ws.snapshot_files())

    def assert_restores(self, path, ws: Workspace | None = None):
        self.pg.drop_db("copy")
        assert_exit((ws or self.ws).restore("live", path, "--as-database", "copy", "--yes", "--no-service", "--trust-code"), 0)
        self.assertEqual([], diff_digests(self.expected, database_digest(self.pg, "copy"), ignore=("database",)))


if __name__ == "__main__":
    unittest.main()
