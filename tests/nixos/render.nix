# SPDX-License-Identifier: MIT
# The drop-ins and settings that the module makes of some settings, as text, for a systemd that runs elsewhere:
# { "teslamate-backup.service.d/nixos.conf" = "…"; "config.toml" = "…"; }. A unit that the package does not have
# comes as a whole file. See lib/systemd-lib.nix of nixpkgs for how NixOS writes them.
{
  lib,
  settings,
  module ? ../../nix/module.nix,
}:
let
  inherit (import ./evaluate.nix { inherit lib module; }) evaluate;
  inherit
    (evaluate [
      settings
      { services.teslamate-backup.checkConfig = false; }
    ])
    config
    ;
  text = v: if v == true then "yes" else if v == false then "no" else toString v;
  line = name: value: map (v: "${name}=${text v}\n") (lib.toList value);
  section =
    name: pairs:
    lib.optionalString (pairs != { }) ("[${name}]\n" + lib.concatStrings (lib.concatLists (lib.mapAttrsToList line pairs)));
  unit =
    u:
    section "Unit" (
      lib.filterAttrs (_: v: v != [ ]) (
        u.unitConfig
        // {
          Description = u.description or [ ];
          After = u.after or [ ];
          Wants = u.wants or [ ];
          OnFailure = u.onFailure;
          OnSuccess = u.onSuccess;
        }
      )
    );
  service =
    u:
    unit u
    + section "Service" (
      u.serviceConfig
      // lib.optionalAttrs (u.environment != { }) { Environment = lib.mapAttrsToList (n: v: "${n}=${v}") u.environment; }
      # For NixOS' switch-to-configuration; systemd ignores what begins with X-.
      // lib.optionalAttrs (!(u.restartIfChanged or true)) { X-RestartIfChanged = "false"; }
    );
  timer = u: unit u + section "Timer" u.timerConfig;
  ours = lib.filterAttrs (
    name: u: (lib.hasPrefix "teslamate-" name || lib.hasPrefix "pgbackrest-" name) && (u.enable or true)
  );
  file = name: type: if name == "teslamate-backup-offsite" then "${name}.${type}" else "${name}.${type}.d/nixos.conf";
in
lib.mapAttrs' (name: u: lib.nameValuePair (file name "service") (service u)) (ours config.systemd.services)
// lib.mapAttrs' (name: u: lib.nameValuePair (file name "timer") (timer u)) (ours config.systemd.timers)
// {
  "config.toml" = config.environment.etc."teslamate-backup/config.toml".source.text;
}
// lib.optionalAttrs (config.services.pgbackrest.enable or false) {
  # As nixpkgs' module writes it: repositories and servers by number, true as y, its own default stanza.
  "pgbackrest.conf" =
    let
      p = config.services.pgbackrest;
      ini =
        name: values:
        "[${name}]\n" + lib.concatStrings (lib.mapAttrsToList (n: v: "${n}=${if v == true then "y" else toString v}\n") values);
    in
    ini "global" (p.settings // lib.mapAttrs' (n: lib.nameValuePair "repo1-${n}") p.repos.localhost)
    + ini "global:restore" p.commands.restore
    + ini "default" {
      pg1-path = config.services.postgresql.dataDir;
      pg1-user = "postgres";
    };
}
