// SPDX-License-Identifier: Apache-2.0
// Sound in a message, as OpenAI's APIs write it.
#pragma once

#include <optional>
#include <string>

#include "serve/ask.h"
#include "serve/fields.h"

namespace gemma::serve {

/** "input_audio": {"data": base64, also with "data:...," before it, "format"}. The bytes say what they are: a format
 *  that is none, or another's, is a failure. `where`: of the part. */
std::optional<MediaSource> read_sound_part(Fields& part, const std::string& where);

}  // namespace gemma::serve
