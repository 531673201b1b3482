// SPDX-License-Identifier: Apache-2.0
// Engine: sequences, their cache, and the scheduler that turns requests into steps of ragged batches. The command line
// is an engine with one sequence.
//
//   Engine engine(model, ops, {});
//   engine.submit(std::move(request), [](const Event& e) { ... });
//   while (engine.step()) {}
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace gemma {

/** What may come next: a grammar, a schema. The only other seam with virtual functions besides Ops. */
class TokenMask {
 public:
  virtual ~TokenMask() = default;
  virtual void fill(std::span<uint32_t> bits) = 0;  // bit set: allowed
  virtual bool accept(int32_t token) = 0;
  virtual void rollback(int tokens) = 0;
  virtual bool finished() const = 0;
  virtual bool free() const = 0;  // nothing is forbidden at this place
};

enum class Finish : uint8_t { stop, length, context, loop, cancelled, error };
std::string_view name_of(Finish);

struct Request {
  std::vector<int32_t> prompt;
  std::vector<MediaRows> media;  // first_row counts in the prompt
  Sampling sampling;
  int max_tokens = 0;            // 0: up to the context
  std::vector<std::string> stop; // strings that end the answer, across token borders; not part of the answer
  int top_logprobs = 0;
  bool prompt_logprobs = false;
  bool loop_stop = true;         // end with Finish::loop when up to 64 tokens repeat 8 times over 256
  std::unique_ptr<TokenMask> mask;
};

struct Event {
  int32_t token = -1;            // -1: none in this event (only text held back, or the end)
  std::string text;              // whole characters, stop strings held back and cut off
  float logprob = 0;
  std::vector<Alternative> top;
  std::optional<Finish> finish;  // the last event of a request
  std::vector<float> prompt_logprobs;  // in the first event, when asked for: of tokens 1 .. n - 1
};

struct EngineOptions {
  int context = 0;               // tokens a sequence may hold; 0: the model's, cut to what memory allows
  int max_sequences = 16;
  int batch_tokens = 512;        // rows of one step
  int queue_limit = 256;
  KvOptions kv;
};

struct EngineStats {
  int64_t prompt_tokens = 0, reused_tokens = 0, generated_tokens = 0, steps = 0;
  double prompt_seconds = 0, generate_seconds = 0;
};

using Ticket = int64_t;  // 0: the queue was full

class Engine {
 public:
  Engine(std::shared_ptr<const Model> model, std::shared_ptr<const Tokenizer> tokenizer, Ops& ops,
         EngineOptions options);
  ~Engine();

  /** From any thread. The callback runs on the thread that calls step(). */
  Ticket submit(Request request, std::function<void(const Event&)> on_event);
  void cancel(Ticket ticket);  // any thread
  /** One step: admit, plan, forward, sample, deliver. False when there is nothing to do. One thread. */
  bool step();
  /** Blocks until step() would have work or `wake` is called. */
  void wait();
  void wake();

  int context() const;
  const EngineStats& stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gemma
