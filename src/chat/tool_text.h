// SPDX-License-Identifier: Apache-2.0
// How Gemma 4's templates print tools: declarations, arguments of calls, responses. Strings stand between <|"|> tokens,
// keys are sorted without regard to case, types are capitals.
#pragma once

#include <string>
#include <string_view>

#include "chat/prompt_writer.h"
#include "chat/template_value.h"

namespace gemma {

/** "declaration:NAME{description:..,parameters:{..}}" of a tool {type, function: {name, description, parameters}}. */
void write_declaration(PromptWriter& out, TemplateValue tool, const std::string& field);

/** A value: null, true, 1.5, <|"|>text<|"|>, [..], {key:..}; keys between <|"|> when `quote_keys`. */
void write_argument(PromptWriter& out, TemplateValue value, bool quote_keys);

/** "key:value,key:value" of the arguments of a call or the fields of a response. */
void write_members(PromptWriter& out, const json::object& object, bool quote_keys);

/** "<|tool_response>response:NAME{..}<tool_response|>"; what is no object stands as "value:..". */
void write_response(PromptWriter& out, std::string_view tool, TemplateValue response);
/** The same for a response that is plain text. */
void write_text_response(PromptWriter& out, std::string_view tool, std::string_view response);

}  // namespace gemma
