// SPDX-License-Identifier: Apache-2.0
#include "serve/model_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <utility>

#include "base/heap.h"
#include "base/memory.h"

namespace gemma::serve {
namespace {

struct Waiter {
  int64_t ticket;
  ModelRegistry::Then then;
};

struct Entry {
  ModelCard card;
  ModelRegistry::Model model;  // null: not loaded
  std::vector<Waiter> waiters;
  int64_t loads = 0, unloads = 0;
};

}  // namespace

/** All under `mutex`. */
struct ModelRegistry::State {
  State(ModelShelf::Options options, std::function<Clock::time_point()> clock)
      : shelf(options), now(std::move(clock)) {}

  std::mutex looking;    // at what there is; before the other
  std::string unlooked;  // why that went wrong the last time, "" where it did not
  mutable std::mutex mutex;
  std::condition_variable changed;
  ModelShelf shelf;
  const std::function<Clock::time_point()> now;
  std::map<std::string, Entry> entries;
  std::string first;
  std::string working;  // what the thread is about, without the lock
  int64_t tickets = 0;
  bool stopped = false;

  /** What another holds of a model that it was allowed to take. It keeps the model itself, too, so that the last one is
   *  safe whoever goes first. */
  static Model lent(std::shared_ptr<State> state, const std::string& name) {
    Model model = state->entries.at(name).model;
    ServedModel* const pointer = model.get();
    return {pointer, [state = std::move(state), name, model = std::move(model)](ServedModel*) mutable {
              model.reset();
              const std::lock_guard lock(state->mutex);
              state->shelf.give_back(name, state->now());
              state->changed.notify_all();
            }};
  }

  ModelState state_of(const std::string& name, const Entry& entry) const {
    ModelState out;
    out.card = entry.card;
    out.loads = entry.loads, out.unloads = entry.unloads;
    out.loaded = shelf.is_loaded(name);
    if (out.loaded) out.bytes = shelf.bytes(name);
    if (const auto at = shelf.goes_at(name)) out.seconds = std::chrono::duration<double>(*at - now()).count();
    return out;
  }
};

ModelRegistry::ModelRegistry(ModelSource source, ModelShelf::Options options,
                             std::function<void(const std::string&)> log, std::function<Clock::time_point()> now)
    : source_(std::move(source)),
      log_(std::move(log)),
      state_(std::make_shared<State>(options, std::move(now))),
      thread_([this] { run(); }) {}

void ModelRegistry::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopped = true;
  }
  state_->changed.notify_all();
  thread_.join();
  std::map<std::string, Entry> entries;  // whose ends may give models back, which takes the lock
  const std::lock_guard lock(state_->mutex);
  entries.swap(state_->entries);
}

void ModelRegistry::put_first(ModelCard card, Model model, int64_t bytes) {
  const std::lock_guard lock(state_->mutex);
  const std::string name = state_->first = card.name;
  Entry& entry = state_->entries[name];
  entry.card = std::move(card);
  if (model == nullptr) return;
  entry.model = std::move(model);
  ++entry.loads;
  state_->shelf.keep(name);
  state_->shelf.measured(name, bytes);
  state_->shelf.loaded(name, state_->now());
}

/** What there is; nothing where that cannot be said, which the log says once. */
std::optional<std::vector<ModelCard>> ModelRegistry::look() {
  try {
    auto cards = source_.list();
    state_->unlooked.clear();
    return cards;
  } catch (const Error& error) {
    if (log_ && state_->unlooked != error.what()) log_(fmt::format("models are as they were: {}", error.what()));
    state_->unlooked = error.what();
    return std::nullopt;
  }
}

