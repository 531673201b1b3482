// SPDX-License-Identifier: Apache-2.0
#include "chat/spelling.h"

namespace gemma {
namespace {

constexpr std::string_view kGemma4[] = {
    "<bos>",      "<eos>",     "<pad>",     "<|turn>",      "<turn|>",      "<|think|>",        "<|channel>",
    "<channel|>", "<|tool>",   "<tool|>",   "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>",
    "<|\"|>",     "<|image|>", "<|audio|>", "<|video|>",    "<|image>",     "<image|>",         "<|audio>",
    "<audio|>"};
constexpr std::string_view kGemma3[] = {
    "<bos>", "<eos>", "<pad>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>"};

/** The control spelling that starts `text`, or "". */
std::string_view control_at(std::string_view text, std::span<const std::string_view> controls) {
  for (std::string_view control : controls) {
    if (text.starts_with(control)) return control;
  }
  return {};
}

}  // namespace

std::span<const std::string_view> control_spellings(Template which) {
  if (which == Template::gemma3) return kGemma3;
  return kGemma4;
}

std::vector<Spelled> split_controls(std::string_view text, std::span<const std::string_view> controls) {
  std::vector<Spelled> parts;
  size_t begin = 0;
  for (size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at)) {
    const std::string_view control = control_at(text.substr(at), controls);
    if (control.empty()) {
      ++at;
      continue;
    }
    if (at > begin) parts.push_back({text.substr(begin, at - begin), false});
    parts.push_back({text.substr(at, control.size()), true});
    at = begin = at + control.size();
  }
  if (begin < text.size()) parts.push_back({text.substr(begin), false});
  return parts;
}

}  // namespace gemma
