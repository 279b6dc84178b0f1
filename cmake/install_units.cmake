# SPDX-License-Identifier: MIT
# Run by `cmake --install`: the templates of systemd/, with the paths that this installation has. Expects
# source_dir, scratch_dir and, below the prefix unless absolute, bin_dir, data_dir and those of the files.
cmake_policy(VERSION 3.22)

foreach(name bin data unit sysusers tmpfiles)
  cmake_path(ABSOLUTE_PATH ${name}_dir BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX} NORMALIZE)
endforeach()
set(bindir ${bin_dir})
set(datadir ${data_dir})
# Comments in a block say what it is for; an installed unit needs its directives only.
foreach(block HARDENING:hardening NO_NETWORK:no-network)
  string(REPLACE ":" ";" block ${block})
  list(GET block 0 name)
  list(GET block 1 file)
  file(STRINGS ${source_dir}/systemd/${file}.conf lines REGEX "^[^#]")
  list(JOIN lines "\n" ${name})
endforeach()

# tm_install(SUFFIX DIRECTORY NEW-SUFFIX): every systemd/*SUFFIX.in.
function(tm_install suffix directory new_suffix)
  file(GLOB templates ${source_dir}/systemd/*${suffix}.in)
  foreach(template ${templates})
    cmake_path(GET template FILENAME name)
    string(REGEX REPLACE "\\.${suffix}\\.in$" ".${new_suffix}" name ${name})
    configure_file(${template} ${scratch_dir}/${suffix}/${name} @ONLY)
    file(INSTALL ${scratch_dir}/${suffix}/${name} DESTINATION ${directory})
  endforeach()
endfunction()

tm_install(service ${unit_dir} service)
tm_install(timer ${unit_dir} timer)
tm_install(sysusers ${sysusers_dir} conf)
tm_install(tmpfiles ${tmpfiles_dir} conf)
