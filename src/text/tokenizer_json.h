// SPDX-License-Identifier: Apache-2.0
// Reading the text of a tokenizer.json. A quarter of a million pieces and half a million merges are taken as they pass,
// without a JSON value for each; the rest of the file becomes an ordinary value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/joins.h"
#include "text/vocabulary.h"

namespace gemma {

struct TokenizerJson {
  struct Piece {
    Vocabulary::Span span;  // in `letters`
    int64_t id = 0;
  };
  json::value rest;  // the whole, with null for model.vocab and model.merges
  std::string letters;
  std::vector<Piece> pieces;  // model.vocab, in file order
  MergeList merges;           // model.merges, either spelling: ["a", "b"] or "a b"
};

/** Fails when the text is no JSON, too deep, or vocab or merges are not what they must be. */
TokenizerJson read_tokenizer_json(std::string_view where, std::string_view text);

}  // namespace gemma
