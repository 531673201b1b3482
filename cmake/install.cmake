# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` adds to the program (apps/) and the modules (module.cmake): the CMake package and the licence.
#
#   find_package(gemma4 REQUIRED)
#   target_link_libraries(mine PRIVATE gemma4::engine gemma4::cpu)   # then: #include "engine/engine.h"
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gemma4)
configure_package_config_file(cmake/gemma4Config.cmake.in ${PROJECT_BINARY_DIR}/gemma4Config.cmake
  INSTALL_DESTINATION ${package_dir})
# 0.x: any minor version may change the interfaces.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gemma4ConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/gemma4Config.cmake ${PROJECT_BINARY_DIR}/gemma4ConfigVersion.cmake
  DESTINATION ${package_dir})
install(EXPORT gemma4Targets NAMESPACE gemma4:: DESTINATION ${package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
