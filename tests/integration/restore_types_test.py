# SPDX-License-Identifier: MIT
"""teslamate-restore: every value of every type comes back as it was, whether its rows went to the server in
binary or as text, and so do the keys and indexes that are made side by side."""

import random
import struct
import unittest

from harness import *

LIVE = "types"
ROWS = 20000


def setUpModule():
    global pg
    pg = Cluster(settings={"log_statement": "all"})


def tearDownModule():
    pg.stop()


def floats(rng, count):
    """Doubles of every size: any bits but those of infinities and NaNs, which have rows of their own."""
    while count:
        value = struct.unpack("<d", rng.randbytes(8))[0]
        if value == value and abs(value) != float("inf"):
            yield value
            count -= 1


COLUMNS = {
    "id": "int8", "b": "boolean", "i2": "int2", "i4": "int4", "f4": "float4", "f8": "float8", "n": "numeric",
    "n62": "numeric(6,2)", "d": "date", "ts": "timestamp", "ts0": "timestamp(0)", "tz": "timestamptz", "t": "text",
    "v": "varchar(40)", "c": "char(5)", "j": "json", "jb": "jsonb", "by": "bytea", "u": "uuid", "e": "mood",
}
MAKE = ("CREATE TYPE mood AS ENUM ('sad', 'tab\there', 'ünique')",
        "CREATE TABLE {} (" + ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items()) + ")")
FILL = r"""
INSERT INTO {0} SELECT g, g % 3 = 0, (g * 7919 % 65536 - 32768)::int2, (g::int8 * 104729 % 4294967296 - 2147483648)::int4,
  (random() * 10 ^ (g % 70 - 35))::float4, ((random() - 0.5) * 10 ^ (g % 600 - 300))::float8,
  CASE g % 5 WHEN 0 THEN -0.00012 WHEN 1 THEN round((random() * 1e7)::numeric, g % 8)
             WHEN 2 THEN (g % 10000)::numeric WHEN 3 THEN trunc((random() * 99999999)::numeric) ELSE -48.110069 END,
  round(((random() - 0.5) * 19999)::numeric, 2), '2000-01-01'::date + (g * 37 % 2000000 - 700000),
  '1970-01-01'::timestamp + (random() * 3e9) * interval '1 second', '2026-03-29'::timestamp + g * interval '1 second',
  '2026-10-25 00:59:59+00'::timestamptz + g * interval '1 ms',
  CASE g % 6 WHEN 0 THEN E'a\tb\nc\\d\r\b\f\v' WHEN 1 THEN '' WHEN 2 THEN '\N' WHEN 3 THEN 'Größe 🚗' ELSE repeat('x', g % 50) END,
  CASE WHEN g % 4 > 0 THEN 'v' || g END, CASE WHEN g % 3 > 0 THEN left('c' || g, 5) END,
  format('{{"k" : %s,  "s": "q\"\t"}}', g)::json, jsonb_build_object('k', g, 's', E'\n\\"'),
  decode(md5(g::text), 'hex'), md5(g::text)::uuid, (ARRAY['sad', E'tab\there', 'ünique', NULL])[g % 4 + 1]::mood
FROM generate_series(1, {1}) g
"""
# Values that have no binary form here, or one of their own.
ODD = r"""
INSERT INTO {0} (id, f8, n, d, ts, tz) VALUES
  (9223372036854775807, 'NaN', 'NaN', 'infinity', 'infinity', '-infinity'), (-9223372036854775808, '-Infinity', '1e100', '-infinity',
  '-infinity', 'infinity'), (0, '-0', 12345678901234567890.123456789012345, '0044-03-15 BC', '0044-03-15 12:00 BC', '0044-03-15 BC'),
  (NULL, 4.9e-324, 0.000000000, '5874897-12-31', '294276-12-31 23:59:59.999999', '12026-01-01 00:00+00')
"""


