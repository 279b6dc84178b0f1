#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""teslamate-verify and teslamate-snapshots on a repository that teslamate-backup made of a real database.

The sweep over every bit and every length is in tests/unit/verify/verify_test.cc; here one of each kind is tried
through the programs.
"""
import pathlib
import shutil
import unittest

from harness import Cluster, Workspace, assert_exit, flip_bit, tree_digest, truncate


class Verify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster())
        cls.ws = cls.enterClassContext(Workspace(cls.cluster))
        cls.cluster.load_sample("teslamate", positions=2000)
        assert_exit(cls.ws.backup("teslamate"), 0)
        cls.cluster.sql("teslamate", "UPDATE cars SET name = name || ' 2'")
        assert_exit(cls.ws.backup("teslamate", "--tag", "second"), 0)

    def setUp(self):
        self.copy = self.ws.copy_repository()
        self.addCleanup(shutil.rmtree, self.copy, ignore_errors=True)

    def verify(self, *args: str):
        return self.ws.run("teslamate-verify", "-r", str(self.copy), *args)

    def document(self, *args: str) -> dict:
        return self.verify("--json", *args).json()

    def objects(self) -> list[pathlib.Path]:
        return sorted(p for p in (self.copy / "objects").rglob("*") if p.is_file())

    def manifests(self) -> list[pathlib.Path]:
        return sorted((self.copy / "snapshots").glob("*.json"))

    def test_an_untouched_repository_is_intact_and_stays_byte_for_byte_the_same(self):
        before = tree_digest(self.copy)
        assert_exit(self.verify(), 0)
        assert_exit(self.verify("--read-data", "-j", "3"), 0)
        self.assertEqual(tree_digest(self.copy), before)
        (found,) = self.document("--read-data")["repositories"]
        self.assertTrue(found["intact"])
        self.assertEqual([s["complete"] for s in found["snapshots"]], [True, True])
        self.assertEqual(found["objects"], len(self.objects()))
        self.assertEqual(found["orphans"], 0)
        self.assertEqual(found["strays"], [])

    def test_a_repository_may_be_named_as_argument(self):
        assert_exit(self.ws.run("teslamate-verify", str(self.copy)), 0)

    def test_one_flipped_bit_in_each_file_is_found(self):
        for file in [*self.objects(), *self.manifests(), self.copy / "format.json"]:
            with self.subTest(file=file.name):
                good = file.read_bytes()
                flip_bit(file, len(good) * 4)
                result = self.verify("--read-data")
                file.chmod(0o600)
                file.write_bytes(good)
                assert_exit(result, 13)

    def test_a_shortened_and_a_missing_object_are_found_without_reading_data(self):
        file = self.objects()[0]
        truncate(file, file.stat().st_size - 1)
        assert_exit(self.verify(), 13)
        file.unlink()
        assert_exit(self.verify(), 13)

    def test_a_damaged_manifest_hides_no_other_snapshot(self):
        flip_bit(self.manifests()[0], 999)
        result = self.ws.run("teslamate-snapshots", "list", "--json", "-r", str(self.copy))
        assert_exit(result, 13)
        document = result.json()
        self.assertEqual([s["damaged"] for s in document["snapshots"]], [True, False])
        result = self.ws.run("teslamate-snapshots", "list", "-r", str(self.copy))
        assert_exit(result, 13)
        self.assertIn(self.manifests()[1].stem, result.out)
        self.assertIn("DAMAGED", result.out)
        assert_exit(self.ws.run("teslamate-snapshots", "show", "-r", str(self.copy)), 0)
        assert_exit(self.ws.run("teslamate-snapshots", "show", self.manifests()[0].stem, "-r", str(self.copy)), 13)
        found = self.document()["repositories"][0]
        self.assertEqual([s["complete"] for s in found["snapshots"]], [False, True])

    def test_an_unknown_snapshot_is_21(self):
        assert_exit(self.verify("19990101T000000Z-0000"), 21)
        assert_exit(self.ws.run("teslamate-snapshots", "show", "nonsense", "-r", str(self.copy)), 21)

    def test_an_orphan_and_a_stray_are_told_and_are_no_error(self):
        self.manifests()[1].unlink()
        (self.copy / "README").write_text("x")
        result = assert_exit(self.verify(), 0)
        self.assertIn("in no snapshot", result.err)
        self.assertIn("README", result.err)

    def test_list_and_show_tell_rows_sizes_and_tag(self):
        document = self.ws.snapshots("list", "--json").json()
        first, second = document["snapshots"]
        self.assertEqual(second["tag"], "second")
        self.assertEqual(second["parent"], first["id"])
        self.assertEqual(first["new_bytes"], first["stored_bytes"])
        self.assertLess(second["new_bytes"], second["stored_bytes"])
        rows = int(self.cluster.scalar("teslamate", "SELECT count(*) FROM positions"))
        shown = self.ws.snapshots("show", "latest", "--json").json()["snapshot"]
        tables = {t["name"]: t["rows"] for t in shown["table_list"]}
        self.assertEqual(tables["positions"], rows)
        self.assertEqual(sum(tables.values()), shown["rows"])
        text = assert_exit(self.ws.snapshots("show"), 0).out
        self.assertIn("public.positions", text)
        self.assertIn("second", text)


if __name__ == "__main__":
    unittest.main()
