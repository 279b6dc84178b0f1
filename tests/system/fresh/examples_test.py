#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every command that the manual and README show is run here, where systemctl, journalctl and root are what they are at
somebody's home; what they show of its output is what comes, but for numbers. The few that are tried elsewhere are named
below, each with the place. Runs as root inside the machine (see ../README.md)."""
import pathlib
import re
import subprocess
import unittest

from shape import missing_lines, sessions
from stage import *

TREE = pathlib.Path("/repo")
OURS = ("teslamate-", "sudo ", "systemctl ", "journalctl ", "systemd-", "rsync ", "docker ", "./dev", "sudo")
# Shown, and tried by another test: where.
ELSEWHERE = {
    "./dev demo": "integration/readme_test.py",
    "./dev test": "is what runs all of this",
    "./dev bench [rows]": "tests/bench",
    "./dev lint": ".ci/run",
    "./dev format": "changes the tree",
    "./dev build && (cd build/release && cpack -G DEB) && sudo apt install ./build/release/teslamate-backup_*.deb":
        "fresh/run package, and the installation of it here",
    "./dev build && sudo cmake --install build/release": "fresh/run package, installed_test.py",
    "sudo systemd-sysusers /usr/local/lib/sysusers.d/teslamate-backup.conf": "installed_test.py",
    "sudo systemd-tmpfiles --create /usr/local/lib/tmpfiles.d/teslamate-backup.conf": "installed_test.py",
    "sudo systemctl enable teslamate-backup.service": "installed_test.py",
    "sudo systemctl enable --now teslamate-backup.timer teslamate-verify.timer teslamate-drill.timer": "installed_test.py",
    "teslamate-keys recovery-sheet": "only the beginning of a command, which teslamate-keys(8) shows",
    "sudo -u postgres psql -p 5433 -f /usr/share/teslamate-backup/role.sql": "homes_test.py, where there is such a server",
    "sudo -u postgres pgbackrest --stanza=default --delta --type=time --target='2026-11-20 17:55:00+00'"
    " --target-action=promote restore": "integration/pitr_test.py",
    "systemctl stop teslamate postgresql": "belongs to the command before it",
    "teslamate-keys rotate": "only mentioned; integration/keys_test.py",
    "rsync -a": "only the beginning of a command",
    "docker compose exec database pg_dump": "only the beginning of a command; such a file: integration/foreign_test.py",
}
# Questions are answered by a person; what is asked of a terminal is said by a flag here.
ASKS = re.compile(r"^teslamate-(restore(?!.*(--dry-run|--as-database))|undo|delete-|close-|snapshots (forget|prune))")


def plain(text):
    """A line of a page as a reader sees it."""
    for seen, meant in (("\\(dq", '"'), ("\\&", ""), ("\\e", "\\"), ("\\(aq", "'"), ("\\-", "-")):
        text = text.replace(seen, meant)
    return text


def blocks(text):
    return [b.split(".Ed\n", 1)[0] for b in re.split(r"^\.Bd -literal.*\n", text, flags=re.M)[1:]]


def in_page(path):
    text = path.read_text()
    found = []
    for block in blocks(text):
        found += sessions([plain(line) for line in block.splitlines()], "# ")
    found += [(plain(line.removeprefix(".Dl ").strip()).removeprefix("# "), []) for line in text.splitlines()
              if line.startswith(".Dl ") and plain(line[4:]).strip().removeprefix("# ").startswith(OURS)]
    for line in re.findall(r"^\.(?:Pq )?Ql (.*)$", text, re.M):
        command = plain(re.sub(r"(?: [.,:;)])+$", "", line))
        if command.startswith(OURS) and (" " in command):
            found.append((command, []))
    return found


def in_readme():
    text = (TREE / "README.md").read_text()
    found = []
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
        lines = block.splitlines()
        if language:
            continue
        if not any(line.startswith("$ ") for line in lines):  # the demo's: integration/readme_test.py
            found += [(re.sub(r"\s+#.*", "", line), []) for line in lines if line.startswith(OURS)]
    found += [(span, []) for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text) if span.startswith(OURS) and " " in span]
    return found


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rows = prepare()
        # Nothing here asks for a password.
        pathlib.Path("/usr/local/bin/sudo").write_text(
            '#!/bin/sh\nif [ "$1" = -u ]; then u=$2; shift 2; exec runuser -u "$u" -- "$@"; fi\nexec "$@"\n')
        pathlib.Path("/usr/local/bin/sudo").chmod(0o755)
        apt("install", *PACKAGE.glob("*.deb"))
        wait_until(remembered, "the first backup", 120)
        wait_until(lambda: shown("teslamate-backup.service", "ActiveState") == "inactive", "its end")
        with open(CONFIG, "a", encoding="utf-8") as config:
            config.write("settle = 1\n[retention]\nkeep_last = 1000\n")
        cls.pages = sorted((TREE / "man").iterdir())
        cls.found = {page.name: in_page(page) for page in cls.pages} | {"README.md": in_readme()}

    def one(self, column, table, where="true"):
        return psql("teslamate", f"SELECT {column} FROM {table} WHERE {where} ORDER BY 1 LIMIT 1")

    def made_real(self, command):
        """Names that stand for others: those that are here."""
        drive, charge = self.one("id", "drives", "end_date IS NOT NULL"), self.one("id", "charging_processes")
        for pattern, real in ((r"\b4711\b", drive), (r"(delete-drive .*)\b2$", rf"\g<1>{drive}"),
                              (r"(delete-charge .*)\b2$", rf"\g<1>{charge}"), (r"(delete-car .*)\b2$", r"\g<1>1"), (r"\b20261001\b", snapshots()[0]),
                              (r"\bNAME\b", "another"), (r"^teslamate-backup FILE", "teslamate-backup /tmp/one.tmb"),
                              (r"^teslamate-restore FILE", "teslamate-restore /tmp/one.tmb")):
            command = re.sub(pattern, real, command)
        return command

    def prepare_for(self, command, wanted):
        wait_for_pruning()
        if "--rollback" in command:
            run("teslamate-restore", "latest", "--yes")
        if "teslamate-undo" in command:
            run("teslamate-delete-drive", "--yes", self.one("id", "drives"))
        if "delete-car" in command:  # what is open has to be closed first
            psql("teslamate", "UPDATE drives SET end_date = start_date WHERE end_date IS NULL",
                 "UPDATE charging_processes SET end_date = start_date WHERE end_date IS NULL")
        if "another" in command or "look" in command:
            psql("postgres", "DROP DATABASE IF EXISTS another", "DROP DATABASE IF EXISTS look")
        if command.startswith("teslamate-restore /tmp/one.tmb") or "/tmp/teslamate.tmb" in command:
            pathlib.Path("/tmp/teslamate.tmb").unlink(missing_ok=True)
            pathlib.Path("/tmp/one.tmb").unlink(missing_ok=True)
            run("teslamate-backup", "/tmp/one.tmb")
        if command == "teslamate-backup /tmp/one.tmb":
            pathlib.Path("/tmp/one.tmb").unlink(missing_ok=True)
        if "/mnt/repository" in command and " init " in command:
            shutil.rmtree("/mnt/repository", ignore_errors=True)
        if "/etc/credstore.encrypted" in command:
            pathlib.Path("/etc/credstore.encrypted").mkdir(exist_ok=True)
        if any("error[15]" in line for line in wanted):
            self.enterContext(without_server())

    def try_one(self, command, wanted):
        real = self.made_real(command)
        self.prepare_for(real, wanted)
        if real.startswith("systemctl list-timers"):
            real += " --no-pager"
        if ASKS.match(real.removeprefix("sudo ")):
            real += " --yes"
        done = subprocess.run(["sh", "-c", real.replace("FILE ", "/etc/hostname ")], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=180, cwd="/tmp", stdin=subprocess.DEVNULL,
                              check=False)
        told = re.findall(r"error\[(\d+)\]", "\n".join(wanted))
        codes = {int(c) for c in told} or {0, 3}
        self.assertIn(done.returncode, codes, f"{real}\n{done.stdout}")
        self.assertEqual(missing_lines(wanted, done.stdout), [], f"{real}\n{done.stdout}")

    def test_every_command_that_is_shown_does_what_is_shown(self):
        count = 0
        for page, examples in self.found.items():
            for command, wanted in examples:
                if command in ELSEWHERE:
                    continue
                with self.subTest(f"{page}: {command}"):
                    try:
                        self.try_one(command, wanted)
                    finally:
                        self.doCleanups()
                count += 1
        print(f"{count} commands of {len(self.found)} pages")
        self.assertGreater(count, 45)

    def test_what_is_tried_elsewhere_is_shown(self):
        shown = {command for examples in self.found.values() for command, _ in examples}
        self.assertEqual(set(ELSEWHERE) - shown, set())

    def test_a_false_example_is_noticed(self):
        self.assertEqual(missing_lines(["a 1 s", "...", "b 2.5 MB"], "a 7 s\nx\nb 840.1 kB\n"), [])
        self.assertEqual(missing_lines(["kept as", "x until"], "kept as x until\n"), [])
        self.assertEqual(len(missing_lines(["b 2 MB", "a 1"], "a 1\nb 2 MB\n")), 1)
        self.assertEqual(len(missing_lines(["nothing was changed"], "something was changed")), 1)


if __name__ == "__main__":
    unittest.main()
