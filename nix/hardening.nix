# SPDX-License-Identifier: MIT
# systemd/hardening.conf, the one list, as an attribute set.
{ lib }:
let
  lines = lib.filter (line: line != "" && !lib.hasPrefix "#" line) (
    lib.splitString "\n" (builtins.readFile ../systemd/hardening.conf)
  );
  pair = line: builtins.match "([A-Za-z]+)=(.*)" line;
in
lib.zipAttrsWith (_: values: if lib.length values == 1 then lib.head values else values) (
  map (line: { ${lib.elemAt (pair line) 0} = lib.elemAt (pair line) 1; }) lines
)
