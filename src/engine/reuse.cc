// SPDX-License-Identifier: Apache-2.0
// What was read before is not read again: where a request goes on from, what is kept of it for others, and who waits
// until another has read what both begin with.
#include <algorithm>

#include "engine/engine_state.h"

namespace gemma {

void Engine::State::start(Task& task) {
  task.sequence = cache.create();
  if (task.request.prompt_logprobs) return;  // these need the rows themselves
  stats.restored_tokens += cache.restore(task.text_so_far());
  const KvCache::Known known = cache.known_prefix(task.text_so_far());
  const int64_t reused = cache.match_prefix(task.text_so_far(), *task.sequence);
  stats.reused_tokens += reused;
  if (!task.admitted) task.reused = reused;  // later it finds what it has read itself
  // Two texts part there, so a third may.
  if (known.familiar - known.usable >= options.kv.page_size) add_place(task.places, known.familiar);
}

/** Whether another request is reading what this one begins with; a place is made where they part. */
bool Engine::State::prefix_is_coming(const Task& task) {
  if (task.request.prompt_logprobs || options.kv.remembered <= 0) return false;
  const PrefixView text = task.text_so_far();
  const auto most = static_cast<int64_t>(text.tokens.size()) - 1;
  for (const auto& other : running) {
    const int64_t fed = cache.length(*other->sequence);
    if (other->finished || fed >= other->prompt_size() || other->request.salt != text.salt) continue;
    const int64_t common = before_block(text.media, std::min(most, common_prefix(other->text_so_far(), text)));
    if (common <= fed || common - cache.known_prefix(text).usable < options.kv.page_size) continue;
    add_place(other->places, common);
    return true;
  }
  return false;
}

/** After a step: prompts that passed a place, and answers that have grown long. */
void Engine::State::remember_steps(const Work& work) {
  for (size_t i = 0; i < work.tasks.size(); ++i) {
    Task& task = *work.tasks[i];
    const int64_t length = cache.length(*task.sequence), begin = length - work.batch.segments[i].rows;
    if (begin < task.prompt_size()) {
      const auto next = std::ranges::upper_bound(task.places, begin);
      if (next != task.places.end() && *next <= length) cache.remember(task.text_so_far(), *task.sequence, task.places);
    }
    if (length > task.prompt_size() && length / spacing != begin / spacing) remember(task);
  }
}

/** All that a task holds. */
void Engine::State::remember(const Task& task) {
  std::vector<int64_t> places = task.places;
  add_place(places, cache.length(*task.sequence));
  cache.remember(task.text_so_far(), *task.sequence, places);
}

}  // namespace gemma
