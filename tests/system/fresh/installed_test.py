#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our Debian package where nobody prepared anything: a fresh Debian with PostgreSQL, a database of TeslaMate's and a
unit that stands in for it. Runs as root inside the machine (see ../README.md). The cases are one story, in order:
installed, backed up, restored, broken, upgraded, removed, installed from the source. /package holds the package, an older
one in older/, the tree that `cmake --install` made, and the database."""
import os
import pathlib
import pwd
import re
import shutil
import time
import unittest

from stage import *

SERVICES = ("teslamate-backup", "teslamate-verify", "teslamate-drill", "teslamate-prune", "teslamate-backup-role",
            "teslamate-backup-notify@x")


class Story:
    installed = 0.0  # monotonic time
    output = ""      # what the installation printed
    rows = 0


def setUpModule():
    Story.rows = prepare()
    Story.installed = time.monotonic()
    Story.output = apt("install", *PACKAGE.glob("older/*.deb")).stdout


class Installed(unittest.TestCase):
    """Names have numbers: each case stands on those before it."""

    def test_01_the_timers_run_and_the_short_names_are_known(self):
        for unit in ("teslamate-backup.timer", "backup.timer", "teslamate-verify.timer",
                     "teslamate-drill.timer"):
            self.assertEqual(shown(unit, "ActiveState"), "active", unit)
            self.assertEqual(systemctl("is-enabled", unit, check=False).stdout.strip() in ("enabled", "alias"), True)
        systemctl("start", "backup.timer")
        self.assertEqual(shown("backup.service", "Id"), "teslamate-backup.service")

    def test_02_the_account_is_a_system_account_whose_folders_are_its_own(self):
        account = pwd.getpwnam("teslamate-backup")
        self.assertLess(account.pw_uid, 1000)
        self.assertIn("nologin", account.pw_shell)
        for folder in (STATE, REPOSITORY):
            self.assertEqual((folder.owner(), folder.stat().st_mode & 0o777), ("teslamate-backup", 0o700), folder)
        self.assertEqual((CONFIG.owner(), CONFIG.stat().st_mode & 0o777), ("root", 0o644))

    def test_03_every_unit_is_hardened_and_clean(self):
        for service in SERVICES:
            with self.subTest(service):
                limit = 5 if service == "teslamate-backup" else 15
                done = run("systemd-analyze", "security", f"--threshold={limit}", f"{service}.service", check=False)
                overall = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
                print(f"{service}: exposure {overall.group(1)}")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        units = sorted(pathlib.Path("/usr/lib/systemd/system").glob("teslamate-*"))
        self.assertGreaterEqual(len(units), 10)
        # Also an unknown key is only a warning, so nothing may be said at all.
        done = run("systemd-analyze", "verify", "--man=no", *[u for u in units if "@" not in u.name], check=False)
        said = [line for line in (done.stdout + done.stderr).splitlines() if "teslamate-" in line
                and not (line.endswith("not executable: No such file or directory")
                         and not pathlib.Path(line.split()[2]).exists())]
        self.assertEqual(said, [])

    def test_04_the_first_backup_comes_by_itself_as_the_unprivileged_user_over_peer_authentication(self):
        wait_until(remembered, "the first backup", 120)
        wait_until(lambda: shown("teslamate-backup.service", "ActiveState") == "inactive", "its end")
        print(f"first backup {time.monotonic() - Story.installed:.0f} s after the installation began")
        self.assertEqual(shown("teslamate-backup.service", "Result"), "success")
        self.assertEqual(len(snapshots()), 1)
        number = pwd.getpwnam("teslamate-backup").pw_uid
        self.assertIn("snapshot", journal("-u", "teslamate-backup.service", f"_UID={number}"))
        for path in REPOSITORY.rglob("*"):
            self.assertEqual(path.owner(), "teslamate-backup", path)

    def test_05_its_role_may_read_and_nothing_else(self):
        self.assertEqual(psql("postgres", "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
                              " FROM pg_roles WHERE rolname = 'teslamate-backup'"), "f|f|f|f|f")
        self.assertEqual(psql("postgres", "SELECT string_agg(r.rolname, ',') FROM pg_auth_members m JOIN pg_roles r"
                              " ON r.oid = m.roleid WHERE m.member = '\"teslamate-backup\"'::regrole"),
                         "pg_read_all_data")
        refused = run("psql", "-XAtq", "-d", "teslamate", "-c", "DELETE FROM positions", user="teslamate-backup",
                      check=False)
        self.assertIn("permission denied", refused.stderr)

    def test_06_after_the_first_backup_nothing_runs_as_postgres_any_more(self):
        before = shown("teslamate-backup-role.service", "InvocationID")
        start_backup()
        self.assertEqual(len(snapshots()), 2)
        self.assertEqual(shown("teslamate-backup-role.service", "InvocationID"), before)
        self.assertEqual(shown("teslamate-backup-role.service", "ConditionResult"), "no")

    def test_07_every_byte_is_verified_in_its_sandbox(self):
        systemctl("start", "teslamate-verify.service")
        self.assertEqual(shown("teslamate-verify.service", "Result"), "success")
        wait_for_pruning()
        self.assertEqual(shown("teslamate-prune.service", "ExecMainStatus"), "0")
        self.assertNotEqual(shown("teslamate-prune.service", "ExecMainStartTimestamp"), "")

    def test_07a_a_restore_is_rehearsed_in_its_sandbox_and_leaves_nothing(self):
        systemctl("start", "teslamate-drill.service")
        self.assertEqual(shown("teslamate-drill.service", "Result"), "success")
        self.assertEqual([p for p in pathlib.Path("/var/cache/teslamate-backup").rglob("*") if p.is_dir()], [])
        print(run("teslamate-status", check=False).stdout)

    def test_07b_what_root_does_there_keeps_no_scheduled_backup_out(self):
        run("teslamate-backup", "--tag", "by-root")
        for path in REPOSITORY.rglob("*"):
            self.assertEqual(path.owner(), "teslamate-backup", path)
        start_backup()
        systemctl("start", "teslamate-verify.service")

    def test_08_root_restores_and_takes_back(self):
        with open(CONFIG, "a", encoding="utf-8") as config:
            config.write('settle = 1\n[retention]\nkeep_last = 1000\n[notify]\ncommand = ["/bin/sh", "-c", "env >/var/lib/teslamate-backup/told-$(id -u)"]\n')
        before = len(snapshots())
        psql("teslamate", "DROP SCHEMA public CASCADE")
        done = run("teslamate-restore", "latest", "--yes")
        self.assertIn("restored", done.stdout)
        self.assertEqual(positions(), Story.rows)
        self.assertEqual(shown("teslamate.service", "ActiveState"), "active")
        # The backup's role reads the restored database too.
        start_backup()
        self.assertEqual(len(snapshots()), before + 1)

    def test_08a_no_command_that_the_manual_shows_is_wrong(self):
        """Each is run. It may find nothing (21), need to be asked (22) or warn (3), but not be misunderstood."""
        lines = [line.removeprefix(".Dl # ").strip() for page in pathlib.Path("/repo/man").glob("*.8")
                 for line in page.read_text().splitlines() if line.startswith(".Dl # ")]
        self.assertGreater(len(lines), 8)
        for line in lines:
            with self.subTest(line):
                wait_for_pruning()
                done = run("sh", "-c", line.replace("sudo -u teslamate-backup", "runuser -u teslamate-backup --"),
                           check=False)
                self.assertIn(done.returncode, (0, 3, 21, 22), done.stdout + done.stderr)

    def test_09_a_missed_run_is_made_up_for(self):
        systemctl("stop", "teslamate-backup.timer", "teslamate-backup-first.timer")
        stamp = pathlib.Path("/var/lib/systemd/timers/stamp-teslamate-backup.timer")
        self.assertTrue(stamp.exists())
        os.utime(stamp, (time.time() - 3 * 86400,) * 2)
        systemctl("start", "backup.timer")
        # Within the random delay of a quarter of an hour, whatever the time of day.
        due = run("systemctl", "show", "--value", "--timestamp=unix", "--property", "NextElapseUSecRealtime",
                  "teslamate-backup.timer").stdout.strip().lstrip("@")
        if due and not due.isdigit():  # systemd 252 does not print these as numbers
            due = run("date", "-d", due, "+%s").stdout.strip()
        self.assertLess(int(due) - time.time(), 16 * 60)
        self.assertEqual(shown("teslamate-backup-first.timer", "ConditionResult"), "no")

    def test_10_a_run_that_is_stopped_adds_no_snapshot_and_leaves_nothing_damaged(self):
        before = snapshots()
        with backup_that_waits():
            systemctl("stop", "teslamate-backup.service")
        self.assertEqual(snapshots(), before)
        self.assertEqual(list(REPOSITORY.rglob(".tmp-*")), [])
        systemctl("reset-failed")
        start_backup()
        systemctl("start", "teslamate-verify.service")

    def test_11_a_failure_alerts_and_the_journal_explains_it(self):
        with without_server():
            self.assertNotEqual(start_backup(check=False).returncode, 0)
        self.assertEqual(shown("teslamate-backup.service", "ExecMainStatus"), "15")
        wait_until(lambda: shown("teslamate-backup-notify@teslamate-backup.service.service", "InvocationID"), "alert")
        told = STATE / f"told-{pwd.getpwnam('teslamate-backup').pw_uid}"  # root's own runs tell, too
        wait_until(lambda: told.exists() and "teslamate-backup.service" in told.read_text(), "who is named is told")
        self.assertIn("cannot connect", told.read_text())
        explained = journal("-x", "-u", "teslamate-backup.service")
        self.assertIn("No connection to the database", explained)
        self.assertIn("see \"the role\" in teslamate-backup(7)", explained)
        systemctl("reset-failed")

    def test_12_a_password_over_tcp_comes_as_a_credential_and_is_seen_nowhere(self):
        psql("postgres", f"CREATE ROLE outsider LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data")
        secret = pathlib.Path("/etc/teslamate-backup/db-password")
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o400)
        drop_in("tcp.conf", (EXAMPLES / "tcp.conf").read_text() +
                "Environment=DATABASE_HOST=127.0.0.1 DATABASE_USER=outsider\n")
        try:
            before = len(snapshots())
            start_backup()
            self.assertEqual(len(snapshots()), before + 1)
            secret.chmod(0o600)
            secret.write_text("wrong" + PASSWORD)
            self.assertNotEqual(start_backup(check=False).returncode, 0)
            self.assertEqual(shown("teslamate-backup.service", "ExecMainStatus"), "15")
            secret.unlink()
            self.assertNotEqual(start_backup(check=False).returncode, 0)
            self.assertEqual(shown("teslamate-backup.service", "ExecMainStatus"), "243")  # no credential: never began
            self.assertNotIn(PASSWORD, journal())
        finally:
            remove_drop_ins()

    def test_13_an_encrypted_credential_is_opened_by_systemd_alone(self):
        sealed = pathlib.Path("/etc/teslamate-backup/db-password.cred")
        run("systemd-creds", "encrypt", "--with-key=host", "--name=db-password", "-", sealed, input=PASSWORD)
        self.assertNotIn(PASSWORD, sealed.read_text())
        tcp = (EXAMPLES / "tcp.conf").read_text()
        drop_in("tcp.conf", re.sub("(?m)^LoadCredential=.*$", "", tcp) +
                "Environment=DATABASE_HOST=127.0.0.1 DATABASE_USER=outsider\n")
        drop_in("credential.conf", (EXAMPLES / "encrypted-credential.conf").read_text())
        try:
            start_backup()
        finally:
            remove_drop_ins()
            sealed.unlink()

    def test_14_another_folder_needs_its_drop_in_and_nothing_more(self):
        other = pathlib.Path("/srv/backup/teslamate")
        other.mkdir(parents=True)
        other.chmod(0o700)
        shutil.chown(other, "teslamate-backup", "teslamate-backup")
        drop_in("folder.conf", "[Service]\nEnvironment=TESLAMATE_BACKUP_REPOSITORY=/srv/backup/teslamate\n")
        try:
            self.assertNotEqual(start_backup(check=False).returncode, 0)
            self.assertEqual(shown("teslamate-backup.service", "ExecMainStatus"), "17")
            self.assertEqual(list(other.iterdir()), [])
            drop_in("other-folder.conf", (EXAMPLES / "other-folder.conf").read_text())
            start_backup()
            self.assertEqual(len(list((other / "snapshots").iterdir())), 1)
        finally:
            remove_drop_ins()

    def test_15_operators_may_start_a_backup_and_outsiders_may_not(self):
        run("useradd", "--system", "--groups", "teslamate-operators", "operator-1")
        run("useradd", "--system", "outsider-1")
        before = len(snapshots())
        run("runuser", "-u", "operator-1", "--", "systemctl", "--no-ask-password", "start", "backup.service")
        self.assertEqual(len(snapshots()), before + 1)
        for unit, user in (("postgresql.service", "operator-1"), ("teslamate-backup.service", "outsider-1")):
            refused = run("runuser", "-u", user, "--", "systemctl", "--no-ask-password", "stop", unit, check=False)
            self.assertNotEqual(refused.returncode, 0, unit)

    def test_15a_an_upgrade_lets_a_running_backup_finish(self):
        before, timer = len(snapshots()), shown("teslamate-backup.timer", "ActiveEnterTimestamp")
        with backup_that_takes_its_time():
            invocation = shown("teslamate-backup.service", "InvocationID")
            apt("install", *PACKAGE.glob("*.deb"))
            self.assertEqual(shown("teslamate-backup.service", "ActiveState"), "activating")
            self.assertEqual(shown("teslamate-backup.service", "InvocationID"), invocation)
        self.assertEqual(shown("teslamate-backup.service", "InvocationID"), invocation)
        self.assertEqual(shown("teslamate-backup.service", "Result"), "success")
        self.assertEqual(len(snapshots()), before + 1)
        self.assertEqual(shown("teslamate-backup.timer", "ActiveEnterTimestamp"), timer)
        versions = run("dpkg-query", "-W", "-f=${Version}", "teslamate-backup").stdout
        self.assertNotIn("~older", versions)
        start_backup()

    def test_16_installing_again_keeps_settings_and_timers_as_they_are(self):
        with open(CONFIG, "a", encoding="utf-8") as config:
            config.write("# mine\n")
        systemctl("disable", "--now", "teslamate-verify.timer")
        apt("install", "--reinstall", *PACKAGE.glob("*.deb"))
        self.assertIn("# mine", CONFIG.read_text())
        self.assertEqual(systemctl("is-enabled", "teslamate-verify.timer", check=False).stdout.strip(), "disabled")
        self.assertEqual(shown("teslamate-verify.timer", "ActiveState"), "inactive")
        self.assertEqual(shown("backup.timer", "ActiveState"), "active")

    def test_17_removal_and_purge_leave_the_backups_and_say_so(self):
        before = sorted(p.name for p in (REPOSITORY / "snapshots").iterdir())
        apt("remove", "teslamate-backup")
        self.assertEqual(systemctl("is-active", "teslamate-backup.timer", check=False).stdout.strip(), "inactive")
        said = apt("purge", "teslamate-backup")
        self.assertIn(f"{REPOSITORY} is kept", said.stdout + said.stderr)
        self.assertEqual(sorted(p.name for p in (REPOSITORY / "snapshots").iterdir()), before)
        self.assertFalse(CONFIG.exists())
        left = [p for p in pathlib.Path("/etc/systemd/system").rglob("*")
                if p.name.startswith("teslamate-") or p.name in ("backup.timer", "backup.service")]
        self.assertEqual(left, [])
        self.assertFalse(shutil.which("teslamate-backup"))

    def test_18_the_same_from_the_source_alone(self):
        shutil.rmtree(STATE)
        psql("postgres", "DROP ROLE \"teslamate-backup\"")
        run("userdel", "teslamate-backup")
        run("cp", "-a", f"{PACKAGE}/local/usr/local/.", "/usr/local/")
        # As README says, after the line that builds and installs.
        lines = in_readme("Elsewhere with systemd:")
        self.assertIn("cmake --install", lines[0])
        for line in lines[1:]:
            run("sh", "-c", line.replace("sudo ", ""))
        wait_until(remembered, "the first backup", 120)
        self.assertEqual(len(snapshots()), 1)
        self.assertIn("/usr/local/bin/teslamate-backup", systemctl("cat", "teslamate-backup.service").stdout)
        for timer in ("backup.timer", "teslamate-verify.timer", "teslamate-drill.timer"):
            self.assertEqual(shown(timer, "ActiveState"), "active", timer)
        psql("teslamate", "DROP SCHEMA public CASCADE")
        done = run("teslamate-restore", "latest", "--yes", check=False)
        self.assertIn(done.returncode, (0, 3), done.stdout + done.stderr)
        self.assertEqual(positions(), Story.rows)
        start_backup()
        systemctl("start", "teslamate-verify.service")
        systemctl("start", "teslamate-drill.service")
        for service in SERVICES:
            self.assertLessEqual(exposure(service), 0.5 if service == "teslamate-backup" else 1.5, service)


if __name__ == "__main__":
    unittest.main()
