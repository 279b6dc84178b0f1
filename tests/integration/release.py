# SPDX-License-Identifier: MIT
"""A stand-in for a running TeslaMate: a real Erlang node with modules of TeslaMate's names that do to the database
what TeslaMate's do, and the command `teslamate rpc EXPRESSION` of a release. On a port mapper of its own.

    with Release(pg, "teslamate") as release:
        ws.run("teslamate-close-drive", "7", env=release.environment())
        release.mode("raise")      # the next calls raise; also: hang, lie, noise, none
"""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from harness import Cluster, HarnessError, free_port

# As lib/teslamate/log.ex does it, as far as it can be seen in the rows.
CLOSE_DRIVE = """
WITH w AS (SELECT count(*) OVER () AS n, first_value(id) OVER o AS first_id, last_value(id) OVER o AS last_id,
                  last_value(date) OVER o AS last_date, first_value(odometer) OVER o AS start_km,
                  last_value(odometer) OVER o AS end_km, max(speed) OVER () AS speed_max
           FROM positions WHERE drive_id = %ID%
           WINDOW o AS (ORDER BY date RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) LIMIT 1),
  good AS (SELECT * FROM w WHERE n >= 2 AND end_km - start_km >= 0.01),
  gone AS (DELETE FROM drives WHERE id = %ID% AND NOT EXISTS (SELECT FROM good))
UPDATE drives SET end_date = last_date, start_position_id = first_id, end_position_id = last_id,
  start_km = good.start_km, end_km = good.end_km, distance = good.end_km - good.start_km,
  speed_max = good.speed_max, duration_min = round(extract(epoch FROM last_date - start_date) / 60)
FROM good WHERE drives.id = %ID%
"""
CLOSE_CHARGE = """
UPDATE charging_processes p SET end_date = coalesce(c.last, now() AT TIME ZONE 'UTC'),
  charge_energy_added = c.added, cost = round(coalesce(c.added, 0) * 0.3, 2),
  duration_min = round(extract(epoch FROM coalesce(c.last, now() AT TIME ZONE 'UTC') - p.start_date) / 60)
FROM (SELECT max(date) AS last, max(charge_energy_added) - min(charge_energy_added) AS added
      FROM charges WHERE charging_process_id = %ID%) c WHERE p.id = %ID%
"""

NODE = r"""
defmodule StandIn do
  def act(sql, id) do
    mode = File.read!(Path.join(System.fetch_env!("RELEASE_STATE"), "mode")) |> String.trim()
    case mode do
      "raise" -> raise "boom <%= id %>"
      "hang" -> Process.sleep(120_000)
      "lie" -> :ok
      "noise" -> IO.puts(:stderr, "** (ArgumentError) it went wrong but nobody minds"); :ok
      _ -> run(sql, id)
    end
  end
  def run(sql, id) do
    if not is_integer(id), do: raise ArgumentError, "no integer"
    args = String.split(System.fetch_env!("PSQL_ARGS"), "\n")
    {out, code} = System.cmd(System.fetch_env!("PSQL"), args ++ ["-c", String.replace(sql, "%ID%", Integer.to_string(id))],
                             stderr_to_stdout: true)
    if code != 0, do: raise out
    if File.exists?(Path.join(System.fetch_env!("RELEASE_STATE"), "after")), do: Process.sleep(120_000)
    :ok
  end
end
defmodule TeslaMate.Repo do
  def get!(module, id) do
    File.write!(Path.join(System.fetch_env!("RELEASE_STATE"), "calls"), "#{inspect(module)} #{inspect(id)}\n", [:append])
    {module, id}
  end
end
defmodule TeslaMate.Log do
  def close_drive({TeslaMate.Log.Drive, id}), do: StandIn.act(System.fetch_env!("CLOSE_DRIVE"), id)
  def complete_charging_process({TeslaMate.Log.ChargingProcess, id}), do: StandIn.act(System.fetch_env!("CLOSE_CHARGE"), id)
end
File.write!(Path.join(System.fetch_env!("RELEASE_STATE"), "ready"), "")
Process.sleep(:infinity)
"""

# What bin/teslamate of a release made by mix does for `rpc`.
COMMAND = """#!/bin/sh
set -e
[ "$1" = rpc ] || { echo "unknown command $1" >&2; exit 1; }
[ -n "$RELEASE_COOKIE" ] || RELEASE_COOKIE="$(cat "$(dirname "$0")/COOKIE")"
node="${RELEASE_NODE:-teslamate@127.0.0.1}"
exec elixir --hidden --cookie "$RELEASE_COOKIE" --name "rpc-$$-$node" --rpc-eval "$node" "$2"
"""


class Release:
    def __init__(self, cluster: Cluster, database: str, cookie: str = "a-cookie-for-tests"):
        if not shutil.which("elixir") or not shutil.which("epmd"):
            raise HarnessError("no elixir: install it (apt-get install elixir)")
        self.cookie = cookie
        self.node = "teslamate@127.0.0.1"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tmb-rel-", dir="/tmp"))
        self.port = free_port()
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        self.command = self.bin / "teslamate"
        self.command.write_text(COMMAND, encoding="utf-8")
        self.command.chmod(0o755)
        (self.bin / "COOKIE").write_text("not-the-one", encoding="utf-8")
        (self.folder / "node.exs").write_text(NODE, encoding="utf-8")
        self.mode("none")
        self._base = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "TZ": "UTC",
                      "ERL_EPMD_PORT": str(self.port)}
        self._node_environment = self._base | {
            "RELEASE_STATE": str(self.folder), "CLOSE_DRIVE": CLOSE_DRIVE, "CLOSE_CHARGE": CLOSE_CHARGE,
            "PSQL": str(cluster.bindir / "psql"),
            "PSQL_ARGS": "\n".join([*cluster.connection_flags(database), "-Xq", "-v", "ON_ERROR_STOP=1"])}
        self._epmd = subprocess.Popen(["epmd", "-address", "127.0.0.1", "-port", str(self.port)], env=self._base,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._process: subprocess.Popen | None = None
        time.sleep(0.2)
        self.start()

    def start(self) -> None:
        (self.folder / "ready").unlink(missing_ok=True)
        log = open(self.folder / "node.log", "ab")
        self._process = subprocess.Popen(
            ["elixir", "--cookie", self.cookie, "--name", self.node, "--no-halt", str(self.folder / "node.exs")],
            env=self._node_environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        deadline = time.monotonic() + 60
        while not (self.folder / "ready").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise HarnessError("the node did not start:\n" + (self.folder / "node.log").read_text())
            time.sleep(0.05)

    def stop_node(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            time.sleep(0.2)  # the port mapper notices

    def mode(self, name: str) -> None:
        (self.folder / "mode").write_text(name, encoding="utf-8")

    def hang_after(self, yes: bool) -> None:
        """The row is changed, and then no answer comes."""
        flag = self.folder / "after"
        flag.touch() if yes else flag.unlink(missing_ok=True)

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def forget_calls(self) -> None:
        (self.folder / "calls").unlink(missing_ok=True)

    def environment(self, cookie: str | None = None) -> dict[str, str]:
        return {"RELEASE_COOKIE": cookie or self.cookie, "ERL_EPMD_PORT": str(self.port), "PATH": f"{self.bin}:/usr/bin:/bin",
                "RELEASE_NODE": self.node}

    def close(self) -> None:
        self.stop_node()
        self._epmd.kill()
        self._epmd.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Release:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
