// SPDX-License-Identifier: Apache-2.0
#include "serve/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <utility>

#include "chat/template_value.h"
#include "serve/anthropic.h"
#include "serve/base64.h"
#include "serve/json_bounds.h"
#include "serve/sound_part.h"

namespace gemma::serve {
namespace {

/** Soft tokens for a picture: `detail` is OpenAI's word, `budget` ours. */
int budget_of(Fields& part, Fields& picture) {
  const auto detail = picture.word("detail", {"auto", "low", "high"});
  if (const int budget = read_picture_budget(part); budget != 0) return budget;
  if (!detail) return 0;
  return *detail == "low" ? 70 : *detail == "high" ? 1120 : media::kAutoBudget;
}

class Reader {
 public:
  Reader(std::string field, const FileFinder& files) : field_(std::move(field)), files_(files) {}

  Result<Conversation> run(const json::array& messages) {
    if (messages.empty()) return Failure{field_, "expected at least one message, found none"};
    if (messages.size() > kMostMessages) return too_many_messages(field_, messages.size());
    for (size_t i = 0; i < messages.size() && !failure_; ++i) message(messages[i], fmt::format("{}[{}]", field_, i));
    if (!failure_) unanswered(fmt::format("{}[{}]", field_, messages.size() - 1));
    if (failure_) return *failure_;
    return std::move(out_);
  }

 private:
  void fail(Failure failure) {
    if (!failure_) failure_ = std::move(failure);
  }
  void settle(const Fields& fields) {
    if (auto failure = fields.failure()) fail(std::move(*failure));
  }

  /** Calls wait for their answers when somebody else speaks. */
  void unanswered(const std::string& where) {
    if (open_calls_.empty()) return;
    fail(
        {where, fmt::format("the tool call '{}' before it has no tool message that answers it", *open_calls_.begin())});
  }

  void message(const json::value& value, const std::string& where) {
    const json::object* object = value.if_object();
    if (object == nullptr) return fail({where, fmt::format("expected an object, found {}", kind_of(&value))});
    Fields fields(*object, where);
    const auto role = fields.word("role", {"system", "developer", "user", "assistant", "tool"});
    if (!role && !object->contains("role")) fields.fail("role", "is missing");
    json::object out{{"role", role.value_or("")}};
    fields.text("name");  // the templates have no place for it
    if (role == "tool") {
      tool_message(fields, out);
    } else {
      unanswered(where);
      if (role == "assistant") assistant_message(fields, out);
      const json::value* content = fields.any("content");
      if (content != nullptr) out["content"] = parts_of(fields, *content, role == "user");
      const bool may_lack = role == "assistant" && (out.contains("tool_calls") || out.contains("reasoning_content"));
      if (content == nullptr && may_lack) out["content"] = "";
      if (content == nullptr && !may_lack) fields.fail("content", "is missing");
    }
    settle(fields);
    out_.messages.push_back(std::move(out));
  }

  void assistant_message(Fields& fields, json::object& out) {
    fields.unsupported("refusal", "a refusal cannot be part of a prompt");
    fields.unsupported("audio", "this model does not speak");
    fields.unsupported("function_call", "is not supported: use tool_calls");
    fields.list("annotations"), fields.text("id");
    auto thought = fields.text("reasoning_content");
    if (const auto other = fields.text("reasoning"); other && !thought) thought = other;
    if (thought && !thought->empty()) out["reasoning_content"] = *thought;
    const json::array* calls = fields.list("tool_calls");
    if (calls == nullptr || calls->empty()) return;
    json::array list;
    for (size_t i = 0; i < calls->size(); ++i) {
      list.push_back(tool_call((*calls)[i], fmt::format("{}[{}]", fields.name_of("tool_calls"), i)));
    }
    out["tool_calls"] = std::move(list);
  }

