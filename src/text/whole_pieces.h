// SPDX-License-Identifier: Apache-2.0
// Pieces that are taken whole where they stand in a text (added tokens of tokenizer.json, control and user-defined
// pieces of a GGUF), before the rest is cut into letters.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace gemma {

/** A set of spellings and the search for them: leftmost, and of those that start there the longest. */
class WholePieces {
 public:
  WholePieces();

  void add(std::string_view piece, int32_t id, bool control);
  bool empty() const { return nodes_.size() == 1; }

  struct Match {
    size_t begin = 0, end = 0;  // in the text; begin == text.size() when there is none
    int32_t id = -1;
  };
  /** The first piece at or after `from`. With Specials::text a control piece is a match like any other, but is passed
   *  over: its letters stay text, and nothing shorter is looked for within them (what `tokenizers` does). */
  Match next(std::string_view text, size_t from, Specials specials) const;

 private:
  struct Node {
    int32_t id = -1;  // the piece that ends here
    int32_t child = -1, sibling = -1;
    char byte = 0;
    bool control = false;
  };
  int32_t child_of(int32_t node, char byte) const;

  std::vector<Node> nodes_;          // a trie; children are linked lists
  std::array<int32_t, 256> starts_;  // the root's children by byte
};

}  // namespace gemma
