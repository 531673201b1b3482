// SPDX-License-Identifier: Apache-2.0
// What is counted of a server, as text for Prometheus (exposition format 0.0.4).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "exchange/exchange.h"
#include "grammar/grammar.h"
#include "serve/decoded_media.h"
#include "serve/engine_thread.h"
#include "serve/model_registry.h"

namespace gemma::serve {

class Metrics {
 public:
  /** A request has been answered, whole. `path`: of the route, so that there are only so many. */
  void request(const std::string& path, int status, double seconds);
  void answer(const Answer& answer);
  /** So many answers more, or fewer, have been asked for and have not begun. */
  void waits(int64_t more) { waiting_.fetch_add(more); }
  /** A request has got its grammar. Whether it is the first one: then it was compiled for it. */
  bool grammar(const std::shared_ptr<const Grammar>& grammar);

  /** With what the engines, the connections and the models say of themselves. */
  std::string text(const EngineStats& stats, const DecodedMedia::Stats& media, CacheBytes cache, int connections,
                   int64_t lost_lines, const std::vector<ModelState>& models) const;

 private:
  struct Histogram {
    std::array<int64_t, 14> counts{};  // by bound, the last is all
    double sum = 0;
    void add(double value);
  };
  static void write(std::string& out, const char* name, const char* help, const Histogram& histogram);

  std::atomic<int64_t> waiting_{0};
  mutable std::mutex mutex_;  // of the rest
  std::map<std::pair<std::string, int>, int64_t> requests_;
  std::map<std::string, int64_t> finishes_;
  Histogram request_seconds_, first_token_seconds_, token_seconds_, grammar_seconds_;
  std::set<std::weak_ptr<const Grammar>, std::owner_less<>> grammars_;  // that are kept somewhere
  int64_t grammars_found_ = 0;
};

}  // namespace gemma::serve
