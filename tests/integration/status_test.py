#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""teslamate-status: what it says after good and bad runs, its exit codes, its metrics and its report; and the history
of runs that it lives on."""

from __future__ import annotations

import dataclasses
import datetime
import html.parser
import json
import re
import shutil
import subprocess
import threading
import unittest

from harness import ROOT, Cluster, Workspace, assert_exit, flip_bit, tree_digest
from prune_test import forge

UTC = datetime.timezone.utc


def record(kind: str, started: datetime.datetime, number: int = 1, **values) -> tuple[str, str]:
    """Name and text of one record of the history."""
    facts = values.pop("facts", {})
    document = {"kind": kind, "started": f"{started:%Y-%m-%dT%H:%M:%SZ}", "seconds": 1.5, "exit_code": 0, "error": "",
                "snapshot": "", "facts": facts} | values
    return f"{started:%Y%m%dT%H%M%SZ}-{kind}-{number:06x}.json", json.dumps(document)


class Page(html.parser.HTMLParser):
    """Every tag closed, and the addresses that the page names."""
    VOID = {"meta", "rect", "line", "br"}

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag, tag


@dataclasses.dataclass
class Metric:
    help: str
    samples: dict[tuple, float] = dataclasses.field(default_factory=dict)


def parse_metrics(text: str) -> dict[str, Metric]:
    """The text format of Prometheus, 0.0.4, as strictly as it is written down: each metric in one block, HELP, TYPE
    and then its samples, none of them twice. https://prometheus.io/docs/instrumenting/exposition_formats/"""
    assert text.endswith("\n") and "\r" not in text
    out: dict[str, Metric] = {}
    helped = typed = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, helped, words = line.split(" ", 3)
            assert helped not in out and words.endswith("."), line
            assert not re.search(r"\\(?![\\n])", words), line
            out[helped] = Metric(words)
        elif line.startswith("# TYPE "):
            _, _, typed, kind = line.split(" ")
            assert typed == helped and kind == "gauge" and not out[typed].samples, line
        else:
            match = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?|NaN|[+-]Inf)', line)
            assert match and match[1] == typed, line
            labels = tuple(sorted(re.findall(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"', match[2] or "")))
            assert ",".join(f'{n}="{v}"' for n, v in labels) == (match[2] or ""), line
            assert labels not in out[typed].samples, line
            out[typed].samples[labels] = float(match[3])
    return out


class Status(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.made = cls.enterClassContext(Workspace(cls.pg))
        cls.pg.load_sample("teslamate", positions=2000)
        assert_exit(cls.made.backup("teslamate", "--scheduled"), 0)

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        shutil.rmtree(self.ws.repository)
        shutil.copytree(self.made.repository, self.ws.repository)
        self.now = datetime.datetime.now(UTC).replace(microsecond=0)

    def history(self, *records: tuple[str, str]):
        folder = self.ws.state / "history"
        folder.mkdir(exist_ok=True)
        for name, text in records:
            (folder / name).write_text(text, encoding="utf-8")

    def status(self, *args: str, code: int = 0):
        return assert_exit(self.ws.run("teslamate-status", *args), code)

    def checks(self, code: int | None = None) -> dict[str, dict]:
        args = ("--json",) if code is None else ("--json", "--check")
        return {c["name"]: c for c in self.status(*args, code=code or 0).json()["checks"]}

    def test_right_after_a_backup_all_is_well_and_it_changes_nothing(self):
        assert_exit(self.ws.backup("teslamate"), 0)
        before = tree_digest(self.ws.folder)
        result = self.status("--check")
        self.assertIn("all is well", result.out)
        self.assertEqual(tree_digest(self.ws.folder), before)
        document = self.status("--json").json()
        self.assertEqual(document["level"], "good")
        self.assertEqual(document["snapshots"], 2)
        self.assertEqual(document["last_runs"]["backup"]["facts"]["rows"], document["newest"]["rows"])

    def test_each_run_is_recorded_once_and_a_dry_run_is_not(self):
        assert_exit(self.ws.backup("teslamate"), 0)
        assert_exit(self.ws.backup("teslamate", "--dry-run"), 0)
        assert_exit(self.ws.run("teslamate-verify", "--read-data"), 0)
        assert_exit(self.ws.run("teslamate-snapshots", "prune", "--yes"), 0)
        assert_exit(self.ws.restore("teslamate", "latest", "--as-database", "copy"), 0)
        self.pg.drop_db("copy")
        assert_exit(self.ws.backup("no_such_database"), 15)
        kinds = sorted(p.name.split("-")[1] for p in (self.ws.state / "history").iterdir())
        self.assertEqual(kinds, ["backup", "backup", "prune", "restore", "verify"])
        document = self.status("--json").json()
        self.assertEqual(document["last_runs"]["backup"]["exit_code"], 15)
        self.assertIn("no_such_database", document["last_runs"]["backup"]["error"])
        self.assertIsNotNone(document["all_read_since"])

    def test_an_old_snapshot_is_due_then_alarming(self):
        old = forge(self.ws.repository, self.ws.snapshot_files()[0], [self.now - datetime.timedelta(hours=30)])
        (self.ws.snapshot_files()[-1]).unlink()
        self.assertEqual([p.stem for p in self.ws.snapshot_files()], old)
        check = self.checks(3)["backup"]
        self.assertEqual((check["level"], check["mend"]), ("warning", "teslamate-backup"))
        self.ws.config.write_text('[goals]\npreset = "serious"\n')
        self.assertEqual(self.checks(20)["backup"]["level"], "critical")
        self.ws.config.write_text('[goals]\nrpo = "7d"\n')
        self.assertEqual(self.checks(0)["backup"]["level"], "good")

    def test_no_snapshot_and_no_repository_need_a_person(self):
        for path in self.ws.snapshot_files():
            path.unlink()
        self.assertEqual(self.checks(20)["backup"]["text"], "there is no snapshot")
        shutil.rmtree(self.ws.repository)
        self.assertEqual(self.checks(20)["repository"]["level"], "critical")

    def test_a_failing_backup_is_said_with_its_error(self):
        self.history(record("backup", self.now, exit_code=16, error="a table is locked"))
        check = self.checks(3)["backup"]
        self.assertIn("a table is locked", check["text"])

    def test_damage_found_by_a_verification_needs_a_person(self):
        flip_bit(self.ws.object_files()[0], 999)
        assert_exit(self.ws.run("teslamate-verify", "--read-data"), 13)
        self.assertEqual(self.checks(20)["verify"]["level"], "critical")

    def test_a_verification_that_failed_otherwise_is_said_too(self):
        before = record("verify", self.now - datetime.timedelta(minutes=9))
        self.history(before, record("verify", self.now, 2, exit_code=12, error="no key of this repository"))
        check = self.checks(3)["verify"]
        self.assertEqual(check["level"], "warning")
        self.assertIn("no key of this repository", check["text"])
        self.history(record("verify", self.now + datetime.timedelta(seconds=1), 3, exit_code=17, error="Input/output error"))
        check = self.checks(20)["verify"]
        self.assertIn("Input/output error", check["text"])

    def test_the_warnings_of_the_last_run_are_in_it(self):
        hook = self.ws.folder / "hook"
        hook.write_text("https://example.net/")
        hook.chmod(0o644)
        self.ws.config.write_text(f'[notify]\nwebhook_file = "{hook}"\n')
        assert_exit(self.ws.backup("teslamate"), 3)
        check = self.checks(3)["backup"]
        self.assertEqual(check["level"], "warning")
        self.assertIn("nobody can be told by webhook", check["text"])
        self.ws.config.write_text("")
        assert_exit(self.ws.backup("teslamate"), 0)
        self.assertEqual(self.checks(0)["backup"]["level"], "good")

    def test_what_was_never_tried_is_said_though_it_is_no_failure(self):
        self.assertIn("all is well so far, but nothing has been verified or rehearsed yet", self.status("--check").out)
        assert_exit(self.ws.run("teslamate-verify", "--read-data"), 0)
        self.assertIn("but no restore has been rehearsed yet", self.status("--check").out)
        self.history(record("drill", self.now))
        self.assertNotIn("so far", self.status("--check").out)

    def test_runs_of_a_time_to_come_hide_nothing(self):
        forge(self.ws.repository, self.ws.snapshot_files()[0], [self.now - datetime.timedelta(days=100)])
        ahead = self.now + datetime.timedelta(days=900)
        assert_exit(self.ws.run("teslamate-verify", "--read-data"), 0)
        rotation = self.ws.state / "verify-rotation.json"
        rotation.write_text(re.sub(r"20\d\d(-\d\d-\d\dT)", rf"{ahead:%Y}\1", rotation.read_text()))
        shutil.rmtree(self.ws.state / "history")
        self.history(*[record(kind, ahead) for kind in ("backup", "verify", "drill")],
                     record("backup", self.now, exit_code=16, error="a table is locked"))
        found = self.checks(3)
        self.assertEqual({n for n, c in found.items() if c["level"] == "warning"},
                         {"clock", "backup", "verify", "reading", "drill"})
        self.assertIn("a table is locked", found["backup"]["text"])
        self.assertIn("3 runs", found["clock"]["text"])
        self.assertIn(f"{ahead:%Y%m%d}", found["clock"]["mend"])
        assert_exit(self.ws.run("teslamate-verify", "--rotate"), 0)
        self.assertIsNone(self.status("--json").json()["all_read_since"], "parts of a time to come count as read")

    def test_a_failed_drill_needs_a_person_and_a_slow_one_is_a_warning(self):
        self.history(record("drill", self.now, facts={"recovery_seconds": 8000}))
        self.assertEqual(self.checks(3)["recovery"]["level"], "warning")
        self.history(record("drill", self.now, 2, exit_code=13, error="wrong"))
        self.assertEqual(self.checks(20)["drill"]["level"], "critical")

    def test_what_was_not_done_for_long_is_due_with_the_command_that_mends_it(self):
        forge(self.ws.repository, self.ws.snapshot_files()[0], [self.now - datetime.timedelta(days=100)])
        found = self.checks(3)
        self.assertEqual({n: c["mend"] for n, c in found.items() if c["level"] == "warning"},
                         {"verify": "teslamate-verify", "reading": "teslamate-verify --read-data",
                          "drill": "teslamate-drill"})

    def test_a_timer_that_fired_twice_is_no_failure(self):
        assert_exit(self.ws.backup("teslamate"), 0)
        self.history(record("backup", self.now + datetime.timedelta(seconds=5), exit_code=11, error="locked"),
                     record("drill", self.now, exit_code=130, error="interrupted"))
        self.assertEqual(self.checks(0)["backup"]["level"], "good")

    def test_an_unfinished_restore_needs_a_person(self):
        (self.ws.state / "restore.journal").write_text("x")
        self.assertEqual(self.checks(20)["restore"]["mend"], "teslamate-restore --abort")

    def test_damaged_and_foreign_files_in_the_history_are_passed_over(self):
        self.history(record("backup", self.now), ("20261120T021503Z-backup-zz.json", '{"kind": "bac'),
                     ("20261120T021503Z-backup-yy.json", '{"kind": 7}'), ("notes.txt", "hello"),
                     ("20261120T021504Z-backup-xx.json", "\0" * 100000))
        (self.ws.state / "history" / "20261120T021505Z-backup-ww.json").mkdir()
        self.status()

    def test_the_history_is_bounded(self):
        for i in range(605):
            self.history(record("verify", self.now - datetime.timedelta(days=700 - i), i + 1))
        self.history(record("drill", self.now - datetime.timedelta(days=900)))
        assert_exit(self.ws.run("teslamate-verify"), 0)
        names = [p.name for p in (self.ws.state / "history").iterdir()]
        self.assertEqual(len([n for n in names if "-verify-" in n]), 600)
        self.assertEqual(len([n for n in names if "-drill-" in n]), 1)

    def test_plots_and_numbers_of_the_history_are_on_the_screen(self):
        self.history(*[record("backup", self.now - datetime.timedelta(days=30 - i), i, seconds=i + 1,
                              facts={"stored_bytes": 10**7 + i * 10**6, "new_bytes": 10**5 * (i % 7 + 1)})
                       for i in range(30)])
        out = self.status().out
        self.assertRegex(out, r"size +[▁-█]{30} +39\.0 MB")
        self.assertRegex(out, r"backup +[▁-█]{30} +30\.0 s")

    def all_metrics(self) -> str:
        """Of a state in which every metric has a value."""
        assert_exit(self.ws.backup("teslamate"), 0)
        assert_exit(self.ws.run("teslamate-verify", "--read-data"), 0)
        self.history(record("drill", self.now, facts={"recovery_seconds": 12.5}), record("prune", self.now),
                     record("restore", self.now, exit_code=13, error="x"))
        file = self.ws.folder / "m.prom"
        self.status("--metrics", str(file))
        self.assertEqual(file.stat().st_mode & 0o777, 0o644, "node_exporter could not read it")
        text = file.read_text(encoding="utf-8")
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return text

    def test_metrics_are_well_formed_and_say_what_is_so(self):
        metrics = parse_metrics(self.all_metrics())
        value = lambda name, **labels: metrics[f"teslamate_backup_{name}"].samples[tuple(sorted(labels.items()))]
        self.assertEqual(value("last_run_exit_code", kind="restore"), 13)
        self.assertEqual(value("last_run_exit_code", kind="backup"), 0)
        self.assertEqual(value("recovery_time_seconds"), 12.5)
        self.assertEqual(value("snapshots"), 2)
        self.assertLess(abs(value("full_read_timestamp_seconds") - self.now.timestamp()), 300)
        self.assertEqual(set(dict(k)["check"] for k in metrics["teslamate_backup_check_status"].samples),
                         set(self.checks()))
        self.assertEqual(value("status"), max(metrics["teslamate_backup_check_status"].samples.values()))

    def test_names_units_manual_and_dashboard_agree(self):
        metrics = parse_metrics(self.all_metrics())
        for name, metric in metrics.items():
            self.assertRegex(name, r"\Ateslamate_backup_[a-z]+(_[a-z]+)*\Z")
            # The unit is the name's end, and what is said of it fits.
            for unit, words in (("_seconds", "seconds|how long|how old|since when"), ("_bytes", "bytes")):
                self.assertEqual(name.endswith(unit), bool(re.search(rf"\b({words})\b", metric.help.lower())), metric)
        manual = (ROOT / "man" / "teslamate-status.8").read_text(encoding="utf-8")
        described = dict(re.findall(r"^\.It Cm (teslamate_backup_\w+)\n(.+)$", manual, re.M))
        self.assertEqual(described, {name: metric.help for name, metric in metrics.items()})
        dashboard = json.loads((ROOT / "grafana" / "teslamate-backup.json").read_text(encoding="utf-8"))
        expressions = [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", [])]
        self.assertGreater(len(expressions), 5)
        used = set(re.findall(r"teslamate_backup_\w+", json.dumps(dashboard)))
        self.assertEqual(used - set(metrics), set())
        for kind in re.findall(r'kind=\\"(\w+)', json.dumps(dashboard)):
            self.assertIn(kind, ("backup", "verify", "drill", "prune", "restore"))

    def test_whoever_reads_the_metrics_meanwhile_reads_all_of_them(self):
        file = self.ws.folder / "m.prom"
        self.status("--metrics", str(file))
        last = file.read_text().splitlines()[-1].split()[0]
        done, torn, reads = threading.Event(), [], 0

        def read_on():
            nonlocal reads
            while not done.is_set():
                text = file.read_text()
                reads += 1
                if not text.endswith("\n") or last not in text:
                    torn.append(text)

        reader = threading.Thread(target=read_on)
        reader.start()
        for _ in range(15):
            self.status("--metrics", str(file))
        done.set()
        reader.join()
        self.assertEqual(torn, [])
        self.assertGreater(reads, 100)
        self.assertEqual([p.name for p in self.ws.folder.iterdir() if "m.prom" in p.name], ["m.prom"])

    def test_metrics_and_report_are_written_after_each_run_where_configured(self):
        metrics, page = self.ws.folder / "m.prom", self.ws.folder / "r.html"
        self.ws.config.write_text(f'[status]\nmetrics_file = "{metrics}"\nhtml_file = "{page}"\n')
        assert_exit(self.ws.backup("teslamate"), 0)
        first = metrics.read_text()
        self.assertIn('last_run_exit_code{kind="backup"} 0', first)
        assert_exit(self.ws.backup("no_such_database"), 15)
        self.assertIn('last_run_exit_code{kind="backup"} 15', metrics.read_text())
        self.assertIn("no_such_database", page.read_text())

    def test_metrics_that_cannot_be_written_do_not_fail_the_backup(self):
        self.ws.config.write_text('[status]\nmetrics_file = "/proc/nothing/m.prom"\n')
        result = assert_exit(self.ws.backup("teslamate"), 0)
        self.assertIn("not written", result.err)

    def test_the_report_is_one_page_that_needs_nothing_else(self):
        self.history(*[record("backup", self.now - datetime.timedelta(days=30 - i), i, facts={"stored_bytes": 10**7})
                       for i in range(30)], record("drill", self.now, error="<script>alert(1)</script> & \"x\"",
                                                   exit_code=16))
        file = self.ws.folder / "report.html"
        self.status("--html", str(file))
        text = file.read_text(encoding="utf-8")
        page = Page()
        page.feed(text)
        self.assertEqual(page.open, [])
        self.assertEqual(page.addresses, [])
        self.assertNotIn("script", page.tags)
        self.assertIn("&lt;script&gt;", text)
        self.assertEqual(text.count("<svg"), 2)
        self.assertNotRegex(text, r"https?://")

    def test_rotation_reads_a_part_and_then_another_one(self):
        self.ws.config.write_text('[goals]\nread_all_within = "2d"\n')
        state = self.ws.state / "verify-rotation.json"
        result = assert_exit(self.ws.run("teslamate-verify", "--rotate", "--json"), 0)
        self.assertEqual(result.json()["rotation"], 128, "half of it, as on the first day of two")
        first = json.loads(state.read_text())["parts"]
        self.assertEqual(len([p for p in first if p]), 128)
        assert_exit(self.ws.run("teslamate-verify", "--rotate"), 0)
        second = json.loads(state.read_text())["parts"]
        self.assertEqual([p for p, q in zip(first, second) if p and p != q], [], "the same part was read again")
        self.assertGreater(len([p for p in second if p]), 128)
        assert_exit(self.ws.run("teslamate-verify", "--read-data"), 0)
        self.assertIn("every byte was read", self.checks()["reading"]["text"])
        state.write_text("rubbish")
        assert_exit(self.ws.run("teslamate-verify", "--rotate"), 0)
        assert_exit(self.ws.run("teslamate-verify", "--rotate", str(self.ws.repository)), 2)

    def test_rotation_finds_damage_in_the_parts_that_it_reads(self):
        self.ws.config.write_text('[goals]\nread_all_within = "1h"\n')
        victim = max(self.ws.object_files(), key=lambda p: p.stat().st_size)
        flip_bit(victim, victim.stat().st_size * 4)
        assert_exit(self.ws.run("teslamate-verify"), 0)
        assert_exit(self.ws.run("teslamate-verify", "--rotate"), 13)


if __name__ == "__main__":
    unittest.main()
