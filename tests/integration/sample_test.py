# SPDX-License-Identifier: MIT
"""The sample database is TeslaMate's: same catalog, ordinary and nasty values; and the zoo loads."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import unittest

from harness import ROOT, Cluster, tool_path

CATALOG = ROOT / "tests" / "golden" / "catalog"
ZOO = ROOT / "tests" / "sample" / "zoo.sql"
ENCRYPTION_KEY = "sample-encryption-key"

COLUMNS = """
SELECT n.nspname, c.relname, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname,
       format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END,
       coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname IN ('public', 'private') AND a.attnum > 0
  AND NOT a.attisdropped"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace::regnamespace::text IN ('public', 'private') AND conrelid <> 0 AND contype <> 'n'"""
INDEXES = """
SELECT schemaname, tablename, indexname, regexp_replace(indexdef, '^CREATE (UNIQUE )?INDEX .* ON ', '\\1')
FROM pg_indexes WHERE schemaname IN ('public', 'private')"""
ENUMS = """
SELECT t.typname, string_agg(e.enumlabel, '|' ORDER BY e.enumsortorder)
FROM pg_type AS t JOIN pg_enum AS e ON e.enumtypid = t.oid GROUP BY t.typname"""

# "1 if the value is there", one for every value that has broken a tool before.
NASTY = {
    "backslash N as text": r"geofences WHERE name = '\N'",
    "end of copy as text": r"geofences WHERE name = '\.'",
    "end of copy on a line of its own": r"geofences WHERE name = E'\\.\n\\.'",
    "empty text beside NULL": "addresses WHERE house_number = '' AND county IS NULL",
    "tab": r"geofences WHERE name = E'tab\there'",
    "line feed": r"geofences WHERE name = E'line\nfeed'",
    "carriage return": r"geofences WHERE name = E'carriage\rreturn'",
    "backslashes": r"geofences WHERE name = 'back\slash \\ \t \x41 \101'",
    "quotes": "geofences WHERE name LIKE '%''quoted''%\"doubly\"%'",
    "control characters": r"geofences WHERE name = E'\b\f\x0b\x01\x1f\x7f'",
    "umlauts": "geofences WHERE name = 'Straße äöüÄÖÜß'",
    "emoji": "geofences WHERE name LIKE '🚗⚡🔋%'",
    "a car's name": "cars WHERE name LIKE '%🚗%' AND trim_badging = '' AND exterior_color = '\\N'",
    "NaN in double precision": "drives WHERE distance = 'NaN'",
    "infinity": "drives WHERE end_km = 'Infinity'",
    "minus infinity": "positions WHERE odometer = '-Infinity'",
    "minus zero": "positions WHERE odometer::text = '-0'",
    "1e-300": "positions WHERE odometer = 1e-300",
    "the smallest double": "drives WHERE distance = 5e-324",
    "the biggest double": "drives WHERE start_km = 1.7976931348623157e308",
    "NaN in numeric": "positions WHERE latitude = 'NaN'",
    "unicode in jsonb": r"addresses WHERE raw ->> 'car' = '🚗' AND raw ->> 'bs' = '\'",
    "nested jsonb": "addresses WHERE raw #>> '{nested,deeper,4,x,2}' IS NULL AND raw ? 'nested'",
    "jsonb null beside NULL": "addresses WHERE raw = 'null'",
    "text out of line": "addresses WHERE length(raw ->> 'text') = 12000",
    "a megabyte": "addresses WHERE length(raw ->> 'text') = 1048576",
    "microseconds": "drives WHERE start_date = '2019-02-28 23:59:59.999999'",
    "before Christ": "states WHERE start_date = '0044-03-15 12:00:00.000001 BC'",
    "time without end": "updates WHERE start_date = '-infinity' AND end_date = 'infinity'",
}


def generated(*args: str) -> bytes:
    return subprocess.run([str(tool_path("sample-database")), *args], capture_output=True, check=True).stdout


def golden(name: str) -> set[tuple[str, ...]]:
    with open(CATALOG / f"{name}.csv", encoding="utf-8", newline="") as file:
        return {tuple(row) for row in list(csv.reader(file))[1:]}