  json::object tool_call(const json::value& value, const std::string& where) {
    const json::object* object = value.if_object();
    if (object == nullptr) return fail({where, "expected an object"}), json::object();
    Fields call(*object, where);
    call.word("type", {"function"});
    call.integer("index", 0, int64_t{1} << 31);
    const auto id = call.text("id");
    if (!id) call.fail("id", "is missing");
    const json::object* function = call.object("function");
    if (function == nullptr) call.fail("function", "is missing");
    settle(call);
    if (failure_) return {};
    if (!open_calls_.insert(*id).second) fail({where + ".id", fmt::format("two calls have the id '{}'", *id)});
    Fields fields(*function, where + ".function");
    const auto name = fields.text("name");
    if (!name) fields.fail("name", "is missing");
    json::object arguments;
    if (const auto text = fields.text("arguments"); text && !text->empty()) {
      auto parsed = json_.read(*text, 128, BigIntegers::keep);
      if (parsed && parsed.value().is_object()) {
        arguments = std::move(parsed).value().get_object();
      } else {
        fields.fail("arguments",
                    "expected the text of a JSON object" + (parsed ? std::string() : ": " + parsed.failure().reason));
      }
    }
    settle(fields);
    return {{"id", id.value_or("")},
            {"type", "function"},
            {"function", json::object{{"name", name.value_or("")}, {"arguments", std::move(arguments)}}}};
  }

  void tool_message(Fields& fields, json::object& out) {
    const auto id = fields.text("tool_call_id");
    if (!id) {
      fields.fail("tool_call_id", "is missing");
    } else if (open_calls_.erase(*id) == 0) {
      fields.fail("tool_call_id", fmt::format("no tool call before it that waits has the id '{}'", *id));
    }
    out["tool_call_id"] = id.value_or("");
    const json::value* content = fields.any("content");
    if (content == nullptr) fields.fail("content", "is missing");
    out["content"] = content != nullptr ? parts_of(fields, *content, true) : json::value("");
  }

  json::value parts_of(Fields& fields, const json::value& content, bool media) {
    if (content.is_string()) return content;
    if (!content.is_array()) {
      fields.fail("content", fmt::format("expected a string or an array of parts, found {}", kind_of(&content)));
      return "";
    }
    json::array parts;
    const json::array& given = content.get_array();
    for (size_t i = 0; i < given.size() && !failure_; ++i) {
      parts.push_back(part(given[i], fmt::format("{}[{}]", fields.name_of("content"), i), media));
    }
    return parts;
  }

  json::value part(const json::value& value, const std::string& where, bool media) {
    const json::object* object = value.if_object();
    if (object == nullptr) return fail({where, fmt::format("expected an object, found {}", kind_of(&value))}), nullptr;
    Fields fields(*object, where);
    const auto type = fields.word("type", {"text", "image_url", "input_audio", "audio_url", "video_url", "file"});
    if (!type && !object->contains("type")) fields.fail("type", "is missing");
    json::object out;
    if (type == "text") {
      const auto text = fields.text("text");
      if (!text) fields.fail("text", "is missing");
      out = {{"type", "text"}, {"text", text.value_or("")}};
      read_cache_control(fields);
    } else if (type && !media) {
      fields.fail("type", "pictures, sound and film are for turns of the user and of tools");
    } else if (type == "input_audio") {
      out = sound(fields, where);
    } else if (type == "file") {
      out = file(fields, where);
    } else if (type) {
      out = linked(fields, *type, where);
    }
    settle(fields);
    return out;
  }

  json::object add(MediaSource source) {
    const Medium medium = medium_of(source.kind);
    out_.media.push_back(std::move(source));
    return media_part(medium);
  }

  /** What has a url. */
  json::object linked(Fields& fields, const std::string& type, const std::string& where) {
    const json::value* given = fields.any(type);
    const std::string field = fmt::format("{}.{}", where, type);
    const bool plain = given != nullptr && given->is_string();  // some clients send the address alone
    if (given == nullptr || !(plain || given->is_object())) {
      fields.fail(type, "expected an object with \"url\"");
      return {};
    }
    const json::object none;
    Fields picture(plain ? none : given->get_object(), field);
    const auto url = plain ? std::optional(std::string(given->get_string())) : picture.text("url");
    if (!url) picture.fail("url", "is missing");
    MediaSource source{type == "video_url" ? media::Kind::video : media::Kind::image, where, {}, 0};
    if (type == "audio_url") source.kind = media::Kind::audio;
    if (type == "image_url") source.budget = budget_of(fields, picture);
    settle(picture);
    if (failure_) return {};
    if (auto failure = take_url(source, *url, plain ? field : field + ".url")) return fail(*failure), json::object();
    return add(std::move(source));
  }

