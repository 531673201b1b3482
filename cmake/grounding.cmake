# SPDX-License-Identifier: Apache-2.0
# What the module grounding links: cairo, where it is found, to draw PNGs. Sets
#   GEMMA4_GROUNDING_LIBRARIES   to link
#   GEMMA4_GROUNDING_LEFT_OUT    expressions of files that this build has no use for
option(GEMMA4_CAIRO "Boxes and points drawn as PNG, by cairo" ON)
set(found)
if(GEMMA4_CAIRO)
  gemma_find(cairo/cairo.h cairo)
endif()
if(GEMMA4_CAIRO AND NOT missing)
  set(GEMMA4_GROUNDING_LEFT_OUT "/without/without_cairo\\.cc$")
else()
  message(STATUS "grounding: without cairo (${missing}): drawings are SVG only")
  set(GEMMA4_GROUNDING_LEFT_OUT "/grounding/cairo/")
endif()
set(GEMMA4_GROUNDING_LIBRARIES ${found})