def open_token(sealed: bytes, key: str) -> str | None:
    """What the vault sealed, or None when the key or the layout is another one.

    The openssl command offers no GCM, so it is built of what it offers: counter mode and one block of ECB.
    """
    if sealed[:12] != b"\x01\x0aAES.GCM.V1":
        return None
    nonce, tag, text = sealed[12:24], sealed[24:40], sealed[40:]
    secret = hashlib.sha256(key.encode()).hexdigest()

    def counter_mode(counter: int, data: bytes) -> bytes:
        iv = nonce + counter.to_bytes(4, "big")
        return subprocess.run(["openssl", "enc", "-aes-256-ctr", "-K", secret, "-iv", iv.hex(), "-nopad"],
                              input=data, capture_output=True, check=True).stdout

    hash_key = int.from_bytes(subprocess.run(["openssl", "enc", "-aes-256-ecb", "-K", secret, "-nopad"],
                                             input=bytes(16), capture_output=True, check=True).stdout, "big")

    def times_hash_key(value: int) -> int:
        product, factor = 0, hash_key
        for bit in range(127, -1, -1):
            if value >> bit & 1:
                product ^= factor
            factor = factor >> 1 ^ (0xE1 << 120 if factor & 1 else 0)
        return product

    aad = b"AES256GCM"
    padded = aad + bytes(-len(aad) % 16) + text + bytes(-len(text) % 16)
    padded += (len(aad) * 8).to_bytes(8, "big") + (len(text) * 8).to_bytes(8, "big")
    state = 0
    for at in range(0, len(padded), 16):
        state = times_hash_key(state ^ int.from_bytes(padded[at:at + 16], "big"))
    if counter_mode(1, state.to_bytes(16, "big")) != tag:
        return None
    return counter_mode(2, text).decode()


