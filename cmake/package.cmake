# SPDX-License-Identifier: MIT
# `cpack -G DEB` in the build folder: one package for the Debian it is built on and later ones.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME teslamate-backup)
set(CPACK_PACKAGE_VENDOR "teslamate-backup")
set(CPACK_PACKAGE_CONTACT "teslamate-backup maintainers <maintainers@teslamate-backup.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "backup, restore and maintenance of TeslaMate's database")
set(CPACK_PACKAGE_DESCRIPTION
"Incremental, verified snapshots of the PostgreSQL database in which TeslaMate
keeps a car's life, taken every day by a systemd timer with the least privilege
that can do it. A restore fills a database beside the live one, checks it and
swaps the two while TeslaMate is down for about a second; it can be taken back.")
set(CPACK_STRIP_FILES ON)
# The prefix of the package, not of the build; install_units.cmake sees it as CMAKE_INSTALL_PREFIX.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "postgresql-client, systemd, init-system-helpers (>= 1.54)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "postgresql, polkitd")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${PROJECT_SOURCE_DIR}/packaging/debian/postinst
  ${PROJECT_SOURCE_DIR}/packaging/debian/prerm
  ${PROJECT_SOURCE_DIR}/packaging/debian/postrm)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/compress_manuals.cmake)
include(CPack)
