#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The main job on real input: a throw-away PostgreSQL, the sample database, two snapshots, a disaster, a
restore, a rollback, a verify. Everything printed behind a `$` really runs; nothing is left behind.

    demo.py [POSITIONS]      default 300000, the sample of a car of about a year
"""
from __future__ import annotations

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import Cluster, Workspace, bin_dir, database_digest, diff_digests  # noqa: E402

BOLD, DIM, PLAIN = ("\x1b[1m", "\x1b[2m", "\x1b[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "", "")


class Demo:
    def __init__(self, cluster: Cluster, workspace: Workspace):
        self.cluster = cluster
        self.environment = workspace.environment({
            "PATH": f"{bin_dir()}:{cluster.bindir}:/usr/bin:/bin",
            # TeslaMate's own names for where its database is; the programs read the same ones.
            "DATABASE_SOCKET_DIR": str(cluster.socket),
            "DATABASE_PORT": str(cluster.port),
            "DATABASE_USER": cluster.superuser,
            "DATABASE_NAME": "teslamate",
        } | {name: os.environ[name] for name in ("TERM", "NO_COLOR") if name in os.environ})

    def say(self, text: str) -> None:
        print(f"\n{BOLD}{text}{PLAIN}", flush=True)

    def run(self, *argv: str) -> None:
        """Runs what it prints; a failure ends the demo."""
        print(f"$ {' '.join(argv)}", flush=True)
        if subprocess.run(argv, env=self.environment, check=False).returncode != 0:
            sys.exit(f"demo: '{' '.join(argv)}' failed")

    def sql(self, statement: str) -> None:
        print(f"$ psql -c '{statement}'", flush=True)
        self.cluster.script("teslamate", statement)


def play(demo: Demo, cluster: Cluster, positions: int) -> None:
    demo.say(f"A sample TeslaMate database: two cars, {positions} positions")
    cluster.load_sample("teslamate", positions)

    demo.say("The first snapshot reads everything")
    demo.run("teslamate-backup")

    demo.say("A day later: a drive, a charge, a few updates. The second snapshot reads the changed page ranges alone")
    cluster.next_day("teslamate", 1)
    demo.run("teslamate-backup", "--tag", "after-a-day")
    demo.run("teslamate-snapshots", "list")
    before = database_digest(cluster, "teslamate")

    demo.say("Disaster")
    demo.sql("DROP SCHEMA public CASCADE")

    demo.say("The restore: verified, staged beside the live database, checked, swapped by renaming")
    demo.run("teslamate-restore", "latest", "--no-service", "--yes")
    differences = diff_digests(before, database_digest(cluster, "teslamate"))
    if differences:
        sys.exit("demo: the restored database differs:\n" + "\n".join(differences))
    print(f"{DIM}every table, sequence, index, constraint, function and grant is as it was (compared by hashes){PLAIN}")

    demo.say("Changed your mind? The database that was replaced is still there")
    demo.run("teslamate-restore", "--rollback", "--no-service", "--yes")
    demo.run("teslamate-restore", "--rollback", "--no-service", "--yes")
    if diff_digests(before, database_digest(cluster, "teslamate")):
        sys.exit("demo: the database after the second rollback differs")

    demo.say("Every byte of the repository, read and checked")
    demo.run("teslamate-verify", "--read-data")


def main() -> None:
    positions = int(sys.argv[1]) if len(sys.argv) > 1 else 300000
    with Cluster(fsync=True) as cluster, Workspace(cluster) as workspace:
        play(Demo(cluster, workspace), cluster, positions)
    print("\ndone; the server, the databases and the repository of this demo are gone again")


if __name__ == "__main__":
    main()
