// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <iterator>
#include <utility>

#include "chat/call_arguments.h"
#include "chat/channel.h"
#include "chat/chat_format.h"
#include "chat/spelling.h"
#include "chat/template_value.h"

namespace gemma {
namespace {

constexpr std::string_view kThoughtName = "thought\n";
constexpr std::string_view kCallPrefix = "call:";
constexpr size_t kLongestCallHead = 512;  // bytes before the arguments; what is longer is no call

bool ends_answer(Template which, std::string_view control) {
  if (control == "<eos>") return true;
  if (which == Template::gemma3) return control == "<end_of_turn>";
  return control == "<turn|>" || control == "<|tool_response>";
}

/** What the text behind <|tool_call> can still become. */
struct CallHead {
  enum class Kind : uint8_t { open, no, yes } kind = Kind::open;
  std::string_view name;
  size_t brace = 0;  // where the arguments begin
};

bool in_name(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) || std::string_view("_-.:/").find(c) != std::string_view::npos;
}

CallHead read_call_head(std::string_view text) {
  if (kCallPrefix.starts_with(text)) return {};
  if (!text.starts_with(kCallPrefix)) return {CallHead::Kind::no, {}, 0};
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  size_t end = kCallPrefix.size();
  while (end < text.size() && in_name(text[end])) ++end;
  size_t brace = end;
  while (brace < text.size() && is_blank(text[brace])) ++brace;
  if (brace > kLongestCallHead) return {CallHead::Kind::no, {}, 0};
  const std::string_view name = text.substr(kCallPrefix.size(), end - kCallPrefix.size());
  if (brace == text.size() && (brace == end || !name.empty())) return {};
  if (name.empty() || text[brace] != '{') return {CallHead::Kind::no, {}, 0};
  return {CallHead::Kind::yes, name, brace};
}

/** The part of a prompt that belongs to the answer: behind the last opening of the model's turn or tool response. */
std::vector<PromptPiece> answer_part(Template which, const std::vector<PromptPiece>& prompt) {
  constexpr std::string_view kModel = "model\n";
  const std::string_view turn = which == Template::gemma3 ? "<start_of_turn>" : "<|turn>";
  for (size_t i = prompt.size(); i-- > 0;) {
    if (!prompt[i].control) continue;
    const auto rest = prompt.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    if (prompt[i].text == "<tool_response|>") return {rest, prompt.end()};
    if (prompt[i].text == turn && rest != prompt.end() && !rest->control && rest->text.starts_with(kModel)) {
      std::vector<PromptPiece> part(rest, prompt.end());
      part.front().text.erase(0, kModel.size());
      return part;
    }
  }
  return prompt;
}

std::vector<PromptPiece> pieces_of(Template which, std::string_view prompt) {
  std::vector<PromptPiece> pieces;
  for (const Spelled& part : split_controls(prompt, control_spellings(which))) {
    pieces.push_back({std::string(part.text), part.control});
  }
  return pieces;
}

}  // namespace

struct ChatParser::State {
  // channel_name, call_head, call_arguments: a control token has come, and what follows decides what it was.
  enum class Mode : uint8_t { content, thought, channel_name, call_head, call_arguments, done };

  Template which;
  bool spells_controls = true;
  Mode mode = Mode::content;
  TextChannel content, thought;
  std::vector<PromptPiece> held;  // of the undecided modes, from their control token on
  std::string call_name;
  CallArguments arguments;
  bool calls_in_pieces = false;
  std::vector<ChatEvent> events, prefilled;

  explicit State(Template template_) : which(template_) {}

  std::vector<ChatEvent> take_events() { return std::exchange(events, {}); }

  void text(std::string_view bytes) {
    if (bytes.empty()) return;
    switch (mode) {
      case Mode::content:
        return give<TextDelta>(content.push(bytes));
      case Mode::thought:
        return give<ThoughtDelta>(thought.push(bytes));
      case Mode::channel_name:
        hold(bytes);
        return decide_channel();
      case Mode::call_head:
        hold(bytes);
        return decide_call();
      case Mode::call_arguments:
        hold(bytes);
        arguments.text(bytes);
        return give_call();
      case Mode::done:
        return;
    }
  }

  void control(std::string_view piece) {
    if (mode == Mode::done) return;
    if (mode == Mode::content) give<TextDelta>(content.settle());
    if (mode == Mode::thought) give<ThoughtDelta>(thought.settle());
    if (mode == Mode::channel_name || mode == Mode::call_head) held_was_text();
    if (ends_answer(which, piece)) return finish();
    if (mode == Mode::thought) {
      if (piece != "<channel|>") return give<ThoughtDelta>(thought.push(spelled(piece)));
      mode = Mode::content;
    } else if (mode == Mode::call_arguments) {
      held.push_back({std::string(piece), true});
      if (piece == "<tool_call|>") return end_call();
      arguments.control(piece);
      give_call();
    } else if (which != Template::gemma3 && (piece == "<|channel>" || piece == "<|tool_call>")) {
      held.push_back({std::string(piece), true});
      mode = piece == "<|channel>" ? Mode::channel_name : Mode::call_head;
    } else {
      give<TextDelta>(content.push(spelled(piece)));
    }
  }

