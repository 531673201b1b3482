// SPDX-License-Identifier: Apache-2.0
// The models of a server: which there are, and those that are loaded. One thread of its own loads and unloads them, as
// the shelf decides (model_shelf.h), so that neither workers nor the engines wait for that.
//
//   if (auto model = models.take(name)) ...                        // loaded: it stays as long as the pointer does
//   const auto ticket = models.ticket();
//   models.want(name, ticket, [](auto found) { ... });  // called when it is, or with why it cannot be
//   if (models.forget(ticket)) ...                      // nobody waits any more, and nobody is called
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "serve/model_card.h"
#include "serve/model_shelf.h"

namespace gemma::serve {

struct ServedModel;

/** How models are found and loaded. list() comes from one thread at a time, the others from one, too. */
struct ModelSource {
  /** What there is now. The same for a name as long as its files are. */
  std::function<std::vector<ModelCard>()> list;
  /** What it takes at least: weights, a step, the cache of its context. Fails. */
  std::function<int64_t(const ModelCard& card)> least_bytes;
  /** With so many bytes more for its cache. Fails. */
  std::function<std::shared_ptr<ServedModel>(const ModelCard& card, int64_t spare)> load;
  /** Other bytes more, from here on. Returns when they are kept. */
  std::function<void(ServedModel& model, int64_t spare)> limit;
};

struct ModelState {
  ModelCard card;
  bool loaded = false;
  int64_t bytes = 0;              // that it takes at least, while it is loaded
  std::optional<double> seconds;  // until it is unloaded, if nobody asks for it
  int64_t loads = 0, unloads = 0;
};

/** Why a model is not loaded that needs more bytes than all have together. */
std::string no_room(int64_t needed, int64_t found);

class ModelRegistry {
 public:
  using Model = std::shared_ptr<ServedModel>;
  using Then = std::function<void(Result<Model>)>;

  /** now: the clock; log: a line about each that is loaded or unloaded; may be empty. */
  ModelRegistry(ModelSource source, ModelShelf::Options options, std::function<void(const std::string&)> log = {},
                std::function<Clock::time_point()> now = Clock::now);
  ~ModelRegistry() { stop(); }
  /** Loads and unloads nothing any more, forgets who waits and lets go of all models. */
  void stop();

  /** The first of all, for who names none. Loaded by the caller, it is not unloaded for idleness; null: not loaded yet.
   */
  void put_first(ModelCard card, Model model, int64_t bytes);
  /** Looks again what there is. Where that cannot be said, what is known stays. */
  void scan();

  // Any thread.
  /** "" where there is none. */
  std::string first() const;
  bool knows(const std::string& name) const;
  std::optional<ModelState> find(const std::string& name) const;
  /** By name, but for the first. */
  std::vector<ModelState> models() const;
  /** Null where it is not loaded, or makes way for another. */
  Model take(const std::string& name);
  /** How long one that is loaded stays when nobody asks for it, as ModelShelf::keep(). */
  bool keep(const std::string& name, Clock::duration idle);
  /** For one who is going to wait; no two have the same. */
  int64_t ticket();
  /** `then` is called once, on the registry's thread. False, and it is not, where `most` wait already. */
  bool want(const std::string& name, int64_t ticket, Then then, int64_t most = std::numeric_limits<int64_t>::max());
  /** False: nobody waits with this ticket, for its `then` is being called, or has been. A model that is being loaded
   *  goes on being loaded. */
  bool forget(int64_t ticket);

 private:
  struct State;
  std::optional<std::vector<ModelCard>> look();
  void run();
  void step(const ModelShelf::Step& step);
  void serve(const std::string& name);
  void measure(const std::string& name);
  void load(const std::string& name);
  void unload(const std::string& name);
  void refuse(const std::string& name, const std::string& why);
  void share_spare(int64_t coming);

  const ModelSource source_;
  const std::function<void(const std::string&)> log_;
  std::shared_ptr<State> state_;  // with those who have taken a model
  std::thread thread_;
};

}  // namespace gemma::serve
