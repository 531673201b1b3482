// SPDX-License-Identifier: Apache-2.0
// What Engine is made of; for its own files only (engine.cc: the outside, intake.cc: requests as they come, encode.cc:
// their pictures and sound, step.cc: the scheduler, speculation.cc: guesses, answer.cc: from logits to events).
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "base/channel.h"
#include "engine/answer_text.h"
#include "engine/encoded_media.h"
#include "engine/engine.h"
#include "engine/loop_detector.h"
#include "engine/speculation.h"

namespace gemma {

/** A request on its way. */
struct Task {
  Ticket ticket = 0;
  Request request;
  std::function<void(const Event&)> on_event;

  std::vector<int32_t> tokens;  // prompt and answer
  std::vector<int32_t> stop_ids;
  std::optional<AnswerText> text;
  LoopDetector loop;
  Guessing guessing;
  std::vector<float> prompt_logprobs;
  bool started = false;              // the first event is out
  int64_t reused = 0;                // tokens of the prompt that did not have to be fed
  std::optional<Finish> finished;    // the last event is out
  std::optional<SeqId> sequence;     // while it runs
  std::optional<Encoding> encoding;  // of its next picture or clip

  int64_t prompt_size() const { return static_cast<int64_t>(request.prompt.size()); }
  int64_t answer_size() const { return static_cast<int64_t>(tokens.size()) - prompt_size(); }
};

/** A row of the batch whose logits somebody wants. */
struct WantedRow {
  Task* task;
  int64_t index;  // of the row's token in the sequence; its logits are about token index + 1
  int32_t token;  // in the row: a guess, where the sequence is not that long
};

/** A step as planned. */
struct Work {
  Batch batch;
  std::vector<WantedRow> wanted;  // as batch.wanted
  std::vector<Task*> tasks;       // one a segment
  int64_t prompt_rows = 0;

  void clear();  // keeps the memory
};

struct Engine::State {
  using Submission = std::unique_ptr<Task>;
  using Message = std::variant<Submission, Ticket>;  // a ticket: cancel it

  State(std::shared_ptr<const Model> m, std::shared_ptr<const Tokenizer> t, Ops& o, EngineOptions opt);

  const std::shared_ptr<const Model> model;
  const std::shared_ptr<const Tokenizer> tokenizer;
  Ops& ops;
  const EngineOptions options;  // resolved: context and byte limit are numbers
  KvCache cache;
  std::shared_ptr<const Encoders> encoders;
  EncodedMedia encoded;
  const std::vector<int32_t> never;
  Context context;  // of every step, so that its lists are allocated once
  EngineStats stats;

  // From any thread.
  Channel<Message> inbox;
  std::atomic<Ticket> next_ticket{1};
  std::atomic<int> queued{0};  // submitted, not yet running

  // Of the thread that steps.
  std::deque<std::unique_ptr<Task>> waiting;
  std::vector<std::unique_ptr<Task>> running;  // oldest first
  Work current;                                // of this step
  std::vector<uint32_t> mask_bits;
  std::vector<float> host_logits;  // where the device's logits are read to
  StepCost step_cost;              // without what drawing takes
  double draft_seconds = 0;        // to make one token of the drafter's, of late
  double drawing_seconds = 0;      // of this step: from logits to events

  // intake.cc
  bool receive();
  void accept(std::unique_ptr<Task> task);
  std::optional<Failure> problem_with(const Request& request) const;
  void cancel(Ticket ticket);

  // encode.cc
  bool encode();
  MediaRows* next_to_encode(Task& task) const;
  int64_t ready(Task& task) const;
  std::optional<Failure> problem_with_media(const MediaRows& media, const MediaInput* input, int64_t prompt) const;

  // step.cc
  void admit();
  bool plan(Work& work);
  void plan_rows(Work& work, int64_t rows) const;
  void add_rows(Work& work, Task& task, int64_t rows) const;
  int64_t chunk_end(const Task& task, int64_t begin, int64_t end) const;
  void preempt_youngest();
  void run(Work& work);
  void remember(const Task& task);
  void retire();

  // speculation.cc
  void guess();
  int most_guesses(const Task& task) const;
  Guesses guesses_of(Task& task);
  std::vector<int> guess_lengths(std::span<const Guesses> guesses, int spare, bool prompts) const;
  void take_guesses(Task& task, int count);
  bool give_up_guesses();
  void learn(const Work& work, double seconds);
  void settle(const Work& work);

  // answer.cc
  void answer(const Work& work, const Tensor& states);
  void answer_row(const WantedRow& row, std::span<const float> logits, const Tensor& state);
  void draw(Task& task, std::span<const float> logits);
  std::optional<Finish> finish_after(Task& task, int32_t token, std::string& text);
  std::string stop_of(const Task& task, int32_t token) const;
  void deliver(Task& task, Event event);
  void finish(Task& task, Finish why, std::string error = {});
};

}  // namespace gemma
