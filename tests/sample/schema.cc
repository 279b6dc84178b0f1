// SPDX-License-Identifier: MIT
#include "schema.hh"

namespace tmb::sample {

std::string_view schema_before_data() {
  return R"sql(-- A sample TeslaMate database: made up cars, real shapes.
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET client_min_messages = warning;
SET synchronous_commit = off;
SET search_path = public;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';

CREATE SCHEMA private;
CREATE EXTENSION cube WITH SCHEMA public;
CREATE EXTENSION earthdistance WITH SCHEMA public;

CREATE TYPE public.billing_type AS ENUM ('per_kwh', 'per_minute');
CREATE TYPE public.range AS ENUM ('ideal', 'rated');
CREATE TYPE public.states_status AS ENUM ('online', 'offline', 'asleep');
CREATE TYPE public.unit_of_length AS ENUM ('km', 'mi');
CREATE TYPE public.unit_of_pressure AS ENUM ('bar', 'psi');
CREATE TYPE public.unit_of_temperature AS ENUM ('C', 'F');

CREATE FUNCTION public.convert_celsius(n numeric, unit text) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CASE unit WHEN 'F' THEN 32 + n * 9 / 5 ELSE n END $$;
CREATE FUNCTION public.convert_km(n numeric, unit text) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CASE unit WHEN 'mi' THEN n / 1.609344 ELSE n END $$;
CREATE FUNCTION public.convert_m(n double precision, unit text) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CASE unit WHEN 'ft' THEN n / 0.3048 ELSE n END $$;
CREATE FUNCTION public.convert_tire_pressure(n numeric, character varying) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CASE $2 WHEN 'psi' THEN n * 14.503773773 ELSE n END $$;

CREATE SEQUENCE private.tokens_id_seq AS integer;
CREATE SEQUENCE public.addresses_id_seq AS integer;
CREATE SEQUENCE public.car_settings_id_seq AS bigint;
CREATE SEQUENCE public.cars_id_seq AS smallint;
CREATE SEQUENCE public.charges_id_seq AS integer;
CREATE SEQUENCE public.charging_processes_id_seq AS integer;
CREATE SEQUENCE public.trips_id_seq AS integer;
CREATE SEQUENCE public.geofences_id_seq AS integer;
CREATE SEQUENCE public.positions_id_seq AS integer;
CREATE SEQUENCE public.settings_id_seq AS bigint;
CREATE SEQUENCE public.states_id_seq AS integer;
CREATE SEQUENCE public.updates_id_seq AS integer;

CREATE TABLE private.tokens (
    id integer DEFAULT nextval('private.tokens_id_seq'::regclass) NOT NULL,
    inserted_at timestamp(0) without time zone NOT NULL,
    updated_at timestamp(0) without time zone NOT NULL,
    refresh bytea,
    access bytea
);
CREATE TABLE public.addresses (
    id integer DEFAULT nextval('addresses_id_seq'::regclass) NOT NULL,
    display_name character varying(512),
    latitude numeric(8,6),
    longitude numeric(9,6),
    name character varying(255),
    house_number character varying(255),
    road character varying(255),
    neighbourhood character varying(255),
    city character varying(255),
    county character varying(255),
    postcode character varying(255),
    state character varying(255),
    state_district character varying(255),
    country character varying(255),
    raw jsonb,
    inserted_at timestamp(0) without time zone NOT NULL,
    updated_at timestamp(0) without time zone NOT NULL,
    osm_id bigint,
    osm_type text
);
CREATE TABLE public.car_settings (
    id bigint DEFAULT nextval('car_settings_id_seq'::regclass) NOT NULL,
    suspend_min integer DEFAULT 21 NOT NULL,
    suspend_after_idle_min integer DEFAULT 15 NOT NULL,
    req_not_unlocked boolean DEFAULT false NOT NULL,
    free_supercharging boolean DEFAULT false NOT NULL,
    use_streaming_api boolean DEFAULT true NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    lfp_battery boolean DEFAULT false NOT NULL
);
CREATE TABLE public.cars (
    id smallint DEFAULT nextval('cars_id_seq'::regclass) NOT NULL,
    eid bigint NOT NULL,
    vid bigint NOT NULL,
    model character varying(255),
    efficiency double precision,
    inserted_at timestamp(0) without time zone NOT NULL,
    updated_at timestamp(0) without time zone NOT NULL,
    vin text,
    name text,
    trim_badging text,
    settings_id bigint NOT NULL,
    exterior_color text,
    spoiler_type text,
    wheel_type text,
    display_priority smallint DEFAULT 1 NOT NULL,
    marketing_name character varying(255)
);
CREATE TABLE public.charges (
    id integer DEFAULT nextval('charges_id_seq'::regclass) NOT NULL,
    date timestamp without time zone NOT NULL,
    battery_heater_on boolean,
    battery_level smallint,
    charge_energy_added numeric(8,2) NOT NULL,
    charger_actual_current smallint,
    charger_phases smallint,
    charger_pilot_current smallint,
    charger_power smallint NOT NULL,
    charger_voltage smallint,
    fast_charger_present boolean,
    conn_charge_cable character varying(255),
    fast_charger_brand character varying(255),
    fast_charger_type character varying(255),
    ideal_battery_range_km numeric(6,2) NOT NULL,
    not_enough_power_to_heat boolean,
    outside_temp numeric(4,1),
    charging_process_id integer NOT NULL,
    battery_heater boolean,
    battery_heater_no_power boolean,
    rated_battery_range_km numeric(6,2),
    usable_battery_level smallint
);
CREATE TABLE public.charging_processes (
    id integer DEFAULT nextval('charging_processes_id_seq'::regclass) NOT NULL,
    start_date timestamp without time zone NOT NULL,
    end_date timestamp without time zone,
    charge_energy_added numeric(8,2),
    start_ideal_range_km numeric(6,2),
    end_ideal_range_km numeric(6,2),
    start_battery_level smallint,
    end_battery_level smallint,
    duration_min smallint,
    outside_temp_avg numeric(4,1),
    car_id smallint NOT NULL,
    position_id integer NOT NULL,
    address_id integer,
    start_rated_range_km numeric(6,2),
    end_rated_range_km numeric(6,2),
    geofence_id integer,
    charge_energy_used numeric(8,2),
    cost numeric(6,2)
);
CREATE TABLE public.drives (
    id integer DEFAULT nextval('trips_id_seq'::regclass) NOT NULL,
    start_date timestamp without time zone NOT NULL,
    end_date timestamp without time zone,
    outside_temp_avg numeric(4,1),
    speed_max smallint,
    power_max smallint,
    power_min smallint,
    start_ideal_range_km numeric(6,2),
    end_ideal_range_km numeric(6,2),
    start_km double precision,
    end_km double precision,
    distance double precision,
    duration_min smallint,
    car_id smallint NOT NULL,
    inside_temp_avg numeric(4,1),
    start_address_id integer,
    end_address_id integer,
    start_rated_range_km numeric(6,2),
    end_rated_range_km numeric(6,2),
    start_position_id integer,
    end_position_id integer,
    start_geofence_id integer,
    end_geofence_id integer,
    ascent smallint,
    descent smallint
);
CREATE TABLE public.geofences (
    id integer DEFAULT nextval('geofences_id_seq'::regclass) NOT NULL,
    name character varying(255) NOT NULL,
    latitude numeric(8,6) NOT NULL,
    longitude numeric(9,6) NOT NULL,
    radius smallint DEFAULT 25 NOT NULL,
    inserted_at timestamp(0) without time zone NOT NULL,
    updated_at timestamp(0) without time zone NOT NULL,
    cost_per_unit numeric(6,4),
    session_fee numeric(6,2),
    billing_type billing_type DEFAULT 'per_kwh'::billing_type NOT NULL
);
CREATE TABLE public.positions (
    id integer DEFAULT nextval('positions_id_seq'::regclass) NOT NULL,
    date timestamp without time zone NOT NULL,
    latitude numeric(8,6) NOT NULL,
    longitude numeric(9,6) NOT NULL,
    speed smallint,
    power smallint,
    odometer double precision,
    ideal_battery_range_km numeric(6,2),
    battery_level smallint,
    outside_temp numeric(4,1),
    elevation smallint,
    fan_status integer,
    driver_temp_setting numeric(4,1),
    passenger_temp_setting numeric(4,1),
    is_climate_on boolean,
    is_rear_defroster_on boolean,
    is_front_defroster_on boolean,
    car_id smallint NOT NULL,
    drive_id integer,
    inside_temp numeric(4,1),
    battery_heater boolean,
    battery_heater_on boolean,
    battery_heater_no_power boolean,
    est_battery_range_km numeric(6,2),
    rated_battery_range_km numeric(6,2),
    usable_battery_level smallint,
    tpms_pressure_fl numeric(4,1),
    tpms_pressure_fr numeric(4,1),
    tpms_pressure_rl numeric(4,1),
    tpms_pressure_rr numeric(4,1)
);
CREATE TABLE public.schema_migrations (
    version bigint NOT NULL,
    inserted_at timestamp(0) without time zone
);
CREATE TABLE public.settings (
    id bigint DEFAULT nextval('settings_id_seq'::regclass) NOT NULL,
    inserted_at timestamp(0) without time zone NOT NULL,
    updated_at timestamp(0) without time zone NOT NULL,
    unit_of_length unit_of_length DEFAULT 'km'::unit_of_length NOT NULL,
    unit_of_temperature unit_of_temperature DEFAULT 'C'::unit_of_temperature NOT NULL,
    preferred_range range DEFAULT 'rated'::range NOT NULL,
    base_url character varying(255),
    grafana_url character varying(255),
    language text DEFAULT 'en'::text NOT NULL,
    unit_of_pressure unit_of_pressure DEFAULT 'bar'::unit_of_pressure NOT NULL,
    theme_mode text DEFAULT 'system'::text NOT NULL
);
CREATE TABLE public.states (
    id integer DEFAULT nextval('states_id_seq'::regclass) NOT NULL,
    state states_status NOT NULL,
    start_date timestamp without time zone NOT NULL,
    end_date timestamp without time zone,
    car_id smallint NOT NULL,
    CONSTRAINT positive_duration CHECK ((end_date >= start_date))
);
CREATE TABLE public.updates (
    id integer DEFAULT nextval('updates_id_seq'::regclass) NOT NULL,
    start_date timestamp without time zone NOT NULL,
    end_date timestamp without time zone,
    version character varying(255),
    car_id smallint NOT NULL,
    CONSTRAINT positive_duration CHECK ((end_date >= start_date))
);
ALTER SEQUENCE private.tokens_id_seq OWNED BY private.tokens.id;
ALTER SEQUENCE public.addresses_id_seq OWNED BY public.addresses.id;
ALTER SEQUENCE public.car_settings_id_seq OWNED BY public.car_settings.id;
ALTER SEQUENCE public.cars_id_seq OWNED BY public.cars.id;
ALTER SEQUENCE public.charges_id_seq OWNED BY public.charges.id;
ALTER SEQUENCE public.charging_processes_id_seq OWNED BY public.charging_processes.id;
ALTER SEQUENCE public.trips_id_seq OWNED BY public.drives.id;
ALTER SEQUENCE public.geofences_id_seq OWNED BY public.geofences.id;
ALTER SEQUENCE public.positions_id_seq OWNED BY public.positions.id;
ALTER SEQUENCE public.settings_id_seq OWNED BY public.settings.id;
ALTER SEQUENCE public.states_id_seq OWNED BY public.states.id;
ALTER SEQUENCE public.updates_id_seq OWNED BY public.updates.id;

)sql";
}

