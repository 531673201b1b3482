// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "chat/render.h"
#include "chat/tool_text.h"

namespace gemma {
namespace {

constexpr std::string_view kThoughtOpen = "<|channel>thought\n";
constexpr std::string_view kThoughtClose = "<channel|>";

/** The text of a model without its thoughts: what lies between <|channel> and <channel|>, or after an open one. */
std::string without_thoughts(std::string_view text) {
  std::string out;
  for (;;) {
    const size_t close = text.find(kThoughtClose);
    const std::string_view part = text.substr(0, close);
    out += part.substr(0, part.find("<|channel>"));
    if (close == std::string_view::npos) return std::string(trim(out));
    text.remove_prefix(close + kThoughtClose.size());
  }
}

/** The place of a picture, a sound or a film; "" for a part of another type. */
std::string_view media_token(TemplateValue type) {
  if (is_text(type, "image") || is_text(type, "image_url")) return "<|image|>";
  if (is_text(type, "audio") || is_text(type, "input_audio")) return "<|audio|>";
  if (is_text(type, "video")) return "<|video|>";
  return {};
}

bool has_role(const json::value& message, std::string_view role) { return is_text(member(&message, "role"), role); }

class Gemma4Renderer {
 public:
  Gemma4Renderer(PromptWriter& out, const json::array& messages, const ChatOptions& options, bool empty_thought)
      : out_(out), messages_(messages), options_(options), empty_thought_(empty_thought) {}

  void render(const json::array& tools) {
    if (!check_messages(out_, messages_)) return;
    out_.put("<bos>");
    system_turn(tools);
    for (size_t i = first_; i < messages_.size(); ++i) {
      if (has_role(messages_[i], "user")) last_user_ = i;
    }
    count_media();
    for (size_t i = first_; i < messages_.size() && !out_.failed(); ++i) {
      if (!has_role(messages_[i], "tool")) message(i);  // those are printed behind the calls that they answer
    }
    if (options_.add_generation_prompt) generation_prompt();
  }

 private:
  /** How many parts with media there are before each message, which is not the order in which they are printed. */
  void count_media() {
    int count = 0;
    for (const json::value& message : messages_) {
      media_before_.push_back(count);
      const TemplateValue content = member(&message, "content");
      if (!is_array(content)) continue;
      for (const json::value& part : content->get_array()) count += media_token(member(&part, "type")).empty() ? 0 : 1;
    }
  }

  enum class Last : uint8_t { other, tool_call, tool_response };  // what the latest message ended in

  void system_turn(const json::array& tools) {
    const bool system = !messages_.empty() && (has_role(messages_[0], "system") || has_role(messages_[0], "developer"));
    if (!options_.enable_thinking && tools.empty() && !system) return;
    out_.put("<|turn>system\n");
    if (options_.enable_thinking) out_.put("<|think|>\n");
    if (system) {
      system_content(member(&messages_[0], "content"));
      first_ = 1;
    }
    for (size_t i = 0; i < tools.size(); ++i) {
      out_.put("<|tool>");
      write_declaration(out_, &tools[i], fmt::format("tools[{}]", i));
      out_.put("<tool|>");
    }
    out_.put("<turn|>\n");
  }

  void system_content(TemplateValue content) {
    if (!check_content(content, 0)) return;
    if (is_string(content)) out_.text(trim(string_of(content)));
    if (!is_array(content)) return;
    for (const json::value& part : content->get_array()) {
      out_.text(trim(printed(member(&part, "text"))));
      out_.put(" ");
    }
  }

  void message(size_t index) {
    const json::value& message = messages_[index];
    const std::string_view role = string_of(member(&message, "role"));
    const bool model = role == "assistant" || role == "model";
    if (!(model && previous_role_ == "assistant")) {
      out_.put("<|turn>");
      out_.text(role == "assistant" ? "model" : role);
      out_.put("\n");
    }
    last_ = Last::other;
    thought(index);
    const TemplateValue calls = member(&message, "tool_calls");
    if (is_truthy(calls)) tool_calls(index, calls);
    const bool answered = tool_responses(index, calls);
    const bool content = write_content(index, model);
    end_of_message(index, model, answered, content);
    previous_role_ = role;
  }

