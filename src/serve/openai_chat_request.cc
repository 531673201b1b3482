// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "serve/messages.h"
#include "serve/openai_chat.h"
#include "serve/sampling_fields.h"
#include "serve/structured_outputs.h"

namespace gemma::serve {
namespace {

constexpr int kMostChoices = 8, kMostTopLogprobs = 20;

/** response_format: text, json_object or json_schema. */
std::optional<Constraint> read_format(Fields& fields) {
  const json::object* format = fields.object("response_format");
  if (format == nullptr) return std::nullopt;
  const std::string where = fields.name_of("response_format");
  Fields inside(*format, where);
  std::optional<Constraint> constraint;
  const auto type = inside.word("type", {"text", "json_object", "json_schema"});
  if (!type && !format->contains("type")) inside.fail("type", "is missing");
  if (type == "json_object") constraint = AnyJsonObject{};
  if (type == "json_schema") {
    if (const json::object* named = inside.object("json_schema")) {
      Fields schema(*named, where + ".json_schema");
      schema.text("name"), schema.text("description"), schema.flag("strict");
      const json::value* given = schema.any("schema");
      constraint = AnyJsonObject{};
      if (given != nullptr) constraint = JsonSchema{*given, where + ".json_schema.schema"};
      if (auto failure = schema.failure()) inside.fail(std::move(*failure));
    } else {
      inside.fail("json_schema", "is missing");
    }
  }
  if (auto failure = inside.failure()) fields.fail(std::move(*failure));
  return constraint;
}

/** Words for how long to think, as budgets of tokens; 0: no limit. */
void read_thinking(Fields& fields, AnswerOptions& answer) {
  const auto effort = fields.word("reasoning_effort", {"none", "minimal", "low", "medium", "high", "xhigh", "max"});
  if (effort && *effort != "none") {
    answer.think = true;
    answer.think_budget = *effort == "minimal" ? 256 : *effort == "low" ? 1024 : *effort == "medium" ? 4096 : 0;
  }
  const json::object* arguments = fields.object("chat_template_kwargs");
  if (arguments == nullptr) return;
  Fields inside(*arguments, fields.name_of("chat_template_kwargs"));
  if (const auto thinking = inside.flag("enable_thinking")) answer.think = *thinking;
  if (auto failure = inside.failure()) fields.fail(std::move(*failure));
}

/** What is there for hosted models, for their bills, or for other kinds of models. */
void pass_over(Fields& fields) {
  for (const char* key : {"user", "metadata", "safety_identifier", "prompt_cache_key"}) fields.label(key);
  fields.unsupported("store", "nothing is stored here: expected false");
  fields.unsupported("service_tier", "expected \"auto\" or \"default\": there is one tier", {"auto", "default"});
  fields.unsupported("modalities", "expected [\"text\"]: this model only writes", {json::array{"text"}});
  fields.unsupported("verbosity", "is not supported: say in the prompt how long an answer should be", {"medium"});
  fields.unsupported("prompt_cache_retention", "is not supported: what memory allows is kept",
                     {"in_memory", "in-memory"});
  fields.unsupported("moderation", "is not supported: nothing is moderated here");
  fields.unsupported("prompt_cache_options", "is not supported: what memory allows is kept");
  fields.unsupported("audio", "is not supported: this model does not speak");
  fields.unsupported("prediction", "is not supported: text that repeats the prompt is guessed by itself");
  fields.unsupported("web_search_options", "is not supported: there is no web search here");
  fields.unsupported("functions", "is not supported: use tools");
  fields.unsupported("function_call", "is not supported: use tool_choice");
}

/** "none", "auto", "required", or the function that is to be called. */
void read_tool_choice(Fields& fields, Ask& ask) {
  const json::value* choice = fields.any("tool_choice");
  if (choice == nullptr || *choice == "auto") return;
  if (*choice == "none") return ask.answer.tools.clear();
  if (*choice == "required") {
    ask.calls.calls = Calls::required;
  } else if (const json::object* named = choice->if_object()) {
    Fields inside(*named, fields.name_of("tool_choice"));
    inside.word("type", {"function"});
    if (const json::object* function = inside.object("function")) {
      Fields called(*function, inside.name_of("function"));
      const auto name = called.text("name");
      if (!name) called.fail("name", "is missing");
      ask.calls = {Calls::required, name.value_or(""), true};
      if (auto failure = called.failure()) inside.fail(std::move(*failure));
    } else {
      inside.fail("function", "is missing");
    }
    if (auto failure = inside.failure()) fields.fail(std::move(*failure));
  } else {
    fields.fail("tool_choice", "expected \"none\", \"auto\", \"required\" or an object with a function");
  }
  if (ask.answer.tools.empty()) fields.fail("tool_choice", "there are no tools to choose from");
}

void read_tool_fields(Fields& fields, Ask& ask, const ModelFacts& model) {
  if (const json::array* tools = fields.list("tools")) {
    auto read = read_tools(*tools, fields.name_of("tools"));
    if (read) {
      ask.answer.tools = std::move(read).value();
    } else {
      fields.fail(read.failure());
    }
  }
  if (!ask.answer.tools.empty() && !model.tools)
    fields.fail("tools", "this model's chat template has no place for them");
  read_tool_choice(fields, ask);
  ask.calls.parallel = fields.flag("parallel_tool_calls").value_or(true);
}

void read_form(Fields& fields, Ask& ask) {
  ask.constraint = read_format(fields);
  if (auto form = read_structured_outputs(fields)) {
    if (ask.constraint) fields.fail("response_format", "is a second form: expected one of them");
    ask.constraint = std::move(form);
  }
  if (ask.constraint && !ask.answer.stop.empty()) {
    fields.fail("stop", "an answer that keeps to a form ends where the form does");
  }
}

}  // namespace

Result<ChatRequest> read_chat_request(const json::object& body, const ModelFacts& model, const FileFinder& files) {
  Fields fields(body);
  ChatRequest request;
  Ask& ask = request.ask;
  fields.text("model");
  ask.answer.sampling = model.sampling;
  ask.answer.keep_whole = true;
  ask.answer.loop_stop = false;
  read_sampling(fields, ask.answer.sampling, model.vocab);
  ask.answer.stop = read_stops(fields);
  const int64_t most = model.context;
  const auto limit = fields.integer("max_completion_tokens", 1, int64_t{1} << 31),
             old_limit = fields.integer("max_tokens", 1, int64_t{1} << 31);
  if (limit && old_limit && *limit != *old_limit) {
    fields.fail("max_tokens", "is the older name of max_completion_tokens: expected the same number, or one of them");
  }
  ask.answer.max_tokens = static_cast<int>(std::min(most, limit.value_or(old_limit.value_or(0))));
  ask.choices = static_cast<int>(fields.integer("n", 1, kMostChoices).value_or(1));
  ask.answer.logprobs = fields.flag("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", 0, kMostTopLogprobs);
  ask.answer.top_logprobs = static_cast<int>(top.value_or(0));
  if (top && !ask.answer.logprobs) fields.fail("top_logprobs", "needs \"logprobs\": true");
  request.stream = fields.flag("stream").value_or(false);
  if (const json::object* options = fields.object("stream_options")) {
    Fields inside(*options, "stream_options");
    request.include_usage = inside.flag("include_usage").value_or(false);
    inside.flag("include_obfuscation");  // there is nothing here that padding would hide
    if (!request.stream) fields.fail("stream_options", "needs \"stream\": true");
    if (auto failure = inside.failure()) fields.fail(std::move(*failure));
  }
  read_thinking(fields, ask.answer);
  read_tool_fields(fields, ask, model);
  read_form(fields, ask);
  pass_over(fields);
  const json::array* messages = fields.list("messages");
  if (messages == nullptr) fields.fail("messages", "is missing");
  if (auto failure = fields.failure()) return *failure;
  auto conversation = read_messages(*messages, "messages", files);
  if (!conversation) return conversation.failure();
  ask.messages = std::move(conversation.value().messages);
  ask.media = std::move(conversation.value().media);
  return request;
}

}  // namespace gemma::serve
