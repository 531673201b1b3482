// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "chat/template_value.h"
#include "serve/messages.h"
#include "serve/responses.h"
#include "serve/sampling_fields.h"

namespace gemma::serve {
namespace {

constexpr int kMostTopLogprobs = 20;

json::value or_null(const std::optional<std::string>& text) { return text ? json::value(*text) : json::value(); }

/** "text": {format, verbosity}. */
void read_text(Fields& fields, ResponsesRequest& request) {
  json::object said{{"format", json::object{{"type", "text"}}}, {"verbosity", "medium"}};
  if (const json::object* text = fields.object("text")) {
    Fields inside(*text, "text");
    inside.unsupported("verbosity", "is not supported: say in the prompt how long an answer should be", {"medium"});
    if (const json::object* format = inside.object("format")) {
      Fields form(*format, "text.format");
      const auto type = form.word("type", {"text", "json_object", "json_schema"});
      if (!type && !format->contains("type")) form.fail("type", "is missing");
      if (type == "json_object") request.ask.constraint = AnyJsonObject{};
      if (type == "json_schema") {
        form.text("name"), form.text("description"), form.flag("strict");
        const json::value* schema = form.any("schema");
        if (schema == nullptr) form.fail("schema", "is missing");
        if (schema != nullptr && !schema->is_object() && !schema->is_bool()) {  // when counting, nothing else looks
          form.fail("schema", fmt::format("expected an object, found {}", kind_of(schema)));
        }
        if (schema != nullptr) request.ask.constraint = JsonSchema{*schema, "text.format.schema"};
      }
      said["format"] = *format;
      if (auto failure = form.failure()) inside.fail(std::move(*failure));
    }
    if (auto failure = inside.failure()) fields.fail(std::move(*failure));
  }
  request.said["text"] = std::move(said);
}

/** "reasoning": how long to think, and whether a summary is wanted: that is the thought itself. */
void read_reasoning(Fields& fields, ResponsesRequest& request, const ModelFacts& model) {
  json::object said{{"effort", nullptr}, {"summary", nullptr}};
  AnswerOptions& answer = request.ask.answer;
  if (const json::object* reasoning = fields.object("reasoning")) {
    Fields inside(*reasoning, "reasoning");
    const auto effort = inside.word("effort", {"none", "minimal", "low", "medium", "high", "xhigh", "max"});
    auto summary = inside.word("summary", {"auto", "concise", "detailed"});
    if (const auto old = inside.word("generate_summary", {"auto", "concise", "detailed"}); old && !summary) {
      summary = old;
    }
    answer.think = effort && *effort != "none";
    if (answer.think) answer.think_budget = thought_budget(*effort);
    if (answer.think && !model.thinks) {
      inside.fail("effort", fmt::format("the model '{}' does not think", model.name));
    }
    request.form.summary = summary.has_value();
    answer.preserve_thinking = inside.word("context", {"auto", "current_turn", "all_turns"}) == "all_turns";
    inside.unsupported("mode", "expected \"standard\"", {"standard"});
    said["effort"] = or_null(effort);
    said["summary"] = or_null(summary);
    if (auto failure = inside.failure()) fields.fail(std::move(*failure));
  }
  request.said["reasoning"] = std::move(said);
}

/** "web_search", "web_search_preview", and these with a date: an offer, which no answer has to take up. */
bool is_search(const json::value& tool) {
  const json::object* object = tool.if_object();
  const json::value* type = object != nullptr ? object->if_contains("type") : nullptr;
  return type != nullptr && type->is_string() && type->get_string().starts_with("web_search");
}

/** Functions, alone or in namespaces. What searches is passed over, whatever is said of it. */
class ToolsReader {
 public:
  explicit ToolsReader(OutputForm& form) : form_(form) {}

  Result<json::array> run(const json::array& tools) {
    each(tools, "tools", [this](Fields& tool, const std::string& where) {
      const auto type = tool.word("type", {"function", "namespace"});
      if (!type) tool.fail("type", "is missing");
      if (type == "function") function(tool, {}, {});
      if (type == "namespace") space(tool, where);
    });
    if (failure_) return *failure_;
    return std::move(out_);
  }

 private:
  template <class Read>
  void each(const json::array& tools, const std::string& field, Read&& read) {
    for (size_t i = 0; i < tools.size() && !failure_; ++i) {
      const std::string where = fmt::format("{}[{}]", field, i);
      const json::object* object = tools[i].if_object();
      if (object == nullptr) {
        failure_ = Failure{where, fmt::format("expected an object, found {}", kind_of(&tools[i]))};
        return;
      }
      if (field == "tools" && is_search(tools[i])) continue;
      Fields tool(*object, where);
      read(tool, where);
      if (auto failure = tool.failure(); failure && !failure_) failure_ = std::move(failure);
    }
  }

