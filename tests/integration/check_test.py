# SPDX-License-Identifier: MIT
"""teslamate-check finds each fault that is put into a database, and none in one without."""

from __future__ import annotations

import re
import subprocess
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
            "orphaned-positions": ["INSERT INTO positions (date, latitude, longitude, car_id, speed) SELECT now() - i * interval "
                                   "'3 s', 1, 1, 1, 50 FROM generate_series(1, 4) i"],
            "positions-of-another-car": ["UPDATE positions SET car_id = 3 - car_id WHERE id = (SELECT min(id) FROM positions "
                                         "WHERE drive_id IS NOT NULL)"],
            "positions-without-drive": ["ALTER TABLE positions DROP CONSTRAINT positions_drive_id_fkey",
                                        "UPDATE positions SET drive_id = 99999 WHERE id = (SELECT max(id) FROM positions)"],
            "no-new-positions": ["UPDATE positions SET date = date - interval '30 days'"],
            "charge-outside-process": ["UPDATE charges SET date = date - interval '2 hours' WHERE id = (SELECT min(id) FROM charges)"],
            "overlapping-drive": ["UPDATE drives d SET end_date = (SELECT e.start_date + interval '1 second' FROM drives e WHERE "
                                  "e.car_id = d.car_id AND e.start_date > d.start_date ORDER BY e.start_date LIMIT 1) "
                                  "WHERE id = (SELECT min(id) FROM drives)"],
            "overlapping-charge": ["INSERT INTO charging_processes (start_date, end_date, car_id, position_id) SELECT start_date + "
                                   "interval '1 second', end_date, car_id, position_id FROM charging_processes LIMIT 1"],
            "extension-outdated": ["UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'cube'"],
            "sequence-behind": ["SELECT setval('trips_id_seq', 1)"],
            "extension-missing": ["DROP EXTENSION earthdistance CASCADE"],
            "function-missing": ["DROP FUNCTION convert_m(double precision, text)"],
            "foreign-object": ["CREATE VIEW public.mine AS SELECT id FROM drives"],
            "other-owner": ["CREATE ROLE tm_other", "ALTER TABLE geofences OWNER TO tm_other"],
            "index-invalid": ["UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'charges_date_index'::regclass"],
            "no-tokens": ["DELETE FROM private.tokens"],
            "stale-tokens": ["UPDATE private.tokens SET updated_at = now() - interval '3 days'"],
        }
        counts = {"orphaned-positions": 4, "charge-outside-process": 1, "function-missing": 1}
        mends = dict.fromkeys(faults, "") | {
            "open-drive": "teslamate-close-drive ", "open-charge": "teslamate-close-charge ",
            "empty-drive": "teslamate-delete-drive ", "orphaned-positions": "teslamate-delete-drive --orphaned-positions",
            "positions-without-drive": "psql -d teslamate -c", "charge-outside-process": "teslamate-close-charge --recompute ",
            "overlapping-drive": "teslamate-delete-drive ID", "overlapping-charge": "teslamate-delete-charge ID",
            "sequence-behind": "setval('public.trips_id_seq'", "extension-missing": "CREATE EXTENSION earthdistance",
            "extension-outdated": "ALTER EXTENSION cube UPDATE", "index-invalid": "teslamate-check --reindex",
            "no-tokens": "sign in", "stale-tokens": "sign in"}
        for kind, statements in faults.items():
            with self.subTest(kind=kind):
                self.pg.drop_db(DB)
                self.pg.sql("postgres", f"CREATE DATABASE {DB} TEMPLATE template_of_it")
                self.pg.sql(DB, *statements)
                kinds, document = self.check()
                self.assertEqual(set(kinds), {kind}, document)
                finding = document["findings"][0]
                self.assertEqual(finding["count"], counts.get(kind, 1), finding)
                if mends[kind]:
                    self.assertIn(mends[kind], finding["mend"])
                shown = self.ws.run("teslamate-check", *self.pg.connection_flags(DB), env={"ENCRYPTION_KEY": KEY})
                for line in (f"! {finding['what']}", f"  why:  {finding['why']}", f"  mend: {finding['mend']}"):
                    self.assertIn(line, shown.out)

    def test_a_parked_car_and_a_restart_on_the_road_leave_no_orphans(self):
        # Parked and charging: no speed. TeslaMate started while the car drives: one position before the drive begins.
        self.pg.sql(DB, "INSERT INTO positions (date, latitude, longitude, car_id, speed) SELECT now() - i * interval '3 s', 1, 1, 1, "
                    "CASE WHEN i % 2 = 0 THEN 0 END FROM generate_series(1, 50) i",
                    "INSERT INTO positions (date, latitude, longitude, car_id, speed) SELECT now() - i * interval '20 minutes', 1, 1, "
                    "1, 90 FROM generate_series(1, 5) i",
                    # Of two cars at once, each one.
                    "INSERT INTO positions (date, latitude, longitude, car_id, speed) VALUES (now() - interval '1201 s', 1, 1, 2, 90)")
        self.assertEqual(self.check()[0], [])
        before = database_digest(self.pg, DB)
        result = assert_exit(self.ws.run("teslamate-delete-drive", *self.pg.connection_flags(DB), "--orphaned-positions", "--yes"), 0)
        self.assertIn("no position is orphaned", result.out)
        self.assertEqual(diff_digests(before, database_digest(self.pg, DB)), [])

    def test_what_mends_a_finding_mends_it(self):
        """The commands as they are said, in a shell."""
        self.pg.sql(DB, "SELECT setval('trips_id_seq', 1)", "DROP EXTENSION earthdistance CASCADE",
                    "ALTER TABLE positions DROP CONSTRAINT positions_drive_id_fkey",
                    "UPDATE positions SET drive_id = 99999 WHERE id = (SELECT max(id) FROM positions)",
                    'CREATE TABLE public."Odd $name" (id serial PRIMARY KEY)', 'INSERT INTO public."Odd $name" VALUES (9)')
        kinds, document = self.check()
        self.assertEqual(sorted(kinds), ["extension-missing", "positions-without-drive", "sequence-behind", "sequence-behind"])
        for finding in document["findings"]:
            done = subprocess.run(["sh", "-ec", finding["mend"]], capture_output=True, text=True, cwd="/", env={
                "PATH": f"{self.pg.bindir}:/usr/bin:/bin", "PGHOST": str(self.pg.socket), "PGPORT": str(self.pg.port),
                "PGUSER": self.pg.superuser})
            self.assertEqual(done.returncode, 0, finding["mend"] + done.stderr)
        self.assertEqual(self.check()[0], [])

    def test_it_only_ever_reads(self):
        """By a role that may write nothing, in a database where every transaction begins read only."""
        self.pg.sql("postgres", "DROP ROLE IF EXISTS tm_reader", "CREATE ROLE tm_reader LOGIN IN ROLE pg_read_all_data, pg_monitor")
        self.addCleanup(self.pg.sql, "postgres", "DROP ROLE tm_reader")
        self.pg.sql(DB, "REVOKE ALL ON SCHEMA public FROM PUBLIC", f"REVOKE TEMPORARY ON DATABASE {DB} FROM PUBLIC",
                    f"ALTER DATABASE {DB} SET default_transaction_read_only = on")
        expected = self.check(code=None)[1]["findings"]
        result = self.ws.run("teslamate-check", *self.pg.connection_flags(DB, user="tm_reader"), "--json", env={"ENCRYPTION_KEY": KEY})
        assert_exit(result, 0)
        self.assertEqual(result.json()["findings"], expected)
        # Every statement on the wire, as the server saw it.
        self.pg.sql("postgres", f"ALTER DATABASE {DB} SET log_statement = 'all'")
        already = len(self.pg.log_text())
        self.check()
        said = self.pg.log_text()[already:]
        begins = [line for line in said.splitlines() if "BEGIN" in line]
        self.assertEqual(len(begins), 1, begins)
        self.assertIn("READ ONLY", begins[0])
        after = said.split("READ ONLY", 1)[1]
        self.assertIn("FROM public.positions", after)
        for word in ("INSERT", "UPDATE ", "DELETE", "CREATE ", "DROP ", "ALTER "):
            self.assertNotIn(word, re.sub(r"'[^']*'", "", after), word)

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
