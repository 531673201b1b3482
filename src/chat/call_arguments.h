// SPDX-License-Identifier: Apache-2.0
// Arguments of a tool call as Gemma 4's models write them: JSON whose strings stand between <|"|> tokens and whose keys
// need no quotes. Ordinary JSON is a special case.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "chat/chat_format.h"

namespace gemma {

inline constexpr std::string_view kQuote = "<|\"|>";

/** `pieces`: what stands between "call:NAME" and "<tool_call|>", from the brace on; text and control tokens. nullopt
 * when it is not one object and nothing behind it. Integers of any size are kept (base/json.h). */
std::optional<json::object> parse_call_arguments(const std::vector<PromptPiece>& pieces);

}  // namespace gemma
