# SPDX-License-Identifier: MIT
# What services.teslamate-backup takes. Defaults come from TeslaMate's own module where that is there. No option promises
# what nobody does: the level of compression is the programs' own, sleep is held off during every restore, and pruning
# follows every good backup.
{
  config,
  options,
  lib,
  pkgs,
  utils,
  ...
}:
let
  inherit (lib) literalExpression mkEnableOption mkOption types;
  cfg = config.services.teslamate-backup;
  # TeslaMate's module may be absent, older or newer than this one: every look at it has an answer without it, also
  # where an option was removed and throws when it is read.
  hasTeslaMate = options ? services.teslamate.enable;
  tm =
    path: default:
    let
      found = builtins.tryEval (
        lib.attrByPath path default (if hasTeslaMate then config.services.teslamate else { })
      );
    in
    if found.success then found.value else default;
  tmEnabled = tm [ "enable" ] false;
  tmServer = tmEnabled && tm [ "postgres" "enable_server" ] false;
  tmHost = tm [ "postgres" "host" ] "127.0.0.1";
  # A server here may be somebody else's, while TeslaMate's is on another machine.
  tmElsewhere = tmEnabled && !tmServer && !builtins.elem tmHost local.names;
  localServer = tmServer || (config.services.postgresql.enable && !tmElsewhere);
  local = import ./local.nix;

  # TeslaMate in a container that NixOS runs has a unit named after it.
  oci = config.virtualisation.oci-containers or { };
  inContainer = !tmEnabled && (oci.containers or { }) ? teslamate;
  containerUnit = oci.containers.teslamate.serviceName or "${oci.backend or "podman"}-teslamate";

  mkFile =
    description: example:
    mkOption {
      type = types.nullOr types.externalPath;
      default = null;
      inherit description example;
    };
  mkCommand =
    description: example:
    mkOption {
      type = types.listOf types.str;
      default = [ ];
      inherit example;
      description = "${description} A program and its arguments; no shell reads it.";
    };
  mkCount =
    default: description:
    mkOption {
      type = types.nullOr types.ints.unsigned;
      inherit default;
      example = 14;
      description = "${description} `null` switches the rule off.";
    };
  mkSchedule =
    default: what:
    mkOption {
      type = types.nullOr (types.either types.str (types.listOf types.str));
      inherit default;
      example = "*-*-* 02:15:00";
      description = "When ${what}, as in {manpage}`systemd.time(7)`. `null`: never by itself.";
    };