  void finish() {
    if (mode == Mode::done) return;
    if (!spells_controls) held.clear();
    if (mode != Mode::content && mode != Mode::thought) held_was_text();
    give<ThoughtDelta>(thought.finish());
    give<TextDelta>(content.finish());
    mode = Mode::done;
  }

 private:
  template <class Delta>
  void give(std::string words) {
    if (words.empty()) return;
    if (Delta* last = events.empty() ? nullptr : std::get_if<Delta>(&events.back())) {
      last->text += words;
    } else {
      events.push_back(Delta{std::move(words)});
    }
  }

  void hold(std::string_view bytes) {
    if (held.back().control) held.emplace_back();
    held.back().text += bytes;
  }

  std::string_view spelled(std::string_view control) const {
    if (spells_controls) return control;
    return control == kQuote ? "\"" : "";
  }

  /** What was held back is no thought and no call. */
  void held_was_text() {
    mode = Mode::content;
    for (const PromptPiece& piece : std::exchange(held, {})) {
      give<TextDelta>(content.push(piece.control ? spelled(piece.text) : piece.text));
    }
  }

  void decide_channel() {
    const std::string_view name = held.back().text;
    if (name.starts_with(kThoughtName)) {
      const std::string rest(name.substr(kThoughtName.size()));
      held.clear();
      mode = Mode::thought;
      if (thought.started()) give<ThoughtDelta>(thought.push("\n"));  // a line between two thoughts
      text(rest);
    } else if (!kThoughtName.starts_with(name)) {
      held_was_text();
    }
  }

  void decide_call() {
    const CallHead head = read_call_head(held.back().text);
    if (head.kind == CallHead::Kind::no) return held_was_text();
    if (head.kind == CallHead::Kind::open) return;
    call_name = head.name;
    mode = Mode::call_arguments;
    arguments = {};
    arguments.text(std::string_view(held.back().text).substr(head.brace));
    give_call();
  }

  /** What there is of it to be given out. */
  void give_call() {
    std::string json = arguments.take_json();
    if (!calls_in_pieces || json.empty()) return;
    CallDelta* last = events.empty() ? nullptr : std::get_if<CallDelta>(&events.back());
    last != nullptr ? void(last->json += json) : events.push_back(CallDelta{call_name, std::move(json)});
  }

  void end_call() {
    std::optional<json::object> object = std::move(arguments).take();
    if (!object) return held_was_text();
    events.push_back(ToolCall{call_name, *std::move(object)});
    held.clear();
    mode = Mode::content;
  }
};

ChatParser::ChatParser(Template which, std::string_view prompt) : ChatParser(which, pieces_of(which, prompt)) {}

ChatParser::ChatParser(Template which, const std::vector<PromptPiece>& prompt, Controls controls)
    : state_(std::make_unique<State>(which)) {
  for (const PromptPiece& piece : answer_part(which, prompt)) {
    piece.control ? state_->control(piece.text) : state_->text(piece.text);
  }
  if (state_->mode == State::Mode::done) state_ = std::make_unique<State>(which);  // that turn is over, another begins
  state_->prefilled = state_->take_events();
  state_->spells_controls = controls == Controls::spelled;
}

ChatParser::~ChatParser() = default;

void ChatParser::give_calls_in_pieces() { state_->calls_in_pieces = true; }

const std::vector<ChatEvent>& ChatParser::prefilled() const { return state_->prefilled; }

std::vector<ChatEvent> ChatParser::text(std::string_view bytes) {
  state_->text(bytes);
  return state_->take_events();
}

std::vector<ChatEvent> ChatParser::control(std::string_view piece) {
  state_->control(piece);
  return state_->take_events();
}

std::vector<ChatEvent> ChatParser::finish() {
  state_->finish();
  return state_->take_events();
}

json::object assistant_message(const std::vector<ChatEvent>& events) {
  std::string thought, content;
  json::array calls;
  for (const ChatEvent& event : events) {
    if (const auto* words = std::get_if<TextDelta>(&event)) content += words->text;
    if (const auto* words = std::get_if<ThoughtDelta>(&event)) thought += words->text;
    if (const auto* call = std::get_if<ToolCall>(&event)) {
      const json::object function = {{"name", call->name}, {"arguments", call->arguments}};
      calls.push_back({{"type", "function"}, {"function", function}});
    }
  }
  json::object message = {{"role", "assistant"}};
  if (!thought.empty()) message["reasoning_content"] = thought;
  if (!content.empty()) message["content"] = content;
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  return message;
}

}  // namespace gemma
