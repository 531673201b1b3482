// SPDX-License-Identifier: Apache-2.0
// What the ids of a vocabulary spell in running text, in the order of their bytes, so that a walk over all of them
// takes each beginning that they share once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace gemma {

class TokenTexts {
 public:
  /** vocab: rows of the model's head; pieces beyond them are left out, and so are control pieces. */
  TokenTexts(const Tokenizer& tokenizer, int vocab);

  /** The bytes of all texts as a tree, each before those that follow it. Without what is in no UTF-8. */
  struct Node {
    uint32_t end;    // behind the last node that follows it
    int32_t id;      // whose text ends here; -1 for none
    uint16_t depth;  // bytes up to here
    uint8_t byte;
  };
  std::span<const Node> tree() const { return tree_; }
  size_t longest() const { return longest_; }  // bytes of a text
  std::string_view text(int32_t id) const;

  int vocab() const { return vocab_; }
  size_t words() const { return static_cast<size_t>((vocab_ + 31) / 32); }  // of a mask

 private:
  struct Place {
    uint32_t begin = 0, size = 0;
  };
  void grow(const std::vector<std::string>& texts, const std::vector<int32_t>& ids);

  int vocab_;
  std::string bytes_;
  size_t longest_ = 0;
  std::vector<Node> tree_;
  std::vector<Place> places_;  // in bytes_, of each id; empty where it has no text
};

}  // namespace gemma
