// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "chat/template_value.h"
#include "serve/hidden_thought.h"
#include "serve/json_bounds.h"
#include "serve/openai_wire.h"
#include "serve/responses.h"
#include "serve/sound_part.h"
#include "serve/turns.h"

namespace gemma::serve {
namespace {

std::string_view prefix_of(std::string_view type) {
  if (type == "function_call") return "fc_";
  if (type == "function_call_output") return "fco_";
  return type == "reasoning" ? "rs_" : "msg_";
}

/** Items as turns. */
class Reader {
 public:
  Reader(Turns& turns, const FileFinder& files) : turns_(turns), files_(files) {}

  void item(const json::value& value, const std::string& where) {
    const json::object* object = value.if_object();
    if (object == nullptr) return turns_.fail({where, fmt::format("expected an object, found {}", kind_of(&value))});
    Fields fields(*object, where);
    fields.text("id");
    const auto status = fields.word("status", {"in_progress", "completed", "incomplete"});
    const auto type = fields.text("type");
    if (!type || *type == "message") {
      message(fields, where);
    } else if (*type == "function_call") {
      call(fields, where, status == "incomplete");
    } else if (*type == "function_call_output") {
      result(fields, where);
    } else if (*type == "reasoning") {
      reasoning(fields, where);
    } else {
      fields.fail("type", fmt::format("expected one of message, function_call, function_call_output, reasoning, "
                                      "found '{}'",
                                      *type));
    }
    settle(fields);
  }

 private:
  void settle(const Fields& fields) {
    if (auto failure = fields.failure()) turns_.fail(std::move(*failure));
  }

  void message(Fields& fields, const std::string& where) {
    const auto role = fields.word("role", {"user", "assistant", "system", "developer"});
    if (!role) return fields.fail("role", "is missing");
    fields.word("phase", {"commentary", "final_answer"});
    turns_.speak(*role == "developer" ? "system" : *role, where);
    const json::value* content = fields.any("content");
    if (content == nullptr) return fields.fail("content", "is missing");
    contents(*content, where + ".content", *role == "user");
  }

  /** A text, or parts of it and pictures. */
  void contents(const json::value& content, const std::string& where, bool media) {
    if (content.is_string()) return turns_.text(content.get_string());
    if (!content.is_array()) {
      return turns_.fail({where, fmt::format("expected a string or an array of parts, found {}", kind_of(&content))});
    }
    const json::array& parts = content.get_array();
    for (size_t i = 0; i < parts.size() && !turns_.failed(); ++i) {
      const std::string place = fmt::format("{}[{}]", where, i);
      const json::object* object = parts[i].if_object();
      if (object == nullptr) {
        return turns_.fail({place, fmt::format("expected an object, found {}", kind_of(&parts[i]))});
      }
      Fields part(*object, place);
      content_part(part, place, media);
      settle(part);
    }
  }

  void content_part(Fields& part, const std::string& place, bool media) {
    const auto type = part.word("type", {"input_text", "output_text", "input_image", "input_audio", "input_file"});
    if (!type) return part.fail("type", "is missing");
    part.object("prompt_cache_breakpoint");  // what was read is found again wherever it ends
    if (*type == "input_text" || *type == "output_text") {
      part.list("annotations"), part.list("logprobs");
      const auto text = part.text("text");
      if (!text) part.fail("text", "is missing");
      return turns_.text(text.value_or(""));
    }
    if (!media) return part.fail("type", "pictures and sound are for turns of the user and results of tools");
    if (*type == "input_image") return image(part, place);
    *type == "input_file" ? file(part, place) : sound(part, place);
  }

  static int budget_of(Fields& part) {
    const auto detail = part.word("detail", {"auto", "low", "high"});
    if (const int budget = read_picture_budget(part); budget != 0 || !detail) return budget;
    return *detail == "low" ? 70 : *detail == "high" ? 1120 : media::kAutoBudget;
  }

  void file(Fields& part, const std::string& place) {
    const int budget = budget_of(part);
    auto source = read_file_part(part, place, files_, FileAddresses::taken);
    if (!source || part.failure()) return;
    if (source->kind == media::Kind::image) source->budget = budget;
    turns_.media(std::move(*source));
  }

  void image(Fields& part, const std::string& place) {
    const int budget = budget_of(part);
    auto kept = read_file_id(part, files_);
    const auto url = part.text("image_url");
    if (part.failure()) return;
    if (kept.has_value() == url.has_value()) {
      return part.fail("image_url", kept ? "expected no file_id beside it" : "is missing");
    }
    MediaSource picture{media::Kind::image, place, std::move(kept).value_or(""), budget};
    auto failure = url ? take_url(picture, *url, place + ".image_url") : std::nullopt;
    if (failure) return part.fail(std::move(*failure));
    turns_.media(std::move(picture));
  }

  void sound(Fields& part, const std::string& place) {
    auto source = read_sound_part(part, place);
    if (source && !part.failure()) turns_.media(std::move(*source));
  }

