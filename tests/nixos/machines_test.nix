# SPDX-License-Identifier: MIT
# The stories of the virtual machines, as far as they can be looked at without one: for each its script, and which
# assertions of the module its settings would break.
{ lib }:
let
  inherit (import ./evaluate.nix { inherit lib; }) evaluate stub;
  package = name: stub.pkgs.postgresql // { outPath = "/nix/store/00000000000000000000000000000000-${name}"; meta.mainProgram = name; };
  pkgs =
    stub.pkgs
    // lib.genAttrs [ "jq" "python3" "restic" "postgresql_17" "postgresql_18" ] package
    // {
      inherit lib;
      testers.runNixOSTest = test: test;
      writeShellScriptBin = name: _: package name;
    };
  machines = import ./machines.nix {
    inherit pkgs;
    module = ../../nix/module.nix;
  };
  stories = import ./stories.nix { inherit pkgs lib; };
in
lib.mapAttrs (name: test: {
  script = test.testScript;
  parts = lib.length test.nodes.machine.imports;
  failed = map (a: a.message) (
    lib.filter (a: !a.assertion)
      (evaluate [
        {
          services.postgresql.enable = true;
          security.polkit.enable = true;
          services.teslamate-backup = { enable = true; } // stories.${name}.settings or { };
        }
      ]).config.assertions
  );
}) machines
