# SPDX-License-Identifier: MIT
# The flake's outputs, with nixpkgs' lib and packages that are names: what can be known of them without the network.
{ lib }:
let
  stub = (import ./evaluate.nix { inherit lib; }).stub;
  named = name: {
    type = "derivation";
    inherit name;
    outPath = "/nix/store/00000000000000000000000000000000-${name}";
    meta.mainProgram = name;
  };
  systems = [
    "x86_64-linux"
    "aarch64-linux"
  ];
  wanted = import ../../nix/package.nix;
  pkgs =
    stub.pkgs
    // lib.genAttrs [
      "ccache"
      "clang"
      "clang-tools"
      "elixir"
      "fish"
      "jq"
      "mandoc"
      "nixfmt-tree"
      "openssl"
      "postgresql_17"
      "postgresql_18"
      "python3"
      "restic"
      "shellcheck"
      "strace"
      "zsh"
      "zstd"
    ] named
    // {
      inherit lib;
      mkShell = shell: shell;
      nixosOptionsDoc = documented: { optionsCommonMark = documented; };
      testers.runNixOSTest = test: test;
      writeShellScriptBin = name: _: named name;
      stdenv = {
        hostPlatform.system = "x86_64-linux";
        buildPlatform.canExecute = _: true;
        mkDerivation =
          f:
          let
            final = f (final // { finalPackage = final; });
          in
          final // { outPath = "/nix/store/00000000000000000000000000000000-${final.pname}"; };
      };
      callPackage =
        path: _:
        import path (
          lib.mapAttrs (name: _: if name == "lib" then lib else pkgs.${name} or (named name)) (lib.functionArgs wanted)
        );
    };
  flake = import ../../flake.nix;
  outputs = flake.outputs {
    self = outputs;
    nixpkgs = {
      inherit lib;
      legacyPackages = lib.genAttrs systems (_: pkgs);
    };
  };
  package = outputs.packages.x86_64-linux.default;
  modules = lib.evalModules {
    modules = [
      stub.nixos
      outputs.nixosModules.default
      outputs.nixosModules.alias
      { services.teslamate.backup.enable = true; }
    ];
    specialArgs = {
      inherit pkgs;
      inherit (stub) utils;
    };
  };
in
{
  inputs = lib.attrNames flake.inputs;
  outputs = lib.attrNames outputs;
  systems = lib.attrNames outputs.packages;
  checks = lib.attrNames outputs.checks.x86_64-linux;
  package = {
    inherit (package) pname version;
    inherit (package.meta) mainProgram priority;
    inputs = map (input: input.name) (package.buildInputs ++ package.nativeBuildInputs);
  };
  overlay = (outputs.overlays.default pkgs { }).teslamate-backup.pname;
  # The module takes its package from the flake, and the alias reaches it.
  packageOfModule = modules.config.services.teslamate-backup.package.pname;
  enabled = modules.config.services.teslamate-backup.enable;
  shell = map (p: p.name) outputs.devShells.x86_64-linux.default.packages;
  formatter = outputs.formatter.x86_64-linux.name;
}
