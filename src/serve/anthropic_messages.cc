// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "chat/template_value.h"
#include "serve/anthropic.h"
#include "serve/base64.h"
#include "serve/fields.h"
#include "serve/hidden_thought.h"
#include "serve/turns.h"

namespace gemma::serve {
namespace {

constexpr std::string_view kBillingHead = "x-anthropic-billing-header:";

class Reader {
 public:
  explicit Reader(const FileFinder& files) : files_(files) {}

  Result<AnthropicConversation> run(const json::array& messages, const json::value* system) {
    if (messages.empty()) return Failure{"messages", "expected at least one message, found none"};
    if (messages.size() > kMostMessages) return too_many_messages("messages", messages.size());
    if (system != nullptr) system_prompt(*system, "system");
    std::string where;
    for (size_t i = 0; i < messages.size() && !turns_.failed(); ++i) {
      where = fmt::format("messages[{}]", i);
      message(messages[i], where);
    }
    AnthropicConversation out;
    out.begun = turns_.take_begun_answer();
    auto conversation = turns_.finish(where);
    if (!conversation) return conversation.failure();
    out.messages = std::move(conversation.value().messages);
    out.media = std::move(conversation.value().media);
    return out;
  }

 private:
  void settle(const Fields& fields) {
    if (auto failure = fields.failure()) turns_.fail(std::move(*failure));
  }

  /** Each block of an array. */
  template <class Each>
  void blocks(const json::value& content, const std::string& where, Each&& each) {
    if (!content.is_array()) {
      return turns_.fail({where, fmt::format("expected a string or an array of blocks, found {}", kind_of(&content))});
    }
    const json::array& list = content.get_array();
    for (size_t i = 0; i < list.size() && !turns_.failed(); ++i) {
      const std::string place = fmt::format("{}[{}]", where, i);
      const json::object* block = list[i].if_object();
      if (block == nullptr) {
        return turns_.fail({place, fmt::format("expected an object, found {}", kind_of(&list[i]))});
      }
      Fields fields(*block, place);
      const auto type = fields.text("type");
      if (!type) fields.fail("type", "is missing");
      if (type) each(*type, fields, place);
      settle(fields);
    }
  }

  void system_prompt(const json::value& content, const std::string& where) {
    std::string all;
    const auto add = [&](std::string_view text) {
      if (text.starts_with(kBillingHead)) return;  // of Claude Code's, anew with each request: no words for a model
      all += (all.empty() || text.empty() ? "" : "\n") + std::string(text);
    };
    if (content.is_string()) {
      add(content.get_string());
    } else {
      blocks(content, where, [&](const std::string& type, Fields& fields, const std::string&) {
        if (type != "text") return fields.fail("type", fmt::format("expected text, found '{}'", type));
        add(text_of(fields));
      });
    }
    if (all.empty()) return;
    turns_.speak("system", where);
    turns_.text(all);
  }

  void message(const json::value& value, const std::string& where) {
    const json::object* object = value.if_object();
    if (object == nullptr) return turns_.fail({where, fmt::format("expected an object, found {}", kind_of(&value))});
    Fields fields(*object, where);
    const auto role = fields.word("role", {"user", "assistant", "system"});
    if (!role) fields.fail("role", "is missing");
    const json::value* content = fields.any("content");
    if (content == nullptr) fields.fail("content", "is missing");
    settle(fields);
    if (turns_.failed()) return;
    const std::string place = where + ".content";
    if (role == "system") return system_prompt(*content, place);
    if (content->is_string() || role == "assistant") turns_.speak(*role, where);
    if (content->is_string()) return turns_.text(content->get_string());
    const bool model = role == "assistant";
    blocks(*content, place, [&](const std::string& type, Fields& block, const std::string& block_place) {
      model ? model_block(type, block, block_place) : user_block(type, block, block_place, where);
    });
    if (!model && content->is_array() && content->get_array().empty()) turns_.fail({place, "is empty"});
  }

  std::string text_of(Fields& fields) {
    const auto text = fields.text("text");
    if (!text) fields.fail("text", "is missing");
    read_cache_control(fields);
    fields.unsupported("citations", "is not supported", {json::array()});
    return text.value_or("");
  }

  void user_block(const std::string& type, Fields& fields, const std::string& place, const std::string& message) {
    if (type == "tool_result") return tool_result(fields, place);
    turns_.speak("user", message);
    text_or_image(type, fields, place, "text, image, tool_result");
  }

