// SPDX-License-Identifier: Apache-2.0
// Engine: sequences, their cache, and the scheduler that turns requests into steps of ragged batches. The command line
// is an engine with one sequence.
//
//   Engine engine(model, tokenizer, ops, {});
//   engine.submit(std::move(request), [](const Event& e) { ... });
//   while (engine.step()) {}
//
// A request's events depend on the request alone: not on the requests beside it, the sizes of steps, the number of
// threads, guesses, or whether it had to give up its memory and begin again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/sampler.h"
#include "engine/token_mask.h"
#include "model/drafter.h"
#include "model/encoding.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace gemma {

enum class Finish : uint8_t {
  stop,     // a stop id, a stop string, or a mask that is satisfied
  length,   // max_tokens
  context,  // the context is full
  loop,     // the answer repeats itself (loop_detector.h)
  late,     // it had not begun at its deadline
  cancelled,
  error,  // Event::error says what
};
std::string_view name_of(Finish);

struct Request {
  std::vector<int32_t> prompt;
  std::vector<MediaRows> media;    // first_row counts in the prompt; rising
  std::vector<MediaInput> inputs;  // of media[i] without an embedding inputs[i] is encoded; else may be fewer or empty
  Sampling sampling;
  int max_tokens = 0;  // 0: up to the context
  /** Strings that end the answer, across token borders; not part of it. One that is the name of a control piece
   *  ("<turn|>") means that token. */
  std::vector<std::string> stop;
  int top_logprobs = 0;
  bool prompt_logprobs = false;
  bool loop_stop = true;  // end with Finish::loop; never under a mask
  std::unique_ptr<TokenMask> mask;
  uint64_t salt = 0;  // requests share cached prefixes with those of the same salt only
  /** Whose it is. Those of different keys share the machine evenly, however many requests each of them has. */
  uint64_t key = 0;
  std::optional<Clock::time_point> deadline;  // Finish::late when it has not begun to run by then
};

struct Event {
  int32_t token = -1;  // -1: none in this event (the end of what was held back, or an error)
  /** Whole characters; what may be the beginning of a stop string is held back. Comes before `token` where that is a
   *  control piece. */
  std::string text;
  float logprob = 0;
  std::vector<Alternative> top;
  std::optional<Finish> finish;        // the last event of a request
  std::vector<float> prompt_logprobs;  // in the first event, when asked for: of tokens 1 .. n - 1
  int64_t reused = 0;                  // in the first event: tokens of the prompt that were known from before
  std::string error;                   // one line, with Finish::error
  std::string stop;                    // with Finish::stop: the one of Request::stop that ended it, "" for none
  /** With finish: guesses of the whole answer that were checked, and were right. These alone depend on the clock. */
  int64_t drafted = 0, accepted = 0;
};

/** Tokens that are guessed and checked together with the last one: where they are right, a step makes several. The
 *  answer is the same with and without (docs/speculation.md). */
struct Speculation {
  static constexpr int kAuto = -1;
  static constexpr int kMost = 15;
  int length = kAuto;  // guesses in a step: kAuto: as many as are worth it; 0: none; else so many, where there are any
  std::shared_ptr<const Drafter> drafter;  // guesses beside prompt look-up
};

struct EngineOptions {
  int context = 0;            // tokens a sequence may hold; 0: the model's, cut to what memory allows
  int max_sequences = 16;     // in a step
  int batch_tokens = 512;     // rows of one step; a picture that must be seen whole may take more
  int queue_limit = 256;      // requests that wait
  int key_queue_limit = 256;  // of one key
  Speculation speculation = {};
  std::shared_ptr<const Encoders> encoders = {};  // of requests' inputs
  int64_t encoded_bytes = int64_t{64} << 20;      // soft tokens that are kept to be found again
  int picture_tokens = 1120;                      // of the largest picture that memory is kept free for
  int64_t kept_free = 0;                          // bytes for encoders that may come later (use_encoders)
  KvOptions kv;  // byte_limit 0: what memory is available when the engine is made, less a reserve
};

struct EngineStats {
  int64_t prompt_tokens = 0, reused_tokens = 0, generated_tokens = 0, steps = 0, preemptions = 0;
  int64_t drafted_tokens = 0, accepted_tokens = 0;
  int64_t media_encoded = 0, media_found = 0;  // pictures, frames and clips; found: encoded before
  double prompt_seconds = 0, generate_seconds = 0, draft_seconds = 0;  // draft: making of a drafter's tokens
  double encode_seconds = 0;
};

using Ticket = int64_t;  // 0: the queue was full, or its key's share of it

class Engine {
 public:
  /** Fails when the context, or the least one that is of use, does not fit the memory. `tokenizer` may be null: then
   *  events have no text, and only the config's own ids are kept from being sampled. */
  Engine(std::shared_ptr<const Model> model, std::shared_ptr<const Tokenizer> tokenizer, Ops& ops,
         EngineOptions options);
  ~Engine();  // requests that are not finished get no further event

  /** From any thread, also from a callback. The callback runs on the thread that calls step(). A request that cannot be
   *  served gets one event with Finish::error. */
  Ticket submit(Request request, std::function<void(const Event&)> on_event);
  void cancel(Ticket ticket);  // any thread; of a finished request: nothing
  /** One step: admit, plan, forward, sample, deliver. False when there was nothing to do. One thread. */
  bool step();
  /** Blocks until step() would have work or `wake` is called. */
  void wait();
  void wake();  // any thread

  /** Other encoders of the same model, of inputs that come from here on. The thread of step(), while nothing runs. The
   *  cache's limit becomes what they leave. */
  void use_encoders(std::shared_ptr<const Encoders> encoders);
  /** Bytes that must be free beside the weights of such encoders: what they work with, and what keys and values of the
   *  whole context do not hold yet. */
  int64_t needed_beside(const MediaConfig& encoders) const;

  int context() const;
  const EngineStats& stats() const;
  const KvCache& cache() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gemma
