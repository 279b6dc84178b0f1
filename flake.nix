# SPDX-License-Identifier: MIT
{
  description = "Backup, restore and maintenance of TeslaMate's PostgreSQL database";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      forAll =
        f:
        lib.genAttrs [
          "x86_64-linux"
          "aarch64-linux"
        ] (system: f nixpkgs.legacyPackages.${system});
      package = pkgs: pkgs.callPackage ./nix/package.nix { };
    in
    {
      packages = forAll (pkgs: rec {
        default = teslamate-backup;
        teslamate-backup = package pkgs;
      });

      overlays.default = final: _: { teslamate-backup = package final; };

      nixosModules = rec {
        default = teslamate-backup;
        teslamate-backup =
          { lib, pkgs, ... }:
          {
            _file = ./flake.nix;
            imports = [ ./nix/module.nix ];
            services.teslamate-backup.package =
              lib.mkDefault
                self.packages.${pkgs.stdenv.hostPlatform.system}.default;
          };
        # services.teslamate.backup, for those who like it there.
        alias = ./nix/alias.nix;
      };

      checks = forAll (
        pkgs:
        import ./tests/nixos/machines.nix {
          inherit pkgs;
          module = self.nixosModules.default;
        }
        // {
          package = package pkgs;
          module = pkgs.runCommand "module-evaluates" { } (
            if import ./tests/nixos/module_test.nix { inherit lib; } == [ ] then "touch $out" else "exit 1"
          );
          # Fails on an option without a description.
          options =
            (pkgs.nixosOptionsDoc {
              options = {
                inherit
                  (((import ./tests/nixos/evaluate.nix { inherit lib; }).evaluate [ ]).options.services)
                  teslamate-backup
                  ;
              };
              warningsAreErrors = true;
            }).optionsCommonMark;
        }
      );

      devShells = forAll (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ (package pkgs) ];
          packages = [
            pkgs.ccache
            pkgs.clang
            pkgs.clang-tools
            pkgs.elixir
            pkgs.fish
            pkgs.mandoc
            pkgs.openssl
            pkgs.postgresql
            pkgs.shellcheck
            pkgs.strace
            pkgs.zsh
            pkgs.zstd
          ];
        };
      });

      formatter = forAll (pkgs: pkgs.nixfmt-tree);
    };
}
