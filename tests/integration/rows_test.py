# SPDX-License-Identifier: MIT
"""Single drives, charges and cars out of a snapshot or a dump into the live database, while TeslaMate runs."""

from __future__ import annotations

import threading
import unittest

from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests

DB = "teslamate"
# They only ever move forward, also when an act is taken back.
SEQUENCES = tuple(f"public.{s}" for s in ("addresses_id_seq", "car_settings_id_seq", "cars_id_seq", "charges_id_seq",
                                          "charging_processes_id_seq", "trips_id_seq", "geofences_id_seq", "positions_id_seq",
                                          "states_id_seq", "updates_id_seq"))


class Rows(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.load_sample("template_of_it", positions=4000)
        cls.pg.sql("template_of_it", "ANALYZE")
        cls.ws = cls.enterClassContext(Workspace(cls.pg))
        assert_exit(cls.ws.run("teslamate-backup", *cls.pg.connection_flags("template_of_it"), "-r", str(cls.ws.repository),
                               "--state-dir", str(cls.ws.state), "--init"), 0)

    def setUp(self):
        self.pg.sql("postgres", f"CREATE DATABASE {DB} TEMPLATE template_of_it")
        self.addCleanup(self.pg.drop_db, DB)

    def restore(self, *args: str, what: str = "latest", **keywords):
        return self.ws.run("teslamate-restore", *self.ws.target(DB), "--yes", *args, what, **keywords)

    def run_tool(self, name: str, *args: str):
        return self.ws.run(name, *self.pg.connection_flags(DB), "--state-dir", str(self.ws.state), "--yes", *args)

    def digest(self):
        return database_digest(self.pg, DB)

    def assert_same(self, before):
        self.assertEqual(diff_digests(before, self.digest(), ignore=SEQUENCES), [])

    def one(self, query: str) -> str:
        return self.pg.scalar(DB, query)

    def a_drive(self) -> str:
        return self.one("SELECT drive_id FROM positions WHERE drive_id IN (SELECT id FROM drives WHERE end_date IS NOT NULL) "
                        "GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")

    def test_a_deleted_drive_comes_back_from_a_snapshot_as_it_was(self):
        before = self.digest()
        drive = self.a_drive()
        for positions in ("keep", "delete"):
            with self.subTest(positions=positions):
                assert_exit(self.run_tool("teslamate-delete-drive", "--positions", positions, drive), 0)
                deleted = self.digest()
                result = assert_exit(self.restore("--drive", drive, "--dry-run"), 0)
                self.assertIn("comes back", result.out)
                self.assert_same(deleted)
                result = assert_exit(self.restore("--drive", drive), 0)
                self.assertIn(f"drive {drive} of", result.out)
                self.assert_same(before)
                # And it can be taken back.
                assert_exit(self.run_tool("teslamate-undo", "last"), 0)
                self.assert_same(deleted)
                assert_exit(self.restore("--drive", drive), 0)
                self.assert_same(before)

    def test_a_deleted_charge_comes_back_with_its_readings_and_its_position(self):
        before = self.digest()
        position = self.one("SELECT position_id FROM charging_processes WHERE id = 2")
        assert_exit(self.run_tool("teslamate-delete-charge", "2"), 0)
        self.pg.sql(DB, f"UPDATE drives SET start_position_id = NULL WHERE start_position_id = {position}")
        self.pg.sql(DB, f"DELETE FROM positions WHERE id = {position}")
        assert_exit(self.restore("--charge", "2"), 0)
        left = diff_digests(before, self.digest(), ignore=(*SEQUENCES, "public.drives"))
        self.assertEqual(left, [])

    def test_what_is_there_stays_as_it_is(self):
        drive = self.a_drive()
        self.pg.sql(DB, f"UPDATE drives SET distance = 4711 WHERE id = {drive}")
        before = self.digest()
        result = assert_exit(self.restore("--drive", drive), 0)
        self.assertIn("is there", result.out)
        self.assertIn("nothing to bring back", result.out)
        self.assert_same(before)

    def test_a_drive_whose_id_is_taken_gets_a_new_one_and_its_rows_follow(self):
        drive = self.a_drive()
        rows = self.pg.sql(DB, f"SELECT date, latitude, longitude FROM positions WHERE drive_id = {drive} ORDER BY id")
        assert_exit(self.run_tool("teslamate-delete-drive", "--positions", "delete", drive), 0)
        # Another drive has the id now.
        self.pg.sql(DB, f"INSERT INTO drives (id, start_date, end_date, car_id) VALUES ({drive}, '2001-01-01', '2001-01-02', 1)")
        result = assert_exit(self.restore("--drive", drive), 0)
        self.assertIn("under a new id", result.out)
        new = self.one(f"SELECT max(id) FROM drives")
        self.assertNotEqual(new, drive)
        self.assertEqual(self.pg.sql(DB, f"SELECT date, latitude, longitude FROM positions WHERE drive_id = {new} ORDER BY id"), rows)
        self.assertEqual(self.one(f"SELECT start_date FROM drives WHERE id = {drive}"), "2001-01-01 00:00:00")
        self.assertEqual(self.one(f"SELECT count(*) FROM drives d JOIN positions p ON p.id = d.start_position_id AND p.drive_id = d.id WHERE d.id = {new}"), "1")
        # Again: it is seen under its new id.
        result = assert_exit(self.restore("--drive", drive), 0)
        self.assertIn(f"overlaps drive {new}", result.out)

    def test_positions_and_addresses_whose_ids_are_taken_follow_too(self):
        drive = self.one("SELECT id FROM drives WHERE start_address_id IS NOT NULL AND end_date IS NOT NULL AND end_position_id IS "
                         "NOT NULL ORDER BY id DESC LIMIT 1")
        address = self.one(f"SELECT start_address_id FROM drives WHERE id = {drive}")
        name = self.one(f"SELECT display_name FROM addresses WHERE id = {address}")
        end = self.one(f"SELECT end_position_id FROM drives WHERE id = {drive}")
        date = self.one(f"SELECT date FROM positions WHERE id = {end}")
        assert_exit(self.run_tool("teslamate-delete-drive", "--positions", "delete", drive), 0)
        self.pg.sql(DB, f"DELETE FROM addresses WHERE id = {address}",
                    f"INSERT INTO addresses (id, display_name, osm_id, osm_type, inserted_at, updated_at) VALUES ({address}, 'elsewhere', "
                    "987654321, 'node', now(), now())",
                    f"UPDATE charging_processes SET position_id = (SELECT min(id) FROM positions) WHERE position_id = {end}",
                    f"DELETE FROM positions WHERE id = {end}",
                    f"INSERT INTO positions (id, date, latitude, longitude, car_id) VALUES ({end}, '2001-01-01', 1, 1, 1)")
        assert_exit(self.restore("--drive", drive), 0)
        self.assertEqual(self.one(f"SELECT a.display_name FROM drives d JOIN addresses a ON a.id = d.start_address_id WHERE d.id = {drive}"), name)
        self.assertEqual(self.one(f"SELECT p.date FROM drives d JOIN positions p ON p.id = d.end_position_id WHERE d.id = {drive}"), date)
        self.assertEqual(self.one(f"SELECT date FROM positions WHERE id = {end}"), "2001-01-01 00:00:00")

    def test_what_would_count_twice_is_left_out_unless_asked_for(self):
        drive = self.a_drive()
        assert_exit(self.run_tool("teslamate-delete-drive", "--positions", "delete", drive), 0)
        start, end, car = self.pg.sql("template_of_it", f"SELECT start_date, end_date, car_id FROM drives WHERE id = {drive}")[0]
        other = self.one(f"INSERT INTO drives (start_date, end_date, car_id) VALUES ('{start}'::timestamp - interval '1 minute', '{end}', {car}) "
                         "RETURNING id")
        before = self.digest()
        result = assert_exit(self.restore("--drive", drive), 0)
        self.assertIn(f"overlaps drive {other}", result.out)
        self.assert_same(before)
        assert_exit(self.restore("--drive", drive, "--allow-overlap"), 0)
        self.assertEqual(self.one(f"SELECT count(*) FROM drives WHERE id IN ({drive}, {other})"), "2")

    def test_a_deleted_car_comes_back_with_everything(self):
        before = self.digest()
        assert_exit(self.run_tool("teslamate-delete-car", "--force", "2"), 0)
        result = assert_exit(self.restore("--car", "2"), 0)
        self.assertIn("cars: 1 row comes back", result.out)
        self.assert_same(before)
        assert_exit(self.run_tool("teslamate-undo", "last"), 0)
        self.assertEqual(self.one("SELECT count(*) FROM cars"), "1")
        self.assertEqual(self.one("SELECT count(*) FROM positions WHERE car_id = 2"), "0")

    def test_two_histories_become_one(self):
        # The live database has lost a week; cars and rows have other ids there.
        middle = self.one("SELECT start_date + (end_date - start_date) / 2 FROM (SELECT min(start_date) AS start_date, max(start_date) AS "
                          "end_date FROM drives WHERE start_date > '2020-01-01') x")
        drives = int(self.one("SELECT count(*) FROM drives WHERE end_date IS NOT NULL"))
        positions = self.one("SELECT count(*) FROM positions")
        lost = self.one(f"SELECT count(*) FROM drives WHERE start_date < '{middle}' AND start_date > '2020-01-01'")
        self.assertGreater(int(lost), 0)
        self.pg.sql(DB, f"UPDATE charging_processes SET position_id = (SELECT max(id) FROM positions) WHERE start_date < '{middle}'",
                    f"DELETE FROM charging_processes WHERE start_date < '{middle}'",
                    f"DELETE FROM drives WHERE start_date < '{middle}' AND start_date > '2020-01-01'",
                    f"DELETE FROM positions p WHERE date < '{middle}' AND date > '2020-01-01' AND NOT EXISTS (SELECT FROM drives d WHERE d.id = "
                    "p.drive_id) AND NOT EXISTS (SELECT FROM charging_processes c WHERE c.position_id = p.id)")
        result = assert_exit(self.restore("--until", middle[:19], "--since", "2020-01-01", "--json"), 0)
        self.assertGreaterEqual(result.json()["rows"], int(lost))
        self.assertEqual(int(self.one("SELECT count(*) FROM drives WHERE end_date IS NOT NULL")), drives)
        self.assertEqual(self.one("SELECT count(*) FROM positions"), positions)
        self.assertEqual(self.one("SELECT count(*) FROM (SELECT car_id, date, id FROM positions GROUP BY 1, 2, 3 HAVING count(*) > 1) x"), "0")

    def test_what_is_not_in_the_snapshot_is_not_found_and_bad_words_are_usage(self):
        before = self.digest()
        for args, code in ((("--drive", "99999"), 21), (("--charge", "99999"), 21), (("--car", "40000"), 21), (("--drive", "x"), 2),
                           (("--drive", "0"), 2), (("--since", "yesterday"), 2), (("--since", "2026-13-01"), 2),
                           (("--until", "2026-01-01'; DROP TABLE drives"), 2), (("--drive", "6", "--in-place"), 2)):
            with self.subTest(args=args):
                assert_exit(self.restore(*args), code)
        assert_exit(self.ws.run("teslamate-restore", *self.ws.target(DB), "--drive", "6"), 2)
        self.assert_same(before)

    def test_teslamate_may_write_meanwhile(self):
        drive = self.a_drive()
        assert_exit(self.run_tool("teslamate-delete-drive", "--positions", "delete", drive), 0)
        stop = threading.Event()
        written: list[str] = []

        def write():
            with self.pg.session(DB) as session:
                while not stop.is_set():
                    written.append(session.run("INSERT INTO positions (date, latitude, longitude, car_id) VALUES (now(), 48, 11, 1) "
                                               "RETURNING id").strip().splitlines()[-1])

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(3):
                assert_exit(self.restore("--drive", drive), 0)
                assert_exit(self.run_tool("teslamate-undo", "last"), 0)
        finally:
            stop.set()
            writer.join()
        self.assertTrue(all(text.isdigit() for text in written), written[:5])

    def test_an_undo_does_not_take_what_others_need_by_now(self):
        drive = self.a_drive()
        assert_exit(self.run_tool("teslamate-delete-drive", "--positions", "delete", drive), 0)
        assert_exit(self.restore("--drive", drive), 0)
        position = self.one(f"SELECT max(id) FROM positions WHERE drive_id = {drive}")
        self.pg.sql(DB, f"UPDATE charging_processes SET position_id = {position} WHERE id = 2")
        before = self.digest()
        result = assert_exit(self.run_tool("teslamate-undo", "last"), 22)
        self.assertIn("charging_processes", result.err)
        self.assert_same(before)

    def test_rows_come_out_of_a_dump_too(self):
        dump = self.ws.folder / "teslamate.bck"
        dump.write_bytes(self.pg.client("pg_dump", database="template_of_it").stdout)
        before = self.digest()
        drive = self.a_drive()
        assert_exit(self.run_tool("teslamate-delete-drive", "--positions", "delete", drive), 0)
        databases = self.pg.databases()
        result = assert_exit(self.restore("--drive", drive, what=str(dump)), 0)
        self.assertIn("comes back", result.out)
        self.assert_same(before)
        self.assertEqual(self.pg.databases(), databases)


if __name__ == "__main__":
    unittest.main()
