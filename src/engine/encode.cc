// SPDX-License-Identifier: Apache-2.0
// Pictures and sound of requests become soft tokens between steps, a slice at a time, so that answers go on meanwhile.
#include "base/clock.h"
#include "engine/engine_state.h"

namespace gemma {

/** The next run of media rows that is to be fed and has no soft tokens yet; null when there is none. */
MediaRows* Engine::State::next_to_encode(Task& task) const {
  const int64_t fed = task.sequence ? cache.length(*task.sequence) : 0;
  for (MediaRows& media : task.request.media) {
    if (!media.embedding.defined() && media.first_row + media.rows > fed) return &media;
  }
  return nullptr;
}

/** How many of a task's tokens can be fed: those before what is not encoded. */
int64_t Engine::State::ready(Task& task) const {
  const MediaRows* media = next_to_encode(task);
  return media != nullptr ? media->first_row : static_cast<int64_t>(task.tokens.size());
}

/** Whose picture or clip has the next turn: one that is begun is finished; else keys take turns, and of each the oldest
 *  request. Null when nobody waits for one. */
Task* Engine::State::next_that_encodes() const {
  Task* next = nullptr;
  for (const auto& task : running) {
    if (task->finished || next_to_encode(*task) == nullptr) continue;
    if (task->encoding) return task.get();
    if (next == nullptr || turns.at(task->request.key).encoded < turns.at(next->request.key).encoded) next = task.get();
  }
  return next;
}

/** A picture or clip is begun, or a slice of it done (Encoding::advance). False when nobody waits for one. */
bool Engine::State::encode() {
  const auto start = Clock::now();
  Task* task = next_that_encodes();
  if (task == nullptr) return false;
  MediaRows* media = next_to_encode(*task);
  MediaInput& input = task->request.inputs[static_cast<size_t>(media - task->request.media.data())];
  if (task->encoding) {
    task->encoding->advance();
  } else {
    const Tensor known = encoded.find(media->content);
    if (known.defined() && known.rows() == media->rows) {
      media->embedding = known;
      ++stats.media_found;
    } else {
      task->encoding.emplace(Encoding::of(ops, *encoders, input));
      turns[task->request.key].encoded = ++turn;
    }
  }
  if (task->encoding && task->encoding->done()) {
    media->embedding = task->encoding->soft_tokens();
    encoded.add(media->content, media->embedding);
    task->encoding.reset();
    ++stats.media_encoded;
  }
  if (media->embedding.defined()) input = {};  // its pixels are of no more use
  stats.encode_seconds += seconds_since(start);
  return true;
}

/** What is wrong with a run of media rows; `input`: what they are made of where they have no embedding. */
std::optional<Failure> Engine::State::problem_with_media(const MediaRows& media, const MediaInput* input,
                                                         int64_t prompt) const {
  const Shape expected{media.rows, model->config.dim};
  if (media.embedding.defined()) {
    if (media.embedding.dtype() == DType::f32 && media.embedding.shape() == expected) return std::nullopt;
    return Failure{"media", fmt::format("expected an embedding of [{}, {}], found {}", media.rows, model->config.dim,
                                        media.embedding.shape().str())};
  }
  if (input == nullptr || encoders == nullptr) {
    return Failure{"media", fmt::format("rows {} to {}: expected an embedding, or an input and encoders for it",
                                        media.first_row, media.first_row + media.rows)};
  }
  const Result<int64_t> count = soft_tokens_of(encoders->config, *input);
  if (!count) return count.failure();
  if (count.value() != media.rows) {
    return Failure{"media", fmt::format("rows {} to {}: the input makes {} soft tokens", media.first_row,
                                        media.first_row + media.rows, count.value())};
  }
  if (media.first_row + media.rows < prompt) return std::nullopt;
  return Failure{"media", "expected a token behind the last picture or clip"};
}

}  // namespace gemma
