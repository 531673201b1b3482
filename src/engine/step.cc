// SPDX-License-Identifier: Apache-2.0
// The scheduler: who runs, and which rows a step has. Sequences that answer get a row each, the rest of the rows goes
// to prompts, oldest first; guesses are rows behind an answer's own (speculation.cc). When pages run out, the youngest
// gives up its own and is fed again later; keyed noise and rows that do not depend on their batch make that invisible.
#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "engine/engine_state.h"

namespace gemma {
namespace {

constexpr int kGrowthPages = 2;  // by which each sequence may grow before it runs out of room

PrefixKey key_of(const Task& task) {
  PrefixKey key{task.tokens, {}, task.request.salt};
  for (const MediaRows& media : task.request.media) {
    key.media.push_back({media.first_row, media.rows, media.bidirectional, media.content});
  }
  return key;
}

}  // namespace

void Work::clear() {
  batch.tokens.clear();
  batch.positions.clear();
  batch.segments.clear();
  batch.wanted.clear();
  batch.media.clear();
  wanted.clear();
  tasks.clear();
  prompt_rows = 0;
}

bool Engine::step() {
  State& s = *state_;
  const bool news = s.receive();
  s.retire();  // what was cancelled makes room
  s.admit();
  const bool encoded = s.encode();
  s.guess();
  const bool planned = s.plan(s.current);
  if (planned) s.run(s.current);
  s.retire();
  return news || encoded || planned;
}

void Engine::State::admit() {
  while (!waiting.empty() && static_cast<int>(running.size()) < options.max_sequences) {
    Task& task = *waiting.front();
    // Room to grow for all, or the newcomer would soon have to give up its pages again.
    const auto room = static_cast<int64_t>(task.tokens.size()) +
                      int64_t{kGrowthPages} * options.kv.page_size * static_cast<int64_t>(running.size() + 1);
    if (!running.empty() && !cache.has_room(room, options.batch_tokens)) return;
    task.sequence = cache.create();
    // Log-probabilities of a prompt need the rows themselves.
    if (!task.request.prompt_logprobs) {
      const int64_t reused = cache.match_prefix(key_of(task), *task.sequence);
      stats.reused_tokens += reused;
      if (!task.started) task.reused = std::max(task.reused, std::min(reused, task.prompt_size()));
    }
    running.push_back(std::move(waiting.front()));
    waiting.pop_front();
    --queued;
  }
}

/** Plans the step and finds pages for it; false when nobody has anything to do. */
bool Engine::State::plan(Work& work) {
  for (int64_t rows = options.batch_tokens; !running.empty();) {
    plan_rows(work, rows);
    if (work.batch.tokens.empty()) return false;  // all wait for their pictures
    if (cache.reserve(work.batch)) return true;
    if (give_up_guesses()) continue;  // before anybody gives up what is certain
    if (running.size() > 1) {
      preempt_youngest();
    } else if (rows > 1 && work.batch.tokens.size() > 1) {
      rows = std::min<int64_t>(rows, static_cast<int64_t>(work.batch.tokens.size())) / 2;
    } else {
      finish(*running[0], Finish::error,
             fmt::format("the cache's {} are too few for {} tokens", format_bytes(options.kv.byte_limit),
                         running[0]->tokens.size()));
      return false;
    }
  }
  return false;
}

void Engine::State::plan_rows(Work& work, int64_t rows) const {
  work.clear();
  const auto fed = [&](const Task& task) { return cache.length(*task.sequence); };
  const auto left = [&](const Task& task) { return static_cast<int64_t>(task.tokens.size()) - fed(task); };
  for (const auto& task : running) {
    if (left(*task) == 1) add_rows(work, *task, 1 + static_cast<int64_t>(task->guessing.fed.size()));
  }
  for (const auto& task : running) {
    const int64_t budget = rows - static_cast<int64_t>(work.batch.tokens.size());
    if (left(*task) == 1 || budget <= 0) continue;
    const int64_t begin = fed(*task), until = ready(*task);
    if (until <= begin) continue;  // a known prefix may end inside a sound that is to be encoded again
    const int64_t end = chunk_end(*task, begin, begin + std::min(budget, until - begin));
    // A block that is longer than what is left for prompts has the next step to itself, longer than any though it be.
    if (end - begin > budget && work.prompt_rows > 0) continue;
    work.prompt_rows += end - begin;
    add_rows(work, *task, end - begin);
  }
}

/** Where a chunk begin .. end may end: before a block that `end` would cut, behind it if the chunk begins with it. */
int64_t Engine::State::chunk_end(const Task& task, int64_t begin, int64_t end) const {
  for (const MediaRows& media : task.request.media) {
    if (!media.bidirectional || media.first_row >= end || media.first_row + media.rows <= end) continue;
    return media.first_row > begin ? media.first_row : media.first_row + media.rows;
  }
  return end;
}

void Engine::State::add_rows(Work& work, Task& task, int64_t rows) const {
  GEMMA_CHECK(rows > 0, "rows to add");
  Batch& batch = work.batch;
  const auto first = static_cast<int64_t>(batch.tokens.size());
  const int64_t begin = cache.length(*task.sequence), end = begin + rows;
  batch.segments.push_back({*task.sequence, first, rows});
  work.tasks.push_back(&task);
  for (int64_t i = begin; i < end; ++i) {
    const int64_t guess = i - static_cast<int64_t>(task.tokens.size());
    const int32_t token =
        guess < 0 ? task.tokens[static_cast<size_t>(i)] : task.guessing.fed[static_cast<size_t>(guess)];
    batch.tokens.push_back(token);
    batch.positions.push_back(static_cast<int32_t>(i));
    const bool last = guess >= -1;  // of the sequence, or may be
    const bool scored = task.request.prompt_logprobs && i + 1 < task.prompt_size() &&
                        i >= static_cast<int64_t>(task.prompt_logprobs.size());  // not before it gave up its pages
    if (!last && !scored) continue;
    batch.wanted.push_back(static_cast<int32_t>(first + i - begin));
    work.wanted.push_back({&task, i, token});
  }
  for (const MediaRows& media : task.request.media) {
    const int64_t from = std::max(begin, media.first_row), to = std::min(end, media.first_row + media.rows);
    if (from >= to) continue;  // sound may be cut: its rows do not see one another ahead
    batch.media.push_back({first + from - begin, to - from, media.bidirectional,
                           media.embedding.slice(from - media.first_row, to - from), media.content});
  }
}

void Engine::State::preempt_youngest() {
  std::unique_ptr<Task> task = std::move(running.back());
  running.pop_back();
  cache.release(*task->sequence);
  task->sequence.reset();
  task->encoding.reset();  // the prefix that is found next time may end elsewhere
  waiting.push_front(std::move(task));
  ++queued;
  ++stats.preemptions;
}

void Engine::State::run(Work& work) {
  const auto start = Clock::now();
  const Tensor states = forward(context, work.batch);
  cache.commit(work.batch);
  for (Task* task : work.tasks) {
    const auto guesses = static_cast<int64_t>(task->guessing.fed.size());
    task->guessing.drafted_tokens += guesses;
    stats.drafted_tokens += guesses;
    // The next turn's prompt begins with this one, but perhaps not with its answer: thoughts are taken out.
    if (cache.length(*task->sequence) == task->prompt_size() && !task->started) remember(*task);
  }
  answer(work, states);
  const auto rows = static_cast<int64_t>(work.batch.tokens.size());
  const double seconds = seconds_since(start);
  learn(work, seconds - drawing_seconds);
  settle(work);
  const double share = static_cast<double>(work.prompt_rows) / static_cast<double>(rows);
  stats.prompt_tokens += work.prompt_rows;
  stats.prompt_seconds += seconds * share;
  stats.generate_seconds += seconds * (1 - share);
  ++stats.steps;
}

void Engine::State::remember(const Task& task) { cache.remember(key_of(task), *task.sequence); }

/** Lets go of what has ended. */
void Engine::State::retire() {
  std::erase_if(running, [&](const std::unique_ptr<Task>& task) {
    if (!task->finished) return false;
    if (task->finished != Finish::error) remember(*task);
    cache.release(*task->sequence);
    return true;
  });
}

}  // namespace gemma
