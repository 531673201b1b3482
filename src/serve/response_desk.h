// SPDX-License-Identifier: Apache-2.0
// Where responses are that outlive their requests: those that are kept, and those that are made in the background.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "serve/generation.h"
#include "serve/response_store.h"
#include "serve/workers.h"

namespace gemma::serve {

class ResponseDesk {
 public:
  /** log: what went wrong while nobody was there to hear it; may be empty. */
  ResponseDesk(std::shared_ptr<StateFile> state, int64_t most_bytes, std::function<void(const std::string&)> log)
      : store_(std::move(state), most_bytes), log_(std::move(log)) {}

  ResponseStore& store() { return store_; }
  /** Before the last who holds it lets go, which may be its own thread. What waits to be kept is not. */
  void stop() { writer_.stop(); }

  /** Keeps it, soon, then calls `tell` with whether that went well, on a thread that may wait for the disk. */
  void keep(StoredResponse response, std::function<void(bool kept)> tell) {
    writer_.post([this, response = std::move(response), tell = std::move(tell)] {
      const auto failure = store_.put(response);
      if (failure && log_) log_("response " + response.id + " is not kept: " + failure->reason);
      if (tell) tell(!failure);
    });
  }
  /** Of one in the background: that it has begun. */
  void keep_begun(StoredResponse response) {
    writer_.post([this, response = std::move(response)] {
      if (known(response.id)) store_.put(response);  // else it was cancelled meanwhile
    });
  }
  /** Forgets it, soon, then calls `tell`, with why not where it is still there. */
  void forget(const std::string& id, const std::string& owner, std::function<void(std::optional<Failure>)> tell) {
    writer_.post([this, id, owner, tell = std::move(tell)] {
      const auto removed = store_.remove(id, owner);
      if (!removed && log_) log_("response " + id + " is not deleted: " + removed.failure().reason);
      tell(removed ? std::nullopt : std::optional(removed.failure()));
    });
  }

  // Those in the background: begun, over (nothing comes of them any more), gone (what came of them is kept).
  void begin(const std::string& id, std::weak_ptr<Generation> generation) {
    const std::lock_guard lock(mutex_);
    running_[id] = {std::move(generation), false};
  }
  /** Whether it was not over before. */
  bool over(const std::string& id) {
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(id);
    return found != running_.end() && !std::exchange(found->second.over, true);
  }
  void gone(const std::string& id) {
    const std::lock_guard lock(mutex_);
    running_.erase(id);
  }
  /** Not of one that is lost, since its end could not be kept. */
  bool known(const std::string& id) {
    const std::lock_guard lock(mutex_);
    return running_.contains(id);
  }
  /** Whether one is on its way, or what came of it is not kept yet. */
  bool busy() {
    const std::lock_guard lock(mutex_);
    return !running_.empty();
  }
  /** The same as over(), and stops it: then it is gone as well. */
  bool cancel(const std::string& id) {
    std::shared_ptr<Generation> generation;
    {
      const std::lock_guard lock(mutex_);
      const auto found = running_.find(id);
      if (found == running_.end() || found->second.over) return false;
      generation = found->second.generation.lock();
      running_.erase(found);
    }
    if (generation) generation->cancel();
    return true;
  }

 private:
  struct Running {
    std::weak_ptr<Generation> generation;
    bool over = false;
  };

  ResponseStore store_;
  const std::function<void(const std::string&)> log_;
  std::mutex mutex_;
  std::map<std::string, Running> running_;
  Workers writer_{1};  // goes first
};

}  // namespace gemma::serve
