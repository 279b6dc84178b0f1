#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The house has burnt down: two machines that share nothing but /handover. Runs as root inside them (bare_metal boots
them).

    bare_metal.py make       the old machine: everything that a TeslaMate has, a backup of it in an encrypted repository
    bare_metal.py restore    a new one, with PostgreSQL and our programs alone: from the repository and the passphrase
    bare_metal.py archive    the same, from a .tmb and the passphrase
"""
import contextlib
import json
import os
import pathlib
import pty
import pwd
import select
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request

import psycopg2

BIN = pathlib.Path(os.environ["TM_BIN_DIR"])
HERE = pathlib.Path(__file__).parent
HANDOVER = pathlib.Path("/handover")
PASSPHRASE = "fünf Wörter auf einem Zettel"
ENVIRONMENT = pathlib.Path("/etc/teslamate/teslamate.env")
GRAFANA = pathlib.Path("/var/lib/grafana/grafana.db")
CONFIG = pathlib.Path("/etc/teslamate-backup/config.toml")
DROP_IN = pathlib.Path("/etc/systemd/system/teslamate.service.d/environment.conf")
PORT = 4711


def run(*argv, check=True, user=None, **keywords):
    account = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=120, cwd="/", **account, **keywords)
    if check and done.returncode not in (0, 3):
        raise AssertionError(f"{argv} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


def psql(database, *statements, user="postgres", **keywords):
    arguments = [a for s in statements for a in ("-c", s)]
    return run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "/run/postgresql", "-d", database, *arguments, user=user,
               **keywords).stdout.strip()


def typed(argv, *lines, timeout=60):
    """On a terminal, each prompt answered with the next line; code and screen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(argv[0], [str(a) for a in argv])
    screen, waiting, until = "", list(lines), time.monotonic() + timeout
    while time.monotonic() < until:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                screen += os.read(terminal, 4096).decode(errors="replace")
            except OSError:
                break
        if waiting and screen.rstrip("\r\n ").endswith((":", "[y/N]")) and screen.endswith(" "):
            os.write(terminal, (waiting.pop(0) + "\n").encode())
            screen += "\n"
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(screen)
    assert PASSPHRASE not in screen, "the passphrase was shown"
    return code, screen


