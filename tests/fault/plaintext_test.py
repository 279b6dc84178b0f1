# SPDX-License-Identifier: MIT
"""What an encrypted repository holds is written to no disk in the clear on its way: every file that is made and every
byte that is written, by our programs and by their children, is looked at through strace."""
from __future__ import annotations

import re
import shutil
import unittest

from harness import Cluster, Workspace, assert_exit
from injection import calls

WORD = "canaryrow5f1c"
SECRET = "canarysecret77aa"
# Numbered descriptors come with what they are: <socket:[…]>, <pipe:[…]>, <anon_inode:…>, or a path.
TARGET = re.compile(r"^\d+<([^>]*)>")
CREATED = re.compile(r'"([^"]*)"(?:\.\.\.)?, [A-Z_|]*(?:O_CREAT|O_TMPFILE|__O_TMPFILE)')
STRACE = ["-yy", "-s", "1000000", "-e", "signal=none"]
MAKING = "openat,open,creat,memfd_create,?write,?pwrite64,?writev,?pwritev,?sendfile,?copy_file_range,?mmap"


class Plaintext(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.create_db("live")
        cls.pg.script("live", f"CREATE TABLE cars (id integer PRIMARY KEY, name text);"
                              f"INSERT INTO cars SELECT i, '{WORD}' || md5(i::text) FROM generate_series(1, 300) AS i")

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.key = self.ws.folder / "key"
        self.carried = self.ws.folder / "carried"
        self.carried.write_text(SECRET * 10)
        self.carried.chmod(0o600)
        self.ws.config.write_text(f'[files]\npaths = ["{self.carried}"]\n')
        shutil.rmtree(self.ws.repository)
        assert_exit(self.ws.run("teslamate-keys", "init", "-r", self.ws.repository, "--new-key-file", self.key), 0)

    def traced(self, program: str, *args, codes=(0,), made: tuple = ()):
        """Runs it and says what it wrote where; `made` are files that it is meant to make."""
        result = self.ws.run_traced(program, *args, "--key-file", self.key, trace=MAKING, strace_args=STRACE, timeout=120)
        self.assertIn(result.code, codes, result.text())
        allowed = (str(self.ws.repository) + "/", str(self.ws.state) + "/", "/dev/null", "/dev/tty", *map(str, made))
        written = sockets = 0
        for _, name, arguments in calls(result.trace):
            created = CREATED.search(arguments) if name in ("open", "openat", "creat") else None
            if created:
                path = created.group(1)
                self.assertTrue(path.startswith(allowed), f"{program} makes {path}")
            if name == "mmap":
                self.assertFalse("MAP_SHARED" in arguments and "PROT_WRITE" in arguments and "</" in arguments, arguments[:200])
                continue
            target = TARGET.match(arguments)
            if not target or not name.startswith(("write", "pwrite", "sendfile", "copy_file")):
                continue
            # A memory file has no name on any disk.
            to_file = target.group(1).startswith("/") and not target.group(1).startswith(("/dev/", "/memfd:"))
            written += to_file
            sockets += not to_file
            if to_file:
                for word in (WORD, SECRET):
                    self.assertNotIn(word, arguments, f"{program} writes it to {target.group(1)}")
        return result, written, sockets

    def test_rows_files_and_secrets_reach_no_file_in_the_clear(self):
        target = self.ws.target("live")
        _, written, _ = self.traced("teslamate-backup", *target)
        self.assertGreater(written, 4)
        self.traced("teslamate-verify", "-r", self.ws.repository, "--read-data", "--state-dir", self.ws.state)
        restored, _, sockets = self.traced("teslamate-restore", *target, "--no-service", "--yes", "--as-database", "again",
                                           "latest", codes=(0, 3))
        self.assertGreater(sockets, 2)
        self.assertEqual(self.pg.scalar("again", f"SELECT count(*) FROM cars WHERE name LIKE '{WORD}%'"), "300", restored.text())
        self.pg.drop_db("again")
        for suffix in (".tmb", ".tmb.zst"):
            file = self.ws.folder / f"x{suffix}"
            self.traced("teslamate-snapshots", "export", "latest", file, "-r", self.ws.repository,
                        "--state-dir", self.ws.state, made=(self.ws.folder,))
            # What is packed is unpacked beside it first: sealed as it is.
            self.traced("teslamate-restore", *target, "--no-service", "--yes", "--as-database", "again", file, codes=(0, 3),
                        made=(self.ws.folder,))
            self.pg.drop_db("again")
        self.traced("teslamate-keys", "rotate", "--yes", "-r", self.ws.repository, "--state-dir", self.ws.state)
        found = [f for f in self.ws.repository.rglob("*") if f.is_file() and WORD.encode() in f.read_bytes()]
        self.assertEqual(found, [])

    def test_the_watch_sees_what_a_plain_repository_writes(self):
        """The same eyes on rows that are not encrypted, in a file that is meant to have them."""
        file = self.ws.folder / "x.sql"
        with self.assertRaisesRegex(AssertionError, "writes it to"):
            self.traced("teslamate-backup", *self.ws.target("live"), file, made=(self.ws.folder,))


if __name__ == "__main__":
    unittest.main()
