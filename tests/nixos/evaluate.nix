# SPDX-License-Identifier: MIT
# evaluate { lib; } SETTINGS: the module with these settings, as NixOS would see it.
{
  lib,
  module ? ../../nix/module.nix,
}:
let
  stub = import ./stub.nix { inherit lib; };
in
{
  inherit stub;
  evaluate =
    modules:
    lib.evalModules {
      modules = [
        stub.nixos
        module
      ]
      ++ modules;
      specialArgs = { inherit (stub) pkgs utils; };
    };
}
