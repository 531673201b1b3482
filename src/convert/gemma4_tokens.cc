// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "convert/gguf_keys.h"

namespace gemma {
namespace {

struct SpecialToken {
  size_t id;
  const char* piece;
  bool printed = false;  // in the text of other programs, which read tool calls and thoughts out of it
};

constexpr SpecialToken kSpecial[] = {
    {46, "<|tool>"},
    {47, "<tool|>"},
    {48, "<|tool_call>", true},
    {49, "<tool_call|>", true},
    {50, "<|tool_response>", true},
    {51, "<tool_response|>", true},
    {52, "<|\"|>", true},
    {98, "<|think|>"},
    {100, "<|channel>", true},
    {101, "<channel|>", true},
    {105, "<|turn>"},
    {106, "<turn|>"},
    {255999, "<|image>"},
    {256000, "<|audio>"},
    {258880, "<|image|>"},
    {258881, "<|audio|>"},
    {258882, "<image|>"},
    {258883, "<audio|>"},
    {258884, "<|video|>"},
};

/** Turns, with places for media; no tools. */
constexpr const char* kTemplate = R"({{ bos_token }}{% for message in messages -%}
{{ '<|turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' }}
{%- if message['content'] is string %}{{ message['content'] }}{% else -%}
{%- for part in message['content'] %}{{ part['text'] if part['type'] == 'text' else '<|' + part['type'] + '|>' }}
{%- endfor %}{% endif %}{{ '<turn|>\n' }}
{%- endfor %}{% if add_generation_prompt %}{{ '<|turn>model\n' }}{% endif %})";

}  // namespace

bool is_printed_token(std::string_view piece) {
  return std::any_of(std::begin(kSpecial), std::end(kSpecial),
                     [&](const SpecialToken& token) { return token.printed && token.piece == piece; });
}

void name_gemma4_tokens(Metadata& keys) {
  enum Type : int64_t { kControl = 3, kUserDefined = 4 };
  const auto* known = keys.strings("tokenizer.ggml.tokens");
  auto types = keys.integers("tokenizer.ggml.token_type");
  if (known == nullptr || !types || std::find(known->begin(), known->end(), "<|turn>") != known->end()) return;
  std::vector<std::string> pieces = *known;
  for (const SpecialToken& token : kSpecial) {
    if (token.id >= pieces.size() || token.id >= types->size()) continue;
    pieces[token.id] = token.piece;
    (*types)[token.id] = token.printed ? kUserDefined : kControl;
  }
  keys.set("tokenizer.ggml.tokens", std::move(pieces));
  keys.set("tokenizer.ggml.token_type", std::move(*types));
  keys.set("tokenizer.chat_template", std::string(kTemplate));
}

}  // namespace gemma
