# SPDX-License-Identifier: MIT
# What golden/ must be: { home = { file = text; }; }.
{
  lib,
  module ? ../../nix/module.nix,
}:
lib.mapAttrs (_: settings: import ./render.nix { inherit lib module settings; }) (import ./homes.nix)
