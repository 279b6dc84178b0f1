#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our reading of environment files against systemd's own, over generated files, inside the test machine.

A unit is started with each file as its EnvironmentFile= and shows what it got; env-probe says what we make of it.
TM_ENV_FILES sets how many files (default 600), TM_ENV_SEED the seed.
"""
import json
import os
import pathlib
import random
import subprocess
import unittest

FILES = int(os.environ.get("TM_ENV_FILES", "600"))
SEED = int(os.environ.get("TM_ENV_SEED", "1"))
BATCH = 100
PROBE = pathlib.Path(os.environ.get("TM_BIN_DIR", "/build")) / "env-probe"
FOLDER = pathlib.Path("/run/env-files")
UNIT = """[Service]
Type=oneshot
EnvironmentFile=/run/env-files/in/%i
ExecStart=/bin/cat /proc/self/environ
StandardOutput=file:/run/env-files/out/%i
"""
# What systemd puts into every unit's environment by itself.
OWN = {"PATH", "LANG", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "MEMORY_PRESSURE_WATCH",
       "MEMORY_PRESSURE_WRITE", "USER", "LOGNAME", "HOME", "SHELL", "LC_ALL", "LANGUAGE"}

PIECES = [b"A", b"B", b"_x", b"K9", b"=", b"=", b"=", b" ", b"\t", b"\n", b"\n", b"\n", b"\r\n", b"\r", b"'", b'"', b'"', b"\\",
          b"\\\n", b"\\n", b"\\\\", b'\\"', b"\\'", b"\\$", b"\\`", b"$", b"${A}", b"`id`", b"#", b"# note", b";", b"; note",
          b"# note \\", b"export ", b"1A", b"A-B", b"value", b"two words", b"a'b", b"\xc3\xa4", b"\xe2\x82\xac", b"\xff", b"\0",
          b"\x01", b"\x7f", b"\xef\xbb\xbf", b"\f", b"\v", b"%i", b"%%", b"~", b"*", b"\\x41", b"\\101", b"\xed\xa0\x80"]
RARE = {b"\xff", b"\0", b"\x01", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x7f"}


def value(rng: random.Random) -> bytes:
    return b"".join(piece(rng) for _ in range(rng.randrange(5)))


def piece(rng: random.Random) -> bytes:
    while True:
        chosen = rng.choice(PIECES)
        if chosen not in RARE or rng.random() < 0.04:
            return chosen


def line(rng: random.Random) -> bytes:
    kind = rng.random()
    name = rng.choice([b"A", b"B", b"LONG_NAME_1", b"_u", b"export C", b"1D", b"E-F", b"", b" G", b"H "])
    if kind < 0.35:
        return name + b"=" + value(rng)
    if kind < 0.5:
        quote = rng.choice([b"'", b'"'])
        return name + b"=" + quote + value(rng) + quote
    if kind < 0.6:
        return rng.choice([b"#", b";", b" # "]) + value(rng)
    return b"".join(piece(rng) for _ in range(rng.randrange(9)))


def generated(number: int) -> bytes:
    rng = random.Random(SEED * 1000003 + number)
    return b"".join(line(rng) + rng.choice([b"\n", b"\n", b"\n", b"\r\n", b""]) for _ in range(rng.randrange(1, 6)))


class EnvironmentFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for name in ("in", "out"):
            (FOLDER / name).mkdir(parents=True, exist_ok=True)
        pathlib.Path("/run/systemd/system/env@.service").write_text(UNIT)
        subprocess.run(["systemctl", "daemon-reload"], check=True)

    def systemds(self, numbers: list[int]) -> dict[int, dict | None]:
        subprocess.run(["systemctl", "start", *(f"env@{n}" for n in numbers)], stderr=subprocess.DEVNULL, check=False)
        out = {}
        for n in numbers:
            shown = FOLDER / "out" / str(n)
            # A file that is refused fails the unit before it runs anything.
            pairs = dict(p.split(b"=", 1) for p in shown.read_bytes().split(b"\0") if p) if shown.exists() else None
            if pairs is not None and b"INVOCATION_ID" not in pairs:
                pairs = None
            out[n] = None if pairs is None else {k.decode(): v.hex() for k, v in pairs.items() if k.decode() not in OWN}
        subprocess.run(["systemctl", "reset-failed"], check=False)
        return out

    def test_every_generated_file_is_read_as_systemd_reads_it(self):
        differing, refused, variables = [], 0, 0
        for first in range(0, FILES, BATCH):
            numbers = list(range(first, min(first + BATCH, FILES)))
            for n in numbers:
                (FOLDER / "in" / str(n)).write_bytes(generated(n))
            lines = subprocess.run([PROBE, *(FOLDER / "in" / str(n) for n in numbers)], capture_output=True, check=True
                                   ).stdout.decode().splitlines()
            ours = {n: json.loads(text) for n, text in zip(numbers, lines)}
            for n, theirs in self.systemds(numbers).items():
                refused += theirs is None
                variables += len(theirs or {})
                if ours[n] != theirs:
                    differing.append((generated(n), ours[n], theirs))
        print(f"{FILES} files: {variables} variables, {refused} files refused, {len(differing)} read differently")
        for text, mine, theirs in differing[:20]:
            print(f"{text!r}\n  ours    {mine}\n  systemd {theirs}")
        self.assertEqual(len(differing), 0)
        # The generator must not have made nonsense alone.
        self.assertGreater(variables, FILES // 2)
        self.assertLess(refused, FILES // 2)


if __name__ == "__main__":
    unittest.main()