class RestoreTypesTest(unittest.TestCase):
    def setUp(self):
        self.ws = self.enterContext(Workspace(pg))
        for name in pg.databases():
            if name.startswith(LIVE):
                pg.drop_db(name)
        pg.create_db(LIVE)

    def restored_equals_live(self):
        """Backs up, restores beside, compares everything; the COPY statements that the restore sent."""
        assert_exit(self.ws.backup(LIVE), 0)
        before = len(pg.log_text())
        assert_exit(self.ws.restore(LIVE, "latest", "--as-database", "types_copy"), 0)
        self.assertEqual(diff_digests(database_digest(pg, LIVE), database_digest(pg, "types_copy")), [])
        return [line for line in pg.log_text()[before:].splitlines() if "COPY " in line and "FROM STDIN" in line]

    def test_every_value_comes_back_from_binary_rows(self):
        pg.sql(LIVE, MAKE[0], MAKE[1].format("plain"), FILL.format("plain", ROWS))
        rng = random.Random(1)
        values = ", ".join(f"({value!r})" for value in floats(rng, 5000))
        pg.script(LIVE, f"CREATE TABLE doubles (f float8); INSERT INTO doubles VALUES {values};")
        copies = self.restored_equals_live()
        self.assertTrue(copies)
        for line in copies:
            self.assertIn("(FORMAT binary)", line)

    def test_values_without_a_known_binary_form_come_back_as_text(self):
        pg.sql(LIVE, MAKE[0], MAKE[1].format("odd"), ODD.format("odd"))
        copies = self.restored_equals_live()
        self.assertTrue(copies)
        for line in copies:
            self.assertNotIn("FORMAT binary", line)

    def test_one_odd_value_among_many_rows_changes_nothing_but_its_own_piece(self):
        pg.sql(LIVE, MAKE[0], MAKE[1].format("mixed"), FILL.format("mixed", ROWS), ODD.format("mixed"))
        copies = self.restored_equals_live()
        self.assertTrue(any("FORMAT binary" in line for line in copies))
        self.assertTrue(any("FORMAT binary" not in line for line in copies))

    def test_types_of_other_kinds_and_odd_names_come_back(self):
        pg.sql(LIVE, "CREATE DOMAIN percent AS int CHECK (value BETWEEN 0 AND 100)", "CREATE TYPE pair AS (a int, b text)",
               "CREATE TABLE arrays (a int[], p pair, r int4range, iv interval, i inet, o oid, x xml)",
               "INSERT INTO arrays SELECT ARRAY[g, NULL], ROW(g, 'a,b')::pair, int4range(g, g + 5), g * interval '1 day 3 ms', '10.0.0.1', g, '<a/>' FROM generate_series(1, 100) g",
               'CREATE TABLE "Weird ""name"" Ü" ("sp ace" int, "drop" percent)', 'INSERT INTO "Weird ""name"" Ü" VALUES (1, 50), (NULL, NULL)',
               'CREATE TABLE generated (a int, b int GENERATED ALWAYS AS (a * 2) STORED, "c\td" text)', "INSERT INTO generated (a, \"c\td\") SELECT g, g FROM generate_series(1, 100) g",
               "ALTER TABLE generated DROP COLUMN a CASCADE")
        self.restored_equals_live()

    def test_keys_and_indexes_of_large_tables_are_made_side_by_side_and_are_the_same(self):
        pg.sql(LIVE, "CREATE TABLE parent (id int4 PRIMARY KEY, x text NOT NULL)",
               f"INSERT INTO parent SELECT g, g FROM generate_series(1, {ROWS}) g",
               "CREATE TABLE child (id int8 GENERATED ALWAYS AS IDENTITY, parent_id int4, at timestamp, w text DEFAULT 'a; -- Name: b',"
               " CONSTRAINT child_pkey PRIMARY KEY (id, parent_id), CONSTRAINT child_w UNIQUE (id, w) INCLUDE (at), FOREIGN KEY (parent_id) REFERENCES parent)",
               f"INSERT INTO child (parent_id, at) SELECT g, '2026-01-01'::timestamp + g * interval '1 s' FROM generate_series(1, {ROWS}) g",
               "CREATE INDEX child_brin ON child USING brin (at)", "CREATE INDEX child_part ON child (parent_id) WHERE w <> 'x\n--\n-- Name: y'",
               "CREATE INDEX child_expr ON child (lower(w))", "ALTER TABLE child CLUSTER ON child_expr", "COMMENT ON INDEX child_brin IS 'brin'",
               "COMMENT ON CONSTRAINT child_pkey ON child IS 'key'", "ALTER TABLE child REPLICA IDENTITY USING INDEX child_pkey",
               'CREATE TABLE "Upper" (id int4 CONSTRAINT "Upper Key" PRIMARY KEY)', f'INSERT INTO "Upper" SELECT generate_series(1, {ROWS})',
               "CREATE TABLE parts (id int4, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
               "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
               "CREATE INDEX parts_at ON parts (at)",
               f"INSERT INTO parts SELECT g, '2026-01-01'::date + g % 300 FROM generate_series(1, {ROWS}) g")
        self.restored_equals_live()

    def test_primary_keys_are_adopted_from_unique_indexes(self):
        pg.sql(LIVE, "CREATE TABLE big (id int4 PRIMARY KEY, x int)", f"INSERT INTO big SELECT g, g FROM generate_series(1, {ROWS}) g",
               "CREATE INDEX big_x ON big (x)")
        before = len(pg.log_text())
        self.restored_equals_live()
        log = pg.log_text()[before:]
        self.assertIn("CREATE UNIQUE INDEX big_pkey ON public.big", log)
        self.assertIn("ADD CONSTRAINT big_pkey PRIMARY KEY USING INDEX big_pkey", log)


if __name__ == "__main__":
    unittest.main()
