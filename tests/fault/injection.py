# SPDX-License-Identifier: MIT
"""At which of its system calls a program changes a folder, from a trace of strace: the points at which a later run is
killed or given an error. strace counts calls for each thread by itself."""
from __future__ import annotations

import pathlib
import re

CHANGING = ("openat", "write", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "unlink",
            "unlinkat", "mkdir", "mkdirat", "fchmod", "fchmodat")
CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")


def names(calls: tuple[str, ...]) -> str:
    """For strace's --trace: not every kernel has all of them."""
    return ",".join("?" + name for name in calls)


def calls(trace: str) -> list[tuple[str, str, str]]:
    """Thread, name and arguments of each."""
    return [match.groups() for match in map(CALL.match, trace.splitlines()) if match]


def points(trace: str, folder: pathlib.Path, *, everything: bool = False) -> dict[str, list[int]]:
    """For each call: at which of a thread's calls of this name the folder is changed."""
    counts: dict = {}
    found: dict = {}
    for thread, name, arguments in calls(trace):
        counts[thread, name] = counts.get((thread, name), 0) + 1
        touches = str(folder) in arguments and (name != "openat" or "O_CREAT" in arguments)
        if name == "close":  # it can only lose something where something was written
            touches = touches and "/.tmp-" in arguments
        if everything or touches:
            found.setdefault(name, set()).add(counts[thread, name])
    return {name: sorted(numbers) for name, numbers in found.items()}


def sample(numbers: list[int], most: int) -> list[int]:
    """The first, the last and others between, at most `most`."""
    if len(numbers) <= most or most == 1:
        return numbers[:most]
    return sorted({numbers[round(i * (len(numbers) - 1) / (most - 1))] for i in range(most)})
