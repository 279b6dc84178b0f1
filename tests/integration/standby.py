# SPDX-License-Identifier: MIT
"""A real streaming standby of a Cluster, made by pg_basebackup: it reads, and takes no changes."""

from __future__ import annotations

import atexit
import shutil
import time

from harness import Cluster, HarnessError, _temporary_folder


class Standby(Cluster):
    def __init__(self, primary: Cluster):
        with open(primary.data / "pg_hba.conf", "a", encoding="utf-8") as hba:
            hba.write("local replication all trust\n")
        primary.sql("postgres", "SELECT pg_reload_conf()")
        self.primary = primary
        for name in ("bindir", "superuser", "password", "tcp", "port", "os_user"):
            setattr(self, name, getattr(primary, name))
        self.folder = _temporary_folder("tmb-pg-")
        self.data, self.socket, self.log = self.folder / "data", self.folder / "s", self.folder / "server.log"
        self._process = None
        self._sessions = []
        atexit.register(self.stop)
        try:
            self.socket.mkdir(mode=0o700)
            if self.os_user:
                for path in (self.folder, self.socket):
                    shutil.chown(path, self.os_user)
            self._as_server_user([self.bindir / "pg_basebackup", "-h", primary.socket, "-p", str(primary.port), "-U",
                                  self.superuser, "-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync"])
            with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
                conf.write(f"unix_socket_directories = '{self.socket}'\n")
            self.start()
        except BaseException:
            self.stop()
            raise

    def catch_up(self, seconds: float = 30) -> None:
        """Waits until it has all that the primary has."""
        goal = self.primary.scalar("postgres", "SELECT pg_current_wal_flush_lsn()")
        deadline = time.monotonic() + seconds
        while self.scalar("postgres", f"SELECT pg_last_wal_replay_lsn() >= '{goal}'::pg_lsn") != "t":
            if time.monotonic() > deadline:
                raise HarnessError(f"the standby lags:\n{self.log_text()[-2000:]}")
            time.sleep(0.05)
