# SPDX-License-Identifier: MIT
"""A database with hypertables of TimescaleDB and vectors of pgvector, on Debian 13: chosen engine, what a second
night costs, a whole restore, files in and out. Runs in the image timescale-trixie of ../machine."""

from __future__ import annotations

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "integration"))

from backup_checks import backup, manifest, run_backup, snapshot_files  # noqa: E402
from harness import Cluster, Workspace, assert_exit  # noqa: E402

LIVE = "live"
# Rows and chunks of the hypertable, its dimensions, an index of pgvector, and that a new row finds its chunk.
FACTS = """
SELECT count(*), sum(value), min(time), max(time) FROM readings;
SELECT count(*), sum(hashtext(r::text)::bigint) FROM readings r;
SELECT hypertable_name, num_chunks, num_dimensions FROM timescaledb_information.hypertables ORDER BY 1;
SELECT chunk_name, range_start, range_end FROM timescaledb_information.chunks ORDER BY 1;
SELECT id, name, embedding FROM places ORDER BY (embedding <-> '[1,2,3]') + 0, id LIMIT 50;
SELECT count(*) FROM positions;
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace <> 'pg_catalog'::regnamespace
  AND conrelid::regclass::text !~ '^_timescaledb_(catalog|config|cache|debug)' ORDER BY 1, 2;
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid::regclass::text ~ 'readings|places|hyper' ORDER BY 1;
SELECT extname, extversion FROM pg_extension ORDER BY 1;
SELECT current_setting('timescaledb.restoring');
"""


class Timescale(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster(settings={"shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off"}))
        cls.pg.load_sample(LIVE, positions=2000)
        cls.pg.sql(LIVE, "CREATE EXTENSION timescaledb", "CREATE EXTENSION vector")
        cls.pg.sql(LIVE, "CREATE TABLE readings (time timestamptz NOT NULL, sensor int NOT NULL, value double precision, note text)",
                   "SELECT create_hypertable('readings', 'time', chunk_time_interval => interval '7 days')",
                   "CREATE INDEX ON readings (sensor, time DESC)",
                   "INSERT INTO readings SELECT '2026-01-01'::timestamptz + i * interval '1 minute', i % 7, i * 0.5, md5(i::text) "
                   "FROM generate_series(1, 500000) i",
                   "CREATE TABLE places (id int PRIMARY KEY, name text, embedding vector(3))",
                   "INSERT INTO places SELECT i, 'place ' || i, ARRAY[i % 11, i % 13, i % 17]::vector FROM generate_series(1, 2000) i",
                   "CREATE INDEX ON places USING hnsw (embedding vector_l2_ops)")

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))

    def facts(self, database: str) -> list:
        return [self.pg.sql(database, q) for q in FACTS.strip().split(";\n") if q.strip(" ;\n")]

    def assert_comes_back(self, what, *args, ws=None):
        self.pg.drop_db("copy")
        result = assert_exit((ws or self.ws).restore(LIVE, str(what), "--as-database", "copy", *args), 0)
        self.assertEqual(self.facts(LIVE), self.facts("copy"))
        # It lives on: a new row makes a new chunk.
        chunks = int(self.pg.scalar("copy", "SELECT count(*) FROM timescaledb_information.chunks"))
        self.pg.sql("copy", "INSERT INTO readings VALUES ('2030-01-01', 1, 1, 'new')")
        self.assertEqual(int(self.pg.scalar("copy", "SELECT count(*) FROM timescaledb_information.chunks")), chunks + 1)
        self.assertEqual(self.pg.scalar("copy", "SELECT count(*) FROM ONLY readings"), "0")
        return result

    def test_a_snapshot_comes_back_and_the_second_night_is_small(self):
        result = assert_exit(run_backup(self.ws, LIVE), 0)
        self.assertIn("archive of pg_dump", result.err)
        self.assertIn("timescaledb", result.err)
        stored = sum(p.stat().st_size for p in self.ws.object_files())
        first = manifest(snapshot_files(self.ws.repository)[-1])
        self.assertEqual("pg_dump", first["engine"])
        self.assert_comes_back("latest")
        self.assertLess(backup(self.ws, LIVE)["new_bytes"], 60_000)
        self.pg.sql(LIVE, "INSERT INTO readings SELECT '2026-12-15'::timestamptz + i * interval '1 minute', 1, i, 'night' FROM generate_series(1, 500) i")
        night = backup(self.ws, LIVE)
        self.assertLess(night["new_bytes"], stored / 3)
        self.assert_comes_back("latest")
        assert_exit(self.ws.verify("--read-data"), 0)
        tmb = self.ws.folder / "x.tmb"
        assert_exit(self.ws.snapshots("export", "latest", tmb), 0)
        assert_exit(self.ws.run("teslamate-verify", str(tmb)), 0)
        self.assert_comes_back(tmb)

    def test_a_whole_restore_swaps(self):
        backup(self.ws, LIVE)
        before = self.facts(LIVE)
        self.pg.sql(LIVE, "DELETE FROM readings WHERE sensor = 3", "DROP TABLE places")
        try:
            assert_exit(self.ws.restore(LIVE, "latest"), 0)
            self.assertEqual(before, self.facts(LIVE))
        finally:
            if self.facts_differ(before):
                assert_exit(self.ws.restore(LIVE, "latest"), 0)

    def facts_differ(self, before) -> bool:
        return not any(r == ("places",) for r in self.pg.sql(LIVE, "SELECT tablename FROM pg_tables")) or self.facts(LIVE) != before

    def test_pgvector_alone_goes_as_chunks(self):
        self.pg.create_db("vectors")
        self.addCleanup(self.pg.drop_db, "vectors")
        self.pg.sql("vectors", "CREATE EXTENSION vector", "CREATE TABLE places (id int PRIMARY KEY, embedding vector(3))",
                    "INSERT INTO places SELECT i, ARRAY[i, i % 13, i % 17]::vector FROM generate_series(1, 2000) i",
                    "CREATE INDEX ON places USING hnsw (embedding vector_l2_ops)")
        backup(self.ws, "vectors")
        self.assertNotIn("engine", manifest(snapshot_files(self.ws.repository)[-1]))
        self.pg.drop_db("copy")
        assert_exit(self.ws.restore("vectors", "latest", "--as-database", "copy"), 0)
        query = "SELECT id, embedding FROM places ORDER BY embedding <-> '[3,4,5]', id LIMIT 9"
        self.assertEqual(self.pg.sql("vectors", query), self.pg.sql("copy", query))

    def test_dumps_of_pg_dump(self):
        for args in (["-Fc"], ["-Fp"], ["-Ft"]):
            with self.subTest(args):
                path = self.ws.folder / "timescale.dump"
                path.write_bytes(self.pg.client("pg_dump", *args, database=LIVE).stdout)
                path.chmod(0o644)
                self.assert_comes_back(path)


if __name__ == "__main__":
    unittest.main()
