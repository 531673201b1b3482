// SPDX-License-Identifier: Apache-2.0
// The scheduler: which rows a step has. Sequences that answer get a row each, the rest of the rows goes to prompts
// (share.cc); guesses are rows behind an answer's own (speculation.cc). When pages run out, the youngest
// of the key that runs most gives up its own and is fed again later; keyed noise and rows that do not depend on their
// batch make that invisible.
#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "engine/engine_state.h"

namespace gemma {

void Work::clear() {
  batch.tokens.clear();
  batch.positions.clear();
  batch.segments.clear();
  batch.wanted.clear();
  batch.media.clear();
  wanted.clear();
  tasks.clear();
  fed.clear();
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

/** Plans the step and finds pages for it; false when nobody has anything to do. */
bool Engine::State::plan(Work& work) {
  for (int64_t rows = options.batch_tokens; !running.empty();) {
    plan_rows(work, rows);
    if (work.batch.tokens.empty()) return false;  // all wait for their pictures
    if (cache.reserve(work.batch)) return true;
    if (give_up_guesses()) continue;  // before anybody gives up what is certain
    if (running.size() > 1) {
      preempt(*youngest_of_most(0));
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
  plan_prompts(work, rows);
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

void Engine::State::run(Work& work) {
  const auto start = Clock::now();
  const Tensor states = forward(context, work.batch);
  cache.commit(work.batch);
  for (Task* task : work.tasks) {
    const auto guesses = static_cast<int64_t>(task->guessing.fed.size());
    task->guessing.drafted_tokens += guesses;
    stats.drafted_tokens += guesses;
  }
  for (const uint64_t key : work.fed) turns[key].fed = stats.steps + 1;
  answer(work, states);
  const auto rows = static_cast<int64_t>(work.batch.tokens.size());
  const double seconds = seconds_since(start);
  learn(work, seconds - drawing_seconds);
  settle(work);
  remember_steps(work);
  const double share = static_cast<double>(work.prompt_rows) / static_cast<double>(rows);
  stats.prompt_tokens += work.prompt_rows;
  stats.prompt_seconds += seconds * share;
  stats.generate_seconds += seconds * (1 - share);
  ++stats.steps;
}

/** Lets go of what has ended. */
void Engine::State::retire() {
  const auto gone = std::erase_if(running, [&](const std::unique_ptr<Task>& task) {
    if (!task->finished) return false;
    if (task->finished != Finish::error) remember(*task);
    cache.release(*task->sequence);
    return true;
  });
  if (gone == 0) return;
  vacant.fetch_add(static_cast<int>(gone));
  const auto has_one = [&](uint64_t key) {
    const auto of_key = [key](const auto& task) { return task->request.key == key; };
    return std::ranges::any_of(running, of_key) || std::ranges::any_of(waiting, of_key);
  };
  std::erase_if(turns, [&](const auto& each) { return !has_one(each.first); });
}

}  // namespace gemma
