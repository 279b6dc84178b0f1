#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stands in for Grafana and for a person at psql: queries without end, and is back at once when thrown
out. It must not be able to hinder a restore, nor to see half of one."""
import os
import time

import psycopg2

while True:
    try:
        connection = psycopg2.connect(host="/run/postgresql", dbname=os.environ.get("DATABASE_NAME", "teslamate"),
                                      connect_timeout=2, application_name="dashboard")
        connection.autocommit = True
        while True:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*), max(id), pg_sleep(0.02) FROM writer_rows")
                cursor.fetchone()
    except psycopg2.Error:
        time.sleep(0.01)
