# SPDX-License-Identifier: MIT
"""Databases that the chunks do not carry are kept as an archive of pg_dump, chosen by itself and said."""

from __future__ import annotations

import unittest

from backup_checks import backup, differences, manifest, run_backup, snapshot_files
from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests


class Case(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster(locale="C"))

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.pg.drop_db("live")
        self.pg.load_sample("live", 3000)

    def large_objects(self):
        self.pg.sql("live", "SELECT lo_from_bytea(0, convert_to(repeat(i::text, 9000), 'UTF8')) FROM generate_series(1, 5) i",
                    "CREATE MATERIALIZED VIEW per_car AS SELECT car_id, count(*) FROM positions GROUP BY 1")

    def assert_comes_back(self, what="latest"):
        self.pg.drop_db("copy")
        result = assert_exit(self.ws.restore("live", what, "--as-database", "copy"), 0)
        tables = self.pg.scalar("copy", "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r') "
                                "AND nspname !~ '^pg_|information_schema'")
        self.assertRegex(result.err, rf"checking .*\b{tables} tables, [1-9]\d* sequences")
        self.assertEqual([], diff_digests(database_digest(self.pg, "live"), database_digest(self.pg, "copy"), ignore=("database",)))

    def test_large_objects(self):
        self.large_objects()
        result = assert_exit(run_backup(self.ws, "live"), 0)
        self.assertIn("archive of pg_dump", result.err)
        self.assertIn("5 large objects", result.err)
        document = manifest(snapshot_files(self.ws.repository)[-1])
        self.assertEqual("pg_dump", document["engine"])
        rows = int(self.pg.scalar("live", "SELECT sum((xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM ONLY %s', c.oid::regclass), "
                                  "true, true, '')))[1]::text::bigint) FROM pg_class c WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'private'::regnamespace)"))
        self.assertEqual(rows, document["dump_rows"])
        self.assert_comes_back()
        self.assertEqual([], differences(self.pg, self.ws, "live"))  # by tests/recovery/recover.py
        assert_exit(self.ws.verify("--read-data"), 0)
        assert_exit(self.ws.snapshots("list"), 0)

    def test_foreign_tables_and_rows_of_extensions(self):
        self.pg.sql("live", "CREATE EXTENSION file_fdw", "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
                    "CREATE FOREIGN TABLE far (a text) SERVER files OPTIONS (filename '/etc/hostname')")
        self.assertIn("foreign table public.far", assert_exit(run_backup(self.ws, "live"), 0).err)
        self.assert_comes_back()

    def test_what_no_engine_carries_is_still_refused(self):
        self.large_objects()
        self.pg.script("live", "DROP ROLE IF EXISTS nobody_here; CREATE ROLE nobody_here LOGIN;"
                               "GRANT USAGE ON SCHEMA private TO nobody_here")
        self.addCleanup(lambda: (self.pg.drop_db("live"), self.pg.sql("postgres", "DROP ROLE nobody_here")))
        result = assert_exit(run_backup(self.ws, "live", connection={"user": "nobody_here"}), 16)
        self.assertIn("permission denied for table tokens", result.err)
        self.assertEqual([], self.ws.snapshot_files())

    def test_the_second_night_stores_what_is_new(self):
        self.large_objects()
        self.pg.sql("live", "CREATE TABLE big AS SELECT i, md5(i::text) AS a, md5((i * 7)::text) AS b FROM generate_series(1, 150000) i")
        first = backup(self.ws, "live")
        same = backup(self.ws, "live")
        self.assertLess(same["new_bytes"], 20000)
        self.pg.sql("live", "INSERT INTO big SELECT i, md5(i::text), 'new' FROM generate_series(150001, 150100) i", "UPDATE cars SET name = 'x'")
        night = backup(self.ws, "live")
        self.assertLess(night["new_bytes"], first["new_bytes"] / 2)
        self.assert_comes_back()

    def test_it_leaves_and_comes_as_any_other(self):
        self.large_objects()
        snapshot = backup(self.ws, "live")["snapshot"]
        path, sql = self.ws.folder / "x.tmb", self.ws.folder / "x.sql"
        assert_exit(self.ws.snapshots("export", "latest", path), 0)
        assert_exit(self.ws.snapshots("export", "latest", sql), 0)
        self.assert_comes_back(path)
        self.pg.drop_db("copy")
        self.pg.create_db("copy", "TEMPLATE template0")
        self.pg.script("copy", sql.read_bytes())
        self.assertEqual([], diff_digests(database_digest(self.pg, "live"), database_digest(self.pg, "copy"), ignore=("database",)))
        other = self.enterContext(Workspace(self.pg))
        assert_exit(other.snapshots("import", path), 0)
        assert_exit(other.verify("--read-data"), 0)
        assert_exit(self.ws.run("teslamate-snapshots", "diff", *self.ws.target("live"), snapshot, "latest"), 14)

    def test_never_in_place(self):
        self.large_objects()
        backup(self.ws, "live")
        before = database_digest(self.pg, "live")
        assert_exit(self.ws.restore("live", "latest", "--in-place"), 22)
        self.assertEqual([], diff_digests(before, database_digest(self.pg, "live")))

    def test_a_damaged_piece_is_found_before_anything_is_touched(self):
        self.large_objects()
        backup(self.ws, "live")
        victim = self.ws.repository / "objects"
        ids = manifest(snapshot_files(self.ws.repository)[-1])["dump"]
        path = victim / ids[0]["id"][:2] / ids[0]["id"]
        raw = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(raw[:-9] + b"damaged!!")
        assert_exit(self.ws.restore("live", "latest", "--as-database", "copy2"), 13)
        assert_exit(self.ws.verify("--read-data"), 13)
        self.assertNotIn("copy2", self.pg.databases())


if __name__ == "__main__":
    unittest.main()
