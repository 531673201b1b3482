# SPDX-License-Identifier: Apache-2.0
# The page of `gemma4 serve`: bundled by web/build.mjs with node and the packages that ./bootstrap --web puts in
# third_party/web, then compiled into the program. Without them the server says so at "/". Sets
#   GEMMA4_PAGE            whether there is one
#   GEMMA4_PAGE_FOLDER     where its files lie, for the tests
#   GEMMA4_PAGE_SOURCE     the C++ file that holds them
#   GEMMA4_PAGE_LEFT_OUT   expressions of files that this build has no use for
option(GEMMA4_WEB "The page of the server, by node and esbuild" ON)
set(GEMMA4_WEB_MODULES ${PROJECT_SOURCE_DIR}/third_party/web/node_modules CACHE PATH "npm packages of web/package.json")
set(GEMMA4_PAGE_FOLDER ${PROJECT_BINARY_DIR}/web)
set(GEMMA4_PAGE_SOURCE ${GEMMA4_PAGE_FOLDER}/page_assets.cc)
set(GEMMA4_PAGE OFF)
find_program(NODE NAMES node nodejs)
mark_as_advanced(NODE)

# A glob, so that a build notices when they come.
file(GLOB bundler CONFIGURE_DEPENDS ${GEMMA4_WEB_MODULES}/esbuild/package.json)
if(GEMMA4_WEB AND NODE AND bundler)
  set(GEMMA4_PAGE ON)
  set(GEMMA4_PAGE_LEFT_OUT "/without/without_page\\.cc$")
  file(GLOB_RECURSE web_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/web/*)
  add_custom_command(OUTPUT ${GEMMA4_PAGE_SOURCE} ${GEMMA4_PAGE_FOLDER}/files.json
    COMMAND ${NODE} ${PROJECT_SOURCE_DIR}/web/build.mjs --modules ${GEMMA4_WEB_MODULES} --out ${GEMMA4_PAGE_FOLDER}
      --cc ${GEMMA4_PAGE_SOURCE}
    DEPENDS ${web_sources} ${GEMMA4_WEB_MODULES}/.package-lock.json
    COMMENT "Bundling the page" VERBATIM)
  # Clang warns of literals that the standard does not promise; both compilers of ours read them.
  set_source_files_properties(${GEMMA4_PAGE_SOURCE} PROPERTIES COMPILE_OPTIONS -Wno-overlength-strings)
  add_custom_target(gemma_page ALL DEPENDS ${GEMMA4_PAGE_SOURCE})
else()
  message(STATUS "serve: without its page (node and third_party/web; ./bootstrap --web fetches what it is made of)")
  set(GEMMA4_PAGE_SOURCE)
  set(GEMMA4_PAGE_LEFT_OUT)
endif()
