#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stands in for TeslaMate: holds a connection, writes a position every 100 ms, answers /health_check.
Every id is logged durably after its COMMIT was acknowledged, so a test can prove that none is lost:
LOG lines are `<id> <database oid>`. Settings: the names TeslaMate has, and
  WRITER_LOG        where acknowledged ids go (default $STATE_DIRECTORY/acknowledged)
  WRITER_MIGRATE    yes: only run the "migration" and exit (for ExecStartPre=); fail: exit 1
  WRITER_DIE_AFTER  seconds until it exits 1
  WRITER_HEALTH     ok | silent (no listener) | error (HTTP 500)"""
import http.server
import os
import sys
import threading
import time

import psycopg2

LOG = os.environ.get("WRITER_LOG") or os.path.join(os.environ.get("STATE_DIRECTORY", "/var/lib/teslamate"), "acknowledged")
HEALTH = os.environ.get("WRITER_HEALTH", "ok")
INTERVAL = 0.1


def connect():
    return psycopg2.connect(
        host=os.environ.get("DATABASE_SOCKET_DIR") or os.environ.get("DATABASE_HOST") or "/run/postgresql",
        dbname=os.environ.get("DATABASE_NAME", "teslamate"), user=os.environ.get("DATABASE_USER", "teslamate"),
        connect_timeout=2, application_name="teslamate")


def migrate(connection):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS writer_rows (id bigserial PRIMARY KEY,"
                       " at timestamptz NOT NULL DEFAULT clock_timestamp(), note text)")
    connection.commit()


def write_forever():
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    connection = None
    while True:
        try:
            if connection is None:
                connection = connect()
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO writer_rows (note) VALUES (%s) RETURNING id,"
                               " (SELECT oid FROM pg_database WHERE datname = current_database())", ("live",))
                row, database = cursor.fetchone()
            connection.commit()
            os.write(log, f"{row} {database}\n".encode())
            os.fsync(log)
        except psycopg2.Error as error:
            print(f"database: {str(error).strip()}", file=sys.stderr, flush=True)
            if connection is not None:
                connection.close()
            connection = None
        time.sleep(INTERVAL)


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = HEALTH == "ok" and self.path == "/health_check"
        self.send_response(200 if good else 500 if HEALTH == "error" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    if os.environ.get("WRITER_MIGRATE") == "fail":
        sys.exit("migration failed, as asked")
    if os.environ.get("WRITER_MIGRATE") == "yes":
        migrate(connect())
        return
    if "WRITER_DIE_AFTER" in os.environ:
        threading.Timer(float(os.environ["WRITER_DIE_AFTER"]), os._exit, [1]).start()
    if HEALTH != "silent":
        address = (os.environ.get("HTTP_BINDING_ADDRESS", "127.0.0.1"), int(os.environ.get("PORT", "4000")))
        threading.Thread(target=http.server.ThreadingHTTPServer(address, Health).serve_forever, daemon=True).start()
    write_forever()


if __name__ == "__main__":
    main()
