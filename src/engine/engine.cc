// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <algorithm>

#include "base/memory.h"
#include "engine/engine_state.h"
#include "engine/memory_plan.h"
#include "engine/never_sampled.h"

namespace gemma {
namespace {

EngineOptions resolved(const Config& config, EngineOptions options) {
  options.max_sequences = std::max(1, options.max_sequences);
  options.batch_tokens = std::max(options.batch_tokens, options.max_sequences);  // every answer moves on in every step
  const MemoryPlan memory = plan_memory(config, options, available_memory());
  options.context = memory.context;
  options.batch_tokens = memory.batch_tokens;
  options.kv.byte_limit = memory.kv_bytes;
  return options;
}

}  // namespace

std::string_view name_of(Finish finish) {
  switch (finish) {
    case Finish::stop:
      return "stop";
    case Finish::length:
      return "length";
    case Finish::context:
      return "context";
    case Finish::loop:
      return "loop";
    case Finish::late:
      return "late";
    case Finish::cancelled:
      return "cancelled";
    case Finish::error:
      return "error";
  }
  return "";
}

Engine::State::State(std::shared_ptr<const Model> m, std::shared_ptr<const Tokenizer> t, Ops& o, EngineOptions opt)
    : model(std::move(m)),
      tokenizer(std::move(t)),
      ops(o),
      options(resolved(model->config, opt)),
      cache(model->config, options.kv, ops),
      encoders(options.encoders),
      encoded(options.encoded_bytes),
      never(never_sampled(model->config, tokenizer.get())),
      spacing(place_spacing(model->config)),
      context{ops, model->config, model->weights, cache} {}

Engine::Engine(std::shared_ptr<const Model> model, std::shared_ptr<const Tokenizer> tokenizer, Ops& ops,
               EngineOptions options)
    : state_(std::make_unique<State>(std::move(model), std::move(tokenizer), ops, options)) {}
Engine::~Engine() {
  save([] { return false; });
}

Ticket Engine::submit(Request request, std::function<void(const Event&)> on_event) {
  const EngineOptions& options = state_->options;
  const int vacant = state_->vacant.load();
  if (!state_->queued.add(request.key, options.key_queue_limit + vacant, options.queue_limit + vacant)) return 0;
  auto task = std::make_unique<Task>();
  const Ticket ticket = task->ticket = state_->next_ticket.fetch_add(1);
  task->request = std::move(request);
  task->on_event = std::move(on_event);
  state_->inbox.push(std::move(task));
  return ticket;
}

void Engine::cancel(Ticket ticket) { state_->inbox.push(ticket); }

void Engine::wait() {
  if (!busy()) state_->inbox.wait();
}
bool Engine::busy() const { return !state_->running.empty() || !state_->waiting.empty(); }
void Engine::wake() { state_->inbox.wake(); }

void Engine::use_encoders(std::shared_ptr<const Encoders> encoders) {
  GEMMA_CHECK(!busy(), "no request on its way");
  State& s = *state_;
  s.encoders = std::move(encoders);
  const int64_t step = s.stats.steps > 0 ? working_bytes(s.model->config, s.options, nullptr) : 0;
  const int64_t work = working_bytes(s.model->config, s.options, &s.encoders->config) - step;
  const int64_t least = KvCache::bytes_for(s.model->config, s.options.kv, s.options.context, s.options.batch_tokens);
  const int64_t left = s.cache.bytes_allocated() + std::max<int64_t>(0, available_memory() - work);
  s.cache.limit(std::min(s.options.kv.byte_limit, std::max(left, least)));
}

int64_t Engine::needed_beside(const MediaConfig& encoders) const {
  const State& s = *state_;
  const Config& config = s.model->config;
  const MediaConfig* present = s.encoders != nullptr ? &s.encoders->config : nullptr;
  const int64_t held = s.stats.steps > 0 ? working_bytes(config, s.options, present) : 0;
  const int64_t context = KvCache::bytes_for(config, s.options.kv, s.options.context, s.options.batch_tokens);
  return working_bytes(config, s.options, &encoders) - held + std::max<int64_t>(0, context - s.cache.bytes_allocated());
}

bool Engine::unsaved() const { return state_->cache.unsaved(); }
void Engine::save(FunctionRef<bool()> interrupted) { state_->cache.save(interrupted); }

void Engine::limit_cache(int64_t bytes) {
  State& s = *state_;
  const int64_t least = KvCache::bytes_for(s.model->config, s.options.kv, s.options.context, s.options.batch_tokens);
  while (!s.cache.shrink_to(std::max(bytes, least))) {
    Task* task = s.youngest_of_most(0);
    if (task == nullptr) return;  // all that run have ended: their pages are free after the next step
    s.preempt(*task);
  }
}

int Engine::context() const { return state_->options.context; }
const EngineStats& Engine::stats() const { return state_->stats; }
const KvCache& Engine::cache() const { return state_->cache; }

}  // namespace gemma
