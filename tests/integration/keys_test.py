#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Encrypted repositories through the programs: made, opened, refused, re-keyed; what they carry; what leaks."""
from __future__ import annotations

import os
import pathlib
import pty
import re
import select
import shutil
import sqlite3
import subprocess
import sys
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
