# SPDX-License-Identifier: MIT
# services.teslamate-backup. The units are those of the package; what differs here goes into drop-ins. Secrets are
# handed to units by systemd and never come near the store.
{
  config,
  options,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    concatMap
    mkDefault
    mkIf
    mkMerge
    optional
    optionalAttrs
    ;
  cfg = config.services.teslamate-backup;
  db = cfg.database;
  onSocket = lib.hasPrefix "/" db.host;
  defaultRepository = "/var/lib/teslamate-backup/repository";
  elsewhere = cfg.repository.path != defaultRepository;
  onThisMachine = builtins.elem db.host (import ./local.nix).names;
  ownAccount = cfg.user == "teslamate-backup";
  mkName = name: "services.teslamate-backup.${name}";

  # Programs that connect, those that read the repository, and all of them.
  connecting = [ "teslamate-backup" ];
  reading = [
    "teslamate-backup"
    "teslamate-verify"
    "teslamate-drill"
    "teslamate-prune"
  ];
  services = reading ++ [ "teslamate-backup-notify@" ];

  # Where a folder lies: the longest mount point that it is below.
  fileSystemOf =
    path:
    lib.foldl' (
      best: mount:
      if (mount == "/" || path == mount || lib.hasPrefix "${mount}/" path) && lib.stringLength mount > lib.stringLength best then mount else best
    ) "" ([ "/" ] ++ lib.attrNames (config.fileSystems or { }));
  dataDir = config.services.postgresql.dataDir or "/var/lib/postgresql";
  onServersDisk = config.services.postgresql.enable && fileSystemOf cfg.repository.path == fileSystemOf dataDir;
  copiedAway = cfg.offsite.restic.enable || cfg.offsite.rclone.enable;

  # Units of NixOS that are not there; those of packages are not known here.
  missingUnits = lib.filter (
    unit: lib.hasSuffix ".service" unit && !(config.systemd.services ? ${lib.removeSuffix ".service" unit})
  ) cfg.units.stop;

  # What a person wrote into `settings`, by its dotted name.
  said = lib.concatLists (
    lib.mapAttrsToList (
      section: keys:
      lib.optionals (lib.isAttrs keys) (
        lib.mapAttrsToList (key: value: {
          name = "${section}.${key}";
          inherit value;
        }) keys
      )
    ) cfg.settings
  );
  namesOf = wanted: lib.concatMapStringsSep ", " (s: mkName "settings.${s.name}") (lib.filter wanted said);
  inStore = namesOf (
    s: lib.hasSuffix "_file" s.name && lib.isString s.value && lib.hasPrefix "${builtins.storeDir}/" s.value
  );
  readable = namesOf (s: builtins.elem s.name [ "notify.webhook" "notify.ntfy" "notify.healthchecks" ]);

  # What nobody said is left to the programs' own defaults.
  withoutUnsaid = lib.filterAttrsRecursive (_: v: v != null && v != [ ] && v != "" && v != { });
  commandsStop = cfg.restore.stopCommand != [ ];
  rule = n: if n == null then 0 else n;
  settingsFormat = pkgs.formats.toml { };
  typed = withoutUnsaid {
    database = {
      inherit (db) host port name;
      user = db.owner;
      password_file = db.passwordFile;
      environment_file = db.secretsFile;
      ssl_mode = if onSocket then null else db.sslMode;
      ssl_root_certificate = db.caFile;
      pg_bin_dir = "${cfg.postgresqlPackage}/bin";
    };
    repository = {
      inherit (cfg.repository) path;
      key_file = cfg.encryption.keyFile;
      min_free_mib = cfg.repository.minFree;
      initialize = if cfg.repository.initialize then null else false;
    };
    restore = {
      units = cfg.units.stop;
      stop_command = cfg.restore.stopCommand;
      start_command = cfg.restore.startCommand;
      status_command = cfg.restore.statusCommand;
      keep_old_days = cfg.restore.keepOldDays;
      inhibit_sleep = if cfg.restore.inhibitSleep then null else false;
    };
    hooks = {
      before_backup = cfg.hooks.beforeBackup;
      after_backup = cfg.hooks.afterBackup;
      before_stop = cfg.hooks.beforeStop;
      after_start = cfg.hooks.afterStart;
      on_failure = cfg.hooks.onFailure;
    };
    notify = {
      webhook_file = cfg.notify.webhookFile;
      ntfy_file = cfg.notify.ntfyFile;
      ntfy_token_file = cfg.notify.ntfyTokenFile;
      healthchecks_file = cfg.notify.healthchecksFile;
      on_success = if cfg.notify.onGoodRuns then true else null;
    };
    status.metrics_file = cfg.metrics.textfile;
  } // {
    retention = {
      keep_last = rule cfg.retention.last;
      hourly = rule cfg.retention.hourly;
      daily = rule cfg.retention.daily;
      weekly = rule cfg.retention.weekly;
      monthly = rule cfg.retention.monthly;
      yearly = rule cfg.retention.yearly;
    };
  };
  # Empty is a value here: no address is asked.
  complete = lib.recursiveUpdate typed {
    restore.health_url = cfg.restore.healthUrl;
  };
  configFile = settingsFormat.generate "teslamate-backup.toml" cfg.settings;
  # No repository is there (10) or it is not ours to read: but the settings were understood.
  checkedConfigFile = pkgs.runCommand "teslamate-backup-checked.toml" { } ''
    code=0
    ${lib.getExe' cfg.package "teslamate-snapshots"} list --config ${configFile} >/dev/null 2>said || code=$?
    if [ "$code" -eq 2 ]; then cat said >&2; exit 1; fi
    cp ${configFile} $out
  '';

  credentials =
    files: lib.mapAttrsToList (id: file: "${id}:${file}") (lib.filterAttrs (_: v: v != null) files);
  repositoryKey = credentials { repository-key = cfg.encryption.keyFile; };
  databaseSecrets = credentials {
    db-password = db.passwordFile;
    environment-file = db.secretsFile;
  };
  notifySecrets = credentials {
    notify-webhook = cfg.notify.webhookFile;
    notify-ntfy = cfg.notify.ntfyFile;
    notify-ntfy-token = cfg.notify.ntfyTokenFile;
    notify-healthchecks = cfg.notify.healthchecksFile;
  };

  # Good runs are told by the run itself, which needs a network for it.
  pings = cfg.notify.healthchecksFile != null || cfg.notify.onGoodRuns;
  hasNetwork = name: pings || (builtins.elem name connecting && !onSocket);

  account = optionalAttrs (!ownAccount || cfg.group != "teslamate-backup") {
    User = cfg.user;
    Group = cfg.group;
  };
  # An empty value first takes back what the package's unit says.
  network = {
    PrivateNetwork = false;
    RestrictAddressFamilies = [
      "AF_INET"
      "AF_INET6"
    ];
    IPAddressDeny = if onThisMachine && !pings then [ "any" ] else [ "" ];
  }
  // optionalAttrs (onThisMachine && !pings) { IPAddressAllow = [ "localhost" ]; };

  mkService = name: {
    # A rebuild neither kills a backup that runs nor starts one.
    restartIfChanged = false;
    onFailure = mkIf (name != "teslamate-backup-notify@") cfg.notify.onFailure;
    unitConfig = mkIf (elsewhere && builtins.elem name reading) {
      RequiresMountsFor = [ cfg.repository.path ];
    };
    serviceConfig = mkMerge [
      account
      (mkIf (builtins.elem name reading) {
        LoadCredential =
          repositoryKey
          ++ lib.optionals (builtins.elem name connecting) databaseSecrets
          ++ lib.optionals pings notifySecrets;
        ReadWritePaths =
          optional elsewhere cfg.repository.path
          # Its folder may be missing: a backup without metrics is one still.
          ++ optional (cfg.metrics.textfile != null) "-${dirOf cfg.metrics.textfile}";
      })
      (mkIf (builtins.elem name reading && hasNetwork name) network)
      (mkIf (name == "teslamate-backup-notify@") { LoadCredential = notifySecrets; })
    ];
  };
  mkTimer = schedule: {
    wantedBy = [ "timers.target" ];
    timerConfig = cfg.timerConfig // {
      OnCalendar = [ "" ] ++ lib.toList schedule;
    };
  };
