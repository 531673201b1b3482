// SPDX-License-Identifier: Apache-2.0
// A small vocabulary, and walks through what a mask allows of it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/tiny_tokenizer.h"
#include "grammar/grammar.h"

namespace gemma {

constexpr int32_t kStop = 0, kOther = 1;  // control pieces
constexpr int kClosers = 8;               // ids below end what is open, where they may come at all

/** Two control pieces, what ends things, then letters and pieces of several; byte pieces behind them. */
inline std::shared_ptr<const Tokenizer> letters() {
  std::vector<std::pair<std::string, Tiny>> pieces{{"<turn|>", Tiny::control}, {"<|image|>", Tiny::control}};
  for (const char* piece : {"\"", "]", "}", "0", "a", "n"}) pieces.emplace_back(piece, Tiny::normal);
  for (const char* piece :
       {"[",    "{",    ",",   ":",   "b",   "u",     "d",  "8",   "C",    "1",   "2",    "7",     "-",
        ".",    "e",    "t",   "\\",  "/",   "`",     "▁",  "▁▁",  "\",",  "\":", "{\"",  "},",    "true",
        "null", "json", "```", "box", "_2d", "label", "00", "\\u", "\\\"", "é",   "日本", "\":\"", "[["}) {
    pieces.emplace_back(piece, Tiny::normal);
  }
  pieces.emplace_back("\n\n", Tiny::user_defined);
  return tiny_tokenizer(pieces);
}

inline int words_of(int vocab) { return (vocab + 31) / 32; }
inline bool has(const std::vector<uint32_t>& bits, int32_t id) {
  return (bits[static_cast<size_t>(id / 32)] >> (id % 32) & 1) != 0;
}

struct Walker {
  std::shared_ptr<const Tokenizer> tokenizer = letters();
  int vocab = tokenizer->size() + 3;  // the head has rows without a piece
  Grammars grammars{tokenizer, vocab, {kStop}};

  std::vector<uint32_t> bits_of(TokenMask& mask) const {
    std::vector<uint32_t> bits(static_cast<size_t>(words_of(vocab)));
    mask.fill(bits);
    return bits;
  }
  std::vector<int32_t> allowed(TokenMask& mask) const {
    const std::vector<uint32_t> bits = bits_of(mask);
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < vocab; ++id) {
      if (has(bits, id)) ids.push_back(id);
    }
    return ids;
  }
  std::shared_ptr<const Grammar> grammar(std::string_view schema, Fence fence = Fence::none) {
    auto made = grammars.json(parse_json(schema).value(), fence);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.failure().message());
    return made.value();
  }
  /** Draws until the mask is finished; from `hurry` tokens on what ends things comes first. */
  std::string walk(TokenMask& mask, std::mt19937& random, int hurry = 60) const {
    std::string text;
    for (int i = 0; !mask.finished() && i < 4000; ++i) {
      const std::vector<int32_t> ids = allowed(mask);
      if (ids.empty()) return text + " <- nothing may come";
      const int32_t id = i >= hurry && ids[0] < kClosers ? ids[0] : ids[random() % ids.size()];
      if (id == kOther || id >= tokenizer->size()) return text + " <- a control piece may come";
      if (!mask.accept(id)) return text + " <- refused what was allowed";
      text += tokenizer->bytes(id);
    }
    return mask.finished() ? text : text + " <- no end";
  }
};

}  // namespace gemma
