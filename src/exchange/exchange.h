// SPDX-License-Identifier: Apache-2.0
// One prompt on its way to an answer: a conversation, with its pictures, sound and film, or plain text. What the
// command line and a server have in common.
//
//   auto exchange = Exchange::chat(speaker, messages, {picture}, options);   // a Failure says what is wrong
//   exchange.value()->submit([](const ChatEvent& piece) { ... }, [] { done = true; });
//   while (!done) engine.step();
//   exchange.value()->answer().text;
//
// Messages are OpenAI-shaped. Parts of the types "image", "audio" and "video" take the media in order; other keys of
// such parts are not looked at.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chat/chat_format.h"
#include "engine/engine.h"
#include "exchange/media.h"

namespace gemma {

/** Who answers: an engine, and what is known of its model. All of it outlives the exchanges. */
struct Speaker {
  Engine& engine;
  const Tokenizer& tokenizer;
  const Config& config;
  std::optional<Template> chat_template;  // none: the few-shot frame
};

/** What a person asks for beside the prompt. */
struct AnswerOptions {
  Sampling sampling;
  int max_tokens = 0;  // 0: up to the context
  int context = 0;     // tokens of prompt and answer together, fewer than the engine has; 0: as many as it has
  bool think = false;
  int think_budget = 0;  // thought tokens, 0: no limit
  bool loop_stop = true;
  /** How the answer begins, whatever the model would say; no part of Answer::text. Not with `think`. */
  std::string prefill;
  bool preserve_thinking = false;  // thoughts beside calls of tools in earlier turns stay in the prompt
  bool keep_whole = false;         // context full: stop, rather than drop the oldest turns
  bool logprobs = false;           // of each token, also without alternatives
  int top_logprobs = 0;
  bool prompt_logprobs = false;               // of the prompt's tokens but the first
  uint64_t key = 0;                           // whose it is: keys share the machine evenly
  std::optional<Clock::time_point> deadline;  // Finish::late when it has not begun by then
  uint64_t salt = 0;                          // what is known from before is shared between answers of one salt only
  std::vector<std::string> stop;
  json::array tools;
  /** Makes what an answer must keep to, from its first token on. `budget` is the one of the thought, which it keeps to
   *  as well; null where there is none. `room`: tokens that the answer may have, thought included.
   *  `thinks`: the prompt has opened a thought. */
  std::function<std::unique_ptr<TokenMask>(std::unique_ptr<TokenMask> budget, int room, bool thinks)> mask;
};

struct TokenLogprob {
  int32_t token = 0;
  float logprob = 0;
  std::vector<Alternative> top;
  bool in_text = false;  // neither a thought's nor a control piece
};

struct Answer {
  std::string text, thought;
  std::vector<ToolCall> tool_calls;
  std::optional<Finish> finish;
  std::string error;  // with Finish::error
  std::string stop;   // with Finish::stop: which of AnswerOptions::stop ended it, "" for none
  int prompt_tokens = 0, tokens = 0;
  int reused_tokens = 0;              // of the prompt, known from before
  int thought_tokens = 0;             // of `tokens`, its borders included
  int dropped_turns = 0;              // oldest turns left out because the context was full
  int64_t drafted = 0, accepted = 0;  // guesses checked, and right
  double first_token_seconds = 0, seconds = 0;
  std::vector<TokenLogprob> logprobs;
  std::vector<Likelihood> prompt_logprobs;
};

class Exchange {
 public:
  /** Called with each piece of the answer as it comes. */
  using Sink = std::function<void(const ChatEvent&)>;

  /** messages: the whole conversation, last turn the user's. Drops the oldest turns, with their media, when it is too
   *  long; a failure when even the last one is. */
  static Result<std::unique_ptr<Exchange>> chat(const Speaker& speaker, const json::array& messages, MediaList media,
                                                const AnswerOptions& options);
  /** Plain completion of `text`. Media go where a text of control tokens has "<|image|>" and the like, and else before
   *  it. */
  static Result<std::unique_ptr<Exchange>> raw(const Speaker& speaker, std::string_view text, Specials specials,
                                               MediaList media, const AnswerOptions& options);
  /** The same of tokens as they are. */
  static Result<std::unique_ptr<Exchange>> raw(const Speaker& speaker, std::vector<int32_t> tokens,
                                               const AnswerOptions& options);
  /** How many tokens chat() would send to the engine, however many it takes. Of any thread. */
  static Result<int64_t> count(const Speaker& speaker, const json::array& messages, MediaList media,
                               const AnswerOptions& options);
  /** An answer that has not ended is cancelled; nobody is called any more. */
  ~Exchange();

  /** Gives the request to the engine; false when its queue is full. `done` is called once, at the end. */
  bool submit(Sink sink, std::function<void()> done);
  /** Ends the answer, soon, with Finish::cancelled; one that has ended stays as it is. The thread of Engine::step(), as
   *  everything here. */
  void cancel();
  const Answer& answer() const;
  /** The prompt as it goes to the engine. */
  const std::vector<int32_t>& prompt() const;

 private:
  Exchange();
  struct State;
  std::shared_ptr<State> state_;  // the engine's callback lets it live while it runs
};

}  // namespace gemma
