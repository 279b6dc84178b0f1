# SPDX-License-Identifier: MIT
"""README against the programs: what the demo shows is what it prints, the settings are understood, and who opens the page at
night finds the way back on the first screen. Its commands: tests/system/fresh/examples_test.py; its NixOS lines:
nixos_module_test.py."""

import re
import subprocess
import sys
import unittest

from harness import *

sys.path.insert(0, str(ROOT / "tests/system/fresh"))
from shape import missing_lines, sessions  # noqa: E402

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.M | re.S)


def list_with(settings):
    """How a program takes these settings, in the way in which the NixOS module has them checked when a system is built."""
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "config.toml"
        config.write_text(settings)
        return subprocess.run([tool_path("teslamate-snapshots"), "list", "--config", config, "--state-dir", folder],
                              capture_output=True, text=True, timeout=60, check=False)


class SettingsOfTheNixOsModule(unittest.TestCase):
    def test_they_are_understood_and_a_mistake_in_them_is_found_when_the_system_is_built(self):
        files = sorted((ROOT / "tests/nixos/golden").glob("*/config.toml"))
        self.assertGreaterEqual(len(files), 3)
        for file in files:
            with self.subTest(file.parent.name):
                text = file.read_text()
                self.assertIn(list_with(text).returncode, (10, 17, 22))  # a folder or a key that is not here
                wrong = list_with(text.replace("keep_old_days", "keep_old_dais"))
                self.assertEqual(wrong.returncode, 2)
                self.assertIn("keep_old_dais", wrong.stderr)


class Readme(unittest.TestCase):
    def test_the_way_back_is_on_the_first_screen(self):
        screen = "\n".join(README.splitlines()[:24])
        for words in ("teslamate-restore latest", "--dry-run", "--rollback", "--abort", "teslamate-snapshots list", "man 7 teslamate-backup"):
            self.assertIn(words, screen)

    def test_the_settings_are_understood(self):
        done = list_with(next(text for language, text in BLOCKS if language == "toml"))
        self.assertEqual(done.returncode, 10, done.stderr)  # understood; only that repository is not here
        self.assertIn("/srv/backup/teslamate", done.stderr)

    def test_what_the_demo_shows_is_what_it_prints(self):
        shown = next(text for _, text in BLOCKS if "$ teslamate-backup" in text)
        done = subprocess.run([sys.executable, ROOT / "tests/demo/demo.py", "100000"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=600, check=False, env=os.environ | {"TM_BIN_DIR": str(bin_dir()), "NO_COLOR": "1"})
        self.assertEqual(done.returncode, 0, done.stdout)
        examples = sessions(shown.splitlines(), "$ ")
        self.assertEqual([command for command, _ in examples],
                         ["teslamate-backup --tag after-a-day", "psql -c 'DROP SCHEMA public CASCADE'", "teslamate-restore latest --no-service --yes"])
        for command, output in examples:
            with self.subTest(command):
                self.assertIn(f"$ {command}\n", done.stdout)
                self.assertEqual(missing_lines(output, done.stdout.split(f"$ {command}\n", 1)[1]), [], done.stdout)

    def test_exit_codes_are_those_of_the_programs(self):
        said = README.split("### Exit codes\n", 1)[1].split("\n#", 1)[0]
        codes = set(re.findall(r"= (\d+),", (ROOT / "src/base/exit_code.hh").read_text()))
        self.assertEqual(set(re.findall(r"(?:^|· |/)(\d+)(?= |/)", said, re.M)) | {"0"}, codes)


if __name__ == "__main__":
    unittest.main()
