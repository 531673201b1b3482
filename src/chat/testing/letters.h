// SPDX-License-Identifier: Apache-2.0
// A tokenizer for tests of prompts.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "text/tokenizer.h"

namespace gemma {

/** A tokenizer of single letters, the pair "\nx", the bytes, and `controls`. */
inline std::shared_ptr<const Tokenizer> letters(std::span<const std::string_view> controls) {
  json::object vocab;
  json::array added;
  const auto add = [&](std::string_view piece) { vocab[piece] = static_cast<int64_t>(vocab.size()); };
  const auto add_control = [&](std::string_view piece) {
    added.push_back({{"id", vocab.size()}, {"content", piece}, {"special", true}, {"normalized", false}});
    add(piece);
  };
  for (std::string_view control : controls) add_control(control);
  add_control("<unk>");
  for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte));
  for (char c = ' ' + 1; c < 127; ++c) add(std::string(1, c));
  for (std::string_view piece : {"\n", "\u2581", "\nx"}) add(piece);
  const json::object blanks = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  const json::object model = {{"type", "BPE"},         {"unk_token", "<unk>"},
                              {"byte_fallback", true}, {"fuse_unk", true},
                              {"vocab", vocab},        {"merges", json::array{json::array{"\n", "x"}}}};
  return Tokenizer::from_json(
      "letters", write_json(json::object{
                     {"added_tokens", added}, {"normalizer", blanks}, {"pre_tokenizer", nullptr}, {"model", model}}));
}

}  // namespace gemma
