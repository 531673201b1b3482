// SPDX-License-Identifier: Apache-2.0
// Session: a model opened for use, everything from its file to its engine. Conversation: turns on it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "chat/chat_format.h"
#include "engine/engine.h"
#include "gemma4/machine.h"
#include "model/model.h"
#include "tensor/ops.h"
#include "text/tokenizer.h"

namespace gemma::app {

struct SessionOptions {
  std::string model;
  int context = 0;  // 0: the model's, cut to what memory allows
  MachineOptions machine;
  int max_sequences = 1;
  std::string chat_template;       // "": the model's own
  std::string speculate = "auto";  // speculation_length
  std::string drafter;             // a file, or ""
  std::string kv = "bf16";         // types of keys and values
};

/** "auto", "off" or a number, as Speculation::length. */
int speculation_length(const std::string& text);

struct Session {
  static std::unique_ptr<Session> open(const SessionOptions& options);

  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Ops> ops;
  std::shared_ptr<const ModelFile> file;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const Model> model;
  std::unique_ptr<Engine> engine;
  std::optional<Template> chat_template;  // none: the few-shot frame
  std::string template_note;              // "", or what a person should be told of the template, once
  std::string memory_note;                // the same of a context that --memory made shorter
  double load_seconds = 0;
};

/** What a person asks for beside the prompt. */
struct AnswerOptions {
  Sampling sampling;
  int max_tokens = 0;  // 0: up to the context
  bool think = false;
  int think_budget = 0;  // thought tokens, 0: no limit
  bool loop_stop = true;
  bool keep_whole = false;  // context full: stop, rather than drop the oldest turns
  int top_logprobs = 0;
  std::vector<std::string> stop;
  json::array tools;
};

struct TokenLogprob {
  int32_t token = 0;
  float logprob = 0;
  std::vector<Alternative> top;
};

struct Answer {
  std::string text, thought;
  std::vector<ToolCall> tool_calls;
  std::optional<Finish> finish;
  std::string error;  // with Finish::error
  int prompt_tokens = 0, tokens = 0;
  int dropped_turns = 0;              // oldest turns left out because the context was full
  int64_t drafted = 0, accepted = 0;  // guesses checked, and right
  double first_token_seconds = 0, seconds = 0;
  std::vector<TokenLogprob> logprobs;
};

/** One prompt on its way to an answer: what to submit, and a reader of the events that come back. */
class Exchange {
 public:
  /** Called with each piece of the answer as it comes. */
  using Sink = std::function<void(const ChatEvent&)>;

  /** messages: the whole conversation, last turn the user's. Drops the oldest turns when it is too long; a failure when
   *  even the last one is. */
  static Result<std::unique_ptr<Exchange>> chat(Session& session, const json::array& messages,
                                                const AnswerOptions& options);
  /** Plain completion of `text`. */
  static Result<std::unique_ptr<Exchange>> raw(Session& session, std::string_view text, Specials specials,
                                               const AnswerOptions& options);
  ~Exchange();

  /** Gives the request to the engine; 0 when its queue is full. `done` is called once, at the end. */
  Ticket submit(Sink sink, std::function<void()> done);
  const Answer& answer() const;
  /** Turns dropped before anything was submitted (context full). */
  int dropped_turns() const { return answer().dropped_turns; }

 private:
  Exchange();
  struct State;
  std::unique_ptr<State> state_;
};

/** Runs one exchange to its end; Ctrl-C cancels it (InterruptGuard). */
const Answer& run_to_end(Session& session, Exchange& exchange, Exchange::Sink sink);

}  // namespace gemma::app
