# SPDX-License-Identifier: MIT
"""teslamate-check finds each fault that is put into a database, and none in one without."""

from __future__ import annotations

import unittest

from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests

DB = "teslamate"
KEY = "sample-encryption-key"


class Check(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.load_sample("template_of_it", 2000, "--plain-values")
        # A healthy one: everything recent, nothing left open.
        cls.pg.sql("template_of_it",
                   "UPDATE drives SET end_date = start_date + interval '1 minute' WHERE end_date IS NULL",
                   "UPDATE charging_processes SET end_date = start_date + interval '1 hour' WHERE end_date IS NULL",
                   "UPDATE private.tokens SET updated_at = now() AT TIME ZONE 'UTC'",
                   "UPDATE positions SET date = now() AT TIME ZONE 'UTC' WHERE id = (SELECT max(id) FROM positions WHERE drive_id IS NULL)",
                   "ANALYZE")

    def setUp(self):
        self.pg.sql("postgres", f"CREATE DATABASE {DB} TEMPLATE template_of_it")
        self.addCleanup(self.pg.drop_db, DB)
        self.ws = self.enterContext(Workspace(self.pg))

    def check(self, *args: str, code: int | None = None, **env: str):
        result = self.ws.run("teslamate-check", *self.pg.connection_flags(DB), "--json", *args,
                             env={"ENCRYPTION_KEY": KEY} | env)
        document = result.json()
        kinds = [f["kind"] for f in document.get("findings", [])]
        assert_exit(result, code if code is not None else (3 if kinds else 0))
        for finding in document.get("findings", []):
            self.assertTrue(finding["what"] and finding["why"] and finding["mend"], finding)
            self.assertGreater(finding["count"], 0)
        return kinds, document

    def test_a_healthy_database_has_no_finding_and_nothing_is_changed(self):
        before = database_digest(self.pg, DB)
        kinds, document = self.check()
        self.assertEqual(kinds, [], document)
        self.assertEqual(document["positions"], int(self.pg.scalar(DB, "SELECT count(*) FROM positions")))
        self.assertEqual(diff_digests(before, database_digest(self.pg, DB)), [])
        result = assert_exit(self.ws.run("teslamate-check", *self.pg.connection_flags(DB), env={"ENCRYPTION_KEY": KEY}), 0)
        self.assertIn("nothing to mend", result.out)

    def test_each_fault_is_found_and_no_other(self):
        faults = {
            "open-drive": ["UPDATE drives SET end_date = NULL WHERE id = (SELECT max(id) FROM drives)"],
            "open-charge": ["UPDATE charging_processes SET end_date = NULL WHERE id = (SELECT max(id) FROM charging_processes)"],
            "empty-drive": ["INSERT INTO drives (start_date, end_date, car_id) VALUES ('2001-01-01', '2001-01-02', 1)"],
            "orphaned-positions": ["INSERT INTO positions (date, latitude, longitude, car_id, speed) VALUES (now(), 1, 1, 1, 50)"],
            "positions-of-another-car": ["UPDATE positions SET car_id = 3 - car_id WHERE id = (SELECT min(id) FROM positions "
                                         "WHERE drive_id IS NOT NULL)"],
            "positions-without-drive": ["ALTER TABLE positions DROP CONSTRAINT positions_drive_id_fkey",
                                        "UPDATE positions SET drive_id = 99999 WHERE id = (SELECT max(id) FROM positions)"],
            "no-new-positions": ["UPDATE positions SET date = date - interval '30 days'"],
            "charge-outside-process": ["UPDATE charges SET date = date - interval '2 hours' WHERE id = (SELECT min(id) FROM charges)"],
            "overlapping-drive": ["UPDATE drives d SET end_date = (SELECT e.start_date + interval '1 second' FROM drives e WHERE "
                                  "e.car_id = d.car_id AND e.start_date > d.start_date ORDER BY e.start_date LIMIT 1) "
                                  "WHERE id = (SELECT min(id) FROM drives)"],
            "sequence-behind": ["SELECT setval('trips_id_seq', 1)"],
            "extension-missing": ["DROP EXTENSION earthdistance CASCADE"],
            "function-missing": ["DROP FUNCTION convert_m(double precision, text)"],
            "foreign-object": ["CREATE VIEW public.mine AS SELECT id FROM drives"],
            "other-owner": ["CREATE ROLE tm_other", "ALTER TABLE geofences OWNER TO tm_other"],
            "index-invalid": ["UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'charges_date_index'::regclass"],
            "no-tokens": ["DELETE FROM private.tokens"],
            "stale-tokens": ["UPDATE private.tokens SET updated_at = now() - interval '3 days'"],
        }
        for kind, statements in faults.items():
            with self.subTest(kind=kind):
                self.pg.drop_db(DB)
                self.pg.sql("postgres", f"CREATE DATABASE {DB} TEMPLATE template_of_it")
                self.pg.sql(DB, *statements)
                kinds, document = self.check()
                self.assertEqual(set(kinds), {kind}, document)

    def test_tokens_that_the_key_does_not_open_are_found(self):
        kinds, document = self.check(ENCRYPTION_KEY="another")
        self.assertEqual(kinds, ["tokens-do-not-open"], document)

    def test_a_schema_that_differs_from_the_installed_teslamate_is_found(self):
        folder = self.ws.folder / "release" / "lib" / "teslamate-3.1.0" / "priv" / "repo" / "migrations"
        folder.mkdir(parents=True)
        (self.ws.folder / "release" / "bin").mkdir()
        command = self.ws.folder / "release" / "bin" / "teslamate"
        command.touch()
        newest = self.pg.scalar(DB, "SELECT max(version) FROM schema_migrations")
        (folder / f"{newest}_the_last.exs").touch()
        self.ws.config.write_text(f'[maintenance]\nrpc_command = ["{command}", "rpc"]\n', encoding="utf-8")
        self.assertEqual(self.check()[0], [])
        (folder / "20990101000000_newer.exs").touch()
        self.assertEqual(self.check()[0], ["schema-older"])
        for path in folder.iterdir():
            path.unlink()
        (folder / "20200101000000_older.exs").touch()
        self.assertEqual(self.check()[0], ["schema-newer"])

    def test_another_database_is_not_checked(self):
        self.pg.create_db("empty")
        self.addCleanup(self.pg.drop_db, "empty")
        result = self.ws.run("teslamate-check", *self.pg.connection_flags("empty"))
        assert_exit(result, 14)

    def test_bloated_and_invalid_indexes_are_rebuilt_while_others_write(self):
        self.pg.sql(DB, "CREATE TABLE public.fat AS SELECT i AS id, md5(i::text) AS t FROM generate_series(1, 300000) i",
                    "CREATE INDEX fat_id ON fat (id)", "CREATE INDEX fat_t ON fat (t)",
                    "DELETE FROM fat WHERE id % 20 <> 0", "VACUUM ANALYZE fat",
                    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'fat_id'::regclass",
                    "CREATE INDEX fat_t_ccnew ON fat (t)",
                    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'fat_t_ccnew'::regclass")
        kinds, document = self.check()
        self.assertEqual(sorted(set(kinds)), ["index-bloated", "index-invalid"], document)
        with self.pg.session(DB) as writer:
            writer.run("INSERT INTO fat VALUES (0, 'x')")
            result = self.ws.run("teslamate-check", *self.pg.connection_flags(DB), "--reindex", "--json", "--yes")
            assert_exit(result, 0)
        document = result.json()
        self.assertEqual(sorted(i["index"] for i in document["reindexed"]), ["public.fat_id", "public.fat_t"])
        self.assertEqual(document["removed"], ["\"public\".\"fat_t_ccnew\""])
        self.assertLess(document["reindexed"][1]["bytes_after"], document["reindexed"][1]["bytes_before"])
        self.assertEqual(self.check()[0], [])
        assert_exit(self.ws.run("teslamate-check", *self.pg.connection_flags(DB), "--reindex"), 22)


if __name__ == "__main__":
    unittest.main()