in
{
  _file = ./module.nix;
  imports = [
    ./options.nix
    ./pitr.nix
  ];

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = onSocket || db.passwordFile != null || db.secretsFile != null;
        message = "${mkName "database.host"} is no socket: set ${mkName "database.passwordFile"} or ${mkName "database.secretsFile"}.";
      }
      {
        assertion = db.passwordFile == null || db.secretsFile == null;
        message = "${mkName "database.passwordFile"} and ${mkName "database.secretsFile"} exclude each other.";
      }
      {
        assertion = db.createLocally -> (config.services.postgresql.enable && onSocket);
        message = "${mkName "database.createLocally"} needs services.postgresql.enable and a socket folder in ${mkName "database.host"}.";
      }
      {
        assertion = lib.any (n: rule n > 0) (lib.attrValues cfg.retention);
        message = "every rule of ${mkName "retention"} is off: nothing would be kept. Set one of them.";
      }
      {
        assertion = commandsStop == (cfg.restore.startCommand != [ ]);
        message = "${mkName "restore.stopCommand"} and ${mkName "restore.startCommand"} belong together.";
      }
      {
        assertion = !commandsStop || cfg.units.stop == [ ];
        message = "${mkName "units.stop"} and ${mkName "restore.stopCommand"} exclude each other.";
      }
      {
        assertion = cfg.offsite.restic.enable -> (cfg.offsite.restic.passwordFile != null && cfg.offsite.restic.repository != "");
        message = "${mkName "offsite.restic.enable"} needs ${mkName "offsite.restic.repository"} and ${mkName "offsite.restic.passwordFile"}.";
      }
      {
        assertion = cfg.offsite.rclone.enable -> (cfg.offsite.rclone.configFile != null && cfg.offsite.rclone.remote != "");
        message = "${mkName "offsite.rclone.enable"} needs ${mkName "offsite.rclone.remote"} and ${mkName "offsite.rclone.configFile"}.";
      }
      {
        assertion = cfg.polkit.enable -> config.security.polkit.enable;
        message = "${mkName "polkit.enable"} needs security.polkit.enable.";
      }
      {
        assertion = cfg.polkit.enable -> cfg.polkit.group != cfg.group;
        message = "${mkName "polkit.group"} and ${mkName "group"} must differ: what reads the database has no business stopping TeslaMate.";
      }
      {
        assertion = cfg.restore.statusCommand == [ ] || commandsStop;
        message = "${mkName "restore.statusCommand"} is asked only where ${mkName "restore.stopCommand"} is set.";
      }
      {
        assertion = cfg.notify.ntfyTokenFile == null || cfg.notify.ntfyFile != null;
        message = "${mkName "notify.ntfyTokenFile"} needs ${mkName "notify.ntfyFile"}.";
      }
      {
        assertion = (!onSocket && lib.hasPrefix "verify-" db.sslMode) -> db.caFile != null;
        message = "${mkName "database.sslMode"} = ${db.sslMode} needs ${mkName "database.caFile"}.";
      }
      {
        assertion = db.caFile != null -> (!onSocket && lib.hasPrefix "verify-" db.sslMode);
        message = "${mkName "database.caFile"} is looked at only with verify-ca or verify-full in ${mkName "database.sslMode"}, and never over a socket.";
      }
      {
        assertion = cfg.repository.createFolder -> elsewhere;
        message = "${mkName "repository.createFolder"} is for another ${mkName "repository.path"} than the default, which systemd makes.";
      }
      {
        assertion = builtins.match ".*[[:space:]%].*" cfg.repository.path == null;
        message = "${mkName "repository.path"} may hold no blanks and no %: units could not name it.";
      }
      {
        assertion = cfg.grafana.enable -> cfg.metrics.textfile != null;
        message = "${mkName "grafana.enable"} needs ${mkName "metrics.textfile"}: the dashboard would be empty.";
      }
      {
        assertion = inStore == "";
        message = "${inStore}: in the world-readable store. Name a path as a string.";
      }
    ];
    warnings =
      optional (cfg.encryption.keyFile == null && !copiedAway)
        "${mkName "encryption.keyFile"} and ${mkName "offsite"} are unset: the backups are on this machine alone, and readable on it."
      ++ optional (onServersDisk && !copiedAway)
        "${mkName "repository.path"} is on the file system of services.postgresql.dataDir and ${mkName "offsite"} is unset: one broken disk takes the database and its backups."
      ++ optional (missingUnits != [ ])
        "${mkName "units.stop"} names ${lib.concatStringsSep ", " missingUnits}, which this configuration does not have: a restore would be refused. Name TeslaMate's unit, set ${mkName "restore.stopCommand"}, or [ ] where it runs elsewhere."
      ++ optional (readable != "")
        "${readable}: an address that lets in whoever knows it is in the world-readable store. Use ${mkName "notify"}.*File."
      ++ optional (cfg.schedule.drill == null)
        "${mkName "schedule.drill"} is null: nobody rehearses a restore until it is needed."
      ++ optional (cfg.schedule.backup == null)
        "${mkName "schedule.backup"} is null: backups are taken by hand only.";

    services.teslamate-backup.settings = lib.mapAttrsRecursive (_: mkDefault) complete;

    environment.etc."teslamate-backup/config.toml".source =
      if cfg.checkConfig then checkedConfigFile else configFile;
    environment.systemPackages = optional cfg.installTools (
      if cfg.shadowUpstreamTools then lib.hiPrio cfg.package else cfg.package
    );

    users.users = mkIf ownAccount {
      teslamate-backup = {
        isSystemUser = true;
        inherit (cfg) group;
        home = "/var/lib/teslamate-backup";
        description = "TeslaMate backup";
      };
    };
    users.groups = mkMerge [
      (mkIf (cfg.group == "teslamate-backup") { teslamate-backup = { }; })
      (mkIf cfg.polkit.enable { ${cfg.polkit.group} = { }; })
    ];

    systemd.packages = [ cfg.package ];
    systemd.tmpfiles.settings = mkIf (elsewhere && cfg.repository.createFolder) {
      teslamate-backup.${cfg.repository.path}.d = {
        mode = "0700";
        inherit (cfg) user group;
      };
    };

    systemd.services = mkMerge [
      (lib.genAttrs services mkService)
      {
        teslamate-backup = {
          aliases = [ "backup.service" ];
          after = [ "postgresql.target" ] ++ lib.optionals (!onSocket) [ "network-online.target" ];
          wants = lib.optionals (!onSocket) [ "network-online.target" ];
          onSuccess =
            cfg.notify.onSuccess
            ++ optional cfg.offsite.restic.enable "restic-backups-teslamate.service"
            ++ optional cfg.offsite.rclone.enable "teslamate-backup-offsite.service";
          environment.DATABASE_USER = db.user;
          serviceConfig = {
            TimeoutStartSec = cfg.timeout;
            Nice = cfg.niceness;
          };
        };
        # NixOS creates roles by itself; see createLocally.
        teslamate-backup-role.enable = false;
        postgresql-setup = mkIf db.createLocally {
          script = lib.mkAfter ''
            psql -tAc ${lib.escapeShellArg ''GRANT pg_read_all_data TO "${lib.replaceStrings [ "\"" ] [ "\"\"" ] db.user}"''}
          '';
        };
      }
      (mkIf cfg.offsite.restic.enable {
        restic-backups-teslamate.onFailure = [ "teslamate-backup-notify@%n.service" ] ++ cfg.notify.onFailure;
      })
      (mkIf cfg.offsite.rclone.enable {
        teslamate-backup-offsite = {
          description = "Copy of the TeslaMate backups to another place";
          restartIfChanged = false;
          after = [ "network-online.target" ];
          wants = [ "network-online.target" ];
          onFailure = [ "teslamate-backup-notify@%n.service" ] ++ cfg.notify.onFailure;
          serviceConfig = import ./hardening.nix { inherit lib; } // {
            Type = "oneshot";
            User = cfg.user;
            Group = cfg.group;
            CacheDirectory = "teslamate-backup-offsite";
            LoadCredential = [ "rclone.conf:${cfg.offsite.rclone.configFile}" ];
            RestrictAddressFamilies = [
              "AF_UNIX"
              "AF_INET"
              "AF_INET6"
            ];
            # Objects first, manifests last: what names something comes after it.
            ExecStart = map
              (part: "${lib.getExe pkgs.rclone} copy --config=\${CREDENTIALS_DIRECTORY}/rclone.conf --cache-dir=\${CACHE_DIRECTORY} ${cfg.repository.path}${part} ${cfg.offsite.rclone.remote}${part}")
              [
                "/objects"
                ""
              ];
          };
        };
      })
    ];
    systemd.timers = mkMerge [
      (mkIf (cfg.schedule.backup != null) {
        teslamate-backup = mkTimer cfg.schedule.backup // {
          aliases = [ "backup.timer" ];
        };
      })
      (mkIf (cfg.schedule.verify != null) { teslamate-verify = mkTimer cfg.schedule.verify; })
      (mkIf (cfg.schedule.prune != null) { teslamate-prune = mkTimer cfg.schedule.prune; })
      (mkIf (cfg.schedule.drill != null) { teslamate-drill = mkTimer cfg.schedule.drill; })
    ];

    services.postgresql.ensureUsers = mkIf db.createLocally [
      {
        name = db.user;
        ensureClauses.login = true;
      }
    ];
    services.restic.backups = mkIf cfg.offsite.restic.enable {
      teslamate = {
        inherit (cfg.offsite.restic) repository passwordFile;
        paths = [ cfg.repository.path ];
        initialize = mkDefault true;
        timerConfig = null;
      }
      // cfg.offsite.restic.extra;
    };
    services.grafana.provision.dashboards.settings.providers = mkIf cfg.grafana.enable [
      {
        name = "teslamate-backup";
        options.path = "${cfg.package}/share/teslamate-backup/grafana";
      }
    ];
    security.polkit.extraConfig = mkIf cfg.polkit.enable (
      lib.replaceStrings
        [ "teslamate-operators" ''"teslamate.service"'' ]
        [ cfg.polkit.group (lib.concatMapStringsSep ", " builtins.toJSON (lib.unique (cfg.units.stop ++ [ "teslamate.service" ]))) ]
        (builtins.readFile ../systemd/teslamate-backup.rules)
    );
  };

  meta.maintainers = [ ];
}
