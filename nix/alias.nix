# SPDX-License-Identifier: MIT
# services.teslamate.backup as another name of services.teslamate-backup. On its own: TeslaMate's module owns that
# prefix and may one day have an option there itself.
{ lib, options, ... }:
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
  # Merged with options of TeslaMate's own, one word of the user's would switch on both.
  config.assertions = [
    {
      assertion = lib.length options.services.teslamate.backup.declarations == 1;
      message = "services.teslamate.backup is an option of TeslaMate's own module now: remove teslamate-backup's nixosModules.alias and write services.teslamate-backup.";
    }
  ];
}
