// SPDX-License-Identifier: Apache-2.0
// The rows of a step that are left for prompts, shared between keys: those with few requests first, and those with many
// get no more than they. A key that comes anew has its prompt read at once, one with fewer requests than the rest gets
// two thirds, others get as much as one another. So an answer does not begin late because others have much to be read.
// Of each key the oldest request comes first.
#include <algorithm>
#include <numeric>
#include <span>
#include <tuple>

#include "engine/engine_state.h"

namespace gemma {
namespace {

constexpr int64_t kLeastShare = 16;     // rows that cost little more than one
constexpr int64_t kLately = 8;          // steps
constexpr double kSecondsOfAGap = 0.5;  // between two tokens of an answer, or for who comes, while prompts are read

/** What a key has to be read. */
struct Demand {
  uint64_t key = 0;
  int64_t oldest = 0, all = 0;  // rows: of its oldest prompt, of all of them
  int64_t answering = 0;        // rows that it has in the step already
  std::ptrdiff_t requests = 0;
  bool fed_lately = false;

  bool before(const Demand& other) const {
    return std::tie(fed_lately, requests, oldest) < std::tie(other.fed_lately, other.requests, other.oldest);
  }
};

/** What the first of the keys that are left may have of `rows`. */
int64_t share_of_first(std::span<const Demand> keys, int64_t rows) {
  const Demand& first = keys.front();
  if (!first.fed_lately) return rows;
  const auto few = [&](const Demand& other) { return other.requests > first.requests; };
  if (keys.size() > 1 && std::ranges::all_of(keys.subspan(1), few)) return (2 * rows + 2) / 3;
  const auto count = static_cast<int64_t>(keys.size());
  return (rows + count - 1) / count;
}

}  // namespace

/** Tokens of a task's prompt that can be fed; none of one that answers. */
int64_t Engine::State::rows_to_feed(Task& task) const {
  const int64_t begin = cache.length(*task.sequence);
  if (begin + 1 == static_cast<int64_t>(task.tokens.size())) return 0;
  return std::max<int64_t>(0, ready(task) - begin);  // a known prefix may end inside a sound to be encoded again
}

/** Rows of prompts beside those of answers, which go on when the step is done, and beside keys that may come. */
int64_t Engine::State::most_prompt_rows() const {
  if (stats.prompt_seconds <= 0) return options.batch_tokens;
  const double rows = kSecondsOfAGap * static_cast<double>(stats.prompt_tokens) / stats.prompt_seconds;
  return std::max<int64_t>(kLeastPromptRows, static_cast<int64_t>(rows));
}

void Engine::State::plan_prompts(Work& work, int64_t rows) const {
  std::vector<Demand> demands;
  for (const auto& task : running) {
    const int64_t needed = rows_to_feed(*task);
    if (needed == 0) continue;
    auto at = std::ranges::find(demands, task->request.key, &Demand::key);
    if (at == demands.end()) {
      at = demands.emplace(at);
      at->key = task->request.key;
      at->oldest = needed;
    }
    at->all += needed;
  }
  const auto answers = static_cast<int64_t>(work.batch.tokens.size());
  const bool keys = std::ranges::any_of(running, [](const auto& task) { return task->request.key != 0; });
  const int64_t limit = answers > 0 || keys ? std::min(rows, answers + most_prompt_rows()) : rows;
  for (Demand& each : demands) {
    const auto of_key = [&](const auto& task) { return task->request.key == each.key; };
    each.requests = std::ranges::count_if(running, of_key) + std::ranges::count_if(waiting, of_key);
    each.fed_lately = turns.at(each.key).fed + kLately > stats.steps;
    for (size_t i = 0; i < work.tasks.size(); ++i) {
      if (work.tasks[i]->request.key == each.key) each.answering += work.batch.segments[i].rows;
    }
  }
  std::ranges::stable_sort(demands, [](const Demand& a, const Demand& b) { return a.before(b); });
  if (demands.empty()) return;
  // Who comes anew to others has waited for a step already, so it may make this one twice as long.
  const auto of_another = [&](const auto& task) { return task->request.key != demands.front().key; };
  const bool anew = !demands.front().fed_lately && std::ranges::any_of(running, of_another);
  const int64_t limit_of_first = anew ? std::min(rows, 2 * limit - answers) : limit;
  int64_t most = limit_of_first;  // of a key, its answers' included
  int64_t others = std::accumulate(demands.begin(), demands.end(), int64_t{0},
                                   [](int64_t sum, const Demand& each) { return sum + each.all; });
  for (size_t i = 0; i < demands.size(); ++i) {
    const Demand& each = demands[i];
    const int64_t left = (i == 0 ? limit_of_first : limit) - static_cast<int64_t>(work.batch.tokens.size());
    if (left <= 0) break;
    others -= each.all;
    const int64_t first = share_of_first(std::span(demands).subspan(i), left);
    const int64_t share = std::min(std::max(first, left - others), most - each.answering);
    const int64_t fed = plan_prompts_of(work, each.key, share);
    most = std::min(most, std::max(kLeastShare, each.answering + fed));
  }
}

/** At most `budget` rows of prompts of a key; how many it became. */
int64_t Engine::State::plan_prompts_of(Work& work, uint64_t key, int64_t budget) const {
  int64_t fed = 0;
  for (const auto& task : running) {
    if (fed >= budget) break;
    if (task->request.key != key) continue;
    const int64_t needed = rows_to_feed(*task), begin = cache.length(*task->sequence);
    if (needed == 0) continue;
    const int64_t rows = chunk_end(*task, begin, begin + std::min(budget - fed, needed)) - begin;
    // A block that is longer than what is left for prompts has a step to itself, longer than any though it be.
    if (rows > budget - fed && work.prompt_rows > 0) continue;
    fed += rows;
    work.prompt_rows += rows;
    add_rows(work, *task, rows);
  }
  if (fed > 0) work.fed.push_back(key);
  return fed;
}

}  // namespace gemma
