# SPDX-License-Identifier: MIT
# Everything that is installed beside the programs. Paths are written into units when they are installed, not
# when they are configured: `cmake --install --prefix` and CPack choose the prefix late.
foreach(entry
    "UNIT_DIR;lib/systemd/system;systemd units"
    "SYSUSERS_DIR;lib/sysusers.d;accounts"
    "TMPFILES_DIR;lib/tmpfiles.d;folders"
    "CATALOG_DIR;lib/systemd/catalog;explanations of journal messages"
    "POLKIT_DIR;share/polkit-1/rules.d;polkit rules"
    "DATA_DIR;share/teslamate-backup;the settings' template, SQL"
    "BASH_COMPLETION_DIR;share/bash-completion/completions;completions for bash"
    "ZSH_COMPLETION_DIR;share/zsh/site-functions;completions for zsh"
    "FISH_COMPLETION_DIR;share/fish/vendor_completions.d;completions for fish")
  list(GET entry 0 name)
  list(GET entry 1 default)
  list(GET entry 2 what)
  set(TM_${name} ${default} CACHE STRING "where to install ${what}, below the prefix unless absolute")
endforeach()
mark_as_advanced(TM_UNIT_DIR TM_SYSUSERS_DIR TM_TMPFILES_DIR TM_CATALOG_DIR TM_POLKIT_DIR TM_DATA_DIR
                 TM_BASH_COMPLETION_DIR TM_ZSH_COMPLETION_DIR TM_FISH_COMPLETION_DIR)

function(tm_configure_completion file)
  set(programs ${programs_text})
  configure_file(${PROJECT_SOURCE_DIR}/packaging/completions/${file}.in
                 ${PROJECT_BINARY_DIR}/completions/${file} @ONLY)
endfunction()

install(CODE "
  set(source_dir [[${PROJECT_SOURCE_DIR}]])
  set(scratch_dir [[${PROJECT_BINARY_DIR}/installed-units]])
  set(bin_dir [[${CMAKE_INSTALL_BINDIR}]])
  set(data_dir [[${TM_DATA_DIR}]])
  set(unit_dir [[${TM_UNIT_DIR}]])
  set(sysusers_dir [[${TM_SYSUSERS_DIR}]])
  set(tmpfiles_dir [[${TM_TMPFILES_DIR}]])")
install(SCRIPT ${CMAKE_CURRENT_LIST_DIR}/install_units.cmake)

# One completion for all programs, found by each one's name.
file(GLOB programs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/teslamate-*.cc
     ${PROJECT_SOURCE_DIR}/maintenance/teslamate-*.cc)
list(TRANSFORM programs REPLACE ".*/(.*)\\.cc" "\\1")
string(JOIN " " programs_text ${programs})
foreach(shell bash fish)
  tm_configure_completion(teslamate.${shell})
endforeach()
tm_configure_completion(_teslamate)
install(FILES ${PROJECT_BINARY_DIR}/completions/_teslamate DESTINATION ${TM_ZSH_COMPLETION_DIR})
foreach(program ${programs})
  install(FILES ${PROJECT_BINARY_DIR}/completions/teslamate.bash DESTINATION ${TM_BASH_COMPLETION_DIR}
          RENAME ${program})
  install(FILES ${PROJECT_BINARY_DIR}/completions/teslamate.fish DESTINATION ${TM_FISH_COMPLETION_DIR}
          RENAME ${program}.fish)
endforeach()

install(FILES systemd/config.toml systemd/role.sql DESTINATION ${TM_DATA_DIR})
install(DIRECTORY grafana DESTINATION ${TM_DATA_DIR})
install(FILES systemd/teslamate-backup.catalog DESTINATION ${TM_CATALOG_DIR})
install(FILES systemd/teslamate-backup.rules DESTINATION ${TM_POLKIT_DIR})
install(DIRECTORY systemd/examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME changelog)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
foreach(section 5 7 8)
  file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.${section})
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
