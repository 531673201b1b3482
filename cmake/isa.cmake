# SPDX-License-Identifier: Apache-2.0
# gemma_isa_flags(FILES...): a kernel file is compiled with the flags of the instruction set its name begins with
# (avx2_matmul.cc, avx512_rows.cc, neon_...); scalar_*.cc and all else with the baseline alone.
set(GEMMA4_ISA_avx2 -mavx2 -mfma -mf16c -mbmi2)
set(GEMMA4_ISA_avx512 -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512bf16)
function(gemma_isa_flags)
  foreach(file IN LISTS ARGN)
    get_filename_component(name ${file} NAME)
    string(REGEX MATCH "^[a-z0-9]+" isa ${name})
    if(DEFINED GEMMA4_ISA_${isa})
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${GEMMA4_ISA_${isa}}")
    endif()
  endforeach()
endfunction()
