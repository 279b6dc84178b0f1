# SPDX-License-Identifier: MIT
"""What a stranger's file may do to the server while it is loaded: nothing. Its rows and expressions are handled as
the owner of the database, its strings read as they were judged, owners and rights given as it says, and a .tmb of
another repository is held to the same as a dump. foreign_corpus_test.py has the files that are refused."""

import unittest

from harness import *

LIVE = "teslamate"
COPY = "copy"
OWNER = "tm_owner"
HEAD = """--
-- PostgreSQL database dump
--

SET client_encoding = 'UTF8';
SET standard_conforming_strings = %s;
SELECT pg_catalog.set_config('search_path', '', false);

"""
TAIL = "\n--\n-- PostgreSQL database dump complete\n--\n\n"
NOT_AS_SUPERUSER = "CHECK (current_setting('is_superuser'::text) = 'off'::text)"
# A function that the server would run with each row, told by what it says when a superuser runs it.
GUARD = """CREATE FUNCTION public.guard(a integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('is_superuser') = 'off' THEN
    RAISE insufficient_privilege;
  END IF;
  RETURN true;
END $$;
"""


def setUpModule():
    global pg, folder
    pg = Cluster()
    pg.sql("postgres", f"CREATE ROLE {OWNER}", "CREATE ROLE other_owner", "CREATE ROLE reader")
    pg.create_db(LIVE, f"OWNER {OWNER}")
    pg.sql(LIVE, "CREATE TABLE public.canary (x int)", "INSERT INTO public.canary VALUES (42)")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tmb-hostile-"))
    folder.chmod(0o755)


def tearDownModule():
    pg.stop()
    shutil.rmtree(folder, ignore_errors=True)


def write(text, *, strings="on"):
    path = folder / "hostile.sql"
    path.write_text(HEAD % strings + text + TAIL)
    return path


