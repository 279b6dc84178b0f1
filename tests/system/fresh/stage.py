# SPDX-License-Identifier: MIT
"""What the stories in a fresh Debian stand on: our package, a database of TeslaMate's, a unit that stands in for it, and
short words for what root types."""
import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import time

PACKAGE = pathlib.Path("/package")
STATE = pathlib.Path("/var/lib/teslamate-backup")
REPOSITORY = STATE / "repository"
CONFIG = pathlib.Path("/etc/teslamate-backup/config.toml")
DROP_INS = pathlib.Path("/etc/systemd/system/teslamate-backup.service.d")
EXAMPLES = pathlib.Path("/usr/share/doc/teslamate-backup/examples")
PASSWORD = "a-canary-in-a-coal-mine"
TESLAMATE = """[Unit]
Description=TeslaMate (stand-in)
After=postgresql.service
[Service]
ExecStart=/usr/bin/python3 /repo/tests/system/fresh/teslamate.py
DynamicUser=yes
[Install]
WantedBy=multi-user.target
"""


def run(*argv, check=True, user=None, **keywords):
    account = {} if user is None else {"user": user, "group": user, "extra_groups": keywords.pop("groups", [])}
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=180, cwd="/",
                          stdin=subprocess.DEVNULL if "input" not in keywords else None, **account, **keywords)
    if check and done.returncode != 0:
        raise AssertionError(f"{argv} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


def apt(*arguments):
    return run("apt-get", "-q", "-y", "--no-install-recommends", *arguments,
               env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})


def systemctl(*arguments, check=True):
    return run("systemctl", *arguments, check=check)


def shown(unit, name):
    return systemctl("show", "--value", "--property", name, unit).stdout.strip()


def psql(database, *statements):
    arguments = [a for s in statements for a in ("-c", s)]
    return run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, *arguments, user="postgres").stdout.strip()


def journal(*arguments):
    run("journalctl", "--sync")
    return run("journalctl", "--no-pager", "-q", "-b", *arguments).stdout


def wait_for_pruning():
    """It follows every backup that was good, a moment later, and has the repository for itself for a moment."""
    def when(unit, name):
        return int(shown(unit, name) or 0)
    ended = when("teslamate-backup.service", "InactiveEnterTimestampMonotonic")
    until = time.monotonic() + 2
    while (shown("teslamate-backup.service", "Result") == "success" and time.monotonic() < until
           and when("teslamate-prune.service", "InactiveExitTimestampMonotonic") < ended):
        time.sleep(0.05)
    wait_until(lambda: shown("teslamate-prune.service", "ActiveState") != "activating", "the end of the pruning")


def snapshots():
    wait_for_pruning()
    return [s["id"] for s in json.loads(run("teslamate-snapshots", "list", "--json").stdout)["snapshots"]]


def positions(database="teslamate"):
    return int(psql(database, "SELECT count(*) FROM positions"))


def wait_until(condition, what, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come true in {seconds} s")


def remembered():
    return list(STATE.glob("last-seen-*.json"))


def start_backup(check=True):
    wait_for_pruning()
    return systemctl("start", "backup.service", check=check)


def drop_in(name, text):
    DROP_INS.mkdir(parents=True, exist_ok=True)
    (DROP_INS / name).write_text(text)
    systemctl("daemon-reload")


def remove_drop_ins():
    shutil.rmtree(DROP_INS, ignore_errors=True)
    systemctl("daemon-reload")
    systemctl("reset-failed")


def prepare(unit=TESLAMATE, name="teslamate.service"):
    """TeslaMate's database and, if wanted, its unit; the number of its positions."""
    psql("postgres", "CREATE ROLE teslamate SUPERUSER LOGIN", "CREATE DATABASE teslamate OWNER teslamate")
    run("useradd", "--system", "teslamate")
    run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "teslamate", user="teslamate",
        input=(PACKAGE / "sample.sql").read_text())
    if unit:
        pathlib.Path("/etc/systemd/system", name).write_text(unit)
        systemctl("daemon-reload")
        systemctl("enable", "--now", name)
    return positions()


def exposure(service):
    """As systemd-analyze sees the unit that is loaded, from 0.0 to 10.0."""
    done = run("systemd-analyze", "security", "--no-pager", f"{service}.service", check=False)
    return float(re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout).group(1))


@contextlib.contextmanager
def without_server():
    """Debian's postgresql.service is a name for all clusters, whose units it does not wait for."""
    systemctl("stop", "postgresql.service", "postgresql@*.service")
    try:
        yield
    finally:
        systemctl("start", "postgresql.service")
        wait_until(lambda: run("psql", "-XAtqc", "SELECT 1", user="postgres", check=False).returncode == 0, "the server")


@contextlib.contextmanager
def backup_that_waits():
    """A run of the unit that stands at a lock; it goes on at the end."""
    wait_for_pruning()
    holder = subprocess.Popen(
        ["psql", "-XAtq", "-d", "teslamate", "-c", "BEGIN", "-c", "LOCK TABLE positions IN ACCESS EXCLUSIVE MODE",
         "-c", "SELECT pg_sleep(60)"], user="postgres", cwd="/", stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: psql("postgres", "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND"
                                " granted AND relation IS NOT NULL") != "0", "the lock")
        systemctl("start", "--no-block", "backup.service")
        wait_until(lambda: psql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename ="
                                " 'teslamate-backup' AND wait_event_type = 'Lock'") != "0", "its waiting")
        yield
    finally:
        holder.kill()
        holder.wait()
        psql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND"
             " pid <> pg_backend_pid()")


@contextlib.contextmanager
def backup_that_takes_its_time():
    """A run of the unit that is held up by a hook, for as long as it takes; it goes on at the end."""
    wait_for_pruning()
    kept, hold = CONFIG.read_text(), STATE / "hold"
    hook = f"""[hooks]\nbefore_backup = ["/bin/sh", "-c", "while [ -e {hold} ]; do sleep 0.1; done"]\n"""
    CONFIG.write_text(kept.replace("[hooks]\n", hook) if "[hooks]" in kept else f"{kept}\n{hook}")
    hold.touch()
    try:
        systemctl("start", "--no-block", "backup.service")
        wait_until(lambda: "sleep" in run("systemctl", "status", "backup.service", check=False).stdout, "its waiting")
        yield
    finally:
        CONFIG.write_text(kept)
        hold.unlink()
    wait_until(lambda: shown("teslamate-backup.service", "ActiveState") != "activating", "its end")


def in_readme(after):
    """The commands that README shows in the first block after these words."""
    text = pathlib.Path("/repo/README.md").read_text().split(after, 1)[1]
    return text.split("```\n", 2)[1].splitlines()
