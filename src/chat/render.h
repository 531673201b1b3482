// SPDX-License-Identifier: Apache-2.0
// The three templates as functions. Each reads like its Jinja source and prints the same; where that fails, or would
// silently drop what somebody wrote because a field has the wrong shape, the failure names the field.
#pragma once

#include "chat/chat_format.h"
#include "chat/prompt_writer.h"

namespace gemma {

/** `empty_thought`: whether a generation prompt without thinking ends in an empty thought (the large models'). */
void render_gemma4(PromptWriter& out, const json::array& messages, const json::array& tools, const ChatOptions& options,
                   bool empty_thought);

/** Gemma 3's template knows no tools and no thoughts. */
void render_gemma3(PromptWriter& out, const json::array& messages, const ChatOptions& options);

/** "messages[2]", and with a name "messages[2].role". */
std::string message_field(size_t index, std::string_view name = {});

/** Notes a failure when a message is no object or its role no string; whether all are well. */
bool check_messages(PromptWriter& out, const json::array& messages);

}  // namespace gemma
