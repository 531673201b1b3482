// SPDX-License-Identifier: Apache-2.0
// What Engine is made of; for its own files only (engine.cc: the outside, intake.cc: requests as they come, admit.cc:
// who runs, reuse.cc: what was read before, encode.cc: their pictures and sound, step.cc: the scheduler, share.cc:
// prompts in a step, speculation.cc: guesses, answer.cc: from logits to events).
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <variant>
#include <vector>

#include "base/channel.h"
#include "base/tally.h"
#include "engine/encoded_media.h"
#include "engine/engine.h"
#include "engine/task.h"

namespace gemma {

/** When requests of a key had their turn last. */
struct KeyTurns {
  int64_t admitted = 0, encoded = 0;  // numbers that rise
  int64_t fed = -100;                 // step in which one was read
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
  std::vector<uint64_t> fed;      // keys of which prompts have rows
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
  const int64_t spacing;  // of places in a long text
  Context context;        // of every step, so that its lists are allocated once
  EngineStats stats;

  // From any thread.
  Channel<Message> inbox;
  std::atomic<Ticket> next_ticket{1};
  Tally queued;                                    // submitted, not yet running; by key
  std::atomic<int> vacant{options.max_sequences};  // places of `running` that nobody has

  // Of the thread that steps.
  std::deque<std::unique_ptr<Task>> waiting;  // both: oldest first
  std::vector<std::unique_ptr<Task>> running;
  std::map<uint64_t, KeyTurns> turns;  // of keys that have a request
  int64_t turn = 0;                    // the last one given
  Work current;                        // of this step
  std::vector<size_t> runs;            // of rows of one sequence, where each begins, in a block of logits
  std::vector<float> host_logits;      // where the device's logits are read to
  StepCost step_cost;                  // without what drawing takes
  std::vector<Task*> answering;        // of the next step, and what each could have checked
  std::vector<Guesses> offered;
  DraftLengths draft_lengths;
  double draft_seconds = 0;    // to make one token of the drafter's, of late
  double drawing_seconds = 0;  // of this step: from logits to events

  // intake.cc
  bool receive();
  void accept(std::unique_ptr<Task> task);
  std::optional<Failure> problem_with(const Request& request) const;
  void cancel(Ticket ticket);

  // admit.cc
  void admit();
  void end_late();
  void await(std::unique_ptr<Task> task);
  std::unique_ptr<Task> next_to_admit();
  int running_of(uint64_t key) const;
  bool make_way_for(const Task& task);
  Task* youngest_of_most(int than) const;
  void preempt(Task& task);

  // reuse.cc
  void start(Task& task);
  bool prefix_is_coming(const Task& task);
  void remember_steps(const Work& work);
  void remember(const Task& task);

  // encode.cc
  bool encode();
  Task* next_that_encodes() const;
  MediaRows* next_to_encode(Task& task) const;
  int64_t ready(Task& task) const;
  std::optional<Failure> problem_with_media(const MediaRows& media, const MediaInput* input, int64_t prompt) const;

  // step.cc
  bool plan(Work& work);
  void plan_rows(Work& work, int64_t rows) const;
  void add_rows(Work& work, Task& task, int64_t rows) const;
  int64_t chunk_end(const Task& task, int64_t begin, int64_t end) const;
  void run(Work& work);
  void retire();

  // share.cc
  void plan_prompts(Work& work, int64_t rows) const;
  int64_t plan_prompts_of(Work& work, uint64_t key, int64_t budget) const;
  int64_t rows_to_feed(Task& task) const;
  int64_t most_prompt_rows() const;

  // speculation.cc
  void guess();
  int most_guesses(const Task& task) const;
  Guesses guesses_of(Task& task);
  std::span<const int> guess_lengths(int spare, bool prompts);
  void take_guesses(Task& task, int count);
  bool give_up_guesses();
  void learn(const Work& work, double seconds);
  void settle(const Work& work);

  // answer.cc
  void answer(const Work& work, const Tensor& states);
  void answer_block(std::span<const WantedRow> rows, std::span<const float> logits, const Tensor& states);
  void answer_row(const WantedRow& row, std::span<const float> logits, const Tensor& state) const;
  void draw(Task& task, std::span<const float> logits) const;
  void leave_named(std::vector<Alternative>& top) const;
  std::optional<Finish> finish_after(Task& task, int32_t token, std::string& text) const;
  std::string stop_of(const Task& task, int32_t token) const;
  void deliver(Task& task, Event event);
  void finish(Task& task, Finish why, std::string error = {});
};

}  // namespace gemma
