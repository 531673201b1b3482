// SPDX-License-Identifier: Apache-2.0
// Who may ask: keys as a file holds them, by their SHA-256, so that the file gives none away.
//
//   # name   sha256 of the key                  what is otherwise than usual
//   alice    9f86d081884c7d659a2feaa0c55ad0...   rate=60
//   bob      60303ae22b998861bce3b28f33eec1...   scope=models,metrics
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma::serve {

/** What a key is for. generate: answers; models: what is served, tokens; metrics. */
enum class Scope : uint8_t { generate, models, metrics };

struct Key {
  std::string name;
  std::array<unsigned char, 32> hash{};
  std::vector<Scope> scopes{Scope::generate, Scope::models};
  int per_minute = 0;  // requests; 0: no limit
  uint64_t salt = 0;   // what one key has cached no other finds; never 0. Follows from `name` and the process' hash key
  bool may(Scope scope) const;
};

class Keys {
 public:
  /** Fails with file and line, and when there is none in it, or when others may read the file. */
  static Keys read(const std::string& path);
  /** Makes a key, shows it, since it is nowhere else, and adds its line to the file, which is made for its owner alone.
   *  What `show` throws leaves the file as it was. */
  static void add(const std::string& path, const std::string& name,
                  const std::function<void(const std::string&)>& show);

  Keys(Keys&& other) noexcept : keys_(std::move(other.keys_)) {}
  /** The keys of `other` instead of these, from the next request on; how many requests a name has had is known still.
   */
  void replace(Keys other);

  /** In a time that says nothing of how much of a key was right. Null: none is that. */
  std::shared_ptr<const Key> find(std::string_view secret) const;
  /** Counts a request; else the seconds until the next one may come. */
  std::optional<int> wait_for(const Key& key);

 private:
  using List = std::vector<std::shared_ptr<const Key>>;
  explicit Keys(List keys) : keys_(std::move(keys)) {}
  using Clock = std::chrono::steady_clock;
  struct Bucket {
    double left = 0;
    Clock::time_point filled;
  };

  mutable std::mutex mutex_;  // of both
  List keys_;
  std::map<std::string, Bucket> buckets_;  // by name
};

}  // namespace gemma::serve
