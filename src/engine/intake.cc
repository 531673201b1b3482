// SPDX-License-Identifier: Apache-2.0
// Requests as they come from other threads: checked, queued, cancelled.
#include "base/utf8.h"
#include "engine/engine_state.h"

namespace gemma {

/** Takes what came from outside; whether anything did. */
bool Engine::State::receive() {
  std::vector<Message> messages = inbox.take();
  for (Message& message : messages) {
    if (const Ticket* ticket = std::get_if<Ticket>(&message)) {
      cancel(*ticket);
      continue;
    }
    accept(std::move(std::get<Submission>(message)));
  }
  return !messages.empty();
}

void Engine::State::accept(std::unique_ptr<Task> task) {
  if (const std::optional<Failure> failure = problem_with(task->request)) {
    queued.remove(task->request.key);
    return finish(*task, Finish::error, failure->message());
  }
  task->tokens = task->request.prompt;
  task->stop_ids = model->config.special.eos;
  std::vector<std::string> stop;
  for (const std::string& text : task->request.stop) {
    const std::optional<int32_t> id = tokenizer ? tokenizer->find(text) : std::nullopt;
    if (id && tokenizer->kind(*id) == PieceKind::control) {
      task->stop_ids.push_back(*id);
    } else {
      stop.push_back(text);
    }
  }
  task->text.emplace(tokenizer.get(), std::move(stop));
  for (const MediaRows& media : task->request.media) {
    task->media.push_back({media.first_row, media.rows, media.bidirectional, media.content});
  }
  task->places = places_of(task->request.prompt, task->media, model->config.special.eos, spacing);
  await(std::move(task));
}

std::optional<Failure> Engine::State::problem_with(const Request& r) const {
  const Config& config = model->config;
  const auto size = static_cast<int64_t>(r.prompt.size());
  if (size == 0) return Failure{"prompt", "is empty"};
  if (size >= options.context) {
    return Failure{"prompt", fmt::format("has {} tokens, expected fewer than {} (the context)", size, options.context)};
  }
  for (int32_t id : r.prompt) {
    if (id < 0 || id >= config.vocab) {
      return Failure{"prompt", fmt::format("token {}: the vocabulary has {}", id, config.vocab)};
    }
  }
  int64_t end = 0;
  for (const MediaRows& media : r.media) {
    if (media.first_row < end || media.rows <= 0 || media.first_row + media.rows > size) {
      return Failure{"media", fmt::format("rows {} to {}: expected rising runs inside of the prompt's {} tokens",
                                          media.first_row, media.first_row + media.rows, size)};
    }
    const auto at = static_cast<size_t>(&media - r.media.data());
    const MediaInput* input = at < r.inputs.size() ? &r.inputs[at] : nullptr;
    if (auto failure = problem_with_media(media, input, size)) return failure;
    end = media.first_row + media.rows;
  }
  if (r.max_tokens < 0) return Failure{"max_tokens", fmt::format("expected 0 or more, found {}", r.max_tokens)};
  if (r.top_logprobs < 0) return Failure{"top_logprobs", fmt::format("expected 0 or more, found {}", r.top_logprobs)};
  for (const std::string& stop : r.stop) {
    if (stop.empty() || !utf8::valid(stop)) return Failure{"stop", "expected text that is not empty, in UTF-8"};
  }
  return gemma::problem_with(r.sampling, config.vocab);
}

void Engine::State::cancel(Ticket ticket) {
  for (auto& task : waiting) {
    if (task->ticket != ticket) continue;
    const std::unique_ptr<Task> gone = std::move(task);
    std::erase(waiting, nullptr);
    queued.remove(gone->request.key);
    return finish(*gone, Finish::cancelled);
  }
  for (auto& task : running) {
    if (task->ticket == ticket && !task->finished) return finish(*task, Finish::cancelled);
  }
}

}  // namespace gemma
