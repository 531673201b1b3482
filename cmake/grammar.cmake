# SPDX-License-Identifier: Apache-2.0
# What the module grammar is made of: xgrammar's C++ core, whose sources ./bootstrap unpacks in third_party, compiled
# here with flags of ours (its own build brings Python bindings, link time optimisation and warnings as errors along).
# Without them the module is there and says that it makes no masks. Sets
#   GEMMA4_GRAMMAR_LIBRARIES   to link
#   GEMMA4_GRAMMAR_LEFT_OUT    expressions of files that this build has no use for
option(GEMMA4_GRAMMAR "Answers held to a JSON schema, by xgrammar" ON)
set(GEMMA4_XGRAMMAR ${PROJECT_SOURCE_DIR}/third_party/xgrammar CACHE PATH "Sources of xgrammar")

if(GEMMA4_GRAMMAR AND EXISTS ${GEMMA4_XGRAMMAR}/include/xgrammar/xgrammar.h)
  file(GLOB xgrammar_sources CONFIGURE_DEPENDS ${GEMMA4_XGRAMMAR}/cpp/*.cc ${GEMMA4_XGRAMMAR}/cpp/support/*.cc
    ${GEMMA4_XGRAMMAR}/cpp/converter_ext/*.cc)
  add_library(gemma_xgrammar STATIC ${xgrammar_sources})
  target_include_directories(gemma_xgrammar SYSTEM PUBLIC $<BUILD_INTERFACE:${GEMMA4_XGRAMMAR}/include>
    $<BUILD_INTERFACE:${GEMMA4_XGRAMMAR}/3rdparty/dlpack/include>)
  target_include_directories(gemma_xgrammar SYSTEM PRIVATE ${GEMMA4_XGRAMMAR}/3rdparty/picojson)
  target_compile_features(gemma_xgrammar PRIVATE cxx_std_17)
  # Its complaints go to grammar/xgrammar_mask.cc instead of stderr.
  target_compile_definitions(gemma_xgrammar PRIVATE XGRAMMAR_ENABLE_CPPTRACE=0 XGRAMMAR_ENABLE_INTERNAL_CHECK=0
    XGRAMMAR_LOG_CUSTOMIZE=1)
  target_compile_options(gemma_xgrammar PRIVATE -w $<$<CONFIG:Release>:-O2>)
  target_link_libraries(gemma_xgrammar PUBLIC Threads::Threads)
  set_target_properties(gemma_xgrammar PROPERTIES EXPORT_NAME xgrammar)
  install(TARGETS gemma_xgrammar EXPORT gemma4Targets)
  set(GEMMA4_GRAMMAR_LIBRARIES gemma_xgrammar)
  set(GEMMA4_GRAMMAR_LEFT_OUT "/without/without_xgrammar\\.cc$")
else()
  message(STATUS "grammar: without xgrammar (third_party/xgrammar; ./bootstrap fetches it): no --schema, no --strict")
  set(GEMMA4_GRAMMAR_LIBRARIES)
  set(GEMMA4_GRAMMAR_LEFT_OUT "/grammar/xgrammar_[a-z_]*\\.cc$")
endif()
