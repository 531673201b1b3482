// SPDX-License-Identifier: Apache-2.0
// What an answer is made of, in its order: text, thoughts and calls, neighbours of one kind joined.
#pragma once

#include <variant>
#include <vector>

#include "chat/chat_format.h"

namespace gemma::serve {

/** Whether `event` goes on with a part of this kind. */
inline bool goes_on(const ChatEvent& part, const ChatEvent& event) {
  return part.index() == event.index() && !std::holds_alternative<ToolCall>(event);
}

/** Adds to a part what goes on with it. */
inline void join(ChatEvent& part, const ChatEvent& event) {
  if (auto* text = std::get_if<TextDelta>(&part)) text->text += std::get<TextDelta>(event).text;
  if (auto* thought = std::get_if<ThoughtDelta>(&part)) thought->text += std::get<ThoughtDelta>(event).text;
  if (auto* call = std::get_if<CallDelta>(&part)) call->json += std::get<CallDelta>(event).json;
}

/** Calls as they are when they are whole. */
inline void add_part(std::vector<ChatEvent>& parts, const ChatEvent& event) {
  if (std::holds_alternative<CallDelta>(event)) return;
  if (parts.empty() || !goes_on(parts.back(), event)) {
    parts.push_back(event);
  } else {
    join(parts.back(), event);
  }
}

/** What is said of a whole call at once, where nothing has been said of it yet. */
inline CallDelta in_one_piece(const ToolCall& call) { return {call.name, write_json(call.arguments)}; }

}  // namespace gemma::serve
