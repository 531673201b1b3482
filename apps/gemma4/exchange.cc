// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "chat/few_shot.h"
#include "engine/thought_budget.h"
#include "gemma4/session.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

bool is_role(const json::value& message, std::string_view role) {
  const json::object* object = message.if_object();
  const json::value* found = object ? object->if_contains("role") : nullptr;
  return found != nullptr && found->is_string() && found->get_string() == role;
}

/** `messages` without its oldest whole turn (a user's message and all up to the next one); system turns stay. Empty
 * when only the last turn is left. */
json::array without_oldest_turn(const json::array& messages) {
  size_t first = 0;
  while (first < messages.size() && !is_role(messages[first], "user")) ++first;
  size_t next = first + 1;
  while (next < messages.size() && !is_role(messages[next], "user")) ++next;
  if (next >= messages.size()) return {};
  json::array rest(messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(first));
  rest.insert(rest.end(), messages.begin() + static_cast<std::ptrdiff_t>(next), messages.end());
  return rest;
}

}  // namespace

struct Exchange::State {
  Session& session;
  AnswerOptions options;
  json::array messages;  // empty: raw
  bool raw = false;
  std::vector<PromptPiece> pieces;  // of the prompt, where a template made it
  std::vector<int32_t> prompt;
  std::vector<std::string> stop;
  std::vector<int32_t> generated;
  std::unique_ptr<ChatParser> parser;  // none where the answer is plain text
  bool trim_start = false;             // the few-shot frame's answers begin with a blank
  Answer answer;
  Sink sink;
  std::function<void()> done;
  Clock::time_point start;

  State(Session& s, const AnswerOptions& o) : session(s), options(o), stop(o.stop) {}

  Result<std::vector<int32_t>> chat_prompt(const json::array& turns) {
    if (!session.chat_template) {
      const Result<std::string> text = few_shot_prompt(turns);
      if (!text) return text.failure();
      return with_bos(session.tokenizer->encode(text.value(), Specials::text));
    }
    ChatOptions chat;
    chat.enable_thinking = options.think;
    auto rendered = ChatFormat(*session.chat_template).render(turns, options.tools, chat);
    if (!rendered) return rendered.failure();
    pieces = std::move(rendered).value();
    return ChatFormat::tokens_of(pieces, *session.tokenizer);
  }

  std::vector<int32_t> with_bos(std::vector<int32_t> ids) const {
    if (session.tokenizer->add_bos()) ids.insert(ids.begin(), session.model->config.special.bos);
    return ids;
  }

  int64_t length() const { return static_cast<int64_t>(prompt.size() + generated.size()); }

  Failure too_long() const {
    return {"prompt", fmt::format("has {} tokens, expected fewer than {} (the context; --context sets it)", length(),
                                  session.engine->context())};
  }

  /** Renders the turns, without the oldest ones where these and `reserve` more tokens would not fit. */
  std::optional<Failure> fit(int64_t reserve) {
    while (true) {
      Result<std::vector<int32_t>> tokens = chat_prompt(messages);
      if (!tokens) return tokens.failure();
      prompt = std::move(tokens).value();
      if (length() + reserve <= session.engine->context() || options.keep_whole) break;
      json::array rest = without_oldest_turn(messages);
      if (rest.empty()) break;
      messages = std::move(rest);
      ++answer.dropped_turns;
    }
    return length() < session.engine->context() ? std::nullopt : std::optional(too_long());
  }

  Ticket submit_now() {
    Request request;
    request.prompt = prompt;
    request.prompt.insert(request.prompt.end(), generated.begin(), generated.end());
    request.sampling = options.sampling;
    request.max_tokens = options.max_tokens > 0 ? options.max_tokens - answer.tokens : 0;
    request.stop = stop;
    request.top_logprobs = options.top_logprobs;
    request.loop_stop = options.loop_stop;
    const auto open = session.tokenizer->find("<|channel>"), close = session.tokenizer->find("<channel|>");
    if (options.think && options.think_budget > 0 && open && close) {
      const auto last =
          std::find_if(prompt.rbegin(), prompt.rend(), [&](int32_t id) { return id == *open || id == *close; });
      const bool begins_open = last != prompt.rend() && *last == *open;
      request.mask = std::make_unique<ThoughtBudget>(options.think_budget, *open, *close, begins_open);
      for (const int32_t id : generated) request.mask->accept(id);
    }
    return session.engine->submit(std::move(request), [this](const Event& event) { on_event(event); });
  }

