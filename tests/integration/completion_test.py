# SPDX-License-Identifier: MIT
"""The completions in real shells: bash's function called as bash calls it, zsh at a terminal with the Tab key, fish
asked with `complete -C`. A repository with two snapshots is there."""

import functools
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time
import unittest

from harness import *

COMPLETIONS = bin_dir().parent / "completions"


def setUpModule():
    global ws, ids
    with Cluster() as pg:
        pg.load_sample("teslamate", positions=1000)
        ws = Workspace(pg)
        for _ in range(2):
            assert_exit(ws.backup("teslamate"), 0)
    ids = [p.stem for p in ws.snapshot_files()]


def tearDownModule():
    ws.close()


def environment():
    return ws.environment({"PATH": f"{bin_dir()}:/usr/bin:/bin", "TERM": "dumb", "HOME": str(ws.home)})


class Cases:
    """What each shell must offer; `offers(line)` is the set of words for the last one of the line."""

    def test_snapshots_are_completed(self):
        self.assertEqual(self.offers("teslamate-restore 2"), set(ids))
        self.assertEqual(self.offers("teslamate-snapshots show 2"), set(ids))

    def test_snapshots_of_another_repository_are_completed(self):
        self.assertEqual(self.offers("teslamate-restore --repository /nonexistent 2"), set())

    def test_latest_is_a_snapshot_too(self):
        self.assertEqual(self.offers("teslamate-restore la"), {"latest"})

    def test_flags_are_those_of_the_help(self):
        self.assertEqual(self.offers("teslamate-restore --rollb"), {"--rollback"})
        self.assertEqual(self.offers("teslamate-verify --read-d"), {"--read-data"})

    def test_commands_are_completed(self):
        self.assertEqual(self.offers("teslamate-snapshots sho"), {"show"})

    def test_folders_follow_a_flag_that_takes_one(self):
        self.assertEqual(self.offers(f"teslamate-verify --repository {ws.folder}/reposit"),
                         {f"{ws.repository}"})


class Bash(Cases, unittest.TestCase):
    def offers(self, line):
        script = (f"source {COMPLETIONS}/teslamate.bash; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1));"
                  " _teslamate; printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "--norc", "-euc", script], env=environment(), capture_output=True, text=True,
                              timeout=60, check=True)
        return set(done.stdout.split())

    def test_every_flag_of_every_program_is_offered(self):
        programs = sorted(p.name for p in bin_dir().glob("teslamate-*"))
        self.assertGreaterEqual(len(programs), 4)
        for program in programs:
            with self.subTest(program):
                shown = subprocess.run([bin_dir() / program, "--help"], capture_output=True, text=True, check=True).stdout
                flags = set(re.findall(r"^ +(?:-[A-Za-z], )?(--[a-z-]+)", shown, re.M))
                self.assertEqual(self.offers(f"{program} --"), flags)


@unittest.skipUnless(shutil.which("fish"), "fish is not installed")
class Fish(Cases, unittest.TestCase):
    def offers(self, line):
        done = subprocess.run(["fish", "--no-config", "-c", f"source {COMPLETIONS}/teslamate.fish; complete -C '{line}'"],
                              env=environment(), capture_output=True, text=True, timeout=60, check=True)
        return {entry.split("\t")[0].rstrip("/") for entry in done.stdout.splitlines()}


@unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
class Zsh(Cases, unittest.TestCase):
    """One shell at a terminal; what Tab wrote or listed is read off it."""

    @classmethod
    def setUpClass(cls):
        cls.pid, cls.terminal = pty.fork()
        if cls.pid == 0:
            os.execve(shutil.which("zsh"), ["zsh", "-f", "-i"], environment())
        cls.say(f"PS1='%% '; fpath=({COMPLETIONS} $fpath); autoload -Uz compinit; compinit -u -D;"
                " zstyle ':completion:*' list-prompt ''; unsetopt beep auto_remove_slash; setopt no_auto_menu no_list_ambiguous;"
                " stty rows 50 cols 300; print rea''dy\n")
        cls.read("ready\r\n")

    @classmethod
    def tearDownClass(cls):
        os.close(cls.terminal)
        os.waitpid(cls.pid, 0)

    @classmethod
    def say(cls, text):
        os.write(cls.terminal, text.encode())

    @classmethod
    def read(cls, until):
        out, deadline = "", time.monotonic() + 30
        while until not in out:
            if not select.select([cls.terminal], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"zsh did not say {until!r} but {out!r}")
            out += os.read(cls.terminal, 65536).decode(errors="replace")
        return out

    def offers(self, line):
        # What Tab does is shown at once or not at all; then Ctrl-U clears the line, and a word tells that it is over.
        self.say("\x15" + line + "\t")
        time.sleep(1)
        self.say("\x15print -r -- e''nd\n")
        shown = self.read("end\r\n")
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x07", "", shown).replace("\r", "\n")
        word = re.escape(line.split()[-1])
        found = {w.rstrip("/") for w in re.findall(rf"(?<!\S){word}\S*", shown)} - {line.split()[-1]}
        # What several words begin with is written into the line before they are listed.
        return {w for w in found if not any(other != w and other.startswith(w) for other in found)}


if __name__ == "__main__":
    unittest.main()
