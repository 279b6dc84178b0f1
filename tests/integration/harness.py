# SPDX-License-Identifier: MIT
"""What every black-box test stands on: a throw-away PostgreSQL, our programs in a clean environment,
and an exact digest of a database. Python's standard library alone; works as root (the server then runs
as the user postgres) and as an ordinary user. Knows nothing of how the programs work inside.

    with Cluster() as pg, Workspace(pg) as ws:
        pg.load_sample("teslamate", positions=5000)
        before = database_digest(pg, "teslamate")
        assert_exit(ws.backup("teslamate"), 0)
        assert_exit(ws.restore("copy_of_it", "latest", "--as-database", "copy_of_it", "--yes"), 0)
        assert diff_digests(before, database_digest(pg, "copy_of_it")) == []

Environment: TM_BIN_DIR (our binaries; default build/release/bin), TM_PG_BINDIR (the server's binaries;
default the newest of /usr/lib/postgresql/*/bin, then PATH), TM_TEMP_DIR (short; default /tmp), TM_KEEP=1 (leave the folders for a look).
"""

from __future__ import annotations

import atexit
import contextlib
import csv
import ctypes
import difflib
import hashlib
import io
import json
import os
import pathlib
import pwd
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field

import secrets_kept

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEEP = os.environ.get("TM_KEEP") == "1"
DEFAULT_TIMEOUT = 120.0  # seconds, for one program; a hang is a failure, not a wait


class HarnessError(Exception):
    """The stage is broken, not the play: no server, no binary, SQL of the test itself refused."""


# ---------------------------------------------------------------------------------------- finding things


def pg_bindir() -> pathlib.Path:
    """The folder with initdb and postgres. Raises HarnessError when there is none."""
    named = os.environ.get("TM_PG_BINDIR")
    if named:
        if not (pathlib.Path(named) / "initdb").exists():
            raise HarnessError(f"TM_PG_BINDIR={named} holds no initdb")
        return pathlib.Path(named)
    found = [p for p in pathlib.Path("/usr/lib/postgresql").glob("*/bin") if (p / "initdb").exists()]
    if found:
        return max(found, key=lambda p: float(p.parent.name))
    on_path = shutil.which("initdb")
    if on_path:
        return pathlib.Path(on_path).resolve().parent
    raise HarnessError("no PostgreSQL server binaries: install postgresql or set TM_PG_BINDIR")


def bin_dir() -> pathlib.Path:
    return pathlib.Path(os.environ.get("TM_BIN_DIR", ROOT / "build" / "release" / "bin"))


def tool_path(name: str) -> pathlib.Path:
    path = bin_dir() / name
    if not path.exists():
        raise HarnessError(f"{path} was not built (TM_BIN_DIR names the folder)")
    return path


def _temporary_folder(prefix: str) -> pathlib.Path:
    # /tmp whatever TMPDIR says: the path of a unix socket has at most 107 bytes.
    return pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir=os.environ.get("TM_TEMP_DIR", "/tmp")))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


# ------------------------------------------------------------------------------------------- the server


