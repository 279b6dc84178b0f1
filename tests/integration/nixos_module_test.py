#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The NixOS module, evaluated with nixpkgs' lib alone: the facts are in tests/nixos/module_test.nix. The lib is found in
$NIXPKGS_LIB (the folder with default.nix) or as <nixpkgs/lib> on NIX_PATH; without it, or without nix, that is said. What
the module renders is kept in tests/nixos/golden, for the tests in a real systemd, which need neither."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests/nixos"


def nix_instantiate(*arguments, check=True):
    done = subprocess.run(["nix-instantiate", *arguments], capture_output=True, text=True, timeout=120, check=False,
                          env=os.environ | {"HOME": "/nonexistent", "NIX_STATE_DIR": "/tmp/nix-state"})
    if check and done.returncode != 0:
        raise AssertionError(done.stderr)
    return done


def find_lib():
    named = os.environ.get("NIXPKGS_LIB")
    if named:
        if not (pathlib.Path(named) / "default.nix").exists():
            raise AssertionError(f"NIXPKGS_LIB={named} holds no default.nix")
        return named
    found = nix_instantiate("--find-file", "nixpkgs/lib", check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def evaluate(file, *arguments):
    lib = find_lib()
    if lib is None:
        raise unittest.SkipTest("nixpkgs' lib is not here: name it in NIXPKGS_LIB")
    done = nix_instantiate("--eval", "--strict", "--json", "--arg", "lib", f"import {lib}", *arguments, str(file))
    return json.loads(done.stdout)


def setUpModule():
    if shutil.which("nix-instantiate") is None:
        raise unittest.SkipTest("nix-instantiate is not installed")


def golden_sources():
    """What golden/ was made from, as one number: units_test.py compares it also where nix is not."""
    files = sorted([*(ROOT / "nix").glob("*.nix"), *(TESTS / f"{name}.nix" for name in ("homes", "render", "stub")),
                    ROOT / "systemd/hardening.conf"])
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()


class Module(unittest.TestCase):
    def test_every_nix_file_can_be_parsed(self):
        files = [ROOT / "flake.nix", *(ROOT / "nix").rglob("*.nix"), *TESTS.rglob("*.nix")]
        self.assertGreater(len(files), 8)
        for file in files:
            nix_instantiate("--parse", str(file))

    def test_every_fact_of_the_module_holds(self):
        self.assertEqual(evaluate(TESTS / "module_test.nix"), [])

    def test_every_option_is_documented_and_does_something_and_no_secret_may_be_in_the_store(self):
        found = evaluate(TESTS / "options_test.nix")
        self.assertGreater(found.pop("count"), 60)
        self.assertGreaterEqual(found.pop("files"), 10)
        self.assertEqual(found, {"undocumented": [], "dead": [], "open": []})

    def test_a_mistake_in_the_module_is_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            for part in ("nix", "systemd"):
                shutil.copytree(ROOT / part, pathlib.Path(folder) / part)
            module = pathlib.Path(folder) / "nix/module.nix"
            module.write_text(module.read_text().replace("restartIfChanged = false;", "", 1))
            self.assertEqual(evaluate(TESTS / "module_test.nix", "--arg", "module", str(module)),
                             ["a rebuild leaves a running backup alone"])

    def test_what_it_makes_of_some_homes_is_what_a_real_systemd_tries(self):
        """tests/system/fresh runs the files of golden/; TM_UPDATE_GOLDEN=1 writes them."""
        golden = TESTS / "golden"
        made = {f"{home}/{name}": text for home, files in evaluate(TESTS / "golden.nix").items()
                for name, text in files.items()}
        if os.environ.get("TM_UPDATE_GOLDEN") == "1":
            shutil.rmtree(golden, ignore_errors=True)
            for name, text in made.items():
                (golden / name).parent.mkdir(parents=True, exist_ok=True)
                (golden / name).write_text(text)
            (golden / "made-from").write_text(golden_sources() + "\n")
        kept = {str(f.relative_to(golden)): f.read_text() for f in golden.rglob("*")
                if f.is_file() and f.name != "made-from"}
        self.maxDiff = None
        self.assertEqual(made, kept)

    def test_the_flake_has_one_input_and_all_outputs(self):
        flake = evaluate(TESTS / "flake_test.nix")
        self.assertEqual(flake["inputs"], ["nixpkgs"])
        self.assertEqual(flake["outputs"], ["checks", "devShells", "formatter", "nixosModules", "overlays", "packages"])
        self.assertEqual(flake["systems"], ["aarch64-linux", "x86_64-linux"])
        self.assertLessEqual({"module", "options", "package", "restore", "rebuild"}, set(flake["checks"]))
        version = re.search(r"project\([^)]*VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text(), re.S).group(1)
        inputs = flake["package"].pop("inputs")
        self.assertEqual(flake["package"], {"pname": "teslamate-backup", "version": version,
                                            "mainProgram": "teslamate-backup", "priority": 4})
        self.assertLessEqual({"libpq", "openssl", "cmake"}, set(inputs))
        self.assertEqual((flake["overlay"], flake["packageOfModule"], flake["enabled"]),
                         ("teslamate-backup", "teslamate-backup", True))
        # Every command that ./dev asks for where there is no apt is in the shell, or in what builds the package.
        provided = {"c++", "clang++", "clang-format", "clang-tidy", "pkg-config", *flake["shell"], *inputs}
        commands = re.search(r"declare -A commands=\((.*?)\n\)", (ROOT / "dev").read_text(), re.S).group(1)
        asked = {c for line in re.findall(r'="([^"]*)"', commands) for c in line.split()}
        self.assertEqual(asked - provided, set())

    def test_what_readme_shows_for_nixos_is_enough(self):
        shown = re.search(r"```nix\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "configuration.nix"
            file.write_text(f"""{{ lib }}:
              let
                inputs.teslamate-backup.nixosModules.default = {ROOT}/nix/module.nix;
                readme = {{ {shown} }};
                inherit (import {TESTS}/evaluate.nix {{ inherit lib; }}) evaluate;
                config = (evaluate [ readme {{ services.postgresql.enable = true; }} ]).config;
              in
              {{ failed = lib.filter (a: !a.assertion) config.assertions; timers = lib.attrNames config.systemd.timers; }}""")
            made = evaluate(file)
        self.assertEqual(made, {"failed": [], "timers": ["teslamate-backup", "teslamate-drill", "teslamate-verify"]})

    def test_the_stories_of_the_virtual_machines_are_python_and_their_settings_stand(self):
        machines = evaluate(TESTS / "machines_test.nix")
        self.assertGreaterEqual(len(machines), 14)
        for name, machine in machines.items():
            compile(machine["script"], name, "exec")
            self.assertEqual((machine["failed"], machine["parts"]), ([], 3), name)


if __name__ == "__main__":
    unittest.main()