in
{
  options.services.teslamate-backup = {
    enable = mkEnableOption "backups of TeslaMate's database";
    package = lib.mkPackageOption pkgs "teslamate-backup" { };

    user = mkOption {
      type = types.str;
      default = "teslamate-backup";
      example = "backup";
      description = ''
        Account that takes backups. It is created only while this is the default. With a local server its
        PostgreSQL role has the same name and may read, and nothing else.
      '';
    };
    group = mkOption {
      type = types.str;
      default = "teslamate-backup";
      example = "backup";
      description = "Group of that account.";
    };
    postgresqlPackage = mkOption {
      type = types.package;
      default = if localServer then config.services.postgresql.package else pkgs.postgresql;
      defaultText = literalExpression "services.postgresql.package if that is enabled, else pkgs.postgresql";
      example = literalExpression "pkgs.postgresql_18";
      description = "Whose pg_dump, pg_restore and (in a drill) server are used: the server's major version or newer.";
    };
    installTools = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether the programs are in everybody's PATH.";
    };
    shadowUpstreamTools = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether they win over the scripts of the same names (teslamate-backup, teslamate-restore, …) that
        TeslaMate's own module installs.
      '';
    };

    database = {
      host = mkOption {
        type = types.str;
        default = if localServer then "/run/postgresql" else tmHost;
        defaultText = literalExpression ''"/run/postgresql" with a local server, else TeslaMate's, else "127.0.0.1"'';
        example = "db.example.net";
        description = "PostgreSQL server: the folder of its socket, a name or an address.";
      };
      port = mkOption {
        type = types.port;
        default = tm [ "postgres" "port" ] 5432;
        defaultText = literalExpression "services.teslamate.postgres.port or 5432";
        example = 5433;
        description = "Its port.";
      };
      name = mkOption {
        type = types.str;
        default = tm [ "postgres" "database" ] "teslamate";
        defaultText = literalExpression ''services.teslamate.postgres.database or "teslamate"'';
        example = "teslamate";
        description = "TeslaMate's database.";
      };
      owner = mkOption {
        type = types.str;
        default = tm [ "postgres" "user" ] "teslamate";
        defaultText = literalExpression ''services.teslamate.postgres.user or "teslamate"'';
        example = "teslamate";
        description = "Role that owns it; a restore, which runs as root, connects as this role.";
      };
      user = mkOption {
        type = types.str;
        default = if lib.hasPrefix "/" cfg.database.host then cfg.user else cfg.database.owner;
        defaultText = literalExpression "services.teslamate-backup.user on a socket, else database.owner";
        example = "teslamate-backup";
        description = "Role that backups connect as.";
      };
      passwordFile = mkFile "File with the password of `database.user`; only root need be able to read it." "/run/secrets/teslamate-db";
      secretsFile = mkFile ''
        TeslaMate's own environment file, from which DATABASE_PASS (and, for the check of the tokens,
        ENCRYPTION_KEY) is taken. It is read, never sourced. Only root need be able to read it.
      '' "/run/secrets/teslamate.env";
      createLocally = mkOption {
        type = types.bool;
        default = localServer && lib.hasPrefix "/" cfg.database.host;
        defaultText = literalExpression "true with a server on this machine, over its socket";
        example = false;
        description = "Whether the role `database.user` is created on this machine's server, with pg_read_all_data.";
      };
      sslMode = mkOption {
        type = types.enum [
          "disable"
          "allow"
          "prefer"
          "require"
          "verify-ca"
          "verify-full"
        ];
        default = "prefer";
        example = "verify-full";
        description = "As libpq's sslmode; over a network use verify-full and `database.caFile`.";
      };
      caFile = mkFile "Certificates that the server's is checked against." "/etc/ssl/certs/ca-bundle.crt";
    };

    repository = {
      path = mkOption {
        type = types.externalPath;
        default = "/var/lib/teslamate-backup/repository";
        example = "/mnt/usb/teslamate";
        description = ''
          Folder of the repository. Another than the default must be there, empty and belonging to `user`, or be
          made with `repository.createFolder`; what it is mounted on is waited for.
        '';
      };
      createFolder = mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = "Whether systemd-tmpfiles makes that folder, also where its disk is not mounted.";
      };
      initialize = mkOption {
        type = types.bool;
        default = true;
        example = false;
        description = ''
          Whether an empty folder becomes a repository at the first backup. Without it only
          {command}`teslamate-backup --init` and {command}`teslamate-keys init` make one.
        '';
      };
      minFree = mkOption {
        type = types.ints.unsigned;
        default = 256;
        example = 2048;
        description = ''
          MiB of the repository's disk that stay free: rather than go below, a backup fails and says so. PostgreSQL
          may be on the same disk, and stops when it is full. 0 lets the disk be filled.
        '';
      };
    };
    encryption.keyFile = mkFile ''
      File with the passphrase, or the key, that opens an encrypted repository. Only root need be able to read it.
      Make the repository with {command}`teslamate-keys init` first, and keep its recovery sheet.
    '' "/run/secrets/teslamate-repository-key";

    schedule = {
      backup = mkSchedule "daily" "a backup is taken";
      verify = mkSchedule "*-*-* 04:00:00" "the repository is verified";
      prune = mkSchedule null ''
        backups that no rule of {option}`services.teslamate-backup.retention` keeps are removed, besides the time
        after each backup'';
      drill = mkSchedule "Sun *-*-1..7 05:00:00" "the newest backup is restored into a throw-away server";
    };
    timerConfig = mkOption {
      type = types.attrsOf utils.systemdUtils.unitOptions.unitOption;
      default = {
        Persistent = true;
        RandomizedDelaySec = "15min";
        FixedRandomDelay = true;
      };
      example = {
        Persistent = true;
        RandomizedDelaySec = "1h";
      };
      description = "What else the timers are told; see {manpage}`systemd.timer(5)`.";
    };
    retention = {
      last = mkCount 7 "How many of the newest are kept.";
      hourly = mkCount 24 "For how many hours one is kept.";
      daily = mkCount 30 "For how many days one is kept.";
      weekly = mkCount 12 "For how many weeks one is kept.";
      monthly = mkCount 36 "For how many months one is kept.";
      yearly = mkCount 50 "For how many years one is kept.";
    };

    units.stop = mkOption {
      type = types.listOf types.str;
      default =
        if cfg.restore.stopCommand != [ ] then
          [ ]
        else if inContainer then
          [ "${containerUnit}.service" ]
        else
          [ "teslamate.service" ];
      defaultText = literalExpression ''[ "teslamate.service" ], or the unit of virtualisation.oci-containers.containers.teslamate'';
      example = [
        "podman-teslamate.service"
        "grafana.service"
      ];
      description = ''
        Units that a restore stops, in this order, and starts again in reverse. None where TeslaMate runs on another
        machine; a restore then has to be told `--no-service`.
      '';
    };
    restore = {
      stopCommand = mkCommand "Stops a TeslaMate that is no unit, instead of `units.stop`." [
        "docker"
        "stop"
        "teslamate"
      ];
      startCommand = mkCommand "Starts it again." [
        "docker"
        "start"
        "teslamate"
      ];
      statusCommand = mkCommand "Ends with 0 and prints something, other than `false`, while it runs." [
        "docker"
        "inspect"
        "--format={{.State.Running}}"
        "teslamate"
      ];
      healthUrl = mkOption {
        type = types.str;
        default = "http://127.0.0.1:${toString (tm [ "port" ] 4000)}/health_check";
        defaultText = literalExpression ''"http://127.0.0.1:''${services.teslamate.port or 4000}/health_check"'';
        example = "";
        description = "Address that must answer after a restore; empty: none is asked.";
      };
      keepOldDays = mkOption {
        type = types.ints.unsigned;
        default = 7;
        example = 30;
        description = "For how many days a restore keeps the database that it replaced.";
      };
      inhibitSleep = mkOption {
        type = types.bool;
        default = true;
        example = false;
        description = ''
          Whether a restore asks the machine not to sleep or go down meanwhile. It is safe without, too: what was cut
          off is finished or undone by {command}`teslamate-restore --abort`.
        '';
      };
    };
    hooks = lib.genAttrs [ "beforeBackup" "afterBackup" "beforeStop" "afterStart" "onFailure" ] (
      name: mkCommand "Run at this moment, with the facts in its environment (see {manpage}`teslamate-backup-config(5)`)." [ "/run/current-system/sw/bin/logger" name ]
    );

    offsite.restic = {
      enable = mkEnableOption "a copy by restic after every backup";
      repository = mkOption {
        type = types.str;
        default = "";
        example = "rclone:b2:teslamate";
        description = "restic's repository.";
      };
      passwordFile = mkFile "File with restic's password." "/run/secrets/restic";
      extra = mkOption {
        type = types.attrs;
        default = { };
        example = {
          pruneOpts = [ "--keep-daily 30" ];
        };
        description = "More options of `services.restic.backups.teslamate`.";
      };
    };
    offsite.rclone = {
      enable = mkEnableOption "a copy by rclone after every backup";
      remote = mkOption {
        type = types.str;
        default = "";
        example = "b2:teslamate";
        description = "Where rclone copies the repository to.";
      };
      configFile = mkFile "rclone's configuration, with its secrets." "/run/secrets/rclone.conf";
    };

    pitr = {
      enable = mkEnableOption ''
        point-in-time recovery, by `services.pgbackrest` beside our snapshots: the server on this machine archives every
        change, so that any moment since the oldest full backup can be had again, of all its databases together. When the
        archive cannot be written, the server keeps its changes until its disk is full: watch it
      '';
      repoPath = mkOption {
        type = types.externalPath;
        default = "/var/lib/pgbackrest";
        example = "/mnt/usb/pgbackrest";
        description = "Folder of pgBackRest's repository, best on another disk; it will belong to the account postgres.";
      };
      full = mkOption {
        type = types.str;
        default = "Sun *-*-* 03:00:00";
        example = "*-*-01 03:00:00";
        description = "When a full backup is taken, as in {manpage}`systemd.time(7)`.";
      };
      diff = mkOption {
        type = types.nullOr types.str;
        default = "Mon..Sat *-*-* 03:00:00";
        example = "*-*-* 03:00:00";
        description = "When what changed since the last full one is; `null`: never.";
      };
      retentionFull = mkOption {
        type = types.ints.positive;
        default = 2;
        example = 4;
        description = "How many full backups are kept, with all changes since the oldest of them.";
      };
      cipherPassFile = mkFile ''
        File with one line, `PGBACKREST_REPO1_CIPHER_PASS=` and a passphrase, by which the repository is encrypted. To be
        decided before its first backup. Only root need be able to read it.
      '' "/run/secrets/pgbackrest";
    };

    notify = {
      onFailure = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "mail@%n.service" ];
        description = "Units started when a unit of ours failed, besides our own alert.";
      };
      onSuccess = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "nas-sleep.service" ];
        description = "Units started after a good backup.";
      };
      webhookFile = mkFile "File with an address that gets a POST of JSON." "/run/secrets/teslamate-webhook";
      ntfyFile = mkFile "File with the address of an ntfy topic." "/run/secrets/teslamate-ntfy";
      ntfyTokenFile = mkFile "File with the token for it." "/run/secrets/teslamate-ntfy-token";
      healthchecksFile = mkFile "File with the address of a check, pinged at the start, success and failure." "/run/secrets/teslamate-hc";
      onGoodRuns = mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = "Whether webhook and ntfy are told of good runs too.";
      };
    };
    metrics.textfile = mkOption {
      type = types.nullOr types.externalPath;
      default = null;
      example = "/var/lib/prometheus-node-exporter-text-files/teslamate_backup.prom";
      description = "Metrics for node_exporter's textfile collector; `user` must be able to write to its folder.";
    };

    grafana.enable = mkOption {
      type = types.bool;
      default = cfg.metrics.textfile != null && tm [ "grafana" "enable" ] false;
      defaultText = literalExpression "metrics.textfile != null && services.teslamate.grafana.enable or false";
      example = true;
      description = "Whether Grafana shows the backups' dashboard; it needs `metrics.textfile` and Prometheus.";
    };

    polkit = {
      enable = mkEnableOption "members of `polkit.group` starting and stopping TeslaMate and our units without being root";
      group = mkOption {
        type = types.strMatching "[a-z_][a-z0-9_-]*";
        default = "teslamate-operators";
        example = "wheel";
        description = "That group. Not the group of `user`: what reads the database has no business stopping TeslaMate.";
      };
    };
    timeout = mkOption {
      type = types.str;
      default = "2h";
      example = "30min";
      description = "How long a backup may take.";
    };
    niceness = mkOption {
      type = types.ints.between (-20) 19;
      default = 10;
      example = 19;
      description = "Its priority.";
    };

    settings = mkOption {
      type = (pkgs.formats.toml { }).type;
      default = { };
      example = {
        goals.preset = "serious";
      };
      description = ''
        What else is in /etc/teslamate-backup/config.toml; see {manpage}`teslamate-backup-config(5)`. It is in the
        world-readable store: secrets are named by files.
      '';
    };
    checkConfig = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether the programs themselves check that file while the system is built.";
    };
  };
}
