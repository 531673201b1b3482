// SPDX-License-Identifier: Apache-2.0
// Rules of what tool calls may be, in Gemma's own syntax (chat/call_arguments.h), made from the tools' schemas:
//
//   <|tool_call>call:NAME{key:value,key:value}<tool_call|>
//
// What stands in strings is no part of the rules: a string is the token that quotes, a token that stands for its text,
// and the token that quotes. Whoever walks (call_mask.h) lets the text come instead, and holds it to its kind.
//
// Keys stand in the order in which the templates write them, without white space between the parts. A name that cannot
// stand bare is quoted.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "grammar/regex.h"

namespace gemma {

struct CallTokens {
  int32_t open, close, quote;  // <|tool_call> <tool_call|> <|"|>
  int32_t first_text;          // the ids from here on stand for texts
  int32_t texts;               // how many there are
};

/** What the text of a string may be: of some length, or of a pattern. */
struct TextKind {
  int64_t least = 0, most = -1;
  std::optional<Pattern> pattern;
  std::string name;   // kinds of the same name are the same
  std::string where;  // it is from, for messages
};

struct CallRules {
  std::string text;             // EBNF; "call" is one call
  std::vector<TextKind> kinds;  // of CallTokens::first_text and on
};

/** Rules of JSON's numbers that fit a schema, from "root" on. */
using NumberRules = std::function<std::string(const json::object& schema)>;

/** tools: as OpenAI's clients send them, {"type": "function", "function": {"name", "parameters"}}. name: the only one
 * to be called, or "". The failure names the tool, the place in its schema and what cannot be kept to. */
Result<CallRules> call_rules(const json::array& tools, std::string_view name, const CallTokens& tokens,
                             const NumberRules& numbers);

/** Whether a key can be written without quotes, and is read back as it is. */
bool stands_bare(std::string_view key);

}  // namespace gemma
