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

inline void add_part(std::vector<ChatEvent>& parts, const ChatEvent& event) {
  if (parts.empty() || !goes_on(parts.back(), event)) {
    parts.push_back(event);
  } else if (auto* text = std::get_if<TextDelta>(&parts.back())) {
    text->text += std::get<TextDelta>(event).text;
  } else {
    std::get<ThoughtDelta>(parts.back()).text += std::get<ThoughtDelta>(event).text;
  }
}

}  // namespace gemma::serve
