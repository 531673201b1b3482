# SPDX-License-Identifier: Apache-2.0
# gemma_isa_flags(FILES...): a kernel file is compiled with the flags of the instruction set its name begins with
# (avx2_matmul.cc, avx512_rows.cc, neon_...); scalar_*.cc and all else with the baseline alone.
set(GEMMA4_ISA_avx2 -mavx2 -mfma -mf16c -mbmi2)
set(GEMMA4_ISA_avx512 -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512bf16)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns of the deliberately undefined operands inside its own avx512fintrin.h (GCC bug 105593).
  list(APPEND GEMMA4_ISA_avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
endif()
function(gemma_isa_flags)
  foreach(file IN LISTS ARGN)
    get_filename_component(name ${file} NAME)
    string(REGEX MATCH "^[a-z0-9]+" isa ${name})
    if(DEFINED GEMMA4_ISA_${isa})
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${GEMMA4_ISA_${isa}}")
    endif()
  endforeach()
endfunction()

# gemma_isa_filter(LIST): takes kernel files of other architectures out of a list of sources.
set(GEMMA4_ISAS avx2 avx512 neon wasm)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  set(GEMMA4_OWN_ISAS avx2 avx512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(GEMMA4_OWN_ISAS neon)
endif()
function(gemma_isa_filter list)
  foreach(isa IN LISTS GEMMA4_ISAS)
    if(NOT isa IN_LIST GEMMA4_OWN_ISAS)
      list(FILTER ${list} EXCLUDE REGEX "/${isa}_[^/]*\\.cc$")
    endif()
  endforeach()
  set(${list} ${${list}} PARENT_SCOPE)
endfunction()
