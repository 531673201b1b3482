// SPDX-License-Identifier: Apache-2.0
#include "serve/turns.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "chat/media_places.h"

namespace gemma::serve {

void Turns::speak(std::string_view role, std::string where) {
  if (open_ && open_->role == role) return;
  flush();
  all_answered(where);
  open_ = Message{std::string(role), std::move(where), {}, {}, {}, {}};
}

void Turns::result(const std::string& call_id, std::string where) {
  flush();
  const auto found = std::find(unanswered_.begin(), unanswered_.end(), call_id);
  if (found == unanswered_.end()) {
    fail({where, fmt::format("no tool call before it that waits has the id '{}'", call_id)});
  } else {
    unanswered_.erase(found);
  }
  open_ = Message{"tool", std::move(where), {}, call_id, {}, {}};
}

void Turns::text(std::string_view words) {
  if (!open_ || words.empty()) return;
  json::array& parts = open_->parts;
  json::string* last = nullptr;
  if (!parts.empty()) {
    if (json::value* text = parts.back().get_object().if_contains("text")) last = text->if_string();
  }
  if (last == nullptr) {
    parts.push_back(json::object{{"type", "text"}, {"text", words}});
  } else {
    last->append("\n");
    last->append(words);
  }
}

void Turns::media(MediaSource source) {
  if (!open_) return;
  open_->parts.push_back(media_part(medium_of(source.kind)));
  out_.media.push_back(std::move(source));
}

void Turns::thought(std::string_view words) {
  if (!open_ || words.empty()) return;
  go_on_behind_text();
  if (!open_->thought.empty()) open_->thought += "\n";
  open_->thought += words;
}

void Turns::call(const std::string& id, std::string_view name, json::object arguments, const std::string& where) {
  if (!open_) return;
  go_on_behind_text();
  if (std::find(unanswered_.begin(), unanswered_.end(), id) != unanswered_.end()) {
    fail({where, fmt::format("two calls have the id '{}'", id)});
  }
  unanswered_.push_back(id);
  open_->calls.push_back({{"id", id},
                          {"type", "function"},
                          {"function", json::object{{"name", name}, {"arguments", std::move(arguments)}}}});
}

/** Text before a thought or a call stays before it: in a message of its own, unless that would come between calls and
 *  their results. */
void Turns::go_on_behind_text() {
  if (open_->parts.empty() || !open_->calls.empty()) return;
  std::string where = open_->where;
  flush();
  open_ = Message{"assistant", std::move(where), {}, {}, {}, {}};
}

std::string Turns::take_begun_answer() {
  if (failure_ || !open_ || open_->role != "assistant" || open_->parts.empty()) return {};
  const std::string where = open_->where;
  if (!open_->thought.empty() || !open_->calls.empty()) {
    fail({where, "an answer can be begun with text only"});
    return {};
  }
  std::string begun(open_->parts[0].at("text").get_string());
  if (begun.find_last_not_of(" \t\r\n") != begun.size() - 1) {
    fail({where, "the beginning of an answer cannot end in white space"});
  }
  open_.reset();
  return begun;
}

void Turns::flush() {
  if (!open_) return;
  Message message = std::move(*open_);
  open_.reset();
  if (message.empty() && message.role != "tool") return fail({message.where, "is empty"});
  json::object out{{"role", message.role}};
  if (!message.call_id.empty()) out["tool_call_id"] = message.call_id;
  if (!message.thought.empty()) out["reasoning_content"] = message.thought;
  const bool text_alone = message.parts.size() == 1 && message.parts[0].get_object().contains("text");
  if (message.parts.empty()) {
    out["content"] = "";
  } else if (text_alone) {
    out["content"] = message.parts[0].at("text");
  } else {
    out["content"] = std::move(message.parts);
  }
  if (!message.calls.empty()) out["tool_calls"] = std::move(message.calls);
  out_.messages.push_back(std::move(out));
}

void Turns::all_answered(const std::string& where) {
  if (unanswered_.empty()) return;
  fail({where, fmt::format("the tool call '{}' before it has no result", unanswered_.front())});
}

Result<Conversation> Turns::finish(const std::string& last) {
  flush();
  all_answered(last);
  if (failure_) return *failure_;
  return std::move(out_);
}

}  // namespace gemma::serve
