// SPDX-License-Identifier: Apache-2.0
// What the ids of a vocabulary spell in running text, in the order of their bytes, so that a walk over all of them
// takes each beginning that they share once.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace gemma {

class TokenTexts {
 public:
  /** vocab: rows of the model's head; pieces beyond them are left out, and so are control pieces. */
  TokenTexts(const Tokenizer& tokenizer, int vocab);

  struct Token {
    int32_t id;
    uint32_t begin;      // of its bytes
    uint16_t size;       // how many
    uint16_t shared;     // with the token before it
    uint32_t below_end;  // behind the last token that begins with this one
  };
  std::span<const Token> sorted() const { return sorted_; }
  /** The bytes of all texts as a tree, each before those that follow it. Without what is in no UTF-8. */
  struct Node {
    uint32_t end;    // behind the last node that follows it
    int32_t id;      // whose text ends here; -1 for none
    uint16_t depth;  // bytes up to here
    uint8_t byte;
  };
  std::span<const Node> tree() const { return tree_; }
  const char* bytes() const { return bytes_.data(); }
  size_t longest() const { return longest_; }  // bytes of a text
  std::string_view text(int32_t id) const;

  int vocab() const { return vocab_; }
  size_t words() const { return static_cast<size_t>((vocab_ + 31) / 32); }  // of a mask
  /** Characters of an id whose text is whole ones; 0 for others. */
  int characters(int32_t id) const { return characters_[static_cast<size_t>(id)]; }
  /** The ids of whole characters, at most so many. */
  const std::vector<uint32_t>& up_to(int64_t characters) const;
  /** Those that open a list or an object of JSON. */
  const std::vector<uint32_t>& braces() const { return braces_; }
  /** How many texts begin with such a byte. */
  size_t beginning_with(uint8_t byte) const { return beginning_with_[byte]; }
  /** The id that is this one byte, -1 where there is none. */
  int32_t byte(uint8_t value) const { return byte_ids_[value]; }

 private:
  void sort(const std::vector<std::string>& texts);
  void grow();

  int vocab_;
  std::string bytes_;
  size_t longest_ = 0;
  std::vector<Token> sorted_;
  std::vector<Node> tree_;
  std::vector<uint32_t> place_;  // in sorted_, of each id; none where it has no text
  std::vector<uint16_t> characters_;
  std::vector<std::vector<uint32_t>> up_to_;
  std::vector<uint32_t> braces_;
  std::array<int32_t, 256> byte_ids_;
  std::array<size_t, 256> beginning_with_{};
};

}  // namespace gemma
