// SPDX-License-Identifier: Apache-2.0
// Rules of what tool calls may be, in Gemma's own syntax (chat/call_arguments.h), made from the tools' schemas:
//
//   <|tool_call>call:NAME{key:value,key:value}<tool_call|>
//
// A string stands between two tokens that quote. Keys stand in the order in which the templates write them, without
// white space between the parts; a name that cannot stand bare is quoted.
#pragma once

#include <cstdint>
#include <string_view>

#include "grammar/grammar.h"
#include "grammar/rule_text.h"

namespace gemma {

struct CallTokens {
  int32_t open, close, quote;  // <|tool_call> <tool_call|> <|"|>
};

/** tools: as OpenAI's clients send them, {"type": "function", "function": {"name", "parameters"}}. The failure names
 * the tool, the place in its schema and what cannot be kept to. */
Result<RuleSet> call_rules(const json::array& tools, const CallOptions& options, const CallTokens& tokens);

/** Whether a key can be written without quotes, and is read back as it is. */
bool stands_bare(std::string_view key);

}  // namespace gemma
