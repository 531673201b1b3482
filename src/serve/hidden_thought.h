// SPDX-License-Identifier: Apache-2.0
// A thought in a field that clients keep and send back without looking: Anthropic's "signature", OpenAI's
// "encrypted_content". It is no secret: whoever looks can read it.
#pragma once

#include <string>
#include <string_view>

#include "serve/base64.h"

namespace gemma::serve {

inline constexpr std::string_view kHiddenThought = "gemma4:";

inline std::string hidden_thought(std::string_view thought) {
  return std::string(kHiddenThought) + base64_encoded(thought);
}

/** "" where there is none in it. */
inline std::string thought_in(std::string_view field) {
  if (!field.starts_with(kHiddenThought)) return {};
  return base64_decoded(field.substr(kHiddenThought.size())).value_or("");
}

}  // namespace gemma::serve
