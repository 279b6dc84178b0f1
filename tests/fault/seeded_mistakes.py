#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves the tests: puts one mistake at a time into a copy of the tree and demands that the named test goes red.

    seeded_mistakes.py [--build COMMAND] [NAME…]     all mistakes, or those whose names contain one of the words
    seeded_mistakes.py --check                       only whether each of them still fits the tree; quick

COMMAND is called with the copy, a folder for the build and the targets that its bin/ is to have; the default uses
cmake. Not part of the ordinary run: each mistake costs a build. Ends with 1 when a mistake survives.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from mistakes import MISTAKES, UNIT, UNITS, NIXOS

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEEDS_NO_PROGRAM = (UNITS, NIXOS)


def programs() -> list[str]:
    return ["sample-database", *sorted(p.stem for d in ("tools", "maintenance") for p in (ROOT / d).glob("teslamate-*.cc"))]


def unfit() -> list[str]:
    """What of the list no longer fits the tree: its files, what stands there, the tests' names."""
    out = []
    unit_tests = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests" / "unit").rglob("*.cc"))
    for name, patches, program, test in MISTAKES:
        for file, old, _ in patches:
            count = (ROOT / file).read_text(encoding="utf-8").count(old) if (ROOT / file).exists() else 0
            if count != 1:
                out.append(f"{name}: {file} holds {count} times: {old}")
        text = unit_tests if program == UNIT else (ROOT / "tests" / program).read_text(encoding="utf-8")
        names = test.split("*") if program == UNIT else [f"class {test.split('.')[0]}(", *(f"def {t}(" for t in test.split(".")[1:])]
        if not all(n.strip() in text for n in names):
            out.append(f"{name}: no test is called {test}")
    return out


def build(tree: pathlib.Path, out: pathlib.Path, program: str, command: str | None) -> None:
    environment = os.environ | {"CCACHE_NOHASHDIR": "1"}
    targets = ["unit_tests"] if program == UNIT else programs()
    if command:
        argv = [[command, str(tree), str(out), *targets]]
    else:
        argv = [["cmake", "-S", str(tree), "-B", str(out), "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                ["cmake", "--build", str(out), "-j2", "--target", *targets]]
    for arguments in argv:
        done = subprocess.run(arguments, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise RuntimeError(f"the mistaken tree does not build:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")


def is_red(tree: pathlib.Path, out: pathlib.Path, program: str, test: str) -> bool:
    if program == UNIT:
        done = subprocess.run([str(out / "bin" / "unit_tests"), test], capture_output=True, text=True)
        if "assertion" not in done.stdout:  # a comma in a name would mean "or"
            raise RuntimeError(f"no unit test is called {test}")
        return done.returncode != 0
    environment = os.environ | {"TM_BIN_DIR": str(out / "bin"), "PYTHONPATH": str(tree / "tests" / "integration"),
                                "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, str(tree / "tests" / program), test], env=environment, capture_output=True, text=True)
    if "HarnessError" in done.stderr and "AssertionError" not in done.stderr:
        raise RuntimeError(f"the stage broke, not the play:\n{done.stderr[-1500:]}")
    return done.returncode != 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if options.check:
        problems = unfit()
        print("\n".join(problems) or f"{len(MISTAKES)} mistakes fit the tree")
        return 1 if problems else 0
    chosen = [m for m in MISTAKES if not options.names or any(n in m[0] for n in options.names)]
    survived = 0
    with tempfile.TemporaryDirectory(prefix="tmb-seed-", dir="/tmp") as folder:
        tree, out = pathlib.Path(folder) / "tree", pathlib.Path(folder) / "build"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "build*", "__pycache__"))
        for name, patches, program, test in chosen:
            originals = {file: (tree / file).read_text(encoding="utf-8") for file, _, _ in patches}
            try:
                for file, old, new in patches:
                    text = (tree / file).read_text(encoding="utf-8")
                    if text.count(old) != 1:
                        raise RuntimeError(f"{file} holds {text.count(old)} times: {old}")
                    (tree / file).write_text(text.replace(old, new), encoding="utf-8")
                if program not in NEEDS_NO_PROGRAM:
                    build(tree, out, program, options.build)
                red = is_red(tree, out, program, test)
                print(f"{'caught  ' if red else 'SURVIVED'}  {name}", flush=True)
                survived += not red
            except RuntimeError as error:
                print(f"UNPROVEN  {name}: {error}", flush=True)
                survived += 1
            finally:
                for file, text in originals.items():
                    (tree / file).write_text(text, encoding="utf-8")
    print(f"{len(chosen) - survived} of {len(chosen)} mistakes caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
