#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""src/service against a real systemd. Runs as root inside the machine (see README.md); units are made
here, in /etc where NixOS has them (a runtime mask does not reach those) unless a test says otherwise."""
import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import threading
import time
import unittest

PROBE = pathlib.Path(os.environ["TM_BIN_DIR"]) / "service-probe"
ETC = pathlib.Path("/etc/systemd/system")
USR = pathlib.Path("/usr/lib/systemd/system")
RUN = pathlib.Path("/run/systemd/system")


def systemctl(*arguments, check=True):
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"systemctl {arguments}: {done.stderr}")
    return done


def shown(unit, name):
    return systemctl("show", "--value", "--property", name, unit).stdout.strip()


def active(unit):
    return shown(unit, "ActiveState")


def hold_file(unit):
    return RUN / f"{unit}.d" / "ZZ-teslamate-backup.conf"


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come true")


class Answer:
    def __init__(self, done):
        self.code = done.returncode
        self.errors = done.stderr
        self.output = done.stdout
        self.values = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def probe(*arguments, user=None, limit=None, environment=None):
    variables = dict(os.environ, **(environment or {}))
    if limit is not None:
        variables["PROBE_LIMIT"] = str(limit)
    done = subprocess.run([PROBE, *arguments], capture_output=True, text=True, env=variables, timeout=120, user=user)
    return Answer(done)


class Case(unittest.TestCase):
    def setUp(self):
        self.made = []

    def tearDown(self):
        for folder, unit in self.made:
            systemctl("unmask", unit, check=False)
            shutil.rmtree(RUN / f"{unit}.d", ignore_errors=True)
            (folder / unit).unlink(missing_ok=True)
        systemctl("daemon-reload")
        for _, unit in self.made:
            systemctl("kill", "--signal=KILL", unit, check=False)
            systemctl("stop", unit, check=False)
            systemctl("reset-failed", unit, check=False)

    def unit(self, name, service, unit_section="", folder=ETC, start=True):
        (folder / name).write_text(f"[Unit]\nDescription=test\n{unit_section}\n[Service]\n{service}\n")
        self.made.append((folder, name))
        systemctl("daemon-reload")
        if start:
            systemctl("start", name)
        return name

    def ok(self, answer):
        self.assertEqual(answer.code, 0, answer.errors)
        return answer.values

    def refused(self, answer, *words, code=18):
        self.assertEqual(answer.code, code, answer.output + answer.errors)
        for word in words:
            self.assertIn(word, answer.errors)

    @contextlib.contextmanager
    def stopped(self, *units, **variables):
        """The probe with a StoppedService alive; what it says comes from its stdout."""
        process = subprocess.Popen([PROBE, "stopped", *units], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=dict(os.environ, **variables))
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def until_line(self, process, wanted):
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.strip() == wanted:
                return seen
        self.fail(f"{wanted!r} never came: {seen} {process.stderr.read()}")


class State(Case):
    def test_a_running_unit_is_seen_as_it_is(self):
        unit = self.unit("ordinary.service", "ExecStart=sleep infinity", folder=USR)
        seen = self.ok(probe("state", "ordinary"))
        self.assertEqual(seen["id"], unit)
        self.assertEqual((seen["load_state"], seen["active_state"], seen["sub_state"]), ("loaded", "active", "running"))
        self.assertEqual(seen["main_pid"], shown(unit, "MainPID"))
        self.assertEqual(seen["invocation_id"], shown(unit, "InvocationID"))
        self.assertEqual((seen["processes"], seen["wanted"], seen["down"]), ("1", "1", "0"))

    def test_an_alias_leads_to_the_unit_itself(self):
        self.unit("real.service", "ExecStart=sleep infinity")
        (ETC / "alias.service").symlink_to("real.service")
        self.addCleanup((ETC / "alias.service").unlink)
        systemctl("daemon-reload")
        self.ok(probe("hold", "alias"))
        self.assertTrue(hold_file("real.service").exists())
        self.ok(probe("stop", "alias"))
        self.assertNotEqual(systemctl("start", "real", check=False).returncode, 0)
        self.ok(probe("release", "alias"))
        self.assertFalse(hold_file("real.service").exists())
        self.ok(probe("start", "alias"))

    def test_a_name_that_is_no_service_reaches_neither_systemd_nor_the_file_system(self):
        for name in ["../evil", "a/b", "a\nb", "", "a b", "x.socket", "y.target", "tmpl@", "%n", "ä", ".service",
                     "x" * 300]:
            for verb in ["state", "check", "hold", "release", "stop", "start"]:
                with self.subTest(name=name, verb=verb):
                    answer = probe(verb, name)
                    self.refused(answer, "is not the name of a service")
                    self.assertNotIn("a\nb", answer.errors)
        self.assertEqual([p for p in RUN.parent.rglob("ZZ-teslamate-backup.conf")], [])


class Check(Case):
    def test_a_running_unit_passes_and_is_left_alone(self):
        unit = self.unit("ordinary.service", "ExecStart=sleep infinity")
        before = shown(unit, "InvocationID")
        self.ok(probe("check", unit))
        self.assertEqual((active(unit), shown(unit, "InvocationID"), shown(unit, "Job")), ("active", before, ""))
        self.assertFalse(hold_file(unit).exists())

    def test_an_inactive_unit_passes_and_is_not_started(self):
        unit = self.unit("ordinary.service", "ExecStart=sleep infinity", start=False)
        self.assertEqual(self.ok(probe("check", unit))["wanted"], "0")
        self.assertEqual(active(unit), "inactive")

    def test_a_service_that_may_be_isolated_is_not_isolated(self):
        unit = self.unit("alone.service", "ExecStart=sleep infinity", unit_section="AllowIsolate=yes")
        self.ok(probe("check", unit))
        self.assertEqual(active("dbus.service"), "active")

    def test_a_missing_unit_is_refused(self):
        self.refused(probe("check", "no-such-thing"), "no-such-thing.service does not exist", "--no-service")

    def test_a_masked_unit_is_refused_running_or_not(self):
        unit = self.unit("covered.service", "ExecStart=sleep infinity", folder=USR)
        systemctl("mask", unit)
        self.refused(probe("check", unit), "is masked", "systemctl unmask")
        systemctl("stop", unit)
        self.refused(probe("check", unit), "is masked")

    def test_a_broken_unit_file_is_refused(self):
        unit = self.unit("broken.service", "Type=simple", start=False)
        self.refused(probe("check", unit), "LoadState=bad-setting")

    def test_a_unit_that_refuses_to_be_stopped_or_started_by_hand_is_refused(self):
        for word in ["RefuseManualStop=yes", "RefuseManualStart=yes"]:
            unit = self.unit("stubborn.service", "ExecStart=sleep infinity", unit_section=word, start=False)
            self.refused(probe("check", unit), "cannot st")

    def test_a_user_without_rights_is_refused_and_nothing_happens(self):
        unit = self.unit("ordinary.service", "ExecStart=sleep infinity")
        nobody = pwd.getpwnam("nobody").pw_uid
        self.refused(probe("check", unit, user=nobody), "not allowed to stop", "polkit")
        self.refused(probe("stop", unit, user=nobody), "not allowed to stop")
        self.refused(probe("hold", unit, user=nobody), "/run/systemd/system")
        self.assertEqual(active(unit), "active")
        self.assertFalse(hold_file(unit).parent.exists())

    def test_a_polkit_rule_for_stop_alone_is_found_to_be_too_little(self):
        unit = self.unit("ordinary.service", "ExecStart=sleep infinity")
        rule = pathlib.Path("/etc/polkit-1/rules.d/50-test.rules")
        rule.write_text('polkit.addRule(function(action, subject) {'
                        ' if (action.id == "org.freedesktop.systemd1.manage-units" && subject.user == "nobody" &&'
                        ' action.lookup("unit") == "ordinary.service" && VERBS) return polkit.Result.YES; });'
                        .replace("VERBS", 'action.lookup("verb") == "stop"'))
        self.addCleanup(systemctl, "restart", "polkit")
        self.addCleanup(rule.unlink)
        systemctl("restart", "polkit")
        self.refused(probe("check", unit, user=pwd.getpwnam("nobody").pw_uid), "not allowed to start")
        self.ok(probe("stop", unit, user=pwd.getpwnam("nobody").pw_uid))

    def test_without_a_bus_it_says_so_at_once(self):
        answer = probe("check", "ordinary", environment={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})
        self.refused(answer, "cannot reach systemd", "stop_command", "--no-service")


class Stop(Case):
    def test_an_ordinary_unit_is_down_when_it_returns(self):
        unit = self.unit("ordinary.service", "ExecStart=sleep infinity")
        result = self.ok(probe("stop", unit))
        self.assertEqual((result["was_wanted"], result["warning"]), ("1", ""))
        self.assertEqual((active(unit), shown(unit, "MainPID")), ("inactive", "0"))

    def test_an_inactive_unit_stays_so(self):
        unit = self.unit("ordinary.service", "ExecStart=sleep infinity", start=False)
        self.assertEqual(self.ok(probe("stop", unit))["was_wanted"], "0")

    def test_a_unit_that_ignores_the_signal_is_down_with_a_warning(self):
        unit = self.unit("deaf.service", "TimeoutStopSec=2\nExecStart=/bin/bash -c 'trap \"\" TERM; while :; do sleep 0.2; done'")
        time.sleep(0.3)
        result = self.ok(probe("stop", unit))
        self.assertIn("did not stop cleanly (Result=timeout)", result["warning"])
        self.assertEqual((active(unit), shown(unit, "MainPID")), ("failed", "0"))

    def test_a_process_that_survives_the_stop_is_an_error(self):
        unit = self.unit("survivor.service", "KillMode=process\nExecStart=/bin/bash -c 'sleep 3333 & exec sleep infinity'")
        wait_until(lambda: self.ok(probe("state", unit))["processes"] == "2")
        self.refused(probe("stop", unit), "still alive", "sleep 3333")

    def test_a_stop_that_takes_too_long_is_an_error(self):
        unit = self.unit("slow.service", "ExecStart=sleep infinity\nExecStop=sleep 60")
        self.refused(probe("stop", unit, limit=1), "did not stop within 1 s", "deactivating")

    def test_an_interrupt_ends_the_wait(self):
        unit = self.unit("slow.service", "ExecStart=sleep infinity\nExecStop=sleep 60")
        process = subprocess.Popen([PROBE, "stop", unit], stderr=subprocess.PIPE, text=True)
        wait_until(lambda: active(unit) == "deactivating")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(10), 130)
        self.assertIn("interrupted", process.stderr.read())
        process.stderr.close()

    def test_a_unit_that_restarts_itself_at_once_stays_down(self):
        unit = self.unit("eager.service", "Restart=always\nRestartSec=0\nExecStart=sleep infinity")
        self.ok(probe("stop", unit))
        time.sleep(0.5)
        self.assertEqual(active(unit), "inactive")

    def test_systemd_executing_itself_anew_during_the_wait_is_survived(self):
        for command in ["daemon-reexec", "daemon-reload"]:
            with self.subTest(command=command):
                unit = self.unit("slow.service", "ExecStart=sleep infinity\nExecStop=sleep 3")
                process = subprocess.Popen([PROBE, "stop", unit], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                wait_until(lambda: active(unit) == "deactivating")
                systemctl(command)
                output, errors = process.communicate(timeout=60)
                self.assertEqual(process.returncode, 0, errors)
                self.assertEqual(active(unit), "inactive")

    def test_the_loss_of_the_bus_during_the_wait_is_survived(self):
        unit = self.unit("slow.service", "ExecStart=sleep infinity\nExecStop=sleep 4")
        process = subprocess.Popen([PROBE, "stop", unit], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: active(unit) == "deactivating")
        systemctl("kill", "--signal=KILL", "dbus.service")
        output, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, errors)
        self.assertEqual(active(unit), "inactive")


class Start(Case):
    def test_a_unit_is_active_when_it_returns(self):
        unit = self.unit("ordinary.service", "ExecStart=sleep infinity", start=False)
        self.assertEqual(self.ok(probe("start", unit))["active_state"], "active")

    def test_a_oneshot_that_did_its_work_counts_as_started(self):
        unit = self.unit("once.service", "Type=oneshot\nExecStart=true", start=False)
        self.assertEqual(self.ok(probe("start", unit))["active_state"], "inactive")

    def test_a_unit_whose_condition_is_not_met_did_not_start(self):
        for kind in ["simple", "oneshot"]:
            unit = self.unit("picky.service", f"Type={kind}\nExecStart=sleep 0.1", start=False,
                             unit_section="ConditionPathExists=/nonexistent")
            self.refused(probe("start", unit), "did not start", "ActiveState=inactive")

    def test_a_failing_migration_before_the_start_is_an_error(self):
        unit = self.unit("migrating.service", "ExecStartPre=false\nExecStart=sleep infinity", start=False)
        self.refused(probe("start", unit), "did not start", "Result=exit-code", "journalctl -u migrating.service")

    def test_a_start_that_takes_too_long_is_an_error(self):
        unit = self.unit("late.service", "ExecStartPre=sleep 60\nExecStart=sleep infinity", start=False)
        self.refused(probe("start", unit, limit=1), "did not start within 1 s", "activating")

    def test_a_unit_that_dies_a_second_later_is_seen_restarting(self):
        unit = self.unit("mortal.service", "Restart=always\nRestartSec=0\nExecStart=sleep 1", unit_section="StartLimitIntervalSec=0", start=False)
        self.assertEqual(self.ok(probe("start", unit))["restarts"], "0")
        wait_until(lambda: int(self.ok(probe("state", unit))["restarts"]) >= 2)

    def test_a_used_up_start_limit_does_not_stand_in_the_way(self):
        unit = self.unit("limited.service", "ExecStart=sleep infinity", start=False,
                         unit_section="StartLimitIntervalSec=600\nStartLimitBurst=2")
        for _ in range(4):
            systemctl("restart", unit, check=False)
        self.assertEqual(shown(unit, "Result"), "start-limit-hit")
        self.ok(probe("start", unit))
        self.assertEqual(active(unit), "active")

    def test_a_held_unit_is_not_started_by_us_either(self):
        unit = self.unit("ordinary.service", "ExecStart=sleep infinity", start=False)
        self.ok(probe("hold", unit))
        self.refused(probe("start", unit), "is held down", "--abort")


class Hold(Case):
    def test_a_running_unit_runs_on(self):
        unit = self.unit("ordinary.service", "ExecStart=sleep infinity")
        before = shown(unit, "InvocationID")
        self.ok(probe("hold", unit))
        self.assertEqual((active(unit), shown(unit, "InvocationID")), ("active", before))
        self.assertEqual(self.ok(probe("state", unit))["held"], "1")

    def starts_nothing(self, unit, disturb, seconds=2.0):
        log = pathlib.Path(f"/run/{unit}.starts")
        log.unlink(missing_ok=True)
        until = time.monotonic() + seconds
        attempts = 0
        while time.monotonic() < until:
            disturb()
            attempts += 1
        self.assertGreater(attempts, 1)
        self.assertFalse(log.exists(), "the unit was started while it was held")

    def logged(self, name, extra="", unit_section=""):
        return self.unit(name, f"ExecStartPre=/bin/sh -c 'date >>/run/{name}.starts'\nExecStart=sleep infinity\n{extra}",
                         unit_section=unit_section)

    def test_nobody_can_start_it_and_then_we_can(self):
        unit = self.logged("wanted.service", "Restart=always\nRestartSec=0")
        self.ok(probe("hold", unit))
        self.ok(probe("stop", unit))
        for verb in ["start", "restart", "try-restart", "reload-or-restart"]:
            self.starts_nothing(unit, lambda: systemctl(verb, unit, check=False), seconds=0.5)
        self.starts_nothing(unit, lambda: systemctl("start", "--job-mode=ignore-requirements", unit, check=False), 0.5)
        self.assertEqual(active(unit) in ("inactive", "failed"), True)
        self.ok(probe("release", unit))
        self.ok(probe("start", unit))
        self.assertEqual(active(unit), "active")

    def test_a_restart_loop_that_was_running_when_the_hold_came_ends(self):
        unit = self.unit("looping.service", "Restart=always\nRestartSec=0\nExecStart=sleep 0.05",
                         unit_section="StartLimitIntervalSec=0")
        self.ok(probe("hold", unit))
        wait_until(lambda: active(unit) in ("inactive", "failed"))
        before = shown(unit, "InvocationID")
        time.sleep(0.5)
        self.assertEqual(shown(unit, "InvocationID"), before)
        self.ok(probe("stop", unit))
        self.assertEqual(active(unit), "inactive")

    def test_a_killed_main_process_is_not_replaced(self):
        unit = self.logged("phoenix.service", "Restart=always\nRestartSec=0")
        self.ok(probe("hold", unit))
        pathlib.Path(f"/run/{unit}.starts").unlink()
        systemctl("kill", "--signal=KILL", unit)
        wait_until(lambda: active(unit) in ("inactive", "failed"))
        time.sleep(0.5)
        self.assertFalse(pathlib.Path(f"/run/{unit}.starts").exists())
        self.assertEqual(shown(unit, "MainPID"), "0")

    def test_neither_timer_nor_socket_nor_dependency_starts_it(self):
        unit = self.logged("pulled.service")
        (ETC / "pulled.timer").write_text("[Timer]\nOnActiveSec=0.2\nOnUnitInactiveSec=0.2\nAccuracySec=10ms\n")
        (ETC / "pulled.socket").write_text("[Socket]\nListenStream=/run/pulled.sock\nTriggerLimitIntervalSec=0\n")
        (ETC / "puller.service").write_text("[Unit]\nRequires=pulled.service\nAfter=pulled.service\n[Service]\nExecStart=sleep infinity\n")
        self.made += [(ETC, "pulled.timer"), (ETC, "pulled.socket"), (ETC, "puller.service")]
        systemctl("daemon-reload")
        self.ok(probe("hold", unit))
        self.ok(probe("stop", unit))
        systemctl("start", "pulled.timer", "pulled.socket")

        def disturb():
            systemctl("start", "puller", check=False)
            subprocess.run(["curl", "-s", "-m", "0.2", "--unix-socket", "/run/pulled.sock", "http://x/"], check=False)

        self.starts_nothing(unit, disturb)

    def test_it_survives_daemon_reload_and_reexec(self):
        unit = self.logged("wanted.service")
        self.ok(probe("hold", unit))
        self.ok(probe("stop", unit))
        systemctl("daemon-reload")
        self.starts_nothing(unit, lambda: systemctl("start", unit, check=False), 0.3)
        systemctl("daemon-reexec")
        self.starts_nothing(unit, lambda: systemctl("start", unit, check=False), 0.3)

    def test_twice_is_fine_and_release_leaves_no_trace(self):
        unit = self.unit("ordinary.service", "ExecStart=sleep infinity")
        self.ok(probe("hold", unit, unit))
        self.ok(probe("release", unit, unit))
        self.assertFalse(hold_file(unit).parent.exists())
        self.assertEqual(shown(unit, "NeedDaemonReload"), "no")
        self.assertEqual(self.ok(probe("state", unit))["held"], "0")

    def test_release_keeps_drop_ins_of_others(self):
        unit = self.unit("ordinary.service", "ExecStart=sleep infinity")
        hold_file(unit).parent.mkdir()
        other = hold_file(unit).parent / "10-other.conf"
        other.write_text("[Unit]\nDescription=other\n")
        self.ok(probe("hold", unit))
        self.ok(probe("release", unit))
        self.assertEqual([p.name for p in hold_file(unit).parent.iterdir()], ["10-other.conf"])

    def test_a_missing_unit_is_refused_and_leaves_no_file(self):
        self.refused(probe("hold", "no-such-thing"), "does not exist")
        self.assertFalse(hold_file("no-such-thing.service").parent.exists())

    def test_an_instance_with_an_escaped_name_can_be_held(self):
        self.unit("multi@.service", "ExecStart=sleep infinity", start=False)
        unit = "multi@a\\x2db.service"
        systemctl("start", unit)
        self.addCleanup(systemctl, "stop", unit, check=False)
        self.ok(probe("hold", unit))
        self.ok(probe("stop", unit))
        self.assertNotEqual(systemctl("start", unit, check=False).returncode, 0)
        self.ok(probe("release", unit))
        self.ok(probe("start", unit))


class Stopped(Case):
    def setUp(self):
        super().setUp()
        self.a = self.unit("a.service", "Restart=always\nRestartSec=0\nExecStart=sleep infinity")
        self.b = self.unit("b.service", "ExecStart=sleep infinity")
        self.idle = self.unit("idle.service", "ExecStart=sleep infinity", start=False)

    def states(self):
        return [active(self.a), active(self.b), active(self.idle)]

    def test_everything_is_down_in_between_and_what_ran_runs_again(self):
        with self.stopped("a", "b", "idle") as process:
            self.until_line(process, "down")
            self.assertEqual(self.states(), ["inactive"] * 3)
            self.assertNotEqual(systemctl("start", self.idle, check=False).returncode, 0)
            process.communicate("confirm\n")
            self.assertEqual(process.returncode, 0)
        self.assertEqual(self.states()[:2], ["active", "active"])
        self.assertNotEqual(active(self.idle), "active")
        for unit in [self.a, self.b, self.idle]:
            self.assertFalse(hold_file(unit).parent.exists())

    def test_stops_in_order_and_starts_in_reverse(self):
        order = pathlib.Path("/run/order")
        order.unlink(missing_ok=True)
        for name in ["first", "second", "third"]:
            self.unit(f"{name}.service", f"ExecStart=sleep infinity\nExecStartPost=/bin/sh -c 'echo +{name} >>/run/order'\n"
                      f"ExecStop=/bin/sh -c 'echo -{name} >>/run/order'")
        order.unlink()
        with self.stopped("second", "first", "third") as process:
            self.until_line(process, "down")
            process.communicate("")
        self.assertEqual(order.read_text().split(), ["-second", "-first", "-third", "+third", "+first", "+second"])

    def test_a_unit_to_keep_stopped_waits_for_trust_in_new_data_only(self):
        with self.stopped("a", "b", "keep=b") as process:
            self.until_line(process, "down")
            process.communicate("new\n")
        self.assertEqual(self.states()[:2], ["active", "inactive"])
        systemctl("start", self.b)
        with self.stopped("a", "b", "keep=b") as process:
            self.until_line(process, "down")
            process.communicate("old\n")
        self.assertEqual(self.states()[:2], ["active", "active"])

    def test_when_one_cannot_be_stopped_the_others_come_back(self):
        slow = self.unit("slow.service", "ExecStart=sleep infinity\nExecStop=sleep 4")
        with self.stopped("a", slow, PROBE_LIMIT="1") as process:
            _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 18)
            self.assertIn("did not stop within 1 s", errors)
            self.assertIn("units are as they were before", errors)
        self.assertEqual([active(self.a), active(slow)], ["active", "active"])
        self.assertFalse(hold_file(self.a).parent.exists())

    def test_a_missing_unit_is_found_before_the_first_is_stopped(self):
        before = shown(self.a, "InvocationID")
        with self.stopped("a", "no-such-thing") as process:
            process.communicate()
            self.assertEqual(process.returncode, 18)
        self.assertEqual(shown(self.a, "InvocationID"), before)

    def test_an_interrupt_while_stopping_brings_everything_back(self):
        slow = self.unit("slow.service", "ExecStart=sleep infinity\nExecStop=sleep 4")
        with self.stopped("a", slow) as process:
            wait_until(lambda: active(slow) == "deactivating")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, 130)
        self.assertEqual([active(self.a), active(slow)], ["active", "active"])

    def test_after_a_crash_the_hold_stays_until_it_is_released(self):
        with self.stopped("a") as process:
            self.until_line(process, "down")
            process.kill()
            process.wait()
            self.assertNotEqual(systemctl("start", self.a, check=False).returncode, 0)
            self.assertEqual(self.ok(probe("state", self.a))["held"], "1")
            self.ok(probe("release", self.a))
            self.ok(probe("start", self.a))

    def test_somebody_who_keeps_trying_does_not_get_in(self):
        end = threading.Event()

        def nag():
            while not end.is_set():
                systemctl("start", "a", "b", "idle", check=False)

        nagging = threading.Thread(target=nag)
        with self.stopped("a", "b", "idle") as process:
            self.until_line(process, "down")
            nagging.start()
            for _ in range(20):
                process.stdin.write("confirm\n")
                process.stdin.flush()
                self.until_line(process, "done confirm")
            end.set()
            nagging.join()
            process.communicate("")
            self.assertEqual(process.returncode, 0)
        self.assertEqual(self.states()[:2], ["active", "active"])


class Logind(Case):
    def test_shutdown_is_inhibited_while_the_lock_is_open(self):
        process = subprocess.Popen([PROBE, "inhibit", "restoring the database"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.assertEqual(process.stdout.readline().strip(), "inhibited=1")
        listed = subprocess.run(["systemd-inhibit", "--list"], capture_output=True, text=True, check=True).stdout
        self.assertIn("restoring the database", listed)
        process.communicate("\n")
        listed = subprocess.run(["systemd-inhibit", "--list"], capture_output=True, text=True, check=True).stdout
        self.assertNotIn("restoring the database", listed)

    def test_a_refusal_is_told_and_is_no_error(self):
        answer = self.ok(probe("inhibit", "x", user=pwd.getpwnam("nobody").pw_uid))
        self.assertEqual(answer["inhibited"], "0")
        self.assertNotEqual(answer["refusal"], "")


class Status(Case):
    def test_the_status_line_is_shown_and_cannot_carry_other_assignments(self):
        self.unit("status.service", f"Type=simple\nNotifyAccess=main\nStandardInput=null\n"
                  f"ExecStart=/bin/bash -c 'exec {PROBE} notify $\"12 of 58 chunks\\nMAINPID=1\" < <(sleep infinity)'")
        wait_until(lambda: "12 of 58 chunks" in shown("status.service", "StatusText"))
        self.assertNotEqual(shown("status.service", "MainPID"), "1")


if __name__ == "__main__":
    unittest.main()
