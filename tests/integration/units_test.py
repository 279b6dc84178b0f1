# SPDX-License-Identifier: MIT
"""What can be known of the units, the polkit rule and the package's scripts without running them; that they run is shown in
tests/system/fresh. The units are installed into a folder as `cmake --install` does it."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from nixos_module_test import golden_sources

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEDULED = ("teslamate-backup", "teslamate-verify", "teslamate-drill", "teslamate-prune")


def setUpModule():
    global folder, units
    folder = tempfile.TemporaryDirectory(prefix="tmb-units-", dir="/tmp")
    unittest.addModuleCleanup(folder.cleanup)
    places = {"source": ROOT, "scratch": f"{folder.name}/scratch", "bin": "bin", "data": "share/teslamate-backup",
              "unit": "lib/systemd/system", "sysusers": "lib/sysusers.d", "tmpfiles": "lib/tmpfiles.d"}
    subprocess.run(["cmake", "-DCMAKE_INSTALL_PREFIX=/usr", *[f"-D{k}_dir={v}" for k, v in places.items()], "-P",
                    ROOT / "cmake/install_units.cmake"], env=os.environ | {"DESTDIR": folder.name}, check=True, capture_output=True)
    units = pathlib.Path(folder.name) / "usr/lib/systemd/system"


def settings(name):
    """[(key, value)…] of a unit, in order."""
    return re.findall(r"^([A-Za-z]+)=(.*)$", (units / name).read_text(), re.M)


def values(name, key):
    return [v for k, v in settings(name) if k == key]


class Units(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_every_unit_is_as_hardened_as_promised(self):
        services = sorted(units.glob("*.service"))
        self.assertGreaterEqual(len(services), 6)
        for service in services:
            with self.subTest(service.name):
                done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", service], capture_output=True,
                                      text=True, timeout=60, check=False)
                found = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
                self.assertIsNotNone(found, done.stdout + done.stderr)
                self.assertLessEqual(float(found.group(1)), 0.5 if service.name == "teslamate-backup.service" else 1.5)

    def test_what_is_scheduled_writes_nothing_but_the_backups_and_has_no_network(self):
        for name in SCHEDULED:
            with self.subTest(name):
                unit = f"{name}.service"
                self.assertEqual(values(unit, "ProtectSystem"), ["strict"])
                self.assertEqual(values(unit, "ReadWritePaths"), [])
                self.assertEqual(values(unit, "StateDirectoryMode"), ["0700"])
                self.assertEqual(values(unit, "PrivateNetwork"), ["yes"])
                self.assertEqual(values(unit, "User"), ["teslamate-backup"])
                self.assertEqual(values(unit, "UMask"), ["0077"])

    def test_a_failure_of_what_is_scheduled_alerts(self):
        for name in SCHEDULED:
            self.assertEqual(values(f"{name}.service", "OnFailure"), ["teslamate-backup-notify@%n.service"], name)

    def test_an_alert_that_could_not_be_given_is_a_failure(self):
        self.assertEqual(values("teslamate-backup-notify@.service", "SuccessExitStatus"), [])

    def test_a_run_that_hangs_or_is_stopped_ends(self):
        for name in SCHEDULED:
            self.assertEqual(len(values(f"{name}.service", "TimeoutStartSec")), 1, name)
            self.assertEqual(len(values(f"{name}.service", "TimeoutStopSec")), 1, name)
            self.assertEqual(values(f"{name}.service", "Type"), ["oneshot"])

    def test_a_missed_run_is_made_up_for(self):
        timers = [t.name for t in units.glob("*.timer") if "OnCalendar" in t.read_text()]
        self.assertEqual(sorted(timers), ["teslamate-backup.timer", "teslamate-drill.timer", "teslamate-verify.timer"])
        for timer in timers:
            self.assertEqual(values(timer, "Persistent"), ["yes"], timer)
            self.assertEqual(values(timer, "WantedBy"), ["timers.target"], timer)

    def test_the_first_backup_comes_within_two_minutes(self):
        self.assertEqual(values("teslamate-backup.timer", "Wants"), ["teslamate-backup-first.timer"])
        self.assertEqual(values("teslamate-backup-first.timer", "OnActiveSec"), ["15s"])

    def test_only_the_role_is_made_as_another_account_and_only_until_there_is_a_backup(self):
        others = [u.name for u in units.glob("*.service") if values(u.name, "User") != ["teslamate-backup"]]
        self.assertEqual(others, ["teslamate-backup-role.service"])
        self.assertIn("!/var/lib/teslamate-backup/last-seen-*.json", values(others[0], "ConditionPathExistsGlob"))

    def test_no_secret_is_in_a_unit(self):
        for file in [*units.iterdir(), *(ROOT / "systemd/examples").iterdir()]:
            self.assertIsNone(re.search(r"(?im)^[^#]*(SetCredential|PGPASSWORD|DATABASE_PASS)\w*=", file.read_text()), file.name)


class Rendered(unittest.TestCase):
    def test_the_units_of_the_nixos_module_that_systemd_tries_are_of_this_module(self):
        made_from = (ROOT / "tests/nixos/golden/made-from").read_text().strip()
        self.assertEqual(made_from, golden_sources(), "TM_UPDATE_GOLDEN=1 NIXPKGS_LIB=… nixos_module_test.py writes tests/nixos/golden anew")


class PolkitRule(unittest.TestCase):
    def test_operators_start_and_stop_these_units_and_may_nothing_else(self):
        rule = (ROOT / "systemd/teslamate-backup.rules").read_text()
        units_of_it = re.search(r"var units = \[(.*?)\]", rule, re.S).group(1)
        self.assertEqual(set(re.findall(r'"([^"]+)"', units_of_it)),
                         {"teslamate.service", "backup.service", "teslamate-backup.service", "teslamate-verify.service", "teslamate-drill.service"})
        verbs = re.search(r"var verbs = \[(.*?)\]", rule).group(1)
        self.assertEqual(set(re.findall(r'"([^"]+)"', verbs)), {"start", "stop", "restart"})
        self.assertEqual(re.findall(r"action\.id != \"([^\"]+)\" \|\| !subject\.isInGroup", rule), ["org.freedesktop.systemd1.manage-units"])
        self.assertEqual(rule.count("polkit.Result.YES"), 1)
        self.assertIn("if (units.indexOf(action.lookup(\"unit\")) >= 0 && verbs.indexOf(action.lookup(\"verb\")) >= 0) {\n"
                      "    return polkit.Result.YES;", rule)


class Package(unittest.TestCase):
    def test_no_script_removes_more_than_the_settings_that_were_put_there(self):
        removals = []
        for script in sorted((ROOT / "packaging/debian").iterdir()):
            removals += re.findall(r"(?m)^\s*((?:rm|rmdir|userdel|deluser|dropuser|find|unlink|shred|mv)\b[^\n|&]*)", script.read_text())
        self.assertEqual([r.strip() for r in removals],
                         ["rm -f /etc/teslamate-backup/config.toml", "rmdir /etc/teslamate-backup 2>/dev/null"])

    def test_an_upgrade_stops_nothing(self):
        text = (ROOT / "packaging/debian/prerm").read_text()
        self.assertEqual(re.findall(r'(?m)^if (.*); then$', text), ['[ "$1" = remove ] && [ -d /run/systemd/system ]'])
        self.assertLess(text.index('"$1" = remove'), text.index("deb-systemd-invoke stop"))


if __name__ == "__main__":
    unittest.main()
