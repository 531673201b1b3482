// SPDX-License-Identifier: Apache-2.0
// /v1/files: media that are sent once and spoken of by their ids.
#pragma once

#include "serve/file_part.h"
#include "serve/service.h"

namespace gemma::serve {

/** The files of who calls. */
FileFinder files_of(const Call& call);

}  // namespace gemma::serve
