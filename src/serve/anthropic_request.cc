// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "chat/template_value.h"
#include "serve/anthropic.h"
#include "serve/fields.h"
#include "serve/sampling_fields.h"

namespace gemma::serve {
namespace {

/** "thinking": enabled with a budget, adaptive, or disabled. Whether it says anything. */
bool read_thinking(Fields& fields, MessagesRequest& request, const ModelFacts& model) {
  AnswerOptions& answer = request.ask.answer;
  const json::object* given = fields.object("thinking");
  if (given == nullptr) return false;
  Fields inside(*given, "thinking");
  const auto type = inside.word("type", {"enabled", "disabled", "adaptive"});
  if (!type && !given->contains("type")) inside.fail("type", "is missing");
  // A model that decides for itself may decide not to.
  answer.think = type == "enabled" || (type == "adaptive" && model.thinks);
  if (answer.think && !model.thinks) inside.fail("type", fmt::format("the model '{}' does not think", model.name));
  const auto display = type == "disabled" ? std::nullopt : inside.word("display", {"summarized", "omitted"});
  request.hide_thoughts = display == "omitted";
  if (type == "enabled") {
    const auto budget = inside.integer("budget_tokens", 1, int64_t{1} << 31);
    if (!budget) inside.fail("budget_tokens", "is missing");
    if (budget && answer.max_tokens > 0 && *budget >= answer.max_tokens) {
      inside.fail("budget_tokens",
                  fmt::format("expected less than max_tokens, {}, found {}", answer.max_tokens, *budget));
    }
    answer.think_budget = static_cast<int>(std::min<int64_t>(budget.value_or(0), model.context));
  }
  if (auto failure = inside.failure()) fields.fail(std::move(*failure));
  return true;
}

std::optional<Constraint> read_schema(Fields& fields, std::string_view key) {
  const json::object* format = fields.object(key);
  if (format == nullptr) return std::nullopt;
  const std::string where = fields.name_of(key);
  Fields inside(*format, where);
  if (!inside.word("type", {"json_schema"})) inside.fail("type", "is missing");
  const json::object* schema = inside.object("schema");
  if (schema == nullptr) inside.fail("schema", "is missing");
  if (auto failure = inside.failure()) {
    fields.fail(std::move(*failure));
    return std::nullopt;
  }
  return JsonSchema{*schema, where + ".schema"};
}

/** "effort" says how long to think, and that at all where "thinking" says nothing. */
void read_output_config(Fields& fields, MessagesRequest& request, bool thinking_said, const ModelFacts& model) {
  const json::object* config = fields.object("output_config");
  if (config == nullptr) return;
  Fields inside(*config, "output_config");
  AnswerOptions& answer = request.ask.answer;
  const auto effort = inside.word("effort", {"low", "medium", "high", "xhigh", "max"});
  if (effort && model.thinks) {
    if (!thinking_said) answer.think = true;
    if (answer.think && answer.think_budget == 0) answer.think_budget = thought_budget(*effort);
    if (!answer.think && *effort != "high") inside.fail("effort", "is how long to think, and \"thinking\" is disabled");
  } else if (effort && *effort != "high") {
    inside.fail("effort", fmt::format("the model '{}' does not think", model.name));
  }
  if (auto constraint = read_schema(inside, "format")) request.ask.constraint = std::move(*constraint);
  if (auto failure = inside.failure()) fields.fail(std::move(*failure));
}

/** Of the edits one: thoughts of earlier turns, which the templates leave out but beside calls. */
void read_context_management(Fields& fields, AnswerOptions& answer) {
  const json::object* given = fields.object("context_management");
  if (given == nullptr) return;
  Fields inside(*given, "context_management");
  const json::array* edits = inside.list("edits");
  for (size_t i = 0; edits != nullptr && i < edits->size(); ++i) {
    const std::string where = fmt::format("context_management.edits[{}]", i);
    const json::object* edit = (*edits)[i].if_object();
    if (edit == nullptr) {
      inside.fail(Failure{where, "expected an object"});
      break;
    }
    Fields each(*edit, where);
    if (!each.word("type", {"clear_thinking_20251015"})) each.fail("type", "is missing");
    const json::value* keep = each.any("keep");
    answer.preserve_thinking = keep != nullptr && *keep == "all";
    const json::value latest = {{"type", "thinking_turns"}, {"value", 1}};
    if (keep != nullptr && !answer.preserve_thinking && *keep != latest) {
      each.fail("keep", "expected \"all\", or one of \"thinking_turns\"");
    }
    if (auto failure = each.failure()) inside.fail(std::move(*failure));
  }
  if (auto failure = inside.failure()) fields.fail(std::move(*failure));
}

void read_tool_fields(Fields& fields, Ask& ask, const ModelFacts& model) {
  if (const json::array* tools = fields.list("tools")) {
    auto read = read_anthropic_tools(*tools, "tools");
    if (!read) return fields.fail(read.failure());
    ask.answer.tools = std::move(read).value();
  }
  if (const json::object* choice = fields.object("tool_choice")) {
    Fields inside(*choice, "tool_choice");
    const auto type = inside.word("type", {"auto", "any", "tool", "none"});
    if (!type && !choice->contains("type")) inside.fail("type", "is missing");
    ask.calls.parallel = !inside.flag("disable_parallel_tool_use").value_or(false);
    if (type == "any" || type == "tool") {
      ask.calls.calls = Calls::required;
      if (ask.answer.tools.empty()) inside.fail("type", "there are no tools to choose from");
    }
    if (type == "tool") {
      const auto name = inside.text("name");
      if (!name) inside.fail("name", "is missing");
      ask.calls.name = name.value_or("");
    }
    if (type == "none") ask.answer.tools.clear();
    if (auto failure = inside.failure()) fields.fail(std::move(*failure));
  }
  if (!ask.answer.tools.empty() && !model.tools) {
    fields.fail("tools", fmt::format("the model '{}' does not know of tools", model.name));
  }
}

/** What is there for hosted models and for their bills. */
void pass_over(Fields& fields, Purpose purpose) {
  fields.unsupported("speed", "expected \"standard\": there is one speed", {"standard"});
  fields.label("user_profile_id"), fields.label("workspace_id");
  if (purpose == Purpose::count) return;
  fields.unsupported("service_tier", "expected \"auto\" or \"standard_only\": there is one tier",
                     {"auto", "standard_only"});
  fields.unsupported("container", "is not supported: nothing runs here");
  fields.unsupported("diagnostics", "is not supported");
  fields.unsupported("inference_geo", "is not supported: it is done where this server runs");
  fields.unsupported("mcp_servers", "is not supported: nothing is fetched", {json::array()});
  fields.unsupported("fallbacks", "is not supported: there is no other model", {json::array()});
  for (const char* key : {"billing_policy", "compaction", "fallback_credit_token", "thread"}) {
    fields.unsupported(key, "is not supported");
  }
}

/** How to answer, which counting does without. */
void read_answer_fields(Fields& fields, MessagesRequest& request, const ModelFacts& model) {
  AnswerOptions& answer = request.ask.answer;
  answer.sampling = model.sampling;
  answer.keep_whole = true;
  answer.loop_stop = false;
  read_sampling(fields, answer.sampling, model.vocab);
  answer.stop = read_stops(fields, "stop_sequences");
  const auto most = fields.integer("max_tokens", 1, int64_t{1} << 31);
  if (!most) fields.fail("max_tokens", "is missing");
  answer.max_tokens = static_cast<int>(std::min<int64_t>(model.context, most.value_or(1)));
  request.stream = fields.flag("stream").value_or(false);
  fields.label("metadata");
}

}  // namespace

Result<MessagesRequest> read_messages_request(const json::object& body, const ModelFacts& model, Purpose purpose,
                                              const FileFinder& files) {
  Fields fields(body);
  MessagesRequest request;
  Ask& ask = request.ask;
  fields.text("model");
  if (purpose == Purpose::answer) read_answer_fields(fields, request, model);
  const bool thinking_said = read_thinking(fields, request, model);
  read_output_config(fields, request, thinking_said, model);
  if (auto constraint = read_schema(fields, "output_format")) ask.constraint = std::move(*constraint);  // as it was
  read_context_management(fields, ask.answer);
  read_tool_fields(fields, ask, model);
  read_cache_control(fields);
  pass_over(fields, purpose);
  if (ask.constraint && !ask.answer.stop.empty()) {
    fields.fail("stop_sequences", "an answer that is JSON ends where the JSON does");
  }
  const json::array* messages = fields.list("messages");
  if (messages == nullptr) fields.fail("messages", "is missing");
  const json::value* system = fields.any("system");
  if (auto failure = fields.failure()) return *failure;
  auto conversation = read_anthropic_messages(*messages, system, files);
  if (!conversation) return conversation.failure();
  ask.messages = std::move(conversation.value().messages);
  ask.media = std::move(conversation.value().media);
  ask.answer.prefill = std::move(conversation.value().begun);
  const bool held = ask.answer.think || ask.constraint || ask.calls.calls == Calls::required;
  if (!ask.answer.prefill.empty() && held) {
    return Failure{fmt::format("messages[{}]", messages->size() - 1),
                   "the beginning of an answer cannot be given together with thinking, a format or a call"};
  }
  return request;
}

Result<json::array> read_anthropic_tools(const json::array& tools, const std::string& field) {
  json::array out;
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string where = fmt::format("{}[{}]", field, i);
    const json::object* object = tools[i].if_object();
    if (object == nullptr) return Failure{where, fmt::format("expected an object, found {}", kind_of(&tools[i]))};
    Fields tool(*object, where);
    tool.word("type", {"custom"});
    const auto name = tool.text("name"), description = tool.text("description");
    if (!name || name->empty()) tool.fail("name", "is missing");
    const json::object* schema = tool.object("input_schema");
    if (schema == nullptr) tool.fail("input_schema", "is missing");
    read_cache_control(tool);
    tool.flag("strict"), tool.flag("eager_input_streaming");
    tool.unsupported("defer_loading", "is not supported: all tools are told to the model");
    tool.unsupported("input_examples", "is not supported: expected them in the description", {json::array()});
    tool.unsupported("allowed_callers", "expected [\"direct\"]", {json::array{"direct"}});
    if (auto failure = tool.failure()) return *failure;
    json::object declared{{"name", *name}, {"description", description.value_or("")}, {"parameters", *schema}};
    out.push_back(json::object{{"type", "function"}, {"function", std::move(declared)}});
  }
  return out;
}

}  // namespace gemma::serve
