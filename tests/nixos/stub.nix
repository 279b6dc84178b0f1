# SPDX-License-Identifier: MIT
# As much of NixOS as the module touches, so that it can be evaluated with nixpkgs' lib alone: options that take
# anything, and packages that are names.
{ lib }:
let
  inherit (lib) mkOption types;
  anything = mkOption {
    type = types.anything;
    default = { };
  };
  unit = types.attrsOf (
    types.submodule {
      freeformType = types.attrsOf types.anything;
      options = {
        serviceConfig = mkOption {
          type = types.attrsOf types.anything;
          default = { };
        };
        timerConfig = mkOption {
          type = types.attrsOf types.anything;
          default = { };
        };
        unitConfig = mkOption {
          type = types.attrsOf types.anything;
          default = { };
        };
        environment = mkOption {
          type = types.attrsOf types.str;
          default = { };
        };
        script = mkOption {
          type = types.lines;
          default = "";
        };
        onFailure = mkOption {
          type = types.listOf types.str;
          default = [ ];
        };
        onSuccess = mkOption {
          type = types.listOf types.str;
          default = [ ];
        };
      };
    }
  );
  package = name: {
    type = "derivation";
    inherit name;
    outPath = "/nix/store/00000000000000000000000000000000-${name}";
    meta.mainProgram = name;
  };
  # Two levels of tables, whose values JSON and TOML write alike.
  toToml =
    settings:
    lib.concatStrings (
      lib.mapAttrsToList (
        section: keys:
        if lib.isAttrs keys then
          "[${section}]\n" + lib.concatStrings (lib.mapAttrsToList (k: v: "${k} = ${builtins.toJSON v}\n") keys)
        else
          throw "a key outside of sections: ${section}"
      ) settings
    );
in
{
  pkgs = {
    formats.toml = _: {
      type = types.attrsOf types.anything;
      generate = name: value: {
        inherit name;
        text = toToml value;
        outPath = "/nix/store/00000000000000000000000000000000-${name}";
      };
    };
    runCommand = name: _: script: { inherit name script; outPath = "/nix/store/11111111111111111111111111111111-${name}"; };
    postgresql = package "postgresql";
    teslamate-backup = package "teslamate-backup";
    rclone = package "rclone";
  };
  utils.systemdUtils.unitOptions.unitOption = types.anything;

  nixos = {
    options = {
      assertions = mkOption {
        type = types.listOf types.attrs;
        default = [ ];
      };
      warnings = mkOption {
        type = types.listOf types.str;
        default = [ ];
      };
      meta.maintainers = anything;
      environment.etc = anything;
      environment.systemPackages = mkOption {
        type = types.listOf types.anything;
        default = [ ];
      };
      users.users = anything;
      users.groups = anything;
      security.polkit.enable = lib.mkEnableOption "polkit";
      security.polkit.extraConfig = mkOption {
        type = types.lines;
        default = "";
      };
      services.postgresql.enable = lib.mkEnableOption "PostgreSQL";
      services.postgresql.package = mkOption {
        type = types.anything;
        default = package "postgresql-17";
      };
      services.postgresql.dataDir = mkOption {
        type = types.str;
        default = "/var/lib/postgresql/17";
      };
      services.postgresql.ensureUsers = mkOption {
        type = types.listOf types.anything;
        default = [ ];
      };
      fileSystems = anything;
      virtualisation.oci-containers = {
        backend = mkOption {
          type = types.str;
          default = "podman";
        };
        containers = anything;
      };
      services.postgresql.settings = anything;
      services.pgbackrest = anything;
      services.restic.backups = anything;
      services.grafana.provision.dashboards.settings.providers = mkOption {
        type = types.listOf types.attrs;
        default = [ ];
      };
      systemd.packages = mkOption {
        type = types.listOf types.anything;
        default = [ ];
      };
      systemd.tmpfiles.settings = anything;
      systemd.services = mkOption {
        type = unit;
        default = { };
      };
      systemd.timers = mkOption {
        type = unit;
        default = { };
      };
    };
  };

  # TeslaMate's own module, where ours looks at it, with its unit.
  teslamate = {
    config.systemd.services.teslamate = { };
    options.services.teslamate = {
      enable = lib.mkEnableOption "TeslaMate";
      grafana.enable = lib.mkEnableOption "its dashboards";
      port = mkOption {
        type = types.port;
        default = 4000;
      };
      postgres = {
        enable_server = lib.mkEnableOption "its server";
        user = mkOption {
          type = types.str;
          default = "teslamate";
        };
        database = mkOption {
          type = types.str;
          default = "teslamate";
        };
        host = mkOption {
          type = types.str;
          default = "127.0.0.1";
        };
        port = mkOption {
          type = types.port;
          default = 5432;
        };
      };
    };
  };
  # The same module at other times: before it could have a server, and after options went away or got other names.
  teslamateOlder.options.services.teslamate.enable = lib.mkEnableOption "TeslaMate";
  teslamateNewer = {
    imports = [
      (lib.mkRemovedOptionModule [ "services" "teslamate" "postgres" "enable_server" ] "it is gone")
      (lib.mkRemovedOptionModule [ "services" "teslamate" "postgres" "port" ] "it is gone")
      (lib.mkRenamedOptionModule [ "services" "teslamate" "postgres" "database" ] [ "services" "teslamate" "database" "name" ])
    ];
    options.services.teslamate = {
      enable = lib.mkEnableOption "TeslaMate";
      database.name = mkOption {
        type = types.str;
        default = "renamed";
      };
    };
  };
  # And on the day when it has backups of its own where our alias would be.
  teslamateWithBackup.options.services.teslamate = {
    enable = lib.mkEnableOption "TeslaMate";
    backup.enable = lib.mkEnableOption "backups";
    backup.path = mkOption {
      type = types.str;
      default = "/x";
    };
  };
}
