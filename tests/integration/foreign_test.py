# SPDX-License-Identifier: MIT
"""teslamate-restore FILE: dumps that users have already, in every form and container, come back exactly."""

import gzip
import io
import json
import pathlib
import re
import subprocess
import tarfile
import unittest
import zipfile

from harness import *

LIVE = "teslamate"
OLD = "source"


def setUpModule():
    global pg, folder, before
    pg = Cluster(settings={"log_statement": "ddl"})
    pg.load_sample(OLD, positions=2000)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tmb-files-"))
    folder.chmod(0o755)
    before = database_digest(pg, OLD)


def tearDownModule():
    pg.stop()
    shutil.rmtree(folder, ignore_errors=True)


def dump(name, *args, database=OLD):
    path = folder / name
    path.write_bytes(pg.client("pg_dump", *args, database=database).stdout)
    return path


def pack(path, *command):
    out = path.with_name(path.name + "." + command[0])
    out.write_bytes(subprocess.run([*command, "-c", str(path)], capture_output=True, check=True).stdout)
    return out


def pg_bytes(text, encoding):
    names = {"SJIS": "cp932", "SHIFT_JIS_2004": "shift_jis_2004", "BIG5": "big5", "GBK": "gbk", "GB18030": "gb18030", "UHC": "cp949"}
    return text.encode(names[encoding])