class Cluster:
    """A PostgreSQL of its own in a temporary folder, on a private unix socket, gone at the end.

    tcp=True listens on 127.0.0.1 too and asks for `password` there (scram-sha-256); the socket trusts.
    shared=True lets other OS users reach the socket. fsync=True is for measurements.
    """

    def __init__(self, *, encoding: str = "UTF8", locale: str = "C.UTF-8", checksums: bool = False,
                 tcp: bool = False, password: str = "only-for-tests", fsync: bool = False,
                 shared: bool = False, settings: dict[str, str] | None = None,
                 bindir: str | os.PathLike | None = None, superuser: str = "postgres"):
        self.bindir = pathlib.Path(bindir) if bindir else pg_bindir()
        self.superuser = superuser
        self.password = password
        self.tcp = tcp
        self.port = free_port() if tcp else 5432
        self.os_user: str | None = "postgres" if os.geteuid() == 0 else None
        if self.os_user:
            try:
                pwd.getpwnam(self.os_user)
            except KeyError:
                raise HarnessError("PostgreSQL refuses to run as root, and there is no user postgres") from None
        self.folder = _temporary_folder("tmb-pg-")
        self.data = self.folder / "data"
        self.socket = self.folder / "s"
        self.log = self.folder / "server.log"
        self._process: subprocess.Popen | None = None
        self._sessions: list[Session] = []
        atexit.register(self.stop)
        try:
            self.folder.chmod(0o755 if shared else 0o700)
            self.socket.mkdir(mode=0o755 if shared else 0o700)
            if self.os_user:
                shutil.chown(self.folder, self.os_user)
                shutil.chown(self.socket, self.os_user)
            initdb = [self.bindir / "initdb", "-D", self.data, "-U", superuser, "-A", "trust", "--no-sync",
                      "--no-instructions", "-E", encoding, f"--locale={locale}"]
            if checksums:
                initdb.append("--data-checksums")
            elif self.version >= 18:
                initdb.append("--no-data-checksums")
            self._as_server_user(initdb)
            self._configure(fsync, settings or {})
            self.start()
            if tcp:
                quoted = password.replace("'", "''")
                self.sql("postgres", f"ALTER ROLE {quote_identifier(superuser)} PASSWORD '{quoted}'")
        except BaseException:
            self.stop()
            raise

    @property
    def version(self) -> int:
        text = subprocess.run([self.bindir / "postgres", "--version"], capture_output=True, text=True,
                              check=True).stdout
        return int(re.search(r"\) (\d+)", text).group(1))

    def _configure(self, fsync: bool, settings: dict[str, str]) -> None:
        values = {
            "unix_socket_directories": str(self.socket),
            "listen_addresses": "127.0.0.1" if self.tcp else "",
            "port": str(self.port),
            "fsync": "on" if fsync else "off",
            "shared_buffers": "32MB",
            "max_connections": "40",
            "max_wal_size": "512MB",
            "autovacuum": "off",  # a test says itself when a table is vacuumed
            "log_min_messages": "warning",
            "timezone": "UTC",
        }
        if not fsync:
            values |= {"synchronous_commit": "off", "full_page_writes": "off"}
        values |= settings
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in values.items()]
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write("\n# the test harness\n" + "\n".join(lines) + "\n")
        (self.data / "pg_hba.conf").write_text(
            "local all all trust\n"
            "host all all 127.0.0.1/32 scram-sha-256\n"
            "host replication all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8")

    def _server_user_arguments(self) -> dict:
        if not self.os_user:
            return {}
        entry = pwd.getpwnam(self.os_user)
        return {"user": entry.pw_uid, "group": entry.pw_gid,
                "extra_groups": os.getgrouplist(self.os_user, entry.pw_gid)}

    def _environment(self) -> dict[str, str]:
        return {"PATH": f"{self.bindir}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC",
                "PGCLIENTENCODING": "UTF8", "HOME": str(self.folder)}

    def _as_server_user(self, argv: list, cwd: str | os.PathLike = "/") -> None:
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, cwd=cwd,
                              env=self._environment(), stdin=subprocess.DEVNULL,
                              **self._server_user_arguments())
        if done.returncode != 0:
            raise HarnessError(f"{argv[0]} failed with {done.returncode}:\n{done.stdout}{done.stderr}")

    # -- life and death

    def start(self, timeout: float = 60) -> None:
        """Starts the server and waits until it takes connections."""
        on_main_thread = threading.current_thread() is threading.main_thread()

        def die_with_us() -> None:
            # SIGQUIT: "immediate shutdown", when a test runner was killed and could not clean up. The
            # kernel ties it to the thread that forked, so it is asked for on the main thread only.
            if on_main_thread:
                ctypes.CDLL(None).prctl(1, signal.SIGQUIT)

        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [str(self.bindir / "postgres"), "-D", str(self.data)], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd="/", env=self._environment(), start_new_session=True,
                preexec_fn=die_with_us, **self._server_user_arguments())
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise HarnessError(f"the server ended at start:\n{self.log_text()[-3000:]}")
            with contextlib.suppress(OSError, IndexError):
                lines = (self.data / "postmaster.pid").read_text().splitlines()
                if int(lines[0]) == self._process.pid and lines[7].strip() == "ready":
                    return
            time.sleep(0.02)
        raise HarnessError(f"the server was not ready after {timeout} s:\n{self.log_text()[-3000:]}")

    def shut_down(self, mode: str = "fast", timeout: float = 60) -> None:
        """mode: smart, fast or immediate, as pg_ctl calls them; kill is SIGKILL to the postmaster."""
        if self._process is None:
            return
        number = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT,
                  "kill": signal.SIGKILL}[mode]
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        # Backends outlive a killed postmaster for a moment and hold the shared memory of the next one.
        deadline = time.monotonic() + 20
        while (left := self.server_processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def upgrade_from(self, old: Cluster, *options: str) -> None:
        """pg_upgrade of the server `old` into this one, which has no databases of its own yet. Both are stopped
        for it; this one runs afterwards."""
        old.shut_down()
        self.shut_down()
        scratch = self.folder / "upgrade"
        scratch.mkdir()
        if self.os_user:
            shutil.chown(scratch, self.os_user)
        self._as_server_user([self.bindir / "pg_upgrade", "-b", old.bindir, "-B", self.bindir, "-d", old.data,
                              "-D", self.data, "-U", self.superuser, "-s", scratch, *options], cwd=scratch)
        self.start()

    def restart(self, mode: str = "fast") -> None:
        self.shut_down(mode)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.start()

    def stop(self) -> None:
        atexit.unregister(self.stop)
        for session in list(self._sessions):
            session.close()
        self.shut_down("immediate")
        if KEEP:
            print(f"kept {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def server_processes(self) -> list[int]:
        """The processes of this server: those whose working folder is its data folder."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if os.readlink(entry / "cwd") == str(self.data):
                        found.append(int(entry.name))
        return found

    def backends(self, database: str | None = None) -> list[int]:
        """Client backends, without our own."""
        where = "" if database is None else f" AND datname = {quote_literal(database)}"
        return [int(r[0]) for r in self.sql("postgres", "SELECT pid FROM pg_stat_activity WHERE backend_type ="
                                            f" 'client backend' AND pid <> pg_backend_pid(){where}")]

    def kill_backend(self, pid: int, number: int = signal.SIGKILL) -> None:
        """Sends a signal to one server process, and to nothing else."""
        if pid not in self.server_processes():
            raise HarnessError(f"{pid} is no process of this server")
        os.kill(pid, number)

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    # -- talking to it

    def connection_flags(self, database: str | None = None, *, tcp: bool = False,
                         user: str | None = None) -> list[str]:
        """-h -p -U [-d], as our programs and PostgreSQL's take them."""
        host = "127.0.0.1" if tcp else str(self.socket)
        flags = ["-h", host, "-p", str(self.port), "-U", user or self.superuser]
        return flags if database is None else [*flags, "-d", database]

    def client(self, program: str, *args: str | os.PathLike, database: str | None = None,
               input: bytes | None = None, check: bool = True, env: dict[str, str] | None = None,
               timeout: float = 600) -> subprocess.CompletedProcess:
        """Runs one of PostgreSQL's own programs (psql, pg_dump …) against this server; bytes out."""
        stdin = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run(
            [str(self.bindir / program), *self.connection_flags(database), *map(str, args)],
            capture_output=True, cwd="/", timeout=timeout, env=self._environment() | (env or {}), **stdin)
        if check and done.returncode != 0:
            raise HarnessError(f"{program} {shlex.join(map(str, args))[:500]} failed with {done.returncode}:\n"
                               f"{done.stderr.decode('utf-8', 'replace')[-3000:]}")
        return done

    def sql(self, database: str, *statements: str, user: str | None = None) -> list[tuple]:
        """The rows of the statements, as text; NULL is None. Each statement is its own transaction."""
        null = "<NULL>"
        args = ["-XAtq", "--csv", "-v", "ON_ERROR_STOP=1", "-P", f"null={null}"]
        if user:
            args += ["-U", user]
        for statement in statements:
            args += ["-c", statement]
        out = self.client("psql", *args, database=database).stdout.decode("utf-8", "surrogateescape")
        return [tuple(None if cell == null else cell for cell in row)
                for row in csv.reader(io.StringIO(out, newline=""))]

    def scalar(self, database: str, query: str) -> str | None:
        rows = self.sql(database, query)
        if len(rows) != 1 or len(rows[0]) != 1:
            raise HarnessError(f"one value expected from {query!r}, got {rows!r:.200}")
        return rows[0][0]

    def script(self, database: str, text: str | bytes, *, env: dict[str, str] | None = None) -> str:
        """A psql script of any length (backslash commands and :variables work); what it printed."""
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        done = self.client("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-f", "-", database=database,
                           input=data, env=env)
        return done.stdout.decode("utf-8", "surrogateescape")

    def session(self, database: str) -> Session:
        return Session(self, database)

    def databases(self) -> list[str]:
        return [r[0] for r in self.sql("postgres", "SELECT datname FROM pg_database ORDER BY 1")]

    def create_db(self, name: str, options: str = "") -> None:
        self.sql("postgres", f"CREATE DATABASE {quote_identifier(name)} {options}")

    def drop_db(self, name: str) -> None:
        self.sql("postgres", f"DROP DATABASE IF EXISTS {quote_identifier(name)} WITH (FORCE)")

    def load_sample(self, database: str, positions: int = 2000, *args: str, seed: int = 1,
                    create: bool = True, timeout: float = 600) -> None:
        """Fills a database with TeslaMate's tables and made-up drives; the same for the same seed.

        args: --plain-values, --rounded (see sample-database --help). At least 1000 positions.
        """
        if create:
            self.create_db(database)
        self._load_generated(database, ["--positions", str(positions), "--seed", str(seed), *args], timeout)

    def next_day(self, database: str, day: int, rows: int = 3000, *, seed: int = 1, timeout: float = 600) -> None:
        """Adds the changes of the day-th day after the sample, `rows` of them positions."""
        self._load_generated(database, ["--day", str(day), "--rows", str(rows), "--seed", str(seed)], timeout)

    def _load_generated(self, database: str, args: list[str], timeout: float) -> None:
        generator = tool_path("sample-database")
        psql = [self.bindir / "psql", *self.connection_flags(database), "-Xq", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        with tempfile.TemporaryFile() as errors:
            make = subprocess.Popen([str(generator), *args], stdout=subprocess.PIPE, stderr=errors,
                                    stdin=subprocess.DEVNULL, env=self._environment(), cwd="/")
            load = subprocess.Popen([str(a) for a in psql], stdin=make.stdout, stdout=subprocess.DEVNULL,
                                    stderr=errors, env=self._environment(), cwd="/")
            make.stdout.close()
            try:
                codes = (load.wait(timeout), make.wait(timeout))
            finally:
                for process in (make, load):
                    process.kill()
                    process.wait()
            if codes != (0, 0):
                errors.seek(0)
                raise HarnessError(f"sample-database {shlex.join(args)} ended with {codes[1]}, psql with {codes[0]}:"
                                   f"\n{errors.read().decode('utf-8', 'replace')[-3000:]}")


class Session:
    """A second connection that stays open: holds locks and transactions while a program runs."""

    def __init__(self, cluster: Cluster, database: str):
        self._cluster = cluster
        self._process = subprocess.Popen(
            [str(cluster.bindir / "psql"), *cluster.connection_flags(database), "-XAtq"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
            env=cluster._environment())
        cluster._sessions.append(self)
        self.pid = int(self.run("SELECT pg_backend_pid()").strip())

    def run(self, text: str) -> str:
        """Waits for the end of `text`, returns what psql printed, errors included."""
        self.send(text)
        marker = secrets.token_hex(8)
        self._process.stdin.write(f"\\echo {marker}\n".encode())
        self._process.stdin.flush()
        lines = []
        while True:
            line = self._process.stdout.readline()
            if not line:
                raise HarnessError("the session ended: " + b"".join(lines).decode("utf-8", "replace"))
            if line.strip() == marker.encode():
                return b"".join(lines).decode("utf-8", "surrogateescape")
            lines.append(line)

    def send(self, text: str) -> None:
        """Does not wait: for a statement that blocks."""
        self._process.stdin.write((text.rstrip().rstrip(";") + ";\n").encode("utf-8", "surrogateescape"))
        self._process.stdin.flush()

    def close(self) -> None:
        if self in self._cluster._sessions:
            self._cluster._sessions.remove(self)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def quote_identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


# ------------------------------------------------------------------------------------------ our programs


@dataclass
class Result:
    """How a program ended. code is negative when a signal ended it, as in subprocess."""
    argv: list[str]
    code: int
    out: str
    err: str
    seconds: float
    left_behind: bool = False  # processes of its group were still there after it had ended
    trace: str = field(default="", repr=False)  # what strace wrote, when it was asked to

    def json(self):
        """stdout as one JSON document. Anything else on stdout is an error: stdout is data."""
        try:
            return json.loads(self.out)
        except ValueError as e:
            raise AssertionError(f"stdout of {shlex.join(self.argv)} is not JSON ({e}):\n{self.out[:2000]}\n"
                                 f"stderr:\n{self.err[:2000]}") from None

    def json_lines(self) -> list:
        return [json.loads(line) for line in self.out.splitlines() if line]

    def text(self) -> str:
        return f"$ {shlex.join(self.argv)}\nexit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class ToolTimeout(AssertionError):
    pass


class Running:
    """A program that was started and not yet waited for; its whole process group ends with it."""

    def __init__(self, argv: list, *, env: dict[str, str], input: bytes | None = None,
                 cwd: str | os.PathLike = "/", user: str | None = None):
        self.argv = [str(a) for a in argv]
        self._input = input
        self._began = time.monotonic()
        as_user = {}
        if user:
            entry = pwd.getpwnam(user)
            as_user = {"user": entry.pw_uid, "group": entry.pw_gid,
                       "extra_groups": os.getgrouplist(user, entry.pw_gid)}
        self.process = subprocess.Popen(
            self.argv, env=env, cwd=cwd, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE, **as_user)
        self.pid = self.process.pid
        self.secrets, self.secret_files = secrets_kept.given_to(self.argv, env)
        self._watch = secrets_kept.Watch(self.pid, self.secrets)
        atexit.register(self.kill)

    def signal(self, number: int) -> None:
        """To the program alone, not to its children."""
        self.process.send_signal(number)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def wait(self, timeout: float = DEFAULT_TIMEOUT) -> Result:
        try:
            out, err = self.process.communicate(self._input, timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            out, err = self.process.communicate()
            raise ToolTimeout(f"{shlex.join(self.argv)} was still running after {timeout} s\n--- stdout\n"
                              f"{out.decode('utf-8', 'replace')[-3000:]}\n--- stderr\n"
                              f"{err.decode('utf-8', 'replace')[-3000:]}") from None
        finally:
            atexit.unregister(self.kill)
            self._watch.stop()
        self._watch.end(out, err)
        return Result(self.argv, self.process.returncode, out.decode("utf-8", "surrogateescape"),
                      err.decode("utf-8", "surrogateescape"), time.monotonic() - self._began,
                      self._end_group())

    def _end_group(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        self.kill()
        return True


def run_program(argv: list, *, env: dict[str, str], timeout: float = DEFAULT_TIMEOUT,
                input: bytes | None = None, cwd: str | os.PathLike = "/", user: str | None = None) -> Result:
    return Running(argv, env=env, input=input, cwd=cwd, user=user).wait(timeout)


def assert_exit(result: Result, code: int) -> Result:
    """Fails with everything the program said when the code is another."""
    if result.code != code:
        raise AssertionError(f"exit code {code} expected, got {result.code}\n{result.text()}")
    return result


class Workspace:
    """A private repository folder, state folder, home and empty config file, and our programs on them.

    ws.run("teslamate-backup", …)   as it is: -r, --state-dir are in the environment
    ws.backup("teslamate", "--full") with the connection's flags of the cluster
    Every method takes the keywords of run().
    """

    def __init__(self, cluster: Cluster | None = None):
        self.cluster = cluster
        self.folder = _temporary_folder("tmb-ws-")
        self.repository = self.folder / "repository"
        self.state = self.folder / "state"
        self.home = self.folder / "home"
        self.config = self.folder / "config.toml"
        self.repository.mkdir(mode=0o700)
        self.state.mkdir(mode=0o700)
        self.home.mkdir(mode=0o700)
        self.config.touch(mode=0o600)
        self._traces = 0
        self._secrets: set[str] = set()
        self._secret_files: set[pathlib.Path] = set()

    def environment(self, env: dict[str, str] | None = None) -> dict[str, str]:
        """Nothing of the caller's environment but the sanitizers' settings."""
        base = {
            "PATH": f"{self.cluster.bindir}:/usr/bin:/bin" if self.cluster else "/usr/bin:/bin",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "TESLAMATE_BACKUP_CONFIG": str(self.config),
            "TESLAMATE_BACKUP_REPOSITORY": str(self.repository),
            "TESLAMATE_BACKUP_STATE": str(self.state),
        }
        base |= {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
        return base | (env or {})

    def start(self, name: str, *args: str | os.PathLike, env: dict[str, str] | None = None,
              input: bytes | None = None, user: str | None = None, wrap: list[str] | None = None) -> Running:
        argv = [*(wrap or []), tool_path(name), *args]
        running = Running(argv, env=self.environment(env), input=input, cwd=self.home if not user else "/", user=user)
        self._secrets |= running.secrets
        self._secret_files |= running.secret_files
        return running

    def run(self, name: str, *args: str | os.PathLike, timeout: float = DEFAULT_TIMEOUT,
            **keywords) -> Result:
        return self.start(name, *args, **keywords).wait(timeout)

    def run_traced(self, name: str, *args: str | os.PathLike, inject: str | None = None,
                   trace: str | None = None, timeout: float = DEFAULT_TIMEOUT,
                   env: dict[str, str] | None = None, strace_args: list[str] | None = None, **keywords) -> Result:
        """Under strace. inject is strace's: "fsync:error=EIO:when=2", "rename:signal=KILL:when=3".

        `when` counts per thread, not per process: sweep it until a run ends without the fault, and look
        at result.trace (lines with "(INJECTED)", or "killed by SIGKILL") to see that it struck.
        """
        self._traces += 1
        log = self.folder / f"trace-{self._traces}"
        wrap = ["strace", "-f", "-qq", "-o", str(log)]
        if trace:
            wrap += ["-e", f"trace={trace}"]
        elif inject:
            wrap += ["-e", f"trace={inject.split(':')[0]}"]
        if inject:
            wrap += ["-e", f"inject={inject}"]
        wrap += strace_args or []
        # LeakSanitizer cannot work under a tracer.
        leaks_off = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
        try:
            result = self.run(name, *args, timeout=timeout, env=leaks_off | (env or {}), wrap=wrap, **keywords)
            result.trace = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        finally:
            log.unlink(missing_ok=True)
        return result

    # -- the programs, with the flags that every test repeats

    def target(self, database: str, **connection) -> list[str]:
        return [*self.cluster.connection_flags(database, **connection), "-r", str(self.repository),
                "--state-dir", str(self.state)]

    def backup(self, database: str, *args: str | os.PathLike, **keywords) -> Result:
        return self.run("teslamate-backup", *self.target(database), *args, **keywords)

    def restore(self, database: str, *args: str | os.PathLike, **keywords) -> Result:
        """No service, no question; the rest (what, --as-database …) is the caller's."""
        return self.run("teslamate-restore", *self.target(database), "--no-service", "--yes", *args, **keywords)

    def verify(self, *args: str | os.PathLike, **keywords) -> Result:
        return self.run("teslamate-verify", "-r", str(self.repository), *args, **keywords)

    def snapshots(self, *args: str | os.PathLike, **keywords) -> Result:
        return self.run("teslamate-snapshots", *args, "-r", str(self.repository), **keywords)

    # -- its files

    def snapshot_files(self) -> list[pathlib.Path]:
        """Oldest first."""
        return sorted((self.repository / "snapshots").glob("[0-9]*.json"))

    def object_files(self) -> list[pathlib.Path]:
        return sorted(p for p in (self.repository / "objects").rglob("*") if p.is_file())

    def copy_repository(self) -> pathlib.Path:
        """A copy to damage, beside the original."""
        copy = self.folder / f"copy-{secrets.token_hex(4)}"
        shutil.copytree(self.repository, copy, symlinks=True)
        return copy

    def close(self) -> None:
        if KEEP:
            print(f"kept {self.folder}")
            return
        told = secrets_kept.left_in([self.repository, self.state, self.home], self._secrets, self._secret_files)
        shutil.rmtree(self.folder, ignore_errors=True)
        if told:
            raise AssertionError("secrets were left in files: " + "; ".join(told))

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run_tool(name: str, *args: str | os.PathLike, timeout: float = DEFAULT_TIMEOUT, **keywords) -> Result:
    """One of our programs in a workspace of its own that is gone after the call."""
    with Workspace() as ws:
        return ws.run(name, *args, timeout=timeout, **keywords)


# -------------------------------------------------------------------------------------------- damage


@contextlib.contextmanager
def _writable(path: pathlib.Path):
    """Objects are 0400 and their time must not tell of the damage."""
    status = path.stat()
    path.chmod(0o600)
    try:
        yield
    finally:
        path.chmod(status.st_mode & 0o7777)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def flip_bit(path: str | os.PathLike, bit: int) -> None:
    """Bit 0 is the lowest of the first byte. Twice is the original again."""
    path = pathlib.Path(path)
    with _writable(path), open(path, "r+b") as f:
        f.seek(bit // 8)
        old = f.read(1)
        if not old:
            raise HarnessError(f"{path} has no bit {bit}")
        f.seek(bit // 8)
        f.write(bytes([old[0] ^ (1 << (bit % 8))]))


def truncate(path: str | os.PathLike, size: int) -> None:
    path = pathlib.Path(path)
    if size >= path.stat().st_size:
        raise HarnessError(f"{path} has no more than {size} bytes: nothing to cut")
    with _writable(path):
        os.truncate(path, size)


def overwrite(path: str | os.PathLike, data: bytes) -> None:
    path = pathlib.Path(path)
    with _writable(path):
        path.write_bytes(data)


@contextlib.contextmanager
def damaged(path: str | os.PathLike):
    """Puts the file back as it was when the block ends, deleted or not."""
    path = pathlib.Path(path)
    data, mode = path.read_bytes(), path.stat().st_mode & 0o7777
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        path.chmod(mode)


def tree_digest(folder: str | os.PathLike) -> dict[str, str]:
    """Every path below with its kind, mode and content: equal before and after = nothing was touched."""
    out = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content = ""
        out[str(path.relative_to(folder))] = f"{status.st_mode:o} {content}"
    return out


# -------------------------------------------------------------------------------------- database digest

# Everything that changes how a value is printed, so that equal digests mean equal values.
_PINNED = """
SET search_path TO ''; SET DateStyle TO 'ISO, YMD'; SET IntervalStyle TO 'postgres'; SET TimeZone TO 'UTC';
SET extra_float_digits TO 3; SET bytea_output TO 'hex'; SET lc_monetary TO 'C'; SET row_security TO off;
SET statement_timeout TO 0; SET lock_timeout TO '60s'; SET xmlbinary TO 'base64';
"""

# Names travel as hex of the bytes that the server stores: any identifier in any encoding survives it.
_RELATIONS = r"""
SELECT c.relkind::text,
       encode(decode(replace(format('%I.%I', n.nspname, c.relname), '\', '\\'), 'escape'), 'hex')
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 'S') AND c.relpersistence <> 't'
   AND (c.relkind <> 'm' OR c.relispopulated)
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE 'pg\_temp\_%'
 ORDER BY 1, 2
"""

_DATABASE_FACTS = """
SELECT jsonb_build_object(
  'owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding), 'collate', datcollate,
  'ctype', datctype, 'allow_connections', datallowconn, 'connection_limit', datconnlimit,
  'template', datistemplate, 'tablespace', (SELECT spcname FROM pg_tablespace t WHERE t.oid = dattablespace),
  'acl', (SELECT array_agg(entry ORDER BY entry) FROM (
            SELECT concat_ws(' ', grantor::regrole, grantee::regrole, privilege_type, is_grantable) AS entry
              FROM aclexplode(coalesce(datacl, acldefault('d', datdba)))) a),
  'settings', (SELECT array_agg(entry ORDER BY entry) FROM (
            SELECT concat_ws(' ', setrole::regrole, unnest(setconfig)) AS entry
              FROM pg_db_role_setting WHERE setdatabase = d.oid) s),
  'comment', shobj_description(d.oid, 'pg_database'))
FROM pg_database d WHERE datname = current_database()
"""


def _rows_digest(lines) -> tuple[int, str]:
    """Order does not count, each row does, as often as it is there: the sum of the rows' hashes."""
    total, rows = 0, 0
    for line in lines:
        total += int.from_bytes(hashlib.blake2b(line, digest_size=32).digest(), "little")
        rows += 1
    return rows, f"{total % (1 << 256):064x}"


def _until(stream, marker: bytes):
    for line in stream:
        if line == marker:
            return
        yield line
    raise HarnessError("psql ended in the middle of the digest")


def _printed_name(raw_hex: str) -> str:
    return bytes.fromhex(raw_hex).decode("utf-8", "backslashreplace")


def database_digest(cluster: Cluster, database: str, *, contents: bool = True, user: str | None = None) -> dict:
    """All that a user could miss, from one snapshot: rows, row counts, sequences, schema, settings.

    {"tables": {name: {"rows": n, "hash": …}}, "sequences": {name: …}, "large_objects": …, "schema": text,
     "database": {…}}. The names of the database itself are not part of it.
    """
    encoding = cluster.scalar(database, "SELECT getdatabaseencoding()")
    relations = cluster.sql(database, _RELATIONS)
    marker = secrets.token_hex(16)
    script = [_PINNED, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;"]
    for kind, name in relations:
        raw = bytes.fromhex(name).decode("latin-1")
        if kind == "S":
            script.append(f"COPY (SELECT last_value, is_called FROM {raw}) TO STDOUT;")
        elif contents:
            only = "ONLY " if kind == "r" else ""
            script.append(f"COPY (SELECT * FROM {only}{raw}) TO STDOUT;")
        script.append(f"\\echo {marker}")
    script.append("COPY (SELECT oid, pg_catalog.md5(pg_catalog.lo_get(oid)), lomowner::pg_catalog.regrole::text,"
                  " lomacl::text FROM pg_catalog.pg_largeobject_metadata) TO STDOUT;")
    script.append(f"\\echo {marker}\nCOMMIT;\n")

    tables, sequences = {}, {}
    flags = cluster.connection_flags(database, user=user)
    with tempfile.TemporaryFile() as commands, tempfile.TemporaryFile() as errors:
        # The script is in the database's own encoding, byte for byte: its names came that way.
        commands.write("\n".join(script).encode("latin-1"))
        commands.seek(0)
        with subprocess.Popen([str(cluster.bindir / "psql"), *flags, "-XAtq", "-v", "ON_ERROR_STOP=1", "-f", "-"],
                              stdin=commands, stdout=subprocess.PIPE, stderr=errors, cwd="/", bufsize=1 << 20,
                              env=cluster._environment() | {"PGCLIENTENCODING": encoding}) as psql:
            end = f"{marker}\n".encode()
            try:
                for kind, name in relations:
                    lines = _until(psql.stdout, end)
                    if kind == "S":
                        sequences[_printed_name(name)] = b"".join(lines).decode().strip()
                    else:
                        rows, digest = _rows_digest(lines)
                        tables[_printed_name(name)] = {"rows": rows, "hash": digest}
                large_objects = _rows_digest(_until(psql.stdout, end))
            except HarnessError as e:
                psql.wait()
                errors.seek(0)
                raise HarnessError(f"{e}: {errors.read().decode('utf-8', 'replace')[-2000:]}") from None
    facts = json.loads(cluster.scalar(database, _DATABASE_FACTS))
    return {"tables": tables, "sequences": sequences,
            "large_objects": {"count": large_objects[0], "hash": large_objects[1]},
            "schema": schema_text(cluster, database), "database": facts}


def schema_text(cluster: Cluster, database: str) -> str:
    """pg_dump --schema-only without what differs between two runs or two databases alike."""
    encoding = cluster.scalar(database, "SELECT getdatabaseencoding()")
    out = cluster.client("pg_dump", "--schema-only", "--encoding", encoding, database=database).stdout.decode("utf-8", "surrogateescape")
    dropped = re.compile(r"^(\\restrict |\\unrestrict |-- Dumped (from|by) |SET transaction_timeout)")
    lines = [line for line in out.split("\n") if not dropped.match(line)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def diff_digests(a: dict, b: dict, *, ignore: tuple[str, ...] = ()) -> list[str]:
    """The differences, as lines to read; empty when the databases are the same.

    ignore: top-level keys ("schema", "database" …) or names of tables and sequences.
    """
    out = []
    for part in ("tables", "sequences", "database"):
        if part in ignore:
            continue
        for name in sorted(a[part].keys() | b[part].keys()):
            if name in ignore:
                continue
            left, right = a[part].get(name, "absent"), b[part].get(name, "absent")
            if left == right:
                continue
            if part == "tables" and isinstance(left, dict) and isinstance(right, dict):
                same = left["rows"] == right["rows"]
                what = f"{left['rows']} rows, other content" if same else f"{left['rows']} rows, {right['rows']} rows"
                out.append(f"table {name}: {what}")
            else:
                out.append(f"{part} {name}: {left} != {right}")
    if "large_objects" not in ignore and a["large_objects"] != b["large_objects"]:
        out.append(f"large objects: {a['large_objects']} != {b['large_objects']}")
    if "schema" not in ignore and a["schema"] != b["schema"]:
        out += [line for line in difflib.unified_diff(a["schema"].splitlines(), b["schema"].splitlines(),
                                                      "schema a", "schema b", lineterm="", n=2)]
    return out
