#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our units on a real systemd: what teslamate-status says of timers and failed units, who is told when a unit fails
and with what, and a repository whose disk is absent. Runs as root inside the machine (see README.md). The units are
rendered from systemd/ as an installation does it."""
import http.server
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import threading
import time
import unittest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
BIN = pathlib.Path(os.environ["TM_BIN_DIR"])
ETC = pathlib.Path("/etc/systemd/system")
CONFIG = pathlib.Path("/etc/teslamate-backup/config.toml")
STATE = pathlib.Path("/var/lib/teslamate-backup")
SECRET = "canary-5f2c"
UNITS = ("teslamate-backup", "teslamate-verify", "teslamate-drill", "teslamate-prune")


def run(*argv, check=True, **keywords):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=180, cwd="/", **keywords)
    if check and done.returncode != 0:
        raise AssertionError(f"{argv} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


def systemctl(*arguments, check=True):
    return run("systemctl", *arguments, check=check)


def shown(unit, name):
    return systemctl("show", "--value", "--property", name, unit).stdout.strip()


def journal(*arguments):
    run("journalctl", "--sync")
    return run("journalctl", "--no-pager", "-q", "-b", *arguments).stdout


def wait_until(condition, what, seconds=30):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come true in {seconds} s")


def status(*arguments, user=None):
    done = run(BIN / "teslamate-status", "--json", "--check", *arguments, check=False, user=user)
    return done.returncode, json.loads(done.stdout)


def timers_check(user=None):
    return next(c for c in status(user=user)[1]["checks"] if c["name"] == "timers")


def drop_in(unit, name, text):
    folder = ETC / f"{unit}.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    systemctl("daemon-reload")


def remove_drop_ins():
    for folder in ETC.glob("teslamate-*.d"):
        shutil.rmtree(folder)
    systemctl("daemon-reload")
    systemctl("reset-failed")


def settings(text=""):
    CONFIG.parent.mkdir(mode=0o755, exist_ok=True)
    CONFIG.write_text(f'[database]\nhost = "/run/postgresql"\n[repository]\npath = "{STATE}/repository"\n' + text)
    CONFIG.chmod(0o644)


def start_backup(check=True):
    done = systemctl("start", "teslamate-backup.service", check=check)
    wait_until(lambda: shown("teslamate-prune.service", "ActiveState") != "activating", "the end of the pruning")
    return done


class Receiver:
    """A web server on the loopback that remembers what it was sent."""

    def __init__(self):
        received = self.received = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                received.append((self.path, dict(self.headers), body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def sent(self, path):
        return [(headers, body) for p, headers, body in self.received if p == path]


def setUpModule():
    run(HERE / "units" / "install")
    run("cmake", f"-Dsource_dir={ROOT}", "-Dscratch_dir=/tmp/units", f"-Dbin_dir={BIN}", "-Ddata_dir=/usr/share/teslamate-backup",
        "-Dunit_dir=/usr/lib/systemd/system", "-Dsysusers_dir=/etc/sysusers.d", "-Dtmpfiles_dir=/etc/tmpfiles.d", "-DCMAKE_INSTALL_PREFIX=/usr",
        "-P", ROOT / "cmake" / "install_units.cmake")
    settings()
    systemctl("daemon-reload")
    systemctl("mask", "teslamate-backup-role.service", "teslamate-backup-first.timer")
    systemctl("enable", "--now", *(f"teslamate-{n}.timer" for n in ("backup", "verify", "drill")))
    start_backup()


class Timers(unittest.TestCase):
    def setUp(self):
        self.addCleanup(systemctl, "enable", "--now", *(f"teslamate-{n}.timer" for n in ("backup", "verify", "drill")))
        self.addCleanup(remove_drop_ins)

    def test_it_says_when_each_runs_next_to_root_and_to_the_account_of_the_timers(self):
        for user in (None, "teslamate-backup"):
            check = timers_check(user)
            self.assertEqual(check["level"], "good", check)
            self.assertRegex(check["text"], r"^backup in \d+ (min|h), verify in \d+ (min|h), drill in \d+ (h|days)$")

    def test_a_disabled_stopped_or_masked_timer_is_said_with_the_command_that_mends_it(self):
        for timer, breaks, level, words in (
                ("teslamate-backup.timer", [("disable", "--now")], "critical", "not running and disabled"),
                ("teslamate-backup.timer", [("stop",)], "critical", "is not running"),
                ("teslamate-backup.timer", [("disable",)], "warning", "not after the next boot"),
                ("teslamate-backup.timer", [("stop",), ("mask",)], "critical", "is masked"),
                ("teslamate-verify.timer", [("disable", "--now")], "warning", "not running and disabled")):
            with self.subTest(timer=timer, breaks=breaks):
                for words_of_command in breaks:
                    systemctl(*words_of_command, timer)
                code, document = status()
                check = next(c for c in document["checks"] if c["name"] == "timers")
                self.assertEqual((check["level"], code), (level, 20 if level == "critical" else 3))
                self.assertIn(words, check["text"])
                run("sh", "-c", check["mend"])
                self.assertEqual(timers_check()["level"], "good", "the command did not mend it")

    def test_a_unit_that_fails_before_the_program_begins_is_said(self):
        for unit, level in (("teslamate-backup", "critical"), ("teslamate-prune", "warning")):
            drop_in(f"{unit}.service", "broken.conf", "[Service]\nExecStart=\nExecStart=/nonexistent/program\n")
            systemctl("start", f"{unit}.service", check=False)
            check = timers_check()
            self.assertEqual(check["level"], level, check)
            self.assertIn(f"{unit}.service failed (exit-code)", check["text"])
            self.assertIn(f"systemctl start {unit}.service", check["mend"])
            remove_drop_ins()
            self.assertEqual(timers_check()["level"], "good")

    def test_a_run_that_found_another_one_busy_is_no_fault(self):
        # A backup by hand that stands still while the timer goes off.
        busy = subprocess.Popen(["python3", "-c", "import fcntl, struct, os, time\n"
                                 f"f = open('{STATE}/repository/lock', 'rb+')\n"
                                 "fcntl.fcntl(f, 37, struct.pack('hhqqi4x', fcntl.F_WRLCK, os.SEEK_SET, 1, 1, 0))\n"
                                 "print('held', flush=True)\ntime.sleep(60)"], stdout=subprocess.PIPE)
        try:
            busy.stdout.readline()
            self.assertNotEqual(start_backup(check=False).returncode, 0)
            self.assertEqual(shown("teslamate-backup.service", "ExecMainStatus"), "11")
            self.assertEqual(timers_check()["level"], "good")
            self.assertEqual(status()[0], 0)
        finally:
            busy.kill()
            busy.wait()
            busy.stdout.close()

    def test_a_timer_whose_condition_does_not_hold_here_is_not_missed(self):
        drop_in("teslamate-drill.timer", "no.conf", "[Unit]\nConditionPathExists=\nConditionPathExistsGlob=\nConditionPathExists=/nonexistent\n")
        systemctl("stop", "teslamate-drill.timer")
        systemctl("start", "teslamate-drill.timer")
        self.assertEqual(shown("teslamate-drill.timer", "ActiveState"), "inactive")
        check = timers_check()
        self.assertEqual(check["level"], "good", check)
        self.assertNotIn("drill", check["text"])

    def test_the_metrics_of_a_run_in_its_sandbox_know_of_the_timers_too(self):
        settings(f'[status]\nmetrics_file = "{STATE}/m.prom"\n')
        self.addCleanup(settings)
        systemctl("disable", "--now", "teslamate-verify.timer")
        start_backup()
        self.assertIn('teslamate_backup_check_status{check="timers"} 1\n', (STATE / "m.prom").read_text())


class Alerts(unittest.TestCase):
    def setUp(self):
        wait_until(lambda: not systemctl("list-units", "--no-legend", "--state=active,activating",
                                         "teslamate-backup-notify@*").stdout.strip(), "the end of earlier alerts")
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.addCleanup(settings)
        self.addCleanup(remove_drop_ins)
        url = self.receiver.url
        self.told = STATE / "told"
        self.told.unlink(missing_ok=True)
        settings(f'[notify]\nwebhook = "{url}/hook/{SECRET}"\nntfy = "{url}/topic-{SECRET}"\n'
                 f'healthchecks = "{url}/ping/{SECRET}"\n'
                 f'command = ["/bin/sh", "-c", "env >{self.told}"]\n')

    def fail_a_backup(self):
        systemctl("stop", "postgresql.service")
        try:
            self.assertNotEqual(start_backup(check=False).returncode, 0)
        finally:
            systemctl("start", "postgresql.service")

    def test_a_failing_backup_tells_everybody_with_its_journal_and_no_address_is_logged(self):
        self.fail_a_backup()
        hook = f"/hook/{SECRET}"
        wait_until(lambda: any(json.loads(b)["what"] == "teslamate-backup.service" for _, b in self.receiver.sent(hook)), "the webhook is told")
        document = next(d for d in (json.loads(b) for _, b in self.receiver.sent(hook)) if d["what"] == "teslamate-backup.service")
        self.assertEqual((document["event"], document["title"]), ("failure", "teslamate-backup.service failed"))
        self.assertIn("error[15]", document["text"])
        self.assertIn("cannot connect", document["text"])
        wait_until(lambda: self.receiver.sent(f"/topic-{SECRET}"), "ntfy is told")
        headers, body = self.receiver.sent(f"/topic-{SECRET}")[-1]
        self.assertEqual((headers["Title"], headers["Priority"]), ("teslamate-backup.service failed", "high"))
        self.assertIn("error[15]", body)
        wait_until(lambda: self.receiver.sent(f"/ping/{SECRET}/fail"), "the check is told")
        self.assertIn("error[15]", self.receiver.sent(f"/ping/{SECRET}/fail")[-1][1])
        wait_until(lambda: self.told.exists() and "TESLAMATE_BACKUP_WHAT=teslamate-backup.service" in self.told.read_text(),
                   "the command is run")
        self.assertIn("error[15]", self.told.read_text())
        self.assertEqual(self.told.stat().st_uid, pwd.getpwnam("teslamate-backup").pw_uid)
        self.assertNotIn(SECRET, journal(), "an address is in the journal")

    def test_a_check_is_pinged_at_the_start_and_the_end_of_a_run_that_has_a_network(self):
        for unit in UNITS[:2]:
            drop_in(f"{unit}.service", "pings.conf", "".join(
                line + "\n" for line in (ROOT / "systemd" / "examples" / "pings.conf").read_text().splitlines()
                if not line.startswith(("#", "LoadCredential="))))
        start_backup()
        self.assertEqual([p for p, _, _ in self.receiver.received], [f"/ping/{SECRET}/start", f"/ping/{SECRET}"])
        systemctl("start", "teslamate-verify.service")
        self.assertEqual(len(self.receiver.received), 4)
        self.assertNotIn(SECRET, journal())

    def test_an_address_may_come_as_a_credential(self):
        secret = pathlib.Path("/etc/teslamate-backup/healthchecks")
        secret.write_text(f"{self.receiver.url}/ping/other-{SECRET}\n")
        secret.chmod(0o400)
        settings()
        drop_in("teslamate-backup.service", "pings.conf", (ROOT / "systemd" / "examples" / "pings.conf").read_text())
        start_backup()
        self.assertEqual([p for p, _, _ in self.receiver.received],
                         [f"/ping/other-{SECRET}/start", f"/ping/other-{SECRET}"])
        self.assertNotIn(SECRET, journal())

    def test_without_a_network_the_backup_is_made_all_the_same_and_says_who_was_not_told(self):
        start_backup()
        self.assertEqual(self.receiver.received, [])
        said = journal("-u", "teslamate-backup.service", "-n", "50")
        self.assertIn("could not be told", said)
        self.assertEqual(shown("teslamate-backup.service", "Result"), "success")
        self.assertNotIn(SECRET, journal())


class AbsentDisk(unittest.TestCase):
    def test_without_its_disk_the_backup_is_refused_and_told_and_nothing_is_made_on_the_empty_folder(self):
        disk, mount = pathlib.Path("/srv/disk"), pathlib.Path("/srv/usb")
        disk.mkdir()
        mount.mkdir()
        account = pwd.getpwnam("teslamate-backup")
        os.chown(disk, account.pw_uid, account.pw_gid)
        told = STATE / "told"
        told.unlink(missing_ok=True)
        self.addCleanup(settings)
        self.addCleanup(remove_drop_ins)
        settings(f'[notify]\ncommand = ["/bin/sh", "-c", "env >{told}"]\n')
        CONFIG.write_text(CONFIG.read_text().replace(f'path = "{STATE}/repository"', f'path = "{mount}/teslamate"'))
        for unit in UNITS:
            drop_in(f"{unit}.service", "folder.conf", f"[Service]\nReadWritePaths=-{mount}\n")
        run("mount", "--bind", disk, mount)
        self.addCleanup(run, "umount", mount, check=False)
        run("runuser", "-u", "teslamate-backup", "--", BIN / "teslamate-backup", "--init",
            env=os.environ | {"PGUSER": "teslamate-backup"})
        start_backup()
        run("umount", mount)
        self.assertNotEqual(start_backup(check=False).returncode, 0)
        self.assertEqual(shown("teslamate-backup.service", "ExecMainStatus"), "10")
        self.assertEqual(list(mount.iterdir()), [], "something was made where the disk should be")
        wait_until(lambda: told.exists() and "is its disk mounted?" in told.read_text(), "the alert says what to look at")
        code, document = status()
        self.assertEqual(code, 20)
        self.assertEqual({c["name"]: c["level"] for c in document["checks"]}["repository"], "critical")
        run("mount", "--bind", disk, mount)
        start_backup()
        self.assertEqual(shown("teslamate-backup.service", "Result"), "success")
        self.assertEqual(status()[0], 0)


if __name__ == "__main__":
    unittest.main()
