#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns a snapshot into plain SQL without teslamate-backup: the standard library, `zstd` and `pg_restore`, and for an
encrypted repository libcrypto.

    recover.py REPOSITORY [SNAPSHOT] | psql -X -v ON_ERROR_STOP=1 -d an_empty_database
    recover.py REPOSITORY SNAPSHOT --files DIR

Asks for the key of an encrypted repository; $RECOVER_KEY_FILE names a file with it instead. Written from the
description of the format alone; the tests restore with it, so that a repository can always be read by somebody who
has nothing but this folder and the description.
"""
import getpass
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import columns
import sealed


def run(argv, data=b""):
    return subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=True).stdout


def open_manifest(path, keys):
    raw = path.read_bytes()
    if raw[:4] != b"TMO1":
        return sealed.sealed_json(path)
    plain = open_object(raw, path, 4, path.stem, keys)
    body = plain.rpartition(b'  "sha256": "')[0]
    if not plain.endswith(b'"' + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'):
        sys.exit(f"{path}: damaged")
    return json.loads(plain)


def open_object(raw, path, kind, name, keys):
    if raw[:5] != b"TMO1" + bytes([kind]) or hashlib.sha256(raw[:32] + raw[64:]).digest() != raw[32:64]:
        sys.exit(f"{path}: damaged")
    plain = run(["zstd", "-dcq"], keys.payload(raw, name))
    return columns.decode(plain, int.from_bytes(raw[8:16], "little")) if raw[5] == 1 else plain


def read_object(repository, kind, ref, keys):
    path = repository / "objects" / ref[0][:2] / ref[0]
    raw = path.read_bytes()
    plain = open_object(raw, path, kind, ref[0], keys)
    name = keys.id_of(kind, plain) if raw[6] else hashlib.sha256(plain).hexdigest()
    if name != ref[0] or len(plain) != ref[1]:
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
        sql = run(["pg_restore", "-f", "-", *(["--section=" + which] if which else []), file.name])
    return re.sub(rb"(?m)^\\(un)?restrict .*$", b"", sql)


def ask(prompt):
    path = os.environ.get("RECOVER_KEY_FILE")
    return pathlib.Path(path).read_text(errors="surrogateescape").removesuffix("\n") if path else getpass.getpass(prompt)


def write_files(manifest, folder, read):
    for f in manifest.get("files", []):
        target = folder / name_bytes(f["path"]).decode(errors="surrogateescape").lstrip("/")
        assert ".." not in target.parts
        if f["kind"] == "folder":
            target.mkdir(parents=True, exist_ok=True)
        elif f["kind"] == "file":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"".join(read(3, ref) for ref in zip(f["objects"][::2], f["objects"][1::2])))
            target.chmod(f["mode"] & 0o777)


def main(repository, snapshot="latest", option=None, folder=None):
    repository, out = pathlib.Path(repository), sys.stdout.buffer
    keys = sealed.Keys(repository, ask)
    manifests = sorted((repository / "snapshots").glob("[0-9]*.json"))
    path = manifests[-1] if snapshot == "latest" else repository / "snapshots" / (snapshot + ".json")
    manifest = open_manifest(path, keys)

    def read(kind, ref):
        return read_object(repository, kind, ref, keys)

    if option == "--files":
        return write_files(manifest, pathlib.Path(folder), read)
    if "dump" in manifest:
        return out.write(section(b"".join(read(2, (ref["id"], ref["bytes"])) for ref in manifest["dump"]), None))
    schema = read(2, (manifest["schema"]["id"], manifest["schema"]["bytes"]))
    out.write(section(schema, "pre-data"))
    for table in manifest["tables"]:
        target = quote(table["schema"]) + b"." + quote(table["name"])
        names = b", ".join(map(quote, table["columns"]))
        out.write(b"COPY " + target + (b" (" + names + b")" if names else b"") + b" FROM stdin;\n")
        for _first, _end, _rows, *objects in table["chunks"]:
            for ref in zip(objects[::2], objects[1::2]):
                out.write(read(1, ref))
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
