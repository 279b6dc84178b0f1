# SPDX-License-Identifier: MIT
"""Dumps as other releases of pg_dump write them, made of one by the installed release: the text by the lines in
which they differ, the custom format by its table of contents. And TeslaMate's tables as they were in 2019."""

from __future__ import annotations

import re

# What stands at the head of a dump, and since which pg_dump.
HEAD = [("SET statement_timeout = 0;", 80), ("SET lock_timeout = 0;", 93), ("SET idle_in_transaction_session_timeout = 0;", 96),
        ("SET transaction_timeout = 0;", 170), ("SET client_encoding = 'UTF8';", 80), ("SET standard_conforming_strings = on;", 82),
        ("SELECT pg_catalog.set_config('search_path', '', false);", 100), ("SET check_function_bodies = false;", 80),
        ("SET xmloption = content;", 110), ("SET client_min_messages = warning;", 80), ("SET row_security = off;", 95)]
NAMES = {96: "9.6.5", 100: "10.23 (Debian 10.23-1.pgdg110+1)", 110: "11.22", 120: "12.22", 130: "13.22", 140: "14.19", 150: "15.14",
         160: "16.10", 170: "17.6 (Debian 17.6-1.pgdg13+1)", 180: "18.1"}

STATISTICS = """--
-- Statistics for Name: cars; Type: STATISTICS DATA; Schema: public; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
\t'version', '180000'::integer,
\t'schemaname', 'public',
\t'relname', 'cars',
\t'relpages', '4711'::integer,
\t'reltuples', '42'::real,
\t'relallvisible', '0'::integer,
\t'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
\t'version', '180000'::integer,
\t'schemaname', 'public',
\t'relname', 'cars',
\t'attname', 'id',
\t'inherited', 'f'::boolean,
\t'null_frac', '0'::real,
\t'avg_width', '2'::integer,
\t'n_distinct', '-1'::real,
\t'histogram_bounds', '{1,2}'::text,
\t'correlation', '1'::real
);


"""
PLPGSQL = """--
-- Name: plpgsql; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA pg_catalog;


--
-- Name: EXTENSION plpgsql; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION plpgsql IS 'PL/pgSQL procedural language';


"""


def as_written_by(dump: str, tool: int, server: int) -> str:
    """A plain dump of one database as pg_dump `tool` (150 for 15, 96 for 9.6) writes it from `server`."""
    dump = re.sub(r"(?m)^\\(un)?restrict .*\n+", "", dump)
    parts = re.split(r"(?m)(^COPY .*?^\\\.\n)", dump, flags=re.S)  # rows stay as they are
    for i in range(0, len(parts), 2):
        parts[i] = rewrite(parts[i], tool)
    text = "".join(parts) if tool >= 100 else "".join(without_schema(p) for p in parts)
    first, rest = re.split(r"(?m)^SET row_security = off;\n", text, maxsplit=1)
    intro = re.sub(r"(?s)-- Dumped from.*", "", first)
    head = f"-- Dumped from database version {NAMES[server]}\n-- Dumped by pg_dump version {NAMES[tool]}\n\n"
    head += "".join(line + "\n" for line, since in HEAD if tool >= since)
    if tool < 100:  # up to 9.6.7
        head += "\n" + PLPGSQL + "SET search_path = public, pg_catalog;\n"
    elif tool < 110:
        head += "\n" + PLPGSQL
    text = intro + head + rest
    if tool >= 180:
        at = text.rindex("--\n-- PostgreSQL database dump complete")
        text = text[:at] + STATISTICS + text[at:]
    if tool >= 130:  # their minor releases since August 2025
        token = "d" * 63
        text = text.replace("-- Dumped from", f"\\restrict {token}\n\n-- Dumped from", 1) + f"\n\\unrestrict {token}\n\n"
    return text


def rewrite(text: str, tool: int) -> str:
    if tool < 120:
        text = text.replace("SET default_table_access_method = heap;\n", "SET default_with_oids = false;\n")
    if tool < 100:
        text = re.sub(r"(?m)^    AS (integer|smallint)\n", "", text)
    if tool >= 160:
        text = re.sub(r"(?m)^ALTER TABLE (\S+_seq) OWNER TO", r"ALTER SEQUENCE \1 OWNER TO", text)
    return text


def without_schema(part: str) -> str:
    """Names as they stood in dumps before March 2018: found by the search path."""
    if not part.startswith("COPY "):
        return re.sub(r"\bpublic\.(?=[a-z_\"])", "", part)
    line, rows = part.split("\n", 1)
    return line.replace("COPY public.", "COPY ") + "\n" + rows


