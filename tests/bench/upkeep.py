# SPDX-License-Identifier: MIT
"""How long the maintenance programs take on a database of N positions: each command in turn, all of them ROUNDS times, the
median of each beside its target. A measurement, not a test; run it on a machine that does nothing else.

    PYTHONPATH=tests/integration TM_BIN_DIR=$PWD/build/release/bin python3 tests/bench/upkeep.py [--positions N] [--rounds R] [--check]

Closing goes through a stand-in for TeslaMate's release that does one UPDATE; its own time is taken off.
With --check it ends with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from bench import MIB, measure, say
from harness import Cluster, Workspace, tool_path

DB = "teslamate"
QUICK, WHOLE = 0.3, 5.0  # seconds
STAND_IN = """#!/bin/sh
began=$(date +%s.%N)
id=$(printf %s "$2" | sed 's/.*, \\([0-9]*\\)).*/\\1/')
{psql} -Xqc "UPDATE drives SET end_date = start_date + interval '1 hour' WHERE id = $id" || exit 1
echo "$began $(date +%s.%N)" > {seconds}
"""


class Upkeep:
    def __init__(self, pg: Cluster, ws: Workspace, rounds: int):
        self.pg, self.ws, self.rounds = pg, ws, rounds
        self.seconds: dict[str, list[float]] = {}
        self.peak: dict[str, int] = {}
        self.stand_in = ws.folder / "teslamate"
        self.rpc_seconds = ws.folder / "seconds"
        psql = " ".join([str(pg.bindir / "psql"), *pg.connection_flags(DB)])
        self.stand_in.write_text(STAND_IN.format(psql=psql, seconds=self.rpc_seconds), encoding="utf-8")
        self.stand_in.chmod(0o755)
        ws.config.write_text(f'[maintenance]\nrpc_command = ["{self.stand_in}", "rpc"]\n', encoding="utf-8")

    def run(self, label: str, program: str, *args: str, codes: tuple[int, ...] = (0,)) -> None:
        flags = self.pg.connection_flags(DB)
        if program != "teslamate-check":
            flags += ["--state-dir", str(self.ws.state), "--yes"]
        self.rpc_seconds.unlink(missing_ok=True)
        run = measure([tool_path(program), *flags, "--quiet", *args], self.ws.environment(), codes=codes)
        seconds = run.seconds
        if self.rpc_seconds.exists():
            began, ended = map(float, self.rpc_seconds.read_text().split())
            seconds -= ended - began
        self.seconds.setdefault(label, []).append(seconds)
        self.peak[label] = max(self.peak.get(label, 0), run.peak_bytes)

    def undo(self, label: str) -> None:
        self.run(label, "teslamate-undo", "last")

    def round(self) -> None:
        self.run("check", "teslamate-check", codes=(0, 3))
        self.run("close-drive --list", "teslamate-close-drive", "--list")
        self.run("close-drive", "teslamate-close-drive", self.open_drive)
        self.undo("undo of close-drive")
        for track in ("keep", "delete"):
            self.run(f"delete-drive, track {track}, dry run", "teslamate-delete-drive", "--dry-run", "--positions", track, self.drive)
            self.run(f"delete-drive, track {track}", "teslamate-delete-drive", "--positions", track, self.drive)
            self.undo(f"undo of delete-drive, track {track}")
        self.run("delete-charge", "teslamate-delete-charge", self.charge)
        self.undo("undo of delete-charge")
        self.run("delete-drive --orphaned-positions, none", "teslamate-delete-drive", "--orphaned-positions")
        self.run("undo --list", "teslamate-undo", "--list")

    def measure(self) -> bool:
        self.pg.sql(DB, "VACUUM ANALYZE")
        closed = "(SELECT id FROM drives WHERE end_date IS NOT NULL)"
        self.drive = self.pg.scalar(DB, f"SELECT drive_id FROM positions WHERE drive_id IN {closed} GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
        self.open_drive = self.pg.scalar(DB, "SELECT min(id) FROM drives WHERE end_date IS NULL")
        self.charge = self.pg.scalar(DB, "SELECT charging_process_id FROM charges GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
        for number in range(self.rounds):
            say(f"round {number + 1} of {self.rounds}")
            self.round()
        met = True
        print(f"{'command':45} {'median':>8} {'most':>8} {'peak':>9}  target")
        for label, seconds in self.seconds.items():
            target = WHOLE if label == "check" else QUICK
            median = statistics.median(seconds)
            met = met and median <= target
            print(f"{label:45} {median:6.3f} s {max(seconds):6.3f} s {self.peak[label] / MIB:5.1f} MiB  <= {target} s"
                  f"{'' if median <= target else '  MISSED'}")
        return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positions", type=int, default=3000000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    with Cluster(fsync=True, settings={"shared_buffers": "256MB", "autovacuum": "on"}) as pg, Workspace(pg) as ws:
        say(f"loading {options.positions} positions")
        pg.load_sample(DB, options.positions, timeout=3600)
        met = Upkeep(pg, ws, options.rounds).measure()
    return 1 if options.check and not met else 0


if __name__ == "__main__":
    sys.exit(main())
