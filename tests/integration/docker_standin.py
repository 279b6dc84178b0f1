# SPDX-License-Identifier: MIT
"""A stand-in for TeslaMate in Docker Compose: what stop_command, start_command and status_command of the settings call."""

from __future__ import annotations

import json
import pathlib

from harness import Workspace

# `running` is the container; `refuse` holds what shall fail; every call is noted down.
SCRIPT = """#!/bin/sh
cd {folder} || exit 1
echo "$1" >>calls
[ "$1" = status ] || env >"environment-$1"
if grep -qx "$1" refuse 2>/dev/null; then echo "first line"; echo "no: $1" >&2; exit 4; fi
if grep -qx "once-$1" refuse 2>/dev/null; then rm refuse; echo "not this time" >&2; exit 5; fi
case $1 in
  start) touch running; {background} ;;
  stop) grep -qx deaf refuse 2>/dev/null || rm -f running ;;
  status) if [ -e running ]; then echo true; else echo false; fi ;;
  slow) sleep 60 ;;
  kill) kill -9 $PPID; sleep 1; rm -f running ;;
esac
"""


class DockerStandin:
    """Runs at first. Hooks of the settings are written here, too: they are commands like those."""

    def __init__(self, ws: Workspace, *, leaves_something_running: bool = False):
        self.ws = ws
        self.folder = ws.folder / "docker"
        self.folder.mkdir()
        self.program = self.folder / "docker.sh"
        self.program.write_text(SCRIPT.format(folder=self.folder, background="(sleep 30 &)" if leaves_something_running else ":"))
        self.program.chmod(0o755)
        self.run()

    def configure(self, restore: str = "", hooks: str = "", stop: str = "stop", status: bool = True) -> None:
        def command(what: str) -> str:
            return json.dumps([str(self.program), what])
        lines = [f"stop_command = {command(stop)}", f"start_command = {command('start')}", "settle = 0",
                 "health_timeout = 1", 'health_url = ""', restore]
        if status:
            lines.append(f"status_command = {command('status')}")
        self.ws.config.write_text("\n".join(["[restore]", *lines, "[hooks]", hooks, ""]))

    def hook(self, name: str, text: str = "", code: int = 0) -> str:
        """A line for configure(). The hook's environment is in the file hook-NAME."""
        script = self.folder / f"{name}.sh"
        script.write_text(f"#!/bin/sh\nenv >{self.folder}/hook-{name}\n{text}\nexit {code}\n")
        script.chmod(0o755)
        return f'{name} = ["{script}", "an argument with spaces and $HOME"]\n'

    def refuse(self, *what: str) -> None:
        (self.folder / "refuse").write_text("".join(f"{line}\n" for line in what))

    def run(self) -> None:
        (self.folder / "running").touch()

    def is_running(self) -> bool:
        return (self.folder / "running").exists()

    def calls(self) -> list[str]:
        """Without the questions for its status."""
        file = self.folder / "calls"
        return [c for c in file.read_text().split() if c != "status"] if file.exists() else []

    def hook_file(self, name: str) -> pathlib.Path:
        return self.folder / f"hook-{name}"
