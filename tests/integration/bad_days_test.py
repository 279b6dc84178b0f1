#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the unattended programs do on bad days: clocks that jump, two of them at once, one that is frozen, disks that
are full or read-only, histories that are empty, huge or of the future. Nothing that was good is lost on any of them.

The clock is set for one program at a time by a small library that is loaded before it."""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from backup_checks import halted
from harness import Cluster, Workspace, assert_exit, flip_bit, tree_digest
from prune_test import days_before, forge

UTC = datetime.timezone.utc
DAY = 86400
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long shift(void) { const char* text = getenv("TM_TEST_CLOCK_SHIFT"); return text ? atol(text) : 0; }
int clock_gettime(clockid_t clock, struct timespec* out) {
  int (*real)(clockid_t, struct timespec*) = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  int code = real(clock, out);
  if (code == 0 && clock == CLOCK_REALTIME) out->tv_sec += shift();
  return code;
}
time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
int gettimeofday(struct timeval* restrict out, void* restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}
"""


class BadDays(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="tmb-clock-", dir="/tmp")))
        (folder / "clock.c").write_text(SHIM)
        cls.shim = folder / "clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", cls.shim, folder / "clock.c", "-ldl"], check=True)
        folder.chmod(0o755)
        cls.pg = cls.enterClassContext(Cluster())
        cls.made = cls.enterClassContext(Workspace(cls.pg))
        cls.pg.load_sample("teslamate", positions=2000)
        assert_exit(cls.made.backup("teslamate", "--scheduled"), 0)
        cls.pg.sql("teslamate", "UPDATE cars SET name = name || ' 2'")
        assert_exit(cls.made.backup("teslamate", "--scheduled"), 0)

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        shutil.rmtree(self.ws.repository)
        shutil.copytree(self.made.repository, self.ws.repository)
        self.old, self.new = self.ws.snapshot_files()
        self.now = datetime.datetime.now(UTC).replace(microsecond=0)

    def at(self, seconds: float, name: str, *args: str, code: int | None = 0):
        """Runs a program whose clock is `seconds` ahead."""
        env = {"LD_PRELOAD": str(self.shim), "TM_TEST_CLOCK_SHIFT": str(int(seconds)),
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        result = self.ws.run(f"teslamate-{name}", *args, "-r", str(self.ws.repository), env=env)
        return result if code is None else assert_exit(result, code)

    def checks(self, seconds: float = 0) -> dict[str, dict]:
        return {c["name"]: c for c in self.at(seconds, "status", "--json").json()["checks"]}

    def listed(self) -> list[str]:
        return [p.stem for p in self.ws.snapshot_files()]

    def only(self, **values):
        rules = {"keep_last": 0, "hourly": 0, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0, "minimum": 1} | values
        self.ws.config.write_text("[retention]\n" + "".join(
            f"{n} = {v!r}\n".replace("'", '"') for n, v in rules.items()))

    def prune(self, *args: str, code: int = 0):
        return assert_exit(self.ws.snapshots("prune", "--yes", *args), code)

    def assert_sound(self):
        assert_exit(self.ws.verify("--read-data"), 0)

    # -- clocks

    def test_the_shim_sets_the_clock(self):
        said = self.at(400 * DAY, "status", "--json").json()["time"]
        then = datetime.datetime.strptime(said, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        self.assertLess(abs(then - self.now - datetime.timedelta(days=400)), datetime.timedelta(minutes=5))

    def test_night_after_night_every_byte_is_read_within_the_days_and_damage_is_found_within_them(self):
        self.ws.config.write_text('[goals]\nread_all_within = "6d"\n')
        self.assertIn("not every byte", self.checks()["reading"]["text"])
        for night in range(6):
            self.at(night * DAY, "verify", "--rotate")
        check = self.checks(5 * DAY + 60)["reading"]
        self.assertEqual(check["level"], "good")
        self.assertRegex(check["text"], r"every byte was read, the oldest part ([2-5] days|\d\d h) ago")
        self.assertIn("was read within the last", self.at(6 * DAY, "verify", "--rotate").out)
        victim = max(self.ws.object_files(), key=lambda p: p.stat().st_size)
        flip_bit(victim, victim.stat().st_size * 4)
        found = [night for night in range(7, 14) if self.at(night * DAY, "verify", "--rotate", code=None).code == 13]
        self.assertTrue(found and found[0] <= 7 + 6, "damage was not found within the days in which all is read")

    def test_after_a_week_without_power_the_reading_is_made_up_for_and_a_clock_set_back_breaks_nothing(self):
        self.ws.config.write_text('[goals]\nread_all_within = "6d"\n')
        for night in (0, 1, 8, 9, -400, 10, 11):
            self.at(night * DAY, "verify", "--rotate")
        self.assertEqual(self.checks(11 * DAY + 60)["reading"]["level"], "good")
        self.assertEqual(self.checks(30 * DAY)["reading"]["level"], "warning")

    def test_a_clock_that_is_ahead_makes_nothing_old_enough_to_go(self):
        forge(self.ws.repository, self.old, days_before(self.now, 40))
        self.only(daily=5, within="20d")
        expected = self.ws.snapshots("prune", "--dry-run", "--json").json()["removed"]
        self.assertEqual(self.at(40 * 365 * DAY, "snapshots", "prune", "--dry-run", "--json").json()["removed"], expected)

    def test_a_clock_that_went_back_removes_nothing_and_the_status_says_why(self):
        forge(self.ws.repository, self.old, days_before(self.now, 40))
        self.only(keep_last=1)
        before = tree_digest(self.ws.repository)
        self.assertIn("future", self.at(-10 * DAY, "snapshots", "prune", "--yes", code=22).err)
        self.assertEqual(tree_digest(self.ws.repository), before)
        check = self.checks(-10 * DAY)["backup"]
        self.assertEqual((check["level"], check["mend"]), ("critical", "timedatectl"))
        assert_exit(self.at(-10 * DAY, "status", "--check", code=None), 20)

    def test_a_backup_with_a_clock_that_went_back_still_comes_after_the_others(self):
        before = self.listed()
        self.at(-3 * 365 * DAY, "backup", *self.pg.connection_flags("teslamate"))
        self.assertEqual(self.listed()[:-1], before)

    def test_at_the_ends_of_time_nothing_crashes_and_nothing_is_lost(self):
        for year in (1970, 1999, 2038, 2106, 2300):
            shift = (datetime.datetime(year, 2, 7, tzinfo=UTC) - self.now).total_seconds()
            with self.subTest(year=year):
                for name, *args in (("status", "--check"), ("verify", "--rotate"), ("snapshots", "list"),
                                    ("snapshots", "prune", "--yes")):
                    self.assertIn(self.at(shift, name, *args, code=None).code, (0, 3, 20, 22), (name, year))
                self.assertEqual(len(self.listed()), 2)
        self.assert_sound()

    def test_a_night_with_an_hour_more_or_less_changes_no_day(self):
        """Berlin, the nights of 25 October and 29 March: a backup each hour; each day keeps its newest."""
        hours = [datetime.datetime(2025, m, d, h, 30, tzinfo=UTC) for m, d in ((3, 29), (3, 30), (10, 25), (10, 26))
                 for h in range(24)]
        forge(self.ws.repository, self.old, hours)
        for path in (self.old, self.new):
            path.unlink()
        self.only(daily=9)
        plan = assert_exit(self.ws.snapshots("prune", "--dry-run", "--json", env={"TZ": "Europe/Berlin"}), 0).json()
        kept = [s["time"] for s in plan["snapshots"] if any(r["rule"] == "daily" for r in s["reasons"])]
        # The last half hour of each local day in UTC, and the day that begins before midnight UTC.
        self.assertEqual(kept, ["2025-03-29T22:30:00Z", "2025-03-30T21:30:00Z", "2025-03-30T23:30:00Z",
                                "2025-10-25T21:30:00Z", "2025-10-26T22:30:00Z", "2025-10-26T23:30:00Z"])

    # -- several at once

    def test_beside_a_frozen_backup_nothing_is_removed_and_everything_says_so_at_once(self):
        forge(self.ws.repository, self.old, days_before(self.now, 10))
        self.only(keep_last=1, grace="0s")
        before = self.listed()
        self.pg.sql("teslamate", "UPDATE cars SET name = name || ' 3'")
        with halted(self.ws, "teslamate") as frozen:
            for args in (("snapshots", "prune", "--yes"), ("snapshots", "prune", "--yes", "--now"),
                         ("snapshots", "forget", "--yes", before[0])):
                result = self.at(3600, *args, code=11)  # also an hour later
                self.assertLess(result.seconds, 10)
            assert_exit(self.ws.backup("teslamate"), 11)
            self.assertEqual(self.listed(), before)
            assert_exit(self.ws.verify(), 0)
            assert_exit(frozen.go_on(), 0)
        self.prune()
        self.assert_sound()

    def test_of_two_at_once_one_works_and_none_does_harm(self):
        forge(self.ws.repository, self.old, days_before(self.now, 60))
        self.only(keep_last=1, grace="0s")
        for _ in range(3):
            runs = [self.ws.start("teslamate-snapshots", "prune", "--yes", "-r", str(self.ws.repository))
                    for _ in range(3)] + [self.ws.start("teslamate-backup", *self.ws.target("teslamate"), "--scheduled")]
            codes = [run.wait().code for run in runs]
            self.assertTrue(set(codes) <= {0, 11}, codes)
            self.assertIn(0, codes)
            self.assert_sound()

    # -- disks

    def test_a_disk_that_fails_at_any_moment_of_a_prune_leaves_only_complete_snapshots(self):
        forge(self.ws.repository, self.old, days_before(self.now, 4))
        self.only(keep_last=1, grace="0s")
        template = self.ws.copy_repository()
        struck = 0
        for second in (False, True):
            for call, error in (("write", "ENOSPC"), ("fsync", "EIO"), ("rename", "ENOSPC"), ("unlink", "EIO"),
                                ("openat", "EROFS")):
                numbers = range(1, 30) if call != "openat" else range(40, 400, 37)
                for number in numbers:
                    shutil.rmtree(self.ws.repository)
                    shutil.copytree(template, self.ws.repository)
                    if second:
                        self.prune()
                    result = self.ws.run_traced("teslamate-snapshots", "prune", "--yes", "-r", str(self.ws.repository),
                                                inject=f"{call}:error={error}:when={number}")
                    if "INJECTED" not in result.trace:
                        break
                    struck += 1
                    with self.subTest(second=second, call=call, number=number):
                        self.assertNotEqual(result.code, 1, result.text())
                        self.assertIn(self.new.stem, self.listed())
                        assert_exit(self.ws.verify(), 0)
                        self.prune()
                        self.prune()
                        found = self.ws.verify("--read-data", "--json").json()["repositories"][0]
                        self.assertEqual((found["intact"], found["orphans"], found["strays"]), (True, 0, []))
        self.assertGreater(struck, 20)

    @unittest.skipUnless(os.geteuid() == 0, "mounting takes root")
    def test_of_a_repository_that_is_read_only_everything_can_be_read_and_nothing_is_removed(self):
        self.only(keep_last=1)
        subprocess.run(["mount", "--bind", self.ws.repository, self.ws.repository], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", self.ws.repository], check=True)
            self.assertIn("Read-only", self.prune(code=17).err)
            self.assertIn("Read-only", assert_exit(self.ws.snapshots("forget", "--yes", self.old.stem), 17).err)
            self.prune("--dry-run")
            self.assert_sound()
            assert_exit(self.ws.run("teslamate-status"), 0)
            assert_exit(self.ws.run("teslamate-drill", *self.ws.target("teslamate")), 0)
            assert_exit(self.ws.run("teslamate-verify", "--live", *self.ws.target("teslamate")), 0)
        finally:
            subprocess.run(["umount", self.ws.repository], check=True)
        self.assertEqual(len(self.listed()), 2)

    # -- histories

    def test_ten_years_of_daily_history(self):
        forge(self.ws.repository, self.old, days_before(self.now, 3653))
        self.ws.config.write_text("")
        plan = self.ws.snapshots("prune", "--dry-run", "--json").json()
        result = self.prune()
        self.assertLess(result.seconds, 60)
        self.assertEqual(self.listed(), sorted(s["id"] for s in plan["snapshots"] if s["keep"]))
        kept = [i[:8] for i in self.listed()]
        self.assertEqual(len({day[:4] for day in kept}), 11, "a year is missing")
        self.assertTrue({f"{self.now - datetime.timedelta(days=i):%Y%m%d}" for i in range(1, 30)} <= set(kept))
        self.assertLess(len(kept), 7 + 24 + 30 + 12 + 36 + 50)
        self.assert_sound()
        assert_exit(self.ws.run("teslamate-status"), 0)

    def test_without_a_single_snapshot_nothing_is_invented(self):
        empty = self.ws.folder / "empty"
        template = pathlib.Path(self.ws.repository)
        shutil.copytree(template, empty, ignore=lambda folder, names: [
            n for n in names if pathlib.Path(folder, n).is_file() and pathlib.Path(folder).parent != self.ws.folder])
        shutil.rmtree(self.ws.repository)
        empty.rename(self.ws.repository)
        shutil.rmtree(self.ws.state)
        self.ws.state.mkdir()
        self.assertEqual(self.prune("--json").json()["removed"], [])
        assert_exit(self.ws.verify(), 0)
        assert_exit(self.ws.run("teslamate-drill", *self.ws.target("teslamate")), 21)
        assert_exit(self.ws.run("teslamate-verify", "--live", *self.ws.target("teslamate")), 21)
        self.assertEqual(self.checks()["backup"]["level"], "critical")

    def test_all_of_them_in_the_future(self):
        ids = forge(self.ws.repository, self.old, [self.now + datetime.timedelta(days=d) for d in (10, 20)])
        self.old.unlink()
        self.new.unlink()
        self.only(keep_last=1)
        self.prune(code=22)
        self.assertEqual(self.listed(), ids)
        self.assertEqual(self.checks()["backup"]["level"], "critical")
        assert_exit(self.ws.run("teslamate-drill", *self.ws.target("teslamate")), 0)
        assert_exit(self.ws.backup("teslamate"), 0)
        self.assertEqual(self.listed()[:2], ids)
        self.assertGreater(self.listed()[2], ids[1])

    def test_rules_that_contradict_each_other_keep_the_more(self):
        forge(self.ws.repository, self.old, days_before(self.now, 10))
        for rules, stays in (({"minimum": 1000}, 12), ({"keep_last": 1000000}, 12), ({"within": "0s"}, 12),
                             ({"keep_last": 1, "minimum": 5}, 5), ({"daily": 3, "within": "400w"}, 12),
                             ({"keep_last": 2, "minimum": 1}, 2)):
            self.only(**rules)
            plan = self.ws.snapshots("prune", "--dry-run", "--json").json()
            self.assertEqual(plan["kept"], stays, rules)
        for text in ("keep_last = -1", "minimum = 0", "keep_last = 4294967296", "daily = 1.5", 'daily = "many"', "daily = 99999999999999999999", 'within = "-3d"',
                     "keep_lats = 3", "daily = 3\ndaily = 4"):
            self.ws.config.write_text(f"[retention]\n{text}\n")
            self.prune(code=2)
        self.assertEqual(len(self.listed()), 12)

    def test_a_hostile_tag_reaches_no_screen_and_no_page(self):
        for tag in ("\x1b[31mred", "line\nbreak", "\u202eabc"):
            assert_exit(self.ws.snapshots("tag", self.new.stem, tag), 2)
        tag = "<script>alert(1)</script>&\"'${HOME};rm -rf"
        assert_exit(self.ws.snapshots("tag", self.new.stem, tag), 0)
        self.only(keep_last=1)
        # One that another program wrote into the manifest.
        (evil,) = forge(self.ws.repository, self.old, [self.now - datetime.timedelta(days=1)], tag="\x1b]0;x\x07\n<b>")
        for args in (("list",), ("show", evil), ("prune", "--dry-run"), ("prune", "--yes")):
            out = assert_exit(self.ws.snapshots(*args), 0).text()
            self.assertNotIn("\x1b", out, args)
            self.assertNotIn("\x07", out, args)
        self.assertIn(evil, self.listed(), "a tagged one went")
        page = self.ws.folder / "r.html"
        assert_exit(self.ws.run("teslamate-status", "--html", str(page)), 0)
        self.assertNotIn("<script", page.read_text())

    def test_an_odd_environment_changes_nothing(self):
        forge(self.ws.repository, self.old, days_before(self.now, 30))
        self.only(keep_last=3)
        odd = {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR", "COLUMNS": "1", "HOME": "", "PATH": ".", "IFS": "x"}
        for args in (("snapshots", "prune", "--dry-run", "--json"), ("verify", "--read-data", "--json")):
            plain, strange = (self.ws.run(f"teslamate-{args[0]}", *args[1:], "-r", str(self.ws.repository), env=env)
                              for env in ({}, odd))
            without_times = lambda r: {k: v for k, v in assert_exit(r, 0).json().items() if "second" not in k
                                       and k not in ("time", "all_read_since")}
            self.assertEqual(without_times(plain), without_times(strange))
        # With standard input, output and error closed it does its work; nothing of its is written into the repository.
        closed = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", str(self.prune_program()), "prune", "--yes",
                                 "-r", str(self.ws.repository)], env=self.ws.environment())
        self.assertIn(closed.returncode, (0, 17))
        self.assert_sound()

    @staticmethod
    def prune_program() -> pathlib.Path:
        from harness import tool_path
        return tool_path("teslamate-snapshots")


if __name__ == "__main__":
    unittest.main()