class ForeignTest(unittest.TestCase):
    def setUp(self):
        self.ws = self.enterContext(Workspace(pg))
        for name in pg.databases():
            if name not in ("postgres", "template0", "template1", OLD):
                pg.drop_db(name)

    def live(self):
        pg.create_db(LIVE)
        pg.sql(LIVE, "CREATE TABLE public.canary (x int)", "INSERT INTO public.canary VALUES (42)")

    def comes_back(self, path, *args, code=0, expected=None, ignore=()):
        for name in [d for d in pg.databases() if d == LIVE or d.startswith(f"{LIVE}_before_")]:
            pg.drop_db(name)
        self.live()
        result = assert_exit(self.ws.restore(LIVE, str(path), *args), code)
        self.assertEqual(diff_digests(expected or before, database_digest(pg, LIVE), ignore=("database", *ignore)), [])
        kept = [d for d in pg.databases() if d.startswith(f"{LIVE}_before_")]
        self.assertEqual([pg.scalar(d, "SELECT x FROM public.canary") for d in kept], ["42"])
        self.assertEqual([d for d in pg.databases() if "_staging_" in d], [])
        return result

    # -- plain SQL

    def test_plain_sql_as_teslamate_documents_it(self):
        self.comes_back(dump("teslamate.bck"))

    def test_plain_sql_with_every_choice_of_pg_dump_that_users_make(self):
        for args in (["--clean"], ["--clean", "--if-exists"], ["--create"], ["--create", "--clean", "--if-exists"],
                     ["--no-owner"], ["--no-privileges"], ["--inserts"], ["--column-inserts", "--rows-per-insert=7"],
                     ["--no-comments"], ["--quote-all-identifiers"], ["--disable-dollar-quoting"], ["--verbose"],
                     ["--encoding=SQL_ASCII"], ["--no-sync"]):
            with self.subTest(args=args):
                path = dump("choice.sql", *args)
                expected = None
                if args[0] in ("--inserts", "--column-inserts"):
                    # pg_dump writes -0.0 as -0 then, which is 0: what psql makes of it is the measure.
                    pg.drop_db("by_psql")
                    pg.create_db("by_psql")
                    pg.client("psql", "-Xq", "-f", "-", database="by_psql", input=path.read_bytes())
                    expected = database_digest(pg, "by_psql")
                self.comes_back(path, expected=expected, ignore=("schema",) if "--no-comments" in args else ())

    def test_plain_sql_in_every_container(self):
        path = dump("plain.sql")
        for command in (["gzip"], ["zstd", "-q"], ["xz", "-0"], ["bzip2"]):
            with self.subTest(command=command):
                self.comes_back(pack(path, *command))
        with zipfile.ZipFile(folder / "plain.zip", "w", zipfile.ZIP_DEFLATED) as z:
            z.write(path, "backup/teslamate.sql")
        self.comes_back(folder / "plain.zip")
        for mode, name in (("w:gz", "plain.tgz"), ("w", "plain.tar"), ("w:xz", "plain.txz")):
            with self.subTest(name=name):
                with tarfile.open(folder / name, mode) as tar:
                    tar.add(path, "teslamate/Monday.sql")
                self.comes_back(folder / name)

    def test_many_gzip_members_one_after_another_are_one_dump(self):
        data = dump("members.sql").read_bytes()
        (folder / "members.gz").write_bytes(b"".join(gzip.compress(data[i:i + 50_000]) for i in range(0, len(data), 50_000)))
        self.comes_back(folder / "members.gz")

    def test_a_dump_that_went_through_a_terminal_is_mended(self):
        data = dump("tty.sql").read_bytes().replace(b"\n", b"\r\n")
        (folder / "tty.sql").write_bytes(data)
        result = self.comes_back(folder / "tty.sql")
        self.assertIn("docker exec -t", result.err)

    def test_the_name_says_nothing(self):
        path = dump("c.custom", "-Fc")
        path.rename(folder / "custom.sql.gz")
        self.comes_back(folder / "custom.sql.gz")

    def test_encodings_in_which_a_character_may_hold_a_backslash(self):
        # The second byte of each of the first letters is 5C; what follows it would make an escape of it.
        letters = {"SJIS": "表n能tソ\\構'", "SHIFT_JIS_2004": "表n能tソ", "BIG5": "功n許t蓋\\", "GBK": "乗n俓t誠\\'", "GB18030": "乗n俓t\u00ff\U00020000\\",
                   "UHC": "밻n갂\\'"}
        self.addCleanup(pg.drop_db, "east")
        for encoding, text in letters.items():
            with self.subTest(encoding):
                pg.drop_db("east")
                pg.create_db("east", "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
                self.assertTrue(encoding in ("UHC",) or b"\\" in pg_bytes(text[0], encoding))
                pg.sql("east", "CREATE TABLE public.t (id int PRIMARY KEY, name text DEFAULT E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "')",
                       "COMMENT ON TABLE public.t IS E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
                       "INSERT INTO public.t SELECT g FROM generate_series(1, 2000) g")
                expected = database_digest(pg, "east")
                for args in ([], ["-Fc"], ["--inserts"]):
                    self.comes_back(dump("east.sql", "-E", encoding, *args, database="east"), expected=expected)
        pg.drop_db("east")

    # -- archives of pg_dump

    def test_custom_dumps_in_every_compression(self):
        for args in (["-Fc"], ["-Fc", "-Z0"], ["-Fc", "-Z9"], ["-Ft"]):
            with self.subTest(args=args):
                self.comes_back(dump("archive.dump", *args))

    def test_a_custom_dump_in_containers(self):
        path = dump("packed.dump", "-Fc")
        self.comes_back(pack(path, "gzip"))
        with tarfile.open(folder / "packed.tgz", "w:gz") as tar:
            tar.add(path, "x/teslamate.dump")
        self.comes_back(folder / "packed.tgz")
        self.comes_back(pack(dump("tar.dump", "-Ft"), "gzip"))

    def test_a_backup_of_tracearr(self):
        dump_bytes = dump("database.dump", "-Fc").read_bytes()
        migrations = int(pg.scalar(OLD, "SELECT count(*) FROM public.schema_migrations"))
        metadata = {"format": 1, "createdAt": "2026-03-01T10:00:00.000Z", "app": {"version": "1.4.2", "commit": "", "tag": ""},
                    "database": {"pgVersion": "15.14 (Debian 15.14-0+deb12u1)", "migrationCount": migrations, "latestMigration": "unknown",
                                 "tableCount": 12, "databaseSize": 1, "timescaleVersion": "unknown", "timescaleToolkitVersion": None},
                    "counts": {"sessions": 1, "users": 1, "servers": 1, "rules": 0, "libraryItems": 0}}

        class Stream(io.RawIOBase):  # cannot seek: the zip gets data descriptors, as archiver writes them
            def __init__(self, path):
                self.file = path.open("wb")

            def writable(self):
                return True

            def write(self, data):
                return self.file.write(data)

        path = folder / "tracearr-backup-20260301-100000.zip"
        for other in ({}, {"counts": {"automations": 1}}, {"database": metadata["database"] | {"timescaleVersion": "2.17.2", "timescaleToolkitVersion": "1.18.0"}}):
            out = Stream(path)
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
                with z.open("metadata.json", "w") as m:
                    m.write(json.dumps(metadata | other, indent=2).encode())
                with z.open("database.dump", "w") as m:
                    m.write(dump_bytes)
            out.file.close()
            self.assertIn("a Tracearr backup", self.comes_back(path).err)
        told = assert_exit(self.ws.run("teslamate-verify", str(path)), 0)
        self.assertIn("a Tracearr backup, complete", told.out)
        path.write_bytes(path.read_bytes()[:-200])
        result = assert_exit(self.ws.restore(LIVE, str(path)), 13)
        self.assertIn("File is not a valid zip archive", result.err)

    def test_a_locale_or_a_tablespace_that_is_not_here(self):
        text = dump("created.sql", "-C").read_text()
        path = folder / "absent.sql"
        path.write_text(re.sub(r"LOCALE = '[^']*'", "LOCALE = 'xx_YY.UTF-8'", text))
        result = assert_exit(self.ws.restore(LIVE, str(path)), 16)
        self.assertIn("xx_YY.UTF-8", result.err)
        self.assertIn("make that locale", result.err)
        self.assertEqual([d for d in pg.databases() if d.startswith(LIVE)], [])
        self.live()  # which has a locale that the file takes over
        assert_exit(self.ws.restore(LIVE, str(path)), 0)
        path.write_text(text.replace("SET default_tablespace = '';", "SET default_tablespace = fast;"))
        self.assertIn("left out: the tablespace fast", self.comes_back(path).err)

    def test_a_directory_dump(self):
        for jobs in ("1", "2"):
            path = folder / f"directory{jobs}"
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(mode=0o777)
            path.chmod(0o777)
            path.rmdir()
            pg.client("pg_dump", "-Fd", "-j", jobs, "-f", str(path), database=OLD)
            for p in [path, *path.iterdir()]:
                p.chmod(0o755)
            self.comes_back(path)

    def test_a_dump_of_a_whole_server_brings_back_teslamates_database(self):
        data = pg.client("pg_dumpall").stdout
        (folder / "all.sql").write_bytes(data)
        result = self.comes_back(folder / "all.sql")
        self.assertIn("roles", result.err)

    # -- where it goes

    def test_a_dump_is_loaded_beside_the_live_database(self):
        path = dump("beside.sql")
        self.live()
        result = assert_exit(self.ws.restore(LIVE, str(path), "--as-database", "look", "--json"), 0).json()
        self.assertEqual(diff_digests(before, database_digest(pg, "look"), ignore=("database",)), [])
        self.assertEqual(result["file"], "beside.sql")
        self.assertIsNone(result["snapshot"])
        self.assertEqual(pg.scalar(LIVE, "SELECT x FROM public.canary"), "42")

    def test_dry_run_says_what_would_change_and_touches_nothing(self):
        self.live()
        digest = database_digest(pg, LIVE)
        result = assert_exit(self.ws.restore(LIVE, str(dump("dry.sql")), "--dry-run", "--json"), 0).json()
        tables = {t["name"]: t for t in result["differences"]["tables"]}
        self.assertEqual(tables["positions"]["snapshot_rows"], before["tables"]["public.positions"]["rows"])
        self.assertEqual(tables["canary"]["live_rows"], 1)
        self.assertTrue(result["differences"]["cars"])
        self.assertEqual(diff_digests(digest, database_digest(pg, LIVE)), [])


if __name__ == "__main__":
    unittest.main()