  /** Thoughts are kept after the last user's turn, and where asked for beside the calls of earlier ones. */
  void thought(size_t index) {
    const TemplateValue message = &messages_[index];
    std::string_view name = "reasoning";
    if (!is_truthy(member(message, name))) name = "reasoning_content";
    const TemplateValue text = member(message, name);
    const bool kept =
        !last_user_ || index > *last_user_ || (options_.preserve_thinking && is_truthy(member(message, "tool_calls")));
    if (!is_truthy(text) || !kept) return;
    if (!is_string(text)) return expected(message_field(index, name), "a string", text);
    out_.put(kThoughtOpen);
    out_.text(string_of(text));
    out_.put("\n<channel|>");
  }

  void tool_calls(size_t index, TemplateValue calls) {
    if (!is_array(calls)) return expected(message_field(index, "tool_calls"), "an array", calls);
    const json::array& list = calls->get_array();
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string field = message_field(index, fmt::format("tool_calls[{}].function", i));
      const TemplateValue function = member(&list[i], "function");
      const TemplateValue name = member(function, "name"), arguments = member(function, "arguments");
      if (!is_mapping(function)) return expected(field, "an object", function);
      if (!is_string(name)) return expected(field + ".name", "a string", name);
      if (!is_mapping(arguments) && !is_null(arguments)) {
        return expected(field + ".arguments", "an object (not its JSON text) or null", arguments);
      }
      out_.put("<|tool_call>call:");
      out_.text(string_of(name));
      out_.put("{");
      if (is_mapping(arguments)) write_members(out_, arguments->get_object(), false);
      out_.put("}<tool_call|>");
    }
    last_ = Last::tool_call;
  }

  /** The responses to a message's calls: its own "tool_responses", or the tool messages behind it. */
  bool tool_responses(size_t index, TemplateValue calls) {
    bool any = false;
    if (const TemplateValue own = member(&messages_[index], "tool_responses"); is_truthy(own)) {
      any = own_responses(index, own);
    } else if (is_truthy(calls) && !out_.failed()) {
      for (size_t i = index + 1; i < messages_.size() && has_role(messages_[i], "tool"); ++i) {
        tool_message(i, calls->get_array());
        any = true;
      }
    }
    if (any) last_ = Last::tool_response;
    return any;
  }

  bool own_responses(size_t index, TemplateValue responses) {
    const std::string field = message_field(index, "tool_responses");
    if (!is_array(responses)) return expected(field, "an array", responses), false;
    const json::array& list = responses->get_array();
    for (size_t i = 0; i < list.size(); ++i) {
      const TemplateValue name = member(&list[i], "name");
      if (!is_mapping(&list[i])) return expected(fmt::format("{}[{}]", field, i), "an object", &list[i]), false;
      if (is_truthy(name) && !is_string(name)) {
        return expected(fmt::format("{}[{}].name", field, i), "a string", name), false;
      }
      write_response(out_, is_truthy(name) ? string_of(name) : "unknown", member(&list[i], "response"));
    }
    return true;
  }

  /** The tool's name is that of the last call with this id; the message's own counts where there is none. */
  void tool_message(size_t index, const json::array& calls) {
    static const json::value unknown = "unknown", none;
    const TemplateValue message = &messages_[index], own_name = member(message, "name");
    TemplateValue name = is_truthy(own_name) ? own_name : &unknown;
    for (const json::value& call : calls) {
      if (equal(member(&call, "id"), member(message, "tool_call_id"))) name = member(member(&call, "function"), "name");
    }
    if (!is_string(name)) return expected(message_field(index, "name"), "a string", name);
    const std::string_view tool = string_of(name);
    const TemplateValue content = member(message, "content");
    if (is_array(content)) return tool_parts(index, tool, content->get_array());
    if (is_mapping(content)) {
      return out_.fail(message_field(index, "content"),
                       "expected text or an array of parts, found an object (give its JSON text, or an object in "
                       "tool_responses)");
    }
    write_response(out_, tool, content ? content : &none);
  }

