# SPDX-License-Identifier: MIT
"""Dumps of PostgreSQL 9.6 to 18 and of TeslaMate from 2019 on come back as they were, or are refused for what the
server here cannot do."""

from __future__ import annotations

import gzip
import unittest

from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests
from old_dumps import NAMES, SCHEMA_2019, Toc, as_written_by

LIVE = "teslamate"


class OldDumps(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.here = cls.pg.version * 10
        cls.pg.load_sample("now", positions=2000)
        cls.pg.create_db("then")
        cls.pg.script("then", SCHEMA_2019)
        cls.text = {name: cls.pg.client("pg_dump", database=name).stdout.decode("utf-8", "surrogateescape") for name in ("now", "then")}
        cls.digest = {name: database_digest(cls.pg, name) for name in ("now", "then")}

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.pg.drop_db(LIVE)
        self.pg.sql("postgres", f"CREATE DATABASE {LIVE} TEMPLATE now")
        self.addCleanup(self.pg.drop_db, LIVE)

    def write(self, data: str | bytes, name="old.sql"):
        path = self.ws.folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape"))
        return path

    def comes_back(self, path, name: str):
        self.pg.drop_db("copy")
        result = assert_exit(self.ws.restore(LIVE, str(path), "--as-database", "copy"), 0)
        self.assertEqual([], diff_digests(self.digest[name], database_digest(self.pg, "copy"), ignore=("database",)))
        return result

    def test_plain_dumps_of_every_release(self):
        for tool in NAMES:
            # Of a server of its own release; then of the one here, as whoever has newer clients takes it.
            for server in sorted({tool, max(96, min(tool, self.here))}):
                for name in ("then", "now") if tool >= 100 else ("then",):
                    text = as_written_by(self.text[name], tool, server)
                    path = self.write(text)
                    with self.subTest(tool=NAMES[tool], server=NAMES[server], database=name):
                        if server > self.here:
                            result = assert_exit(self.ws.restore(LIVE, str(path), "--as-database", "copy"), 14)
                            self.assertIn("which is older", result.err)
                            continue
                        self.assertIn(NAMES[server].split(" ")[0], assert_exit(self.ws.run("teslamate-verify", str(path)), 0).out)
                        self.comes_back(path, name)
        self.assertIn("SET search_path = public, pg_catalog;", as_written_by(self.text["then"], 96, 96))
        self.assertNotIn("public.", as_written_by(self.text["then"], 96, 96).replace("Schema: public", ""))

    def test_statistics_of_18_are_never_taken_over(self):
        path = self.write(as_written_by(self.text["now"], 180, self.here))
        self.comes_back(path, "now")
        self.assertNotEqual("4711", self.pg.scalar("copy", "SELECT relpages FROM pg_class WHERE oid = 'public.cars'::regclass"))

    def test_custom_dumps_of_older_formats(self):
        if self.pg.version > 15:
            return self.newer_custom_dumps()
        for name in ("then", "now"):
            for args in ([], ["-Z0"]):
                data = self.pg.client("pg_dump", "-Fc", *args, database=name).stdout
                for minor in (12, 13):
                    with self.subTest(database=name, args=args, minor=minor):
                        self.comes_back(self.write(Toc(data).as_version(minor), "old.dump"), name)
        for minor, code in ((15, 14), (16, 14), (17, 14)):
            self.assertIn("newer pg_dump", assert_exit(self.ws.restore(LIVE, str(self.write(data[:6] + bytes([minor]) + data[7:], "new.dump"))), code).err)

    def newer_custom_dumps(self):
        for name in ("then", "now"):
            for args in (["-Fc"], ["-Fc", "-Z", "zstd:3"], ["-Fc", "-Z", "lz4"], ["-Ft"]):
                with self.subTest(database=name, args=args):
                    self.comes_back(self.write(self.pg.client("pg_dump", *args, database=name).stdout, "new.dump"), name)

    def test_teslamate_of_2019_replaces_the_live_database_and_says_what_follows(self):
        path = self.write(gzip.compress(as_written_by(self.text["then"], 110, 110).encode()), "2019.sql.gz")
        result = assert_exit(self.ws.restore(LIVE, str(path), "--dry-run"), 0)
        self.assertIn("will migrate it", result.err)
        result = assert_exit(self.ws.restore(LIVE, str(path)), 0)
        self.assertIn("will migrate it", result.err)
        self.assertEqual([], diff_digests(self.digest["then"], database_digest(self.pg, LIVE), ignore=("database",)))
        for kept in (d for d in self.pg.databases() if "_before_" in d):
            self.pg.drop_db(kept)

    def test_single_rows_of_2019_are_refused_with_the_way_there_is(self):
        path = self.write(self.text["then"])
        before = database_digest(self.pg, LIVE)
        result = assert_exit(self.ws.restore(LIVE, str(path), "--drive", "1"), 14)
        self.assertIn("too old", result.err)
        self.assertIn("too old", assert_exit(self.ws.restore(LIVE, str(path), "--scope", "settings"), 14).err)
        self.assertEqual([], diff_digests(before, database_digest(self.pg, LIVE)))


if __name__ == "__main__":
    unittest.main()
