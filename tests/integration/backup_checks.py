# SPDX-License-Identifier: MIT
"""What the tests of backups share: restoring a snapshot without our own restore, looking into a repository
without our own code, and halting a backup at a known place."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from harness import (ROOT, Cluster, HarnessError, Result, Running, Workspace, assert_exit, database_digest,
                     diff_digests, quote_literal)

RECOVER = ROOT / "tests" / "recovery" / "recover.py"


def recover(pg: Cluster, repository: pathlib.Path, target: str, snapshot: str = "latest") -> None:
    """Fills the empty database `target` from a snapshot with tests/recovery/recover.py and psql alone."""
    env = pg._environment() | {"PATH": f"{pg.bindir}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    made = subprocess.run([sys.executable, str(RECOVER), str(repository), snapshot], capture_output=True, env=env,
                          timeout=300, check=False)
    if made.returncode != 0:
        raise AssertionError(f"recover.py {snapshot} failed:\n{made.stderr.decode('utf-8', 'replace')[-2000:]}")
    done = pg.client("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", "-", database=target, input=made.stdout, check=False)
    if done.returncode != 0:
        raise AssertionError(f"psql does not take snapshot {snapshot}:\n{done.stderr.decode('utf-8', 'replace')[-2000:]}")


@contextlib.contextmanager
def recovered(pg: Cluster, repository: pathlib.Path, like: str, snapshot: str = "latest"):
    """A database holding the snapshot, in the encoding and locale of `like`; gone when the block ends."""
    name = "recovered_copy"
    encoding, collate, ctype = pg.sql("postgres", "SELECT pg_encoding_to_char(encoding), datcollate, datctype "
                                      f"FROM pg_database WHERE datname = {quote_literal(like)}")[0]
    pg.drop_db(name)
    pg.create_db(name, f"TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE '{collate}' LC_CTYPE '{ctype}'")
    try:
        recover(pg, repository, name, snapshot)
        yield name
    finally:
        pg.drop_db(name)


def differences(pg: Cluster, ws: Workspace, live: str, snapshot: str = "latest", *, ignore: tuple[str, ...] = ()) -> list:
    """Between the live database and the snapshot; the database's own name, owner and settings do not count."""
    expected = database_digest(pg, live)
    with recovered(pg, ws.repository, live, snapshot) as copy:
        return diff_digests(expected, database_digest(pg, copy), ignore=("database", *ignore))


def run_backup(ws: Workspace, database: str, *args: str, connection: dict | None = None, **keywords) -> Result:
    """connection: host, port or user in place of the cluster's own."""
    flags = {"host": str(ws.cluster.socket), "port": str(ws.cluster.port), "username": ws.cluster.superuser}
    given = {"username" if name == "user" else name: value for name, value in (connection or {}).items()}
    where = [f"--{name}={value}" for name, value in (flags | given).items()]
    return ws.run("teslamate-backup", *where, "-d", database, "-r", ws.repository, "--state-dir", ws.state, *args, **keywords)


def backup(ws: Workspace, database: str, *args: str, code: int = 0, **keywords) -> dict:
    """Runs a backup that must end with `code`; its JSON document."""
    return assert_exit(run_backup(ws, database, "--json", *args, **keywords), code).json()


def table(document: dict, name: str, schema: str = "public") -> dict:
    found = [t for t in document["tables"] if (t["schema"], t["name"]) == (schema, name)]
    if len(found) != 1:
        raise AssertionError(f"the backup's JSON names {schema}.{name} {len(found)} times: {document['tables']}")
    return found[0]


def refused(ws: Workspace, database: str, code: int, *words: str, **keywords):
    """A backup that must fail with `code`, say every one of `words`, and leave no object and no snapshot."""
    before = (ws.object_files(), ws.snapshot_files())
    result = assert_exit(run_backup(ws, database, **keywords), code)
    for word in words:
        if word not in result.err:
            raise AssertionError(f"{word!r} is not said:\n{result.text()}")
    if (ws.object_files(), ws.snapshot_files()) != before:
        raise AssertionError(f"the refused backup wrote to the repository\n{result.text()}")
    if result.left_behind:
        raise AssertionError(f"processes were left behind\n{result.text()}")
    return result


# --------------------------------------------------------------------------------- looking into a repository


