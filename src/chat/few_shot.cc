// SPDX-License-Identifier: Apache-2.0
#include "chat/few_shot.h"

#include <fmt/format.h>

namespace gemma {
namespace {

constexpr std::string_view kExamples =
    "Question: How many legs does a spider have? Answer with one word.\n"
    "Answer: Eight\n\n"
    "Question: Why do leaves look green?\n"
    "Answer: Leaves look green because they hold chlorophyll, which reflects green light.\n\n";

/** One paragraph, so that an empty line keeps its meaning in the frame. */
std::string one_paragraph(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\n' && !out.empty() && out.back() == '\n') continue;
    out += c;
  }
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

}  // namespace

Result<std::string> few_shot_prompt(const json::array& messages) {
  std::string system, turns;
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string field = fmt::format("messages[{}]", i);
    const json::object* message = messages[i].if_object();
    const json::value* role = message ? message->if_contains("role") : nullptr;
    const json::value* content = message ? message->if_contains("content") : nullptr;
    if (role == nullptr || !role->is_string() || content == nullptr || !content->is_string()) {
      return Failure{field, "a model without a chat template takes role and content, both strings"};
    }
    const std::string text = one_paragraph(content->get_string());
    const std::string_view name = role->get_string();
    if (name == "system" || name == "developer") {
      system += text + "\n\n";
    } else if (name == "user") {
      turns += fmt::format("Question: {}\nAnswer:", text);
    } else if (name == "assistant" || name == "model") {
      turns += fmt::format(" {}\n\n", text);
    } else {
      return Failure{field + ".role", fmt::format("a model without a chat template has no role '{}'", name)};
    }
  }
  return system + std::string(kExamples) + turns;
}

const std::vector<std::string>& few_shot_stops() {
  static const std::vector<std::string> kStops{"\nQuestion:", "\n\n"};
  return kStops;
}

}  // namespace gemma
