// SPDX-License-Identifier: Apache-2.0
// What the renderers write on. Text and control tokens are kept apart from the first character on, so that no text of a
// user can become a control token; the first thing found wrong ends the rendering.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "chat/chat_format.h"

namespace gemma {

class PromptWriter {
 public:
  /** `controls`: the spellings of the template's control tokens. */
  explicit PromptWriter(std::span<const std::string_view> controls) : controls_(controls) {}

  /** A literal of the template: the spellings of control tokens in it are the tokens. Never a user's words. */
  void put(std::string_view literal);
  /** The place of a part: number `media` of the messages' pictures, sounds and films. */
  void place(std::string_view token, int media) { pieces_.push_back({std::string(token), true, media}); }
  /** Words of a user, of a model, of a tool: letters, whatever they spell. */
  void text(std::string_view words);

  /** Notes what is wrong. Only the first note counts; what is written afterwards is thrown away with the rest. */
  void fail(std::string field, std::string reason);
  bool failed() const { return failure_.has_value(); }
  Result<std::vector<PromptPiece>> finish() &&;

 private:
  std::span<const std::string_view> controls_;
  std::vector<PromptPiece> pieces_;
  std::optional<Failure> failure_;
};

}  // namespace gemma
