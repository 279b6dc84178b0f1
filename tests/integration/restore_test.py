# SPDX-License-Identifier: MIT
"""teslamate-restore: what comes back, under which name, and what is refused before anything is touched."""

import hashlib
import json
import subprocess
import unittest

from harness import *
from terminal import Terminal

LIVE = "teslamate"


def setUpModule():
    global pg
    pg = Cluster(settings={"log_statement": "ddl"})


def tearDownModule():
    pg.stop()


def has_left_nothing(test, ws):
    """No staging database, no journal: an ended restore is over."""
    test.assertEqual([d for d in pg.databases() if "_staging_" in d], [])
    test.assertFalse((ws.state / "restore.journal").exists())


def forged_rows(paths):
    """An object of rows and its file with another digit in it, everything else as it should be."""
    for path in paths:
        header, payload = bytearray(path.read_bytes()[:64]), path.read_bytes()[64:]
        if header[4:6] != bytes([1, 0]):  # rows, not split into columns
            continue
        text = subprocess.run(["zstd", "-dcq"], input=payload, capture_output=True, check=True).stdout
        digit = next((i for i, byte in enumerate(text) if byte == ord("2")), None)
        if digit is None:
            continue
        text = text[:digit] + b"3" + text[digit + 1:]
        payload = subprocess.run(["zstd", "-cq", f"--stream-size={len(text)}"], input=text, capture_output=True,
                                 check=True).stdout
        header[16:24] = len(payload).to_bytes(8, "little")
        header[32:64] = hashlib.sha256(header[:32] + payload).digest()
        return path, bytes(header) + payload
    raise AssertionError("no object of plain rows")


