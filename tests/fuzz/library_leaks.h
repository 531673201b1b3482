// SPDX-License-Identifier: Apache-2.0
// Decoders of others that lose memory on damaged files (dav1d 1.0, libvorbis 1.3: found by these targets). The process
// that they run in ends with the file; so a leak of theirs is no find, and one of ours still is.
#pragma once

extern "C" const char* __lsan_default_suppressions();   // NOLINT: the sanitizer's own name
extern "C" const char* __lsan_default_suppressions() {  // NOLINT
  return "leak:libdav1d\nleak:libaom\nleak:libde265\nleak:libheif\nleak:libvorbis\nleak:libsndfile\nleak:libmpg123\n";
}
