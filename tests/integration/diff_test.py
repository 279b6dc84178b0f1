# SPDX-License-Identifier: MIT
"""teslamate-snapshots diff tells exactly which rows lie between two states, and reads only where they differ."""

from __future__ import annotations

import unittest

from backup_checks import backup
from harness import Cluster, Workspace, assert_exit


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster(locale="C"))

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.pg.drop_db("live")
        self.pg.load_sample("live", 4000)
        self.first = backup(self.ws, "live")["snapshot"]

    def diff(self, *args, code: int = 0) -> dict:
        return assert_exit(self.ws.run("teslamate-snapshots", "diff", *self.ws.target("live"), *args, "--json"), code).json()

    def counts(self, *args) -> dict:
        """added, changed and removed of the tables that differ; the same between snapshots as with live."""
        live = self.table_counts(self.diff(*args))
        backup(self.ws, "live")
        self.assertEqual(live, self.table_counts(self.diff(*args, "latest")))
        return live

    @staticmethod
    def table_counts(document: dict) -> dict:
        found = {t["name"]: (t["added"], t["changed"], t["removed"]) for t in document["tables"]}
        return {name: counts for name, counts in found.items() if counts != (0, 0, 0)}

    def test_nothing_happened(self):
        document = self.diff(self.first)
        self.assertTrue(document["same"])
        self.assertEqual(0, document["objects_read"])
        self.assertEqual({}, self.counts(self.first))
        result = assert_exit(self.ws.run("teslamate-snapshots", "diff", *self.ws.target("live"), self.first, "latest"), 0)
        self.assertIn("are the same, row for row", result.out)

    def test_rows_added_changed_and_removed(self):
        self.pg.sql("live", "UPDATE positions SET elevation = elevation + 1 WHERE id % 1000 = 7",
                    "DELETE FROM positions WHERE id % 1000 = 13",
                    "INSERT INTO geofences (name, latitude, longitude, radius, inserted_at, updated_at) "
                    "VALUES (E'x\\ty\\n\\\\', 1, 2, 3, now(), now())", "VACUUM positions")
        changed = int(self.pg.scalar("live", "SELECT count(*) FROM positions WHERE id % 1000 = 7"))
        removed = 4000 - int(self.pg.scalar("live", "SELECT count(*) FROM positions"))
        self.assertEqual({"positions": (0, changed, removed), "geofences": (1, 0, 0)}, self.counts(self.first))

    def test_a_row_that_moved_is_the_same_row(self):
        self.pg.sql("live", "UPDATE positions SET speed = speed WHERE id < 500", "VACUUM FULL positions", "VACUUM FULL drives")
        self.assertEqual({}, self.counts(self.first))

    def test_drives_and_charges_by_car_and_day(self):
        row = self.pg.sql("live", "SELECT id, car_id, start_date::date FROM drives ORDER BY id LIMIT 1 OFFSET 1")[0]
        charge = self.pg.sql("live", "SELECT id, car_id, start_date::date FROM charging_processes ORDER BY id LIMIT 1")[0]
        self.pg.sql("live", f"UPDATE drives SET distance = 1 WHERE id = {row[0]}",
                    f"DELETE FROM charging_processes WHERE id = {charge[0]}")
        document = self.diff(self.first)
        days = {(car["id"], day["date"]): (day["drives"], day["charges"]) for car in document["cars"] for day in car["days"]}
        self.assertEqual(1, days[(row[1], row[2])][0]["changed"])
        self.assertEqual(1, days[(charge[1], charge[2])][1]["removed"])
        self.assertEqual(2, sum(sum(d.values()) for day in days.values() for d in day))
        text = assert_exit(self.ws.run("teslamate-snapshots", "diff", *self.ws.target("live"), self.first), 0).out
        self.assertIn(row[2], text)
        self.assertIn("1 changed", text)

    def test_tables_and_columns_that_come_and_go(self):
        self.pg.sql("live", "DROP TABLE states CASCADE", "CREATE TABLE fresh (a int, b text)", "INSERT INTO fresh VALUES (1, 'x'), (1, 'x')",
                    "ALTER TABLE geofences ADD COLUMN colour text DEFAULT 'red'")
        document = self.diff(self.first)
        tables = {t["name"]: t for t in document["tables"]}
        self.assertEqual("removed", tables["states"]["table"])
        self.assertEqual(("added", 2), (tables["fresh"]["table"], tables["fresh"]["added"]))
        self.assertTrue(tables["geofences"]["columns_changed"])
        self.assertEqual((0, 0, 0), tuple(tables["geofences"][k] for k in ("added", "changed", "removed")))
        self.assertTrue(document["schema_changed"])

    def test_a_table_without_a_key_is_compared_row_by_row(self):
        self.pg.sql("live", "CREATE TABLE loose (a int, b text)", "INSERT INTO loose SELECT i % 3, 'x' FROM generate_series(1, 9) i")
        before = backup(self.ws, "live")["snapshot"]
        self.pg.sql("live", "DELETE FROM loose WHERE ctid = '(0,1)'", "INSERT INTO loose VALUES (7, 'y')")
        self.assertEqual({"loose": (1, 0, 1)}, self.counts(before))

    def test_only_what_differs_is_read(self):
        self.pg.next_day("live", 1, 100)
        backup(self.ws, "live")
        document = self.diff(self.first, "latest")
        self.assertLess(document["objects_read"], 40)
        self.assertEqual(100, self.table_counts(document)["positions"][0])
        self.assertFalse(document["schema_changed"])

    def test_backwards_is_the_mirror_image(self):
        self.pg.sql("live", "DELETE FROM positions WHERE id % 100 = 0", "UPDATE cars SET name = 'other'")
        backup(self.ws, "live")
        forth, back = self.diff(self.first, "latest"), self.diff("latest", self.first)
        mirrored = {name: (removed, changed, added) for name, (added, changed, removed) in self.table_counts(forth).items()}
        self.assertEqual(mirrored, self.table_counts(back))

    def test_a_file_can_be_compared_too(self):
        path = self.ws.folder / "a.tmb"
        assert_exit(self.ws.snapshots("export", self.first, path), 0)
        self.pg.sql("live", "DELETE FROM positions WHERE id % 100 = 0")
        backup(self.ws, "live")
        self.assertEqual(self.table_counts(self.diff(self.first, "latest")), self.table_counts(self.diff(path, "latest")))

    def test_the_live_database_is_not_kept(self):
        before = (self.ws.snapshot_files(), self.ws.object_files())
        self.pg.sql("live", "UPDATE cars SET name = 'other' WHERE id = 1")
        self.assertEqual({"cars": (0, 1, 0)}, self.table_counts(self.diff(self.first, "live")))
        self.assertEqual(before, (self.ws.snapshot_files(), self.ws.object_files()))


if __name__ == "__main__":
    unittest.main()
