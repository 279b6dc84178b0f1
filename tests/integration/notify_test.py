#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who is told of a run, with what, and that nobody who cannot be told makes a run fail."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
import unittest

from harness import Cluster, Workspace, assert_exit


class Receiver:
    """A web server that remembers what it was sent."""

    def __init__(self, status: int = 200):
        received = self.received = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                received.append((self.path, dict(self.headers), body.decode()))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Notify(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.enterClassContext(Cluster())
        cls.pg.create_db("live")
        cls.pg.sql("live", "CREATE TABLE t (id integer)")

    def setUp(self):
        self.ws = self.enterContext(Workspace(self.pg))
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)

    def configure(self, **values):
        self.ws.config.write_text("[notify]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items()))

    def sent(self) -> list[tuple[str, str]]:
        return [(path, body) for path, _, body in self.receiver.received]

    def test_a_check_gets_start_and_success_and_a_failure_says_why(self):
        self.configure(healthchecks=self.receiver.url + "/ping/abc")
        result = assert_exit(self.ws.backup("live", "--json"), 0)
        self.assertEqual([p for p, _ in self.sent()], ["/ping/abc/start", "/ping/abc"])
        self.assertIn(result.json()["snapshot"], self.sent()[1][1])
        assert_exit(self.ws.backup("gone"), 15)
        self.assertEqual([p for p, _ in self.sent()][2:], ["/ping/abc/start", "/ping/abc/fail"])
        self.assertIn("gone", self.sent()[3][1])

    def test_a_webhook_gets_json_of_failures_and_of_successes_when_wanted(self):
        self.configure(webhook=self.receiver.url + "/hook")
        assert_exit(self.ws.backup("live"), 0)
        self.assertEqual(self.sent(), [])
        assert_exit(self.ws.backup("gone"), 15)
        (path, headers, body), = self.receiver.received
        document = json.loads(body)
        self.assertEqual((path, headers["Content-Type"]), ("/hook", "application/json"))
        self.assertEqual((document["event"], document["what"]), ("failure", "backup"))
        self.configure(webhook=self.receiver.url + "/hook", on_success=True)
        assert_exit(self.ws.backup("live"), 0)
        document = json.loads(self.sent()[1][1])
        self.assertEqual((document["event"], document["facts"]["rows"]), ("success", 0))

    def test_ntfy_gets_title_priority_and_token(self):
        token = self.ws.folder / "token"
        token.write_text("tk_abc\n")
        token.chmod(0o600)
        topic = self.ws.folder / "topic"
        topic.write_text(self.receiver.url + "/my-topic\n")
        topic.chmod(0o600)
        self.configure(ntfy_file=str(topic), ntfy_token_file=str(token))
        result = assert_exit(self.ws.backup("gone"), 15)
        (path, headers, body), = self.receiver.received
        self.assertEqual((path, headers["Title"], headers["Priority"], headers["Authorization"]),
                         ("/my-topic", "backup failed with code 15", "high", "Bearer tk_abc"))
        self.assertIn("gone", body)
        self.assertNotIn("tk_abc", result.err)

    def test_a_command_gets_the_facts_in_its_environment_and_no_secret(self):
        out = self.ws.folder / "out"
        script = self.ws.folder / "tell"
        script.write_text(f"#!/bin/sh\nenv > {out}\n")
        script.chmod(0o700)
        self.configure(command=[str(script), "a b"], on_success=True)
        assert_exit(self.ws.backup("live", env={"DATABASE_PASS": "hidden"}), 0)
        text = out.read_text()
        self.assertIn("TESLAMATE_BACKUP_EVENT=success", text)
        self.assertIn("TESLAMATE_BACKUP_WHAT=backup", text)
        self.assertNotIn("hidden", text)

    def test_nobody_who_cannot_be_told_makes_a_run_fail(self):
        sleeper = self.ws.folder / "sleep"
        sleeper.write_text("#!/bin/sh\ntrap '' TERM\nsleep 60 & wait\nsleep 60\n")
        sleeper.chmod(0o700)
        bad = Receiver(status=500)
        self.addCleanup(bad.close)
        with socket.socket() as hanging, socket.socket() as closed:
            hanging.bind(("127.0.0.1", 0))
            hanging.listen(5)  # takes connections and never answers
            closed.bind(("127.0.0.1", 0))
            self.configure(healthchecks=bad.url + "/x", on_success=True, timeout="1s",
                           webhook=f"http://127.0.0.1:{hanging.getsockname()[1]}/h",
                           ntfy=f"http://127.0.0.1:{closed.getsockname()[1]}/n", command=[str(sleeper)])
            began = time.monotonic()
            result = assert_exit(self.ws.backup("live"), 0)
            self.assertLess(time.monotonic() - began, 20)
        for who in ("check", "webhook", "ntfy topic", "command"):
            self.assertIn(f"the {who}", result.err)
        self.assertEqual(len(self.ws.snapshot_files()), 1)

    def test_an_address_that_cannot_be_read_is_a_warning_and_silences_none_of_the_others(self):
        out = self.ws.folder / "out"
        script = self.ws.folder / "tell"
        script.write_text(f"#!/bin/sh\nenv > {out}\n")
        script.chmod(0o700)
        hook = self.ws.folder / "hook"
        hook.write_text(self.receiver.url + "/hook")
        hook.chmod(0o644)  # open to others
        self.configure(webhook_file=str(hook), ntfy_file=str(self.ws.folder / "absent"), command=[str(script)],
                       healthchecks=self.receiver.url + "/ping")
        result = assert_exit(self.ws.backup("gone"), 15)
        self.assertIn("TESLAMATE_BACKUP_EVENT=failure", out.read_text())
        self.assertEqual([p for p, _ in self.sent()], ["/ping/start", "/ping/fail"])
        for name in ("webhook", "ntfy"):
            self.assertIn(f"nobody can be told by {name}", result.err)
        assert_exit(self.ws.backup("live"), 3)
        # What only root may read is handed to the unit that alerts: the others are not to warn every night.
        self.configure(ntfy_file=str(self.ws.folder / "absent"))
        assert_exit(self.ws.backup("live"), 3)
        result = assert_exit(self.ws.backup("live", env={"INVOCATION_ID": "4b1d"}), 0)
        self.assertIn("nobody can be told by ntfy", result.err)
        assert_exit(self.ws.run("teslamate-status", "--notify-failure", "x.service"), 17)
        self.configure(webhook_file=str(hook))
        assert_exit(self.ws.run("teslamate-status", "--notify-failure", "x.service"), 17)

    def test_a_failed_unit_is_told_with_its_journal(self):
        self.configure(webhook=self.receiver.url + "/hook", command=["/bin/true"])
        assert_exit(self.ws.run("teslamate-status", "--notify-failure", "teslamate-backup.service"), 0)
        document = json.loads(self.sent()[0][1])
        self.assertEqual((document["event"], document["what"]), ("failure", "teslamate-backup.service"))
        self.assertTrue(document["text"])
        for name in ("--all", "a b", "a/b"):
            assert_exit(self.ws.run("teslamate-status", f"--notify-failure={name}"), 2)

    def test_a_failed_unit_that_nobody_can_be_told_of_is_an_error(self):
        self.assertIn("nobody is told",
                      assert_exit(self.ws.run("teslamate-status", "--notify-failure", "x.service"), 0).err)
        bad = Receiver(status=503)
        self.addCleanup(bad.close)
        self.configure(webhook=bad.url)
        assert_exit(self.ws.run("teslamate-status", "--notify-failure", "x.service"), 17)

    def test_settings_that_are_broken_are_told_by_what_can_be_read_of_them_and_stay_an_error(self):
        notify = f'[notify]\nwebhook = "{self.receiver.url}/hook"\ncommand = [\n  "relative"\n]\n'
        for name, text in {"another section": notify + '[goals]\nrpo = "soon"\n',
                           "an unknown key": "jbos = 3\n" + notify,
                           "no TOML": "jobs = = 3\n" + notify + "[goals\nrpo 3\n",
                           "in the section": notify + 'timeout = "never"\n'}.items():
            with self.subTest(name):
                self.receiver.received.clear()
                self.ws.config.write_text(text)
                assert_exit(self.ws.backup("live"), 2)
                self.assertEqual(self.sent(), [])
                assert_exit(self.ws.run("teslamate-status", "--notify-failure", "teslamate-backup.service"), 2)
                (path, body), = self.sent()
                self.assertEqual((path, json.loads(body)["what"]), ("/hook", "teslamate-backup.service"))


if __name__ == "__main__":
    unittest.main()
