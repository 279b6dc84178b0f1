# SPDX-License-Identifier: MIT
"""Sessions that a page shows, and whether a program said the same: equal but for ids, times, sizes and other numbers."""
import re


def sessions(lines, prompt):
    """[(command, [output…])…] of a block whose commands have a prompt; a backslash continues one."""
    found, continued = [], False
    for line in lines:
        if continued:
            found[-1][0] += " " + line.strip().removesuffix("\\").strip()
        elif line.startswith(prompt):
            found.append([line.removeprefix(prompt).strip().removesuffix("\\").strip(), []])
        elif found:
            found[-1][1].append(line)
            continue
        continued = bool(found) and line.endswith("\\")
    return [(command, [o for o in output if o.strip()]) for command, output in found]


def shape(line):
    """What is the same on every machine: ids, times, sizes and other numbers become words."""
    for pattern, word in ((r"\d{8}T\d{6}Z-[0-9a-f]{4}", "ID"), (r"teslamate_before_\w+", "KEPT"), (r"teslamate_staging_[0-9a-f]+", "STAGING"),
                          (r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?Z?)?", "TIME"), (r"\(Debian [^)]*\)", "(BUILD)"),
                          (r"\d+ days?,? \d\d:\d\d|\d+ (second|minute|hour|day)s?", "AGE"),
                          (r"\d+([ .,]\d+)* (B|kB|MB|GB)\b", "SIZE"), (r"\d+([ .,]\d+)*", "N"), (r"\s+", " ")):
        line = re.sub(pattern, word, line)
    return line.strip()


def missing_lines(wanted, said):
    """The lines of `wanted` that did not come in this order. `...` stands for any number of lines, and a line that a
    page has no room for may go on in the next one."""
    lines, missing = [shape(line) for line in said.splitlines()], []
    at, n = 0, 0
    while n < len(wanted):
        length = next((k for k in (1, 2, 3) if shape(" ".join(wanted[n:n + k])) in lines[at:]), 0)
        if length:
            at = lines.index(shape(" ".join(wanted[n:n + length])), at) + 1
        elif wanted[n].strip() != "...":
            missing.append(f"{wanted[n]!r} as {shape(wanted[n])!r}")
        n += max(1, length)
    return missing