std::string_view schema_after_data() {
  return R"sql(
ALTER TABLE ONLY private.tokens ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.addresses ADD CONSTRAINT addresses_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.car_settings ADD CONSTRAINT car_settings_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.cars ADD CONSTRAINT cars_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.geofences ADD CONSTRAINT geofences_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.drives ADD CONSTRAINT trips_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.positions ADD CONSTRAINT positions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.charging_processes ADD CONSTRAINT charging_processes_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.charges ADD CONSTRAINT charges_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schema_migrations ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.settings ADD CONSTRAINT settings_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.states ADD CONSTRAINT states_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.updates ADD CONSTRAINT updates_pkey PRIMARY KEY (id);

CREATE UNIQUE INDEX addresses_osm_id_osm_type_index ON public.addresses USING btree (osm_id, osm_type);
CREATE UNIQUE INDEX cars_eid_index ON public.cars USING btree (eid);
CREATE UNIQUE INDEX cars_settings_id_index ON public.cars USING btree (settings_id);
CREATE UNIQUE INDEX cars_vid_index ON public.cars USING btree (vid);
CREATE UNIQUE INDEX cars_vin_index ON public.cars USING btree (vin);
CREATE INDEX charges_charging_process_id_index ON public.charges USING btree (charging_process_id);
CREATE INDEX charges_date_index ON public.charges USING btree (date);
CREATE INDEX charging_processes_address_id_index ON public.charging_processes USING btree (address_id);
CREATE INDEX charging_processes_car_id_index ON public.charging_processes USING btree (car_id);
CREATE INDEX charging_processes_position_id_index ON public.charging_processes USING btree (position_id);
CREATE INDEX drives_end_geofence_id_index ON public.drives USING btree (end_geofence_id);
CREATE INDEX drives_end_position_id_index ON public.drives USING btree (end_position_id);
CREATE INDEX drives_start_geofence_id_index ON public.drives USING btree (start_geofence_id);
CREATE INDEX drives_start_position_id_index ON public.drives USING btree (start_position_id);
CREATE INDEX trips_car_id_index ON public.drives USING btree (car_id);
CREATE INDEX trips_end_address_id_index ON public.drives USING btree (end_address_id);
CREATE INDEX trips_start_address_id_index ON public.drives USING btree (start_address_id);
CREATE INDEX "positions_car_id_date__ideal_battery_range_km_IS_NOT_NULL_index"
    ON public.positions USING btree (car_id, date, ((ideal_battery_range_km IS NOT NULL)))
    WHERE (ideal_battery_range_km IS NOT NULL);
CREATE INDEX positions_car_id_index ON public.positions USING btree (car_id);
CREATE INDEX positions_date_timestamp_minmax_multi_ops_index
    ON public.positions USING brin (date timestamp_minmax_multi_ops)
    WITH (autosummarize='true', pages_per_range='64');
CREATE INDEX positions_drive_id_date_timestamp_minmax_multi_ops_index
    ON public.positions USING brin (drive_id, date timestamp_minmax_multi_ops)
    WITH (autosummarize='true', pages_per_range='64');
CREATE UNIQUE INDEX "states_car_id__end_date_IS_NULL_index"
    ON public.states USING btree (car_id, ((end_date IS NULL))) WHERE (end_date IS NULL);
CREATE INDEX states_car_id_index ON public.states USING btree (car_id);
CREATE INDEX updates_car_id_index ON public.updates USING btree (car_id);

ALTER TABLE ONLY public.cars ADD CONSTRAINT cars_settings_id_fkey
    FOREIGN KEY (settings_id) REFERENCES public.car_settings(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.drives ADD CONSTRAINT drives_car_id_fkey
    FOREIGN KEY (car_id) REFERENCES public.cars(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.drives ADD CONSTRAINT drives_end_address_id_fkey
    FOREIGN KEY (end_address_id) REFERENCES public.addresses(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.drives ADD CONSTRAINT drives_end_geofence_id_fkey
    FOREIGN KEY (end_geofence_id) REFERENCES public.geofences(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.drives ADD CONSTRAINT drives_end_position_id_fkey
    FOREIGN KEY (end_position_id) REFERENCES public.positions(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.drives ADD CONSTRAINT drives_start_address_id_fkey
    FOREIGN KEY (start_address_id) REFERENCES public.addresses(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.drives ADD CONSTRAINT drives_start_geofence_id_fkey
    FOREIGN KEY (start_geofence_id) REFERENCES public.geofences(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.drives ADD CONSTRAINT drives_start_position_id_fkey
    FOREIGN KEY (start_position_id) REFERENCES public.positions(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.positions ADD CONSTRAINT positions_car_id_fkey
    FOREIGN KEY (car_id) REFERENCES public.cars(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.positions ADD CONSTRAINT positions_drive_id_fkey
    FOREIGN KEY (drive_id) REFERENCES public.drives(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.charging_processes ADD CONSTRAINT charging_processes_address_id_fkey
    FOREIGN KEY (address_id) REFERENCES public.addresses(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.charging_processes ADD CONSTRAINT charging_processes_car_id_fkey
    FOREIGN KEY (car_id) REFERENCES public.cars(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.charging_processes ADD CONSTRAINT charging_processes_geofence_id_fkey
    FOREIGN KEY (geofence_id) REFERENCES public.geofences(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.charging_processes ADD CONSTRAINT charging_processes_position_id_fkey
    FOREIGN KEY (position_id) REFERENCES public.positions(id);
ALTER TABLE ONLY public.charges ADD CONSTRAINT charges_charging_process_id_fkey
    FOREIGN KEY (charging_process_id) REFERENCES public.charging_processes(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.states ADD CONSTRAINT states_car_id_fkey
    FOREIGN KEY (car_id) REFERENCES public.cars(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.updates ADD CONSTRAINT updates_car_id_fkey
    FOREIGN KEY (car_id) REFERENCES public.cars(id) ON DELETE CASCADE;

ANALYZE;
)sql";
}

}  // namespace tmb::sample