void ModelRegistry::scan() {
  if (!source_.list) return;
  const std::lock_guard one_at_a_time(state_->looking);
  auto cards = look();
  if (!cards) return;  // what is known may come back
  const std::lock_guard lock(state_->mutex);
  auto& entries = state_->entries;
  std::erase_if(entries, [&](const auto& each) {
    const auto& [name, entry] = each;
    const bool used =
        entry.model != nullptr || !entry.waiters.empty() || name == state_->first || name == state_->working;
    return !used && std::ranges::none_of(*cards, [&](const ModelCard& card) { return card.name == name; });
  });
  for (ModelCard& card : *cards) {
    Entry& entry = entries[card.name];
    if (entry.model == nullptr) entry.card = std::move(card);  // what is loaded is what it was
  }
}

std::string ModelRegistry::first() const {
  const std::lock_guard lock(state_->mutex);
  return state_->first;
}

bool ModelRegistry::knows(const std::string& name) const {
  const std::lock_guard lock(state_->mutex);
  return state_->entries.contains(name);
}

std::optional<ModelState> ModelRegistry::find(const std::string& name) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->entries.find(name);
  if (found == state_->entries.end()) return std::nullopt;
  return state_->state_of(name, found->second);
}

std::vector<ModelState> ModelRegistry::models() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<ModelState> out;
  for (const bool first : {true, false}) {
    for (const auto& [name, entry] : state_->entries) {
      if ((name == state_->first) == first) out.push_back(state_->state_of(name, entry));
    }
  }
  return out;
}

ModelRegistry::Model ModelRegistry::take(const std::string& name) {
  const std::lock_guard lock(state_->mutex);
  return state_->shelf.take(name, state_->now()) ? State::lent(state_, name) : nullptr;
}

bool ModelRegistry::keep(const std::string& name, Clock::duration idle) {
  const std::lock_guard lock(state_->mutex);
  state_->changed.notify_all();
  return state_->shelf.keep(name, idle);
}

int64_t ModelRegistry::ticket() {
  const std::lock_guard lock(state_->mutex);
  return ++state_->tickets;
}

bool ModelRegistry::want(const std::string& name, int64_t ticket, Then then, int64_t most) {
  const std::lock_guard lock(state_->mutex);
  int64_t waiting = 0;
  for (const auto& [other, entry] : state_->entries) waiting += std::ssize(entry.waiters);
  if (waiting >= most) return false;
  state_->entries.at(name).waiters.push_back({ticket, std::move(then)});
  state_->shelf.want(name);
  state_->changed.notify_all();
  return true;
}

bool ModelRegistry::forget(int64_t ticket) {
  std::vector<Waiter> gone;  // ends without the lock
  const std::lock_guard lock(state_->mutex);
  for (auto& [name, entry] : state_->entries) {
    const auto at = std::ranges::find(entry.waiters, ticket, &Waiter::ticket);
    if (at == entry.waiters.end()) continue;
    gone.push_back(std::move(*at));
    entry.waiters.erase(at);
    state_->shelf.forget(name);
    state_->changed.notify_all();
    return true;
  }
  return false;
}

void ModelRegistry::run() {
  std::unique_lock lock(state_->mutex);
  while (!state_->stopped) {
    const ModelShelf::Step next = state_->shelf.next(state_->now());
    if (next.what == ModelShelf::Do::nothing) {
      next.until ? (void)state_->changed.wait_until(lock, *next.until) : state_->changed.wait(lock);
      continue;
    }
    state_->working = next.name;
    lock.unlock();
    try {
      step(next);
    } catch (const std::exception& error) {
      refuse(next.name, error.what());
    }
    lock.lock();
    state_->working.clear();
  }
}

void ModelRegistry::step(const ModelShelf::Step& step) {
  switch (step.what) {
    case ModelShelf::Do::serve:
      return serve(step.name);
    case ModelShelf::Do::measure:
      return measure(step.name);
    case ModelShelf::Do::load:
      return load(step.name);
    case ModelShelf::Do::unload:
      return unload(step.name);
    case ModelShelf::Do::refuse: {
      const std::unique_lock lock(state_->mutex);
      const int64_t needed = state_->shelf.bytes(step.name), found = state_->shelf.budget();
      fail("memory", "{}", no_room(needed, found));
    }
    case ModelShelf::Do::nothing:
      return;
  }
}

