// SPDX-License-Identifier: Apache-2.0
#include "chat/render.h"
#include "chat/template_value.h"

namespace gemma {
namespace {

void expected(PromptWriter& out, std::string field, std::string_view what, TemplateValue found) {
  out.fail(std::move(field), fmt::format("expected {}, found {}", what, kind_of(found)));
}

/** The words of the system, which open the first turn. Of parts only the first counts. */
std::string system_words(PromptWriter& out, TemplateValue content) {
  std::string field = message_field(0, "content");
  if (is_array(content)) {
    const json::array& parts = content->get_array();
    content = parts.empty() ? nullptr : member(&parts[0], "text");
    field += "[0].text";
  }
  if (is_string(content)) return std::string(string_of(content)) + "\n\n";
  expected(out, std::move(field), "a string", content);
  return {};
}

void write_content(PromptWriter& out, TemplateValue content, size_t index) {
  if (!content) return;
  if (is_string(content)) return out.text(trim(string_of(content)));
  if (!is_array(content)) {
    return expected(out, message_field(index, "content"), "a string or an array of parts", content);
  }
  const json::array& parts = content->get_array();
  for (size_t i = 0; i < parts.size(); ++i) {
    const TemplateValue type = member(&parts[i], "type");
    if (!is_mapping(&parts[i])) {
      return expected(out, message_field(index, fmt::format("content[{}]", i)), "an object", &parts[i]);
    }
    if (is_text(type, "image")) out.put("<start_of_image>");
    if (is_text(type, "text")) out.text(trim(printed(member(&parts[i], "text"))));
  }
}

}  // namespace

std::string message_field(size_t index, std::string_view name) {
  return fmt::format("messages[{}]{}{}", index, name.empty() ? "" : ".", name);
}

bool check_messages(PromptWriter& out, const json::array& messages) {
  for (size_t i = 0; i < messages.size(); ++i) {
    const TemplateValue role = member(&messages[i], "role");
    if (!is_mapping(&messages[i])) {
      expected(out, message_field(i), "an object", &messages[i]);
    } else if (!is_string(role)) {
      expected(out, message_field(i, "role"), "a string", role);
    }
  }
  return !out.failed();
}

void render_gemma3(PromptWriter& out, const json::array& messages, const ChatOptions& options) {
  if (!check_messages(out, messages)) return;
  if (messages.empty()) return out.fail("messages", "expected at least one message, found none");
  out.put("<bos>");
  const bool system = is_text(member(&messages[0], "role"), "system");
  const std::string prefix = system ? system_words(out, member(&messages[0], "content")) : "";
  for (size_t i = system; i < messages.size() && !out.failed(); ++i) {
    const std::string_view role = string_of(member(&messages[i], "role"));
    const bool users_turn = (i - system) % 2 == 0;
    if ((role == "user") != users_turn) {
      return out.fail(message_field(i, "role"),
                      fmt::format("turns must alternate user, assistant, user, ...: expected {}, found '{}'",
                                  users_turn ? "'user'" : "'assistant'", role));
    }
    out.put("<start_of_turn>");
    out.text(role == "assistant" ? "model" : role);
    out.put("\n");
    if (i == system) out.text(prefix);
    write_content(out, member(&messages[i], "content"), i);
    out.put("<end_of_turn>\n");
  }
  if (options.add_generation_prompt) out.put("<start_of_turn>model\n");
}

}  // namespace gemma
