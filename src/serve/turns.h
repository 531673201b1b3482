// SPDX-License-Identifier: Apache-2.0
// Turns: a conversation as the chat templates take it, put together from the pieces in which a protocol says it.
// Neighbours of one role are one turn; calls and their results belong together.
//
//   Turns turns;
//   turns.speak("user", "messages[0]");
//   turns.text("What is this?");
//   turns.media({media::Kind::image, "messages[0].content[1]", bytes});
//   auto conversation = turns.finish("messages[0]");
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/messages.h"

namespace gemma::serve {

class Turns {
 public:
  /** Whose turn it is from here on. `where`: for failures, here and below. */
  void speak(std::string_view role, std::string where);
  /** What follows is the result of a call, up to the next speak(). */
  void result(const std::string& call_id, std::string where);

  void text(std::string_view words);
  void media(MediaSource source);
  void thought(std::string_view words);
  void call(const std::string& id, std::string_view name, json::object arguments, const std::string& where);

  /** The model's turn that is being said, where it is text alone: it is taken away, for an answer that goes on with it.
   */
  std::string take_begun_answer();

  void fail(Failure failure) {
    if (!failure_) failure_ = std::move(failure);
  }
  bool failed() const { return failure_.has_value(); }
  /** `last`: where the conversation ends. */
  Result<Conversation> finish(const std::string& last);

 private:
  /** A message that is not complete. Templates print of one message the thought, the calls, then the text. */
  struct Message {
    std::string role, where, thought, call_id;
    json::array parts, calls;
    bool empty() const { return thought.empty() && parts.empty() && calls.empty(); }
  };
  void flush();
  void go_on_behind_text();
  void all_answered(const std::string& where);

  std::optional<Message> open_;
  Conversation out_;
  std::vector<std::string> unanswered_;  // ids of calls
  std::optional<Failure> failure_;
};

}  // namespace gemma::serve
