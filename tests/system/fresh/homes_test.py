#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Homes of TeslaMate, on our package in a fresh Debian: those that the NixOS module makes units for (the files of
tests/nixos/golden, in this machine's systemd) and the containers of the manual, with stand-ins for Docker and rclone.
Each case sets up its home alone. Runs as root inside the machine (see ../README.md)."""
import http.server
import json
import os
import pathlib
import re
import shutil
import threading
import unittest

from stage import *

GOLDEN = pathlib.Path("/repo/tests/nixos/golden")
UNITS = pathlib.Path("/etc/systemd/system")
ETC = pathlib.Path("/etc/teslamate-backup")
MANUAL = pathlib.Path("/repo/man/teslamate-backup.7")
TIMERS = ("teslamate-backup.timer", "teslamate-verify.timer", "teslamate-drill.timer")
READING = ("teslamate-backup", "teslamate-verify", "teslamate-drill", "teslamate-prune")
DOCKER_UNIT = """[Unit]
Description=TeslaMate (stand-in for a container that systemd runs)
[Service]
ExecStart=docker run --rm --name=teslamate teslamate/teslamate:latest
ExecStop=docker stop teslamate
"""
# Notes down what is copied, and whether its secrets were readable.
RCLONE = """#!/bin/sh
cat "${2#--config=}" >/dev/null && echo "$4 $5" >>"$CACHE_DIRECTORY/calls"
"""


def secret(name, text):
    path = ETC / name
    path.unlink(missing_ok=True)
    path.touch(mode=0o400)
    path.write_text(text)
    return path


def write(files):
    for name, text in files.items():
        (UNITS / name).parent.mkdir(exist_ok=True)
        (UNITS / name).write_text(text)


def rendered(home):
    """What the module makes of this home: its units, and its settings but for a path in the store."""
    files = {str(f.relative_to(GOLDEN / home)): f.read_text() for f in (GOLDEN / home).rglob("*") if f.is_file()}
    settings = re.sub("(?m)^pg_bin_dir = .*\n", "", files.pop("config.toml"))
    return files, settings.replace("[restore]", "[restore]\nsettle = 1")


def settle(home):
    """As NixOS does at boot: units, settings, no service of ours for the role, timers."""
    files, settings = rendered(home)
    write(files)
    CONFIG.write_text(settings)
    systemctl("mask", "teslamate-backup-role.service")
    systemctl("daemon-reload")
    systemctl("start", *TIMERS)


def switch(files):
    """As NixOS' switch-to-configuration does with units that changed: those that say so are left alone, timers and other
    services are stopped before the reload and started after it."""
    changed = [name for name, text in files.items() if (UNITS / name).read_text() != text]
    units = [name.removesuffix("/nixos.conf").removesuffix(".d") for name in changed
             if "X-RestartIfChanged=false" not in (UNITS / name).read_text()]
    if units:
        systemctl("stop", *units)
    write(files)
    systemctl("daemon-reload")
    if units:
        systemctl("start", *units)
    return changed, units


class Listener:
    """Who is told: keeps the paths of what was asked of it, with the bodies."""

    def __init__(self):
        calls = self.calls = []

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                calls.append((self.path, body.decode(errors="replace")))
                self.send_response(200)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/ping"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def paths(self):
        return [path for path, _ in self.calls]


def setUpModule():
    global rows
    rows = prepare()
    psql("postgres", f"ALTER ROLE teslamate PASSWORD '{PASSWORD}'")
    apt("install", *PACKAGE.glob("*.deb"))
    wait_until(remembered, "the first backup", 120)
    shutil.copy("/repo/tests/system/fresh/docker", "/usr/local/bin/docker")


class Home(unittest.TestCase):
    def setUp(self):
        wait_until(lambda: shown("teslamate-backup.service", "ActiveState") != "activating", "the end of a backup")
        wait_for_pruning()
        systemctl("start", "teslamate.service")
        kept = CONFIG.read_text()
        self.addCleanup(lambda: CONFIG.write_text(kept))
        self.addCleanup(self.leave)

    def leave(self):
        systemctl("stop", *TIMERS, "teslamate-backup-first.timer")
        wait_for_pruning()
        for name in [*UNITS.glob("teslamate-*.d"), UNITS / "teslamate-backup-offsite.service"]:
            shutil.rmtree(name) if name.is_dir() else name.unlink(missing_ok=True)
        systemctl("unmask", "teslamate-backup-role.service")
        systemctl("stop", "docker-teslamate.service", "container-of-teslamate.service", check=False)
        (UNITS / "docker-teslamate.service").unlink(missing_ok=True)
        systemctl("daemon-reload")
        systemctl("reset-failed")

    def assert_hardened(self, *services, backup):
        for service in services:
            found = exposure(service)
            print(f"{self.id().split('.')[-1]}: {service}: exposure {found}")
            self.assertLessEqual(found, backup if service == "teslamate-backup" else 1.5, service)

    def assert_one_more(self, before):
        """Retention may have removed another one."""
        self.assertEqual(len(set(snapshots()) - set(before)), 1)

    def assert_a_disaster_is_undone(self, unit):
        """Root restores the newest backup; `unit` was stopped for it and is well again."""
        wait_for_pruning()
        psql("teslamate", "DROP SCHEMA public CASCADE")
        before = shown(unit, "InvocationID")
        done = run("teslamate-restore", "latest", "--yes", check=False)
        self.assertIn(done.returncode, (0, 3), done.stdout + done.stderr)
        self.assertEqual(positions(), rows)
        self.assertEqual(shown(unit, "ActiveState"), "active")
        self.assertNotEqual(shown(unit, "InvocationID"), before)
        return done


class OnNixOs(Home):
    def test_a_server_on_this_machine(self):
        shutil.rmtree(STATE)  # nothing was ever backed up
        role = shown("teslamate-backup-role.service", "InvocationID")
        settle("local")
        systemctl("start", "backup.timer")
        wait_until(remembered, "the first backup by itself", 120)
        wait_until(lambda: shown("teslamate-backup.service", "ActiveState") == "inactive", "its end")
        self.assertEqual(shown("teslamate-backup.service", "Result"), "success")
        self.assertEqual({p.owner() for p in REPOSITORY.rglob("*")}, {"teslamate-backup"})
        self.assertEqual(shown("teslamate-backup-role.service", "InvocationID"), role)
        self.assertEqual(shown("teslamate-backup.timer", "RandomizedDelayUSec"), "15min")
        self.assert_hardened(*READING, "teslamate-backup-notify@x", backup=0.5)
        systemctl("start", "teslamate-verify.service")
        systemctl("start", "teslamate-drill.service")
        self.assert_a_disaster_is_undone("teslamate.service")
        start_backup()
        self.assertEqual(len(snapshots()), 2)

    def test_a_rebuild_neither_kills_nor_starts_a_backup(self):
        settle("local")
        start_backup()
        before = snapshots()
        files, _ = rendered("local")
        files = {name: text.replace("TimeoutStartSec=2h", "TimeoutStartSec=3h").replace("OnCalendar=daily", "OnCalendar=weekly")
                 for name, text in files.items()}
        with backup_that_takes_its_time():
            invocation = shown("teslamate-backup.service", "InvocationID")
            changed, restarted = switch(files)
            self.assertEqual(sorted(changed), ["teslamate-backup.service.d/nixos.conf", "teslamate-backup.timer.d/nixos.conf"])
            self.assertEqual(restarted, ["teslamate-backup.timer"])
            self.assertEqual(shown("teslamate-backup.service", "ActiveState"), "activating")
        self.assert_one_more(before)
        self.assertEqual(shown("teslamate-backup.service", "InvocationID"), invocation)
        self.assertEqual(shown("teslamate-backup.service", "Result"), "success")
        self.assertEqual(shown("teslamate-backup.service", "TimeoutStartUSec"), "3h")

    def test_a_container_that_systemd_runs(self):
        systemctl("stop", "teslamate.service")
        (UNITS / "docker-teslamate.service").write_text(DOCKER_UNIT)
        secret("db-password", PASSWORD + "\n")
        settle("container")
        systemctl("start", "docker-teslamate.service")
        before = snapshots()
        start_backup()
        self.assert_one_more(before)
        self.assert_hardened(*READING, backup=1.5)
        self.assert_a_disaster_is_undone("docker-teslamate.service")
        self.assertNotIn(PASSWORD, journal())

    def test_an_encrypted_repository_on_a_disk_of_its_own(self):
        disk, listener = pathlib.Path("/srv/disk/teslamate"), Listener()
        self.addCleanup(listener.close)
        disk.parent.mkdir(parents=True, exist_ok=True)
        run("install", "-d", "-m", "700", "-o", "teslamate-backup", "-g", "teslamate-backup", disk, "/var/lib/metrics")
        store = re.search("ExecStart=(/nix/store/[^ ]*)", (GOLDEN / "disk/teslamate-backup-offsite.service").read_text()).group(1)
        pathlib.Path(store).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(store).write_text(RCLONE)
        pathlib.Path(store).chmod(0o755)
        for name, text in (("repository-key", "correct horse battery staple\n"), ("rclone.conf", "[b2]\n"),
                           ("healthchecks", listener.address + "\n")):
            secret(name, text)
        settle("disk")
        run("teslamate-keys", "init")
        start_backup()
        wait_until(lambda: shown("teslamate-backup-offsite.service", "ExecMainExitTimestamp") and
                   shown("teslamate-backup-offsite.service", "ActiveState") == "inactive", "the copy")
        self.assertEqual(shown("teslamate-backup-offsite.service", "Result"), "success")
        calls = pathlib.Path("/var/cache/teslamate-backup-offsite/calls").read_text().splitlines()
        self.assertEqual(calls, [f"{disk}/objects b2:teslamate/objects", f"{disk} b2:teslamate"])
        self.assertEqual(listener.paths()[:2], ["/ping/start", "/ping"])
        self.assertIn("teslamate_backup", pathlib.Path("/var/lib/metrics/teslamate_backup.prom").read_text())
        self.assert_hardened(*READING, "teslamate-backup-offsite", backup=1.5)
        systemctl("start", "teslamate-verify.service")
        self.assert_a_disaster_is_undone("teslamate.service")
        self.a_key_that_is_not_there_yet(listener)
        self.a_key_that_others_can_read()

    def a_key_that_is_not_there_yet(self, listener):
        """A secret that is decrypted after the timer ran: the run does not begin, somebody is told, the next one is good."""
        wait_for_pruning()
        del listener.calls[:]
        key = ETC / "repository-key"
        text = key.read_text()
        key.unlink()
        self.assertNotEqual(start_backup(check=False).returncode, 0)
        self.assertEqual(shown("teslamate-backup.service", "ExecMainStatus"), "243")
        wait_until(lambda: "/ping/fail" in listener.paths(), "who is named is told")
        self.assertIn("teslamate-backup.service", dict(listener.calls)["/ping/fail"])
        secret("repository-key", text)
        start_backup()

    def a_key_that_others_can_read(self):
        (ETC / "repository-key").chmod(0o644)
        refused = run("teslamate-restore", "--dry-run", "latest", check=False)
        self.assertEqual(refused.returncode, 22, refused.stdout + refused.stderr)
        self.assertIn("chmod", refused.stderr)
        self.assertEqual(positions(), rows)


class NewMachine(Home):
    def test_a_repository_that_was_copied_here_brings_everything_back(self):
        """As README says for a machine without a database: the role, the copied folder, the second line."""
        usb = pathlib.Path("/srv/usb")
        start_backup()
        wait_for_pruning()
        run("cp", "-a", REPOSITORY, usb)
        run("chown", "-R", "12345:12345", usb)  # the account has another number there
        shutil.rmtree(STATE)
        systemctl("stop", "teslamate.service")
        psql("postgres", "DROP DATABASE teslamate", "DROP OWNED BY \"teslamate-backup\"", "DROP ROLE \"teslamate-backup\"")
        owned = psql("postgres", "SELECT datname FROM pg_database WHERE datdba = 'teslamate'::regrole").split()
        psql("postgres", *[f'DROP DATABASE "{name}"' for name in owned], "DROP ROLE teslamate")

        psql("postgres", re.search(r"`(CREATE ROLE teslamate [^`]*)`", pathlib.Path("/repo/README.md").read_text()).group(1))
        run("cp", "-a", f"{usb}/.", self.made(REPOSITORY))
        done = run("teslamate-restore", "latest", "--yes", check=False)
        self.assertIn(done.returncode, (0, 3), done.stdout + done.stderr)
        self.assertEqual(positions(), rows)
        # And the timer goes on in what was copied.
        before = [p.stem for p in (REPOSITORY / "snapshots").glob("*.json")]
        start_backup()
        self.assert_one_more(before)
        psql("postgres", f"ALTER ROLE teslamate PASSWORD '{PASSWORD}'")

    def test_a_snapshot_of_an_older_server_comes_back_in_a_newer_one(self):
        """Taken from the PostgreSQL of the machine that built the package: 15 on Debian 12, so in Debian 13 an upgrade."""
        older = pathlib.Path("/srv/older")
        shutil.copytree(PACKAGE / "older-server", older)
        manifest = json.loads(next((older / "snapshots").glob("*.json")).read_text())
        print(f"{manifest['server_version']} into {psql('postgres', 'SHOW server_version')}")
        psql("teslamate", "DROP SCHEMA public CASCADE")
        done = run("teslamate-restore", "--repository", older, "latest", "--yes", check=False)
        self.assertIn(done.returncode, (0, 3), done.stdout + done.stderr)
        self.assertEqual(positions(), 3000)
        run("teslamate-restore", "--rollback", "--yes")
        run("teslamate-restore", "latest", "--yes", check=False)
        self.assertEqual(positions(), rows)

    def test_a_new_server_beside_the_old_one(self):
        """As the manual says for a new major version, but for that: one server's programs are all that is here."""
        major = psql("postgres", "SELECT current_setting('server_version_num')::int / 10000")
        start_backup()
        run("pg_createcluster", "--port=5433", major, "next", "--start")
        self.addCleanup(run, "pg_dropcluster", "--stop", major, "next")

        def there(statement, database="postgres"):
            return run("psql", "-XAtq", "-p", "5433", "-d", database, "-c", statement, user="postgres").stdout.strip()
        there(re.search(r"^\.Pq Ql (CREATE ROLE teslamate SUPERUSER LOGIN)$", MANUAL.read_text(), re.M).group(1))
        role = re.search(r"^\.Dl # sudo -u postgres psql -p 5433 -f (\S+)$", MANUAL.read_text(), re.M).group(1)
        run("psql", "-p", "5433", "-f", role, user="postgres")
        CONFIG.write_text(CONFIG.read_text().replace("[database]\n", "[database]\nport = 5433\n"))
        wait_for_pruning()
        done = run("teslamate-restore", "latest", "--yes", check=False)
        self.assertIn(done.returncode, (0, 3), done.stdout + done.stderr)
        self.assertEqual(there("SELECT count(*) FROM positions", "teslamate"), str(rows))
        before = snapshots()
        start_backup()
        self.assert_one_more(before)
        self.assertEqual(positions(), rows)  # the old server is the way back

    def made(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def example(title):
    """The settings that the manual shows below this title."""
    part = MANUAL.read_text().split(f".Ss {title}\n", 1)[1]
    return part.split(".Bd -literal -offset indent\n", 1)[1].split(".Ed\n", 1)[0].replace("\\(dq", '"')


class InTheManual(Home):
    """Word for word, with the drop-in that it tells to copy."""

    def setUp(self):
        super().setUp()
        systemctl("stop", "teslamate.service")
        secret("db-password", PASSWORD + "\n")
        drop_in("tcp.conf", (EXAMPLES / "tcp.conf").read_text())

    def test_a_container_that_systemd_runs(self):
        (UNITS / "docker-teslamate.service").write_text(DOCKER_UNIT)
        systemctl("daemon-reload")
        systemctl("start", "docker-teslamate.service")
        CONFIG.write_text(example("A container that systemd runs"))
        start_backup()
        self.assert_hardened("teslamate-backup", backup=1.5)
        self.assert_a_disaster_is_undone("docker-teslamate.service")

    def test_docker_compose(self):
        compose = pathlib.Path("/opt/teslamate/docker-compose.yml")
        compose.parent.mkdir(parents=True, exist_ok=True)
        compose.touch()
        calls = pathlib.Path("/run/docker-calls")
        run("docker", "compose", "-f", compose, "start", "teslamate")
        CONFIG.write_text(example("Docker Compose"))
        start_backup()
        calls.write_text("")
        self.assert_a_disaster_is_undone("container-of-teslamate.service")
        said = [line.split(" ", 3)[3] for line in calls.read_text().splitlines()]
        asked = "ps --quiet --status running teslamate"
        self.assertEqual([line for line in said if line != asked], ["stop teslamate", "start teslamate"])
        self.assertIn(asked, said)
        # Without the container's file its commands fail: found before anything is stopped.
        compose.unlink()
        refused = run("teslamate-restore", "latest", "--yes", check=False)
        self.assertEqual(refused.returncode, 18, refused.stdout + refused.stderr)
        self.assertEqual(positions(), rows)
        self.assertEqual(shown("container-of-teslamate.service", "ActiveState"), "active")


if __name__ == "__main__":
    unittest.main()
