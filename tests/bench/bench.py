# SPDX-License-Identifier: MIT
"""./dev bench: every figure that this project promises, beside pg_dump, pg_restore and psql on the same
data, the same server and the same settings, in alternating runs of one session. A measurement, not a
test: it ends with 0 when everything was measured, with --check only when every target was judged and met.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field

from harness import Cluster, HarnessError, Workspace, tool_path
from prune_test import days_before, forge

MIB = 1 << 20
TOOLS = ("teslamate-backup", "teslamate-keys", "teslamate-restore", "teslamate-verify", "teslamate-drill",
         "teslamate-snapshots", "teslamate-status", "sample-database")


@dataclass
class Run:
    """One program, once."""
    seconds: float
    cpu_seconds: float  # of the program and its children, not of the server
    peak_bytes: int     # largest resident memory of the program itself
    out: str = field(default="", repr=False)
    server_cpu_seconds: float = 0.0  # that the server used meanwhile, where it was looked at


@dataclass
class Row:
    """One line of the table. value and limit are in `unit`, ratios where there is a peer."""
    figure: str
    peer: str
    peer_value: float | None
    ours: float
    unit: str
    ratio: float | None
    target: str
    met: bool | None  # None: told, not judged


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def peak_of(pid: int, before: int) -> int:
    # VmHWM, not ru_maxrss: the latter counts what the process was before exec, a Python of 30 MB.
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return max(before, int(line.split()[1]) * 1024)
    except OSError:
        pass
    return before


def measure(argv: list, env: dict[str, str], stdin: pathlib.Path | None = None, codes: tuple[int, ...] = (0,)) -> Run:
    with open(stdin or os.devnull, "rb") as source, open(os.devnull, "wb") as null:
        began = time.monotonic()
        process = subprocess.Popen([str(a) for a in argv], stdin=source, stderr=subprocess.PIPE, env=env, cwd="/",
                                   stdout=subprocess.PIPE if "--json" in argv else null)
        peak, used, status = 0, None, 0
        while used is None:
            peak = peak_of(process.pid, peak)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                used = usage
            else:
                time.sleep(0.005)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        errors = process.stderr.read().decode("utf-8", "replace")
        out = process.stdout.read().decode("utf-8", "replace") if process.stdout else ""
        process.stderr.close()
        if process.stdout:
            process.stdout.close()
    if process.returncode not in codes:
        raise HarnessError(f"{argv[0]} ended with {process.returncode}:\n{out[-1000:]}{errors[-3000:]}")
    return Run(seconds, used.ru_utime + used.ru_stime, peak, out)


def tree_size(path: pathlib.Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def median(runs: list[Run]) -> float:
    return statistics.median(r.seconds for r in runs)


def memory_of_machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class Bench:
    def __init__(self, arguments: argparse.Namespace, cluster: Cluster, folder: pathlib.Path):
        self.arguments = arguments
        self.pg = cluster
        self.folder = folder
        self.jobs = arguments.jobs
        self.rows: list[Row] = []
        self.runs: dict[str, list[Run]] = {}
        self.sizes: dict[str, int] = {}
        self.notes: list[str] = []
        self._spaces: list[Workspace] = []
        # zstd came with pg_dump 16; where it is not there the row says what stood in for it.
        probe = self.pg.client("pg_dump", "-Fc", "-Z", "zstd:3", "--schema-only", "--no-sync", "-f", os.devnull,
                               database="postgres", check=False)
        self.real_peer = probe.returncode == 0
        self.directory_level = "zstd:3" if self.real_peer else "3"
        if not self.real_peer:
            self.notes.append(f"not the peer of the target: pg_dump {self.pg.version} has no zstd, so gzip level "
                              "3 stands in for `-Z zstd:3` and is slower: rows with it are not judged; measure "
                              "with PostgreSQL 16 or newer (TM_PG_BINDIR)")

    # -- the commands

    def workspace(self) -> Workspace:
        space = Workspace(self.pg)
        self._spaces.append(space)
        return space

    def close(self) -> None:
        for space in self._spaces:
            space.close()

    def settle(self) -> None:
        """The same start for everybody: nothing of the one before is still being written."""
        self.pg.sql("postgres", "CHECKPOINT")
        os.sync()

    def note(self, name: str, run: Run) -> Run:
        self.runs.setdefault(name, []).append(run)
        say(f"  {name:<34} {run.seconds:8.2f} s   cpu {run.cpu_seconds:6.2f} s   "
            f"peak {run.peak_bytes / MIB:6.1f} MiB")
        return run

    def backup(self, name: str, space: Workspace, database: str, *options) -> Run:
        self.settle()
        return self.note(name, measure(
            [tool_path("teslamate-backup"), *space.target(database), "--jobs", str(self.jobs), *options],
            space.environment()))

    def pg_dump(self, name: str, database: str, target: pathlib.Path, *options: str) -> Run:
        shutil.rmtree(target, ignore_errors=True)
        target.unlink(missing_ok=True)
        self.settle()
        run = measure([self.pg.bindir / "pg_dump", *self.pg.connection_flags(database), *options, "-f", target],
                      self.pg._environment())
        return self.note(name, run)

    def dump_directory(self, name: str, database: str, target: pathlib.Path) -> Run:
        return self.pg_dump(name, database, target, "-Fd", f"-j{self.jobs}", "-Z", self.directory_level)

    def restore(self, name: str, space: Workspace, database: str) -> Run:
        self.settle()
        run = measure([tool_path("teslamate-restore"), "latest", *space.target(database), "--no-service", "--yes",
                       "--as-database", "bench_restored", "--jobs", str(self.jobs)], space.environment())
        self.compare_and_drop(database, "bench_restored")
        return self.note(name, run)

    def peer_restore(self, name: str, database: str, argv: list, stdin: pathlib.Path | None = None) -> Run:
        self.pg.create_db("bench_restored", "TEMPLATE template0")
        self.settle()
        run = measure(argv, self.pg._environment(), stdin)
        self.compare_and_drop(database, "bench_restored")
        return self.note(name, run)

    def compare_and_drop(self, original: str, restored: str) -> None:
        # A quick restore of half the rows would be no feat.
        for table in ("positions", "charges", "drives"):
            counts = [self.pg.scalar(d, f"SELECT count(*) FROM {table}") for d in (original, restored)]
            if counts[0] != counts[1]:
                raise HarnessError(f"{table}: {counts[1]} of {counts[0]} rows came back")
        self.pg.drop_db(restored)

    def add(self, figure: str, peer: str, peer_value: float | None, ours: float, unit: str, limit: float,
            text: str, *, at_least: bool = False, judged_here: bool = True) -> None:
        """limit is of the ratio where there is a peer, else of our own figure. judged_here is false where
        the peer is not the one that the target names: the figures are told, the target is not judged."""
        ratio = ours / peer_value if peer_value else None
        judged = ours if ratio is None else ratio
        self.rows.append(Row(figure, peer, peer_value, ours, unit, ratio, text,
                             (judged >= limit if at_least else judged <= limit) if judged_here else None))

    # -- the chapters

    def prepare(self, database: str, positions: int) -> None:
        say(f"making {database}: {positions} positions")
        self.pg.load_sample(database, positions, timeout=3600)
        self.pg.sql(database, "VACUUM ANALYZE")
        self.sizes[f"{database} database"] = int(
            self.pg.scalar("postgres", f"SELECT pg_database_size('{database}')"))

    def full(self) -> Workspace:
        say("full backup")
        directory, custom = self.folder / "dump.dir", self.folder / "dump.custom"
        space = self.workspace()
        for number in range(self.arguments.runs):
            if number:
                space.close()
                space = self.workspace()
            self.backup("full: ours", space, "bench")
            self.dump_directory("full: pg_dump -Fd", "bench", directory)
            self.pg_dump("full: pg_dump -Fc", "bench", custom, "-Fc")
        self.sizes |= {"full: ours": tree_size(space.repository), "full: pg_dump -Fd": tree_size(directory),
                       "full: pg_dump -Fc": tree_size(custom)}
        ours, peer, default = (median(self.runs[f"full: {n}"]) for n in ("ours", "pg_dump -Fd", "pg_dump -Fc"))
        level = self.directory_level
        self.add("full backup", f"pg_dump -Fd -j{self.jobs} -Z {level}", peer, ours, "s", 0.85, "<= 0.85 x",
                 judged_here=self.real_peer)
        self.add("full backup", "pg_dump -Fc", default, ours, "s", 0.25, "<= 0.25 x")
        for name in ("pg_dump -Fd", "pg_dump -Fc"):
            self.add("size", f"{name} -Z {level}" if name.endswith("d") else name,
                     self.sizes[f"full: {name}"] / 1e6, self.sizes["full: ours"] / 1e6, "MB", 0.45, "<= 0.45 x",
                     judged_here=self.real_peer or name == "pg_dump -Fc")
        return space

    def encryption(self) -> None:
        say("encryption: the same full backup, in an encrypted repository with a generated key")
        for _ in range(self.arguments.runs + 2):  # a difference of some percent wants more runs than a ratio of three
            plain, sealed = self.workspace(), self.workspace()
            key = sealed.folder / "key"
            shutil.rmtree(sealed.repository)
            measure([tool_path("teslamate-keys"), "init", "-r", sealed.repository, "--new-key-file", key],
                    sealed.environment())
            self.backup("encryption: plain", plain, "bench")
            self.backup("encryption: encrypted", sealed, "bench", "--key-file", key)
            plain.close()
            sealed.close()
        self.add("encryption, full backup wall", "ours, plain", median(self.runs["encryption: plain"]),
                 median(self.runs["encryption: encrypted"]), "s", 1.10, "<= 1.10 x")

    def nightly(self, space: Workspace) -> None:
        say("nightly backup after 0.1 % new rows")
        for day in range(1, self.arguments.runs + 1):
            self.pg.next_day("bench", day, max(10, self.arguments.rows // 1000))
            self.backup("nightly: ours", space, "bench")
            self.dump_directory("nightly: pg_dump -Fd", "bench", self.folder / "dump.dir")
        large = self.arguments.rows >= 20_000_000
        self.add("nightly backup", f"pg_dump -Fd -j{self.jobs} -Z {self.directory_level}",
                 median(self.runs["nightly: pg_dump -Fd"]), median(self.runs["nightly: ours"]), "s",
                 1 / 12 if large else 1 / 8, "<= 1/12 x" if large else "<= 1/8 x",
                 judged_here=self.real_peer)

    def restores(self, space: Workspace) -> None:
        say("restore (the peers' CREATE DATABASE is not in their time; "
            "ours verifies, checks and analyzes in its own)")
        plain = self.folder / "dump.sql"
        self.pg.client("pg_dump", "-Fp", "-f", plain, database="bench")
        self.sizes["plain SQL"] = tree_size(plain)
        flags = self.pg.connection_flags("bench_restored")
        for _ in range(self.arguments.runs):
            self.restore("restore: ours", space, "bench")
            self.peer_restore("restore: pg_restore", "bench", [
                self.pg.bindir / "pg_restore", *flags, f"-j{self.jobs}", self.folder / "dump.dir"])
            self.peer_restore("restore: psql", "bench", [
                self.pg.bindir / "psql", *flags, "-Xq", "-v", "ON_ERROR_STOP=1"], plain)
        ours = median(self.runs["restore: ours"])
        self.add("restore", f"pg_restore -j{self.jobs}", median(self.runs["restore: pg_restore"]), ours, "s", 0.70,
                 "<= 0.70 x")
        self.add("restore", "psql <", median(self.runs["restore: psql"]), ours, "s", 0.70, "<= 0.70 x")

    def verify(self, space: Workspace) -> None:
        say("verify every byte")
        for _ in range(self.arguments.runs):
            self.note("verify: ours", measure(
                [tool_path("teslamate-verify"), "-r", space.repository, "--read-data", "--json"],
                space.environment()))
        runs = self.runs["verify: ours"]
        # The newest snapshot's plain bytes; older ones share all but a few chunks with it, and those are
        # read too, so the true figure is a little higher.
        rate = self.sizes["plain SQL"] / 1e9 / statistics.median(r.cpu_seconds for r in runs)
        self.add("verify --read-data, per core", "", None, rate, "GB/s", 0.5, ">= 0.5 GB/s", at_least=True)

    def server_cpu(self) -> float:
        """Processor seconds of the server so far: of its processes, and of those that have ended."""
        ticks = 0
        postmaster = int((self.pg.data / "postmaster.pid").read_text().split()[0])
        for pid in self.pg.server_processes():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(f) for f in fields[11:15 if pid == postmaster else 13])
        return ticks / os.sysconf("SC_CLK_TCK")

    def with_server(self, run) -> Run:
        before = self.server_cpu()
        out = run()
        time.sleep(0.2)  # for its last session to end
        out.server_cpu_seconds = self.server_cpu() - before
        return out

    def drill(self, space: Workspace) -> None:
        say("drill beside the restore that it rehearses")
        for _ in range(self.arguments.runs):
            self.restore("drill: the restore", space, "bench")
            self.settle()
            self.note("drill: ours", measure([tool_path("teslamate-drill"), *space.target("bench"), "--jobs",
                                              str(self.jobs)], space.environment()))
        self.add("drill", "teslamate-restore --as-database", median(self.runs["drill: the restore"]),
                 median(self.runs["drill: ours"]), "s", 1.10, "<= 1.10 x")

    def unattended_day(self, space: Workspace) -> None:
        """What the timers do in a day, in processor time: of the programs, and with what the server does for them."""
        say("a day without anybody: backup, prune, a part of the verification, metrics and report")
        space.config.write_text(f'[status]\nmetrics_file = "{space.folder}/m.prom"\n'
                                f'html_file = "{space.folder}/r.html"\n', encoding="utf-8")
        flags = ["-r", space.repository, "--state-dir", space.state]
        rotation = space.state / "verify-rotation.json"
        for day in range(self.arguments.runs):
            self.pg.next_day("bench", 100 + day, max(10, self.arguments.rows // 1000))
            # The part of one day, as the nights before would have left it, not that of the minutes since the last run.
            rotation.unlink(missing_ok=True)
            parts = []
            for name, args in (("backup", ["--scheduled", *self.pg.connection_flags("bench")]),
                               ("snapshots", ["prune", "--yes"]), ("verify", ["--rotate"])):
                argv = [tool_path(f"teslamate-{name}"), *args, *flags]
                parts.append(self.with_server(lambda argv=argv: measure(argv, space.environment())))
            self.note("day: ours", Run(sum(p.seconds for p in parts), sum(p.cpu_seconds for p in parts),
                                       max(p.peak_bytes for p in parts), "", sum(p.server_cpu_seconds for p in parts)))
            target = self.folder / "dump.dir"
            shutil.rmtree(target, ignore_errors=True)
            self.settle()
            self.note("day: pg_dump -Fd", self.with_server(lambda: measure(
                [self.pg.bindir / "pg_dump", *self.pg.connection_flags("bench"), "-Fd", "-Z", self.directory_level,
                 "-f", target], self.pg._environment())))
        ours, peer = self.runs["day: ours"], self.runs["day: pg_dump -Fd"]
        for what, cpu in (("a day unattended, CPU", lambda r: r.cpu_seconds),
                          ("… with the server's", lambda r: r.cpu_seconds + r.server_cpu_seconds)):
            self.add(what, f"pg_dump -Fd -Z {self.directory_level}", statistics.median(map(cpu, peer)),
                     statistics.median(map(cpu, ours)), "s", 0.20, "<= 0.20 x", judged_here=self.real_peer)

    def thousand_snapshots(self, space: Workspace) -> None:
        say("1000 snapshots")
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        newest = space.snapshot_files()[-1]
        for _ in range(self.arguments.runs):
            forge(space.repository, newest, days_before(now, 1000))
            flags = ["-r", space.repository, "--state-dir", space.state]
            self.note("status: ours", measure([tool_path("teslamate-status"), *flags], space.environment()))
            self.note("prune: ours", measure([tool_path("teslamate-snapshots"), "prune", "--yes", *flags],
                                             space.environment()))
        self.add("status, 1000 snapshots", "", None, median(self.runs["status: ours"]), "s", 0.2, "<= 0.2 s")
        self.add("prune of 1000 snapshots", "", None, median(self.runs["prune: ours"]), "s", 5, "<= 5 s")

    def thirty_nights(self, space: Workspace) -> None:
        nights = self.arguments.nights
        say(f"{nights} nightly backups")
        one = self.sizes["full: ours"]
        for day in range(self.arguments.runs + 1, nights + 1):
            self.pg.next_day("bench", day, max(10, self.arguments.rows // 1000))
            self.backup("nights: ours", space, "bench")
        self.sizes["all nights: ours"] = tree_size(space.repository)
        self.add(f"{nights} nightly backups, space", "one full backup of ours", one / 1e6,
                 self.sizes["all nights: ours"] / 1e6, "MB", 1.15, "<= 1.15 x")

    def memory(self) -> None:
        size = self.arguments.second_size
        self.prepare("bench_second", size)
        say(f"memory at {size} positions")
        space = self.workspace()
        self.backup("second size, full: ours", space, "bench_second")
        self.restore("second size, restore: ours", space, "bench_second")
        limit = 64 + 32 * self.jobs
        for what in ("full", "restore"):
            here = max(r.peak_bytes for r in self.runs[f"{what}: ours"]) / MIB
            there = max(r.peak_bytes for r in self.runs[f"second size, {what}: ours"]) / MIB
            name = "backup" if what == "full" else what
            self.add(f"peak memory, {name}", "", None, here, "MiB", limit, f"<= {limit} MiB")
            small, large = sorted([(self.arguments.rows, here), (size, there)])
            # Ten times the rows may cost a tenth more: page counts of the allocator, chunk tables.
            self.add(f"peak memory, {name}, {large[0]} rows", f"ours, {small[0]} rows", small[1], large[1],
                     "MiB", 1.10, "does not grow")

    def run(self) -> None:
        self.prepare("bench", self.arguments.rows)
        space = self.full()
        self.encryption()
        self.nightly(space)
        self.restores(space)
        self.verify(space)
        self.drill(space)
        self.thirty_nights(space)
        self.unattended_day(space)
        self.thousand_snapshots(space)
        self.memory()

    # -- what comes out

    def facts(self) -> dict:
        return {"positions": self.arguments.rows, "second_size": self.arguments.second_size,
                "jobs": self.jobs, "runs": self.arguments.runs, "processors": os.cpu_count(),
                "memory_bytes": memory_of_machine(), "machine": platform.machine(), "kernel": platform.release(),
                "server": self.pg.scalar("postgres", "SHOW server_version"),
                "fsync": self.pg.scalar("postgres", "SHOW fsync")}

    def as_json(self) -> dict:
        runs = {name: [{k: v for k, v in asdict(r).items() if k != "out"} for r in runs]
                for name, runs in self.runs.items()}
        return {"schema": "teslamate-backup-bench/1", "facts": self.facts(), "notes": self.notes,
                "rows": [asdict(r) for r in self.rows], "sizes_bytes": self.sizes, "runs": runs}

    def table(self) -> str:
        facts = self.facts()
        lines = [f"{facts['positions']} positions ({self.sizes['bench database'] / 1e6:.0f} MB), "
                 f"{facts['jobs']} jobs on {facts['processors']} processors, PostgreSQL {facts['server']}, fsync {facts['fsync']}, "
                 f"medians of {facts['runs']} alternating runs", ""]
        heads = ["figure", "peer", "peer's", "ours", "ratio", "target", ""]
        cells = [[r.figure, r.peer, "" if r.peer_value is None else f"{r.peer_value:.2f} {r.unit}",
                  f"{r.ours:.2f} {r.unit}", "" if r.ratio is None else f"{r.ratio:.3f}", r.target,
                  "not judged" if r.met is None else "met" if r.met else "MISSED"] for r in self.rows]
        widths = [max(len(row[i]) for row in [heads, *cells]) for i in range(len(heads))]
        for row in [heads, ["-" * w for w in widths], *cells]:
            lines.append("  ".join(cell.rjust(w) if i in (2, 3, 4) else cell.ljust(w)
                                   for i, (cell, w) in enumerate(zip(row, widths))).rstrip())
        lines += ["", *(f"note: {n}" for n in self.notes),
                  "The time that the service is down during a restore is measured by the system test."]
        return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=3_000_000, help="positions (default 3000000)")
    parser.add_argument("--runs", type=int, default=3, help="alternating runs of each (default 3)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(),
                        help="workers, ours and theirs (default: processors)")
    parser.add_argument("--nights", type=int, default=30, help="nightly backups for the space row (default 30)")
    parser.add_argument("--second-size", type=int, metavar="ROWS",
                        help="the other size for the memory rows (default: a tenth of ROWS)")
    parser.add_argument("--json", metavar="FILE", help="write everything measured to FILE")
    parser.add_argument("--check", action="store_true", help="end with 1 when a target was missed or not judged")
    arguments = parser.parse_args()
    if arguments.second_size is None:
        arguments.second_size = max(1000, arguments.rows // 10)
    arguments.nights = max(arguments.nights, arguments.runs)
    for tool in TOOLS:
        tool_path(tool)

    shared = min(memory_of_machine() // 4, 1 << 30) // MIB
    settings = {"shared_buffers": f"{shared}MB", "max_wal_size": "4GB", "maintenance_work_mem": f"{shared // 2}MB",
                "checkpoint_timeout": "30min", "max_parallel_maintenance_workers": "2"}
    with Cluster(fsync=True, settings=settings) as cluster, Workspace() as scratch:
        bench = Bench(arguments, cluster, scratch.folder)
        try:
            bench.run()
            print(bench.table())
            if arguments.json:
                text = json.dumps(bench.as_json(), indent=2) + "\n"
                pathlib.Path(arguments.json).write_text(text, encoding="utf-8")
        finally:
            bench.close()
    return 1 if arguments.check and not all(r.met for r in bench.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
