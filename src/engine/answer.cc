// SPDX-License-Identifier: Apache-2.0
// From logits to events: log-probabilities, masks, the draw, text, and the reasons to end.
#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "engine/engine_state.h"
#include "engine/memory_plan.h"

namespace gemma {
namespace {

/** The last event of a task that ends without a token. */
Event ending(Task& task, Finish why, std::string error) {
  Event event;
  event.finish = task.finished = why;
  event.error = std::move(error);
  if (task.text) event.text = task.text->finish();
  return event;
}

}  // namespace

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
    answer_block(std::span(work.wanted).subspan(static_cast<size_t>(first), static_cast<size_t>(n)), values,
                 states.slice(first, n));
    drawing_seconds += seconds_since(start);
  }
}

/** Sequences draw at once, and one after another says what it drew: a callback may use what belongs to all. */
void Engine::State::answer_block(std::span<const WantedRow> rows, std::span<const float> logits, const Tensor& states) {
  const size_t vocab = logits.size() / rows.size();
  runs.clear();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i == 0 || rows[i].task != rows[i - 1].task) runs.push_back(i);
  }
  const auto answer_runs = [&](int64_t begin, int64_t end) {
    const auto last = static_cast<size_t>(end) < runs.size() ? runs[static_cast<size_t>(end)] : rows.size();
    for (size_t i = runs[static_cast<size_t>(begin)]; i < last; ++i) {
      answer_row(rows[i], logits.subspan(i * vocab, vocab), states.slice(static_cast<int64_t>(i), 1));
    }
  };
  if (options.threads != nullptr) {
    options.threads->parallel_claim(std::ssize(runs), 1, answer_runs);
  } else {
    answer_runs(0, std::ssize(runs));
  }
  for (const size_t first : runs) {
    Task& task = *rows[first].task;
    for (Event& event : task.drawn) {
      stats.generated_tokens += event.token >= 0;
      deliver(task, std::move(event));
    }
    task.drawn.clear();
  }
}

/** Of a model that has more ids than its tokenizer those without a piece go: nobody could say which they are. */
void Engine::State::leave_named(std::vector<Alternative>& top) const {
  if (tokenizer) std::erase_if(top, [this](const Alternative& each) { return each.token >= tokenizer->size(); });
}

/** state: [1, dim], from which the logits are. */
void Engine::State::answer_row(const WantedRow& row, std::span<const float> logits, const Tensor& state) const {
  Task& task = *row.task;
  if (task.finished) return;
  const auto size = static_cast<int64_t>(task.tokens.size());
  // A row behind a wrong guess says nothing.
  if (row.index >= size || task.tokens[static_cast<size_t>(row.index)] != row.token) return;
  if (row.index + 1 == size) {
    Guessing& g = task.guessing;
    const bool guessed = row.index >= cache.length(*task.sequence) - static_cast<int64_t>(g.fed.size());
    g.accepted_tokens += guessed;
    if (options.speculation.drafter) g.state = state;
    return draw(task, logits);
  }
  const int32_t next = task.tokens[static_cast<size_t>(row.index + 1)];
  task.prompt_logprobs.push_back(likelihood(logits, next, task.request.top_logprobs));
  leave_named(task.prompt_logprobs.back().top);
}

/** Touches the task alone, and adds an event to it. */
void Engine::State::draw(Task& task, std::span<const float> logits) const {
  TokenMask* mask = task.request.mask.get();
  Permitted permitted{never, {}};
  if (mask != nullptr && !mask->free()) {
    static thread_local std::vector<uint32_t> bits;
    bits.resize((logits.size() + 31) / 32);
    mask->fill(bits);
    permitted.allowed = bits;
  }
  const auto position = static_cast<int64_t>(task.tokens.size());
  const Request& asked = task.request;
  const bool said = asked.logprobs || asked.top_logprobs > 0;
  Choice choice = sample(logits, asked.sampling, task.tokens, permitted, position,
                         said ? std::optional(asked.top_logprobs) : std::nullopt);
  if (choice.token < 0) {
    task.drawn.push_back(ending(task, Finish::error,
                                std::isnan(choice.logprob)
                                    ? fmt::format("the logits at position {} are not finite numbers", position)
                                    : fmt::format("no token may come at position {}: the mask allows none", position)));
    return;
  }
  if (mask != nullptr && !mask->accept(choice.token)) {
    task.drawn.push_back(
        ending(task, Finish::error, fmt::format("the mask refuses token {}, which it allowed", choice.token)));
    return;
  }
  task.tokens.push_back(choice.token);
  task.guessing.looked_up.check(choice.token, task.guessing.odds);
  task.guessing.drafted.check(choice.token, task.guessing.odds);
  Event event;
  event.token = choice.token;
  event.logprob = choice.logprob;
  event.top = std::move(choice.top);
  leave_named(event.top);
  event.finish = finish_after(task, choice.token, event.text);
  if (event.finish == Finish::stop) event.stop = stop_of(task, choice.token);
  task.finished = event.finish;
  task.drawn.push_back(std::move(event));
}

/** Whether the answer ends with `token`; sets the text that goes out with it. */
std::optional<Finish> Engine::State::finish_after(Task& task, int32_t token, std::string& text) const {
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
  deliver(task, ending(task, why, std::move(error)));
}

}  // namespace gemma
