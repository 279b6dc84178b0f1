# SPDX-License-Identifier: MIT
# What the virtual machines of machines.nix go through.
{ pkgs, lib }:
{
  peer = {
    script = ''
      with subtest("the short names work at once, and the first backup comes by itself"):
          machine.succeed("systemctl start backup.timer")
          machine.wait_until_succeeds("ls /var/lib/teslamate-backup/last-seen-*.json", timeout=120)
          machine.succeed("systemctl start backup.service")
          assert len(snapshots()) == 2
      with subtest("nobody else may read it"):
          machine.succeed("test $(stat -c %a:%U /var/lib/teslamate-backup/repository) = 700:teslamate-backup")
          machine.fail("find /var/lib/teslamate-backup/repository -type f -perm /077 | grep .")
      with subtest("the role may read and nothing else"):
          machine.fail("sudo -u teslamate-backup psql -d teslamate -c 'DELETE FROM positions'")
      machine.succeed("systemctl start teslamate-verify.service")
      with subtest("a rehearsal leaves nothing behind"):
          machine.succeed("systemctl start teslamate-drill.service")
          machine.fail("find /var/cache/teslamate-backup -mindepth 1 -type d | grep .")
    '';
  };

  tcp = {
    settings.database = {
      host = "127.0.0.1";
      passwordFile = "/etc/db-password";
      createLocally = false;
    };
    more.environment.etc."db-password-source".text = "canary-of-a-password\n";
    script = ''
      sql("ALTER ROLE teslamate PASSWORD 'canary-of-a-password'")
      machine.succeed("install -m 400 /etc/db-password-source /etc/db-password")
      machine.succeed("systemctl start backup.service")
      assert len(snapshots()) == 1
      with subtest("a wrong password fails, and is told nowhere"):
          machine.succeed("echo wrong-canary-of-a-password >/etc/db-password")
          machine.fail("systemctl start backup.service")
          machine.succeed("test $(systemctl show -P ExecMainStatus teslamate-backup.service) = 15")
          machine.fail("journalctl -b | grep -v COMMAND= | grep canary-of-a-password")
    '';
  };

  restore = {
    script = ''
      machine.succeed("systemctl start backup.service")
      before = sql("SELECT count(*), max(id), (SELECT last_value FROM positions_id_seq) FROM positions")
      sql("DROP TABLE positions; DROP TABLE cars")
      began = machine.succeed("systemctl show -P InvocationID teslamate.service")
      machine.succeed("teslamate-restore latest --yes")
      assert sql("SELECT count(*), max(id), (SELECT last_value FROM positions_id_seq) FROM positions") == before
      assert machine.succeed("systemctl show -P InvocationID teslamate.service") != began
      machine.succeed("systemctl is-active teslamate.service")
      with subtest("and back"):
          machine.succeed("teslamate-restore --rollback --yes")
          assert sql("SELECT to_regclass('positions') IS NULL") == "t"
    '';
  };

  sabotage = {
    settings.notify.onFailure = [ "told@%n.service" ];
    more.systemd.services."told@".script = "env >/tmp/told";
    script = ''
      machine.succeed("systemctl start backup.service")
      with subtest("no socket"):
          machine.succeed("mv /run/postgresql/.s.PGSQL.5432 /run/postgresql/away")
          machine.fail("systemctl start backup.service")
          machine.succeed("mv /run/postgresql/away /run/postgresql/.s.PGSQL.5432")
          machine.wait_until_succeeds("grep MONITOR_SERVICE_RESULT=exit-code /tmp/told")
      with subtest("killed in the middle, twice"):
          for _ in range(2):
              sql("UPDATE positions SET latitude = latitude + 1")
              machine.succeed("systemctl start --no-block backup.service")
              machine.succeed("sleep 0.1; systemctl kill -s KILL teslamate-backup.service || true")
              machine.wait_until_fails("systemctl is-active teslamate-backup.service | grep activating")
      with subtest("a full disk"):
          machine.succeed("mount -t tmpfs -o size=1m,mode=700,uid=$(id -u teslamate-backup) none /var/lib/teslamate-backup/repository")
          machine.fail("systemctl start backup.service")
          machine.succeed("umount /var/lib/teslamate-backup/repository")
      machine.succeed("systemctl start backup.service teslamate-verify.service")
    '';
  };

  retention = {
    settings.retention = {
      last = 1;
      hourly = null;
      daily = 3;
      weekly = null;
      monthly = null;
      yearly = null;
    };
    settings.settings.retention.minimum = 1;
    more.services.timesyncd.enable = lib.mkForce false;
    script = ''
      for day in range(1, 9):
          machine.succeed(f"timedatectl set-time '2031-05-{day:02} 12:00:00'")
          machine.succeed("systemctl start backup.service")
          machine.wait_until_fails("systemctl is-active teslamate-prune.service | grep activating")
      assert len(snapshots()) == 3, snapshots()
      machine.succeed("systemctl start teslamate-verify.service")
    '';
  };

  persistent = {
    settings.timerConfig = {
      Persistent = true;
      RandomizedDelaySec = 0;
    };
    more.services.timesyncd.enable = lib.mkForce false;
    script = ''
      machine.succeed("systemctl start backup.service")
      machine.succeed("systemctl stop teslamate-backup.timer")
      machine.succeed("timedatectl set-time '2031-06-01 12:00:00'")
      machine.succeed("systemctl start backup.timer")
      machine.wait_until_succeeds("test $(teslamate-snapshots list --json | jq '.snapshots | length') = 2", timeout=60)
    '';
  };

  polkit = {
    settings.polkit.enable = true;
    more = {
      security.polkit.enable = true;
      users.users.operator = {
        isNormalUser = true;
        extraGroups = [ "teslamate-operators" ];
      };
      users.users.outsider.isNormalUser = true;
    };
    script = ''
      machine.succeed("sudo -u operator systemctl start teslamate-backup.service")
      machine.succeed("sudo -u operator systemctl restart teslamate.service")
      machine.fail("sudo -u operator systemctl --no-ask-password stop postgresql.service")
      machine.fail("sudo -u outsider systemctl --no-ask-password start teslamate-backup.service")
      with subtest("root needs no polkit"):
          machine.succeed("systemctl mask --runtime --now polkit.service")
          machine.succeed("teslamate-restore latest --yes")
    '';
  };

  restic = {
    settings.offsite.restic = {
      enable = true;
      repository = "/srv/restic";
      passwordFile = "/etc/restic-password";
    };
    more.environment.etc."restic-password".text = "x";
    script = ''
      machine.succeed("systemctl start backup.service")
      machine.wait_until_succeeds("RESTIC_PASSWORD=x ${lib.getExe pkgs.restic} -r /srv/restic snapshots --json | jq -e 'length == 1'")
    '';
  };

  encrypted = {
    settings.encryption.keyFile = "/etc/repository-key";
    more.environment.etc."key-source".text = "correct horse battery staple\n";
    script = ''
      machine.succeed("install -m 400 /etc/key-source /etc/repository-key")
      machine.succeed("install -d -m 700 -o teslamate-backup -g teslamate-backup /var/lib/teslamate-backup/repository")
      machine.succeed("systemd-run --wait --pipe -p User=teslamate-backup -p LoadCredential=repository-key:/etc/repository-key teslamate-keys init")
      machine.succeed("systemctl start backup.service")
      machine.fail("grep -r 'one' /var/lib/teslamate-backup/repository/objects")
      with subtest("a wrong key opens nothing and changes nothing"):
          machine.succeed("echo wrong >/etc/repository-key")
          machine.fail("systemctl start backup.service")
          machine.succeed("test $(systemctl show -P ExecMainStatus teslamate-backup.service) = 12")
    '';
  };

  hardened = {
    script = ''
      for unit in ["teslamate-backup", "teslamate-verify", "teslamate-drill", "teslamate-prune", "teslamate-backup-notify@x"]:
          machine.succeed(f"systemd-analyze security --threshold=15 {unit}.service")
      machine.succeed("systemd-analyze security --threshold=5 teslamate-backup.service")
      machine.succeed("systemd-analyze verify teslamate-backup.service teslamate-backup.timer")
    '';
  };

  upgrade = {
    settings.postgresqlPackage = pkgs.postgresql_18;
    more.services.postgresql.package = pkgs.postgresql_17;
    script = ''
      with subtest("programs that are newer than the server"):
          machine.succeed("systemctl start backup.service")
      with subtest("into a server of the next major version"):
          machine.succeed("systemctl stop teslamate.service postgresql.service")
          machine.succeed("sudo -u postgres ${pkgs.postgresql_18}/bin/initdb -D /var/lib/postgresql/new")
          machine.succeed("sudo -u postgres ${pkgs.postgresql_18}/bin/pg_ctl -w -D /var/lib/postgresql/new -o '-k /run/postgresql' start")
          machine.succeed("sudo -u postgres psql -d postgres -c 'CREATE ROLE teslamate SUPERUSER LOGIN'")
          machine.succeed("teslamate-restore latest --yes --no-service")
          assert sql("SELECT count(*) FROM positions") == "5000"
    '';
  };

  pitr = {
    settings.pitr.enable = true;
    script = ''
      machine.succeed("systemctl start pgbackrest-default-full.service")
      machine.succeed("systemctl start pgbackrest-default-diff.service")
      moment = sql("SELECT clock_timestamp()")
      machine.succeed("sleep 1")
      sql("DROP TABLE positions CASCADE")
      machine.succeed("systemctl stop teslamate postgresql")
      machine.succeed(
          "sudo -u postgres pgbackrest --stanza=default --delta --type=time "
          f"--target='{moment}' --target-action=promote restore"
      )
      machine.succeed("systemctl start postgresql teslamate")
      machine.wait_until_succeeds("sudo -u postgres psql -XAtc 'SELECT pg_is_in_recovery()' | grep f")
      assert sql("SELECT count(*) FROM positions") == "5000"
    '';
  };

  coexistence = {
    more =
      { pkgs, ... }:
      {
        # The two scripts that TeslaMate's own module installs under our names.
        environment.systemPackages = map (name: pkgs.writeShellScriptBin name "exit 99") [
          "teslamate-backup"
          "teslamate-restore"
        ];
      };
    script = ''
      machine.succeed("teslamate-backup --version")
      machine.succeed("teslamate-restore --version")
    '';
  };

  rebuild = {
    more.specialisation.other.configuration.services.teslamate-backup.timeout = "3h";
    script = ''
      machine.succeed("sudo -u postgres psql -d teslamate -c 'BEGIN; LOCK TABLE positions IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(20)' >&2 &")
      machine.succeed("systemctl start --no-block backup.service; sleep 1")
      invocation = machine.succeed("systemctl show -P InvocationID teslamate-backup.service")
      with subtest("a rebuild neither kills nor starts a backup"):
          machine.succeed("/run/current-system/specialisation/other/bin/switch-to-configuration test")
          assert machine.succeed("systemctl show -P InvocationID teslamate-backup.service") == invocation
    '';
  };
}
