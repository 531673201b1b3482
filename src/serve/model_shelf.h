// SPDX-License-Identifier: Apache-2.0
// Which of several models are loaded. Decides, and does nothing itself: it has no threads and no clock.
//
// A model is loaded when somebody asks for it, in the order of asking. Where there is no room, those that were used
// longest ago make way, the idle ones at once; one that is being used takes no new requests until it is free, so that
// nobody waits for ever. Those that nobody has asked for within some time are unloaded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace gemma::serve {

class ModelShelf {
 public:
  using Time = Clock::time_point;
  struct Options {
    int64_t budget = 0;                   // bytes of all that are loaded
    std::optional<Clock::duration> idle;  // after which one is unloaded; none: never
  };
  explicit ModelShelf(Options options) : options_(options) {}

  /** Whether it may be used now: it is loaded and makes way for nobody. Then give_back() follows. */
  bool take(const std::string& name, Time now);
  void give_back(const std::string& name, Time now);
  /** Somebody waits for it, or does not any more. */
  void want(const std::string& name);
  void forget(const std::string& name);

  enum class Do : uint8_t { nothing, serve, measure, load, unload, refuse };
  struct Step {
    Do what = Do::nothing;
    std::string name = {};
    std::optional<Time> until = {};  // of nothing: when it is worth to ask again, whatever happens
  };
  /** What is to be done next; until it has been said how that went, this gives nothing else. serve: the model may be
   *  taken by who waits. refuse: it never fits. */
  Step next(Time now);

  /** What it takes at least. */
  void measured(const std::string& name, int64_t bytes) { models_[name].bytes = bytes; }
  void loaded(const std::string& name, Time now);
  /** It is unloaded; false: somebody has taken it meanwhile. */
  bool unloaded(const std::string& name);
  /** Who waited has been told. */
  void refused(const std::string& name);
  /** It is not unloaded for idleness. */
  void keep(const std::string& name) { models_[name].kept = true; }
  /** One that is loaded is unloaded after so long, instead of Options::idle, until it is loaded anew; the longest that
   *  there is: never. False: it stays whatever is said. */
  bool keep(const std::string& name, Clock::duration idle);

  bool is_loaded(const std::string& name) const;
  std::vector<std::string> loaded() const;
  int64_t bytes(const std::string& name) const;
  int64_t budget() const { return options_.budget; }
  /** What all that are loaded leave of the budget, with `coming` beside them; 0 where that is nothing. */
  int64_t spare(int64_t coming = 0) const;
  /** When it goes if nobody asks; none: it stays. */
  std::optional<Time> goes_at(const std::string& name) const;

 private:
  struct Entry {
    bool loaded = false, kept = false;
    bool leaving = false;  // makes way for another as soon as it is free
    int64_t bytes = 0;     // 0: not known
    int users = 0, waiting = 0;
    int64_t asked = 0;  // when somebody began to wait, as a number that rises
    Time used;
    std::optional<Clock::duration> idle;  // its own, instead of that of all
  };
  using Each = std::map<std::string, Entry>::value_type;

  Each* oldest_wanted();
  std::vector<Each*> in_the_way_of(int64_t bytes);

  const Options options_;
  std::map<std::string, Entry> models_;
  int64_t asked_ = 0;
};

}  // namespace gemma::serve
