// SPDX-License-Identifier: Apache-2.0
// Guesses: where they come from, how many of them a step checks, and what becomes of the cache when they are wrong.
// A guess is right when it is the token that the model draws there; since the noise of a draw is keyed by its position
// and rows do not depend on their batch, that token is the one it would have drawn without.
#include "engine/speculation.h"

#include <algorithm>
#include <numeric>

#include "base/clock.h"
#include "engine/engine_state.h"

namespace gemma {
namespace {

constexpr int kMostDrafts = 8;  // a drafter's guesses get worse one by one
constexpr double kDraftSecondsMemory = 0.9;

}  // namespace

void Guess::clear() {
  tokens.clear();
  grades.clear();
  checked_ = 0;
  right_ = true;
}

Guesses Guess::odds(const GuessOdds& all, int most, double seconds_each) const {
  Guesses out;
  static_assert(Speculation::kMost <= std::tuple_size_v<decltype(out.odds)>);
  out.seconds_each = seconds_each;
  for (int grade : std::span(grades).first(std::min(grades.size(), static_cast<size_t>(most)))) {
    out.odds[static_cast<size_t>(out.count++)] = all.of(grade);
  }
  return out;
}

void Guess::check(int32_t token, GuessOdds& all) {
  if (!right_ || checked_ == tokens.size()) return;
  right_ = tokens[checked_] == token;
  all.saw(grades[checked_], right_);
  ++checked_;
}

/** How many guesses a task's next step may check. */
int Engine::State::most_guesses(const Task& task) const {
  const auto size = static_cast<int64_t>(task.tokens.size());
  // Rejected rows go back by truncate, which must find the keys of a window, and the one more that a drafter sees.
  int64_t most = std::min<int64_t>(Speculation::kMost, options.kv.page_size - 2);
  most = std::min(most, options.context - size - 1);
  if (task.request.max_tokens > 0) most = std::min(most, task.request.max_tokens - task.answer_size() - 1);
  return static_cast<int>(std::max<int64_t>(0, most));
}

/** Chooses what the next step checks behind the last token of each task that answers. */
void Engine::State::guess() {
  if (options.speculation.length == 0) return;
  answering.clear();
  offered.clear();
  bool prompts = false;
  for (const auto& task : running) {
    task->guessing.fed.clear();
    if (cache.length(*task->sequence) + 1 < static_cast<int64_t>(task->tokens.size())) {
      prompts = true;
      continue;
    }
    answering.push_back(task.get());
    offered.push_back(task->answer_size() > 0 ? guesses_of(*task) : Guesses{});
  }
  int spare = options.batch_tokens - static_cast<int>(answering.size());
  if (prompts) spare /= 2;
  const std::span<const int> lengths = guess_lengths(spare, prompts);
  for (size_t i = 0; i < answering.size(); ++i) take_guesses(*answering[i], lengths[i]);
}

Guesses Engine::State::guesses_of(Task& task) {
  Guessing& g = task.guessing;
  const bool may_lose = options.speculation.length != Speculation::kAuto || g.balance.allows();
  const int most = may_lose ? most_guesses(task) : 0;
  g.lookup.extend(task.tokens);
  const PromptLookup::Match match = g.lookup.find();
  g.looked_up.clear();
  g.lookup.add_continuation(match, Speculation::kMost + 1, g.looked_up.tokens);
  g.looked_up.grades.reserve(g.looked_up.tokens.size());
  for (int i = 0; i < static_cast<int>(g.looked_up.tokens.size()); ++i) {
    g.looked_up.grades.push_back(GuessOdds::lookup_grade(match.length + i));
  }
  g.drafted.clear();
  if (options.speculation.drafter && g.state.defined()) {
    for (int i = 0; i < kMostDrafts; ++i) g.drafted.grades.push_back(GuessOdds::drafter_grade(i));
    const double looked_up = match.length > 0 ? g.odds.of(g.looked_up.grades[0]) : 0;
    if (g.odds.of(g.drafted.grades[0]) > looked_up) return g.drafted.odds(g.odds, most, draft_seconds);
    g.drafted.grades.clear();
  }
  return g.looked_up.odds(g.odds, most, 0);
}

std::span<const int> Engine::State::guess_lengths(int spare, bool prompts) {
  const int length = options.speculation.length;
  if (length != Speculation::kAuto) return draft_lengths.fixed(offered, length, spare);
  return prompts ? draft_lengths.likely(offered, spare) : draft_lengths.fastest(offered, step_cost, spare);
}

void Engine::State::take_guesses(Task& task, int count) {
  Guessing& g = task.guessing;
  if (options.speculation.drafter && (count == 0 || g.drafted.grades.empty())) {
    for (int i = 0; i < GuessOdds::kDrafterGrades; ++i) g.odds.forget(GuessOdds::drafter_grade(i));
  }
  if (count == 0) return;
  if (g.drafted.grades.empty()) {
    g.fed.assign(g.looked_up.tokens.begin(), g.looked_up.tokens.begin() + count);
    return;
  }
  const auto start = Clock::now();
  for (const Draft& each : draft(ops, *options.speculation.drafter, *model, cache, *task.sequence, task.tokens.back(),
                                 g.state, static_cast<int32_t>(task.tokens.size()) - 1, count)) {
    g.drafted.tokens.push_back(each.token);
  }
  g.fed = g.drafted.tokens;
  const double seconds = seconds_since(start);
  g.draft_seconds = seconds;
  const double memory = draft_seconds > 0 ? kDraftSecondsMemory : 0;
  draft_seconds = draft_seconds * memory + seconds / count * (1 - memory);
  stats.drafter_tokens += count;
  stats.draft_seconds += seconds;
  stats.generate_seconds += seconds;
}

/** Takes all guesses back from the next step; whether there were any. */
bool Engine::State::give_up_guesses() {
  bool any = false;
  for (const auto& task : running) {
    any = any || !task->guessing.fed.empty();
    task->guessing.fed.clear();
  }
  return any;
}

/** What a step has cost and saved; seconds: of the step without drawing. */
void Engine::State::learn(const Work& work, double seconds) {
  if (work.prompt_rows > 0) return;
  const auto rows = static_cast<int>(work.batch.tokens.size()), base = static_cast<int>(work.tasks.size());
  step_cost.measured(rows, base, seconds);
  if (!step_cost.knows(base)) return;
  const double plain = step_cost.seconds(base, base);
  for (Task* task : work.tasks) {
    Guessing& g = task->guessing;
    if (g.fed.empty()) {
      g.balance.add(0, 0);
      continue;
    }
    const auto fed = static_cast<double>(g.fed.size());
    const double cost = (seconds - plain) * fed / (rows - base) + g.draft_seconds;
    const auto right = static_cast<double>(task->tokens.size()) - 1;
    const double saved = right - (cache.length(*task->sequence) - fed);
    g.balance.add(base * cost / plain, saved);  // all wait for a step that takes longer
  }
}

/** After the rows of a step have been answered: rows that hold wrong guesses go. */
void Engine::State::settle(const Work& work) {
  for (Task* task : work.tasks) {
    Guessing& g = task->guessing;
    if (g.fed.empty()) continue;
    const auto right = static_cast<int>(task->tokens.size()) - 1;  // the last token has no row yet
    const int wrong = cache.length(*task->sequence) - right;
    stats.accepted_tokens += std::max(0, static_cast<int>(g.fed.size()) - wrong);
    GEMMA_CHECK(wrong == 0 || cache.truncate(*task->sequence, right) == right, "guesses are fewer than a page's keys");
    g.fed.clear();
    g.draft_seconds = 0;
  }
}

}  // namespace gemma
