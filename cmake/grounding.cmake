# SPDX-License-Identifier: Apache-2.0
# What the module grounding links: cairo and Pango, where both are found, to draw PNGs. Sets
#   GEMMA4_GROUNDING_LIBRARIES   to link
#   GEMMA4_GROUNDING_INCLUDES    where their headers are
#   GEMMA4_GROUNDING_LEFT_OUT    expressions of files that this build has no use for
option(GEMMA4_CAIRO "Boxes and points drawn as PNG, by cairo and Pango" ON)
if(GEMMA4_CAIRO)
  find_package(PkgConfig)
  if(PKG_CONFIG_FOUND)
    pkg_check_modules(GEMMA4_PANGO pangocairo)
  endif()
endif()
if(GEMMA4_CAIRO AND GEMMA4_PANGO_FOUND)
  set(GEMMA4_GROUNDING_LIBRARIES ${GEMMA4_PANGO_LINK_LIBRARIES})
  set(GEMMA4_GROUNDING_INCLUDES ${GEMMA4_PANGO_INCLUDE_DIRS})
  set(GEMMA4_GROUNDING_LEFT_OUT "/without/without_cairo\\.cc$")
else()
  message(STATUS "grounding: without cairo and Pango (libpango1.0-dev): drawings are SVG only")
  set(GEMMA4_GROUNDING_LEFT_OUT "/grounding/cairo/")
endif()
