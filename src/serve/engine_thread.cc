// SPDX-License-Identifier: Apache-2.0
#include "serve/engine_thread.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>

namespace gemma::serve {
namespace {

constexpr std::chrono::milliseconds kIdle{5000};  // before what is remembered is written to disk

void add_stats(EngineStats& sum, const EngineStats& more) {
  sum.prompt_tokens += more.prompt_tokens;
  sum.reused_tokens += more.reused_tokens;
  sum.restored_tokens += more.restored_tokens;
  sum.generated_tokens += more.generated_tokens;
  sum.steps += more.steps;
  sum.preemptions += more.preemptions;
  sum.drafted_tokens += more.drafted_tokens;
  sum.drafter_tokens += more.drafter_tokens;
  sum.accepted_tokens += more.accepted_tokens;
  sum.media_encoded += more.media_encoded;
  sum.media_found += more.media_found;
  sum.prompt_seconds += more.prompt_seconds;
  sum.generate_seconds += more.generate_seconds;
  sum.draft_seconds += more.draft_seconds;
  sum.encode_seconds += more.encode_seconds;
}

}  // namespace

void EngineThread::stop() {
  if (!thread_.joinable()) return;
  stopped_.store(true);
  tasks_.wake();
  thread_.join();
  gone_.store(true);
  tasks_.take();
}

void EngineThread::remove(Engine& engine) {
  run_now([this, &engine] {
    if (std::erase(engines_, &engine) > 0) add_stats(gone_stats_, engine.stats());
  });
}

void EngineThread::run_now(std::function<void()> work) {
  if (std::this_thread::get_id() == id_.load()) return work();
  auto done = std::make_shared<std::promise<void>>();  // broken when the task is dropped, which is an end, too
  const auto over = done->get_future();
  post([work = std::move(work), done = std::move(done)] {
    work();
    done->set_value();
  });
  if (!gone_.load()) over.wait();
}

EngineStats EngineThread::stats() const {
  EngineStats sum = gone_stats_;
  for (const Engine* engine : engines_) add_stats(sum, engine->stats());
  return sum;
}

CacheBytes EngineThread::cache_bytes() const {
  CacheBytes sum;
  for (const Engine* engine : engines_) {
    sum.held += engine->cache().bytes_used();
    sum.on_disk += engine->cache().bytes_on_disk();
  }
  return sum;
}

void EngineThread::run() {
  id_.store(std::this_thread::get_id());
  while (true) {
    for (const std::function<void()>& task : tasks_.take()) task();
    if (stopped_.load()) return;
    bool busy = false;
    for (Engine* engine : engines_) busy |= engine->step() || engine->busy();
    if (busy) {
      worked_ = Clock::now();
    } else {
      rest();
    }
  }
}

void EngineThread::rest() {
  if (std::ranges::none_of(engines_, &Engine::unsaved)) return tasks_.wait();
  if (tasks_.wait(kIdle - std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - worked_))) return;
  for (Engine* engine : engines_) {
    if (engine->unsaved()) engine->save([this] { return tasks_.pending(); });
  }
}

}  // namespace gemma::serve
