#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The stand-ins do what the restore tests rely on: otherwise those would prove nothing."""
import pathlib
import subprocess
import time
import unittest

HERE = pathlib.Path(__file__).parent
LOG = pathlib.Path("/var/lib/teslamate/acknowledged")


def sql(statement, database="teslamate"):
    return subprocess.run(["runuser", "-u", "postgres", "--", "psql", "-XAtqc", statement, database],
                          capture_output=True, text=True, check=True).stdout.strip()


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come true")


def acknowledged():
    return {int(line.split()[0]) for line in LOG.read_text().splitlines()} if LOG.exists() else set()


class StandIn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        subprocess.run([HERE / "units" / "install"], check=True)
        wait_until(lambda: len(acknowledged()) > 2)

    def test_every_acknowledged_row_is_in_the_database(self):
        logged = acknowledged()
        there = {int(i) for i in sql("SELECT id FROM writer_rows").split()}
        self.assertEqual(logged - there, set())
        sql("DELETE FROM writer_rows WHERE id = %d" % max(logged))
        there = {int(i) for i in sql("SELECT id FROM writer_rows").split()}
        self.assertEqual(logged - there, {max(logged)})

    def test_it_answers_its_health_check(self):
        done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:4000/health_check"],
                              capture_output=True, text=True)
        self.assertEqual(done.stdout, "200")

    def test_both_come_back_when_they_are_thrown_out(self):
        def sessions():
            return dict(line.split("|") for line in sql(
                "SELECT application_name, min(pid) FROM pg_stat_activity WHERE application_name IN"
                " ('teslamate', 'dashboard') GROUP BY 1", "postgres").splitlines())

        wait_until(lambda: len(sessions()) == 2)
        before = sessions()
        sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'teslamate'", "postgres")
        wait_until(lambda: len(sessions()) == 2 and not set(sessions().values()) & set(before.values()))
        count = len(acknowledged())
        wait_until(lambda: len(acknowledged()) > count)


if __name__ == "__main__":
    unittest.main()
