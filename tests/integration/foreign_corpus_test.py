# SPDX-License-Identifier: MIT
"""Bad and hostile files given to teslamate-restore: each has its code and its message, none touches the live
database, a canary file or a canary object, and none is loaded even in part. tests/bench/bad_files.py shows what
psql and pg_restore do with the same files."""

import bz2
import gzip
import io
import json
import lzma
import random
import tarfile
import unittest
import zipfile

from harness import *

LIVE = "teslamate"
HEAD = b"""--
-- PostgreSQL database dump
--

-- Dumped from database version 15.14
-- Dumped by pg_dump version 15.14

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;

"""
TABLE = b"""CREATE TABLE public.evil (a text);
COPY public.evil (a) FROM stdin;
one
two
\\.

"""
MIGRATED = b"CREATE TABLE public.schema_migrations (version bigint);\nCOPY public.schema_migrations (version) FROM stdin;\n20190330150000\n\\.\n"
TAIL = b"""--
-- PostgreSQL database dump complete
--

"""


def plain(extra=b"", *, table=TABLE, tail=TAIL, head=HEAD, behind=b""):
    """A dump like pg_dump's with something more in it: in front of its tables, or behind them."""
    return head + extra + table + behind + tail


def tar_of(*members, fmt=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as tar:
        for member in members:
            if isinstance(member, tuple):
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
            else:
                tar.addfile(member)
    return out.getvalue()


def tar_header(name, size):
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


def tar_link(name, kind, target="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def zip_of(*members, comment=b""):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in members:
            z.writestr(name, data)
        z.comment = comment
    return out.getvalue()


def tracearr(metadata=None, dump=b"PGDMP", extra=()):
    good = {"format": 1, "createdAt": "2026-01-01T00:00:00Z", "app": {"version": "1.0.0", "commit": "", "tag": ""},
            "database": {"pgVersion": "15.14", "migrationCount": 1, "latestMigration": "x", "tableCount": 1,
                         "databaseSize": 1, "timescaleVersion": "unknown", "timescaleToolkitVersion": None},
            "counts": {}}
    text = metadata if isinstance(metadata, (bytes, str)) else json.dumps(good | (metadata or {}), indent=2)
    return zip_of(("metadata.json", text), ("database.dump", dump), *extra)


def flipped(data, seed, count=1):
    out = bytearray(data)
    for bit in random.Random(seed).sample(range(8 * len(out)), count):
        out[bit // 8] ^= 1 << (bit % 8)
    return bytes(out)


def corpus(good_plain, good_custom, good_tar, canary):
    """name: (bytes, code, part of the message). `canary` is a path that must never come to be."""
    c = str(canary).encode()
    gz = gzip.compress(good_plain, 6)
    cut = good_plain.index(b"COPY public.positions ") + 60_000
    function = b"CREATE FUNCTION public.f() RETURNS %b LANGUAGE %b AS %b;\n"
    files = {
        # nothing, or something else
        "empty": (b"", 13, "is empty"),
        "empty in gzip": (gzip.compress(b""), 13, "empty file"),
        "zeros": (bytes(8192), 13, "zeros"),
        "random bytes": (random.Random(1).randbytes(8192), 13, "no dump"),
        "some text": (b"Dear diary,\n\ntoday I drove.\n", 13, "no dump of PostgreSQL"),
        "a web page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", 13, "web page"),
        "the error of docker": (b"Error response from daemon: No such container: database\n", 13, "Docker"),
        "the error of pg_dump": (b"pg_dump: error: connection to server failed\n", 13, "pg_dump"),
        "utf-16 of PowerShell": (b"\xff\xfe" + good_plain.decode("utf-8", "replace").encode("utf-16-le"), 13, "UTF-16"),
        "mysql": (b"-- MySQL dump 10.13  Distrib 8.0\n--\nCREATE TABLE `a` (`b` int);\n", 13, "MySQL"),
        "sqlite": (b"SQLite format 3\x00" + bytes(100), 13, "SQLite"),
        "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(100), 13, "7z"),
        "rar": (b"Rar!\x1a\x07\x00" + bytes(100), 13, "RAR"),
        "lz4": (b"\x04\x22\x4d\x18" + bytes(100), 13, "lz4"),
        "age": (b"age-encryption.org/v1\n-> scrypt x\n", 13, "age"),
        # cut off, damaged, joined
        "cut in the rows": (good_plain[:cut], 13, "in the middle of the rows"),
        "cut in a statement": (good_plain[:good_plain.index(b"CREATE TABLE") + 20], 13, "in the middle of a statement"),
        "cut before the last line": (good_plain[:good_plain.rindex(b"-- PostgreSQL database dump complete")], 13, "incomplete"),
        "cut in gzip": (gz[:len(gz) // 2], 13, "ends too early"),
        "gzip without its sum": (gz[:-8], 13, "ends too early"),
        "gzip with a wrong sum": (gz[:-8] + bytes([gz[-8] ^ 1]) + gz[-7:], 13, "damaged"),
        "gzip with a flipped bit": (flipped(gz[:40] + gz[40:], 3), 13, ""),
        "gzip with something behind": (gz + b"garbage", 13, "follows its end"),
        "two dumps joined": (good_plain + good_plain, 13, "two files were joined"),
        "something behind the end": (good_plain + b"SELECT pg_sleep(0);\n", 13, "follows the end"),
        "custom cut in half": (good_custom[:len(good_custom) // 2], 13, "pg_restore"),
        "custom cut at its end": (good_custom[:-3], 13, "pg_restore"),
        "custom of the future": (good_custom[:5] + b"\x63" + good_custom[6:], 14, "newer pg_dump"),
        "custom of nothing": (b"PGDMP", 13, "pg_restore"),
        "custom of lies": (b"PGDMP\x01\x0e\x00\x04\x08\x01" + b"\xff" * 200, 13, ""),
        "tar dump cut": (good_tar[:len(good_tar) // 2], 13, "tar is damaged"),
        "a row too short": (plain(MIGRATED, table=b"CREATE TABLE public.t (a int, b int);\nCOPY public.t (a, b) FROM stdin;\n1\n\\.\n"), 16, "public.t"),
        "rows for a table that is not made": (HEAD + b"COPY public.other (a) FROM stdin;\n1\n\\.\n" + TAIL, 22, "does not make that table"),
        "no table at all": (HEAD + TAIL, 13, "no table"),
        "tables without rows": (HEAD + b"CREATE TABLE public.t (a int);\n" + TAIL, 22, "replace all data by nothing"),
        "a table made twice": (plain(b"CREATE TABLE public.evil (a text);\n"), 13, "made twice"),
        "unique violated": (plain(MIGRATED, table=b"CREATE TABLE public.t (a int);\nCOPY public.t (a) FROM stdin;\n1\n1\n\\.\n"
                                  b"ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (a);\n"), 16, "23505"),
        "not utf-8": (plain(MIGRATED, table=TABLE.replace(b"one", b"\xff\xfe")), 16, "22021"),
        "a byte zero": (plain(b"CREATE TABLE public.z\x00 (a int);\n"), 13, ""),
        # of another time
        "newer server": (good_plain.replace(b"database version 15", b"database version 99", 1), 14, "older"),
        "no migrations": (plain(table=b"CREATE TABLE public.schema_migrations (version bigint);\nCOPY public.schema_migrations (version) FROM stdin;\n\\.\n" + TABLE),
                          22, "schema_migrations is missing or empty"),
        "of another program": (plain(), 22, "schema_migrations is missing or empty"),
        "newer migrations": (plain(table=b"CREATE TABLE public.schema_migrations (version bigint, inserted_at timestamp);\n"
                                   b"COPY public.schema_migrations (version, inserted_at) FROM stdin;\n99990101000000\t2026-01-01 00:00:00\n\\.\n"),
                             14, "--allow-newer"),
        "an extension that is not here": (plain(b"CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public;\n"), 14, "timescaledb"),
        "an encoding that hides quotes": (plain(b"SET client_encoding = 'JOHAB';\n"), 14, "JOHAB"),
        # commands for psql
        "psql: shell": (plain(b"\\! touch " + c + b"\n"), 13, "\\!"),
        "psql: shell in the first line": (b"\\! touch " + c + b"\n" + plain(), 13, "\\!"),
        "psql: output to a program": (plain(b"\\o |touch " + c + b"\n"), 13, "\\o"),
        "psql: copy from a program": (plain(b"\\copy public.evil from program 'touch " + c + b"'\n"), 13, "\\copy"),
        "psql: another file": (plain(b"\\i /etc/passwd\n"), 13, "\\i"),
        "psql: another database": (plain(b"\\connect postgres\n\\connect template1\n"), 13, "\\connect"),
        "psql: another server": (plain(b"\\connect -reuse-previous=on \"host=evil dbname=x\"\n"), 13, "\\connect"),
        "psql: a forged unrestrict": (b"\\restrict abc\n" + plain(b"\\unrestrict xyz\n\\! touch " + c + b"\n"), 13, "\\unrestrict"),
        "psql: a true unrestrict and more": (b"\\restrict abc\n" + plain(b"\\unrestrict abc\n\\! touch " + c + b"\n"), 13, "\\!"),
        "psql: inside a statement": (plain(b"CREATE TABLE public.a (x int \\! touch " + c + b"\n);\n"), 13, "backslash"),
        "psql: a name with a line break": (plain(b"-- Name: x\n\\! touch " + c + b"\n"), 13, "\\!"),
        "psql: behind the rows": (plain(table=TABLE + b"\\! touch " + c + b"\n"), 13, "\\!"),
        "psql: gexec": (plain(b"SELECT 'x' \\gexec\n"), 13, "backslash"),
        "psql: set and variables": (plain(b"\\set x `touch " + c + b"`\n"), 13, "\\set"),
        # SQL that reaches beyond the database
        "copy to a program": (plain(behind=b"COPY public.evil TO PROGRAM 'touch " + c + b"';\n"), 13, "PROGRAM"),
        "copy from a program": (plain(behind=b"COPY public.evil FROM PROGRAM 'touch " + c + b"; echo';\n"), 13, "PROGRAM"),
        "copy from a file": (plain(behind=b"COPY public.evil FROM '/etc/passwd';\n"), 13, "file"),
        "copy to a file": (plain(behind=b"COPY public.evil TO '" + c + b"';\n"), 13, "COPY"),
        "read a file": (plain(b"SELECT pg_catalog.pg_read_file('/etc/passwd');\n"), 13, "pg_read_file"),
        "import a file": (plain(b"SELECT lo_import('/etc/passwd');\n"), 13, "SELECT"),
        "export a file": (plain(b"SELECT pg_catalog.lo_export(1, '" + c + b"');\n"), 13, "lo_export"),
        "a view on a file": (plain(b"CREATE VIEW public.v AS SELECT pg_read_file('/etc/passwd');\n"), 13, "pg_read_file"),
        "a default that reads a file": (plain(b"CREATE TABLE public.d (a text DEFAULT pg_read_file('/etc/passwd'));\n"), 13, "pg_read_file"),
        "a check that exports": (plain(b"CREATE TABLE public.d (a text CHECK (lo_export(1, '" + c + b"') > 0));\n"), 13, "lo_export"),
        "a name in unicode escapes": (plain(b"CREATE VIEW public.v AS SELECT U&\"pg\\005Fread_file\"('/etc/passwd');\n"), 13, "Unicode"),
        "a query in xml": (plain(b"CREATE VIEW public.v AS SELECT query_to_xml('SELECT 1', true, true, '');\n"), 13, "query_to_xml"),
        "another server by dblink": (plain(b"CREATE VIEW public.v AS SELECT dblink_exec('x', 'y');\n"), 13, "dblink"),
        "the server's configuration": (plain(b"ALTER SYSTEM SET archive_command = 'touch " + c + b"';\n"), 13, "configuration"),
        "a library": (plain(b"LOAD '/tmp/x.so';\n"), 13, "LOAD"),
        "a function in C": (plain(function % (b"int", b"c", b"'/tmp/x.so', 'f'")), 13, "LANGUAGE c"),
        "a function in python": (plain(function % (b"int", b"plpython3u", b"$$ import os $$")), 13, "plpython3u"),
        "an internal function": (plain(function % (b"int", b"internal", b"'pg_read_file'")), 13, "internal"),
        "a function that runs a program": (plain(function % (b"int", b"plpgsql", b"$$ BEGIN COPY t TO PROGRAM 'x'; END $$")), 13, "PROGRAM"),
        "a program in the file": (plain(b"DO $$ BEGIN EXECUTE 'COPY x TO PROG' || 'RAM'; END $$;\n"), 13, "DO"),
        "a procedure called": (plain(b"CALL public.p();\n"), 13, "CALL"),
        "a new superuser": (plain(b"CREATE ROLE mallory SUPERUSER LOGIN;\n"), 13, "server as a whole"),
        "a promoted role": (plain(b"ALTER ROLE postgres PASSWORD 'x';\n"), 13, "server as a whole"),
        "membership": (plain(b"GRANT pg_execute_server_program TO public;\n"), 13, "GRANT of a role"),
        "another role": (plain(b"SET SESSION AUTHORIZATION postgres;\n"), 13, "role"),
        "another role, reset": (plain(b"RESET ROLE;\n"), 13, "role"),
        "a preloaded library": (plain(b"SET local_preload_libraries = 'x';\n"), 13, "pg_dump does not set it"),
        "the system's tables": (plain(b"UPDATE pg_catalog.pg_authid SET rolsuper = true;\n"), 13, "UPDATE"),
        "the canary dropped in a query": (plain(b"WITH x AS (DELETE FROM public.canary RETURNING 1) SELECT 1;\n"), 13, "WITH"),
        "rows out of a query": (plain(behind=b"INSERT INTO public.evil SELECT pg_read_file('/etc/passwd');\n"), 13, "INSERT"),
        "rows out of a function": (plain(behind=b"INSERT INTO public.evil VALUES (pg_read_file('/etc/passwd'));\n"), 13, "INSERT"),
        "two statements behind COPY": (plain(table=b"CREATE TABLE public.t (a int);\nCOPY public.t (a) FROM stdin; DROP TABLE x;\n\\.\n"), 13, "stands behind COPY"),
        "an escape string in pieces": (plain(b"COMMENT ON TABLE public.t IS E'a'\n'\\' ; ALTER SYSTEM RESET ALL; --';\n"), 13, "escape string"),
        "a setting spelled otherwise": (plain(b"SET standard_conforming_strings = 'ON';\nCOMMENT ON TABLE public.evil IS 'a\\'; ALTER SYSTEM RESET ALL; --';\n"), 13, "on or off"),
        "a setting as a number": (plain(b"SET standard_conforming_strings = 1;\nCOMMENT ON TABLE public.evil IS 'a\\'; ALTER SYSTEM RESET ALL; --';\n"), 13, "on or off"),
        "a setting's default": (plain(b"SET standard_conforming_strings TO DEFAULT;\n"), 13, "on or off"),
        "an encoding spelled otherwise": (plain(b"SET client_encoding = 'S.JIS';\nCOMMENT ON TABLE public.evil IS E'\x95\\'; ALTER SYSTEM RESET ALL; --';\n"), 13, "no name of an encoding"),
        "an encoding's default": (plain(b"SET client_encoding TO DEFAULT;\n"), 13, "names the encoding"),
        "backslash_quote": (plain(b"SET backslash_quote = on;\n"), 13, "pg_dump does not set it"),
        "a setting by set_config": (plain(b"SELECT pg_catalog.set_config('session_preload_libraries', 'x', false);\n"), 13, "set_config"),
        "a search path by set_config": (plain(b"SELECT pg_catalog.set_config('search_path', 'evil', false);\n"), 13, "set_config"),
        "set_config in a view": (plain(b"CREATE VIEW public.v AS SELECT set_config('role', 'postgres', false);\n"), 13, "set_config"),
        "another role, set": (plain(b"SET ROLE postgres;\n"), 13, "role"),
        "another role, as a setting": (plain(b"SET SESSION \"role\" = 'postgres';\n"), 13, "role"),
        "a setting of the session alone": (plain(b"SET LOCAL session_replication_role = 'replica';\n"), 13, "role"),
        "triggers off": (plain(b"SET session_replication_role = 'replica';\n"), 13, "pg_dump does not set it"),
        "an index that reads a file": (plain(behind=b"CREATE INDEX i ON public.evil (pg_read_file(a));\n"), 13, "pg_read_file"),
        "an index's condition that lists files": (plain(behind=b"CREATE INDEX i ON public.evil (a) WHERE pg_ls_dir(a) IS NULL;\n"), 13, "pg_ls_dir"),
        "a generated column": (plain(b"CREATE TABLE public.g (a text, b text GENERATED ALWAYS AS (pg_read_file(a)) STORED);\n"), 13, "pg_read_file"),
        "a quoted name": (plain(b"CREATE VIEW public.v AS SELECT \"pg_read_file\"('/etc/passwd');\n"), 13, "pg_read_file"),
        "a name in capitals": (plain(b"CREATE VIEW public.v AS SELECT PG_CATALOG . PG_READ_FILE /* x */ ('/etc/passwd');\n"), 13, "pg_read_file"),
        "a name in unicode letters": (plain("CREATE VIEW public.v AS SELECT ｐg_read_file('/etc/passwd');\n".encode()), 22, "--trust-code"),
        "a string in unicode escapes": (plain(b"COMMENT ON TABLE public.evil IS U&'a\\0027; ALTER SYSTEM RESET ALL; --';\n"), 13, ""),
        "a domain that checks by a file": (plain(b"CREATE DOMAIN public.d AS text CHECK (pg_stat_file(VALUE) IS NOT NULL);\n"), 13, "pg_stat_file"),
        "a policy that exports": (plain(behind=b"CREATE POLICY p ON public.evil USING (lo_export(1, '" + c + b"') > 0);\n"), 13, "lo_export"),
        "a materialised view at once": (plain(b"CREATE MATERIALIZED VIEW public.m AS SELECT pg_ls_waldir();\n"), 13, ""),
        "a materialised view later": (plain(b"CREATE MATERIALIZED VIEW public.m AS SELECT pg_ls_waldir() WITH NO DATA;\nREFRESH MATERIALIZED VIEW public.m;\n"), 13, "pg_ls_waldir"),
        "a default set later": (plain(behind=b"ALTER TABLE ONLY public.evil ALTER COLUMN a SET DEFAULT lo_import('/etc/passwd');\n"), 13, "lo_import"),
        "a column's new type": (plain(behind=b"ALTER TABLE public.evil ALTER COLUMN a TYPE text USING pg_read_file(a);\n"), 13, "rewrites"),
        "rows made up by a table": (plain(b"CREATE TABLE public.c AS SELECT pg_read_file('/etc/passwd');\n"), 13, "AS"),
        "rows for the system's catalog": (plain(b"COPY pg_catalog.pg_proc (oid) FROM stdin;\n1\n\\.\n"), 22, "does not make that table"),
        "rows for jobs": (plain(b"CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public;\nCOPY _timescaledb_config.bgw_job (id) FROM stdin;\n1000\n\\.\n"), 22, "background jobs"),
        "an owner that is the server": (plain(behind=b"REASSIGN OWNED BY postgres TO public;\n"), 13, "REASSIGN"),
        "a function that defines": (plain(b"CREATE FUNCTION public.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1 $$;\n"), 22, "--trust-code"),
        "a function's body that copies": (plain(function % (b"int", b"sql", b"$$ COPY public.evil FROM stdin; \n\\.\n SELECT 1 $$")), 22, "--trust-code"),
        "a function in c, quoted": (plain(function % (b"int", b"'c'", b"'/tmp/x.so', 'f'")), 13, "LANGUAGE c"),
        "a language of its own": (plain(b"CREATE LANGUAGE plpython3u;\n"), 13, "programming language"),
        "an extension that reaches out": (plain(b"CREATE EXTENSION IF NOT EXISTS adminpack WITH SCHEMA pg_catalog;\n"), 22, "reach beyond"),
        "an extension that calls": (plain(b"CREATE EXTENSION IF NOT EXISTS dblink WITH SCHEMA public;\n"), 13, "dblink"),
        "a foreign server": (plain(b"CREATE EXTENSION IF NOT EXISTS file_fdw WITH SCHEMA public;\nCREATE SERVER s FOREIGN DATA WRAPPER file_fdw;\n"), 22, "--trust-code"),
        "an operator's function": (plain(b"CREATE OPERATOR public.=== (FUNCTION = pg_catalog.pg_read_file, LEFTARG = text, RIGHTARG = text);\n"), 13, "pg_read_file"),
        "an aggregate": (plain(b"CREATE AGGREGATE public.a (text) (SFUNC = public.f, STYPE = text);\n"), 22, "--trust-code"),
        "a base type": (plain(b"CREATE TYPE public.t (INPUT = int4in, OUTPUT = int4out);\n"), 13, "functions in C"),
        "a conversion": (plain(b"CREATE CONVERSION public.c FOR 'UTF8' TO 'LATIN1' FROM public.f;\n"), 13, "functions in C"),
        "dollar quotes that do not close": (plain(b"COMMENT ON TABLE public.evil IS $a$ x $A$; ALTER SYSTEM RESET ALL; --$a;\n"), 13, ""),
        "a dollar behind a name": (plain(b"CREATE VIEW public.v AS SELECT a$$; ALTER SYSTEM RESET ALL; --$$ FROM public.evil;\n"), 13, "configuration"),
        "a comment in a comment": (plain(b"/* /* */ ; */ ALTER SYSTEM RESET ALL;\n"), 13, "configuration"),
        "a comment that does not end": (plain(b"/* /* */ \n"), 13, "in the middle of a statement"),
        "two statements on a line": (plain(b"SET row_security = off; ALTER SYSTEM RESET ALL;\n"), 13, "configuration"),
        "psql: a variable": (plain(MIGRATED + b"COMMENT ON TABLE public.evil IS :'HOST';\n"), 16, "42601"),
        "psql: gexec behind a line break of a terminal": (plain(b"CREATE TABLE public.x (a int)\n\\gexec\n").replace(b"\n", b"\r\n"), 13, "backslash"),
        "psql: connect and more": (plain(b"\\connect teslamate postgres evil.example 5432\n"), 13, "\\connect"),
        "psql: connect with a program": (plain(b"\\connect `touch " + c + b"`\n"), 13, "\\connect"),
        "psql: connect by a string": (plain(b"\\connect -reuse-previous=on \"dbname='x' host='evil'\"\n\\connect other\n"), 13, ""),
        "psql: include behind a page feed": (plain(b"\x0c\\i /etc/passwd\n"), 13, "\\i"),
        "psql: behind a byte order mark": (b"\xef\xbb\xbf\\! touch " + c + b"\n" + plain(), 13, "\\!"),
        "a query to the server's own log": (plain(b"SELECT pg_catalog.pg_rotate_logfile();\n"), 13, "pg_rotate_logfile"),
        # a carriage return ends a comment for the server
        "a check behind a comment's carriage return": (plain(behind=b"CREATE TABLE public.t (a integer --\r CHECK (lo_export(4711, '" + c + b"') > 0)\n);\n"
                                                       b"COPY public.t (a) FROM stdin;\n1\n\\.\n"), 13, "lo_export"),
        "a position behind a comment's carriage return": (plain(b"SELECT pg_catalog.setval('public.s', 1 --\r + lo_export(1, '" + c + b"')\n);\n"), 13, "plain values"),
        "a large object behind a comment's carriage return": (plain(b"SELECT pg_catalog.lo_create('1' --\r || lo_export(1, '" + c + b"')\n);\n"), 13, "plain values"),
        "a row behind a comment's carriage return": (plain(behind=b"INSERT INTO public.evil VALUES ('a' --\r || lo_export(1, '" + c + b"')::text\n);\n"), 13, "plain values"),
        "a statement behind a comment's carriage return": (plain(b"-- Name: x\rALTER SYSTEM RESET ALL;\n"), 13, "configuration"),
        "a body behind a comment's carriage return": (plain(function % (b"int", b"sql", b"$$ SELECT 1 --\r + public.g(1)\n $$")), 22, "--trust-code"),
        "a body whose strings are read twice": (plain(b"SET standard_conforming_strings = off;\n" + function % (b"int", b"sql", b"$$ SELECT length('\\') + lo_creat(1) --')\n $$")), 22, "--trust-code"),
        # functions that run SQL out of a string, and whatever else is not known
        "a check that rewrites": (plain(b"CREATE TABLE public.t (a integer CHECK (ts_rewrite('a'::tsquery, 'SELECT lo_export(1, ''" + c + b"'')') IS NOT NULL));\n"), 22, "ts_rewrite"),
        "a query in a crosstab": (plain(b"CREATE EXTENSION IF NOT EXISTS tablefunc WITH SCHEMA public;\nCREATE MATERIALIZED VIEW public.m AS SELECT * FROM "
                                        b"public.crosstab('SELECT lo_export(1, ''" + c + b"'')') AS x(a text, b text) WITH NO DATA;\nREFRESH MATERIALIZED VIEW public.m;\n"), 22, "tablefunc"),
        "an extension that nobody knows": (plain(b"CREATE EXTENSION IF NOT EXISTS fnord WITH SCHEMA public;\n"), 22, "fnord"),
        "a default that makes": (plain(b"CREATE TABLE public.t (a oid DEFAULT pg_catalog.lo_creat(1));\n"), 22, "lo_creat"),
        "a generated column that makes": (plain(b"CREATE TABLE public.t (a int, b oid GENERATED ALWAYS AS (lo_creat(a)) STORED);\n"), 22, "lo_creat"),
        "a domain that makes": (plain(b"CREATE DOMAIN public.d AS integer CHECK (\"lo_creat\"(VALUE) > 0);\n"), 22, "lo_creat"),
        "an index that makes": (plain(behind=b"CREATE INDEX i ON public.evil (lo_creat(length(a)));\n"), 22, "lo_creat"),
        "a condition of an index that makes": (plain(behind=b"CREATE INDEX i ON public.evil (a) WHERE lo_creat(1) > 0;\n"), 22, "lo_creat"),
        "a view that makes": (plain(b"CREATE VIEW public.v AS SELECT DISTINCT ON (1) lo_creat(1) AS x;\n"), 22, "lo_creat"),
        "a view with a name of three parts": (plain(b"CREATE VIEW public.v AS SELECT teslamate.pg_catalog.lo_creat(1) AS x;\n"), 22, "lo_creat"),
        "a view by an operator's name": (plain(b"CREATE VIEW public.v AS SELECT 1 OPERATOR(pg_catalog.+) lo_creat(1)::int AS x;\n"), 22, "lo_creat"),
        "a policy that makes": (plain(behind=b"CREATE POLICY p ON public.evil USING (lo_creat(1) > 0);\n"), 22, "lo_creat"),
        "a partition's bound that makes": (plain(b"CREATE TABLE public.p (a oid) PARTITION BY RANGE (a);\nCREATE TABLE public.q PARTITION OF public.p FOR VALUES FROM (lo_creat(1)) TO (9999999);\n"), 22, "lo_creat"),
        "a default set later that makes": (plain(behind=b"ALTER TABLE ONLY public.evil ALTER COLUMN a SET DEFAULT lo_creat(1);\n"), 22, "lo_creat"),
        "a constraint that makes": (plain(behind=b"ALTER TABLE ONLY public.evil ADD CONSTRAINT c CHECK (lo_creat(1) > 0);\n"), 22, "lo_creat"),
        "a function's argument that makes": (plain(b"CREATE FUNCTION public.f(a oid DEFAULT lo_creat(1)) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;\n"), 22, "lo_creat"),
        "a function of the server under another name": (plain(b"ALTER FUNCTION pg_catalog.lo_creat(integer) SET SCHEMA public;\n"), 13, "another name"),
        # changes of tables that pg_dump does not write
        "a column's new type, said shortly": (plain(behind=b"ALTER TABLE public.evil ALTER a TYPE bigint USING length(a) + 1;\n"), 13, "rewrites"),
        "a column's new type behind an owner": (plain(behind=b"ALTER TABLE public.evil ALTER a TYPE bigint USING length(a), OWNER TO postgres;\n"), 13, "one change"),
        "two constraints at once": (plain(b"SET standard_conforming_strings = off;\n", behind=b"ALTER TABLE ONLY public.evil ADD CONSTRAINT k UNIQUE (a), ADD CONSTRAINT c "
                                          b"CHECK (a <> '\\' AND lo_export(4711,$$" + c + b"$$) > 0 --'\n);\n"), 13, "one change"),
        "a new column": (plain(behind=b"ALTER TABLE public.evil ADD COLUMN b text DEFAULT now();\n"), 13, "does not write this change"),
        "a column less": (plain(behind=b"ALTER TABLE public.evil DROP COLUMN a;\n"), 13, "does not write this change"),
        # code of the file's own: known, told, and loaded only when the user says so
        "a trigger of its own": (plain(function % (b"trigger", b"plpgsql", b"$$ BEGIN RETURN NEW; END $$")), 22, "--trust-code"),
        "a rule of its own": (plain(behind=b"CREATE RULE r AS ON INSERT TO public.evil DO INSTEAD DELETE FROM public.evil;\n"), 22, "--trust-code"),
        "an event trigger": (plain(b"CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.f();\n"), 22, "--trust-code"),
        "a cast": (plain(b"CREATE CAST (text AS integer) WITH FUNCTION public.f(text) AS IMPLICIT;\n"), 22, "--trust-code"),
        "a statement of many words": (plain(b"CREATE VIEW public.v AS SELECT " + b"(" * 1_100_000 + b"1" + b")" * 1_100_000 + b";\n"), 14, "two million words"),
        "a statement that does not end": (plain(b"COMMENT ON TABLE public.evil IS '" + b"a" * 70_000_000 + b"';\n"), 14, "longer than 64 MiB"),
        # containers
        "tar: a name that leads out": (tar_of(("../../etc/cron.d/x", plain())), 13, "leads out"),
        "tar: an absolute name": (tar_of(("/etc/cron.d/x", plain())), 13, "leads out"),
        "tar: a symbolic link": (tar_of(tar_link("dump.sql", tarfile.SYMTYPE)), 13, "no ordinary file"),
        "tar: a hard link": (tar_of(tar_link("dump.sql", tarfile.LNKTYPE)), 13, "no ordinary file"),
        "tar: a device": (tar_of(tar_link("sda", tarfile.BLKTYPE, "")), 13, "no ordinary file"),
        "tar: a pipe": (tar_of(tar_link("fifo", tarfile.FIFOTYPE, "")), 13, "no ordinary file"),
        "tar: two dumps": (tar_of(("a.sql", good_plain), ("b.sql", good_plain)), 13, "more than one dump"),
        "tar: a name twice": (tar_of(("a.txt", b"x"), ("a.txt", b"y")), 13, "twice"),
        "tar: no dump": (tar_of(("readme.txt", b"hello"), ("b.txt", b"x")), 13, "without a dump"),
        "tar: cut off": (tar_of(("a.sql", good_plain))[:len(good_plain) // 2], 13, "damaged"),
        "tar: a data folder": (tar_of(("data/PG_VERSION", b"17\n"), ("data/base/1/1", b"x")), 22, "data folder"),
        "tar: TeslaSync": (gzip.compress(tar_of(("manifest.json", b"{}"), ("vehicles.json", b"[]"))), 22, "TeslaSync"),
        "tar: ten links": (tar_of(*[tar_link(f"a{i}", tarfile.SYMTYPE, f"a{i + 1}") for i in range(10)]), 13, "no ordinary file"),
        "tar: a name with backslashes": (tar_of(("..\\..\\x.sql", plain())), 13, "leads out"),
        "tar: a name of dots within": (tar_of(("a/../../x.sql", plain())), 13, "leads out"),
        "tar: 20000 empty files": (tar_of(*[(f"f{i}", b"") for i in range(20000)]), 13, "more than 10000"),
        "tar: a file of a terabyte": (tar_header("a.sql", 2**33 - 1) + good_plain, 13, "damaged"),
        "tar in a tar in a tar": (tar_of(("a.tar", tar_of(("b.tar", tar_of(("c.tar", tar_of(("d.tar", tar_of(("e.sql", good_plain))))))))), fmt=tarfile.USTAR_FORMAT), 13, "without a dump"),
        "a bomb in xz": (lzma.compress(HEAD + b"CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin;\n" + b"a" * 400_000_000, preset=0), 13, "300 times"),
        "a bomb in bzip2": (bz2.compress(HEAD + b"CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin;\n" + b"a" * 400_000_000, 1), 13, "300 times"),
        "zip: a bomb": (zip_of(("a.sql", HEAD + b"CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin;\n" + b"a" * 400_000_000)), 13, "300 times"),
        "packed five times": (gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(good_plain))))), 13, "four times"),
        "a bomb": (gzip.compress(HEAD + b"CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin;\n" + b"a" * 400_000_000, 9), 13, "300 times"),
        "zip: cut off": (zip_of(("a.sql", good_plain))[:-40], 13, "zip"),
        "zip: a name that leads out": (zip_of(("../a.sql", good_plain)), 13, "leads out"),
        "zip: two dumps": (zip_of(("a.sql", good_plain), ("b.sql", good_plain)), 13, "more than one dump"),
        "zip: a flipped bit": (flipped(zip_of(("a.sql", good_plain))[:2000] , 5) + zip_of(("a.sql", good_plain))[2000:], 13, ""),
        "zip in gzip": (gzip.compress(zip_of(("a.sql", good_plain))), 14, "zip inside"),
        "tracearr: three entries": (tracearr(extra=(("x", b"y"),)), 13, "Expected 2 entries (metadata.json, database.dump), found 3"),
        "tracearr: an entry that leads out": (zip_of(("metadata.json", b"{}"), ("../database.dump", b"PGDMP")), 13, "Unsafe entry name: ../database.dump"),
        "tracearr: a folder's entry": (zip_of(("metadata.json", b"{}"), ("x/database.dump", b"PGDMP")), 13, "Unexpected entry: x/database.dump"),
        "tracearr: one entry": (zip_of(("metadata.json", b"{}")), 13, "Expected 2 entries (metadata.json, database.dump), found 1"),
        "tracearr: a newer server": (tracearr({"database": {"pgVersion": "99.1"}}, good_custom), 14, "99"),
        "tracearr: another entry": (zip_of(("metadata.json", b"{}"), ("evil.dump", b"PGDMP")), 13, "Unexpected entry: evil.dump"),
        "tracearr: format 2": (tracearr({"format": 2}, good_custom), 14, "Unknown backup format version: 2"),
        "tracearr: no json": (tracearr("{", good_custom), 13, "Failed to parse metadata.json"),
        "tracearr: no format": (tracearr({"format": None}, good_custom), 14, "Unknown backup format version"),
        "tracearr: a string as format": (tracearr({"format": "1"}, good_custom), 14, "Unknown backup format version"),
        "tracearr: no database": (tracearr({"database": None}, good_custom), 13, "Metadata is missing required fields"),
        "tracearr: no date": (tracearr({"createdAt": None}, good_custom), 13, "Metadata is missing required fields"),
        "tracearr: fields missing": (tracearr({"app": None}, good_custom), 13, "Metadata is missing required fields"),
        "tracearr: a damaged dump": (tracearr(None, good_custom[:500]), 13, "pg_restore"),
    }
    return files


def setUpModule():
    global pg, ws, folder, files, canary, before, databases
    pg = Cluster(settings={"log_statement": "ddl", "max_prepared_transactions": "0"})
    ws = Workspace(pg)
    pg.load_sample(LIVE, positions=1000)
    pg.sql(LIVE, "CREATE TABLE public.canary (x int)", "INSERT INTO public.canary VALUES (42)")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tmb-bad-"))
    folder.chmod(0o777)
    canary = folder / "canary"
    good_plain = pg.client("pg_dump", database=LIVE).stdout
    files = corpus(good_plain, pg.client("pg_dump", "-Fc", database=LIVE).stdout,
                   pg.client("pg_dump", "-Ft", database=LIVE).stdout, canary)
    before = database_digest(pg, LIVE)
    databases = state()


def tearDownModule():
    ws.close()
    pg.stop()
    shutil.rmtree(folder, ignore_errors=True)


def state():
    return pg.sql("postgres",
                  "SELECT oid, datname, datallowconn, shobj_description(oid, 'pg_database') FROM pg_database ORDER BY 1",
                  "SELECT rolname, rolsuper, rolpassword FROM pg_authid ORDER BY 1",
                  "SELECT name, setting FROM pg_settings WHERE source NOT IN ('default', 'client', 'session') ORDER BY 1")


class Corpus(unittest.TestCase):
    def test_there_are_at_least_sixty(self):
        self.assertGreaterEqual(len(files), 60)

    def test_every_file_has_its_code_and_message_and_nothing_is_touched(self):
        for number, (name, (data, code, text)) in enumerate(files.items()):
            with self.subTest(name):
                path = folder / f"bad-{number}.bck"
                path.write_bytes(data)
                log = len(pg.log_text())
                result = assert_exit(ws.restore(LIVE, str(path)), code)
                self.assertIn(text, result.err)
                self.assertIn("state:", result.err)
                self.assertEqual(result.err.count("error["), 1, result.err)
                if code != 16:
                    self.assertNotIn("CREATE DATABASE", pg.log_text()[log:], "it was refused too late")
                self.assertFalse(canary.exists(), "a program was run")
                self.assertEqual(state(), databases)
                self.assertFalse((ws.state / "restore.journal").exists())
                path.unlink()
        self.assertEqual(diff_digests(before, database_digest(pg, LIVE)), [])

    def test_a_row_that_goes_on_and_on_takes_no_memory(self):
        path = folder / "long.sql"
        rows = b"COPY public.cars (id, name, vin) FROM stdin;\n1\t"
        with path.open("wb") as f:
            f.write(HEAD + b"CREATE TABLE public.cars (id int, name text, vin text);\n" + rows)
            for _ in range(300):
                f.write(b"a" * 1_000_000)
            f.write(b"\tx\n2\tsecond\tVIN\n\\.\n\n" + TAIL)
        verify = ws.start("teslamate-verify", str(path), "--json", wrap=["prlimit", f"--as={1 << 29}"])
        result = assert_exit(verify.wait(), 0)
        [told] = result.json()["files"]
        self.assertEqual([t["rows"] for t in told["tables"]], [2])
        self.assertIn("second", [c["name"] for c in told["cars"]])

    def test_random_flips_and_cuts_of_a_custom_dump_never_replace_or_crash(self):
        pg.load_sample("small", positions=1000)
        good = pg.client("pg_dump", "-Fc", "-Z1", "-t", "public.cars", "-t", "public.drives", database="small").stdout
        pg.drop_db("small")
        path = folder / "flip.dump"
        codes = {}
        for seed in range(40):
            data = flipped(good, seed) if seed % 2 else good[:random.Random(seed).randrange(len(good))]
            path.write_bytes(data)
            result = ws.run("teslamate-verify", str(path))
            self.assertIn(result.code, (0, 13, 14), result.text())
            self.assertTrue(seed % 2 or result.code != 0, "a cut was not seen")
            codes[result.code] = codes.get(result.code, 0) + 1
        self.assertGreater(codes.get(13, 0), 20)

    def test_what_cannot_be_opened_is_17_or_21(self):
        fifo = folder / "fifo"
        os.mkfifo(fifo)
        plain_folder = folder / "folder"
        plain_folder.mkdir()
        for path, code, text in ((folder / "absent.sql", 21, "No such file"), (fifo, 17, "no ordinary file"),
                                 (plain_folder, 13, "neither a dump nor a repository"), ("/dev/zero", 17, "no ordinary file"),
                                 (ws.repository, 13, "")):
            with self.subTest(path=path):
                result = assert_exit(ws.restore(LIVE, str(path)), code)
                self.assertIn(text, result.err)

    def test_a_dump_that_was_cut_off_is_loaded_beside_when_the_user_says_so(self):
        data = files["cut in the rows"][0]
        path = folder / "cut.sql"
        path.write_bytes(data)
        assert_exit(ws.restore(LIVE, str(path), "--allow-incomplete"), 2)
        self.addCleanup(pg.drop_db, "part")
        result = assert_exit(ws.restore(LIVE, str(path), "--allow-incomplete", "--as-database", "part"), 3)
        self.assertIn("incomplete", result.err)
        self.assertGreater(int(pg.scalar("part", "SELECT count(*) FROM public.positions")), 100)

    def test_code_of_the_file_is_loaded_when_the_user_trusts_it(self):
        path = folder / "trigger.sql"
        path.write_bytes(plain(b"CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;\n",
                               behind=b"CREATE TRIGGER t BEFORE INSERT ON public.evil FOR EACH ROW EXECUTE FUNCTION public.f();\n"))
        assert_exit(ws.restore(LIVE, str(path), "--as-database", "trusted"), 22)
        assert_exit(ws.restore(LIVE, str(path), "--as-database", "trusted", "--trust-code"), 0)
        self.assertEqual(pg.scalar("trusted", "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"), "1")
        pg.drop_db("trusted")

    def test_verify_tells_what_a_file_is(self):
        path = folder / "whole.sql"
        path.write_bytes(pg.client("pg_dump", database=LIVE).stdout)
        result = assert_exit(ws.run("teslamate-verify", str(path), "--json"), 0).json()
        [told] = result["files"]
        self.assertTrue(told["complete"])
        rows = {t["name"]: t["rows"] for t in told["tables"]}
        self.assertEqual(rows["canary"], 1)
        self.assertEqual(str(rows["positions"]), pg.scalar(LIVE, "SELECT count(*) FROM public.positions"))
        self.assertEqual(told["migration_version"], pg.scalar(LIVE, "SELECT max(version) FROM public.schema_migrations"))
        path.write_bytes(files["cut in the rows"][0])
        result = assert_exit(ws.run("teslamate-verify", str(path)), 13)
        self.assertIn("in the middle of the rows", result.err)


if __name__ == "__main__":
    unittest.main()
