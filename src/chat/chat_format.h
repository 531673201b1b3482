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

/** A piece of a prompt. control: the spelling of exactly one control token, put by the template. Otherwise text, the
 *  template's and the users' as it stands between two such tokens: its letters, whatever they spell. (One stretch of
 *  text is one piece, because the tokenizer joins across the border of template and user, as it does in training.) */
struct PromptPiece {
  std::string text;
  bool control = false;
  int media = -1;  // of a place of media: which of the messages' parts it is, counted as media_in does
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
struct TextDelta {
  std::string text;
};
struct ThoughtDelta {
  std::string text;
};
/** A call that begins, or goes on: a piece of the JSON of its arguments. Where it is whole a ToolCall follows. */
struct CallDelta {
  std::string name;
  std::string json;
};
struct ToolCall {
  std::string name;
  json::object arguments;
};
using ChatEvent = std::variant<TextDelta, ThoughtDelta, CallDelta, ToolCall>;

class ChatFormat {
 public:
  explicit ChatFormat(Template which) : which_(which) {}

  /** Which template a checkpoint's own text is. `recognised` false: none of ours, and `which` is the nearest
   *  (per-layer embeddings -> edge, else large). */
  struct Choice {
    Template which;
    bool recognised;
    bool present;
  };
  static Choice choose(const ModelFile& file, bool has_per_layer_embeddings, int generation);

  Template which() const { return which_; }

  /** messages: the OpenAI-shaped array the templates take ({role, content, tool_calls, ...}). Places of media are
   * control pieces ("<|image|>"). Gemma 3's template has no place for tools and thoughts and leaves them out. What a
   * template fails on, and what it would drop in silence because of a wrong shape, is a failure that names the field.
   * Integers beyond 64 bits keep their digits when the JSON was parsed with BigIntegers::keep. */
  Result<std::vector<PromptPiece>> render(const json::array& messages, const json::array& tools,
                                          const ChatOptions& options) const;
  /** Pieces joined: what the Jinja template prints. */
  static std::string text_of(const std::vector<PromptPiece>& pieces);
  static std::vector<int32_t> tokens_of(const std::vector<PromptPiece>& pieces, const Tokenizer& tokenizer);

 private:
  Template which_;
};

/** The message that events make: {role, reasoning_content, content, tool_calls}, what is empty left out. */
json::object assistant_message(const std::vector<ChatEvent>& events);

/** Streaming parser of an answer: fed with bytes of text and with control ids (by their spelling), so that a
 *  "<channel|>" somebody typed stays text. Gives the same events, joined, for every way of cutting the stream.
 *
 *  White space around the whole text, and around the whole thought, is left out; what looks like the beginning of a
 *  thought or a call is held back until it is one; deltas are whole UTF-8 characters. A call that cannot be read comes
 *  out as text, letter by letter. The end of the turn ends the answer: what is fed afterwards is ignored. */
class ChatParser {
 public:
  /** What becomes of control tokens that are no part of a thought or a call that can be read. For people they mean
   *  nothing: then they are left out, but for a quotation mark's, and so is what was begun when the answer ended. */
  enum class Controls : uint8_t { spelled, left_out };

  /** `prompt`: the text of the prompt, or its end from the model's turn on ("" for an answer from its beginning), so
   *  that the parser knows what is already open. Spellings of control tokens count as the tokens. */
  explicit ChatParser(Template which, std::string_view prompt = {});
  /** The same, knowing which of them are the template's and which a user typed. */
  ChatParser(Template which, const std::vector<PromptPiece>& prompt, Controls controls = Controls::spelled);
  ~ChatParser();

  /** From here on calls come in pieces, too, before their ends are there: for answers whose calls are held to a form
   *  that can be read. Of one that is cut there is no ToolCall, and nothing behind its pieces. */
  void give_calls_in_pieces();

  std::vector<ChatEvent> text(std::string_view bytes);
  std::vector<ChatEvent> control(std::string_view piece);
  std::vector<ChatEvent> finish();  // what was held back

  /** What the prompt had already written of the answer. */
  const std::vector<ChatEvent>& prefilled() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gemma
