# SPDX-License-Identifier: MIT
"""An incremental snapshot holds the live data, row by row, whatever happened since the last one.

Each test takes a snapshot, changes something, takes another, and compares what the second brings back (by
tests/recovery/recover.py) with the live database. A table that nobody touched is watched too: where the second
snapshot is meant to be incremental, not one of its chunks may have been read, or the test would prove nothing.
"""

from __future__ import annotations

import os
import shutil
import unittest

from backup_checks import backup, check_repository, chunk_objects, differences, manifest, table, wait_for
from harness import Cluster, Workspace, assert_exit, tree_digest

WITNESS = "CREATE TABLE witness AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, 16000) AS i"
ROWS = """
CREATE TABLE t (id integer PRIMARY KEY, n numeric(10,2), s text, at timestamptz DEFAULT '2026-01-01 00:00+00');
INSERT INTO t SELECT i, i * 0.25, 'row ' || i FROM generate_series(1, 6000) AS i;
"""


class Case(unittest.TestCase):
    maxDiff = None

    def assert_same(self, pg: Cluster, ws: Workspace, database: str, snapshot: str = "latest", **keywords):
        self.assertEqual([], differences(pg, ws, database, snapshot, **keywords))

    def assert_incremental(self, document: dict):
        """Nothing of the witness was read."""
        witness = table(document, "witness")
        self.assertGreater(witness["chunks"], 2)
        self.assertEqual(witness["chunks"], witness["unchanged"], document["warnings"])

    def assert_all_read(self, document: dict):
        self.assertEqual(0, sum(t["unchanged"] for t in document["tables"]))