def digest():
    """Of every table of the database."""
    names = psql("teslamate", "SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                 " WHERE relkind = 'r' AND nspname IN ('public', 'private') AND relname <> 'writer_rows' ORDER BY 1")
    return {name: psql("teslamate", f"SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\")) FROM {name} t")
            for name in names.split()}


def look(root, path):
    """What must come back of a file."""
    there = pathlib.Path(str(root) + str(path))
    status = there.lstat()
    if stat.S_ISLNK(status.st_mode):
        return ["link", os.readlink(there)]
    owner = [pwd.getpwuid(status.st_uid).pw_name, __import__("grp").getgrgid(status.st_gid).gr_name]
    kind = "folder" if there.is_dir() else there.read_bytes().hex() if path != str(GRAFANA) else "database"
    return [kind, oct(status.st_mode & 0o7777), *owner]


CARRIED = ["/etc/teslamate", str(ENVIRONMENT), "/etc/teslamate/run.sh", "/etc/teslamate/inner", "/etc/teslamate/inner/x.conf",
           "/etc/teslamate/link", str(CONFIG), str(DROP_IN), str(GRAFANA)]


def write(path, text, mode, owner="root", group="root"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    shutil.chown(path, owner, group)


def make():
    run(HERE / "units" / "install")
    run("systemctl", "stop", "dashboard.service", "teslamate.service")
    sample = run(BIN / "sample-database", "--positions", 20000).stdout
    psql("teslamate", user="teslamate", input=sample)
    write(ENVIRONMENT, "# TeslaMate\nENCRYPTION_KEY='sample-encryption-key'\nDATABASE_PASS=pass\\ word\n"
          f"RELEASE_COOKIE=\"a cookie\"\nDATABASE_NAME=teslamate\nDATABASE_USER=teslamate\nDATABASE_HOST=/run/postgresql\nPORT={PORT}\n",
          0o600)
    write(ENVIRONMENT.parent / "run.sh", "#!/bin/sh\nexec true\n", 0o750, "root", "teslamate")
    write(ENVIRONMENT.parent / "inner" / "x.conf", "x = 1\n", 0o640, "grafana", "teslamate")
    (ENVIRONMENT.parent / "inner").chmod(0o700)
    (ENVIRONMENT.parent / "link").symlink_to("inner/x.conf")
    write(DROP_IN, f"[Service]\nEnvironmentFile={ENVIRONMENT}\n", 0o644)
    GRAFANA.parent.mkdir()
    with contextlib.closing(sqlite3.connect(GRAFANA)) as grafana:
        grafana.executescript("PRAGMA journal_mode=WAL; CREATE TABLE dashboard (id INTEGER, title TEXT);"
                              "INSERT INTO dashboard VALUES (1, 'Battery health');")
        grafana.commit()
        shutil.chown(GRAFANA, "grafana", "grafana")
        GRAFANA.chmod(0o640)
        write(CONFIG, f'[database]\nhost = "/run/postgresql"\nuser = "teslamate"\nos_user = "teslamate"\nenvironment_file = "{ENVIRONMENT}"\n'
              '[repository]\npath = "/srv/backup"\n[files]\n'
              f'paths = ["/etc/teslamate", "{CONFIG}", "{DROP_IN}"]\nsqlite = ["{GRAFANA}"]\n'
              f'[restore]\nunits = ["teslamate.service"]\nhealth_url = "http://127.0.0.1:{PORT}/health_check"\n', 0o600)
        code, screen = typed([BIN / "teslamate-keys", "init"], PASSPHRASE, PASSPHRASE)
        assert code == 0, screen
        code, screen = typed([BIN / "teslamate-backup", "--state-dir", "/var/lib/old-state"], PASSPHRASE)
        assert code == 0, screen
    code, screen = typed([BIN / "teslamate-snapshots", "export", "latest", HANDOVER / "snapshot.tmb"], PASSPHRASE)
    assert code == 0, screen
    shutil.copytree("/srv/backup", HANDOVER / "repository", symlinks=True)
    facts = {"digest": digest(), "files": {p: look("", p) for p in CARRIED}, "uid": pwd.getpwnam("grafana").pw_uid}
    assert len(facts["digest"]) > 10
    (HANDOVER / "facts.json").write_text(json.dumps(facts))
    for file in [*HANDOVER.rglob("*")]:
        if file.is_file() and file.name != "facts.json":
            for secret in (PASSPHRASE, "sample-encryption-key", "a cookie", "Battery health"):
                assert secret.encode() not in file.read_bytes(), f"{secret} in {file}"


def prepare_new_machine():
    """What a person does first: PostgreSQL is there; the accounts come in another order than before."""
    socket.sethostname("another")
    for number, user in enumerate(["somebody", "grafana", "teslamate"]):
        run("useradd", "--system", "--uid", 900 + number, "--user-group", "--no-create-home", user)
    psql("postgres", "CREATE ROLE teslamate SUPERUSER LOGIN")
    assert "teslamate" not in psql("postgres", "SELECT datname FROM pg_database").split()
    assert not CONFIG.exists() and not pathlib.Path("/var/lib/teslamate-backup").exists()


def bring_files_back(what, facts):
    target = pathlib.Path("/root/restored")
    code, screen = typed([BIN / "teslamate-restore", *what, "--files-to", target], "not the passphrase", PASSPHRASE)
    assert code == 0, screen
    assert pwd.getpwnam("grafana").pw_uid != facts["uid"]
    for path, expected in facts["files"].items():
        assert look(target, path) == expected, (path, look(target, path), expected)
    with contextlib.closing(sqlite3.connect(f"{target}{GRAFANA}")) as grafana:
        assert grafana.execute("SELECT title FROM dashboard").fetchall() == [("Battery health",)]
        assert grafana.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    # Put in place as a person would.
    for top in target.iterdir():
        run("cp", "-a", f"{top}/.", f"/{top.name}/")
    assert oct(os.stat("/etc").st_mode & 0o777) == "0o755"
    return target


def restore(kind):
    facts = json.loads((HANDOVER / "facts.json").read_text())
    prepare_new_machine()
    what = ["latest", "-r", HANDOVER / "repository"] if kind == "restore" else [HANDOVER / "snapshot.tmb"]
    wrong = pathlib.Path("/root/wrong")
    write(wrong, "not the passphrase\n", 0o600)
    refused = run(BIN / "teslamate-restore", *what, "--files-to", "/root/nothing", "--key-file", wrong, check=False)
    assert refused.returncode == 12, refused
    assert not pathlib.Path("/root/nothing").exists() or not os.listdir("/root/nothing")
    bring_files_back(what, facts)
    for name in ("teslamate.py", "dashboard.py"):
        run("install", "-D", "-m", "755", "-t", "/usr/local/lib/standin", HERE / "units" / name)
    run("install", "-m", "644", "-t", "/etc/systemd/system", HERE / "units" / "teslamate.service")
    run("systemctl", "daemon-reload")

    # The settings file came back, too; it names the database's role, the environment file and the unit.
    code, screen = typed([BIN / "teslamate-restore", *what, "--yes"], PASSPHRASE)
    assert code in (0, 3), screen
    assert "open" in screen and "ENCRYPTION_KEY" in screen and "NOT" not in screen, screen
    assert digest() == facts["digest"], "the database is another one"

    run("systemctl", "start", "teslamate.service")
    for _ in range(100):
        with contextlib.suppress(OSError):
            if urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health_check", timeout=2).status == 200:
                break
        time.sleep(0.1)
    else:
        raise AssertionError("the stand-in does not answer on the port of the restored environment file: "
                             + run("journalctl", "-u", "teslamate", "--no-pager").stdout)
    process = pathlib.Path("/proc", run("systemctl", "show", "--value", "-p", "MainPID", "teslamate").stdout.strip())
    environment = dict(v.split(b"=", 1) for v in (process / "environ").read_bytes().split(b"\0") if b"=" in v)
    assert environment[b"RELEASE_COOKIE"] == b"a cookie" and environment[b"DATABASE_PASS"] == b"pass word"
    for _ in range(50):
        if int(psql("teslamate", "SELECT count(*) FROM writer_rows")) > 3:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the stand-in does not write")
    # And backups go on, into the same repository, with the tokens that open.
    if kind == "restore":
        run("cp", "-a", HANDOVER / "repository", "/srv/backup")
        key = pathlib.Path("/root/passphrase")
        write(key, PASSPHRASE + "\n", 0o600)
        again = run(BIN / "teslamate-backup", "--key-file", key, "--json")
        verified = run(BIN / "teslamate-verify", "--read-data", "--key-file", key)
        assert again.returncode == 0 and verified.returncode == 0, (again, verified)
        assert "ENCRYPTION_KEY" in verified.stdout + verified.stderr, verified
    print(f"{kind}: everything is back")


if __name__ == "__main__":
    make() if sys.argv[1] == "make" else restore(sys.argv[1])
