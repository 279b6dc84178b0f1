# SPDX-License-Identifier: MIT
# The module evaluated with nixpkgs' lib alone. The result is the list of what is wrong; empty: nothing.
#   nix-instantiate --eval --strict --json --arg lib 'import LIB' tests/nixos/module_test.nix
{
  lib,
  module ? ../../nix/module.nix,
}:
let
  inherit (import ./evaluate.nix { inherit lib module; }) evaluate stub;
  of = settings: (evaluate ([ { services.teslamate-backup = { enable = true; } // settings; } ])).config;
  ofWith = more: settings: (evaluate (more ++ [ { services.teslamate-backup = { enable = true; } // settings; } ])).config;
  server = {
    services.postgresql.enable = true;
    systemd.services.teslamate = { };
  };
  toml = c: c.services.teslamate-backup.settings;
  service = c: name: c.systemd.services.${name};
  failed = c: map (a: a.message) (lib.filter (a: !a.assertion) c.assertions);
  names = needle: messages: lib.any (lib.hasInfix needle) messages;
  # A password file is needed wherever the server is not local.
  remote = {
    database.host = "db.example.net";
    database.passwordFile = "/run/secrets/db";
  };
  secrets = {
    database.host = "db.example.net";
    database.passwordFile = "/run/secrets/db";
    encryption.keyFile = "/run/secrets/key";
    notify.webhookFile = "/run/secrets/hook";
    notify.ntfyFile = "/run/secrets/ntfy";
    notify.ntfyTokenFile = "/run/secrets/ntfy-token";
    notify.healthchecksFile = "/run/secrets/hc";
    offsite.rclone = {
      enable = true;
      remote = "b2:x";
      configFile = "/run/secrets/rclone";
    };
    offsite.restic = {
      enable = true;
      repository = "b2:y";
      passwordFile = "/run/secrets/restic";
    };
  };
  withSecrets = of secrets;
  local = ofWith [ server ] { };
  readers = [
    "teslamate-backup"
    "teslamate-verify"
    "teslamate-drill"
    "teslamate-prune"
  ];
  complains =
    options: config:
    lib.any (message: lib.all (o: lib.hasInfix "services.teslamate-backup." message && lib.hasInfix o message) options) (
      failed config
    );
  evaluates = config: (builtins.tryEval (builtins.deepSeq (failed config) true)).success;

  facts = {
    "with a server on this machine nothing else has to be said" =
      failed local == [ ]
      && (toml local).database.host == "/run/postgresql"
      && (service local "teslamate-backup").environment.DATABASE_USER == "teslamate-backup"
      && (toml local).database.user == "teslamate";
    "the local role is created, to read" =
      lib.any (u: u.name == "teslamate-backup") local.services.postgresql.ensureUsers
      && lib.hasInfix ''GRANT pg_read_all_data TO "teslamate-backup"'' (service local "postgresql-setup").script
      && !(service local "teslamate-backup-role").enable;
    "no role is created on a server elsewhere" =
      (of remote).services.postgresql.ensureUsers == [ ] && (service (of remote) "teslamate-backup").environment.DATABASE_USER == "teslamate";
    "both short names exist" =
      (service local "teslamate-backup").aliases == [ "backup.service" ]
      && local.systemd.timers.teslamate-backup.aliases == [ "backup.timer" ];
    "a rebuild leaves a running backup alone" = lib.all (n: (service local n).restartIfChanged or true == false) (readers ++ [ "teslamate-backup-notify@" ]);
    "timers make up for missed runs and are on" =
      local.systemd.timers.teslamate-backup.timerConfig.Persistent
      && local.systemd.timers.teslamate-backup.wantedBy == [ "timers.target" ];
    "a schedule replaces the package's" =
      (ofWith [ server ] { schedule.backup = "02:15"; }).systemd.timers.teslamate-backup.timerConfig.OnCalendar == [
        ""
        "02:15"
      ];
    "retention has a time of its own where one is named" =
      (ofWith [ server ] { schedule.prune = "Mon 06:00"; }).systemd.timers.teslamate-prune.timerConfig.OnCalendar == [ "" "Mon 06:00" ]
      && !((ofWith [ server ] { }).systemd.timers ? teslamate-prune);
    "room on the disk, empty folders and sleep reach the settings" =
      let
        said = (ofWith [ server ] {
          repository = { minFree = 2048; initialize = false; };
          restore.inhibitSleep = false;
        }).services.teslamate-backup.settings;
        unsaid = (ofWith [ server ] { }).services.teslamate-backup.settings;
      in
      said.repository.min_free_mib == 2048 && !said.repository.initialize && !said.restore.inhibit_sleep
      && unsaid.repository.min_free_mib == 256 && !(unsaid.repository ? initialize) && !(unsaid.restore ? inhibit_sleep);
    "a schedule may be a list, and null is no timer" =
      (ofWith [ server ] { schedule.drill = [ "Mon" "Thu" ]; }).systemd.timers.teslamate-drill.timerConfig.OnCalendar == [ "" "Mon" "Thu" ]
      && !((ofWith [ server ] { schedule.verify = null; }).systemd.timers ? teslamate-verify);
    "our programs win over upstream's of the same names" =
      (lib.head local.environment.systemPackages).meta.priority < 0;
    "unless that is not wanted" =
      !((lib.head (ofWith [ server ] { shadowUpstreamTools = false; }).environment.systemPackages).meta ? priority)
      && (ofWith [ server ] { installTools = false; }).environment.systemPackages == [ ];
    "the socket-only unit gets no network" =
      !((service local "teslamate-backup").serviceConfig ? PrivateNetwork);
    "a server on this machine over TCP: nothing but this machine" =
      let
        s = (service (of (remote // { database = remote.database // { host = "127.0.0.1"; }; })) "teslamate-backup").serviceConfig;
      in
      s.PrivateNetwork == false && s.IPAddressAllow == [ "localhost" ] && s.IPAddressDeny == [ "any" ];
    "a server elsewhere: a network for the backup alone" =
      let
        s = n: (service (of remote) n).serviceConfig;
      in
      (s "teslamate-backup").PrivateNetwork == false
      && (s "teslamate-backup").IPAddressDeny == [ "" ]
      && !((s "teslamate-verify") ? PrivateNetwork);
    "who tells of good runs by itself has a network for it" =
      (service withSecrets "teslamate-verify").serviceConfig.PrivateNetwork == false
      && !((service (ofWith [ server ] { notify.webhookFile = "/run/x"; }) "teslamate-verify").serviceConfig ? PrivateNetwork);
    "secrets go to units as credentials" =
      let
        s = n: (service withSecrets n).serviceConfig.LoadCredential or [ ];
      in
      lib.take 2 (s "teslamate-backup") == [ "repository-key:/run/secrets/key" "db-password:/run/secrets/db" ]
      && lib.elem "notify-healthchecks:/run/secrets/hc" (s "teslamate-backup")
      && lib.head (s "teslamate-verify") == "repository-key:/run/secrets/key"
      && lib.length (s "teslamate-backup-notify@") == 4
      && s "teslamate-backup-offsite" == [ "rclone.conf:/run/secrets/rclone" ];
    "TeslaMate's own environment file does as well" =
      let
        c = of { database.host = "127.0.0.1"; database.secretsFile = "/run/secrets/tm"; };
      in
      failed c == [ ]
      && (service c "teslamate-backup").serviceConfig.LoadCredential == [ "environment-file:/run/secrets/tm" ]
      && (toml c).database.environment_file == "/run/secrets/tm";
    "a secret in the store is refused" =
      !(builtins.tryEval (of (remote // { encryption.keyFile = "/nix/store/00000000000000000000000000000000-key"; })).services.teslamate-backup.encryption.keyFile).success;
    "a folder elsewhere is writable, waited for, and made only when asked for" =
      let
        c = ofWith [ server ] { repository.path = "/mnt/usb/tm"; };
      in
      lib.all (
        n:
        (service c n).serviceConfig.ReadWritePaths == [ "/mnt/usb/tm" ]
        && (service c n).unitConfig.RequiresMountsFor == [ "/mnt/usb/tm" ]
      ) readers
      && c.systemd.tmpfiles.settings == { }
      && (ofWith [ server ] { repository = { path = "/mnt/usb/tm"; createFolder = true; }; })
        .systemd.tmpfiles.settings.teslamate-backup."/mnt/usb/tm".d.mode == "0700";
    "another account is used everywhere and not created" =
      let
        c = ofWith [ server ] { user = "me"; group = "us"; };
      in
      lib.all (n: (service c n).serviceConfig.User == "me" && (service c n).serviceConfig.Group == "us") readers
      && c.users.users == { }
      && (service c "teslamate-backup").environment.DATABASE_USER == "me";
    "retention reaches the settings, and null is off" =
      (toml (ofWith [ server ] { retention = { last = null; daily = 14; }; })).retention.keep_last == 0
      && (toml (ofWith [ server ] { retention.daily = 14; })).retention.daily == 14;
    "what is stopped, and by which commands" =
      (toml local).restore.units == [ "teslamate.service" ]
      && (toml (ofWith [ server ] { units.stop = [ "podman-teslamate.service" ]; })).restore.units == [ "podman-teslamate.service" ]
      && (
        let
          c = ofWith [ server ] { restore = { stopCommand = [ "docker" "stop" "t" ]; startCommand = [ "docker" "start" "t" ]; }; };
        in
        failed c == [ ] && (toml c).restore.stop_command == [ "docker" "stop" "t" ] && !((toml c).restore ? units)
      );
    "no address is asked when that is empty" =
      (toml (ofWith [ server ] { restore.healthUrl = ""; })).restore.health_url == "";
    "TeslaMate's own module gives the defaults" =
      let
        c = ofWith [
          server
          stub.teslamate
          {
            services.teslamate = {
              enable = true;
              port = 4444;
              postgres = { enable_server = true; database = "tm"; port = 5433; };
            };
          }
        ] { };
      in
      (toml c).database.name == "tm" && (toml c).database.port == 5433 && lib.hasInfix ":4444/" (toml c).restore.health_url;
    "TeslaMate's module may be there and off" =
      failed (ofWith [ stub.teslamate ] remote) == [ ];
    "TeslaMate's module may be older than its server" =
      let
        c = ofWith [ server stub.teslamateOlder { services.teslamate.enable = true; } ] { };
      in
      failed c == [ ] && (toml c).database.name == "teslamate" && (toml c).database.port == 5432;
    "options of TeslaMate's module may be removed or renamed" =
      let
        c = ofWith [ server stub.teslamateNewer { services.teslamate.enable = true; } ] { };
      in
      evaluates c && (toml c).database.port == 5432 && (toml c).database.name == "renamed" && (toml c).database.host == "/run/postgresql";
    "TeslaMate may one day have backups of its own" =
      let
        c = ofWith [ server stub.teslamateWithBackup { services.teslamate.backup.enable = true; } ] { };
      in
      failed c == [ ] && c.services.teslamate.backup.path == "/x";
    "and the alias is refused then, not mixed with them" =
      names "services.teslamate-backup" (failed (ofWith [ server stub.teslamateWithBackup ../../nix/alias.nix ] { }))
      && failed (ofWith [ server stub.teslamate ../../nix/alias.nix ] { }) == [ ];
    "a server on this machine is not taken for TeslaMate's that is elsewhere" =
      let
        c = ofWith [ server stub.teslamate { services.teslamate = { enable = true; postgres.host = "db.example.net"; }; } ] { database.passwordFile = "/run/secrets/db"; };
      in
      failed c == [ ] && (toml c).database.host == "db.example.net" && !c.services.teslamate-backup.database.createLocally;
    "TeslaMate in a container that NixOS runs is stopped by its unit" =
      let
        tcp = { database.host = "127.0.0.1"; database.passwordFile = "/run/secrets/db"; encryption.keyFile = "/run/secrets/k"; };
        unitsWith = oci: (toml (ofWith [ { virtualisation.oci-containers = oci; } ] tcp)).restore.units;
        podman = ofWith [ { systemd.services.podman-teslamate = { }; virtualisation.oci-containers.containers.teslamate = { }; } ] tcp;
      in
      failed podman == [ ] && podman.warnings == [ ]
      && (toml podman).restore.units == [ "podman-teslamate.service" ]
      && unitsWith { backend = "docker"; containers.teslamate = { }; } == [ "docker-teslamate.service" ]
      && unitsWith { containers.teslamate.serviceName = "tm"; } == [ "tm.service" ]
      && unitsWith { containers.grafana = { }; } == [ "teslamate.service" ];
    "settings of one's own win over the typed ones" =
      (toml (ofWith [ server ] { settings.database.name = "other"; settings.goals.preset = "serious"; })) .database.name == "other";
    "the drill's and the backup's programs come from the server's package" =
      lib.hasSuffix "postgresql-17/bin" (toml local).database.pg_bin_dir;
    "restic follows a backup and has no timer of its own" =
      withSecrets.services.restic.backups.teslamate.timerConfig == null
      && lib.elem "restic-backups-teslamate.service" (service withSecrets "teslamate-backup").onSuccess;
    "a copy that fails alerts, whoever makes it" =
      lib.all (unit: lib.elem "teslamate-backup-notify@%n.service" (service withSecrets unit).onFailure) [
        "restic-backups-teslamate"
        "teslamate-backup-offsite"
      ]
      && !((of { }).systemd.services ? restic-backups-teslamate);
    "rclone copies what is named before what names it" =
      let
        lines = (service withSecrets "teslamate-backup-offsite").serviceConfig.ExecStart;
      in
      lib.hasInfix "/objects " (lib.head lines) && lib.length lines == 2;
    "the offsite unit is hardened like the others" =
      (service withSecrets "teslamate-backup-offsite").serviceConfig.ProtectSystem == "strict";
    "units to tell are told" =
      (service (ofWith [ server ] { notify.onFailure = [ "mail@%n.service" ]; }) "teslamate-verify").onFailure == [ "mail@%n.service" ]
      && lib.elem "x.service" (service (ofWith [ server ] { notify.onSuccess = [ "x.service" ]; }) "teslamate-backup").onSuccess;
    "metrics are written where they are collected" =
      let
        c = ofWith [ server ] { metrics.textfile = "/var/lib/m/tm.prom"; };
      in
      (toml c).status.metrics_file == "/var/lib/m/tm.prom"
      && (service c "teslamate-backup").serviceConfig.ReadWritePaths == [ "-/var/lib/m" ];
    "the dashboard is shown where that is wanted" =
      local.services.grafana.provision.dashboards.settings.providers == [ ]
      && (lib.head (ofWith [ server ] { grafana.enable = true; metrics.textfile = "/x/y.prom"; }).services.grafana.provision.dashboards.settings.providers).name == "teslamate-backup"
      && (ofWith [ server stub.teslamate { services.teslamate.grafana.enable = true; } ] { metrics.textfile = "/x/y.prom"; })
        .services.teslamate-backup.grafana.enable;
    "time and priority" =
      let
        s = (service (ofWith [ server ] { timeout = "9min"; niceness = 3; }) "teslamate-backup").serviceConfig;
      in
      s.TimeoutStartSec == "9min" && s.Nice == 3;
    "hooks reach the settings" =
      (toml (ofWith [ server ] { hooks.beforeStop = [ "/bin/x" "y" ]; })).hooks.before_stop == [ "/bin/x" "y" ];
    "operators are a group of their own" =
      let
        c = ofWith [ server { security.polkit.enable = true; } ] { polkit = { enable = true; group = "crew"; }; };
      in
      failed c == [ ] && lib.hasInfix ''isInGroup("crew")'' c.security.polkit.extraConfig && c.users.groups ? crew;
    "operators may stop what a restore stops" =
      lib.hasInfix ''"podman-teslamate.service", "teslamate.service", "teslamate-backup.service"'' (ofWith [ server { security.polkit.enable = true; } ] { polkit.enable = true; units.stop = [ "podman-teslamate.service" ]; }).security.polkit.extraConfig;
    "a role's name is quoted twice: for the shell and for SQL" =
      lib.hasInfix "'GRANT pg_read_all_data TO \"o'\\''x\"\"y\"'" (service (ofWith [ server ] { database.user = "o'x\"y"; }) "postgresql-setup").script;
    "the alias is the same options" =
      (evaluate [ ../../nix/alias.nix server { services.teslamate.backup = { enable = true; timeout = "7min"; }; } ]).config
        .services.teslamate-backup.timeout == "7min";
    "the alias stands beside TeslaMate's own module" =
      (evaluate [ ../../nix/alias.nix stub.teslamate server { services.teslamate = { enable = true; backup.enable = true; }; } ]).config
        .services.teslamate-backup.enable;
    "the settings are checked by the programs when the system is built" =
      lib.hasInfix "teslamate-snapshots" local.environment.etc."teslamate-backup/config.toml".source.script
      && (ofWith [ server ] { checkConfig = false; }).environment.etc."teslamate-backup/config.toml".source ? text;
    "nothing happens unless it is enabled" =
      (evaluate [ ]).config.systemd.services == { } && (evaluate [ ]).config.warnings == [ ];
    "every change is archived, by one account alone, and a failure of it tells" =
      let
        c = ofWith [ server ] { pitr = { enable = true; repoPath = "/mnt/usb/p"; cipherPassFile = "/run/secrets/p"; }; notify.onFailure = [ "mail@%n.service" ]; };
        p = c.services.pgbackrest;
        job = service c "pgbackrest-default-diff";
      in
      failed c == [ ]
      && p.repos.localhost == { path = "/mnt/usb/p"; retention-full = 2; cipher-type = "aes-256-cbc"; }
      && p.settings.lock-path == p.commands.restore.lock-path
      && lib.attrNames p.stanzas.default.jobs == [ "diff" "full" ]
      && (service c "postgresql").serviceConfig == { ReadWritePaths = [ "/mnt/usb/p" "/run/pgbackrest" ]; EnvironmentFile = "/run/secrets/p"; }
      && job.serviceConfig == { User = "postgres"; Group = "postgres"; EnvironmentFile = "/run/secrets/p"; }
      && !job.restartIfChanged && job.onFailure == [ "teslamate-backup-notify@%n.service" "mail@%n.service" ]
      && c.systemd.tmpfiles.settings.teslamate-backup-pitr."/mnt/usb/p".d.user == "postgres"
      && !c.users.users.pgbackrest.createHome;
    "unless that is not wanted, nothing of it is there" =
      !(local.services.pgbackrest ? enable) && !(local.systemd.services ? postgresql) && !(local.services.postgresql.settings ? archive_timeout);
    # Each names both of what contradicts.
    "assertion: only a server here can be archived" =
      complains [ "pitr.enable" "services.postgresql.enable" ] (of (remote // { pitr.enable = true; }));
    "assertion: TCP needs a password" = complains [ "database.host" "database.passwordFile" ] (of { });
    "assertion: one source of the password" =
      complains [ "database.passwordFile" "database.secretsFile" ] (of (remote // { database = remote.database // { secretsFile = "/run/x"; }; }));
    "assertion: something is kept" = complains [ "retention" ] (
      ofWith [ server ] { retention = lib.genAttrs [ "last" "hourly" "daily" "weekly" "monthly" "yearly" ] (_: null); }
    );
    "assertion: stop and start belong together" =
      complains [ "restore.stopCommand" "restore.startCommand" ] (ofWith [ server ] { restore.stopCommand = [ "x" ]; });
    "assertion: a status needs something to stop" =
      complains [ "restore.statusCommand" "restore.stopCommand" ] (ofWith [ server ] { restore.statusCommand = [ "x" ]; });
    "assertion: units or commands" = complains [ "units.stop" "restore.stopCommand" ] (
      ofWith [ server ] { units.stop = [ "a" ]; restore = { stopCommand = [ "x" ]; startCommand = [ "x" ]; }; }
    );
    "assertion: a role is created on a local server only" =
      complains [ "database.createLocally" "database.host" ] (of (remote // { database = remote.database // { createLocally = true; }; }));
    "assertion: restic needs what it needs" =
      complains [ "restic.enable" "restic.repository" "restic.passwordFile" ] (ofWith [ server ] { offsite.restic.enable = true; });
    "assertion: rclone needs what it needs" =
      complains [ "rclone.enable" "rclone.remote" "rclone.configFile" ] (ofWith [ server ] { offsite.rclone.enable = true; });
    "assertion: polkit" = complains [ "polkit.enable" "security.polkit.enable" ] (ofWith [ server ] { polkit.enable = true; });
    "assertion: operators are not the account that reads" =
      complains [ "polkit.group" "teslamate-backup.group" ] (ofWith [ server { security.polkit.enable = true; } ] { polkit = { enable = true; group = "teslamate-backup"; }; });
    "assertion: a token needs its topic" =
      complains [ "notify.ntfyTokenFile" "notify.ntfyFile" ] (ofWith [ server ] { notify.ntfyTokenFile = "/run/x"; });
    "assertion: a server is checked against something" =
      complains [ "database.sslMode" "database.caFile" ] (of (remote // { database = remote.database // { sslMode = "verify-full"; }; }))
      && complains [ "database.caFile" "database.sslMode" ] (of (remote // { database = remote.database // { caFile = "/etc/ca"; }; }))
      && failed (of (remote // { database = remote.database // { sslMode = "verify-full"; caFile = "/etc/ca"; }; })) == [ ];
    "assertion: systemd makes the default folder" =
      complains [ "repository.createFolder" "repository.path" ] (ofWith [ server ] { repository.createFolder = true; });
    "assertion: a folder that units can name" =
      complains [ "repository.path" ] (ofWith [ server ] { repository.path = "/mnt/my disk"; });
    "assertion: a dashboard needs figures" =
      complains [ "grafana.enable" "metrics.textfile" ] (ofWith [ server ] { grafana.enable = true; });
    "assertion: also `settings` name no secret in the store" =
      complains [ "settings.database.password_file" ] (ofWith [ server ] { settings.database.password_file = "/nix/store/00000000000000000000000000000000-x"; });
    "warning: backups on this machine alone" = names "this machine alone" local.warnings;
    "warning: backups on the disk of the database" =
      names "one broken disk" (ofWith [ server ] { encryption.keyFile = "/run/secrets/k"; }).warnings
      && names "one broken disk" (ofWith [ server { fileSystems."/" = { }; fileSystems."/var" = { }; } ] { encryption.keyFile = "/run/secrets/k"; }).warnings;
    "warning: a unit that is not there" =
      names "units.stop names nosuch.service, which" (ofWith [ server ] { units.stop = [ "nosuch.service" "teslamate.service" ]; }).warnings;
    "warning: an address that lets in is in the store" =
      names "settings.notify.ntfy" (ofWith [ server ] { settings.notify.ntfy = "https://ntfy.sh/secret"; }).warnings;
    "warning: never rehearsed" = names "rehearses" (ofWith [ server ] { schedule.drill = null; }).warnings;
    "warning: never by itself" = names "by hand only" (ofWith [ server ] { schedule.backup = null; }).warnings;
    "no warning when all is well" =
      (ofWith [ server { fileSystems."/mnt/usb" = { }; } ] {
        encryption.keyFile = "/run/secrets/k";
        repository.path = "/mnt/usb/tm";
      }).warnings == [ ]
      && (ofWith [ server ] { offsite.rclone = { enable = true; remote = "b2:x"; configFile = "/run/r"; }; }).warnings == [ ];
  };
in
lib.attrNames (lib.filterAttrs (_: holds: !holds) facts)
