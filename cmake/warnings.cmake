# SPDX-License-Identifier: MIT
# Warnings are errors: a build that prints something is a build that failed.
add_library(tm_warnings INTERFACE)
target_compile_options(tm_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wnull-dereference -Wformat=2 -Wno-format-nonliteral -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives in the standard library's own headers at -O2 (GCC bugs 105329, 107852).
  target_compile_options(tm_warnings INTERFACE -Wno-restrict -Wno-null-dereference)
endif()

# Hardening for programs that parse hostile files; the sanitizers replace it where they are on.
add_library(tm_hardening INTERFACE)
if(TM_FUZZ)
  target_compile_options(tm_hardening INTERFACE
    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(tm_hardening INTERFACE -fsanitize=address,undefined)
elseif(TM_SANITIZE)
  target_compile_options(tm_hardening INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(tm_hardening INTERFACE -fsanitize=address,undefined)
else()
  target_compile_options(tm_hardening INTERFACE
    -fstack-protector-strong $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  target_link_options(tm_hardening INTERFACE -Wl,-z,relro,-z,now)
endif()
