#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What psql and pg_restore do with the bad and hostile files of tests/integration/foreign_corpus_test.py, each
run into a database of its own as TeslaMate documents a restore: the old tables dropped, then the file loaded.
Prints one line for each file and the sums. TM_BIN_DIR as for the tests."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from foreign_corpus_test import LIVE, corpus  # noqa: E402
from harness import Cluster  # noqa: E402


# The first file of each class, in the order of the corpus.
CLASSES = {"empty": "nothing, or something else", "cut in the rows": "cut off, damaged, joined", "newer server": "of another time",
           "psql: shell": "commands for psql", "copy to a program": "SQL that reaches out", "a trigger of its own": "code of its own",
           "a statement of many words": "huge statements", "tar: a name that leads out": "hostile containers",
           "tracearr: three entries": "Tracearr zips"}


def table(rows: dict[str, list[int]]) -> str:
    """The classes as they stand in teslamate-restore(8)."""
    lines = [".Bl -column \"nothing, or something else\" \"files\" \"exit 0\" \"program run\" \"old data gone\"",
             ".It Sy class Ta Sy files Ta Sy \"exit 0\" Ta Sy \"program run\" Ta Sy \"old data gone\""]
    lines += [f".It {name} Ta {files} Ta {good} Ta {ran} Ta {gone}" for name, (files, good, ran, gone) in rows.items()]
    return "\n".join([*lines, ".El"])


def main() -> int:
    rows: dict[str, list[int]] = {}
    here = ""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tmb-compare-"))
    folder.chmod(0o777)
    canary = folder / "canary"
    sums = {"files": 0, "said success": 0, "old data gone": 0, "program run": 0, "server or roles changed": 0}
    with Cluster() as pg:
        pg.load_sample(LIVE, positions=1000)
        dumps = [pg.client("pg_dump", *args, database=LIVE).stdout for args in ([], ["-Fc"], ["-Ft"])]
        roles = pg.sql("postgres", "SELECT rolname, rolpassword FROM pg_authid ORDER BY 1")
        settings = (pg.data / "postgresql.auto.conf").read_text()
        for number, (name, (data, code, _)) in enumerate(corpus(*dumps, canary).items()):
            path = folder / f"{number}.bck"
            path.write_bytes(data)
            path.chmod(0o644)
            pg.drop_db("victim")
            pg.create_db("victim")
            pg.sql("victim", "CREATE TABLE public.mine (x int)", "INSERT INTO public.mine VALUES (42)")
            # The documented way, and that of the script in TeslaMate's NixOS module.
            pg.sql("victim", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
            archive = data.startswith(b"PGDMP") or data.startswith(b"toc.dat")
            program = "pg_restore" if archive else "psql"
            args = ["-d", "victim", str(path)] if archive else ["-Xq", "-f", str(path)]
            try:
                code_there = pg.client(program, *args, database=None if archive else "victim", check=False, timeout=60).returncode
            except subprocess.TimeoutExpired:
                code_there = "none: it ran on for ever"
            ran = canary.exists()
            canary.unlink(missing_ok=True)
            changed = (pg.sql("postgres", "SELECT rolname, rolpassword FROM pg_authid ORDER BY 1") != roles
                       or (pg.data / "postgresql.auto.conf").read_text() != settings)
            if changed:
                pg.sql("postgres", "ALTER SYSTEM RESET ALL", "DROP ROLE IF EXISTS mallory", "ALTER ROLE postgres PASSWORD NULL")
                settings = (pg.data / "postgresql.auto.conf").read_text()
            here = CLASSES.get(name, here)
            count = rows.setdefault(here, [0, 0, 0, 0])
            for i, yes in enumerate((True, code_there == 0, ran or changed, True)):
                count[i] += yes
            sums["files"] += 1
            sums["said success"] += code_there == 0
            sums["old data gone"] += 1
            sums["program run"] += ran
            sums["server or roles changed"] += changed
            extra = ", PROGRAM RUN" if ran else ", SERVER CHANGED" if changed else ""
            print(f"{name:40} {program:10} exit {code_there}, old data gone{extra:16} teslamate-restore exit {code}, old data live", flush=True)
            path.unlink()
    print(table(rows))
    print(", ".join(f"{key}: {value}" for key, value in sums.items()))
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
