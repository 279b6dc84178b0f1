# SPDX-License-Identifier: MIT
"""Every kind of object and value, and every kind of encoding, comes back exactly."""

from __future__ import annotations

import unittest

from backup_checks import backup, differences, manifest, recovered, snapshot_files, table
from harness import ROOT, Cluster, Workspace

ZOO = (ROOT / "tests" / "sample" / "zoo.sql").read_text(encoding="utf-8")


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        # C: its byte order fits every encoding.
        cls.pg = cls.enterClassContext(Cluster(locale="C"))

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.pg.drop_db("live")

    def snapshot_equals_live(self, **keywords) -> dict:
        document = backup(self.ws, "live", **keywords)
        self.assertEqual([], differences(self.pg, self.ws, "live"))
        return document


class Zoo(Case):
    def setUp(self):
        super().setUp()
        self.pg.create_db("live")
        self.pg.script("live", ZOO)

    def test_round_trip(self):
        self.snapshot_equals_live()
        again = self.snapshot_equals_live()
        self.assertEqual(0, sum(t["chunks"] - t["unchanged"] for t in again["tables"] if t["name"] in ("floats", "wide")))

    def test_every_table_counts_its_rows(self):
        document = backup(self.ws, "live")
        for entry in document["tables"]:
            name = '"{}"."{}"'.format(*(entry[k].replace('"', '""') for k in ("schema", "name")))
            self.assertEqual(self.pg.scalar("live", f"SELECT count(*) FROM ONLY {name}"), str(entry["rows"]), name)

    def test_the_copy_of_a_copy_makes_the_same_objects(self):
        backup(self.ws, "live")
        before = {(t["schema"], str(t["name"])): t["chunks"] for t in manifest(snapshot_files(self.ws.repository)[-1])["tables"]}
        with recovered(self.pg, self.ws.repository, "live") as copy:
            backup(self.ws, copy)
        after = {(t["schema"], str(t["name"])): t["chunks"] for t in manifest(snapshot_files(self.ws.repository)[-1])["tables"]}
        self.assertEqual(before, after)

    def test_a_role_with_pg_read_all_data_alone(self):
        self.pg.script("live", "DROP ROLE IF EXISTS onlooker; CREATE ROLE onlooker LOGIN BYPASSRLS; GRANT pg_read_all_data TO onlooker")
        self.addCleanup(lambda: self.pg.sql("postgres", "DROP ROLE onlooker"))
        self.snapshot_equals_live(connection={"user": "onlooker"})


class Encodings(Case):
    def database(self, encoding: str, script: bytes):
        self.pg.create_db("live", f"TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
        self.pg.script("live", script, env={"PGCLIENTENCODING": encoding})
        document = self.snapshot_equals_live()
        self.pg.script("live", b"INSERT INTO plain VALUES (2, 'second')", env={"PGCLIENTENCODING": encoding})
        self.snapshot_equals_live()
        self.assertEqual(encoding, manifest(snapshot_files(self.ws.repository)[-1])["database"]["encoding"])
        return document

    def test_latin1(self):
        self.database("LATIN1", "CREATE TABLE plain (id integer, s text); CREATE TABLE \"Straße\" (\"größe\" text);"
                      "INSERT INTO \"Straße\" VALUES ('äöüÿ©');CREATE TYPE art AS ENUM ('schön');"
                      "CREATE TABLE e AS SELECT 'schön'::art AS a; COMMENT ON TABLE e IS 'Ü'".encode("latin-1"))

    def test_sql_ascii_with_bytes_that_are_no_text(self):
        self.database("SQL_ASCII", b"CREATE TABLE plain (id integer, s text); CREATE TABLE \"caf\xe9\" (\"\xff\xfe\" text);"
                      b"INSERT INTO \"caf\xe9\" VALUES ('\x80\xff\xc3'), (E'\\xf0\\x9f\\t\\n'); CREATE SEQUENCE \"s\xe9q\";"
                      b"SELECT nextval('\"s\xe9q\"')")

    def test_euc_jp(self):
        self.database("EUC_JP", "CREATE TABLE plain (id integer, s text); CREATE TABLE \"位置\" (\"名前\" text);"
                      "INSERT INTO \"位置\" VALUES ('東京駅 ｱ'), ('ソ表')".encode("euc_jp"))

    def test_a_role_whose_name_is_not_text_in_this_database(self):
        self.pg.sql("postgres", "CREATE ROLE \"käufer🚗\"")
        self.addCleanup(lambda: self.pg.sql("postgres", "DROP ROLE \"käufer🚗\""))
        for encoding in ("EUC_JP", "SQL_ASCII", "LATIN1"):
            with self.subTest(encoding):
                self.pg.drop_db("live")
                self.pg.create_db("live", f"TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
                self.pg.sql("live", "CREATE TABLE plain AS SELECT 1 AS id")
                self.snapshot_equals_live()

    def test_names_that_a_shell_a_terminal_or_sql_could_misread(self):
        names = ["a\nb", 'q"q', "b\\b", "%s%n", "--x", "$$", "é" * 31, "x" * 63, "SELECT", "e\u0301", "é", "\x1b[31m", " ", "'", "{}", "../x"]
        self.pg.create_db("live")
        for i, name in enumerate(names):
            quoted = '"' + name.replace('"', '""') + '"'
            self.pg.script("live", f"CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{quoted} ({quoted} text);"
                                   f"INSERT INTO {quoted}.{quoted} VALUES ('{i}')")
        document = self.snapshot_equals_live()
        for i, name in enumerate(names):
            self.assertEqual(1, table(document, name, name)["rows"])


if __name__ == "__main__":
    unittest.main()