  /** The templates know of functions alone: its words stand before those of each of its functions. */
  void space(Fields& fields, const std::string& where) {
    const auto name = fields.text("name"), about = fields.text("description");
    const json::array* tools = fields.list("tools");
    if (!name || name->empty()) fields.fail("name", "is missing");
    if (tools == nullptr) fields.fail("tools", "is missing");
    if (fields.failure()) return;
    each(*tools, where + ".tools", [&](Fields& tool, const std::string&) {
      if (!tool.word("type", {"function"})) tool.fail("type", "is missing");
      function(tool, *name, about.value_or(""));
    });
  }

  void function(Fields& tool, const std::string& space, const std::string& about) {
    const auto name = tool.text("name");
    std::string description = tool.text("description").value_or("");
    if (!name || name->empty()) tool.fail("name", "is missing");
    const json::object* parameters = tool.object("parameters");
    tool.flag("strict");
    tool.unsupported("defer_loading", "is not supported: all tools are told to the model");
    tool.unsupported("allowed_callers", "expected [\"direct\"]", {json::array{"direct"}});
    tool.unsupported("output_schema", "is not supported"), tool.unsupported("async", "is not supported");
    if (tool.failure()) return;
    const std::string told = space.empty() ? *name : qualified_name(space, *name);
    if (!space.empty()) form_.spaces[told] = {space, *name};
    if (!about.empty()) description = about + (description.empty() ? "" : "\n" + description);
    json::object declared{{"name", told}, {"description", std::move(description)}};
    if (parameters != nullptr) declared["parameters"] = *parameters;
    out_.push_back(json::object{{"type", "function"}, {"function", std::move(declared)}});
  }