class AfterAChange(Case):
    """One server; a database, a repository and a parent snapshot for each change."""

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster(settings={"max_prepared_transactions": "2"}))
        cls.pg.sql("postgres", "CREATE DATABASE pattern")
        cls.pg.script("pattern", WITNESS + ";\n" + ROWS)

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.pg.drop_db("live")
        self.pg.create_db("live", "TEMPLATE pattern")

    def check(self, setup: str, *changes: str, changed: bool = True, incremental: bool = True) -> dict:
        """Snapshot, changes (each a psql script), snapshot, comparison; the second snapshot's JSON."""
        if setup:
            self.pg.script("live", setup)
        first = backup(self.ws, "live")
        before = tree_digest(self.ws.repository)
        for change in changes:
            self.pg.script("live", change)
        second = backup(self.ws, "live")
        self.assertEqual(first["snapshot"], second["parent"])
        if incremental:
            self.assert_incremental(second)
        unread = all(t["unchanged"] == t["chunks"] for t in second["tables"]) and second["schema_unchanged"]
        self.assertEqual(changed, not unread)
        after = tree_digest(self.ws.repository)
        self.assertEqual(before, {path: after.get(path) for path in before}, "files of the first snapshot changed")
        self.assert_same(self.pg, self.ws, "live")
        return second

    # -- rows

    def test_nothing(self):
        second = self.check("", changed=False)
        self.assertEqual(0, second["read_bytes"])

    def test_insert(self):
        self.check("", "INSERT INTO t SELECT i, 1, 'new' FROM generate_series(7001, 7500) AS i")

    def test_update_of_one_row(self):
        self.check("", "UPDATE t SET s = 'changed' WHERE id = 17")

    def test_update_of_every_row(self):
        self.check("", "UPDATE t SET n = n + 1")

    def test_update_that_changes_no_value_but_writes_new_versions(self):
        self.check("", "UPDATE t SET n = n")

    def test_delete_of_one_row(self):
        self.check("", "DELETE FROM t WHERE id = 3000")

    def test_delete_of_every_row(self):
        self.check("", "DELETE FROM t")

    def test_truncate(self):
        self.check("", "TRUNCATE t")

    def test_truncate_and_the_same_number_of_rows_at_the_same_places(self):
        self.check("", "TRUNCATE t; INSERT INTO t SELECT i, i * 0.5, 'tow ' || i FROM generate_series(1, 6000) AS i")

    def test_truncate_that_was_rolled_back(self):
        self.check("", "BEGIN; TRUNCATE t; ROLLBACK", changed=False)

    def test_rows_that_take_the_places_of_deleted_rows(self):
        self.check("", "DELETE FROM t WHERE id % 3 = 0; VACUUM t;"
                       "INSERT INTO t SELECT i, 2, 'row ' || i FROM generate_series(3, 6000, 3) AS i")

    def test_a_row_updated_back_to_its_old_place(self):
        self.check("CREATE TABLE one (v integer); INSERT INTO one VALUES (1)",
                   "UPDATE one SET v = 2; VACUUM one; UPDATE one SET v = 3; VACUUM one; UPDATE one SET v = 4;"
                   "VACUUM one; UPDATE one SET v = 5")
        place = self.pg.scalar("live", "SELECT ctid FROM one")
        self.assertIn(place, ("(0,1)", "(0,2)", "(0,3)"))

    def test_chains_of_heap_only_updates(self):
        self.check("CREATE TABLE hot (id integer PRIMARY KEY, v integer) WITH (fillfactor = 50);"
                   "INSERT INTO hot SELECT i, 0 FROM generate_series(1, 2000) AS i",
                   *(f"UPDATE hot SET v = {n} WHERE id % 7 = {n % 7}" for n in range(1, 9)))

    def test_aborted_transactions_and_savepoints(self):
        self.check("", "BEGIN; UPDATE t SET s = 'never'; ROLLBACK; BEGIN; SAVEPOINT a; DELETE FROM t WHERE id < 100;"
                       "ROLLBACK TO a; UPDATE t SET s = 'kept' WHERE id < 10; SAVEPOINT b; "
                       "INSERT INTO t VALUES (-1, 0, 'kept too'); RELEASE b; SAVEPOINT c; UPDATE t SET n = 0; "
                       "ROLLBACK TO c; COMMIT")

    def test_rows_that_were_only_locked(self):
        self.check("", "BEGIN; SELECT count(*) FROM (SELECT FROM t FOR UPDATE) AS locked; COMMIT", changed=False)

    def test_a_transaction_open_during_the_first_snapshot(self):
        # As many rows as before in the same pages: their number tells nothing.
        self.pg.sql("live", "CREATE TABLE few AS SELECT i AS id, 0 AS v FROM generate_series(1, 10) AS i")
        with self.pg.session("live") as other:
            other.run("BEGIN; UPDATE few SET v = 1; UPDATE t SET s = 'committed later' WHERE id % 10 = 0; INSERT INTO t VALUES (-7, 1, 'x')")
            self.pg.sql("live", "CREATE TABLE later AS SELECT 1 AS a")  # a newer transaction has ended before this one
            backup(self.ws, "live")
            self.assertEqual("", other.run("COMMIT").strip())
        self.assert_incremental(backup(self.ws, "live"))
        self.assert_same(self.pg, self.ws, "live")

    def test_a_prepared_transaction_and_savepoints_open_during_the_first_snapshot(self):
        with self.pg.session("live") as other:
            other.run("BEGIN; SAVEPOINT a; UPDATE t SET s = 'in a savepoint' WHERE id % 11 = 0; RELEASE a; SELECT 1")
            self.pg.sql("live", "BEGIN; DELETE FROM t WHERE id = 5; INSERT INTO t VALUES (5, 0, 'prepared');"
                                "PREPARE TRANSACTION 'p'", "UPDATE t SET s = 'newer than both' WHERE id % 1000 = 999")
            backup(self.ws, "live")
            other.run("SAVEPOINT b; UPDATE t SET n = 7 WHERE id % 13 = 0; RELEASE b; COMMIT")
        self.pg.sql("live", "COMMIT PREPARED 'p'")
        self.assert_incremental(backup(self.ws, "live"))
        self.assert_same(self.pg, self.ws, "live")

    def test_a_row_deleted_and_another_inserted_in_its_place(self):
        self.check("", "DELETE FROM t WHERE id = 100; VACUUM t; INSERT INTO t VALUES (100, 9, 'the same number of rows')")

    def test_out_of_line_values(self):
        self.check("CREATE TABLE big (id integer, v text); ALTER TABLE big ALTER v SET STORAGE EXTERNAL;"
                   "INSERT INTO big SELECT i, repeat(md5(i::text), 3000) FROM generate_series(1, 30) AS i",
                   "UPDATE big SET v = reverse(v) WHERE id = 5; VACUUM big; UPDATE big SET id = -id WHERE id = 7")

    # -- maintenance

    def test_vacuum(self):
        self.check("DELETE FROM t WHERE id % 2 = 0", "VACUUM t", changed=False)

    def test_vacuum_freeze(self):
        self.check("", "VACUUM (FREEZE) t; VACUUM (FREEZE) witness", changed=False)

    def test_vacuum_freeze_then_insert(self):
        self.check("", "VACUUM (FREEZE) t; INSERT INTO t VALUES (-1, 1, 'after the freeze')")

    def test_vacuum_full(self):
        self.check("DELETE FROM t WHERE id % 2 = 0", "VACUUM FULL t")

    def test_vacuum_that_cuts_off_the_tail(self):
        self.check("", "DELETE FROM t WHERE id > 2000; VACUUM t")

    def test_a_table_that_shrinks_and_grows_again(self):
        self.check("", "DELETE FROM t WHERE id > 1000; VACUUM t; INSERT INTO t SELECT i, 1, 'other ' || i "
                       "FROM generate_series(1001, 6000) AS i")

    def test_cluster(self):
        self.check("CREATE INDEX by_text ON t (s DESC)", "CLUSTER t USING by_text")

    def test_vacuum_full_of_the_catalogs(self):
        self.check("", "VACUUM FULL pg_class; VACUUM FULL pg_attribute; VACUUM FULL pg_type")

    def test_reindex_and_analyze(self):
        self.check("", "REINDEX TABLE t; ANALYZE t")

    # -- definitions

    def test_add_column_with_a_constant_default(self):
        second = self.check("", "ALTER TABLE t ADD COLUMN extra integer NOT NULL DEFAULT 42")
        self.assertEqual(0, table(second, "t")["unchanged"])

    def test_add_column_with_a_default_then_more_rows(self):
        self.check("", "ALTER TABLE t ADD COLUMN extra text DEFAULT 'was not there'; INSERT INTO t (id) VALUES (-1);"
                       "ALTER TABLE t ALTER extra SET DEFAULT 'later'; INSERT INTO t (id) VALUES (-2)")

    def test_add_column_with_a_volatile_default(self):
        self.check("", "ALTER TABLE t ADD COLUMN extra float8 DEFAULT random()")

    def test_another_default_for_the_missing_values(self):
        self.check("ALTER TABLE t ADD COLUMN extra integer DEFAULT 1",
                   "ALTER TABLE t DROP COLUMN extra; ALTER TABLE t ADD COLUMN extra integer DEFAULT 2")

    def test_drop_column_and_add_one_of_the_same_name(self):
        self.check("", "ALTER TABLE t DROP COLUMN s; ALTER TABLE t ADD COLUMN s text")

    def test_drop_column(self):
        self.check("", "ALTER TABLE t DROP COLUMN n")

    def test_change_of_type_with_a_rewrite(self):
        self.check("", "ALTER TABLE t ALTER n TYPE text USING n || ' EUR'")

    def test_change_of_type_without_a_rewrite(self):
        second = self.check("", "ALTER TABLE t ALTER at TYPE timestamp")
        self.assertEqual(0, table(second, "t")["unchanged"])

    def test_change_of_a_length_without_a_rewrite(self):
        self.check("ALTER TABLE t ADD COLUMN v varchar(10) DEFAULT 'abc'", "ALTER TABLE t ALTER v TYPE varchar(20)")

    def test_set_storage_and_statistics(self):
        self.check("", "ALTER TABLE t ALTER s SET STORAGE EXTERNAL; ALTER TABLE t ALTER n SET STATISTICS 9")

    def test_rename_column(self):
        self.check("", 'ALTER TABLE t RENAME COLUMN s TO "new name"')

    def test_two_columns_that_swap_their_names(self):
        self.check("CREATE TABLE pair (a integer, b integer); INSERT INTO pair VALUES (1, 2)",
                   "ALTER TABLE pair RENAME a TO c; ALTER TABLE pair RENAME b TO a; ALTER TABLE pair RENAME c TO b")

    def test_rename_table(self):
        self.check("", "ALTER TABLE t RENAME TO u")

    def test_two_tables_that_swap_their_names(self):
        self.check("CREATE TABLE other (LIKE t INCLUDING ALL); INSERT INTO other SELECT id, n + 1, s, at FROM t",
                   "ALTER TABLE t RENAME TO x; ALTER TABLE other RENAME TO t; ALTER TABLE x RENAME TO other")

    def test_two_schemas_that_swap_their_names(self):
        self.check("CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.v AS SELECT 1 AS x; CREATE TABLE b.v AS SELECT 2 AS x",
                   "ALTER SCHEMA a RENAME TO c; ALTER SCHEMA b RENAME TO a; ALTER SCHEMA c RENAME TO b")

    def test_table_moved_to_another_schema(self):
        self.check("CREATE SCHEMA a", "ALTER TABLE t SET SCHEMA a")

    def test_drop_and_create_of_a_table_of_the_same_name(self):
        self.check("", "DROP TABLE t;" + ROWS + "UPDATE t SET n = -n")

    def test_dropped_and_new_tables(self):
        self.check("CREATE TABLE gone AS SELECT 1 AS a", "DROP TABLE gone; CREATE TABLE fresh AS SELECT 2 AS a")

    def test_table_set_unlogged_and_logged(self):
        self.check("", "ALTER TABLE t SET UNLOGGED; UPDATE t SET n = 0 WHERE id = 1; ALTER TABLE t SET LOGGED")

    def test_unlogged_table(self):
        self.check("CREATE UNLOGGED TABLE u AS SELECT i FROM generate_series(1, 100) AS i", "UPDATE u SET i = -i")

    def test_enum_value_renamed(self):
        self.check("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE moods (m mood, list mood[]);"
                   "INSERT INTO moods VALUES ('sad', '{sad,ok}')", "ALTER TYPE mood RENAME VALUE 'sad' TO 'very sad'")

    def test_two_enum_values_that_swap_their_names(self):
        self.check("CREATE TYPE mood AS ENUM ('a', 'b'); CREATE DOMAIN feeling AS mood; CREATE TABLE moods (m feeling);"
                   "INSERT INTO moods VALUES ('a'), ('a'), ('b')",
                   "ALTER TYPE mood RENAME VALUE 'a' TO 'c'; ALTER TYPE mood RENAME VALUE 'b' TO 'a';"
                   "ALTER TYPE mood RENAME VALUE 'c' TO 'b'")

    def test_enum_value_added_and_used(self):
        self.check("CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE moods (m mood); INSERT INTO moods VALUES ('a')",
                   "ALTER TYPE mood ADD VALUE 'between' BEFORE 'b'", "INSERT INTO moods VALUES ('between')")

    def test_composite_type_changed(self):
        self.check("CREATE TYPE pair AS (a integer, b text); CREATE TABLE pairs (p pair, l pair[]);"
                   "INSERT INTO pairs VALUES ('(1,x)', '{\"(2,y)\"}')",
                   "ALTER TYPE pair ADD ATTRIBUTE c date CASCADE; ALTER TYPE pair RENAME ATTRIBUTE a TO z CASCADE")

    def test_row_type_of_a_table_changed(self):
        self.check("CREATE TABLE shape (a integer); CREATE TABLE shapes (s shape); INSERT INTO shapes VALUES ('(1)')",
                   "ALTER TABLE shape ADD COLUMN b text")

    def test_domain_changed(self):
        self.check("CREATE DOMAIN small AS integer CHECK (VALUE < 10); CREATE TABLE smalls (s small, l small[]);"
                   "INSERT INTO smalls VALUES (1, '{2,3}')",
                   "ALTER DOMAIN small DROP CONSTRAINT small_check; ALTER DOMAIN small SET DEFAULT 77;"
                   "INSERT INTO smalls VALUES (100, '{200}'); INSERT INTO smalls DEFAULT VALUES")

    def test_names_kept_as_oids_of_what_was_renamed(self):
        self.check("CREATE TABLE refs (r regclass, l regclass[], y regtype, n regnamespace, f regprocedure);"
                   "CREATE TYPE kind AS ENUM (); CREATE SCHEMA s; CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
                   "INSERT INTO refs VALUES ('t', '{t,witness}', 'kind', 's', 's.f()')",
                   "ALTER TABLE t RENAME TO renamed; ALTER TYPE kind RENAME TO sort; ALTER FUNCTION s.f() RENAME TO g;"
                   "ALTER SCHEMA s RENAME TO r")

    def test_extension_update(self):
        self.check("CREATE EXTENSION cube VERSION '1.2'; CREATE TABLE cubes (c cube); INSERT INTO cubes VALUES ('(1,2)')",
                   "ALTER EXTENSION cube UPDATE TO '1.4'")

    def test_partition_attached_and_detached(self):
        self.check("CREATE TABLE p (k integer, v text) PARTITION BY RANGE (k);"
                   "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100); INSERT INTO p VALUES (1, 'one');"
                   "CREATE TABLE p2 (v text, k integer); INSERT INTO p2 VALUES ('hundred', 100)",
                   "ALTER TABLE p DETACH PARTITION p1; ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (100) TO (200);"
                   "INSERT INTO p VALUES (150, 'more')")

    def test_row_moved_to_another_partition(self):
        self.check("CREATE TABLE p (k integer) PARTITION BY RANGE (k);"
                   "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);"
                   "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200); INSERT INTO p VALUES (1), (2)",
                   "UPDATE p SET k = 150 WHERE k = 1")

    def test_inheritance(self):
        self.check("CREATE TABLE base (a integer); CREATE TABLE derived (b integer) INHERITS (base);"
                   "INSERT INTO base VALUES (1); INSERT INTO derived VALUES (2, 3)",
                   "ALTER TABLE base ALTER a TYPE bigint; UPDATE base SET a = a + 10; DELETE FROM ONLY base")

    def test_generated_column_made_ordinary(self):
        self.check("CREATE TABLE g (a integer, b integer GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO g VALUES (1)",
                   "ALTER TABLE g ALTER b DROP EXPRESSION; UPDATE g SET a = 7; ")

    def test_table_without_columns(self):
        self.check("CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES",
                   "INSERT INTO nothing DEFAULT VALUES")

    def test_table_that_lost_all_its_columns(self):
        self.check("CREATE TABLE nothing (a integer); INSERT INTO nothing VALUES (1), (2)",
                   "ALTER TABLE nothing DROP COLUMN a")

    def test_table_without_rows(self):
        self.check("CREATE TABLE empty (a integer); CREATE TABLE emptied AS SELECT 1 AS a", "DELETE FROM emptied")

    def test_table_of_1600_columns(self):
        columns = ", ".join(f"c{i} integer" for i in range(1600))
        self.check(f"CREATE TABLE wide ({columns}); INSERT INTO wide (c0, c7, c1599) VALUES (1, 2, 3), (4, NULL, 5)",
                   "UPDATE wide SET c800 = 6 WHERE c0 = 4")

    def test_a_row_of_50_megabytes(self):
        second = self.check("CREATE TABLE huge (id integer, v text)",
                            r"INSERT INTO huge SELECT 1, repeat(E'0123456789abcd\\\n', 3276800);"
                            "INSERT INTO huge VALUES (2, 'behind it')")
        document = manifest(self.ws.snapshot_files()[-1])
        sizes = [s for t in document["tables"] if t["name"] == "huge" for c in t["chunks"] for _, s in chunk_objects(c)]
        self.assertGreater(sum(sizes), 50 << 20)
        self.assertLessEqual(max(sizes), 16 << 20)
        self.assertEqual(2, table(second, "huge")["rows"])

    def test_sequences(self):
        self.check("CREATE SEQUENCE s; CREATE SEQUENCE never; CREATE TABLE i (id integer GENERATED ALWAYS AS IDENTITY)",
                   "SELECT nextval('s'), nextval('s'); SELECT setval('never', 5, false); INSERT INTO i DEFAULT VALUES;"
                   "ALTER SEQUENCE s INCREMENT 7", changed=True)

    def test_functions_views_comments_and_grants(self):
        for change in ("CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
                       "CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 2'",
                       "CREATE VIEW v AS SELECT id FROM t", "CREATE OR REPLACE VIEW v AS SELECT id FROM t WHERE id > 5",
                       "COMMENT ON TABLE t IS 'a'", "COMMENT ON TABLE t IS 'b'", "GRANT SELECT ON t TO PUBLIC",
                       "REVOKE SELECT ON t FROM PUBLIC", "CREATE INDEX i ON t (n)", "ALTER INDEX i RENAME TO j",
                       "ALTER TABLE t ADD CHECK (id < 100000) NOT VALID", "ALTER TABLE t VALIDATE CONSTRAINT t_id_check",
                       "ALTER TABLE t CLUSTER ON t_pkey", "ALTER TABLE t SET (fillfactor = 90)",
                       "ALTER TABLE t REPLICA IDENTITY FULL", "CREATE STATISTICS st ON id, n FROM t",
                       "ALTER STATISTICS st SET STATISTICS 33", "CREATE PUBLICATION pub FOR TABLE t",
                       "ALTER TABLE t ENABLE ROW LEVEL SECURITY", "CREATE POLICY po ON t USING (true)",
                       "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
                       "CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t WITH NO DATA"):
            with self.subTest(change):
                if not self.ws.snapshot_files():
                    backup(self.ws, "live")
                self.pg.script("live", change)
                second = backup(self.ws, "live")
                self.assertFalse(second["schema_unchanged"])
        self.assert_same(self.pg, self.ws, "live")


