// SPDX-License-Identifier: Apache-2.0
// Pictures, sound and film that were decoded, found again by the bytes of their files: in a conversation each comes
// with every request. Those that were used least lately are let go when there are more than so many bytes.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

#include "exchange/media.h"

namespace gemma::serve {

class DecodedMedia {
 public:
  explicit DecodedMedia(int64_t byte_limit) : byte_limit_(byte_limit) {}

  /** SHA-256 of all that decides what comes out: nobody can make two that are the same. */
  using Key = std::array<unsigned char, 32>;
  /** how: the settings, and for whom, as text; no part of the file. */
  static Key key_of(std::string_view how, std::string_view file);

  /** Null where it is not there. Any thread, as all here. */
  std::shared_ptr<const Media> find(const Key& key);
  void add(const Key& key, std::shared_ptr<const Media> media);

  struct Stats {
    int64_t added = 0, found = 0, bytes = 0;
  };
  Stats stats() const;

 private:
  struct Kept {
    Key key;
    std::shared_ptr<const Media> media;
    int64_t bytes;
  };

  const int64_t byte_limit_;
  mutable std::mutex mutex_;
  std::list<Kept> kept_;  // the one used last first
  std::map<Key, std::list<Kept>::iterator> places_;
  Stats stats_;
};

}  // namespace gemma::serve
