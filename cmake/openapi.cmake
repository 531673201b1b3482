# SPDX-License-Identifier: Apache-2.0
# What the server says of itself (src/serve/openapi.h): a text a protocol, inside the program.
set(GEMMA4_OPENAPI_SOURCE ${PROJECT_BINARY_DIR}/openapi_parts.cc)
file(GLOB openapi_parts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/serve/openapi/*.json)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${openapi_parts})
set(literals)
foreach(part IN LISTS openapi_parts)
  file(READ ${part} text)
  string(APPEND literals "      R\"part(${text})part\",\n")
endforeach()
file(CONFIGURE OUTPUT ${GEMMA4_OPENAPI_SOURCE} @ONLY CONTENT [[
#include "serve/openapi.h"

namespace gemma::serve {

const std::vector<std::string_view>& openapi_parts() {
  static const std::vector<std::string_view> parts = {
@literals@  };
  return parts;
}

}  // namespace gemma::serve
]])
set_source_files_properties(${GEMMA4_OPENAPI_SOURCE} PROPERTIES COMPILE_OPTIONS -Wno-overlength-strings)
