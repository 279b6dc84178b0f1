# SPDX-License-Identifier: MIT
# services.teslamate.backup as another name of services.teslamate-backup. On its own: TeslaMate's module owns that
# prefix and may one day have an option there itself.
{ lib, ... }:
{
  imports = [
    (lib.mkAliasOptionModule
      [
        "services"
        "teslamate"
        "backup"
      ]
      [
        "services"
        "teslamate-backup"
      ]
    )
  ];
}
