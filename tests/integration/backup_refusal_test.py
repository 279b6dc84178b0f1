# SPDX-License-Identifier: MIT
"""What a backup refuses, and that it does so by name, in bounded time, and before it writes anything; and what it
does when the server, a signal or another session comes between."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
import unittest

from backup_checks import (backup, check_repository, differences, halted, manifest, our_backends, recovered, refused,
                           run_backup, temporary_files, wait_for)
from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests, free_port, tree_digest

ROWS = "CREATE TABLE t AS SELECT i AS id, md5(i::text) AS s FROM generate_series(1, 3000) AS i"
# Some 24 MB of text in few pages: its COPY is still going on when the first object (10 MB) is written.
LONG_ROWS = """CREATE TABLE long (id integer, v text); ALTER TABLE long ALTER v SET STORAGE EXTERNAL;
INSERT INTO long SELECT i, repeat(md5(i::text), 31250) FROM generate_series(1, 24) AS i"""
NO_SUCH_DATABASE = "there_is_no_such_database"


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster(settings={"max_prepared_transactions": "2"}, shared=True))

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.pg.drop_db("live")
        self.pg.create_db("live")
        self.pg.script("live", ROWS)


class WhatCannotBeCarried(Case):
    def refused(self, setup: str, *words: str, **keywords):
        self.pg.script("live", setup)
        result = refused(self.ws, "live", 16, *words, **keywords)
        self.assertEqual([], our_backends(self.pg))
        return result

    def test_extension_that_keeps_rows_of_its_own(self):
        self.refused("CREATE EXTENSION cube; CREATE TABLE owned (a integer); ALTER EXTENSION cube ADD TABLE owned",
                     "extension cube")

    def drop_subscription(self):
        """A database with a subscription cannot be dropped."""
        self.pg.sql("live", "ALTER SUBSCRIPTION sub SET (slot_name = NONE)", "DROP SUBSCRIPTION sub")

    def test_subscription(self):
        self.addCleanup(self.drop_subscription)
        self.refused("CREATE SUBSCRIPTION sub CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)",
                     "subscription sub")

    def test_everything_that_is_in_the_way_is_named_at_once(self):
        self.addCleanup(self.drop_subscription)
        self.refused("CREATE EXTENSION cube; CREATE TABLE owned (a integer); ALTER EXTENSION cube ADD TABLE owned;"
                     "CREATE SUBSCRIPTION sub CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)",
                     "extension cube", "subscription sub")

    def test_a_table_that_the_role_may_not_read(self):
        self.role("CREATE TABLE \"secret one\" (a integer); GRANT SELECT ON t TO reader")
        self.refused("", "secret one", connection={"user": "reader"})

    def test_a_table_of_which_the_role_may_read_one_column(self):
        self.role("GRANT SELECT (id) ON t TO reader")
        self.refused("", "table t", connection={"user": "reader"})

    def test_a_sequence_that_the_role_may_not_read(self):
        self.role("GRANT SELECT ON t TO reader; CREATE SEQUENCE counter")
        self.refused("", "counter", connection={"user": "reader"})

    def test_a_schema_that_the_role_may_not_use(self):
        self.role("GRANT SELECT ON t TO reader; CREATE SCHEMA hidden; CREATE TABLE hidden.h (a integer);"
                  "GRANT SELECT ON hidden.h TO reader")
        self.refused("", "hidden", connection={"user": "reader"})

    def test_row_level_security_that_would_hide_rows(self):
        self.role("GRANT SELECT ON t TO reader; ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
                  "CREATE POLICY p ON t USING (id < 10)")
        self.refused("", "table public.t", "row level security", connection={"user": "reader"})

    def test_row_level_security_forced_on_the_owner(self):
        self.role("ALTER TABLE t OWNER TO reader; ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
                  "ALTER TABLE t FORCE ROW LEVEL SECURITY")
        self.refused("", "table public.t", "row level security", connection={"user": "reader"})

    def role(self, setup: str):
        self.pg.script("live", "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN;" + setup)
        self.addCleanup(lambda: (self.pg.drop_db("live"), self.pg.sql("postgres", "DROP ROLE reader")))

    def test_an_error_in_the_middle_of_a_table_names_the_table(self):
        self.pg.script("live", "CREATE TYPE broken AS ENUM ('a', 'b'); CREATE TABLE unreadable AS SELECT "
                               "CASE WHEN i < 1500 THEN 'a' ELSE 'b' END::broken FROM generate_series(1, 3000) AS i;"
                               "SET allow_system_table_mods = on; DELETE FROM pg_enum WHERE enumlabel = 'b'")
        result = assert_exit(self.ws.backup("live"), 16)
        self.assertIn("unreadable", result.err)
        self.assertEqual([], self.ws.snapshot_files())


class ReadOnlyRole(Case):
    def test_pg_read_all_data_alone_is_enough(self):
        self.pg.script("live", "DROP ROLE IF EXISTS onlooker; CREATE ROLE onlooker LOGIN; GRANT pg_read_all_data TO onlooker;"
                               "CREATE SCHEMA s; CREATE TABLE s.private AS SELECT 1 AS a; CREATE SEQUENCE s.q;"
                               "CREATE MATERIALIZED VIEW s.m AS SELECT 1 AS x; CREATE EXTENSION cube")
        backup(self.ws, "live", connection={"user": "onlooker"})
        self.pg.sql("live", "INSERT INTO t VALUES (-1, 'x')")
        second = backup(self.ws, "live", connection={"user": "onlooker"})
        self.assertGreater(sum(t["unchanged"] for t in second["tables"]), 0)
        self.assertEqual([], differences(self.pg, self.ws, "live"))


class SettingsOfTheRole(Case):
    def test_settings_and_shadowing_functions_change_no_byte(self):
        self.pg.script("live", """
            CREATE TABLE v AS SELECT '2026-01-02 03:04:05.678901+00'::timestamptz AS at, '1 day -2:03'::interval AS i,
              0.1::float8 + 0.2 AS f, '\\x00ff'::bytea AS b, 12.5::money AS m, '<a/>'::xml AS x, '3.5'::real AS r,
              '0044-03-15 BC'::date AS d;
            DROP ROLE IF EXISTS odd; CREATE ROLE odd LOGIN SUPERUSER;
            CREATE SCHEMA evil;
            CREATE TABLE evil.done (what text);
            CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
            CREATE FUNCTION evil.count() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
            CREATE FUNCTION evil.pg_export_snapshot() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
            CREATE FUNCTION evil.hashtidextended(tid, bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
            CREATE FUNCTION evil.age(xid) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
            CREATE FUNCTION evil.less(tid, tid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
            CREATE OPERATOR evil.>= (FUNCTION = evil.less, LEFTARG = tid, RIGHTARG = tid);
            CREATE VIEW evil.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE false;
            CREATE VIEW evil.pg_namespace AS SELECT * FROM pg_catalog.pg_namespace WHERE false;
            """)
        self.addCleanup(lambda: (self.pg.drop_db("live"), self.pg.sql("postgres", "DROP ROLE odd")))
        plain = backup(self.ws, "live")
        expected = manifest(self.ws.snapshot_files()[-1])["tables"]
        self.pg.script("live", """
            ALTER ROLE odd SET datestyle = 'German, DMY'; ALTER ROLE odd SET extra_float_digits = -10;
            ALTER ROLE odd SET timezone = 'Asia/Kathmandu'; ALTER ROLE odd SET bytea_output = 'escape';
            ALTER ROLE odd SET intervalstyle = 'sql_standard'; ALTER ROLE odd SET lc_monetary = 'C';
            ALTER ROLE odd SET statement_timeout = '50ms'; ALTER ROLE odd SET lock_timeout = '1ms';
            ALTER ROLE odd SET idle_in_transaction_session_timeout = '50ms'; ALTER ROLE odd SET idle_session_timeout = '50ms';
            ALTER ROLE odd SET search_path = evil, pg_catalog; ALTER ROLE odd SET client_encoding = 'LATIN1';
            ALTER ROLE odd SET default_transaction_read_only = on; ALTER ROLE odd SET xmlbinary = 'hex';
            ALTER ROLE odd SET default_transaction_isolation = 'serializable'; ALTER ROLE odd SET row_security = on;
            ALTER ROLE odd SET standard_conforming_strings = off; ALTER ROLE odd SET quote_all_identifiers = on;
            ALTER ROLE odd SET array_nulls = off; ALTER ROLE odd SET enable_tidscan = off;
            ALTER DATABASE live SET datestyle = 'SQL, MDY'; ALTER DATABASE live SET synchronize_seqscans = on;
            """)
        odd = backup(self.ws, "live", "--full", connection={"user": "odd"})
        self.assertEqual(plain["read_bytes"], odd["read_bytes"])
        self.assertEqual(expected, manifest(self.ws.snapshot_files()[-1])["tables"])

    def test_the_environment_of_the_caller_changes_no_byte(self):
        self.pg.script("live", "CREATE TABLE v AS SELECT '2026-01-02 03:04:05+00'::timestamptz AS at, 1.5::float8 AS f, 'ı'::text")
        backup(self.ws, "live")
        expected = manifest(self.ws.snapshot_files()[-1])["tables"]
        odd = {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "PGTZ": "Asia/Tokyo", "PGDATESTYLE": "German",
               "PGCLIENTENCODING": "LATIN1", "PGOPTIONS": "-c extra_float_digits=-5 -c search_path=pg_temp",
               "PGDATABASE": "postgres", "PGUSER": "nobody", "PGHOST": "/nowhere"}
        backup(self.ws, "live", "--full", env=odd)
        self.assertEqual(expected, manifest(self.ws.snapshot_files()[-1])["tables"])


class Locks(Case):
    def test_a_table_locked_by_another_session_is_refused_naming_its_pid_and_query(self):
        with self.pg.session("live") as other:
            other.run("BEGIN; ALTER TABLE t ADD COLUMN waits integer")
            began = time.monotonic()
            refused(self.ws, "live", 16, f"pid {other.pid}", "ALTER TABLE t ADD COLUMN waits", "55P03")
            self.assertLess(time.monotonic() - began, 30)
            other.run("ROLLBACK")
        backup(self.ws, "live")

    def test_a_prepared_transaction_that_holds_a_lock_is_refused(self):
        self.pg.script("live", "BEGIN; TRUNCATE t; PREPARE TRANSACTION 'left lying'")
        try:
            refused(self.ws, "live", 16, "prepared transaction")
        finally:
            self.pg.sql("live", "ROLLBACK PREPARED 'left lying'")

    def test_a_locked_sequence_is_refused_in_bounded_time(self):
        self.pg.sql("live", "CREATE SEQUENCE counter")
        with self.pg.session("live") as other:
            other.run("BEGIN; ALTER SEQUENCE counter RENAME TO renamed")
            result = assert_exit(self.ws.backup("live", timeout=40), 16)
            self.assertIn("55P03", result.err)
            self.assertEqual([], self.ws.snapshot_files())
        self.assertEqual([], our_backends(self.pg))

    def test_a_change_of_definition_that_waits_behind_us_ends_neither_run_in_a_deadlock(self):
        with self.pg.session("live") as other, halted(self.ws, "live") as run:
            other.send("ALTER TABLE t ADD COLUMN late integer DEFAULT 7; SELECT 'altered'")
            wait_for(lambda: self.pg.sql("live", "SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
                                         f" AND pid = {other.pid}"), "the ALTER waits for our lock")
            result = run.go_on()
            # Read before the change, or refused: never something in between, never for ever.
            self.assertIn(result.code, (0, 16), result.text())
            other.run("SELECT 1")
        self.assertEqual("7", self.pg.scalar("live", "SELECT max(late) FROM t"))
        backup(self.ws, "live")
        self.assertEqual([], differences(self.pg, self.ws, "live"))

    def test_rows_changed_while_we_read_are_as_they_were_at_the_snapshot(self):
        expected = database_digest(self.pg, "live")
        with halted(self.ws, "live") as run:
            self.pg.sql("live", "UPDATE t SET s = 'later'", "INSERT INTO t VALUES (-1, 'later')", "VACUUM t")
            assert_exit(run.go_on(), 0)
        with recovered(self.pg, self.ws.repository, "live") as copy:
            self.assertEqual([], diff_digests(expected, database_digest(self.pg, copy), ignore=("database",)))
        backup(self.ws, "live")
        self.assertEqual([], differences(self.pg, self.ws, "live"))

    def test_a_truncate_between_the_listing_and_the_lock_is_never_read_as_an_empty_table(self):
        backup(self.ws, "live")
        # Which of the main thread's messages to the server is the LOCK?
        traced = assert_exit(self.ws.run_traced("teslamate-backup", *self.ws.target("live"), "--dry-run", trace="sendto",
                                                strace_args=["-b", "execve", "-s", "300"]), 0)
        sent = [line.split(None, 1) for line in traced.trace.splitlines() if "sendto(" in line]
        mine = [text for thread, text in sent if thread == sent[0][0]]
        number = next(i for i, text in enumerate(mine, 1) if "LOCK TABLE" in text)
        wrap = ["strace", "-f", "-qq", "-b", "execve", "-o", "/dev/null", "-e", "trace=sendto", "-e",
                f"inject=sendto:delay_enter=3000000:when={number}"]
        run = self.ws.start("teslamate-backup", *self.ws.target("live"), wrap=wrap)
        wait_for(lambda: self.pg.sql("live", "SELECT 1 FROM pg_stat_activity WHERE application_name = 'teslamate-backup' AND "
                                     "state = 'idle in transaction' AND clock_timestamp() - state_change > interval '0.3 s'"),
                 "it is about to lock", alive=run)
        self.pg.sql("live", "TRUNCATE t", "INSERT INTO t VALUES (1, 'after the truncate')")
        assert_exit(run.wait(), 0)
        self.assertEqual([], differences(self.pg, self.ws, "live"))

    # Renaming an enum label or a schema takes no lock on the tables that use it, and what prints or names them
    # looks at the catalogs of the moment, not at those of the snapshot.

    def assert_read_again(self, run):
        """What is kept is the database as it is after the change, all of it."""
        result = assert_exit(run.go_on(), 0)
        self.assertIn("were changed while they were being read: reading again", result.err)
        with recovered(self.pg, self.ws.repository, "live") as copy:
            self.assertEqual([], diff_digests(database_digest(self.pg, "live"), database_digest(self.pg, copy),
                                              ignore=("database",)))

    def test_schemas_that_swap_their_names_while_we_read(self):
        self.pg.script("live", "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.v AS SELECT 1 AS x; CREATE TABLE b.v AS SELECT 2 AS x;"
                               "INSERT INTO t SELECT i, 'more' FROM generate_series(1, 40000) AS i")
        with halted(self.ws, "live") as run:
            self.pg.sql("live", "ALTER SCHEMA a RENAME TO c", "ALTER SCHEMA b RENAME TO a", "ALTER SCHEMA c RENAME TO b")
            self.assert_read_again(run)

    def test_an_enum_value_renamed_while_we_read(self):
        self.pg.script("live", "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE moods AS SELECT 'a'::mood AS m;"
                               "INSERT INTO t SELECT i, 'more' FROM generate_series(1, 40000) AS i")
        with halted(self.ws, "live") as run:
            self.pg.sql("live", "ALTER TYPE mood RENAME VALUE 'a' TO 'z'")
            self.assert_read_again(run)

    def test_a_database_that_is_changed_all_the_time_is_refused(self):
        self.pg.script("live", "INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 100000) AS i")
        over = threading.Event()

        def change() -> None:
            number = 0
            while not over.wait(0.005):
                number += 1
                self.pg.sql("live", f"CREATE OR REPLACE VIEW restless AS SELECT {number} AS n")

        changing = threading.Thread(target=change)
        changing.start()
        try:
            result = assert_exit(self.ws.backup("live"), 16)
        finally:
            over.set()
            changing.join()
        self.assertEqual([], self.ws.snapshot_files())
        self.assertEqual(2, result.err.count("reading again"))
        self.assertIn("when the migration is done", result.err)

    def test_a_second_run_is_locked_out_at_once_also_while_the_first_is_suspended(self):
        before = tree_digest(self.ws.repository)
        self.assertEqual({}, before)
        with halted(self.ws, "live") as run:
            there = tree_digest(self.ws.repository)
            second = assert_exit(self.ws.backup("live", timeout=20), 11)
            self.assertLess(second.seconds, 10)
            self.assertIn("another run", second.err)
            self.assertEqual(there, tree_digest(self.ws.repository))
            assert_exit(run.go_on(), 0)
        backup(self.ws, "live")


class RepositoryFolder(Case):
    """Refused before the database is touched: the database named here does not exist."""

    def refused(self, code: int, path, *words: str, **keywords):
        result = assert_exit(self.ws.run("teslamate-backup", *self.pg.connection_flags(NO_SUCH_DATABASE), "-r", path,
                                         timeout=20, **keywords), code)
        for word in words:
            self.assertIn(word, result.err)
        self.assertNotIn(NO_SUCH_DATABASE, result.err)

    def test_a_file(self):
        path = self.ws.folder / "file"
        path.write_text("mine")
        self.refused(17, path, "not a folder")
        self.assertEqual("mine", path.read_text())

    def test_a_fifo(self):
        path = self.ws.folder / "fifo"
        os.mkfifo(path)
        self.refused(17, path, "not a folder")

    def test_a_folder_with_other_things(self):
        path = self.ws.folder / "documents"
        path.mkdir()
        (path / "letter.txt").write_text("mine")
        before = tree_digest(path)
        self.refused(10, path, "letter.txt")
        self.assertEqual(before, tree_digest(path))

    def test_a_folder_whose_parent_is_missing(self):
        result = self.ws.run("teslamate-backup", *self.pg.connection_flags(NO_SUCH_DATABASE), "-r",
                             self.ws.folder / "none" / "repository")
        self.assertIn(result.code, (10, 17), result.text())
        self.assertFalse((self.ws.folder / "none").exists())

    def test_a_repository_of_a_newer_version(self):
        backup(self.ws, "live")
        path = self.ws.repository / "format.json"
        body = path.read_bytes().rpartition(b'  "sha256"')[0].replace(b'"version":1', b'"version":2')
        self.assertIn(b'"version":2', body)
        path.chmod(0o600)
        path.write_bytes(body + b'  "sha256": "' + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n')
        before = tree_digest(self.ws.repository)
        self.refused(14, self.ws.repository, "version 2")
        self.assertEqual(before, tree_digest(self.ws.repository))

    def test_a_damaged_format_file(self):
        backup(self.ws, "live")
        path = self.ws.repository / "format.json"
        path.chmod(0o600)
        path.write_bytes(path.read_bytes().replace(b"1", b"7", 1))
        self.refused(13, self.ws.repository, "format.json")

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to run as a user who may not write")
    def test_a_folder_that_the_user_may_not_write(self):
        backup(self.ws, "live")
        for path in [self.ws.folder, self.ws.state, self.ws.home, *self.ws.repository.rglob("*"), self.ws.repository]:
            path.chmod(0o755 if path.is_dir() else 0o444)
        self.ws.config.chmod(0o644)
        for path in (self.ws.state, self.ws.home):
            shutil.chown(path, "nobody")
        self.refused(17, self.ws.repository, user="nobody")

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to mount")
    def test_a_read_only_file_system(self):
        backup(self.ws, "live")
        script = (f"mount --bind {self.ws.repository} {self.ws.repository} && "
                  f"mount -o remount,bind,ro {self.ws.repository} && exec \"$@\"")
        running = self.ws.start("teslamate-backup", *self.pg.connection_flags(NO_SUCH_DATABASE), "-r", self.ws.repository,
                                wrap=["unshare", "-m", "sh", "-c", script, "sh"])
        result = assert_exit(running.wait(30), 17)
        self.assertNotIn(NO_SUCH_DATABASE, result.err)

    def test_folders_and_files_are_private_whatever_the_umask_says(self):
        running = self.ws.start("teslamate-backup", *self.ws.target("live"), wrap=["sh", "-c", 'umask 000; exec "$@"', "sh"])
        assert_exit(running.wait(), 0)
        for path in self.ws.repository.rglob("*"):
            self.assertEqual(0, path.stat().st_mode & 0o077, path)

    def test_a_symbolic_link_in_place_of_an_object_is_replaced_and_its_target_untouched(self):
        backup(self.ws, "live")
        path = next(p for p in self.ws.object_files())
        target = self.ws.folder / "target"
        target.write_text("mine")
        path.unlink()
        path.symlink_to(target)
        result = self.ws.backup("live", "--full")
        self.assertIn(result.code, (3, 17), result.text())
        self.assertEqual("mine", target.read_text())


class RoomOnTheDisk(Case):
    def free_mib(self) -> int:
        disk = os.statvfs(self.ws.repository)
        return disk.f_bavail * disk.f_frsize >> 20

    def test_what_is_to_stay_free_stays_free(self):
        assert_exit(self.ws.backup("live"), 0)
        self.pg.sql("live", "UPDATE t SET s = 'x'")
        self.ws.config.write_text(f"[repository]\nmin_free_mib = {self.free_mib() + 1024}\n")
        refused(self.ws, "live", 17, "stay free", "min_free_mib", "prune --now")
        self.assertEqual(1, len(self.ws.snapshots("list", "--json").json()["snapshots"]))
        self.ws.config.write_text("[repository]\nmin_free_mib = 1\n")
        assert_exit(self.ws.backup("live"), 0)
        self.assertEqual(2, len(self.ws.snapshot_files()))

    def test_it_is_looked_at_before_each_object_and_for_imports_too(self):
        self.pg.script("live", "CREATE TABLE noise AS SELECT i, string_agg(md5((i * 1000 + j)::text), '') AS v"
                               " FROM generate_series(1, 500) AS i, generate_series(1, 1000) AS j GROUP BY i")
        file = self.ws.folder / "a.tmb"
        assert_exit(self.ws.run("teslamate-backup", *self.pg.connection_flags("live"), file), 0)
        disk = self.ws.folder / "disk"
        disk.mkdir(mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        self.ws.repository = disk / "repository"
        self.ws.config.write_text("[repository]\nmin_free_mib = 20\n")
        result = assert_exit(self.ws.backup("live", "--init"), 17)
        self.assertIn("stay free", result.err)
        self.assertEqual([], self.ws.snapshot_files())
        self.assertGreater(self.free_mib(), 18)
        result = assert_exit(self.ws.snapshots("import", file), 17)
        self.assertIn("stay free", result.err)
        self.assertEqual([], self.ws.snapshot_files())


class AnEmptyFolder(Case):
    def test_it_stays_empty_where_the_settings_say_so(self):
        self.ws.config.write_text("[repository]\ninitialize = false\n")
        result = assert_exit(self.ws.backup("live"), 10)
        self.assertIn("initialize = false", result.err)
        self.assertEqual([], list(self.ws.repository.iterdir()))
        assert_exit(self.ws.backup("live", "--init"), 0)
        assert_exit(self.ws.backup("live"), 0)


class Connecting(Case):
    def test_no_server_no_database_no_role(self):
        refused(self.ws, "live", 15, connection={"host": "/tmp/no such folder"})
        refused(self.ws, NO_SUCH_DATABASE, 15, NO_SUCH_DATABASE)
        refused(self.ws, "live", 15, "nobody_at_all", connection={"user": "nobody_at_all"})

    def test_a_tag_that_is_not_text_is_wrong_usage_or_kept(self):
        result = self.ws.run("teslamate-backup", *self.ws.target("live"), "--tag", os.fsdecode(b"caf\xe9"))
        self.assertIn(result.code, (0, 2), result.text())

    @unittest.skipUnless(shutil.which("pgbouncer"), "pgbouncer is not installed")
    def test_transaction_pooling_is_refused(self):
        folder = self.ws.folder / "bouncer"
        folder.mkdir(mode=0o755)
        self.ws.folder.chmod(0o755)
        port = free_port()
        (folder / "ini").write_text(
            f"[databases]\n* = host={self.pg.socket} port={self.pg.port} user={self.pg.superuser}\n[pgbouncer]\n"
            f"listen_port = {port}\nlisten_addr = 127.0.0.1\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
            "ignore_startup_parameters = extra_float_digits,options\nmax_client_conn = 50\n")
        as_user = {"user": "nobody"} if os.geteuid() == 0 else {}
        bouncer = subprocess.Popen(["pgbouncer", "-q", folder / "ini"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, cwd="/", **as_user)
        try:
            through = {"host": "127.0.0.1", "port": str(port)}
            wait_for(lambda: subprocess.run(["psql", "-Atc", "SELECT 1", "-h", "127.0.0.1", "-p", str(port), "live"],
                                            capture_output=True).returncode == 0, "pgbouncer is up")
            result = run_backup(self.ws, "live", connection=through)
            self.assertIn(result.code, (16, 22), result.text())
            self.assertIn("pooler", result.err)
            self.assertEqual([], self.ws.object_files())
        finally:
            bouncer.terminate()
            bouncer.wait()


class Interrupted(Case):
    def setUp(self):
        super().setUp()
        self.pg.script("live", LONG_ROWS)
        backup(self.ws, "live")
        self.pg.sql("live", "UPDATE long SET v = md5(random()::text) || v")
        self.before = tree_digest(self.ws.repository / "snapshots")

    def ended(self, result, *codes: int):
        self.assertIn(result.code, codes, result.text())
        self.assertEqual(self.before, tree_digest(self.ws.repository / "snapshots"), result.text())
        self.assertEqual([], temporary_files(self.ws.repository))
        wait_for(lambda: not our_backends(self.pg), "no session of ours is left", seconds=10)
        backup(self.ws, "live")
        check_repository(self.ws.repository, at_rest=True)
        self.assertEqual([], differences(self.pg, self.ws, "live"))

    def copying(self) -> int:
        """The pid of our backend that is in the middle of a COPY."""
        return int(wait_for(lambda: self.pg.sql("live", "SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY %'"
                                                " AND state = 'active' AND application_name = 'teslamate-backup'"),
                            "a COPY runs")[0][0])

    def test_signals(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(number), halted(self.ws, "live") as run:
                self.copying()
                os.kill(run.pid, number)
                self.ended(run.go_on(), code)
            self.pg.sql("live", "UPDATE long SET v = md5(random()::text) || v")
            self.before = tree_digest(self.ws.repository / "snapshots")

    def test_a_signal_while_waiting_for_a_lock(self):
        with self.pg.session("live") as other:
            other.run("BEGIN; LOCK TABLE t")
            run = self.ws.start("teslamate-backup", *self.ws.target("live"))
            wait_for(lambda: self.pg.sql("live", "SELECT 1 FROM pg_locks WHERE NOT granted"), "it waits", alive=run)
            run.signal(signal.SIGTERM)
            result = run.wait(20)
        self.ended(result, 143)

    def test_a_backend_cancelled_in_the_middle_of_copy(self):
        with halted(self.ws, "live") as run:
            self.pg.sql("postgres", f"SELECT pg_cancel_backend({self.copying()})")
            self.ended(run.go_on(), 16)

    def test_a_backend_terminated_in_the_middle_of_copy(self):
        with halted(self.ws, "live") as run:
            self.pg.sql("postgres", f"SELECT pg_terminate_backend({self.copying()})")
            self.ended(run.go_on(), 15, 16)

    def test_the_coordinator_that_owns_the_snapshot_terminated(self):
        with halted(self.ws, "live") as run:
            worker = self.copying()
            self.pg.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
                        f"{worker} AND application_name = 'teslamate-backup'")
            self.ended(run.go_on(), 15, 16)

    def test_the_server_stopped_and_started_in_the_middle_of_copy(self):
        for mode in ("fast", "immediate", "kill"):
            with self.subTest(mode), halted(self.ws, "live") as run:
                self.copying()
                self.pg.restart(mode)
                self.ended(run.go_on(), 15, 16)
            self.pg.sql("live", "UPDATE long SET v = md5(random()::text) || v")
            self.before = tree_digest(self.ws.repository / "snapshots")

    def test_the_database_dropped_in_the_middle_of_copy(self):
        self.pg.create_db("keep", "TEMPLATE live")
        with halted(self.ws, "live") as run:
            self.copying()
            self.pg.drop_db("live")
            self.pg.sql("postgres", "ALTER DATABASE keep RENAME TO live")
            self.ended(run.go_on(), 15, 16)

    def test_sigkill_leaves_no_session_and_no_lock(self):
        with halted(self.ws, "live") as run:
            self.copying()
            os.kill(run.pid, signal.SIGKILL)
            run.running.wait()
        self.assertNotEqual([], temporary_files(self.ws.repository))
        self.assertEqual(self.before, tree_digest(self.ws.repository / "snapshots"))
        wait_for(lambda: not our_backends(self.pg), "no session of ours is left", seconds=10)
        backup(self.ws, "live")
        check_repository(self.ws.repository, at_rest=True)

    def test_closed_stdout_and_stderr_do_not_undo_the_snapshot(self):
        running = self.ws.start("teslamate-backup", *self.ws.target("live"), wrap=["sh", "-c", 'exec "$@" >&- 2>&-', "sh"])
        result = running.wait()
        self.assertIn(result.code, (0, 17), result.text())
        check_repository(self.ws.repository, at_rest=True)
        self.assertEqual(2, len(self.ws.snapshot_files()))


if __name__ == "__main__":
    unittest.main()
