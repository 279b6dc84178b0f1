#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where secrets go when the programs run as they will: real units, real credentials, a journal. Each secret is a word
that occurs nowhere else; while everything is done that has to do with secrets, the arguments and environments of all
processes are looked through without a pause, and afterwards the journal, the server's log, the files and the cores.
Runs as root inside the machine (see README.md)."""
import http.server
import json
import os
import pathlib
import pty
import resource
import secrets
import select
import shutil
import signal
import subprocess
import threading
import time
import unittest

BIN = pathlib.Path(os.environ["TM_BIN_DIR"])
HERE = pathlib.Path(__file__).parent
SYSTEMD = HERE.parents[1] / "systemd"
ETC = pathlib.Path("/etc/systemd/system")
STATE = pathlib.Path("/var/lib/teslamate-backup")
REPOSITORY = STATE / "repository"
CONFIG = pathlib.Path("/etc/teslamate-backup/config.toml")
ENVIRONMENT = pathlib.Path("/etc/teslamate.env")
CARRIED = pathlib.Path("/etc/carried.conf")
FOLDER = pathlib.Path("/root/secrets")
HOOK_PORT = 8099
CANARIES = {name: f"canary{secrets.token_hex(8)}" for name in
            ("passphrase", "key_file", "encryption", "database", "cookie", "webhook", "carried", "second")}
# The one process that must be given the cookie, in its environment: TeslaMate's own command. It hands it on to Erlang
# as an argument, which is TeslaMate's doing; ours has to end there.
RPC = """#!/bin/sh
[ "$RELEASE_COOKIE" = "$(cat /root/secrets/cookie)" ] || exit 1
/bin/sleep 0.5
"""


def run(*argv, check=True, codes=(0, 3), user=None, **keywords):
    account = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=120, cwd="/", **account, **keywords)
    Heard.outputs.append(done.stdout + done.stderr)
    if check and done.returncode not in codes:
        raise AssertionError(f"{argv} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


def psql(database, *statements, **keywords):
    arguments = [a for s in statements for a in ("-c", s)]
    return run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "/run/postgresql", "-d", database, *arguments,
               user="postgres", **keywords).stdout.strip()


def private(name, text, mode=0o600):
    path = FOLDER / name
    path.write_text(text)
    path.chmod(mode)
    return path


def journal(*arguments):
    run("journalctl", "--sync")
    return subprocess.run(["journalctl", "--no-pager", "-q", "-b", *arguments], capture_output=True, timeout=60).stdout


def rendered(name):
    text = (SYSTEMD / f"{name}.in").read_text()
    hardening = (SYSTEMD / "hardening.conf").read_text()
    return (text.replace("@bindir@", str(BIN)).replace("@HARDENING@", hardening)
            .replace("@NO_NETWORK@", "RestrictAddressFamilies=AF_UNIX AF_INET"))


class Heard:
    """What the webhook got, and what our programs said."""
    requests: list[tuple[str, str]] = []
    outputs: list[str] = []


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        Heard.requests.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Watch:
    """Looks at every process until it is told to stop. `owners`: of a secret, the commands that must have it in their
    environment."""

    def __init__(self, owners):
        self.owners, self.found, self.passes, self.seen = owners, set(), 0, set()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def look(self):
        words = {name: word.encode() for name, word in CANARIES.items()}
        while not self.over.is_set():
            for number in filter(str.isdigit, os.listdir("/proc")):
                try:
                    command = pathlib.Path("/proc", number, "cmdline").read_bytes()
                    environment = pathlib.Path("/proc", number, "environ").read_bytes()
                except OSError:
                    continue
                program = os.path.basename(command.split(b"\0")[0].decode(errors="replace"))
                self.seen.add(program)
                for name, word in words.items():
                    if word in command:
                        self.found.add((name, "cmdline", command.replace(b"\0", b" ")[:200]))
                    shown = command.replace(b"\0", b" ").decode(errors="replace")
                    allowed = any(owner in shown for owner in self.owners.get(name, ()))
                    if word in environment and not allowed:
                        self.found.add((name, "environ", command.replace(b"\0", b" ")[:200]))
            self.passes += 1


def setUpModule():
    FOLDER.mkdir(mode=0o700)
    run(HERE / "units" / "install")
    run("systemctl", "stop", "dashboard.service", "teslamate.service")
    psql("teslamate", input=run(BIN / "sample-database", "--positions", 20000).stdout)
    Heard.outputs.clear()
    psql("postgres", input=f"ALTER ROLE teslamate PASSWORD '{CANARIES['database']}';")
    ENVIRONMENT.write_text(f"ENCRYPTION_KEY={CANARIES['encryption']}\nDATABASE_PASS='{CANARIES['database']}'\n"
                           f"RELEASE_COOKIE={CANARIES['cookie']}\nDATABASE_USER=teslamate\nDATABASE_NAME=teslamate\n"
                           "DATABASE_HOST=127.0.0.1\n")
    ENVIRONMENT.chmod(0o600)
    private("passphrase", CANARIES["passphrase"] + "\n")
    private("second", CANARIES["second"] + "\n")
    CARRIED.write_text(CANARIES["carried"] + "\n")
    shutil.chown(CARRIED, "grafana", "teslamate-backup")
    CARRIED.chmod(0o640)
    private("cookie", CANARIES["cookie"])
    private("webhook", f"http://127.0.0.1:{HOOK_PORT}/{CANARIES['webhook']}\n")
    private("rpc", RPC, 0o700)
    CONFIG.parent.mkdir()
    STATE.mkdir(mode=0o700)
    CONFIG.write_text(f'[database]\nenvironment_file = "{ENVIRONMENT}"\n[repository]\npath = "{REPOSITORY}"\n'
                      f'[files]\npaths = ["{CARRIED}"]\n[notify]\nwebhook_file = "/run/webhook"\ntimeout = "5s"\n[restore]\nunits = []\n'
                      f'[maintenance]\nrpc_command = ["{FOLDER}/rpc", "rpc"]\n')
    shutil.copy(FOLDER / "webhook", "/run/webhook")
    shutil.chown("/run/webhook", "teslamate-backup", "teslamate-backup")
    pathlib.Path("/run/webhook").chmod(0o600)
    for name in ("teslamate-backup.service", "teslamate-backup-notify@.service"):
        (ETC / name).write_text(rendered(name).replace("OnSuccess=teslamate-prune.service\n", ""))
    drop_in = ETC / "teslamate-backup.service.d" / "credentials.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Unit]\nWants=\n[Service]\nLoadCredentialEncrypted=repository-key:/etc/repository-key.cred\n"
                       f"LoadCredential=environment-file:{ENVIRONMENT}\n")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", HOOK_PORT), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def encrypt_credential(name):
    run("systemd-creds", "encrypt", "--name=repository-key", FOLDER / name, "/etc/repository-key.cred")
    pathlib.Path("/etc/repository-key.cred").chmod(0o600)
    assert CANARIES[name].encode() not in pathlib.Path("/etc/repository-key.cred").read_bytes()
    run("systemctl", "daemon-reload")


def start_backup():
    run("systemctl", "reset-failed", "teslamate-backup.service", check=False)
    run("systemctl", "start", "teslamate-backup.service", check=False)
    shown = run("systemctl", "show", "-p", "Result", "-p", "ExecMainStatus", "teslamate-backup.service").stdout
    return dict(line.split("=", 1) for line in shown.split())


class Secrets(unittest.TestCase):
    maxDiff = None

    def tool(self, name, *arguments, codes=(0, 3), key="passphrase"):
        flags = ["--key-file", FOLDER / key] if key else []
        return run(BIN / f"teslamate-{name}", *arguments, *flags, "--verbose", codes=codes)

    def test_1_nothing_is_seen_while_everything_is_done(self):
        # The stand-in for TeslaMate's command, and what that script calls.
        owners = {"cookie": ("/root/secrets/rpc", "cat /root/secrets/cookie", "/bin/sleep 0.5")}
        begun = time.monotonic()
        with Watch(owners) as watch:
            run(BIN / "teslamate-keys", "init", "--new-passphrase-file", FOLDER / "passphrase", "--verbose")
            run("chown", "-R", "teslamate-backup:teslamate-backup", STATE)
            # The scheduled backup: key and environment file come as credentials, the key sealed by systemd-creds.
            encrypt_credential("passphrase")
            first = start_backup()
            self.assertEqual(first["Result"], "success", journal("-u", "teslamate-backup.service").decode())
            self.tool("restore", "latest", "--files-to", FOLDER / "restored")
            self.tool("verify", "--read-data")
            self.tool("restore", "latest", "--as-database", "again", "--yes", "-U", "teslamate")
            psql("postgres", "DROP DATABASE again")
            self.tool("restore", "latest", "--yes", "--no-service")
            self.tool("backup", "--tag", "by-hand")
            self.tool("backup", FOLDER / "dump.tmb")
            self.tool("keys", "add", "--new-passphrase-file", FOLDER / "second")
            self.tool("keys", "rotate", "--yes")
            self.tool("keys", "add", "--new-key-file", FOLDER / "key_file")
            self.tool("keys", "recovery-sheet", FOLDER / "sheet.html")
            self.tool("snapshots", "list")
            self.tool("drill", codes=range(64))
            open_drive = psql("teslamate", "SELECT id FROM drives WHERE end_date IS NULL LIMIT 1")
            self.assertTrue(open_drive)
            # The stand-in only takes the cookie and does nothing, which is noticed (18).
            closed = self.tool("close-drive", open_drive, "--yes", codes=(18,))
            self.assertIn("nothing changed", closed.stdout + closed.stderr)
            # A key that opens nothing any more: the unit fails and somebody is told, at a secret address.
            encrypt_credential("second")
            failed = start_backup()
            self.assertEqual(failed["ExecMainStatus"], "12", journal("-u", "teslamate-backup.service").decode())
            until = time.monotonic() + 20
            while not Heard.requests and time.monotonic() < until:
                time.sleep(0.05)
        # What the unit may only read as a credential is carried, too, and everything has its owner.
        for path, owner, mode in ((ENVIRONMENT, "root", 0o600), (CARRIED, "grafana", 0o640)):
            back = pathlib.Path(f"{FOLDER}/restored{path}")
            self.assertEqual(back.read_bytes(), path.read_bytes())
            self.assertEqual((back.owner(), back.stat().st_mode & 0o7777), (owner, mode), path)
        shutil.rmtree(FOLDER / "restored")
        self.assertNotIn(b"does not carry it", journal("-u", "teslamate-backup.service"))
        self.assertEqual(watch.found, set())
        self.assertTrue(any(p == f"/{CANARIES['webhook']}" for p, _ in Heard.requests), Heard.requests)
        for program in ("teslamate-backup", "teslamate-restore", "teslamate-keys", "teslamate-close-drive", "pg_restore"):
            self.assertIn(program, watch.seen, f"was never seen at work: {sorted(watch.seen)}")
        self.assertTrue(any("rpc" in p or p == "sh" or p == "sleep" for p in watch.seen), watch.seen)
        rate = watch.passes / (time.monotonic() - begun)
        print(f"{watch.passes} looks at all processes, {rate:.0f} per second")
        self.assertGreater(rate, 5)

    def test_2_nor_in_the_journal_the_logs_the_outputs_the_alerts_or_any_file(self):
        places = {"journal": journal("-o", "export"), "outputs": "".join(Heard.outputs).encode(),
                  "alerts": "".join(body for _, body in Heard.requests).encode()}
        self.assertIn(b"teslamate-backup", places["journal"])
        self.assertIn(b"no key slot", places["alerts"])
        ours = {ENVIRONMENT, CARRIED, pathlib.Path("/run/webhook"), *FOLDER.iterdir()} - {FOLDER / "dump.tmb"}
        for root in ("/var/lib/teslamate-backup", "/var/log", "/tmp", "/var/tmp", "/run", "/dev/shm", "/etc", "/root"):
            for folder, folders, files in os.walk(root):
                if folder.startswith(("/run/machine", "/run/credentials")):
                    folders.clear()
                for name in files:
                    path = pathlib.Path(folder, name)
                    if path.is_file() and not path.is_symlink() and path not in ours:
                        places[str(path)] = path.read_bytes()
        self.assertTrue(any("postgresql" in p for p in places), "the server's log was not looked at")
        for place, text in places.items():
            for name, word in CANARIES.items():
                if name == "key_file":
                    word = (FOLDER / "key_file").read_text().strip()
                self.assertNotIn(word.encode(), text, f"{name} in {place}")
                self.assertNotIn(word.encode().hex().encode(), text, f"{name} in hexadecimal in {place}")
        self.assertEqual(list(pathlib.Path("/run/credentials").glob("teslamate-backup*")), [])

    def test_3_no_core_is_left_and_no_other_process_of_the_account_looks_in(self):
        """Killed by SIGABRT and SIGSEGV with a passphrase in memory, where another program leaves a core."""
        folder = pathlib.Path("/var/tmp/cores")
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)

        def end_by(argv, number, prepare=None):
            """Started on a terminal as teslamate-backup with no limit on cores; whether it left a core."""
            pid, terminal = pty.fork()
            if pid == 0:
                os.chdir(folder)
                resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                account = __import__("pwd").getpwnam("teslamate-backup")
                os.setgroups([])
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
                os.execv(argv[0], [str(a) for a in argv])
            if prepare:
                prepare(pid, terminal)
            else:
                time.sleep(0.5)
            os.kill(pid, number)
            _, status = os.waitpid(pid, 0)
            os.close(terminal)
            self.assertTrue(os.WIFSIGNALED(status) and os.WTERMSIG(status) == number, status)
            return os.WCOREDUMP(status)

        def type_passphrase(pid, terminal):
            screen, until = "", time.monotonic() + 20
            while "again" not in screen and time.monotonic() < until:
                if select.select([terminal], [], [], 0.2)[0]:
                    screen += os.read(terminal, 4096).decode()
                    if screen.endswith("passphrase: "):
                        os.write(terminal, (CANARIES["passphrase"] + "\n").encode())
            self.assertIn("again", screen)
            # Another process of the same account may not look at it: what /proc shows of it is root's.
            for name in ("environ", "mem", "maps"):
                self.assertEqual(os.stat(f"/proc/{pid}/{name}").st_uid, 0, name)
                peek = subprocess.run(["head", "-c1", f"/proc/{pid}/{name}"], user="teslamate-backup",
                                      group="teslamate-backup", extra_groups=[], capture_output=True)
                self.assertNotEqual(peek.returncode, 0, name)
            self.assertRegex(pathlib.Path(f"/proc/{pid}/limits").read_text(), r"Max core file size +0 +0 ")

        init = [BIN / "teslamate-keys", "init", "-r", folder / "repository"]
        for number in (signal.SIGABRT, signal.SIGSEGV):
            self.assertFalse(end_by(init, number, type_passphrase), "a core was left")
        pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
        # The control: what would have left a core does.
        if not pattern.startswith("|"):
            self.assertTrue(end_by(["/bin/sleep", "60"], signal.SIGABRT), f"no program leaves a core here ({pattern})")
        for core in folder.glob("core*"):
            self.assertNotIn(CANARIES["passphrase"].encode(), core.read_bytes())

    def test_4_a_credential_that_is_missing_is_a_clear_error(self):
        pathlib.Path("/etc/repository-key.cred").unlink()
        run("systemctl", "daemon-reload")
        gone = start_backup()
        self.assertEqual(gone["ExecMainStatus"], "243")  # systemd's own, before we run
        self.assertIn(b"CREDENTIALS", journal("-u", "teslamate-backup.service"))
        # None asked for, in a unit without a terminal: 12, and what to do.
        drop_in = ETC / "teslamate-backup.service.d" / "credentials.conf"
        text = drop_in.read_text()
        drop_in.write_text(text.replace("LoadCredentialEncrypted=repository-key:/etc/repository-key.cred\n", ""))
        run("systemctl", "daemon-reload")
        self.assertEqual(start_backup()["ExecMainStatus"], "12")
        told = journal("-u", "teslamate-backup.service").decode()
        self.assertIn("there is no terminal to ask on", told)
        self.assertIn("systemd credential", told)
        # The null key, as for a credential that is made elsewhere.
        run("systemd-creds", "encrypt", "--with-key=null", "--name=repository-key", FOLDER / "passphrase", "/etc/null.cred")
        drop_in.write_text(text.replace("/etc/repository-key.cred", "/etc/null.cred"))
        run("systemctl", "daemon-reload")
        result = start_backup()
        self.assertIn(result["Result"], ("success",) if result["ExecMainStatus"] != "243" else ("exit-code",),
                      journal("-u", "teslamate-backup.service").decode())
        print(f"a credential sealed with the null key: {result}")

    def test_5_secrets_that_others_may_read_are_refused(self):
        for name in ("passphrase", "second"):
            for mode in (0o640, 0o604, 0o660, 0o602):
                (FOLDER / name).chmod(mode)
                result = self.tool("snapshots", "list", codes=(22,), key=name)
                self.assertIn("chmod 600", result.stderr)
            (FOLDER / name).chmod(0o600)
        shutil.chown(FOLDER / "passphrase", "teslamate")
        self.assertIn("another user", self.tool("snapshots", "list", codes=(22,)).stderr)
        shutil.chown(FOLDER / "passphrase", "root")
        ENVIRONMENT.chmod(0o644)
        self.tool("backup", codes=(22,))
        ENVIRONMENT.chmod(0o600)
        self.tool("snapshots", "list")


if __name__ == "__main__":
    unittest.main()