class TheTailAlone(Case):
    """What a nightly backup reads, and what --full reads."""

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.ws = cls.enterClassContext(Workspace(cls.pg))
        cls.pg.create_db("live")
        cls.pg.script("live", "CREATE TABLE t AS SELECT i AS id, md5(i::text) AS s FROM generate_series(1, 200000) AS i")
        cls.first = backup(cls.ws, "live")

    def test_an_append_reads_the_tail_and_full_reads_all_and_adds_nothing(self):
        self.assertGreater(table(self.first, "t")["chunks"], 5)
        self.pg.sql("live", "INSERT INTO t SELECT i, 'new' FROM generate_series(200001, 200200) AS i")
        second = backup(self.ws, "live")
        grown = table(second, "t")
        # 200 rows of some 11 bytes each, and at most what stood in the last range before.
        self.assertLess(second["read_bytes"], 2 * 32 * 130 * 40)
        self.assertGreaterEqual(grown["unchanged"], grown["chunks"] - 2)
        self.assertEqual(200200, grown["rows"])
        # Rows that were appended to a chunk are an object of their own; a full snapshot stores each chunk whole.
        backup(self.ws, "live", "--full")
        objects = self.ws.object_files()
        full = backup(self.ws, "live", "--full")
        self.assert_all_read(full)
        self.assertGreater(full["read_bytes"], 200000 * 38)
        chunks = [manifest(p)["tables"] for p in self.ws.snapshot_files()[-2:]]
        self.assertEqual(chunks[0], chunks[1])
        self.assertEqual(objects, self.ws.object_files())
        self.assertEqual(self.ws.snapshot_files()[-1].stat().st_size, full["new_bytes"], "only the manifest is new")
        self.assert_same(self.pg, self.ws, "live")

    def test_full_writes_a_damaged_object_again_and_says_so(self):
        document = manifest(self.ws.snapshot_files()[0])
        object_id = chunk_objects(document["tables"][0]["chunks"][0])[0][0]
        path = self.ws.repository / "objects" / object_id[:2] / object_id
        good = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(good[:-9] + b"x" + good[-8:])
        path.chmod(0o400)
        healed = backup(self.ws, "live", "--full", code=3)
        self.assertEqual(1, healed["healed_objects"])
        self.assertEqual(good, path.read_bytes())
        check_repository(self.ws.repository, at_rest=True)

    def test_a_missing_or_cut_object_is_written_again_without_full(self):
        document = manifest(self.ws.snapshot_files()[0])
        first, second = (self.ws.repository / "objects" / i[:2] / i
                         for i in (chunk_objects(chunk)[0][0] for chunk in document["tables"][0]["chunks"][:2]))
        good = first.read_bytes(), second.read_bytes()
        first.unlink()
        second.chmod(0o600)
        second.write_bytes(good[1][:-1])
        backup(self.ws, "live", code=3)
        self.assertEqual(good, (first.read_bytes(), second.read_bytes()))
        check_repository(self.ws.repository, at_rest=True)

    def test_a_damaged_parent_manifest_is_passed_over_with_a_warning(self):
        backup(self.ws, "live")
        newest = self.ws.snapshot_files()[-1]
        good = newest.read_bytes()
        newest.chmod(0o600)
        newest.write_bytes(good.replace(b'"live"', b'"Live"', 1))
        try:
            document = backup(self.ws, "live", code=3)
            self.assertGreater(document["snapshot"], newest.stem, "the new snapshot is listed behind the damaged one")
            self.assert_same(self.pg, self.ws, "live")
        finally:
            assert_exit(self.ws.snapshots("forget", newest.stem, "--yes"), 0)

    def test_dry_run_writes_nothing(self):
        before = tree_digest(self.ws.repository)
        self.pg.sql("live", "INSERT INTO t VALUES (-1, 'x')")
        document = assert_exit(self.ws.backup("live", "--dry-run", "--json"), 0).json()
        self.assertIsNone(document["snapshot"])
        self.assertEqual(before, tree_digest(self.ws.repository))


