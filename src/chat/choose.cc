// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include "chat/chat_format.h"

namespace gemma {
namespace {

/** A template without comments and white space: revisions differ in both. */
std::string condensed(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t open = text.find("{#");
    for (const char c : text.substr(0, open)) {
      if (std::string_view(" \t\r\n").find(c) == std::string_view::npos) out += c;
    }
    if (open == std::string_view::npos) break;
    const size_t close = text.find("#}", open);
    text = close == std::string_view::npos ? std::string_view() : text.substr(close + 2);
  }
  return out;
}

template <size_t N>
bool has_all(const std::string& text, const std::array<std::string_view, N>& marks) {
  return std::all_of(marks.begin(), marks.end(),
                     [&](std::string_view mark) { return text.find(mark) != std::string::npos; });
}

// What every published revision of a template has, without blanks, and no other template all of.
constexpr std::array<std::string_view, 6> kGemma4Marks = {
    "macroformat_function_declaration(",    "macrostrip_thinking(", "'<|turn>system\\n'", "'<turn|>\\n'",
    "'<|tool_call>call:'+function['name']", "'<|turn>model\\n'"};
constexpr std::array<std::string_view, 5> kGemma3Marks = {
    "first_user_prefix", "'<start_of_turn>'+role+'", "'<end_of_turn>", "(message['role']=='user')!=(loop.index0%2==0)",
    "'<start_of_turn>model"};

std::optional<Template> recognise(std::string_view text) {
  const std::string condensed_text = condensed(text);
  if (has_all(condensed_text, kGemma3Marks)) return Template::gemma3;
  if (!has_all(condensed_text, kGemma4Marks)) return std::nullopt;
  // The large models' generation prompt ends in an empty thought.
  const size_t end = condensed_text.rfind("add_generation_prompt");
  const bool empty_thought =
      end != std::string::npos && condensed_text.find("<|channel>thought\\n<channel|>", end) != std::string::npos;
  return empty_thought ? Template::large : Template::edge;
}

/** The "chat_template" of a tokenizer_config.json: a text, or a list of named ones of which "default" counts. */
std::optional<std::string> template_in(const std::optional<json::value>& config) {
  if (!config || !config->is_object()) return std::nullopt;
  const json::value* found = config->get_object().if_contains("chat_template");
  if (found && found->is_array()) {
    const json::value* chosen = nullptr;
    for (const json::value& entry : found->get_array()) {
      if (!entry.is_object()) continue;
      const json::value* name = entry.get_object().if_contains("name");
      if (!chosen || (name && name->is_string() && name->get_string() == "default")) {
        chosen = entry.get_object().if_contains("template");
      }
    }
    found = chosen;
  }
  if (!found || !found->is_string()) return std::nullopt;
  return std::string(found->get_string());
}

std::optional<std::string> template_of(const ModelFile& file) {
  if (file.format() == FileFormat::gguf) return file.metadata().string("tokenizer.chat_template");
  if (auto text = file.side_file("chat_template.jinja")) return text;
  if (auto text = template_in(file.side_json("chat_template.json"))) return text;
  return template_in(file.side_json("tokenizer_config.json"));
}

Template nearest(bool has_per_layer_embeddings, int generation) {
  if (generation == 3) return Template::gemma3;
  return has_per_layer_embeddings ? Template::edge : Template::large;
}

}  // namespace

ChatFormat::Choice ChatFormat::choose(const ModelFile& file, bool has_per_layer_embeddings, int generation) {
  const std::optional<std::string> text = template_of(file);
  const bool present = text && !text->empty();
  const std::optional<Template> known = present ? recognise(*text) : std::nullopt;
  return {known.value_or(nearest(has_per_layer_embeddings, generation)), known.has_value(), present};
}

}  // namespace gemma