class Toc:
    """The header and table of contents of a custom dump of pg_dump 15 (format 1.14), to be written as an older one."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0
        assert self.take(5) == b"PGDMP" and self.take(3) == b"\x01\x0e\x00", "made for pg_dump 12 to 15"
        self.int_size, self.offset_size, self.format = self.take(3)

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count:self.at]

    def integer(self) -> tuple[int, bytes]:
        raw = self.take(1 + self.int_size)
        return (-1 if raw[0] else 1) * int.from_bytes(raw[1:], "little"), raw

    def text(self) -> bytes:
        size, raw = self.integer()
        return raw + (self.take(size) if size > 0 else b"")

    def as_version(self, minor: int) -> bytes:
        """1.12 is that of 9.6, 1.13 of 10 and 11. What they have not: each table's access method. The places of the
        data, which move with it, are said to be unknown."""
        out = b"PGDMP" + bytes([1, minor, 0, self.int_size, self.offset_size, self.format])
        for _ in range(8):  # compression and the time
            out += self.integer()[1]
        out += self.text() + self.text() + self.text()  # database, server, tool
        count, raw = self.integer()
        out += raw
        for _ in range(count):
            out += self.integer()[1] + self.integer()[1]  # id, has data
            out += b"".join(self.text() for _ in range(4))  # table oid, oid, tag, description
            out += self.integer()[1]  # section
            out += b"".join(self.text() for _ in range(3))  # definition, drop, copy
            out += self.text() + self.text()  # schema, tablespace
            self.text()  # access method
            out += self.text() + self.text()  # owner, with oids
            while True:
                dependency = self.text()
                out += dependency
                if dependency[0]:  # -1 ends them
                    break
            state = self.take(1)
            self.take(self.offset_size)
            out += (b"\x03" if state == b"\x03" else b"\x01") + bytes(self.offset_size)
        return out + self.data[self.at:]


# TeslaMate 1.0 to 1.5, August 2019: trips became drives, settings were one row for all cars, tokens were in the clear.
SCHEMA_2019 = """
CREATE EXTENSION cube; CREATE EXTENSION earthdistance;
CREATE TYPE states_status AS ENUM ('online', 'offline', 'asleep');
CREATE TYPE unit_of_length AS ENUM ('km', 'mi');
CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, inserted_at timestamp(0));
CREATE TABLE addresses (id serial PRIMARY KEY, display_name varchar(512), place_id integer, latitude numeric(8,6), longitude numeric(9,6),
  name varchar(255), house_number varchar(255), road varchar(255), city varchar(255), country varchar(255), raw jsonb,
  inserted_at timestamp(0) NOT NULL, updated_at timestamp(0) NOT NULL);
CREATE UNIQUE INDEX addresses_place_id_index ON addresses (place_id);
CREATE TABLE cars (id serial PRIMARY KEY, eid bigint NOT NULL, vid bigint NOT NULL, model varchar(255) NOT NULL, efficiency double precision,
  inserted_at timestamp(0) NOT NULL, updated_at timestamp(0) NOT NULL);
CREATE UNIQUE INDEX cars_eid_index ON cars (eid);
CREATE TABLE trips (id serial PRIMARY KEY, start_date timestamp NOT NULL, end_date timestamp, outside_temp_avg double precision, speed_max integer,
  power_max double precision, start_range_km double precision, end_range_km double precision, start_km double precision, end_km double precision,
  distance double precision, duration_min smallint, car_id integer NOT NULL REFERENCES cars ON DELETE CASCADE,
  start_address_id integer REFERENCES addresses, end_address_id integer REFERENCES addresses, consumption_kwh double precision,
  consumption_kwh_100km double precision, efficiency double precision);
CREATE TABLE positions (id serial PRIMARY KEY, date timestamp NOT NULL, latitude double precision NOT NULL, longitude double precision NOT NULL,
  speed integer, power double precision, odometer double precision, ideal_battery_range_km double precision, battery_level integer,
  outside_temp double precision, altitude double precision, fan_status integer, driver_temp_setting double precision,
  is_climate_on boolean, car_id integer NOT NULL REFERENCES cars, trip_id integer REFERENCES trips);
CREATE INDEX positions_trip_id_index ON positions (trip_id);
CREATE INDEX positions_date_index ON positions (date);
CREATE TABLE charging_processes (id serial PRIMARY KEY, start_date timestamp NOT NULL, end_date timestamp, charge_energy_added double precision,
  start_range_km double precision, end_range_km double precision, start_battery_level integer, end_battery_level integer, duration_min integer,
  outside_temp_avg double precision, calculated_max_range integer, car_id integer NOT NULL REFERENCES cars,
  position_id integer NOT NULL REFERENCES positions, address_id integer REFERENCES addresses);
