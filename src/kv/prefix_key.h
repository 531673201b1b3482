// SPDX-License-Identifier: Apache-2.0
// What a sequence holds, as far as it decides the content of pages. Compared whole, not by a hash of it: prefixes of
// two prompts are equal or not, and nobody can make up two that collide.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gemma {

/** A run of media rows in a prompt: soft tokens share one id, so ids alone would confuse two pictures. */
struct PrefixMedia {
  int64_t first = 0, rows = 0;
  bool bidirectional = false;
  uint64_t content = 0;  // hash of what the run shows; 0: equal to nothing
};

/** A text that somebody else keeps. */
struct PrefixView {
  std::span<const int32_t> tokens;
  std::span<const PrefixMedia> media;  // rising, apart
  uint64_t salt = 0;                   // adapter, key of the caller: equal, or nothing is shared
};

struct PrefixKey {
  std::vector<int32_t> tokens;
  std::vector<PrefixMedia> media;
  uint64_t salt = 0;
  operator PrefixView() const { return {tokens, media, salt}; }
};

/** `length`, or the start of the block that it cuts: rows of a block that see one another are kept together. */
int64_t before_block(std::span<const PrefixMedia> media, int64_t length);

/** How many of `tokens`, which stand at `begin` with the runs `media` among them, are also those of `text` there. Runs
 *  end what is common unless they are equal as a whole; what stands before `begin` is not looked at. */
int64_t common_tokens(std::span<const int32_t> tokens, std::span<const PrefixMedia> media, const PrefixView& text,
                      int64_t begin);

/** What two texts have in common from their first token on, ending before a block of `b` that it would cut; nothing
 *  when their salts differ. */
int64_t common_prefix(const PrefixView& a, const PrefixView& b);

}  // namespace gemma
