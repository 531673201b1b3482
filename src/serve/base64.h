// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gemma::serve {

/** RFC 4648 section 4 and 5 ("+/" or "-_"), with or without padding, line breaks passed over; nullopt for anything
 *  else. */
std::optional<std::string> base64_decoded(std::string_view text);

/** Section 4, padded. */
std::string base64_encoded(std::string_view bytes);

}  // namespace gemma::serve