  OutputForm& form_;
  json::array out_;
  std::optional<Failure> failure_;
};

/** "none", "auto", "required", or the function that is to be called. */
void read_tool_choice(Fields& fields, const json::value& choice, Ask& ask) {
  if (choice == "auto") return;
  if (choice == "none") return ask.answer.tools.clear();
  ask.calls.calls = Calls::required;
  if (const json::object* named = choice.if_object()) {
    Fields inside(*named, "tool_choice");
    if (!inside.word("type", {"function"})) inside.fail("type", "is missing");
    const auto name = inside.text("name");
    if (!name) inside.fail("name", "is missing");
    ask.calls.name = name.value_or("");
    if (auto failure = inside.failure()) fields.fail(std::move(*failure));
  } else if (choice != "required") {
    fields.fail("tool_choice", "expected \"none\", \"auto\", \"required\" or an object with a function");
  }
  if (ask.answer.tools.empty()) fields.fail("tool_choice", "there are no tools to choose from");
}

void read_tool_fields(Fields& fields, ResponsesRequest& request, const ModelFacts& model) {
  json::array& taken = request.ask.answer.tools;
  const json::array* tools = fields.list("tools");
  if (tools != nullptr) {
    auto read = ToolsReader(request.form).run(*tools);
    if (!read) return fields.fail(read.failure());
    taken = std::move(read).value();
  }
  const json::value* choice = fields.any("tool_choice");
  if (choice != nullptr) read_tool_choice(fields, *choice, request.ask);
  const bool parallel = fields.flag("parallel_tool_calls").value_or(true);
  request.ask.calls.parallel = parallel;
  if (!taken.empty() && !model.tools) {
    fields.fail("tools", fmt::format("the model '{}' does not know of tools", model.name));
  }
  fields.unsupported("max_tool_calls", "is not supported: no tools run here");
  json::array told;
  for (const json::value& each : tools != nullptr ? *tools : json::array()) {
    is_search(each) ? void(request.leaves_out_search = true) : void(told.push_back(each));
  }
  request.said["tools"] = std::move(told);
  request.said["tool_choice"] = choice != nullptr ? *choice : json::value("auto");
  request.said["parallel_tool_calls"] = parallel;
}

void read_include(Fields& fields, ResponsesRequest& request) {
  const json::array* include = fields.list("include");
  for (size_t i = 0; include != nullptr && i < include->size(); ++i) {
    const json::value& each = (*include)[i];
    if (each == "reasoning.encrypted_content") {
      request.form.encrypted = true;
    } else if (each == "message.output_text.logprobs") {
      request.form.logprobs = true;
    } else if (each != "message.input_image.image_url") {  // items of input have theirs anyway
      fields.fail(Failure{fmt::format("include[{}]", i), "is not supported: " + write_json(each)});
    }
  }
  const auto top = fields.integer("top_logprobs", 0, kMostTopLogprobs);
  request.ask.answer.logprobs = request.form.logprobs;
  if (request.form.logprobs) request.ask.answer.top_logprobs = static_cast<int>(top.value_or(0));
  if (top.value_or(0) > 0 && !request.form.logprobs) {
    fields.fail("top_logprobs", "needs \"include\": [\"message.output_text.logprobs\"]");
  }
  request.said["top_logprobs"] = top.value_or(0);
}

/** What is there for hosted models, for their bills, or for what they run. */
void pass_over(Fields& fields, ResponsesRequest& request) {
  for (const char* key : {"metadata", "user", "safety_identifier", "prompt_cache_key"}) {
    fields.label(key);
    const json::value* given = fields.any(key);
    request.said[key] = given != nullptr ? *given : json::value();
  }
  fields.label("client_metadata");  // of Codex's: which installation asks
  if (request.said["metadata"].is_null()) request.said["metadata"] = json::object();
  fields.unsupported("service_tier", "expected \"auto\" or \"default\": there is one tier", {"auto", "default"});
  fields.unsupported("prompt_cache_retention", "is not supported: what memory allows is kept",
                     {"in_memory", "in-memory"});
  fields.unsupported("prompt_cache_options", "is not supported: what memory allows is kept");
  fields.unsupported("conversation", "is not supported: use previous_response_id");
  fields.unsupported("prompt", "is not supported: there are no prompts kept here");
  fields.unsupported("context_management", "is not supported: use truncation", {json::array()});
  for (const char* key : {"moderation", "image", "access_programs", "background_options"}) {
    fields.unsupported(key, "is not supported");
  }
  request.said["service_tier"] = "default";
}

/** How to answer, which counting does without. */
void read_answer_fields(Fields& fields, ResponsesRequest& request, const ModelFacts& model) {
  AnswerOptions& answer = request.ask.answer;
  answer.sampling = model.sampling;
  answer.loop_stop = false;
  read_sampling(fields, answer.sampling, model.vocab);
  const auto most = fields.integer("max_output_tokens", 1, int64_t{1} << 31);
  answer.max_tokens = static_cast<int>(std::min<int64_t>(model.context, most.value_or(0)));
  request.stream = fields.flag("stream").value_or(false);
  if (const json::object* options = fields.object("stream_options")) {
    Fields inside(*options, "stream_options");
    inside.flag("include_obfuscation");  // there is nothing here that padding would hide
    if (auto failure = inside.failure()) fields.fail(std::move(*failure));
  }
  request.store = fields.flag("store").value_or(true);
  request.background = fields.flag("background").value_or(false);
  if (request.background && !request.store) fields.fail("background", "needs \"store\": true");
  read_include(fields, request);
  pass_over(fields, request);
  json::object& said = request.said;
  said["temperature"] = as_written(answer.sampling.temperature);
  said["top_p"] = as_written(answer.sampling.top_p);
  said["max_output_tokens"] = most ? json::value(*most) : json::value();
  said["max_tool_calls"] = nullptr;
  said["store"] = request.store;
  said["background"] = request.background;
}

}  // namespace

std::string qualified_name(std::string_view space, std::string_view name) { return fmt::format("{}.{}", space, name); }

Result<ResponsesRequest> read_responses_request(const json::object& body, const ModelFacts& model,
                                                ResponsesPurpose purpose) {
  Fields fields(body);
  ResponsesRequest request;
  fields.text("model");
  if (purpose == ResponsesPurpose::answer) read_answer_fields(fields, request, model);
  const auto truncation = fields.word("truncation", {"auto", "disabled"});
  request.ask.answer.keep_whole = truncation != "auto";
  request.said["truncation"] = truncation.value_or("disabled");
  request.said["instructions"] = or_null(fields.text("instructions"));
  const auto previous = fields.text("previous_response_id");
  request.previous = previous.value_or("");
  request.said["previous_response_id"] = or_null(previous);
  read_text(fields, request);
  read_reasoning(fields, request, model);
  read_tool_fields(fields, request, model);
  const json::value* input = fields.any("input");
  if (input == nullptr) fields.fail("input", "is missing");
  if (auto failure = fields.failure()) return *failure;
  auto items = items_of_input(*input);
  if (!items) return items.failure();
  request.input = std::move(items).value();
  return request;
}

}  // namespace gemma::serve
