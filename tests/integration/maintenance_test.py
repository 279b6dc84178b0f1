# SPDX-License-Identifier: MIT
"""Deleting drives, charges and cars, and taking it back: nothing more goes than was shown, everything comes back."""

from __future__ import annotations

import os
import threading
import time
import unittest

from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests

DB = "teslamate"
# FAULTS T01: what is no id. Each is refused before a connection is made.
NO_IDS = ("0", "-1", "+5", " 5", "5 ", "0x10", "1e3", "", "1.0", "007", "٣", "５", "2147483648", "9223372036854775808",
          "18446744073709551617", "99999999999999999999999999", "1;DROP TABLE drives", "1 OR 1=1", "1)", "#{1}", "5\n")


class Maintenance(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.load_sample("template_of_it", positions=4000)
        cls.pg.sql("template_of_it", "ANALYZE")

    def setUp(self):
        self.pg.sql("postgres", f"CREATE DATABASE {DB} TEMPLATE template_of_it")
        self.addCleanup(self.pg.drop_db, DB)
        self.ws = self.enterContext(Workspace(self.pg))

    def run_tool(self, name: str, *args: str, **keywords):
        return self.ws.run(name, *self.pg.connection_flags(DB), "--state-dir", str(self.ws.state), *args, **keywords)

    def digest(self):
        return database_digest(self.pg, DB)

    def assert_same(self, before):
        # Sequences only ever move forward.
        self.assertEqual(diff_digests(before, self.digest()), [])

    def one(self, query: str) -> str:
        return self.pg.scalar(DB, query)

    def a_drive(self) -> str:
        return self.one("SELECT drive_id FROM positions WHERE drive_id IN (SELECT id FROM drives WHERE end_date IS NOT NULL) "
                        "GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")

    def undo_files(self, suffix: str = "*") -> list[str]:
        return sorted(p.name for p in (self.ws.state / "undo").glob(f"*.{suffix}"))

    # -- ids

    def test_what_is_no_id_is_a_usage_error_and_touches_nothing(self):
        before = self.digest()
        for program in ("delete-drive", "delete-charge", "delete-car", "close-drive", "close-charge"):
            for text in NO_IDS:
                with self.subTest(program=program, id=text):
                    result = self.run_tool(f"teslamate-{program}", "--yes", "--", text) if program.startswith("delete") \
                        else self.run_tool(f"teslamate-{program}", "--", text)
                    assert_exit(result, 2)
                    self.assertNotIn("\n5", result.err)
        self.assert_same(before)
        self.assertEqual(self.undo_files(), [])

    def test_an_absent_id_is_not_found_and_takes_the_others_with_it(self):
        before = self.digest()
        for program in ("delete-drive", "delete-charge", "delete-car"):
            for ids in (("2147483647",), ("1", "99999"), ("40000",)):
                result = assert_exit(self.run_tool(f"teslamate-{program}", "--yes", "--force", *ids), 21)
                self.assertIn(ids[-1], result.err)
        self.assert_same(before)
        self.assertEqual(self.undo_files(), [])

    # -- drives

    def test_a_deleted_drive_leaves_its_track_and_comes_back_with_it(self):
        before = self.digest()
        drive = self.a_drive()
        positions = self.one(f"SELECT count(*) FROM positions WHERE drive_id = {drive}")
        everything = self.one("SELECT count(*) FROM positions")
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", drive), 0)
        self.assertIn(f"{positions} rows of public.positions stay and lose drive_id", result.out)
        self.assertIn("stay on the map", result.err)
        self.assertEqual(self.one(f"SELECT count(*) FROM drives WHERE id = {drive}"), "0")
        self.assertEqual(self.one("SELECT count(*) FROM positions"), everything)
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assert_same(before)

    def test_a_drive_goes_with_its_track_when_asked_and_comes_back(self):
        before = self.digest()
        drive = self.a_drive()
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", "--positions", "delete", drive, drive), 0)
        self.assertIn("rows of public.positions will be deleted", result.out)
        self.assertEqual(self.one(f"SELECT count(*) FROM positions WHERE drive_id = {drive}"), "0")
        self.assertEqual(len(self.undo_files("undo")), 1)
        assert_exit(self.run_tool("teslamate-undo", self.undo_files("undo")[0], "--yes"), 0)
        self.assert_same(before)
        self.assertEqual(len(self.undo_files("undone")), 1)

    def test_positions_that_others_need_stay(self):
        drive = self.a_drive()
        position = self.one(f"SELECT max(id) FROM positions WHERE drive_id = {drive}")
        self.pg.sql(DB, f"UPDATE charging_processes SET position_id = {position} WHERE id = 2")
        before = self.digest()
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", "--positions", "delete", drive), 0)
        self.assertIn("1 position of the track stay", result.out)
        self.assertEqual(self.one(f"SELECT drive_id IS NULL FROM positions WHERE id = {position}"), "t")
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assert_same(before)

    def test_orphaned_positions_go_when_asked_and_come_back(self):
        drives = [r[0] for r in self.pg.sql(DB, "SELECT drive_id FROM positions WHERE drive_id IN (SELECT id FROM drives WHERE "
                                            "end_date IS NOT NULL) AND speed > 0 GROUP BY 1 HAVING count(*) > 20 LIMIT 2")]
        moving = self.one(f"SELECT count(*) FROM positions WHERE drive_id IN ({','.join(drives)}) AND speed > 0")
        parked = self.one("SELECT count(*) FROM positions WHERE drive_id IS NULL")
        before = self.digest()
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", "--positions", "keep", *drives), 0)
        kept = self.digest()
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--orphaned-positions", "--dry-run"), 0)
        self.assertIn("without a drive, from 20", result.out)
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--orphaned-positions"), 22)
        self.assertIn("Delete these positions?", result.err)
        self.assert_same(kept)
        document = assert_exit(self.run_tool("teslamate-delete-drive", "--orphaned-positions", "--yes", "--json"), 0).json()
        self.assertEqual(document["deleted"], [{"schema": "public", "table": "positions", "rows": int(moving)}])
        self.assertEqual(sum(o["positions"] for o in document["orphaned_positions"]), int(moving))
        # Where the car stood, on the road or parked, its positions stay: nothing tells them apart.
        self.assertGreaterEqual(int(self.one("SELECT count(*) FROM positions WHERE drive_id IS NULL")), int(parked))
        self.assertEqual(self.one("SELECT count(*) FROM positions WHERE drive_id IS NULL AND speed > 0"), "0")
        for _ in range(2):
            assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assert_same(before)
        for wrong in (["--orphaned-positions", "1"], ["--orphaned-positions", "--positions", "keep"], []):
            assert_exit(self.run_tool("teslamate-delete-drive", "--yes", *wrong), 2)

    def test_orphaned_positions_that_are_needed_stay(self):
        drive = self.a_drive()
        position = self.one(f"SELECT max(id) FROM positions WHERE drive_id = {drive} AND speed > 0")
        self.pg.sql(DB, f"UPDATE charging_processes SET position_id = {position} WHERE id = 2")
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", "--positions", "keep", drive), 0)
        assert_exit(self.run_tool("teslamate-delete-drive", "--orphaned-positions", "--yes"), 0)
        self.assertEqual(self.pg.sql(DB, "SELECT id FROM positions WHERE drive_id IS NULL AND speed > 0"), [(position,)])
        self.assertIn("no position is orphaned", self.run_tool("teslamate-delete-drive", "--orphaned-positions", "--yes").out)

    def test_an_open_drive_needs_force(self):
        drive = self.one("SELECT id FROM drives WHERE end_date IS NULL")
        before = self.digest()
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", drive), 22)
        self.assertIn("still open", result.err)
        self.assert_same(before)
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", "--force", drive), 0)

    def test_a_dry_run_and_a_missing_answer_change_nothing(self):
        before = self.digest()
        drive = self.a_drive()
        assert_exit(self.run_tool("teslamate-delete-drive", "--dry-run", drive), 0)
        result = assert_exit(self.run_tool("teslamate-delete-drive", drive), 22)
        self.assertIn("--yes", result.err)
        self.assert_same(before)
        self.assertEqual(self.undo_files(), [])

    def test_json_says_what_went(self):
        drive = self.a_drive()
        document = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", "--json", drive), 0).json()
        self.assertEqual(document["records"][0]["id"], int(drive))
        self.assertEqual(document["deleted"], [{"schema": "public", "table": "drives", "rows": 1}])
        self.assertEqual(document["references_emptied"][0]["columns"], ["drive_id"])
        self.assertTrue(os.path.exists(document["undo_file"]))

    # -- charges and cars

    def test_a_charge_goes_with_its_readings_and_comes_back(self):
        before = self.digest()
        result = assert_exit(self.run_tool("teslamate-delete-charge", "--yes", "2"), 0)
        self.assertIn("rows of public.charges will be deleted", result.out)
        self.assertEqual(self.one("SELECT count(*) FROM charges WHERE charging_process_id = 2"), "0")
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assert_same(before)

    def test_a_car_goes_with_its_own_settings_and_never_another_car(self):
        # The documented way deletes car_settings by the car's id, which cascades to another car.
        self.pg.sql(DB, "ALTER TABLE cars DROP CONSTRAINT cars_settings_id_fkey", "DROP INDEX cars_settings_id_index",
                    "UPDATE cars SET settings_id = 3 - id",
                    "CREATE UNIQUE INDEX cars_settings_id_index ON cars (settings_id)",
                    "ALTER TABLE cars ADD CONSTRAINT cars_settings_id_fkey FOREIGN KEY (settings_id) REFERENCES "
                    "car_settings ON DELETE CASCADE")
        before = self.digest()
        result = assert_exit(self.run_tool("teslamate-delete-car", "--yes", "2"), 22)
        self.assertIn("still open", result.err)
        result = assert_exit(self.run_tool("teslamate-delete-car", "--yes", "--force", "2"), 0)
        drives, kilometres = self.pg.sql("template_of_it", "SELECT count(*), round(sum(distance)::numeric, 1) FROM drives "
                                         "WHERE car_id = 2")[0]
        self.assertIn(f": {drives} drive of {kilometres} km, ", result.out)
        self.assertEqual(self.pg.sql(DB, "SELECT id, settings_id FROM cars"), [("1", "2")])
        self.assertEqual(self.pg.sql(DB, "SELECT id FROM car_settings"), [("2",)])
        for table in ("drives", "positions", "charging_processes", "states", "updates"):
            self.assertEqual(self.one(f"SELECT count(*) FROM {table} WHERE car_id = 2"), "0", table)
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assert_same(before)

    def test_settings_that_two_cars_share_stay(self):
        self.pg.sql(DB, "DROP INDEX cars_settings_id_index", "UPDATE cars SET settings_id = 1")
        assert_exit(self.run_tool("teslamate-delete-car", "--yes", "--force", "2"), 0)
        self.assertEqual(self.pg.sql(DB, "SELECT id FROM cars"), [("1",)])
        self.assertEqual(self.one("SELECT count(*) FROM car_settings"), "2")

    def test_a_table_of_the_users_that_refers_to_the_rows_is_heeded(self):
        self.pg.sql(DB, "CREATE TABLE public.notes (drive_id int REFERENCES drives(id), t text)",
                    f"INSERT INTO notes VALUES ({self.a_drive()}, 'x')")
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", self.a_drive()), 22)
        self.assertIn("public.notes", result.err)
        self.pg.sql(DB, "DROP TABLE notes", "CREATE TABLE public.notes (id int PRIMARY KEY, drive_id int REFERENCES "
                    "drives(id) ON DELETE CASCADE)", f"INSERT INTO notes VALUES (7, {self.a_drive()})")
        before = self.digest()
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", self.a_drive()), 0)
        self.assertIn("1 row of public.notes will be deleted", result.out)
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assert_same(before)

    def test_a_trigger_that_holds_rows_back_ends_the_act(self):
        self.pg.sql(DB, "CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
                    "CREATE TRIGGER hold BEFORE DELETE ON drives FOR EACH ROW EXECUTE FUNCTION public.hold()")
        before = self.digest()
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", self.a_drive()), 22)
        self.assertIn("trigger", result.err)
        self.assert_same(before)
        self.assertEqual(self.undo_files(), [])

    # -- others at work

    def test_rows_that_another_session_holds_are_left_alone(self):
        drive = self.a_drive()
        with self.pg.session(DB) as other:
            other.run(f"BEGIN; UPDATE drives SET distance = distance WHERE id = {drive}")
            result = self.run_tool("teslamate-delete-drive", "--yes", drive)
            assert_exit(result, 11)
            self.assertIn("nothing was deleted", result.err)
            self.assertLess(result.seconds, 20)
        self.assertEqual(self.undo_files(), [])

    def test_a_row_that_changes_while_it_is_waited_for_is_not_deleted(self):
        drive = self.a_drive()
        with self.pg.session(DB) as other:
            other.run(f"BEGIN; UPDATE drives SET distance = 4711 WHERE id = {drive}")
            running = self.ws.start("teslamate-delete-drive", *self.pg.connection_flags(DB), "--state-dir",
                                    str(self.ws.state), "--yes", drive)
            time.sleep(1)
            other.run("COMMIT")
            assert_exit(running.wait(), 22)
        self.assertEqual(self.one(f"SELECT distance FROM drives WHERE id = {drive}"), "4711")
        self.assertEqual(self.undo_files(), [])

    def held(self, call: str, seconds: int, name: str, *args: str):
        """A program that stands still for a while before its first such system call."""
        wrap = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                f"inject={call}:delay_enter={seconds * 1000000}:when=1"]
        return self.ws.start(name, *args, wrap=wrap)

    def wait_for_session(self, mode: str):
        """One of ours that stands still in a transaction, with such a lock of positions."""
        deadline = time.monotonic() + 30
        while self.one("SELECT EXISTS (SELECT FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND l.relation = "
                       f"'public.positions'::regclass AND l.mode = '{mode}' WHERE a.application_name LIKE 'teslamate%' AND a.state = "
                       "'idle in transaction' AND a.state_change < now() - interval '0.2 s')") != "t":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_a_delete_does_not_wait_for_a_backup(self):
        before = self.digest()
        # Before its first object gets its name: its snapshot and its locks are held.
        backup = self.held("link,rename,linkat,renameat,renameat2", 8, "teslamate-backup", *self.ws.target(DB), "--init")
        self.wait_for_session("AccessShareLock")
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", "--positions", "delete", self.a_drive()), 0)
        self.assertLess(result.seconds, 4)
        self.assertIsNone(backup.process.poll())
        assert_exit(backup.wait(), 0)
        # The snapshot is of the time before.
        assert_exit(self.ws.restore("copy_of_it", "latest", "--as-database", "copy_of_it"), 0)
        self.addCleanup(self.pg.drop_db, "copy_of_it")
        self.assertEqual(diff_digests(before, database_digest(self.pg, "copy_of_it"), ignore=("database",)), [])
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assert_same(before)

    def test_a_backup_does_not_wait_for_a_delete(self):
        before = self.digest()
        assert_exit(self.ws.backup(DB, "--init"), 0)
        # Before its undo file gets its name: the rows are deleted and COMMIT is still to come.
        deleting = self.held("link", 8, "teslamate-delete-drive", *self.pg.connection_flags(DB), "--state-dir",
                             str(self.ws.state), "--yes", "--positions", "delete", self.a_drive())
        self.wait_for_session("RowExclusiveLock")
        result = assert_exit(self.ws.backup(DB), 0)
        self.assertLess(result.seconds, 4)
        self.assertIsNone(deleting.process.poll())
        assert_exit(deleting.wait(), 0)
        assert_exit(self.ws.restore("copy_of_it", "latest", "--as-database", "copy_of_it"), 0)
        self.addCleanup(self.pg.drop_db, "copy_of_it")
        self.assertEqual(diff_digests(before, database_digest(self.pg, "copy_of_it"), ignore=("database",)), [])
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assert_same(before)

    def test_a_delete_ends_what_a_backup_takes_over_from_the_one_before(self):
        """What a delete and an undo leave behind is read anew, not taken over from the last snapshot."""
        assert_exit(self.ws.backup(DB, "--init"), 0)
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", "--positions", "delete", self.a_drive()), 0)
        deleted = self.digest()
        assert_exit(self.ws.backup(DB), 0)
        assert_exit(self.ws.restore("copy_of_it", "latest", "--as-database", "copy_of_it"), 0)
        self.addCleanup(self.pg.drop_db, "copy_of_it")
        self.assertEqual(diff_digests(deleted, database_digest(self.pg, "copy_of_it"), ignore=("database",)), [])

    def test_deleting_and_undoing_while_teslamate_writes_loses_none_of_its_rows(self):
        stop = threading.Event()
        written = []

        def write():
            with self.pg.session(DB) as session:
                while not stop.is_set():
                    said = session.run("INSERT INTO positions (date, latitude, longitude, car_id) VALUES (now(), 48, 11, 1) "
                                       "RETURNING id")
                    written.append(said.strip().splitlines()[-1])

        writer = threading.Thread(target=write)
        writer.start()
        try:
            drives = [r[0] for r in self.pg.sql(DB, "SELECT drive_id FROM positions WHERE drive_id IS NOT NULL AND drive_id IN "
                                                "(SELECT id FROM drives WHERE end_date IS NOT NULL) GROUP BY 1 LIMIT 3")]
            for drive in drives:
                assert_exit(self.run_tool("teslamate-delete-drive", "--yes", "--positions", "delete", drive), 0)
                assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        finally:
            stop.set()
            writer.join()
        self.assertGreater(len(written), 10)
        self.assertTrue(all(text.isdigit() for text in written), written[:5])
        self.assertEqual(self.one(f"SELECT count(*) FROM positions WHERE id IN ({','.join(written)})"), str(len(written)))

    def test_a_running_restore_keeps_maintenance_out(self):
        import fcntl
        import struct
        lock = self.ws.state / "restore.lock"
        lock.write_bytes(b"")
        with open(lock, "r+b") as file:
            fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0))  # F_OFD_SETLK
            result = assert_exit(self.run_tool("teslamate-delete-drive", "--yes", self.a_drive()), 11)
            self.assertIn("restore", result.err)

    def test_a_database_that_is_down_or_read_only_is_said_so(self):
        result = self.ws.run("teslamate-delete-drive", "-h", str(self.ws.folder), "-d", DB, "--yes", "1")
        assert_exit(result, 15)
        self.pg.sql(DB, "ALTER DATABASE teslamate SET default_transaction_read_only = on")
        # Pinned by the connection: what a default says does not decide.
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", "1"), 0)

    # -- undo

    def test_an_undo_names_the_row_that_stands_in_the_way(self):
        drive = self.a_drive()
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", drive), 0)
        self.pg.sql(DB, f"INSERT INTO drives (id, start_date, car_id) VALUES ({drive}, now(), 1)")
        before = self.digest()
        result = assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 22)
        self.assertIn(f"public.drives {drive}", result.err)
        self.assert_same(before)
        self.pg.sql(DB, f"DELETE FROM drives WHERE id = {drive}")
        position = self.one("SELECT max(id) FROM positions WHERE drive_id IS NULL")
        assert_exit(self.run_tool("teslamate-undo", "last", "--dry-run"), 0)
        self.assertIsNotNone(position)
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)

    def test_an_undo_names_what_a_row_needs_and_is_gone(self):
        drive = self.one("SELECT id FROM drives WHERE start_address_id IS NOT NULL AND end_date IS NOT NULL ORDER BY id DESC LIMIT 1")
        address = self.one(f"SELECT start_address_id FROM drives WHERE id = {drive}")
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", drive), 0)
        self.pg.sql(DB, f"DELETE FROM addresses WHERE id = {address}")
        result = assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 22)
        self.assertIn(f"needs {address} of public.addresses", result.err)

    def test_undoing_twice_changes_nothing(self):
        before = self.digest()
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", self.a_drive()), 0)
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        name = self.undo_files("undone")[0]
        result = assert_exit(self.run_tool("teslamate-undo", name, "--yes"), 0)
        self.assertIn("already", result.out)
        self.assert_same(before)
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 21)

    def test_what_was_changed_since_is_not_overwritten(self):
        drive = self.a_drive()
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", drive), 0)
        # TeslaMate fills in elevations later: that is no obstacle, and it stays.
        self.pg.sql(DB, "UPDATE positions SET elevation = 4321 WHERE drive_id IS NULL AND speed > 0")
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assertEqual(self.one(f"SELECT count(*) FROM positions WHERE drive_id = {drive} AND elevation = 4321 AND speed > 0"),
                         self.one(f"SELECT count(*) FROM positions WHERE drive_id = {drive} AND speed > 0"))

    def test_a_damaged_or_foreign_undo_file_is_refused_before_anything_is_read_from_it(self):
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", self.a_drive()), 0)
        path = self.ws.state / "undo" / self.undo_files("undo")[0]
        self.assertEqual(path.stat().st_mode & 0o7777, 0o600)
        self.assertEqual(path.parent.stat().st_mode & 0o7777, 0o700)
        whole = path.read_bytes()
        before = self.digest()
        for at in range(0, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
            result = self.run_tool("teslamate-undo", "last", "--yes")
            self.assertIn(result.code, (13, 14), f"byte {at}: {result.text()}")
            path.write_bytes(whole[:at])
            assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 13)
        path.write_bytes(whole)
        path.chmod(0o666)
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 22)
        path.chmod(0o600)
        os.chown(path, 65534, -1)
        if os.geteuid() == 0:
            assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 22)
            os.chown(path, 0, -1)
        self.assert_same(before)
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)

    def test_an_undo_of_another_database_is_refused(self):
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", self.a_drive()), 0)
        self.pg.sql("postgres", "CREATE DATABASE other TEMPLATE template_of_it")
        self.addCleanup(self.pg.drop_db, "other")
        result = self.ws.run("teslamate-undo", *self.pg.connection_flags("other"), "--state-dir", str(self.ws.state),
                             "last", "--yes")
        assert_exit(result, 22)
        self.assertIn("teslamate", result.err)

    def test_the_list_shows_every_act(self):
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", self.a_drive()), 0)
        assert_exit(self.run_tool("teslamate-delete-charge", "--yes", "2"), 0)
        document = assert_exit(self.run_tool("teslamate-undo", "--list", "--json"), 0).json()
        self.assertEqual([e["act"] for e in sorted(document["undo_files"], key=lambda e: e["act"])],
                         ["delete-charge", "delete-drive"])
        self.assertEqual({e["state"] for e in document["undo_files"]}, {"done"})

    def test_the_undo_files_of_an_encrypted_repository_are_sealed(self):
        self.ws.repository.rmdir()
        key = self.ws.folder / "key"
        key.write_text("a passphrase of some length\n", encoding="utf-8")
        key.chmod(0o600)
        self.ws.config.write_text(f'[repository]\npath = "{self.ws.repository}"\nkey_file = "{key}"\n', encoding="utf-8")
        assert_exit(self.ws.backup(DB, "--init"), 0)
        before = self.digest()
        drive = self.a_drive()
        assert_exit(self.run_tool("teslamate-delete-drive", "--yes", drive), 0)
        path = self.ws.state / "undo" / self.undo_files("undo")[0]
        data = path.read_bytes()
        self.assertTrue(data.startswith(b"teslamate-backup undo 1 sealed\n"))
        self.assertNotIn(b"drives", data)
        key.write_text("another passphrase of some length\n", encoding="utf-8")
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 12)
        key.write_text("a passphrase of some length\n", encoding="utf-8")
        assert_exit(self.run_tool("teslamate-undo", "last", "--yes"), 0)
        self.assert_same(before)


if __name__ == "__main__":
    unittest.main()
