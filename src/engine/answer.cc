// SPDX-License-Identifier: Apache-2.0
// From logits to events: log-probabilities, masks, the draw, text, and the reasons to end.
#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "engine/engine_state.h"
#include "engine/memory_plan.h"

namespace gemma {

/** states: [work.wanted, dim]. */
void Engine::State::answer(const Work& work, const Tensor& states) {
  const auto rows = static_cast<int64_t>(work.wanted.size());
  const auto vocab = static_cast<size_t>(model->config.vocab);
  const int64_t block_rows = logit_rows(options);
  drawing_seconds = 0;
  for (int64_t first = 0; first < rows; first += block_rows) {
    const int64_t n = std::min(block_rows, rows - first);
    const Tensor block = logits(ops, model->config, model->weights, states.slice(first, n));
    std::span<const float> values;
    if (block.storage()->host() != nullptr) {
      values = block.data<float>();
    } else {
      host_logits.resize(static_cast<size_t>(n) * vocab);
      ops.read(block, std::as_writable_bytes(std::span(host_logits)));
      values = host_logits;
    }
    const auto start = Clock::now();
    for (int64_t i = 0; i < n; ++i) {
      answer_row(work.wanted[static_cast<size_t>(first + i)], values.subspan(static_cast<size_t>(i) * vocab, vocab),
                 states.slice(first + i, 1));
    }
    drawing_seconds += seconds_since(start);
  }
}

/** state: [1, dim], from which the logits are. */
void Engine::State::answer_row(const WantedRow& row, std::span<const float> logits, const Tensor& state) {
  Task& task = *row.task;
  if (task.finished) return;
  const auto size = static_cast<int64_t>(task.tokens.size());
  // A row behind a wrong guess says nothing.
  if (row.index >= size || task.tokens[static_cast<size_t>(row.index)] != row.token) return;
  if (row.index + 1 == size) {
    Guessing& g = task.guessing;
    const bool guessed = row.index >= cache.length(*task.sequence) - static_cast<int64_t>(g.fed.size());
    g.accepted_tokens += guessed;
    stats.accepted_tokens += guessed;
    if (options.speculation.drafter) g.state = state;
    return draw(task, logits);
  }
  const int32_t next = task.tokens[static_cast<size_t>(row.index + 1)];
  task.prompt_logprobs.push_back(
      static_cast<float>(static_cast<double>(logits[static_cast<size_t>(next)]) - log_sum_exp(logits)));
}

void Engine::State::draw(Task& task, std::span<const float> logits) {
  TokenMask* mask = task.request.mask.get();
  Permitted permitted{never, {}};
  if (mask != nullptr && !mask->free()) {
    mask->fill(mask_bits);
    permitted.allowed = mask_bits;
  }
  const auto position = static_cast<int64_t>(task.tokens.size());
  Choice choice = sample(logits, task.request.sampling, task.tokens, permitted, position, task.request.top_logprobs);
  if (choice.token < 0) {
    return finish(task, Finish::error,
                  std::isnan(choice.logprob)
                      ? fmt::format("the logits at position {} are not finite numbers", position)
                      : fmt::format("no token may come at position {}: the mask allows none", position));
  }
  if (mask != nullptr && !mask->accept(choice.token)) {
    return finish(task, Finish::error, fmt::format("the mask refuses token {}, which it allowed", choice.token));
  }
  task.tokens.push_back(choice.token);
  task.guessing.looked_up.check(choice.token, task.guessing.odds);
  task.guessing.drafted.check(choice.token, task.guessing.odds);
  ++stats.generated_tokens;
  Event event;
  event.token = choice.token;
  event.logprob = choice.logprob;
  event.top = std::move(choice.top);
  event.finish = finish_after(task, choice.token, event.text);
  if (event.finish == Finish::stop) event.stop = stop_of(task, choice.token);
  deliver(task, std::move(event));
}

/** Whether the answer ends with `token`; sets the text that goes out with it. */
std::optional<Finish> Engine::State::finish_after(Task& task, int32_t token, std::string& text) {
  const Request& request = task.request;
  std::optional<Finish> why;
  const bool stop_id = std::find(task.stop_ids.begin(), task.stop_ids.end(), token) != task.stop_ids.end();
  if (!stop_id) text = task.text->push(token);
  const bool loop = task.loop.push(token);
  if (stop_id || task.text->stopped() || (request.mask && request.mask->finished())) {
    why = Finish::stop;
  } else if (loop && request.loop_stop && !request.mask) {
    why = Finish::loop;
  } else if (request.max_tokens > 0 && task.answer_size() >= request.max_tokens) {
    why = Finish::length;
  } else if (static_cast<int>(task.tokens.size()) >= options.context) {
    why = Finish::context;
  }
  if (why) {
    text += task.text->finish();
    if (task.text->stopped()) why = Finish::stop;
  }
  return why;
}

/** The text of the request's that has ended it: in the answer's text, or the name of a control piece. */
std::string Engine::State::stop_of(const Task& task, int32_t token) const {
  const std::vector<std::string>& stops = task.request.stop;
  if (task.text->stopped()) return task.text->stopped_by();
  if (!tokenizer || std::find(stops.begin(), stops.end(), tokenizer->piece(token)) == stops.end()) return {};
  return std::string(tokenizer->piece(token));
}

void Engine::State::deliver(Task& task, Event event) {
  if (!task.started) {
    event.prompt_logprobs = task.prompt_logprobs;
    event.reused = task.reused;
  }
  task.started = true;
  task.finished = event.finish;
  if (event.finish) {
    event.drafted = task.guessing.drafted_tokens;
    event.accepted = task.guessing.accepted_tokens;
  }
  if (task.on_event) task.on_event(event);
}

/** Ends a task without a token. */
void Engine::State::finish(Task& task, Finish why, std::string error) {
  Event event;
  event.finish = why;
  event.error = std::move(error);
  if (task.text) event.text = task.text->finish();
  deliver(task, std::move(event));
}

}  // namespace gemma
