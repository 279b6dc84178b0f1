# SPDX-License-Identifier: MIT
# Every option of the module, as its documentation sees it. The result says what is wrong:
#   undocumented  without a type, description, default or example, or one that cannot be rendered
#   dead          set to its example (or to what is said below), NixOS makes the same of the module as without it
#   open          a secret's file may come from the world-readable store
{
  lib,
  module ? ../../nix/module.nix,
}:
let
  inherit (import ./evaluate.nix { inherit lib module; }) evaluate stub;
  inherit ((evaluate [ ]).options.services) teslamate-backup;
  documented = lib.filter (o: o.visible && !o.internal) (lib.optionAttrSetToDocList { inherit teslamate-backup; });
  isWritten = o: field: (o.${field}.text or o.${field} or "") != "";
  undocumented =
    o:
    !(
      (builtins.tryEval (builtins.deepSeq o true)).success
      && lib.all (isWritten o) [
        "description"
        "type"
      ]
      && o.type != "unspecified"
      && o ? default
      && (o ? example || lib.last o.loc == "package")
    );

  # Where the example is an expression, or the default.
  other = {
    package = stub.pkgs.postgresql;
    postgresqlPackage = stub.pkgs.rclone;
    "database.name" = "tm";
    "database.owner" = "tm";
    "database.user" = "reader";
  };
  # What an option has no meaning without.
  tcp.database = {
    host = "db.example.net";
    passwordFile = "/run/db";
  };
  restic.offsite.restic.enable = true;
  rclone.offsite.rclone = {
    enable = true;
    configFile = "/run/c";
  };
  beside = lib.genAttrs [ "pitr.repoPath" "pitr.full" "pitr.diff" "pitr.retentionFull" "pitr.cipherPassFile" ] (_: {
    pitr.enable = true;
  })
  // {
    "database.caFile" = tcp;
    "database.sslMode" = tcp;
    "repository.createFolder".repository.path = "/mnt/x";
    "polkit.group".polkit.enable = true;
    "grafana.enable".metrics.textfile = "/x/y.prom";
    "offsite.restic.repository" = restic;
    "offsite.restic.passwordFile" = restic;
    "offsite.restic.extra" = restic;
    "offsite.rclone.remote" = rclone;
    "offsite.rclone.configFile" = rclone;
    "offsite.rclone.enable".offsite.rclone.configFile = "/run/c";
  };
  made =
    settings:
    let
      c =
        (evaluate [
          {
            services.postgresql.enable = true;
            security.polkit.enable = true;
            services.teslamate-backup.enable = true;
          }
          { services.teslamate-backup = settings; }
        ]).config;
    in
    builtins.toJSON {
      inherit (c.systemd)
        services
        timers
        packages
        tmpfiles
        ;
      inherit (c.users) users groups;
      inherit (c.services.postgresql) ensureUsers;
      inherit (c.services.restic) backups;
      inherit (c.services) pgbackrest;
      inherit (c.services.grafana.provision.dashboards.settings) providers;
      inherit (c.security.polkit) extraConfig;
      inherit (c.services.teslamate-backup) settings;
      inherit (c.environment) etc;
      tools = map (p: [
        p.outPath
        (p.meta.priority or 5)
      ]) c.environment.systemPackages;
    };
  pathOf = o: lib.drop 2 o.loc;
  nameOf = o: lib.concatStringsSep "." (pathOf o);
  dead =
    o:
    let
      name = nameOf o;
      value = other.${name} or (lib.attrByPath (pathOf o) null teslamate-backup).example;
      without = beside.${name} or { };
    in
    name != "enable" && made without == made (lib.recursiveUpdate without (lib.setAttrByPath (pathOf o) value));
  open =
    o:
    let
      secret = "${builtins.storeDir}/00000000000000000000000000000000-secret";
      config = (evaluate [ { services.teslamate-backup = lib.setAttrByPath (pathOf o) secret; } ]).config;
    in
    isSecret o && (builtins.tryEval (lib.attrByPath (pathOf o) null config.services.teslamate-backup)).success;
  isSecret = o: lib.hasSuffix "File" (nameOf o);
in
{
  count = lib.length documented;
  files = lib.length (lib.filter isSecret documented);
  undocumented = map nameOf (lib.filter undocumented documented);
  dead = map nameOf (lib.filter dead documented);
  open = map nameOf (lib.filter open documented);
}
