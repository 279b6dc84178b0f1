#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns a snapshot into plain SQL without teslamate-backup: the standard library, `zstd` and `pg_restore`.

    recover.py REPOSITORY [SNAPSHOT] | psql -X -v ON_ERROR_STOP=1 -d an_empty_database

Written from the description of the format alone; the tests restore with it, so that a repository can always
be read by somebody who has nothing but this file, columns.py and the description.
"""
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import columns


def run(argv, data=b""):
    return subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=True).stdout


def open_sealed(path):
    """JSON whose last member is the SHA-256 of all bytes before that member's line."""
    raw = path.read_bytes()
    body, found, tail = raw.rpartition(b'  "sha256": "')
    if not found or tail != hashlib.sha256(body).hexdigest().encode() + b'"\n}\n':
        sys.exit(f"{path}: damaged")
    return json.loads(raw)


def read_object(repository, ref):
    path = repository / "objects" / ref[0][:2] / ref[0]
    raw = path.read_bytes()
    header, payload = raw[:64], raw[64:]
    if header[:4] != b"TMO1" or hashlib.sha256(header[:32] + payload).digest() != header[32:64]:
        sys.exit(f"{path}: damaged")
    plain = run(["zstd", "-dcq"], payload)
    if header[5] == 1:
        plain = columns.decode(plain, int.from_bytes(header[8:16], "little"))
    if hashlib.sha256(plain).hexdigest() != ref[0] or len(plain) != ref[1]:
        sys.exit(f"{path}: holds other content than its name says")
    return plain


def name_bytes(value):
    """Names are text, or {"hex": …} where their bytes are not UTF-8."""
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value.encode()


def quote(value):
    return b'"' + name_bytes(value).replace(b'"', b'""') + b'"'


def literal(value):
    return b"'" + value.replace(b"'", b"''") + b"'"


def section(archive, which):
    with tempfile.NamedTemporaryFile() as file:
        file.write(archive)
        file.flush()
        sql = run(["pg_restore", "-f", "-", "--section=" + which, file.name])
    return re.sub(rb"(?m)^\\(un)?restrict .*$", b"", sql)


def main(repository, snapshot="latest"):
    repository, out = pathlib.Path(repository), sys.stdout.buffer
    open_sealed(repository / "format.json")
    manifests = sorted((repository / "snapshots").glob("[0-9]*.json"))
    path = manifests[-1] if snapshot == "latest" else repository / "snapshots" / (snapshot + ".json")
    manifest = open_sealed(path)
    schema = read_object(repository, (manifest["schema"]["id"], manifest["schema"]["bytes"]))
    out.write(section(schema, "pre-data"))
    for table in manifest["tables"]:
        target = quote(table["schema"]) + b"." + quote(table["name"])
        names = b", ".join(map(quote, table["columns"]))
        out.write(b"COPY " + target + (b" (" + names + b")" if names else b"") + b" FROM stdin;\n")
        for _first, _end, _rows, *objects in table["chunks"]:
            for ref in zip(objects[::2], objects[1::2]):
                out.write(read_object(repository, ref))
        out.write(b"\\.\n\n")
    for s in manifest["sequences"]:
        target = literal(quote(s["schema"]) + b"." + quote(s["name"]))
        state = s["last_value"].encode() + (b", true" if s["is_called"] else b", false")
        out.write(b"SELECT pg_catalog.setval(" + target + b", " + state + b");\n")
    out.write(section(schema, "post-data"))
    for view in manifest["materialized_views"]:
        out.write(b"REFRESH MATERIALIZED VIEW " + name_bytes(view) + b";\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
