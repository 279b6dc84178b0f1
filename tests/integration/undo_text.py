# SPDX-License-Identifier: MIT
"""An undo file that is not sealed, read and made with a person's means: the zstd command."""

from __future__ import annotations

import hashlib
import json
import pathlib
import subprocess

FIRST_LINE = b"teslamate-backup undo 1 plain\n"


def unpacked(path: pathlib.Path) -> bytes:
    """As a person would read it: without its first line, by zstd."""
    data = path.read_bytes()
    return subprocess.run(["zstd", "-dcq"], input=data[len(FIRST_LINE):], capture_output=True).stdout


def packed(text: bytes) -> bytes:
    return FIRST_LINE + subprocess.run(["zstd", "-cq"], input=text, capture_output=True, check=True).stdout


def with_header(header: dict, text: bytes) -> bytes:
    """The same rows under another first line, with a hash that fits."""
    lines = text.splitlines(keepends=True)
    body = json.dumps(header).encode() + b"\n" + b"".join(lines[1:-1])
    end = json.loads(lines[-1]) | {"sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(end).encode() + b"\n"