  /** One that was cut has called nobody. */
  void call(Fields& fields, const std::string& where, bool cut) {
    const auto id = fields.text("call_id"), name = fields.text("name"), text = fields.text("arguments");
    if (!id) fields.fail("call_id", "is missing");
    if (!name) fields.fail("name", "is missing");
    fields.unsupported("caller", "expected {\"type\": \"direct\"}", {json::object{{"type", "direct"}}});
    const auto space = fields.text("namespace");
    fields.unsupported("async", "is not supported");
    if (cut) return;
    json::object arguments;
    if (text && !text->empty()) {
      auto parsed = json_.read(*text, 128, BigIntegers::keep);
      const bool good = parsed && parsed.value().is_object();
      if (!good) {
        fields.fail("arguments",
                    "expected the text of a JSON object" + (parsed ? std::string() : ": " + parsed.failure().reason));
      }
      if (good) arguments = std::move(parsed.value().get_object());
    }
    if (fields.failure()) return;
    turns_.speak("assistant", where);
    turns_.call(*id, space && !space->empty() ? qualified_name(*space, *name) : *name, std::move(arguments), where);
  }

  void result(Fields& fields, const std::string& where) {
    const auto id = fields.text("call_id");
    if (!id) return fields.fail("call_id", "is missing");
    fields.text("name"), fields.text("namespace");  // the call says them
    fields.unsupported("caller", "expected {\"type\": \"direct\"}", {json::object{{"type", "direct"}}});
    turns_.result(*id, where);
    const json::value* output = fields.any("output");
    if (output == nullptr) return fields.fail("output", "is missing");
    contents(*output, where + ".output", true);
  }

  /** The thought itself where it is there, else its summary. */
  void reasoning(Fields& fields, const std::string& where) {
    const std::string content = thoughts(fields, "content", "reasoning_text");
    const std::string summary = thoughts(fields, "summary", "summary_text");
    const std::string hidden = thought_in(fields.text("encrypted_content").value_or(""));
    turns_.speak("assistant", where);
    turns_.thought(!content.empty() ? content : !hidden.empty() ? hidden : summary);
  }

  /** The texts of parts of this type, a line each. */
  std::string thoughts(Fields& fields, std::string_view key, std::string_view type) {
    std::string all;
    const json::array* parts = fields.list(key);
    for (size_t i = 0; parts != nullptr && i < parts->size(); ++i) {
      const std::string place = fmt::format("{}[{}]", fields.name_of(key), i);
      const json::object* object = (*parts)[i].if_object();
      if (object == nullptr) {
        fields.fail(Failure{place, fmt::format("expected an object, found {}", kind_of(&(*parts)[i]))});
        return all;
      }
      Fields part(*object, place);
      part.word("type", {type});
      const auto text = part.text("text");
      if (!text) part.fail("text", "is missing");
      settle(part);
      all += (all.empty() ? "" : "\n") + text.value_or("");
    }
    return all;
  }

  BoundedJson json_;  // of the texts of arguments
  Turns& turns_;
  const FileFinder& files_;
};

}  // namespace

Result<json::array> items_of_input(const json::value& input) {
  json::array items;
  if (input.is_string()) {
    const json::object part{{"type", "input_text"}, {"text", input.get_string()}};
    items.push_back({{"type", "message"}, {"role", "user"}, {"content", json::array{json::value(part)}}});
  } else if (input.is_array()) {
    items = input.get_array();
  } else {
    return Failure{"input", fmt::format("expected a string or an array of items, found {}", kind_of(&input))};
  }
  for (json::value& each : items) {
    json::object* item = each.if_object();
    if (item == nullptr) continue;
    if (!item->contains("type")) (*item)["type"] = "message";
    const json::value& type = item->at("type");
    const json::value* id = item->if_contains("id");
    if (id != nullptr && !id->is_null() && *id != "") continue;  // also one that is no text, for who reads it to refuse
    (*item)["id"] = new_id(prefix_of(type.is_string() ? std::string_view(type.get_string()) : ""));
  }
  return items;
}

std::optional<Failure> read_responses_input(ResponsesRequest& request, const json::array& before,
                                            const FileFinder& files) {
  const size_t count = before.size() + request.input.size();
  if (count > kMostMessages) return too_many_messages(before.empty() ? "input" : "previous_response_id", count);
  Turns turns;
  Reader reader(turns, files);
  const json::value* instructions = request.said.if_contains("instructions");
  if (instructions != nullptr && instructions->is_string() && !instructions->get_string().empty()) {
    turns.speak("system", "instructions");
    turns.text(instructions->get_string());
  }
  std::string where = "input";
  for (size_t i = 0; i < before.size() && !turns.failed(); ++i) reader.item(before[i], "previous_response_id");
  for (size_t i = 0; i < request.input.size() && !turns.failed(); ++i) {
    where = fmt::format("input[{}]", i);
    reader.item(request.input[i], where);
  }
  auto conversation = turns.finish(where);
  if (!conversation) return conversation.failure();
  if (conversation.value().messages.empty()) return Failure{"input", "is empty"};
  request.ask.messages = std::move(conversation.value().messages);
  request.ask.media = std::move(conversation.value().media);
  return std::nullopt;
}

}  // namespace gemma::serve
