# SPDX-License-Identifier: MIT
"""Secrets that a test hands to a program, looked for wherever they must not be: in what the program prints, in the
argv of everything it starts, in the environment of its children, and in what it leaves in its repository, its state
folder and its home. The harness does this around every program of every test; nothing has to be asked for."""

from __future__ import annotations

import os
import pathlib
import re
import threading

# Shorter ones stand everywhere by chance.
SHORTEST = 8
SECRET_VARIABLES = ("DATABASE_PASS", "PGPASSWORD", "ENCRYPTION_KEY", "RELEASE_COOKIE")
SECRET_FILES = ("--key-file", "--new-passphrase-file", "--new-key-file")
SETTINGS_WITH_SECRETS = re.compile(r'^\s*(?:key_file|password_file|cookie_file|environment_file)\s*=\s*"([^"]*)"', re.M)
ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?(?:%s)\s*=\s*[\"']?(.*?)[\"']?\s*$" % "|".join(SECRET_VARIABLES), re.M)
# The call of TeslaMate's release is given the cookie, and what the release's script does with it is not ours to change:
# it makes an argument of Erlang's of it. The manual says so.
REMOTE_CALL = re.compile(rb"\0rpc\0|\0--rpc-eval\0|(?:^|/)(?:erl|erlexec|beam\.smp|erl_child_setup|inet_gethost)[\0 ]")
INTERVAL = 0.02  # seconds between two looks at the processes


def _usable(text: str) -> bool:
    return len(text) >= SHORTEST and text.isprintable()


def secrets_in_file(path: str) -> set[str]:
    """A passphrase alone on its line, or the values of an environment file. A pipe is not read: it would be empty then."""
    file = pathlib.Path(path)
    try:
        if not file.is_file() or file.stat().st_size > 65536:
            return set()
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return set()
    lines = text.splitlines()
    found = ASSIGNMENT.findall(text) or (lines if len(lines) == 1 else [])
    return {s for s in found if _usable(s)}


def given_to(argv: list[str], env: dict[str, str]) -> tuple[set[str], set[pathlib.Path]]:
    """The secrets that a program is given in its environment and in files that its arguments or its settings name, and
    those files. What stands in argv itself is the test's own doing."""
    found = {env[name] for name in SECRET_VARIABLES if _usable(env.get(name, ""))}
    files = [value for flag, value in zip(argv, argv[1:]) if flag in SECRET_FILES]
    files += [argument.split("=", 1)[1] for argument in argv if argument.startswith(tuple(f"{f}=" for f in SECRET_FILES))]
    config = argv[argv.index("--config") + 1] if "--config" in argv[:-1] else env.get("TESLAMATE_BACKUP_CONFIG", "")
    if config:
        try:
            files += SETTINGS_WITH_SECRETS.findall(pathlib.Path(config).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            pass
    for file in files:
        found |= secrets_in_file(file)
    return {s for s in found if not any(s in a for a in argv)}, {pathlib.Path(f) for f in files}


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _descendants(pid: int) -> list[tuple[int, int]]:
    """Each with its parent."""
    found: list[tuple[int, int]] = []
    todo = [pid]
    while todo:
        here = todo.pop()
        try:
            threads = os.listdir(f"/proc/{here}/task")
        except OSError:
            continue
        for thread in threads:
            children = [int(c) for c in _read(f"/proc/{here}/task/{thread}/children").split()]
            children = [c for c in children if not REMOTE_CALL.search(_read(f"/proc/{c}/cmdline"))]
            found += [(child, here) for child in children]
            todo += children
    return found


class Watch:
    """Looks at a running program and its children until it is stopped."""

    def __init__(self, pid: int, secrets: set[str]):
        self._secrets = {s: s.encode() for s in secrets}
        self._pid = pid
        self._seen: set[str] = set()
        self._over = threading.Event()
        self._thread = None
        if self._secrets:
            self._thread = threading.Thread(target=self._look, daemon=True)
            self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(INTERVAL):
            for pid, parent in _descendants(self._pid):
                self._look_at(pid, parent)

    def _look_at(self, pid: int, parent: int) -> None:
        command = _read(f"/proc/{pid}/cmdline")
        if not command:  # in the middle of its exec, or over
            return
        # Between fork and exec a child is still its parent, environment and all. Under strace our program is a child.
        same = command == _read(f"/proc/{parent}/cmdline")
        ours = pathlib.PurePath(os.fsdecode(command.split(b"\0")[0])).name.startswith("teslamate-")
        environment = b"" if same or ours else _read(f"/proc/{pid}/environ")
        for name, secret in self._secrets.items():
            for place, text in (("argv", command), ("environment", environment)):
                if secret in text:
                    shown = command.replace(b"\0", b" ").decode("utf-8", "replace")
                    self._seen.add(f"{name!r} in the {place} of {shown[:200]}")

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def end(self, out: bytes, err: bytes) -> None:
        """Of the program, which has ended. Raises AssertionError when a secret was seen."""
        self.stop()
        for name, secret in self._secrets.items():
            for place, text in (("stdout", out), ("stderr", err)):
                if secret in text:
                    self._seen.add(f"{name!r} in {place}")
        if self._seen:
            raise AssertionError("a secret was told: " + "; ".join(sorted(self._seen)))


def left_in(folders: list[pathlib.Path], secrets: set[str], given: set[pathlib.Path]) -> list[str]:
    """Where one of the secrets stands in the files below the folders, but for the files that it was given in."""
    wanted = {s: s.encode() for s in secrets}
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")) if wanted else []:
            if path.is_symlink() or not path.is_file() or path in given or path.stat().st_size > 64 << 20:
                continue
            text = _read(str(path))
            found += [f"{name!r} in {path}" for name, secret in wanted.items() if secret in text]
    return found