class AfterTheServerOrDatabaseChanged(Case):
    """Whole databases replaced, servers restarted, crashed and exchanged."""

    @classmethod
    def setUpClass(cls):
        # synchronous_commit stays off: a crash may take back what was seen.
        cls.pg = cls.enterClassContext(Cluster(settings={"synchronous_commit": "off", "wal_writer_delay": "10s"}))

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.pg.drop_db("live")
        self.pg.create_db("live")
        self.pg.script("live", WITNESS + ";\n" + ROWS)

    def test_the_same_database_dropped_and_created_with_other_rows(self):
        backup(self.ws, "live")
        self.pg.drop_db("live")
        self.pg.create_db("live")
        self.pg.script("live", WITNESS + ";" + ROWS + "UPDATE t SET s = 'other' WHERE id = 9")
        self.assert_all_read(backup(self.ws, "live"))
        self.assert_same(self.pg, self.ws, "live")

    def test_a_database_with_the_number_of_the_dropped_one(self):
        self.pg.create_db("twin", "TEMPLATE live")
        self.pg.sql("twin", "UPDATE t SET s = 'in the twin' WHERE id % 50 = 1")
        backup(self.ws, "live")
        number = self.pg.scalar("live", "SELECT oid FROM pg_database WHERE datname = 'live'")
        self.pg.sql("live", "UPDATE t SET s = 'in the live one' WHERE id % 50 = 1", "VACUUM t")
        self.pg.drop_db("live")
        self.pg.create_db("live", f"TEMPLATE twin OID {number}")
        backup(self.ws, "live")
        self.assert_same(self.pg, self.ws, "live")
        self.pg.drop_db("twin")

    def test_pg_restore_into_a_new_database_of_the_same_name(self):
        dump = self.pg.client("pg_dump", "-Fc", database="live").stdout
        backup(self.ws, "live")
        self.pg.sql("live", "DELETE FROM t WHERE id < 100")
        backup(self.ws, "live")
        self.pg.drop_db("live")
        self.pg.create_db("live")
        self.pg.client("pg_restore", "-d", "live", input=dump)
        self.assert_all_read(backup(self.ws, "live"))
        self.assert_same(self.pg, self.ws, "live")

    def test_pg_restore_with_clean_into_the_same_database(self):
        dump = self.pg.client("pg_dump", "-Fc", database="live").stdout
        self.pg.sql("live", "DELETE FROM t WHERE id < 100")
        backup(self.ws, "live")
        self.pg.client("pg_restore", "-d", "live", "--clean", input=dump)
        backup(self.ws, "live")
        self.assert_same(self.pg, self.ws, "live")

    def test_pg_upgrade(self):
        # From one major version to the next it does the same: a new system identifier, old transaction numbers.
        for how in ([], ["--link"]):
            with self.subTest(how), Cluster() as old, Cluster() as new:
                old.create_db("live")
                old.script("live", WITNESS + ";\n" + ROWS)
                with Workspace(old) as ws:
                    first = backup(ws, "live")
                    old.sql("live", "DELETE FROM t WHERE id % 7 = 0")
                    new.upgrade_from(old, *how)
                    new.sql("live", "UPDATE t SET s = 'after' WHERE id % 50 = 1", "INSERT INTO t VALUES (-1, 1, 'new')")
                    ws.cluster = new
                    second = backup(ws, "live")
                    self.assertEqual(first["snapshot"], second["parent"])
                    self.assert_all_read(second)
                    self.assert_same(new, ws, "live")
                    self.assert_incremental(backup(ws, "live"))

    def test_databases_that_swap_their_names(self):
        self.pg.drop_db("spare")
        self.pg.create_db("spare", "TEMPLATE live")
        self.pg.sql("spare", "UPDATE t SET n = -1")
        backup(self.ws, "live")
        self.pg.sql("postgres", "ALTER DATABASE live RENAME TO x", "ALTER DATABASE spare RENAME TO live",
                    "ALTER DATABASE x RENAME TO spare")
        self.assert_all_read(backup(self.ws, "live"))
        self.assert_same(self.pg, self.ws, "live")
        self.pg.drop_db("spare")

    def test_a_restart_of_the_server(self):
        backup(self.ws, "live")
        self.pg.restart("fast")
        self.pg.sql("live", "UPDATE t SET n = 0 WHERE id = 1")
        self.assert_all_read(backup(self.ws, "live"))
        self.assert_same(self.pg, self.ws, "live")

    def test_files_put_back_under_a_stopped_server(self):
        self.pg.sql("live", "UPDATE t SET s = 'before'", "CHECKPOINT")
        self.pg.shut_down("fast")
        copy = self.pg.folder / "data-before"
        shutil.copytree(self.pg.data, copy, symlinks=True)
        for path in [copy, *copy.rglob("*")]:
            status = (self.pg.data / path.relative_to(copy)).lstat()
            os.chown(path, status.st_uid, status.st_gid)
        self.pg.start()
        self.pg.sql("live", "UPDATE t SET s = 'one future' WHERE id % 40 = 0")
        backup(self.ws, "live")
        self.pg.shut_down("fast")
        shutil.rmtree(self.pg.data)
        copy.rename(self.pg.data)
        self.pg.start()
        # The same transaction number writes other values to the same places.
        self.pg.sql("live", "UPDATE t SET s = 'two future' WHERE id % 40 = 0")
        backup(self.ws, "live")
        self.assert_same(self.pg, self.ws, "live")

    def crash_and_write_again(self, crash):
        self.pg.sql("live", "CREATE UNLOGGED TABLE u AS SELECT i FROM generate_series(1, 500) AS i", "CHECKPOINT")
        self.pg.sql("live", "UPDATE t SET s = 'may be lost' WHERE id % 30 = 0")
        first = backup(self.ws, "live")
        self.pg.sql("live", "UPDATE t SET s = 'lost too' WHERE id % 31 = 0")
        crash()
        self.assertEqual("0", self.pg.scalar("live", "SELECT count(*) FROM u"))
        self.pg.sql("live", "UPDATE t SET s = 'otherwise' WHERE id % 30 = 0",
                    "INSERT INTO u SELECT -i FROM generate_series(1, 500) AS i")
        second = backup(self.ws, "live")
        self.assertEqual(first["snapshot"], second["parent"])
        self.assert_same(self.pg, self.ws, "live")
        return second

    def test_an_immediate_stop_with_commits_that_were_not_on_disk(self):
        self.assert_all_read(self.crash_and_write_again(lambda: self.pg.restart("immediate")))

    def test_a_crash_of_one_backend_which_does_not_restart_the_postmaster(self):
        started = "SELECT pg_postmaster_start_time()"
        before = self.pg.scalar("live", started)

        def crash():
            with self.pg.session("live") as victim:
                self.pg.kill_backend(victim.pid)
            # The postmaster itself brings the server up again.
            wait_for(lambda: self.pg.client("pg_isready", check=False).returncode == 0, "the server is back")

        self.crash_and_write_again(crash)
        self.assertEqual(before, self.pg.scalar("live", started))

    def test_another_cluster_with_the_same_files(self):
        backup(self.ws, "live")
        dump = self.pg.client("pg_dump", "-Fc", database="live").stdout
        with Cluster() as other:
            other.create_db("live")
            other.client("pg_restore", "-d", "live", input=dump)
            other.sql("live", "UPDATE t SET s = 'elsewhere' WHERE id % 7 = 0")
            self.ws.cluster = other
            try:
                self.assert_all_read(backup(self.ws, "live"))
                self.assert_same(other, self.ws, "live")
            finally:
                self.ws.cluster = self.pg


if __name__ == "__main__":
    unittest.main()
