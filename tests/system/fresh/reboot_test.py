#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A machine that is switched off while a backup runs, and comes back: the run ends cleanly and adds no snapshot; what was
missed is made up for; a secret that is not decrypted yet at boot stops that run alone, and somebody is told. The
program runs twice: before the machine reboots, and again because the machine's task is started at every boot. Runs as
root inside the machine (see ../README.md)."""
import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

from stage import *

NOTES = pathlib.Path("/var/lib/before-the-reboot.json")  # /var outlives a reboot, the journal does not
STAMP = pathlib.Path("/var/lib/systemd/timers/stamp-teslamate-backup.timer")
TASK = pathlib.Path("/run/systemd/system/machine-task.service.d/reboot.conf")
UNITS = pathlib.Path("/etc/systemd/system")
# How the run ended is written down by the unit itself, while the machine goes down.
WITNESS = """[Service]
ExecStopPost=+/bin/sh -c 'echo "$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS" >>/var/lib/how-it-ended'
"""


def before():
    prepare()
    apt("install", *PACKAGE.glob("*.deb"))
    wait_until(remembered, "the first backup", 120)
    wait_until(lambda: shown("teslamate-backup.service", "ActiveState") == "inactive", "its end")
    kept = snapshots()
    with open(CONFIG, "a", encoding="utf-8") as config:
        config.write('\n[notify]\ncommand = ["/bin/sh", "-c", "env >>/var/lib/teslamate-backup/told"]\n')
    # The next run is due at once, whatever the time of day, once three days were missed.
    timer = UNITS / "teslamate-backup.timer.d"
    timer.mkdir()
    (timer / "now.conf").write_text("[Timer]\nRandomizedDelaySec=0\n")
    drop_in("witness.conf", WITNESS)
    systemctl("daemon-reload")
    with backup_that_waits():
        # The end of this program must not be taken for the end of the machine.
        TASK.parent.mkdir(parents=True)
        TASK.write_text("[Unit]\nSuccessAction=none\nFailureAction=none\n")
        systemctl("daemon-reload")
        # After the boot a secret is asked for that will be there only some time later.
        (DROP_INS / "secret.conf").write_text("[Service]\nLoadCredential=db-password:/run/secrets/db-password\n")
        os.utime(STAMP, (time.time() - 3 * 86400,) * 2)
        NOTES.write_text(json.dumps({"snapshots": kept}))
        subprocess.run(["systemctl", "--no-block", "reboot"], check=True)
        time.sleep(120)
    sys.exit("the machine did not reboot")


class AfterTheReboot(unittest.TestCase):
    """Names have numbers: each case stands on those before it."""

    def test_1_the_run_was_ended_in_time_and_added_nothing(self):
        self.assertEqual(pathlib.Path("/var/lib/how-it-ended").read_text().splitlines()[0], "exit-code exited 143")
        kept = json.loads(NOTES.read_text())["snapshots"]
        self.assertEqual([p.stem for p in sorted((REPOSITORY / "snapshots").glob("*.json"))], sorted(kept))
        self.assertEqual(list(REPOSITORY.rglob(".tmp-*")), [])

    def test_2_what_was_missed_is_made_up_for_at_boot_but_not_without_its_secret(self):
        wait_until(lambda: shown("teslamate-backup.service", "ActiveState") == "failed", "the run that was missed")
        self.assertEqual(shown("teslamate-backup.service", "ExecMainStatus"), "243")  # no credential: it never began
        self.assertEqual(shown("teslamate-backup.timer", "ActiveState"), "active")
        told = STATE / "told"
        wait_until(lambda: told.exists() and "teslamate-backup.service" in told.read_text(), "who is named is told")

    def test_3_the_next_run_finds_its_secret(self):
        secret = pathlib.Path("/run/secrets/db-password")
        secret.parent.mkdir()
        secret.write_text("x\n")
        os.utime(STAMP, (time.time() - 3 * 86400,) * 2)
        systemctl("restart", "teslamate-backup.timer")
        before = len(json.loads(NOTES.read_text())["snapshots"])
        wait_until(lambda: len(list((REPOSITORY / "snapshots").glob("*.json"))) == before + 1, "the run that was missed")
        systemctl("start", "teslamate-verify.service")


if __name__ == "__main__":
    if NOTES.exists():
        unittest.main()
    before()
