// SPDX-License-Identifier: Apache-2.0
// For tests of this module: a tokenizer of a few pieces, in the order given, byte pieces behind them.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace gemma {

enum class Tiny : uint8_t { normal, control, user_defined };

inline std::shared_ptr<const Tokenizer> tiny_tokenizer(const std::vector<std::pair<std::string, Tiny>>& pieces) {
  json::object vocab;
  json::array added;
  for (const auto& [piece, kind] : pieces) {
    const auto id = static_cast<int64_t>(vocab.size());
    if (kind != Tiny::normal) {
      added.push_back({{"id", id}, {"content", piece}, {"special", kind == Tiny::control}, {"normalized", false}});
    }
    vocab[piece] = id;
  }
  for (int byte = 0; byte < 256; ++byte) vocab[fmt::format("<0x{:02X}>", byte)] = static_cast<int64_t>(vocab.size());
  const json::value file{
      {"added_tokens", added},
      {"normalizer", {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}},
      {"model", {{"type", "BPE"}, {"byte_fallback", true}, {"vocab", vocab}, {"merges", json::array()}}}};
  return Tokenizer::from_json("tiny", json::serialize(file));
}

}  // namespace gemma
