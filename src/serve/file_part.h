// SPDX-License-Identifier: Apache-2.0
// Files in requests: those that were left here before, by their ids, and those that come as they are.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "serve/ask.h"
#include "serve/fields.h"

namespace gemma::serve {

/** The bytes of a file of who asks, by its id; the failure names no field. */
using FileFinder = std::function<Result<std::string>(std::string_view id)>;

/** The file in the field "file_id", which there is; nothing where `part` has a failure for it. */
std::optional<std::string> read_file_id(Fields& part, const FileFinder& files);

/** Whether "file_url" is known beside the others: OpenAI's APIs differ there. */
enum class FileAddresses : uint8_t { none, taken };

/** "file_id", "file_data" (base64, also with "data:...," before it), or "file_url", beside "filename": a picture, sound
 *  or film by its first bytes. `where`: of the part. */
std::optional<MediaSource> read_file_part(Fields& part, const std::string& where, const FileFinder& files,
                                          FileAddresses addresses = FileAddresses::none);

}  // namespace gemma::serve
