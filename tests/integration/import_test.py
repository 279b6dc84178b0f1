# SPDX-License-Identifier: MIT
"""A .tmb comes back into a repository: the same one, another one, an encrypted one. What is damaged does not."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import unittest

from backup_checks import backup, check_repository
from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests, run_tool, tree_digest


class Case(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster(locale="C"))
        cls.ws = cls.enterClassContext(Workspace(cls.pg))
        cls.pg.load_sample("live", 3000)
        cls.first = backup(cls.ws, "live")["snapshot"]
        cls.expected = database_digest(cls.pg, "live")
        cls.pg.next_day("live", 1, 200)
        cls.second = backup(cls.ws, "live")["snapshot"]
        cls.file = cls.ws.folder / "first.tmb"
        assert_exit(cls.ws.snapshots("export", cls.first, cls.file), 0)

    def other(self) -> Workspace:
        return self.enterContext(Workspace(self.pg))

    def restored(self, ws: Workspace, what) -> list[str]:
        """The differences of what comes back to the database of the first snapshot."""
        self.pg.drop_db("copy")
        assert_exit(ws.restore("live", what, "--as-database", "copy"), 0)
        return diff_digests(self.expected, database_digest(self.pg, "copy"), ignore=("database",))


class Import(Case):
    def test_into_an_empty_repository(self):
        ws = self.other()
        document = assert_exit(ws.snapshots("import", self.file, "--json"), 0).json()
        self.assertEqual((self.first, False), (document["snapshot"], document["there_already"]))
        check_repository(ws.repository)
        self.assertEqual([], self.restored(ws, self.first))
        assert_exit(ws.verify("--read-data"), 0)

    def test_what_is_there_is_not_stored_twice(self):
        ws = self.other()
        newer = ws.folder / "second.tmb"
        assert_exit(self.ws.snapshots("export", self.second, newer), 0)
        assert_exit(ws.snapshots("import", newer), 0)
        document = assert_exit(ws.snapshots("import", self.file, "--json"), 0).json()
        self.assertLess(document["new_objects"], document["objects"] * 2 / 3)
        self.assertEqual(["first", "second"], [{self.first: "first", self.second: "second"}[p.stem] for p in ws.snapshot_files()])
        self.assertEqual([], self.restored(ws, self.first))

    def test_into_its_own_repository_after_it_was_lost_there(self):
        copy = self.other()
        subprocess.run(["cp", "-a", f"{self.ws.repository}/.", str(copy.repository)], check=True)
        before = tree_digest(copy.repository)
        again = assert_exit(copy.snapshots("import", self.file, "--json"), 0).json()
        self.assertTrue(again["there_already"])
        self.assertEqual(0, again["new_bytes"])
        self.assertEqual(before, tree_digest(copy.repository))
        os.unlink(copy.repository / "snapshots" / f"{self.first}.json")
        victim = max(copy.object_files(), key=lambda p: p.stat().st_size)
        victim.unlink()
        document = assert_exit(copy.snapshots("import", self.file, "--json", "--accept-repository"), 0).json()
        self.assertFalse(document["there_already"])
        self.assertEqual(before, tree_digest(copy.repository))

    def test_what_a_timer_took_and_a_person_brings_back_is_the_person_s(self):
        ws = self.other()
        assert_exit(ws.backup("live", "--scheduled"), 0)
        taken = ws.snapshot_files()[-1]
        file = ws.folder / "scheduled.tmb"
        assert_exit(ws.snapshots("export", taken.stem, file), 0)
        # It is there: it stays what it was.
        before = tree_digest(ws.repository)
        self.assertTrue(assert_exit(ws.snapshots("import", file, "--json"), 0).json()["there_already"])
        self.assertEqual(before, tree_digest(ws.repository))
        taken.unlink()
        assert_exit(ws.snapshots("import", file, "--accept-repository"), 0)
        self.assertFalse(json.loads(taken.read_text())["scheduled"])
        again = assert_exit(ws.snapshots("import", file, "--json"), 0).json()
        self.assertTrue(again["there_already"])
        assert_exit(ws.verify("--read-data"), 0)

    def test_the_same_file_twice_into_another_repository(self):
        ws = self.other()
        backup(ws, "live")
        assert_exit(ws.snapshots("import", self.file), 0)
        before = tree_digest(ws.repository)
        self.assertTrue(assert_exit(ws.snapshots("import", self.file, "--json"), 0).json()["there_already"])
        self.assertEqual(before, tree_digest(ws.repository))
        backup(ws, "live")  # goes on as before

    def test_a_snapshot_that_is_another_one_keeps_its_name(self):
        ws = self.other()
        assert_exit(ws.snapshots("import", self.file), 0)
        other = ws.folder / "other.tmb"
        assert_exit(self.ws.snapshots("export", self.second, other), 0)
        taken = ws.repository / "snapshots" / f"{self.second}.json"
        third = self.other()
        backup(third, "live")
        taken.write_bytes(third.snapshot_files()[-1].read_bytes())
        result = ws.snapshots("import", other)
        self.assertIn(result.code, (13, 22), result.text())

    def test_export_and_import_give_the_same_bytes_again(self):
        ws = self.other()
        subprocess.run(["cp", "-a", f"{self.ws.repository}/.", str(ws.repository)], check=True)
        again = ws.folder / "again.tmb"
        assert_exit(ws.snapshots("export", self.first, again), 0)
        self.assertEqual(self.file.read_bytes(), again.read_bytes())

    def test_a_tmb_is_a_tar_with_the_repository_s_files(self):
        folder = self.ws.folder / "unpacked"
        folder.mkdir()
        subprocess.run(["tar", "-xf", str(self.file), "-C", str(folder)], check=True)
        names = subprocess.run(["tar", "-tf", str(self.file)], capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual(("format.json", f"snapshots/{self.first}.json"), (names[0], names[-1]))
        for name in names:
            self.assertEqual((self.ws.repository / name).read_bytes(), (folder / name).read_bytes())

    def test_hostile_and_damaged_files_change_nothing(self):
        raw = self.file.read_bytes()
        ws = self.other()
        backup(ws, "live")
        before = tree_digest(ws.repository)
        cases = {
            "empty": b"", "zeros": bytes(10240), "cut off": raw[:-1024], "half": raw[:len(raw) // 2],
            "bytes behind": raw + b"x", "two of them": raw + raw, "no manifest": raw[:raw.index(b"snapshots/")] + bytes(1024),
            "sql": b"-- PostgreSQL database dump\n", "flipped": raw[:700] + bytes([raw[700] ^ 1]) + raw[701:],
            "flipped in the manifest": raw[:-3000] + bytes([raw[-3000] ^ 1]) + raw[-2999:],
            "a path that leads out": raw.replace(b"objects/", b"../../x/", 1),
            "gzip of nothing": bytes.fromhex("1f8b0800000000000003030000000000000000"),
            "flipped in an object": raw[:len(raw) // 3] + bytes([raw[len(raw) // 3] ^ 64]) + raw[len(raw) // 3 + 1:],
        }
        for name, data in cases.items():
            with self.subTest(name):
                path = ws.folder / "hostile.tmb"
                path.write_bytes(data)
                assert_exit(ws.snapshots("import", path), 13)
                if "in an object" not in name:  # objects before a damaged one are stored, but no snapshot names them
                    self.assertEqual(before, tree_digest(ws.repository))
                assert_exit(ws.verify("--read-data"), 0)
                self.assertEqual(1, len(ws.snapshot_files()))
        assert_exit(ws.snapshots("import", ws.folder / "absent.tmb"), 21)
        assert_exit(ws.snapshots("import", ws.folder), 17)


class Encrypted(Case):
    """A .tmb of an encrypted repository is encrypted, and opens with the same passphrase."""

    def key_file(self, text: str) -> pathlib.Path:
        path = self.ws.folder / f"key-{text}"
        path.write_text(text + "\n", encoding="utf-8")
        path.chmod(0o600)
        return path

    def test_round_trip(self):
        key = self.key_file("correct horse battery staple")
        ws = self.other()
        assert_exit(ws.backup("live", "--key-file", key), 0)
        expected = database_digest(self.pg, "live")
        snapshot = ws.snapshot_files()[-1].stem
        path = ws.folder / "sealed.tmb"
        assert_exit(ws.snapshots("export", "latest", path, "--key-file", key), 0)
        raw = path.read_bytes()
        self.assertNotIn(b"positions", raw)
        self.assertNotIn(b"PGDMP", raw)

        with self.subTest("a wrong passphrase"):
            wrong = self.key_file("wrong")
            self.assertEqual(12, ws.restore("live", path, "--as-database", "copy", "--key-file", wrong).code)
        with self.subTest("restored as it is"):
            self.pg.drop_db("copy")
            assert_exit(ws.restore("live", path, "--as-database", "copy", "--key-file", key), 0)
            self.assertEqual([], diff_digests(expected, database_digest(self.pg, "copy"), ignore=("database",)))
        with self.subTest("back into its repository"):
            os.unlink(ws.snapshot_files()[-1])
            (ws.state / "x").touch()
            document = assert_exit(ws.snapshots("import", path, "--json", "--key-file", key, "--accept-repository"), 0).json()
            self.assertEqual(0, document["new_objects"])
            assert_exit(ws.verify("--read-data", "--key-file", key), 0)
        with self.subTest("into a plain repository"):
            plain = self.other()
            backup(plain, "live")
            assert_exit(plain.snapshots("import", path, "--key-file", key), 3)
            self.pg.drop_db("copy")
            assert_exit(plain.restore("live", snapshot, "--as-database", "copy"), 0)
            self.assertEqual([], diff_digests(expected, database_digest(self.pg, "copy"), ignore=("database",)))
        with self.subTest("straight from the database"):
            direct = ws.folder / "direct.tmb"
            assert_exit(ws.backup("live", direct, "--key-file", key), 0)
            self.assertNotIn(b"positions", direct.read_bytes())
            self.assertEqual(12, ws.restore("live", direct, "--as-database", "copy", "--key-file", self.key_file("wrong")).code)


if __name__ == "__main__":
    unittest.main()