std::string no_room(int64_t needed, int64_t found) {
  return fmt::format("needed {}, found {} for all models (--memory without --media-cache)", format_bytes(needed),
                     format_bytes(found));
}

void ModelRegistry::serve(const std::string& name) {
  std::vector<Waiter> waiters;
  std::vector<Model> models;
  {
    const std::lock_guard lock(state_->mutex);
    waiters.swap(state_->entries.at(name).waiters);
    for (size_t i = 0; i < waiters.size(); ++i) {
      state_->shelf.forget(name);
      GEMMA_CHECK(state_->shelf.take(name, state_->now()), "what is to be served may be taken");
      models.push_back(State::lent(state_, name));
    }
  }
  for (size_t i = 0; i < waiters.size(); ++i) waiters[i].then(std::move(models[i]));
}

void ModelRegistry::measure(const std::string& name) {
  ModelCard card;
  {
    const std::lock_guard lock(state_->mutex);
    card = state_->entries.at(name).card;
  }
  const int64_t bytes = source_.least_bytes(card);
  const std::lock_guard lock(state_->mutex);
  state_->shelf.measured(name, std::max<int64_t>(1, bytes));
}

/** Each that is loaded, and one that is `coming` with so many bytes, may have as much more than it needs at least. */
void ModelRegistry::share_spare(int64_t coming) {
  std::vector<Model> models;
  int64_t spare = 0;
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [name, entry] : state_->entries) {
      if (entry.model != nullptr) models.push_back(entry.model);
    }
    spare = state_->shelf.spare(coming);
  }
  const auto sharers = static_cast<int64_t>(models.size()) + (coming > 0 ? 1 : 0);
  for (const Model& model : models) source_.limit(*model, spare / sharers);
}

void ModelRegistry::load(const std::string& name) {
  ModelCard card;
  int64_t bytes = 0, share = 0;
  {
    const std::lock_guard lock(state_->mutex);
    card = state_->entries.at(name).card;
    bytes = state_->shelf.bytes(name);
    if (bytes == 0) return;  // nobody waits any more
    share = state_->shelf.spare(bytes) / static_cast<int64_t>(state_->shelf.loaded().size() + 1);
  }
  share_spare(bytes);
  const auto start = Clock::now();
  Model model = source_.load(card, share);
  {
    const std::lock_guard lock(state_->mutex);
    Entry& entry = state_->entries.at(name);
    entry.model = std::move(model);
    ++entry.loads;
    state_->shelf.measured(name, bytes);  // which is forgotten where all have left meanwhile
    state_->shelf.loaded(name, state_->now());
  }
  if (log_) log_(fmt::format("model={} loaded seconds={:.3f} bytes={}", name, seconds_since(start), bytes));
}

void ModelRegistry::unload(const std::string& name) {
  Model model;
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->shelf.unloaded(name)) return;
    Entry& entry = state_->entries.at(name);
    model = std::move(entry.model);
    ++entry.unloads;
    state_->working.clear();  // where its files are gone, who looks from here on finds that it is, too
  }
  model.reset();
  trim_heap();  // of its tokenizer and masks
  if (log_) log_(fmt::format("model={} unloaded", name));
  share_spare(0);
}

void ModelRegistry::refuse(const std::string& name, const std::string& why) {
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopped) return;  // those who wait are let go as they are
    waiters.swap(state_->entries.at(name).waiters);
    state_->shelf.refused(name);
  }
  if (log_) log_(fmt::format("model={} not loaded: {}", name, why));
  for (const Waiter& waiter : waiters) waiter.then(Failure{"", fmt::format("'{}' cannot be loaded: {}", name, why)});
  share_spare(0);
}

}  // namespace gemma::serve