def manifest(path: pathlib.Path) -> dict:
    """The manifest in the file, its checksum checked."""
    raw = path.read_bytes()
    body, _, tail = raw.rpartition(b'  "sha256": "')
    if tail != hashlib.sha256(body).hexdigest().encode() + b'"\n}\n':
        raise AssertionError(f"{path} is listed and does not have its checksum")
    return json.loads(raw)


def object_ids(document: dict) -> list[str]:
    return [document["schema"]["id"], *(i for entry in document["tables"] for c in entry["chunks"] for i, _ in chunk_objects(c))]


def chunk_objects(chunk: list) -> list[tuple[str, int]]:
    """Id and length of each object: a chunk is [first page, end page, rows, id, length, …]."""
    return list(zip(chunk[3::2], chunk[4::2]))


def snapshot_files(repository: pathlib.Path) -> list[pathlib.Path]:
    """Those that are listed, oldest first: not the temporary ones, whose names begin with a dot."""
    return sorted((repository / "snapshots").glob("[0-9]*.json"))


def check_repository(repository: pathlib.Path, *, at_rest: bool = False, known: dict | None = None) -> list[str]:
    """Every listed snapshot has its checksum and whole objects; the ids of the snapshots, oldest first.

    known: object id -> state of a file that was checked before, so that a sweep looks at each file once.
    at_rest: no temporary file may be anywhere.
    """
    known = {} if known is None else known
    ids = []
    for path in snapshot_files(repository):
        document = manifest(path)
        if document["id"] != path.stem:
            raise AssertionError(f"{path} holds snapshot {document['id']}")
        ids.append(path.stem)
        for object_id in object_ids(document):
            file = repository / "objects" / object_id[:2] / object_id
            if not file.exists():
                raise AssertionError(f"{path.name} is listed and its object {object_id} is missing")
            status = file.stat()
            state = (status.st_ino, status.st_size, status.st_mtime_ns)
            if known.get(object_id) == state:
                continue
            raw = file.read_bytes()
            if hashlib.sha256(raw[:32] + raw[64:]).digest() != raw[32:64]:
                raise AssertionError(f"{path.name} is listed and its object {object_id} is damaged")
            known[object_id] = state
    if at_rest and temporary_files(repository):
        raise AssertionError(f"temporary files at rest: {temporary_files(repository)}")
    return ids


def temporary_files(repository: pathlib.Path) -> list[str]:
    return sorted(str(p.relative_to(repository)) for p in repository.rglob(".tmp-*"))


# --------------------------------------------------------------------------------------- halting a backup


class Halted:
    """A backup that has read some rows, holds its locks and its snapshot, and stands still."""

    def __init__(self, running: Running, pid: int):
        self.running = running
        self.pid = pid

    def go_on(self):
        """Lets it run to its end; its Result."""
        os.kill(self.pid, signal.SIGCONT)
        return self.running.wait()


@contextlib.contextmanager
def halted(ws: Workspace, database: str, *args: str):
    """Stops a backup (SIGSTOP) when its first object is written, before anything names it."""
    # strace holds it for two seconds in its first fsync; in that time the signal is sent.
    wrap = ["strace", "--seccomp-bpf", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e",
            "inject=fsync:delay_enter=2000000:when=1"]
    running = ws.start("teslamate-backup", *ws.target(database), "--jobs", "1", *args, wrap=wrap)
    pid = 0
    try:
        first = wait_for(lambda: next((ws.repository / "objects").rglob(".tmp-*"), None), "an object is written",
                         alive=running)
        pid = int(first.name.split("-")[1])
        os.kill(pid, signal.SIGSTOP)
        if not first.exists():
            raise HarnessError("the backup was not halted in time")
        yield Halted(running, pid)
    finally:
        running.kill()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def wait_for(condition, what: str, *, seconds: float = 30, alive: Running | None = None):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        if alive is not None and alive.process.poll() is not None:
            raise AssertionError(f"the program ended before {what}\n{alive.wait().text()}")
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain: {what}")


def our_backends(pg: Cluster) -> list[str]:
    return [row[0] for row in pg.sql("postgres", "SELECT pid || ' ' || application_name || ' ' || query FROM "
                                     "pg_stat_activity WHERE application_name IN ('teslamate-backup', 'pg_dump')")]
