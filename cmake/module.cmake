# SPDX-License-Identifier: Apache-2.0
# gemma_module(NAME name DEPS modules... [LIBS libraries...] [LEFT_OUT expressions...])
#
# Makes the static library gemma_NAME of src/NAME/**.cc and, with GEMMA4_TESTS, the test program gemma_NAME_test of
# src/NAME/**_test.cc. A module's headers are reached as "NAME/x.h" through an include root that holds that one module
# and nothing else; a target sees the roots of its DEPS (and theirs) only. So the layering is enforced by the compiler:
# an include of a module that is not below does not compile. Files whose path LEFT_OUT matches are not built.
function(gemma_module)
  cmake_parse_arguments(M "" "NAME" "DEPS;LIBS;LEFT_OUT" ${ARGN})
  set(dir ${PROJECT_SOURCE_DIR}/src/${M_NAME})
  set(root ${PROJECT_BINARY_DIR}/include/${M_NAME})
  file(MAKE_DIRECTORY ${root})
  file(CREATE_LINK ${dir} ${root}/${M_NAME} SYMBOLIC)

  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${dir}/*.cc)
  gemma_isa_filter(sources)
  foreach(expression IN LISTS M_LEFT_OUT)
    list(FILTER sources EXCLUDE REGEX ${expression})
  endforeach()
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  if(NOT sources)
    set(sources ${PROJECT_SOURCE_DIR}/cmake/empty.cc)
  endif()
  gemma_isa_flags(${sources})

  add_library(gemma_${M_NAME} STATIC ${sources})
  add_library(gemma4::${M_NAME} ALIAS gemma_${M_NAME})
  set_target_properties(gemma_${M_NAME} PROPERTIES EXPORT_NAME ${M_NAME})
  target_compile_features(gemma_${M_NAME} PUBLIC cxx_std_20)
  target_include_directories(gemma_${M_NAME} PUBLIC $<BUILD_INTERFACE:${root}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/gemma4>)
  list(TRANSFORM M_DEPS PREPEND gemma_)
  target_link_libraries(gemma_${M_NAME} PUBLIC ${M_DEPS} ${M_LIBS} PRIVATE $<BUILD_INTERFACE:gemma_options>)
  set_property(GLOBAL APPEND PROPERTY GEMMA4_MODULES ${M_NAME})
  install(TARGETS gemma_${M_NAME} EXPORT gemma4Targets)
  install(DIRECTORY ${dir} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gemma4 FILES_MATCHING PATTERN "*.h"
    PATTERN "testing" EXCLUDE PATTERN "ffmpeg" EXCLUDE
    PATTERN "beast" EXCLUDE)

  if(GEMMA4_TESTS AND tests)
    add_executable(gemma_${M_NAME}_test ${tests})
    target_link_libraries(gemma_${M_NAME}_test PRIVATE gemma_${M_NAME} gemma_options GTest::gmock GTest::gtest_main)
    target_compile_definitions(gemma_${M_NAME}_test PRIVATE GEMMA4_GOLDEN="${PROJECT_SOURCE_DIR}/tests/golden")
    gtest_discover_tests(gemma_${M_NAME}_test TEST_PREFIX "${M_NAME}." DISCOVERY_MODE PRE_TEST)
  endif()
endfunction()
