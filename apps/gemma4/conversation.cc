// SPDX-License-Identifier: Apache-2.0
#include "gemma4/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "chat/media_places.h"

namespace gemma::app {
namespace {

constexpr std::array<std::string_view, 6> kRoles{"system", "developer", "user", "assistant", "model", "tool"};

bool is_text(const json::value* value) { return value != nullptr && value->is_string(); }

std::string fault_in_part(const json::value& part) {
  const json::object* object = part.if_object();
  if (object == nullptr) return "expected an object with \"type\"";
  const json::value* type = object->if_contains("type");
  if (!is_text(type)) return ".type: expected a string";
  for (const auto& [key, value] : *object) {
    if (value.is_string() && value.get_string().find('\0') != std::string_view::npos && type->get_string() != "text") {
      return fmt::format(".{}: a name has no zero byte", std::string_view(key));
    }
  }
  if (medium_of_part(part)) return "";
  const std::string_view name = type->get_string();
  if (name != "text") return fmt::format(".type: expected text, image, audio or video, found '{}'", name);
  return is_text(object->if_contains("text")) ? "" : ".text: expected a string";
}

std::string fault_in_content(const json::value& content) {
  if (content.is_string()) return "";
  if (!content.is_array()) return ": expected a string or an array of parts";
  const json::array& parts = content.get_array();
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string fault = fault_in_part(parts[i]);
    if (!fault.empty()) return fmt::format("[{}]{}{}", i, fault.front() == '.' ? "" : ": ", fault);
  }
  return "";
}

/** A message that calls tools or answers them may do without content. */
std::string fault_in_message(const json::value& message) {
  const json::object* object = message.if_object();
  if (object == nullptr) return ": expected an object with \"role\" and \"content\"";
  const json::value* role = object->if_contains("role");
  if (!is_text(role)) return ".role: expected a string";
  const std::string_view name = role->get_string();
  if (std::find(kRoles.begin(), kRoles.end(), name) == kRoles.end()) {
    return fmt::format(".role: expected system, user, assistant or tool, found '{}'", name);
  }
  const json::value* content = object->if_contains("content");
  const bool missing = content == nullptr || content->is_null();
  const bool speaks_otherwise = object->contains("tool_calls") || object->contains("tool_responses");
  if (missing && speaks_otherwise) return "";
  const std::string fault = missing ? ": expected a string or an array of parts" : fault_in_content(*content);
  return fault.empty() ? "" : ".content" + fault;
}

}  // namespace

std::string fault_in_conversation(const json::value& messages) {
  const json::array* list = messages.if_array();
  if (list == nullptr) return "messages: expected an array";
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string fault = fault_in_message((*list)[i]);
    if (!fault.empty()) return fmt::format("messages[{}]{}", i, fault);
  }
  return "";
}

}  // namespace gemma::app
