# SPDX-License-Identifier: MIT
"""--scope settings: what a user configured leaves in a small file of its own, without a track or a token, and goes
into another TeslaMate, domain by domain."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import tarfile
import unittest

from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests

LIVE = "teslamate"
TABLES = {"car_settings", "cars", "settings", "geofences", "addresses"}
MAGIC = b"\x28\xb5\x2f\xfd"
# A token of TeslaMate's vault as COPY writes it: 01 0A AES.GCM.V1
TOKEN = b"010a" + b"AES.GCM.V1".hex().encode()
SEQUENCES = tuple(f"public.{s}_id_seq" for s in TABLES)


def members(path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}


def content(path) -> bytes:
    """Everything that is in an archive that is not encrypted, unpacked."""
    out = b""
    for name, raw in members(path).items():
        if name.startswith("objects/") and MAGIC in raw:
            out += subprocess.run(["zstd", "-dcq"], input=raw[raw.index(MAGIC):], capture_output=True, check=False).stdout
        out += raw
    return out


class Settings(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.load_sample("home", positions=3000)
        cls.pg.sql("home", "UPDATE settings SET unit_of_length = 'mi', base_url = 'https://home.example', language = 'de'",
                   "UPDATE car_settings SET suspend_min = 12, lfp_battery = true WHERE id = (SELECT settings_id FROM cars WHERE id = 1)",
                   "UPDATE cars SET display_priority = 7 WHERE id = 1",
                   "ANALYZE")
        # TeslaMate as it is after its migrations: the tables, one row of settings.
        cls.pg.create_db("fresh_template")
        cls.pg.script("fresh_template", cls.pg.client("pg_dump", "--schema-only", database="home").stdout)
        cls.pg.sql("fresh_template", "INSERT INTO settings (inserted_at, updated_at) VALUES (now(), now())")
        for line in cls.pg.sql("home", "SELECT version, inserted_at FROM schema_migrations"):
            cls.pg.sql("fresh_template", "INSERT INTO schema_migrations VALUES ('%s', '%s')" % line)

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))

    def live(self, template: str):
        self.pg.drop_db(LIVE)
        self.pg.sql("postgres", f"CREATE DATABASE {LIVE} TEMPLATE {template}")
        self.addCleanup(self.pg.drop_db, LIVE)

    def rows(self, database: str, table: str, without=("inserted_at", "updated_at")):
        # A digest of the row: the sample has an address of a megabyte.
        columns = [c for (c,) in self.pg.sql(database, "SELECT attname FROM pg_attribute WHERE attrelid = "
                                             f"'public.{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1")]
        return self.pg.sql(database, f"SELECT id, md5(ROW({', '.join(c for c in columns if c not in without)})::text) FROM public.{table} ORDER BY 1")

    def write(self, name="setup.tmb", *args, code=0):
        path = self.ws.folder / name
        result = assert_exit(self.ws.run("teslamate-backup", *self.ws.target("home"), "--scope", "settings", *args, str(path)), code)
        return path, result

    def bring(self, what, *args, code=0):
        return assert_exit(self.ws.run("teslamate-restore", *self.ws.target(LIVE), "--yes", "--scope", "settings", *args, str(what)), code)

    def undo(self):
        assert_exit(self.ws.run("teslamate-undo", *self.pg.connection_flags(LIVE), "--state-dir", str(self.ws.state), "--yes", "last"), 0)

    # -- the file

    def test_the_file_holds_what_was_configured_and_nothing_else(self):
        whole = self.ws.folder / "whole.tmb"
        assert_exit(self.ws.run("teslamate-backup", *self.ws.target("home"), str(whole)), 0)
        self.assertIn(TOKEN, content(whole), "the measure is wrong: a whole archive has the tokens")
        exported = self.ws.folder / "exported.tmb"
        assert_exit(self.ws.backup("home"), 0)
        assert_exit(self.ws.run("teslamate-snapshots", "export", "--scope", "settings", "latest", str(exported)), 0)
        path, result = self.write()
        self.assertIn("not encrypted", result.err)
        for file in (path, exported):
            with self.subTest(file.name):
                self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
                [manifest] = [json.loads(raw) for name, raw in members(file).items() if name.startswith("snapshots/")]
                self.assertEqual(manifest["scope"], "settings")
                self.assertEqual({t["name"] for t in manifest["tables"]}, TABLES)
                self.assertEqual({t["schema"] for t in manifest["tables"]}, {"public"})
                self.assertNotIn("files", manifest)
                self.assertNotIn("vault_fingerprint", manifest)
                self.assertEqual({(c["drives"], c["charges"]) for c in manifest["cars"]}, {(0, 0)})
                self.assertNotIn(TOKEN, content(file))
                self.assertNotIn(b"AES.GCM", content(file))
                self.assertLess(file.stat().st_size, whole.stat().st_size)
                told = assert_exit(self.ws.run("teslamate-verify", str(file)), 0)
                self.assertIn("the settings alone", told.out)

    def test_of_an_encrypted_repository_the_file_is_open_and_has_no_keys(self):
        key = self.ws.folder / "key"
        shutil.rmtree(self.ws.repository)
        assert_exit(self.ws.run("teslamate-keys", "init", "-r", self.ws.repository, "--new-key-file", key), 0)
        assert_exit(self.ws.backup("home", "--key-file", key), 0)
        for name, command in (("a.tmb", ("teslamate-snapshots", "export", "--scope", "settings", "latest")),
                              ("b.tmb", ("teslamate-backup", *self.ws.target("home"), "--scope", "settings"))):
            path = self.ws.folder / name
            assert_exit(self.ws.run(*command, "--key-file", key, path), 0)
            self.assertEqual([n for n in members(path) if n.startswith("keys/")], [])
            self.assertEqual(json.loads(members(path)["format.json"])["features"], [])
            self.assertNotIn(TOKEN, content(path))
            self.assertIn(self.pg.scalar("home", "SELECT vin FROM cars WHERE id = 1").encode(), content(path))

    def test_what_it_cannot_do_is_said(self):
        self.write("x.sql", code=2)
        assert_exit(self.ws.run("teslamate-backup", *self.ws.target("home"), "--scope", "settings"), 2)
        assert_exit(self.ws.run("teslamate-backup", *self.ws.target("home"), "--scope", "tokens", str(self.ws.folder / "x.tmb")), 2)
        self.assertIn("no settings of TeslaMate", assert_exit(self.ws.run(
            "teslamate-backup", *self.ws.target("postgres"), "--scope", "settings", str(self.ws.folder / "x.tmb")), 22).err)
        path, _ = self.write()
        self.live("home")
        before = database_digest(self.pg, LIVE)
        for command in (("teslamate-restore", *self.ws.target(LIVE), "--yes", str(path)),
                        ("teslamate-restore", *self.ws.target(LIVE), "--dry-run", str(path)),
                        ("teslamate-restore", *self.ws.target(LIVE), "--yes", "--as-database", "look", str(path)),
                        ("teslamate-restore", *self.ws.target(LIVE), "--yes", "--drive", "1", str(path)),
                        ("teslamate-snapshots", "-r", str(self.ws.repository), "import", "--init", str(path))):
            self.assertIn("settings only", assert_exit(self.ws.run(*command), 22).err)
        self.assertEqual(diff_digests(before, database_digest(self.pg, LIVE)), [])

    # -- into another TeslaMate

    def test_into_a_fresh_teslamate(self):
        path, _ = self.write()
        self.live("fresh_template")
        before = database_digest(self.pg, LIVE)
        result = self.bring(path, "--dry-run")
        self.assertIn("unit_of_length from km to mi", result.out)
        self.assertIn("cars: ", result.out)
        self.assertEqual(diff_digests(before, database_digest(self.pg, LIVE)), [])
        result = self.bring(path)
        self.assertIn("restart it", result.err)
        for table in TABLES:
            self.assertEqual(self.rows(LIVE, table), self.rows("home", table), table)
        for table in ("positions", "drives", "charging_processes", "charges"):
            self.assertEqual(self.pg.scalar(LIVE, f"SELECT count(*) FROM {table}"), "0")
        self.assertEqual(self.pg.scalar(LIVE, "SELECT count(*) FROM private.tokens"), "0")
        # Again: nothing is left to do. And all of it can be taken back.
        self.assertIn("nothing was changed", self.bring(path).out)
        for _ in range(4):
            self.undo()
        self.assertEqual(diff_digests(before, database_digest(self.pg, LIVE), ignore=SEQUENCES), [])

    def test_into_one_with_other_ids_and_rows_of_its_own(self):
        path, _ = self.write()
        self.live("fresh_template")
        eid, vid, vin = self.pg.sql("home", "SELECT eid, vid, vin FROM cars WHERE id = 2")[0]
        name, latitude, longitude = self.pg.sql("home", "SELECT name, latitude, longitude FROM geofences ORDER BY id LIMIT 1")[0]
        osm_id, osm_type = self.pg.sql("home", "SELECT osm_id, osm_type FROM addresses WHERE osm_id IS NOT NULL ORDER BY id LIMIT 1")[0]
        quoted = "'" + name.replace("'", "''") + "'"
        self.pg.sql(
            LIVE, "INSERT INTO car_settings (id, suspend_min) VALUES (1, 99), (40, 98)",
            # The second car of the backup is the first here, and another car has the other's id.
            f"INSERT INTO cars (id, eid, vid, vin, settings_id, inserted_at, updated_at, name) VALUES (1, {eid}, {vid}, '{vin}', 40, now(), now(), 'mine'),"
            " (2, 4711, 4712, 'OTHERVIN', 1, now(), now(), 'guest')",
            "SELECT setval('cars_id_seq', 2), setval('car_settings_id_seq', 40)",
            f"INSERT INTO geofences (id, name, latitude, longitude, radius, inserted_at, updated_at) VALUES (1, 'only here', 1, 1, 30, now(), now()),"
            f" (9, {quoted}, {latitude}::numeric + 0.0005, {longitude}, 77, now(), now())",
            "SELECT setval('geofences_id_seq', 9)",
            f"INSERT INTO addresses (id, display_name, osm_id, osm_type, inserted_at, updated_at) VALUES (500, 'as I have it', {osm_id}, '{osm_type}', now(), now())",
            "UPDATE settings SET id = 5")
        self.bring(path)
        one = lambda query: self.pg.scalar(LIVE, query)  # noqa: E731
        # The car that is there keeps its id and its name, and gets its settings.
        self.assertEqual(one(f"SELECT id || name || settings_id FROM cars WHERE vin = '{vin}'"), "1mine40")
        wanted = self.pg.sql("home", "SELECT s.suspend_min, s.free_supercharging FROM cars c JOIN car_settings s ON s.id = c.settings_id WHERE c.id = 2")
        self.assertEqual(self.pg.sql(LIVE, "SELECT suspend_min, free_supercharging FROM car_settings WHERE id = 40"), wanted)
        # The guest is as it was; the other car came with a new id and its own settings.
        self.assertEqual(one("SELECT c.id || c.name || s.suspend_min FROM cars c JOIN car_settings s ON s.id = c.settings_id WHERE vin = 'OTHERVIN'"), "2guest99")
        first = self.pg.scalar("home", "SELECT vin FROM cars WHERE id = 1")
        self.assertEqual(self.pg.sql(LIVE, f"SELECT c.id > 2, c.display_priority, s.suspend_min, s.lfp_battery FROM cars c JOIN car_settings s ON s.id = c.settings_id WHERE c.vin = '{first}'"),
                         [("t", "7", "12", "t")])
        self.assertEqual(one("SELECT count(*) FROM cars"), "3")
        # Geofences: the moved one is put back where the backup has it, the other stays.
        self.assertEqual(self.pg.sql(LIVE, "SELECT name, latitude, longitude FROM geofences WHERE id = 9"), [(name, latitude, longitude)])
        self.assertEqual(one("SELECT count(*) FROM geofences WHERE name = 'only here' AND radius = 30"), "1")
        self.assertEqual(int(one("SELECT count(*) FROM geofences")), int(self.pg.scalar("home", "SELECT count(*) FROM geofences")) + 1)
        # Addresses that are there stay as they are.
        self.assertEqual(one(f"SELECT id || display_name FROM addresses WHERE osm_id = {osm_id} AND osm_type = '{osm_type}'"), "500as I have it")
        self.assertEqual(one("SELECT count(*) FROM addresses"), self.pg.scalar("home", "SELECT count(*) FROM addresses"))
        self.assertEqual(self.pg.sql(LIVE, "SELECT id, unit_of_length, base_url FROM settings"), [("5", "mi", "https://home.example")])
        # What TeslaMate adds next does not collide.
        self.pg.sql(LIVE, "INSERT INTO geofences (name, latitude, longitude, inserted_at, updated_at) VALUES ('new', 2, 2, now(), now())")

    def test_each_domain_is_a_transaction_of_its_own(self):
        path, _ = self.write()
        self.live("fresh_template")
        self.pg.sql(LIVE, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not here'; END $$",
                    "CREATE TRIGGER refuse BEFORE INSERT ON geofences FOR EACH ROW EXECUTE FUNCTION refuse()")
        result = self.bring(path, code=16)
        self.assertIn("the geofences: ", result.err)
        self.assertIn("the lines above were done", result.err)
        self.assertEqual(self.rows(LIVE, "cars"), self.rows("home", "cars"))
        self.assertEqual(self.pg.scalar(LIVE, "SELECT unit_of_length FROM settings"), "mi")
        self.assertEqual(self.pg.scalar(LIVE, "SELECT count(*) FROM geofences"), "0")
        self.assertEqual(self.pg.scalar(LIVE, "SELECT count(*) FROM addresses"), "0")

    def test_from_a_whole_snapshot_or_a_dump(self):
        assert_exit(self.ws.backup("home"), 0)
        dump = self.ws.folder / "home.sql"
        dump.write_bytes(self.pg.client("pg_dump", database="home").stdout)
        for what in ("latest", dump):
            with self.subTest(str(what)):
                self.live("fresh_template")
                document = self.bring(what, "--json").json()
                self.assertEqual([d["domain"] for d in document["domains"]], ["settings", "cars", "geofences", "addresses"])
                for table in TABLES:
                    self.assertEqual(self.rows(LIVE, table), self.rows("home", table), table)

    def test_a_newer_teslamate_s_settings_are_refused(self):
        path, _ = self.write()
        self.live("fresh_template")
        self.pg.sql(LIVE, "DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)")
        before = database_digest(self.pg, LIVE)
        self.assertIn("update TeslaMate first", self.bring(path, code=14).err)
        self.assertEqual(diff_digests(before, database_digest(self.pg, LIVE)), [])


if __name__ == "__main__":
    unittest.main()
