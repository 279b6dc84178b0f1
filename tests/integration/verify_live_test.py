#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""teslamate-verify --live: what changed by transactions is no finding, what changed without one is. The server has
16 buffers, so that what is written into a table's file is what it reads next."""

from __future__ import annotations

import unittest

from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests, tree_digest


class Live(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster(settings={"shared_buffers": "128kB", "max_connections": "20"}))

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.pg.create_db("live")
        self.addCleanup(self.pg.drop_db, "live")
        self.pg.sql("live", "CREATE TABLE t (id integer PRIMARY KEY, words text)",
                    "CREATE TABLE u (id integer, pad text)",
                    "INSERT INTO t SELECT i, 'number ' || i || ' of many' FROM generate_series(1, 20000) i",
                    "INSERT INTO u SELECT i, repeat('x', 500) FROM generate_series(1, 500) i")
        assert_exit(self.ws.backup("live"), 0)

    def live(self, code: int = 0, *args: str):
        return assert_exit(self.ws.run("teslamate-verify", "--live", "--json", *self.ws.target("live"), *args), code)

    def found(self, code: int = 0) -> dict:
        return self.live(code).json()["live"]

    def write_behind_its_back(self, table: str, old: bytes, new: bytes):
        """Changes the bytes of a row in the table's file, under the running server."""
        assert len(old) == len(new)
        # A transaction's end is noted in the rows by who reads them first.
        self.pg.sql("live", f"SELECT count(*) FROM {table}", "CHECKPOINT", "SELECT count(*) FROM u a, u b")
        path = self.pg.data / self.pg.scalar("live", f"SELECT pg_relation_filepath('{table}')")
        content = path.read_bytes()
        self.assertEqual(content.count(old), 1)
        with open(path, "r+b") as file:
            file.seek(content.index(old))
            file.write(new)
        self.pg.sql("live", "SELECT count(*) FROM u a, u b")

    def test_untouched_every_row_is_the_same_and_nothing_is_changed(self):
        repository, database = tree_digest(self.ws.repository), database_digest(self.pg, "live")
        found = self.found()
        self.assertEqual((found["same"], found["since"], found["gone"]), (20500, 0, 0))
        self.assertEqual((found["differences"], found["not_compared"], found["tables"]), ([], [], 2))
        self.assertEqual(tree_digest(self.ws.repository), repository)
        self.assertEqual(diff_digests(database, database_digest(self.pg, "live")), [])

    def test_what_transactions_did_since_is_counted_and_is_no_finding(self):
        self.pg.sql("live", "UPDATE t SET words = 'new' WHERE id = 5", "DELETE FROM t WHERE id > 19990",
                    "INSERT INTO t VALUES (30000, 'added')", "UPDATE u SET pad = 'y' WHERE id < 10", "VACUUM t")
        found = self.found()
        self.assertEqual(found["differences"], [])
        self.assertEqual((found["same"], found["since"], found["gone"]), (20500 - 20, 11, 20))

    def test_a_row_that_changed_on_its_disk_is_found_though_no_backup_sees_it(self):
        self.write_behind_its_back("t", b"number 4711 of many", b"number 4712 of many")
        self.assertEqual(self.pg.scalar("live", "SELECT words FROM t WHERE id = 4711"), "number 4712 of many")
        result = self.live(13)
        (one,) = result.json()["live"]["differences"]
        self.assertEqual((one["table"], one["rows"], one["example"]), ("public.t", 1, "4711 number 4712 of many"))
        self.assertIn("no transaction", result.json()["error"]["message"])
        status = self.ws.run("teslamate-status", "--check")
        assert_exit(status, 20)
        # The next backup takes the range over as it was: the good row is still what it holds.
        assert_exit(self.ws.backup("live"), 0)
        self.found(13)
        # Only reading everything makes the two agree, for better or worse.
        assert_exit(self.ws.backup("live", "--full"), 0)
        self.assertEqual(self.found()["differences"], [])

    def test_of_a_range_that_changed_the_rows_that_should_be_as_they_were_are_still_compared(self):
        self.pg.sql("live", "UPDATE t SET words = 'new' WHERE id = 4710", "INSERT INTO t VALUES (30000, 'added')")
        self.write_behind_its_back("t", b"number 4711 of many", b"number 4712 of many")
        self.assertEqual([d["rows"] for d in self.found(13)["differences"]], [1])

    def test_a_row_twice_where_it_was_once_is_found(self):
        self.write_behind_its_back("t", b"number 4711 of many", b"number 4712 of many")
        self.pg.sql("live", "CREATE TABLE w (id integer)", "INSERT INTO w SELECT 12345670 + i FROM generate_series(1, 2) i")
        assert_exit(self.ws.backup("live", "--full"), 0)
        self.write_behind_its_back("w", (12345671).to_bytes(4, "little"), (12345672).to_bytes(4, "little"))
        (one,) = self.found(13)["differences"]
        self.assertEqual((one["table"], one["rows"]), ("public.w", 1))

    def test_a_transaction_that_was_open_at_the_snapshot_makes_nothing_look_changed(self):
        with self.pg.session("live") as session:
            session.run("BEGIN")
            session.run("INSERT INTO t VALUES (40000, 'open')")
            self.pg.sql("live", "INSERT INTO t VALUES (40001, 'before the backup')")
            assert_exit(self.ws.backup("live"), 0)
            session.run("COMMIT")
        found = self.found()
        self.assertEqual((found["same"], found["since"], found["gone"]), (20501, 1, 0))

    def test_after_a_restart_it_says_that_it_cannot_tell_until_the_next_backup(self):
        self.pg.restart()
        error = self.live(22).json()["error"]
        self.assertIn("restarted", error["message"])
        self.assertIn("teslamate-backup", error["hint"])
        assert_exit(self.ws.backup("live"), 0)
        self.assertEqual(self.found()["differences"], [])

    def test_a_table_that_was_rewritten_added_or_dropped_is_named_and_not_compared(self):
        self.pg.sql("live", "VACUUM FULL t", "DROP TABLE u", "CREATE TABLE v (id integer)")
        found = self.found()
        self.assertEqual(found["tables"], 0)
        self.assertEqual([line.split(":")[0] for line in found["not_compared"]], ["public.t", "public.v", "public.u"])

    def test_it_is_about_the_newest_snapshot_and_needs_the_server(self):
        assert_exit(self.ws.run("teslamate-verify", "--live", *self.ws.target("live"), "latest"), 2)
        assert_exit(self.ws.run("teslamate-verify", "--live", *self.ws.target("no_such_database")), 15)
        assert_exit(self.ws.run("teslamate-verify", "--live", "-h", "/nonexistent", "-r", str(self.ws.repository)), 15)


if __name__ == "__main__":
    unittest.main()
