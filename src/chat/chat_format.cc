// SPDX-License-Identifier: Apache-2.0
#include "chat/chat_format.h"

#include <iterator>

#include "chat/render.h"
#include "chat/spelling.h"

namespace gemma {
namespace {

constexpr std::string_view kNames[] = {"edge", "large", "gemma3"};  // in the order of Template

}  // namespace

std::string_view name_of(Template which) { return kNames[static_cast<size_t>(which)]; }

std::optional<Template> template_named(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<Template>(i);
  }
  return std::nullopt;
}

Result<std::vector<PromptPiece>> ChatFormat::render(const json::array& messages, const json::array& tools,
                                                    const ChatOptions& options) const {
  PromptWriter out(control_spellings(which_));
  if (which_ == Template::gemma3) {
    render_gemma3(out, messages, options);
  } else {
    render_gemma4(out, messages, tools, options, which_ == Template::large);
  }
  return std::move(out).finish();
}

std::string ChatFormat::text_of(const std::vector<PromptPiece>& pieces) {
  std::string text;
  for (const PromptPiece& piece : pieces) text += piece.text;
  return text;
}

std::vector<int32_t> ChatFormat::tokens_of(const std::vector<PromptPiece>& pieces, const Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  for (const PromptPiece& piece : pieces) {
    const std::optional<int32_t> control = piece.control ? tokenizer.find(piece.text) : std::nullopt;
    if (control) {
      ids.push_back(*control);
    } else {  // a tokenizer without that token reads its letters
      const std::vector<int32_t> words = tokenizer.encode(piece.text, Specials::text);
      ids.insert(ids.end(), words.begin(), words.end());
    }
  }
  return ids;
}

}  // namespace gemma
