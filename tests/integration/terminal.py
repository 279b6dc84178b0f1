# SPDX-License-Identifier: MIT
"""One of our programs on a terminal of its own, as a person has it: what it shows, what is typed, what happens when the
window is closed.

    with Terminal(ws, "teslamate-delete-drive", *flags, "7", columns=80) as terminal:
        terminal.expect("[y/N]")
        terminal.type("y\n")
        code, shown = terminal.wait()
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import termios
import time

from harness import HarnessError, Workspace, tool_path


class Terminal:
    def __init__(self, ws: Workspace, name: str, *args: str, columns: int = 100, env: dict[str, str] | None = None):
        argv = [str(tool_path(name)), *map(str, args)]
        environment = ws.environment({"TERM": "xterm-256color"} | (env or {}))
        self._shown = b""
        self._code: int | None = None
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            try:
                termios.tcsetwinsize(0, (50, columns))
                os.chdir(ws.home)
                os.execve(argv[0], argv, environment)
            finally:
                os._exit(127)

    def _read(self, seconds: float) -> bool:
        """False at the end."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return True
        try:
            got = os.read(self._fd, 65536)
        except OSError:  # EIO: the other side is closed
            return False
        self._shown += got
        return bool(got)

    @property
    def shown(self) -> str:
        return self._shown.decode("utf-8", "replace").replace("\r\n", "\n")

    def expect(self, text: str, seconds: float = 30) -> str:
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            if time.monotonic() > deadline or not self._read(0.1):
                raise AssertionError(f"{text!r} was not shown:\n{self.shown[-3000:]}")
        return self.shown

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def hang_up(self) -> None:
        """The window is closed."""
        os.close(self._fd)
        self._fd = -1

    def wait(self, seconds: float = 60) -> tuple[int, str]:
        """The exit code, negative for a signal, and all that was shown."""
        deadline = time.monotonic() + seconds
        while self._code is None:
            if self._fd >= 0:
                self._read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
                while self._fd >= 0 and select.select([self._fd], [], [], 0)[0] and self._read(0):
                    pass
            elif time.monotonic() > deadline:
                raise HarnessError(f"still running after {seconds} s:\n{self.shown[-3000:]}")
            elif self._fd < 0:
                time.sleep(0.05)
        return self._code, self.shown

    def close(self) -> None:
        if self._code is None:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        if self._fd >= 0:
            os.close(self._fd)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
