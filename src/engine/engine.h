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

#include "base/function_ref.h"
#include "engine/request.h"  // IWYU pragma: export
#include "model/drafter.h"
#include "model/encoding.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace gemma {

class ThreadPool;

/** Tokens that are guessed and checked together with the last one: where they are right, a step makes several. The
 *  answer is the same with and without (docs/speculation.md). */
struct Speculation {
  static constexpr int kAuto = -1;
  static constexpr int kMost = 15;
  int length = kAuto;  // guesses in a step: kAuto: as many as are worth it; 0: none; else so many, where there are any
  std::shared_ptr<const Drafter> drafter;  // guesses beside prompt look-up
};

/** Rows of prompts that a step has at least beside answers: fewer would cost prompts too much. */
inline constexpr int kLeastPromptRows = 64;

struct EngineOptions {
  int context = 0;                // tokens a sequence may hold; 0: the model's, cut to what memory allows
  int max_sequences = 16;         // in a step
  int batch_tokens = 512;         // rows of one step; a picture that must be seen whole may take more
  int queue_limit = 256;          // requests that wait, beside those that have a place in the next step
  int key_queue_limit = 256;      // of one key
  ThreadPool* threads = nullptr;  // choose tokens of several sequences at once, between passes; null: who steps does
  Speculation speculation = {};
  std::shared_ptr<const Encoders> encoders = {};  // of requests' inputs
  int64_t encoded_bytes = int64_t{64} << 20;      // soft tokens that are kept to be found again
  int picture_tokens = 1120;                      // of the largest picture that memory is kept free for
  int64_t kept_free = 0;                          // bytes for encoders that may come later (use_encoders)
  KvOptions kv;  // byte_limit 0: what memory is available when the engine is made, less a reserve
};

struct EngineStats {
  int64_t prompt_tokens = 0, reused_tokens = 0, restored_tokens = 0;  // restored: reused, and were on disk
  int64_t generated_tokens = 0, steps = 0, preemptions = 0;
  int64_t drafted_tokens = 0, accepted_tokens = 0;  // guesses that were checked, look-up's and a drafter's
  int64_t drafter_tokens = 0;                       // that a drafter made
  int64_t media_encoded = 0, media_found = 0;       // pictures, frames and clips; found: encoded before
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
  /** Requests that are not finished get no further event. What is remembered is written to KvOptions::folder. */
  ~Engine();

  /** From any thread, also from a callback. The callback runs on the thread that calls step(). A request that cannot be
   *  served gets one event with Finish::error. */
  Ticket submit(Request request, std::function<void(const Event&)> on_event);
  void cancel(Ticket ticket);  // any thread; of a finished request: nothing
  /** One step: admit, plan, forward, sample, deliver. False when there was nothing to do. One thread. */
  bool step();
  /** Blocks until step() would have work or `wake` is called. */
  void wait();
  void wake();  // any thread
  /** Whether requests are on their way, those aside that step() has not heard of yet. The thread of step(). */
  bool busy() const;

  /** With KvOptions::folder: whether something was remembered since what is remembered was written there. The thread of
   *  step(). */
  bool unsaved() const;
  /** Writes it, until `interrupted`; the rest the next time. The thread of step(), between steps. */
  void save(FunctionRef<bool()> interrupted);

  /** Other encoders of the same model, of inputs that come from here on. The thread of step(), while nothing runs. The
   *  cache's limit becomes what they leave. */
  void use_encoders(std::shared_ptr<const Encoders> encoders);
  /** Bytes that must be free beside the weights of such encoders: what they work with, and what keys and values of the
   *  whole context do not hold yet. */
  int64_t needed_beside(const MediaConfig& encoders) const;

  /** The cache's byte limit from here on, at least what the context needs. It is kept when this returns: what is
   *  remembered gives way, then who runs, to go on later. The thread of step(), between steps. */
  void limit_cache(int64_t bytes);

  int context() const;
  const EngineStats& stats() const;
  const KvCache& cache() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gemma
