# SPDX-License-Identifier: Apache-2.0
# Flags that hold for every target of ours: warnings are errors, and floating point is contracted nowhere behind our
# back, so that a kernel's arithmetic is what its source says on every compiler.
add_library(gemma_options INTERFACE)
target_compile_options(gemma_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow
  -Werror -ffp-contract=off -fno-math-errno)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(gemma_options INTERFACE -Wno-psabi -Wno-restrict)  # GCC 12: false alarms on std::string
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")  # and, with sanitizers, on what a branch has set
    target_compile_options(gemma_options INTERFACE -Wno-maybe-uninitialized)
  endif()
else()
  target_compile_options(gemma_options INTERFACE -Wno-deprecated-declarations)  # within libstdc++ 12's stable_sort
endif()
find_program(MOLD mold)
if(MOLD AND NOT GEMMA4_FUZZ AND NOT CMAKE_CROSSCOMPILING)
  add_link_options(-fuse-ld=mold)
endif()
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