class Sample(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        cls.pg = Cluster()
        cls.addClassCleanup(cls.pg.stop)
        cls.pg.load_sample("sample", positions=5000)
        cls.pg.load_sample("later", positions=3000)
        for day in (1, 2, 3):
            cls.pg.next_day("later", day, rows=400)

    def one(self, query: str, database: str = "sample") -> str | None:
        return self.pg.scalar(database, query)

    def assert_catalog(self, name: str, query: str) -> None:
        for database in ("sample", "later"):
            found = set(self.pg.sql(database, query))
            self.assertEqual(sorted(golden(name) - found), [], f"{database} lacks {name}")
            self.assertEqual(sorted(found - golden(name)), [], f"{database} has {name} too many")

    def test_columns_are_teslamates(self) -> None:
        self.assert_catalog("columns", COLUMNS)

    def test_constraints_are_teslamates(self) -> None:
        self.assert_catalog("constraints", CONSTRAINTS)

    def test_indexes_are_teslamates(self) -> None:
        self.assert_catalog("indexes", INDEXES)

    def test_enums_are_teslamates(self) -> None:
        self.assert_catalog("enums", ENUMS)

    def test_extensions_live_in_public_and_compute_distances(self) -> None:
        self.assertEqual(self.pg.sql("sample", "SELECT extname, extnamespace::regnamespace FROM pg_extension"
                                               " WHERE extname <> 'plpgsql' ORDER BY 1"),
                         [("cube", "public"), ("earthdistance", "public")])
        self.assertEqual(self.one("SELECT round(earth_distance(ll_to_earth(0, 0), ll_to_earth(0, 1)))"), "111320")

    def test_functions_are_immutable_strict_and_convert(self) -> None:
        self.assertEqual(self.pg.sql("sample", "SELECT proname, pg_get_function_identity_arguments(oid), provolatile,"
                                               " proisstrict FROM pg_proc WHERE proname LIKE 'convert\\_%' AND"
                                               " pronamespace = 'public'::regnamespace ORDER BY 1"),
                         [("convert_celsius", "n numeric, unit text", "i", "t"),
                          ("convert_km", "n numeric, unit text", "i", "t"),
                          ("convert_m", "n double precision, unit text", "i", "t"),
                          ("convert_tire_pressure", "n numeric, character varying", "i", "t")])
        self.assertEqual(self.one("SELECT concat_ws(' ', convert_celsius(100, 'F')::int, round(convert_km(1.609344,"
                                  " 'mi')), convert_m(0.3048, 'ft'), round(convert_tire_pressure(2, 'psi'), 1),"
                                  " convert_km(3, 'km'))"), "212 1 1 29.0 3")

    def test_a_hundred_migrations_end_with_the_newest(self) -> None:
        self.assertEqual(self.one("SELECT count(*) || ' ' || max(version) FROM schema_migrations"),
                         "100 20260411070212")

    def test_the_number_of_positions_is_the_one_asked_for(self) -> None:
        self.assertEqual(self.one("SELECT count(*) FROM positions"), "5000")
        self.assertEqual(self.one("SELECT count(*) FROM positions", "later"), "4200")

    def test_one_seed_gives_the_same_bytes_and_another_seed_others(self) -> None:
        for args in (["--positions", "2000"], ["--day", "2", "--rows", "50"]):
            first = generated(*args, "--seed", "7")
            self.assertEqual(first, generated(*args, "--seed", "7"))
            self.assertNotEqual(first, generated(*args, "--seed", "8"))
        self.assertNotEqual(generated("--day", "1"), generated("--day", "2"))

    def test_two_rows_in_three_of_a_drive_were_streamed(self) -> None:
        streamed, polled = map(int, self.pg.sql(
            "sample", "SELECT count(*) FILTER (WHERE ideal_battery_range_km IS NULL), count(ideal_battery_range_km)"
                      " FROM positions WHERE drive_id IS NOT NULL")[0])
        self.assertAlmostEqual(streamed / (streamed + polled), 2 / 3, delta=0.02)

    def test_nasty_values_are_present_and_plain_values_leave_them_out(self) -> None:
        self.pg.load_sample("plain", 1000, "--plain-values")
        for what, where in NASTY.items():
            with self.subTest(what):
                self.assertNotEqual(self.one(f"SELECT count(*) FROM {where}"), "0")
                self.assertEqual(self.one(f"SELECT count(*) FROM {where}", "plain"), "0")
        self.assertEqual(self.one("SELECT count(*) FROM positions", "plain"), "1000")

    def test_settings_of_the_cars_are_crossed(self) -> None:
        self.assertEqual(self.pg.sql("sample", "SELECT id, settings_id FROM cars ORDER BY id"),
                         [("1", "2"), ("2", "1")])

    def test_one_drive_and_one_charge_are_open(self) -> None:
        for database in ("sample", "later"):
            drive = self.one("SELECT id FROM drives WHERE end_date IS NULL", database)
            self.assertGreater(int(self.one(f"SELECT count(*) FROM positions WHERE drive_id = {drive}", database)), 1)
            charge = self.one("SELECT id FROM charging_processes WHERE end_date IS NULL", database)
            self.assertGreater(
                int(self.one(f"SELECT count(*) FROM charges WHERE charging_process_id = {charge}", database)), 1)

    def test_each_car_has_one_open_state(self) -> None:
        for database in ("sample", "later"):
            self.assertEqual(self.pg.sql(database, "SELECT car_id, count(*) FROM states WHERE end_date IS NULL"
                                                   " GROUP BY 1 ORDER BY 1"), [("1", "1"), ("2", "1")])

    def test_sequences_are_ahead_of_their_ids_and_one_is_not_called_yet(self) -> None:
        owned = self.pg.sql("sample", "SELECT s.oid::regclass, d.refobjid::regclass, a.attname FROM pg_class AS s JOIN"
                                      " pg_depend AS d ON d.objid = s.oid AND d.deptype = 'a' JOIN pg_attribute AS a"
                                      " ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
                                      " WHERE s.relkind = 'S' ORDER BY 1")
        self.assertEqual(len(owned), 12)
        for database in ("sample", "later"):
            not_called = []
            for sequence, table, column in owned:
                value, called = self.pg.sql(database, f"SELECT last_value, is_called FROM {sequence}")[0]
                largest = int(self.one(f"SELECT coalesce(max({column}), 0) FROM {table}", database))
                self.assertGreaterEqual(int(value) - (called != "t"), largest, f"{sequence} in {database}")
                not_called += [sequence] if called != "t" else []
            self.assertEqual(not_called, ["geofences_id_seq"])

    def test_tokens_open_with_the_known_key_and_not_with_another(self) -> None:
        for database in ("sample", "later"):
            access, refresh = self.pg.sql(database, "SELECT encode(access, 'hex'), encode(refresh, 'hex')"
                                                    " FROM private.tokens")[0]
            for token in (access, refresh):
                self.assertRegex(open_token(bytes.fromhex(token), ENCRYPTION_KEY) or "", r"^eyJ[\w.-]{100,}$")
                self.assertIsNone(open_token(bytes.fromhex(token), "another key"))

    def test_drives_agree_with_their_positions(self) -> None:
        for database in ("sample", "later"):
            closed, wrong = self.pg.sql(database, """
                SELECT count(*), count(*) FILTER (WHERE d.start_km <> sums.start_km OR d.end_km <> sums.end_km OR
                    d.start_date <> sums.start_date OR d.end_date <> sums.end_date OR d.start_position_id <> first_id
                    OR d.end_position_id <> last_id OR d.distance <> d.end_km - d.start_km)
                FROM drives AS d JOIN (SELECT drive_id, min(odometer) AS start_km, max(odometer) AS end_km,
                    min(date) AS start_date, max(date) AS end_date, min(id) AS first_id, max(id) AS last_id
                    FROM positions GROUP BY 1) AS sums ON sums.drive_id = d.id
                WHERE d.end_date IS NOT NULL""")[0]
            self.assertGreater(int(closed), 3)
            self.assertEqual(wrong, "0")

    def test_a_car_never_drives_backwards_in_time_or_distance(self) -> None:
        for database in ("sample", "later"):
            self.assertEqual(self.one("""
                SELECT count(*) FROM (SELECT date < lag(date) OVER w OR odometer < lag(odometer) OVER w AS back
                                      FROM positions WHERE date > '2020-01-01'
                                      WINDOW w AS (PARTITION BY car_id ORDER BY id)) AS steps
                WHERE back""", database), "0")

    def test_a_day_adds_rows_closes_the_charge_and_changes_old_rows(self) -> None:
        self.pg.load_sample("day", positions=3000)

        def state() -> dict[str, int]:
            names = ("drives", "charging_processes", "charges", "states", "addresses", "positions")
            return {n: int(self.one(f"SELECT count(*) FROM {n}", "day")) for n in names} | {
                "open": int(self.one("SELECT max(id) FROM charging_processes WHERE end_date IS NULL", "day")),
                "without elevation": int(self.one("SELECT count(*) FROM positions WHERE elevation IS NULL AND drive_id"
                                                  " IN (SELECT id FROM drives WHERE end_date IS NOT NULL)", "day"))}

        before = state()
        token = self.one("SELECT md5(access) FROM private.tokens", "day")
        older = self.one("SELECT max(id) FROM positions", "day")
        self.pg.next_day("day", 1, rows=500)
        after = state()
        self.assertEqual(after["positions"] - before["positions"], 500)
        self.assertEqual(after["drives"] - before["drives"], 1)
        self.assertEqual(after["addresses"] - before["addresses"], 1)
        self.assertEqual(after["charging_processes"] - before["charging_processes"], 2)
        for table in ("charges", "states"):
            self.assertGreater(after[table], before[table])
        self.assertGreater(before["without elevation"], 0)
        self.assertEqual(self.one(f"SELECT count(*) FROM positions WHERE id <= {older} AND elevation IS NULL AND"
                                  " drive_id IN (SELECT id FROM drives WHERE end_date IS NOT NULL)", "day"), "0")
        self.assertEqual(self.one(f"SELECT end_date IS NOT NULL FROM charging_processes WHERE id = {before['open']}",
                                  "day"), "t")
        self.assertNotEqual(self.one("SELECT md5(access) FROM private.tokens", "day"), token)

    def test_bad_arguments_are_a_usage_error(self) -> None:
        for args in (["--positions", "12x"], ["--positions"], ["--positions", "5"], ["--unknown"], ["--day", "0"]):
            with self.subTest(args):
                done = subprocess.run([str(tool_path("sample-database")), *args], capture_output=True)
                self.assertEqual((done.returncode, done.stdout), (2, b""))


class Zoo(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.pg = Cluster()
        cls.addClassCleanup(cls.pg.stop)
        cls.pg.create_db("zoo")
        cls.pg.create_db("copy")
        cls.pg.script("zoo", ZOO.read_bytes())

    def one(self, query: str) -> str | None:
        return self.pg.scalar("zoo", query)

    def test_it_holds_more_than_sixty_objects_of_many_kinds(self) -> None:
        kinds = dict(self.pg.sql("zoo", """
            SELECT kind, count(*) FROM (
                SELECT 'relation ' || relkind::text FROM pg_class WHERE relnamespace::regnamespace::text LIKE '%oo%'
                UNION ALL SELECT 'function ' || prokind::text FROM pg_proc WHERE pronamespace = 'zoo'::regnamespace
                UNION ALL SELECT 'type ' || typtype::text FROM pg_type WHERE typnamespace = 'zoo'::regnamespace
                UNION ALL SELECT 'constraint ' || contype::text FROM pg_constraint
                          WHERE connamespace = 'zoo'::regnamespace
                UNION ALL SELECT 'trigger' FROM pg_trigger WHERE NOT tgisinternal
                UNION ALL SELECT 'policy' FROM pg_policy
                UNION ALL SELECT 'statistics' FROM pg_statistic_ext
                UNION ALL SELECT 'publication' FROM pg_publication
                UNION ALL SELECT 'event trigger' FROM pg_event_trigger
                UNION ALL SELECT 'default rights' FROM pg_default_acl
                UNION ALL SELECT 'rule' FROM pg_rewrite WHERE rulename <> '_RETURN' AND ev_class > 16384
                UNION ALL SELECT 'comment' FROM pg_description WHERE objoid > 16384) AS objects (kind) GROUP BY 1"""))
        for kind in ("relation r", "relation p", "relation v", "relation m", "relation S", "relation i", "relation I",
                     "relation c", "function f", "function p", "function a", "type d", "type e", "type r", "type c",
                     "constraint x", "constraint c", "constraint f", "constraint t", "trigger", "policy", "statistics",
                     "publication", "event trigger", "default rights", "rule", "comment"):
            self.assertIn(kind, kinds)
        self.assertGreaterEqual(sum(int(n) for kind, n in kinds.items() if kind.startswith("relation")), 60)

    def test_the_rare_states_are_really_there(self) -> None:
        for what, query, expected in (
                ("rows without columns", "SELECT count(*) FROM zoo.no_columns", "3"),
                ("400 columns", "SELECT max(attnum) FROM pg_attribute WHERE attrelid = 'zoo.wide'::regclass", "400"),
                ("a missing value", "SELECT count(*) FROM pg_attribute WHERE atthasmissing AND attrelid ="
                                    " 'zoo.changed'::regclass", "2"),
                ("dropped columns", "SELECT count(*) FROM pg_attribute WHERE attisdropped AND attrelid ="
                                    " 'zoo.changed'::regclass", "2"),
                ("a view without data", "SELECT relispopulated FROM pg_class WHERE relname = 'not_filled'", "f"),
                ("constraints not validated", "SELECT count(*) FROM pg_constraint WHERE NOT convalidated", "2"),
                ("a sequence not called", "SELECT last_value || ' ' || is_called FROM zoo.set_not_called",
                 "4711 false"),
                ("a name of 63 bytes", "SELECT count(*) FROM pg_class WHERE octet_length(relname) > 60", "1"),
                ("rows out of line", "SELECT pg_relation_size(reltoastrelid) > 100000 FROM pg_class WHERE relname ="
                                     " 'toasted'", "t"),
                ("minus zero", "SELECT big::text || small::text FROM zoo.floats WHERE id = 1", "-0-0"),
                ("a partition with other column order", "SELECT attnum FROM pg_attribute WHERE attrelid ="
                                                        " 'zoo.by_range_2026'::regclass AND attname = 'id'", "4")):
            with self.subTest(what):
                self.assertEqual(self.one(query), expected)

    def test_a_dump_of_it_loads_again(self) -> None:
        dump = self.pg.client("pg_dump", database="zoo").stdout
        self.pg.script("copy", dump)


if __name__ == "__main__":
    unittest.main()
