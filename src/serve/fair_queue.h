// SPDX-License-Identifier: Apache-2.0
// FairQueue: work of several keys, of which the one is next that has the least being done, of those the one that has
// waited longest since it came or since something of it was done; of its work the oldest. Who brings much waits for
// itself. Without threads and locks.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace gemma::serve {

template <class Work>
class FairQueue {
 public:
  void add(const std::string& key, Work work) {
    const auto [at, fresh] = lines_.try_emplace(key);
    if (fresh) at->second.since = ++now_;
    at->second.waiting.push_back(std::move(work));
  }

  /** What is to be done next, and whose it is, until done(key); nothing when nothing waits. */
  std::optional<std::pair<std::string, Work>> take() {
    auto next = lines_.end();
    for (auto at = lines_.begin(); at != lines_.end(); ++at) {
      if (at->second.waiting.empty()) continue;
      if (next == lines_.end() || at->second.before(next->second)) next = at;
    }
    if (next == lines_.end()) return std::nullopt;
    Line& line = next->second;
    std::pair<std::string, Work> taken(next->first, std::move(line.waiting.front()));
    line.waiting.pop_front();
    ++line.running;
    return taken;
  }

  void done(const std::string& key) {
    const auto at = lines_.find(key);
    Line& line = at->second;
    --line.running;
    line.since = ++now_;
    if (line.running == 0 && line.waiting.empty()) lines_.erase(at);
  }

  bool empty() const {
    for (const auto& [key, line] : lines_) {
      if (!line.waiting.empty()) return false;
    }
    return true;
  }

 private:
  struct Line {
    std::deque<Work> waiting;
    int running = 0;
    int64_t since = 0;  // when it came, or something of it was done last
    bool before(const Line& other) const { return std::tie(running, since) < std::tie(other.running, other.since); }
  };

  std::map<std::string, Line> lines_;  // of keys that have something waiting or running
  int64_t now_ = 0;
};

}  // namespace gemma::serve
