#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Encrypted repositories through the programs: made, opened, refused, re-keyed; what they carry; what leaks."""
from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

from harness import Cluster, Workspace, assert_exit, database_digest, diff_digests, flip_bit, tool_path

RECOVERY = pathlib.Path(__file__).resolve().parents[1] / "recovery" / "recover.py"
SAMPLE_KEY = "sample-encryption-key"


def private(path: pathlib.Path, text: str) -> pathlib.Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def typed(ws: Workspace, argv: list, lines: list[str], timeout: float = 60) -> tuple[int, str]:
    """Runs a program on a terminal of its own, answers each prompt with the next line; its code and the screen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ws.home)
        os.execve(tool_path(argv[0]), [str(a) for a in argv], ws.environment())
    screen, waiting, deadline = "", list(lines), time.monotonic() + timeout
    prompts = 0
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if ready:
            try:
                screen += os.read(terminal, 4096).decode(errors="replace")
            except OSError:
                break
        seen = len(re.findall(r"(?:\]|again|passphrase|/[^\s:]*): ?$|\[y/N\] ", screen, re.M | re.I))
        if waiting and seen > prompts and (screen.endswith(": ") or screen.endswith("] ")):
            prompts = seen
            os.write(terminal, (waiting.pop(0) + "\n").encode())
            screen += "\n"
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), screen


class Base(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.load_sample("live", positions=1500)
        cls.digest = database_digest(cls.pg, "live")

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.key = self.ws.folder / "key"
        self.no_settings = {"TESLAMATE_BACKUP_CONFIG": str(private(self.ws.folder / "no-settings", ""))}

    def keys(self, *args, key: pathlib.Path | None = None, **keywords):
        flags = ["--key-file", key or self.key] if (key or self.key).exists() else []
        return self.ws.run("teslamate-keys", args[0], *args[1:], "-r", self.ws.repository, *flags, "--yes", **keywords)

    def init(self):
        shutil.rmtree(self.ws.repository)
        assert_exit(self.ws.run("teslamate-keys", "init", "-r", self.ws.repository, "--new-key-file", self.key), 0)

    def backup(self, *args, **keywords):
        return self.ws.backup("live", "--key-file", self.key, *args, **keywords)

    def assert_restores(self, key: pathlib.Path | None = None):
        result = self.ws.restore("live", "--key-file", key or self.key, "--as-database", "again", "latest")
        self.assertIn(result.code, (0, 3), result)
        self.addCleanup(self.pg.drop_db, "again")
        self.assertEqual(diff_digests(self.digest, database_digest(self.pg, "again"), ignore=("database",)), [])

    def recovered(self, key: pathlib.Path, *args: str) -> subprocess.CompletedProcess:
        env = self.ws.environment() | {"RECOVER_KEY_FILE": str(key), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run([sys.executable, RECOVERY, self.ws.repository, "latest", *args], env=env,
                              capture_output=True, timeout=120, check=True)


class Encrypted(Base):
    def test_a_snapshot_of_an_encrypted_repository_is_whole_and_incremental(self):
        self.init()
        assert_exit(self.backup(), 0)
        second = assert_exit(self.backup("--json"), 0).json()
        self.assertTrue(all(t["unchanged"] == t["chunks"] for t in second["tables"] if t["rows"] > 1000))
        assert_exit(self.ws.verify("--read-data", "--key-file", self.key), 0)
        self.assert_restores()

    def test_the_key_comes_from_flag_credential_or_settings_and_a_missing_one_is_12(self):
        self.init()
        self.assertEqual(self.ws.snapshots("list").code, 12)
        assert_exit(self.ws.snapshots("list", "--key-file", self.key), 0)
        credentials = self.ws.folder / "credentials"
        credentials.mkdir(mode=0o700)
        shutil.copy(self.key, credentials / "repository-key")
        assert_exit(self.ws.snapshots("list", env={"CREDENTIALS_DIRECTORY": str(credentials)}), 0)
        self.ws.config.write_text(f'[repository]\nkey_file = "{self.key}"\n')
        assert_exit(self.ws.snapshots("list"), 0)
        empty = private(self.ws.folder / "empty", "\n")
        self.assertEqual(self.ws.snapshots("list", "--key-file", empty).code, 12)
        self.key.chmod(0o640)
        self.assertEqual(self.ws.snapshots("list").code, 22)

    def test_a_wrong_key_is_12_and_damage_is_13(self):
        self.init()
        assert_exit(self.backup(), 0)
        wrong = private(self.ws.folder / "wrong", "not the passphrase\n")
        for program in (self.ws.snapshots("list", "--key-file", wrong), self.ws.verify("--key-file", wrong),
                        self.ws.restore("live", "--key-file", wrong, "latest"),
                        self.ws.backup("live", "--key-file", wrong)):
            self.assertEqual(program.code, 12, program)
        for file in [*(self.ws.repository / "keys").iterdir(), self.ws.repository / "format.json",
                     *self.ws.snapshot_files(), self.ws.object_files()[0]]:
            good = file.read_bytes()
            flip_bit(file, len(good) * 4)
            self.assertEqual(self.ws.verify("--read-data", "--key-file", self.key).code, 13, file)
            file.chmod(0o600)
            file.write_bytes(good)
        assert_exit(self.ws.verify("--read-data", "--key-file", self.key), 0)

    def test_a_new_repository_is_encrypted_when_the_settings_name_a_key(self):
        private(self.key, "a passphrase of somebody\n")
        self.ws.config.write_text(f'[repository]\nkey_file = "{self.key}"\n')
        result = assert_exit(self.ws.backup("live"), 0)
        self.assertIn("encrypted", result.text())
        self.assertEqual(self.ws.snapshots("list", env=self.no_settings).code, 12)

    def test_the_recovery_script_alone_restores_an_encrypted_snapshot(self):
        self.init()
        assert_exit(self.backup(), 0)
        passphrase = private(self.ws.folder / "passphrase", "correct hörse battery\n")
        assert_exit(self.keys("add", "--new-passphrase-file", passphrase), 0)
        for key in (self.key, passphrase):
            self.pg.create_db("again")
            self.pg.script("again", self.recovered(key).stdout)
            found = diff_digests(self.digest, database_digest(self.pg, "again"), ignore=("database",))
            self.pg.drop_db("again")
            self.assertEqual(found, [])

    def test_an_older_or_thinned_copy_is_13_unless_it_is_accepted(self):
        self.init()
        assert_exit(self.backup(), 0)
        assert_exit(self.backup(), 0)
        newest = self.ws.snapshot_files()[-1]
        newest.rename(self.ws.folder / newest.name)
        for result in (self.ws.snapshots("list", "--key-file", self.key), self.backup(),
                       self.ws.restore("live", "--key-file", self.key, "latest")):
            self.assertEqual(result.code, 13, result)
            self.assertIn("--accept-repository", result.text())
        assert_exit(self.ws.snapshots("list", "--key-file", self.key, "--accept-repository"), 0)
        (self.ws.folder / newest.name).rename(newest)
        first = self.ws.snapshot_files()[0]
        assert_exit(self.ws.snapshots("forget", first.stem, "--yes", "--key-file", self.key), 0)
        assert_exit(self.backup(), 0)


    def test_without_its_format_file_a_repository_is_13_for_everyone_and_keeps_its_keys(self):
        self.init()
        assert_exit(self.backup(), 0)
        (self.ws.repository / "format.json").rename(self.ws.folder / "aside")
        files = {p: p.read_bytes() for p in self.ws.repository.rglob("*") if p.is_file()}
        other = self.ws.folder / "other-key"
        for knows in (True, False):
            for result in (self.backup(), self.backup("--init"), self.ws.backup("live", "--init"),
                           self.keys("init", "--new-key-file", other), self.keys("list"),
                           self.ws.snapshots("list", "--key-file", self.key), self.ws.verify("--key-file", self.key)):
                self.assertEqual(result.code, 13, (knows, result))
                self.assertIn("format.json is missing", result.err)
            for memory in self.ws.state.glob("last-seen-*"):
                memory.unlink()
        self.assertEqual({p: p.read_bytes() for p in self.ws.repository.rglob("*") if p.is_file()}, files)
        self.assertFalse(other.exists())
        (self.ws.folder / "aside").rename(self.ws.repository / "format.json")
        assert_exit(self.ws.verify("--read-data", "--key-file", self.key), 0)

    def test_a_change_of_the_key_that_damage_keeps_from_ending_stops_no_backup(self):
        self.init()
        assert_exit(self.backup(), 0)
        old, before = self.ws.snapshot_files()[0].stem, self.ws.object_files()
        cut = self.ws.run_traced("teslamate-keys", "rotate", "-r", self.ws.repository, "--key-file", self.key, "--yes",
                                 inject="rename:signal=KILL:when=4")
        self.assertIn("killed by SIGKILL", cut.trace)
        # The new key rules, and an object that was sealed with the old one is damaged.
        largest = max(before, key=lambda p: p.stat().st_size)
        flip_bit(largest, 8 * 1000)
        self.assertEqual(self.keys("finish").code, 13)
        for _ in range(2):
            result = assert_exit(self.backup(), 3)
            self.assertIn(largest.name, result.err)
            self.assertIn("teslamate-keys finish", result.err)
        self.assert_restores()
        # What its warning says: the damaged one goes, the rest is finished, all that is left is whole.
        assert_exit(self.ws.snapshots("forget", old, "--yes", "--key-file", self.key), 0)
        assert_exit(self.keys("finish"), 0)
        assert_exit(self.ws.verify("--read-data", "--key-file", self.key), 0)
        self.assertEqual(len(self.ws.snapshot_files()), 2)
        self.pg.drop_db("again")
        self.assert_restores()
        assert_exit(self.backup(), 0)


class Slots(Base):
    def test_slots_are_added_listed_and_removed_but_never_the_last(self):
        self.init()
        other = private(self.ws.folder / "other", "a second passphrase\n")
        added = assert_exit(self.keys("add", "--new-passphrase-file", other, "--label", "Anna", "--json"), 0).json()
        listed = assert_exit(self.ws.run("teslamate-keys", "list", "-r", self.ws.repository, "--json"), 0).json()
        kinds = {s["kind"]: s for s in listed["slots"]}
        self.assertEqual(sorted(kinds), ["generated", "passphrase"])
        self.assertEqual(added["slot"], kinds["passphrase"])
        assert_exit(self.ws.snapshots("list", "--key-file", other), 0)
        self.assertEqual(self.keys("remove", "nobody").code, 21)
        assert_exit(self.keys("remove", "Anna"), 0)
        self.assertEqual(self.ws.snapshots("list", "--key-file", other).code, 12)
        last = self.keys("remove", kinds["generated"]["slot"])
        self.assertEqual(last.code, 22)
        self.assertIn("is the last", last.text())
        assert_exit(self.ws.snapshots("list", "--key-file", self.key), 0)

    def test_a_passphrase_typed_while_the_key_is_changed_elsewhere_is_no_slot(self):
        self.init()
        argv = [tool_path("teslamate-keys"), "add", "-r", self.ws.repository, "--key-file", self.key]
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.ws.home)
            os.execve(argv[0], [str(a) for a in argv], self.ws.environment())
        screen, rotated = b"", False
        while select.select([terminal], [], [], 60)[0]:
            try:
                screen += os.read(terminal, 4096)
            except OSError:
                break
            if screen.endswith(b": "):
                if not rotated:
                    rotated = True
                    assert_exit(self.keys("rotate"), 0)
                os.write(terminal, b"open sesame street\n")
                screen += b"\n"
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        self.assertTrue(rotated, screen)
        self.assertEqual(os.waitstatus_to_exitcode(status), 11, screen)
        self.assertIn(b"was changed by another run", screen)
        self.assertEqual(len(self.ws.run("teslamate-keys", "list", "-r", self.ws.repository, "--json").json()["slots"]), 1)

    def test_a_typed_passphrase_is_asked_twice_and_never_shown(self):
        shutil.rmtree(self.ws.repository)
        init = ["teslamate-keys", "init", "-r", self.ws.repository]
        code, screen = typed(self.ws, init, ["open sesame street", "open sesame streat"])
        self.assertEqual(code, 22, screen)
        self.assertFalse(self.ws.repository.exists())
        code, screen = typed(self.ws, init, ["open sesame street", "open sesame street"])
        self.assertEqual(code, 0, screen)
        self.assertNotIn("open sesame", screen)
        listing = ["teslamate-snapshots", "list", "-r", self.ws.repository]
        code, screen = typed(self.ws, listing, ["wrong", "open sesame street"])
        self.assertEqual(code, 0, screen)
        code, screen = typed(self.ws, listing, ["wrong", "wrong", "wrong"])
        self.assertEqual(code, 12, screen)

    def test_the_key_on_a_recovery_sheet_opens_the_repository(self):
        self.init()
        for suffix in ("html", "txt"):
            sheet = self.ws.folder / f"sheet.{suffix}"
            assert_exit(self.keys("recovery-sheet", sheet), 0)
            self.assertEqual(sheet.stat().st_mode & 0o777, 0o600)
            text = re.sub(r"<br>|-?\n *", " ", sheet.read_text())
            found = re.search(r"TMBK(?:[ -][0-9A-Z]{4}){9}", text)
            typed_key = private(self.ws.folder / suffix, found.group().lower() + "\n")
            assert_exit(self.ws.snapshots("list", "--key-file", typed_key), 0)
        self.assertIn("<svg", (self.ws.folder / "sheet.html").read_text())
        self.assertEqual(self.keys("recovery-sheet", sheet).code, 22)
        wrong = private(self.ws.folder / "slip", found.group()[:-1] + ("2" if found.group()[-1] != "2" else "3"))
        slip = self.ws.snapshots("list", "--key-file", wrong)
        self.assertEqual(slip.code, 12)
        self.assertIn("mistyped", slip.text())

    def test_what_would_do_harm_is_refused(self):
        self.assertEqual(self.keys("add", "--new-key-file", self.ws.folder / "k").code, 10)
        assert_exit(self.ws.backup("live"), 0)
        for command in (["add"], ["rotate"], ["remove", "x"], ["recovery-sheet", "s.html"]):
            self.assertEqual(self.keys(*command).code, 22, command)
        self.assertEqual(self.keys("init", "--new-key-file", self.ws.folder / "k").code, 22)
        assert_exit(self.keys("encrypt", "--new-key-file", self.key), 0)
        self.assertEqual(self.keys("encrypt", "--new-key-file", self.ws.folder / "k").code, 22)
        self.assertEqual(self.keys("add", "--new-key-file", self.key).code, 22)


class Rekey(Base):
    def test_a_plain_repository_is_encrypted_with_all_its_snapshots_and_backups_go_on(self):
        assert_exit(self.ws.backup("live"), 0)
        assert_exit(self.ws.backup("live", "--tag", "second"), 0)
        before = self.ws.snapshots("list", "--json").json()
        assert_exit(self.keys("encrypt", "--new-key-file", self.key), 0)
        self.assertEqual(self.ws.snapshots("list").code, 12)
        after = self.ws.snapshots("list", "--json", "--key-file", self.key).json()
        self.assertEqual([s["id"] for s in before["snapshots"]], [s["id"] for s in after["snapshots"]])
        assert_exit(self.ws.verify("--read-data", "--key-file", self.key), 0)
        third = assert_exit(self.backup("--json"), 0).json()
        self.assertTrue(all(t["unchanged"] == t["chunks"] for t in third["tables"] if t["rows"] > 1000))
        self.assert_restores()
        for file in self.ws.object_files() + self.ws.snapshot_files():
            self.assertEqual(file.read_bytes()[6], 1, file)

    def test_after_a_rotation_only_the_key_that_was_used_opens(self):
        self.init()
        assert_exit(self.backup(), 0)
        other = private(self.ws.folder / "other", "a second passphrase\n")
        assert_exit(self.keys("add", "--new-passphrase-file", other), 0)
        assert_exit(self.keys("rotate"), 0)
        self.assertEqual(self.ws.snapshots("list", "--key-file", other).code, 12)
        assert_exit(self.ws.verify("--read-data", "--key-file", self.key), 0)
        new = self.ws.folder / "new"
        assert_exit(self.keys("rotate", "--new-key-file", new), 0)
        self.assertEqual(self.ws.snapshots("list", "--key-file", self.key).code, 12)
        self.key = new
        assert_exit(self.backup(), 0)
        self.assert_restores()
        self.assertEqual(assert_exit(self.keys("finish"), 0).text().count("nothing was left to do"), 1)


class Carried(Base):
    def setUp(self):
        super().setUp()
        self.environment = private(self.ws.folder / "teslamate.env",
                                   f'ENCRYPTION_KEY="{SAMPLE_KEY}"\nDATABASE_PASS=unused\nRELEASE_COOKIE=c\n')
        etc = self.ws.folder / "etc"
        (etc / "inner").mkdir(parents=True)
        private(etc / "a.conf", "a = 1\n")
        (etc / "inner" / "b.log").write_text("not this\n")
        (etc / "inner" / "run.sh").write_text("#!/bin/sh\n" * 2000000)
        (etc / "inner" / "run.sh").chmod(0o750)
        (etc / "link").symlink_to("/etc/passwd")
        os.mkfifo(etc / "fifo")
        database = self.ws.folder / "grafana.db"
        self.grafana = sqlite3.connect(database)
        self.grafana.executescript("PRAGMA journal_mode=WAL; CREATE TABLE t (n); INSERT INTO t VALUES (42);")
        self.grafana.commit()
        self.addCleanup(self.grafana.close)
        self.ws.config.write_text(
            f'[database]\nenvironment_file = "{self.environment}"\n[files]\npaths = ["{etc}", "/no/such/file"]\n'
            f'sqlite = ["{database}"]\nexclude = ["*.log"]\n')
        self.target = self.ws.folder / "restored"

    def files_to(self, *args):
        return self.ws.run("teslamate-restore", "-r", self.ws.repository, "--key-file", self.key, "--files-to",
                           self.target, "latest", *args)

    def under(self, path) -> pathlib.Path:
        return self.target / str(path).lstrip("/")

    def test_files_come_back_with_modes_and_links_and_sqlite_is_whole(self):
        self.init()
        result = self.backup()
        self.assertEqual(result.code, 3, result)
        self.assertIn("/no/such/file", result.text())
        self.assertIn("fifo", result.text())
        assert_exit(self.files_to(), 0)
        for path in ("etc/a.conf", "etc/inner/run.sh", "teslamate.env"):
            back, source = self.under(self.ws.folder / path), self.ws.folder / path
            self.assertEqual(back.read_bytes(), source.read_bytes())
            self.assertEqual(back.stat().st_mode, source.stat().st_mode)
            self.assertEqual(int(back.stat().st_mtime), int(source.stat().st_mtime))
            self.assertEqual(back.stat().st_uid, source.stat().st_uid)
        self.assertEqual(os.readlink(self.under(self.ws.folder / "etc/link")), "/etc/passwd")
        self.assertFalse(self.under(self.ws.folder / "etc/inner/b.log").exists())
        with sqlite3.connect(self.under(self.ws.folder / "grafana.db")) as copy:
            self.assertEqual(copy.execute("SELECT n FROM t").fetchall(), [(42,)])
        self.assertEqual(self.files_to().code, 22)  # not empty any more
        other = self.ws.folder / "by-script"
        self.recovered(self.key, "--files", str(other))
        self.assertEqual((other / str(self.environment).lstrip("/")).read_bytes(), self.environment.read_bytes())

    def test_an_environment_file_that_came_as_a_credential_is_carried_under_its_own_name(self):
        self.init()
        credentials = self.ws.folder / "credentials"
        credentials.mkdir(mode=0o700)
        text = self.environment.read_text() + "MORE=1\n"
        private(credentials / "environment-file", text)
        result = self.backup(env={"CREDENTIALS_DIRECTORY": str(credentials)})
        self.assertNotIn("teslamate.env", result.err)
        assert_exit(self.files_to(), 0)
        self.assertEqual(self.under(self.environment).read_text(), text)
        self.assertEqual(self.under(self.environment).stat().st_mode & 0o7777, 0o600)

    def test_environment_files_that_are_none(self):
        self.init()
        good = self.environment.read_bytes()
        folder = self.ws.folder / "folder.env"
        folder.mkdir(mode=0o700)
        fifo = self.ws.folder / "fifo.env"
        os.mkfifo(fifo, 0o600)
        loop = self.ws.folder / "loop.env"
        loop.symlink_to(loop)
        contents = {"nul": b"ENCRYPTION_KEY=a\0b\n", "not UTF-8": b"ENCRYPTION_KEY=\xff\xfe\n", "huge": b"A=" + b"x" * (17 << 20)}
        settings = self.ws.config.read_text()
        for place in (folder, fifo, loop, self.ws.folder / "missing.env", *contents):
            path = place
            if place in contents:
                path = private(self.ws.folder / "bytes.env", "")
                path.write_bytes(contents[place])
            self.ws.config.write_text(settings.replace(str(self.environment), str(path)))
            with self.subTest(place=str(place)):
                began = time.monotonic()
                result = self.backup(timeout=30)
                self.assertIn(result.code, (2, 13, 17, 22), result)
                self.assertIn("error[", result.err)
                self.assertNotIn("\0", result.err)
                self.assertLess(time.monotonic() - began, 20)
                self.assertEqual(self.ws.snapshot_files(), [])
        self.ws.config.write_text(settings)
        self.environment.write_bytes(good + b"LONG=" + b"y" * (1 << 20) + b"\n")
        self.assertEqual(self.backup().code, 3)
        assert_exit(self.files_to(), 0)
        self.assertEqual(self.under(self.environment).read_bytes(), self.environment.read_bytes())

    def test_a_plain_repository_carries_no_files_and_says_so(self):
        result = self.ws.backup("live")
        self.assertEqual(result.code, 3, result)
        self.assertIn("only an encrypted repository carries files", result.text())
        everything = b"".join(f.read_bytes() for f in self.ws.object_files() + self.ws.snapshot_files())
        self.assertNotIn(b"RELEASE_COOKIE", everything)
        self.key.touch(mode=0o600)  # is not asked for
        self.assertEqual(self.files_to().code, 21)

    def test_more_than_may_be_carried_is_refused_by_name(self):
        self.init()
        self.ws.config.write_text(self.ws.config.read_text() + "max_mib = 1\n")
        result = self.backup()
        self.assertEqual(result.code, 22, result)
        self.assertIn("max_mib", result.text())

    def test_tokens_are_tried_with_the_key_that_teslamate_will_use(self):
        self.init()
        assert_exit(self.backup(env=self.no_settings | {"ENCRYPTION_KEY": SAMPLE_KEY}), 0)
        right = assert_exit(self.ws.restore("live", "--key-file", self.key, "--as-database", "again", "latest"), 0)
        self.pg.drop_db("again")
        self.assertRegex(right.text(), r"stored tokens? opens? with ENCRYPTION_KEY")
        private(self.environment, "ENCRYPTION_KEY=another\n")
        wrong = self.ws.restore("live", "--key-file", self.key, "--as-database", "again", "latest")
        self.pg.drop_db("again")
        self.assertEqual(wrong.code, 3, wrong)
        self.assertIn("another one than when the snapshot was taken", wrong.text())
        verified = self.ws.verify("--key-file", self.key)
        self.assertEqual(verified.code, 3, verified)
        self.assertRegex(verified.text(), r"not open with ENCRYPTION_KEY")


GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "encrypted"


class Golden(unittest.TestCase):
    """A repository of format 1 as it was written when the format was fixed: with a passphrase and a generated key, a master
    key that was changed once, a tag and a carried file. It opens for ever."""

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.facts = json.loads((GOLDEN / "facts.json").read_text())

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        shutil.rmtree(self.ws.repository)
        shutil.copytree(GOLDEN / "repository", self.ws.repository)
        for number in range(256):  # which git does not keep empty
            (self.ws.repository / "objects" / f"{number:02x}").mkdir(exist_ok=True)
        private(self.ws.repository / "lock", "")
        self.keys = [private(self.ws.folder / name, (GOLDEN / name).read_text()) for name in ("passphrase", "key")]

    def assert_is_the_data(self, database: str, cars: int):
        self.assertEqual(self.pg.scalar(database, "SELECT count(*) FROM cars"), str(cars))
        self.assertEqual(self.pg.scalar(database, "SELECT md5(string_agg(p::text, E'\\n' ORDER BY id)) FROM positions p"),
                         self.facts["positions_md5"])

    def test_it_is_listed_verified_and_restored_with_each_of_its_keys(self):
        for key in self.keys:
            listed = assert_exit(self.ws.snapshots("list", "--json", "--key-file", key), 0).json()["snapshots"]
            self.assertEqual([s["id"] for s in listed], self.facts["snapshots"])
            self.assertEqual((listed[0]["tag"], listed[0]["pinned"]), (self.facts["tag"], True))
            assert_exit(self.ws.verify("--read-data", "--key-file", key), 0)
            for snapshot, cars in zip(self.facts["snapshots"], self.facts["cars"]):
                result = self.ws.restore("live", "--key-file", key, "--as-database", "again", snapshot)
                self.assertIn(result.code, (0, 3), result)
                self.assert_is_the_data("again", cars)
                self.pg.drop_db("again")
            target = self.ws.folder / f"files-{key.name}"
            assert_exit(self.ws.run("teslamate-restore", "-r", self.ws.repository, "--key-file", key, "--files-to", target,
                                    "latest"), 0)
            self.assertEqual((target / self.facts["file"].lstrip("/")).read_text(), self.facts["file_text"])

    def test_it_is_recovered_without_our_programs(self):
        for key in self.keys:
            env = self.ws.environment() | {"RECOVER_KEY_FILE": str(key), "PYTHONDONTWRITEBYTECODE": "1"}
            for snapshot, cars in zip(self.facts["snapshots"], self.facts["cars"]):
                sql = subprocess.run([sys.executable, RECOVERY, self.ws.repository, snapshot], env=env, capture_output=True,
                                     timeout=120, check=True).stdout
                self.pg.create_db("again")
                self.pg.script("again", sql)
                self.assert_is_the_data("again", cars)
                self.pg.drop_db("again")

    def test_a_backup_goes_on_in_it(self):
        self.pg.create_db("live")
        self.addCleanup(self.pg.drop_db, "live")
        self.pg.sql("live", "CREATE TABLE t AS SELECT 1 AS id")
        assert_exit(self.ws.backup("live", "--key-file", self.keys[0]), 0)
        assert_exit(self.ws.verify("--read-data", "--key-file", self.keys[1]), 0)


class Terminal(Base):
    """What people and programs type, and how they leave."""

    def ask(self, *answers: bytes, program=("teslamate-keys", "init"), timeout: float = 60):
        """Answers each prompt with these bytes as they are; the code, the screen and whether echo is on afterwards."""
        leader, follower = pty.openpty()
        argv = [str(tool_path(program[0])), *program[1:], "-r", str(self.ws.repository)]
        process = subprocess.Popen(argv, stdin=follower, stdout=follower, stderr=follower, env=self.ws.environment(),
                                   cwd=self.ws.home, preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)))
        screen, waiting, deadline, hidden = b"", list(answers), time.monotonic() + timeout, []
        while process.poll() is None and time.monotonic() < deadline:
            if select.select([leader], [], [], 0.1)[0]:
                screen += os.read(leader, 4096)
            if waiting and screen.endswith(b": "):
                hidden.append(not termios.tcgetattr(follower)[3] & termios.ECHO)
                answer = waiting.pop(0)
                for at in range(0, len(answer), 1000):
                    os.write(leader, answer[at:at + 1000])
                    time.sleep(0.02)
                screen += b"|"
        process.kill()
        process.wait()
        while select.select([leader], [], [], 0.1)[0]:
            screen += os.read(leader, 4096)
        echo = bool(termios.tcgetattr(follower)[3] & termios.ECHO)
        os.close(leader)
        os.close(follower)
        self.assertTrue(all(hidden), "what is typed would be shown")
        return process.returncode, screen.decode(errors="replace"), echo

    def setUp(self):
        super().setUp()
        shutil.rmtree(self.ws.repository)

    def test_the_terminal_shows_again_what_is_typed_however_a_prompt_is_left(self):
        for answers, code in (((b"\x03",), 130), ((b"half a word\x03",), 130), ((b"a passphrase\n", b"\x03"), 130),
                              ((b"\x04",), 12), ((b"\n",), 12), ((b"one passphrase\n", b"another one\n"), 22),
                              ((b"\x1c",), -3)):
            with self.subTest(answers):
                got, screen, echo = self.ask(*answers)
                self.assertEqual(got, code, screen)
                self.assertFalse(self.ws.repository.exists())
                if code != -3:  # SIGQUIT is for leaving at once; a shell sets its own terminal right
                    self.assertTrue(echo, "the terminal is left without echo")
                for word in ("half", "passphrase\n", "another"):
                    self.assertNotIn(word, screen)

    def test_whatever_bytes_are_typed_twice_open_the_repository_from_a_file_too(self):
        for number, secret in enumerate((b"\xc3\xa4\xe2\x82\xac \xf0\x9f\x94\x91", b"\xff\xfe not UTF-8", b"  blanks around  ",
                                         b"tab\there", b"'\"$`\\", b"x" * 4000)):
            with self.subTest(secret[:20]):
                typed_line = secret.replace(b"\xff", b"\x16\xff") + b"\n"
                code, screen, echo = self.ask(typed_line, typed_line)
                self.assertIn(code, (0, 3), screen)  # 3: a short one
                self.assertTrue(echo)
                file = self.ws.folder / f"secret{number}"
                file.write_bytes(secret + b"\n")
                file.chmod(0o600)
                assert_exit(self.ws.snapshots("list", "--key-file", file), 0)
                for other in (secret + b"\n\n", secret + b"\r\n", secret + b" \n", secret[1:] + b"\n"):
                    file.write_bytes(other)
                    self.assertEqual(self.ws.snapshots("list", "--key-file", file).code, 12)
                shutil.rmtree(self.ws.repository)

    def test_a_line_longer_than_a_terminal_takes_is_refused_and_not_cut(self):
        line = b"y" * 5000 + b"\n"
        code, screen, _ = self.ask(line, line)
        self.assertEqual(code, 22, screen)
        self.assertIn("more than a terminal takes", screen)

    def test_files_that_hold_no_usable_secret(self):
        self.assertEqual(self.ws.run("teslamate-keys", "init", "-r", self.ws.repository, "--new-key-file", self.key).code, 0)
        cases = {"empty": (b"", 12), "newline": (b"\n", 12), "nul": (b"a\0b\n", 12), "megabyte": (b"k" * (1 << 20), 12),
                 "binary": (bytes(range(256)), 12)}
        for name, (content, code) in cases.items():
            file = self.ws.folder / name
            file.write_bytes(content)
            file.chmod(0o600)
            result = self.ws.snapshots("list", "--key-file", file)
            self.assertEqual(result.code, code, f"{name}: {result}")
        missing = self.ws.snapshots("list", "--key-file", self.ws.folder / "missing")
        self.assertEqual(missing.code, 17, missing)
        self.assertIn("missing", missing.err)
        self.assertEqual(self.ws.snapshots("list", "--key-file", self.ws.folder).code, 17)  # a folder
        fifo = self.ws.folder / "fifo"
        os.mkfifo(fifo, 0o600)
        refused = assert_exit(self.ws.snapshots("list", "--key-file", fifo, timeout=20), 22)
        self.assertIn("is a pipe", refused.err)
        reading, writing = os.pipe()  # as <(command) of a shell
        os.write(writing, b"a passphrase\n")
        os.close(writing)
        done = subprocess.run([str(tool_path("teslamate-snapshots")), "list", "-r", str(self.ws.repository), "--key-file",
                               f"/dev/fd/{reading}"], env=self.ws.environment(), pass_fds=[reading], timeout=60,
                              capture_output=True, text=True, check=False)
        os.close(reading)
        self.assertEqual(done.returncode, 22, done.stderr)
        self.assertIn("is a pipe", done.stderr)

    def test_a_process_that_waits_for_a_passphrase_is_closed_to_others_of_its_account(self):
        """What /proc shows of a process that may be dumped is its account's; of ours it is root's."""
        def become_somebody():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)

        leader, follower = pty.openpty()
        os.fchmod(follower, 0o666)
        program = self.enterContext(tempfile.TemporaryDirectory(dir="/tmp"))
        os.chmod(program, 0o755)
        shutil.copy(tool_path("teslamate-keys"), program)
        argv = [f"{program}/teslamate-keys", "init", "-r", f"{program}/none"]
        with subprocess.Popen(argv, stdin=follower, stdout=follower, stderr=follower, cwd="/", env={"PATH": "/usr/bin"},
                              preexec_fn=become_somebody) as process:
            try:
                screen = b""
                while not screen.endswith(b": ") and select.select([leader], [], [], 10)[0]:
                    screen += os.read(leader, 4096)
                self.assertTrue(screen.endswith(b"passphrase: "), screen)
                for name in ("environ", "mem", "maps"):
                    self.assertEqual(os.stat(f"/proc/{process.pid}/{name}").st_uid, 0, name)
                self.assertRegex(pathlib.Path(f"/proc/{process.pid}/limits").read_text(), "Max core file size +0 +0 ")
            finally:
                process.kill()
        os.close(leader)
        os.close(follower)

    def test_a_passphrase_that_was_used_is_nowhere_in_memory(self):
        if os.geteuid() != 0:
            self.skipTest("only root may look into the memory of a process that is closed to others")
        secret = f"memory{os.urandom(8).hex()} four words"
        file = private(self.ws.folder / "passphrase", secret + "\n")
        make = ["-r", self.ws.repository]
        assert_exit(self.ws.run("teslamate-keys", "init", *make, "--new-passphrase-file", file), 0)
        assert_exit(self.ws.run("teslamate-keys", "add", *make, "--key-file", file, "--new-key-file", self.key), 0)
        for from_file in (True, False):
            pid, terminal = pty.fork()
            if pid == 0:
                argv = [tool_path("teslamate-keys"), "remove", "passphrase", *make, *(["--key-file", file] if from_file else [])]
                os.chdir(self.ws.home)
                os.execve(argv[0], [str(a) for a in argv], self.ws.environment())
            screen, waiting = b"", True
            # It asks whether to remove the slot: the repository is open, the passphrase has served.
            while b"[y/N]" not in screen and select.select([terminal], [], [], 20)[0]:
                screen += os.read(terminal, 4096)
                if waiting and screen.endswith(b": "):
                    waiting = False
                    os.write(terminal, (secret + "\n").encode())
            self.assertIn(b"[y/N]", screen)
            found, control = [], 0
            with open(f"/proc/{pid}/mem", "rb", 0) as memory:
                for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
                    begin, end = (int(x, 16) for x in line.split()[0].split("-"))
                    try:
                        memory.seek(begin)
                        content = memory.read(end - begin)
                    except (OSError, ValueError, OverflowError):
                        continue
                    control += str(self.ws.repository).encode() in content
                    if secret[:16].encode() in content:
                        found.append(line)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)
            self.assertGreater(control, 0, "the memory was not looked at")
            self.assertEqual(found, [])

    def test_without_randomness_nothing_is_made(self):
        shim = self.ws.folder / "no-random.so"
        source = "int RAND_bytes(unsigned char *b, int n) { (void)b; (void)n; return 0; }\n"
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", shim], input=source.encode(), check=True)
        broken = {"LD_PRELOAD": str(shim)}
        make = ["-r", self.ws.repository]
        self.assertEqual(self.ws.run("teslamate-keys", "init", *make, "--new-key-file", self.key, env=broken).code, 1)
        self.assertFalse((self.ws.repository / "format.json").exists())
        self.assertFalse(self.key.exists())
        assert_exit(self.ws.run("teslamate-keys", "init", *make, "--new-key-file", self.key), 0)
        result = self.backup(env=broken)
        self.assertEqual(result.code, 1, result)
        self.assertIn("random", result.err)
        self.assertEqual((self.ws.snapshot_files(), self.ws.object_files()), ([], []))
        before = sorted(p.name for p in (self.ws.repository / "keys").iterdir())
        self.assertEqual(self.keys("rotate", env=broken).code, 1)
        self.assertEqual(sorted(p.name for p in (self.ws.repository / "keys").iterdir()), before)
        assert_exit(self.backup(), 0)

    def test_an_open_descriptor_is_a_file_too(self):
        self.assertEqual(self.ws.run("teslamate-keys", "init", "-r", self.ws.repository, "--new-key-file", self.key).code, 0)
        with open(self.key, "rb") as file:
            argv = [tool_path("teslamate-snapshots"), "list", "-r", self.ws.repository, "--key-file", f"/dev/fd/{file.fileno()}"]
            done = subprocess.run([str(a) for a in argv], env=self.ws.environment(), pass_fds=[file.fileno()], timeout=60,
                                  capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done)


class Sheet(Base):
    def setUp(self):
        super().setUp()
        self.init()
        assert_exit(self.backup(), 0)

    def key_on(self, sheet: pathlib.Path) -> str:
        return re.search(r"TMBK(?:[ -][0-9A-Z]{4}){9}", re.sub(r"<br>|-?\n *", " ", sheet.read_text())).group()

    def test_the_key_typed_by_hand_restores(self):
        sheet = self.ws.folder / "sheet.txt"
        assert_exit(self.keys("recovery-sheet", sheet), 0)
        key = self.key_on(sheet)
        spellings = {"as it is": key, "small": key.lower(), "no blanks": key.replace("-", "").replace(" ", ""),
                     "blanks": re.sub("[ -]", "  ", key), "letters for digits": key.replace("0", "O").replace("1", "l"),
                     "lines": re.sub("[ -]", "\n", key), "windows": key + "\r"}
        for name, spelling in spellings.items():
            with self.subTest(name):
                by_hand = private(self.ws.folder / "by-hand", spelling + "\n")
                assert_exit(self.ws.snapshots("list", "--key-file", by_hand), 0)
        self.assert_restores(private(self.ws.folder / "by-hand", spellings["letters for digits"].lower()))
        code, screen = typed(self.ws, ["teslamate-snapshots", "list", "-r", self.ws.repository], [key.lower().replace("0", "o")])
        self.assertEqual(code, 0, screen)

    def test_the_qr_code_says_the_key(self):
        if not (shutil.which("zbarimg") and shutil.which("rsvg-convert")):
            self.skipTest("zbarimg (zbar-tools) and rsvg-convert (librsvg2-bin) are not installed")
        svg, html, image = (self.ws.folder / name for name in ("sheet.svg", "sheet.html", "sheet.png"))
        assert_exit(self.keys("recovery-sheet", svg), 0)
        assert_exit(self.keys("recovery-sheet", html), 0)
        inner = self.ws.folder / "inner.svg"
        inner.write_text(re.search(r"<svg.*</svg>", html.read_text(), re.S).group())
        for source in (svg, inner):
            subprocess.run(["rsvg-convert", "--width=600", "--background-color=white", "-o", image, source], check=True, timeout=60)
            said = subprocess.run(["zbarimg", "--quiet", "--raw", image], capture_output=True, check=True, timeout=60).stdout
            from_camera = self.ws.folder / "from-camera"
            from_camera.write_bytes(said)
            from_camera.chmod(0o600)
            assert_exit(self.ws.snapshots("list", "--key-file", from_camera), 0)
        self.assertEqual(re.sub("[ -]", "", self.key_on(html)), re.sub("[- \n]", "", said.decode()))


class Hostile(Base):
    """Somebody who can write into the repository's folder but has no key; and what our programs make of it."""

    def setUp(self):
        super().setUp()
        self.init()
        assert_exit(self.backup(), 0)

    def everything(self) -> list:
        return [self.ws.snapshots("list", "--key-file", self.key), self.ws.verify("--read-data", "--key-file", self.key),
                self.ws.restore("live", "--key-file", self.key, "--as-database", "again", "latest"), self.backup()]

    def assert_refused(self, what: str, codes=(13, 14, 17), programs=(1, 2)):
        results = self.everything()
        for number in programs:
            self.assertIn(results[number].code, codes, f"{what}: {results[number]}")
        for result in results:
            self.assertNotIn(result.code, (1, -6, -11, 134, 139), f"{what}: {result}")
        self.assertNotIn("again", [r[0] for r in self.pg.sql("postgres", "SELECT datname FROM pg_database")], what)

    def test_a_repository_that_says_it_is_plain_is_refused_and_gets_no_plain_backup(self):
        plain = self.ws.folder / "plain"
        time.sleep(1.1)  # ids begin with the second: it shall be the newest
        assert_exit(self.ws.run("teslamate-backup", *self.pg.connection_flags("live"), "-r", plain, "--init", "--state-dir",
                                self.ws.folder / "no-state"), 0)
        format_file = self.ws.repository / "format.json"
        good, identity = format_file.read_bytes(), json.loads(format_file.read_bytes())["id"]
        body = (plain / "format.json").read_text().rpartition('  "sha256"')[0]
        body = re.sub(r'"id":"[0-9a-f]*"', f'"id":"{identity}"', body)
        forged = body + '  "sha256": "' + hashlib.sha256(body.encode()).hexdigest() + '"\n}\n'
        format_file.write_text(forged)
        before = {p: p.read_bytes() for p in self.ws.object_files()}
        self.assert_refused("downgraded", programs=(0, 1, 2, 3))
        self.assertEqual({p: p.read_bytes() for p in self.ws.object_files()}, before)
        format_file.write_bytes(good)
        # Nor do plain objects and snapshots that were put among the sealed ones count.
        for source in (*(plain / "objects").rglob("*"), *(plain / "snapshots").glob("*")):
            if source.is_file():
                shutil.copy(source, self.ws.repository / source.relative_to(plain))
        self.assert_refused("mixed")

    def test_a_newer_repository_is_14_and_not_touched(self):
        for change in (('"version":1', '"version":2'), ('["encrypted"]', '["encrypted","split"]')):
            format_file = self.ws.repository / "format.json"
            good = format_file.read_text()
            body = good.rpartition('  "sha256"')[0].replace(*change)
            format_file.write_text(body + '  "sha256": "' + hashlib.sha256(body.encode()).hexdigest() + '"\n}\n')
            before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in self.ws.repository.rglob("*") if p.is_file()}
            for result in (*self.everything(), self.keys("rotate"), self.keys("list"),
                           self.keys("add", "--new-key-file", self.ws.folder / "k3"),
                           self.ws.snapshots("prune", "--yes", "--key-file", self.key)):
                self.assertEqual(result.code, 14, result)
            after = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in self.ws.repository.rglob("*") if p.is_file()}
            self.assertEqual(before, after)
            format_file.write_text(good)
        assert_exit(self.ws.verify("--read-data", "--key-file", self.key), 0)

    def test_what_a_broken_library_writes_is_read_back_and_refused(self):
        """One bit of what zstd packs, or of what OpenSSL seals, is another one: found before a snapshot names it."""
        shims = {"zstd": ("typedef struct { void *dst; size_t size, pos; } out_t;\n"
                          "size_t ZSTD_compressStream2(void *c, out_t *out, void *in, int end) {\n"
                          "  static size_t (*real)(void *, out_t *, void *, int);\n"
                          "  if (!real) real = dlsym(RTLD_NEXT, \"ZSTD_compressStream2\");\n"
                          "  size_t before = out->pos, result = real(c, out, in, end);\n"
                          "  if (out->pos > before + 8) ((unsigned char *)out->dst)[out->pos - 4] ^= 4;\n"
                          "  return result; }\n"),
                 "sealing": ("int EVP_EncryptUpdate(void *c, unsigned char *out, int *n, const unsigned char *in, int size) {\n"
                             "  static int (*real)(void *, unsigned char *, int *, const unsigned char *, int);\n"
                             "  if (!real) real = dlsym(RTLD_NEXT, \"EVP_EncryptUpdate\");\n"
                             "  int result = real(c, out, n, in, size);\n"
                             "  if (out && size > 40) out[size / 2] ^= 1;\n"
                             "  return result; }\n")}
        before = (self.ws.object_files(), self.ws.snapshot_files())
        self.pg.sql("live", "CREATE TABLE fresh AS SELECT i, md5(i::text) AS m FROM generate_series(1, 500) AS i")
        self.addCleanup(self.pg.sql, "live", "DROP TABLE fresh")
        for name, source in shims.items():
            with self.subTest(name):
                shim = self.ws.folder / f"{name}.so"
                text = "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stddef.h>\n" + source
                subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", shim], input=text.encode(), check=True)
                result = self.backup(env={"LD_PRELOAD": str(shim)})
                self.assertEqual(result.code, 13, result)
                self.assertIn("does not decode to what was encoded", result.err)
                self.assertEqual((self.ws.object_files(), self.ws.snapshot_files()), before)
        assert_exit(self.backup(), 0)
        assert_exit(self.ws.verify("--read-data", "--key-file", self.key), 0)

    def test_a_snapshot_of_another_repository_is_refused(self):
        other = self.ws.folder / "other"
        assert_exit(self.ws.run("teslamate-keys", "init", "-r", other, "--new-key-file", self.ws.folder / "k2"), 0)
        time.sleep(1.1)  # ids begin with the second: it shall be the newest
        assert_exit(self.ws.run("teslamate-backup", *self.pg.connection_flags("live"), "-r", other, "--key-file",
                                self.ws.folder / "k2", "--state-dir", self.ws.folder / "no-state"), 0)
        for source in (*(other / "objects").rglob("*"), *(other / "snapshots").glob("*")):
            if source.is_file():
                shutil.copy(source, self.ws.repository / source.relative_to(other))
        self.assert_refused("another repository's snapshot")

    def test_links_fifos_and_huge_files_end_in_an_error_at_once(self):
        places = [self.ws.object_files()[0], self.ws.snapshot_files()[0], self.ws.repository / "format.json",
                  next((self.ws.repository / "keys").glob("*.json")), self.ws.repository / "keys",
                  self.ws.repository / "snapshots", self.ws.object_files()[0].parent]
        for place in places:
            aside = self.ws.folder / "aside"
            place.rename(aside)
            for kind in ("link to nowhere", "link to a device", "fifo", "huge"):
                if kind.startswith("link"):
                    place.symlink_to("/nowhere" if kind.endswith("nowhere") else "/dev/zero")
                elif kind == "fifo":
                    os.mkfifo(place)
                else:
                    with open(place, "wb") as file:
                        file.truncate(1 << 40)
                with self.subTest(f"{place.name[:12]} as {kind}"):
                    began = time.monotonic()
                    for result in (self.ws.verify("--read-data", "--key-file", self.key, timeout=30),
                                   self.ws.restore("live", "--key-file", self.key, "--as-database", "again", "latest", timeout=30)):
                        self.assertIn(result.code, (10, 12, 13, 14, 17, 21), result)
                    self.assertLess(time.monotonic() - began, 20)
                place.unlink()
            aside.rename(place)
        assert_exit(self.ws.verify("--read-data", "--key-file", self.key), 0)

    def test_a_tag_cannot_be_forged_or_taken_away(self):
        snapshot = self.ws.snapshot_files()[0].stem
        state = ["--state-dir", self.ws.state]
        assert_exit(self.keys("list"), 0)
        assert_exit(self.ws.snapshots("tag", snapshot, "before the sale", "--pin", "--key-file", self.key, *state), 0)
        file = self.ws.repository / "tags" / f"{snapshot}.json"
        good = file.read_bytes()
        self.assertNotIn(b"sale", good)
        self.assertEqual(self.ws.snapshots("forget", snapshot, "--yes", "--key-file", self.key, *state).code, 22)
        flip_bit(file, 800)
        self.assertEqual(self.ws.verify("--key-file", self.key).code, 13)
        self.assertNotEqual(self.ws.snapshots("forget", snapshot, "--yes", "--key-file", self.key, *state).code, 0)
        file.unlink()
        gone = self.ws.snapshots("forget", snapshot, "--yes", "--key-file", self.key, *state)
        self.assertEqual(gone.code, 13, gone)
        self.assertIn("lacks what was said of snapshot", gone.err)
        file.write_bytes(good)
        flip_bit(file, 800)
        # Who has the key can say it again.
        self.assertEqual(self.ws.snapshots("tag", snapshot, "sale", "--key-file", self.key, *state).code, 13)
        assert_exit(self.ws.snapshots("tag", snapshot, "sale", "--pin", "--key-file", self.key, *state), 0)
        assert_exit(self.ws.verify("--key-file", self.key), 0)

    def test_a_damaged_slot_beside_a_good_one_opens_and_is_told(self):
        other = private(self.ws.folder / "other", "a second passphrase\n")
        assert_exit(self.keys("add", "--new-passphrase-file", other), 0)
        slots = {json.loads(p.read_bytes())["kind"]: p for p in (self.ws.repository / "keys").glob("*.json")}
        flip_bit(slots["passphrase"], 2000)
        assert_exit(self.ws.snapshots("list", "--key-file", self.key), 0)
        self.assert_restores()
        verified = self.ws.verify("--key-file", self.key)
        self.assertEqual(verified.code, 13)
        self.assertIn(f"keys/{slots['passphrase'].name}", verified.text())
        listed = self.ws.run("teslamate-keys", "list", "-r", self.ws.repository)
        self.assertEqual(listed.code, 3)
        refused = self.ws.snapshots("list", "--key-file", other)
        self.assertEqual(refused.code, 12)
        self.assertIn("there is damage", refused.err)


