# SPDX-License-Identifier: MIT
# services.teslamate-backup.pitr: every change is archived by pgBackRest, beside our snapshots. nixpkgs' module does the
# work; here is what its repository on the same machine needs besides. All of it runs as the account postgres: with two
# accounts, what the server archives cannot be expired by the other one (nixpkgs issue 431640), and their locks lie in
# different folders (556692).
{ config, lib, ... }:
let
  cfg = config.services.teslamate-backup;
  inherit (cfg) pitr;
  locks = "/run/pgbackrest";
  # PGBACKREST_REPO1_CIPHER_PASS: the settings have no place for it that is not in the store.
  cipher = lib.optionalAttrs (pitr.cipherPassFile != null) { EnvironmentFile = pitr.cipherPassFile; };
  jobs = {
    full = {
      schedule = pitr.full;
      type = "full";
    };
  }
  // lib.optionalAttrs (pitr.diff != null) {
    diff = {
      schedule = pitr.diff;
      type = "diff";
    };
  };
in
{
  _file = ./pitr.nix;

  config = lib.mkIf (cfg.enable && pitr.enable) {
    assertions = [
      {
        assertion = config.services.postgresql.enable;
        message = "services.teslamate-backup.pitr.enable needs services.postgresql.enable: only a server on this machine can be archived here.";
      }
    ];

    services.pgbackrest = {
      enable = true;
      repos.localhost = {
        path = pitr.repoPath;
        retention-full = pitr.retentionFull;
      }
      // lib.optionalAttrs (pitr.cipherPassFile != null) { cipher-type = "aes-256-cbc"; };
      settings.lock-path = locks;
      settings.start-fast = true;
      commands.restore.lock-path = lib.mkForce locks;
      stanzas.default = { inherit jobs; };
    };
    # A quiet server would archive nothing for hours.
    services.postgresql.settings.archive_timeout = lib.mkDefault "5min";

    # nixpkgs would give the repository to this account at every activation.
    users.users.pgbackrest = {
      home = lib.mkForce "/var/empty";
      createHome = lib.mkForce false;
    };
    systemd.tmpfiles.settings.teslamate-backup-pitr = lib.genAttrs [ pitr.repoPath locks ] (_: {
      d = {
        mode = "0750";
        user = "postgres";
        group = "postgres";
      };
    });
    systemd.services = {
      postgresql.serviceConfig = {
        ReadWritePaths = [
          pitr.repoPath
          locks
        ];
      }
      // cipher;
    }
    // lib.mapAttrs' (
      name: _:
      lib.nameValuePair "pgbackrest-default-${name}" {
        restartIfChanged = false;
        after = [ "postgresql.target" ];
        onFailure = [ "teslamate-backup-notify@%n.service" ] ++ cfg.notify.onFailure;
        serviceConfig = {
          User = lib.mkForce "postgres";
          Group = lib.mkForce "postgres";
        }
        // cipher;
      }
    ) jobs;
  };
}