  json::object file(Fields& fields, const std::string& where) {
    const json::object* given = fields.object("file");
    if (given == nullptr) return fields.fail("file", "expected an object with \"file_id\""), json::object();
    Fields inside(*given, where + ".file");
    auto source = read_file_part(inside, where, files_);
    if (source && source->kind == media::Kind::image) source->budget = read_picture_budget(fields);
    settle(inside);
    return source && !failure_ ? add(std::move(*source)) : json::object();
  }

  json::object sound(Fields& fields, const std::string& where) {
    auto source = read_sound_part(fields, where);
    return source ? add(std::move(*source)) : json::object();
  }

  const std::string field_;
  const FileFinder& files_;
  BoundedJson json_;  // of the texts of arguments
  Conversation out_;
  std::set<std::string> open_calls_;  // ids of calls that wait for an answer
  std::optional<Failure> failure_;
};

}  // namespace

int read_picture_budget(Fields& part) {
  const json::value* budget = part.any("budget");
  if (budget == nullptr) return 0;
  for (const int64_t each : {70, 140, 280, 560, 1120}) {
    if (*budget == json::value(each)) return static_cast<int>(each);
  }
  if (*budget == json::value("auto")) return media::kAutoBudget;
  part.fail("budget", "expected 70, 140, 280, 560, 1120 or \"auto\", found " + write_json(*budget));
  return 0;
}

Failure too_many_messages(std::string_view field, size_t count) {
  return {std::string(field), fmt::format("expected at most {} messages, found {}", kMostMessages, count)};
}

Medium medium_of(media::Kind kind) {
  if (kind == media::Kind::image) return Medium::image;
  return kind == media::Kind::audio ? Medium::audio : Medium::video;
}

Result<Conversation> read_messages(const json::array& messages, const std::string& field, const FileFinder& files) {
  return Reader(field, files).run(messages);
}

std::optional<Failure> take_url(MediaSource& source, std::string_view url, const std::string& field) {
  std::string scheme(url.substr(0, std::min(url.find(':'), url.size())));
  std::ranges::transform(scheme, scheme.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (scheme == "http" || scheme == "https") {
    source.address = url;
    return std::nullopt;
  }
  if (scheme != "data" || scheme.size() == url.size()) {
    return Failure{field, "expected the file itself (data:image/png;base64,...) or its address (https://...)"};
  }
  const size_t comma = url.find(',');
  const std::string_view head = url.substr(0, comma);
  if (comma == std::string_view::npos || !head.ends_with(";base64")) {
    return Failure{field, "expected data:TYPE;base64,BYTES"};
  }
  auto bytes = base64_decoded(url.substr(comma + 1));
  if (!bytes) return Failure{field, "what follows the comma is no base64"};
  source.bytes = std::move(*bytes);
  return std::nullopt;
}

Result<json::array> read_tools(const json::array& tools, const std::string& field) {
  json::array out;
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string where = fmt::format("{}[{}]", field, i);
    const json::object* object = tools[i].if_object();
    if (object == nullptr) return Failure{where, fmt::format("expected an object, found {}", kind_of(&tools[i]))};
    Fields tool(*object, where);
    tool.word("type", {"function"});
    const json::object* function = tool.object("function");
    if (function == nullptr) tool.fail("function", "is missing");
    if (auto failure = tool.failure()) return *failure;
    Fields fields(*function, where + ".function");
    const auto name = fields.text("name"), description = fields.text("description");
    fields.flag("strict");
    const json::object* parameters = fields.object("parameters");
    if (!name || name->empty()) fields.fail("name", "is missing");
    if (auto failure = fields.failure()) return *failure;
    json::object declared{{"name", *name}, {"description", description.value_or("")}};
    if (parameters != nullptr) declared["parameters"] = *parameters;
    out.push_back(json::object{{"type", "function"}, {"function", std::move(declared)}});
  }
  return out;
}

}  // namespace gemma::serve