  void deliver(const std::vector<ChatEvent>& events) {
    for (const ChatEvent& event : events) {
      if (const auto* text = std::get_if<TextDelta>(&event)) answer.text += text->text;
      if (const auto* thought = std::get_if<ThoughtDelta>(&event)) answer.thought += thought->text;
      if (const auto* call = std::get_if<ToolCall>(&event)) answer.tool_calls.push_back(*call);
      if (sink) sink(event);
    }
  }

  void on_text(std::string text) {
    if (trim_start) {
      text.erase(0, std::min(text.size(), text.find_first_not_of(" \n")));
      trim_start = text.empty();
    }
    if (text.empty()) return;
    deliver(parser ? parser->text(text) : std::vector<ChatEvent>{TextDelta{std::move(text)}});
  }

  void on_event(const Event& event) {
    if (event.token >= 0) {
      if (answer.tokens++ == 0) answer.first_token_seconds = seconds_since(start);
      generated.push_back(event.token);
      if (options.top_logprobs > 0) answer.logprobs.push_back({event.token, event.logprob, event.top});
    }
    on_text(event.text);
    if (event.token >= 0 && parser && session.tokenizer->kind(event.token) == PieceKind::control) {
      deliver(parser->control(session.tokenizer->piece(event.token)));
    }
    if (event.finish) finish(event);
  }

  void finish(const Event& event) {
    answer.drafted += event.drafted;
    answer.accepted += event.accepted;
    if (*event.finish == Finish::context && !raw && !options.keep_whole && !fit(1) && submit_now() != 0) {
      return;  // the answer goes on with fewer turns before it
    }
    if (parser) deliver(parser->finish());
    answer.finish = event.finish;
    answer.error = event.error;
    answer.seconds = seconds_since(start);
    if (done) done();
  }
};

Exchange::Exchange() = default;
Exchange::~Exchange() = default;
const Answer& Exchange::answer() const { return state_->answer; }

Result<std::unique_ptr<Exchange>> Exchange::chat(Session& session, const json::array& messages,
                                                 const AnswerOptions& options) {
  std::unique_ptr<Exchange> exchange(new Exchange);
  exchange->state_ = std::make_unique<State>(session, options);
  State& state = *exchange->state_;
  state.messages = messages;
  const int wanted = options.max_tokens > 0 ? options.max_tokens : 256;
  if (const auto failure = state.fit(std::min(wanted, session.engine->context() / 4))) return *failure;
  if (session.chat_template) {
    state.parser = std::make_unique<ChatParser>(*session.chat_template, state.pieces);
  } else {
    state.trim_start = true;
    state.stop.insert(state.stop.end(), few_shot_stops().begin(), few_shot_stops().end());
  }
  state.answer.prompt_tokens = static_cast<int>(state.prompt.size());
  return exchange;
}

Result<std::unique_ptr<Exchange>> Exchange::raw(Session& session, std::string_view text, Specials specials,
                                                const AnswerOptions& options) {
  std::unique_ptr<Exchange> exchange(new Exchange);
  exchange->state_ = std::make_unique<State>(session, options);
  State& state = *exchange->state_;
  state.raw = true;
  state.prompt = state.with_bos(session.tokenizer->encode(text, specials));
  if (state.prompt.empty()) return Failure{"prompt", "is empty, and this model's tokenizer puts nothing before it"};
  if (state.length() >= session.engine->context()) return state.too_long();
  state.answer.prompt_tokens = static_cast<int>(state.prompt.size());
  return exchange;
}

Ticket Exchange::submit(Sink sink, std::function<void()> done) {
  state_->sink = std::move(sink);
  state_->done = std::move(done);
  state_->start = Clock::now();
  return state_->submit_now();
}

const Answer& run_to_end(Session& session, Exchange& exchange, Exchange::Sink sink) {
  bool finished = false, cancelled = false;
  const Ticket ticket = exchange.submit(std::move(sink), [&] { finished = true; });
  GEMMA_CHECK(ticket != 0, "an idle engine has room for a request");
  while (!finished) {
    if (InterruptGuard::interrupted() && !cancelled) {
      session.engine->cancel(ticket);
      cancelled = true;
    }
    session.engine->step();
  }
  return exchange.answer();
}

}  // namespace gemma::app
