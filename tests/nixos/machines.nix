# SPDX-License-Identifier: MIT
# Virtual machines that try the module for real: `nix flake check`, where KVM is. Each entry of `stories` has settings
# of the module, more of NixOS if needed, and a script; `base` is what all of them stand on.
{
  pkgs,
  module,
  lib ? pkgs.lib,
}:
let
  stories = import ./stories.nix { inherit pkgs lib; };

  # TeslaMate without TeslaMate: a database of its shape and a unit that holds it open and answers.
  base =
    { pkgs, ... }:
    {
      imports = [ module ];
      services.postgresql = {
        enable = true;
        ensureDatabases = [ "teslamate" ];
        ensureUsers = [
          {
            name = "teslamate";
            ensureDBOwnership = true;
            ensureClauses.superuser = true;
          }
        ];
      };
      users.users.teslamate = {
        isSystemUser = true;
        group = "teslamate";
      };
      users.groups.teslamate = { };
      systemd.services.teslamate = {
        wantedBy = [ "multi-user.target" ];
        requires = [ "postgresql.target" ];
        after = [ "postgresql.target" ];
        serviceConfig = {
          User = "teslamate";
          Restart = "on-failure";
        };
        script = "exec ${lib.getExe pkgs.python3} ${../system/fresh/teslamate.py}";
      };
      services.teslamate-backup = {
        enable = true;
        settings.restore.settle = 1;
      };
      environment.systemPackages = [ pkgs.jq ];
    };

  common = ''
    SCHEMA = """
      CREATE EXTENSION IF NOT EXISTS cube; CREATE EXTENSION IF NOT EXISTS earthdistance;
      CREATE TABLE schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp);
      CREATE TABLE cars (id serial PRIMARY KEY, name text);
      CREATE TABLE positions (id serial PRIMARY KEY, car_id int REFERENCES cars, date timestamp, latitude numeric);
      INSERT INTO schema_migrations VALUES (20260411070212, now());
      INSERT INTO cars (name) VALUES ('one');
      INSERT INTO positions (car_id, date, latitude) SELECT 1, now(), i FROM generate_series(1, 5000) i;
    """

    def sql(text, database="teslamate"):
        return machine.succeed(f"sudo -u postgres psql -XAtq -v ON_ERROR_STOP=1 -d {database} <<'SQL'\n{text}\nSQL").strip()

    def snapshots():
        import json
        return json.loads(machine.succeed("teslamate-snapshots list --json"))["snapshots"]

    def result(unit):
        return machine.succeed(f"systemctl show -P Result {unit}").strip()

    machine.start()
    machine.wait_for_unit("postgresql.target")
    sql(SCHEMA)
  '';
in
lib.mapAttrs (
  name: story:
  pkgs.testers.runNixOSTest {
    name = "teslamate-backup-${name}";
    meta.maintainers = [ ];
    nodes.machine.imports = [
      base
      { services.teslamate-backup = story.settings or { }; }
      (story.more or { })
    ];
    testScript = common + story.script;
  }
) stories
