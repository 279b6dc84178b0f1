#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What all programs share, from outside: exit codes, streams, help, and odd surroundings. Needs no PostgreSQL."""
import functools
import json
import os
import pathlib
import pty
import re
import select
import subprocess
import tempfile
import unittest

from harness import tool_path

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "help"
TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / "tools"
PROGRAMS = sorted(p.stem for folder in (TOOLS, TOOLS.parent / "maintenance") for p in folder.glob("teslamate-*.cc"))
# Those that only read a repository.
COMMANDS = (("teslamate-verify",), ("teslamate-snapshots", "list"), ("teslamate-snapshots", "show"))
SECONDS = 60
# What a program must be told before it looks at anything else.
NEEDED = {"teslamate-snapshots": ["list"], "teslamate-keys": ["list"], "teslamate-delete-drive": ["1"], "teslamate-delete-charge": ["1"],
          "teslamate-delete-car": ["1"]}


def environment(**more: str) -> dict[str, str]:
    base = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent"}
    base |= {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
    return base | more


def run(name: str, *args: str, **keywords) -> subprocess.CompletedProcess:
    keywords.setdefault("env", environment())
    keywords.setdefault("stdin", subprocess.DEVNULL)
    keywords.setdefault("stdout", subprocess.PIPE)
    keywords.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([tool_path(name), *args], timeout=SECONDS, check=False, **keywords)


def run_in_shell(line: str, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """`line` with the arguments as "$@": for redirections that subprocess cannot make."""
    return subprocess.run(["/bin/sh", "-c", line, "sh", *args], env=env or environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS, check=False)


def run_on_terminal(argv: list[str], answer: bytes = b"", **env: str) -> tuple[int, bytes]:
    """On a pseudo terminal as stdin, stdout and stderr: exit code and everything it showed."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(argv[0], argv, environment(TERM="xterm", **env))
    shown = b""
    if answer:
        os.write(master, answer)
    while True:
        ready, _, _ = select.select([master], [], [], SECONDS)
        if not ready:
            raise AssertionError(f"{argv} says nothing for {SECONDS} s after {shown!r}")
        try:
            data = os.read(master, 65536)
        except OSError:  # the other side is closed
            data = b""
        if not data:
            break
        shown += data
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status), shown


def for_each(values):
    """The test once for each of the values, and all of them even if one fails."""
    def decorate(test):
        @functools.wraps(test)
        def run_all(self):
            assert values
            for value in values:
                with self.subTest(value):
                    test(self, value)
        return run_all
    return decorate


class EveryProgram(unittest.TestCase):
    @for_each(PROGRAMS)
    def test_help_is_as_in_the_golden_file(self, name):
        result = run(name, "--help")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stderr, b"")
        golden = GOLDEN / f"{name}.txt"
        if os.environ.get("TM_UPDATE_GOLDEN") == "1":
            golden.write_bytes(result.stdout)
        self.assertTrue(golden.exists(), f"no {golden}; TM_UPDATE_GOLDEN=1 writes it")
        self.assertEqual(result.stdout.decode(), golden.read_text(encoding="utf-8"))

    @for_each(PROGRAMS)
    def test_help_lines_fit_a_terminal(self, name):
        for line in run(name, "--help").stdout.decode().splitlines():
            self.assertLessEqual(len(line), 110, line)

    @for_each(PROGRAMS)
    def test_version_is_one_line(self, name):
        result = run(name, "--version")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertRegex(result.stdout.decode(), rf"\A{name} \d+\.\d+\.\d+\n\Z")

    @for_each(PROGRAMS)
    def test_an_unknown_flag_is_wrong_usage_with_a_hint_and_an_empty_stdout(self, name):
        result = run(name, "--no-such-flag")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stdout, b"")
        self.assertRegex(result.stderr.decode(), rf"\A{name}: error\[2\]: .+\nhint:  {name} --help\n\Z")

    @for_each(PROGRAMS)
    def test_a_usage_error_with_json_is_a_document(self, name):
        result = run(name, "--json", "--no-such-flag")
        self.assertEqual(result.returncode, 2)
        document = json.loads(result.stdout)
        self.assertEqual(document["error"]["code"], 2)
        self.assertEqual(document["error"]["name"], "usage")
        self.assertEqual(document["exit_code"], 2)

    @for_each(PROGRAMS)
    def test_a_settings_file_that_was_named_must_exist(self, name):
        args = NEEDED.get(name, [])
        result = run(name, "--config", "/nonexistent/c.toml", *args)
        self.assertEqual(result.returncode, 17, result.stderr)
        self.assertIn(b"/nonexistent/c.toml", result.stderr)

    @for_each(PROGRAMS)
    def test_an_unknown_setting_is_wrong_usage_naming_file_line_and_key(self, name):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write("jobs = 1\n\n[repository]\nfolder = '/x'\n")
            file.flush()
            args = NEEDED.get(name, [])
            result = run(name, "--config", file.name, *args)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(f"{file.name}, line 4: repository.folder", result.stderr.decode())

    @for_each(PROGRAMS)
    def test_standard_descriptors_may_be_closed(self, name):
        for closed in ("<&-", "2>&-", "<&- 2>&-"):
            result = run_in_shell(f'"$@" {closed}', str(tool_path(name)), "--version")
            self.assertEqual(result.returncode, 0, closed)
            self.assertTrue(result.stdout.startswith(name.encode()))
        result = run_in_shell('"$@" <&- >&- 2>&-', str(tool_path(name)), "--version")
        self.assertEqual(result.returncode, 17)

    @for_each(PROGRAMS)
    def test_a_reader_that_is_gone_ends_in_17_and_not_in_a_signal(self, name):
        read, write = os.pipe()
        os.close(read)
        result = run(name, "--help", stdout=write)
        os.close(write)
        self.assertEqual(result.returncode, 17)
        self.assertIn(b"cannot write to standard output", result.stderr)

    @for_each(PROGRAMS)
    def test_a_full_disk_under_stdout_is_told(self, name):
        with open("/dev/full", "wb") as full:
            self.assertEqual(run(name, "--help", stdout=full).returncode, 17)

    @for_each(PROGRAMS)
    def test_locale_time_zone_and_environment_change_nothing(self, name):
        odd = environment(LC_ALL="tr_TR.UTF-8", LANG="tr_TR", TZ=":../../etc/passwd", COLUMNS="1", PATH=".", IFS="x")
        self.assertEqual(run(name, "--help", env=odd).stdout, run(name, "--help").stdout)
        self.assertEqual(run(name, "--help", env={}).stdout, run(name, "--help").stdout)

    @for_each(PROGRAMS)
    def test_argv0_may_be_empty(self, name):
        result = subprocess.run([""] + ["--version"], executable=tool_path(name), env=environment(),
                                stdout=subprocess.PIPE, timeout=SECONDS, check=False)
        self.assertEqual(result.returncode, 0)
        self.assertTrue(result.stdout.startswith(name.encode()))


class Reading(unittest.TestCase):
    """The two programs that only read a repository."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    @for_each(COMMANDS)
    def test_a_missing_repository_is_10_with_error_state_and_hint(self, command):
        result = run(*command, "-r", str(self.folder / "none"))
        self.assertEqual(result.returncode, 10)
        self.assertEqual(result.stdout, b"")
        self.assertRegex(result.stderr.decode(),
                         rf"\A{command[0]}: error\[10\]: .+\nstate: nothing was changed\nhint:  .+\n\Z")

    @for_each(COMMANDS)
    def test_no_repository_named_is_10(self, command):
        self.assertEqual(run(*command).returncode, 10)

    @for_each(COMMANDS)
    def test_the_environment_names_the_repository_and_a_flag_goes_over_it(self, command):
        env = environment(TESLAMATE_BACKUP_REPOSITORY="/nonexistent/a")
        self.assertIn(b"/nonexistent/a", run(*command, env=env).stderr)
        self.assertIn(b"/nonexistent/b", run(*command, "-r", "/nonexistent/b", env=env).stderr)

    @for_each(COMMANDS)
    def test_json_of_a_failure_has_error_warnings_and_exit_code(self, command):
        result = run(*command, "--json", "-r", "/nonexistent/x")
        document = json.loads(result.stdout)
        self.assertEqual(document["error"]["code"], 10)
        self.assertEqual(document["error"]["name"], "no_repository")
        self.assertEqual(document["error"]["state"], "nothing was changed")
        self.assertEqual(document["warnings"], [])
        self.assertEqual(document["exit_code"], result.returncode)

    @for_each(COMMANDS)
    def test_names_with_escapes_and_invalid_bytes_reach_neither_screen_nor_json_raw(self, command):
        evil = b"/nonexistent/a\x1b[2J\xff\nb"
        result = run(*command, "-r", evil)
        self.assertNotIn(b"\x1b", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 3)
        json.loads(run(*command, "--json", "-r", evil).stdout)

    @for_each(COMMANDS)
    def test_a_file_in_place_of_the_repository_is_17(self, command):
        file = self.folder / "file"
        file.write_text("x")
        self.assertEqual(run(*command, "-r", str(file)).returncode, 17)

    @for_each(COMMANDS)
    def test_quiet_and_verbose_exclude_each_other(self, command):
        self.assertEqual(run(*command, "--quiet", "--verbose").returncode, 2)

    def test_flags_of_the_parent_may_stand_behind_the_command(self):
        result = run("teslamate-snapshots", "-r", "/nonexistent/x", "list")
        self.assertEqual(result.returncode, 10)
        self.assertEqual(run("teslamate-snapshots").returncode, 2)
        self.assertEqual(run("teslamate-snapshots", "nonsense").returncode, 2)

    def test_a_command_has_its_own_help(self):
        text = run("teslamate-snapshots", "show", "--help").stdout.decode()
        self.assertTrue(text.startswith("Usage: teslamate-snapshots show [OPTION]... [SNAPSHOT]\n"), text)
        self.assertEqual(len(re.findall(r"--help", text)), 1, text)

    def test_a_terminal_gets_colours_unless_no_color_is_set(self):
        argv = [str(tool_path("teslamate-verify")), "-r", "/nonexistent/x"]
        code, shown = run_on_terminal(argv)
        self.assertEqual(code, 10)
        self.assertIn(b"\x1b[1;31merror[10]\x1b[0m", shown)
        code, shown = run_on_terminal(argv, NO_COLOR="1")
        self.assertEqual(code, 10)
        self.assertNotIn(b"\x1b", shown)


if __name__ == "__main__":
    unittest.main()
