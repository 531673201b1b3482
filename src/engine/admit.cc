// SPDX-License-Identifier: Apache-2.0
// Who runs: of the keys that wait, the one that has the fewest sequences running, of its requests the oldest. A key
// that has more than another makes way for it, its youngest sequence first: that is fed again later, mostly from pages
// that are remembered.
#include <algorithm>
#include <tuple>

#include "engine/engine_state.h"

namespace gemma {
namespace {

constexpr int kGrowthPages = 2;  // by which each sequence may grow before it runs out of room

template <class Tasks>
void insert_by_age(Tasks& tasks, std::unique_ptr<Task> task) {
  const auto at = std::ranges::upper_bound(tasks, task->ticket, {}, [](const auto& each) { return each->ticket; });
  tasks.insert(at, std::move(task));
}

}  // namespace

void Engine::State::admit() {
  end_late();
  while (std::unique_ptr<Task> task = next_to_admit()) {
    if (!make_way_for(*task)) return insert_by_age(waiting, std::move(task));
    vacant.fetch_sub(1);  // first, so that its place is not counted twice
    queued.remove(task->request.key);
    turns[task->request.key].admitted = ++turn;
    start(*task);
    task->admitted = true;
    insert_by_age(running, std::move(task));
  }
}

void Engine::State::await(std::unique_ptr<Task> task) { insert_by_age(waiting, std::move(task)); }

void Engine::State::end_late() {
  bool any = false;
  for (auto& task : waiting) {
    if (task->admitted || !task->request.deadline || *task->request.deadline > Clock::now()) continue;
    queued.remove(task->request.key);
    finish(*task, Finish::late);
    any = true;
  }
  if (any) std::erase_if(waiting, [](const auto& task) { return task->finished.has_value(); });
}

int Engine::State::running_of(uint64_t key) const {
  return static_cast<int>(std::ranges::count(running, key, [](const auto& task) { return task->request.key; }));
}

/** Takes it out of `waiting`; null when none may run yet. */
std::unique_ptr<Task> Engine::State::next_to_admit() {
  struct Candidate {
    uint64_t key;
    int running;
    int64_t admitted;
  };
  std::vector<Candidate> keys;
  for (const auto& task : waiting) {
    const uint64_t key = task->request.key;
    if (std::ranges::any_of(keys, [key](const Candidate& each) { return each.key == key; })) continue;
    const auto turn_of_key = turns.find(key);
    keys.push_back({key, running_of(key), turn_of_key == turns.end() ? 0 : turn_of_key->second.admitted});
  }
  std::ranges::stable_sort(keys, [](const Candidate& a, const Candidate& b) {
    return std::tie(a.running, a.admitted) < std::tie(b.running, b.admitted);
  });
  for (const Candidate& each : keys) {
    const bool full = static_cast<int>(running.size()) >= options.max_sequences;
    if (full && youngest_of_most(each.running + 1) == nullptr) return nullptr;
    for (auto& task : waiting) {
      if (task->request.key != each.key || prefix_is_coming(*task)) continue;
      std::unique_ptr<Task> next = std::move(task);
      std::erase(waiting, nullptr);
      return next;
    }
  }
  return nullptr;
}

/** Of the key that runs most sequences the youngest, of several such keys the youngest of all; null when no key runs
 * more than `than`. */
Task* Engine::State::youngest_of_most(int than) const {
  Task* youngest = nullptr;
  for (const auto& task : running) {
    const int count = running_of(task->request.key);
    if (task->finished || count <= than || (youngest != nullptr && count < running_of(youngest->request.key))) continue;
    youngest = task.get();
  }
  return youngest;
}

/** Whether a task may run now: there is room for it, or others could make some. */
bool Engine::State::make_way_for(const Task& task) {
  for (;;) {
    // Room to grow for all, or the newcomer would soon have to give up its pages again.
    const auto tokens = static_cast<int64_t>(task.tokens.size()) +
                        int64_t{kGrowthPages} * options.kv.page_size * static_cast<int64_t>(running.size() + 1);
    const PrefixView known = task.request.prompt_logprobs ? PrefixView{} : task.text_so_far();
    const bool slot = static_cast<int>(running.size()) < options.max_sequences;
    if (slot && (running.empty() || cache.has_room(known, tokens, options.batch_tokens))) return true;
    Task* other = youngest_of_most(running_of(task.request.key) + 1);
    if (other == nullptr) return false;
    preempt(*other);
  }
}

void Engine::State::preempt(Task& task) {
  remember(task);
  cache.release(*task.sequence);
  task.sequence.reset();
  task.encoding.reset();  // the prefix that is found next time may end elsewhere
  const auto at = std::ranges::find(running, &task, [](const auto& each) { return each.get(); });
  std::unique_ptr<Task> owned = std::move(*at);
  running.erase(at);
  queued.add(owned->request.key);
  vacant.fetch_add(1);
  await(std::move(owned));
  ++stats.preemptions;
}

}  // namespace gemma
