# SPDX-License-Identifier: MIT
"""Any moment: what the NixOS module gives pgBackRest (tests/nixos/golden/pitr) and the commands of the manual, with the real
pgBackRest and a real server, up to a moment before a disaster."""

import re
import shutil
import time
import unittest

from harness import *

GOLDEN = ROOT / "tests/nixos/golden/pitr/pgbackrest.conf"
MANUAL = (ROOT / "man/teslamate-backup.7").read_text()
PASSPHRASE = "a-canary-in-a-coal-mine"


def setUpModule():
    if shutil.which("pgbackrest") is None:
        raise unittest.SkipTest("pgbackrest is not installed")


class AnyMoment(unittest.TestCase):
    def setUp(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tmb-pitr-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, folder)
        self.config, self.repository = folder / "pgbackrest.conf", folder / "repository"
        self.pg = self.enterContext(Cluster(settings={
            "archive_mode": "on", "wal_level": "replica", "full_page_writes": "on", "fsync": "on", "archive_timeout": "5min",
            # As nixpkgs' module has it, but for the settings' place.
            "archive_command": f"pgbackrest --config={self.config} --stanza=default archive-push \"%p\""}))
        text = GOLDEN.read_text().replace("/var/lib/pgbackrest", str(self.repository))
        text = text.replace("/run/pgbackrest", str(folder / "locks")).replace("/var/lib/postgresql/17", str(self.pg.data))
        self.config.write_text(text.replace("[global]\n", f"[global]\nlog-level-file=off\nspool-path={folder}/spool\n") +
                               f"pg1-socket-path={self.pg.socket}\npg1-port={self.pg.port}\n")
        for path in (self.repository, folder / "locks"):
            path.mkdir(mode=0o750)
        if self.pg.os_user:
            for path in (folder, self.repository, folder / "locks"):
                shutil.chown(path, self.pg.os_user)
        # What EnvironmentFile= gives to postgresql.service and to the jobs.
        given = self.pg._environment() | {"PGBACKREST_REPO1_CIPHER_PASS": PASSPHRASE}
        self.pg._environment = lambda: given
        self.pg.restart()

    def pgbackrest(self, *arguments):
        self.pg._as_server_user(["pgbackrest", f"--config={self.config}", *arguments])

    def job(self, kind):
        """As a unit of nixpkgs' module does it."""
        self.pgbackrest("--stanza=default", "stanza-create")
        self.pgbackrest("--stanza=default", "backup", f"--type={kind}")

    def test_the_moment_before_a_disaster_comes_back(self):
        self.pg.load_sample("teslamate", positions=1000)
        self.job("full")
        self.pg.sql("teslamate", "CREATE TABLE later (n int)", "INSERT INTO later SELECT generate_series(1, 500)")
        self.job("diff")
        self.pg.sql("teslamate", "INSERT INTO later VALUES (501)")
        before = database_digest(self.pg, "teslamate")
        moment = self.pg.scalar("postgres", "SELECT clock_timestamp()")
        time.sleep(1)
        self.pg.sql("teslamate", "DROP TABLE later", "TRUNCATE positions CASCADE")

        shown = re.findall(r"^\.Dl # sudo -u postgres pgbackrest (.*)$", MANUAL, re.M)
        self.assertEqual(len(shown), 1)
        command = shlex.split(shown[0])
        self.assertEqual(len([word for word in command if word.startswith("--target=")]), 1)
        self.pg.shut_down()
        self.pgbackrest(*[f"--target={moment}" if word.startswith("--target=") else word for word in command])
        self.pg.start()
        deadline = time.monotonic() + 60
        while self.pg.scalar("postgres", "SELECT pg_is_in_recovery()") == "t" and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(diff_digests(before, database_digest(self.pg, "teslamate")), [])

    def test_what_lies_in_the_repository_is_encrypted(self):
        self.pg.sql("postgres", "CREATE TABLE canary AS SELECT 'CANARY-CANARY' AS t FROM generate_series(1, 1000)")
        self.job("full")
        self.assertEqual([f for f in self.repository.rglob("*") if f.is_file() and b"CANARY" in f.read_bytes()], [])
        self.assertNotIn(PASSPHRASE, self.config.read_text())


if __name__ == "__main__":
    unittest.main()