class RestoreTest(unittest.TestCase):
    def setUp(self):
        self.ws = self.enterContext(Workspace(pg))
        for name in pg.databases():
            if name not in ("postgres", "template0", "template1"):
                pg.drop_db(name)

    def sample(self, positions=3000):
        pg.load_sample(LIVE, positions=positions)
        assert_exit(self.ws.backup(LIVE), 0)
        return database_digest(pg, LIVE)

    def kept(self):
        return [d for d in pg.databases() if d.startswith(f"{LIVE}_before_")]

    # -- what comes back

    def test_a_destroyed_sample_database_comes_back_exactly_and_the_old_one_is_kept(self):
        before = self.sample()
        pg.sql(LIVE, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "CREATE TABLE public.left_over (x int)")
        result = assert_exit(self.ws.restore(LIVE, "latest", "--json"), 0).json()
        self.assertEqual(diff_digests(before, database_digest(pg, LIVE)), [])
        self.assertEqual(self.kept(), [result["kept_database"]])
        self.assertEqual(pg.sql(self.kept()[0], "SELECT relname FROM pg_class WHERE relname = 'left_over'"), [("left_over",)])
        has_left_nothing(self, self.ws)

    def test_the_zoo_comes_back_exactly(self):
        pg.create_db(LIVE)
        pg.script(LIVE, (ROOT / "tests/sample/zoo.sql").read_bytes())
        assert_exit(self.ws.backup(LIVE), 0)
        before = database_digest(pg, LIVE)
        assert_exit(self.ws.restore(LIVE, "latest"), 0)
        self.assertEqual(diff_digests(before, database_digest(pg, LIVE)), [])

    def test_a_restore_into_a_server_without_the_database_makes_it(self):
        before = self.sample()
        pg.drop_db(LIVE)
        assert_exit(self.ws.restore(LIVE, "latest"), 0)
        self.assertEqual(diff_digests(before, database_digest(pg, LIVE)), [])
        self.assertEqual(self.kept(), [])

    def test_rows_written_after_the_snapshot_are_in_the_kept_database(self):
        self.sample()
        pg.sql(LIVE, "INSERT INTO public.settings (id, inserted_at, updated_at) VALUES (4711, now(), now())")
        assert_exit(self.ws.restore(LIVE, "latest"), 0)
        self.assertEqual(pg.scalar(LIVE, "SELECT count(*) FROM public.settings WHERE id = 4711"), "0")
        self.assertEqual(pg.scalar(self.kept()[0], "SELECT count(*) FROM public.settings WHERE id = 4711"), "1")

    def test_owner_grants_settings_limit_and_comment_of_the_live_database_survive_the_swap(self):
        self.sample()
        roles = ("restore_owner", "restore_reader")
        for role in roles:
            pg.sql("postgres", f"DROP ROLE IF EXISTS {role}", f"CREATE ROLE {role}")
        pg.sql("postgres", f"ALTER DATABASE {LIVE} OWNER TO restore_owner", f"REVOKE ALL ON DATABASE {LIVE} FROM PUBLIC",
               f"GRANT CONNECT ON DATABASE {LIVE} TO restore_reader WITH GRANT OPTION",
               "SET ROLE restore_reader", f"GRANT CONNECT ON DATABASE {LIVE} TO pg_monitor", "RESET ROLE",
               f"ALTER DATABASE {LIVE} SET search_path TO \"$user\", public, \"odd, name\"",
               f"ALTER DATABASE {LIVE} SET work_mem TO '5MB'", f"ALTER DATABASE {LIVE} SET teslamate.x TO 'it''s'",
               f"ALTER ROLE restore_reader IN DATABASE {LIVE} SET statement_timeout TO '7s'",
               f"ALTER DATABASE {LIVE} CONNECTION LIMIT 42", f"COMMENT ON DATABASE {LIVE} IS E'our \"car\"\\nü'")
        before = database_digest(pg, LIVE)
        assert_exit(self.ws.restore(LIVE, "latest"), 0)
        self.assertEqual(diff_digests(before, database_digest(pg, LIVE), ignore=("schema",)), [])
        pg.drop_db(LIVE)
        for name in self.kept():
            pg.drop_db(name)
        for role in roles:
            pg.sql("postgres", f"DROP ROLE {role}")

    def test_as_database_loads_beside_and_leaves_the_live_one_alone(self):
        before = self.sample()
        pg.sql(LIVE, "DELETE FROM public.charges WHERE id % 2 = 0")
        changed = database_digest(pg, LIVE)
        assert_exit(self.ws.restore(LIVE, "latest", "--as-database", "beside"), 0)
        self.assertEqual(diff_digests(before, database_digest(pg, "beside")), [])
        self.assertEqual(diff_digests(changed, database_digest(pg, LIVE)), [])
        has_left_nothing(self, self.ws)

    def test_in_place_without_createdb_brings_the_snapshot_back_and_first_saves_the_present(self):
        pg.sql("postgres", "DROP ROLE IF EXISTS plain", "CREATE ROLE plain LOGIN")
        pg.create_db("plain_db", "OWNER plain")
        pg.sql("plain_db", "ALTER SCHEMA public OWNER TO plain", "CREATE EXTENSION cube", "CREATE EXTENSION earthdistance")
        pg.sql("plain_db", "CREATE TYPE public.state AS ENUM ('on', 'off')",
               "CREATE TABLE public.a (id serial PRIMARY KEY, s public.state, n text)",
               "CREATE VIEW public.v AS SELECT n FROM public.a", "CREATE SCHEMA private",
               "CREATE TABLE private.b (a int REFERENCES public.a)",
               "CREATE FUNCTION public.f(int) RETURNS int LANGUAGE sql AS 'SELECT $1'",
               "INSERT INTO public.a (s, n) SELECT 'on', 'row ' || g FROM generate_series(1, 1000) g",
               "INSERT INTO private.b SELECT 1", user="plain")
        flags = [*pg.connection_flags("plain_db", user="plain"), "-r", str(self.ws.repository), "--state-dir", str(self.ws.state)]
        assert_exit(self.ws.run("teslamate-backup", *flags), 0)
        before = database_digest(pg, "plain_db")
        refused = assert_exit(self.ws.run("teslamate-restore", *flags, "--no-service", "--yes", "latest"), 16)
        self.assertIn("may not create databases", refused.err)
        self.assertIn("--in-place", refused.err)
        pg.sql("plain_db", "TRUNCATE public.a CASCADE", "CREATE TABLE public.later (x int)", user="plain")
        first = self.ws.snapshot_files()
        assert_exit(self.ws.run("teslamate-restore", *flags, "--no-service", "--yes", "--in-place", first[0].stem), 0)
        self.assertEqual(diff_digests(before, database_digest(pg, "plain_db")), [])
        self.assertEqual(len(self.ws.snapshot_files()), len(first) + 1)
        pg.drop_db("plain_db")
        pg.sql("postgres", "DROP ROLE plain")

    def test_a_password_over_tcp_reaches_pg_restore_without_argument_or_environment(self):
        with Cluster(tcp=True, password="p:w\\ 'x") as other, Workspace(other) as ws:
            other.load_sample(LIVE, positions=1000)
            before = database_digest(other, LIVE)
            env = {"DATABASE_PASS": other.password}
            flags = [*other.connection_flags(LIVE, tcp=True), "-r", str(ws.repository), "--state-dir", str(ws.state)]
            assert_exit(ws.run("teslamate-backup", *flags, env=env), 0)
            result = assert_exit(ws.run_traced("teslamate-restore", *flags, "--no-service", "--yes", "latest", env=env,
                                               trace="execve", strace_args=["-v", "-s", "10000"]), 0)
            self.assertEqual(diff_digests(before, database_digest(other, LIVE)), [])
            children = [line for line in result.trace.splitlines() if "pg_restore" in line]
            self.assertTrue(children)
            for line in children:
                self.assertNotIn("p:w", line)

    # -- going back

    def test_rollback_swaps_the_old_database_back_and_again_forward(self):
        self.sample()
        pg.sql(LIVE, "UPDATE public.cars SET name = 'later'")
        pg.sql("postgres", f"COMMENT ON DATABASE {LIVE} IS 'mine'")
        later = database_digest(pg, LIVE)
        assert_exit(self.ws.restore(LIVE, "latest"), 0)
        restored = database_digest(pg, LIVE)
        assert_exit(self.ws.restore(LIVE, "--rollback"), 0)
        self.assertEqual(diff_digests(later, database_digest(pg, LIVE)), [])
        self.assertEqual(len(self.kept()), 1)
        assert_exit(self.ws.restore(LIVE, "--rollback"), 0)
        self.assertEqual(diff_digests(restored, database_digest(pg, LIVE)), [])
        has_left_nothing(self, self.ws)

    def test_rollback_without_a_kept_database_is_21(self):
        self.sample(1000)
        assert_exit(self.ws.restore(LIVE, "--rollback"), 21)

    def test_abort_with_nothing_to_abort_is_0(self):
        self.sample(1000)
        assert_exit(self.ws.restore(LIVE, "--abort"), 0)

    def test_kept_databases_are_dropped_only_by_drop_kept_and_only_when_old(self):
        self.sample(1000)
        assert_exit(self.ws.restore(LIVE, "latest"), 0)
        assert_exit(self.ws.restore(LIVE, "--drop-kept"), 0)
        [kept] = self.kept()
        self.make_old(kept)
        pg.create_db(f"{LIVE}_before_somebody")
        assert_exit(self.ws.restore(LIVE, "--drop-kept"), 0)
        self.assertEqual(self.kept(), [f"{LIVE}_before_somebody"])

    def make_old(self, kept):
        comment = json.loads(pg.scalar("postgres", f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{kept}'"))
        comment["since"] = "2020-01-01T00:00:00Z"
        pg.sql("postgres", f"COMMENT ON DATABASE {quote_identifier(kept)} IS {quote_literal(json.dumps(comment, separators=(',', ':')))}")

    def two_old_ones(self):
        self.sample(1000)
        for _ in range(2):
            assert_exit(self.ws.restore(LIVE, "latest"), 0)
        kept = self.kept()
        self.assertEqual(len(kept), 2)
        for name in kept:
            self.make_old(name)
        return kept

    def test_no_to_one_kept_database_leaves_that_one(self):
        for answers in ("yn", "ny", "nn"):
            with self.subTest(answers=answers):
                kept = self.two_old_ones()
                with Terminal(self.ws, "teslamate-restore", *self.ws.target(LIVE), "--no-service", "--drop-kept") as terminal:
                    for answer in answers:
                        terminal.expect("for good? [y/N]")
                        terminal.type(answer + "\n")
                    code, shown = terminal.wait()
                self.assertEqual(code, 0, shown)
                self.assertEqual(len(self.kept()), answers.count("n"))
                for name in kept:
                    self.assertIn(("left " if name in self.kept() else "dropped ") + name, shown)
                for name in [LIVE, *self.kept()]:
                    pg.drop_db(name)

    def test_cut_off_after_a_kept_database_was_dropped_it_says_which(self):
        kept = self.two_old_ones()
        with Terminal(self.ws, "teslamate-restore", *self.ws.target(LIVE), "--no-service", "--drop-kept") as terminal:
            shown = terminal.expect("for good? [y/N]")
            first, second = sorted(kept, key=lambda name: f"Drop {name} " not in shown)
            terminal.type("y\n")
            terminal.expect(f"Drop {second} ")
            terminal.type("\x03")
            code, shown = terminal.wait()
        self.assertEqual(code, 130, shown)
        self.assertEqual(self.kept(), [second])
        self.assertIn(f"state: dropped {first}", shown)
        self.assertNotIn("nothing was changed", shown)

    def test_without_a_terminal_no_kept_database_is_dropped(self):
        kept = self.two_old_ones()
        result = assert_exit(self.ws.run("teslamate-restore", *self.ws.target(LIVE), "--no-service", "--drop-kept"), 22)
        self.assertIn("nothing was changed", result.err)
        self.assertEqual(self.kept(), kept)

    # -- looking first

    def test_dry_run_names_what_differs_and_touches_nothing(self):
        self.sample()
        pg.sql(LIVE, "DELETE FROM public.charges WHERE id % 2 = 0", "CREATE TABLE public.extra (x int)")
        before, oids = database_digest(pg, LIVE), pg.sql("postgres", "SELECT oid, datname FROM pg_database ORDER BY 1")
        result = assert_exit(self.ws.restore(LIVE, "latest", "--dry-run", "--json"), 0).json()
        tables = {t["name"]: t for t in result["differences"]["tables"]}
        live_rows = int(pg.scalar(LIVE, "SELECT count(*) FROM public.charges"))
        self.assertEqual(tables["charges"]["live_rows"], live_rows)
        self.assertGreater(tables["charges"]["snapshot_rows"], live_rows)
        self.assertIsNone(tables["extra"]["snapshot_rows"])
        self.assertTrue(result["differences"]["cars"])
        self.assertEqual(diff_digests(before, database_digest(pg, LIVE)), [])
        self.assertEqual(pg.sql("postgres", "SELECT oid, datname FROM pg_database ORDER BY 1"), oids)

    def test_without_a_terminal_and_without_yes_nothing_is_replaced(self):
        before = self.sample(1000)
        result = self.ws.run("teslamate-restore", *self.ws.target(LIVE), "--no-service", "latest")
        assert_exit(result, 22)
        self.assertEqual(diff_digests(before, database_digest(pg, LIVE)), [])
        has_left_nothing(self, self.ws)

    # -- what is refused, with nothing touched

    def refused(self, code, *args, text=None, before=None, staged=False):
        before = before or database_digest(pg, LIVE)
        oids = pg.sql("postgres", "SELECT oid, datname, shobj_description(oid, 'pg_database') FROM pg_database ORDER BY 1")
        log = len(pg.log_text())
        result = assert_exit(self.ws.restore(LIVE, *args), code)
        self.assertEqual("CREATE DATABASE" in pg.log_text()[log:], staged, "it was refused too late")
        if text:
            self.assertIn(text, result.err)
        self.assertIn("state:", result.err)
        self.assertEqual(diff_digests(before, database_digest(pg, LIVE)), [])
        self.assertEqual(pg.sql("postgres", "SELECT oid, datname, shobj_description(oid, 'pg_database') FROM pg_database ORDER BY 1"), oids)
        has_left_nothing(self, self.ws)
        return result

    def test_a_flipped_bit_in_any_object_is_13_before_anything_is_touched(self):
        before = self.sample(1000)
        for path in self.ws.object_files():
            with damaged(path):
                flip_bit(path, 8 * (path.stat().st_size // 2))
                self.refused(13, "latest", before=before)

    def test_rows_that_are_not_what_their_name_says_are_13_however_good_their_checksum(self):
        before = self.sample(1000)
        path, forged = forged_rows(self.ws.object_files())
        with damaged(path):
            overwrite(path, forged)
            text = "holds other content than its name says"
            self.refused(13, "latest", "--dry-run", text=text, before=before)
            self.refused(13, "latest", "--in-place", text=text, before=before)
            # Found while it is loaded beside the live database, and nothing is left of that.
            self.refused(13, "latest", text=text, before=before, staged=True)

    def test_a_missing_object_is_13(self):
        self.sample(1000)
        path = self.ws.object_files()[0]
        with damaged(path):
            path.unlink()
            self.refused(13, "latest")

    def test_a_snapshot_migrated_further_than_the_live_database_is_14(self):
        self.sample(1000)
        pg.sql(LIVE, "DELETE FROM public.schema_migrations WHERE version = (SELECT max(version) FROM public.schema_migrations)")
        self.refused(14, "latest", text="--allow-newer")
        assert_exit(self.ws.restore(LIVE, "latest", "--allow-newer"), 0)

    def test_an_older_snapshot_says_that_teslamate_will_migrate(self):
        self.sample(1000)
        pg.sql(LIVE, "INSERT INTO public.schema_migrations VALUES (20991231000000, now())")
        result = assert_exit(self.ws.restore(LIVE, "latest"), 0)
        self.assertIn("migrate", result.err)

    def test_a_missing_role_is_16_with_the_statement_that_makes_it(self):
        pg.create_db(LIVE)
        pg.sql("postgres", "CREATE ROLE \"gone role\"")
        pg.sql(LIVE, "CREATE TABLE public.t (x int)", "ALTER TABLE public.t OWNER TO \"gone role\"")
        assert_exit(self.ws.backup(LIVE), 0)
        pg.sql(LIVE, "DROP TABLE public.t")
        pg.sql("postgres", "DROP ROLE \"gone role\"")
        self.refused(16, "latest", text='CREATE ROLE "gone role"')

    def test_the_name_of_as_database_is_taken_is_22(self):
        self.sample(1000)
        pg.create_db("taken")
        self.refused(22, "latest", "--as-database", "taken")

    def test_a_prepared_transaction_in_the_live_database_is_22(self):
        with Cluster(settings={"max_prepared_transactions": "2"}) as other, Workspace(other) as ws:
            other.load_sample(LIVE, positions=1000)
            assert_exit(ws.backup(LIVE), 0)
            other.script(LIVE, "BEGIN; CREATE TABLE public.p (x int); PREPARE TRANSACTION 'held';")
            result = assert_exit(ws.restore(LIVE, "latest"), 22)
            self.assertIn("held", result.err)
            self.assertEqual([d for d in other.databases() if d.startswith(LIVE)], [LIVE])

    def test_the_servers_own_databases_are_never_replaced(self):
        self.sample(1000)
        assert_exit(self.ws.restore("postgres", "latest"), 22)

    def test_no_snapshot_of_that_name_is_21(self):
        self.sample(1000)
        assert_exit(self.ws.restore(LIVE, "20200101T000000Z-0000"), 21)

    # -- names of others

    def test_a_users_database_with_our_kind_of_name_is_left_alone(self):
        self.sample(1000)
        pg.create_db(f"{LIVE}_staging_abcd")
        pg.sql(f"{LIVE}_staging_abcd", "CREATE TABLE public.precious (x int)")
        now = pg.scalar("postgres", "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD\"T\"HH24MI')")
        pg.create_db(f"{LIVE}_before_{now}")
        assert_exit(self.ws.restore(LIVE, "latest"), 0)
        self.assertEqual(pg.scalar(f"{LIVE}_staging_abcd", "SELECT count(*) FROM public.precious"), "0")
        self.assertEqual(len(self.kept()), 2)
        pg.drop_db(f"{LIVE}_staging_abcd")

    def test_a_database_with_a_name_of_63_bytes_is_restored_and_rolled_back(self):
        name = "ü" * 30 + "abc"
        pg.create_db(name)
        pg.sql(name, "CREATE TABLE public.t AS SELECT 1 AS x")
        assert_exit(self.ws.backup(name), 0)
        pg.sql(name, "UPDATE public.t SET x = 2")
        assert_exit(self.ws.restore(name, "latest"), 0)
        self.assertEqual(pg.scalar(name, "SELECT x FROM public.t"), "1")
        assert_exit(self.ws.restore(name, "--rollback"), 0)
        self.assertEqual(pg.scalar(name, "SELECT x FROM public.t"), "2")


if __name__ == "__main__":
    unittest.main()
