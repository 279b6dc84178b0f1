# SPDX-License-Identifier: MIT
# The programs, their manual, completions and units. pg_dump and pg_restore are not part of it: they must be of
# the server's major version or newer, so the module (or the settings' database.pg_bin_dir) names them.
{
  lib,
  stdenv,
  cmake,
  ninja,
  pkg-config,
  python3,
  versionCheckHook,
  catch2_3,
  cli11,
  curl,
  fmt,
  libarchive,
  libpq,
  nlohmann_json,
  openssl,
  qrencode,
  sqlite,
  systemdLibs,
  tomlplusplus,
  zlib,
  zstd,
}:
stdenv.mkDerivation (finalAttrs: {
  pname = "teslamate-backup";
  version = "0.1.0";
  __structuredAttrs = true;
  strictDeps = true;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../CMakeLists.txt
      ../CHANGELOG.md
      ../LICENSE
      ../README.md
      ../.ci
      ../cmake
      ../grafana
      ../maintenance
      ../man
      ../packaging
      ../src
      ../systemd
      ../tests
      ../tools
    ];
  };

  nativeBuildInputs = [
    cmake
    ninja
    pkg-config
    python3
  ];
  buildInputs = [
    cli11
    curl
    fmt
    libarchive
    libpq
    nlohmann_json
    openssl
    qrencode
    sqlite
    systemdLibs
    tomlplusplus
    zlib
    zstd
  ];

  cmakeFlags = [ (lib.cmakeBool "TM_TESTS" finalAttrs.finalPackage.doCheck) ];

  # Those that need no server: the others run in the machines of tests/nixos.
  doCheck = stdenv.buildPlatform.canExecute stdenv.hostPlatform;
  checkInputs = [ catch2_3 ];
  checkPhase = ''
    runHook preCheck
    ctest --output-on-failure -L unit
    runHook postCheck
  '';

  doInstallCheck = true;
  nativeInstallCheckInputs = [ versionCheckHook ];

  meta = {
    description = "Backup, restore and maintenance of TeslaMate's PostgreSQL database";
    homepage = "https://github.com/teslamate-org/teslamate";
    license = lib.licenses.mit;
    mainProgram = "teslamate-backup";
    platforms = lib.platforms.linux;
    maintainers = [ ];
    # TeslaMate's own package has programs of the same names, at the default priority of 5.
    priority = 4;
  };
})