class HostileDump(unittest.TestCase):
    def setUp(self):
        self.ws = self.enterContext(Workspace(pg))
        pg.drop_db(COPY)

    def load(self, text, *args, code=0, strings="on"):
        return assert_exit(self.ws.restore(LIVE, str(write(text, strings=strings)), "--as-database", COPY, *args), code)

    # -- the owner's rights, not ours

    def test_rows_are_stored_and_views_filled_as_the_owner(self):
        tables = "".join(f"CREATE TABLE public.{t} (a integer {NOT_AS_SUPERUSER});\nALTER TABLE public.{t} OWNER TO {OWNER};\n"
                         for t in ("copied", "inserted"))
        self.load(tables + "CREATE MATERIALIZED VIEW public.m AS SELECT current_setting('is_superuser'::text) AS s WITH NO DATA;\n"
                  "COPY public.copied (a) FROM stdin;\n1\n2\n\\.\n\nINSERT INTO public.inserted VALUES (1);\n"
                  "CREATE INDEX i ON public.copied USING btree (a);\nREFRESH MATERIALIZED VIEW public.m;\n")
        self.assertEqual(pg.sql(COPY, "SELECT count(*) FROM public.copied"), [("2",)])
        self.assertEqual(pg.sql(COPY, "SELECT count(*) FROM public.inserted"), [("1",)])
        self.assertEqual(pg.scalar(COPY, "SELECT s FROM public.m"), "off")

    def test_what_the_owner_may_not_store_is_not_stored_by_a_superuser_instead(self):
        table = GUARD + "CREATE TABLE public.t (a integer CHECK (public.guard(a)));\n"
        for rows in ("INSERT INTO public.t VALUES (1);\n", "COPY public.t (a) FROM stdin;\n1\n\\.\n",
                     "COPY public.t (a) FROM stdin;\n\\.\nCREATE MATERIALIZED VIEW public.m AS SELECT public.guard(1) AS g WITH NO DATA;\n"
                     "REFRESH MATERIALIZED VIEW public.m;\n"):
            with self.subTest(rows):
                result = self.load(table + rows, "--trust-code", code=16)
                self.assertIn("42501", result.err)

    def test_what_only_a_superuser_makes_is_still_made(self):
        self.load("CREATE TABLE public.t (a integer);\nCOPY public.t (a) FROM stdin;\n1\n\\.\n"
                  "CREATE FUNCTION public.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;\n"
                  "CREATE PUBLICATION p FOR ALL TABLES;\n"
                  "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.on_ddl();\n"
                  f"ALTER EVENT TRIGGER e OWNER TO {OWNER};\nCOMMENT ON EVENT TRIGGER e IS 'late';\n", "--trust-code")
        self.assertEqual(pg.scalar(COPY, "SELECT obj_description(oid, 'pg_event_trigger') FROM pg_event_trigger"), "late")
        self.assertEqual(pg.scalar(COPY, "SELECT count(*) FROM pg_publication"), "1")

    # -- strings

    def test_strings_with_escapes_mean_the_same_where_indexes_and_keys_are_made(self):
        self.load("CREATE TABLE public.t (a text);\nINSERT INTO public.t VALUES ('x\\\\y');\n"
                  "CREATE INDEX i ON public.t USING btree (a) WHERE (a <> 'x\\\\y');\n"
                  "ALTER TABLE ONLY public.t ADD CONSTRAINT k EXCLUDE USING btree (a WITH =) WHERE ((a <> 'it\\'s'));\n", strings="off")
        self.assertEqual(pg.scalar(COPY, "SELECT a FROM public.t"), "x\\y")
        self.assertIn("'x\\y'", pg.scalar(COPY, "SELECT pg_get_indexdef('public.i'::regclass)"))
        self.assertIn("'it''s'", pg.scalar(COPY, "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'k'"))

    # -- owners and rights

    def test_each_object_has_its_owner_and_its_rights_when_a_dump_has_several(self):
        mine = "".join(f"CREATE TABLE {t} (a integer);\nALTER TABLE {t} OWNER TO {OWNER};\n" for t in ("public.t1", "public.t2"))
        self.load(f"CREATE SCHEMA x;\nALTER SCHEMA x OWNER TO other_owner;\nCREATE TABLE x.t (a integer);\nALTER TABLE x.t OWNER TO {OWNER};\n"
                  + mine + "CREATE TABLE public.b (a integer);\nALTER TABLE public.b OWNER TO other_owner;\n"
                  "COPY public.b (a) FROM stdin;\n1\n\\.\nCOPY x.t (a) FROM stdin;\n1\n\\.\n"
                  "CREATE INDEX i ON public.b USING btree (a);\n"
                  f"GRANT SELECT ON TABLE public.b TO {OWNER};\nGRANT SELECT,INSERT ON TABLE public.b TO reader;\n"
                  "GRANT SELECT ON TABLE x.t TO reader;\n")
        owners = dict(pg.sql(COPY, "SELECT relnamespace::regnamespace || '.' || relname, relowner::regrole FROM pg_class "
                                   "WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('x', 'public')"))
        self.assertEqual(owners, {"x.t": OWNER, "public.t1": OWNER, "public.t2": OWNER, "public.b": "other_owner"})
        self.assertEqual(pg.scalar(COPY, "SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'x'"), "other_owner")
        self.assertEqual(pg.scalar(COPY, "SELECT relacl::text FROM pg_class WHERE oid = 'public.b'::regclass"),
                         "{other_owner=arwdDxt/other_owner,tm_owner=r/other_owner,reader=ar/other_owner}")
        self.assertEqual(pg.scalar(COPY, "SELECT has_table_privilege('reader', 'x.t', 'SELECT')"), "t")

    def test_a_dump_of_several_owners_comes_back_exactly(self):
        pg.drop_db("several")
        pg.create_db("several", f"OWNER {OWNER}")
        self.addCleanup(pg.drop_db, "several")
        pg.sql("several", "CREATE SCHEMA x AUTHORIZATION other_owner", f"GRANT USAGE ON SCHEMA x TO {OWNER}", "CREATE TABLE x.t (a int PRIMARY KEY)", f"ALTER TABLE x.t OWNER TO {OWNER}",
               "CREATE TABLE public.b (a int REFERENCES x.t, s serial)", "ALTER TABLE public.b OWNER TO other_owner",
               "INSERT INTO x.t VALUES (1)", "INSERT INTO public.b VALUES (1)", "GRANT SELECT, INSERT ON public.b TO reader",
               f"REVOKE TRUNCATE ON x.t FROM {OWNER}", "CREATE MATERIALIZED VIEW x.m AS SELECT count(*) AS n FROM public.b",
               "ALTER MATERIALIZED VIEW x.m OWNER TO other_owner", "GRANT SELECT ON x.m TO PUBLIC",
               "ALTER DEFAULT PRIVILEGES FOR ROLE other_owner IN SCHEMA x GRANT SELECT ON TABLES TO reader",
               *[f"CREATE TABLE public.m{i} (a int)" for i in range(6)], *[f"ALTER TABLE public.m{i} OWNER TO {OWNER}" for i in range(6)])
        path = folder / "several.sql"
        path.write_bytes(pg.client("pg_dump", database="several").stdout)
        assert_exit(self.ws.restore(LIVE, str(path), "--as-database", COPY), 0)
        self.assertEqual(diff_digests(database_digest(pg, "several"), database_digest(pg, COPY), ignore=("database",)), [])

    # -- single rows

    def test_code_is_trusted_for_single_rows_too(self):
        pg.drop_db("car")
        pg.load_sample("car", positions=2000)
        self.addCleanup(pg.drop_db, "car")
        pg.sql("car", "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
        path = folder / "car.sql"
        path.write_bytes(pg.client("pg_dump", database="car").stdout)
        drive = pg.scalar("car", "SELECT max(id) FROM public.drives WHERE end_date IS NOT NULL")
        pg.sql("car", f"UPDATE public.positions SET drive_id = NULL WHERE drive_id = {drive}", f"DELETE FROM public.drives WHERE id = {drive}")
        for args in (("--drive", drive), ("--scope", "settings")):
            self.assertIn("--trust-code", assert_exit(self.ws.restore("car", str(path), *args), 22).err)
            assert_exit(self.ws.restore("car", str(path), *args, "--trust-code"), 0)
        self.assertEqual(pg.scalar("car", f"SELECT count(*) FROM public.drives WHERE id = {drive}"), "1")


class StrangersSnapshot(unittest.TestCase):
    """A .tmb of another repository."""

    @classmethod
    def setUpClass(cls):
        cls.theirs = cls.enterClassContext(Workspace(pg))
        pg.drop_db("theirs")
        pg.load_sample("theirs", positions=1000)
        cls.plain = cls.make("plain")
        pg.sql("theirs", "CREATE FUNCTION public.f(a integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$",
               "CREATE TABLE public.evil (a integer CHECK (public.f(a)))", "INSERT INTO public.evil VALUES (1)")
        cls.evil = cls.make("evil")
        pg.sql("theirs", "DROP TABLE public.evil", "DROP FUNCTION public.f",
               "CREATE TABLE public.evil (a text CHECK (ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ''b''::tsquery') IS NOT NULL))")
        cls.call = cls.make("call")

    @classmethod
    def make(cls, name):
        assert_exit(cls.theirs.backup("theirs"), 0)
        path = folder / f"{name}.tmb"
        assert_exit(cls.theirs.snapshots("export", "latest", path), 0)
        path.chmod(0o644)
        return path

    def setUp(self):
        self.ws = self.enterContext(Workspace(pg))
        pg.drop_db(COPY)

    def restore(self, ws, path, *args):
        return ws.restore("theirs", str(path), "--as-database", COPY, *args)

    def test_its_code_asks_for_trust(self):
        for path, text in ((self.evil, "public.f"), (self.call, "ts_rewrite")):
            for args in ([], ["--dry-run"]):
                with self.subTest(path=path, args=args):
                    call = [str(path), "--dry-run"] if args else [str(path), "--as-database", COPY]
                    result = assert_exit(self.ws.restore("theirs", *call), 22)
                    self.assertIn(text, result.err)
                    self.assertIn("--trust-code", result.err)
                    self.assertNotIn(COPY, pg.databases())
            assert_exit(self.restore(self.ws, path, "--trust-code"), 0)
            pg.drop_db(COPY)

    def test_a_repository_of_our_own_says_nothing_for_it(self):
        assert_exit(self.ws.backup(LIVE), 0)
        assert_exit(self.restore(self.ws, self.evil), 22)
        assert_exit(self.restore(self.theirs, self.evil), 0)

    def test_teslamates_own_definitions_need_no_trust(self):
        assert_exit(self.restore(self.ws, self.plain), 0)
        self.assertEqual(pg.scalar(COPY, "SELECT count(*) FROM public.positions"), pg.scalar("theirs", "SELECT count(*) FROM public.positions"))

    def test_an_import_asks_too_and_takes_nothing_before(self):
        for init in ([], ["--init"]):
            result = assert_exit(self.ws.snapshots("import", str(self.evil), *init), 22)
            self.assertIn("public.f", result.err)
            self.assertIn("--trust-code", result.err)
            self.assertEqual([], list(self.ws.repository.iterdir()))
        assert_exit(self.ws.snapshots("import", str(self.plain)), 0)
        before = self.ws.object_files()
        assert_exit(self.ws.snapshots("import", str(self.evil)), 22)
        self.assertEqual(before, self.ws.object_files())
        assert_exit(self.ws.snapshots("import", str(self.evil), "--trust-code"), 0)
        self.assertEqual(2, len(self.ws.snapshot_files()))

    def test_a_drill_asks_too(self):
        flags = self.ws.target("theirs")
        self.assertIn("--trust-code", assert_exit(self.ws.run("teslamate-drill", *flags, str(self.evil)), 22).err)
        assert_exit(self.ws.run("teslamate-drill", *flags, str(self.evil), "--trust-code"), 0)


if __name__ == "__main__":
    unittest.main()
