// SPDX-License-Identifier: Apache-2.0
// Turns <-> text of the model: Google's chat templates "edge" (E2B, E4B), "large" (12B, 26B-A4B, 31B) and Gemma 3's,
// written in C++ and tested against the templates' own output.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace gemma {

/** A piece of a prompt: text of the template (may hold control tokens) or of a user (never does). */
struct PromptPiece {
  std::string text;
  bool control = false;  // encode with Specials::control
};

enum class Template : uint8_t { edge, large, gemma3 };
std::string_view name_of(Template);
std::optional<Template> template_named(std::string_view name);

struct ChatOptions {
  bool add_generation_prompt = true;
  bool enable_thinking = false;
  bool preserve_thinking = false;
};

/** What a streamed answer is made of. */
struct TextDelta { std::string text; };
struct ThoughtDelta { std::string text; };
struct ToolCall { std::string name; json::object arguments; };
using ChatEvent = std::variant<TextDelta, ThoughtDelta, ToolCall>;

class ChatFormat {
 public:
  explicit ChatFormat(Template which) : which_(which) {}

  /** Which template a checkpoint's own text is. `recognised` false: none of ours, and `which` is the nearest
   *  (per-layer embeddings -> edge, else large). */
  struct Choice { Template which; bool recognised; bool present; };
  static Choice choose(const ModelFile& file, bool has_per_layer_embeddings, int generation);

  Template which() const { return which_; }

  /** messages: the OpenAI-shaped array the templates take ({role, content, tool_calls, ...}); tools: array or null.
   *  The failure names the field. */
  Result<std::vector<PromptPiece>> render(const json::array& messages, const json::array& tools,
                                          const ChatOptions& options) const;
  /** Pieces joined: what the Jinja template prints. */
  static std::string text_of(const std::vector<PromptPiece>& pieces);
  static std::vector<int32_t> tokens_of(const std::vector<PromptPiece>& pieces, const Tokenizer& tokenizer);

 private:
  Template which_;
};

/** Streaming parser of an answer: fed with bytes of text and with control ids (by their spelling), so that a
 *  "<channel|>" somebody typed stays text. Gives the same events, joined, for every way of cutting the stream. */
class ChatParser {
 public:
  explicit ChatParser(Template which, std::string_view prompt_tail = {});
  ~ChatParser();
  std::vector<ChatEvent> text(std::string_view bytes);
  std::vector<ChatEvent> control(std::string_view piece);
  std::vector<ChatEvent> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gemma
