# SPDX-License-Identifier: MIT
"""teslamate-keys killed before, or failed at, each system call by which it changes the repository.

Whatever happens, the old key or the new one opens the repository, every snapshot is whole, and the same command or
the next backup does the rest.
"""
from __future__ import annotations

import pathlib
import re
import shutil
import unittest

import injection
from harness import Cluster, Workspace, assert_exit
from injection import CHANGING, sample

STRACE = ["-y"]
MOST = 4  # points of each call


class Sweep(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.create_db("live")
        cls.pg.script("live", "CREATE TABLE a AS SELECT i AS id, md5(i::text) AS s FROM generate_series(1, 300) AS i;"
                              "CREATE TABLE b AS SELECT i AS id FROM generate_series(1, 10) AS i")

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.old = self.ws.folder / "old-key"
        self.new = self.ws.folder / "new-key"
        self.good = self.ws.folder / "good"

    def keep(self):
        """The repository as it is now is where every run begins."""
        shutil.copytree(self.ws.repository, self.good, symlinks=True)

    def begin_anew(self):
        shutil.rmtree(self.ws.repository)
        shutil.copytree(self.good, self.ws.repository, symlinks=True)
        for record in self.ws.state.glob("last-seen-*"):
            record.unlink()

    def run_keys(self, *args, inject: str | None = None, trace: str | None = None):
        return self.ws.run_traced("teslamate-keys", *args, "-r", self.ws.repository, "--yes", inject=inject, trace=trace,
                                  strace_args=STRACE, timeout=60)

    def opening_keys(self) -> list[list]:
        """The flags with which the repository opens now; none for a plain one."""
        tries = [[], *(["--key-file", k] for k in (self.old, self.new) if k.exists())]
        found = []
        for flags in tries:
            result = self.ws.run("teslamate-snapshots", "list", "-r", self.ws.repository, "--json", *flags)
            if result.code == 0:
                found.append(flags)
                if not flags:
                    break  # who needs no key ignores one
            else:
                self.assertEqual(result.code, 12, result)
        return found

    def points(self, args: list) -> dict[str, list[int]]:
        result = assert_exit(self.run_keys(*args, trace=injection.names(CHANGING)), 0)
        found = injection.points(result.trace, self.ws.repository)
        self.assertGreater(sum(map(len, found.values())), 5, result.trace[:2000])
        return found

    def sweep(self, args: list, snapshots: int, faults: list[str]):
        self.begin_anew()
        points = self.points(args)
        struck: list = []
        for name, numbers in points.items():
            for number in sample(numbers, MOST):
                for fault in faults:
                    with self.subTest(call=name, when=number, fault=fault):
                        self.begin_anew()
                        result = self.run_keys(*args, inject=f"{name}:{fault}:when={number}")
                        self.assertTrue("INJECTED" in result.trace or "killed by" in result.trace, result)
                        struck.append(result)
                        self.check_state(snapshots, result)
        self.assertGreater(len(struck), 20)

    def check_state(self, snapshots: int, result):
        opening = self.opening_keys()
        self.assertEqual(len(opening), 1, (opening, result))
        listed = self.ws.run("teslamate-snapshots", "list", "-r", self.ws.repository, "--json", *opening[0]).json()
        self.assertEqual(len(listed["snapshots"]), snapshots)
        assert_exit(self.ws.verify("--read-data", *opening[0]), 0)
        # The next backup does what is left to do, unless the change never began.
        backup = self.ws.backup("live", *opening[0])
        self.assertIn(backup.code, (0, 3), backup)
        again = self.ws.run("teslamate-keys", "list", "-r", self.ws.repository, "--json").json()
        self.assertFalse(again["key_change_under_way"])
        assert_exit(self.ws.verify("--read-data", *opening[0]), 0)
        leftovers = [p for p in self.ws.repository.rglob(".tmp-*")]
        self.assertEqual(leftovers, [])

    FAULTS = ["signal=KILL", "error=ENOSPC"]

    def test_encrypting_a_plain_repository(self):
        assert_exit(self.ws.backup("live"), 0)
        self.pg.sql("live", "INSERT INTO a SELECT 1000, 'x'")
        assert_exit(self.ws.backup("live"), 0)
        # A generated key costs no scrypt, and any file with one will do.
        assert_exit(self.ws.run("teslamate-keys", "init", "-r", self.ws.folder / "other", "--new-key-file", self.new), 0)
        self.keep()
        self.sweep(["encrypt", "--new-passphrase-file", self.new], 2, self.FAULTS)

    def test_changing_the_master_key(self):
        shutil.rmtree(self.ws.repository)
        assert_exit(self.ws.run("teslamate-keys", "init", "-r", self.ws.repository, "--new-key-file", self.old), 0)
        assert_exit(self.ws.backup("live", "--key-file", self.old), 0)
        other = self.ws.folder / "other"
        assert_exit(self.ws.run("teslamate-keys", "init", "-r", other, "--new-key-file", self.new), 0)
        self.keep()
        self.sweep(["rotate", "--key-file", self.old, "--new-passphrase-file", self.new], 1, self.FAULTS)

    def test_adding_a_slot_leaves_the_old_ones(self):
        shutil.rmtree(self.ws.repository)
        assert_exit(self.ws.run("teslamate-keys", "init", "-r", self.ws.repository, "--new-key-file", self.old), 0)
        self.keep()
        sheet = pathlib.Path(self.ws.folder / "sheet.html")
        struck, left = 0, set()
        for name, numbers in self.points_of_sheet(sheet).items():
            for number in numbers:
                with self.subTest(call=name, when=number):
                    self.begin_anew()
                    sheet.unlink(missing_ok=True)
                    result = self.run_keys("recovery-sheet", sheet, "--key-file", self.old, inject=f"{name}:signal=KILL:when={number}")
                    self.assertIn("killed by SIGKILL", result.trace)
                    struck += 1
                    assert_exit(self.ws.run("teslamate-snapshots", "list", "-r", self.ws.repository, "--key-file", self.old), 0)
                    left.add(self.check_sheet(sheet))
        self.assertGreater(struck, 5)
        self.assertEqual(left, {(1, False), (1, True), (2, True)}, "not every state in between was seen")

    def check_sheet(self, sheet: pathlib.Path) -> tuple[int, bool]:
        """How many slots there are, and whether the sheet is; each slot is one that somebody holds."""
        self.assertEqual(list(sheet.parent.glob(".tmp-*")), [], "a recovery key in a hidden file")
        slots = self.ws.run("teslamate-keys", "list", "-r", self.ws.repository, "--json").json()["slots"]
        if len(slots) > 1:
            self.assertTrue(sheet.exists(), "a slot that nobody holds counts as a way in")
            key = self.ws.folder / "key-of-the-sheet"
            text = re.sub(r"<br>|-?\n *", " ", sheet.read_text())
            key.write_text(re.search(r"TMBK(?:[ -][0-9A-Z]{4}){9}", text).group() + "\n")
            key.chmod(0o600)
            assert_exit(self.ws.run("teslamate-snapshots", "list", "-r", self.ws.repository, "--key-file", key), 0)
        return len(slots), sheet.exists()

    def test_every_name_is_durable_before_what_needs_it(self):
        """Objects before the manifest that names them, slots before format.json that names their key."""
        assert_exit(self.ws.backup("live"), 0)
        self.pg.sql("live", "INSERT INTO a SELECT 2000, 'y'")
        assert_exit(self.ws.backup("live"), 0)
        result = assert_exit(self.run_keys("encrypt", "--new-key-file", self.new,
                                           trace=injection.names(("fsync", "rename", "renameat", "renameat2", "link", "linkat"))), 0)
        synced, named, made = set(), {"objects": [], "keys": []}, []
        for _, name, arguments in injection.calls(result.trace):
            if name == "fsync":
                synced.add(re.search("<(.*?)>", arguments).group(1))
                continue
            old, new = map(pathlib.Path, re.findall('"(.*?)"', arguments))
            if not new.is_relative_to(self.ws.repository):
                continue
            self.assertIn(str(old), synced, f"{new} got its name before its content was durable")
            folder = new.relative_to(self.ws.repository).parts[0]
            needs = {"snapshots": "objects", "format.json": "keys"}.get(folder)
            for path in named.get(needs, []):
                self.assertIn(str(path.parent), synced, f"the name {path} was not durable when {new} got its own")
            if folder in named:
                named[folder].append(new)
                synced.discard(str(new.parent))
            made.append(folder)
        self.assertEqual(made.count("snapshots"), 2)
        self.assertEqual(made.count("format.json"), 2)
        self.assertGreater(len(named["objects"]), 2)
        self.assertEqual(len(named["keys"]), 1)

    def points_of_sheet(self, sheet: pathlib.Path) -> dict[str, list[int]]:
        self.begin_anew()
        result = assert_exit(self.run_keys("recovery-sheet", sheet, "--key-file", self.old, trace=injection.names(CHANGING)), 0)
        found = injection.points(result.trace, self.ws.repository)
        for name, numbers in injection.points(result.trace, sheet).items():
            found[name] = sorted({*found.get(name, []), *numbers})
        self.assertIn("linkat", found)
        return found


if __name__ == "__main__":
    unittest.main()
