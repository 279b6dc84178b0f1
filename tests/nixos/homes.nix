# SPDX-License-Identifier: MIT
# Homes of TeslaMate, as somebody would write them down. What the module makes of each is kept in golden/, so that a real
# systemd can try it where nix is not (tests/system/fresh).
{
  local = {
    services.postgresql.enable = true;
    services.teslamate-backup.enable = true;
  };

  # TeslaMate in a container that systemd runs, its server published to this machine.
  container = {
    virtualisation.oci-containers = {
      backend = "docker";
      containers.teslamate.image = "teslamate/teslamate:latest";
    };
    services.teslamate-backup = {
      enable = true;
      database.passwordFile = "/etc/teslamate-backup/db-password";
    };
  };

  # An encrypted repository on a disk of its own, with all that is told and copied.
  disk = {
    services.postgresql.enable = true;
    services.teslamate-backup = {
      enable = true;
      repository = {
        path = "/srv/disk/teslamate";
        createFolder = true;
      };
      encryption.keyFile = "/etc/teslamate-backup/repository-key";
      metrics.textfile = "/var/lib/metrics/teslamate_backup.prom";
      notify.healthchecksFile = "/etc/teslamate-backup/healthchecks";
      offsite.rclone = {
        enable = true;
        remote = "b2:teslamate";
        configFile = "/etc/teslamate-backup/rclone.conf";
      };
      schedule.backup = [
        "06:00"
        "18:00"
      ];
    };
  };

  # Every change archived besides.
  pitr = {
    services.postgresql.enable = true;
    services.teslamate-backup = {
      enable = true;
      pitr = {
        enable = true;
        cipherPassFile = "/run/secrets/pgbackrest";
      };
    };
  };
}