class Canary(Base):
    """Secrets that nobody else has are looked for where they must not be, while the programs run."""

    def test_no_secret_is_seen_in_arguments_environments_outputs_or_files(self):
        canaries = {name: f"canary{os.urandom(8).hex()}{name}" for name in ("passphrase", "encryption", "cookie", "file")}
        passphrase = private(self.ws.folder / "secret-passphrase", canaries["passphrase"] + "\n")
        environment = private(self.ws.folder / "secret-env", f"ENCRYPTION_KEY={canaries['encryption']}\n"
                                                             f"RELEASE_COOKIE={canaries['cookie']}\n")
        carried = private(self.ws.folder / "secret-file", canaries["file"])
        shutil.rmtree(self.ws.repository)
        self.ws.config.write_text(f'[database]\nenvironment_file = "{environment}"\n[repository]\nkey_file = "{passphrase}"\n'
                                  f'[files]\npaths = ["{carried}"]\n')
        found: list[str] = []
        over = threading.Event()

        def watch():
            while not over.is_set():
                for process in pathlib.Path("/proc").glob("[0-9]*"):
                    for name in ("cmdline", "environ"):
                        try:
                            text = (process / name).read_bytes()
                        except OSError:
                            continue
                        found.extend(f"{process}/{name}: {c}" for c in canaries.values() if c.encode() in text)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            outputs = [self.ws.run("teslamate-keys", "init", "-r", self.ws.repository, "--verbose"),
                       self.ws.backup("live", "--verbose"), self.ws.backup("live", "--json"),
                       self.ws.verify("--read-data", "--verbose"),
                       self.ws.restore("live", "--verbose", "--as-database", "again", "latest"),
                       self.ws.run("teslamate-keys", "rotate", "-r", self.ws.repository, "--yes", "--verbose"),
                       self.ws.run("teslamate-keys", "list", "-r", self.ws.repository, "--json")]
        finally:
            over.set()
            watcher.join()
            self.pg.drop_db("again")
        self.assertTrue(all(o.code in (0, 3) for o in outputs), [o for o in outputs if o.code not in (0, 3)])
        self.assertEqual(found, [])
        places = {"output": "".join(o.text() for o in outputs).encode(), "server's log": self.pg.log_text().encode()}
        ours = (passphrase, environment, carried)
        for folder in (self.ws.folder, pathlib.Path("/dev/shm")):
            for file in folder.rglob("*"):
                if file.is_file() and not file.is_symlink() and file not in ours:
                    places[str(file)] = file.read_bytes()
        for place, text in places.items():
            for name, canary in canaries.items():
                self.assertNotIn(canary.encode(), text, f"{name} in {place}")


if __name__ == "__main__":
    unittest.main()
