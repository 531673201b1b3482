// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "gemma4/run.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

/** Streams an answer to stdout; the thought goes to stderr, dimmed, and only where that is a terminal. */
class Printer {
 public:
  void operator()(const ChatEvent& event) {
    if (const auto* text = std::get_if<TextDelta>(&event)) {
      end_thought();
      std::fwrite(text->text.data(), 1, text->text.size(), stdout);
      std::fflush(stdout);
    } else if (const auto* thought = std::get_if<ThoughtDelta>(&event)) {
      if (!is_terminal(STDERR_FILENO)) return;
      fmt::print(stderr, "{}", dim(thought->text, STDERR_FILENO));
      thinking_ = true;
    } else if (const auto* call = std::get_if<ToolCall>(&event)) {
      end_thought();
      fmt::print("{}\n", write_json(json::object{{"name", call->name}, {"arguments", call->arguments}}));
      std::fflush(stdout);
    }
  }

 private:
  void end_thought() {
    if (thinking_) fmt::print(stderr, "\n\n");
    thinking_ = false;
  }
  bool thinking_ = false;
};

json::array logprobs_json(const Session& session, const Answer& answer) {
  const auto entry = [&](int32_t token, float logprob) {
    return json::object{{"token", session.tokenizer->piece(token)}, {"id", token}, {"logprob", logprob}};
  };
  json::array list;
  for (const TokenLogprob& t : answer.logprobs) {
    json::object row = entry(t.token, t.logprob);
    json::array top;
    for (const Alternative& a : t.top) top.push_back(entry(a.token, a.logprob));
    row["top"] = std::move(top);
    list.push_back(std::move(row));
  }
  return list;
}

}  // namespace

void say_notes(const Session& session, bool with_template) {
  if (!session.memory_note.empty()) note(session.memory_note);
  if (with_template && !session.template_note.empty()) note(session.template_note);
}

void say_notes(const MediaList& media) {
  for (const auto& each : media) {
    for (const std::string& line : notes_of(*each, each->name)) note(line);
  }
}

json::array to_json(const MediaList& media) {
  json::array list;
  for (const auto& each : media) list.push_back(to_json(*each));
  return list;
}

json::array opening(const std::string& system) {
  json::array messages;
  if (!system.empty()) messages.push_back(message("system", system, {}));
  return messages;
}

json::object to_json(const Session& session, const Answer& answer, const AnswerOptions& options) {
  json::object out{{"text", answer.text}};
  if (!answer.thought.empty()) out["thought"] = answer.thought;
  if (!answer.tool_calls.empty()) {
    json::array calls;
    for (const ToolCall& call : answer.tool_calls) {
      calls.push_back(json::object{{"name", call.name}, {"arguments", call.arguments}});
    }
    out["tool_calls"] = std::move(calls);
  }
  out["finish"] = answer.finish ? name_of(*answer.finish) : "error";
  if (!answer.error.empty()) out["error"] = answer.error;
  out["prompt_tokens"] = answer.prompt_tokens;
  out["tokens"] = answer.tokens;
  if (answer.drafted > 0) {
    out["drafted"] = answer.drafted;
    out["accepted"] = answer.accepted;
  }
  if (answer.dropped_turns > 0) out["dropped_turns"] = answer.dropped_turns;
  out["seed"] = static_cast<int64_t>(options.sampling.seed);
  out["first_token_seconds"] = answer.first_token_seconds;
  out["seconds"] = answer.seconds;
  if (options.top_logprobs > 0) out["logprobs"] = logprobs_json(session, answer);
  return out;
}

int run_once(Session& session, const RunOptions& options) {
  json::array messages = opening(options.system);
  messages.push_back(message("user", options.prompt, options.media));
  const Specials specials = options.control_specials ? Specials::control : Specials::text;
  const auto exchange = options.raw
                            ? Exchange::raw(session.speaker(), options.prompt, specials, options.media, options.answer)
                            : Exchange::chat(session.speaker(), messages, options.media, options.answer);
  if (!exchange) fail(exchange.failure().field, "{}", exchange.failure().reason);
  say_notes(session, !options.raw);
  say_notes(options.media);
  const Answer& answer =
      run_to_end(session, *exchange.value(), options.json ? Exchange::Sink() : Exchange::Sink(Printer()));
  if (options.json) {
    json::object out = to_json(session, answer, options.answer);
    if (!options.media.empty()) out["media"] = to_json(options.media);
    fmt::print("{}\n", write_json(out, is_terminal(STDOUT_FILENO) ? 2 : 0));
  } else if (!answer.text.empty() && answer.text.back() != '\n') {
    fmt::print("\n");
  }
  if (std::fflush(stdout) != 0) fail("stdout", "cannot write the answer");
  if (answer.finish == Finish::cancelled) return kInterrupted;
  if (answer.finish == Finish::error) fail(session.file->name(), "{}", answer.error);
  if (answer.finish == Finish::loop) note("stopped: the answer repeats itself (--no-loop-stop)");
  if (answer.finish == Finish::context) {
    note(fmt::format("stopped: the context of {} tokens is full", session.engine->context()));
  }
  return 0;
}

}  // namespace gemma::app
