# SPDX-License-Identifier: MIT
"""The manual against the programs: every program has a page, every flag of --help is in it and the reverse, as are the
arguments, commands, keys of the settings file and exit codes. No page may be invalid or promise another."""

import pathlib
import re
import shutil
import subprocess
import unittest

from harness import *

MAN = ROOT / "man"
PROGRAMS = sorted(p.stem for folder in ("tools", "maintenance") for p in (ROOT / folder).glob("teslamate-*.cc"))


def help_of(program, *command):
    done = subprocess.run([tool_path(program), *command, "--help"], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def section(text, title):
    found = re.search(rf"^{title}:\n((?:  .*\n)+)", text, re.M)
    return found.group(1).splitlines() if found else []


def flags_in_help(program):
    """Of the program and of all its commands."""
    texts = [help_of(program)]
    commands = [line.split()[0] for line in section(texts[0], "Commands")]
    texts += [help_of(program, command) for command in commands]
    flags = set()
    for text in texts:
        flags |= set(re.findall(r"^  +(?:-[A-Za-z], )?(--[a-z-]+)", text, re.M))
        flags |= set(re.findall(r"^  +(-[A-Za-z]), --", text, re.M))
    return flags, set(commands)


def flags_in_page(text):
    """Those that are introduced (.It Fl …), not those that are mentioned."""
    out = set()
    for line in re.findall(r"^\.It (.*)$", text, re.M):
        for word in re.findall(r"Fl (-?[A-Za-z][a-z-]*)", line):
            out.add("-" + word)
    return out


def keys_of_settings():
    text = (ROOT / "src/config/toml.cc").read_text()
    return set(re.findall(r'\{"([a-z_]{3,})",', text))


class Manual(unittest.TestCase):
    def test_every_program_has_a_page(self):
        self.assertGreaterEqual(len(PROGRAMS), 4)
        self.assertEqual([p for p in PROGRAMS if not (MAN / f"{p}.8").exists()], [])

    def test_every_page_in_section_8_has_a_program(self):
        self.assertEqual([p.stem for p in MAN.glob("*.8") if p.stem not in PROGRAMS], [])

    def test_pages_and_help_have_the_same_flags_and_commands(self):
        # Explained once, in teslamate-backup(8) or teslamate-restore(8), for all programs.
        for page in sorted(MAN.glob("*.8")):
            with self.subTest(page.name):
                flags, commands = flags_in_help(page.stem)
                text = page.read_text()
                in_page = flags_in_page(text)
                shared = flags_in_page((MAN / "teslamate-backup.8").read_text()) if "teslamate-backup 8" in text else set()
                self.assertEqual(flags - in_page - shared, set(), "not in the page")
                self.assertEqual(in_page - flags, set(), "not in the program")
                introduced = set(re.findall(r"^\.It (?:Cm|Ic) ([a-z-]+)", text, re.M))
                self.assertEqual(commands - introduced, set(), "commands that are not in the page")
                if commands:
                    self.assertEqual(introduced - commands, set(), "commands that are not in the program")

    def test_pages_name_every_key_of_the_settings(self):
        text = (MAN / "teslamate-backup-config.5").read_text()
        introduced = set()
        for line in re.findall(r"^\.It Ic (.*)$", text, re.M):
            introduced |= set(re.findall(r"[a-z_]{3,}", line))
        sections = set(re.findall(r"^\.Ss \[([a-z]+)\]$", text, re.M))
        self.assertEqual(keys_of_settings() - introduced - sections, set(), "not in the page")
        self.assertEqual((introduced | sections) - keys_of_settings(), set(), "not in the program")

    def test_the_page_of_concepts_has_every_exit_code(self):
        codes = set(re.findall(r"= (\d+),", (ROOT / "src/base/exit_code.hh").read_text()))
        text = (MAN / "teslamate-backup.7").read_text()
        listed = text[text.index(".Sh EXIT STATUS"):]
        in_page = set(re.findall(r"\b\d+\b", " ".join(re.findall(r"^\.It ([\d ,]+)$", listed, re.M))))
        self.assertEqual(in_page, codes)

    def test_the_journal_catalog_has_every_exit_code_of_a_failure(self):
        codes = {int(c) for c in re.findall(r"= (\d+),", (ROOT / "src/base/exit_code.hh").read_text())}
        base = re.search(r'"([0-9a-f]{30})\{:02x\}"', (ROOT / "src/report/message_reporter.cc").read_text()).group(1)
        catalog = (ROOT / "systemd/teslamate-backup.catalog").read_text()
        entries = {int(e, 16) for e in re.findall(rf"^-- {base}([0-9a-f]{{2}})$", catalog, re.M)}
        self.assertEqual(entries, codes - {0, 3, 130, 143})

    def test_pages_refer_to_pages_that_exist(self):
        ours = {p.name for p in MAN.iterdir()}
        for page in MAN.iterdir():
            for name, number in re.findall(r"\.Xr (teslamate-[a-z-]+) (\d)", page.read_text()):
                self.assertIn(f"{name}.{number}", ours, page.name)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_every_page_is_valid(self):
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *sorted(MAN.iterdir())], capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual((done.stdout, done.returncode), ("", 0))

    def test_units_refer_to_pages_and_programs_that_exist(self):
        ours = {p.name for p in MAN.iterdir()}
        for unit in (ROOT / "systemd").glob("*.in"):
            text = unit.read_text()
            for name, number in re.findall(r"man:(teslamate-[a-z-]+)\((\d)\)", text):
                self.assertIn(f"{name}.{number}", ours, unit.name)
            for program in re.findall(r"^ExecStart=@bindir@/(\S+)", text, re.M):
                self.assertIn(program, PROGRAMS, unit.name)


if __name__ == "__main__":
    unittest.main()
