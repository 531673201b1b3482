// SPDX-License-Identifier: Apache-2.0
// gemma4 chat-format: conversations to prompts and answers to messages, for programs, without a model.
#include "chat/chat_format.h"

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "chat/spelling.h"
#include "chat/template_value.h"
#include "gemma4/command.h"

namespace gemma::app {
namespace {

constexpr const char* kLines =
    R"(A line in is a JSON object, a line out is its answer, in order and at once. A line that cannot be served
is answered by {"error": ...} and the next one is read; blank lines are passed over. The exit status is 0
when every line was answered, whatever the answers.)";

constexpr const char* kRenderHelp =
    R"(messages: as for chat completions (role, content, tool_calls, tool_call_id, reasoning_content, ...);
tools: an array or null; kwargs: add_generation_prompt, enable_thinking, preserve_thinking, false where
not given.

Example: gemma4 chat-format render --template edge < conversations.jsonl
  {"messages": [{"role": "user", "content": "Hi"}], "kwargs": {"add_generation_prompt": true}}
  -> {"prompt": "<bos><|turn>user\nHi<turn|>\n<|turn>model\n"}
  {"messages": [{"role": "user", "content": 5}]}
  -> {"error": "messages[0].content: expected a string, an array of parts or null, found a number"})";

constexpr const char* kParseHelp =
    R"(prefix: the prompt, or its end from the model's turn on; text: the answer. The spellings of control
tokens count as the tokens. Fields that would be empty are left out.

Example: gemma4 chat-format parse --template large < answers.jsonl
  {"prefix": "<|turn>model\n", "text": "<|channel>thought\nEasy.\n<channel|>4<turn|>"}
  -> {"message": {"role": "assistant", "reasoning_content": "Easy.", "content": "4"}})";

Failure expected(std::string field, std::string_view what, TemplateValue found) {
  return {std::move(field), fmt::format("expected {}, found {}", what, kind_of(found))};
}

Result<json::object> render(Template which, TemplateValue row) {
  const TemplateValue messages = member(row, "messages"), tools = member(row, "tools"), kwargs = member(row, "kwargs");
  if (!is_array(messages)) return expected("messages", "an array", messages);
  if (tools && !is_null(tools) && !is_array(tools)) return expected("tools", "an array or null", tools);
  if (kwargs && !is_null(kwargs) && !is_mapping(kwargs)) return expected("kwargs", "an object", kwargs);
  ChatOptions options;
  options.add_generation_prompt = is_truthy(member(kwargs, "add_generation_prompt"));
  options.enable_thinking = is_truthy(member(kwargs, "enable_thinking"));
  options.preserve_thinking = is_truthy(member(kwargs, "preserve_thinking"));
  const json::array no_tools;
  const auto pieces =
      ChatFormat(which).render(messages->get_array(), is_array(tools) ? tools->get_array() : no_tools, options);
  if (!pieces) return pieces.failure();
  return json::object{{"prompt", ChatFormat::text_of(pieces.value())}};
}

Result<json::object> parse(Template which, TemplateValue row) {
  const TemplateValue prefix = member(row, "prefix"), text = member(row, "text");
  if (prefix && !is_null(prefix) && !is_string(prefix)) return expected("prefix", "a string", prefix);
  if (!is_string(text)) return expected("text", "a string", text);
  ChatParser parser(which, is_string(prefix) ? string_of(prefix) : "");
  std::vector<ChatEvent> events = parser.prefilled();
  const auto append = [&](std::vector<ChatEvent> more) { events.insert(events.end(), more.begin(), more.end()); };
  for (const Spelled& part : split_controls(string_of(text), control_spellings(which))) {
    append(part.control ? parser.control(part.text) : parser.text(part.text));
  }
  append(parser.finish());
  return json::object{{"message", assistant_message(events)}};
}

void print_line(std::string line) {
  line += '\n';
  if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() || std::fflush(stdout) != 0) {
    fail("standard output", "cannot write (disk full, or nobody reads)");
  }
}

using Answer = Result<json::object> (*)(Template, TemplateValue);

Result<json::object> answer_line(Template which, Answer answer, std::string_view line, int64_t number) {
  const Result<json::value> row = parse_json(line, 256, BigIntegers::keep);
  const std::string where = fmt::format("line {}", number);
  if (!row) return Failure{where, row.failure().reason};
  if (!is_mapping(&row.value())) return expected(where, "an object", &row.value());
  return answer(which, &row.value());
}

void answer_lines(const std::string& name, Answer answer) {
  const std::optional<Template> which = template_named(name);
  if (!which) fail("--template", "expected edge, large or gemma3, found '{}'", name);
  std::string line;
  for (int64_t number = 1; std::getline(std::cin, line); ++number) {
    if (trim(line).empty()) continue;
    const Result<json::object> result = answer_line(*which, answer, line, number);
    print_line(write_json(result ? result.value() : json::object{{"error", result.failure().message()}}));
  }
}

void add_action(CLI::App& command, const char* name, const char* what, const char* help, Answer answer) {
  CLI::App* action = command.add_subcommand(name, what);
  auto which = std::make_shared<std::string>();
  action->add_option("--template", *which, "edge (E2B, E4B), large (12B, 26B-A4B, 31B) or gemma3")
      ->required()
      ->check(CLI::IsMember({"edge", "large", "gemma3"}));
  action->footer(fmt::format("{}\n\n{}", kLines, help));
  action->callback([which, answer] { answer_lines(*which, answer); });
}

}  // namespace

void add_chat_format(CLI::App& app) {
  CLI::App* command = app.add_subcommand("chat-format", "Conversations to prompts, answers to messages: JSON lines");
  command->require_subcommand(1);
  command->footer(fmt::format("{}\n\nrender: {}\n\nparse: {}", kLines, kRenderHelp, kParseHelp));
  add_action(*command, "render", R"({messages, tools, kwargs} -> {"prompt": text} or {"error": reason})", kRenderHelp,
             render);
  add_action(*command, "parse", R"({prefix, text} -> {"message": {...}} or {"error": reason})", kParseHelp, parse);
}

}  // namespace gemma::app
