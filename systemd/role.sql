-- SPDX-License-Identifier: MIT
-- The role that backups connect as, by peer authentication: it may log in and read everything, and change
-- nothing. Doing it twice is fine. PostgreSQL 14 or newer.
SET client_min_messages = warning;
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'teslamate-backup') THEN
    CREATE ROLE "teslamate-backup" LOGIN;
  END IF;
  GRANT pg_read_all_data TO "teslamate-backup";
END
$$;
