# SPDX-License-Identifier: MIT
# tm_library(NAME LINK lib… [PRIVATE lib…]): one static library per folder of src/, made of all its
# sources. LINK is the list of layers (DESIGN table in README), PRIVATE the third-party libraries that
# no header of this folder shows to others.
function(tm_library name)
  cmake_parse_arguments(ARG "" "" "LINK;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc)
  add_library(tm_${name} STATIC ${sources})
  target_include_directories(tm_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  list(TRANSFORM ARG_LINK PREPEND tm_)
  target_link_libraries(tm_${name} PUBLIC ${ARG_LINK} PRIVATE ${ARG_PRIVATE} tm_warnings PUBLIC tm_hardening)
endfunction()

# tm_program(NAME SOURCE LINK lib…): one binary of tools/ or maintenance/.
function(tm_program name source)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${source})
  list(TRANSFORM ARG_LINK PREPEND tm_)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} tm_warnings)
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