  void text_or_image(const std::string& type, Fields& fields, const std::string& place, std::string_view expected) {
    if (type == "text") return turns_.text(text_of(fields));
    if (type == "image") return image(fields, place);
    if (type == "document") {
      return fields.fail("type", "documents are not read: expected their text, or pictures of their pages");
    }
    fields.fail("type", fmt::format("expected one of {}, found '{}'", expected, type));
  }

  void model_block(const std::string& type, Fields& fields, const std::string& place) {
    if (type == "text") return turns_.text(text_of(fields));
    if (type == "thinking") {
      const auto thought = fields.text("thinking"), signature = fields.text("signature");
      if (!thought) fields.fail("thinking", "is missing");
      const std::string hidden = thought_in(signature.value_or(""));
      return turns_.thought(hidden.empty() ? thought.value_or("") : hidden);
    }
    if (type == "redacted_thinking") return fields.fail("type", "redacted_thinking is not of this model");
    if (type != "tool_use") {
      return fields.fail("type", fmt::format("expected one of text, thinking, tool_use, found '{}'", type));
    }
    const auto id = fields.text("id"), name = fields.text("name");
    const json::object* input = fields.object("input");
    if (!id) fields.fail("id", "is missing");
    if (!name) fields.fail("name", "is missing");
    if (input == nullptr) fields.fail("input", "is missing");
    read_cache_control(fields);
    fields.unsupported("caller", "expected {\"type\": \"direct\"}", {json::object{{"type", "direct"}}});
    fields.unsupported("toolset_name", "is not supported");
    if (!fields.failure()) turns_.call(*id, *name, *input, place);
  }

  void tool_result(Fields& fields, const std::string& place) {
    const auto id = fields.text("tool_use_id");
    if (!id) return fields.fail("tool_use_id", "is missing");
    turns_.result(*id, place);
    read_cache_control(fields);
    fields.unsupported("toolset_name", "is not supported");
    // The templates have no other way of saying it.
    if (fields.flag("is_error").value_or(false)) turns_.text("Error:");
    const json::value* content = fields.any("content");
    if (content == nullptr) return;
    if (content->is_string()) return turns_.text(content->get_string());
    blocks(*content, place + ".content", [&](const std::string& type, Fields& block, const std::string& block_place) {
      text_or_image(type, block, block_place, "text, image");
    });
  }

  void image(Fields& fields, const std::string& place) {
    read_cache_control(fields);
    const int budget = read_picture_budget(fields);
    if (const json::object* how = fields.object("transformations")) {
      Fields inside(*how, place + ".transformations");
      inside.unsupported("oversized_image", "expected \"downsize\"", {"downsize"});
      settle(inside);
    }
    const json::object* source = fields.object("source");
    if (source == nullptr) return fields.fail("source", "is missing");
    Fields inside(*source, place + ".source");
    const auto type = inside.word("type", {"base64", "url", "file"});
    if (!type) inside.fail("type", "is missing");
    MediaSource picture{media::Kind::image, place, {}, budget};
    if (type == "base64") {
      inside.text("media_type");  // the bytes say what they are
      const auto data = inside.text("data");
      if (!data) inside.fail("data", "is missing");
      auto decoded = base64_decoded(data.value_or(""));
      if (!decoded) inside.fail("data", "expected base64");
      picture.bytes = std::move(decoded).value_or("");
    } else if (type == "url") {
      auto failure = take_url(picture, inside.text("url").value_or(""), place + ".source.url");
      if (failure) inside.fail(std::move(*failure));
    } else if (type == "file") {
      auto kept = read_file_id(inside, files_);
      if (!kept && !inside.failure()) inside.fail("file_id", "is missing");
      picture.bytes = std::move(kept).value_or("");
    }
    settle(inside);
    if (!turns_.failed()) turns_.media(std::move(picture));
  }

  const FileFinder& files_;
  Turns turns_;
};

}  // namespace

Result<AnthropicConversation> read_anthropic_messages(const json::array& messages, const json::value* system,
                                                      const FileFinder& files) {
  return Reader(files).run(messages, system);
}

void read_cache_control(Fields& fields) {
  const json::object* control = fields.object("cache_control");
  if (control == nullptr) return;
  Fields inside(*control, fields.name_of("cache_control"));
  inside.word("type", {"ephemeral"});
  inside.word("ttl", {"5m", "1h"});
  inside.text("scope");  // of Claude Code's: who may find it, which keys decide here
  if (auto failure = inside.failure()) fields.fail(std::move(*failure));
}

}  // namespace gemma::serve
