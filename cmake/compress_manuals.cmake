# SPDX-License-Identifier: MIT
# Run by CPack in the folder of what will be packed: Debian's manual pages and changelogs are compressed.
file(GLOB_RECURSE files ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*/man/man*/*.[1-8]
     ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*/changelog)
foreach(file ${files})
  execute_process(COMMAND gzip -9n ${file} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
