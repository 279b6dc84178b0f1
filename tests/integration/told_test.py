# SPDX-License-Identifier: MIT
"""What teslamate-verify FILE and teslamate-restore --dry-run FILE say of every kind of file: what it is, from where,
how many rows, whether it is whole, what it would change. And a .tmb, plain and encrypted, as something to restore."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import unittest
import zipfile

from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests

LIVE = "teslamate"


class Told(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.load_sample("source", positions=1500)
        cls.digest = database_digest(cls.pg, "source")
        cls.positions = int(cls.pg.scalar("source", "SELECT count(*) FROM positions"))
        cls.migration = cls.pg.scalar("source", "SELECT max(version) FROM schema_migrations")
        cls.made = cls.enterClassContext(Workspace(cls.pg))
        cls.folder = cls.made.folder
        cls.files = cls.make_files()

    @classmethod
    def make_files(cls) -> dict:
        """kind as it is told: path"""
        f = cls.folder
        f.chmod(0o755)
        out = {}

        def dump(name, *args):
            (f / name).write_bytes(cls.pg.client("pg_dump", *args, database="source").stdout)
            return f / name

        out["plain SQL"] = dump("a.sql")
        subprocess.run(["gzip", "-k", str(f / "a.sql")], check=True)
        out["plain SQL in gzip"] = f / "a.sql.gz"
        out["a custom dump (pg_dump -Fc)"] = dump("a.dump", "-Fc")
        out["a tar dump (pg_dump -Ft)"] = dump("a.tar", "-Ft")
        directory = f / "directory"
        directory.mkdir(mode=0o777)
        directory.chmod(0o777)
        cls.pg.client("pg_dump", "-Fd", "-f", str(directory / "d"), database="source")
        for path in [directory / "d", *(directory / "d").iterdir()]:
            path.chmod(0o755)
        out["a directory dump (pg_dump -Fd)"] = directory / "d"
        metadata = {"format": 1, "createdAt": "2026-03-01T10:00:00.000Z", "app": {"version": "1.0.0", "commit": "", "tag": ""},
                    "database": {"pgVersion": "15.14", "timescaleVersion": "unknown"}, "counts": {}}
        with zipfile.ZipFile(f / "tracearr.zip", "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr("metadata.json", json.dumps(metadata))
            z.write(f / "a.dump", "database.dump")
        out["a Tracearr backup"] = f / "tracearr.zip"
        for name, kind in (("a.tmb", "snapshot 2"), ("b.tmb.zst", "snapshot 2")):
            assert_exit(cls.made.run("teslamate-backup", *cls.made.target("source"), str(f / name)), 0)
            out[kind + " in " + name] = f / name
        return out

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.pg.drop_db(LIVE)
        self.pg.sql("postgres", f"CREATE DATABASE {LIVE} TEMPLATE source")
        self.pg.sql(LIVE, "DELETE FROM positions WHERE id IN (SELECT id FROM positions WHERE drive_id IS NULL AND NOT EXISTS "
                    "(SELECT FROM charging_processes c WHERE c.position_id = positions.id) LIMIT 10)", "CREATE TABLE canary (x int)")
        self.addCleanup(self.pg.drop_db, LIVE)

    def test_every_kind_says_what_it_is_and_what_it_would_change(self):
        before = database_digest(self.pg, LIVE)
        live = int(self.pg.scalar(LIVE, "SELECT count(*) FROM positions"))
        self.assertLess(live, self.positions)
        databases = self.pg.databases()
        for kind, path in self.files.items():
            word = kind.split(" in a.")[0].split(" in b.")[0]
            with self.subTest(kind):
                told = assert_exit(self.ws.run("teslamate-verify", str(path)), 0).out
                dry = assert_exit(self.ws.restore(LIVE, str(path), "--dry-run"), 0).out
                for text in (told, dry):
                    self.assertIn(word, text)
                    self.assertIn("complete", text)
                    self.assertRegex(text, rf"from PostgreSQL {self.pg.version}\.")
                    self.assertIn(f"TeslaMate's schema {self.migration}", text)
                self.assertRegex(told, rf"public\.positions +{self.positions:,}".replace(",", "."))
                self.assertRegex(told, r"car 1 .*: \d+ drives, \d+ charges?, \d{4}-")
                self.assertRegex(dry, rf"public\.positions: \w+ {self.positions:,}, live {live:,}  differs".replace(",", "."))
                self.assertRegex(dry, r"public\.canary: \w+ none, live 0  differs")
                self.assertIn("nothing was changed", dry)
                [document] = assert_exit(self.ws.run("teslamate-verify", str(path), "--json"), 0).json()["files"]
                self.assertTrue(document["complete"])
                self.assertEqual(document["migration_version"], self.migration)
                self.assertEqual({t["name"]: t["rows"] for t in document["tables"]}["positions"], self.positions)
        self.assertEqual(databases, self.pg.databases())
        self.assertEqual([], diff_digests(before, database_digest(self.pg, LIVE)))

    def test_a_tmb_plain_packed_and_encrypted_replaces_the_live_database(self):
        key = self.folder / "key"
        shutil.rmtree(self.ws.repository)
        assert_exit(self.ws.run("teslamate-keys", "init", "-r", self.ws.repository, "--new-key-file", key), 0)
        sealed = self.folder / "sealed.tmb"
        assert_exit(self.ws.backup("source", "--key-file", key, sealed), 0)
        self.assertNotIn(self.pg.scalar("source", "SELECT vin FROM cars LIMIT 1").encode(), sealed.read_bytes())
        elsewhere = self.enterContext(Workspace(self.pg))  # where nobody knows the repository
        for path, flags in ((self.folder / "a.tmb", ()), (self.folder / "b.tmb.zst", ()), (sealed, ("--key-file", key))):
            with self.subTest(path.name):
                self.pg.drop_db(LIVE)
                self.pg.create_db(LIVE)
                result = assert_exit(elsewhere.restore(LIVE, *flags, str(path)), 0)
                self.assertEqual([], diff_digests(self.digest, database_digest(self.pg, LIVE), ignore=("database",)))
                [kept] = [d for d in self.pg.databases() if "_before_" in d]
                self.pg.drop_db(kept)
        wrong = self.folder / "wrong"
        wrong.write_text("another passphrase\n")
        wrong.chmod(0o600)
        for command in (("teslamate-verify",), ("teslamate-restore", *elsewhere.target(LIVE), "--dry-run"), ("teslamate-restore", *elsewhere.target(LIVE), "--yes")):
            assert_exit(elsewhere.run(*command, "--key-file", wrong, str(sealed)), 12)
            assert_exit(elsewhere.run(*command, str(sealed)), 12)
        [document] = assert_exit(elsewhere.run("teslamate-verify", "--key-file", key, str(sealed), "--json"), 0).json()["files"]
        self.assertEqual({t["name"]: t["rows"] for t in document["tables"]}["positions"], self.positions)
        self.damage(sealed, "--key-file", key)

    def test_another_encryption_key_than_that_of_the_tokens_is_told_before_the_swap(self):
        right, wrong = {"ENCRYPTION_KEY": "sample-encryption-key"}, {"ENCRYPTION_KEY": "another key"}
        assert_exit(self.ws.backup("source", env=right), 0)
        for what in ("latest", str(self.folder / "a.tmb"), str(self.folder / "a.sql"), str(self.folder / "a.dump")):
            with self.subTest(what):
                result = assert_exit(self.ws.restore(LIVE, what, env=right), 0)
                self.assertRegex(result.err, r"(?i)token")
                result = assert_exit(self.ws.restore(LIVE, what, env=wrong), 3)
                self.assertIn("ENCRYPTION_KEY", result.err)
                self.assertLess(result.err.index("ENCRYPTION_KEY"), result.err.index("swapping"))
                if what == "latest":
                    self.assertIn("another one than when the snapshot was taken", result.err)
                self.assertEqual([], diff_digests(self.digest, database_digest(self.pg, LIVE), ignore=("database",)))
                for kept in (d for d in self.pg.databases() if "_before_" in d):
                    self.pg.drop_db(kept)

    def test_damage_anywhere_in_a_tmb_is_seen(self):
        self.damage(self.folder / "a.tmb")

    def damage(self, path, *flags):
        good = path.read_bytes()
        bad = self.folder / "bad.tmb"
        chance = random.Random(4)
        cases = [("cut", good[:chance.randrange(len(good))]) for _ in range(25)] + [("longer", good + b"\0"), ("longer", good + b"x" * 512), ("twice", good + good)]
        for _ in range(40):
            at = chance.randrange(len(good) * 8)
            flipped = bytearray(good)
            flipped[at // 8] ^= 1 << at % 8
            cases.append((f"bit {at}", bytes(flipped)))
        before = database_digest(self.pg, LIVE)
        for name, data in cases:
            bad.write_bytes(data)
            result = self.ws.run("teslamate-verify", *flags, str(bad))
            self.assertIn(result.code, (12, 13, 14), f"{name}\n{result.text()}")
            if name.startswith("bit") and result.code == 12:
                self.assertTrue(flags, "no key is asked for")
        result = self.ws.restore(LIVE, *flags, str(bad))
        self.assertIn(result.code, (12, 13, 14), result.text())
        self.assertEqual([], diff_digests(before, database_digest(self.pg, LIVE)))


if __name__ == "__main__":
    unittest.main()