  void tool_parts(size_t index, std::string_view tool, const json::array& parts) {
    std::string text;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!check_part(index, i, parts[i])) return;
      if (!is_text(member(&parts[i], "type"), "text")) continue;
      const TemplateValue words = member(&parts[i], "text");
      if (!is_string(words))
        return expected(message_field(index, fmt::format("content[{}].text", i)), "a string", words);
      text += string_of(words);
    }
    write_text_response(out_, tool, text);
    int media = media_before_[index];
    for (const json::value& part : parts) {
      if (const std::string_view token = media_token(member(&part, "type")); !token.empty()) out_.place(token, media++);
    }
  }

  /** Whether anything was written. */
  bool write_content(size_t index, bool model) {
    const TemplateValue content = member(&messages_[index], "content");
    if (!check_content(content, index)) return false;
    if (is_string(content)) return write_words(string_of(content), model);
    bool any = false;
    if (!is_array(content)) return any;
    const json::array& parts = content->get_array();
    int media = media_before_[index];
    for (size_t i = 0; i < parts.size(); ++i) {
      const TemplateValue type = member(&parts[i], "type"), words = member(&parts[i], "text");
      if (const std::string_view token = media_token(type); !token.empty()) {
        out_.place(token, media++);
        any = true;
      } else if (is_text(type, "text")) {
        if (model && !is_string(words)) {
          return expected(message_field(index, fmt::format("content[{}].text", i)), "a string", words), false;
        }
        any |= write_words(printed(words), model);
      }
    }
    return any;
  }

  bool write_words(std::string_view words, bool model) {
    const std::string kept = model ? without_thoughts(words) : std::string(trim(words));
    out_.text(kept);
    return !kept.empty();
  }

  void end_of_message(size_t index, bool model, bool answered, bool content) {
    const auto begin = messages_.begin() + static_cast<std::ptrdiff_t>(index) + 1;
    const auto next = std::find_if(begin, messages_.end(), [](const json::value& m) { return !has_role(m, "tool"); });
    const bool last = next == messages_.end();
    const bool calls = is_truthy(member(&messages_[index], "tool_calls"));
    const bool continues = model && !last && has_role(*next, "assistant") && (!calls || answered);
    if (last_ == Last::tool_call && !answered) {
      out_.put("<|tool_response>");
    } else if (!continues && !(answered && !content && last)) {
      out_.put("<turn|>\n");
    }
  }

  void generation_prompt() {
    if (last_ == Last::other) {
      out_.put("<|turn>model\n");
      if (empty_thought_ && !options_.enable_thinking) out_.put("<|channel>thought\n<channel|>");
    } else if (last_ == Last::tool_response && options_.enable_thinking) {
      out_.put(kThoughtOpen);
    }
  }

  bool check_part(size_t index, size_t part, const json::value& value) {
    if (is_mapping(&value)) return true;
    return expected(message_field(index, fmt::format("content[{}]", part)), "an object", &value), false;
  }

  /** Text, parts or nothing: anything else the template would leave out without a word. */
  bool check_content(TemplateValue content, size_t index) {
    if (is_array(content)) {
      const json::array& parts = content->get_array();
      for (size_t i = 0; i < parts.size(); ++i) {
        if (!check_part(index, i, parts[i])) return false;
      }
      return true;
    }
    if (!content || is_null(content) || is_string(content)) return true;
    return expected(message_field(index, "content"), "a string, an array of parts or null", content), false;
  }

  void expected(std::string field, std::string_view what, TemplateValue found) {
    out_.fail(std::move(field), fmt::format("expected {}, found {}", what, kind_of(found)));
  }

  PromptWriter& out_;
  const json::array& messages_;
  const ChatOptions& options_;
  bool empty_thought_;
  size_t first_ = 0;  // 1 when the first message is the system's
  std::optional<size_t> last_user_;
  std::vector<int> media_before_;  // each message
  Last last_ = Last::other;
  std::string_view previous_role_;  // of the latest message that is no tool's
};

}  // namespace

void render_gemma4(PromptWriter& out, const json::array& messages, const json::array& tools, const ChatOptions& options,
                   bool empty_thought) {
  Gemma4Renderer(out, messages, options, empty_thought).render(tools);
}

}  // namespace gemma