CREATE TABLE charges (id serial PRIMARY KEY, date timestamp NOT NULL, battery_heater_on boolean, battery_level integer, charge_energy_added numeric(8,2) NOT NULL,
  charger_power double precision NOT NULL, charger_phases integer, charger_voltage integer, ideal_battery_range_km double precision NOT NULL,
  fast_charger_present boolean, outside_temp double precision,
  charging_process_id integer NOT NULL REFERENCES charging_processes ON DELETE CASCADE);
CREATE TABLE states (id serial PRIMARY KEY, state states_status NOT NULL, start_date timestamp NOT NULL, end_date timestamp, car_id integer NOT NULL REFERENCES cars);
CREATE TABLE settings (id bigserial PRIMARY KEY, unit_of_length unit_of_length NOT NULL DEFAULT 'km', suspend_min integer NOT NULL DEFAULT 21,
  suspend_after_idle_min integer NOT NULL DEFAULT 15, inserted_at timestamp(0) NOT NULL, updated_at timestamp(0) NOT NULL);
CREATE TABLE tokens (id serial PRIMARY KEY, access varchar(255) NOT NULL, refresh varchar(255) NOT NULL, inserted_at timestamp(0) NOT NULL, updated_at timestamp(0) NOT NULL);
DO $$ DECLARE s regclass; BEGIN  -- as before PostgreSQL 10
  FOR s IN SELECT seqrelid FROM pg_sequence LOOP EXECUTE format('ALTER SEQUENCE %s AS bigint', s); END LOOP; END $$;
INSERT INTO schema_migrations VALUES (20190330150000, '2019-08-01'), (20190330160000, '2019-08-01'), (20190810163900, '2019-08-12');
INSERT INTO addresses (display_name, place_id, latitude, longitude, raw, inserted_at, updated_at)
  SELECT E'Stra\\u00dfe ' || i || E'\\\\n\\ttab', i, 52.5 + i * 0.001, 13.4, jsonb_build_object('i', i, 'q', E'"\\\\'), '2019-08-01', '2019-08-01' FROM generate_series(1, 40) i;
INSERT INTO cars (eid, vid, model, efficiency, inserted_at, updated_at) VALUES (1492, 1001, 'S', 0.190052356020942, '2019-08-01', '2019-08-01'), (1493, 1002, '3', 0.153, '2019-08-01', '2019-08-01');
INSERT INTO trips (start_date, end_date, distance, duration_min, car_id, start_address_id, end_address_id, efficiency)
  SELECT '2019-08-01'::timestamp + i * interval '5 hours', '2019-08-01'::timestamp + i * interval '5 hours' + interval '40 minutes', i * 1.7, 40, 1 + i % 2, 1 + i % 40, 1 + (i * 7) % 40,
  CASE WHEN i % 9 = 0 THEN 'NaN' ELSE i / 7.0 END FROM generate_series(1, 60) i;
INSERT INTO positions (date, latitude, longitude, speed, power, odometer, car_id, trip_id)
  SELECT '2019-08-01'::timestamp + i * interval '61.375 seconds', 52 + i * 1e-5, 13 + random_like, nullif(i % 130, 0), i / 3.0, 10000 + i / 10.0, 1 + i % 2, 1 + i % 60
  FROM (SELECT i, ((i * 7919) % 10007) / 10007.0 AS random_like FROM generate_series(1, 3000) i) x;
INSERT INTO charging_processes (start_date, end_date, charge_energy_added, car_id, position_id, address_id)
  SELECT '2019-08-02'::timestamp + i * interval '1 day', NULL, i * 3.3, 1 + i % 2, i * 11, 1 + i FROM generate_series(1, 20) i;
INSERT INTO charges (date, charge_energy_added, charger_power, ideal_battery_range_km, charging_process_id)
  SELECT '2019-08-02'::timestamp + i * interval '1 minute', i * 0.01, 11, 200 + i, 1 + i % 20 FROM generate_series(1, 500) i;
INSERT INTO states (state, start_date, car_id) SELECT 'online', '2019-08-01'::timestamp + i * interval '1 hour', 1 FROM generate_series(1, 30) i;
INSERT INTO settings (inserted_at, updated_at) VALUES ('2019-08-01', '2019-08-01');
INSERT INTO tokens (access, refresh, inserted_at, updated_at) VALUES (repeat('a', 64), repeat('b', 64), '2019-08-01', '2019-08-01');
"""
